"""The simulation's backend: workers whose gradients are real and whose clock is not."""

from collections import defaultdict
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from ...checkpoints.records import RECORD_PHASES
from ...utils.interrupts import defer_interrupts
from ...utils.seeds import child
from ..backends.local import Local
from ..core.worker import GradientUpdate, Worker, WorkerNet
from ..core.worker_stats import Workers
from .events import EventQueue, Network, Times

SIMULATION = 16  # spawn key below the run's seed: draws of times and failures


class SimulatedFailure(RuntimeError):
    """A simulated worker lost its work in flight."""


@dataclass
class SimulatedWorkers(Workers):
    """Workers of an epoch in simulated time.

    Beside those of Workers: queue_seconds: waiting of each push before the server took it up; utilisation: of each worker, the
    share of the epoch in which it computed; server_utilisation: the same of the server; lost: tasks that had to be given anew;
    clock: seconds from the start to the end of the epoch. timeline: computing, of the tasks that ended in this epoch.
    """

    queue_seconds: list = field(default_factory=list)
    utilisation: tuple = ()
    server_utilisation: float = 0.0
    lost: int = 0
    clock: float = 0.0


class Simulator(Local):
    """A backend whose workers answer in the order of simulated time. One net and one engine compute for all of them.

    costs: function that gives the Costs, called once, when the workers are made.
    """

    name, in_turn = "simulation", True

    def __init__(self, n_workers, seeds, costs, *, factors, failures, network, synchronous):
        self.queue, self.factors, self.network, self.synchronous = EventQueue(failures), factors, network, synchronous
        self.draws = [np.random.default_rng(child(seeds, SIMULATION, 0, number)) for number in range(n_workers)]
        self.server_draws = np.random.default_rng(child(seeds, SIMULATION, 2))
        self.get_costs, self.nets, self.waiting, self.begin = costs, defaultdict(WorkerNet), {}, 0.0
        self.known, self.generation, self.links, self.local_workers, self.computing = {}, 0, None, set(), []
        self._count_anew()

    def open(self, spec, X, targets):
        """Make the workers."""
        super().open(spec, X, targets)
        self.costs = costs = self.get_costs()
        shared = self.synchronous and self.network is None  # threads that wait for each other share the server's work
        self.share, self.network = 1 / len(self.workers) if shared else 1.0, self.network or Network()
        self.compute_times, self.push_times = Times("compute", costs.compute), Times("server", costs.push)

    def _worker(self, number):
        """Workers with mini-batches of one size share a net and an engine."""
        return Worker(self.spec, number, self.X, self.targets, self.nets.__getitem__)

    # what the supervisor asks for

    def gradient(self, number, snapshot, round_):
        """The update of a round, computed at once from this snapshot; it comes when simulated time says so."""
        if snapshot.generation != self.generation:
            self.generation = snapshot.generation
            self.evolved += self._serve(self.costs.evolve)
            self.queue.now += self.costs.begin
        worker, down = self.workers[number], snapshot_bytes(snapshot, self.known.get(number))
        worker.load(snapshot)
        update = worker.gradient(round_)
        update = update if update.failed else update.owned()
        self.known[number] = snapshot.generation
        up = sum(array.nbytes for array in (*(update.dw or ()), *(update.db or ())))
        links = sum(topology.nnz for topology in snapshot.parameters.topologies)
        self.links = links if self.links is None else self.links
        size = update.n_samples / worker.spec.batch_size * links / max(1, self.links)
        seconds = self.compute_times(self.draws[number]) * float(self.factors[number]) * size
        return self._ask(number, (lambda: update), self.costs.pull * self.share, down, seconds, up)

    def local(self, number, parameters, kept, epoch):
        """An epoch of a worker on its own; before the first one the net goes to it."""
        worker, costs = self.workers[number], self.costs
        n_batches = len(worker.shard) / min(worker.spec.batch_size, len(worker.targets))
        evolve = costs.evolve if worker.spec.local_rules and epoch > 0 else 0.0
        seconds = (costs.setup + evolve + costs.local_step * n_batches) * float(self.factors[number])
        new = number not in self.local_workers
        self.local_workers.add(number)
        down = parameters_bytes(parameters) if new else None

        def work():
            result = worker.local(parameters, kept, epoch)
            worker.release()  # the engine of its own epochs: 256 of them would be too many
            return result

        return self._ask(number, work, costs.pull if new else 0.0, down, seconds, None)

    def completed(self, timeout):
        """The Future of the task that the server takes up next."""
        defer_interrupts.deliver_pending()
        if not self.waiting:
            return None
        task = self.queue.next()
        future, work, received = self.waiting.pop(id(task))
        if task.lost:
            self.lost += 1
            self.known.pop(task.number, None)
            future.set_exception(SimulatedFailure(f"worker {task.number} failed"))
            return future
        try:
            result = work()
        except Exception as error:
            future.set_exception(error)
            return future
        self.idle += self._serve(received)
        if isinstance(result, GradientUpdate):
            self.waited.append(task.served - task.arrival)
            self.idle += task.served - task.arrival
            if not self.synchronous:
                self.idle += self._serve(self.push_times(self.server_draws))
            elif not self.waiting:
                adding = self.costs.pull * (len(self.workers) - 1)
                self.idle += self._serve((self.push_times(self.server_draws) + adding) * self.share)
        future.set_result(result)
        return future

    def close(self):
        """Forget the tasks that were not done."""
        self.waiting.clear()

    # time

    def record(self, record):
        """The record of the epoch that is over, with simulated time, and a new count."""
        queue, n = self.queue, len(self.workers)
        if record.phase == "average":
            model = self.workers[0].net.model
            queue.now += self.network.seconds(parameters_bytes(model.snapshot()) if model else 0)
            queue.serve((self.costs.average + self.costs.another * (n - 2)) * (n > 1))
        seconds = queue.now - self.begin
        spent = np.zeros(n)
        for number, begin, end in self.computing:
            spent[number] += max(0.0, min(end, queue.now) - max(begin, self.begin))
        workers = SimulatedWorkers(**vars(record.workers) | {
            "timeline": [task for task in self.computing if task[2] <= queue.now],
            "idle_seconds": self.idle, "restarts": 0, "queue_seconds": self.waited, "lost": self.lost,
            "utilisation": tuple((spent / seconds).tolist()) if seconds > 0 else (0.0,) * n, "clock": queue.now,
            "server_utilisation": (queue.busy - self.busy_before) / seconds if seconds > 0 else 0.0,
        })  # fmt: skip
        times = dict.fromkeys((f"seconds_{phase}" for phase in RECORD_PHASES), 0.0) | {"seconds_evolve": self.evolved}
        self.begin = queue.now
        self.computing = [task for task in self.computing if task[2] > queue.now]
        self._count_anew()
        return replace(record, seconds=seconds, workers=workers, **times)

    def _ask(self, number, work, serve, down, compute, up):
        """Put a task into the queue; returns its Future. down, up: bytes, or None for no message."""
        (sent, there), (received, back) = [(0.0, 0.0) if n is None else self.network.parts(n) for n in (down, up)]
        before = self.queue.now
        task, future = self.queue.ask(number, serve + sent, there, compute, back), Future()
        self.idle += self.queue.now - before
        self.computing.append((number, task.begin, task.end))
        self.waiting[id(task)] = future, work, received
        return future

    def _serve(self, seconds):
        """The server is busy; returns the seconds."""
        self.queue.serve(seconds)
        return seconds

    def _count_anew(self):
        self.waited, self.idle, self.lost, self.evolved, self.busy_before = [], 0.0, 0, 0.0, self.queue.busy


def snapshot_bytes(snapshot, known):
    """Bytes of a snapshot: the links too, unless the worker has those of this generation."""
    return parameters_bytes(snapshot.parameters, links=snapshot.generation != known)


def parameters_bytes(parameters, links=True):
    """Bytes of weights and biases, and of the links."""
    found = sum(array.nbytes for array in (*parameters.weights, *parameters.biases))
    return found + (sum(t.indices.nbytes + t.indptr.nbytes for t in parameters.topologies) if links else 0)
