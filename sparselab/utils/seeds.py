"""Seed sequences: every random stream is a child of the seed of the network or run, at a fixed position."""

import numpy as np


def child(seeds, *keys):
    """Return the child of `seeds` at position `keys`; unlike `seeds.spawn`, every call gives the same child."""
    return np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, *keys), pool_size=seeds.pool_size)
