"""The passes of one layer over many samples that lie in rows, (samples, neurons), as other libraries keep them.

The samples are taken a tile at a time: turned into a tile (neurons, W), multiplied by the kernels of `rows`, and turned back a
block of BLOCK neurons at a time, while that is in a cache. All arrays are given by address, float32 and C-contiguous.
"""

import numpy as np
from numba import types

from .both_gradients import call_both
from .elementwise import add_gradients
from .native import native
from .rows import call_sddmm, call_spmm
from .settings import jit
from .system import array_at, load_i32, vector
from .transposing import gather_rows, scatter_rows

BLOCK = 512  # neurons whose outputs are turned back at once: long runs of memory to write, and a block that fits a cache

i = types.int64
ONE = np.float32(1)


@jit
def pack(X, n_rows, n_features, samples, first, count, tile, width):
    """The tile of samples [first, first + count) of X (n_rows, n_features). samples: (n_rows,) int64, the numbers from 0 on."""
    rows, out = array_at(X, (n_rows, n_features), np.float32), array_at(tile, (n_features, width), np.float32)
    gather_rows(rows, array_at(samples, (n_rows,), np.int64), first, count, out, 0, n_features)


@jit
def multiply_tile(spmm, width, n_out, indptr, indices, w, b, tile, block, first, count, Y):
    """Y[first : first + count] = (W tile + b)ᵀ, block by block."""
    out = array_at(Y + 4 * first * n_out, (count, n_out), np.float32)
    for begin in range(0, n_out, BLOCK):
        end = min(begin + BLOCK, n_out)
        call_spmm(
            spmm, begin, end, 0, indptr, indices, w, b, tile, block - 4 * begin * width, ONE, ONE, 0, 0, np.uint64(0), 0, 0, ONE
        )
        scatter_rows(array_at(block, (end - begin, width), np.float32), count, out, begin)


@native(types.void(*[i] * 16))
def forward(begin, end, spmm, width, n_rows, n_in, n_out, indptr, indices, w, b, X, Y, samples, tile, block):
    """Y = X Wᵀ + b for the tiles [begin, end) of samples. tile (n_in, W) and block (BLOCK, W) are room to work in."""
    for t in range(begin, end):
        first, count = t * width, min(width, n_rows - t * width)
        pack(X, n_rows, n_in, samples, first, count, tile, width)
        multiply_tile(spmm, width, n_out, indptr, indices, w, b, tile, block, first, count, Y)


@native(types.void(*[i] * 24))
def backward(
    begin, end, spmm, sddmm, both, width, n_rows, n_in, n_out, indptr, indices, indptr_t, rows_t, w_t, no_bias, X, dY, dX, dw, db,
    samples, tile, tile_out, block,
):  # fmt: skip
    """The gradients of the tiles [begin, end): dX = dY W; dw, db: sums over these tiles. X or dX 0 for one that is not wanted.

    indptr_t, rows_t, w_t: the layer by input, of which dX is the forward pass, with no_bias (n_in,) zeros. Where both are wanted,
    dw is by input, too, and indptr has no links, so that SDDMM sums the biases' gradients alone. tile (n_in, W), tile_out
    (n_out, W) and block (BLOCK, W) are room to work in.
    """
    for t in range(begin, end):
        first, count, add = t * width, min(width, n_rows - t * width), 1 if t > begin else 0
        pack(dY, n_rows, n_out, samples, first, count, tile_out, width)
        if X:
            pack(X, n_rows, n_in, samples, first, count, tile, width)
            call_sddmm(sddmm, 0, n_out, 0, indptr, indices, tile, tile_out, dw, db, add)
        if X and dX:
            out = array_at(dX + 4 * first * n_in, (count, n_in), np.float32)
            for start in range(0, n_in, BLOCK):
                stop = min(start + BLOCK, n_in)
                shifted = block - 4 * start * width
                call_both(both, start, stop, indptr_t, rows_t, w_t, tile_out, tile, shifted, dw, add)
                scatter_rows(array_at(block, (stop - start, width), np.float32), count, out, start)
        elif dX:
            multiply_tile(spmm, width, n_in, indptr_t, rows_t, w_t, no_bias, tile_out, block, first, count, dX)


@native(types.void(i, i, i, i, i))
def take(begin, end, w, slots, out):
    """out[k] = w[slots[k]] for k in [begin, end)."""
    values = vector(out, end)
    for k in range(begin, end):
        values[k] = vector(w + 4 * load_i32(slots, k), 1)[0]


@native(types.void(i, i, i, i, i))
def put(begin, end, values, slots, w):
    """w[slots[k]] = values[k] for k in [begin, end)."""
    given = vector(values, end)
    for k in range(begin, end):
        vector(w + 4 * load_i32(slots, k), 1)[0] = given[k]


@native(types.void(i, i, i, i, i))
def add_groups(begin, end, groups, n, places):
    """The first of some vectors (n,) += the others on [begin, end), in order. places: (groups,) int64, their addresses."""
    vectors = array_at(places, (groups,), np.int64)
    for g in range(1, groups):
        add_gradients(vector(vectors[0], n), vector(vectors[g], n), begin, end)
