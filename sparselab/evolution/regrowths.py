"""Regrowth rules: functions that decide where new links grow.

A regrowth is a function (layer, topology, n_new, evidence, rng) that returns rows and columns of n_new free positions. `layer` is
the SparseLinear before pruning, `topology` what pruning has left of its links, `evidence` an Evidence and `rng` a Generator.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..nn.linear import SparseLinear
from ..topology import link_scores
from ..topology.rewiring import Rewiring, free_places, grow, regrow_rows, rewire
from ..topology.topology import Topology
from ..utils import checks
from ..utils.largest import Largest
from ..utils.parallel_for import in_parts
from .drawing import perturbed
from .evidence import Evidence, given

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

    RigL ranks all free positions, which needs a dense gradient. Here only a sample is ranked, as in GSE. Time is
    O(candidates · links · batch), memory O(links): candidates are drawn and ranked in blocks of rows.

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
        flow, best = given(evidence).of(layer), Largest(n_new)
        for rows, columns in free_places(topology, min(self.candidates * n_new, free), rng):
            best.offer(np.abs(flow.gradient_at(rows, columns)), rows * topology.n_in + columns)
        return np.divmod(np.sort(best.places()), topology.n_in)


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
        flow, n_in, best = given(evidence).of(layer), topology.n_in, Largest(n_new)
        n_rows = max(1, self.block // n_in)
        for begin in range(0, topology.n_out, n_rows):
            size = np.abs(flow.dZ[begin : begin + n_rows] @ flow.X.T)
            links = topology.indptr[begin : begin + n_rows + 1]
            taken = np.repeat(np.arange(len(size)), np.diff(links)), topology.indices[links[0] : links[-1]]
            size[taken] = -np.inf
            best.offer(size.ravel(), begin * n_in)
        return np.divmod(np.sort(best.places()), n_in)


@dataclass(frozen=True)
class CannistraciHebb:
    """Grow links at the free positions that the links around them suggest, scored by the walks of three links between both ends.

    Take a free position (u, v), and a walk of three links from output u to input v through z1, an input of u, and z2, an output
    of v. Of the links of z1 and z2, i lead to neighbours of the other end, and e elsewhere. Positions score high that are on
    many walks through neurons with few links elsewhere. No data are needed.

    Time is O(walks), of which neurons with many links make many: about links · fan-in · fan-out. For "L3n" it is at most
    O(links · neurons). Memory is O(links + neurons).

    Parameters
    ----------
    score : {"CH3-L3p", "CH2-L3p", "CH2-L3n", "CH3-L3n"}, default "CH3-L3p"
        "L3p": Σ √(x(z1) x(z2)) over the walks; "L3n": Σ x over the neurons z1 and z2 on walks, each once.
        "CH2": x = (1 + i) / (1 + e); "CH3": x = 1 / (1 + e).
    soft : bool or float, default False
        False: the best positions, among equals the first ones. True: positions are drawn, with probability ∝ score; a number
        T > 0: ∝ score^T. Where fewer positions than links have a positive score, these all grow, and the others uniformly.
    most_operations : float, default 1e10
        Number of operations, of some nanoseconds each, above which a layer is refused instead of taking minutes, > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these. When it is used: if a layer takes more operations.

    References
    ----------
    Zhang et al. (2024), "Epitopological learning and Cannistraci-Hebb network shape intelligence brain-inspired theory for
    ultra-sparse advantage in deep learning", ICLR (CHT).
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107 (CHTs).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> topology = sl.Topology.from_links(2, 3, rows=[0, 0, 1], columns=[0, 1, 1])
    >>> sl.regrowths.CannistraciHebb()(None, topology, 1, None, np.random.default_rng(0))
    (array([1]), array([0]))
    """

    score: str = "CH3-L3p"
    soft: bool | float = False
    most_operations: float = 1e10

    def __post_init__(self) -> None:
        checks.choice("score", self.score, link_scores.KINDS)
        if not isinstance(self.soft, bool):
            checks.number("soft", self.soft, "True, False or a number > 0", low=0, open_low=True)
        checks.positive("most_operations", self.most_operations)

    def __call__(
        self, layer: SparseLinear, topology: Topology, n_new: int, evidence: Evidence | None, rng: np.random.Generator
    ) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the rows and columns of the new links; the arguments are those of `uniform`."""
        places = self._chosen(topology, n_new, rng)
        rows, columns = np.divmod(np.sort(places), topology.n_in)
        if len(places) == n_new:
            return rows, columns
        rest = uniform(layer, grow(topology, rows, columns).topology, n_new - len(places), evidence, rng)
        return np.append(rows, rest[0]), np.append(columns, rest[1])

    def _chosen(self, topology, n_new, rng):
        """Places row · n_in + column of at most n_new links with positive scores."""
        cost = link_scores.operations(topology, self.score)
        if cost > self.most_operations:
            allowed = f"at least {cost:.3g} for {topology!r}, or the layer sparser"
            checks.fail("most_operations", self.most_operations, allowed)
        walks = np.append(0, np.cumsum(link_scores.walks(topology)))  # before each row
        best, seed, _ = Largest(n_new), rng.integers(2**64, dtype=np.uint64) if self.soft else 0, topology.transposed
        lock = threading.Lock()

        def choose(begin, end):
            rows, own = np.searchsorted(walks, (begin, end)), Largest(n_new)
            for scores, places in link_scores.scored_rows(topology, self.score, *rows.tolist()):
                own.offer(perturbed(scores, places, float(self.soft), seed) if self.soft else scores, places)
            with lock:
                best.merge(own)

        in_parts(choose, int(walks[-1]), cost)
        return best.places()


@dataclass(frozen=True)
class GuidedSample:
    """Grow links at those of some drawn positions that have the largest |gradient|, drawn where it is probably large.

    An output is drawn in proportion to a, an input to b, both independent, and positions with a link before pruning are left out.
    Time and memory are O(links · batch).

    Parameters
    ----------
    candidates : float, default 1.0
        Number of positions that are drawn, as a multiple of the layer's links, > 0.
    guide : {"bound", "estimate", "uniform"}, default "bound"
        a and b: Σ |dz| and Σ |x| over the batch (GraBo), an upper bound of gradients; |Σ r dz| and |Σ r x| with random signs r
        (GraEst), an estimate of them; or all equal.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Heddes et al. (2024), "Always-Sparse Training by Growing Connections with Guided Stochastic Exploration", arXiv 2401.06898,
    section 3.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SET(0.3, regrowth=sl.regrowths.GuidedSample(2, guide="estimate")).regrowth.candidates
    2
    """

    candidates: float = 1.0
    guide: str = "bound"

    def __post_init__(self) -> None:
        checks.positive("candidates", self.candidates)
        checks.choice("guide", self.guide, ("bound", "estimate", "uniform"))

    def __call__(
        self, layer: SparseLinear, topology: Topology, n_new: int, evidence: Evidence, rng: np.random.Generator
    ) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the rows and columns of the new links; the arguments are those of `uniform`."""
        flow, n_in, before = given(evidence).of(layer), topology.n_in, layer.topology
        n_drawn = max(n_new, round(self.candidates * before.nnz))
        rows, columns = (_in_proportion(weights, rng, n_drawn) for weights in self._weights(flow, rng))
        drawn = np.setdiff1d(rows * n_in + columns, before.rows.astype(np.int64) * n_in + before.indices)
        rows, columns = np.divmod(drawn, n_in)
        size = np.abs(flow.gradient_at(rows, columns))
        best = np.sort(np.argsort(-size, kind="stable")[:n_new])
        rows, columns = rows[best], columns[best]
        if len(rows) < n_new:  # the draws did not find enough different ones
            more = uniform(layer, grow(topology, rows, columns).topology, n_new - len(rows), evidence, rng)
            rows, columns = np.append(rows, more[0]), np.append(columns, more[1])
        return rows, columns

    def _weights(self, flow, rng):
        """(a, b) of all outputs and inputs."""
        if self.guide == "uniform":
            return np.ones(len(flow.dZ)), np.ones(flow.X.shape[0])
        if self.guide == "bound":
            return np.abs(flow.dZ).sum(axis=1), np.abs(flow.X).sum(axis=1)
        signs = rng.choice(np.array([-1, 1], flow.X.dtype), flow.X.shape[1])
        return np.abs(flow.dZ @ signs), np.abs(flow.X @ signs)


def _in_proportion(weights, rng, n):
    """n numbers drawn in proportion to weights; uniformly where all are 0."""
    total = np.cumsum(weights, dtype=float)
    if total[-1] == 0:
        return rng.integers(len(weights), size=n)
    return np.minimum(np.searchsorted(total, rng.random(n) * total[-1], side="right"), len(total) - 1)


NAMES: dict[str, Regrowth] = {
    "uniform": uniform, "keep_fan_in": keep_fan_in, "gradient": gradient, "exact_gradient": ExactGradient(),
    "cannistraci_hebb": CannistraciHebb(), "guided_sample": GuidedSample(),
}  # fmt: skip
