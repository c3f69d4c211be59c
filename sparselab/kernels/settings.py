"""How every kernel is compiled, decided once.

No kernel may assume that NaN or infinity cannot occur: `fastmath=True` would make `isnan` constant False.
Most kernels use no fast flags at all, so that the same arithmetic compiled in two places gives the same bits.
"""

import llvmlite.binding
import numba

from . import cache

JIT = not numba.config.DISABLE_JIT
THREADING_LAYER = numba.config.THREADING_LAYER

# nogil: threads are ours (concurrent.futures), never numba's; that is safe under every threading layer.
# error_model "numpy": no zero-division branches inside loops.
OPTIONS = {"nogil": True, "error_model": "numpy"}


def jit(function=None, **options):
    """numba.njit with our options and our cache folder, as a decorator with or without arguments."""
    if function is None:
        return lambda function: jit(function, **options)
    made = numba.njit(**OPTIONS | options)(function)
    return cache.kept(made) if JIT else made


WIDTHS = (8, 16, 32, 64)  # columns of a tile that the vector kernels are made for


def cpu_name():
    """What LLVM calls this processor; compiled kernels are cached for it."""
    return llvmlite.binding.get_host_cpu_name()
