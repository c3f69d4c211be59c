"""Parallel training with any number of workers in simulated time: the real algorithm on a real net, in one process.

Gradients are computed from the snapshots that workers would have had, and pushed in the order in which they would have come.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from ...checkpoints.records import EpochRecord
from ...datasets.coerce import as_dataset
from ...training.loop import check_model
from ...utils import checks, resources
from ...utils.seeds import child
from ..trainer import train_parallel
from .backend import SIMULATION, Simulator
from .calibration import Costs, calibrate
from .events import Failures, Network, Times

NEVER = 10**9  # failures in a row, or seconds of real time, after which a simulated worker is given up
DEFAULTS = {"n_workers": 2, "synchronous": False, "batch_size": 128, "seed": None}
LEFT_OUT = (
    "backend", "n_jobs", "schedule", "task_timeout", "max_restarts", "checkpoint", "every", "keep", "resume", "pace"
)  # fmt: skip


def simulate_parallel(
    model: Any, data: Any = None, n_workers: int | None = None, *, compute: Any = None, network: Network | None = None,
    server: Any = None, stragglers: Any = None, failures: Any = (), costs: Costs | None = None, synchronous: bool | None = None,
    batch_size: int | None = None, seed: int | np.random.SeedSequence | np.random.Generator | None = None, **options: Any,
) -> Iterator[EpochRecord]:  # fmt: skip
    """Train a model in place as several workers would, in simulated time.

    Each worker pulls, computes, pushes; the one server takes up pushes in the order of their arrival, and gives out the next
    snapshot then. The same seed and times give the same run.

    Every worker has a core of its own, whatever this machine has. In the local phase there is no traffic but at its start and
    its end; in WASSP gradients are added at the speed of a pull. Evaluation takes no time.

    Parameters
    ----------
    model : SparseMLP or Experiment
        The net, or what ``build(config)`` gives, with its own data and settings.
    data : Dataset or tuple of array, optional
        As for `train`; needed with a SparseMLP.
    n_workers : int, optional
        Workers; default 2.
    compute : float, array, distribution or callable, optional
        Seconds of a worker's gradient of a whole mini-batch: a number, an array of measured ones, a frozen distribution of
        scipy.stats, or a function of a Generator. They are scaled with the samples and links there are.
    network : Network, optional
        One line for each worker. Default: threads of one process, who in WASSP share the server's work.
    server : float, array, distribution or callable, optional
        The server's seconds a push.
    stragglers : dict or list, optional
        {worker: factor of its compute time}, or a factor for each worker.
    failures : Failures or list, optional
        Failures(mean, delay), or a list of (worker, at, delay) in seconds: the task in flight is lost, and done again from a new
        snapshot when the worker is back.
    costs : Costs, optional
        By default `calibrate` measures them here, unless `compute` or `server` are given: what they leave open costs nothing
        then.
    synchronous : bool, optional
        WASSP-SGD; default False.
    batch_size : int, optional
        Default 128.
    seed : int, SeedSequence, Generator or None, optional
        As for `train`.
    **options
        Other options of `train_parallel`.

    Returns
    -------
    generator of EpochRecord
        Records with simulated seconds. Their `workers` has, beside what `train_parallel` gives, `queue_seconds` of each push,
        `utilisation` of each worker, `server_utilisation`, `lost` and `clock`.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, before any work starts. ValueError later, where the simulated time exceeds all numbers.

    Examples
    --------
    >>> import numpy as np, sparselab as sl
    >>> X, y = np.random.default_rng(0).standard_normal((64, 8), dtype=np.float32), np.arange(64) % 2
    >>> model = sl.SparseMLP.create((8, 16, 2), density=0.5, seed=0)
    >>> records = sl.simulate_parallel(model, (X, y), 4, compute=1.0, epochs=2, batch_size=16, async_fraction=1.0, seed=0)
    >>> [record.seconds for record in records]
    [1.0, 1.0]
    """
    check_left_out(options)
    given = {"n_workers": n_workers, "synchronous": synchronous, "batch_size": batch_size, "seed": seed, **options}
    options = DEFAULTS | {name: value for name, value in given.items() if value is not None}
    if all(hasattr(model, name) for name in ("model", "data", "parallel_options")):
        model, data, options = of_experiment(model, data, options, given)
    n_workers, synchronous, batch_size, seed = (options.pop(name) for name in DEFAULTS)
    check_model(model)
    n_workers, data = checks.integer("n_workers", n_workers), as_dataset(data, model)
    batch_size, seeds = checks.integer("batch_size", batch_size), checks.seed_sequence("seed", seed)
    n_batches = -(-data.X_train.shape[0] // batch_size)
    if n_workers > n_batches:
        checks.fail("n_workers", n_workers, f"at most {n_batches}, the mini-batches of an epoch")
    changes = changed(compute, server, network, costs)
    wanted = {name: options[name] for name in ("optimizer", "rules", "loss") if name in options}

    def measured():
        found = costs or (Costs(0.0) if changes else None)
        n_jobs = min(n_workers, resources.cores())
        return replace(found or calibrate(model, data, batch_size, n_jobs=n_jobs, **wanted), **changes)

    backend = Simulator(
        n_workers, seeds, measured, factors=factors_of(stragglers, n_workers), failures=failures_of(failures, n_workers, seeds),
        network=network, synchronous=synchronous,
    )  # fmt: skip
    run = train_parallel(
        model, data, backend=backend, n_jobs=n_workers, synchronous=synchronous, batch_size=batch_size, seed=seeds,
        max_restarts=NEVER, task_timeout=NEVER, **options,
    )  # fmt: skip
    return _records(run, backend)


def _records(run, backend):
    """The records of a run in simulated time."""
    with closing(run):
        for record in run:
            yield backend.record(record)


def check_left_out(options):
    """TypeError for options of `train_parallel` that a simulation does not have."""
    for name in LEFT_OUT:
        if name in options:
            checks.fail(name, options[name], "left out: a simulation has none", TypeError)


def of_experiment(experiment, data, options, given):
    """(model, data, options): what was not given is the experiment's."""
    theirs = {name: value for name, value in experiment.parallel_options.items() if name not in ("config", "backend", "n_jobs")}
    theirs |= {"n_workers": experiment.parallel_options["n_jobs"] or DEFAULTS["n_workers"]}
    chosen = {name: value for name, value in given.items() if value is not None}
    return experiment.model, experiment.data if data is None else data, options | theirs | chosen


def changed(compute, server, network, costs):
    """The fields of Costs that were given; TypeError or ValueError for those that are none, and for network and costs."""
    for name, value, kind in (("costs", costs, Costs), ("network", network, Network)):
        if value is not None and not isinstance(value, kind):
            checks.fail(name, value, f"a {kind.__name__}", TypeError)
    given = {"compute": compute, "server": server}
    for name, spec in given.items():
        if spec is not None:
            Times(name, spec)
    return {field: given[name] for name, field in (("compute", "compute"), ("server", "push")) if given[name] is not None}


def factors_of(stragglers, n):
    """(n,) factors of compute time from {worker: factor} or a list of n factors."""
    factors = np.ones(n)
    if stragglers is None:
        return factors
    if not isinstance(stragglers, dict | list | tuple | np.ndarray):
        checks.fail("stragglers", stragglers, f"{{worker: factor}} or {n} factors, one a worker", TypeError)
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
