"""WASAP-SGD and WASSP-SGD: train with several workers and a parameter server. Contribution 1 of the paper.

Source: Curci et al. 2021, algorithm 3. First an asynchronous (WASAP) or synchronous (WASSP) phase on the server's net, then each
worker alone, then the average of all.
"""

import time
from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from .. import evolution
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.records import StepRecord
from ..checkpoints.state import BATCHES, EVOLUTION, EpochTotals, TrainingState
from ..datasets.coerce import as_dataset, as_features
from ..engines.base import DivergedError
from ..engines.select import outputs
from ..evolution import Evidence, ImportancePruning
from ..nn import losses as loss_functions
from ..nn.optimizers import check_state
from ..training.epoch_runner import epoch_record, locate_fault
from ..training.loop import check_model, check_optimizer, check_rules
from ..utils import checks, resources
from ..utils.interrupts import defer_interrupts
from .backends import local as backends
from .backends import registry
from .backends.shutdown import close_at_exit
from .core.server import ParameterServer
from .core.worker import GradientUpdate, WorkerSpec
from .core.worker_stats import Workers
from .local_checkpoints import LocalCheckpoints
from .local_phase import LocalPhase
from .supervisor import Supervisor
from .sync_policies import Asynchronous, Synchronous


def train_parallel(
    model, data, *, backend="threads", n_jobs=None, async_fraction=0.7, synchronous=False, optimizer=None, rules=(), epochs=10,
    batch_size=128, seed=None, loss=None, evaluate_every=1, steps_per_push=1, max_staleness=None, damping=0.0, schedule=(),
    task_timeout=None, max_restarts=3, checkpoint=None, every=1, keep=3, resume=True, config=None, pace=None,
):  # fmt: skip
    """Train `model` in place with `n_jobs` workers; yields an EpochRecord after each epoch. The result is in `model`.

    backend: "threads", "processes" (this machine), "dask" (a local cluster), "serial" (one after the other, for tests; `schedule`
    says whose gradient comes next), or a backend object. n_jobs: default, and -1, all cores. async_fraction: share of the epochs
    in the first phase. synchronous: WASSP-SGD; with one worker it is `train`, bit for bit. optimizer, rules, epochs, batch_size,
    seed, loss, evaluate_every: as for `train`; importance pruning works in the first phase only. steps_per_push: batches whose
    gradients are added before they are sent. max_staleness, damping: see ParameterServer. task_timeout: seconds after which a
    worker counts as hanging (default max(30, 20 × the median)); max_restarts: how often in a row.

    checkpoint, every, keep, resume, config: as for `train`, the workers' nets of the local phase included, with the same workers
    and epochs; a synchronous run goes on exactly, an asynchronous one from the server's net at the end of an epoch. pace: None,
    or seconds between two StepRecords, which are yielded too in the first phase.

    Records have phase "asynchronous" or "synchronous", then "local", whose test scores are the workers' mean, and at last
    "average", that of the average; `record.workers` (not stored in files) tells staleness, entries dropped, idle time and more.
    Raises TypeError or ValueError naming the argument before any work starts, DivergedError as `train`, and WorkerLostError where
    workers cannot be kept alive.
    """
    run = _Parallel.of(
        model, data, n_jobs=n_jobs, async_fraction=async_fraction, synchronous=synchronous, optimizer=optimizer, rules=rules,
        epochs=epochs, batch_size=batch_size, seed=seed, loss=loss, evaluate_every=evaluate_every, steps_per_push=steps_per_push,
    )  # fmt: skip
    run.server = ParameterServer(
        model, run.optimizer, state=run.state.optimizer, max_staleness=max_staleness, damping=damping
    )  # fmt: skip
    if task_timeout is not None:
        checks.positive("task_timeout", task_timeout)
    checks.integer("max_restarts", max_restarts, low=0)
    chosen = registry.get(backend, schedule)
    run.pace = None if pace is None else checks.non_negative("pace", pace)
    run.keeper = None if checkpoint is None else Checkpointer(checkpoint, every, keep, resume, seed, config)
    run.local_files = LocalCheckpoints(run.keeper and run.keeper.folder.path, run.n)
    return run.records(chosen, {"task_timeout": task_timeout, "max_restarts": max_restarts})


class _Parallel:
    """One call of train_parallel."""

    @classmethod
    def of(cls, model, data, *, n_jobs, async_fraction, synchronous, optimizer, rules, epochs, batch_size, seed, loss,
           evaluate_every, steps_per_push):  # fmt: skip
        """Every argument looked at."""
        check_model(model)
        run = cls()
        run.model, run.data = model, as_dataset(data, model)
        run.optimizer, run.rules = check_optimizer(optimizer), tuple(check_rules(rules))
        run.epochs, run.batch_size = checks.integer("epochs", epochs), checks.integer("batch_size", batch_size)
        run.synchronous = checks.flag("synchronous", synchronous)
        run.split = round(checks.fraction("async_fraction", async_fraction) * run.epochs)
        run.evaluate_every = checks.integer("evaluate_every", evaluate_every, low=0)
        run.loss = loss_functions.get(loss, default="softmax_cross_entropy" if run.data.n_classes else "mean_squared_error")
        run.X = as_features("data.X_train", run.data.X_train, model)
        run.targets = run.loss.targets(run.data.y_train, model.sizes[-1], model.dtype)
        run.batch_size = min(run.batch_size, len(run.targets))
        run.n = resources.cores() if n_jobs is None else resources.jobs("n_jobs", n_jobs)
        run.n_batches = -(-len(run.targets) // run.batch_size)
        if run.n > run.n_batches:
            checks.fail("n_jobs", run.n, f"at most {run.n_batches}, the mini-batches of an epoch")
        if run.data.X_test is not None:
            run.X_test = as_features("data.X_test", run.data.X_test, model)
            run.test_targets = run.loss.targets(run.data.y_test, model.sizes[-1], model.dtype)
        run.state = TrainingState.start(model, run.optimizer, seed)
        local = tuple(rule for rule in run.rules if not isinstance(rule, ImportancePruning))
        run.job = WorkerSpec(
            model.activation, model.dropout, model.initializer, run.loss, run.optimizer, local, run.batch_size, run.state.seeds,
            run.n, checks.integer("steps_per_push", steps_per_push),
        )  # fmt: skip
        run.parallel = {
            "n_jobs": run.n, "synchronous": run.synchronous, "first_phase": run.split, "epochs": run.epochs,
            "steps_per_push": run.job.steps_per_push,
        }  # fmt: skip
        return run

    def records(self, backend, options):
        """The EpochRecords, phase after phase."""
        self.begin, self.crew, self.pulled, started = time.perf_counter(), None, {}, False
        try:
            with self.keeper.open_run(self, self.state, self.epochs) if self.keeper else nullcontext([]) as finished:
                self.server.state, self.job = self.state.optimizer, replace(self.job, seeds=self.state.seeds)
                yield from finished
                if self.state.epoch < self.epochs:
                    started, self.trusted = True, isinstance(backend, backends.Local)
                    self.crew = Supervisor(backend, self.job, self.X, self.targets, check=self.check, **options)
                    close_at_exit(backend)
                    yield from self.watched(self.phases())
        finally:
            if started:
                backend.close()

    def check(self, result):
        """ValueError where the answer of a worker does not fit the net; what comes from another process must be finite too."""
        if isinstance(result, GradientUpdate):
            self.server.check(result.generation, result.dw, result.db, finite=not self.trusted)
        elif not self.trusted:
            check_state(result.optimizer, self.model.copy().load(result.parameters))
            if not all(checks.all_finite(a) for a in (*result.parameters.weights, *result.parameters.biases)):
                raise ValueError("parameters: must be finite")

    def phases(self):
        """The records of what is left to do."""
        if self.state.epoch < self.split or (self.keeper and not self.keeper.resume):
            self.local_files.clear()  # those of another run
        yield from self.first_phase()
        yield from LocalPhase(self).records()

    def watched(self, records):
        """The same, into the run's folder where there is one."""
        return self.keeper.saving(records) if self.keeper else records

    def first_phase(self):
        """Workers push, the server updates; who may go on when is a matter of `way`."""
        way = (Synchronous if self.synchronous else Asynchronous)(self)
        if self.state.epoch < self.split and not self.trusted:
            with defer_interrupts:
                self.crew.get_ready(self.n, self.server.view)
        if self.state.epoch < self.split:
            way.open_gate()
        while self.state.epoch < self.split:
            self.start_epoch()
            while self.updates < way.per_epoch:
                self.seen = seen = self.seen_now()
                with defer_interrupts:  # Ctrl-C is heard while the crew waits
                    way.start()
                    self.crew.serve(way.turn)
                if self.pace is not None:
                    yield self.step_record(seen)
            yield self.finish_epoch(way.name)
        self.crew.door = nullcontext

    def seen_now(self):
        """Where the epoch stands: what the next StepRecord begins with."""
        totals = self.state.totals
        return time.perf_counter(), self.updates, len(totals.losses), totals.hits, totals.n_samples

    def is_time(self):
        """Whether a StepRecord is due."""
        return self.pace is not None and self.updates > self.seen[1] and time.perf_counter() - self.seen[0] >= self.pace

    def step_record(self, seen):
        """The StepRecord of the updates since `seen`."""
        begun, updates, n_losses, hits, samples = seen
        totals, n = self.state.totals, self.state.totals.n_samples - samples
        return StepRecord(
            epoch=self.state.epoch + 1, step=self.updates - 1, n_steps=self.updates - updates, n_samples=n,
            loss=float(sum(totals.losses[n_losses:]) / n),
            accuracy=(totals.hits - hits) / n if self.model.sizes[-1] > 1 else None,
            learning_rate=totals.learning_rate, seconds=time.perf_counter() - begun,
        )  # fmt: skip

    def apply(self, push, rate):
        """One update by the server; counts it. Ctrl-C is held back meanwhile."""
        if push.failed:
            where = locate_fault(self.model, self.loss, self.X, self.targets, np.arange(min(len(self.targets), 1024)))
            raise DivergedError(self.state.epoch + 1, self.updates, *where)
        self.server.push(push, push.dw, push.db, rate, checked=self.trusted or not self.synchronous)
        self.computed += push.seconds
        self.count(push.losses, push.hits, push.n_samples, self.crew.queue_length)
        self.state.totals.learning_rate = rate

    def count(self, losses, hits, n_samples, queue):
        """Count an update."""
        totals = self.state.totals
        self.queue.append(queue)
        totals.losses += losses
        totals.hits += hits
        totals.n_samples += n_samples
        self.updates += 1

    def start_epoch(self):
        """Evolve (not before the first epoch), then count anew."""
        start, state = time.perf_counter(), self.state
        if self.keeper:
            self.keeper.skip(state.position)  # the net in the middle of an epoch is not to be saved as that of its beginning
        changes = evolution.Changes.none(len(self.model.layers))
        if state.epoch > 0:
            order = state.stream(BATCHES).permutation(len(self.targets))
            evidence = lambda: Evidence(self.model, self.loss, self.X, self.targets, order[: self.batch_size])
            changes = self.server.evolve(self.rules, state.epoch, evidence, state.stream(EVOLUTION))
        state.totals = EpochTotals(changes.links, neurons_pruned=changes.neurons_pruned)
        self.server.forget(min(self.pulled.values(), default=0))
        state.totals.seconds["evolve"] = time.perf_counter() - start
        self.epoch_begin, self.updates, self.computed, self.queue = time.perf_counter(), 0, 0.0, []

    def finish_epoch(self, phase):
        """The record of the epoch that is over."""
        totals, state = self.state.totals, self.state
        totals.seconds["all"] = time.perf_counter() - self.epoch_begin
        traffic = self.server.take_traffic()
        workers = Workers(
            self.n, traffic.staleness, traffic.dropped / max(1, traffic.entries), traffic.refused,
            max(0.0, self.n * totals.seconds["all"] - self.computed), self.crew.restarts, self.take_timeline(), queue=self.queue,
        )  # fmt: skip
        start, number = time.perf_counter(), state.epoch + 1
        scores = self.scores(self.model) if self.due(number) else (None, None)
        record = epoch_record(
            self.model, totals, number, scores, time.perf_counter() - start, phase=phase,
            staleness=float(np.mean(traffic.staleness)), workers=workers,
        )  # fmt: skip
        state.epoch = number
        return record

    def take_timeline(self):
        """(worker, start, end) of the tasks since the last call, in seconds from the start of training."""
        timeline, self.crew.timeline = self.crew.timeline, []
        return [(number, begun - self.begin, ended - self.begin) for number, begun, ended in timeline]

    def due(self, number):
        """Whether epoch `number` is evaluated."""
        return self.evaluate_every and number % self.evaluate_every == 0 and self.data.X_test is not None

    def scores(self, model):
        """(loss, accuracy) on the test samples."""
        return self.loss.of(outputs(model, self.X_test, 1), self.test_targets)
