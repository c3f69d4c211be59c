"""Ctrl-C between two steps, never inside one: sections that replace several arrays hold SIGINT back until they are complete.

Python raises KeyboardInterrupt in the main thread at nearly any bytecode: between the layers of an update, or between an
update and the line that counts it. Not pthread_sigmask: a signal blocked in one thread is taken by another one, and Python's
handler runs in the main thread all the same. Not double buffers: they would cost a copy of every weight.
"""

import signal
import sys
import threading


def in_main_thread():
    """Signals are handled there and nowhere else."""
    return threading.current_thread() is threading.main_thread()


class _Held:
    """`with held:` notes an interrupt and delivers it at the end. Re-entrant; without effect outside the main thread and where
    Ctrl-C has no handler of Python's."""

    def __init__(self):
        self.depth, self.handler, self.noted = 0, None, False

    def __enter__(self):
        if in_main_thread():
            if self.depth == 0:
                self._take_over()
            self.depth += 1
        return self

    def __exit__(self, kind, *_):
        if not in_main_thread():
            return
        self.depth -= 1
        if self.depth == 0 and self.handler is not None:
            handler, self.handler = self.handler, None
            signal.signal(signal.SIGINT, handler)
            if self.noted and (kind is None or not issubclass(kind, KeyboardInterrupt)):
                handler(signal.SIGINT, sys._getframe())

    def _take_over(self):
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):  # neither ignored nor left to the system
            self.noted = False
            signal.signal(signal.SIGINT, self._note)  # raises what is due already: nothing has begun
            self.handler = handler

    def _note(self, number, frame):
        self.noted = True

    def let_through(self):
        """Deliver a noted interrupt now: for places inside one section (and in no inner one) where nothing is half done."""
        if self.noted and self.depth == 1 and self.handler is not None and in_main_thread():
            self.noted = False
            self.handler(signal.SIGINT, sys._getframe())


defer_interrupts = _Held()
