"""Cross-entropy of the logistic function over a tile, for very many outputs: e^x and log(1 + x) as polynomials, on LLVM vectors.

Both are exact to some units in the last place of a float64. Without JIT they are NumPy's.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .settings import JIT, jit

ROWS = 64  # outputs of a block, which stays in the first-level cache
# rows of the scratch, for which there is room for 64 columns: the loss of each sample, and how many of its outputs are wrong
SUMS = 2

LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 · 2^52: added to a small number, it rounds it to a whole one, which the lowest bits then hold
NOTHING = 2.0**-100  # a slope of less counts as 0: products with it could be subnormal, which takes many times as long
LEAST = -300.0  # e^x of less counts as e^−300, whose square is not subnormal


@intrinsic
def power_of_two(typing, rounded):
    """2^k as a float64, of k + ROUND."""

    def codegen(context, builder, sig, args):
        whole = builder.bitcast(args[0], ir.IntType(64))
        shifted = builder.shl(builder.add(whole, ir.IntType(64)(1023)), ir.IntType(64)(52))
        return builder.bitcast(shifted, ir.DoubleType())

    return types.float64(types.float64), codegen


@jit(inline="always")
def exp(x):
    """e^x of x <= 0, or NaN: 2^k e^r with |r| <= ln 2 / 2, of which the series has 14 terms."""
    x = LEAST if x < LEAST else x
    rounded = x * LOG2_E + ROUND
    k = rounded - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = 1 / 6227020800.0
    p = p * r + 1 / 479001600.0
    p = p * r + 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * power_of_two(rounded)


@jit(inline="always")
def log1p(x):
    """log(1 + x) of x in [0, 1], or NaN: 2 artanh(x / (2 + x)), whose argument is at most 1/3; the series has 15 terms."""
    s = x / (2.0 + x)
    q = s * s
    p = q / 29 + 1 / 27
    p = p * q + 1 / 25
    p = p * q + 1 / 23
    p = p * q + 1 / 21
    p = p * q + 1 / 19
    p = p * q + 1 / 17
    p = p * q + 1 / 15
    p = p * q + 1 / 13
    p = p * q + 1 / 11
    p = p * q + 1 / 9
    p = p * q + 1 / 7
    p = p * q + 1 / 5
    p = p * q + 1 / 3
    p = p * q + 1.0
    return 2.0 * s * p


if not JIT:
    exp, log1p = np.exp, np.log1p


@jit(inline="always")
def loss_of(z):
    """log(1 + e^z)."""
    return (z if z > 0 else 0.0) + log1p(exp(-abs(z)))


@jit
def turn(dZ, targets, listed, samples, first, count, begin, end, factors, total, wrong):
    """Change the sign of outputs [begin, end) whose targets are 1, and note what the others, taken for targets of 0, do not tell.

    total[c]: plus what their losses count more than those of targets of 0. wrong[c]: plus 1 for each that is 0.
    """
    n = dZ.shape[0]
    for c in range(count):
        sample = samples[first + c]
        for place in range(targets.shape[1] if listed else end - begin):
            q = np.int64(targets[sample, place]) if listed else begin + place
            if begin <= q < end and (listed or targets[sample, q]):
                wrong[c] += 1 if dZ[q, c] == 0 else 0
                dZ[q, c] = -dZ[q, c]
                if len(factors) > n:
                    total[c] += (factors[n + q] - factors[q]) * loss_of(np.float64(dZ[q, c]))


@jit
def turn_back(dZ, targets, listed, samples, first, count, begin, end, factors):
    """Change the sign of slopes [begin, end) whose targets are 1, and let their own factors scale them."""
    n = dZ.shape[0]
    for c in range(count):
        sample = samples[first + c]
        for place in range(targets.shape[1] if listed else end - begin):
            q = np.int64(targets[sample, place]) if listed else begin + place
            if begin <= q < end and (listed or targets[sample, q]):
                dZ[q, c] = -dZ[q, c]
                if len(factors) > n:
                    dZ[q, c] *= factors[n + q] / factors[q] if factors[q] else 0.0


@jit
def binary(dZ, targets, listed, samples, first, count, scale, factors, weights, sums):
    """(Σ loss, hits) of outputs in dZ (outputs, W), which their slopes · scale overwrite: `losses.by_outputs` of BINARY.

    The loss of an output z with target 1 is that of −z with target 0, log(1 + e^z). listed: whether the targets are lists of
    labels. factors: of the outputs, and behind them of those with target 1 where these have others. sums (SUMS, W): scratch.
    """
    n, width = dZ.shape
    total, wrong = sums[0], sums[1]
    total[:] = 0
    wrong[:] = 0
    for begin in range(0, n, ROWS):
        end = min(begin + ROWS, n)
        turn(dZ, targets, listed, samples, first, count, begin, end, factors, total, wrong)
        for q in range(begin, end):
            factor = factors[q] if len(factors) else 1.0
            scaled = factor * scale
            for c in range(count):
                z = np.float64(dZ[q, c])
                e = exp(-abs(z))
                total[c] += factor * ((z if z > 0 else 0.0) + log1p(e))
                wrong[c] += 1.0 if z > 0 else 0.0
                slope = (e if z < 0 else 1.0) / (1.0 + e)
                dZ[q, c] = 0.0 if slope < NOTHING else slope * scaled
        if len(weights):
            for c in range(count):
                weight = weights[samples[first + c]]
                for q in range(begin, end):
                    dZ[q, c] *= weight
        turn_back(dZ, targets, listed, samples, first, count, begin, end, factors)
    dZ[:, count:width] = 0
    loss, hits = 0.0, 0
    for c in range(count):
        loss += total[c] * (weights[samples[first + c]] if len(weights) else 1.0)
        hits += wrong[c] == 0
    return loss, hits
