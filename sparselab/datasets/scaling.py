"""Standardisation by mean and standard deviation of the training set, in place and in blocks, so that no copy is needed.

A sparse matrix is only divided by the standard deviation: subtracting the mean would make it dense.
"""

import numpy as np
from scipy import sparse

from ..utils.csr import check_finite

BLOCK_BYTES = 2**20
ROW_NORM = 10.0


def standardise(X_train, X_test=None):
    """Scale both parts IN PLACE by mean and standard deviation of the training part, computed in float64.

    Dense: (x - mean) / deviation. CSR: x / deviation. Features that are constant in the training part become 0.
    Raises ValueError if a value of the test part no longer fits into the dtype.
    """
    scale = _scale_sparse if sparse.issparse(X_train) else _scale_dense
    parts = [part for part in (X_train, X_test) if part is not None]
    scale(parts)
    for part, name in zip(parts, ("X", "X_test"), strict=False):
        values = part.data if sparse.issparse(part) else part
        check_finite(values, values, f"standardised {name}")


class CommonScale:
    """Multiplies all features of sparse data by one number `factor_`, so that rows of the training part have length ROW_NORM.

    The length is the root of the mean square, in float64. Unlike division by the deviations it does not inflate rare features,
    and zeros stay zeros. ROW_NORM is what learned best on counts, TF-IDF and 8-bit images (`python -m benchmarks.defaults`).
    """

    def fit(self, X):
        """Choose the factor by CSR data; 1 where all values are 0. Returns self."""
        largest = float(np.abs(X.data).max(initial=0))  # squares of values divided by it neither overflow nor vanish
        square = np.square(X.data / largest, dtype=np.float64).sum() / X.shape[0] if largest else 1.0
        self.factor_ = ROW_NORM / np.sqrt(square) / largest if largest else 1.0
        return self

    def transform(self, X):
        """Return scaled data of the same dtype."""
        scaled = X.copy()
        scaled.data = (X.data * np.float64(self.factor_)).astype(X.dtype)
        return scaled


def _scale_dense(parts):
    mean, factor = moments(parts[0])
    for part in parts:
        for rows, centred in _centred(part, mean):
            with np.errstate(over="ignore"):
                np.multiply(centred, factor, out=rows, casting="same_kind")


def moments(X):
    """Return mean and 1 / deviation of each feature, (features,) float64; for constant features 0 instead of 1 / 0."""
    mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in blocks(X)) / len(X)
    variance = sum(np.square(centred, out=centred).sum(axis=0) for _, centred in _centred(X, mean)) / len(X)
    return mean, _inverse_deviation(variance, X.min(axis=0) == X.max(axis=0))


def _centred(X, mean):
    """Yield (rows, rows - mean) for each block; all differences share one float64 buffer, because allocations are slow."""
    scratch = np.empty(blocks(X)[0].shape)
    for rows in blocks(X):
        yield rows, np.subtract(rows, mean, out=scratch[: len(rows)])


def sparse_moments(X):
    """Return the same for a CSR matrix, including its zeros, without making it dense."""
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
    """Return views of consecutive rows, each of about BLOCK_BYTES when converted to float64."""
    step = max(1, BLOCK_BYTES // (8 * X.shape[1]))
    return [X[start : start + step] for start in range(0, len(X), step)]
