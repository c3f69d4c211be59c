"""The two ends of a tile: samples become its input, and outputs become a loss and the gradient that goes back.

Arrays are given by address. One kernel for each kind of data, and one for each loss.
"""

import numpy as np
from numba import types

from . import logistic, losses
from .elementwise import gather_csr, softmax_loss, squared_loss
from .largest import keep_best
from .native import caller, native
from .settings import jit
from .system import array_at, room
from .transposing import SIDE, gather_rows

i = types.int64
GATHER = types.void(i, i, i, i, i, i, i, i, i, i, i, i, i)
LOSS = types.float64(i, i, i, i, i, i, i, i, types.float32, i, i, i)
BEST = types.void(i, i, i, i, i, i, i, i, i, i, i)
call_gather, call_loss, call_best = caller(GATHER), caller(LOSS), caller(BEST)


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
def softmax(Z, n_out, width, targets, n_rows, samples, first, count, scale, hits, settings, weights):
    """Σ softmax cross-entropy of a tile of outputs Z, which dZ overwrites; writes the hits. targets: (n_rows,) int64 labels."""
    tile, rows = array_at(Z, (n_out, width), np.float32), array_at(samples, (first + count,), np.int64)
    labels = array_at(targets, (n_rows,), np.int64)
    loss, array_at(hits, (1,), np.int64)[0] = softmax_loss(tile, labels, rows, first, count, scale, tile)
    return loss


@native(LOSS)
def squared(Z, n_out, width, targets, n_rows, samples, first, count, scale, hits, settings, weights):
    """The same for half the squared error; targets: (n_rows, n_out) float32."""
    tile, rows = array_at(Z, (n_out, width), np.float32), array_at(samples, (first + count,), np.int64)
    wanted = array_at(targets, (n_rows, n_out), np.float32)
    loss, array_at(hits, (1,), np.int64)[0] = squared_loss(tile, wanted, rows, first, count, scale, tile)
    return loss


# The same with settings in float64, which are the parameter, the columns of the targets, the number of factors and the factors of
# the outputs; and with weights, (n_rows,) or none (0):


@native(LOSS)
def weighted_softmax(Z, n_out, width, targets, n_rows, samples, first, count, scale, hits, settings, weights):
    """Softmax cross-entropy with a smoothing of the labels, the parameter."""
    tile, rows = array_at(Z, (n_out, width), np.float32), array_at(samples, (first + count,), np.int64)
    labels, parameter = array_at(targets, (n_rows,), np.int64), array_at(settings, (1,), np.float64)[0]
    of_samples = array_at(weights, (n_rows if weights else 0,), np.float64)
    loss, array_at(hits, (1,), np.int64)[0] = losses.softmax(tile, labels, rows, first, count, scale, tile, parameter, of_samples)
    return loss


@jit
def by_outputs(code, wanted, Z, n_out, width, n_rows, samples, first, count, scale, hits, settings, weights):
    """A loss of each output by itself, see losses.by_outputs. wanted: the targets, an array."""
    tile, rows = array_at(Z, (n_out, width), np.float32), array_at(samples, (first + count,), np.int64)
    head = array_at(settings, (3,), np.float64)
    factors = array_at(settings + 24, (np.int64(head[2]),), np.float64)
    of_samples = array_at(weights, (n_rows if weights else 0,), np.float64)
    loss, array_at(hits, (1,), np.int64)[0] = losses.by_outputs(
        code, tile, wanted, rows, first, count, scale, tile, head[0], factors, of_samples
    )
    return loss


@jit
def by_logistic(code, wanted, Z, n_out, width, n_rows, samples, first, count, scale, hits, settings, weights):
    """The same of the cross-entropy of the logistic function, faster."""
    n_factors = np.int64(array_at(settings, (3,), np.float64)[2])
    tile, rows = array_at(Z, (n_out, width), np.float32), array_at(samples, (first + count,), np.int64)
    factors = array_at(settings + 24, (n_factors,), np.float64)
    of_samples = array_at(weights, (n_rows if weights else 0,), np.float64)
    listed, sums = code == losses.BINARY_OF_LISTS, array_at(room(), (logistic.SUMS, width), np.float64)
    loss, array_at(hits, (1,), np.int64)[0] = logistic.binary(
        tile, wanted, listed, rows, first, count, scale, factors, of_samples, sums
    )
    return loss


LABELS, NUMBERS, BITS, LISTS = np.int64, np.float32, np.uint8, np.int32  # one a row; of the outputs; 0 or 1; columns, ended by −1


def loss_by_outputs(code, kind):
    """The kernel of a loss of losses.by_outputs, for targets (n_rows, …) of this kind."""
    one, listed, logarithmic = kind is LABELS, kind is LISTS, code in (losses.BINARY, losses.BINARY_OF_LISTS)

    @native(LOSS)
    def loss(Z, n_out, width, targets, n_rows, samples, first, count, scale, hits, settings, weights):
        columns = n_out
        if one:
            columns = 1
        elif listed:
            columns = np.int64(array_at(settings, (2,), np.float64)[1])
        wanted = array_at(targets, (n_rows, columns), kind)
        if logarithmic:
            return by_logistic(code, wanted, Z, n_out, width, n_rows, samples, first, count, scale, hits, settings, weights)
        return by_outputs(code, wanted, Z, n_out, width, n_rows, samples, first, count, scale, hits, settings, weights)

    return loss


@native(BEST)
def best(part, parts, Z, n_out, width, first, count, n_samples, n_best, places, scores):
    """Rows [first, first + count) of `places` and `scores` (n_samples, n_best): the best outputs of some columns of a tile."""
    left, right = count * part // parts, count * (part + 1) // parts
    shape = n_samples, n_best
    keep_best(
        array_at(Z, (n_out, width), np.float32), left, right, first, array_at(places, shape, np.int64),
        array_at(scores, shape, np.float32),
    )  # fmt: skip


PLAIN = {losses.SOFTMAX: softmax, losses.SQUARED: squared}  # without settings and weights
TARGETS = LABELS, NUMBERS, BITS, BITS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, LABELS, LABELS, LISTS, LISTS  # by code
LOSSES = weighted_softmax, *(loss_by_outputs(code, kind) for code, kind in enumerate(TARGETS) if code != losses.SOFTMAX)
