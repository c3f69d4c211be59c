"""The three products of a sparse layer, for one row of a tile as one LLVM vector.

A tile is (neurons, W) float32. A row's accumulator is a single <W x float> value, which LLVM splits into the machine's
registers; so a row is read and written once, however many links it has. Addresses are integers: no alias checks, no array
views. W, the `width` of each intrinsic, is a constant of the code that calls it. No fast-math flags: the order of every sum is
fixed here.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .rng import LANE, MIX_32

F32, I1, I8, I16, I32, I64 = ir.FloatType(), *map(ir.IntType, (1, 8, 16, 32, 64))
PART = 16  # columns of a row that SDDMM multiplies and adds at once
UNROLL = 4  # links that SpMM and dX process together
TOO_LARGE = float(2**30)  # a gradient that overflows when multiplied by this counts as not finite
GROUP = 4  # links that SDDMM sums together


def row_type(W):
    return ir.VectorType(F32, W)


def zeros(W):
    return ir.Constant(row_type(W), [0.0] * W)


def splat(builder, scalar, W):
    undefined = ir.Constant(ir.VectorType(scalar.type, W), ir.Undefined)
    first = builder.insert_element(undefined, scalar, I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, W), [0] * W))


def pointer(builder, address, kind):
    return builder.inttoptr(address, kind.as_pointer())


def load(builder, address, kind):
    return builder.load(pointer(builder, address, kind), align=4 if kind != I8 else 1)


def load_row(builder, base, neuron, W):
    """Row `neuron` of the tile that begins at pointer `base` (float*)."""
    place = builder.gep(base, [builder.mul(neuron, I64(W))])
    return builder.load(builder.bitcast(place, row_type(W).as_pointer()), align=4)


def load_parts(builder, base, neuron, W):
    """The same row in vectors of at most PART columns."""
    place, size = builder.gep(base, [builder.mul(neuron, I64(W))]), min(W, PART)
    starts = [builder.gep(place, [I64(first)]) for first in range(0, W, size)]
    return [builder.load(builder.bitcast(start, row_type(size).as_pointer()), align=4) for start in starts]


def dot_parts(builder, a, b):
    """Σ a · b over the parts, each product added in turn."""
    sum_ = builder.fmul(a[0], b[0])
    for x, y in zip(a[1:], b[1:]):
        sum_ = muladd(builder, x, y, sum_)
    return sum_


def add_parts(builder, parts):
    """The sum of the parts, in order."""
    sum_ = parts[0]
    for part in parts[1:]:
        sum_ = builder.fadd(sum_, part)
    return sum_


def call(builder, name, result, arguments):
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(result, [a.type for a in arguments]), name)
    return builder.call(function, arguments)


def muladd(builder, a, b, c):
    """a·b + c, fused where the machine can."""
    kind = a.type
    suffix = f"v{kind.count}f32" if isinstance(kind, ir.VectorType) else "f32"
    return call(builder, f"llvm.fmuladd.{suffix}", kind, [a, b, c])


def shuffle(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))


def fold(builder, a, b, group):
    """Every `group` lanes of a and b, laid side by side, become group/2 partial sums: left half + right half."""
    low = [lane for lane in range(2 * a.type.count) if lane % group < group // 2]
    return builder.fadd(shuffle(builder, a, b, low), shuffle(builder, a, b, [lane + group // 2 for lane in low]))


def halved(builder, row):
    """Left half + right half."""
    W, undefined = row.type.count, ir.Constant(row.type, ir.Undefined)
    return builder.fadd(shuffle(builder, row, undefined, range(W // 2)), shuffle(builder, row, undefined, range(W // 2, W)))


def total(builder, row):
    """The sum of a vector's lanes, by halving: a fixed order."""
    while row.type.count > 1:
        row = halved(builder, row)
    return builder.extract_element(row, I32(0))


def totals(builder, rows):
    """The sums of four vectors' lanes as a <4 x float>; shares vectors, with a third of the shuffles of four `total`s."""
    group, (a, b, c, d) = rows[0].type.count, rows
    row = fold(builder, fold(builder, a, b, group), fold(builder, c, d, group), group // 2)
    undefined, group = ir.Constant(row.type, ir.Undefined), group // 4
    while row.type.count > 4:
        lanes = range(row.type.count)
        low = [lane for lane in lanes if lane % group < group // 2]
        high = [lane + group // 2 for lane in low]
        row = builder.fadd(shuffle(builder, row, undefined, low), shuffle(builder, row, undefined, high))
        undefined, group = ir.Constant(row.type, ir.Undefined), group // 2
    return row


def loop(builder, start, stop, step, carried, body):
    """for k in range(start, stop, step): carried = body(k, carried)."""
    entry, head, done = builder.block, builder.append_basic_block("link"), builder.append_basic_block("past")
    builder.cbranch(builder.icmp_signed("<", start, stop), head, done)
    builder.position_at_end(head)
    k, value = builder.phi(I64), builder.phi(carried.type)
    k.add_incoming(start, entry)
    value.add_incoming(carried, entry)
    new = body(k, value)
    following = builder.add(k, I64(step))
    k.add_incoming(following, builder.block)
    value.add_incoming(new, builder.block)
    last = builder.block
    builder.cbranch(builder.icmp_signed("<", following, stop), head, done)
    builder.position_at_end(done)
    result = builder.phi(carried.type)
    result.add_incoming(carried, entry)
    result.add_incoming(new, last)
    return result


def in_bulk(builder, begin, end, size):
    """The end of the last whole group of `size` links; size is a power of two."""
    return builder.add(begin, builder.and_(builder.sub(end, begin), I64(-size)))


def weighted_rows(builder, weights, indices, slots, begin, end, tile, initial, W):
    """initial + Σ_k w[k] · tile[indices[k]], with w[slots[k]] where slots are given.

    The even and the odd links of a group of UNROLL are summed separately, so that the row's sum waits for one addition a group.
    """
    weights, indices = pointer(builder, weights, F32), pointer(builder, indices, I32)
    tile = pointer(builder, tile, F32)
    slots = None if slots is None else pointer(builder, slots, I32)

    def factors(k):
        source = builder.zext(builder.load(builder.gep(indices, [k])), I64)
        slot = k if slots is None else builder.zext(builder.load(builder.gep(slots, [k])), I64)
        w = splat(builder, builder.load(builder.gep(weights, [slot])), W)
        return w, load_row(builder, tile, source, W)

    def body(k, sum_):
        return muladd(builder, *factors(k), sum_)

    def group(k, sum_):
        links = [factors(builder.add(k, I64(offset))) for offset in range(UNROLL)]
        even, odd = (builder.fmul(*pair) for pair in links[:2])
        for pair in range(2, UNROLL, 2):
            even, odd = muladd(builder, *links[pair], even), muladd(builder, *links[pair + 1], odd)
        return builder.fadd(sum_, builder.fadd(even, odd))

    middle = in_bulk(builder, begin, end, UNROLL)
    return loop(builder, middle, end, 1, loop(builder, begin, middle, UNROLL, initial, group), body)


def load_bits(builder, address, W):
    """W bits, column c in bit c, as a <W x i1>."""
    bits = builder.load(pointer(builder, address, ir.IntType(W)), align=1)
    return builder.bitcast(bits, ir.VectorType(I1, W))


def store_bits(builder, mask, address, W):
    builder.store(builder.bitcast(mask, ir.IntType(W)), pointer(builder, address, ir.IntType(W)), align=1)


def keep_mask(builder, key, lane, threshold, W):
    """The mask of what dropout keeps (byte of rng.dropout_word >= threshold), for W columns from column 4·lane on."""
    lanes = W // 4
    kind = ir.VectorType(I32, lanes)
    constant = lambda value: ir.Constant(kind, [value] * lanes)
    steps = ir.Constant(kind, [(i * int(LANE)) & 0xFFFFFFFF for i in range(lanes)])

    def mix(x):
        shift_a, factor_a, shift_b, factor_b, shift_c = MIX_32
        x = builder.mul(builder.xor(x, builder.lshr(x, constant(shift_a))), constant(factor_a))
        x = builder.mul(builder.xor(x, builder.lshr(x, constant(shift_b))), constant(factor_b))
        return builder.xor(x, builder.lshr(x, constant(shift_c)))

    low = builder.add(builder.trunc(key, I32), builder.mul(builder.trunc(lane, I32), I32(int(LANE))))
    high = builder.trunc(builder.lshr(key, I64(32)), I32)
    words = mix(builder.xor(mix(builder.add(splat(builder, low, lanes), steps)), splat(builder, high, lanes)))
    bytes_ = builder.bitcast(words, ir.VectorType(I8, W))
    return builder.icmp_unsigned(">=", bytes_, splat(builder, builder.trunc(threshold, I8), W))


def masked_scale(builder, row, mask, scale, W):
    """row · (scale where mask else 0): a product, so that NaN stays NaN."""
    return builder.fmul(row, builder.select(mask, splat(builder, scale, W), zeros(W)))


@intrinsic(prefer_literal=True)
def spmm_row(
    typing, width, weights, indices, begin, end, X, Y, bias, left, right, sign_bits, dropout_bits, key, lane, threshold, scale
):  # fmt: skip
    """Y[0:W] = dropout(f(bias + Σ_k w[k] X[indices[k]])), f a pair of slopes.

    Writes the bits z > 0 at sign_bits (0 for none), and what dropout keeps at dropout_bits; threshold 0 means no dropout.
    """
    i, f, W = types.int64, types.float32, width.literal_value
    signature = types.void(width, i, i, i, i, i, i, f, f, f, i, i, types.uint64, i, i, f)

    def codegen(context, builder, sig, args):
        _, weights, indices, begin, end, X, Y, bias, left, right, sign_bits, dropout_bits, key, lane, threshold, scale = args
        z = weighted_rows(builder, weights, indices, None, begin, end, X, splat(builder, bias, W), W)
        positive = builder.fcmp_ordered(">", z, zeros(W))
        y = builder.fmul(z, builder.select(positive, splat(builder, right, W), splat(builder, left, W)))
        with builder.if_then(builder.icmp_signed("!=", sign_bits, I64(0))):
            store_bits(builder, positive, sign_bits, W)
        before = builder.block
        drop, end_ = builder.append_basic_block("drop"), builder.append_basic_block("store")
        builder.cbranch(builder.icmp_signed("!=", threshold, I64(0)), drop, end_)
        builder.position_at_end(drop)
        mask = keep_mask(builder, key, lane, threshold, W)
        store_bits(builder, mask, dropout_bits, W)
        dropped = masked_scale(builder, y, mask, scale, W)
        builder.branch(end_)
        builder.position_at_end(end_)
        result = builder.phi(row_type(W))
        result.add_incoming(y, before)
        result.add_incoming(dropped, drop)
        builder.store(result, pointer(builder, Y, row_type(W)), align=4)
        return context.get_dummy_value()

    return signature, codegen


def apply_slope(builder, g, place, left, right, sign_bits, dropout_bits, scale, W):
    """Replace the row g, stored at `place`, by g · f'(z) · dropout, by the bits at sign_bits and dropout_bits (0 for none)."""
    with builder.if_then(builder.icmp_signed("!=", sign_bits, I64(0))):
        slope = builder.select(load_bits(builder, sign_bits, W), splat(builder, right, W), splat(builder, left, W))
        builder.store(builder.fmul(g, slope), place, align=4)
    with builder.if_then(builder.icmp_signed("!=", dropout_bits, I64(0))):
        now = builder.load(place, align=4)
        builder.store(masked_scale(builder, now, load_bits(builder, dropout_bits, W), scale, W), place, align=4)


@intrinsic(prefer_literal=True)
def slope_row(typing, width, out, left, right, sign_bits, dropout_bits, scale):
    """out[0:W] *= f'(z) · dropout, as at the end of `dx_row`."""
    i, f, W = types.int64, types.float32, width.literal_value

    def codegen(context, builder, sig, args):
        _, out, left, right, sign_bits, dropout_bits, scale = args
        place = pointer(builder, out, row_type(W))
        apply_slope(builder, builder.load(place, align=4), place, left, right, sign_bits, dropout_bits, scale, W)
        return context.get_dummy_value()

    return types.void(width, i, f, f, i, i, f), codegen


@intrinsic(prefer_literal=True)
def add_row(typing, width, factor, row, out):
    """out[0:W] += factor · row[0:W]."""

    W = width.literal_value

    def codegen(context, builder, sig, args):
        _, factor, row, out = args
        place, row_ = pointer(builder, out, row_type(W)), pointer(builder, row, row_type(W))
        product = muladd(builder, splat(builder, factor, W), builder.load(row_, align=4), builder.load(place, align=4))
        builder.store(product, place, align=4)
        return context.get_dummy_value()

    return types.void(width, types.float32, types.int64, types.int64), codegen


@intrinsic(prefer_literal=True)
def dx_row(typing, width, weights, rows, slots, begin, end, dZ, out, left, right, sign_bits, dropout_bits, scale):
    """out[0:W] = (Σ_k w[slots[k]] dZ[rows[k]]) · f'(z) · dropout, by the bits that spmm_row wrote (addresses, 0 for none)."""
    i, f, W = types.int64, types.float32, width.literal_value
    signature = types.void(width, i, i, i, i, i, i, i, f, f, i, i, f)

    def codegen(context, builder, sig, args):
        _, weights, rows, slots, begin, end, dZ, out, left, right, sign_bits, dropout_bits, scale = args
        g = weighted_rows(builder, weights, rows, slots, begin, end, dZ, zeros(W), W)
        place = pointer(builder, out, row_type(W))
        builder.store(g, place, align=4)
        apply_slope(builder, g, place, left, right, sign_bits, dropout_bits, scale, W)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def sddmm_row(typing, width, indices, begin, end, X, dZ, dw, db, add):
    """dw[k] (+)= <dZ, X[indices[k]]> for the row's links and db[0] (+)= Σ dZ; `add` = 0 overwrites, 1 adds.

    Returns 0, or NaN where a gradient is not finite or so large that a step could overflow: the sum of all gradients, each
    multiplied by TOO_LARGE and then by 0.
    """
    i, W = types.int64, width.literal_value
    signature = types.float32(width, i, i, i, i, i, i, i, i)

    def codegen(context, builder, sig, args):
        _, indices, begin, end, X, dZ, dw, db, add = args
        adding = builder.icmp_signed("!=", add, I64(0))

        def put(value, place):
            """place[0] (+)= value, a float or four of them; returns 0 or NaN."""
            zero = ir.Constant(value.type, 0.0 if value.type is F32 else [0.0] * GROUP)
            place = builder.bitcast(place, value.type.as_pointer())
            new = builder.fadd(value, builder.select(adding, builder.load(place, align=4), zero))
            builder.store(new, place, align=4)
            much = ir.Constant(value.type, TOO_LARGE if value.type is F32 else [TOO_LARGE] * GROUP)
            return builder.fmul(builder.fmul(new, much), zero)

        d = load_parts(builder, pointer(builder, dZ, F32), I64(0), W)
        tile, columns = pointer(builder, X, F32), pointer(builder, indices, I32)
        gradients = pointer(builder, dw, F32)

        def product(k):
            source = builder.zext(builder.load(builder.gep(columns, [k])), I64)
            return dot_parts(builder, load_parts(builder, tile, source, W), d)

        def group(k, nonfinite):
            values = totals(builder, [product(builder.add(k, I64(offset))) for offset in range(GROUP)])
            return builder.fadd(nonfinite, put(values, builder.gep(gradients, [k])))

        def single(k, nonfinite):
            return builder.fadd(nonfinite, put(total(builder, product(k)), builder.gep(gradients, [k])))

        middle = in_bulk(builder, begin, end, GROUP)
        nonfinite = loop(builder, begin, middle, GROUP, ir.Constant(row_type(GROUP), [0.0] * GROUP), group)
        bias = put(total(builder, add_parts(builder, d)), pointer(builder, db, F32))
        nonfinite = builder.fadd(total(builder, nonfinite), bias)
        return loop(builder, middle, end, 1, nonfinite, single)

    return signature, codegen
