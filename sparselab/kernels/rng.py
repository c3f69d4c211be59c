"""Counter-based random numbers: a value is a pure function of its key, so any thread can draw any part of a sequence.

splitmix64 (Steele, Lea & Flood 2014) makes keys and the random numbers for topologies. Dropout uses two rounds of a 32-bit mixer
(`lowbias32`, Wellons 2018), which hashes a row of columns as one vector.
"""

import numpy as np

from .settings import jit

U64, U32 = np.uint64, np.uint32
GOLDEN = U64(0x9E3779B97F4A7C15)
LANE = U32(0x9E3779B9)
MIX_32 = (16, 0x21F0AAAD, 15, 0x735A2D97, 15)  # shift, factor, shift, factor, shift


@jit(inline="always")
def mix64(x):
    """splitmix64's finaliser: a bijection of 64-bit words."""
    x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


@jit(inline="always")
def key64(key, counter):
    """The key number `counter` derived from `key`."""
    return mix64(key + GOLDEN * (U64(counter) + U64(1)))


@jit(inline="always")
def mix32(x):
    """lowbias32: a bijection of 32-bit words. The casts are needed because numba computes in 64 bits."""
    x = U32((x ^ (x >> U32(16))) * U32(0x21F0AAAD))
    x = U32((x ^ (x >> U32(15))) * U32(0x735A2D97))
    return U32(x ^ (x >> U32(15)))


@jit(inline="always")
def dropout_word(key, lane):
    """32 random bits for columns 4·lane … 4·lane + 3 of the row with this key; byte j belongs to column 4·lane + j."""
    x = mix32(U32(U32(key & U64(0xFFFFFFFF)) + U32(lane) * LANE))
    return mix32(U32(x ^ U32(key >> U64(32))))


@jit
def below(state, n):
    """A uniform integer in [0, n), n <= 2^32, exactly uniform (Lemire 2019); `state` is a (1,) uint64 counter."""
    n = U64(n)
    while True:
        state[0] += GOLDEN
        product = (mix64(state[0]) >> U64(32)) * n
        low = product & U64(0xFFFFFFFF)
        if low >= n or low >= (U64(0x100000000) - n) % n:
            return np.int64(product >> U64(32))
