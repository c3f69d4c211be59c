"""The gate: whatever a user calls X leaves here as a clean float array or a clean CSR matrix, or not at all.

Nothing behind this file looks for NaN, odd layouts or wild indices again, so nothing may come round it.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from ..utils.checks import fail
from ..utils.csr import as_csr, check_csr, check_finite, check_kind
from .targets import check_targets

__all__ = ["check_csr", "check_features", "check_targets"]


def check_features(X, name="X", *, dtype=np.float32, copy=False):
    """Samples in rows -> (samples, features) array, C-contiguous, aligned, native; or a sorted CSR without duplicates.

    Takes arrays of any layout and any real dtype, lists of lists, data frames, and every scipy.sparse format.
    The input is never written to. The result shares memory with it only if nothing had to be converted; with
    `copy` its values never do. `dtype` is float32 or float64.
    Raises TypeError for what is not made of numbers, ValueError for NaN, infinity, overflow and wrong shapes.
    """
    check_dtype(dtype)
    if sparse.issparse(X):
        check_shape(X.shape, name)
        return as_csr(X, name, dtype, copy=copy)
    if type(X) is np.ndarray and X.dtype == dtype and X.ndim == 2 and X.size and X.flags.carray and not copy:
        check_finite(X, X, name)  # the usual case, and the one in which a single sample is in a hurry
        return X
    values = as_numbers(X, name)
    check_shape(values.shape, name)
    with np.errstate(over="ignore"):
        result = np.require(values, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])
    check_finite(result, values, name)
    return result.copy() if copy and np.may_share_memory(result, values) else result


def check_dtype(dtype):
    """float32 or float64, as a numpy type, dtype or name."""
    try:
        good = dtype is not None and np.dtype(dtype) in (np.float32, np.float64)  # numpy takes None for float64
    except TypeError:
        good = False
    if not good:
        fail("dtype", dtype, "float32 or float64")


def check_shape(shape, name):
    """Two axes, neither of them empty."""
    if len(shape) != 2:
        fail(f"{name}.shape", shape, "(samples, features): .reshape(-1, 1) for one feature, (1, -1) for one sample")
    if 0 in shape:
        fail(f"{name}.shape", shape, "at least one sample and one feature")


def as_numbers(X, name):
    """The values of X as an array of bool, integer or float; a frame or an array of the user's may be shared."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
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
    """Raise TypeError naming the first column of a pandas frame that is not made of numbers."""
    for column, kind in frame.dtypes.items():
        if getattr(kind, "kind", "O") not in "biuf":
            fail(f"{name}[{column!r}].dtype", str(kind), "bool, integer or floating: encode or drop it", TypeError)


def _from_frame(frame, name):
    check_frame(frame, name)
    plain = all(kind == np.float32 for kind in frame.dtypes)
    return frame.to_numpy() if plain else frame.to_numpy(dtype=np.float64, na_value=np.nan)
