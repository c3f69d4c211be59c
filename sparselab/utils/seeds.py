"""Seed sequences: every random stream is a child at a fixed place below the seed of the net or the run."""

import numpy as np


def child(seeds, *keys):
    """The SeedSequence that stands at `keys` below `seeds`: the same for the same keys, however often asked."""
    return np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, *keys), pool_size=seeds.pool_size)
