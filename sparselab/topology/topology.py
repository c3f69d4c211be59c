"""Which links exist: a value that never changes.

Everything aligned with links (weights, velocity, gradients) is a plain vector of length nnz beside a `Topology`; changing a
topology is a `Rewiring` (see rewiring.py), which knows how such vectors move.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..kernels import csr_passes
from ..utils import checks
from ..utils.csr import check_kind, check_parts

MAX_WIDTH = 2**31 - 1  # neurons of a layer: indices are int32
FAULTS = {
    csr_passes.BAD_START: "indptr[0] = {start}: must be 0",
    csr_passes.DECREASING: "indptr[{next}] = {value}: must be in [indptr[{row}], {nnz}]",
    csr_passes.OUT_OF_RANGE: "indices[{slot}] = {index}: must be in [0, {n_in})",
    csr_passes.UNSORTED: "indices[{slot}] = {index} in row {row}: must exceed the index before it (sorted, no duplicates)",
}


@dataclass(frozen=True, eq=False)
class Transposed:
    """The same links by input: `rows[k]` and the slot `slots[k]` for k in indptr[i] … indptr[i + 1] (int64, int32, int32)."""

    indptr: np.ndarray
    rows: np.ndarray
    slots: np.ndarray


@dataclass(frozen=True, eq=False)
class Topology:
    """Links of one layer in CSR order, one row an output neuron.

    n_out, n_in: widths. indptr: (n_out + 1,) int64. indices: (nnz,) int32, input neurons, sorted and unique in each row.
    Checked on the way in (`validate`, about a nanosecond a link) and seen read-only from then on: a Topology that exists is
    valid, and kernels may trust it. The arrays are not copied: do not write to them elsewhere. Raises TypeError or ValueError
    naming the array, the place and what is allowed.
    """

    n_out: int
    n_in: int
    indptr: np.ndarray
    indices: np.ndarray

    def __post_init__(self):
        self.validate()
        for name in ("indptr", "indices"):
            frozen = getattr(self, name).view()
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)

    def __eq__(self, other):
        return (
            isinstance(other, Topology)
            and self.shape == other.shape
            and np.array_equal(self.indptr, other.indptr)
            and np.array_equal(self.indices, other.indices)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def shape(self):
        return self.n_out, self.n_in

    @property
    def nnz(self):
        """Number of links."""
        return len(self.indices)

    @property
    def density(self):
        """Share of the n_out · n_in possible links that exist."""
        return self.nnz / (self.n_out * self.n_in)

    @property
    def sparsity(self):
        return 1 - self.density

    @property
    def fan_in(self):
        """(n_out,) int64: incoming links of each output neuron."""
        return np.diff(self.indptr)

    @property
    def fan_out(self):
        """(n_in,) int64: outgoing links of each input neuron."""
        counts = np.zeros(self.n_in, np.int64)
        csr_passes.count_columns(self.indices, counts)
        return counts

    @property
    def rows(self):
        """(nnz,) int32: the output neuron of each link."""
        rows = np.empty(self.nnz, np.int32)
        csr_passes.row_of_links(self.indptr, rows)
        return rows

    @property
    def nbytes(self):
        """Bytes of the index arrays, without the transposed index."""
        return self.indptr.nbytes + self.indices.nbytes

    @cached_property
    def transposed(self):
        """The links by input (8 bytes a link more), built on first use by a radix sort."""
        begins = np.empty(((self.n_in - 1) >> csr_passes.BLOCK) + 2, np.int64)
        csr_passes.block_begins(self.indices, begins)
        indptr, rows, slots = np.zeros(self.n_in + 1, np.int64), np.empty(self.nnz, np.int32), np.empty(self.nnz, np.int32)
        fullest = int(np.diff(begins).max())
        scratch = np.empty(self.nnz, np.uint16), np.empty(fullest, np.int32), np.empty(fullest, np.int32)
        csr_passes.transpose(self.indptr, self.indices, begins, indptr, rows, slots, *scratch)
        return Transposed(indptr, rows, slots)

    def validate(self):
        """Check every law of a topology; returns self. The one gate before the kernels; errors as for the class."""
        for name in ("n_out", "n_in"):
            checks.integer(name, getattr(self, name), low=1, high=MAX_WIDTH)
        for name, kind, length in (("indptr", np.int64, self.n_out + 1), ("indices", np.int32, None)):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != kind or array.ndim != 1 or not array.flags.c_contiguous:
                checks.fail(name, array, f"a contiguous 1-D array of {np.dtype(kind)}", TypeError)
            if length is not None and len(array) != length:
                raise ValueError(f"len({name}) = {len(array)}: must be n_out + 1 = {length}")
        kind, row, slot = csr_passes.first_fault(self.indptr, self.indices, self.n_in)
        if kind != csr_passes.FINE:
            raise ValueError(
                FAULTS[kind].format(
                    start=self.indptr[0], row=row, next=row + 1, value=self.indptr[min(row + 1, self.n_out)], nnz=self.nnz,
                    slot=slot, index=self.indices[slot] if self.nnz else None, n_in=self.n_in,
                )
            )  # fmt: skip
        if self.nnz > MAX_WIDTH:
            raise ValueError(f"len(indices) = {self.nnz}: must be at most {MAX_WIDTH} links a layer (slots are int32)")
        if self.indptr[-1] != self.nnz:
            raise ValueError(f"indptr[-1] = {self.indptr[-1]}: must be len(indices) = {self.nnz}")
        return self

    @classmethod
    def dense(cls, n_out, n_in):
        """Every link: a dense layer is a sparse one of density 1."""
        n_out, n_in = (checks.integer(n, v, high=MAX_WIDTH) for n, v in (("n_out", n_out), ("n_in", n_in)))
        indptr = np.arange(n_out + 1, dtype=np.int64) * n_in
        return cls(n_out, n_in, indptr, np.tile(np.arange(n_in, dtype=np.int32), n_out))

    @classmethod
    def from_links(cls, n_out, n_in, rows, columns):
        """From (nnz,) output and input neurons in any order; duplicates raise ValueError."""
        n_out, n_in = (checks.integer(n, v, high=MAX_WIDTH) for n, v in (("n_out", n_out), ("n_in", n_in)))
        rows = checks.whole_array("rows", rows)
        columns = checks.whole_array("columns", columns, len(rows))
        for name, array, limit in (("rows", rows, n_out), ("columns", columns, n_in)):
            bad = np.flatnonzero((array < 0) | (array >= limit))
            if len(bad):
                raise ValueError(f"{name}[{bad[0]}] = {array[bad[0]]}: must be in [0, {limit})")
        order = np.lexsort((columns, rows))
        indptr = np.zeros(n_out + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=n_out), out=indptr[1:])
        return cls(n_out, n_in, indptr, columns[order].astype(np.int32))

    @classmethod
    def from_scipy(cls, matrix):
        """(topology, w) of a scipy sparse matrix (n_out, n_in); explicit zeros are links, duplicates an error."""
        import scipy.sparse

        if not scipy.sparse.issparse(matrix):
            checks.fail("matrix", type(matrix).__name__, "a scipy sparse matrix", TypeError)
        check_parts(matrix, "matrix")  # scipy's own conversion follows wild indices
        check_kind("matrix.data.dtype", matrix.dtype)
        coo = matrix.tocoo()
        rows, columns = coo.row, coo.col
        topology = cls.from_links(*coo.shape, rows, columns)
        return topology, np.ascontiguousarray(coo.data[np.lexsort((columns, rows))])

    def to_scipy(self, w):
        """The layer as scipy CSR (n_out, n_in) with values w (nnz,); arrays are copied."""
        import scipy.sparse

        return scipy.sparse.csr_array((w, self.indices, self.indptr), shape=self.shape, copy=True)

    def __repr__(self):
        return f"Topology({self.n_out} x {self.n_in}, {self.nnz:,} links, density {self.density:.4g})"
