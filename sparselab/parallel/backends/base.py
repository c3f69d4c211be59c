"""Helpers that several backends share."""

import queue
import signal
from contextlib import contextmanager

THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


def outcome(future):
    """The result of a Future that is done, or its exception; SystemExit and the like become a RuntimeError."""
    if future.cancelled():
        raise RuntimeError("the task was given up")
    error = future.exception()
    if error is not None and not isinstance(error, Exception):
        raise RuntimeError(f"the task was given up: {error!r}") from error
    return future.result()


def first_of(done, timeout):
    """The next entry of a queue, or None after `timeout` seconds."""
    try:
        return done.get(timeout=timeout)
    except queue.Empty:
        return None


@contextmanager
def without_interrupts():
    """Processes that are started here do not hear Ctrl-C, from their first instruction on; this one hears it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def packed(spec):
    """The WorkerSpec as bytes; TypeError naming what cannot be sent to another process."""
    import cloudpickle

    try:
        return cloudpickle.dumps(spec)
    except Exception as error:
        raise TypeError(
            f"rules, optimizer, loss or activation: must be picklable for workers in other processes ({type(error).__name__}: "
            f"{error}); backend='threads' takes anything"
        ) from error
