"""Workers in processes of this machine (loky, joblib's engine).

Samples are shared once; a snapshot and a gradient go through memory that both sides map, so that a task is a few hundred bytes
of message. Whatever dies, the executor says so at once, and new processes take over.
"""

import os
import pickle
import queue
import signal
import threading
import time
import uuid

import numpy as np
import scipy.sparse

from .. import checks
from ..mlp import Parameters
from ..topology import Topology
from . import arena
from .tasks import Snapshot, Worker

START_UP = 120.0  # seconds that new processes may take to be ready
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
ROOM = 1.25  # of an arena, beyond what the net needs at first


class Processes:
    """The backend "processes"."""

    name = "processes"

    def open(self, job, X, targets):
        """Share the data, start the processes and wait until all are ready."""
        self.job, self.done, self.arenas = job, queue.SimpleQueue(), {}
        self.packed = packed(job)
        sparse = scipy.sparse.issparse(X)
        arrays = [*((X.data, X.indices, X.indptr) if sparse else (X,)), targets]
        self.data = arena.Arena(arena.end_of(arena.layout([(a.dtype, a.shape) for a in arrays])))
        plan = self.data.place(arrays)
        self.setup = uuid.uuid4().hex, self.packed, self.data.path, plan, X.shape if sparse else None
        self._start()

    def gradient(self, number, snapshot, round_):
        """Copy the snapshot into the worker's memory and start the round."""
        header = self._lend(number, snapshot)
        future = self.pool.submit(gradient_task, self.setup[0], number, header, round_)
        return self._watched(future, number)

    def local(self, number, parameters, optimizer, epoch):
        """Start an epoch of a worker on its own; everything goes by value."""
        return self._watched(self.pool.submit(local_task, self.setup[0], number, parameters, optimizer, epoch), number)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        try:
            return self.done.get(timeout=timeout)
        except queue.Empty:
            return None

    def restart(self):
        """Kill all processes and start new ones."""
        self.pool.shutdown(wait=True, kill_workers=True)
        self._start()

    def close(self):
        """Kill the processes and give the memory back."""
        if getattr(self, "pool", None):
            self.pool.shutdown(wait=True, kill_workers=True)
            self.pool = None
        for one in [*getattr(self, "arenas", {}).values(), *filter(None, [getattr(self, "data", None)])]:
            one.close()
        self.arenas, self.data = {}, None

    def _start(self):
        from loky import ProcessPoolExecutor

        self.pool = ProcessPoolExecutor(
            self.job.n_workers, timeout=None, env=THREADS, initializer=begin, initargs=(os.getpid(), *self.setup)
        )
        ready = [self.pool.submit(hello, 0.2) for _ in range(self.job.n_workers)]
        deadline = time.monotonic() + START_UP
        for future in ready:
            future.result(timeout=max(0.1, deadline - time.monotonic()))

    def _watched(self, future, number):
        """A Future whose result has its arrays, out of the worker's memory."""
        future.add_done_callback(self.done.put)
        future.arena = self.arenas.get(number)
        return future

    def result(self, future):
        """The task's result; gradients are views that hold until the worker's next task."""
        return brought_back(future.result(), future.arena)

    def _lend(self, number, snapshot):
        """Write a snapshot into the worker's memory; what the task has to know about it."""
        p = snapshot.parameters
        arrays = [*(t.indptr for t in p.topologies), *(t.indices for t in p.topologies), *p.weights, *p.biases]
        kinds = [(a.dtype, a.shape) for a in arrays]
        gradients = [(a.dtype, a.shape) for a in (*p.weights, *p.biases)]
        plan = arena.layout(kinds + gradients)
        mine = self.arenas.get(number)
        if mine is None or arena.end_of(plan) > mine.size:
            if mine is not None:
                mine.close()
            mine = self.arenas[number] = arena.Arena(int(ROOM * arena.end_of(plan)))
        mine.place(arrays)
        shapes = [t.shape for t in p.topologies]
        return mine.path, plan, shapes, snapshot.version, snapshot.generation, p.neurons


def packed(job):
    """The job as bytes; TypeError naming it where it cannot be sent to another process."""
    import cloudpickle

    try:
        return cloudpickle.dumps(job)
    except Exception as error:
        raise TypeError(
            f"rules, optimizer, loss or activation: must be picklable for workers in other processes ({type(error).__name__}: "
            f"{error}); backend='threads' takes anything"
        ) from error


def brought_back(push, memory):
    """A Push with the arrays that the worker left in its memory."""
    if getattr(push, "dw", None) is not None and memory is not None and isinstance(push.dw, tuple):
        n = len(push.dw)
        arrays = arena.views(memory.memory, [*push.dw, *push.db])
        push.dw, push.db = arrays[:n], arrays[n:]
    return push


# in the worker's process

_HERE = {}


def begin(driver, key, job, path, plan, csr_shape):
    """Once a process: leave Ctrl-C to the driver, end with it, look at the data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(driver,), daemon=True).start()
    *X, targets = arena.views(arena.opened(path), plan)
    X = X[0] if csr_shape is None else scipy.sparse.csr_array(tuple(X), shape=csr_shape, copy=False)
    _HERE.clear()
    _HERE.update(key=key, job=pickle.loads(job), X=X, targets=targets, workers={}, memory={}, topologies={})


def end_with(driver):
    """End this process when the driver is gone: whoever was killed cannot say goodbye."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(0)


def hello(seconds):
    """Something to do for each process at the start, so that all are started."""
    time.sleep(seconds)
    return os.getpid()


def worker(number):
    """The Worker with this number, made on first use in this process."""
    if number not in _HERE["workers"]:
        _HERE["workers"][number] = Worker(_HERE["job"], number, _HERE["X"], _HERE["targets"])
    return _HERE["workers"][number]


def gradient_task(key, number, header, round_):
    """The Push of a round, whose arrays stay in the shared memory."""
    check_key(key)
    path, plan, shapes, version, generation, neurons = header
    memory = _HERE["memory"].get(number)
    if memory is None or memory[0] != path:
        memory = _HERE["memory"][number] = path, arena.opened(path)
    arrays, n = arena.views(memory[1], plan), len(shapes)
    parameters = parameters_of(arrays[: 4 * n], shapes, generation, neurons)
    me = worker(number)
    me.load(Snapshot(version, generation, parameters))
    push = me.gradient(round_)
    if not push.failed:
        for view, gradient in zip(arrays[4 * n :], [*push.dw, *push.db], strict=True):
            np.copyto(view, gradient)
        push.dw, push.db = tuple(plan[4 * n : 5 * n]), tuple(plan[5 * n :])
    return push


def parameters_of(arrays, shapes, generation, neurons):
    """Parameters out of shared arrays; the topologies of a generation are copied and looked at once."""
    n = len(shapes)
    if _HERE["topologies"].get("generation") != generation:
        made = [
            Topology(*shape, indptr.copy(), indices.copy())
            for shape, indptr, indices in zip(shapes, arrays[:n], arrays[n : 2 * n], strict=True)
        ]
        _HERE["topologies"] = {"generation": generation, "made": tuple(made)}
    return Parameters(_HERE["topologies"]["made"], tuple(arrays[2 * n : 3 * n]), tuple(arrays[3 * n :]), neurons)


def local_task(key, number, parameters, optimizer, epoch):
    """The LocalEpoch of a worker."""
    check_key(key)
    return worker(number).local(parameters, optimizer, epoch)


def check_key(key):
    """A process that was made for another training must not answer."""
    if _HERE.get("key") != key:
        checks.fail("key", key, f"{_HERE.get('key')}, with which this process was started")
