"""Erdős–Rényi random graphs: the topology that a sparse layer starts with."""

import numpy as np

from ..utils import checks
from .rewiring import regrow_rows, rewire
from .topology import MAX_WIDTH, Topology


def erdos_renyi(
    n_out: int,
    n_in: int,
    *,
    epsilon: float | None = None,
    density: float | None = None,
    exact: bool = False,
    min_fan_in: int = 0,
    seed: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> Topology:
    """Draw a random topology in which every link exists with the same probability p.

    Exactly one of `epsilon` and `density` is given. p >= 1 gives the dense layer. Time and memory are O(links + n_out + n_in).

    Parameters
    ----------
    n_out, n_in : int
        Widths, in [1, 2**31 - 1].
    epsilon : float, optional
        Gives p = epsilon · (n_out + n_in) / (n_out · n_in), about epsilon · (n_out + n_in) links; > 0.
    density : float, optional
        Gives p itself, in (0, 1].
    exact : bool, default False
        Round the expected number of links instead of drawing it from the binomial distribution.
    min_fan_in : int, default 0
        Outputs with fewer links get more, at free positions drawn uniformly, in addition to the expected number. With
        epsilon = 1 and equal widths, for example, every seventh neuron would have no link otherwise.
    seed : int, SeedSequence, Generator or None, default None
        Source of randomness.

    Returns
    -------
    Topology
        The links.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Mocanu et al. (2018), "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by network
    science", Nature Communications 9.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.erdos_renyi(100, 200, epsilon=5, exact=True, seed=0)
    Topology(100 x 200, 1,500 links, density 0.075)
    """
    n_out, n_in = checks.integer("n_out", n_out, high=MAX_WIDTH), checks.integer("n_in", n_in, high=MAX_WIDTH)
    if (epsilon is None) == (density is None):
        raise ValueError(f"epsilon = {epsilon}, density = {density}: give exactly one of them")
    checks.integer("min_fan_in", min_fan_in, low=0)
    cells = n_out * n_in
    if density is None:
        p = checks.positive("epsilon", epsilon) * (n_out + n_in) / cells
    else:
        p = checks.number("density", density, "a number in (0, 1]", low=0, high=1, open_low=True)
    if (links := max(min(p, 1.0) * cells, n_out * min(min_fan_in, n_in))) > MAX_WIDTH:
        given, value = ("density", density) if epsilon is None else ("epsilon", epsilon)
        allowed = f"so small, with min_fan_in = {min_fan_in}, that there are at most {MAX_WIDTH} links, not {links:.3g}"
        checks.fail(given, value, allowed)
    rng = checks.generator("seed", seed)
    return with_fan_in(random_links(n_out, n_in, p, exact, rng), min_fan_in, rng)


def random_links(n_out, n_in, p, exact, rng):
    """Draw a topology in which every link exists with probability p, or which has the expected number of links."""
    if p >= 1:
        return Topology.dense(n_out, n_in)
    cells = n_out * n_in
    nnz = round(p * cells) if exact else int(rng.binomial(cells, p))
    return rewire(empty(n_out, n_in), np.empty(0, bool), nnz, rng=rng).topology


def random_rows(counts, n_in, rng):
    """Draw a topology in which each output j has counts[j] links, distinct inputs drawn uniformly."""
    return regrow_rows(empty(len(counts), n_in), counts, rng).topology


def with_fan_in(topology, least, rng):
    """The topology with more links, drawn uniformly, for outputs that have fewer than `least` of them."""
    counts = np.maximum(0, min(least, topology.n_in) - topology.fan_in) if least else np.zeros(0)
    return regrow_rows(topology, counts, rng).topology if counts.any() else topology


def empty(n_out, n_in):
    """The topology without links."""
    return Topology(n_out, n_in, np.zeros(n_out + 1, np.int64), np.empty(0, np.int32))
