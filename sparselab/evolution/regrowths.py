"""Regrowth rules: functions that decide where new links grow.

A regrowth is a function (layer, topology, n_new, evidence, rng) that returns rows and columns of n_new free positions. `layer` is
the SparseLinear before pruning, `topology` what pruning has left of its links, `evidence` an Evidence and `rng` a Generator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..nn.linear import SparseLinear
from ..topology.rewiring import Rewiring, regrow_rows, rewire
from ..topology.topology import Topology
from ..utils import checks
from ..utils.largest import Largest
from .evidence import Evidence

Regrowth: TypeAlias = Callable[
    [SparseLinear, Topology, int, Evidence, np.random.Generator], tuple[NDArray[np.integer], NDArray[np.integer]]
]


def places(rewiring: Rewiring) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the positions of the links that a Rewiring has grown.

    Parameters
    ----------
    rewiring : Rewiring
        A change of topology.

    Returns
    -------
    rows : ndarray of int
        Outputs of these links.
    columns : ndarray of int
        Their inputs.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> topology = sl.Topology.from_links(1, 2, rows=[0], columns=[1])
    >>> rows, columns = sl.regrowths.places(sl.rewire(topology, np.ones(1, bool), 1, rng=np.random.default_rng(0)))
    >>> rows.tolist(), columns.tolist()
    ([0], [0])
    """
    new = rewiring.grown
    return np.searchsorted(rewiring.topology.indptr, new, side="right") - 1, rewiring.topology.indices[new]


def uniform(
    layer: SparseLinear, topology: Topology, n_new: int, evidence: Evidence | None, rng: np.random.Generator
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Grow links at free positions drawn uniformly, as SET does.

    Parameters
    ----------
    layer : SparseLinear
        The layer before pruning; not used.
    topology : Topology
        The links that pruning has left.
    n_new : int
        Number of new links.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    rows : ndarray of int
        Outputs of the new links, (n_new,).
    columns : ndarray of int
        Their inputs, (n_new,).

    References
    ----------
    Mocanu et al. (2018), "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
    network science", Nature Communications 9.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((10, 20, 2), density=0.5, exact=True, seed=0)
    >>> layer = model.layers[0]
    >>> pruned = sl.rewire(layer.topology, np.arange(100) >= 30).topology
    >>> rows, columns = sl.regrowths.uniform(layer, pruned, 30, None, np.random.default_rng(0))
    >>> len(rows), len(columns)
    (30, 30)
    """
    return places(rewire(topology, np.ones(topology.nnz, bool), n_new, rng=rng))


def keep_fan_in(
    layer: SparseLinear, topology: Topology, n_new: int, evidence: Evidence | None, rng: np.random.Generator
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Grow as many incoming links as each neuron has lost, at free positions drawn uniformly, so that fan-in never changes.

    Parameters
    ----------
    layer : SparseLinear
        The layer before pruning, which gives the fan-in.
    topology : Topology
        The links that pruning has left.
    n_new : int
        Number of new links.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    rows : ndarray of int
        Outputs of the new links, (n_new,).
    columns : ndarray of int
        Their inputs, (n_new,).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((10, 20, 2), density=0.5, exact=True, seed=0)
    >>> layer = model.layers[0]
    >>> pruned = sl.rewire(layer.topology, np.arange(100) >= 30).topology
    >>> rows, columns = sl.regrowths.keep_fan_in(layer, pruned, 30, None, np.random.default_rng(0))
    >>> len(rows), len(columns)
    (30, 30)
    """
    return places(regrow_rows(topology, layer.topology.fan_in - topology.fan_in, rng))


@dataclass(frozen=True)
class SampledGradient:
    """Grow links at those of some randomly drawn positions that have the largest |gradient| for a batch.

    RigL ranks all free positions, which needs a dense gradient. Here only a sample is ranked, as in GSE. Time and memory are
    O(candidates · links).

    Parameters
    ----------
    candidates : int, default 10
        Number of free positions that are drawn for each new link, >= 1.

    Raises
    ------
    TypeError, ValueError
        If `candidates` is not such a number.

    References
    ----------
    Evci et al. (2020), "Rigging the Lottery: Making All Tickets Winners", arXiv 1911.11134 (RigL).
    Heddes et al. (2024), "Always-Sparse Training by Growing Connections with Guided Stochastic Exploration", arXiv
    2401.06898 (GSE).

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SET(0.3, regrowth=sl.regrowths.SampledGradient(candidates=20)).regrowth.candidates
    20
    """

    candidates: int = 10

    def __post_init__(self) -> None:
        checks.integer("candidates", self.candidates)

    def __call__(
        self, layer: SparseLinear, topology: Topology, n_new: int, evidence: Evidence, rng: np.random.Generator
    ) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the rows and columns of the new links; the arguments are those of `uniform`."""
        free = topology.n_out * topology.n_in - topology.nnz
        rows, columns = uniform(layer, topology, min(self.candidates * n_new, free), evidence, rng)
        size = np.abs(evidence.of(layer).gradient_at(rows, columns))
        best = np.sort(np.argsort(-size, kind="stable")[:n_new])
        return rows[best], columns[best]


gradient = SampledGradient()


@dataclass(frozen=True)
class ExactGradient:
    """Grow links at those of all free positions that have the largest |gradient| for a batch, as RigL does.

    All positions are ranked, in blocks of rows: 2 n_in n_out operations for each sample of the batch, but never an array of that
    size: memory is O(links + `block`). `SampledGradient` costs as much as the links.

    Parameters
    ----------
    block : int, default 4,194,304
        Number of gradients that are computed at a time, or those of one row, >= 1.

    Raises
    ------
    TypeError, ValueError
        If `block` is not such a number.

    References
    ----------
    Evci et al. (2020), "Rigging the Lottery: Making All Tickets Winners", arXiv 1911.11134, algorithm 1.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SET(0.3, regrowth=sl.regrowths.ExactGradient()).regrowth.block
    4194304
    """

    block: int = 2**22

    def __post_init__(self) -> None:
        checks.integer("block", self.block)

    def __call__(
        self, layer: SparseLinear, topology: Topology, n_new: int, evidence: Evidence, rng: np.random.Generator
    ) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the rows and columns of the new links; the arguments are those of `uniform`. Among equals the first ones."""
        flow, n_in, best = evidence.of(layer), topology.n_in, Largest(n_new)
        n_rows = max(1, self.block // n_in)
        for begin in range(0, topology.n_out, n_rows):
            size = np.abs(flow.dZ[begin : begin + n_rows] @ flow.X.T)
            links = topology.indptr[begin : begin + n_rows + 1]
            taken = np.repeat(np.arange(len(size)), np.diff(links)), topology.indices[links[0] : links[-1]]
            size[taken] = -1
            best.offer(size.ravel(), begin * n_in)
        return np.divmod(np.sort(best.places), n_in)


NAMES: dict[str, Regrowth] = {
    "uniform": uniform, "keep_fan_in": keep_fan_in, "gradient": gradient, "exact_gradient": ExactGradient(),
}  # fmt: skip
