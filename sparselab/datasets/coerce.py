"""Converts the data that a user passes to training into what the kernels read; everything is validated once."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from scipy import sparse

from ..utils import checks
from .dataset import Dataset
from .targets import as_labels, check_targets
from .validation import check_features

REGRESSIONS = {  # losses of numbers, by name and by class
    "mean_squared_error", "MeanSquaredError", "mean_absolute_error", "MeanAbsoluteError", "huber", "HuberLoss", "poisson",
    "PoissonLoss", "quantile", "QuantileLoss",
}  # fmt: skip
BINARY = {"binary_cross_entropy", "BinaryCrossEntropy", "squared_hinge", "SquaredHinge"}  # losses of 0 and 1


def as_dataset(data, model, loss=None, *, new_classes=False):
    """Return a Dataset from a Dataset, (X, y) or (X, y, X_test, y_test), with arrays of the model's dtype.

    Labels in a tuple are those of `model.classes`, or codes (`are_codes`). Where the model has none they are the numbers of its
    outputs, whole numbers in [0, n_out), of which some may not occur; or, with `new_classes`, labels of any kind, which are coded
    in sorted order. y with several columns or with fractions are the numbers of a regression (or labels 0 and 1 of a binary
    loss), as are those for a net with one output and a loss of regressions.
    """
    if is_dataset(data):
        return with_codes_of(data, model.classes, new_classes)
    if sparse.issparse(data[1]):
        return Dataset.from_arrays(*data, dtype=model.dtype, task="regression")
    y, n_out = as_labels(data[1]), model.sizes[-1]
    if is_regression(y, n_out, loss):
        return Dataset.from_arrays(*data, dtype=model.dtype, task="regression")
    classes = model.classes
    if classes is None and are_outputs(y, n_out) and not (new_classes and y.min() == y.max()):  # one class: refused below
        classes = np.arange(n_out)
    if classes is not None:
        labelled = [
            labels_of(as_labels(part, "y_test" if place == 3 else "y"), classes) if place % 2 and part is not None else part
            for place, part in enumerate(data)
        ]
        with remedy(classes, *labelled[1::2], new_classes=new_classes):
            return Dataset.from_arrays(*labelled, dtype=model.dtype, classes=classes)
    made = Dataset.from_arrays(*data, dtype=model.dtype)
    if not new_classes:
        allowed = f"the numbers of the net's outputs, 0 … {n_out - 1}; model.classes = … says which label each output stands for"
        checks.fail("y", made.classes.tolist(), allowed)
    return made


def weighted(data, sample_weight, class_weight):
    """The Dataset with these weights; with its own where both are None."""
    return data if sample_weight is None and class_weight is None else data.with_weights(sample_weight, class_weight)


def given_dataset(data):
    """Return a Dataset given in place of a config's: itself, or made of (X, y) or (X, y, X_test, y_test); None for None."""
    return data if data is None or is_dataset(data) else Dataset.from_arrays(*data)


def is_dataset(data):
    """True for a Dataset, False for a tuple or list of arrays; TypeError for anything else."""
    if hasattr(data, "X_train") and hasattr(data, "y_train"):
        return True
    if isinstance(data, tuple | list) and len(data) in (2, 4):
        return False
    checks.fail("data", type(data).__name__, "a Dataset, (X, y) or (X, y, X_test, y_test)", TypeError)


def is_regression(y, n_out, loss):
    """Whether y, an array, holds the numbers of a regression and not labels."""
    if y.dtype.kind not in "iufb" or y.ndim == 0:
        return False
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    if y.ndim == 2:  # one-hot rows are refused, because they may be meant as labels
        several = n_out > 1 and (name in BINARY or not checks.is_one_hot(y))
        return y.shape[1] == n_out and (name in REGRESSIONS or several)
    single = n_out == 1 and name in REGRESSIONS
    return single or (y.dtype.kind == "f" and bool(np.any(y != np.floor(y))) and bool(np.isfinite(y).all()) and n_out == 1)


def are_outputs(y, n_out):
    """Whether y is a vector of whole numbers in [0, n_out), which number the outputs of a net with several."""
    if y.ndim != 1 or not len(y) or y.dtype.kind not in "biuf" or n_out < 2:
        return False
    return bool(y.min() >= 0 and y.max() < n_out and np.all(y == np.floor(y)))


def are_codes(y, classes):
    """Whether y are numbers of outputs rather than labels: whole numbers in [0, k), where none of the k classes is such a number.

    A class may have its own number as its name. Text that reads as a number counts as one.
    """
    if y.dtype.kind == "b" or not are_outputs(y, len(classes)):
        return False
    return not any(number_of(label) in range(len(classes)) and number_of(label) != i for i, label in enumerate(classes.tolist()))


def number_of(label):
    """A label as a number; None for text that is none."""
    try:
        return float(label)
    except ValueError:
        return None


def labels_of(y, classes):
    """y, an array, with its codes, if it has codes, as labels."""
    return classes[y.astype(np.int64)] if are_codes(y, classes) else y


@contextmanager
def remedy(classes, *parts, new_classes=False):
    """Add what helps to the error that a label is unknown.

    parts: the labels, arrays or None; new_classes: whether others could be learned.
    """
    try:
        yield
    except ValueError as error:
        if "trained on" not in str(error):
            raise
        codes = any(y is not None and are_outputs(as_labels(y), len(classes)) for y in parts)
        ways_out = ["data.decode(codes) makes labels of a Dataset's codes"] * codes
        ways_out += ["model.classes = None lets the net learn other labels"] * new_classes
        raise ValueError("; ".join([str(error), *ways_out])) from None


def as_targets(y, model, loss=None):
    """Return y as the numbers of a regression, or as labels that are numbers of the model's outputs; TypeError for others."""
    if sparse.issparse(y):
        return check_targets(y, y.shape[0])[0]
    y = as_labels(y)
    if y.ndim == 1 and not is_regression(y, model.sizes[-1], loss):
        if model.classes is not None:
            with remedy(model.classes, y):
                return check_targets(labels_of(y, model.classes), len(y), classes=model.classes)[0]
        y = y.astype(np.int64) if are_outputs(y, model.sizes[-1]) else y
    if y.ndim == 0 or y.dtype.kind not in ("biuf" if y.ndim == 2 else "iuf"):
        checks.fail("y", y, "an array of labels or targets, one for each row of X", TypeError)
    return y


def with_codes_of(data, classes, new_classes=False):
    """A Dataset whose codes are those of the model's classes, if it has some; ValueError for classes that it does not know.

    Names for all outputs of a net that was trained on their numbers are in the order of these numbers.
    """
    if classes is None or data.classes is None or np.array_equal(data.classes, classes):
        return data
    are_names = data.classes.dtype.kind not in "biuf" and len(data.classes) == len(classes)
    if are_names and np.array_equal(classes, np.arange(len(classes))):
        return data
    labels = labels_of(np.asarray(data.classes), classes)
    with remedy(classes, new_classes=new_classes):
        codes, _ = check_targets(labels, len(labels), "data.classes", classes=classes)
    recode = lambda y: None if y is None else codes[y]
    return replace(data, y_train=recode(data.y_train), y_test=recode(data.y_test), classes=classes)


def remember_classes(model, data):
    """Set `model.classes` to those of a Dataset that is trained on; where they are numbers of outputs, to all of these."""
    if data.classes is not None:
        are_numbers = np.array_equal(data.classes, np.arange(len(data.classes)))
        model.classes = np.arange(model.sizes[-1]) if are_numbers and len(data.classes) < model.sizes[-1] else data.classes


def as_features(name, X, model):
    """Return validated features (n, n_in) in the model's dtype, as a C-contiguous array or a canonical CSR matrix."""
    X = check_features(X, name, dtype=model.dtype)
    if X.shape[1] != model.sizes[0]:
        raise ValueError(f"{name} has {X.shape[1]} features: must be {model.sizes[0]}, the net's inputs")
    return X
