"""Workers in processes of this machine (loky, joblib's engine).

Samples are shared once; a snapshot and a gradient go through memory that both sides map, so that a task is a few hundred bytes
of message. Every worker is an executor of one process with one endless task, that of answering on its Line: whoever dies, loky
says so at once, and only that one is replaced.
"""

import os
import pickle
import queue
import selectors
import signal
import threading
import time
import uuid
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import numpy as np
import scipy.sparse

from ...nn.mlp import Parameters
from ...topology.topology import Topology
from ...utils import checks, shared_memory
from ...utils.interrupts import defer_interrupts
from ..compiled.client import turns_at
from ..core.worker import GradientUpdate, Snapshot, Worker
from .base import THREADS, first_of, outcome, packed, without_interrupts
from .channel import DriverEnd, WorkerEnd

START_UP = 120.0  # seconds that new processes may take to be ready
ROOM = 1.25  # of an arena, beyond what the net needs at first


class Processes:
    """The backend "processes"."""

    name = "processes"

    def __init__(self):
        self.pools, self.lines, self.under_way, self.lent, self.posts = {}, {}, {}, {}, {}
        self.data, self.letter, self.bell, self.lock = None, None, None, threading.Lock()
        self.office = None  # where workers take their turns by themselves: office.Office

    def open(self, job, X, targets):
        """Share the data, start the processes and wait until all are ready."""
        self.job, self.done, self.letter, self.bell = job, queue.SimpleQueue(), shared_memory.Mailbox(), Waker()
        sparse = scipy.sparse.issparse(X)
        arrays = [*((X.data, X.indices, X.indptr) if sparse else (X,)), targets]
        self.data = shared_memory.SharedMemory(shared_memory.end_of(shared_memory.layout([(a.dtype, a.shape) for a in arrays])))
        plan = self.data.place(arrays)
        sizes = self.letter.write((packed(job), plan, X.shape if sparse else None))
        self.setup = os.getpid(), uuid.uuid4().hex, self.data.path, self.letter.path, sizes
        deadline = time.monotonic() + START_UP
        for future in self._begin(range(job.n_workers)):
            future.result(timeout=max(0.1, deadline - time.monotonic()))

    def gradient(self, number, snapshot, round_):
        """Copy the snapshot into the worker's memory and start the round."""
        lent = self.lent.get(number)
        if lent is None or lent.generation != snapshot.generation:
            lent = self.lent[number] = SharedParameters(snapshot, lent)
        lent.put(snapshot.parameters)
        office = None if self.office is None else self.office.message()
        return self._start(number, gradient_task, *lent.found_at, snapshot.version, snapshot.generation, round_, office)

    def local(self, number, parameters, optimizer, epoch):
        """Start an epoch of a worker on its own."""
        post = self.posts[number] = self.posts.get(number) or shared_memory.Mailbox()
        return self._start(number, local_task, post.path, post.write((parameters, optimizer)), epoch)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        for line in self.bell.wait(timeout if self.done.empty() else 0):
            self._received(line)
        return first_of(self.done, 0)

    def result(self, future):
        """The task's result; gradients are views that hold until the worker's next task."""
        answer, number = outcome(future), future.number
        if isinstance(answer, list):
            return self.posts[number].read(answer)
        if isinstance(answer, GradientUpdate) and not answer.failed:
            answer.dw, answer.db = self.lent[number].gradients()
        return answer

    def restart(self, numbers):
        """Kill the processes of these workers and start new ones; the others go on in the meantime."""
        self._end(numbers)
        self._begin(numbers)
        return numbers

    def is_alive(self, number):
        """Whether the process of a worker can still do something."""
        return any(runs(process.pid) for process in self._processes_of(number))

    def kill(self, number):
        """End the process of a worker, which did not let others go on."""
        for process in self._processes_of(number):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            while runs(process.pid):
                time.sleep(0.001)

    def _processes_of(self, number):
        return list((self.pools[number]._processes or {}).values()) if number in self.pools else []

    def close(self):
        """Kill the processes and give the memory back."""
        with defer_interrupts:  # a second Ctrl-C must not leave processes behind
            self._end(list(self.pools))
            own = filter(None, [self.data, self.letter, self.bell, self.office])
            for one in [*self.lent.values(), *self.posts.values(), *own]:
                one.close()
            self.lent, self.posts, self.data, self.letter, self.bell, self.office = {}, {}, None, None, None, None

    def _begin(self, numbers):
        from loky import ProcessPoolExecutor

        with without_interrupts():
            for number in numbers:
                self.pools[number] = ProcessPoolExecutor(1, timeout=None, env=THREADS)
            begun = [self.pools[number].submit(begin, *self.setup) for number in numbers]
        for number in numbers:
            line = self.lines[number] = DriverEnd()
            self.bell.listen(line.answers, (number, line))
            endless = self.pools[number].submit(attend, self.setup[1], number, *line.paths)
            endless.add_done_callback(lambda end, number=number, line=line: self._died(number, line, end))
        return begun

    def _end(self, numbers):
        for process in [process for number in numbers for process in self._processes_of(number)]:
            with suppress(ProcessLookupError):  # all at once, before any is waited for
                os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        pools = [self.pools.pop(number) for number in numbers if number in self.pools]
        for line in [self.lines.pop(number) for number in numbers if number in self.lines]:
            self.bell.ignore(line.answers)
            line.close()
        for pool in pools:
            pool.shutdown(wait=True, kill_workers=True)

    def _start(self, number, task, *arguments):
        """A Future that comes to `done` when its task is over, or could not be started."""
        future = self.under_way[number] = Future()
        future.number = number
        self.lines[number].send((task, arguments))
        if self.lines[number].end is not None:  # it died between two tasks
            self._fail(future, self.lines[number].end)
        return future

    def _received(self, found):
        """The answer that has come on a line."""
        number, line = found
        try:
            good, answer = line.receive()
        except Exception as error:  # what was sent cannot be read
            good, answer = False, error
        future = self.under_way[number]
        (future.set_result if good else future.set_exception)(answer)
        self.done.put(future)

    def _died(self, number, line, end):
        """A thread of loky's calls this when a process is gone."""
        line.end = end.exception() or RuntimeError("the process has ended")
        future = self.under_way.get(number)
        if self.lines.get(number) is line and future is not None:
            self._fail(future, line.end)

    def _fail(self, future, error):
        with self.lock:
            if future.done():
                return
            future.set_exception(error)
        self.done.put(future)
        self.bell.ring()


class Waker:
    """Waits for answers on many lines, or until somebody rings."""

    def __init__(self):
        self.selector, self.ends = selectors.DefaultSelector(), os.pipe()
        os.set_blocking(self.ends[1], False)
        self.selector.register(self.ends[0], selectors.EVENT_READ)

    def listen(self, descriptor, what):
        """From now on `wait` answers with `what` when there is something to read."""
        self.selector.register(descriptor, selectors.EVENT_READ, what)

    def ignore(self, descriptor):
        """Not any more."""
        self.selector.unregister(descriptor)

    def wait(self, timeout):
        """Of all descriptors at which there is something, what they stand for."""
        found = []
        for key, _ in self.selector.select(timeout):
            if key.data is None:
                os.read(key.fd, 4096)
            else:
                found.append(key.data)
        return found

    def ring(self):
        """End the waiting; any thread may."""
        with suppress(OSError):  # full: it rings already; closed: nobody waits
            os.write(self.ends[1], b"!")

    def close(self):
        """Give the descriptors back."""
        self.selector.close()
        for end in self.ends:
            os.close(end)


class SharedParameters:
    """The memory in which a worker finds the nets of one generation of the server, and leaves its gradients.

    Links are put there once; then only weights and biases come and go.
    """

    def __init__(self, snapshot, before):
        p, self.generation = snapshot.parameters, snapshot.generation
        links = [*(t.indptr for t in p.topologies), *(t.indices for t in p.topologies)]
        self.n, values = len(p.topologies), [(a.dtype, a.shape) for a in (*p.weights, *p.biases)]
        plan = shared_memory.layout([(a.dtype, a.shape) for a in links] + values + values)
        self.memory, self.letter = (before.memory, before.letter) if before else (None, shared_memory.Mailbox())
        if self.memory is None or shared_memory.end_of(plan) > self.memory.size:
            if self.memory:
                self.memory.close()
            self.memory = shared_memory.SharedMemory(int(ROOM * shared_memory.end_of(plan)))
        self.arrays = shared_memory.views(self.memory.memory, plan)
        for view, array in zip(self.arrays, links):
            np.copyto(view, array)
        sizes = self.letter.write((self.memory.path, plan, [t.shape for t in p.topologies], p.neurons))
        self.found_at = self.letter.path, sizes

    def put(self, parameters):
        """Weights and biases of now."""
        for view, array in zip(self.arrays[2 * self.n :], (*parameters.weights, *parameters.biases)):
            np.copyto(view, array)

    def gradients(self):
        """(dw, db) that the worker left: views."""
        return self.arrays[4 * self.n : 5 * self.n], self.arrays[5 * self.n :]

    def close(self):
        """Give the memory back."""
        self.memory.close()
        self.letter.close()


def runs(pid):
    """Whether a process can still do something: a zombie cannot."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


# in the worker's process

_HERE = {}


def begin(driver, key, data, letter, sizes):
    """Once a process: leave Ctrl-C to the driver, end with it, look at the data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(driver,), daemon=True).start()
    job, plan, csr_shape = shared_memory.read_at(letter, sizes)
    *X, targets = shared_memory.views(shared_memory.opened(data), plan)
    X = X[0] if csr_shape is None else scipy.sparse.csr_array(tuple(X), shape=csr_shape, copy=False)
    _HERE.update(key=key, job=pickle.loads(job), X=X, targets=targets, workers={}, lent={})


def attend(key, number, *paths):
    """Do the tasks that come on a Line, one after the other, until the driver is gone."""
    check_key(key)
    line = WorkerEnd(*paths)
    while (found := line.receive()) is not None:
        task, arguments = found
        try:
            answer = True, task(number, *arguments)
        except BaseException as error:  # SystemExit too: `outcome` looks at it
            answer = False, error
        try:
            line.send(answer)
        except Exception as error:
            line.send((False, RuntimeError(f"the answer cannot be sent ({type(error).__name__}: {error})")))


def end_with(driver):
    """End this process when the driver is gone: whoever was killed cannot say goodbye."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(0)


@contextmanager
def worker(number):
    """The Worker with this number, made on first use; after an error it is not used again."""
    one = _HERE["workers"].pop(number, None) or Worker(_HERE["job"], number, _HERE["X"], _HERE["targets"])
    yield one
    _HERE["workers"][number] = one


def gradient_task(number, path, sizes, version, generation, round_, office):
    """The Push of a round, whose arrays stay in the shared memory; office: what its message said, or None."""
    if _HERE["lent"].get(number, (None,))[0] != generation:
        _HERE["lent"][number] = generation, *borrowed(path, sizes)
    _, topologies, weights, biases, gradients, neurons = _HERE["lent"][number]
    with worker(number) as me:
        me.turns = office and turns_of(number, generation, *office)
        me.load(Snapshot(version, generation, Parameters(topologies, weights, biases, neurons), lent=True))
        me.leave_gradients_in(gradients[: len(weights)], gradients[len(weights) :])
        push = me.gradient(round_)
        if not push.failed:
            for view, gradient in zip(gradients, [*push.dw, *push.db], strict=True):
                if view.shape != gradient.shape:
                    checks.fail("gradient", gradient, f"of shape {view.shape}")
                if gradient is not view:
                    np.copyto(view, gradient)
            push.dw = push.db = None
    return push


def turns_of(number, generation, memory, plan, era, settings):
    """The Turns of a worker at the office of this generation."""
    if _HERE.get("turns", (None,))[0] != generation:
        _HERE["turns"] = generation, turns_at(number, memory, plan)
    found = _HERE["turns"][1]
    found.era, found.settings = era, lambda: settings
    return found


def borrowed(path, sizes):
    """(topologies, weights, biases, gradients, neurons) of a Lent; topologies are copied and looked at, the rest are views."""
    memory, plan, shapes, neurons = shared_memory.read_at(path, sizes)
    arrays, n = shared_memory.views(shared_memory.opened(memory), plan), len(shapes)
    links = zip(shapes, arrays[:n], arrays[n : 2 * n], strict=True)
    topologies = tuple(Topology(*shape, indptr.copy(), indices.copy()) for shape, indptr, indices in links)
    return topologies, tuple(arrays[2 * n : 3 * n]), tuple(arrays[3 * n : 4 * n]), arrays[4 * n :], neurons


def local_task(number, path, sizes, epoch):
    """Leaves the LocalEpoch of a worker where its task was; returns its sizes."""
    with worker(number) as me:
        return shared_memory.write_at(path, me.local(*shared_memory.read_at(path, sizes), epoch))


def check_key(key):
    """A process that was made for another training must not answer."""
    if _HERE.get("key") != key:
        raise RuntimeError("this process has not got the samples: it could not begin")
