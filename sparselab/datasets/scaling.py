"""Standardisation by the training set's mean and deviation, in place and in blocks, so that no second copy is needed.

A sparse matrix is only divided by the deviation: taking the mean away would turn its zeros into numbers.
"""

import numpy as np
from scipy import sparse

from ..utils.csr import check_finite

BLOCK_BYTES = 2**20


def standardise(X_train, X_test=None):
    """Scale both parts IN PLACE with the training part's mean and deviation (float64 inside).

    Dense: (x - mean) / deviation; features constant in training become 0 everywhere.
    CSR: x / deviation, zeros stay zeros; features constant in training become 0.
    Raises ValueError where a value of the test part no longer fits the dtype.
    """
    scale = _scale_sparse if sparse.issparse(X_train) else _scale_dense
    parts = [part for part in (X_train, X_test) if part is not None]
    scale(parts)
    for part, name in zip(parts, ("X", "X_test"), strict=False):
        values = part.data if sparse.issparse(part) else part
        check_finite(values, values, f"standardised {name}")


def _scale_dense(parts):
    mean, factor = moments(parts[0])
    for part in parts:
        for rows, centred in _centred(part, mean):
            with np.errstate(over="ignore"):
                np.multiply(centred, factor, out=rows, casting="same_kind")


def moments(X):
    """(mean, 1 / deviation) of each feature, float64 (features,); 0 in place of 1 / 0 for constant features."""
    mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in blocks(X)) / len(X)
    variance = sum(np.square(centred, out=centred).sum(axis=0) for _, centred in _centred(X, mean)) / len(X)
    return mean, _inverse_deviation(variance, X.min(axis=0) == X.max(axis=0))


def _centred(X, mean):
    """(rows, rows - mean) for each block, the latter in ONE float64 buffer: a new one each time costs five times more."""
    scratch = np.empty(blocks(X)[0].shape)
    for rows in blocks(X):
        yield rows, np.subtract(rows, mean, out=scratch[: len(rows)])


def sparse_moments(X):
    """The same of a CSR matrix, zeros counted, without making it dense."""
    n_samples, n_features = X.shape
    mean = _per_feature(X, X.data) / n_samples
    n_zeros = n_samples - _per_feature(X, np.ones_like(X.data))
    variance = (_per_feature(X, np.square(X.data - mean[X.indices])) + n_zeros * np.square(mean)) / n_samples
    lowest, highest = (extreme(axis=0).toarray().ravel() for extreme in (X.min, X.max))
    return mean, _inverse_deviation(variance, lowest == highest)


def _scale_sparse(parts):
    _, factor = sparse_moments(parts[0])
    for part in parts:
        with np.errstate(over="ignore"):
            part.data *= factor[part.indices]


def _per_feature(X, values):
    return np.bincount(X.indices, weights=values, minlength=X.shape[1])


def _inverse_deviation(variance, constant):
    return np.divide(1.0, np.sqrt(variance), out=np.zeros_like(variance), where=~constant & (variance > 0))


def blocks(X):
    """Views of consecutive rows, each about BLOCK_BYTES when made float64."""
    step = max(1, BLOCK_BYTES // (8 * X.shape[1]))
    return [X[start : start + step] for start in range(0, len(X), step)]
