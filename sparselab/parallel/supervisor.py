"""Supervises workers; retries tasks whose worker crashed, hung or returned an invalid answer.

A task is a function of (worker, round): doing it again changes nothing but time.
"""

import threading
import time
from collections import defaultdict, deque
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from statistics import median

from ..engines.base import DivergedError
from ..utils.interrupts import defer_interrupts
from .core.worker import GradientUpdate, LocalEpoch

PATIENCE, SLOW = 30.0, 20  # a task may take PATIENCE seconds, or SLOW times the median task
FIRST = 60.0  # seconds more for the first task of its kind in a new worker: kernels are loaded, or even compiled
UNKNOWN = 3600.0  # seconds for an epoch where none has been seen
LISTEN = 0.1  # seconds between two looks whether there was a Ctrl-C
REMEMBERED = 101  # tasks whose median counts


class WorkerLostError(RuntimeError):
    """A worker was lost, or failed, more often than allowed.

    The model has the state that the server had: it can be used and saved.

    Examples
    --------
    >>> import sparselab as sl
    >>> issubclass(sl.WorkerLostError, RuntimeError)
    True
    """


class NotFiniteError(ArithmeticError):
    """The gradient of a task was not finite."""


class Supervisor:
    """The workers of one training. `submit` tasks, `serve` their answers in the order in which they were finished.

    Workers that are threads of this process have their answers handled in their own thread, one at a time: handing them over to
    another thread and waiting for it costs more. What fails is left to the driver.

    check: function of a GradientUpdate or LocalEpoch that raises ValueError where it does not fit the net. task_timeout: seconds
    after which a task counts as hanging (default max(30, 20 × the median task); the first of its kind in a new worker may take a
    minute more); max_restarts: how often in a row the same task may fail before WorkerLostError. What is not finite is computed
    again once, by a new worker, before it is believed. `restarts` counts workers that were replaced; `failures` has (worker,
    error, seconds from the start of the task) of each failure.
    """

    def __init__(self, backend, spec, X, targets, *, check=lambda result: None, task_timeout=None, max_restarts=3):
        self.backend, self.check, self.task_timeout, self.max_restarts = backend, check, task_timeout, max_restarts
        self.tasks, self.futures, self.started, self.tries = {}, {}, {}, defaultdict(int)
        self.seen, self.spent = set(), defaultdict(lambda: deque(maxlen=REMEMBERED))
        self.restarts, self.timeline, self.failures, self.begin = 0, [], [], time.perf_counter()
        self.lock, self.early, self.serving = threading.RLock(), deque(), False
        self.handle, self.exclusive, self.error = None, nullcontext, None
        if hasattr(backend, "deliver_to"):
            backend.deliver_to(self.receive)
        backend.open(spec, X, targets)

    def submit(self, number, kind, *arguments):
        """Start "gradient" (a function that gives a Snapshot, round) or "local" (parameters, what the worker keeps, epoch)."""
        with self.lock:
            self.tasks[number] = kind, arguments
            self._start(number)

    def warm_up(self, numbers, snapshot):
        """Let these workers compute once, and discard the gradients. Kernels are loaded in each process then: else the first
        worker that is ready does all the work at first, and the others' first gradients come dozens of versions late.

        Returns of each task the seconds of its computation, and those from its start to its answer.
        """
        for number in numbers:
            self.submit(number, "gradient", snapshot, 0)
        ready = []
        self.serve(lambda _, update: ready.append(update.seconds) or len(ready) < len(numbers))
        tasks, self.timeline = self.timeline, []
        return [(seconds, end - begun) for seconds, (_, begun, end) in zip(ready, tasks, strict=True)]

    def serve(self, handle, exclusive=nullcontext):
        """Give every result to handle(number, result) until it returns False; failed tasks are done again before.

        exclusive: gives a context in which no worker changes the server's net by itself.
        """
        with self.lock:
            self.handle, self.exclusive, self.serving, self.error = handle, exclusive, True, None
        try:
            while self.serving:
                defer_interrupts.deliver_pending()  # nothing is half done here
                future = self.early.popleft() if self.early else self.backend.completed(self._wait())
                if future is not None:
                    self._serve(future)
                self._replace_late_workers()
        finally:
            with self.lock, exclusive():  # a worker that is at the server ends first
                self.handle, self.serving = None, False
        if self.error is not None:
            raise self.error

    def next(self):
        """(number, result) of the task that was finished first."""
        found = []
        self.serve(lambda *one: bool(found.append(one)))
        return found[0]

    def receive(self, future, wait=True):
        """Handle an answer in the caller's thread; False where the driver has to look at it.

        wait: for other threads that handle something; a thread that these may be waiting for must not.
        """
        if not self.lock.acquire(blocking=wait):
            return False
        try:
            number = self.futures.get(future)
            if not self.serving or number is None:
                return False
            with self.exclusive():
                try:
                    result = self._result(future, number)
                except Exception:
                    return False
                try:
                    self._handle(future, number, result)
                except BaseException as error:
                    self.error, self.serving = error, False
                return self.serving
        finally:
            self.lock.release()

    def record_step(self, number, begun, ended):
        """A worker has pushed by itself, with a task that began and ended then, and computes its next round."""
        kind, (snapshot, round_) = self.tasks[number]
        self.tasks[number] = kind, (snapshot, round_ + 1)
        self.tries.pop(number, None)
        self.started[number] = ended
        self.timeline.append((number, begun, ended))

    def take_timeline(self):
        """(worker, start, end) of the tasks since the last call, in seconds from the start."""
        timeline, self.timeline = self.timeline, []
        return [(number, begun - self.begin, ended - self.begin) for number, begun, ended in timeline]

    @property
    def queue_length(self):
        """Answers that wait to be served, without the one that is being handled."""
        return sum(future.done() for future in self.futures)

    def patience(self, number):
        """Seconds that the task of a worker may take."""
        kind = self.tasks[number][0]
        more = 0.0 if (number, kind) in self.seen else FIRST
        if self.task_timeout is not None:
            return self.task_timeout + more
        if not self.spent[kind]:
            return more + (PATIENCE if kind == "gradient" else UNKNOWN)
        return more + max(PATIENCE, SLOW * median(self.spent[kind]))

    def _serve(self, future):
        """Handle the answer of a worker that is no thread, or has failed."""
        with self.lock:
            number = self.futures.get(future)
            if number is None:  # of a worker that was given up
                return
            if not self.serving:
                self.early.append(future)
                return
            with self.exclusive():
                try:
                    result = self._result(future, number)
                except Exception as error:
                    self.futures.pop(future)
                    self._retry(number, error)
                    return
                self._handle(future, number, result)

    def _handle(self, future, number, result):
        self.futures.pop(future)
        now, begun = time.perf_counter(), self.started.pop(number)
        kind, _ = self.tasks.pop(number)
        self.tries.pop(number, None)
        if (number, kind) in self.seen:
            self.spent[kind].append(now - begun)
        self.seen.add((number, kind))
        self.timeline.append((number, begun, now))
        self.serving = self.handle(number, result) is not False

    def _start(self, number):
        kind, arguments = self.tasks[number]
        self.started[number] = time.perf_counter()
        if kind == "gradient":
            snapshot, round_ = arguments
            future = self.backend.gradient(number, snapshot(), round_)
        else:
            future = self.backend.local(number, *arguments)
        self.futures[future] = number

    def _result(self, future, number):
        result = checked(self.backend.result(future), number, self.tasks[number])
        if not getattr(result, "failed", False):
            self.check(result)
        elif not self.tries[number]:
            raise NotFiniteError("a loss or gradient was not finite")
        return result

    def _wait(self):
        """Seconds until a worker may be late, LISTEN at most."""
        with self.lock:
            return max(0.01, min(LISTEN, self._deadline() - time.perf_counter()))

    def _deadline(self):
        return min((self.started[number] + self.patience(number) for number in self.tasks), default=0.0)

    def _replace_late_workers(self):
        """Give the workers up whose task takes too long."""
        with self.lock:
            now = time.perf_counter()
            if now < self._deadline() or getattr(self.backend, "in_turn", False):
                return
            running = [number for future, number in self.futures.items() if not future.done()]  # the driver may have been away
            late = [number for number in running if now >= self.started[number] + self.patience(number)]
            if late:
                with self.exclusive():
                    for number in late:
                        self._retry(number, TimeoutError(f"no answer for {self.patience(number):.3g} s"))

    def _retry(self, number, error):
        """Do the task of a worker again: at once where it raised an error the first time, else by a new worker. WorkerLostError
        where that has not helped."""
        self.tries[number] += 1
        tries, kind = self.tries[number], self.tasks[number][0]
        self.failures.append((number, error, time.perf_counter() - self.started[number]))
        if isinstance(error, DivergedError) and tries > 1:
            raise error
        text = f"worker {number} failed {tries} time{'s' * (tries > 1)} in a row at {kind}: {type(error).__name__}: {error}"
        if tries > self.max_restarts:
            raise WorkerLostError(text) from error
        again = [number]
        if tries > 1 or isinstance(error, (BrokenExecutor, TimeoutError, ArithmeticError)):
            again = self._replace(number, text)
        for one in again:
            if one in self.tasks:
                self._start(one)

    def _replace(self, number, text):
        """A new worker for this one; the workers whose tasks are lost by it."""
        try:
            lost = self.backend.restart([number])
        except Exception as error:
            raise WorkerLostError(f"{text}; no new worker could be had: {error}") from error
        self.restarts += 1
        self.futures = {future: one for future, one in self.futures.items() if one not in lost}
        self.seen = {(one, kind) for one, kind in self.seen if one not in lost}
        return lost


def checked(result, number, task):
    """The result of a task, if it is one: a worker may answer anything."""
    kind, arguments = task
    is_update = isinstance(result, GradientUpdate)
    if kind == "gradient" and not (is_update and (result.number, result.round) == (number, arguments[1])):
        raise ValueError(f"worker {number} answered {type(result).__name__}, not the gradient of round {arguments[1]}")
    if kind == "local" and not (isinstance(result, LocalEpoch) and (result.number, result.epoch) == (number, arguments[2])):
        raise ValueError(f"worker {number} answered {type(result).__name__}, not its epoch {arguments[2]}")
    return result
