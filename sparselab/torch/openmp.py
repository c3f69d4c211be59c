"""Work on the threads of PyTorch's own OpenMP runtime.

These go on spinning for milliseconds after each of PyTorch's operations, so that other threads would share the cores with them;
as part of OpenMP's team they do our work at once.
"""

import ctypes
import os

from ..engines import row_passes
from ..utils.interrupts import defer_interrupts

WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def found():
    """GNU's OpenMP of this process, which PyTorch has loaded; None where it uses another one."""
    try:
        parallel = ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes, parallel.restype = (WORK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None
    return parallel


class OpenMP:
    """What `row_passes.Pool` does, on OpenMP's threads. A forked process has none of them, and takes that pool."""

    def __init__(self):
        self.parallel = found()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.give_up)

    def give_up(self):
        """Use threads of our own from now on."""
        self.parallel = None

    def run(self, work, n, threads):
        """work(begin, end) on parts of [0, n), which `threads` threads take in turn."""
        threads = max(1, min(threads, n))
        if threads == 1 or self.parallel is None:
            row_passes.pool.run(work, n, threads)
            return
        take_turns, errors = row_passes.turns(work, n, threads), []

        def guarded(_):
            try:
                take_turns()
            except BaseException as error:  # which cannot pass through OpenMP
                errors.append(error)

        with defer_interrupts:
            self.parallel(WORK(guarded), None, threads, 0)
        if errors:
            raise errors[0]
