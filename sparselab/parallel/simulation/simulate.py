"""What would 64 workers do? The real algorithm on a real net, in one process, while only the clock is simulated.

Workers' gradients are computed from the snapshots they would have had, and pushed in the order in which they would have come.
"""

from contextlib import closing
from dataclasses import replace

import numpy as np

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
    model, data=None, n_workers=None, *, compute=None, network=None, server=None, stragglers=None, failures=(), costs=None,
    synchronous=None, batch_size=None, seed=None, **options,
):  # fmt: skip
    """Train `model` in place as `n_workers` workers would; yields EpochRecords with simulated seconds.

    The same seed and times give the same run. model: a SparseMLP, or an experiment (what `build(config)` gives) with its own data
    and settings. n_workers: default 2. Each worker pulls, computes, pushes; the one server takes up pushes in the order of their
    arrival, first come, first served, and gives out the next snapshot then. Other options: see `train_parallel`.

    compute: seconds of a worker's gradient of a whole mini-batch, an array of measured ones, a frozen distribution of scipy.stats
    or a function of a Generator; it is scaled with the samples and links there are. server: the server's seconds a push, the same
    kinds. network: a Network(latency, bandwidth), one line for each worker; None for threads of one process, who in
    WASSP share the server's work. stragglers: {worker: factor of its compute time}.
    failures: Failures(mean, delay), or a list of (worker, at, delay) in seconds: the task in flight is lost, and done again from
    a new snapshot when the worker is back. costs: a Costs; by default `calibrate` measures it here, unless compute or
    server are given: what they leave open costs nothing then.

    Every worker has a core of its own, whatever this machine has. In the local phase there is no traffic but at its start and its
    end; in WASSP gradients are added at the speed of a pull. Evaluation takes no time. `record.workers` has, beside what
    `train_parallel` tells, queue_seconds of each push, `utilisation` of each worker, `server_utilisation`, `lost`, `clock`.
    Raises TypeError or ValueError naming the argument before any work starts.
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
    backend = Simulator(
        n_workers, seeds, factors=factors_of(stragglers, n_workers), failures=failures_of(failures, n_workers, seeds),
        network=network, synchronous=synchronous,
    )  # fmt: skip
    run = train_parallel(
        model, data, backend=backend, n_jobs=n_workers, synchronous=synchronous, batch_size=batch_size, seed=seeds,
        max_restarts=NEVER, task_timeout=NEVER, **options,
    )  # fmt: skip
    wanted = {name: options[name] for name in ("optimizer", "rules", "loss") if name in options}

    def records():
        found = costs
        if found is None:
            found = (
                Costs(0.0) if changes else calibrate(model, data, batch_size, n_jobs=min(n_workers, resources.cores()), **wanted)
            )
        backend.costs = replace(found, **changes)
        with closing(run):
            for record in run:
                yield backend.record(record)

    return records()


def check_left_out(options):
    """TypeError for options of `train_parallel` that a simulation has no use for."""
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
