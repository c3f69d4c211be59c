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
SAMPLE = 1000  # rows
SMALLEST_VARIANCE = 1e-280  # that squares of float64 keep their digits for
ROUNDING = 64  # steps of float64 that may come from its own arithmetic
ROW_NORM = 10.0


def check_scaling(standardise, *names):
    """Raise TypeError or ValueError for anything but True, False, "auto" or one of `names`."""
    names = ("auto", *names)
    if not isinstance(standardise, bool | np.bool_) and not (isinstance(standardise, str) and standardise in names):
        kind, shown = ValueError if isinstance(standardise, str) else TypeError, ["True", "False", *(f'"{n}"' for n in names)]
        fail("standardise", standardise, f"{', '.join(shown[:-1])} or {shown[-1]}", kind)


def by_one_number(X_train, X_test=None, dtype=np.float32):
    """Return new CSR matrices of both parts, multiplied by CommonScale's number for the training part, and this number.

    Raises ValueError if a value of the test part does not fit into the dtype.
    """
    scale = CommonScale().fit(X_train)
    if X_train.dtype != dtype:
        warn_of_lost_digits(scale.transform(X_train, X_train.dtype), "X", dtype)
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
    """Warn of columns of X, dense or CSR, whose values have hardly any differences left in `dtype`.

    These are columns whose whole range is narrow, and columns most of whose values are too close to each other, as times in
    seconds are beside a few zeros. The latter are looked for in at most SAMPLE rows.
    """
    lowest, highest = (extreme(axis=0) for extreme in (X.min, X.max))
    lowest, highest = (end.toarray().ravel() if sparse.issparse(X) else end for end in (lowest, highest))
    width = highest.astype(object) - lowest.astype(object) if X.dtype.kind in "iu" else highest - lowest  # int64 may overflow
    largest = np.maximum(np.abs(lowest.astype(np.float64)), np.abs(highest.astype(np.float64)))
    with np.errstate(over="ignore", invalid="ignore"):
        lost = (highest > lowest) & (width.astype(np.float64) < FEWEST_STEPS * steps_of(largest, dtype))
        lost[are_close(X, lowest, dtype)] = True
    lost = np.flatnonzero(lost)
    if len(lost):
        keeps = "standardise=True keeps their differences, or " if dtype == np.float32 else ""
        one = lost[0]
        warnings.warn(
            f"{name}: columns {few(lost.tolist())} vary by less than {FEWEST_STEPS} steps of {np.dtype(dtype)} around most of "
            f"their values, as column {one} in [{lowest[one]}, {highest[one]}]: {keeps}subtract an offset first", stacklevel=4,
        )  # fmt: skip


def warn_of_extreme_numbers(X, name):
    """Warn of columns of a float64 X, dense or CSR, whose deviation vanishes because squares of its numbers are 0 or infinite."""
    lowest, highest = (extreme(axis=0) for extreme in (X.min, X.max))
    lowest, highest = (end.toarray().ravel() if sparse.issparse(X) else end for end in (lowest, highest))
    largest, limit = np.maximum(np.abs(lowest), np.abs(highest)), np.sqrt(SMALLEST_VARIANCE)
    lost = np.flatnonzero((lowest != highest) & ((largest < limit) | (largest > 1 / limit)))
    if len(lost):
        warnings.warn(
            f"{name}: the deviation of columns {few(lost.tolist())} vanishes in {X.dtype}, as of column {lost[0]} in "
            f"[{lowest[lost[0]]}, {highest[lost[0]]}]: multiply them by a number first", stacklevel=5,
        )  # fmt: skip


def steps_of(values, dtype):
    """The distances of these float64 numbers, in `dtype`, to the next larger ones."""
    return np.spacing(np.abs(values).astype(dtype)).astype(np.float64)


def are_close(X, lowest, dtype):
    """Columns whose values differ, but by their deviation or in their middle half by a few steps of `dtype`.

    Differences as small as the rounding of X itself, and values that `dtype` holds exactly, do not count. Of a CSR matrix, only
    columns are looked at that have hardly any zeros.
    """
    rows, columns = np.unique(np.linspace(0, X.shape[0] - 1, SAMPLE).astype(np.int64)), np.arange(X.shape[1])
    sample = X[rows]
    if sparse.issparse(X):
        columns = np.flatnonzero(np.bincount(sample.indices, minlength=X.shape[1]) >= 0.75 * len(rows))
        sample = sample[:, columns].toarray()
    if not len(columns):
        return columns
    wide = sample.dtype if sample.dtype.kind == "f" else np.dtype(np.uint64 if sample.dtype.kind == "u" else np.int64)
    sample, lowest = sample.astype(wide), lowest[columns].astype(wide)
    exact = (sample.astype(dtype).astype(wide) == sample).all(axis=0)
    above = sample - lowest  # of int64, modulo 2^64
    above = (above if wide.kind == "f" else above.view(np.uint64)).astype(np.float64)
    first, middle, third = np.percentile(above, [25, 50, 75], axis=0)
    measures = (
        (third - first, np.abs(lowest + middle), FEWEST_STEPS / 2),
        (above.std(axis=0), np.abs(sample).max(axis=0), FEWEST_STEPS / 4),
    )
    found = np.zeros(len(columns), bool)
    for spread, at, few_steps in measures:
        noise = ROUNDING * np.spacing(at.astype(wide)).astype(np.float64) if wide.kind == "f" else 0
        found |= (spread > noise) & (spread < few_steps * steps_of(at.astype(np.float64), dtype))
    return columns[found & ~exact]


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
            data = np.empty(X.data.shape, dtype)
            np.multiply(X.data, np.float64(self.factor_), out=data, dtype=np.float64, casting="same_kind")
        return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)


def moments(X):
    """Return mean and 1 / deviation of each feature, (features,) float64; for constant features 0 instead of 1 / 0."""
    lowest, highest = X.min(axis=0), X.max(axis=0)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in blocks(X)) / len(X)
        variance = sum(np.square(centred, out=centred).sum(axis=0) for _, centred in _centred(X, mean)) / len(X)
    return _with_extreme(X, mean, variance, lowest, highest, moments)


def _centred(X, mean):
    """Yield (rows, rows - mean) for each block; all differences share one float64 buffer, because allocations are slow."""
    scratch = np.empty(blocks(X)[0].shape)
    for rows in blocks(X):
        yield rows, np.subtract(rows, mean, out=scratch[: len(rows)])


def sparse_moments(X):
    """Return the same for a CSR matrix, including its zeros, without making it dense."""
    n_samples, n_features = X.shape
    lowest, highest = (extreme(axis=0).toarray().ravel() for extreme in (X.min, X.max))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        mean = _per_feature(X, X.data) / n_samples
        n_zeros = n_samples - _per_feature(X, np.ones_like(X.data))
        variance = (_per_feature(X, np.square(X.data - mean[X.indices])) + n_zeros * np.square(mean)) / n_samples
    return _with_extreme(X, mean, variance, lowest, highest, sparse_moments)


def _with_extreme(X, mean, variance, lowest, highest, moments_of):
    """(mean, 1 / deviation), where squares of very large or very small values of float64 neither overflow nor vanish."""
    factor = _inverse_deviation(variance, lowest == highest)
    extreme = np.flatnonzero((lowest != highest) & ~((variance > SMALLEST_VARIANCE) & (variance < 1 / SMALLEST_VARIANCE)))
    if len(extreme):
        largest = np.maximum(np.abs(lowest[extreme]), np.abs(highest[extreme])).astype(np.float64)
        unit = np.exp2(np.clip(np.floor(np.log2(largest)), -1000, 1000))
        part = X[:, extreme].astype(np.float64)
        part = sparse.csr_array(part @ sparse.diags_array(1 / unit)) if sparse.issparse(X) else part / unit
        of_part = moments_of(part)  # all numbers are about 1 now
        with np.errstate(over="ignore"):
            mean[extreme], factor[extreme] = of_part[0] * unit, of_part[1] / unit
    return mean, factor


def _per_feature(X, values):
    return np.bincount(X.indices, weights=values, minlength=X.shape[1])


def _inverse_deviation(variance, constant):
    return np.divide(1.0, np.sqrt(variance), out=np.zeros_like(variance), where=~constant & (variance > 0))


def blocks(X):
    """Return views of consecutive rows, each of about BLOCK_BYTES when converted to float64."""
    step = max(1, BLOCK_BYTES // (8 * X.shape[1]))
    return [X[start : start + step] for start in range(0, len(X), step)]
