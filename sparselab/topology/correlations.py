"""Links where features are correlated most. The matrix of all correlations is computed in blocks of rows, and never stored."""

import numpy as np
import scipy.sparse

from ..utils import checks
from ..utils.largest import Largest
from .rewiring import rewire
from .topology import Topology

SAMPLES = 4096  # that are taken at a time
BLOCK = 2**22  # correlations that are computed at a time, or those of one row


def most_correlated(n_in, n_out, n_links, X, rng):
    """Draw a topology with the `n_links` largest |correlations| of features; uniform ones where too few are not 0.

    Output u and input v stand for features u and v modulo their number. Features that do not vary, and a feature with itself,
    have correlation 0. 2 samples · n_out · features operations, memory O(links + BLOCK + SAMPLES · features).
    """
    n_features = X.shape[1]
    X = in_range(X)
    mean, deviation = moments(X)
    scale = np.divide(1, deviation, out=np.zeros(n_features), where=deviation > 0)
    of_input, best = np.arange(n_in) % n_features, Largest(n_links)
    step = max(1, BLOCK // max(n_in, n_features))
    for begin in range(0, n_out, step):
        rows = np.arange(begin, min(begin + step, n_out)) % n_features
        size = np.abs(covariance(X, rows, mean) * scale[rows, None] * scale)
        size[np.arange(len(rows)), rows] = 0
        size = size.astype(np.float32)[:, of_input].ravel()  # rounded: those of (u, v) and (v, u) shall be equal
        size[size == 0] = -np.inf  # is no candidate
        best.offer(size, begin * n_in)
    topology = Topology.from_links(n_out, n_in, *np.divmod(best.places(), n_in))
    return rewire(topology, np.ones(topology.nnz, bool), n_links - topology.nnz, rng=rng).topology


def moments(X):
    """Mean and deviation of each feature; deviations that are rounding errors of the mean are 0."""
    mean = sum(np.asarray(part.sum(axis=0)).ravel() for part in parts(X)) / X.shape[0]
    if scipy.sparse.issparse(X):
        stored = np.bincount(X.indices, minlength=X.shape[1])
        of_stored = (np.bincount(part.indices, (part.data - mean[part.indices]) ** 2, X.shape[1]) for part in parts(X))
        square = (sum(of_stored) + (X.shape[0] - stored) * mean**2) / X.shape[0]
    else:
        square = sum(((part - mean) ** 2).sum(axis=0) for part in parts(X)) / X.shape[0]
    deviation = np.sqrt(np.maximum(square, 0))
    return mean, np.where(deviation > 1e-7 * np.abs(mean), deviation, 0)


def covariance(X, rows, mean):
    """Covariances (rows, features) of some features with all. Of sparse samples only the chosen ones are centred, which would be
    enough without rounding; what rounding adds to their sums is taken away again."""
    total, rest = np.zeros((len(rows), X.shape[1])), np.zeros(len(rows))
    for part in parts(X):
        is_sparse = scipy.sparse.issparse(part)
        chosen = (part[:, rows].toarray() if is_sparse else part[:, rows]) - mean[rows]
        rest += chosen.sum(axis=0)
        total += ((part if is_sparse else part - mean).T @ chosen).T
    return (total - np.outer(rest, mean) if scipy.sparse.issparse(X) else total) / X.shape[0]


def in_range(X):
    """Samples whose features are all multiplied by one power of 2, where squares would otherwise leave the range of floats."""
    largest = max((np.abs(part.data if scipy.sparse.issparse(part) else part).max(initial=0) for part in parts(X)), default=0)
    return X if not largest or 1e-100 < largest < 1e100 else X * np.ldexp(1.0, -int(np.frexp(largest)[1]))


def parts(X):
    """The samples, piece by piece, in float64."""
    for begin in range(0, X.shape[0], SAMPLES):
        part = X[begin : begin + SAMPLES]
        yield part.astype(np.float64) if scipy.sparse.issparse(part) else np.asarray(part, np.float64)


def check_samples(data):
    """Return features (n_samples, n_features) as an array, or as CSR; TypeError or ValueError for anything else."""
    X = data.tocsr() if scipy.sparse.issparse(data) else checks.as_array(data)
    if X.ndim != 2 or X.dtype.kind not in "buif" or 0 in X.shape:
        shown = f"{X.dtype} array of shape {X.shape}"
        checks.fail(
            "data",
            shown,
            "finite numbers of shape (n_samples, n_features), without labels",
            TypeError if X.ndim != 2 else ValueError,
        )
    if scipy.sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    for part in parts(X):
        if not checks.all_finite(part.data if scipy.sparse.issparse(part) else part.ravel()):
            raise ValueError("data: must be finite")
    return X
