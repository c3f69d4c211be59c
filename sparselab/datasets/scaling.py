"""Standardisation by mean and standard deviation of the training set, in blocks, so that no float64 copy is needed.

A sparse matrix is only divided by the standard deviation, because subtracting the mean would make it dense; or multiplied by one
number (CommonScale), because dividing by deviations inflates rare features.
"""

import warnings

import numpy as np
from scipy import sparse

from ..utils.checks import fail, few
from ..utils.csr import check_finite

BLOCK_BYTES = 2**20
FEWEST_STEPS = 16  # of float32, over which the values of a column should be spread
ROW_NORM = 10.0


def check_scaling(standardise):
    """Raise TypeError or ValueError for anything but True, False or "auto"."""
    if not isinstance(standardise, bool | np.bool_) and not (isinstance(standardise, str) and standardise == "auto"):
        kind = ValueError if isinstance(standardise, str) else TypeError
        fail("standardise", standardise, 'True, False or "auto"', kind)


def by_one_number(X_train, X_test=None, dtype=np.float32):
    """Return new CSR matrices of both parts, multiplied by CommonScale's number for the training part, and this number.

    Raises ValueError if a value of the test part does not fit into the dtype.
    """
    scale = CommonScale().fit(X_train)
    scaled = [part if part is None else scale.transform(part, dtype) for part in (X_train, X_test)]
    for part, name in zip(scaled, ("X", "X_test"), strict=True):
        if part is not None:
            check_finite(part.data, part.data, f"scaled {name}")
    return *scaled, scale.factor_


def standardise(X_train, X_test=None, dtype=np.float32):
    """Return both parts scaled by mean and standard deviation of the training part, computed in float64.

    Dense: (x - mean) / deviation. CSR: x / deviation. Features that are constant in the training part become 0. A part of this
    dtype is scaled IN PLACE; of another one a scaled copy is returned, so that float64 features lose nothing before the mean is
    subtracted. Raises ValueError if a value of the test part does not fit into the dtype.
    """
    parts = [part for part in (X_train, X_test) if part is not None]
    mean, factor = sparse_moments(X_train) if sparse.issparse(X_train) else moments(X_train)
    scaled = [scaled_by(part, mean, factor, dtype, part if part.dtype == dtype else None) for part in parts]
    for part, name in zip(scaled, ("X", "X_test"), strict=False):
        values = part.data if sparse.issparse(part) else part
        check_finite(values, values, f"standardised {name}")
    return scaled[0], scaled[1] if X_test is not None else None


def scaled_by(X, mean, factor, dtype, out=None):
    """(X - mean) * factor in float64, rounded to `dtype` and written to `out` (X itself, or by default a new array).

    For a CSR matrix, X * factor.
    """
    with np.errstate(over="ignore", under="ignore"):
        if sparse.issparse(X):
            if out is X:
                X.data *= factor[X.indices]
                return X
            data = (X.data * factor[X.indices]).astype(dtype)
            return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)
        out = np.empty(X.shape, dtype) if out is None else out
        for (_, centred), rows in zip(_centred(X, mean), blocks(out), strict=True):
            np.multiply(centred, factor, out=rows, casting="same_kind")
    return out


def warn_of_lost_digits(X, name, dtype=np.float32):
    """Warn of columns of a dense float64 X that have hardly any different values left in `dtype`."""
    lowest, highest = X.min(axis=0), X.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.spacing(np.maximum(np.abs(lowest), np.abs(highest)).astype(dtype)).astype(np.float64)
        lost = np.flatnonzero((highest > lowest) & (highest - lowest < FEWEST_STEPS * steps))
    if len(lost):
        warnings.warn(
            f"{name}: columns {few(lost.tolist())} vary by less than {FEWEST_STEPS} steps of {np.dtype(dtype)} around their "
            f"values, as column {lost[0]} in [{lowest[lost[0]]}, {highest[lost[0]]}]: standardise=True keeps their differences, "
            "or subtract an offset first", stacklevel=4,
        )  # fmt: skip


class CommonScale:
    """Multiplies all features of sparse data by one number `factor_`, so that rows of the training part have length ROW_NORM.

    The length is the root of the mean square, in float64. Unlike division by the deviations it does not inflate rare features,
    and zeros stay zeros. ROW_NORM is what learned best on counts, TF-IDF and 8-bit images (`python -m benchmarks.defaults`).
    """

    def fit(self, X):
        """Choose the factor by CSR data; 1 where all values are 0. Returns self."""
        self.length_, self.n_samples_seen_ = 0.0, 0
        return self.partial_fit(X)

    def partial_fit(self, X):
        """Choose the factor by these data and those before. Returns self."""
        before, n = self.n_samples_seen_, self.n_samples_seen_ + X.shape[0]
        largest = float(np.abs(X.data).max(initial=0))  # squares of values divided by it neither overflow nor vanish
        square = np.square(np.divide(X.data, largest, dtype=np.float64)).sum() / X.shape[0] if largest else 0.0
        here = largest * np.sqrt(square)
        self.length_ = float(np.hypot(self.length_ * np.sqrt(before / n), here * np.sqrt(1 - before / n))) if before else here
        self.n_samples_seen_, self.factor_ = n, ROW_NORM / self.length_ if self.length_ else 1.0
        return self

    def transform(self, X, dtype=np.float32):
        """Return scaled data, sparse or dense, of this dtype."""
        with np.errstate(over="ignore", under="ignore"):
            if not sparse.issparse(X):
                return (X * np.float64(self.factor_)).astype(dtype)
            data = (X.data * np.float64(self.factor_)).astype(dtype)
        return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)


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


def _per_feature(X, values):
    return np.bincount(X.indices, weights=values, minlength=X.shape[1])


def _inverse_deviation(variance, constant):
    return np.divide(1.0, np.sqrt(variance), out=np.zeros_like(variance), where=~constant & (variance > 0))


def blocks(X):
    """Return views of consecutive rows, each of about BLOCK_BYTES when converted to float64."""
    step = max(1, BLOCK_BYTES // (8 * X.shape[1]))
    return [X[start : start + step] for start in range(0, len(X), step)]
