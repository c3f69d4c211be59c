"""How far apart two topologies are."""

import numpy as np

from ..nn.mlp import SparseMLP
from ..topology.rewiring import between
from ..topology.topology import Topology
from ..utils import checks


def topology_distance(a, b):
    """Jaccard distance 1 − |a ∩ b| / |a ∪ b| of two sets of links, in [0, 1]: 0 for the same links, 1 for none in common.

    a, b: two Topology (or SparseLinear) of one shape, which gives a float; or two SparseMLP of the same original widths, which
    gives a (layers,) array, links taken at their places in the original net. Two layers without a link are the same. A metric
    (Levandowsky & Winter 1971). Time and memory O(links). Raises TypeError or ValueError naming the argument.
    """
    if isinstance(a, SparseMLP) and isinstance(b, SparseMLP):
        if a.neurons.sizes != b.neurons.sizes:
            checks.fail("b", b.neurons.sizes, f"a net of the original widths of a, {a.neurons.sizes}")
        return np.array([_distance(*pair) for pair in zip(a.original_topologies, b.original_topologies, strict=True)])
    a, b = (_topology(name, value) for name, value in (("a", a), ("b", b)))
    if a.shape != b.shape:
        checks.fail("b", b.shape, f"a topology of the shape of a, {a.shape}")
    return _distance(a, b)


def _topology(name, value):
    topology = getattr(value, "topology", value)
    if not isinstance(topology, Topology):
        checks.fail(name, value, "a Topology or a SparseLinear (or both a and b SparseMLP)", TypeError)
    return topology


def _distance(a, b):
    common = int(np.count_nonzero(between(a, b).origin >= 0))
    union = a.nnz + b.nnz - common
    return 1 - common / union if union else 0.0
