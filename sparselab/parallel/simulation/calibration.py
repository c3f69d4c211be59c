"""What parallel training costs on this machine, piece by piece: the simulation's times, measured on the real thing."""

import math
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...datasets.coerce import as_dataset
from ...evolution import SET
from ...training.loop import check_model
from ...utils import checks, resources
from ..backends.local import Threads
from ..core.averaging import average
from ..trainer import train_parallel
from .events import Network, Times

EPOCHS, FIRST_PHASE = 5, 0.6  # three epochs in common, the first without evolution, and two of the worker's own


@dataclass(frozen=True)
class Costs:
    """Seconds of everything that takes time in parallel training; compute and push: numbers or distributions (see `events`).

    compute: a worker's gradient of one whole mini-batch; push: the server's work on it; pull: a copy of the net; evolve: the
    rules; begin: what an epoch costs beside after an evolution, such as the workers' new indices; step: a mini-batch of the local
    phase (None: compute + push); setup: what an epoch of the local phase costs beside; average: of the average of two nets;
    another: of each further net in it. All of one thread.
    """

    compute: object
    push: object = 0.0
    pull: float = 0.0
    evolve: float = 0.0
    begin: float = 0.0
    step: float | None = None
    setup: float = 0.0
    average: float = 0.0
    another: float = 0.0

    def __post_init__(self):
        for name in ("compute", "push"):
            Times(name, getattr(self, name))
        for name in ("pull", "evolve", "begin", "setup", "average", "another"):
            checks.non_negative(name, getattr(self, name))
        if self.step is not None:
            checks.non_negative("step", self.step)

    @property
    def local_step(self):
        """Seconds of a mini-batch in the local phase."""
        return Times("compute", self.compute).mean() + Times("push", self.push).mean() if self.step is None else self.step


def calibrate(model, data, batch_size=128, *, n_batches=48, n_jobs=1, rules=None, seed=0, **options):
    """Measure the Costs of training this net on this machine: a short training of a copy on backend "threads".

    n_batches: mini-batches an epoch of that training, at most; rules: default [SET(0.3)]; options: as for `train_parallel`
    (optimizer, loss). n_jobs: workers of it; with two, a turn at the server costs what it costs where another core has just
    written to the net. Times are medians. Takes as long as 5 n_batches mini-batches.
    """
    check_model(model)
    batch_size, n_batches = checks.integer("batch_size", batch_size), checks.integer("n_batches", n_batches)
    options |= {"rules": [SET(0.3)] if rules is None else rules, "seed": seed, "n_jobs": resources.jobs("n_jobs", n_jobs)}
    data = as_dataset(data, model)
    short(model, data, batch_size, 2 * options["n_jobs"], **options)  # compiles
    meter, records, end = short(model, data, batch_size, n_batches * options["n_jobs"], **options)
    whole, result = meter.locals[-1]
    average([model, end])  # compiles
    two, four = averaging([model, end]), averaging([model, end, model, end])
    steps = result.record.n_samples / min(batch_size, result.record.n_samples)
    return Costs(
        **of_timeline(records, copying(model)),
        evolve=typical([record.seconds_evolve for record in records[1:3]]),
        step=(result.record.seconds - result.record.seconds_evolve) / steps, setup=max(0.0, whole - result.record.seconds),
        average=two, another=max(0.0, (four - two) / 2),
    )  # fmt: skip


def of_timeline(records, pull):
    """compute, push and pull from when each gradient began and ended: the server's work is what stands between two of them."""
    first = [record for record in records if record.phase not in ("local", "average")]
    tasks, n = [record.workers.timeline for record in first], first[0].workers.n
    turns = [pair for epoch in tasks for number in range(n) for pair in pairwise(task for task in epoch if task[0] == number)]
    between = typical([later[1] - task[2] for task, later in turns] or [0.0])
    compute = typical([end - begin for epoch in tasks for _, begin, end in epoch])
    pull = min(pull, between / 2)  # measured from Python, that of a tiny net is mostly Python; and an update moves more
    whole = [r.seconds - r.seconds_evolve - len(tasks[1]) * (compute + between) / n for r in first[1:]]
    return {"compute": compute, "push": between - pull, "pull": pull, "begin": max(0.0, typical(whole))}


def averaging(models, repeats=3):
    """Seconds that the average of these nets takes."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        average(models)
        spent.append(time.perf_counter() - start)
    return typical(spent)


def copying(model, repeats=9):
    """Seconds that a copy of all weights and biases takes, into memory that is there."""
    source, target, spent = model.snapshot(), model.snapshot(), []
    for _ in range(repeats):
        start = time.perf_counter()
        for name in ("weights", "biases"):
            for a, b in zip(getattr(target, name), getattr(source, name), strict=True):
                np.copyto(a, b)
        spent.append(time.perf_counter() - start)
    return typical(spent)


def short(model, data, batch_size, n_batches, **options):
    """(Metered, records, net at the end) of a short training of a copy."""
    meter, model, part = Metered(), model.copy(), data.head(min(data.X_train.shape[0], n_batches * batch_size))
    records = train_parallel(
        model, part, backend=meter, epochs=EPOCHS, async_fraction=FIRST_PHASE, evaluate_every=0, batch_size=batch_size,
        **options,
    )  # fmt: skip
    return meter, list(records), model


def saturation(costs, network=None, n_bytes=0):
    """Workers from which the server is busy all the time: (compute + network) / server + 1; inf where it costs nothing.

    network: a Network (default none); n_bytes: of a snapshot and a push together. A model, not a measurement.
    """
    network = Network() if network is None else network
    server = Times("push", costs.push).mean() + costs.pull
    away = Times("compute", costs.compute).mean() + 2 * network.seconds(n_bytes / 2)
    return away / server + 1 if server > 0 else math.inf


def typical(seconds):
    """The median: interruptions by something else do not count."""
    return float(np.median(seconds))


class Metered(Threads):
    """Threads with a stop watch at the epochs of the local phase."""

    def open(self, job, X, targets):
        self.locals = []
        super().open(job, X, targets)
        for worker in self.workers:
            worker.local = self.timed(worker.local)

    def timed(self, function):
        """The same function; how long it took, and its result, are kept."""

        def work(*arguments):
            begun = time.perf_counter()
            result = function(*arguments)
            self.locals.append((time.perf_counter() - begun, result))
            return result

        return work
