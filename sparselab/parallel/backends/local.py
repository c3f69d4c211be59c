"""Where workers live. Every backend takes tasks for worker 0, 1, … and tells which is done; what is computed is the same.

A backend has open(job, X, targets); gradient(number, snapshot, round) and local(number, parameters, optimizer, epoch), which
start a task and return its Future, a failed one where it cannot be started; completed(timeout) -> the Future that was done first,
or None; result(future); restart(numbers) -> numbers: new workers for these, and whose tasks were lost by that; and close(). A
snapshot may be a view: it is copied before `gradient` returns. A backend with an attribute `taken` gets a function there, which
may be called with a finished Future in any thread, and says whether it is dealt with. Names read like joblib's.
"""

import queue
import threading
from collections import deque
from concurrent.futures import Future

from ...utils import checks
from ..core.worker import Worker
from .base import first_of, outcome

LAST_WORD = 1.0  # seconds that threads have to end what they are at


class Local:
    """Workers in this process: their nets, engines and shards are ordinary objects."""

    taken = staticmethod(lambda future: False)  # the crew puts itself here

    def open(self, job, X, targets):
        """Make the workers."""
        self.made_of = job, X, targets
        self.workers = [self._worker(number) for number in range(job.n_workers)]

    def gradient(self, number, snapshot, round_):
        """Start a round of a worker with these parameters."""
        self.workers[number].load(snapshot)
        return self._start(number, self.workers[number].gradient, round_)

    def local(self, number, *arguments):
        """Start an epoch of a worker on its own."""
        return self._start(number, self.workers[number].local, *arguments)

    def result(self, future):
        """The task's result, or its exception."""
        return outcome(future)

    def restart(self, numbers):
        """New workers in the place of these."""
        for number in numbers:
            self.workers[number] = self._worker(number)
        return numbers

    def _worker(self, number):
        job, X, targets = self.made_of
        return Worker(job, number, X, targets)


class Serial(Local):
    """One task at a time, in the caller's thread, when its result is asked for; `schedule` says whose, in order.

    schedule: numbers of workers; after its end, and by default, the task that was started first.
    """

    name, in_turn = "serial", True  # a task that waits for its turn does not hang

    def __init__(self, schedule=()):
        self.schedule, self.waiting = deque(schedule), deque()

    def _start(self, number, function, *arguments):
        future = Future()
        self.waiting.append((future, function, arguments))
        return future

    def completed(self, timeout):
        """The Future of the next task in the schedule, computed now."""
        if not self.waiting:
            return None
        index = 0
        if self.schedule:
            wanted, numbers = self.schedule.popleft(), [function.__self__.number for _, function, _ in self.waiting]
            if wanted not in numbers:
                checks.fail("schedule", wanted, f"a worker with a task under way, one of {numbers}")
            index = numbers.index(wanted)
        future, function, arguments = self.waiting[index]
        del self.waiting[index]
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self):
        """Forget what was not asked for."""
        self.waiting.clear()


class Threads(Local):
    """A thread a worker: kernels run without the interpreter's lock, and nothing is copied but parameters."""

    name = "threads"

    def open(self, job, X, targets):
        super().open(job, X, targets)
        self.done, self.tasks, self.under_way = queue.SimpleQueue(), {}, {}
        self.threads = [self._thread(number) for number in range(job.n_workers)]

    def _thread(self, number):
        """A daemon: one that hangs must not keep the interpreter from ending."""
        tasks = self.tasks[number] = queue.SimpleQueue()
        arguments = tasks, self.done, self.taken
        thread = threading.Thread(target=serve, args=arguments, name=f"sparselab-worker-{number}", daemon=True)
        thread.start()
        return thread

    def _start(self, number, function, *arguments):
        future = self.under_way[number] = Future()
        self.tasks[number].put((future, function, arguments))
        return future

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        return first_of(self.done, timeout)

    def restart(self, numbers):
        """New workers in the place of these; RuntimeError where one hangs, for a thread cannot be killed."""
        for number in numbers:
            if not self.under_way[number].done():
                raise RuntimeError(f"worker {number} of backend {self.name!r} does not answer, and threads cannot be killed")
        return super().restart(numbers)

    def close(self):
        """Let the threads go, after the mini-batches they are at."""
        for worker in getattr(self, "workers", ()):
            worker.stopped = True
        for tasks in getattr(self, "tasks", {}).values():
            tasks.put(None)
        for thread in getattr(self, "threads", ()):
            thread.join(LAST_WORD)


def serve(tasks, done, taken):
    """Do (future, function, arguments) one after the other until None comes; what `taken` has not dealt with is done."""
    while (task := tasks.get()) is not None:
        future, function, arguments = task
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # SystemExit too: `outcome` looks at it
            future.set_exception(error)
        if not taken(future):
            done.put(future)
