"""Which neurons of the original net are still there: numbers that stay true when neurons go.

Importance pruning takes neurons away, and arrays get shorter; plots and analyses still want to know who is who.
"""

from dataclasses import dataclass

import numpy as np

from ..utils import checks
from .topology import Topology


@dataclass(frozen=True, eq=False)
class Neurons:
    """sizes: widths of all levels (input, hidden, output) of the original net; kept: per level the ids that are left, or None
    for all of them.

    Ids are (n,) int64, ascending. TypeError or ValueError for ids that are not, or that the original net does not have.
    """

    sizes: tuple
    kept: tuple

    def __post_init__(self):
        if not isinstance(self.kept, tuple) or len(self.kept) != len(self.sizes):
            checks.fail("kept", self.kept, f"a tuple of {len(self.sizes)}: ids or None for each level", TypeError)
        for level, (n, ids) in enumerate(zip(self.sizes, self.kept, strict=True)):
            if ids is not None:
                check_ids(f"kept[{level}]", ids, n)

    @classmethod
    def of(cls, sizes):
        """Those of a net that has lost none."""
        return cls(tuple(sizes), (None,) * len(sizes))

    def ids(self, level):
        """(n,) int64: original ids of the neurons of a level; 0 is the input."""
        kept = self.kept[level]
        return np.arange(self.sizes[level]) if kept is None else kept

    def after(self, rewirings):
        """Those that are left when `rewirings` (one a layer, or None) have been applied."""
        if len(rewirings) != len(self.sizes) - 1:
            checks.fail("rewirings", rewirings, f"one (or None) for each of the {len(self.sizes) - 1} layers")
        rows = [None if rewiring is None else rewiring.rows for rewiring in rewirings]
        kept = [
            ids if chosen is None or len(chosen) == len(self.ids(level)) else self.ids(level)[chosen]
            for level, (ids, chosen) in enumerate(zip(self.kept[1:], rows, strict=True), 1)
        ]
        return Neurons(self.sizes, (self.kept[0], *kept))

    def original(self, topology, layer):
        """The topology of layer 0, 1, … among the original neurons: the same links in the same order, shape of the original."""
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
    """Raise unless `ids` are ascending int64 numbers in [0, n)."""
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        checks.fail(name, ids, "a 1-D array of int64", TypeError)
    if len(ids) and (ids[0] < 0 or ids[-1] >= n or (np.diff(ids) <= 0).any()):
        checks.fail(name, ids, f"ascending ids in [0, {n})")
