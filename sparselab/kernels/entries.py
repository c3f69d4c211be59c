"""The first layer's products over the entries of CSR samples: no link of a feature without an entry is read.

indptr, rows and slots are those of the transposed index: input i has links k in [indptr[i], indptr[i + 1]), to output rows[k],
with weight w[slots[k]]. Sums are in the order of samples and of their entries, whatever the number of threads. Indices are made
unsigned so that compiled code need not ask whether one counts from the end.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .columns import FIELDS, INDPTR_T, MASKS, N_IN, N_OUT, NNZ, ROWS_T, SLOTS_T, W
from .ends import GATHER
from .intrinsics import F32, I1, I16, I32, I64, TOO_LARGE, call, loop, pointer, row_type, splat, zeros
from .native import caller, native
from .rng import GOLDEN, U64
from .settings import JIT, jit
from .system import ROOM, array_at, fetch, room

AHEAD, POINTERS_AHEAD = 5, 15  # entries of a sample, in order; what they need is fetched so many entries before
FACTOR = U64(0xBF58476D1CE4E5B9)  # the first one of rng.mix64
AT_ONCE = 8  # links of an entry
LANES = 16  # outputs of a block
MOST_BLOCKS = 2 * ROOM // LANES
F64 = ir.DoubleType()
i, f = types.int64, types.float32
ENTRY_GRADIENTS = f(i, i, i, i, i, i, i, i, i, i, i, i, i)
call_entry_gradients = caller(ENTRY_GRADIENTS)


@intrinsic
def add_multiples(typing, rows, w, x, column, width, skipped):
    """column[rows[k] · width] += x w[k] for skipped <= k < AT_ONCE, and 0 for the others, by address.

    The rows differ, so that all can be read before the first is written: the processor need not find out which one is another.
    """
    kind = F32 if x == f else F64

    def codegen(context, builder, sig, args):
        rows, w, x, column, width, skipped = args
        several, numbers = ir.VectorType(kind, AT_ONCE), ir.Constant(ir.VectorType(I64, AT_ONCE), [*range(AT_ONCE)])
        wanted = builder.icmp_signed(">=", numbers, splat(builder, skipped, AT_ONCE))
        factors = builder.select(wanted, splat(builder, x, AT_ONCE), ir.Constant(several, [0.0] * AT_ONCE))
        products = builder.fmul(factors, builder.load(pointer(builder, w, several), align=4))
        rows, column, sums = pointer(builder, rows, I32), pointer(builder, column, kind), []
        for k in range(AT_ONCE):
            row = builder.zext(builder.load(builder.gep(rows, [I64(k)])), I64)
            place = builder.gep(column, [builder.mul(row, width)])
            sums.append((builder.fadd(builder.load(place), builder.extract_element(products, I32(k))), place))
        for one in sums:
            builder.store(*one)
        return context.get_dummy_value()

    return types.void(i, i, x, i, i, i), codegen


@jit
def fetch_ahead(columns, entry, end, indptr, rows, others, itemsize):
    """Prefetch the first and last of `rows` and `others`, by address, of the feature of entry + AHEAD, and row pointers further
    ahead."""
    if entry + POINTERS_AHEAD < end:
        fetch(indptr.ctypes.data + 8 * columns[entry + POINTERS_AHEAD])
    if entry + AHEAD < end:
        feature = columns[entry + AHEAD]
        for k in (indptr[feature], indptr[feature + 1] - 1):
            fetch(rows + 4 * k)
            fetch(others + itemsize * k)


@jit
def add_entries(values, columns, starts, samples, first, count, indptr, rows, slots, w, out, begin, end):
    """Columns [begin, end) of out (n_out, W): W x without biases of samples[first + c] in column c < count, 0 beyond.

    values, columns, starts: the arrays of the samples' CSR matrix. slots may be empty: then w is in the order of rows.
    """
    for j in range(out.shape[0]):
        for c in range(begin, end):
            out[j, c] = 0
    others, itemsize = (slots.ctypes.data, 4) if slots.size else (w.ctypes.data, w.itemsize)
    for c in range(begin, min(end, count)):
        start, stop = starts[samples[first + c]], starts[samples[first + c] + 1]
        for entry in range(start - AHEAD if JIT else start, stop):
            if JIT:
                fetch_ahead(columns, entry, stop, indptr, rows.ctypes.data, others, itemsize)
            if entry < start:
                continue
            x, feature = values[entry], columns[entry]
            first_link, last = indptr[feature], indptr[feature + 1]
            if JIT and slots.size == 0 and first_link + AT_ONCE <= last:
                column = out.ctypes.data + out.itemsize * c
                while first_link + AT_ONCE <= last:
                    links = rows.ctypes.data + 4 * first_link, w.ctypes.data + w.itemsize * first_link
                    add_multiples(*links, x, column, out.shape[1], 0)
                    first_link += AT_ONCE
                if first_link < last:  # with some of those before: the end of a loop over the rest would be mispredicted
                    before, first_link = AT_ONCE - (last - first_link), last - AT_ONCE
                    links = rows.ctypes.data + 4 * first_link, w.ctypes.data + w.itemsize * first_link
                    add_multiples(*links, x, column, out.shape[1], before)
                first_link = last
            for k in range(first_link, last):
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
                fetch_ahead(columns, entry, stop, indptr, rows.ctypes.data, slots.ctypes.data, 4)
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
def masks_of(indptr, rows, masks):
    """Set bit r % LANES of masks[i, r // LANES] for every link of input i to output r; masks (n_in, blocks) uint16, zeros."""
    for n in range(masks.shape[0]):
        for k in range(indptr[n], indptr[n + 1]):
            row = rows[U64(k)]
            masks[n, row // LANES] |= np.uint16(1) << np.uint16(row % LANES)


@intrinsic
def add_blocks(typing, masks, w, x, sums, blocks):
    """sums[0 : LANES · blocks] += x times the weights at w, in turn where bits of the masks are set; by address."""

    def codegen(context, builder, sig, args):
        masks, w, x, sums, blocks = args
        masks, sums, factor = pointer(builder, masks, I16), pointer(builder, sums, row_type(LANES)), splat(builder, x, LANES)

        def block(b, weights):
            bits, place = builder.load(builder.gep(masks, [b])), builder.gep(sums, [b])
            chosen = builder.bitcast(bits, ir.VectorType(I1, LANES))
            some = call(builder, f"llvm.masked.expandload.v{LANES}f32", row_type(LANES), [weights, chosen, zeros(LANES)])
            builder.store(builder.fadd(builder.load(place, align=4), builder.fmul(factor, some)), place, align=4)
            return builder.gep(weights, [builder.zext(call(builder, "llvm.ctpop.i16", I16, [bits]), I64)])

        loop(builder, I64(0), blocks, 1, pointer(builder, w, F32), block)
        return context.get_dummy_value()

    return types.void(i, i, f, i, i), codegen


@jit
def add_entries_by_blocks(values, columns, starts, samples, first, count, indptr, masks, w, out, begin, end):
    """`add_entries` in float32, with w in the order of rows, which rise for each input; masks: those of `masks_of`.

    No link's row is read, and sums are vectors: the fastest where a block of LANES outputs has many links of an input.
    """
    sums, blocks = room(), masks.shape[1]
    row = array_at(sums, (blocks * LANES,), np.float32)
    for c in range(begin, end):
        row[:] = 0
        start, stop = (starts[samples[first + c]], starts[samples[first + c] + 1]) if c < count else (0, 0)
        for entry in range(start - AHEAD, stop):
            if entry + POINTERS_AHEAD < stop:
                fetch(indptr.ctypes.data + 8 * columns[entry + POINTERS_AHEAD])
            if entry + AHEAD < stop:
                feature = columns[entry + AHEAD]
                fetch(masks.ctypes.data + 2 * blocks * feature)
                fetch(w.ctypes.data + 4 * indptr[feature])
                fetch(w.ctypes.data + 4 * (indptr[feature + 1] - 1))
            if entry >= start:
                feature = columns[entry]
                place = masks.ctypes.data + 2 * blocks * feature, w.ctypes.data + 4 * indptr[feature]
                add_blocks(*place, values[entry], sums, blocks)
        for r in range(out.shape[0]):
            out[r, c] = row[r]


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
    n, nnz, n_in, n_out = starts[n_rows], t[NNZ], t[N_IN], t[N_OUT]
    given = (
        array_at(X, (n,), np.float32), array_at(indices, (n,), np.int32), starts, array_at(samples, (first + count,), np.int64),
        first, count, array_at(t[INDPTR_T], (n_in + 1,), np.int64),
    )  # fmt: skip
    w, out = array_at(t[W], (nnz,), np.float32), array_at(tile, (n_out, width), np.float32)
    begin, end = width * part // parts, width * (part + 1) // parts
    if t[MASKS]:
        masks = array_at(t[MASKS], (n_in, (n_out + LANES - 1) // LANES), np.uint16)
        add_entries_by_blocks(*given, masks, w, out, begin, end)
    else:
        rows, slots = array_at(t[ROWS_T], (nnz,), np.int32), array_at(t[SLOTS_T], (nnz if t[SLOTS_T] else 0,), np.int32)
        add_entries(*given, rows, slots, w, out, begin, end)


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
