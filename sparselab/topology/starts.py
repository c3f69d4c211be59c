"""The topologies that a net can start with, by name: `SparseMLP.create(sizes, density=0.05, topology="small_world")`.

A start is a function (n_in, n_out, density, rng) that returns the Topology of a layer. The classes here are such functions with
options, and their names stand for the defaults. `Uniform` and `ErdosRenyi` draw the number of links unless `exact`, `FixedFanIn`
rounds it for each neuron, and all others round it for the layer. Time and memory are proportional to links and neurons, except
those of `CSTI`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..utils import checks
from .correlations import check_samples, most_correlated
from .layer_densities import ONE, by_widths, of_all, of_layers
from .link_counts import in_proportion, n_links, shared, thrown
from .random_graph import random_links, random_rows
from .rewiring import rewire
from .ring_sampling import near_centres, neighbours
from .scale_free import scale_free
from .topology import Topology

Start: TypeAlias = Callable[[int, int, float, np.random.Generator], Topology]


class _Start:
    """A start with options, one of which may give the number of links of a neuron in place of the density."""

    def __call__(self, n_in: int, n_out: int, density: float | None, rng: np.random.Generator) -> Topology:
        """Draw the links of a layer."""
        own = self._own(n_in, n_out)
        share = checks.number("density", density, ONE, low=0, high=1, open_low=True) if own is None else own
        return Topology.dense(n_out, n_in) if share >= 1 else self._draw(n_in, n_out, share, rng)

    def densities(
        self, shapes: Sequence[tuple[int, int]], epsilon: float, density: float | list[float] | None
    ) -> list[float]:  # fmt: skip
        """Return the share of links that each layer starts with.

        Parameters
        ----------
        shapes : list of (int, int)
            Widths (n_in, n_out) of each layer.
        epsilon : float
            Gives epsilon · (n_in + n_out) links a layer where `density` is None.
        density : float, list of float or None
            One for all layers, or one a layer.

        Returns
        -------
        list of float
            A density in (0, 1] for each layer.
        """
        own = [self._own(*shape) for shape in shapes]
        if None in own:
            return of_layers(shapes, epsilon, density)
        if density is not None:
            checks.fail("density", density, f"None, because the topology {self!r} gives the links of each neuron")
        return own

    def _own(self, n_in, n_out):
        """The density that an option gives, or None."""

    def _draw(self, n_in, n_out, density, rng):
        raise NotImplementedError(f"{type(self).__name__} must define _draw")


def _own_share(name, links, most, what):
    """The density of `links` of at most `most`, which is an option of a start, or None if it is None."""
    if links is not None and links > most:
        checks.fail(name, links, f"at most {most}, the {what} of one of the layers (dense_last=True leaves out the last one)")
    return None if links is None else links / most


@dataclass(frozen=True)
class Uniform(_Start):
    """Links drawn uniformly, at the same density in all layers.

    Where `SparseMLP.create` gets epsilon and no density, the layers share as many links as epsilon gives them together. With a
    list of densities each layer has its own.

    Parameters
    ----------
    exact : bool, default False
        Round the expected number of links instead of drawing it from the binomial distribution.

    Raises
    ------
    TypeError
        If `exact` is not a bool.

    References
    ----------
    Evci et al. (2020), "Rigging the Lottery: Making All Tickets Winners", arXiv 1911.11134, section 3 (with `dense_first=True`).

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SparseMLP.create((784, 300, 100, 10), density=0.05, topology="uniform", exact=True, seed=0).nnz
    (11760, 1500, 50)
    """

    exact: bool = False

    def __post_init__(self) -> None:
        checks.flag("exact", self.exact)

    def densities(
        self, shapes: Sequence[tuple[int, int]], epsilon: float, density: float | list[float] | None
    ) -> list[float]:  # fmt: skip
        """Return the share of links that each layer starts with: the same for all, or the given list.

        Parameters
        ----------
        shapes : list of (int, int)
            Widths (n_in, n_out) of each layer.
        epsilon : float
            Gives epsilon · (n_in + n_out) links a layer where `density` is None.
        density : float, list of float or None
            One for all layers, or one a layer.

        Returns
        -------
        list of float
            A density in (0, 1] for each layer.
        """
        return of_layers(shapes, epsilon, of_all(shapes, epsilon, None) if density is None else density)

    def _draw(self, n_in, n_out, density, rng):
        return random_links(n_out, n_in, density, self.exact, rng)


@dataclass(frozen=True)
class ErdosRenyi(Uniform):
    """Links drawn uniformly, in a layer about ε · (n_in + n_out): small layers are denser.

    ε is the epsilon that `SparseMLP.create` gets. With a density instead, ε is such that this is the density of all layers
    together; see `er_densities`. For multilayer perceptrons ERK ("erk") is the same.

    Parameters
    ----------
    exact : bool, default False
        Round the expected number of links instead of drawing it from the binomial distribution.

    Raises
    ------
    TypeError
        If `exact` is not a bool.

    References
    ----------
    Mocanu et al. (2018), "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
    network science", Nature Communications 9.
    Evci et al. (2020), "Rigging the Lottery: Making All Tickets Winners", arXiv 1911.11134, section 3.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SparseMLP.create((784, 300, 100, 10), density=0.05, topology="er", exact=True, seed=0).nnz
    (9051, 3340, 919)
    """

    def densities(
        self, shapes: Sequence[tuple[int, int]], epsilon: float, density: float | list[float] | None
    ) -> list[float]:  # fmt: skip
        """Return the share of links that each layer starts with: by epsilon, or as `er_densities`.

        Parameters
        ----------
        shapes : list of (int, int)
            Widths (n_in, n_out) of each layer.
        epsilon : float
            Gives epsilon · (n_in + n_out) links a layer where `density` is None.
        density : float or None
            Of all layers together.

        Returns
        -------
        list of float
            A density in (0, 1] for each layer.

        Raises
        ------
        ValueError
            If `density` is a list.
        """
        if isinstance(density, list):
            checks.fail("density", density, 'one number with the topology "er", which shares it out; a list with "uniform"')
        return of_layers(shapes, epsilon, None) if density is None else by_widths(shapes, density)


@dataclass(frozen=True)
class FixedFanIn(_Start):
    """The same number of incoming links for every neuron, from inputs drawn uniformly.

    Parameters
    ----------
    k : int, optional
        That number. By default density · n_in, rounded, and at least 1.

    Raises
    ------
    TypeError, ValueError
        If `k` is not a whole number >= 1, or exceeds the inputs of a layer.

    References
    ----------
    Lasby et al. (2024), "Dynamic Sparse Training with Structured Sparsity", arXiv 2305.02299.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 30, 10), topology=sl.starts.FixedFanIn(4), seed=0)
    >>> model.layers[0].topology.fan_in.max(), model.layers[0].topology.fan_in.min()
    (np.int64(4), np.int64(4))
    """

    k: int | None = None

    def __post_init__(self) -> None:
        if self.k is not None:
            checks.integer("k", self.k)

    def _own(self, n_in, n_out):
        return _own_share("k", self.k, n_in, "inputs")

    def _draw(self, n_in, n_out, density, rng):
        return random_rows(np.full(n_out, max(1, round(density * n_in))), n_in, rng)


@dataclass(frozen=True)
class Banded(_Start):
    """Links from neighbouring inputs: those of output u lie around (u + 1/2) · n_in / n_out, on a ring. Nothing is random.

    Where n_out · width < n_in some inputs have no links; `SmallWorld(beta=0)` is a band that reaches all neurons.

    Parameters
    ----------
    width : int, optional
        Links of each output. By default density · n_in, and outputs at equal distances have one link more where that is no whole
        number.

    Raises
    ------
    TypeError, ValueError
        If `width` is not a whole number >= 1, or exceeds the inputs of a layer.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.starts.Banded(2)(4, 4, None, np.random.default_rng(0)).indices.reshape(4, 2).tolist()
    [[0, 3], [0, 1], [1, 2], [2, 3]]
    """

    width: int | None = None

    def __post_init__(self) -> None:
        if self.width is not None:
            checks.integer("width", self.width)

    def _own(self, n_in, n_out):
        return _own_share("width", self.width, n_in, "inputs")

    def _draw(self, n_in, n_out, density, rng):
        outputs, links = np.arange(n_out), n_links(n_in, n_out, density)
        counts = np.diff(np.arange(n_out + 1) * links // n_out)
        rows, columns = neighbours(np.floor((outputs + 0.5) * n_in / n_out - counts / 2), counts, n_in)
        return Topology.from_links(n_out, n_in, rows, columns)


@dataclass(frozen=True)
class LogNormal(_Start):
    """Numbers of incoming links that are log-normally distributed, from inputs drawn uniformly: few neurons have many.

    Output u gets a share of the links ∝ exp(σ z), z normal, at most n_in; rounded so that the sum is exact.

    Parameters
    ----------
    variation : float, default 1.0
        Coefficient of variation c of the numbers, in (0, 1000]: their deviation divided by their mean. σ² = ln(1 + c²).

    Raises
    ------
    TypeError, ValueError
        If `variation` is not such a number.

    References
    ----------
    arXiv 2604.10560 starts with profiles of fan-in (PSN); this form is ours.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 30, 10), density=0.1, topology=sl.starts.LogNormal(0.5), seed=0)
    >>> model.nnz
    (192, 30)
    """

    variation: float = 1.0

    def __post_init__(self) -> None:
        checks.number("variation", self.variation, "a number in (0, 1000]", low=0, high=1000, open_low=True)

    def _draw(self, n_in, n_out, density, rng):
        logs = np.log1p(self.variation**2) ** 0.5 * rng.standard_normal(n_out)
        weights = np.exp(logs - logs.max())  # the largest is 1, whatever the variation
        return random_rows(in_proportion(weights, n_links(n_in, n_out, density), n_in), n_in, rng)


@dataclass(frozen=True)
class SmallWorld(_Start):
    """Links between neighbours, a share of which is moved to random places: a bipartite small world.

    Neuron i of the longer side gets k links, to neighbours from int(i · shorter / longer − k / 2) on, on a ring. Then each link
    is removed with probability β, and as many come at places drawn uniformly.

    Parameters
    ----------
    beta : float, default 0.25
        Probability β in [0, 1]: 0 leaves all links between neighbours, 1 none.
    k : int, optional
        Links of each neuron of the longer side. By default density · shorter; random neurons have one more where that is no whole
        number.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or if `k` exceeds the shorter side of a layer.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SparseMLP.create((64, 30, 10), density=0.1, topology=sl.starts.SmallWorld(beta=0.5), dense_last=True, seed=0).nnz
    (192, 300)
    """

    beta: float = 0.25
    k: int | None = None

    def __post_init__(self) -> None:
        checks.fraction("beta", self.beta)
        if self.k is not None:
            checks.integer("k", self.k)

    def _own(self, n_in, n_out):
        return _own_share("k", self.k, min(n_in, n_out), "neurons of the shorter side")

    def _draw(self, n_in, n_out, density, rng):
        shorter, longer = sorted((n_in, n_out))
        counts = shared(n_links(n_in, n_out, density), longer, rng)
        i, place = neighbours(np.trunc(np.arange(longer) * shorter / longer - counts / 2), counts, shorter)
        topology = Topology.from_links(n_out, n_in, *((place, i) if n_in == longer else (i, place)))
        keep = rng.random(topology.nnz) >= self.beta
        return rewire(topology, keep, topology.nnz - np.count_nonzero(keep), rng=rng).topology


@dataclass(frozen=True)
class ScaleFree(_Start):
    """Few neurons with very many links: a scale-free graph of Barabási and Albert, whose nodes are shuffled onto both sides.

    It has n_in + n_out nodes, each of which comes with density · n_in · n_out / (n_in + n_out) links to earlier ones, drawn in
    proportion to their degree. Links within a side are cut, and their ends joined with those of the other side. Where one side
    has more such ends, half of the rest get a partner in proportion to its degree.

    References
    ----------
    Barabási, Albert (1999), "Emergence of scaling in random networks", Science 286.
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SparseMLP.create((64, 30, 10), density=0.1, topology="scale_free", seed=0).nnz
    (192, 30)
    """

    def _draw(self, n_in, n_out, density, rng):
        return scale_free(n_in, n_out, n_links(n_in, n_out, density), rng)


@dataclass(frozen=True)
class ReceptiveField(_Start):
    """Links mostly between neighbours: the nearer, the likelier, as receptive fields of dendrites.

    Neuron i of the shorter side gets distinct neighbours around i · max(1, longer // shorter), each with a probability
    ∝ (1 + δ)^(−(1 − r) / r) among those that are left, where δ is the distance on a ring. So does the authors' code; their paper
    gives the degrees to the outputs. Where the longer side is no multiple of the
    shorter, its last neurons lie far from all centres.

    Parameters
    ----------
    r : float, default 0.25
        Randomness in [0, 1]: 0 takes the nearest neighbours, 1 uniform ones.
    degrees : {"equal", "random"}, default "equal"
        Links of the neurons of the shorter side: the same for all, up to 1, or one each and the others thrown uniformly.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107 (bipartite receptive field).

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 30, 10), density=0.1, topology=sl.starts.ReceptiveField(r=0.1), seed=0)
    >>> model.nnz
    (192, 30)
    """

    r: float = 0.25
    degrees: str = "equal"

    def __post_init__(self) -> None:
        checks.fraction("r", self.r)
        checks.choice("degrees", self.degrees, ("equal", "random"))

    def _draw(self, n_in, n_out, density, rng):
        (shorter, longer), links = sorted((n_in, n_out)), n_links(n_in, n_out, density)
        counts = shared(links, shorter, rng) if self.degrees == "equal" else thrown(links, shorter, longer, rng)
        decay = (1 - self.r) / self.r if self.r else np.inf
        place = near_centres(counts, np.arange(shorter) * max(1, longer // shorter), longer, decay, rng)
        i = np.repeat(np.arange(shorter), counts)
        return Topology.from_links(n_out, n_in, *((i, place) if n_out == shorter else (place, i)))


@dataclass(frozen=True, eq=False)
class CSTI(_Start):
    """Links where features are correlated most, in all layers alike.

    Output u and input v of a layer stand for features u and v modulo their number; the links have the largest |correlation| in
    the training data, and nothing is random unless too few are not 0. Features that do not vary, and a feature with itself, have
    correlation 0. A layer costs 2 samples · n_out · features operations. The correlations are computed in blocks of rows, and
    never stored.

    Parameters
    ----------
    data : array-like or sparse matrix
        Training features (n_samples, n_features), raw or scaled feature by feature; `SparseMLP.create(…, topology="csti",
        data=data)` passes them on.

    Raises
    ------
    TypeError, ValueError
        If the data are not finite numbers of such a shape.

    References
    ----------
    Zhang et al. (2024), "Epitopological learning and Cannistraci-Hebb network shape intelligence brain-inspired theory for
    ultra-sparse advantage in deep learning", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X = np.random.default_rng(0).random((50, 20))
    >>> X[:, 3] = X[:, 5]
    >>> topology = sl.starts.CSTI(X)(20, 20, 0.005, np.random.default_rng(0))
    >>> topology.rows.tolist(), topology.indices.tolist()
    ([3, 5], [5, 3])
    """

    data: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", check_samples(self.data))

    def __repr__(self) -> str:
        return f"CSTI(<data of shape {self.data.shape}>)"

    def _draw(self, n_in, n_out, density, rng):
        return most_correlated(n_in, n_out, n_links(n_in, n_out, density), self.data, rng)


NAMES: dict[str, type] = {
    "uniform": Uniform, "er": ErdosRenyi, "erk": ErdosRenyi, "fixed_fan_in": FixedFanIn, "small_world": SmallWorld,
    "scale_free": ScaleFree, "banded": Banded, "receptive_field": ReceptiveField, "log_normal": LogNormal, "csti": CSTI,
}  # fmt: skip


def get(topology: str | type | Start, data: ArrayLike | None = None, exact: bool = False) -> Start:
    """Return a start from a name, a class or an object.

    Parameters
    ----------
    topology : str, type or callable
        One of the names in `NAMES`, a class that needs no arguments, an object of one, or a function
        (n_in, n_out, density, rng) that returns a Topology.
    data : array-like or sparse matrix, optional
        Training features; "csti" needs them, the others take none.
    exact : bool, default False
        Whether `Uniform` and `ErdosRenyi` round the number of links.

    Returns
    -------
    callable
        The start.

    Raises
    ------
    TypeError, ValueError
        If `topology` is none of these, or if data are missing or of no use.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.starts.get("small_world")
    SmallWorld(beta=0.25, k=None)
    """
    exact = checks.flag("exact", exact)
    kind = NAMES[checks.choice("topology", topology, NAMES)] if isinstance(topology, str) else topology
    if kind is CSTI:
        if data is None:
            checks.fail("data", data, 'training features (n_samples, n_features) for the topology "csti"', TypeError)
        return CSTI(data)
    if data is not None:
        checks.fail("data", type(data).__name__, f'None: the topology {checks.shown(topology)} takes none, only "csti" does')
    start = checks.instance("topology", kind) if isinstance(kind, type) else kind
    if not callable(start):
        allowed = f"one of {list(NAMES)}, an object of sl.starts or a function (n_in, n_out, density, rng)"
        checks.fail("topology", topology, allowed, TypeError)
    return replace(start, exact=True) if exact and isinstance(start, Uniform) else start


def er_densities(sizes: Sequence[int], density: float) -> list[float]:
    """Share a density out over the layers of a net as Erdős–Rényi graphs have it, for any topology.

    The density of a layer is ε (n_in + n_out) / (n_in n_out), with ε such that all layers together have the given one. While one
    would exceed 1, the layer with the largest becomes dense, and the others share what is left.

    Parameters
    ----------
    sizes : sequence of int
        Widths of all layers, input and output included.
    density : float
        Share of links that exist in the whole net, in (0, 1].

    Returns
    -------
    list of float
        The density of each layer.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Evci et al. (2020), "Rigging the Lottery: Making All Tickets Winners", arXiv 1911.11134, section 3.

    Examples
    --------
    >>> import sparselab as sl
    >>> [round(share, 5) for share in sl.starts.er_densities((784, 300, 100, 10), 0.05)]
    [0.03848, 0.11133, 0.91851]
    """
    sizes = [checks.integer(f"sizes[{i}]", n) for i, n in enumerate(sizes)]
    if len(sizes) < 2:
        checks.fail("sizes", sizes, "at least two widths: input and output")
    return by_widths(
        list(zip(sizes, sizes[1:], strict=False)), checks.number("density", density, ONE, low=0, high=1, open_low=True)
    )
