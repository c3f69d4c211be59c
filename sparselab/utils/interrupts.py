"""Delays Ctrl-C and SIGTERM until a group of array updates is complete, so that training never stops with a half-updated network.

Python raises KeyboardInterrupt in the main thread between almost any two bytecodes: for example after the first layer of an
update, or between an update and the line that counts it; a handler of SIGTERM that raises does the same. Two alternatives were
rejected. `pthread_sigmask` does not help: another thread receives the signal, and Python still runs the handler in the main
thread. Double buffering would copy every weight.
"""

import signal
import sys
import threading
from contextlib import contextmanager

DEFERRED = signal.SIGTERM, signal.SIGINT


class Terminated(KeyboardInterrupt):
    """The process was sent SIGTERM; whatever saves at Ctrl-C saves at it, too."""


def in_main_thread():
    """Whether this is the main thread, the only one in which Python handles signals."""
    return threading.current_thread() is threading.main_thread()


class DeferInterrupts:
    """A context manager that delays SIGINT and SIGTERM until the end of the block. Use the instance `defer_interrupts`.

    Blocks may be nested; the outermost one delivers what has come. Nothing is delayed outside the main thread, nor a signal that
    is ignored or has the system's default action. `pending` has the signals that wait.
    """

    def __init__(self):
        self.depth, self.handlers, self.pending = 0, {}, []

    def __enter__(self):
        if in_main_thread():
            if self.depth == 0:
                self._install()
            self.depth += 1
        return self

    def __exit__(self, kind, *_):
        if not in_main_thread():
            return
        if self.depth > 1:
            self.depth -= 1
            return
        try:
            self._put_back()
        finally:
            self.depth = 0
            pending, self.pending, handlers, self.handlers = self.pending, [], self.handlers, {}
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                pending = [number for number in pending if number != signal.SIGINT]
            _deliver(handlers, pending)

    def _install(self):
        try:
            for number in DEFERRED:
                handler = signal.getsignal(number)
                if callable(handler):
                    self.handlers[number] = handler
                    signal.signal(number, self._record)  # may raise an interrupt that is already due: the block has not begun
        except BaseException:
            self.__exit__(None)
            raise

    def _put_back(self):
        try:
            for number, handler in self.handlers.items():
                signal.signal(number, handler)
        except BaseException:  # of a signal whose handler was back already
            self._put_back()
            raise

    def _record(self, number, frame):
        if number not in self.pending:
            self.pending.append(number)

    def deliver_pending(self):
        """Deliver what is pending now: call it inside a block (but no nested one) where all arrays are consistent."""
        if self.pending and self.depth == 1 and in_main_thread():
            pending, self.pending = self.pending, []
            _deliver(self.handlers, pending)


def _deliver(handlers, numbers):
    """Call the handlers of these signals, each of them even where the one before raises."""
    if numbers:
        try:
            handlers[numbers[0]](numbers[0], sys._getframe())
        finally:
            _deliver(handlers, numbers[1:])


@contextmanager
def sigterm_raises():
    """SIGTERM raises Terminated inside the `with`, but not where the caller has chosen what it does, or in another thread."""
    if not in_main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    try:
        signal.signal(signal.SIGTERM, _terminate)
        yield
    finally:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        except Terminated:  # which was already due
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            raise


def _terminate(number, frame):
    raise Terminated


defer_interrupts = DeferInterrupts()
