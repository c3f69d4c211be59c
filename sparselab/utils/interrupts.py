"""Delays Ctrl-C until a group of array updates is complete, so that training never stops with a half-updated network.

Python raises KeyboardInterrupt in the main thread between almost any two bytecodes: for example after the first layer of an
update, or between an update and the line that counts it. Two alternatives were rejected. `pthread_sigmask` does not help: another
thread receives the signal, and Python still runs the handler in the main thread. Double buffering would copy every weight.
"""

import signal
import sys
import threading


def in_main_thread():
    """Whether this is the main thread, the only one in which Python handles signals."""
    return threading.current_thread() is threading.main_thread()


class DeferInterrupts:
    """A context manager that delays SIGINT until the end of the block. Use the instance `defer_interrupts`.

    Blocks may be nested; the outermost one delivers the interrupt. Nothing is delayed outside the main thread, nor where SIGINT
    is ignored or has the system's default action. `pending` tells whether an interrupt is waiting.
    """

    def __init__(self):
        self.depth, self.handler, self.pending = 0, None, False

    def __enter__(self):
        if in_main_thread():
            if self.depth == 0:
                self._install()
            self.depth += 1
        return self

    def __exit__(self, kind, *_):
        if not in_main_thread():
            return
        self.depth -= 1
        if self.depth == 0 and self.handler is not None:
            handler, self.handler = self.handler, None
            signal.signal(signal.SIGINT, handler)
            pending, self.pending = self.pending, False
            if pending and (kind is None or not issubclass(kind, KeyboardInterrupt)):
                handler(signal.SIGINT, sys._getframe())

    def _install(self):
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            self.pending = False
            signal.signal(signal.SIGINT, self._record)  # may raise an interrupt that is already due: the block has not begun
            self.handler = handler

    def _record(self, number, frame):
        self.pending = True

    def deliver_pending(self):
        """Deliver a pending interrupt now: call it inside a block (but no nested one) where all arrays are consistent."""
        if self.pending and self.depth == 1 and self.handler is not None and in_main_thread():
            self.pending = False
            self.handler(signal.SIGINT, sys._getframe())


defer_interrupts = DeferInterrupts()
