"""What a worker does: the gradient of a mini-batch, or an epoch of its own. Both are functions of what they are given.

A task that is lost with its worker is simply done again: the same (worker, round) gives the same answer.
"""

from concurrent.futures import CancelledError
from dataclasses import dataclass

import numpy as np

from ...checkpoints.state import TrainingState
from ...engines import select
from ...engines.base import Outcome
from ...engines.fused import FusedEngine
from ...nn.mlp import Parameters, SparseMLP
from ...training.epoch_runner import MAX_PACE, EpochRunner
from .shards import Batches, shard_of, worker_seeds


@dataclass(frozen=True)
class WorkerSpec:
    """What all workers know from the start: how the net computes, what is minimised, seeds, and how the work is shared.

    local_rules: the rules of the local phase (SET and the like; neurons are pruned by the server only).
    """

    activation: object
    dropout: float
    initializer: object
    loss: object
    optimizer: object
    local_rules: tuple
    batch_size: int
    seeds: np.random.SeedSequence
    n_workers: int
    steps_per_push: int = 1


@dataclass(frozen=True)
class Snapshot:
    """The server's parameters at `version`; `generation` counts its evolutions, within one the links stay the same (None: not
    to be compared). lent: a worker may compute with these very arrays, which are its own until it answers."""

    version: int
    generation: int
    parameters: Parameters
    lent: bool = False


@dataclass
class GradientUpdate:
    """The gradient of one round: Σ loss and hits over its samples, dw and db of each layer, and what it was computed with.

    failed: something was not finite, and there is no gradient. seconds: of the computation.
    """

    number: int
    round: int
    version: int
    generation: int
    losses: list
    hits: int
    n_samples: int
    dw: list
    db: list
    failed: bool
    seconds: float = 0.0


@dataclass
class LocalEpoch:
    """What a worker's own epoch led to: parameters, optimizer state, and its record."""

    number: int
    epoch: int
    parameters: Parameters
    optimizer: list
    record: object


class Worker:
    """One worker: its shard, its copy of the net, its engine. It computes, and decides nothing."""

    def __init__(self, job, number, X, targets):
        self.job, self.number = job, number
        self.shard = shard_of(job.seeds, len(targets), number, job.n_workers)
        self.X, self.targets = X, targets
        self.seeds = worker_seeds(job.seeds, number, job.n_workers)
        self.batches = Batches(self.seeds, len(self.shard), min(job.batch_size, len(self.shard)))
        self.model, self.engine, self.run, self.generation = None, None, None, None
        self.epoch, self.order, self.key = None, None, None
        self.turns = None  # where it may push and pull by itself: gate.Turns
        self.stopped = False  # set by another thread: an epoch of its own ends at once

    def load(self, snapshot):
        """Copy the server's parameters into this worker's net, unless they are lent to it."""
        parameters = snapshot.parameters
        if self.model is None or snapshot.generation is None or snapshot.generation != self.generation:
            layers = parameters.layers(copy=not snapshot.lent)
            if self.model is None:
                job = self.job
                self.model = SparseMLP(layers, job.activation, dropout=job.dropout, initializer=job.initializer)
                self.engine = select.create(self.model, job.loss, job.optimizer, self.batches.batch_size, 1)
            self.model.take_over(layers, "snapshot", parameters.neurons)
        elif not snapshot.lent:
            for layer, w, b in zip(self.model.layers, parameters.weights, parameters.biases, strict=True):
                np.copyto(layer.w, w)
                np.copyto(layer.b, b)
        self.version, self.generation = snapshot.version, snapshot.generation
        if self.turns is not None:
            self.turns.loaded(snapshot.version)

    def leave_gradients_in(self, dw, db):
        """From now on gradients are left in these arrays, one a layer each, where the engine can."""
        if isinstance(self.engine, FusedEngine):
            self.engine.leave_gradients_in(dw, db)

    def gradient(self, round_):
        """The Push of a round: of `steps_per_push` mini-batches at the parameters loaded last, their gradients added."""
        total = None
        for part in range(self.job.steps_per_push):
            push = self._gradient(round_ * self.job.steps_per_push + part)
            total = push if total is None else added(total, push)
            if total.failed:
                break
        total.round = round_ if self.job.steps_per_push > 1 else total.round
        return total

    def _gradient(self, batch):
        epoch, place = self.batches.place(batch)
        if epoch != self.epoch:
            self.epoch, self.order, self.key = epoch, self.shard[self.batches.order(epoch)], self.batches.dropout_key(epoch)
        size, own_turns = self.batches.batch_size, self.turns is not None and isinstance(self.engine, FusedEngine)
        samples = self.order[place * size : None if own_turns else (place + 1) * size]
        outcome = Outcome.of(len(samples), size)
        arguments = outcome, self.X, self.targets, samples, self.key, place
        dw, db = self.engine.gradient(*arguments, self.turns) if own_turns else self.engine.gradient(*arguments)
        last = outcome.done - (not outcome.failed)
        version, n = self.turns.version if own_turns else self.version, int(outcome.sizes[last])
        seconds = sum(outcome.seconds.values()) - (self.turns.take_waited() if own_turns else 0.0)
        return GradientUpdate(
            self.number, batch + last, version, self.generation, [float(outcome.losses[last] * n)], int(outcome.hits[last]), n,
            dw, db, outcome.failed, max(0.0, seconds),
        )  # fmt: skip

    def local(self, parameters, optimizer, epoch):
        """One epoch of this worker alone, from these parameters and this optimizer state (both are copied)."""
        job = self.job
        self.load(Snapshot(0, None, parameters))
        if self.run is None:
            samples = None if len(self.shard) == len(self.targets) else self.shard
            self.run = EpochRunner(
                self.model, job.loss, job.optimizer, job.local_rules, self.X, self.targets, batch_size=job.batch_size, threads=1,
                samples=samples, pace=MAX_PACE,
            )  # fmt: skip
        state = TrainingState([s.copy() for s in optimizer], self.seeds, epoch)
        for record in self.run.epoch(state):  # noqa: B007 (the last one is the epoch's)
            if self.stopped:
                raise CancelledError("the training is over")
        return LocalEpoch(self.number, epoch, self.model.snapshot(), state.optimizer, record)


def together(pushes, dw, db):
    """Pushes of one snapshot as one, with these gradients: sums of losses, hits, samples and seconds."""
    first = pushes[0]
    return GradientUpdate(
        first.number, first.round, first.version, first.generation, [loss for push in pushes for loss in push.losses],
        sum(push.hits for push in pushes), sum(push.n_samples for push in pushes), dw, db, any(push.failed for push in pushes),
        sum(push.seconds for push in pushes),
    )  # fmt: skip


def added(total, push):
    """Two pushes of one worker as one, their gradients added; nothing but the failure where there is one."""
    if push.failed:
        return push
    dw, db = ([a + b for a, b in zip(getattr(total, name), getattr(push, name), strict=True)] for name in ("dw", "db"))
    return together([total, push], dw, db)


def averaged(pushes):
    """Pushes of all workers as one, with the mean of their gradients; that of one push is its own."""
    if len(pushes) == 1 or any(push.failed for push in pushes):
        return together(pushes, pushes[0].dw, pushes[0].db)
    mean = lambda arrays: sum(arrays[1:], arrays[0].copy()) / arrays[0].dtype.type(len(arrays))
    dw, db = ([mean(arrays) for arrays in zip(*(getattr(p, name) for p in pushes), strict=True)] for name in ("dw", "db"))
    return together(pushes, dw, db)
