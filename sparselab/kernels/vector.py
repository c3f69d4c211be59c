"""The layer kernels on LLVM vectors, for float32 tiles of 8, 16, 32 or 64 columns.

Names and arguments are those of `plain`; its docstrings say what each function computes.
"""

import numpy as np

from .elementwise import add_gradients, gather_csr, softmax_loss, squared_loss, update
from .rows import call_dx, call_sddmm, call_spmm, products
from .settings import JIT, WIDTHS, jit
from .transposing import gather

__all__ = [
    "add_gradients", "dx", "gather", "gather_csr", "scatter", "sddmm", "softmax_loss", "spmm", "squared_loss", "supports",
    "update",
]  # fmt: skip


def supports(dtype, width):
    """Whether this module can run tiles of this dtype and width."""
    return JIT and np.dtype(dtype) == np.float32 and width in WIDTHS


def spmm(indptr, indices, w, b, X, Y, left, right, sign_bits, dropout_bits, key, lane, threshold, scale, begin, end):
    kernel = products(X.shape[1]).spmm.address
    _spmm(kernel, indptr, indices, w, b, X, Y, left, right, sign_bits, dropout_bits, key, lane, threshold, scale, begin, end)


def dx(indptr, rows, slots, w, dZ, out, left, right, sign_bits, dropout_bits, scale, begin, end):
    kernel = products(dZ.shape[1]).dx.address
    _dx(kernel, indptr, rows, slots, w, dZ, out, left, right, sign_bits, dropout_bits, scale, begin, end)


def scatter(indptr, indices, w, dZ, out, left, right, sign_bits, dropout_bits, scale, begin, end):
    kernel, none = products(dZ.shape[1]).scatter.address, indices[:0]
    _dx(kernel, indptr, indices, none, w, dZ, out, left, right, sign_bits, dropout_bits, scale, begin, end)


def sddmm(indptr, indices, X, dZ, dw, db, add, nonfinite, begin, end):
    _sddmm(products(X.shape[1]).sddmm.address, indptr, indices, X, dZ, dw, db, add, nonfinite, begin, end)


@jit(inline="always")
def _address(array):
    return array.ctypes.data if array.size else 0


@jit
def _spmm(kernel, indptr, indices, w, b, X, Y, left, right, sign_bits, dropout_bits, key, lane, threshold, scale, begin, end):
    call_spmm(
        kernel, begin, end, 0, indptr.ctypes.data, indices.ctypes.data, w.ctypes.data, b.ctypes.data, X.ctypes.data,
        Y.ctypes.data, left, right, _address(sign_bits), _address(dropout_bits), key, lane, threshold, scale,
    )  # fmt: skip


@jit
def _dx(kernel, indptr, rows, slots, w, dZ, out, left, right, sign_bits, dropout_bits, scale, begin, end):
    call_dx(
        kernel, begin, end, 0, dZ.shape[0], indptr.ctypes.data, rows.ctypes.data, slots.ctypes.data, w.ctypes.data,
        dZ.ctypes.data, out.ctypes.data, left, right, _address(sign_bits), _address(dropout_bits), scale,
    )  # fmt: skip


@jit
def _sddmm(kernel, indptr, indices, X, dZ, dw, db, add, nonfinite, begin, end):
    nonfinite[0] += call_sddmm(
        kernel, begin, end, 0, indptr.ctypes.data, indices.ctypes.data, X.ctypes.data, dZ.ctypes.data, dw.ctypes.data,
        db.ctypes.data, 1 if add else 0,
    )  # fmt: skip
