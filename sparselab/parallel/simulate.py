"""What would 64 workers do? The real algorithm on a real net, in one process, while only the clock is simulated.

Workers' gradients are computed from the snapshots they would have had, and pushed in the order in which they would have come.
"""

from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from .. import checks
from ..history import PHASES
from ..inputs import as_dataset
from ..mlp import child
from ..training import check_model
from .backends import Local
from .calibration import Costs, calibrate
from .events import EventQueue, Failures, Network, Times
from .wasap import Workers, train_parallel

SIMULATION = 16  # spawn key below the run's seed: draws of times and failures
NEVER = 10**9  # failures in a row that a simulated worker may have
FORBIDDEN = ("backend", "n_jobs", "schedule", "task_timeout", "checkpoint", "every", "keep", "resume")


class SimulatedFailure(RuntimeError):
    """A simulated worker lost its work in flight."""


def simulate_parallel(
    model, data=None, n_workers=2, *, compute=None, network=None, server=None, stragglers=None, failures=(), costs=None,
    synchronous=False, batch_size=None, seed=None, **options,
):  # fmt: skip
    """Train `model` in place as `n_workers` workers would; yields EpochRecords with simulated seconds. Deterministic.

    model: a SparseMLP, or an experiment (what `build(config)` gives) with its own data and settings. Each worker pulls, computes,
    pushes; the one server takes up pushes in the order of their arrival, first come, first served, and gives out the next
    snapshot then. Options are those of `train_parallel`: epochs, async_fraction, rules and so on.

    compute: seconds of a worker's gradient of a whole mini-batch, an array of measured ones, a frozen distribution of scipy.stats
    or a function of a Generator; it is scaled with the samples and links there are. server: the server's seconds a push, the same
    kinds. network: a Network(latency, bandwidth), one line for each worker. stragglers: {worker: factor of its compute time}.
    failures: Failures(mean, delay), or a list of (worker, at, delay) in seconds: the task in flight is lost, and done again from
    a new snapshot when the worker is back. costs: a Costs; by default `calibrate` measures it here, unless compute or
    server are given: what they leave open costs nothing then.

    Every worker has a core of its own, whatever this machine has. In the local phase there is no traffic but at its start and its
    end; in WASSP the server adds gradients at the speed of a pull. Evaluation takes no time. `record.workers` has, beside what
    `train_parallel` tells, queue_seconds of each push, `utilisation` of each worker, `server_utilisation`, `lost`, `clock`.
    Raises TypeError or ValueError naming the argument before any work starts.
    """
    for name in FORBIDDEN:
        if name in options:
            checks.fail(name, options[name], "left out: a simulation has none", TypeError)
    if all(hasattr(model, name) for name in ("model", "data", "options")):
        settings = {name: value for name, value in model.options.items() if name not in ("threads", "config")}
        data, model, options = model.data if data is None else data, model.model, settings | options
        of_config = options.pop("batch_size"), options.pop("seed")
        batch_size, seed = (
            theirs if given is None else given for given, theirs in zip((batch_size, seed), of_config, strict=True)
        )
    batch_size = 128 if batch_size is None else batch_size
    check_model(model)
    n_workers, data = checks.integer("n_workers", n_workers), as_dataset(data, model)
    seeds = checks.seed_sequence("seed", seed)
    if costs is not None and not isinstance(costs, Costs):
        checks.fail("costs", costs, "a Costs", TypeError)
    if network is not None and not isinstance(network, Network):
        checks.fail("network", network, "a Network", TypeError)
    for name, spec in (("compute", compute), ("server", server)):
        if spec is not None:
            Times(name, spec)
    backend = Simulated(
        n_workers, seeds, factors=factors_of(stragglers, n_workers), failures=failures_of(failures, n_workers, seeds),
        network=network, synchronous=synchronous,
    )  # fmt: skip
    run = train_parallel(
        model, data, backend=backend, n_jobs=n_workers, synchronous=synchronous, batch_size=batch_size, seed=seeds,
        max_restarts=NEVER, **options,
    )  # fmt: skip
    wanted = {name: options[name] for name in ("optimizer", "rules", "loss") if name in options}

    def records():
        found = costs
        if found is None:
            found = calibrate(model, data, batch_size, **wanted) if compute is None and server is None else Costs(0.0)
        changes = {name: value for name, value in (("compute", compute), ("push", server)) if value is not None}
        backend.costs = replace(found, **changes)
        for record in run:
            yield backend.record(record)

    return records()


@dataclass
class SimulatedWorkers(Workers):
    """Workers of an epoch in simulated time. Beside those of Workers: queue_seconds: waiting of each push before the server took
    it up; utilisation: of each worker, the share of the epoch in which it computed; server_utilisation: the same of the server;
    lost: tasks that had to be given
    anew; clock: seconds from the start to the end of the epoch. timeline: computing, from start to end."""

    queue_seconds: list = field(default_factory=list)
    utilisation: tuple = ()
    server_utilisation: float = 0.0
    lost: int = 0
    clock: float = 0.0


def factors_of(stragglers, n):
    """(n,) factors of compute time from {worker: factor} or a list of n factors."""
    factors = np.ones(n)
    if stragglers is None:
        return factors
    pairs = stragglers.items() if isinstance(stragglers, dict) else enumerate(stragglers)
    if not isinstance(stragglers, dict) and len(stragglers) != n:
        checks.fail("stragglers", stragglers, f"{{worker: factor}} or {n} factors, one a worker")
    for number, factor in pairs:
        checks.integer("stragglers", number, low=0, high=n - 1)
        factors[number] = checks.positive(f"stragglers[{number}]", factor)
    return factors


def failures_of(failures, n, seeds):
    """An iterator of (at, delay) for each worker."""
    if isinstance(failures, Failures):
        return [failures.of(np.random.default_rng(child(seeds, SIMULATION, 1, number))) for number in range(n)]
    if not isinstance(failures, list | tuple):
        checks.fail("failures", failures, "a Failures or a list of (worker, at, delay)", TypeError)
    found = [[] for _ in range(n)]
    for i, one in enumerate(failures):
        if not isinstance(one, list | tuple) or len(one) != 3:
            checks.fail(f"failures[{i}]", one, "(worker, at, delay)")
        number = checks.integer(f"failures[{i}], worker", one[0], low=0, high=n - 1)
        at, delay = checks.non_negative(f"failures[{i}], at", one[1]), checks.non_negative(f"failures[{i}], delay", one[2])
        found[number].append((at, delay))
    return [sorted(one) for one in found]


class Simulated(Local):
    """A backend whose workers answer in the order of simulated time. One net and one engine compute for all of them."""

    name = "simulation"

    def __init__(self, n_workers, seeds, *, factors, failures, network, synchronous):
        self.queue, self.factors, self.network, self.synchronous = EventQueue(failures), factors, network, synchronous
        self.draws = [np.random.default_rng(child(seeds, SIMULATION, 0, number)) for number in range(n_workers)]
        self.server_draws = np.random.default_rng(child(seeds, SIMULATION, 2))
        self.costs, self.nets, self.waiting, self.begin = None, {}, {}, 0.0
        self.known, self.generation, self.links, self.local_workers, self.computing = {}, 0, None, set(), []
        self.forget()

    def open(self, job, X, targets):
        """Make the workers."""
        super().open(job, X, targets)
        costs = self.costs
        self.network = Network(costs.handover / 2) if self.network is None else self.network
        self.compute_times, self.push_times = Times("compute", costs.compute), Times("server", costs.push)

    def forget(self):
        """Count anew, for the next epoch."""
        self.waited, self.idle, self.lost, self.evolved, self.busy_before = [], 0.0, 0, 0.0, self.queue.busy

    # what the crew asks for

    def gradient(self, number, snapshot, round_):
        """The push of a round, computed at once from this snapshot; it comes when simulated time says so."""
        if snapshot.generation != self.generation:
            self.generation = snapshot.generation
            self.serve("evolved", self.costs.evolve)
        push, down = self.computed(self.workers[number], snapshot, round_), snapshot_bytes(snapshot, self.known.get(number))
        self.known[number] = snapshot.generation
        up = sum(array.nbytes for array in (*(push.dw or ()), *(push.db or ())))
        links = sum(topology.nnz for topology in snapshot.parameters.topologies)
        self.links = links if self.links is None else self.links
        size = push.n_samples / self.workers[number].job.batch_size * links / max(1, self.links)
        seconds = self.compute_times(self.draws[number]) * float(self.factors[number]) * size
        return self.ask(number, (lambda: push), self.costs.pull, down, seconds, up)

    def local(self, number, parameters, optimizer, epoch):
        """An epoch of a worker on its own; before the first one the net goes to it."""
        worker, costs = self.workers[number], self.costs
        n_batches = len(worker.shard) / min(worker.job.batch_size, len(worker.targets))
        evolve = costs.evolve if worker.job.local_rules and epoch > 0 else 0.0
        seconds = (costs.setup + evolve + costs.local_step * n_batches) * float(self.factors[number])
        new = number not in self.local_workers
        self.local_workers.add(number)
        down = parameters_bytes(parameters) if new else None
        return self.ask(
            number, (lambda: self.with_net(worker, lambda: worker.local(parameters, optimizer, epoch))),
            costs.pull if new else 0.0, down, seconds, None,
        )  # fmt: skip

    def completed(self, timeout):
        """The Future of the task that the server takes up next."""
        if not self.waiting:
            return None
        task = self.queue.next()
        future, work = self.waiting.pop(id(task))
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
        if hasattr(result, "dw"):
            self.waited.append(task.served - task.arrival)
            self.idle += task.served - task.arrival
            if not self.synchronous:
                self.serve("idle", self.push_times(self.server_draws))
            elif not self.waiting:
                self.serve("idle", self.push_times(self.server_draws) + self.costs.pull * (len(self.workers) - 1))
        future.set_result(result)
        return future

    def restart(self):
        """Nothing hangs here."""

    def close(self):
        """Forget what was not asked for."""
        self.waiting.clear()

    # time

    def ask(self, number, work, serve, down, compute, up):
        """Put a task into the queue; returns its Future. down, up: bytes, or None for no message."""
        ways = [0.0 if n is None else self.network.seconds(n) for n in (down, up)]
        before = self.queue.now
        task, future = self.queue.ask(number, serve, ways[0], compute, ways[1]), Future()
        self.idle += self.queue.now - before
        self.computing.append((number, task.begin, task.end))
        self.waiting[id(task)] = future, work
        return future

    def serve(self, what, seconds):
        """The server is busy; `what` counts it."""
        self.queue.serve(seconds)
        setattr(self, what, getattr(self, what) + seconds)

    def record(self, record):
        """The record of the epoch that is over, with simulated time, and a new count."""
        queue, n = self.queue, len(self.workers)
        if record.phase == "average":
            sent = parameters_bytes(self.workers[0].model.snapshot()) if self.workers[0].model else 0
            queue.now += self.network.seconds(sent)
            queue.serve(self.costs.average * n)
        seconds = queue.now - self.begin
        tasks = [(number, max(begin, self.begin), min(end, queue.now)) for number, begin, end in self.computing]
        tasks = [task for task in tasks if task[2] > task[1]]
        spent = np.zeros(n)
        for number, begin, end in tasks:
            spent[number] += end - begin
        workers = SimulatedWorkers(**vars(record.workers) | {
            "timeline": tasks, "idle_seconds": self.idle, "restarts": 0, "queue_seconds": self.waited, "lost": self.lost,
            "utilisation": tuple((spent / seconds).tolist()) if seconds > 0 else (0.0,) * n, "clock": queue.now,
            "server_utilisation": (queue.busy - self.busy_before) / seconds if seconds > 0 else 0.0,
        })  # fmt: skip
        times = dict.fromkeys((f"seconds_{phase}" for phase in PHASES), 0.0) | {"seconds_evolve": self.evolved}
        self.begin = queue.now
        self.computing = [task for task in self.computing if task[2] > queue.now]
        self.forget()
        return replace(record, seconds=seconds, workers=workers, **times)

    # the real work

    def computed(self, worker, snapshot, round_):
        """A worker's push with arrays of its own: the engine that all share writes over its own."""

        def work():
            worker.load(snapshot)
            push = worker.gradient(round_)
            if not push.failed:
                push.dw, push.db = [array.copy() for array in push.dw], [array.copy() for array in push.db]
            return push

        return self.with_net(worker, work)

    def with_net(self, worker, work):
        """Call `work` while the worker has the net and the engine that all workers with mini-batches of this size share."""
        size = worker.batches.batch_size
        worker.model, worker.engine, worker.generation = self.nets.get(size, (None, None, None))
        result = work()
        self.nets[size] = worker.model, worker.engine, worker.generation
        return result


def snapshot_bytes(snapshot, known):
    """Bytes of a snapshot: the links too, unless the worker has those of this generation."""
    return parameters_bytes(snapshot.parameters, links=snapshot.generation != known)


def parameters_bytes(parameters, links=True):
    """Bytes of weights and biases, and of the links."""
    found = sum(array.nbytes for array in (*parameters.weights, *parameters.biases))
    return found + (sum(t.indices.nbytes + t.indptr.nbytes for t in parameters.topologies) if links else 0)
