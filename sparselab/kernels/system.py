"""What compiled code needs of the machine: memory at an address, a meeting point for threads, a clock."""

import sys
import time

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .settings import jit

F32, I64 = ir.FloatType(), ir.IntType(64)
SPINS = 4000  # looks at the counter before a waiting thread gives its core away

WINDOWS = sys.platform == "win32"
_give_way = types.ExternalFunction("SwitchToThread" if WINDOWS else "sched_yield", types.int32())
if not WINDOWS:
    _CLOCK = np.int32(time.CLOCK_MONOTONIC)
    _clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))


def _at(builder, address, index, kind):
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])


@intrinsic
def load_i64(typing, address, index):
    """The int64 at address[index]."""

    def codegen(context, builder, sig, args):
        return builder.load(_at(builder, args[0], args[1], I64))

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def load_f32(typing, address, index):
    """The float32 at address[index]."""

    def codegen(context, builder, sig, args):
        return builder.load(_at(builder, args[0], args[1], F32))

    return types.float32(types.int64, types.int64), codegen


@intrinsic
def atomic_add(typing, address, value):
    """Add to the int64 at `address`; returns what was there."""

    def codegen(context, builder, sig, args):
        return builder.atomic_rmw("add", builder.inttoptr(args[0], I64.as_pointer()), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_load(typing, address):
    """The int64 at `address`, as the other threads left it."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), codegen


@intrinsic
def as_pointer(typing, address):
    """An address as a pointer for numba.carray."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@jit
def meet(counter, threads):
    """Wait until all threads are here; False where one of them will never come.

    counter: address of two int64; the first only grows, every multiple of `threads` ends a round; the second is set to 1 by
    whoever gives up.
    """
    if threads == 1:
        return True
    goal = (atomic_add(counter, 1) // threads + 1) * threads
    spins = 0
    while atomic_load(counter) < goal:
        if atomic_load(counter + 8):
            return False
        spins += 1
        if spins > SPINS:
            _give_way()
    return True


if WINDOWS:

    @jit
    def now(buffer):
        """No clock inside kernels here: phases read 0."""
        return 0

else:

    @jit
    def now(buffer):
        """Nanoseconds of the monotonic clock; `buffer` is a (2,) int64 scratch array."""
        _clock_gettime(_CLOCK, buffer.ctypes.data)
        return buffer[0] * 1_000_000_000 + buffer[1]
