"""Where workers live. Every backend takes tasks for worker 0, 1, … and tells which is done; what is computed is the same.

A backend has open(job, X, targets); gradient(number, snapshot, round) and local(number, parameters, optimizer, epoch), which
start a task and return its Future; completed(timeout) -> the Future that was done first, or None; result(future); restart() and
close(). A snapshot may be a view: it is copied before `gradient` returns. Names read like joblib's.
"""

import queue
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from .. import checks
from .tasks import Worker


class Local:
    """Workers in this process: their nets, engines and shards are ordinary objects."""

    def open(self, job, X, targets):
        """Make the workers."""
        self.workers = [Worker(job, number, X, targets) for number in range(job.n_workers)]

    def gradient(self, number, snapshot, round_):
        """Start a round of a worker with these parameters."""
        self.workers[number].load(snapshot)
        return self._start(self.workers[number].gradient, round_)

    def local(self, number, *arguments):
        """Start an epoch of a worker on its own."""
        return self._start(self.workers[number].local, *arguments)

    def result(self, future):
        """The task's result, or its exception."""
        return future.result()

    def restart(self):
        """Nothing here can be killed: what hangs, hangs on."""
        self.close()
        raise RuntimeError(f"a worker of backend {self.name!r} does not answer, and threads cannot be killed")


class Serial(Local):
    """One task at a time, in the caller's thread, when its result is asked for; `schedule` says whose, in order.

    schedule: numbers of workers; after its end, and by default, the task that was started first.
    """

    name = "serial"

    def __init__(self, schedule=()):
        self.schedule, self.waiting = deque(schedule), deque()

    def _start(self, function, *arguments):
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
        self.pool, self.done = ThreadPoolExecutor(job.n_workers, "sparselab-worker"), queue.SimpleQueue()

    def _start(self, function, *arguments):
        future = self.pool.submit(function, *arguments)
        future.add_done_callback(self.done.put)
        return future

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        try:
            return self.done.get(timeout=timeout)
        except queue.Empty:
            return None

    def close(self):
        """Let the threads go, after the tasks they are at."""
        self.pool.shutdown(wait=True, cancel_futures=True)


def get(backend, schedule=()):
    """A backend from a name or an object; TypeError or ValueError naming it, ImportError where an extra is missing."""
    if not isinstance(backend, str):
        needed = ("open", "gradient", "local", "completed", "result", "restart", "close")
        if not all(callable(getattr(backend, name, None)) for name in needed):
            checks.fail("backend", backend, f"one of {list(NAMES)} or an object with {', '.join(needed)}", TypeError)
        return backend
    if "://" in backend:
        return dask(backend)
    checks.choice("backend", backend, NAMES)
    return Serial(schedule) if backend == "serial" else NAMES[backend]()


def processes():
    """Workers in processes of this machine."""
    from .processes import Processes

    return Processes()


def dask(address=None):
    """Workers of a Dask cluster."""
    from .cluster import Cluster, imported

    imported()
    return Cluster(address)


NAMES = {"serial": Serial, "threads": Threads, "processes": processes, "dask": dask}
