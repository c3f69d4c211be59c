"""Workers in this process, and what a backend is: it takes tasks for workers 0, 1, … and says which are done.

A backend has open(spec, X, targets); gradient(number, snapshot, round) and local(number, parameters, kept, epoch), which
start a task of a worker and return its Future, a failed one where it cannot be started; completed(timeout), the Future that was
done first, or None; result(future); restart(numbers), which makes new workers for these and returns all whose tasks were lost by
that; and close(). A snapshot may be a view: it is copied before `gradient` returns.

It may also have in_process (True: its workers are trusted objects of this process), in_turn (True: a task that waits does not
hang), deliver_to(receive), called before open: receive(future) may be called with a finished Future in any thread and says
whether it has taken the result, and handoff(run, server, phase), which gives a Handoff where workers can push by themselves.
"""

import queue
import threading
from collections import deque
from concurrent.futures import Future

from ...utils import checks
from ..compiled.handoff import Handoff
from ..core.worker import Worker
from .base import first_of, outcome

LAST_TASK = 1.0  # seconds that threads have to finish what they do when they are closed


class Local:
    """Workers in this process: their nets, engines and shards are ordinary objects."""

    in_process = True

    def open(self, spec, X, targets):
        """Make the workers."""
        self.spec, self.X, self.targets = spec, X, targets
        self.workers = {number: self._worker(number) for number in self._numbers()}

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

    def _numbers(self):
        return range(self.spec.n_workers)

    def _worker(self, number):
        return Worker(self.spec, number, self.X, self.targets)


class Serial(Local):
    """One task at a time, in the caller's thread, when its result is asked for.

    schedule: numbers of workers, whose tasks are done in this order; after its end, and by default, the oldest task is next.
    """

    name, in_turn = "serial", True

    def __init__(self, schedule=()):
        self.schedule, self.waiting = deque(schedule), deque()

    def _start(self, number, function, *arguments):
        future = Future()
        self.waiting.append((future, number, function, arguments))
        return future

    def completed(self, timeout):
        """The Future of the next task in the schedule, computed now."""
        if not self.waiting:
            return None
        index = 0
        if self.schedule:
            wanted, numbers = self.schedule.popleft(), [number for _, number, _, _ in self.waiting]
            if wanted not in numbers:
                checks.fail("schedule", wanted, f"a worker with a task under way, one of {numbers}")
            index = numbers.index(wanted)
        future, _, function, arguments = self.waiting[index]
        del self.waiting[index]
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self):
        """Forget the tasks that were not done."""
        self.waiting.clear()


class Threads(Local):
    """A thread a worker: kernels run without the interpreter's lock, and nothing is copied but parameters."""

    name = "threads"

    def __init__(self):
        self.receive, self.shared, self.workers, self.threads = lambda future: False, None, {}, []
        self.done, self.tasks, self.under_way = queue.SimpleQueue(), {}, {}

    def deliver_to(self, receive):
        """Workers offer their results to this function first."""
        self.receive = receive

    def open(self, spec, X, targets):
        super().open(spec, X, targets)
        self.threads = [self._thread(number) for number in self.workers]

    def handoff(self, run, server, phase):
        """From now on workers push by themselves where the Handoff lets them."""
        self.shared = Handoff(server, run.n_workers, run.synchronous, phase)
        for worker in self.workers.values():
            worker.connect(self.shared.client(worker.number))
        return self.shared

    def _worker(self, number):
        worker = super()._worker(number)
        worker.connect(self.shared and self.shared.client(number))
        return worker

    def _thread(self, number):
        """A daemon: one that hangs must not keep the interpreter from ending."""
        tasks = self.tasks[number] = queue.SimpleQueue()
        arguments = tasks, self.done, self.receive
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
        """End the threads, after the mini-batches that they compute now."""
        for worker in self.workers.values():
            worker.stop()
        for tasks in self.tasks.values():
            tasks.put(None)
        for thread in self.threads:
            thread.join(LAST_TASK)


def serve(tasks, done, receive):
    """Do (future, function, arguments) one after the other until None comes; results that `receive` has not taken are done."""
    while (task := tasks.get()) is not None:
        future, function, arguments = task
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # SystemExit too: `outcome` turns it into an error
            future.set_exception(error)
        if not receive(future):
            done.put(future)
