"""The layer kernels as ordinary loops: for any float dtype and width, also without JIT and with bounds checks.

Names, arguments and results (up to rounding) are those of `vector`, which needs float32 tiles of 8, 16, 32 or 64 columns.
Shapes: X (n_in, W); Y, dZ (n_out, W); sign_bits, dropout_bits (neurons, ceil(W / 8)) uint8, column c in bit c % 8 of byte
c // 8, or shape (0, 0) for none. Rows [begin, end) are computed.
"""

import numpy as np

from .elementwise import add_gradients, gather, gather_csr, softmax_loss, squared_loss, update
from .intrinsics import TOO_LARGE
from .rng import dropout_word, key64
from .settings import jit

__all__ = [
    "add_gradients", "dx", "gather", "gather_csr", "scatter", "sddmm", "softmax_loss", "spmm", "squared_loss", "supports",
    "update",
]  # fmt: skip


def supports(dtype, width):
    """Whether this module can run tiles of this dtype and width."""
    return np.dtype(dtype).kind == "f" and width >= 1


@jit(inline="always")
def _bit(bits, row, c):
    return (bits[row, c // 8] >> np.uint8(c % 8)) & np.uint8(1)


@jit(inline="always")
def _set_bit(bits, row, c):
    bits[row, c // 8] |= np.uint8(1) << np.uint8(c % 8)


@jit
def spmm(indptr, indices, w, b, X, Y, left, right, sign_bits, dropout_bits, key, lane, threshold, scale, begin, end):
    """Y = dropout(f(W X + b)), f(z) = right·z for z > 0 else left·z. sign_bits: z > 0; dropout_bits: kept by dropout.

    Dropout keeps a column whose random byte (rng.dropout_word of key64(key, row), lanes counted from `lane`) is >= threshold and
    multiplies it by `scale`; threshold 0 means no dropout. Other columns are multiplied by 0, so that NaN stays NaN.
    """
    width = X.shape[1]
    left, right, scale = w.dtype.type(left), w.dtype.type(right), w.dtype.type(scale)
    for j in range(begin, end):
        for c in range(width):
            Y[j, c] = b[j]
        for k in range(indptr[j], indptr[j + 1]):
            value, i = w[k], indices[k]
            for c in range(width):
                Y[j, c] += value * X[i, c]
        if sign_bits.size:
            sign_bits[j] = 0
            for c in range(width):
                if Y[j, c] > 0:
                    _set_bit(sign_bits, j, c)
        for c in range(width):
            Y[j, c] *= right if Y[j, c] > 0 else left
        if threshold:
            dropout_bits[j] = 0
            row_key = key64(key, j)
            for c in range(width):
                word = dropout_word(row_key, lane + c // 4)
                if (word >> np.uint32(8 * (c % 4))) & np.uint32(255) >= threshold:
                    _set_bit(dropout_bits, j, c)
                    Y[j, c] *= scale
                else:
                    Y[j, c] *= 0


@jit
def dx(indptr, rows, slots, w, dZ, out, left, right, sign_bits, dropout_bits, scale, begin, end):
    """out = (Wᵀ dZ) · f'(z) · dropout, by the bits that spmm wrote; indptr, rows, slots: the transposed topology."""
    width = dZ.shape[1]
    left, right, scale = w.dtype.type(left), w.dtype.type(right), w.dtype.type(scale)
    for i in range(begin, end):
        out[i] = 0
        for k in range(indptr[i], indptr[i + 1]):
            value, j = w[slots[k]], rows[k]
            for c in range(width):
                out[i, c] += value * dZ[j, c]
        _apply_slope(out, i, left, right, sign_bits, dropout_bits, scale)


@jit
def scatter(indptr, indices, w, dZ, out, left, right, sign_bits, dropout_bits, scale, begin, end):
    """The same without a transposed index: adds the links of these inputs, by output."""
    width = dZ.shape[1]
    left, right, scale = w.dtype.type(left), w.dtype.type(right), w.dtype.type(scale)
    out[begin:end] = 0
    for j in range(dZ.shape[0]):
        for k in range(indptr[j], indptr[j + 1]):
            if begin <= indices[k] < end:
                for c in range(width):
                    out[indices[k], c] += w[k] * dZ[j, c]
    for i in range(begin, end):
        _apply_slope(out, i, left, right, sign_bits, dropout_bits, scale)


@jit
def _apply_slope(out, i, left, right, sign_bits, dropout_bits, scale):
    width = out.shape[1]
    if sign_bits.size:
        for c in range(width):
            out[i, c] *= right if _bit(sign_bits, i, c) else left
    if dropout_bits.size:
        for c in range(width):
            out[i, c] *= scale if _bit(dropout_bits, i, c) else out.dtype.type(0)


@jit
def sddmm(indptr, indices, X, dZ, dw, db, add, nonfinite, begin, end):
    """dw (+)= dZ Xᵀ on the links, db (+)= Σ_c dZ; add = False overwrites. nonfinite[0] += 0, or NaN where a gradient is not
    finite or so large that a step could overflow."""
    width = X.shape[1]
    zero, much = dw.dtype.type(0), dw.dtype.type(TOO_LARGE)
    for j in range(begin, end):
        sum_ = zero
        for c in range(width):
            sum_ += dZ[j, c]
        db[j] = sum_ + (db[j] if add else zero)
        nonfinite[0] += db[j] * much * zero
        for k in range(indptr[j], indptr[j + 1]):
            i, sum_ = indices[k], zero
            for c in range(width):
                sum_ += X[i, c] * dZ[j, c]
            dw[k] = sum_ + (dw[k] if add else zero)
            nonfinite[0] += dw[k] * much * zero
