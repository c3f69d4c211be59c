"""The sparse half of the gate: a malformed CSR is refused with numpy before compiled code follows its indices.

scipy and scikit-learn trust these arrays: one wild column index there is a crash or a silently wrong number.
"""

import numpy as np
from scipy import sparse

from .checks import all_finite, fail


def check_csr(X, name="X"):
    """Refuse a CSR matrix whose raw arrays do not fit its shape; numpy only, nothing is written.

    Checks lengths, indptr from 0 to nnz without decreasing, every index within [0, columns), real finite data.
    Raises TypeError for wrong dtypes, else ValueError, as in "X.indices[5] = 1000000: must be a column in [0, 7]".
    """
    _check_compressed(X, *X.shape, name, "column")
    check_kind(f"{name}.data.dtype", X.data.dtype)
    check_finite(X.data, X.data, f"{name}.data")


def as_csr(X, name="X", dtype=np.float32, *, copy=False):
    """Any scipy.sparse format -> csr_array (samples, features): sorted, duplicates summed, indices int32 or int64.

    Memory is shared with X where X is such a CSR already (the values not with `copy`). X is never changed.
    Explicit zeros stay.
    """
    check_parts(X, name)
    X = X.tocsr()
    _check_compressed(X, *X.shape, name, "column")
    check_kind(f"{name}.data.dtype", X.data.dtype)
    indices, indptr = _integers(X.indices), _integers(X.indptr)
    values = _values(X.data, dtype, name)
    values = values.copy() if copy and np.may_share_memory(values, X.data) else values
    result = sparse.csr_array((values, indices, indptr), shape=X.shape)
    return result if result.has_canonical_format else _summed(X.data, indices, indptr, X.shape, dtype, name)


def check_kind(name, dtype):
    """Numbers of which float32 can be made: bool, integer, floating."""
    if dtype.kind not in "biuf":
        fail(name, dtype, "bool, integer or floating", TypeError)


def check_finite(values, original, name):
    """No NaN and no infinity in `values`, the converted `original` (same shape): the first one is named."""
    if all_finite(values.reshape(-1)):
        return
    place = _first_bad(values)
    if place is not None:
        value = original[place]
        why = "too large for float32" if np.isfinite(value) else "NaN" if np.isnan(value) else "infinity"
        fail(f"{name}[{', '.join(map(str, place))}]", float(value), f"a finite float32 number ({name} contains {why})")


def _first_bad(values, block=1024):
    """The index of the first value that is not finite, block by block, or None."""
    for start in range(0, len(values), block):
        bad = ~np.isfinite(values[start : start + block])
        if bad.any():
            row, *rest = np.unravel_index(np.argmax(bad), bad.shape)
            return (start + int(row), *map(int, rest))
    return None


def check_parts(X, name="X"):
    """Refuse a sparse matrix whose raw arrays do not fit its shape, before any conversion follows a wild index.

    Values are not looked at. Raises TypeError for wrong dtypes, else ValueError naming the array, the place and the value.
    """
    if len(X.shape) != 2:
        fail(f"{name}.shape", X.shape, "of two axes")
    rows, columns = X.shape
    if X.format == "csr":
        _check_compressed(X, rows, columns, name, "column")
    elif X.format == "csc":
        _check_compressed(X, columns, rows, name, "row")
    elif X.format == "bsr":
        _check_blocks(X, name)
    elif X.format == "coo":
        _check_coordinates(X, name)
    elif X.format == "lil":
        _check_lists(X, name)


def _check_compressed(X, n_major, n_minor, name, minor):
    """`indptr`, `indices` and `data` belong together: n_major slices over `minor`s in [0, n_minor)."""
    indptr, indices, data = X.indptr, X.indices, X.data
    for part, array in (("indptr", indptr), ("indices", indices)):
        _check_integers(array, f"{name}.{part}")
    _check_length(f"len({name}.indptr)", len(indptr), n_major + 1)
    _check_length(f"{name}.indptr[0]", int(indptr[0]), 0)
    falling = indptr[1:] < indptr[:-1]
    if falling.any():
        i = int(np.argmax(falling)) + 1
        fail(f"{name}.indptr[{i}]", int(indptr[i]), f"at least {name}.indptr[{i - 1}] = {int(indptr[i - 1])}")
    _check_length(f"len({name}.indices)", len(indices), len(data))
    _check_length(f"{name}.indptr[-1]", int(indptr[-1]), len(indices))
    _check_range(indices, n_minor, f"{name}.indices", minor)


def _check_blocks(X, name):
    rows, columns = X.shape
    if X.data.ndim != 3 or 0 in X.data.shape[1:] or rows % X.data.shape[1] or columns % X.data.shape[2]:
        fail(f"{name}.data.shape", X.data.shape, f"(blocks, r, c) with r and c dividing {X.shape}")
    _check_compressed(X, rows // X.data.shape[1], columns // X.data.shape[2], name, "block column")


def _check_coordinates(X, name):
    for part, array, limit in (("row", X.row, X.shape[0]), ("col", X.col, X.shape[1])):
        _check_integers(array, f"{name}.{part}")
        _check_length(f"len({name}.{part})", len(array), len(X.data))
        _check_range(array, limit, f"{name}.{part}", "row" if part == "row" else "column")


def _check_lists(X, name):
    for i, (columns, values) in enumerate(zip(X.rows, X.data, strict=True)):
        _check_length(f"len({name}.rows[{i}])", len(columns), len(values))


def _check_integers(array, name):
    if array.ndim != 1 or array.dtype.kind not in "iu":
        fail(f"{name}.dtype", array.dtype, "a 1-D array of integers", TypeError)


def _check_length(name, found, right):
    if found != right:
        fail(name, found, f"{right}")


def _check_range(indices, limit, name, what):
    """Every index within [0, limit); negative ones would wrap round silently."""
    if len(indices) and (indices.min() < 0 or indices.max() >= limit):
        i = int(np.argmax((indices < 0) | (indices >= limit)))
        fail(f"{name}[{i}]", int(indices[i]), f"a {what} in [0, {limit - 1}]")


def _integers(array):
    return np.require(array, np.int32 if array.dtype.itemsize <= 4 else np.int64, ["C_CONTIGUOUS", "ALIGNED"])


def _values(data, dtype, name):
    with np.errstate(over="ignore"):
        values = np.require(data, dtype, ["C_CONTIGUOUS", "ALIGNED"])
    check_finite(values, data, f"{name}.data")
    return values


def _summed(data, indices, indptr, shape, dtype, name):
    """The same matrix, sorted and with duplicates added in float64 (small integers would wrap round), on copies."""
    wide = sparse.csr_array((data.astype(np.float64), indices, indptr), shape=shape, copy=True)
    wide.sum_duplicates()
    return sparse.csr_array((_values(wide.data, dtype, name), wide.indices, wide.indptr), shape=shape)
