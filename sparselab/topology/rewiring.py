"""A change of topology is a map: whatever is aligned with links moves by `origin`.

The momentum of survivors, a stale gradient, the average over a union: one verb, `carry`.
"""

from dataclasses import dataclass

import numpy as np

from ..kernels import csr_passes, growth
from ..utils import checks
from ..utils.parallel_for import in_parts
from .topology import Topology


@dataclass(frozen=True, eq=False)
class Rewiring:
    """The way from an old topology to `topology`.

    origin: (new nnz,) int64, the old slot of each link, −1 for a new one. n_before: links of the old topology. rows, cols: the
    outputs and inputs that were kept, or None for all. shift: None, or (n_out,) what is added to the biases of
    the outputs that are left: what the inputs that are gone used to give.
    """

    topology: Topology
    origin: np.ndarray
    n_before: int
    rows: np.ndarray | None = None
    cols: np.ndarray | None = None
    shift: np.ndarray | None = None

    def __post_init__(self):
        origin, nnz = self.origin, self.topology.nnz
        if not isinstance(origin, np.ndarray) or origin.dtype != np.int64 or origin.shape != (nnz,):
            checks.fail("origin", origin, f"an int64 array of shape ({nnz},), one entry a link", TypeError)
        bad = np.flatnonzero((origin < -1) | (origin >= self.n_before))
        if len(bad):
            raise ValueError(f"origin[{bad[0]}] = {origin[bad[0]]}: must be in [-1, {self.n_before})")
        for name, n in (("rows", self.topology.n_out), ("cols", self.topology.n_in)):
            ids = getattr(self, name)
            if ids is not None and len(ids) != n:
                raise ValueError(f"len({name}) = {len(ids)}: must be {n}, one for each neuron that is left")
        if self.shift is not None:
            check_shift(self.shift, self.topology.n_out)

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
        csr_passes.carry(values, self.origin, values.dtype.type(fill), out)
        return out

    def carry_rows(self, values):
        """What an old vector (n_out,) such as a bias becomes: the kept rows, as a copy."""
        return values.copy() if self.rows is None else values[self.rows]

    def carry_biases(self, b):
        """What old biases (n_out,) become: the kept rows with `shift` added, in the dtype of b."""
        b = self.carry_rows(b)
        return b if self.shift is None else (b + self.shift).astype(b.dtype)

    def then(self, later):
        """This rewiring followed by `later`, as one."""
        if later.n_before != self.topology.nnz:
            raise ValueError(f"later.n_before = {later.n_before}: must be {self.topology.nnz}, the links it starts from")
        rows, cols = (
            b if a is None else (a if b is None else a[b]) for a, b in ((self.rows, later.rows), (self.cols, later.cols))
        )
        shift = later.shift
        if self.shift is not None:
            shift = later.carry_rows(self.shift) + (0 if shift is None else shift)
        return Rewiring(later.topology, later_origin(self.origin, later.origin), self.n_before, rows, cols, shift)


def check_shift(shift, n_out):
    """Raise unless `shift` is (n_out,) finite numbers."""
    if not isinstance(shift, np.ndarray) or shift.dtype.kind != "f" or shift.shape != (n_out,):
        checks.fail("shift", shift, f"an array of floats of shape ({n_out},)", TypeError)
    if not checks.all_finite(shift):
        raise ValueError("shift: must be finite")


def later_origin(first, second):
    """Old slots through two maps."""
    out = np.empty(len(second), np.int64)
    csr_passes.carry(first, second, -1, out)
    return out


def rewire(topology, keep, n_new=0, *, rng=None):
    """Drop the links where `keep` (nnz,) bool is False, then grow `n_new` at free positions drawn uniformly.

    A position freed here may be drawn again; such a link counts as new. Time and memory O(links + n_out + n_in). Raises
    ValueError where `keep` does not fit or there are fewer free positions than `n_new`.
    """
    n_new = checks.integer("n_new", n_new, low=0)
    indptr, indices, origin = _compact(topology, keep)
    if n_new:
        check_free(topology.shape, len(indices), n_new)
        state = _random_state(rng)
        counts = np.empty(topology.n_out, np.int64)
        growth.draw_counts(state, topology.n_in, np.diff(indptr), n_new, counts)
        indptr, indices, origin = _grow(topology.n_in, indptr, indices, origin, counts, state[0])
    return Rewiring(Topology(*topology.shape, indptr, indices), origin, topology.nnz)


def regrow_rows(topology, counts, rng):
    """Grow counts[j] links of output j at free positions drawn uniformly: a Rewiring. ValueError where a row has no room."""
    counts = checks.whole_array("counts", counts, topology.n_out)
    if (counts < 0).any() or (counts > topology.n_in - topology.fan_in).any():
        checks.fail("counts", counts, f"{topology.n_out} whole numbers, each at most the free positions of its row")
    counts = np.ascontiguousarray(counts, np.int64)
    origin = np.arange(topology.nnz)
    indptr, indices, origin = _grow(topology.n_in, topology.indptr, topology.indices, origin, counts, _random_state(rng)[0])
    return Rewiring(Topology(*topology.shape, indptr, indices), origin, topology.nnz)


def grow(topology, rows, columns):
    """Add the links from columns[k] to rows[k], which must be free: a Rewiring. ValueError naming the first that is not."""
    new = Topology.from_links(*topology.shape, rows, columns)
    taken = np.flatnonzero(between(topology, new).origin >= 0)
    if len(taken):
        place = int(new.rows[taken[0]]), int(new.indices[taken[0]])
        raise ValueError(f"link (row, column) = {place}: must be a free position, and this link exists already")
    return union([topology, new])[1][0]


def keep_neurons(topology, rows=None, cols=None, shift=None):
    """Only the links between outputs `rows` and inputs `cols` (bool masks; None: all), renumbered: a smaller topology.

    shift: see Rewiring. Time and memory O(links + n_out + n_in).
    """
    for name, mask, n in zip(("rows", "cols"), (rows, cols), topology.shape, strict=True):
        if mask is not None and not checks.mask(name, mask, n).any():
            checks.fail(name, mask, "True somewhere: at least one neuron stays")
    keep = np.ones(topology.nnz, bool) if cols is None else cols[topology.indices]
    if rows is not None:
        keep &= np.repeat(rows, topology.fan_in)
    indptr, indices, origin = _compact(topology, keep)
    if rows is not None:
        indptr = np.concatenate([[0], np.cumsum(np.diff(indptr)[rows])])
    if cols is not None:
        indices = (np.cumsum(cols, dtype=np.int32) - 1).astype(np.int32)[indices]
    ids = lambda mask: None if mask is None else np.flatnonzero(mask)
    n_out, n_in = (n if mask is None else int(np.count_nonzero(mask)) for n, mask in zip(topology.shape, (rows, cols)))
    return Rewiring(Topology(n_out, n_in, indptr, indices), origin, topology.nnz, ids(rows), ids(cols), shift)


def between(before, after):
    """The Rewiring from one topology to another of the same shape, by place: a link that was dropped and grown again stays."""
    for name, topology in (("before", before), ("after", after)):
        if not isinstance(topology, Topology):
            checks.fail(name, topology, "a Topology", TypeError)
    check_shapes([before, after])
    origin = np.empty(after.nnz, np.int64)
    csr_passes.matches(before.indptr, before.indices, after.indptr, after.indices, origin)
    return Rewiring(after, origin, before.nnz)


def union(topologies):
    """(the topology with the links of all, the Rewiring from each to it). Time and memory O(links · topologies)."""
    check_shapes(topologies)
    whole, origins = topologies[0], [np.arange(topologies[0].nnz)]
    for other in topologies[1:]:
        whole, first, second = _union(whole, other)
        origins = [*(later_origin(origin, first) for origin in origins), second]
    return whole, [Rewiring(whole, origin, t.nnz) for origin, t in zip(origins, topologies, strict=True)]


def check_shapes(topologies):
    """Raise unless this is a list of topologies of one shape, at least one."""
    if not isinstance(topologies, list | tuple) or not topologies or not all(isinstance(t, Topology) for t in topologies):
        checks.fail("topologies", topologies, "a list of at least one Topology", TypeError)
    shapes = {t.shape for t in topologies}
    if len(shapes) > 1:
        checks.fail("topologies", [t.shape for t in topologies], "of one shape (n_out, n_in)")


def _union(a, b):
    room = a.nnz + b.nnz
    indptr, indices = np.empty(a.n_out + 1, np.int64), np.empty(room, np.int32)
    first, second = np.empty(room, np.int64), np.empty(room, np.int64)
    csr_passes.union(a.indptr, a.indices, b.indptr, b.indices, indptr, indices, first, second)
    n = indptr[-1]
    return Topology(*a.shape, indptr, indices[:n].copy()), first[:n].copy(), second[:n].copy()


def check_free(shape, nnz, n_new):
    """Raise where a layer with `nnz` links has no room for `n_new` more."""
    free = shape[0] * shape[1] - nnz
    if n_new > free:
        raise ValueError(f"n_new = {n_new}: must be at most the {free} free positions")


def _compact(topology, keep):
    keep = np.asarray(keep)
    checks.mask("keep", keep, topology.nnz)
    kept = int(np.count_nonzero(keep))
    indptr, indices, origin = np.empty_like(topology.indptr), np.empty(kept, np.int32), np.empty(kept, np.int64)
    csr_passes.compact(topology.indptr, topology.indices, keep, indptr, indices, origin)
    return indptr, indices, origin


def _random_state(rng):
    if not isinstance(rng, np.random.Generator):
        checks.fail("rng", rng, "a numpy Generator where links are grown", TypeError)
    return rng.integers(2**64, size=1, dtype=np.uint64)


def _grow(n_in, indptr, indices, origins, counts, seed):
    new_indptr = indptr.copy()
    new_indptr[1:] += np.cumsum(counts)
    total, n_out = int(new_indptr[-1]), len(counts)
    new_indices, origin = np.empty(total, np.int32), np.empty(total, np.int64)
    most, longest = counts.max(), int(np.diff(new_indptr).max())

    def grow(begin, end):
        stamp, drawn = np.full(0 if longest <= growth.SHORT else n_in, -1, np.int64), np.empty(most, np.int32)
        growth.grow(
            seed, begin, end, n_in, indptr, indices, origins, counts, new_indptr, new_indices, origin, stamp, drawn
        )  # fmt: skip

    in_parts(grow, n_out, total)
    return new_indptr, new_indices, origin


def erdos_renyi(n_out, n_in, *, epsilon=None, density=None, exact=False, min_fan_in=0, seed=None):
    """A random topology in which each link exists with the same probability (Mocanu et al. 2018).

    Give either `epsilon`, p = epsilon (n_out + n_in) / (n_out n_in), expected links epsilon (n_out + n_in), or `density` = p.
    p >= 1 gives the dense layer. `exact=True` rounds the expected number of links instead of drawing it (Binomial). min_fan_in:
    outputs with fewer links get more, at places drawn uniformly, so that there are more links than expected: where ε is 1, every
    seventh neuron would have none. Time and memory O(links + n_out + n_in). seed: None, int, SeedSequence or Generator.

    Raises TypeError or ValueError naming the argument.
    """
    n_out, n_in = checks.integer("n_out", n_out, high=2**31 - 1), checks.integer("n_in", n_in, high=2**31 - 1)
    if (epsilon is None) == (density is None):
        raise ValueError(f"epsilon = {epsilon}, density = {density}: give exactly one of them")
    checks.integer("min_fan_in", min_fan_in, low=0)
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
    topology = rewire(empty, np.empty(0, bool), nnz, rng=rng).topology
    if min_fan_in:
        counts = np.maximum(0, min(min_fan_in, n_in) - topology.fan_in)
        topology = regrow_rows(topology, counts, rng).topology if counts.any() else topology
    return topology
