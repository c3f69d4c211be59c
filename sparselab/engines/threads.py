"""Threads that run one compiled call side by side, and how a Ctrl-C or an exception in one of them ends them all."""

from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from ..kernels import system
from ..kernels.arguments import address
from ..utils.interrupts import defer_interrupts, in_main_thread
from .buffers import LINE

LISTEN = 0.1  # seconds between two looks for a Ctrl-C


def new_counter():
    """The counter at which the threads of one call meet (kernels.system.meet), alone in its cache line."""
    words = np.zeros(16, np.int64)
    start = -address(words) % LINE // 8
    return words[start : start + 8]


class ThreadTeam:
    """n threads, the caller's among them. can_listen: one more, so that the caller's thread can listen for Ctrl-C instead."""

    def __init__(self, n, can_listen):
        self.pool = ThreadPoolExecutor(n, "sparselab") if n > 1 or can_listen else None

    def run(self, work, n, counter, listen):
        """work(0), …, work(n - 1) side by side. listen: the caller's thread waits for a Ctrl-C meanwhile, instead of working.

        Compiled code writes to memory at addresses, so no thread may outlive this call. Ctrl-C is held back until all have
        returned: between the start of a thread and the line that notes it, an exception would leave a thread nobody waits for.
        """

        def guarded(thread):
            try:
                work(thread)
            except BaseException:
                counter[system.GIVEN_UP] = 1  # the others must not wait for this thread
                raise

        others = []
        with defer_interrupts:
            try:
                for thread in range(0 if listen else 1, n):
                    others.append(self.pool.submit(guarded, thread))
                if listen:
                    self._listen(others, counter)
                else:
                    guarded(0)
            except BaseException:
                counter[system.GIVEN_UP] = 1
                raise
            finally:
                for other in others:
                    other.result()

    def _listen(self, others, counter):
        """Wait for the threads; after a Ctrl-C they stop between two layers, and the step is not applied."""
        while wait(others, timeout=LISTEN).not_done:
            if defer_interrupts.pending and in_main_thread():
                counter[system.STOP_WANTED] = 1

    def close(self):
        """End the threads."""
        if self.pool:
            self.pool.shutdown()
