"""Validation of X: any kind of features becomes a finite C-contiguous float array or a canonical CSR matrix, or is rejected.

Later code does not check again for NaN, memory layout or indices out of range, so all features must pass through here.
"""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from ..utils.checks import fail, shown
from ..utils.csr import as_csr, check_csr, check_finite, check_kind
from .targets import check_targets

__all__ = ["check_csr", "check_features", "check_targets"]

NUMERIC = ("integer", "floating", "mixed-integer-float", "decimal", "boolean")  # what pandas finds in a column of objects


def check_features(
    X: Any, name: str = "X", *, dtype: DTypeLike = np.float32, copy: bool = False
) -> NDArray[np.floating] | sparse.csr_array:
    """Validate features and convert them to what the kernels read.

    Parameters
    ----------
    X : array_like, data frame or scipy.sparse matrix
        Real numbers (samples, features) of any dtype and memory layout; not modified.
    name : str, default "X"
        Name of the argument in error messages.
    dtype : {"float32", "float64"}, default float32
        Type of the result.
    copy : bool, default False
        Whether the values must not share memory with X. By default they do where nothing has to be converted.

    Returns
    -------
    ndarray or scipy.sparse.csr_array
        A C-contiguous array, or for a sparse matrix a CSR with sorted indices and without duplicates.

    Raises
    ------
    TypeError
        If X does not consist of numbers.
    ValueError
        If X has NaN, infinity, a value too large for the dtype or a wrong shape.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.datasets.check_features([[1, 2], [3, 4]]).dtype.name
    'float32'
    """
    check_dtype(dtype)
    X = sparse_values(X, name)
    if sparse.issparse(X):
        check_shape(X.shape, name)
        return as_csr(X, name, dtype, copy=copy)
    if type(X) is np.ndarray and X.dtype == dtype and X.ndim == 2 and X.size and X.flags.carray and not copy:
        check_finite(X, X, name)  # fast path for single-sample latency
        return X
    values = as_numbers(X, name)
    check_shape(values.shape, name)
    with np.errstate(over="ignore"):
        result = np.require(values, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])
    check_finite(result, values, name)
    return result.copy() if copy and np.may_share_memory(result, values) else result


def is_wide(X):
    """Whether values of an array or sparse matrix may lose digits in float32: float64, and whole numbers of 32 bits or more."""
    return X.dtype.itemsize > (4 if X.dtype.kind == "f" else 2)


def check_dtype(dtype):
    """Check that `dtype` is float32 or float64, as a numpy type, dtype or name."""
    try:
        good = dtype is not None and np.dtype(dtype) in (np.float32, np.float64)  # numpy reads None as float64
    except TypeError:
        good = False
    if not good:
        fail("dtype", dtype, "float32 or float64")


def check_shape(shape, name):
    """Check that there are two axes, neither of them empty."""
    if len(shape) > 2:
        fail(f"{name}.shape", shape, f"(samples, features): {name}.reshape(len({name}), -1) makes a row of each sample")
    if len(shape) != 2:
        fail(f"{name}.shape", shape, "(samples, features): .reshape(-1, 1) for one feature, (1, -1) for one sample")
    if 0 in shape:
        fail(f"{name}.shape", shape, "at least one sample and one feature")


def is_frame(X):
    """Whether X is a pandas data frame."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def as_numbers(X, name):
    """Return the values of X as an array of bool, integer or float, which may share memory with X."""
    if is_frame(X):
        return _from_frame(X, name)
    if np.ma.is_masked(X):
        fail(name, X, "without masked values: fill or drop them")
    values = _to_array(X, name)
    check_kind(f"{name}.dtype", values.dtype)
    return values


def _to_array(X, name):
    is_list = isinstance(X, Sequence) and not isinstance(X, str | bytes | bytearray)
    if not is_list and not hasattr(X, "__array__"):
        fail(name, X, f"an array, a list of rows, a data frame or a scipy.sparse matrix, not {type(X)}", TypeError)
    try:
        return np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        fail(name, X, f"numbers in rows of equal length ({str(error)[:120]})")


def check_frame(frame, name="X"):
    """Raise TypeError naming the first column of a pandas data frame that does not consist of numbers.

    A column of objects that all are numbers is one of numbers.
    """
    from pandas.api.types import infer_dtype

    for place, (column, kind) in enumerate(frame.dtypes.items()):
        if getattr(kind, "kind", "O") in "biuf":
            continue
        if getattr(kind, "kind", "") != "O" or infer_dtype(frame.iloc[:, place], skipna=True) not in NUMERIC:
            fail(f"{name}[{column!r}].dtype", str(kind), "bool, integer or floating: encode or drop it", TypeError)


def sparse_values(X, name):
    """A pandas data frame whose columns all are sparse as a scipy.sparse matrix; anything else as it is."""
    kinds = getattr(X, "dtypes", None) if is_frame(X) else None
    if kinds is None or not len(kinds) or not all(hasattr(kind, "fill_value") for kind in kinds):
        return X
    check_frame(X, name)
    for column, kind in kinds.items():
        if kind.fill_value != 0:
            fail(f"{name}[{column!r}].dtype", str(kind), "sparse with the fill value 0")
    return X.sparse.to_coo()


def _from_frame(frame, name):
    check_frame(frame, name)
    kinds = set(frame.dtypes)
    plain = len(kinds) == 1 and all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in kinds)  # as an array of it is
    return frame.to_numpy() if plain else frame.to_numpy(dtype=np.float64, na_value=np.nan)


def check_form(X, y, part):
    """Check in constant time that X and y have the form of validated arrays; their values are not read."""
    is_csr = sparse.issparse(X) and X.format == "csr"
    is_dense = isinstance(X, np.ndarray) and X.ndim == 2 and X.flags.c_contiguous
    if not (is_csr or is_dense) or X.dtype not in (np.float32, np.float64):
        fail(f"X_{part}", type(X), "a validated array: use Dataset.from_arrays", TypeError)
    n = y.shape[0] if sparse.issparse(y) else len(y)
    if n != X.shape[0]:
        fail(f"len(y_{part})", n, f"{X.shape[0]}, one entry for each row of X_{part}")


def check_image(shape, n_pixels=None, name="image_shape"):
    """Check that an image shape has as many pixels as a row has features; None: any number."""
    sides = list(shape) if isinstance(shape, tuple | list) else []
    whole = all(isinstance(side, numbers.Integral) and not isinstance(side, bool) and side > 0 for side in sides)
    if len(sides) not in (2, 3) or not whole or n_pixels not in (None, math.prod(sides)):
        size = "" if n_pixels is None else f"of {n_pixels} pixels, the features of a row: "
        fail(name, shape, f"{size}(height, width) or (height, width, channels)")


def check_same_columns(X, X_test):
    """Refuse two data frames whose columns have other names or another order."""
    names = [list(part.columns) if is_frame(part) else None for part in (X, X_test)]
    if None not in names and names[0] != names[1]:
        fail("X_test.columns", names[1], f"those of X in their order, {shown(names[0])}")


def share_memory(X, X_test):
    """Whether the values of two arrays, dense or CSR, may lie in the same memory."""
    return np.may_share_memory(*(part.data if sparse.issparse(part) else part for part in (X, X_test)))


def check_same_kind(X_test, X_train):
    """Return X_test if it is dense or sparse like X_train."""
    kinds = ["sparse" if sparse.issparse(X) else "dense" for X in (X_test, X_train)]
    if kinds[0] != kinds[1]:
        fail("X_test", type(X_test), f"{kinds[1]} like X, not {kinds[0]}", TypeError)
    return X_test
