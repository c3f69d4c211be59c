"""Validation and conversion of scipy sparse matrices: malformed ones are rejected before compiled code uses their indices.

scipy and scikit-learn do not check these arrays; one index out of range there crashes or gives silently wrong numbers.
"""

import numpy as np
from scipy import sparse

from .checks import all_finite, fail


def check_csr(X: sparse.csr_array | sparse.csr_matrix, name: str = "X") -> None:
    """Reject a CSR matrix whose arrays do not fit its shape or whose values are not finite.

    Only numpy reads the arrays, and nothing is written.

    Parameters
    ----------
    X : scipy.sparse.csr_array or scipy.sparse.csr_matrix
        The matrix. Checked are the lengths of its arrays, that `indptr` rises from 0 to nnz, that every index is a
        column, and that the data are real finite numbers.
    name : str, default "X"
        Name of the matrix in error messages.

    Raises
    ------
    TypeError
        If a dtype is wrong.
    ValueError
        If anything else is wrong, as in "X.indices[5] = 1000000: must be a column in [0, 7]".

    Examples
    --------
    >>> from scipy import sparse
    >>> import sparselab as sl
    >>> sl.datasets.check_csr(sparse.eye_array(3, format="csr"))
    """
    rows, columns = X.shape
    _check_compressed(X, rows, columns, name, "column")
    check_kind(f"{name}.data.dtype", X.data.dtype)
    check_finite(X.data, X.data, f"{name}.data")


def as_csr(X, name="X", dtype=np.float32, *, copy=False):
    """Convert any scipy.sparse format to a csr_array (samples, features), sorted, duplicates summed, indices int32 or int64.

    Memory is shared with X where nothing had to be converted (with `copy` the values never are). X is not modified, and
    explicit zeros are kept.
    """
    check_parts(X, name)
    if X.format != "csr":
        X = X.tocsr()
        _check_compressed(X, *X.shape, name, "column")
    check_kind(f"{name}.data.dtype", X.data.dtype)
    indices, indptr = _integers(X.indices), _integers(X.indptr)
    values = _values(X.data, dtype, name)
    values = values.copy() if copy and np.may_share_memory(values, X.data) else values
    result = sparse.csr_array((values, indices, indptr), shape=X.shape)
    return result if result.has_canonical_format else _summed(X.data, indices, indptr, X.shape, dtype, name)


def check_kind(name, dtype):
    """Reject dtypes that cannot be converted to float32: only bool, integer and floating are allowed."""
    if dtype.kind not in "biuf":
        fail(name, dtype, "bool, integer or floating", TypeError)


def check_finite(values, original, name):
    """Reject NaN and infinity in `values`, which were converted from `original` (same shape); the error names the first one."""
    if all_finite(values.reshape(-1)):
        return
    place = _first_bad(values)
    if place is not None:
        value = original[place]
        why = "too large for float32" if np.isfinite(value) else "NaN" if np.isnan(value) else "infinity"
        fail(f"{name}[{', '.join(map(str, place))}]", float(value), f"a finite float32 number ({name} contains {why})")


def _first_bad(values, block=1024):
    """Return the index of the first value that is not finite, or None; searched block by block."""
    for start in range(0, len(values), block):
        bad = ~np.isfinite(values[start : start + block])
        if bad.any():
            row, *rest = np.unravel_index(np.argmax(bad), bad.shape)
            return (start + int(row), *map(int, rest))
    return None


def check_parts(X, name="X"):
    """Reject a sparse matrix of any format whose arrays do not fit its shape; needed before scipy converts it.

    Values are not checked. Raises TypeError for wrong dtypes, else ValueError naming the array, the position and the value.
    """
    if len(X.shape) != 2:
        fail(f"{name}.shape", X.shape, "a shape of two axes")
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
    """Check that `indptr`, `indices` and `data` fit together: n_major slices with indices in [0, n_minor), called `minor`."""
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
    """Check that every index is within [0, limit); a negative one would silently count from the end."""
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
    """Return a sorted copy whose duplicates are added in float64 (small integer types would overflow)."""
    wide = sparse.csr_array((data.astype(np.float64), indices, indptr), shape=shape, copy=True)
    wide.sum_duplicates()
    return sparse.csr_array((_values(wide.data, dtype, name), wide.indices, wide.indptr), shape=shape)
