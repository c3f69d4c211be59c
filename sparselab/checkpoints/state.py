"""Where a training stands, beside the model: everything else that a checkpoint needs for an exact continuation.

No random generator is among it: every random number is a function of (seed, purpose, epoch) and can be drawn again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.base import ENGINE_PHASES
from ..kernels.rng import U64
from ..nn import optimizers
from ..nn.optimizers import LayerState
from ..utils import checks
from ..utils.seeds import child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..nn.mlp import SparseMLP
    from ..nn.optimizers import Optimizer

BATCHES, DROPOUT, EVOLUTION = 1, 2, 3  # spawn keys below the run's seed; key 0 draws the model's first values


@dataclass
class EpochTotals:
    """Sums over the mini-batches of an epoch so far.

    Losses are kept one by one, so that their sum does not depend on how many mini-batches `pace` puts into one record.
    epoch_of: (samples, batch size) of the epoch; None where it is not known.
    """

    changes: list[tuple[int, int]] = field(default_factory=list)  # (pruned, grown) of each layer
    losses: list[float] = field(default_factory=list)
    hits: int = 0
    n_samples: int = 0
    learning_rate: float | None = None
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("all", "evolve", *ENGINE_PHASES), 0.0))
    neurons_pruned: list[int] = field(default_factory=list)  # of each hidden layer
    epoch_of: tuple[int, int] | None = None

    @classmethod
    def of(cls, changes, epoch_of=None):
        """At the beginning of an epoch, with what the rules have changed before it."""
        return cls(changes.links, neurons_pruned=changes.neurons_pruned, epoch_of=epoch_of)

    def add_changes(self, changes):
        """Add what an event within the epoch has changed."""
        self.changes = [(a + c, b + d) for (a, b), (c, d) in zip(self.changes, changes.links, strict=True)]
        self.neurons_pruned = [a + b for a, b in zip(self.neurons_pruned, changes.neurons_pruned, strict=True)]

    def add(self, outcome, rates):
        """Add the mini-batches that an engine has applied; rates: the learning rate of each."""
        done = slice(outcome.done)
        self.losses += list(outcome.losses[done] * outcome.sizes[done])
        self.hits += int(outcome.hits[done].sum())
        self.n_samples += int(outcome.sizes[done].sum())
        if outcome.done:
            self.learning_rate = rates[outcome.done - 1]
        for phase, spent in outcome.seconds.items():
            self.seconds[phase] += spent


@dataclass
class TrainingState:
    """Where a training stands, beside the model.

    `steps` and `train` change a state that is given to them in place; given again with the same model, it continues the run.

    Parameters
    ----------
    optimizer : list of LayerState
        What the optimizer stores for each layer.
    seeds : numpy.random.SeedSequence
        The seed of the run.
    epoch : int, default 0
        Finished epochs.
    batch : int, default 0
        Finished mini-batches of the current epoch.
    totals : EpochTotals
        Sums over them.
    evolved : bool, default False
        Whether the current epoch has begun: the rules that are called before it have been applied.
    event : int, default 0
        The mini-batch of the current epoch before which rules were called last.
    memory : list of dict, default empty
        What each rule remembers, see `Evidence.memory`; empty where none does.
    optimizer_kind : str, default ""
        Name of the class of the optimizer whose state it is; "" where it is not known.

    Examples
    --------
    >>> import sparselab as sl
    >>> model, data = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0), ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8)
    >>> state = sl.TrainingState.start(model, sl.MomentumSGD(), seed=0)
    >>> _ = list(sl.train(model, data, epochs=2, state=state))
    >>> [record.epoch for record in sl.train(model, data, epochs=2, state=state)]
    [3, 4]
    """

    optimizer: list[LayerState]
    seeds: np.random.SeedSequence
    epoch: int = 0
    batch: int = 0
    totals: EpochTotals = field(default_factory=EpochTotals)
    evolved: bool = False
    event: int = 0
    memory: list[dict[str, Any]] = field(default_factory=list)
    optimizer_kind: str = ""

    @classmethod
    def start(
        cls, model: SparseMLP, optimizer: Optimizer, seed: int | np.random.SeedSequence | np.random.Generator | None = None
    ) -> TrainingState:
        """Make the state of a training that has not begun.

        Parameters
        ----------
        model : SparseMLP
            The net to be trained.
        optimizer : object
            An optimizer, such as `MomentumSGD`.
        seed : int, SeedSequence or Generator, optional
            The seed of the run; by default a new one from the operating system.

        Returns
        -------
        TrainingState
            The state, in epoch 0.
        """
        found = optimizers.start(optimizer, model)
        return cls(found, checks.seed_sequence("seed", seed), optimizer_kind=type(optimizer).__qualname__)

    def stream(self, purpose: int, *batch: int) -> np.random.Generator:
        """Make the random generator of the current epoch for one purpose.

        Parameters
        ----------
        purpose : int
            BATCHES, DROPOUT or EVOLUTION of `sparselab.checkpoints.state`.
        *batch : int
            A mini-batch of the epoch, for what is drawn at it.

        Returns
        -------
        numpy.random.Generator
            A new generator at its beginning: the same numbers at every call, so that resuming is exact.
        """
        return np.random.default_rng(child(self.seeds, purpose, self.epoch, *batch))

    def memories(self, rules: Sequence[Any]) -> list[dict[str, Any]]:
        """Copy what each rule remembers.

        Parameters
        ----------
        rules : sequence of callable
            The rules of the training, which may be others than before.

        Returns
        -------
        list of dict
            A memory for each rule.
        """
        kept = copy.deepcopy(self.memory[: len(rules)])
        return kept + [{} for _ in rules[len(kept) :]]

    @property
    def dropout_key(self) -> np.uint64:
        """Key of the current epoch's dropout masks."""
        return U64(child(self.seeds, DROPOUT, self.epoch).generate_state(1, np.uint64)[0])

    @property
    def position(self) -> tuple[int, int, bool, int]:
        """(epoch, batch, evolved, event); two states of one run with the same position are equal."""
        return self.epoch, self.batch, self.evolved, self.event
