"""The optimizer's update of a whole net, and sums of gradients, by a table of addresses."""

import numpy as np
from numba import types

from .columns import BIAS_DECAY, DECAY, FIELDS, MOMENTUM, N_OUT, NESTEROV, NNZ, SETTINGS, VB, B, V, W
from .elementwise import add_gradients, divide, multiply, update
from .native import caller, native
from .settings import jit
from .system import array_at

ONE = np.float32(1)
CHUNK = 4096  # links whose gradients are added and applied while they are in the first-level cache


@jit
def vector(address, n):
    """The n float32 at an address."""
    return array_at(address, (n,), np.float32)


@jit
def copy_values(source, target, begin, end):
    """target[begin:end] = source[begin:end] of vectors; numba's own assignment compiles a check of shapes with its message."""
    for k in range(begin, end):
        target[k] = source[k]


@jit
def apply_update(thread, threads, table, dw, db, groups, rate, settings, divisor, factor, source=None, copy=None):
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
            total = vector(db[0, l] if kind else dw[0, l], n)
            for begin in range(n * thread // threads, n * (thread + 1) // threads, CHUNK):
                end = min(begin + CHUNK, n * (thread + 1) // threads)
                for g in range(1, groups):
                    add_gradients(total, vector(db[g, l] if kind else dw[g, l], n), begin, end)
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
def sum_groups(thread, threads, table, dw, db, groups):
    """This thread's share of the links and biases: gradients of all groups, in order, added to those of the first."""
    for l in range(table.shape[0]):
        for kind in range(2):
            n = table[l, N_OUT] if kind else table[l, NNZ]
            total = vector(db[0, l] if kind else dw[0, l], n)
            for g in range(1, groups):
                part = vector(db[g, l] if kind else dw[g, l], n)
                add_gradients(total, part, n * thread // threads, n * (thread + 1) // threads)


# What the threads do with the gradients of a step; table, dw, db and settings are addresses.
i = types.int64
UPDATE = types.void(i, i, i, i, i, i, i, types.float32, i)
call_update = caller(UPDATE)


@native(UPDATE)
def update_net(thread, threads, n_layers, table, dw, db, groups, rate, settings):
    """apply_update."""
    shape = (groups, n_layers)
    apply_update(
        thread, threads, array_at(table, (n_layers, FIELDS), np.int64), array_at(dw, shape, np.int64),
        array_at(db, shape, np.int64), groups, rate, array_at(settings, (SETTINGS,), np.float64), ONE, ONE,
    )  # fmt: skip


@native(UPDATE)
def leave_gradients(thread, threads, n_layers, table, dw, db, groups, rate, settings):
    """sum_groups."""
    shape, rows = (groups, n_layers), array_at(table, (n_layers, FIELDS), np.int64)
    sum_groups(thread, threads, rows, array_at(dw, shape, np.int64), array_at(db, shape, np.int64), groups)
