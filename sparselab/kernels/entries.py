"""The first layer's products over the entries of CSR samples: no link of a feature without an entry is read.

indptr, rows and slots are those of the transposed index: input i has links k in [indptr[i], indptr[i + 1]), to output rows[k],
with weight w[slots[k]]. Sums are in the order of samples and of their entries, whatever the number of threads. Indices are made
unsigned so that compiled code need not ask whether one counts from the end.
"""

import numpy as np
from numba import types

from .columns import FIELDS, INDPTR_T, N_IN, N_OUT, NNZ, ROWS_T, SLOTS_T, W
from .ends import GATHER
from .intrinsics import TOO_LARGE
from .native import caller, native
from .rng import GOLDEN, U64
from .settings import JIT, jit
from .system import array_at, fetch

AHEAD, POINTERS_AHEAD = 8, 24  # entries of a sample, in order; what they need is fetched so many entries before
FACTOR = U64(0xBF58476D1CE4E5B9)  # the first one of rng.mix64
i, f = types.int64, types.float32
ENTRY_GRADIENTS = f(i, i, i, i, i, i, i, i, i, i, i, i, i)
call_entry_gradients = caller(ENTRY_GRADIENTS)


@jit
def fetch_ahead(columns, entry, end, indptr, rows, others):
    """Prefetch the first and last of `rows` and `others` of the feature of entry + AHEAD, and row pointers further ahead."""
    if entry + POINTERS_AHEAD < end:
        fetch(indptr.ctypes.data + 8 * columns[entry + POINTERS_AHEAD])
    if entry + AHEAD < end:
        for k in (indptr[columns[entry + AHEAD]], indptr[columns[entry + AHEAD] + 1] - 1):
            fetch(rows.ctypes.data + 4 * k)
            fetch(others.ctypes.data + others.itemsize * k)


@jit
def add_entries(values, columns, starts, samples, first, count, indptr, rows, slots, w, out, begin, end):
    """Columns [begin, end) of out (n_out, W): W x without biases of samples[first + c] in column c < count, 0 beyond.

    values, columns, starts: the arrays of the samples' CSR matrix. slots may be empty: then w is in the order of rows.
    """
    for j in range(out.shape[0]):
        for c in range(begin, end):
            out[j, c] = 0
    for c in range(begin, min(end, count)):
        start, stop = starts[samples[first + c]], starts[samples[first + c] + 1]
        for entry in range(start - AHEAD if JIT else start, stop):
            if JIT and slots.size:
                fetch_ahead(columns, entry, stop, indptr, rows, slots)
            elif JIT:
                fetch_ahead(columns, entry, stop, indptr, rows, w)
            if entry < start:
                continue
            x, feature = values[entry], columns[entry]
            for k in range(indptr[feature], indptr[feature + 1]):
                slot = U64(slots[U64(k)]) if slots.size else U64(k)
                out[U64(rows[U64(k)]), U64(c)] += x * w[slot]


@jit
def add_entry_gradients(values, columns, starts, samples, first, count, indptr, rows, slots, dZ, dw, part, parts):
    """dw += dZ Xᵀ on the links of samples[first : first + count], from the features i with i % parts == part.

    Returns 0, or NaN where a gradient is not finite or so large that a step could overflow.
    """
    nothing, much = dw.dtype.type(0), dw.dtype.type(TOO_LARGE)
    nonfinite = nothing
    for c in range(count):
        start, stop = starts[samples[first + c]], starts[samples[first + c] + 1]
        for entry in range(start - AHEAD if JIT else start, stop):
            if JIT:
                fetch_ahead(columns, entry, stop, indptr, rows, slots)
            if entry < start:
                continue
            x, feature = values[entry], columns[entry]
            if parts == 1 or feature % parts == part:
                for k in range(indptr[feature], indptr[feature + 1]):
                    slot = U64(slots[U64(k)])
                    new = dw[slot] + x * dZ[U64(rows[U64(k)]), U64(c)]
                    dw[slot] = new
                    nonfinite += new * much * nothing
    return nonfinite


@jit
def take(w, slots, out):
    """out[k] = w[slots[k]]."""
    for k in range(slots.shape[0]):
        out[U64(k)] = w[U64(slots[U64(k)])]


@jit
def hash64(words):
    """A hash of 64-bit words and their places."""
    total = U64(0)
    for k in range(words.shape[0]):
        x = (words[U64(k)] + U64(k) * GOLDEN) * FACTOR
        total += x ^ (x >> U64(32))
    return total


# the same for arrays given by address; layer: that of the first layer's row of the table


@native(GATHER)
def from_entries(part, parts, X, indices, indptr, n_rows, n_features, samples, first, count, tile, width, layer):
    """add_entries into a tile (n_out, width): each part computes some of the samples."""
    t, starts = array_at(layer, (FIELDS,), np.int64), array_at(indptr, (n_rows + 1,), np.int64)
    n, nnz, n_out = starts[n_rows], t[NNZ], t[N_OUT]
    slots = nnz if t[SLOTS_T] else 0
    add_entries(
        array_at(X, (n,), np.float32), array_at(indices, (n,), np.int32), starts, array_at(samples, (first + count,), np.int64),
        first, count, array_at(t[INDPTR_T], (t[N_IN] + 1,), np.int64), array_at(t[ROWS_T], (nnz,), np.int32),
        array_at(t[SLOTS_T], (slots,), np.int32), array_at(t[W], (nnz,), np.float32),
        array_at(tile, (n_out, width), np.float32), width * part // parts, width * (part + 1) // parts,
    )  # fmt: skip


@native(ENTRY_GRADIENTS)
def entry_gradients(part, parts, X, indices, indptr, n_rows, samples, first, count, width, layer, dZ, dw):
    """add_entry_gradients: each part computes the links of some of the features."""
    t, starts = array_at(layer, (FIELDS,), np.int64), array_at(indptr, (n_rows + 1,), np.int64)
    n, nnz, n_out = starts[n_rows], t[NNZ], t[N_OUT]
    return add_entry_gradients(
        array_at(X, (n,), np.float32), array_at(indices, (n,), np.int32), starts, array_at(samples, (first + count,), np.int64),
        first, count, array_at(t[INDPTR_T], (t[N_IN] + 1,), np.int64), array_at(t[ROWS_T], (nnz,), np.int32),
        array_at(t[SLOTS_T], (nnz,), np.int32), array_at(dZ, (n_out, width), np.float32), array_at(dw, (nnz,), np.float32),
        part, parts,
    )  # fmt: skip
