"""Where new links come: a regrowth is a function (layer, topology, n_new, evidence, rng) -> (rows, columns) of n_new free places.

layer: the SparseLinear before pruning; topology: what pruning left of its links; evidence: an Evidence; rng: a Generator.
"""

from dataclasses import dataclass

import numpy as np

from ..topology.rewiring import regrow_rows, rewire
from ..utils import checks


def places(rewiring):
    """(rows, columns) of the links that a Rewiring has grown."""
    new = rewiring.grown
    return np.searchsorted(rewiring.topology.indptr, new, side="right") - 1, rewiring.topology.indices[new]


def uniform(layer, topology, n_new, evidence, rng):
    """At free positions drawn uniformly, as in SET (Mocanu et al. 2018)."""
    return places(rewire(topology, np.ones(topology.nnz, bool), n_new, rng=rng))


def keep_fan_in(layer, topology, n_new, evidence, rng):
    """Each neuron gets back as many incoming links as it lost, at free positions drawn uniformly: fan-in never changes."""
    return places(regrow_rows(topology, layer.topology.fan_in - topology.fan_in, rng))


@dataclass(frozen=True)
class SampledGradient:
    """Of `candidates` free positions a new link, drawn uniformly, those with the largest |gradient| of a batch.

    RigL (Evci et al. 2020) looks at all free positions, which takes a dense gradient; here only samples are looked at, as in
    Heddes et al. 2024 (GSE). Time and memory O(candidates · links).
    """

    candidates: int = 10

    def __post_init__(self):
        checks.integer("candidates", self.candidates)

    def __call__(self, layer, topology, n_new, evidence, rng):
        free = topology.n_out * topology.n_in - topology.nnz
        rows, columns = uniform(layer, topology, min(self.candidates * n_new, free), evidence, rng)
        size = np.abs(evidence.of(layer).gradient_at(rows, columns))
        best = np.sort(np.argsort(-size, kind="stable")[:n_new])
        return rows[best], columns[best]


gradient = SampledGradient()

NAMES = {"uniform": uniform, "keep_fan_in": keep_fan_in, "gradient": gradient}
