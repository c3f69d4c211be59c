"""Prune a share of the links, grow as many elsewhere: the shape of SET and of most rules after it."""

from dataclasses import dataclass

import numpy as np

from .. import checks
from ..rewiring import rewire
from .criteria import magnitude_within_sign


@dataclass(frozen=True)
class PruneRegrow:
    """On every layer but the output one: the criterion says which links go, as many are grown at free positions, uniformly.

    zeta: share replaced, in [0, 1], or a function epoch -> share. criterion: see criteria.py.
    """

    zeta: object = 0.3
    criterion: object = magnitude_within_sign

    def __post_init__(self):
        if not callable(self.zeta):
            checks.fraction("zeta", self.zeta)
        if not callable(self.criterion):
            checks.fail("criterion", self.criterion, "a function (layer, state, evidence, rng, zeta) -> keep", TypeError)

    def __call__(self, epoch, model, state, evidence, rng):
        """A Rewiring for each layer; None for the output layer, for dense ones (nowhere to grow) and where zeta is 0."""
        zeta = checks.fraction("zeta", self.zeta(epoch) if callable(self.zeta) else self.zeta)
        if zeta == 0:
            return [None] * len(model.layers)
        hidden = [
            self._rewire(layer, state[index] if state else None, evidence, rng, zeta)
            for index, layer in enumerate(model.layers[:-1])
        ]
        return [*hidden, None]

    def _rewire(self, layer, state, evidence, rng, zeta):
        if layer.topology.density == 1:
            return None
        keep = np.asarray(self.criterion(layer, state, evidence, rng, zeta))
        return rewire(layer.topology, keep, layer.topology.nnz - int(np.count_nonzero(keep)), rng=rng)


@dataclass(frozen=True)
class SET(PruneRegrow):
    """Sparse evolutionary training (Mocanu et al. 2018): PruneRegrow with SET's criterion, magnitude within each sign."""
