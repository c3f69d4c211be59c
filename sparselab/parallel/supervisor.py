"""Workers with a foreman: whoever dies, hangs or answers nonsense is noticed, and its task is done again.

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
    """A worker was lost, or failed, more often than allowed. The model stands where the server was: it can be used and saved."""


class NotFiniteError(ArithmeticError):
    """The gradient of a task was not finite."""


class Supervisor:
    """The workers of one training. `submit` tasks, `serve` what they answer in the order in which they were finished.

    Workers that are threads of this process take their turn at the server themselves, one at a time: handing a gradient over to
    another thread, and waiting for its answer, took a third of a small step. Whatever fails is left to the driver.

    check: function of a Push or LocalEpoch that raises ValueError where it does not fit the net. task_timeout: seconds after
    which a task counts as hanging (default max(30, 20 × the median task); the first of its kind in a new worker may take a minute
    more); max_restarts: how often in a row the same task may fail before WorkerLostError. What is not finite is computed again
    once, by a new worker, before it is believed. `restarts` counts workers that were replaced; `noticed` has (worker, error,
    seconds from the start of the task) of each failure.
    """

    def __init__(self, backend, job, X, targets, *, check=lambda result: None, task_timeout=None, max_restarts=3):
        self.backend, self.check, self.task_timeout, self.max_restarts = backend, check, task_timeout, max_restarts
        self.under_way, self.futures, self.started, self.tries = {}, {}, {}, defaultdict(int)
        self.seen, self.spent = set(), defaultdict(lambda: deque(maxlen=REMEMBERED))
        self.restarts, self.timeline, self.noticed = 0, [], []
        self.lock, self.early = threading.RLock(), deque()
        self.turn, self.over, self.error = None, True, None
        self.door = nullcontext  # `with door():` nobody takes a turn but who is in it
        if hasattr(backend, "taken"):
            backend.taken = self.taken
        backend.open(job, X, targets)

    def submit(self, number, kind, *arguments):
        """Start "gradient" (a function that gives a Snapshot, round) or "local" (parameters, optimizer, epoch)."""
        with self.lock:
            self.under_way[number] = kind, arguments
            self._start(number)

    def get_ready(self, n, snapshot):
        """Let n workers compute once what nobody uses. Kernels are loaded in each process then: else the first that is ready
        does all the work at first, and the others' first gradients come dozens of versions late."""
        for number in range(n):
            self.submit(number, "gradient", snapshot, 0)
        ready = []
        self.serve(lambda *one: ready.append(one) or len(ready) < n)
        self.timeline = []

    def serve(self, turn):
        """Give every result to turn(number, Push or LocalEpoch) until it answers False; failed tasks are done again before."""
        with self.lock:
            self.turn, self.over, self.error = turn, False, None
        try:
            while not self.over:
                defer_interrupts.deliver_pending()  # nothing is half done here
                future = self.early.popleft() if self.early else self.backend.completed(self._until())
                if future is not None:
                    self._served(future)
                self._look_after_the_late()
        finally:
            with self.lock, self.door():  # whoever is at the server ends first
                self.turn, self.over = None, True
        if self.error is not None:
            raise self.error

    def next(self):
        """(number, Push or LocalEpoch) of the task that was finished first."""
        found = []
        self.serve(lambda *one: bool(found.append(one)))
        return found[0]

    def taken(self, future):
        """The turn of a worker that is a thread, called there; False where the driver has to look: a failed task, or an end."""
        with self.lock, self.door():
            number = self.futures.get(future)
            if self.over or number is None:
                return False
            try:
                result = self._result(future, number)
            except Exception:
                return False
            try:
                self._turn(future, number, result)
            except BaseException as error:
                self.error, self.over = error, True
            return not self.over

    def record_remote_step(self, number, begun, ended):
        """A worker took a turn by itself, with a task that began and ended then, and is at its next round."""
        kind, (snapshot, round_) = self.under_way[number]
        self.under_way[number] = kind, (snapshot, round_ + 1)
        self.tries.pop(number, None)
        self.started[number] = ended
        self.timeline.append((number, begun, ended))

    @property
    def queue_length(self):
        """Answers that wait to be served: not the one whose turn it is, nor what only woke the driver up."""
        return sum(future.done() for future in self.futures)

    def patience(self, number):
        """Seconds that the task of a worker may take."""
        kind = self.under_way[number][0]
        more = 0.0 if (number, kind) in self.seen else FIRST
        if self.task_timeout is not None:
            return self.task_timeout + more
        if not self.spent[kind]:
            return more + (PATIENCE if kind == "gradient" else UNKNOWN)
        return more + max(PATIENCE, SLOW * median(self.spent[kind]))

    def close(self):
        """Let the workers go."""
        with self.lock:
            self.under_way, self.futures = {}, {}
        self.backend.close()

    def _served(self, future):
        """The turn of a worker that cannot take it itself, or has failed."""
        with self.lock, self.door():
            number = self.futures.get(future)
            if number is None:  # of somebody who was given up, or just a call: it is over
                return
            if self.over:
                self.early.append(future)
                return
            try:
                result = self._result(future, number)
            except Exception as error:
                self.futures.pop(future)
                self._again(number, error)
                return
            self._turn(future, number, result)

    def _turn(self, future, number, result):
        self.futures.pop(future)
        self.over = self.turn(number, self._finished(number, result)) is False

    def _start(self, number):
        kind, arguments = self.under_way[number]
        self.started[number] = time.perf_counter()
        if kind == "gradient":
            snapshot, round_ = arguments
            future = self.backend.gradient(number, snapshot(), round_)
        else:
            future = self.backend.local(number, *arguments)
        self.futures[future] = number

    def _result(self, future, number):
        result = checked(self.backend.result(future), number, self.under_way[number])
        if not getattr(result, "failed", False):
            self.check(result)
        elif not self.tries[number]:
            raise NotFiniteError("a loss or gradient was not finite")
        return result

    def _until(self):
        """Seconds until somebody has to be looked at."""
        with self.lock:
            return max(0.01, min(LISTEN, self._deadline() - time.perf_counter()))

    def _deadline(self):
        return min((self.started[number] + self.patience(number) for number in self.under_way), default=0.0)

    def _finished(self, number, result):
        now, begun = time.perf_counter(), self.started.pop(number)
        kind, _ = self.under_way.pop(number)
        self.tries.pop(number, None)
        if (number, kind) in self.seen:
            self.spent[kind].append(now - begun)
        self.seen.add((number, kind))
        self.timeline.append((number, begun, now))
        return result

    def _look_after_the_late(self):
        """Give the workers up whose task takes too long."""
        with self.lock:
            now = time.perf_counter()
            if now < self._deadline() or getattr(self.backend, "in_turn", False):
                return
            still = [number for future, number in self.futures.items() if not future.done()]  # the driver may have been away
            late = [number for number in still if now >= self.started[number] + self.patience(number)]
            if late:
                with self.door():
                    for number in late:
                        self._again(number, TimeoutError(f"no answer for {self.patience(number):.3g} s"))

    def _again(self, number, error):
        """Do the task of a worker again: at once where it raised an error the first time, else by a new worker. WorkerLostError
        where that has not helped."""
        self.tries[number] += 1
        tries, kind = self.tries[number], self.under_way[number][0]
        self.noticed.append((number, error, time.perf_counter() - self.started[number]))
        if isinstance(error, DivergedError) and tries > 1:
            raise error
        text = f"worker {number} failed {tries} time{'s' * (tries > 1)} in a row at {kind}: {type(error).__name__}: {error}"
        if tries > self.max_restarts:
            raise WorkerLostError(text) from error
        again = [number]
        if tries > 1 or isinstance(error, (BrokenExecutor, TimeoutError, ArithmeticError)):
            again = self._replace(number, text)
        for one in again:
            if one in self.under_way:
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
