"""A layer's products on one tile, over a range of rows, for arrays given by address: one set of kernels for each tile width.

Addresses are int64, 0 for none. Row pointers are int64, indices int32, values float32, bits uint8 (W / 8 bytes a row).
"""

import functools
from typing import NamedTuple

import numpy as np
from numba import types

from .intrinsics import add_row, dx_row, sddmm_row, slope_row, spmm_row
from .native import Native, caller, native
from .rng import key64
from .settings import jit
from .system import fetch, fetch_to_write, load_f32, load_i32, load_i64, zero

AHEAD = 16  # how many links ahead rows of a tile are prefetched that are not in a cache
LINE = 64  # bytes of a cache line

i, f = types.int64, types.float32
SPMM = types.void(i, i, i, i, i, i, i, i, i, f, f, i, i, types.uint64, i, i, f)
DX = types.void(i, i, i, i, i, i, i, i, i, i, f, f, i, i, f)
SDDMM = f(i, i, i, i, i, i, i, i, i, i)
call_spmm, call_dx, call_sddmm = caller(SPMM), caller(DX), caller(SDDMM)


@jit
def fetch_rows(width, indices, tile, begin, end):
    """Prefetch the rows of a tile that links [begin, end) will read."""
    for k in range(begin, end):
        place = tile + 4 * width * load_i32(indices, k)
        for line in range(0, 4 * width, LINE):
            fetch(place + line)


class Products(NamedTuple):
    """The kernels of one width."""

    spmm: Native
    dx: Native
    scatter: Native
    sddmm: Native


@functools.cache
def products(width):
    """The kernels for tiles of `width` columns, one of settings.WIDTHS.

    ahead: how many links ahead rows of a tile are prefetched, which is worth it where the tile is far larger than a cache; 0 for
    no prefetching.
    """

    @native(SPMM)
    def spmm(begin, end, ahead, indptr, indices, w, b, X, Y, left, right, sign_bits, dropout_bits, key, lane, threshold, scale):
        """Rows [begin, end) of Y = dropout(f(W X + b))."""
        bytes_, fetched, last = width // 8, load_i64(indptr, begin), load_i64(indptr, end)
        for j in range(begin, end):
            if ahead:
                soon = min(load_i64(indptr, j + 1) + ahead, last)
                fetch_rows(width, indices, X, fetched, soon)
                fetched = soon
            spmm_row(
                width, w, indices, load_i64(indptr, j), load_i64(indptr, j + 1), X, Y + 4 * j * width, load_f32(b, j),
                left, right, sign_bits + j * bytes_ if sign_bits else 0, dropout_bits + j * bytes_ if threshold else 0,
                key64(key, j), lane, threshold, scale,
            )  # fmt: skip

    @native(DX)
    def dx(begin, end, ahead, n_out, indptr, rows, slots, w, dZ, out, left, right, sign_bits, dropout_bits, scale):
        """Rows [begin, end) of out = (Wᵀ dZ) · f'(z) · dropout; indptr, rows, slots are those of the transposed topology."""
        bytes_, fetched, last = width // 8, load_i64(indptr, begin), load_i64(indptr, end)
        for i in range(begin, end):
            if ahead:
                soon = min(load_i64(indptr, i + 1) + ahead, last)
                fetch_rows(width, rows, dZ, fetched, soon)
                for k in range(fetched, soon):
                    fetch(w + 4 * load_i32(slots, k))
                fetched = soon
            dx_row(
                width, w, rows, slots, load_i64(indptr, i), load_i64(indptr, i + 1), dZ, out + 4 * i * width, left, right,
                sign_bits + i * bytes_ if sign_bits else 0, dropout_bits + i * bytes_ if dropout_bits else 0, scale,
            )  # fmt: skip

    @native(DX)
    def scatter(begin, end, ahead, n_out, indptr, indices, slots, w, dZ, out, left, right, sign_bits, dropout_bits, scale):
        """The same without a transposed index: reads all links, and adds those from these inputs, by output."""
        bytes_, row, last = width // 8, 4 * width, load_i64(indptr, n_out)
        zero(out + row * begin, (end - begin) * row)
        for j in range(n_out):
            for k in range(load_i64(indptr, j), load_i64(indptr, j + 1)):
                if k + AHEAD < last:
                    later = load_i32(indices, k + AHEAD)
                    if begin <= later < end:
                        for line in range(0, row, LINE):
                            fetch_to_write(out + row * later + line)
                i = load_i32(indices, k)
                if begin <= i < end:
                    add_row(width, load_f32(w, k), dZ + row * j, out + row * i)
        for i in range(begin, end):
            slope_row(
                width, out + row * i, left, right, sign_bits + i * bytes_ if sign_bits else 0,
                dropout_bits + i * bytes_ if dropout_bits else 0, scale,
            )  # fmt: skip

    @native(SDDMM)
    def sddmm(begin, end, ahead, indptr, indices, X, dZ, dw, db, add):
        """Rows [begin, end) of dw (+)= dZ Xᵀ on the links and db (+)= Σ dZ; returns 0, or NaN where one is not finite."""
        nonfinite, fetched, last = np.float32(0), load_i64(indptr, begin), load_i64(indptr, end)
        for j in range(begin, end):
            if ahead:
                soon = min(load_i64(indptr, j + 1) + ahead, last)
                fetch_rows(width, indices, X, fetched, soon)
                fetched = soon
            nonfinite += sddmm_row(
                width, indices, load_i64(indptr, j), load_i64(indptr, j + 1), X, dZ + 4 * j * width, dw, db + 4 * j, add
            )
        return nonfinite

    return Products(spmm, dx, scatter, sddmm)
