"""The layer kernels as ordinary loops: any float dtype, any width, also without the JIT and with bounds checks.

Same names, same arguments and the same numbers (up to rounding) as `vector`; there a tile must be float32 and 8, 16, 32 or
64 columns wide. Shapes: X (n_in, W); Y, dZ (n_out, W); on, kept (neurons, ceil(W / 8)) uint8, bit c of byte c // 8 is
column c, or shape (0, 0) for none. Rows [begin, end) are computed; nothing is allocated, nothing returned.
"""

import numpy as np

from .elementwise import add_gradients, gather, gather_csr, softmax_loss, squared_loss, update
from .intrinsics import TOO_LARGE
from .rng import dropout_word, key64
from .settings import jit

__all__ = [
    "add_gradients", "dx", "gather", "gather_csr", "sddmm", "softmax_loss", "spmm", "squared_loss", "supports", "update",
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
def spmm(indptr, indices, w, b, X, Y, left, right, on, kept, key, lane, threshold, scale, begin, end):
    """Y = dropout(f(W X + b)), f(z) = right·z for z > 0 else left·z; the bits z > 0 go to `on`, dropout's to `kept`.

    Dropout keeps a column whose random byte (rng.dropout_word of key64(key, row), lanes counted from `lane`) is
    >= threshold and multiplies it by `scale`; threshold 0 means no dropout. Products mask, so NaN is never hidden.
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
        if on.size:
            on[j] = 0
            for c in range(width):
                if Y[j, c] > 0:
                    _set_bit(on, j, c)
        for c in range(width):
            Y[j, c] *= right if Y[j, c] > 0 else left
        if threshold:
            kept[j] = 0
            row_key = key64(key, j)
            for c in range(width):
                word = dropout_word(row_key, lane + c // 4)
                if (word >> np.uint32(8 * (c % 4))) & np.uint32(255) >= threshold:
                    _set_bit(kept, j, c)
                    Y[j, c] *= scale
                else:
                    Y[j, c] *= 0


@jit
def dx(indptr, rows, slots, w, dZ, out, left, right, on, kept, scale, begin, end):
    """out = (Wᵀ dZ) · f'(z) · dropout with the bits that spmm left; indptr, rows, slots: the transposed topology."""
    width = dZ.shape[1]
    left, right, scale = w.dtype.type(left), w.dtype.type(right), w.dtype.type(scale)
    for i in range(begin, end):
        out[i] = 0
        for k in range(indptr[i], indptr[i + 1]):
            value, j = w[slots[k]], rows[k]
            for c in range(width):
                out[i, c] += value * dZ[j, c]
        if on.size:
            for c in range(width):
                out[i, c] *= right if _bit(on, i, c) else left
        if kept.size:
            for c in range(width):
                out[i, c] *= scale if _bit(kept, i, c) else w.dtype.type(0)


@jit
def sddmm(indptr, indices, X, dZ, dw, db, add, nonfinite, begin, end):
    """dw (+)= (dZ Xᵀ) on the links, db (+)= Σ_c dZ; `add` False overwrites. poison[0] += 0, or NaN for a gradient that is
    not finite, or so large that a step could overflow."""
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
