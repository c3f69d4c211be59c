"""The two ends of a tile: samples become its input, and outputs become a loss and the gradient that goes back.

Arrays are given by address. One kernel for each kind of data, and one for each loss.
"""

import numpy as np
from numba import types

from .elementwise import gather_csr, softmax_loss, squared_loss
from .native import caller, native
from .system import array_at
from .transposing import SIDE, gather_rows

i = types.int64
GATHER = types.void(i, i, i, i, i, i, i, i, i, i, i, i, i)
LOSS = types.float64(i, i, i, i, i, i, i, i, types.float32, i)
call_gather, call_loss = caller(GATHER), caller(LOSS)


@native(GATHER)
def from_dense(part, parts, X, indices, indptr, n_rows, n_features, samples, first, count, tile, width, layer):
    """Copy samples[first : first + count] of X (n_rows, n_features) into the columns of the input tile.

    Each part copies its share of the features, in whole blocks. layer: see `entries`; not used here.
    """
    blocks = (n_features + SIDE - 1) // SIDE
    begin, end = SIDE * (blocks * part // parts), min(n_features, SIDE * (blocks * (part + 1) // parts))
    rows, out = array_at(X, (n_rows, n_features), np.float32), array_at(tile, (n_features, width), np.float32)
    gather_rows(rows, array_at(samples, (first + count,), np.int64), first, count, out, begin, end)


@native(GATHER)
def from_csr(part, parts, X, indices, indptr, n_rows, n_features, samples, first, count, tile, width, layer):
    """The same from a CSR matrix, whose values are at X: the first part copies all."""
    if part == 0:
        starts, out = array_at(indptr, (n_rows + 1,), np.int64), array_at(tile, (n_features, width), np.float32)
        n = starts[n_rows]
        values, columns = array_at(X, (n,), np.float32), array_at(indices, (n,), np.int32)
        gather_csr(values, columns, starts, array_at(samples, (first + count,), np.int64), first, count, out)


@native(LOSS)
def softmax(Z, n_out, width, targets, n_rows, samples, first, count, scale, hits):
    """Σ softmax cross-entropy of a tile of outputs Z, which dZ overwrites; writes the hits. targets: (n_rows,) int64 labels."""
    tile, rows = array_at(Z, (n_out, width), np.float32), array_at(samples, (first + count,), np.int64)
    labels = array_at(targets, (n_rows,), np.int64)
    loss, array_at(hits, (1,), np.int64)[0] = softmax_loss(tile, labels, rows, first, count, scale, tile)
    return loss


@native(LOSS)
def squared(Z, n_out, width, targets, n_rows, samples, first, count, scale, hits):
    """The same for half the squared error; targets: (n_rows, n_out) float32."""
    tile, rows = array_at(Z, (n_out, width), np.float32), array_at(samples, (first + count,), np.int64)
    wanted = array_at(targets, (n_rows, n_out), np.float32)
    loss, array_at(hits, (1,), np.int64)[0] = squared_loss(tile, wanted, rows, first, count, scale, tile)
    return loss


SOFTMAX, SQUARED = range(2)
LOSSES, TARGETS = (softmax, squared), (np.int64, np.float32)
