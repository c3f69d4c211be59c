"""The gradients of a layer's inputs and of its links in one pass over the links, sorted by input.

Both need the same rows of dZ, which is what `dx` and `sddmm` wait for: read once here, they serve both products. The sums of dX
have the order of `dx`; those of dw are added up like `sddmm`'s.
"""

import functools

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .intrinsics import (
    F32,
    GROUP,
    I32,
    I64,
    PART,
    dot_parts,
    in_bulk,
    load_parts,
    load_row,
    loop,
    muladd,
    pointer,
    row_type,
    shuffle,
    splat,
    total,
    totals,
    zeros,
)
from .native import caller, native
from .system import load_i64

i = types.int64
BOTH = types.void(i, i, i, i, i, i, i, i, i, i)
call_both = caller(BOTH)


def parts_of(builder, row):
    """A row in vectors of at most PART columns."""
    W = row.type.count
    size, undefined = min(W, PART), ir.Constant(row.type, ir.Undefined)
    return [shuffle(builder, row, undefined, range(first, first + size)) for first in range(0, W, size)]


@intrinsic(prefer_literal=True)
def both_row(typing, width, weights, rows, begin, end, dZ, X, out, dw, add):
    """out[0:W] = Σ_k w[k] dZ[rows[k]], and dw[k] (+)= <X, dZ[rows[k]]>, for one input's links; `add` = 0 overwrites, 1 adds."""
    W = width.literal_value
    signature = types.void(width, i, i, i, i, i, i, i, i, i)

    def codegen(context, builder, sig, args):
        _, weights, rows, begin, end, dZ, X, out, dw, add = args
        adding = builder.icmp_signed("!=", add, I64(0))
        weights, gradients, tile = pointer(builder, weights, F32), pointer(builder, dw, F32), pointer(builder, dZ, F32)
        others, x = pointer(builder, rows, I32), load_parts(builder, pointer(builder, X, F32), I64(0), W)

        def put(value, k):
            kind = value.type
            place = builder.bitcast(builder.gep(gradients, [k]), kind.as_pointer())
            zero = ir.Constant(kind, 0.0 if kind is F32 else [0.0] * GROUP)
            builder.store(builder.fadd(value, builder.select(adding, builder.load(place, align=4), zero)), place, align=4)

        def link(k):
            row = load_row(builder, tile, builder.zext(builder.load(builder.gep(others, [k])), I64), W)
            return splat(builder, builder.load(builder.gep(weights, [k])), W), row

        def group(k, sum_):
            links = [link(builder.add(k, I64(offset))) for offset in range(GROUP)]
            put(totals(builder, [dot_parts(builder, parts_of(builder, row), x) for _, row in links]), k)
            even, odd = (builder.fmul(*pair) for pair in links[:2])
            even, odd = muladd(builder, *links[2], even), muladd(builder, *links[3], odd)
            return builder.fadd(sum_, builder.fadd(even, odd))

        def single(k, sum_):
            w, row = link(k)
            put(total(builder, dot_parts(builder, parts_of(builder, row), x)), k)
            return muladd(builder, w, row, sum_)

        middle = in_bulk(builder, begin, end, GROUP)
        sum_ = loop(builder, middle, end, 1, loop(builder, begin, middle, GROUP, zeros(W), group), single)
        builder.store(sum_, pointer(builder, out, row_type(W)), align=4)
        return context.get_dummy_value()

    return signature, codegen


@functools.cache
def both_gradients(width):
    """The kernel for tiles of `width` columns, one of settings.WIDTHS."""

    @native(BOTH)
    def both(begin, end, indptr, rows, w, dZ, X, out, dw, add):
        """Rows [begin, end) of out = Wᵀ dZ, and dw (+)= dZ Xᵀ on their links. All by input: indptr, rows, w and dw."""
        for n in range(begin, end):
            row = 4 * n * width
            both_row(width, w, rows, load_i64(indptr, n), load_i64(indptr, n + 1), dZ, X + row, out + row, dw, add)

    return both
