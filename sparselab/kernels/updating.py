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
def apply_update(thread, threads, table, dw, db, rate, settings, divisor, factor, source=None, copy=None):
    """This thread's share of the links and biases: gradients of all groups, in order, by `divisor`, then the update.

    factor: multiplies the velocity before. Both float32, and 1 for nothing. source: table of the net before the update, where
    `table` is that of another net, which takes its place; copy: table of a net that gets the new weights and biases as well.
    """
    momentum, decay = np.float32(settings[MOMENTUM]), np.float32(settings[DECAY])
    bias_decay, nesterov = np.float32(settings[BIAS_DECAY]), settings[NESTEROV] != 0
    for l in range(table.shape[0]):
        for kind in range(2):
            n, value, speed = (table[l, N_OUT], B, VB) if kind else (table[l, NNZ], W, V)
            values, velocity = vector(table[l, value], n), vector(table[l, speed], n)
            for begin in range(n * thread // threads, n * (thread + 1) // threads, CHUNK):
                end = min(begin + CHUNK, n * (thread + 1) // threads)
                places = db if kind else dw
                sum_chunk(places, l, n, begin, end)
                total = vector(places[0, l], n)
                if divisor != 1:
                    divide(total, begin, end, divisor)
                if source is not None:
                    if source[l, value] != table[l, value]:
                        copy_values(vector(source[l, value], n), values, begin, end)
                        copy_values(vector(source[l, speed], n), velocity, begin, end)
                if factor != 1:
                    multiply(velocity, begin, end, factor)
                update(values, velocity, total, begin, end, rate, momentum, bias_decay if kind else decay, nesterov)
                if copy is not None:
                    copy_values(values, vector(copy[l, value], n), begin, end)


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
    """MomentumSGD: apply_update."""
    shape = (groups, n_layers)
    apply_update(
        thread, threads, array_at(table, (n_layers, FIELDS), np.int64), array_at(dw, shape, np.int64),
        array_at(db, shape, np.int64), rate, array_at(settings, (SETTINGS,), np.float64), ONE, ONE,
    )  # fmt: skip


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
    momentum, decay, nesterov = np.float32(numbers[MOMENTUM]), np.float32(numbers[DECAY]), numbers[NESTEROV] != 0
    share = np.float32(1 if numbers[COUNT] + step == 0 else 1 - numbers[DAMPENING])
    for l in range(n_layers):
        for kind in range(2):
            n, value, speed = (rows[l, N_OUT], B, VB) if kind else (rows[l, NNZ], W, V)
            values, velocity = vector(rows[l, value], n), vector(rows[l, speed], n)
            for begin in range(n * thread // threads, n * (thread + 1) // threads, CHUNK):
                end = min(begin + CHUNK, n * (thread + 1) // threads)
                sum_chunk(places[kind], l, n, begin, end)
                total = vector(places[kind][0, l], n)
                sgd(values, velocity, total, begin, end, rate, momentum, share, decay, nesterov)


@native(UPDATE)
def adam_net(thread, threads, n_layers, table, dw, db, groups, rate, settings, step):
    """Adam and AdamW."""
    numbers, rows = array_at(settings, (ADAM_SETTINGS,), np.float64), array_at(table, (n_layers, FIELDS), np.int64)
    places = array_at(dw, (groups, n_layers), np.int64), array_at(db, (groups, n_layers), np.int64)
    beta1, beta2, epsilon = np.float32(numbers[BETA1]), np.float32(numbers[BETA2]), np.float32(numbers[EPSILON])
    count = numbers[ADAM_COUNT] + step + 1
    size, root = np.float32(rate / (1 - numbers[BETA1] ** count)), np.float32(np.sqrt(1 - numbers[BETA2] ** count))
    decoupled = numbers[DECOUPLED] != 0
    decay = np.float32(0 if decoupled else numbers[ADAM_DECAY])
    shrink = np.float32(1 - rate * numbers[ADAM_DECAY] if decoupled else 1)
    for l in range(n_layers):
        for kind in range(2):
            n, value, first, second = (rows[l, N_OUT], B, VB, VB2) if kind else (rows[l, NNZ], W, V, V2)
            values, m, v = vector(rows[l, value], n), vector(rows[l, first], n), vector(rows[l, second], n)
            for begin in range(n * thread // threads, n * (thread + 1) // threads, CHUNK):
                end = min(begin + CHUNK, n * (thread + 1) // threads)
                sum_chunk(places[kind], l, n, begin, end)
                total = vector(places[kind][0, l], n)
                adam(values, m, v, total, begin, end, size, root, beta1, beta2, epsilon, decay, shrink)


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
