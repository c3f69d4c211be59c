"""How every kernel is compiled.

No kernel may assume that NaN or infinity cannot occur: `fastmath=True` would make `isnan` constant False. No fast-math flags are
used at all, so that the same arithmetic compiled in two places gives the same bits.
"""

import llvmlite.binding
import numba

from . import cache
from .linking import LinkingDispatcher

JIT = not numba.config.DISABLE_JIT
THREADING_LAYER = numba.config.THREADING_LAYER

# nogil: the package runs its own threads (concurrent.futures), never numba's, so every threading layer is safe.
# error_model "numpy": no branches for division by zero inside loops.
# _nrt: kernels allocate no arrays and return none, so nothing is counted.
OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}


def jit(function=None, **options):
    """numba.njit with these options, linking.py and the cache of cache.py; a decorator, with or without arguments."""
    if function is None:
        return lambda function: jit(function, **options)
    if not JIT:
        return function
    chosen = OPTIONS | options | {"nopython": True, "no_cfunc_wrapper": True}
    return cache.cached(LinkingDispatcher(function, targetoptions=chosen), function)


WIDTHS = (8, 16, 32, 64)  # columns of a tile for which the vector kernels are compiled


# Whether one instruction of this processor reads the lanes of a vector that a mask chooses from memory without gaps.
EXPANDS = JIT and llvmlite.binding.get_host_cpu_features().get("avx512f", False)


def cpu_name():
    """LLVM's name of this processor, for which kernels are compiled and cached."""
    return llvmlite.binding.get_host_cpu_name()
