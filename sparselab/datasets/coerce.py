"""Converts the data that a user passes to training into what the kernels read; everything is validated once."""

from dataclasses import replace

import numpy as np

from ..utils import checks
from .dataset import Dataset
from .validation import check_features


def as_dataset(data, model):
    """Return a Dataset from a Dataset, (X, y) or (X, y, X_test, y_test), with arrays of the model's dtype.

    Whole-number labels in [0, n_out) are used as numbers of the network's outputs, even if some of these do not occur.
    """
    if hasattr(data, "X_train") and hasattr(data, "y_train"):
        return data
    if isinstance(data, tuple | list) and len(data) in (2, 4):
        made = Dataset.from_arrays(*data, dtype=model.dtype)
        return with_labels_as_outputs(made, model.sizes[-1])
    checks.fail("data", type(data).__name__, "a Dataset, (X, y) or (X, y, X_test, y_test)", TypeError)


def with_labels_as_outputs(data, n_out):
    """Replace the codes of classes by the labels themselves where these are whole numbers in [0, n_out)."""
    classes = data.classes
    if classes is None or classes.dtype.kind not in "iu" or classes[0] < 0 or classes[-1] >= n_out:
        return data
    decode = lambda y: None if y is None else classes[y].astype(np.int64)
    return replace(data, y_train=decode(data.y_train), y_test=decode(data.y_test), classes=np.arange(n_out))


def as_features(name, X, model):
    """Return validated features (n, n_in) in the model's dtype, as a C-contiguous array or a canonical CSR matrix."""
    X = check_features(X, name, dtype=model.dtype)
    if X.shape[1] != model.sizes[0]:
        raise ValueError(f"{name} has {X.shape[1]} features: must be {model.sizes[0]}, the net's inputs")
    return X
