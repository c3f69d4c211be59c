"""Workers in any concurrent.futures.Executor: snapshots and gradients are sent by value, samples once to every process."""

import pickle
import queue
import uuid
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

from ...nn.mlp import Parameters
from ..core.worker import Worker
from .base import THREADS, first_of, outcome, packed

KEPT = 2  # trainings whose samples and workers a process remembers


class MissingError(LookupError):
    """This process has not got the samples of the training."""


class Task(Future):
    """A task of a worker, done when `remote`, the executor's own Future of it, is."""

    def __init__(self, function, number, arguments):
        super().__init__()
        self.function, self.number, self.arguments, self.remote = function, number, arguments, None

    def submit(self, executor, key, data, finished):
        """Give it to the executor; finished(task) is called in any thread when that has done it."""
        try:
            self.remote = executor.submit(self.function, key, data, self.number, *self.arguments)
        except Exception as error:  # broken, or shut down
            self.remote = Future()
            self.remote.set_exception(error)
        self.remote.add_done_callback(lambda remote: finished(self))


class Executors:
    """A backend out of an Executor of the caller's: it is not shut down, and the training ends where it breaks."""

    name = "executor"

    def __init__(self, executor):
        self.executor = executor

    def open(self, spec, X, targets):
        """Keep what workers will ask for."""
        self.data, self.done, self.key = (packed(spec), X, targets), queue.SimpleQueue(), uuid.uuid4().hex

    def gradient(self, number, snapshot, round_):
        """Send the snapshot and start the round."""
        return self._start(gradient_task, number, owned(snapshot), round_)

    def local(self, number, parameters, kept, epoch):
        """Start an epoch of a worker on its own."""
        return self._start(local_task, number, parameters, kept, epoch)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        task = first_of(self.done, timeout)
        if task is not None and not task.done():
            task.submit(self.executor, self.key, self.data, self._finished)
            return None
        return task

    def result(self, task):
        """The task's result, or its exception."""
        return outcome(task.remote)

    def restart(self, numbers):
        """Workers made anew; the executor stays as it is."""
        self.key = uuid.uuid4().hex
        return numbers

    def close(self):
        """Forget the samples here."""
        self.data = None

    def _start(self, function, number, *arguments):
        task = Task(function, number, arguments)
        task.submit(self.executor, self.key, None, self._finished)
        return task

    def _finished(self, task):
        """A thread of the executor calls this: nothing may be submitted here."""
        if task.remote.cancelled() or not isinstance(task.remote.exception(), MissingError):
            task.set_result(None)
        self.done.put(task)


class OwnProcesses(Executors):
    """The backend "processes" where processes cannot share memory without a name."""

    name = "processes"

    def __init__(self):
        super().__init__(None)

    def open(self, spec, X, targets):
        super().open(spec, X, targets)
        self.n_workers = spec.n_workers
        self.restart([])

    def restart(self, numbers):
        """All processes anew; all tasks are lost."""
        from loky import ProcessPoolExecutor

        self._end()
        self.executor = ProcessPoolExecutor(self.n_workers, timeout=None, env=THREADS)
        super().restart(numbers)
        return list(range(self.n_workers))

    def close(self):
        """Kill the processes."""
        self._end()
        super().close()

    def _end(self):
        if self.executor is not None:
            self.executor.shutdown(wait=True, kill_workers=True)
            self.executor = None


def owned(snapshot):
    """A snapshot with arrays of its own: an executor may look at them after the server has gone on."""
    p = snapshot.parameters
    copies = [tuple(array.copy() for array in arrays) for arrays in (p.weights, p.biases)]
    return replace(snapshot, parameters=Parameters(p.topologies, *copies, p.neurons))


# in the worker's process

_TRAININGS = {}  # key -> (data, {number: idle Worker})


@contextmanager
def worker_of(key, data, number):
    """The Worker of a training, made on first use in this process.

    While it computes no other task gets it, and after an error it is not used again: the next task gets a new one.
    """
    if data is not None:
        _TRAININGS.setdefault(key, (data, {}))
        for old in list(_TRAININGS)[:-KEPT]:
            _TRAININGS.pop(old, None)
    if key not in _TRAININGS:
        raise MissingError(key)
    (spec, X, targets), idle = _TRAININGS[key]
    worker = idle.pop(number, None) or Worker(pickle.loads(spec), number, X, targets)
    yield worker
    idle[number] = worker


def gradient_task(key, data, number, snapshot, round_):
    """The GradientUpdate of a round."""
    with worker_of(key, data, number) as worker:
        worker.load(snapshot)
        update = worker.gradient(round_)
        return update if update.failed else update.owned()


def local_task(key, data, number, parameters, kept, epoch):
    """The LocalEpoch of a worker."""
    with worker_of(key, data, number) as worker:
        return worker.local(parameters, kept, epoch)
