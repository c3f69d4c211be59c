"""Workers with a foreman: whoever dies, hangs or answers nonsense is noticed, and its task is done again.

A task is a function of (worker, round): doing it again changes nothing but time.
"""

import time
from concurrent.futures import BrokenExecutor
from statistics import median

from ..engines import DivergedError
from ..interrupts import held
from .tasks import LocalEpoch, Push

PATIENCE, SLOW = 30.0, 20  # a task may take PATIENCE seconds, or SLOW times the median task
HEARD = 0.1  # seconds of waiting at once: then Ctrl-C is heard
REMEMBERED = 101  # tasks whose median counts


class WorkerLostError(RuntimeError):
    """A worker was lost, or failed, more often than allowed. The model stands where the server was: it can be used and saved."""


class Crew:
    """The workers of one training. `submit` tasks, `next` gives (number, result) in the order in which they were finished.

    task_timeout: seconds after which a task counts as hanging (default max(30, 20 × the median task)); max_restarts: how often in
    a row the same task may fail before WorkerLostError.
    """

    def __init__(self, backend, job, X, targets, *, task_timeout=None, max_restarts=3):
        self.backend, self.task_timeout, self.max_restarts = backend, task_timeout, max_restarts
        self.under_way, self.futures, self.started, self.tries = {}, {}, {}, {}
        self.spent, self.restarts, self.timeline = [], 0, []
        backend.open(job, X, targets)

    def submit(self, number, kind, *arguments):
        """Start "gradient" (a function that gives a Snapshot, round) or "local" (parameters, optimizer, epoch)."""
        self.under_way[number] = kind, arguments
        self._start(number)

    def next(self):
        """(number, Push or LocalEpoch) of the task that was finished first; failed ones are done again before."""
        while True:
            future = self.backend.completed(min(HEARD, max(0.01, self._deadline() - time.perf_counter())))
            held.let_through()
            number = self.futures.get(future)
            if future is None and time.perf_counter() >= self._deadline():
                self._again(self._late(), TimeoutError(f"no answer for {self.patience:.3g} s"), restart=True)
            if number is None:  # nothing yet, or the answer of somebody who was given up
                continue
            del self.futures[future]
            try:
                result = check(self.backend.result(future), number, self.under_way[number])
            except Exception as error:
                self._again([number], error, restart=isinstance(error, BrokenExecutor))
                continue
            return number, self._finished(number, result)

    @property
    def patience(self):
        """Seconds that a task may take."""
        if self.task_timeout is not None:
            return self.task_timeout
        return max(PATIENCE, SLOW * median(self.spent)) if self.spent else PATIENCE

    def close(self):
        """Let the workers go."""
        self.under_way = {}
        self.backend.close()

    def _start(self, number):
        kind, arguments = self.under_way[number]
        self.started[number] = time.perf_counter()
        if kind == "gradient":
            snapshot, round_ = arguments
            future = self.backend.gradient(number, snapshot(), round_)
        else:
            future = self.backend.local(number, *arguments)
        self.futures[future] = number

    def _deadline(self):
        return min((self.started[number] for number in self.under_way), default=time.perf_counter()) + self.patience

    def _finished(self, number, result):
        now, begun = time.perf_counter(), self.started.pop(number)
        del self.under_way[number]
        self.tries.pop(number, None)
        self.spent = [*self.spent[1 - REMEMBERED :], now - begun]
        self.timeline.append((number, begun, now))
        return result

    def _late(self):
        """The workers whose task takes too long."""
        now = time.perf_counter()
        return [number for number in self.under_way if now - self.started[number] >= self.patience]

    def _again(self, guilty, error, *, restart):
        """Do the tasks of `guilty` workers again, or with `restart` all tasks, on new workers; WorkerLostError where that has
        not helped."""
        for one in guilty:
            self.tries[one] = self.tries.get(one, 0) + 1
        worst = max(guilty, key=self.tries.get)
        if isinstance(error, DivergedError):
            raise error
        if self.tries[worst] > self.max_restarts:
            text = f"worker {worst} failed {self.tries[worst]} times in a row at {self.under_way[worst][0]}"
            raise WorkerLostError(f"{text}: {type(error).__name__}: {error}") from error
        if restart:
            self.restarts, self.futures = self.restarts + 1, {}
            self.backend.restart()
        for one in list(self.under_way) if restart else guilty:
            self._start(one)


def check(result, number, task):
    """The result of a task, if it is one: a worker may answer anything."""
    kind, arguments = task
    if kind == "gradient" and not (isinstance(result, Push) and (result.number, result.round) == (number, arguments[1])):
        raise ValueError(f"worker {number} answered {type(result).__name__}, not the gradient of round {arguments[1]}")
    if kind == "local" and not (isinstance(result, LocalEpoch) and (result.number, result.epoch) == (number, arguments[2])):
        raise ValueError(f"worker {number} answered {type(result).__name__}, not its epoch {arguments[2]}")
    return result
