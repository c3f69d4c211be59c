"""From what a user hands to training to what kernels may read: everything passes the datasets' gate once."""

from dataclasses import replace

import numpy as np

from ..utils import checks
from .dataset import Dataset
from .validation import check_features


def as_dataset(data, model):
    """A Dataset from a Dataset, (X, y) or (X, y, X_test, y_test), the arrays taken over in the model's dtype.

    Whole-number labels that are outputs of the net already, 0 … n_out − 1, stay as they are even where some do not occur.
    """
    if hasattr(data, "X_train") and hasattr(data, "y_train"):
        return data
    if isinstance(data, tuple | list) and len(data) in (2, 4):
        made = Dataset.from_arrays(*data, dtype=model.dtype)
        return with_labels_as_outputs(made, model.sizes[-1])
    checks.fail("data", type(data).__name__, "a Dataset, (X, y) or (X, y, X_test, y_test)", TypeError)


def with_labels_as_outputs(data, n_out):
    """The dataset with codes replaced by the labels themselves, where these are whole numbers in [0, n_out)."""
    classes = data.classes
    if classes is None or classes.dtype.kind not in "iu" or classes[0] < 0 or classes[-1] >= n_out:
        return data
    decode = lambda y: None if y is None else classes[y].astype(np.int64)
    return replace(data, y_train=decode(data.y_train), y_test=decode(data.y_test), classes=np.arange(n_out))


def as_features(name, X, model):
    """X (n, features) in the model's dtype, dense C-contiguous or clean CSR, as many features as the net has inputs."""
    X = check_features(X, name, dtype=model.dtype)
    if X.shape[1] != model.sizes[0]:
        raise ValueError(f"{name} has {X.shape[1]} features: must be {model.sizes[0]}, the net's inputs")
    return X
