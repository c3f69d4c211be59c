"""How different two topologies are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..nn.mlp import SparseMLP, check_no_estimator
from ..topology.rewiring import between
from ..topology.topology import Topology
from ..utils import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..nn.linear import SparseLinear


def topology_distance(
    a: Topology | SparseLinear | SparseMLP, b: Topology | SparseLinear | SparseMLP
) -> float | NDArray[np.float64]:  # fmt: skip
    """Compute the Jaccard distance 1 − |a ∩ b| / |a ∪ b| of two sets of links.

    It is a metric; time and memory are O(links).

    Parameters
    ----------
    a, b : Topology, SparseLinear or SparseMLP
        Two topologies or layers of one shape, or two nets of the same original widths, whose links are compared at their places
        in the original net.

    Returns
    -------
    float or ndarray of shape (layers,)
        In [0, 1]: 0 for the same links (or two layers without any), 1 for none in common; for nets a distance for each layer.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    References
    ----------
    M. Levandowsky, D. Winter, "Distance between sets", Nature, 1971.

    Examples
    --------
    >>> import sparselab as sl
    >>> a = sl.erdos_renyi(10, 10, density=0.2, seed=0)
    >>> sl.analysis.topology_distance(a, a)
    0.0
    """
    if isinstance(a, SparseMLP) and isinstance(b, SparseMLP):
        if a.neurons.sizes != b.neurons.sizes:
            checks.fail("b", b.neurons.sizes, f"a net of the original widths of a, {a.neurons.sizes}")
        return np.array([_distance(*pair) for pair in zip(a.original_topologies, b.original_topologies, strict=True)])
    first, second = _topology("a", a), _topology("b", b)
    if first.shape != second.shape:
        checks.fail("b", second.shape, f"a topology of the shape of a, {first.shape}")
    return _distance(first, second)


def _topology(name, value):
    """The topology of a layer, or the value itself; TypeError for anything else."""
    topology = getattr(value, "topology", value)
    if not isinstance(topology, Topology):
        check_no_estimator(value, name)
        checks.fail(name, value, "a Topology or a SparseLinear (or both a and b SparseMLP)", TypeError)
    return topology


def _distance(a, b):
    common = int(np.count_nonzero(between(a, b).origin >= 0))
    union = a.nnz + b.nnz - common
    return 1 - common / union if union else 0.0
