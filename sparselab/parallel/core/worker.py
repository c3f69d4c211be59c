"""What a worker computes: the gradient of a mini-batch, or an epoch on its own. Both are functions of what it is given.

So a task that is lost with its worker is simply done again: the same (worker, round) gives the same answer.
"""

from concurrent.futures import CancelledError
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...checkpoints.state import TrainingState
from ...engines import select
from ...engines.augmented import rows_of
from ...engines.base import Outcome
from ...engines.fused import FusedEngine
from ...nn.mlp import Parameters, SparseMLP
from ...nn.optimizers import LayerState
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
    augmentation: object = None
    epochs: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """A net as a worker gets it from the server.

    Parameters
    ----------
    version : int
        Updates of the server before it.
    generation : int or None
        Evolutions of the topology before it; within one the links stay the same. None: unknown.
    parameters : Parameters
        Links, weights, biases and neurons.
    lent : bool, default False
        Whether the worker may compute with these very arrays, which belong to it until it answers. Else it copies them.
    steps : int, default 1
        Mini-batches whose gradients the worker adds to one.
    rates : ndarray of shape (steps,), optional
        Learning rates of the steps, which a team of workers takes by itself then. Default: it is no team.
    optimizer : list of LayerState, optional
        The state of the optimizer, for a team. Default: it goes on with its own, from the round before.
    state_wanted : bool, default False
        Whether a team sends the state of its optimizer.
    kept : bool, default False
        Whether the worker keeps its gradient, which the backend will ask for in the sum of all.
    warm_up : bool, default False
        Whether what the worker computes will be discarded.

    Examples
    --------
    >>> import sparselab as sl
    >>> server = sl.ParameterServer(sl.SparseMLP.create((4, 8, 2), density=0.5, seed=0))
    >>> isinstance(server.pull(), sl.parallel.Snapshot)
    True
    """

    version: int
    generation: int
    parameters: Parameters
    lent: bool = False
    steps: int = 1
    rates: NDArray[np.float64] | None = None
    optimizer: list[LayerState] | None = None
    state_wanted: bool = False
    kept: bool = False
    warm_up: bool = False


@dataclass
class GradientUpdate:
    """The gradient of one round: Σ loss and hits over its samples, dw and db of each layer, and what it was computed with.

    failed: something was not finite, and there is no gradient. seconds: of the computation, summed over workers. optimizer: its
    state after the steps of a team, where it was wanted; dw and db of a team are what its steps have changed. dw and db are None
    where the worker keeps them.
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
    optimizer: list | None = None

    def owned(self):
        """The same with gradients of its own, which the engine does not write over."""
        return replace(self, dw=[a.copy() for a in self.dw], db=[a.copy() for a in self.db])


@dataclass
class LocalEpoch:
    """What a worker's own epoch led to: parameters, optimizer state, its record, and what the rules remember."""

    number: int
    epoch: int
    parameters: Parameters
    optimizer: list
    record: object
    memory: list


class WorkerNet:
    """A worker's copy of the net, and the engine that computes with it. Workers that never compute at once may share one."""

    def __init__(self):
        self.model = self.engine = self.generation = None

    def load(self, snapshot, spec, batch_size):
        """Copy the server's parameters, unless their arrays belong to the worker."""
        parameters = snapshot.parameters
        if self.model is None or snapshot.generation is None or snapshot.generation != self.generation:
            layers = parameters.layers(copy=not snapshot.lent)
            if self.model is None:
                self.model = SparseMLP(layers, spec.activation, dropout=spec.dropout, initializer=spec.initializer)
                self.engine = select.create(self.model, spec.loss, spec.optimizer, batch_size, 1)
            self.model.take_over(layers, "snapshot", parameters.neurons)
        elif not snapshot.lent:
            for layer, w, b in zip(self.model.layers, parameters.weights, parameters.biases, strict=True):
                np.copyto(layer.w, w)
                np.copyto(layer.b, b)
        self.generation = snapshot.generation


class Worker:
    """One worker: its shard, its net, its engine. It computes, and decides nothing.

    net_of: function of the batch size that gives a WorkerNet; default a new one.
    """

    def __init__(self, spec, number, X, targets, net_of=lambda batch_size: WorkerNet()):
        self.spec, self.number, self.X, self.targets = spec, number, X, targets
        self.rows = rows_of(X, spec.augmentation)
        self.shard = shard_of(spec.seeds, len(targets), number, spec.n_workers)
        self.seeds = worker_seeds(spec.seeds, number, spec.n_workers)
        self.batches = Batches(self.seeds, len(self.shard), min(spec.batch_size, len(self.shard)))
        self.net = net_of(self.batches.batch_size)
        self.version, self.steps, self.epoch, self.order, self.key = None, 1, None, None, None
        self.client, self.runner, self.stopped, self.state = None, None, False, None

    def connect(self, client):
        """From now on gradients are pushed with this CompiledClient where that is possible (None: never)."""
        self.client = client

    def stop(self):
        """End an epoch of its own at once; any thread may call it."""
        self.stopped = True

    def release(self):
        """Let go what only epochs of its own need."""
        self.runner = None

    def load(self, snapshot):
        """Take the server's parameters."""
        self.net.load(snapshot, self.spec, self.batches.batch_size)
        self.version, self.steps = snapshot.version, snapshot.steps
        if self.client is not None:
            self.client.loaded(snapshot.version)

    def leave_gradients_in(self, dw, db):
        """From now on gradients are left in these arrays, one a layer each, where the engine can."""
        if isinstance(self.net.engine, FusedEngine):
            self.net.engine.leave_gradients_in(dw, db)

    def gradient(self, round_):
        """The GradientUpdate of a round: the snapshot's `steps` mini-batches at its parameters, their gradients added."""
        steps = self.steps
        total = self._gradient(round_ * steps)
        for part in range(1, steps):
            if total.failed:
                break
            total = added(total, self._gradient(round_ * steps + part))
        return total if steps == 1 else replace(total, round=round_)

    def advance(self, snapshot, round_):
        """The GradientUpdate of a round in which the worker takes the snapshot's `steps` steps by itself: what they change."""
        self.load(snapshot)
        engine, size, per_epoch = self.net.engine, self.batches.batch_size, self.batches.per_epoch
        if snapshot.optimizer is not None:
            self.state = [one.copy() for one in snapshot.optimizer]
        batch, end, rates, outcomes = round_ * snapshot.steps, (round_ + 1) * snapshot.steps, snapshot.rates, []
        while batch < end and not (outcomes and outcomes[-1].failed):
            place = self._go_to(batch)
            n = min(end - batch, per_epoch - place)
            samples = self.order[place * size : (place + n) * size]
            outcomes.append(Outcome.of(len(samples), size))
            engine.run(
                outcomes[-1], self.rows, self.targets, samples, size, rates[:n], self.spec.optimizer, self.state, self.key, place
            )  # fmt: skip
            batch, rates = batch + n, rates[n:]
        losses, hits, sizes = (
            np.concatenate([getattr(one, name)[: one.done] for one in outcomes]) for name in ("losses", "hits", "sizes")
        )
        parameters, layers = snapshot.parameters, self.net.model.layers
        return GradientUpdate(
            self.number, round_, snapshot.version, snapshot.generation, (losses * sizes).tolist(), int(hits.sum()),
            int(sizes.sum()), [layer.w - old for layer, old in zip(layers, parameters.weights, strict=True)],
            [layer.b - old for layer, old in zip(layers, parameters.biases, strict=True)], outcomes[-1].failed,
            sum(sum(one.seconds.values()) for one in outcomes), self.state if snapshot.state_wanted else None,
        )  # fmt: skip

    def _go_to(self, batch):
        """The place of this mini-batch in its epoch, which is the one of `order` and `key` from now on."""
        epoch, place = self.batches.place(batch)
        if epoch != self.epoch:
            self.epoch, self.order, self.key = epoch, self.shard[self.batches.order(epoch)], self.batches.dropout_key(epoch)
        return place

    def _gradient(self, batch):
        place = self._go_to(batch)
        engine, size = self.net.engine, self.batches.batch_size
        client = self.client if isinstance(engine, FusedEngine) else None
        samples = self.order[place * size : (place + 1) * size if client is None else None]
        outcome = Outcome.of(len(samples), size)
        arguments = outcome, self.rows, self.targets, samples, self.key, place
        dw, db = engine.gradient(*arguments) if client is None else engine.gradient(*arguments, client)
        last = outcome.done - (not outcome.failed)
        version, waited = (self.version, 0.0) if client is None else (client.version, client.take_waited())
        n, seconds = int(outcome.sizes[last]), max(0.0, sum(outcome.seconds.values()) - waited)
        return GradientUpdate(
            self.number, batch + last, version, self.net.generation, [float(outcome.losses[last] * n)], int(outcome.hits[last]),
            n, dw, db, outcome.failed, seconds,
        )  # fmt: skip

    def local(self, parameters, kept, epoch):
        """One epoch of this worker alone, from these parameters and what it keeps: (optimizer state, memory of the rules).

        All of them are copied.
        """
        spec, (optimizer, memory) = self.spec, kept
        self.load(Snapshot(0, None, parameters))
        if self.runner is None:
            samples = None if len(self.shard) == len(self.targets) else self.shard
            self.runner = EpochRunner(
                self.net.model, spec.loss, spec.optimizer, spec.local_rules, self.X, self.targets, batch_size=spec.batch_size,
                threads=1, samples=samples, pace=MAX_PACE, augmentation=spec.augmentation, epochs=spec.epochs,
            )  # fmt: skip
        state = TrainingState([s.copy() for s in optimizer], self.seeds, epoch, memory=memory)
        for record in self.runner.epoch(state):  # noqa: B007 (the last one is the epoch's)
            if self.stopped:
                raise CancelledError("the training is over")
        return LocalEpoch(self.number, epoch, self.net.model.snapshot(), state.optimizer, record, state.memory)


def merged(updates, dw, db):
    """Updates of one snapshot as one, with these gradients: sums of losses, hits, samples and seconds."""
    first, total = updates[0], lambda name: sum(getattr(one, name) for one in updates)
    return replace(
        first, losses=[loss for one in updates for loss in one.losses], hits=total("hits"), n_samples=total("n_samples"),
        dw=dw, db=db, failed=any(one.failed for one in updates), seconds=total("seconds"),
    )  # fmt: skip


def added(total, update):
    """Two updates of one worker as one, their gradients added; nothing but the failure where there is one."""
    if update.failed:
        return update
    dw, db = ([a + b for a, b in zip(getattr(total, name), getattr(update, name), strict=True)] for name in ("dw", "db"))
    return merged([total, update], dw, db)


def averaged(updates):
    """Updates of all workers as one, with the mean of their gradients; that of one update is its own, and of kept ones there is
    none."""
    if len(updates) == 1 or updates[0].dw is None or any(one.failed for one in updates):
        return merged(updates, updates[0].dw, updates[0].db)
    mean = lambda arrays: summed(arrays) / arrays[0].dtype.type(len(arrays))
    dw, db = ([mean(arrays) for arrays in zip(*(getattr(one, name) for one in updates), strict=True)] for name in ("dw", "db"))
    return merged(updates, dw, db)


def partners(number, n):
    """The workers whose sums worker `number` of n adds to its gradient, one after the other, where all are summed by pairs.

    Worker 0 adds 1, 2, 4, …: it has the sum of all at last. In kernels.updating this order is `sum_pairs`.
    """
    steps = (2**k for k in range(max(1, n).bit_length()))
    return [number + step for step in steps if number % (2 * step) == 0 and number + step < n]


def summed(arrays):
    """The sum of arrays by pairs."""
    parts = [*arrays]
    for number in reversed(range(len(parts))):  # those that a worker adds have larger numbers
        for partner in partners(number, len(parts)):
            parts[number] = parts[number] + parts[partner]
    return parts[0]
