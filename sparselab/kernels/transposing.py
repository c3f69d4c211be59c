"""`gather` on LLVM vectors: transposes blocks of 16 samples × 16 features in registers.

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
