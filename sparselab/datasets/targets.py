"""The gate for y: labels of any type become codes 0..k-1 and can be decoded again; numbers to predict stay numbers.

What a classifier cannot mean (NaN, 0.37, one class only, a label never trained on) is named here.
"""

import numbers
import warnings

import numpy as np

from ..utils.checks import choice, fail, shown
from ..utils.csr import check_finite, check_kind

TASKS = ("classification", "regression")
LABEL_TYPES = (str, bytes, (numbers.Real, np.bool_))


def check_targets(y, n_samples, name="y", *, task="classification", classes=None, dtype=np.float32):
    """Labels -> (codes (n_samples,) int64, classes (k,)); for regression -> (values (n_samples, outputs), None).

    `classes` are the sorted labels already known (then labels outside them are refused, and one class is enough).
    Raises ValueError or TypeError naming the label, the lengths or the dtype that does not fit.
    """
    choice("task", task, TASKS)
    values = as_labels(y, name)
    _check_length(values, n_samples, name)
    if task == "regression":
        return _numbers(values, name, dtype), None
    labels = _labels(_as_column(values, name), name)
    return (_known(labels, classes, name), classes) if classes is not None else _encode(labels, name)


def as_labels(y, name="y"):
    """An array; of a list of mixed strings and numbers one of objects, where numpy would make all of them strings.

    Masked entries are refused, for numpy forgets the mask. Raises ValueError or TypeError naming what y is.
    """
    if y is None:
        fail(name, y, "the labels or numbers to predict, one for each sample")
    if isinstance(y, str | bytes | dict | set) or not (hasattr(y, "__array__") or hasattr(y, "__len__")):
        fail(name, y, f"an array, a list or a series with one entry a sample, not {type(y)}", TypeError)
    if np.ma.is_masked(y):
        fail(name, y, "without masked values: fill or drop them")
    try:
        values = np.asarray(y)
    except (ValueError, TypeError, RuntimeError) as error:
        fail(name, y, f"one entry a sample ({str(error)[:120]})")
    if values.dtype.kind in "US" and isinstance(y, list | tuple) and any(not isinstance(v, str | bytes) for v in y):
        values = np.fromiter(y, object, len(y))
    return values


def _check_length(values, n_samples, name):
    if values.ndim == 0:
        fail(f"{name}.shape", values.shape, f"one entry for each of the {n_samples} samples")
    if len(values) != n_samples:
        fail(f"len({name})", len(values), f"{n_samples}, one entry for each sample of X")


def _as_column(values, name):
    if values.ndim == 2 and values.shape[1] == 1:
        warnings.warn(f"{name} is a column of shape {values.shape}: taken as {name}.ravel()", UserWarning, stacklevel=4)
        return values.ravel()
    if values.ndim != 1:
        fail(f"{name}.shape", values.shape, f"({len(values)},); one-hot rows become labels with {name}.argmax(axis=1)")
    return values


def _numbers(values, name, dtype):
    """Targets of a regression, (samples, outputs)."""
    check_kind(f"{name}.dtype", values.dtype)
    if values.ndim > 2 or 0 in values.shape:
        fail(f"{name}.shape", values.shape, "(samples,) or (samples, outputs)")
    with np.errstate(over="ignore"):
        result = np.require(values, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])
    check_finite(result, values, name)
    return result.reshape(len(result), -1)


def _labels(values, name):
    """Labels as an array that can be sorted: bool, integer, whole floats or strings."""
    if values.dtype.kind in "OT":
        values = _from_objects(values, name)
    if values.dtype.kind not in "biufUS":
        fail(f"{name}.dtype", values.dtype, "labels: strings, integers or bool", TypeError)
    if values.dtype.kind == "f":
        _check_whole(values, name)
    return values


def _from_objects(values, name):
    """Objects that are all strings or all numbers as an array of that type; the odd one out is named."""
    items = values.tolist()
    for kind in LABEL_TYPES:
        if all(isinstance(item, kind) for item in items):
            return np.asarray(items)
    family = next((kind for kind in LABEL_TYPES if isinstance(items[0], kind)), ())
    i = next(i for i, item in enumerate(items) if not isinstance(item, family))
    fail(f"{name}[{i}]", items[i], f"a label like the others, {shown(items[-i - 1])}: all strings or numbers", TypeError)


def _check_whole(values, name):
    check_finite(values, values, name)
    broken = values != np.floor(values)
    if broken.any():
        i = int(np.argmax(broken))
        fail(f"{name}[{i}]", float(values[i]), 'a label: a classifier needs classes; for numbers say task="regression"')


def _encode(labels, name):
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        fail(name, classes[0].item(), "at least two classes (there is 1 class only)")
    return codes.reshape(-1).astype(np.int64), classes


def _known(labels, classes, name):
    """Codes of `labels` in the sorted `classes`."""
    if _family(labels) != _family(classes):
        fail(f"{name}.dtype", labels.dtype, f"labels like those trained on: {shown(classes.tolist())}")
    codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    unseen = classes[codes] != labels
    if unseen.any():
        i = int(np.argmax(unseen))
        known = shown(classes.tolist())
        fail(f"{name}[{i}]", labels[i].item(), f"one of the {len(classes)} labels trained on: {known}")
    return codes.astype(np.int64)


def _family(labels):
    """Labels can be compared within a family: strings, bytes, numbers."""
    return labels.dtype.kind if labels.dtype.kind in "US" else "number"
