"""Measures what parallel training costs on this machine, piece by piece: the times of a simulation."""

import math
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ...datasets.coerce import as_dataset
from ...evolution import SET
from ...nn.mlp import SparseMLP
from ...training.loop import check_model
from ...utils import checks, resources
from ..backends.local import Threads
from ..core.averaging import average
from ..trainer import train_parallel
from .events import Network, Times

EPOCHS, FIRST_PHASE = 5, 0.6  # three epochs in common, the first without evolution, and two of the worker's own


@dataclass(frozen=True)
class Costs:
    """What takes time in parallel training, in seconds of one thread.

    Parameters
    ----------
    compute : float, array, distribution or callable
        A worker's gradient of a whole mini-batch: a number, an array of measured seconds, a frozen distribution of scipy.stats
        or a function of a Generator.
    push : float, array, distribution or callable, default 0
        The server's work on it; the same kinds.
    pull : float, default 0
        A copy of the net.
    evolve : float, default 0
        The rules, once an epoch.
    begin : float, default 0
        What an epoch costs beside after an evolution, such as the workers' new indices.
    step : float, optional
        A mini-batch of the local phase; default compute + push.
    setup : float, default 0
        What an epoch of the local phase costs beside.
    average : float, default 0
        The average of two nets.
    another : float, default 0
        Each further net in it.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.parallel.Costs(compute=0.75, push=0.25).local_step
    1.0
    """

    compute: Any
    push: Any = 0.0
    pull: float = 0.0
    evolve: float = 0.0
    begin: float = 0.0
    step: float | None = None
    setup: float = 0.0
    average: float = 0.0
    another: float = 0.0

    def __post_init__(self) -> None:
        for name in ("compute", "push"):
            Times(name, getattr(self, name))
        for name in ("pull", "evolve", "begin", "setup", "average", "another"):
            checks.non_negative(name, getattr(self, name))
        if self.step is not None:
            checks.non_negative("step", self.step)

    @property
    def local_step(self) -> float:
        """Seconds of a mini-batch in the local phase."""
        return Times("compute", self.compute).mean() + Times("push", self.push).mean() if self.step is None else self.step

    def of_team(self, threads: int, steps: int, server: float = 0.0) -> "Costs":
        """Give the costs where each worker is a team: the threads of a machine, with these costs, and a copy of the net.

        Its threads push to the copy one after the other, and wait for each other before the team pushes to the server. A model,
        not a measurement: the threads do not slow each other down otherwise.

        Parameters
        ----------
        threads : int
            Threads of the team.
        steps : int
            Mini-batches of each thread between two pushes of the team.
        server : float, default 0
            The server's work on a push of a team.

        Returns
        -------
        Costs
            For `saturation` and `simulate_parallel` with ``steps_per_push=threads * steps``; compute is that of one mini-batch.

        Examples
        --------
        >>> import sparselab as sl
        >>> sl.parallel.Costs(compute=0.75, push=0.25).of_team(2, 3).compute
        0.5625
        """
        threads, steps = checks.integer("threads", threads), checks.integer("steps", steps)
        compute, push = Times("compute", self.compute).mean(), Times("push", self.push).mean() + self.pull
        together = steps * max(compute + push, threads * push) + compute / 2 * (threads > 1)
        return Costs(together / (threads * steps), checks.non_negative("server", server))


def calibrate(
    model: SparseMLP, data: Any, batch_size: int = 128, *, n_batches: int = 48, n_jobs: int = 1, rules: Any = None, seed: Any = 0,
    **options: Any,
) -> Costs:  # fmt: skip
    """Measure the costs of training a net on this machine.

    A copy of it is trained shortly on backend "threads", for 5 `n_batches` mini-batches. Times are medians.

    Parameters
    ----------
    model : SparseMLP
        The net; not changed.
    data : Dataset or tuple of array
        As for `train`.
    batch_size : int, default 128
        Samples of a mini-batch.
    n_batches : int, default 48
        Mini-batches an epoch of that training, at most.
    n_jobs : int, default 1
        Workers of it. With two, a push costs what it costs where another core has just written to the net.
    rules : list, optional
        As for `train`; default ``[SET(0.3)]``.
    seed : int, SeedSequence, Generator or None, default 0
        As for `train`.
    **options
        Other options of `train_parallel`, such as optimizer and loss.

    Returns
    -------
    Costs
        What `simulate_parallel` takes.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.

    Examples
    --------
    >>> import numpy as np, sparselab as sl
    >>> X, y = np.random.default_rng(0).standard_normal((64, 8), dtype=np.float32), np.arange(64) % 2
    >>> model = sl.SparseMLP.create((8, 16, 2), density=0.5, seed=0)
    >>> sl.parallel.calibrate(model, (X, y), 16, n_batches=4).compute > 0
    True
    """
    check_model(model)
    batch_size, n_batches = checks.integer("batch_size", batch_size), checks.integer("n_batches", n_batches)
    options |= {"rules": [SET(0.3)] if rules is None else rules, "seed": seed, "n_jobs": resources.jobs("n_jobs", n_jobs)}
    data = as_dataset(data, model)
    short(model, data, batch_size, 2 * options["n_jobs"], **options)  # compiles
    meter, records, end = short(model, data, batch_size, n_batches * options["n_jobs"], **options)
    whole, result = meter.locals[-1]
    average([model, end])  # compiles
    two, four = timed(lambda: average([model, end]), 3), timed(lambda: average([model, end] * 2), 3)
    source, target = model.snapshot(), model.snapshot()
    steps = result.record.n_samples / min(batch_size, result.record.n_samples)
    return Costs(
        **of_timeline(records, timed(lambda: copy_values(source, target), 9)),
        evolve=typical([record.seconds_evolve for record in records[1:3]]),
        step=(result.record.seconds - result.record.seconds_evolve) / steps, setup=max(0.0, whole - result.record.seconds),
        average=two, another=max(0.0, (four - two) / 2),
    )  # fmt: skip


def of_timeline(records, pull):
    """compute, push and pull from when each gradient began and ended: what is between two of a worker's is the server's work."""
    first = [record for record in records if record.phase not in ("local", "average")]
    tasks, n = [record.workers.timeline for record in first], first[0].workers.n
    turns = [pair for epoch in tasks for number in range(n) for pair in pairwise(task for task in epoch if task[0] == number)]
    between = typical([later[1] - task[2] for task, later in turns] or [0.0])
    compute = typical([end - begin for epoch in tasks for _, begin, end in epoch])
    pull = min(pull, between / 2)  # measured from Python, that of a tiny net is mostly Python; and an update moves more
    whole = [r.seconds - r.seconds_evolve - len(tasks[1]) * (compute + between) / n for r in first[1:]]
    return {"compute": compute, "push": between - pull, "pull": pull, "begin": max(0.0, typical(whole))}


def timed(function, repeats):
    """Seconds that a call takes: the median of some."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return typical(spent)


def copy_values(source, target):
    """Copy all weights and biases into memory that is allocated."""
    for name in ("weights", "biases"):
        for a, b in zip(getattr(target, name), getattr(source, name), strict=True):
            np.copyto(a, b)


def short(model, data, batch_size, n_batches, **options):
    """(Metered, records, net at the end) of a short training of a copy."""
    meter, model, part = Metered(), model.copy(), data.head(min(data.X_train.shape[0], n_batches * batch_size))
    records = train_parallel(
        model, part, backend=meter, epochs=EPOCHS, async_fraction=FIRST_PHASE, evaluate_every=0, batch_size=batch_size,
        **options,
    )  # fmt: skip
    return meter, list(records), model


def saturation(costs: Costs, network: Network | None = None, n_bytes: float = 0, steps_per_push: int = 1) -> float:
    """Give the number of workers from which the server is busy all the time.

    (compute + network) / server + 1: a model, not a measurement. A network that is shared is the server's own time.

    Parameters
    ----------
    costs : Costs
        Of a push and a gradient.
    network : Network, optional
        Default none.
    n_bytes : float, default 0
        Bytes of a snapshot and a push together.
    steps_per_push : int, default 1
        Mini-batches of a push.

    Returns
    -------
    float
        Workers; inf where the server costs nothing.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.parallel.saturation(sl.parallel.Costs(compute=1.0, push=0.25))
    5.0
    """
    network = Network() if network is None else network
    busy, way = network.parts(n_bytes / 2)
    server = Times("push", costs.push).mean() + costs.pull + 2 * busy
    away = checks.integer("steps_per_push", steps_per_push) * Times("compute", costs.compute).mean() + 2 * way
    return away / server + 1 if server > 0 else math.inf


def typical(seconds):
    """The median: interruptions by something else do not count."""
    return float(np.median(seconds))


class Metered(Threads):
    """Threads that measure the epochs of the local phase: `locals` has (seconds, LocalEpoch) of each."""

    def __init__(self):
        super().__init__()
        self.locals = []

    def local(self, number, *arguments):
        """Start an epoch of a worker on its own, and measure it."""

        def work():
            begun = time.perf_counter()
            result = self.workers[number].local(*arguments)
            self.locals.append((time.perf_counter() - begun, result))
            return result

        return self._start(number, work)
