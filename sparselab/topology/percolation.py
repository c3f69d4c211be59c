"""Removes links that lead nowhere: those of neurons that have links on one side only."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..utils import checks
from .topology import Topology


def percolate(topologies: Sequence[Topology], keeps: Sequence[NDArray[np.bool_] | None]) -> list[NDArray[np.bool_] | None]:
    """Remove the incoming links of neurons without outgoing ones, and the outgoing links of neurons without incoming ones.

    One sweep from the last layer to the first, then one back, after which nothing more can be removed. Time and memory are
    O(links + neurons). The inputs of the first layer need no incoming links, the outputs of the last one no outgoing links.

    Parameters
    ----------
    topologies : list of Topology
        The layers of a network, or some that follow one another.
    keeps : list of ndarray of bool or None
        Which links of each layer are kept, (nnz,); None for a layer that keeps all links in any case, such as a dense one.

    Returns
    -------
    list of ndarray of bool or None
        Which links are left of those; None where `keeps` has it.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107 (chain removal and percolation).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> first = sl.Topology.from_links(2, 1, rows=[0, 1], columns=[0, 0])
    >>> last = sl.Topology.from_links(1, 2, rows=[0, 0], columns=[0, 1])
    >>> first, last = sl.evolution.percolate([first, last], [np.array([True, True]), np.array([False, True])])
    >>> first.tolist(), last.tolist()
    ([False, True], [False, True])
    """
    if len(topologies) != len(keeps):
        raise ValueError(f"keeps: got {len(keeps)}, must be one for each of the {len(topologies)} topologies")
    shapes = [topology.shape for topology in topologies]
    if any(n_out != n_in for (n_out, _), (_, n_in) in zip(shapes, shapes[1:])):
        checks.fail("topologies", shapes, "layers (n_out, n_in) that follow one another")
    left = [
        None if keep is None else checks.mask(f"keeps[{index}]", keep, topology.nnz).copy()
        for index, (topology, keep) in enumerate(zip(topologies, keeps, strict=True))
    ]
    for layer in range(len(left) - 1, 0, -1):
        linked = _linked(topologies[layer].indices, left[layer], topologies[layer].n_in)
        _cut(left[layer - 1], linked, topologies[layer - 1], "rows")
    for layer in range(len(left) - 1):
        linked = _linked(topologies[layer].rows, left[layer], topologies[layer].n_out)
        _cut(left[layer + 1], linked, topologies[layer + 1], "indices")
    return left


def _linked(ends, keep, n):
    """Which of n neurons are an end of a link that is kept."""
    linked = np.zeros(n, bool)
    linked[ends if keep is None else ends[keep]] = True
    return linked


def _cut(keep, linked, topology, ends):
    if keep is not None:
        keep &= linked[getattr(topology, ends)]
