"""Workers in processes of this machine, as the driver sees them (see `process_worker` for the other side).

Samples are shared once; snapshots and gradients are left in memory that both sides map, so that a task is a few hundred bytes of
message. A process that dies closes its end of the connection, which the driver notices at once; only that one is replaced.
"""

import os
import pickle
import selectors
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe

import numpy as np
import scipy.sparse

from ...engines.select import is_fusable
from ...utils import shared_memory
from ...utils.interrupts import defer_interrupts
from ..compiled.shared_server import SharedServer
from ..core.worker import GradientUpdate
from .base import THREADS, outcome, packed, without_interrupts

READY = True, None  # the first answer of a process
START_UP = 120.0  # seconds that new processes may take to be ready
ENDING = 1.0  # seconds that a process that has closed its connection may take to end
ROOM = 1.25  # of a worker's memory, beyond what the net needs at first
MAIN = "import sys; sys.path[:] = {}; from sparselab.parallel.backends.process_worker import main; main({}, {}, {}, {!r}, {!r})"


class Processes:
    """The backend "processes"."""

    name = "processes"

    def __init__(self):
        self.workers, self.under_way, self.parameters, self.mailboxes, self.finished = {}, {}, {}, {}, deque()
        self.data, self.mailbox, self.selector, self.shared = None, None, None, None

    def open(self, spec, X, targets):
        """Share the data, start the processes and wait until all are ready."""
        self.mailbox = shared_memory.Mailbox()
        self.selector = selectors.DefaultSelector()  # kept: multiprocessing.connection.wait makes one for each round trip
        sparse = scipy.sparse.issparse(X)
        arrays = [*((X.data, X.indices, X.indptr) if sparse else (X,)), targets]
        self.data = shared_memory.SharedMemory(shared_memory.end_of(shared_memory.layout([(a.dtype, a.shape) for a in arrays])))
        plan = self.data.place(arrays)
        self.setup = self.mailbox.path, self.mailbox.write((packed(spec), self.data.path, plan, X.shape if sparse else None))
        self._begin(range(spec.n_workers))
        deadline = time.monotonic() + START_UP
        for worker in self.workers.values():
            worker.wait_until_ready(deadline)

    def handoff(self, run, server, phase):
        """From now on workers push by themselves where the SharedServer lets them; None where that is impossible.

        Synchronous workers cannot: one that died while all meet would keep the others there.
        """
        if (
            not run.synchronous
            and server.max_staleness is None
            and server.table
            and is_fusable(run.model, run.loss, run.optimizer)
        ):
            self.shared = SharedServer(server, self, phase)
        return self.shared

    def gradient(self, number, snapshot, round_):
        """Copy the snapshot into the worker's memory and start the round."""
        own = self.parameters.get(number)
        if own is None or own.generation != snapshot.generation:
            own = self.parameters[number] = SharedParameters(snapshot, own)
        own.put(snapshot.parameters)
        shared = self.shared and self.shared.message()
        about = snapshot.version, snapshot.generation, snapshot.steps
        return self._start(number, "gradient", *own.found_at, *about, round_, shared)

    def local(self, number, parameters, kept, epoch):
        """Start an epoch of a worker on its own."""
        mailbox = self.mailboxes[number] = self.mailboxes.get(number) or shared_memory.Mailbox()
        return self._start(number, "local", mailbox.path, mailbox.write((parameters, kept)), epoch)

    def completed(self, timeout):
        """The Future of the task that was finished first, or None after `timeout` seconds."""
        for key, _ in self.selector.select(0 if self.finished else timeout):
            self._receive(key.data)
        return self.finished.popleft() if self.finished else None

    def result(self, future):
        """The task's result; gradients are views that hold until the worker's next task."""
        answer = outcome(future)
        if isinstance(answer, tuple):
            number, sizes = answer
            return self.mailboxes[number].read(sizes)
        if isinstance(answer, GradientUpdate) and not answer.failed:
            dw, db = self.parameters[answer.number].gradients()
            return replace(answer, dw=dw, db=db)
        return answer

    def restart(self, numbers):
        """Kill the processes of these workers and start new ones; the others go on in the meantime."""
        self._end(numbers)
        self._begin(numbers)
        return numbers

    def is_alive(self, number):
        """Whether the process of a worker can still do something."""
        return number in self.workers and self.workers[number].process.poll() is None

    def kill(self, number):
        """End the process of a worker that keeps the others from the server."""
        if number in self.workers:
            self.workers[number].kill()

    def close(self):
        """Kill the processes and give the memory back."""
        with defer_interrupts:  # a second Ctrl-C must not leave processes behind
            self._end(list(self.workers))
            own = filter(None, [self.data, self.mailbox, self.selector, self.shared])
            for one in [*self.parameters.values(), *self.mailboxes.values(), *own]:
                one.close()
            self.parameters, self.mailboxes = {}, {}
            self.data, self.mailbox, self.selector, self.shared = None, None, None, None

    def _begin(self, numbers):
        with defer_interrupts, without_interrupts():  # SIGTERM ends workers, but not between their start and its note
            for number in numbers:
                worker = self.workers[number] = WorkerProcess(number, *self.setup)
                self.selector.register(worker.connection, selectors.EVENT_READ, worker)

    def _end(self, numbers):
        ended = [self.workers.pop(number) for number in numbers if number in self.workers]
        for worker in ended:  # all at once, before any is waited for
            worker.process.kill()
        for worker in ended:
            self._ignore(worker)
            worker.close()

    def _ignore(self, worker):
        if worker.connection.fileno() in self.selector.get_map():
            self.selector.unregister(worker.connection)

    def _start(self, number, task, *arguments):
        """A Future that is finished when the task is over, or could not be started."""
        future, worker = Future(), self.workers[number]
        self.under_way[number] = future
        try:
            worker.send((task, arguments))
        except WorkerDiedError as error:
            self._died(worker, error)
        return future

    def _receive(self, worker):
        """The answer that has come from a worker."""
        try:
            good, answer = worker.receive()
        except WorkerDiedError as error:
            self._died(worker, error)
            return
        if (good, answer) != READY:
            future = self.under_way[worker.number]
            (future.set_result if good else future.set_exception)(answer)
            self.finished.append(future)

    def _died(self, worker, error):
        self._ignore(worker)
        future = self.under_way.get(worker.number)
        if future is not None and not future.done():
            future.set_exception(error)
            self.finished.append(future)


class WorkerDiedError(BrokenExecutor):
    """The process of a worker has ended."""


class WorkerProcess:
    """A process with one worker, and the connection to it. Nothing of the driver's main module is run there."""

    def __init__(self, number, mailbox, sizes):
        self.number, (self.connection, theirs) = number, Pipe()
        main = MAIN.format([*map(str, sys.path)], theirs.fileno(), os.getpid(), number, mailbox, sizes)
        self.process = subprocess.Popen(
            [sys.executable, "-c", main], stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=os.environ | THREADS,
            cwd=_directory(),
        )  # fmt: skip
        theirs.close()

    def send(self, task):
        """Give a task; WorkerDiedError where the process has ended."""
        try:
            self.connection.send_bytes(pickle.dumps(task, protocol=5))
        except OSError:
            raise self._death() from None

    def receive(self):
        """(True, an answer) or (False, an error), READY first; WorkerDiedError where the process has ended."""
        try:
            message = self.connection.recv_bytes()
        except (EOFError, OSError):
            raise self._death() from None
        try:
            return pickle.loads(message)
        except Exception as error:  # what was sent cannot be read
            return False, error

    def wait_until_ready(self, deadline):
        """Until the process can compute; its error where it cannot."""
        if not self.connection.poll(max(0.1, deadline - time.monotonic())):
            raise TimeoutError(f"the process of worker {self.number} was not ready within {START_UP:g} s")
        good, answer = self.receive()
        if not good:
            raise answer

    def kill(self):
        """End the process, and wait for its end."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """End the process and give the connection back."""
        self.kill()
        self.connection.close()

    def _death(self):
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING)
        self.kill()
        return WorkerDiedError(f"the process of worker {self.number} ended with exit code {self.process.returncode}")


def _directory():
    """None for the working directory of this process; the root where that was deleted, because imports need one."""
    try:
        os.getcwd()
    except OSError:
        return os.sep
    return None


class SharedParameters:
    """The memory in which a worker finds the nets of one generation of the server, and leaves its gradients.

    Links are put there once; then only weights and biases come and go. before: those of the generation before, whose memory is
    used again where it is large enough.
    """

    def __init__(self, snapshot, before):
        p, self.generation = snapshot.parameters, snapshot.generation
        links = [*(t.indptr for t in p.topologies), *(t.indices for t in p.topologies)]
        self.n, values = len(p.topologies), [(a.dtype, a.shape) for a in (*p.weights, *p.biases)]
        plan = shared_memory.layout([(a.dtype, a.shape) for a in links] + values + values)
        self.memory, self.mailbox = (before.memory, before.mailbox) if before else (None, shared_memory.Mailbox())
        if self.memory is None or shared_memory.end_of(plan) > self.memory.size:
            if self.memory:
                self.memory.close()
            self.memory = shared_memory.SharedMemory(int(ROOM * shared_memory.end_of(plan)))
        self.arrays = shared_memory.views(self.memory.memory, plan)
        for view, array in zip(self.arrays, links):
            np.copyto(view, array)
        sizes = self.mailbox.write((self.memory.path, plan, [t.shape for t in p.topologies], p.neurons))
        self.found_at = self.mailbox.path, sizes

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
        self.mailbox.close()
