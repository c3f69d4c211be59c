"""Which neurons of the original network are left after some were removed.

Importance pruning removes neurons, which shortens arrays; figures and analyses still need the original id of each neuron.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..utils import checks
from .rewiring import Rewiring
from .topology import Topology


@dataclass(frozen=True, eq=False)
class Neurons:
    """The original ids of the neurons that are left, level by level (input, hidden layers, output).

    Parameters
    ----------
    sizes : tuple of int
        Widths of the original network.
    kept : tuple of ndarray or None
        For each level the ids that are left, int64 and ascending, or None if all are.

    Raises
    ------
    TypeError, ValueError
        If the ids are not ascending ids of the original network.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.Neurons((3, 5, 2), (None, np.array([0, 4]), None)).ids(1).tolist()
    [0, 4]
    """

    sizes: tuple[int, ...]
    kept: tuple[NDArray[np.int64] | None, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.kept, tuple) or len(self.kept) != len(self.sizes):
            checks.fail("kept", self.kept, f"a tuple of {len(self.sizes)}: ids or None for each level", TypeError)
        for level, (n, ids) in enumerate(zip(self.sizes, self.kept, strict=True)):
            if ids is not None:
                check_ids(f"kept[{level}]", ids, n)

    @classmethod
    def of(cls, sizes: Sequence[int]) -> Self:
        """Return the ids of a network that has lost no neuron.

        Parameters
        ----------
        sizes : sequence of int
            Its widths.

        Returns
        -------
        Neurons
            All neurons.
        """
        return cls(tuple(sizes), (None,) * len(sizes))

    def ids(self, level: int) -> NDArray[np.int64]:
        """Return the original ids of the neurons of one level.

        Parameters
        ----------
        level : int
            0 is the input, 1 the first hidden layer.

        Returns
        -------
        ndarray
            Ids (n,), ascending.
        """
        kept = self.kept[level]
        return np.arange(self.sizes[level]) if kept is None else kept

    def after(self, rewirings: Sequence[Rewiring | None]) -> "Neurons":
        """Return the neurons that are left after a change of topology.

        Parameters
        ----------
        rewirings : list of Rewiring or None
            The change of each layer, None for no change.

        Returns
        -------
        Neurons
            The neurons that are left.

        Raises
        ------
        ValueError
            If the number of rewirings is not that of the layers.
        """
        if len(rewirings) != len(self.sizes) - 1:
            checks.fail("rewirings", rewirings, f"one (or None) for each of the {len(self.sizes) - 1} layers")
        rows = [None if rewiring is None else rewiring.rows for rewiring in rewirings]
        kept = [
            ids if chosen is None or len(chosen) == len(self.ids(level)) else self.ids(level)[chosen]
            for level, (ids, chosen) in enumerate(zip(self.kept[1:], rows, strict=True), 1)
        ]
        return Neurons(self.sizes, (self.kept[0], *kept))

    def original(self, topology: Topology, layer: int) -> Topology:
        """Express the links of a layer in the numbering of the original network.

        Parameters
        ----------
        topology : Topology
            Links between the neurons that are left.
        layer : int
            Number of the layer, 0 for the first one.

        Returns
        -------
        Topology
            The same links in the same order, in the shape of the original layer.
        """
        rows, columns = self.kept[layer + 1], self.kept[layer]
        if rows is None and columns is None:
            return topology
        n_in, n_out = self.sizes[layer : layer + 2]
        indptr = topology.indptr
        if rows is not None:
            counts = np.zeros(n_out, np.int64)
            counts[rows] = topology.fan_in
            indptr = np.concatenate([[0], np.cumsum(counts)])
        indices = topology.indices if columns is None else columns.astype(np.int32)[topology.indices]
        return Topology(n_out, n_in, indptr, indices)


def check_ids(name, ids, n):
    """Raise TypeError or ValueError unless `ids` are ascending int64 numbers in [0, n)."""
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        checks.fail(name, ids, "a 1-D array of int64", TypeError)
    if len(ids) and (ids[0] < 0 or ids[-1] >= n or (np.diff(ids) <= 0).any()):
        checks.fail(name, ids, f"ascending ids in [0, {n})")
