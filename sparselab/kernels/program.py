"""Whole training steps in one nogil call a thread: no Python between kernels.

A thread walks a table of addresses (layers × fields) tile by tile: gather, forward, loss, backward. Then the threads meet,
look whether anything is not finite, and each updates its share of the links with the groups' gradients added in order; then
they meet again. Where there are fewer tiles than threads, or a tile is far larger than a cache, all threads go through each
tile together instead: everyone computes its own rows of every layer (`cuts`, about as many links each), and they meet between
layers. Nothing depends on timing, on the number of threads or on which way was taken: tiles have a fixed width, groups of
tiles are summed in tile order, every output element has one owner and one order of summation.

Backward works in place: once a layer's dw is taken, its input tile is free, and dX overwrites it; what is left of f and of
dropout are two bits an element. So a tile keeps one float an activation and no deltas.
"""

import numpy as np
from numba import carray

from .columns import (  # fmt: skip
    ACTIVATIONS,
    BACKWARD,
    BY_INPUT,
    BY_OUTPUT,
    FORWARD,
    GATHER,
    INDICES,
    INDPTR,
    INDPTR_T,
    KEPT,
    LEFT,
    N_IN,
    N_OUT,
    ON,
    RIGHT,
    ROWS_T,
    SCALE,
    SLOTS_T,
    THRESHOLD,
    UPDATE,
    WAIT,
    B,
    W,
)
from .elementwise import gather_csr, softmax_loss, squared_loss
from .push_pull import take_turn
from .rng import key64
from .rows import AHEAD, dx_rows, scatter_rows, sddmm_rows, spmm_rows
from .settings import jit
from .system import as_pointer, go_on, meet, now
from .transposing import SIDE, gather_rows
from .updating import ONE, apply_update, sum_groups

SOFTMAX, SQUARED = range(2)

FAR = 2**25  # bytes of a layer's tile from which its rows are asked for beforehand


@jit
def ahead_of(neurons, width):
    """How many links ahead rows of so many neurons are asked for: only where they are in no cache."""
    return AHEAD if 4 * neurons * width >= FAR else 0


@jit
def forward(part, parts, counter, cuts, width, table, coefficients, places, key, lane, train):
    """This part's rows of one tile through the net, the others' awaited after each layer; False where one gave up.

    `train` switches dropout and the bits for backward on.
    """
    n_layers = table.shape[0]
    for l in range(n_layers):
        t, c = table[l], coefficients[l]
        hidden = train and l + 1 < n_layers
        spmm_rows(
            width, cuts[l, BY_OUTPUT, part], cuts[l, BY_OUTPUT, part + 1], ahead_of(t[N_IN], width), t[INDPTR], t[INDICES],
            t[W], t[B], places[ACTIVATIONS, l], places[ACTIVATIONS, l + 1], c[LEFT], c[RIGHT], places[ON, l + 1] if hidden else 0,
            places[KEPT, l + 1], key64(key, l), lane, t[THRESHOLD] if hidden else 0, c[SCALE],
        )  # fmt: skip
        if not go_on(counter, parts, part):
            return False
    return True


@jit
def backward(part, parts, counter, cuts, width, table, coefficients, places, dw, db, add):
    """This part's rows of one tile back, from dZ of the output layer (in its place) to every dw and db.

    Returns 0 or NaN, and False where it was ended.

    dX overwrites the layer's input, which every part's dw needs: hence a meeting before it and one after it.
    """
    nonfinite = np.float32(0)
    for back in range(table.shape[0]):
        l = table.shape[0] - 1 - back
        t, X, dZ = table[l], places[ACTIVATIONS, l], places[ACTIVATIONS, l + 1]
        nonfinite += sddmm_rows(
            width, cuts[l, BY_OUTPUT, part], cuts[l, BY_OUTPUT, part + 1], ahead_of(t[N_IN], width), t[INDPTR], t[INDICES], X,
            dZ, dw[l], db[l], add,
        )  # fmt: skip
        if l > 0:
            c, begin, end = coefficients[l - 1], cuts[l, BY_INPUT, part], cuts[l, BY_INPUT, part + 1]
            kept = places[KEPT, l] if table[l - 1, THRESHOLD] else 0
            if not go_on(counter, parts, part):
                return np.float32(0), False
            if t[INDPTR_T]:
                dx_rows(
                    width, begin, end, ahead_of(t[N_OUT], width), t[INDPTR_T], t[ROWS_T], t[SLOTS_T], t[W], dZ, X, c[LEFT],
                    c[RIGHT], places[ON, l], kept, c[SCALE],
                )  # fmt: skip
            else:
                scatter_rows(
                    width, begin, end, t[N_OUT], t[INDPTR], t[INDICES], t[W], dZ, X, c[LEFT], c[RIGHT], places[ON, l], kept,
                    c[SCALE],
                )  # fmt: skip
            if not go_on(counter, parts, part):
                return np.float32(0), False
    return nonfinite, True


@jit
def fill_input(part, parts, width, table, places, X, csr_data, csr_indices, csr_indptr, samples, first, count):
    """The tile's samples become columns of level 0; X with no rows means the CSR arrays hold the data (the first part's work).

    Each part turns its share of the features, in whole blocks.
    """
    tile = carray(as_pointer(places[ACTIVATIONS, 0]), (table[0, N_IN], width), np.float32)
    if X.shape[0]:
        blocks = (tile.shape[0] + SIDE - 1) // SIDE
        begin, end = SIDE * (blocks * part // parts), min(tile.shape[0], SIDE * (blocks * (part + 1) // parts))
        gather_rows(X, samples, first, count, tile, begin, end)
    elif part == 0:
        gather_csr(csr_data, csr_indices, csr_indptr, samples, first, count, tile)


@jit
def output_loss(loss, Z, labels, targets, samples, first, count, scale):
    """(Σ loss, hits) of a tile of outputs Z, in whose place dZ is left."""
    if loss == SOFTMAX:
        return softmax_loss(Z, labels, samples, first, count, scale, Z)
    return squared_loss(Z, targets, samples, first, count, scale, Z)


@jit
def run_steps(
    thread, threads, together, counter, cuts, width, max_groups, table, coefficients, places, dw, db, settings, rates, loss,
    labels, targets, X, csr_data, csr_indices, csr_indptr, samples, batch_size, key, first_step, losses, hits, nonfinite, phases,
    status, applies, gate, mine, server,
):  # fmt: skip
    """Steps 0 … len(rates) − 1 over consecutive batches of `samples` (the last may be partial), as one of `threads` threads.

    together: whether the threads share each tile (then they share `places` too) or take groups of tiles in turn; cuts fit
    that. losses, hits (steps, tiles) get each tile's sums; poison (one for each group and each thread at least) is 0, or NaN
    where a gradient was not finite; then status[0] is the step, which was not applied (else −1). status[1] counts the steps
    that were. `applies`: whether gradients are applied; else a step leaves their sum in the first group's. counter: see
    system.meet. gate (0 for none), mine, server: of a worker alone that takes its own turns at a parameter server, see
    turns.take_turn; where it may not, and after the last step, the gradient is left and the call ends.
    """
    clock = np.zeros(2, np.int64)
    part, parts = (thread, threads) if together else (0, 1)
    last = table.shape[0]
    Z = carray(as_pointer(places[ACTIVATIONS, last]), (table[last - 1, N_OUT], width), np.float32)
    for step in range(rates.shape[0]):
        start = step * batch_size
        size = min(batch_size, samples.shape[0] - start)
        n_tiles = (size + width - 1) // width
        groups = min(max_groups, n_tiles)
        scale = np.float32(1) / np.float32(size)
        step_key = key64(key, first_step + step)
        nonfinite[thread] = 0
        for group in range(0 if together else thread, groups, 1 if together else threads):
            first_tile = n_tiles * group // groups
            for tile in range(first_tile, n_tiles * (group + 1) // groups):
                t0 = now(clock)
                first, count = start + tile * width, min(width, size - tile * width)
                fill_input(part, parts, width, table, places, X, csr_data, csr_indices, csr_indptr, samples, first, count)
                if not meet(counter, parts):
                    return
                t1 = now(clock)
                lane = tile * width // 4
                if not forward(part, parts, counter, cuts, width, table, coefficients, places, step_key, lane, True):
                    return
                if part == 0:
                    losses[step, tile], hits[step, tile] = output_loss(loss, Z, labels, targets, samples, first, count, scale)
                if not meet(counter, parts):
                    return
                t2 = now(clock)
                bad, whole = backward(
                    part, parts, counter, cuts, width, table, coefficients, places, dw[group], db[group], tile > first_tile
                )
                nonfinite[thread] += bad
                if not (whole and meet(counter, parts)):
                    return
                t3 = now(clock)
                phases[thread, GATHER] += t1 - t0
                phases[thread, FORWARD] += t2 - t1
                phases[thread, BACKWARD] += t3 - t2
        t4 = now(clock)
        if not meet(counter, threads):
            return
        t5 = now(clock)
        sum_ = 0.0
        for tile in range(n_tiles):
            sum_ += losses[step, tile]
        for other in range(threads):
            sum_ += nonfinite[other]
        if not np.isfinite(sum_):
            status[0] = step
            return
        if applies:
            apply_update(thread, threads, table, dw, db, groups, rates[step], settings, ONE, ONE)
        else:
            sum_groups(thread, threads, table, dw, db, groups)
        if thread == 0:
            status[1] = step + 1
        if gate and (
            step + 1 == rates.shape[0]
            or not take_turn(gate, mine, server, table, dw, db, settings, losses[step].sum(), hits[step].sum(), size, clock)
        ):
            return
        t6 = now(clock)
        meet(counter, threads)
        phases[thread, WAIT] += t5 - t4 + now(clock) - t6
        phases[thread, UPDATE] += t6 - t5


@jit
def run_forward(
    thread, threads, together, counter, cuts, width, table, coefficients, places, X, csr_data, csr_indices, csr_indptr,
    samples, out,
):  # fmt: skip
    """out[i] = the net's output for sample samples[i], dropout off; the threads share tiles or take them in turn."""
    part, parts = (thread, threads) if together else (0, 1)
    last, n = table.shape[0], samples.shape[0]
    Z = carray(as_pointer(places[ACTIVATIONS, last]), (table[last - 1, N_OUT], width), np.float32)
    for tile in range(0 if together else thread, (n + width - 1) // width, 1 if together else threads):
        first, count = tile * width, min(width, n - tile * width)
        fill_input(part, parts, width, table, places, X, csr_data, csr_indices, csr_indptr, samples, first, count)
        if not (
            meet(counter, parts)
            and forward(part, parts, counter, cuts, width, table, coefficients, places, np.uint64(0), 0, False)
        ):
            return
        if part == 0:
            for c in range(count):
                for q in range(Z.shape[0]):
                    out[first + c, q] = Z[q, c]
