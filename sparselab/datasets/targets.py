"""Validation of y: labels of any type become codes 0..k-1, which can be decoded again; numbers to predict stay numbers.

Targets that a classifier cannot use are rejected here: NaN, fractions, a single class, labels that training has not seen.
"""

import numbers
import warnings

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from ..utils.checks import choice, fail, shown
from ..utils.csr import as_csr, check_finite, check_kind

TASKS = ("classification", "regression")
LABEL_TYPES = (str, bytes, (numbers.Real, np.bool_))
MAX_LABEL = 2**16  # bytes of a label


def check_targets(
    y: ArrayLike,
    n_samples: int,
    name: str = "y",
    *,
    task: str = "classification",
    classes: NDArray[np.generic] | None = None,
    dtype: DTypeLike = np.float32,
) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Validate targets and convert them to what training uses.

    Parameters
    ----------
    y : array_like
        For a classification one label a sample: strings, bools or whole numbers. For a regression numbers (samples,) or
        (samples, outputs). A sparse matrix (samples, labels) of 0 and 1 says which of several labels a sample has.
    n_samples : int
        Number of samples.
    name : str, default "y"
        Name of the argument in error messages.
    task : {"classification", "regression"}, default "classification"
        What the targets are for.
    classes : ndarray, optional
        The labels seen in training, in the order of their codes; then other labels are rejected, and a single class is allowed.
    dtype : {"float32", "float64"}, default float32
        Type of the numbers of a regression.

    Returns
    -------
    targets : ndarray
        Codes (n_samples,) int64 of the labels, or numbers (n_samples, outputs); a csr_array of a sparse matrix.
    classes : ndarray or None
        The labels (k,), by default sorted, so that label i is classes[code i]; None for a regression.

    Raises
    ------
    TypeError, ValueError
        If a label, the length or the dtype is not allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> codes, classes = sl.datasets.check_targets(["no", "yes", "no"], 3)
    >>> codes.tolist(), classes.tolist()
    ([0, 1, 0], ['no', 'yes'])
    """
    choice("task", task, TASKS)
    if sparse.issparse(y):
        return _label_sets(y, n_samples, name), None
    values = as_labels(y, name)
    _check_length(values, n_samples, name)
    if task == "regression":
        return _numbers(values, name, dtype), None
    labels = _labels(_as_column(values, name), name)
    return (_known(labels, classes, name), classes) if classes is not None else _encode(labels, name)


def _label_sets(y, n_samples, name):
    """Several labels a sample, a sparse matrix of 0 and 1, as a CSR of 1 alone."""
    if y.ndim != 2:
        fail(f"{name}.shape", y.shape, f"({n_samples}, labels), one row for each sample of X")
    found = as_csr(y, name)
    if found.shape[0] != n_samples:
        fail(f"{name}.shape", found.shape, f"({n_samples}, labels), one row for each sample of X")
    wrong = (found.data != 0) & (found.data != 1)
    if wrong.any():
        fail(f"{name}.data[{int(np.argmax(wrong))}]", found.data[wrong][0].item(), "0 or 1: each column is a label")
    if not found.data.all():
        found = found.copy()  # the caller's arrays stay as they are
        found.eliminate_zeros()
    return sparse.csr_array((found.data.astype(np.uint8), found.indices, found.indptr), shape=found.shape)


def as_labels(y, name="y"):
    """Return y as an array; a list of both strings and numbers becomes an array of objects (numpy would convert all to strings).

    Masked entries are rejected because numpy would drop the mask. Raises ValueError or TypeError naming what y is.
    """
    if y is None:
        fail(name, y, "the labels or numbers to predict, one for each sample")
    if isinstance(y, str | bytes | dict | set) or not (hasattr(y, "__array__") or hasattr(y, "__len__")):
        fail(name, y, f"an array, a list or a series with one entry a sample, not {type(y)}", TypeError)
    if callable(getattr(y, "isna", None)) and (missing := np.asarray(y.isna())).ndim == 1 and missing.any():
        fail(f"{name}[{int(np.argmax(missing))}]", None, "given, not a missing value: drop such samples, or fill them")
    if np.ma.is_masked(y):
        fail(name, y, "without masked values: fill or drop them")
    try:
        values = np.asarray(y)
    except (ValueError, TypeError, RuntimeError) as error:
        fail(name, y, f"one entry a sample ({str(error)[:120]})")
    one = bytes if values.dtype.kind == "S" else str
    if values.dtype.kind in "US" and isinstance(y, list | tuple) and not all(isinstance(v, one) for v in y):
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
    """Return the targets of a regression, (samples, outputs)."""
    check_kind(f"{name}.dtype", values.dtype)
    if values.ndim > 2 or 0 in values.shape:
        fail(f"{name}.shape", values.shape, "(samples,) or (samples, outputs)")
    with np.errstate(over="ignore"):
        result = np.require(values, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])
    check_finite(result, values, name)
    return result.reshape(len(result), -1)


def _labels(values, name):
    """Return labels as an array that can be sorted: bool, integer, whole floats or strings."""
    if values.dtype.kind in "OT":
        values = _from_objects(values, name)
    if values.dtype.kind not in "biufUS":
        fail(f"{name}.dtype", values.dtype, "labels: strings, integers or bool", TypeError)
    if values.dtype.kind == "f":
        _check_whole(values, name)
    return values


def _from_objects(values, name):
    """Convert objects that are all strings or all numbers to an array of that type; the error names the first other one."""
    items = values.tolist()
    for kind in LABEL_TYPES:
        if all(isinstance(item, kind) for item in items):
            return np.asarray(items)
    family = next((kind for kind in LABEL_TYPES if isinstance(items[0], kind)), ())
    i = next(i for i, item in enumerate(items) if not isinstance(item, family))
    other = items[0] if i else items[-1]
    fail(f"{name}[{i}]", items[i], f"a label like the others, {shown(other)}: all strings or numbers", TypeError)


def _check_whole(values, name):
    check_finite(values, values, name)
    broken = values != np.floor(values)
    if broken.any():
        i = int(np.argmax(broken))
        fail(f"{name}[{i}]", float(values[i]), 'a label: a classifier needs classes; for numbers use task="regression"')


def _encode(labels, name):
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        fail(name, classes[0].item(), "at least two classes (there is 1 class only)")
    return codes.reshape(-1).astype(np.int64), classes


def as_classes(classes, n_out, name="classes"):
    """Labels of the outputs 0, 1, … as an array; TypeError or ValueError unless they are at most n_out of one kind and differ.

    One output may stand for two labels, of which it tells the second from the first.
    """
    n_out = max(n_out, 2)
    labels = _labels(_as_column(as_labels(classes, name), name), name)
    longest = MAX_LABEL // np.dtype("U1").itemsize
    if not 0 < len(labels) <= n_out or len(np.unique(labels)) < len(labels) or labels.dtype.itemsize > MAX_LABEL:
        fail(name, labels.tolist(), f"1 to {n_out} labels that differ, one for each output, of at most {longest} characters")
    return labels


def _known(labels, classes, name):
    """Return the codes of `labels`, which are their positions in `classes`."""
    if _family(labels) != _family(classes):
        fail(f"{name}.dtype", labels.dtype, f"labels like those trained on: {shown(classes.tolist())}")
    order = np.argsort(classes)
    codes = order[np.minimum(np.searchsorted(classes, labels, sorter=order), len(classes) - 1)]
    unseen = classes[codes] != labels
    if unseen.any():
        i = int(np.argmax(unseen))
        known = shown(classes.tolist())
        fail(f"{name}[{i}]", labels[i].item(), f"one of the {len(classes)} labels trained on: {known}")
    return codes.astype(np.int64)


def _family(labels):
    """Return the family of the labels' type; only labels of one family can be compared: strings, bytes or numbers."""
    return labels.dtype.kind if labels.dtype.kind in "US" else "number"
