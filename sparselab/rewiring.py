"""A change of topology is a map: whatever is aligned with links moves by `origin`.

The momentum of survivors, a stale gradient, the average over a union: one verb, `carry`.
"""

from dataclasses import dataclass

import numpy as np

from . import checks
from .kernels import growth, sweeps
from .sharing import in_parts
from .topology import Topology


@dataclass(frozen=True, eq=False)
class Rewiring:
    """The way from an old topology to `topology`.

    origin: (new nnz,) int64, the old slot of each link, −1 for a new one. rows, cols: ids of the outputs and inputs that were
    kept, or None for all. n_before: links of the old topology.
    """

    topology: Topology
    origin: np.ndarray
    n_before: int
    rows: np.ndarray | None = None
    cols: np.ndarray | None = None

    def __post_init__(self):
        origin, nnz = self.origin, self.topology.nnz
        if not isinstance(origin, np.ndarray) or origin.dtype != np.int64 or origin.shape != (nnz,):
            checks.fail("origin", origin, f"an int64 array of shape ({nnz},), one entry a link", TypeError)
        bad = np.flatnonzero((origin < -1) | (origin >= self.n_before))
        if len(bad):
            raise ValueError(f"origin[{bad[0]}] = {origin[bad[0]]}: must be in [-1, {self.n_before})")

    @property
    def grown(self):
        """Slots of the new links, (n_grown,) int64."""
        return np.flatnonzero(self.origin < 0)

    @property
    def n_pruned(self):
        """Links of the old topology that are gone."""
        return self.n_before - int(np.count_nonzero(self.origin >= 0))

    def carry(self, values, fill=0):
        """(new nnz,) copy of a vector aligned with the old links; new links get `fill`."""
        if len(values) != self.n_before:
            raise ValueError(f"len(values) = {len(values)}: must be the old number of links, {self.n_before}")
        out = np.empty(len(self.origin), values.dtype)
        sweeps.carry(values, self.origin, values.dtype.type(fill), out)
        return out

    def carry_rows(self, values):
        """What an old vector (n_out,) such as a bias becomes: the kept rows, as a copy."""
        return values.copy() if self.rows is None else values[self.rows]

    def then(self, later):
        """This rewiring followed by `later`, as one."""
        if later.n_before != self.topology.nnz:
            raise ValueError(f"later.n_before = {later.n_before}: must be {self.topology.nnz}, the links it starts from")
        rows, cols = (
            b if a is None else (a if b is None else a[b]) for a, b in ((self.rows, later.rows), (self.cols, later.cols))
        )
        return Rewiring(later.topology, later_origin(self.origin, later.origin), self.n_before, rows, cols)


def later_origin(first, second):
    """Old slots through two maps."""
    out = np.empty(len(second), np.int64)
    sweeps.carry(first, second, -1, out)
    return out


def rewire(topology, keep, n_new=0, *, rng=None):
    """Drop the links where `keep` (nnz,) bool is False, then grow `n_new` at free positions drawn uniformly.

    A position freed here may be drawn again; such a link counts as new. Time and memory O(links + n_out + n_in). Raises
    ValueError where `keep` does not fit or there are fewer free positions than `n_new`.
    """
    keep = np.asarray(keep)
    if keep.shape != (topology.nnz,) or keep.dtype != bool:
        checks.fail("keep", keep, f"a bool array of shape ({topology.nnz},)")
    n_new = checks.integer("n_new", n_new, low=0)
    kept = int(np.count_nonzero(keep))
    indptr, indices, origin = np.empty_like(topology.indptr), np.empty(kept, np.int32), np.empty(kept, np.int64)
    sweeps.compact(topology.indptr, topology.indices, keep, indptr, indices, origin)
    if n_new:
        indptr, indices, origin = _grow(topology.shape, indptr, indices, origin, n_new, rng)
    return Rewiring(Topology(*topology.shape, indptr, indices), origin, topology.nnz)


def _grow(shape, indptr, indices, origins, n_new, rng):
    n_out, n_in = shape
    free = n_out * n_in - len(indices)
    if n_new > free:
        raise ValueError(f"n_new = {n_new}: must be at most the {free} free positions")
    if not isinstance(rng, np.random.Generator):
        checks.fail("rng", rng, "a numpy Generator where links are grown", TypeError)
    state = rng.integers(2**64, size=1, dtype=np.uint64)
    counts = np.empty(n_out, np.int64)
    growth.draw_counts(state, n_in, np.diff(indptr), n_new, counts)
    new_indptr = indptr.copy()
    new_indptr[1:] += np.cumsum(counts)
    total = len(indices) + n_new
    new_indices, origin = np.empty(total, np.int32), np.empty(total, np.int64)
    most, longest, seed = counts.max(), int(np.diff(new_indptr).max()), state[0]

    def grow(begin, end):
        stamp, drawn = np.full(0 if longest <= growth.SHORT else n_in, -1, np.int64), np.empty(most, np.int32)
        growth.grow(
            seed, begin, end, n_in, indptr, indices, origins, counts, new_indptr, new_indices, origin, stamp, drawn
        )  # fmt: skip

    in_parts(grow, n_out, total)
    return new_indptr, new_indices, origin


def erdos_renyi(n_out, n_in, *, epsilon=None, density=None, exact=False, seed=None):
    """A random topology in which each link exists with the same probability (Mocanu et al. 2018).

    Give either `epsilon`, p = epsilon (n_out + n_in) / (n_out n_in), expected links epsilon (n_out + n_in), or `density` = p.
    p >= 1 gives the dense layer. `exact=True` rounds the expected number of links instead of drawing it (Binomial). Time and
    memory O(links + n_out + n_in). seed: None, int, SeedSequence or Generator.

    Raises TypeError or ValueError naming the argument.
    """
    n_out, n_in = checks.integer("n_out", n_out, high=2**31 - 1), checks.integer("n_in", n_in, high=2**31 - 1)
    if (epsilon is None) == (density is None):
        raise ValueError(f"epsilon = {epsilon}, density = {density}: give exactly one of them")
    cells = n_out * n_in
    if density is None:
        p = checks.positive("epsilon", epsilon) * (n_out + n_in) / cells
    else:
        p = checks.number("density", density, "a number in (0, 1]", low=0, high=1, open_low=True)
    if p >= 1:
        return Topology.dense(n_out, n_in)
    rng = checks.generator("seed", seed)
    nnz = round(p * cells) if exact else int(rng.binomial(cells, p))
    empty = Topology(n_out, n_in, np.zeros(n_out + 1, np.int64), np.empty(0, np.int32))
    return rewire(empty, np.empty(0, bool), nnz, rng=rng).topology
