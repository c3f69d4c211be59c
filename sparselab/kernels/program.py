"""Whole training steps, compiled: one call per thread, without the interpreter lock and with no Python between kernels.

A batch is cut into tiles of fixed width, and the tiles into groups; each group has its own gradient buffers. A thread takes the
tiles of every n-th group through gather, forward, loss and backward. Then all threads meet; unless a value is not finite, each
one updates its share of the links with the groups' gradients, added in order; and they meet again. Where there are fewer groups
than threads, or a tile is far larger than a cache, all threads go through each tile together: each computes its own rows of every
layer (`cuts`, about equally many links), and they meet after each layer. The bits of the result do not depend on timing, on the
number of threads or on which of the two ways is taken: every element has one order of summation.

The backward pass works in place: once a layer's dw is computed, its input tile is no longer needed and dX overwrites it. Of the
activation and of dropout only two bits an element are kept. So a tile needs one float for each activation, and none for deltas.
"""

import numpy as np
from numba import types

from .arguments import RECORD
from .columns import (  # fmt: skip
    ACTIVATIONS,
    BACKWARD,
    BUFFERS,
    BY_INPUT,
    BY_OUTPUT,
    COEFFICIENTS,
    DROPOUT_BITS,
    FIELDS,
    FORWARD,
    GATHER,
    INDICES,
    INDPTR,
    INDPTR_T,
    LEFT,
    N_IN,
    N_OUT,
    NNZ,
    PHASES,
    RIGHT,
    ROWS_T,
    SCALE,
    SIGN_BITS,
    SLOTS_T,
    THRESHOLD,
    UPDATE,
    WAIT,
    B,
    W,
)
from .ends import call_best, call_gather, call_loss
from .entries import call_entry_gradients
from .native import native
from .push_pull import call_turn
from .rng import key64
from .rows import AHEAD, call_dx, call_sddmm, call_spmm
from .settings import jit
from .system import array_at, go_on, meet, now, zero
from .updating import call_update

RUN = types.void(types.int64, types.int64)
FAR = 2**25  # bytes of a layer's tile from which rows are prefetched


@jit
def ahead_of(neurons, width):
    """How many links ahead to prefetch the rows of a tile with so many neurons: none where the tile may be in a cache."""
    return AHEAD if 4 * neurons * width >= FAR else 0


@jit
def part_of(thread, work):
    """(part, parts): which part of each tile this thread computes."""
    return (thread, work.n_threads) if work.together else (0, 1)


@jit
def net_of(work, parts):
    """(table of the path, coefficients, cuts)."""
    return (
        array_at(work.path, (work.n_layers, FIELDS), np.int64),
        array_at(work.coefficients, (work.n_layers, COEFFICIENTS), np.float32),
        array_at(work.cuts, (work.n_layers, 2, parts + 1), np.int64),
    )


@jit(inline="always")
def buffers_of(thread, work):
    """(BUFFERS, n_layers + 1) addresses of the buffers of this thread's tiles."""
    workspace = 0 if work.together else thread
    return array_at(work.buffers + 8 * workspace * BUFFERS * (work.n_layers + 1), (BUFFERS, work.n_layers + 1), np.int64)


@jit
def forward(thread, work, buffers, key, lane):
    """This thread's rows of a tile, through all layers; False where the call is to end.

    In training with dropout, and with the bits that backward needs.
    """
    part, parts = part_of(thread, work)
    train = work.max_groups > 0  # not an argument: forward would be compiled for True and for False
    table, coefficients, cuts = net_of(work, parts)
    for l in range(work.n_layers):
        t, c = table[l], coefficients[l]
        hidden = train and l + 1 < work.n_layers
        call_spmm(
            work.spmm, cuts[l, BY_OUTPUT, part], cuts[l, BY_OUTPUT, part + 1], ahead_of(t[N_IN], work.width), t[INDPTR],
            t[INDICES], t[W], t[B], buffers[ACTIVATIONS, l], buffers[ACTIVATIONS, l + 1], c[LEFT], c[RIGHT],
            buffers[SIGN_BITS, l + 1] if hidden else 0, buffers[DROPOUT_BITS, l + 1], key64(key, l), lane,
            t[THRESHOLD] if hidden else 0, c[SCALE],
        )  # fmt: skip
        if not go_on(work.counter, parts, part):
            return False
    return True


@jit
def backward(thread, work, buffers, first, count, dw, db, add):
    """This thread's rows of a tile back through all layers, from dZ in the place of the outputs to every dw and db.

    Returns (0, or NaN where a gradient is not finite; False where the call is to end). dX overwrites the layer's input, which
    every part needs for dw: hence a meeting before it and one after it.
    """
    part, parts = part_of(thread, work)
    table, coefficients, cuts = net_of(work, parts)
    nonfinite = np.float32(0)
    for back in range(work.n_layers):
        l = work.n_layers - 1 - back
        t, X, dZ = table[l], buffers[ACTIVATIONS, l], buffers[ACTIVATIONS, l + 1]
        indptr = t[INDPTR]
        if l == 0 and work.entry_gradients:
            indptr = work.no_links  # the biases are left
            nonfinite += call_entry_gradients(
                work.entry_gradients, part, parts, work.X, work.csr_indices, work.csr_indptr, work.n_rows, work.samples, first,
                count, work.width, work.table, dZ, dw[0],
            )  # fmt: skip
        nonfinite += call_sddmm(
            work.sddmm, cuts[l, BY_OUTPUT, part], cuts[l, BY_OUTPUT, part + 1], ahead_of(t[N_IN], work.width), indptr,
            t[INDICES], X, dZ, dw[l], db[l], add,
        )  # fmt: skip
        if l > 0:
            c, begin, end = coefficients[l - 1], cuts[l, BY_INPUT, part], cuts[l, BY_INPUT, part + 1]
            dropout_bits = buffers[DROPOUT_BITS, l] if table[l - 1, THRESHOLD] else 0
            if not go_on(work.counter, parts, part):
                return np.float32(0), False
            indptr, others, slots = (t[INDPTR_T], t[ROWS_T], t[SLOTS_T]) if t[INDPTR_T] else (t[INDPTR], t[INDICES], 0)
            call_dx(
                work.dx if t[INDPTR_T] else work.scatter, begin, end, ahead_of(t[N_OUT], work.width), t[N_OUT], indptr, others,
                slots, t[W], dZ, X, c[LEFT], c[RIGHT], buffers[SIGN_BITS, l], dropout_bits, c[SCALE],
            )  # fmt: skip
            if not go_on(work.counter, parts, part):
                return np.float32(0), False
    return nonfinite, True


@jit
def fill_input(part, parts, work, buffers, first, count):
    """This part's share of samples[first : first + count] into the columns of the input tile."""
    call_gather(
        work.gather, part, parts, work.X, work.csr_indices, work.csr_indptr, work.n_rows, work.n_features, work.samples, first,
        count, buffers[ACTIVATIONS, 0], work.width, work.table,
    )  # fmt: skip


@jit
def clear(part, parts, place, n):
    """Set this part's share of n float32 at an address to 0."""
    begin, end = n * part // parts, n * (part + 1) // parts
    zero(place + 4 * begin, 4 * (end - begin))


@jit
def run_tiles(thread, work, start, size, groups, key, losses, hits):
    """This thread's work on the tiles of one batch, samples[start : start + size]; False where the call is to end."""
    part, parts = part_of(thread, work)
    buffers, width = buffers_of(thread, work), work.width
    outputs, scale = buffers[ACTIVATIONS, work.n_layers], np.float32(1) / np.float32(size)
    table = array_at(work.table, (work.n_layers, FIELDS), np.int64)
    n_out = table[work.n_layers - 1, N_OUT]
    dw, db = array_at(work.dw, (groups, work.n_layers), np.int64), array_at(work.db, (groups, work.n_layers), np.int64)
    nonfinite = array_at(work.nonfinite, (work.n_threads,), np.float32)
    phases = array_at(work.phases, (work.n_threads, PHASES), np.int64)
    n_tiles = (size + width - 1) // width
    nonfinite[thread] = 0
    for group in range(0 if work.together else thread, groups, 1 if work.together else work.n_threads):
        first_tile = n_tiles * group // groups
        for tile in range(first_tile, n_tiles * (group + 1) // groups):
            first, count = start + tile * width, min(width, size - tile * width)
            begin = now()
            if work.entry_gradients and tile == first_tile:
                clear(part, parts, dw[group, 0], table[0, NNZ])
            fill_input(part, parts, work, buffers, first, count)
            if not meet(work.counter, parts):
                return False
            gathered = now()
            if not forward(thread, work, buffers, key, tile * width // 4):
                return False
            if part == 0:
                losses[tile] = call_loss(
                    work.loss, outputs, n_out, work.width, work.targets, work.n_rows, work.samples, first, count, scale,
                    hits.ctypes.data + 8 * tile, work.loss_settings, work.weights,
                )  # fmt: skip
            if not meet(work.counter, parts):
                return False
            went_forward = now()
            bad, whole = backward(thread, work, buffers, first, count, dw[group], db[group], tile > first_tile)
            nonfinite[thread] += bad
            if not (whole and meet(work.counter, parts)):
                return False
            phases[thread, GATHER] += gathered - begin
            phases[thread, FORWARD] += went_forward - gathered
            phases[thread, BACKWARD] += now() - went_forward
    return True


@native(RUN)
def run_steps(thread, record):
    """n_steps steps over consecutive batches of `samples` (the last may be partial), as one of the threads.

    record: address of the arguments, see arguments.py. A step whose loss or gradients are not finite is not applied: the call
    ends, and status[0] is its number. A worker that pushes and pulls by itself does so after each step (push_pull.take_turn);
    where it may not, and after the last step, the call ends and leaves the gradient in the first group's buffers.
    """
    work = array_at(record, (1,), RECORD)[0]
    n_threads, n_steps = work.n_threads, work.n_steps
    losses = array_at(work.losses, (n_steps, work.max_tiles), np.float64)
    hits = array_at(work.hits, (n_steps, work.max_tiles), np.int64)
    rates = array_at(work.rates, (n_steps,), np.float32)
    nonfinite, status = array_at(work.nonfinite, (n_threads,), np.float32), array_at(work.status, (2,), np.int64)
    phases = array_at(work.phases, (n_threads, PHASES), np.int64)
    for step in range(n_steps):
        start = step * work.batch_size
        size = min(work.batch_size, work.n_samples - start)
        n_tiles = (size + work.width - 1) // work.width
        groups = min(work.max_groups, n_tiles)
        key = key64(work.key, work.first_step + step)
        if not run_tiles(thread, work, start, size, groups, key, losses[step], hits[step]):
            return
        done = now()
        if not meet(work.counter, n_threads):
            return
        met = now()
        loss, n_hits = 0.0, np.int64(0)  # a plain 0 has a type of its own, for which all callees would be compiled again
        for tile in range(n_tiles):
            loss += losses[step, tile]
            n_hits += hits[step, tile]
        sum_ = loss
        for other in range(n_threads):
            sum_ += nonfinite[other]
        if not np.isfinite(sum_):
            status[0] = step
            return
        call_update(
            work.update, thread, n_threads, work.n_layers, work.table, work.dw, work.db, groups, rates[step], work.settings, step
        )
        if thread == 0:
            status[1] = step + 1
        if work.server_words and (
            step + 1 == n_steps
            or not call_turn(
                work.turn, work.server_words, work.own_words, work.server_table, work.n_layers, work.table, work.dw, work.db,
                work.settings, loss, n_hits, size,
            )
        ):  # fmt: skip
            return
        updated = now()
        meet(work.counter, n_threads)
        phases[thread, WAIT] += met - done + now() - updated
        phases[thread, UPDATE] += updated - met


@native(RUN)
def run_forward(thread, record):
    """out[i] = the net's outputs for sample samples[i], without dropout, as one of the threads. record: see run_steps.

    Where there is an n_best: the largest of them, and places[i] = which these are.
    """
    work = array_at(record, (1,), RECORD)[0]
    part, parts = part_of(thread, work)
    buffers, width, n = buffers_of(thread, work), work.width, work.n_samples
    n_out = array_at(work.table, (work.n_layers, FIELDS), np.int64)[work.n_layers - 1, N_OUT]
    outputs = buffers[ACTIVATIONS, work.n_layers]
    Z, out = array_at(outputs, (n_out, width), np.float32), array_at(work.out, (n, n_out), np.float32)
    for tile in range(0 if work.together else thread, (n + width - 1) // width, 1 if work.together else work.n_threads):
        first, count = tile * width, min(width, n - tile * width)
        fill_input(part, parts, work, buffers, first, count)
        if not (meet(work.counter, parts) and forward(thread, work, buffers, work.key, tile)):
            return
        if work.n_best:
            call_best(
                work.best, part, parts, outputs, n_out, width, first, count, n, work.n_best, work.places, work.out
            )  # fmt: skip
        elif part == 0:
            for c in range(count):
                for q in range(n_out):
                    out[first + c, q] = Z[q, c]
