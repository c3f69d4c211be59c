"""Workers in any concurrent.futures.Executor: snapshots and gradients travel by value, samples once to every process.

What tasks by value have in common stands here too; workers of a Dask cluster run the same ones.
"""

import pickle
import queue
import uuid
from concurrent.futures import Future

from ...nn.mlp import Parameters
from ..core.worker import Snapshot, Worker
from .base import THREADS, first_of, outcome, packed

KEPT = 2  # trainings whose samples and workers a process remembers


class MissingError(LookupError):
    """This process has not got the samples of the training."""


class Executors:
    """A backend out of an Executor that belongs to somebody else: it is not shut down, and what breaks it ends the training."""

    name = "executor"

    def __init__(self, executor):
        self.executor = executor

    def open(self, job, X, targets):
        """Keep what workers will ask for."""
        self.data, self.done, self.key = (packed(job), X, targets), queue.SimpleQueue(), uuid.uuid4().hex

    def gradient(self, number, snapshot, round_):
        """Send the snapshot and start the round."""
        return self._start(gradient_task, number, owned(snapshot), round_)

    def local(self, number, parameters, optimizer, epoch):
        """Start an epoch of a worker on its own."""
        return self._start(local_task, number, parameters, optimizer, epoch)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        mine = first_of(self.done, timeout)
        if mine is not None and not mine.done():
            self._submit(mine, self.data)
            return None
        return mine

    def result(self, future):
        """The task's result, or its exception."""
        return outcome(future.theirs)

    def restart(self, numbers):
        """Workers made anew; the executor is what it is."""
        self.key = uuid.uuid4().hex
        return numbers

    def close(self):
        """Forget the samples here."""
        self.data = None

    def _start(self, task, number, *arguments):
        mine = Future()
        mine.task = task, number, arguments
        self._submit(mine, None)
        return mine

    def _submit(self, mine, data):
        task, number, arguments = mine.task
        try:
            mine.theirs = self.executor.submit(task, self.key, data, number, *arguments)
        except Exception as error:  # broken, or shut down
            mine.theirs = Future()
            mine.theirs.set_exception(error)
        mine.theirs.add_done_callback(lambda theirs: self._over(mine))

    def _over(self, mine):
        """Some thread of the executor calls this: here nothing may be submitted."""
        if mine.theirs.cancelled() or not isinstance(mine.theirs.exception(), MissingError):
            mine.set_result(None)
        self.done.put(mine)


class OwnProcesses(Executors):
    """The backend "processes" where processes cannot share memory without a name."""

    name = "processes"

    def __init__(self):
        super().__init__(None)

    def open(self, job, X, targets):
        super().open(job, X, targets)
        self.n_workers = job.n_workers
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
    return Snapshot(snapshot.version, snapshot.generation, Parameters(p.topologies, *copies, p.neurons))


# in the worker's process

_DATA, _IDLE = {}, {}


class Borrowed:
    """`with Borrowed(key, data, number) as worker:` the Worker of a training, made on first use in this process.

    Whoever hangs keeps it, and after an error it is not used again: the next task gets a new one.
    """

    def __init__(self, key, data, number):
        self.place = key, number
        if data is not None:
            _DATA[key] = data
            for old in list(_DATA)[:-KEPT]:
                forget(old)
        self.worker = _IDLE.pop(self.place, None)
        if self.worker is None:
            if key not in _DATA:
                raise MissingError(key)
            job, X, targets = _DATA[key]
            self.worker = Worker(pickle.loads(job), number, X, targets)

    def __enter__(self):
        return self.worker

    def __exit__(self, kind, *_):
        if kind is None and self.place[0] in _DATA:
            _IDLE[self.place] = self.worker


def forget(key):
    """Let the samples and workers of a training go."""
    _DATA.pop(key, None)
    for place in [place for place in list(_IDLE) if place[0] == key]:
        _IDLE.pop(place, None)


def gradient_task(key, data, number, snapshot, round_):
    """The Push of a round, with arrays of its own."""
    with Borrowed(key, data, number) as me:
        me.load(snapshot)
        push = me.gradient(round_)
        if not push.failed:
            push.dw, push.db = [a.copy() for a in push.dw], [a.copy() for a in push.db]
    return push


def local_task(key, data, number, parameters, optimizer, epoch):
    """The LocalEpoch of a worker."""
    with Borrowed(key, data, number) as me:
        return me.local(parameters, optimizer, epoch)
