"""The samples of each worker and their order: a function of (seed, workers, epoch), so that every task can be done again.

One worker has all samples in the order of sequential training: so parallel training with one worker is sequential training.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...checkpoints.state import BATCHES, DROPOUT
from ...kernels.rng import U64
from ...utils.seeds import child

SHARDS, WORKER = 4, 5  # spawn keys below the run's seed, beside those in state.py


def shard_of(seeds, n_samples, number, n_workers):
    """(n,) samples of worker `number`: equal parts of one random order, up to one sample; all of them for a single worker."""
    if n_workers == 1:
        return np.arange(n_samples)
    order = np.random.default_rng(child(seeds, SHARDS)).permutation(n_samples)
    return np.sort(order[n_samples * number // n_workers : n_samples * (number + 1) // n_workers])


def worker_seeds(seeds, number, n_workers):
    """The SeedSequence of a worker: the run's own for a single worker."""
    return seeds if n_workers == 1 else child(seeds, WORKER, number)


@dataclass(frozen=True)
class Batches:
    """The mini-batches of a worker with `n_samples` samples, epoch by epoch; round r is the r-th of them."""

    seeds: np.random.SeedSequence
    n_samples: int
    batch_size: int

    @cached_property
    def per_epoch(self):
        """Mini-batches of an epoch, the last one maybe partial."""
        return -(-self.n_samples // self.batch_size)

    def order(self, epoch):
        """(n_samples,) the samples of the shard in the order of an epoch."""
        return np.random.default_rng(child(self.seeds, BATCHES, epoch)).permutation(self.n_samples)

    def dropout_key(self, epoch):
        """The key of an epoch's dropout."""
        return U64(child(self.seeds, DROPOUT, epoch).generate_state(1, np.uint64)[0])

    def place(self, round_):
        """(epoch, batch within it) of a round."""
        return divmod(round_, self.per_epoch)
