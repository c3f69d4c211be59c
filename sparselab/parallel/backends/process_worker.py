"""Workers in processes of this machine, as their own process sees them: it does what comes through its connection."""

import os
import pickle
import signal
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection

import cloudpickle
import numpy as np
import scipy.sparse

from ...nn.mlp import Parameters
from ...topology.topology import Topology
from ...utils import checks, shared_memory
from ..compiled.shared_server import client_at
from ..core.worker import GradientUpdate, Snapshot, Worker


def main(fd, driver, number, mailbox, sizes):
    """Leave Ctrl-C to the driver, end with it, and do its tasks one after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(driver,), daemon=True).start()
    os.set_inheritable(fd, False)
    connection = Connection(fd)
    good, tasks = attempt(lambda: Tasks(number, *shared_memory.read_at(mailbox, sizes)))
    send(connection, (good, None if good else tasks))
    if good:
        do_tasks(connection, tasks)


def do_tasks(connection, tasks):
    """Answer what the driver asks for, (name of a method, arguments), until it is gone."""
    while True:
        try:
            name, arguments = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        send(connection, attempt(lambda: getattr(tasks, name)(*arguments)))  # noqa: B023 (called at once)


def attempt(function):
    """(True, what it gives) or (False, its error): SystemExit too, which the driver turns into an error."""
    try:
        return True, function()
    except BaseException as error:
        return False, error


def send(connection, answer):
    """Answer the driver; with an error where the answer cannot be sent."""
    dumps = pickle.dumps if isinstance(answer[1], GradientUpdate) else cloudpickle.dumps  # ours, and five times as fast
    try:
        message = dumps(answer, protocol=5)
    except Exception as error:
        message = pickle.dumps((False, RuntimeError(f"the answer cannot be sent ({type(error).__name__}: {error})")))
    connection.send_bytes(message)


def end_with(driver):
    """End this process when the driver is gone: a driver that was killed cannot tell its workers."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(0)


class WorkerTasks:
    """The one worker of a process, and what it is made of."""

    def __init__(self, number, spec, X, targets):
        self.number, self.spec, self.X, self.targets, self.worker = number, pickle.loads(spec), X, targets, None

    def take_worker(self):
        """The Worker, a new one after an error; who has taken it gives it back when all went well."""
        worker, self.worker = self.worker, None
        return worker or Worker(self.spec, self.number, self.X, self.targets)


class Tasks(WorkerTasks):
    """What the process of one worker can be asked for, and all that it keeps from task to task."""

    def __init__(self, number, spec, data, plan, csr_shape):
        *X, targets = shared_memory.views(shared_memory.opened(data), plan)
        X = X[0] if csr_shape is None else scipy.sparse.csr_array(tuple(X), shape=csr_shape, copy=False)
        super().__init__(number, spec, X, targets)
        self.generation, self.shared_generation = None, None

    def gradient(self, mailbox, sizes, version, generation, steps, round_, shared):
        """The GradientUpdate of a round, whose arrays stay in the shared memory; shared: SharedServer.message, or None."""
        if self.generation != generation:
            self.topologies, self.values, self.gradients, self.neurons = parameters_at(mailbox, sizes)
            self.generation = generation
        n, worker = len(self.topologies), self.take_worker()
        worker.connect(shared and self._client(generation, *shared))
        parameters = Parameters(self.topologies, tuple(self.values[:n]), tuple(self.values[n:]), self.neurons)
        worker.load(Snapshot(version, generation, parameters, True, steps))
        worker.leave_gradients_in(self.gradients[:n], self.gradients[n:])
        update = worker.gradient(round_)
        if not update.failed:
            for view, gradient in zip(self.gradients, [*update.dw, *update.db], strict=True):
                if view.shape != gradient.shape:
                    checks.fail("gradient", gradient, f"of shape {view.shape}")
                if gradient is not view:
                    np.copyto(view, gradient)
            update = replace(update, dw=None, db=None)
        self.worker = worker
        return update

    def local(self, mailbox, sizes, epoch):
        """Leaves the LocalEpoch of the worker where its task was; returns its number and the sizes of the message."""
        worker = self.take_worker()
        written = shared_memory.write_at(mailbox, worker.local(*shared_memory.read_at(mailbox, sizes), epoch))
        self.worker = worker
        return self.number, written

    def _client(self, generation, memory, plan, session, settings):
        if self.shared_generation != generation:
            self.make_client, self.shared_generation = client_at(self.number, memory, plan), generation
        return self.make_client(session, settings)


def parameters_at(mailbox, sizes):
    """(topologies, values, gradients, neurons) of SharedParameters; topologies are copied and checked, arrays are views."""
    memory, plan, shapes, neurons = shared_memory.read_at(mailbox, sizes)
    arrays, n = shared_memory.views(shared_memory.opened(memory), plan), len(shapes)
    links = zip(shapes, arrays[:n], arrays[n : 2 * n], strict=True)
    topologies = tuple(Topology(*shape, indptr.copy(), indices.copy()) for shape, indptr, indices in links)
    return topologies, arrays[2 * n : 4 * n], arrays[4 * n :], neurons
