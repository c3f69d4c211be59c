"""The optimizer's update of a whole net, and sums of gradients, by a table of addresses."""

import numpy as np
from numba import types

from .columns import (
    ADAM_COUNT,
    ADAM_DECAY,
    ADAM_SETTINGS,
    BETA1,
    BETA2,
    BIAS_DECAY,
    CLIP_COUNTER,
    CLIP_NORM,
    CLIP_SETTINGS,
    CLIP_SQUARES,
    CLIP_UPDATE,
    COUNT,
    DAMPENING,
    DECAY,
    DECOUPLED,
    EPSILON,
    FIELDS,
    MOMENTUM,
    N_OUT,
    NESTEROV,
    NNZ,
    SETTINGS,
    SGD_SETTINGS,
    V2,
    VB,
    VB2,
    B,
    V,
    W,
)
from .elementwise import CHUNK, adam, add_gradients, divide, multiply, sgd, squares, update
from .native import caller, native
from .settings import jit
from .system import array_at, meet, vector

ONE = np.float32(1)


@jit
def copy_values(source, target, begin, end):
    """target[begin:end] = source[begin:end] of vectors; numba's own assignment compiles a check of shapes with its message."""
    for k in range(begin, end):
        target[k] = source[k]


@jit
def sum_chunk(places, l, n, begin, end):
    """Add the gradients of layer l of the other groups to those of the first, on [begin, end), in order."""
    total = vector(places[0, l], n)
    for g in range(1, places.shape[0]):
        add_gradients(total, vector(places[g, l], n), begin, end)


@jit
def sum_pairs(places, l, n, begin, end):
    """Add the gradients of layer l of the other groups to those of the first, on [begin, end): pairs, pairs of pairs, and so on.

    The sums of the others change, too.
    """
    step = 1
    while step < places.shape[0]:
        for g in range(0, places.shape[0] - step, 2 * step):
            add_gradients(vector(places[g, l], n), vector(places[g + step, l], n), begin, end)
        step *= 2


def applied(numbers_of, change):
    """The update of a net by one optimizer.

    numbers_of(rate, settings, step) -> its numbers; change(numbers, kind, values, first, second, gradient, begin, end), with
    kind 0 for links and 1 for biases, and the optimizer's first and second vector.
    """

    @jit
    def apply(thread, threads, table, dw, db, rate, settings, step, divisor, factor, source=None, copy=None):
        """This thread's share of the links and biases: gradients of all groups by `divisor`, then the update.

        Groups are summed in order; with a divisor they are those of workers, and are summed by pairs. factor: multiplies the
        first vector before. Both float32, and 1 for nothing. source: table of the net before the update, where `table` is that
        of another net, which takes its place; copy: table of a net that gets the new weights and biases as well.
        """
        numbers = numbers_of(rate, settings, step)
        for l in range(table.shape[0]):
            for kind in range(2):
                n, value, speed, other = (table[l, N_OUT], B, VB, VB2) if kind else (table[l, NNZ], W, V, V2)
                values, first, second = vector(table[l, value], n), vector(table[l, speed], n), vector(table[l, other], n)
                for begin in range(n * thread // threads, n * (thread + 1) // threads, CHUNK):
                    end = min(begin + CHUNK, n * (thread + 1) // threads)
                    places = db if kind else dw
                    total = vector(places[0, l], n)
                    if divisor != 1:
                        sum_pairs(places, l, n, begin, end)
                        divide(total, begin, end, divisor)
                    else:
                        sum_chunk(places, l, n, begin, end)
                    if source is not None:
                        if source[l, value] != table[l, value]:
                            copy_values(vector(source[l, value], n), values, begin, end)
                            copy_values(vector(source[l, speed], n), first, begin, end)
                    if factor != 1:
                        multiply(first, begin, end, factor)
                    change(numbers, kind, values, first, second, total, begin, end)
                    if copy is not None:
                        copy_values(values, vector(copy[l, value], n), begin, end)

    return apply


@jit
def momentum_numbers(rate, settings, step):
    """η, μ, the decays of links and of biases, whether Nesterov's."""
    decay, of_biases = np.float32(settings[DECAY]), np.float32(settings[BIAS_DECAY])
    return rate, np.float32(settings[MOMENTUM]), decay, of_biases, settings[NESTEROV] != 0


@jit
def momentum_change(numbers, kind, values, velocity, unused, gradient, begin, end):
    """MomentumSGD."""
    rate, momentum, decay, of_biases, nesterov = numbers
    update(values, velocity, gradient, begin, end, rate, momentum, of_biases if kind else decay, nesterov)


@jit
def sgd_numbers(rate, settings, step):
    """η, μ, the share of the gradient, the decay, whether Nesterov's."""
    share = np.float32(1 if settings[COUNT] + step == 0 else 1 - settings[DAMPENING])
    return rate, np.float32(settings[MOMENTUM]), share, np.float32(settings[DECAY]), settings[NESTEROV] != 0


@jit
def sgd_change(numbers, kind, values, velocity, unused, gradient, begin, end):
    """SGD."""
    rate, momentum, share, decay, nesterov = numbers
    sgd(values, velocity, gradient, begin, end, rate, momentum, share, decay, nesterov)


@jit
def adam_numbers(rate, settings, step):
    """The numbers of elementwise.adam."""
    count, decoupled = settings[ADAM_COUNT] + step + 1, settings[DECOUPLED] != 0
    size, root = np.float32(rate / (1 - settings[BETA1] ** count)), np.float32(np.sqrt(1 - settings[BETA2] ** count))
    decay = np.float32(0 if decoupled else settings[ADAM_DECAY])
    shrink = np.float32(1 - rate * settings[ADAM_DECAY] if decoupled else 1)
    return size, root, np.float32(settings[BETA1]), np.float32(settings[BETA2]), np.float32(settings[EPSILON]), decay, shrink


@jit
def adam_change(numbers, kind, values, m, v, gradient, begin, end):
    """Adam and AdamW."""
    size, root, beta1, beta2, epsilon, decay, shrink = numbers
    adam(values, m, v, gradient, begin, end, size, root, beta1, beta2, epsilon, decay, shrink)


apply_update, apply_sgd = applied(momentum_numbers, momentum_change), applied(sgd_numbers, sgd_change)
apply_adam = applied(adam_numbers, adam_change)


@jit
def sum_groups(thread, threads, table, dw, db):
    """This thread's share of the links and biases: gradients of all groups, in order, added to those of the first."""
    for l in range(table.shape[0]):
        for kind in range(2):
            n = table[l, N_OUT] if kind else table[l, NNZ]
            sum_chunk(db if kind else dw, l, n, n * thread // threads, n * (thread + 1) // threads)


# What the threads do with the gradients of step `step` of a call; table, dw, db and settings are addresses.
i = types.int64
UPDATE = types.void(i, i, i, i, i, i, i, types.float32, i, i)
call_update = caller(UPDATE)


@native(UPDATE)
def update_net(thread, threads, n_layers, table, dw, db, groups, rate, settings, step):
    """MomentumSGD."""
    numbers, rows = array_at(settings, (SETTINGS,), np.float64), array_at(table, (n_layers, FIELDS), np.int64)
    places = array_at(dw, (groups, n_layers), np.int64), array_at(db, (groups, n_layers), np.int64)
    apply_update(thread, threads, rows, places[0], places[1], rate, numbers, step, ONE, ONE)


@native(UPDATE)
def leave_gradients(thread, threads, n_layers, table, dw, db, groups, rate, settings, step):
    """No update: sum_groups."""
    shape, rows = (groups, n_layers), array_at(table, (n_layers, FIELDS), np.int64)
    sum_groups(thread, threads, rows, array_at(dw, shape, np.int64), array_at(db, shape, np.int64))


@native(UPDATE)
def sgd_net(thread, threads, n_layers, table, dw, db, groups, rate, settings, step):
    """SGD."""
    numbers, rows = array_at(settings, (SGD_SETTINGS,), np.float64), array_at(table, (n_layers, FIELDS), np.int64)
    places = array_at(dw, (groups, n_layers), np.int64), array_at(db, (groups, n_layers), np.int64)
    apply_sgd(thread, threads, rows, places[0], places[1], rate, numbers, step, ONE, ONE)


@native(UPDATE)
def adam_net(thread, threads, n_layers, table, dw, db, groups, rate, settings, step):
    """Adam and AdamW."""
    numbers, rows = array_at(settings, (ADAM_SETTINGS,), np.float64), array_at(table, (n_layers, FIELDS), np.int64)
    places = array_at(dw, (groups, n_layers), np.int64), array_at(db, (groups, n_layers), np.int64)
    apply_adam(thread, threads, rows, places[0], places[1], rate, numbers, step, ONE, ONE)


@native(UPDATE)
def clip_net(thread, threads, n_layers, table, dw, db, groups, rate, settings, step):
    """Gradients scaled to a norm of at most CLIP_NORM, then the update at CLIP_UPDATE, whose settings come after those here.

    The threads share chunks and meet before their sums are added, in order: the norm does not depend on their number.
    """
    limit, places = array_at(settings, (CLIP_SETTINGS,), np.float64)[CLIP_NORM], array_at(settings, (CLIP_SETTINGS,), np.int64)
    rows, shape = array_at(table, (n_layers, FIELDS), np.int64), (groups, n_layers)
    gradients = array_at(dw, shape, np.int64), array_at(db, shape, np.int64)
    first, total = 0, 0.0
    for l in range(n_layers):
        for kind in range(2):
            n = rows[l, N_OUT] if kind else rows[l, NNZ]
            chunks = (n + CHUNK - 1) // CHUNK
            sums = array_at(places[CLIP_SQUARES] + 8 * first, (chunks,), np.float64)
            for chunk in range(chunks * thread // threads, chunks * (thread + 1) // threads):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, n)
                sum_chunk(gradients[kind], l, n, begin, end)
                sums[chunk] = squares(vector(gradients[kind][0, l], n), begin, end)
            first += chunks
    meet(places[CLIP_COUNTER], threads)
    sums = array_at(places[CLIP_SQUARES], (first,), np.float64)
    for chunk in range(first):
        total += sums[chunk]
    factor = np.float32(min(1.0, limit / (np.sqrt(total) + 1e-6)))
    if factor != 1:
        for l in range(n_layers):
            for kind in range(2):
                n = rows[l, N_OUT] if kind else rows[l, NNZ]
                multiply(vector(gradients[kind][0, l], n), n * thread // threads, n * (thread + 1) // threads, factor)
    behind = settings + 8 * CLIP_SETTINGS
    call_update(places[CLIP_UPDATE], thread, threads, n_layers, table, dw, db, 1, rate, behind, step)
