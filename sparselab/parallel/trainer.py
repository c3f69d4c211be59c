"""Training with several workers and a parameter server: WASAP-SGD and WASSP-SGD."""

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from os import PathLike
from typing import Any

import numpy as np

from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.records import EpochRecord, StepRecord
from ..checkpoints.state import TrainingState
from ..nn.mlp import SparseMLP
from ..nn.optimizers import check_state
from ..utils import checks
from ..utils.forks import in_one_process
from .backends import registry
from .backends.dask import Cluster
from .backends.shutdown import close_at_exit
from .core.run_spec import RunSpec
from .core.server import ParameterServer
from .core.worker import GradientUpdate
from .local_checkpoints import LocalCheckpoints
from .local_phase import LocalPhase
from .remote_server import records_from_afar
from .server_phase import ServerPhase
from .supervisor import Supervisor


def train_parallel(
    model: SparseMLP, data: Any, *, backend: Any = "threads", n_jobs: int | None = None, async_fraction: float = 0.7,
    synchronous: bool = False, optimizer: Any = None, rules: Any = (), epochs: int = 10, batch_size: int = 128,
    seed: int | np.random.SeedSequence | np.random.Generator | None = None, loss: Any = None, evaluate_every: int = 1,
    steps_per_push: int | str = 1, max_staleness: int | None = None, damping: float = 0.0, schedule: Sequence[int] = (),
    task_timeout: float | None = None, max_restarts: int = 3, checkpoint: str | PathLike[str] | None = None, every: int = 1,
    keep: int = 3, resume: bool = True, config: Any = None, pace: float | None = None,
    sample_weight: Any = None, class_weight: Any = None,
) -> Iterator[EpochRecord | StepRecord]:  # fmt: skip
    """Train a model in place with several workers and a parameter server.

    First an asynchronous (WASAP) or synchronous (WASSP) phase on the server's net, then each worker alone, then the average of
    all, whose layers have as many links as the workers' nets have on average.

    Parameters
    ----------
    model : SparseMLP
        The net. It holds the result.
    data : Dataset or tuple of array
        A Dataset, (X, y) or (X, y, X_test, y_test).
    backend : str or object, default "threads"
        Where workers live: "threads", "processes" (this machine), "dask" (a local cluster), "serial" (one after the other, for
        tests), the address of a Dask scheduler, a `concurrent.futures.Executor`, a `distributed.Client`, or an object with the
        methods of a backend.
    n_jobs : int, optional
        Workers. Default, and -1: all cores; -2: all but one, and so on; then at most one for each mini-batch.
    async_fraction : float, default 0.7
        Share of the epochs in the first phase, in [0, 1].
    synchronous : bool, default False
        WASSP-SGD: workers wait for each other. With one worker it is `train`, bit for bit.
    optimizer : Any, optional
        As for `train`; default ``MomentumSGD()``. A `clip_norm` acts on each push, the mean of all workers if synchronous.
    rules : rule or list of rule, optional
        As for `train`; importance pruning works in the first phase only.
    epochs, batch_size : int, default 10 and 128
        As for `train`.
    seed : int, SeedSequence, Generator or None, optional
        As for `train`.
    loss : str or object, optional
        As for `train`.
    evaluate_every : int, default 1
        Epochs between test scores; 0: never.
    steps_per_push : int or "auto", default 1
        Mini-batches of a worker whose gradients are added before they are sent; more than its share of an epoch mean that share.
        Workers of a cluster take a step after each of them in a copy of the net instead, and send what has changed; those of one
        Dask worker with several threads train it together, a team. "auto", which a synchronous run refuses, measures how long
        gradients and parameters are on their way: as many that this takes at most a quarter as long as the computation, up to 8,
        or 32 where one team trains alone; 1 with workers of this machine, which send nothing. `workers.steps_per_push` of the
        records has the mini-batches of a push.
    max_staleness : int, optional
        See `ParameterServer`.
    damping : float, default 0
        See `ParameterServer`.
    schedule : sequence of int, optional
        With "serial": whose gradient comes next.
    task_timeout : float, optional
        Seconds after which a worker counts as hanging; default max(30, 20 × the median).
    max_restarts : int, default 3
        How often in a row a task may fail.
    checkpoint : path, optional
        The folder of the run, as for `train`, with the same number of workers and epochs; the workers' nets of the local phase
        are saved too. A synchronous run is resumed exactly, an asynchronous one from the server's net at the end of an epoch.
    every, keep : int, default 1 and 3
        As for `train`.
    resume : bool, default True
        As for `train`.
    config : Any, optional
        As for `train`.
    pace : float, optional
        Seconds between two StepRecords, which are yielded too in the first phase. Default: none are.
    sample_weight, class_weight : optional
        As for `train`.

    Returns
    -------
    generator of EpochRecord and StepRecord
        After each epoch its record. `phase` is "asynchronous" or "synchronous", then "local", where test scores are the workers'
        mean, and at last "average", with those of the average. `workers` (not stored in files) has staleness, entries dropped,
        idle time and more.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, before any work starts.
    DivergedError
        As `train`.
    WorkerLostError
        If a worker fails again and again.

    References
    ----------
    Curci et al. 2021, algorithm 3 (contribution 1).

    Examples
    --------
    >>> import numpy as np, sparselab as sl
    >>> X, y = np.random.default_rng(0).standard_normal((64, 8), dtype=np.float32), np.arange(64) % 2
    >>> model = sl.SparseMLP.create((8, 16, 2), density=0.5, seed=0)
    >>> records = sl.train_parallel(model, (X, y), backend="serial", n_jobs=2, epochs=3, batch_size=16, seed=0)
    >>> [record.phase for record in records]
    ['asynchronous', 'asynchronous', 'average']
    """
    run = RunSpec(
        model, data, n_jobs=n_jobs, async_fraction=async_fraction, synchronous=synchronous, optimizer=optimizer, rules=rules,
        epochs=epochs, batch_size=batch_size, loss=loss, evaluate_every=evaluate_every, steps_per_push=steps_per_push,
        sample_weight=sample_weight, class_weight=class_weight,
    )  # fmt: skip
    state = TrainingState.start(model, run.optimizer, seed)
    server = ParameterServer(model, run.optimizer, state=state.optimizer, max_staleness=max_staleness, damping=damping)
    limits = {"task_timeout": task_timeout, "max_restarts": checks.integer("max_restarts", max_restarts, low=0)}
    if task_timeout is not None:
        checks.positive("task_timeout", task_timeout)
    workers = registry.get(backend, schedule)
    if run.synchronous and getattr(workers, "compression", None):
        checks.fail("compression", workers.compression, "None in a synchronous run, which has the same bits with every backend")
    pace = None if pace is None else checks.non_negative("pace", pace)
    checkpointer = None if checkpoint is None else Checkpointer(checkpoint, every, keep, resume, seed, config)
    return in_one_process(_records(run, state, server, workers, limits, checkpointer, pace))


def _records(run, state, server, backend, limits, checkpointer, pace):
    """The records of a run, of finished epochs first; in the end the backend is closed."""
    opened, owner = False, os.getpid()
    try:
        with checkpointer.open_run(run, state, run.epochs) if checkpointer else nullcontext([]) as finished:
            server.resume(state.optimizer)
            yield from finished
            if state.epoch < run.epochs and getattr(backend, "server", "driver") == "worker":
                opened, of_server = True, {"max_staleness": server.max_staleness, "damping": server.damping}
                client, more = backend.connect(run.n_workers), (backend.options, of_server, limits, pace)
                records = records_from_afar(run, state, client, _records_there, more, limits["max_restarts"])
                yield from checkpointer.saving(records) if checkpointer else records
            elif state.epoch < run.epochs:
                opened = True
                check = _check_of(server, backend)
                supervisor = Supervisor(backend, run.worker(state.seeds), run.X, run.targets, check=check, **limits)
                close_at_exit(backend)
                records = _phases(run, state, server, supervisor, checkpointer, pace)
                yield from checkpointer.saving(records) if checkpointer else records
    finally:
        if opened and os.getpid() == owner:  # the workers of a forked process are its parent's
            backend.close()


def _records_there(run, state, client, of_backend, of_server, limits, pace):
    """The records of a run whose server is in this process, a worker of the cluster that this client is connected to."""
    server = ParameterServer(run.model, run.optimizer, state=state.optimizer, **of_server)
    return _records(run, state, server, Cluster(client, **of_backend), limits, None, pace)


def _phases(run, state, server, supervisor, checkpointer, pace):
    """The records of what is left to do."""
    local = checkpointer and LocalCheckpoints(checkpointer.folder, run.n_workers)
    if local and (state.epoch < run.first_epochs or not checkpointer.resume):
        local.clear()  # those of another run
    yield from ServerPhase(run, state, server, supervisor, checkpointer, pace).records()
    yield from LocalPhase(run, state, supervisor, local, checkpointer).records()


def _check_of(server, backend):
    """Function that raises ValueError where a worker's result does not fit the net; what comes from another process must be
    finite too."""
    trusted = getattr(backend, "in_process", False)

    def check(result):
        if isinstance(result, GradientUpdate):
            if result.dw is None and hasattr(backend, "sum_kept"):  # the server looks at the sum
                return
            more = {"optimizer": result.optimizer, "version": result.version}
            server.check(result.generation, result.dw, result.db, finite=not trusted, **more)
        elif not trusted:
            check_state(result.optimizer, server.model.copy().load(result.parameters))
            if not all(checks.all_finite(a) for a in (*result.parameters.weights, *result.parameters.biases)):
                raise ValueError("parameters: must be finite")

    return check
