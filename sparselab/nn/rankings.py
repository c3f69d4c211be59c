"""Labels of samples as a checked matrix, and the best labels of each sample by their scores."""

import numpy as np
from scipy import sparse

from ..datasets.targets import as_labels, check_targets
from ..kernels.largest import keep_best
from ..utils import checks

BLOCK = 2**22  # scores that are ranked at a time


def label_matrix(y, name):
    """Labels (n, labels) as a CSR of 1 alone; TypeError or ValueError unless each is 0 or 1."""
    if not sparse.issparse(y):
        y = as_labels(y, name)
        if y.ndim != 2 or y.dtype.kind not in "iufb":
            checks.fail(name, y, "0 and 1, an array or sparse matrix of shape (n, labels)", TypeError)
        y = sparse.csr_array(y if y.dtype.kind in "iub" else y.astype(np.float64))
    if 0 in y.shape:
        checks.fail(f"{name}.shape", y.shape, "(n, labels), neither of them 0")
    return check_targets(y, y.shape[0], name)[0]


def best_labels(predicted, shape, k):
    """The k best labels (n, k), checked, of `predicted` as for AtK; shape: (n, labels)."""
    if np.ma.is_masked(predicted):
        checks.fail("predicted", predicted, "without masked values")
    found, (n, n_labels) = np.asarray(predicted), shape
    if k > n_labels:
        checks.fail("k", k, f"at most {n_labels}, the number of labels")
    if found.ndim != 2 or found.dtype.kind not in "iuf" or len(found) != n:
        checks.fail("predicted", found, f"labels ({n}, k), whole numbers, or scores ({n}, {n_labels}), floats", TypeError)
    if found.dtype.kind == "f":
        if found.shape[1] != n_labels or np.isnan(found).any():
            checks.fail("predicted", found, f"scores of shape ({n}, {n_labels}), not NaN; labels must be whole numbers")
        return best_of(found.astype(np.float32 if found.dtype.itemsize <= 4 else np.float64, copy=False), k)[0]
    if found.shape[1] < k:
        checks.fail("predicted.shape", found.shape, f"({n}, {k}) or more columns, the best labels of each sample")
    found = found[:, :k].astype(np.int64)
    ordered = np.sort(found, axis=1)
    if ordered[:, 0].min() < 0 or ordered[:, -1].max() >= n_labels or (ordered[:, 1:] == ordered[:, :-1]).any():
        checks.fail("predicted", found, f"different labels of each sample, in [0, {n_labels})")
    return found


def best_of(scores, k):
    """The k highest scores of each row, highest first and among equals the first ones: (columns (n, k) int64, scores (n, k))."""
    n, width = scores.shape
    columns, best, size = np.empty((n, k), np.int64), np.empty((n, k), scores.dtype), max(1, BLOCK // width)
    for first in range(0, n, size):
        tile = np.ascontiguousarray(scores[first : first + size].T)
        keep_best(tile, 0, tile.shape[1], first, columns, best)
    return columns, best


def is_label(y, labels):
    """Which of the labels (n, k) each sample has; y: as `label_matrix` returns it."""
    n, n_labels = y.shape
    places = np.repeat(np.arange(n), np.diff(y.indptr)) * n_labels + y.indices  # sorted
    wanted = np.arange(n)[:, None] * n_labels + labels
    found = np.minimum(np.searchsorted(places, wanted), max(0, len(places) - 1))
    return places[found] == wanted if len(places) else np.zeros(wanted.shape, bool)
