"""Changes of topology, each stored as a map from new links to old ones.

With this map every vector aligned with links (a velocity, a gradient of an older topology, weights to be averaged) is carried
along by one gather operation, `Rewiring.carry`.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import csr_passes, growth
from ..utils import checks
from ..utils.parallel_for import in_parts
from .topology import Topology

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Rewiring:
    """A change from an old topology to a new one.

    Parameters
    ----------
    topology : Topology
        The new topology.
    origin : ndarray of int64
        For each new link its slot in the old topology, or −1 if it has grown, (new nnz,).
    n_before : int
        Number of links of the old topology.
    rows, cols : ndarray of int64, optional
        Ids of the outputs and inputs that are kept, ascending; None if all are.
    shift : ndarray of float, optional
        Added to the biases of the outputs, (n_out,): what they received from inputs that were removed.
    new_values : ndarray of float, optional
        Values of the links that have grown, in the order of `grown`; without them the network's initializer draws them.

    Raises
    ------
    TypeError, ValueError
        If an array does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> topology = sl.Topology.from_links(1, 3, rows=[0, 0], columns=[0, 2])
    >>> rewiring = sl.Rewiring(topology, np.array([1, -1]), n_before=2)
    >>> rewiring.carry(np.array([5.0, 6.0])).tolist()
    [6.0, 0.0]
    """

    topology: Topology
    origin: NDArray[np.int64]
    n_before: int
    rows: NDArray[np.int64] | None = None
    cols: NDArray[np.int64] | None = None
    shift: NDArray[np.floating] | None = None
    new_values: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        origin, nnz = self.origin, self.topology.nnz
        if not isinstance(origin, np.ndarray) or origin.dtype != np.int64 or origin.shape != (nnz,):
            checks.fail("origin", origin, f"an int64 array of shape ({nnz},), one entry a link", TypeError)
        bad = np.flatnonzero((origin < -1) | (origin >= self.n_before))
        if len(bad):
            raise ValueError(f"origin[{bad[0]}] = {origin[bad[0]]}: must be in [-1, {self.n_before})")
        for name, n in (("rows", self.topology.n_out), ("cols", self.topology.n_in)):
            ids = getattr(self, name)
            if ids is not None and len(ids) != n:
                raise ValueError(f"len({name}) = {len(ids)}: must be {n}, one for each neuron that is kept")
        if self.shift is not None:
            check_floats("shift", self.shift, self.topology.n_out)
        if self.new_values is not None:
            check_floats("new_values", self.new_values, len(self.grown))

    @property
    def grown(self) -> NDArray[np.int64]:
        """Slots of the links that have grown, (n_grown,)."""
        return np.flatnonzero(self.origin < 0)

    @property
    def n_pruned(self) -> int:
        """Number of old links that were removed."""
        return self.n_before - int(np.count_nonzero(self.origin >= 0))

    def carry(self, values: NDArray[T], fill: float = 0) -> NDArray[T]:
        """Carry a vector aligned with the old links over to the new ones.

        Parameters
        ----------
        values : ndarray
            One value for each old link, (n_before,).
        fill : float, default 0
            Value of links that have grown.

        Returns
        -------
        ndarray
            One value for each new link, (new nnz,), in the dtype of `values`.

        Raises
        ------
        ValueError
            If the length does not fit.
        """
        if len(values) != self.n_before:
            raise ValueError(f"len(values) = {len(values)}: must be the old number of links, {self.n_before}")
        out = np.empty(len(self.origin), values.dtype)
        csr_passes.carry(values, self.origin, values.dtype.type(fill), out)
        return out

    def carry_rows(self, values: NDArray[T]) -> NDArray[T]:
        """Carry a vector aligned with the old outputs over to those that are kept.

        Parameters
        ----------
        values : ndarray
            One value for each old output.

        Returns
        -------
        ndarray
            A copy of the values of the kept outputs, (n_out,).
        """
        return values.copy() if self.rows is None else values[self.rows]

    def carry_biases(self, b: NDArray[np.floating]) -> NDArray[np.floating]:
        """Carry biases over to the outputs that are kept, and add `shift`.

        Parameters
        ----------
        b : ndarray
            The old biases.

        Returns
        -------
        ndarray
            The new biases (n_out,), in the dtype of b.
        """
        b = self.carry_rows(b)
        return b if self.shift is None else (b + self.shift).astype(b.dtype)

    def then(self, later: "Rewiring") -> "Rewiring":
        """Combine this rewiring with a later one. The result has no `new_values`.

        Parameters
        ----------
        later : Rewiring
            A change that starts from this rewiring's topology.

        Returns
        -------
        Rewiring
            The change from the old topology of this one to the new topology of the later one.

        Raises
        ------
        ValueError
            If `later` starts from another number of links.
        """
        if later.n_before != self.topology.nnz:
            raise ValueError(f"later.n_before = {later.n_before}: must be {self.topology.nnz}, the links it starts from")
        rows, cols = (
            b if a is None else (a if b is None else a[b]) for a, b in ((self.rows, later.rows), (self.cols, later.cols))
        )
        shift = later.shift
        if self.shift is not None:
            shift = later.carry_rows(self.shift) + (0 if shift is None else shift)
        return Rewiring(later.topology, later_origin(self.origin, later.origin), self.n_before, rows, cols, shift)


def check_floats(name, values, n):
    """Raise TypeError or ValueError unless `values` is an array of n finite floats."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.shape != (n,):
        checks.fail(name, values, f"an array of floats of shape ({n},)", TypeError)
    if not checks.all_finite(values):
        raise ValueError(f"{name}: must be finite")


def later_origin(first, second):
    """Combine two maps from new to old slots."""
    out = np.empty(len(second), np.int64)
    csr_passes.carry(first, second, -1, out)
    return out


def rewire(topology: Topology, keep: ArrayLike, n_new: int = 0, *, rng: np.random.Generator | None = None) -> Rewiring:
    """Remove links, then grow new ones at free positions drawn uniformly.

    The position of a removed link is free and may be drawn; its link counts as new. Time and memory are
    O(links + n_out + n_in).

    Parameters
    ----------
    topology : Topology
        The links.
    keep : ndarray of bool
        Which links are kept, (nnz,).
    n_new : int, default 0
        Number of links that grow, >= 0.
    rng : numpy.random.Generator, optional
        Source of randomness; needed if links grow.

    Returns
    -------
    Rewiring
        The change.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, or if fewer than `n_new` positions are free.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> topology = sl.erdos_renyi(10, 10, density=0.2, exact=True, seed=0)
    >>> rewiring = sl.rewire(topology, np.arange(20) >= 5, 5, rng=np.random.default_rng(0))
    >>> rewiring.topology.nnz, rewiring.n_pruned, len(rewiring.grown)
    (20, 5, 5)
    """
    n_new = checks.integer("n_new", n_new, low=0)
    indptr, indices, origin = _compact(topology, keep)
    if n_new:
        counts, seed = _drawn_counts(topology.shape, indptr, n_new, rng)
        indptr, indices, origin = _grow(topology.n_in, indptr, indices, origin, counts, seed)
    return Rewiring(Topology(*topology.shape, indptr, indices), origin, topology.nnz)


def free_places(topology, n_new, rng, at_once=2**20):
    """Yield rows and columns, int64, of the places where `rewire` would grow n_new links: about `at_once` of them at a time."""
    indptr, indices, origin = topology.indptr, topology.indices, np.zeros(topology.nnz, np.int64)
    counts, seed = _drawn_counts(topology.shape, indptr, n_new, rng)
    ends = np.append(0, np.cumsum(counts + np.diff(indptr)))  # links of a row are merged with the new ones
    cuts = np.unique(np.searchsorted(ends, np.arange(at_once, ends[-1] + at_once, at_once), side="right") - 1)
    begin = 0
    for end in [*cuts.tolist(), topology.n_out]:
        if end > begin:
            _, columns, origins = _grow(topology.n_in, indptr, indices, origin, counts, seed, begin, end)
            yield np.repeat(np.arange(begin, end), counts[begin:end]), columns[origins < 0].astype(np.int64)
            begin = end


def regrow_rows(topology, counts, rng):
    """Grow counts[j] links of each output j at free positions drawn uniformly; ValueError if a row has too few of them."""
    counts = checks.whole_array("counts", counts, topology.n_out)
    if (counts < 0).any() or (counts > topology.n_in - topology.fan_in).any():
        checks.fail("counts", counts, f"{topology.n_out} whole numbers, each at most the free positions of its row")
    counts = np.ascontiguousarray(counts, np.int64)
    origin = np.arange(topology.nnz)
    indptr, indices, origin = _grow(topology.n_in, topology.indptr, topology.indices, origin, counts, _random_state(rng)[0])
    return Rewiring(Topology(*topology.shape, indptr, indices), origin, topology.nnz)


def grow(topology, rows, columns):
    """Grow links from inputs columns[k] to outputs rows[k]; ValueError names the first position that is not free."""
    new = Topology.from_links(*topology.shape, rows, columns)
    taken = np.flatnonzero(between(topology, new).origin >= 0)
    if len(taken):
        place = int(new.rows[taken[0]]), int(new.indices[taken[0]])
        raise ValueError(f"link (row, column) = {place}: must be a free position, and this link exists already")
    return union([topology, new])[1][0]


def keep_neurons(
    topology: Topology,
    rows: NDArray[np.bool_] | None = None,
    cols: NDArray[np.bool_] | None = None,
    shift: NDArray[np.floating] | None = None,
) -> Rewiring:
    """Remove outputs and inputs of a layer, which gives a smaller topology.

    Time and memory are O(links + n_out + n_in).

    Parameters
    ----------
    topology : Topology
        The links.
    rows, cols : ndarray of bool, optional
        Which outputs (n_out,) and inputs (n_in,) are kept, at least one of each; by default all.
    shift : ndarray of float, optional
        Added to the biases of the outputs that are kept.

    Returns
    -------
    Rewiring
        The change; the neurons that are kept are renumbered in their order.

    Raises
    ------
    TypeError, ValueError
        If an array does not fit, or if no neuron is kept.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> dense = sl.Topology.dense(3, 4)
    >>> sl.evolution.keep_neurons(dense, rows=np.array([True, False, True])).topology.shape
    (2, 4)
    """
    for name, mask, n in zip(("rows", "cols"), (rows, cols), topology.shape, strict=True):
        if mask is not None and not checks.mask(name, mask, n).any():
            checks.fail(name, mask, "a mask that keeps at least one neuron")
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
    """Return the Rewiring from one topology to another of the same shape; links at equal positions count as the same link."""
    for name, topology in (("before", before), ("after", after)):
        if not isinstance(topology, Topology):
            checks.fail(name, topology, "a Topology", TypeError)
    check_shapes([before, after])
    origin = np.empty(after.nnz, np.int64)
    csr_passes.matches(before.indptr, before.indices, after.indptr, after.indices, origin)
    return Rewiring(after, origin, before.nnz)


def union(topologies):
    """Return the topology with the links of all, and the Rewiring from each to it. Time and memory O(links · topologies)."""
    check_shapes(topologies)
    whole, origins = topologies[0], [np.arange(topologies[0].nnz)]
    for other in topologies[1:]:
        whole, first, second = _union(whole, other)
        origins = [*(later_origin(origin, first) for origin in origins), second]
    return whole, [Rewiring(whole, origin, t.nnz) for origin, t in zip(origins, topologies, strict=True)]


def check_shapes(topologies):
    """Raise TypeError or ValueError unless this is a list of at least one topology, all of the same shape."""
    if not isinstance(topologies, list | tuple) or not topologies or not all(isinstance(t, Topology) for t in topologies):
        checks.fail("topologies", topologies, "a list of at least one Topology", TypeError)
    shapes = {t.shape for t in topologies}
    if len(shapes) > 1:
        checks.fail("topologies", [t.shape for t in topologies], "of the same shape (n_out, n_in)")


def _union(a, b):
    room = a.nnz + b.nnz
    indptr, indices = np.empty(a.n_out + 1, np.int64), np.empty(room, np.int32)
    first, second = np.empty(room, np.int64), np.empty(room, np.int64)
    csr_passes.union(a.indptr, a.indices, b.indptr, b.indices, indptr, indices, first, second)
    n = indptr[-1]
    return Topology(*a.shape, indptr, indices[:n].copy()), first[:n].copy(), second[:n].copy()


def check_free(shape, nnz, n_new):
    """Raise ValueError if a layer with `nnz` links has fewer than `n_new` free positions."""
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


def _drawn_counts(shape, indptr, n_new, rng):
    """(how many of n_new links grow in each row, seed of their columns)."""
    check_free(shape, int(indptr[-1]), n_new)
    state, counts = _random_state(rng), np.empty(shape[0], np.int64)
    growth.draw_counts(state, shape[1], np.diff(indptr), n_new, counts)
    return counts, state[0]


def _random_state(rng):
    if not isinstance(rng, np.random.Generator):
        checks.fail("rng", rng, "a numpy Generator, which growing links needs", TypeError)
    return rng.integers(2**64, size=1, dtype=np.uint64)


def _grow(n_in, indptr, indices, origins, counts, seed, first=0, stop=None):
    """(row pointers, indices, origins) of the rows [first, stop) with counts[j] links more in row j."""
    stop = len(counts) if stop is None else stop
    new_indptr = indptr.copy()
    new_indptr[1:] += np.cumsum(counts)
    new_indptr -= new_indptr[first]
    total = int(new_indptr[stop])
    new_indices, origin = np.empty(total, np.int32), np.empty(total, np.int64)
    most, longest = counts[first:stop].max(), int(np.diff(new_indptr[first : stop + 1]).max())

    def grow(begin, end):
        begin, end = first + begin, first + end
        stamp, drawn = np.full(0 if longest <= growth.SHORT else n_in, -1, np.int64), np.empty(most, np.int32)
        growth.grow(
            seed, begin, end, n_in, indptr, indices, origins, counts, new_indptr, new_indices, origin, stamp, drawn,
            np.empty(1, np.uint64),
        )  # fmt: skip

    in_parts(grow, stop - first, total)
    return new_indptr, new_indices, origin
