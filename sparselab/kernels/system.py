"""What compiled code needs from the machine: memory at an address, atomics, a barrier, locks, a clock."""

import sys
import time

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from .settings import jit

F32, I8, I32, I64 = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
ROOM = 128  # float64 that a kernel has on the stack
FOREVER = 2**63 - 1  # a time of `now` that never comes
SPINS = 4000  # reads of the counter before a waiting thread yields its core

WINDOWS = sys.platform == "win32"
give_way = types.ExternalFunction("SwitchToThread" if WINDOWS else "sched_yield", types.int32())


def _at(builder, address, index, kind):
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])


@intrinsic
def load_i64(typing, address, index):
    """The int64 at address[index]."""

    def codegen(context, builder, sig, args):
        return builder.load(_at(builder, args[0], args[1], I64))

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def load_i32(typing, address, index):
    """The int32 at address[index], as int64."""

    def codegen(context, builder, sig, args):
        return builder.sext(builder.load(_at(builder, args[0], args[1], I32)), I64)

    return types.int64(types.int64, types.int64), codegen


def _prefetch(builder, address, writes):
    place = builder.inttoptr(address, I8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type, I32, I32, I32])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(prefetch, [place, I32(writes), I32(3), I32(1)])


@intrinsic
def fetch(typing, address):
    """Prefetch the cache line at `address` for reading."""

    def codegen(context, builder, sig, args):
        _prefetch(builder, args[0], 0)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def fetch_to_write(typing, address):
    """Prefetch the cache line at `address` for writing."""

    def codegen(context, builder, sig, args):
        _prefetch(builder, args[0], 1)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def load_f32(typing, address, index):
    """The float32 at address[index]."""

    def codegen(context, builder, sig, args):
        return builder.load(_at(builder, args[0], args[1], F32))

    return types.float32(types.int64, types.int64), codegen


@intrinsic
def zero(typing, address, n_bytes):
    """Set bytes to 0."""

    def codegen(context, builder, sig, args):
        cgutils.memset(builder, builder.inttoptr(args[0], I8.as_pointer()), args[1], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def atomic_add(typing, address, value):
    """Add to the int64 at `address`; returns the old value."""

    def codegen(context, builder, sig, args):
        return builder.atomic_rmw("add", builder.inttoptr(args[0], I64.as_pointer()), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_load(typing, address):
    """The int64 at `address`, as other threads last wrote it."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), codegen


@intrinsic
def atomic_swap(typing, address, value):
    """Write an int64 at `address`; returns the old value."""

    def codegen(context, builder, sig, args):
        return builder.atomic_rmw("xchg", builder.inttoptr(args[0], I64.as_pointer()), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_exchange(typing, address, expected, value):
    """Write an int64 at `address` if the value there is `expected`; returns the old value."""

    def codegen(context, builder, sig, args):
        place = builder.inttoptr(args[0], I64.as_pointer())
        return builder.extract_value(builder.cmpxchg(place, args[1], args[2], "seq_cst", "seq_cst"), 0)

    return types.int64(types.int64, types.int64, types.int64), codegen


def _array(context, builder, kind, address, lengths):
    """The C-contiguous array of a type, with its lengths, at an address."""
    made, element = context.make_array(kind)(context, builder), context.get_data_type(kind.dtype)
    size = context.get_constant(types.intp, context.get_abi_sizeof(element))
    strides = [size]
    for length in lengths[:0:-1]:
        strides.insert(0, builder.mul(length, strides[0]))
    place = builder.inttoptr(address, element.as_pointer())
    populate_array(made, data=place, shape=lengths, strides=strides, itemsize=size, meminfo=None)
    return made._getvalue()


@intrinsic
def array_at(typing, address, shape, dtype):
    """The C-contiguous array at an address. An intrinsic, because numba.carray is compiled for each shape and dtype."""
    element = dtype.instance_type if isinstance(dtype, types.NumberClass) else dtype.dtype
    array = types.Array(element, len(shape), "C", aligned=True)

    def codegen(context, builder, sig, args):
        return _array(context, builder, array, args[0], [builder.extract_value(args[1], axis) for axis in range(len(shape))])

    return array(types.int64, shape, dtype), codegen


@intrinsic
def room(typing):
    """Address of ROOM float64 on the stack of the function that it is written in."""

    def codegen(context, builder, sig, args):
        return builder.ptrtoint(cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), ROOM)), I64)

    return types.int64(), codegen


@intrinsic
def vector(typing, address, n):
    """The n float32 at an address."""
    array = types.Array(types.float32, 1, "C", aligned=True)

    def codegen(context, builder, sig, args):
        return _array(context, builder, array, args[0], [args[1]])

    return array(types.int64, types.int64), codegen


@intrinsic
def now(typing):
    """Nanoseconds of the monotonic clock; 0 on Windows, where kernels have none."""

    def codegen(context, builder, sig, args):
        if WINDOWS:
            return I64(0)
        place, clock = cgutils.alloca_once(builder, I64, 2), I32(time.CLOCK_MONOTONIC)
        kind = ir.FunctionType(I32, [I32, place.type])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "clock_gettime"), [clock, place])
        seconds, nanoseconds = builder.load(place), builder.load(builder.gep(place, [I32(1)]))
        return builder.add(builder.mul(seconds, I64(10**9)), nanoseconds)

    return types.int64(), codegen


# int64 words of the counter at which threads meet: arrivals so far; 1 where a thread gave up; 1 where all are wanted to stop;
# what part 0 read of that, for even and for odd meetings
ARRIVED, GIVEN_UP, STOP_WANTED, STOP_AGREED = range(4)


@jit
def meet(counter, threads):
    """A barrier: wait until all threads are here; False where one of them gave up. counter: its address.

    The number of arrivals only grows; every multiple of `threads` ends a round.
    """
    if threads == 1:
        return True
    goal = (atomic_add(counter, 1) // threads + 1) * threads
    spins = 0
    while atomic_load(counter) < goal:
        if atomic_load(counter + 8 * GIVEN_UP):
            return False
        spins += 1
        if spins > SPINS:
            give_way()
    return True


@jit
def acquire_until(lock, who, until):
    """`acquire`, but give up at the time `until`, in the nanoseconds of `now`; returns whether the lock was taken."""
    spins = 0
    while atomic_exchange(lock, 0, who):
        while atomic_load(lock):
            spins += 1
            if spins > SPINS:
                give_way()
                if now() > until:
                    return False
    return True


@jit
def acquire(lock, who):
    """Take the lock, an int64 at this address: 0 when free, else the holder. Not reentrant. who: the new holder, not 0."""
    acquire_until(lock, who, FOREVER)


@jit
def try_to_acquire(lock, who, looks):
    """`acquire`, but give up after so many attempts (looks); returns whether the lock was taken."""
    for _ in range(looks):
        if atomic_load(lock) == 0 and atomic_exchange(lock, 0, who) == 0:
            return True
        give_way()
    return False


@jit
def take_from(lock, whose, who):
    """Take the lock from a holder (whose) that will never release it; returns whether it still held it."""
    return atomic_exchange(lock, whose, who) == whose


@jit
def release(lock):
    """Release the lock."""
    atomic_swap(lock, 0)


@jit
def go_on(counter, parts, part):
    """`meet`, with the same answer for all parts: False where they are wanted to stop, or where one gave up.

    Part 0 reads STOP_WANTED and writes STOP_AGREED before it arrives; the others read that after the meeting. It is written
    again two meetings later, which part 0 reaches only when all have left this one.
    """
    if parts == 1:
        return atomic_load(counter + 8 * STOP_WANTED) == 0 and atomic_load(counter + 8 * GIVEN_UP) == 0
    if part == 0:
        agreed = array_at(counter + 8 * STOP_AGREED, (2,), np.int64)
        agreed[(atomic_load(counter) // parts) % 2] = atomic_load(counter + 8 * STOP_WANTED)
    turn = atomic_load(counter) // parts  # number of this meeting: no part can be one ahead
    return meet(counter, parts) and atomic_load(counter + 8 * STOP_AGREED + 8 * (turn % 2)) == 0
