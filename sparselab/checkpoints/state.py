"""Where a training stands beside the model: what a checkpoint has to hold so that going on is exact.

No generator's state is in here: every random number is a function of (seed, purpose, epoch), asked for anew.
"""

from dataclasses import dataclass, field

import numpy as np

from ..engines.base import ENGINE_PHASES
from ..kernels.rng import U64
from ..utils import checks
from ..utils.seeds import child

BATCHES, DROPOUT, EVOLUTION = 1, 2, 3  # spawn keys below the run's seed; the model's first values are key 0


@dataclass
class EpochTotals:
    """Sums over an epoch's mini-batches so far, kept one by one: they do not depend on how `pace` bunched them."""

    changes: list = field(default_factory=list)  # (pruned, grown) of each layer
    losses: list = field(default_factory=list)
    hits: int = 0
    n_samples: int = 0
    learning_rate: float | None = None
    seconds: dict = field(default_factory=lambda: dict.fromkeys(("all", "evolve", *ENGINE_PHASES), 0.0))
    neurons_pruned: list = field(default_factory=list)  # of each hidden layer

    def add(self, outcome, rates):
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
    """Where a run stands, beside the model: optimizer state, the run's seed, finished epochs, batches of the current one.

    evolved: whether the rules of the current epoch have been applied already.
    """

    optimizer: list
    seeds: np.random.SeedSequence
    epoch: int = 0
    batch: int = 0
    totals: EpochTotals = field(default_factory=EpochTotals)
    evolved: bool = False

    @classmethod
    def start(cls, model, optimizer, seed=None):
        return cls(optimizer.init(model), checks.seed_sequence("seed", seed))

    def stream(self, purpose):
        """The random generator of this epoch for one purpose: the same whenever asked, so resuming is exact."""
        return np.random.default_rng(child(self.seeds, purpose, self.epoch))

    @property
    def dropout_key(self):
        return U64(child(self.seeds, DROPOUT, self.epoch).generate_state(1, np.uint64)[0])

    @property
    def position(self):
        """What changes with every step of a run: equal positions of one run are equal states."""
        return self.epoch, self.batch, self.evolved
