"""`gather` on LLVM vectors: transposes blocks of 16 samples × 16 features in registers; and `scatter_rows`, the way back.

The result is that of `elementwise.gather`; a scalar loop copies what is left at the edges.
"""

from numba import types
from numba.extending import intrinsic

from .intrinsics import F32, I64, pointer, row_type, shuffle
from .settings import jit

SIDE = 16


@intrinsic
def turn_block(typing, X, n_in, samples, feature, out, width):
    """out[(feature + i) · width + c] = X[samples[c], feature + i] for i, c < 16; all but `feature` and sizes are addresses."""
    i = types.int64

    def codegen(context, builder, sig, args):
        X, n_in, samples, feature, out, width = args
        base, ids, place = pointer(builder, X, F32), pointer(builder, samples, I64), pointer(builder, out, F32)

        def row(at, address):
            return builder.bitcast(builder.gep(address, [at]), row_type(SIDE).as_pointer())

        rows = []
        for c in range(SIDE):
            sample = builder.load(builder.gep(ids, [I64(c)]))
            rows.append(builder.load(row(builder.add(builder.mul(sample, n_in), feature), base), align=4))
        for i, turned in enumerate(turn(builder, rows)):
            at = builder.mul(builder.add(feature, I64(i)), width)
            builder.store(turned, row(at, place), align=4)
        return context.get_dummy_value()

    return types.void(i, i, i, i, i, i), codegen


@intrinsic
def turn_back(typing, tile, width, out, n_out):
    """out[c · n_out + i] = tile[i · width + c] for i, c < 16; tile and out are addresses."""
    i = types.int64

    def codegen(context, builder, sig, args):
        tile, width, out, n_out = args

        def row(address, at, length):
            place = builder.gep(pointer(builder, address, F32), [builder.mul(I64(at), length)])
            return builder.bitcast(place, row_type(SIDE).as_pointer())

        rows = [builder.load(row(tile, at, width), align=4) for at in range(SIDE)]
        for c, turned in enumerate(turn(builder, rows)):
            builder.store(turned, row(out, c, n_out), align=4)
        return context.get_dummy_value()

    return types.void(i, i, i, i), codegen


def turn(builder, rows):
    """The transpose of 16 vectors of 16, in four rounds of exchanges between rows whose distance is a power of two."""
    step = 1
    while step < SIDE:
        keep = [lane if not lane & step else SIDE + lane - step for lane in range(SIDE)]
        give = [lane + step if not lane & step else SIDE + lane for lane in range(SIDE)]
        new = list(rows)
        for a in range(SIDE):
            if not a & step:
                b = a + step
                new[a], new[b] = shuffle(builder, rows[a], rows[b], keep), shuffle(builder, rows[a], rows[b], give)
        rows, step = new, 2 * step
    return rows


@jit
def gather_rows(X, samples, first, count, out, begin, end):
    """Rows [begin, end) of `gather`, which are features; begin is a multiple of SIDE."""
    n_in, width = out.shape
    whole_rows, whole_columns = end - (end - begin) % SIDE, count - count % SIDE
    for c in range(0, whole_columns, SIDE):
        for i in range(begin, whole_rows, SIDE):
            turn_block(X.ctypes.data, n_in, samples.ctypes.data + 8 * (first + c), i, out.ctypes.data + 4 * c, width)
    for c in range(width):
        start = whole_rows if c < whole_columns else begin
        if c < count:
            sample = samples[first + c]
            for i in range(start, end):
                out[i, c] = X[sample, i]
        else:
            out[begin:end, c] = 0


@jit
def gather(X, samples, first, count, out):
    """out[:, c] = X[samples[first + c]] for c < count, 0 beyond. X (n, features), out (features, W), float32, contiguous."""
    gather_rows(X, samples, first, count, out, 0, out.shape[0])


@jit
def scatter_rows(tile, count, out, begin):
    """out[c, begin + i] = tile[i, c] for c < count. tile (rows, W), out (count, n_out), float32, contiguous."""
    rows, width = tile.shape
    n_out = out.shape[1]
    whole_rows, whole_columns = rows - rows % SIDE, count - count % SIDE
    for c in range(0, whole_columns, SIDE):
        for i in range(0, whole_rows, SIDE):
            turn_back(
                tile.ctypes.data + 4 * (i * width + c), width, out.ctypes.data + 4 * (c * n_out + begin + i), n_out
            )  # fmt: skip
    for c in range(count):
        for i in range(whole_rows if c < whole_columns else 0, rows):
            out[c, begin + i] = tile[i, c]
