"""Which links of a layer exist: an immutable value.

Weights, velocities and gradients are plain vectors of length nnz beside a `Topology`. A change of topology is a `Rewiring` (see
rewiring.py), which carries such vectors along.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import csr_passes
from ..utils import checks
from ..utils.csr import check_kind, check_parts

MAX_WIDTH = 2**31 - 1  # neurons of a layer, because indices are int32
FAULTS = {
    csr_passes.BAD_START: "indptr[0] = {start}: must be 0",
    csr_passes.DECREASING: "indptr[{next}] = {value}: must be in [indptr[{row}], {nnz}]",
    csr_passes.OUT_OF_RANGE: "indices[{slot}] = {index}: must be in [0, {n_in})",
    csr_passes.UNSORTED: "indices[{slot}] = {index} in row {row}: must exceed the index before it (sorted, no duplicates)",
}


@dataclass(frozen=True, eq=False)
class Transposed:
    """The links sorted by input: those of input i are k in [indptr[i], indptr[i + 1]), with output rows[k] and slot slots[k]."""

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    slots: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Topology:
    """The links of one layer in CSR order: one row for each output neuron.

    The constructor validates the arrays, and their views here are read-only. So every Topology is valid, and the kernels do not
    check it again. The arrays are not copied: do not write to them elsewhere.

    Parameters
    ----------
    n_out, n_in : int
        Widths of the layer and of the one before it, in [1, 2**31 - 1].
    indptr : ndarray of int64
        Where the rows begin and end, (n_out + 1,), contiguous: row j has the links indptr[j] … indptr[j + 1] - 1.
    indices : ndarray of int32
        The input neuron of each link, (nnz,), contiguous, sorted and without duplicates in each row.

    Raises
    ------
    TypeError, ValueError
        If an array is not valid; the message names the array, the position and what is allowed.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.Topology(2, 3, np.array([0, 1, 3]), np.array([2, 0, 1], np.int32)).fan_in.tolist()
    [1, 2]
    """

    n_out: int
    n_in: int
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    def __post_init__(self) -> None:
        self.validate()
        for name in ("indptr", "indices"):
            frozen = getattr(self, name).view()
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy or a pickled topology; its arrays are read-only, too."""
        self.__dict__.update(state)
        self.__post_init__()

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Topology)
            and self.shape == other.shape
            and np.array_equal(self.indptr, other.indptr)
            and np.array_equal(self.indices, other.indices)
        )

    __hash__ = None

    @property
    def shape(self) -> tuple[int, int]:
        """The widths (n_out, n_in)."""
        return self.n_out, self.n_in

    @property
    def nnz(self) -> int:
        """Number of links."""
        return len(self.indices)

    @property
    def density(self) -> float:
        """Share of the n_out · n_in possible links that exist."""
        return self.nnz / (self.n_out * self.n_in)

    @property
    def sparsity(self) -> float:
        """Share of the possible links that do not exist."""
        return 1 - self.density

    @property
    def fan_in(self) -> NDArray[np.int64]:
        """Number of incoming links of each output neuron, (n_out,)."""
        return np.diff(self.indptr)

    @property
    def fan_out(self) -> NDArray[np.int64]:
        """Number of outgoing links of each input neuron, (n_in,)."""
        counts = np.zeros(self.n_in, np.int64)
        csr_passes.count_columns(self.indices, counts)
        return counts

    @property
    def rows(self) -> NDArray[np.int32]:
        """The output neuron of each link, (nnz,)."""
        rows = np.empty(self.nnz, np.int32)
        csr_passes.row_of_links(self.indptr, rows)
        return rows

    @property
    def nbytes(self) -> int:
        """Bytes of the index arrays, without the transposed index."""
        return self.indptr.nbytes + self.indices.nbytes

    @cached_property
    def transposed(self) -> Transposed:
        """The links sorted by input (another 8 bytes a link), made on first use by a radix sort."""
        begins = np.empty(((self.n_in - 1) >> csr_passes.BLOCK) + 2, np.int64)
        csr_passes.block_begins(self.indices, begins)
        indptr, rows, slots = np.zeros(self.n_in + 1, np.int64), np.empty(self.nnz, np.int32), np.empty(self.nnz, np.int32)
        fullest = int(np.diff(begins).max())
        scratch = np.empty(self.nnz, np.uint16), np.empty(fullest, np.int32), np.empty(fullest, np.int32)
        csr_passes.transpose(self.indptr, self.indices, begins, indptr, rows, slots, *scratch)
        return Transposed(indptr, rows, slots)

    def validate(self) -> Self:
        """Check that the arrays form a valid topology. The constructor does it: nothing later checks them before the kernels.

        Returns
        -------
        Topology
            This topology.

        Raises
        ------
        TypeError, ValueError
            If an array is not valid; the message names the array, the position and what is allowed.
        """
        for name in ("n_out", "n_in"):
            object.__setattr__(self, name, checks.integer(name, getattr(self, name), low=1, high=MAX_WIDTH))
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
    def dense(cls, n_out: int, n_in: int) -> Self:
        """Create a topology with all links.

        Parameters
        ----------
        n_out, n_in : int
            Widths, in [1, 2**31 - 1].

        Returns
        -------
        Topology
            A topology of density 1.

        Raises
        ------
        TypeError, ValueError
            If a width is not such a number.
        """
        n_out, n_in = (checks.integer(n, v, high=MAX_WIDTH) for n, v in (("n_out", n_out), ("n_in", n_in)))
        indptr = np.arange(n_out + 1, dtype=np.int64) * n_in
        return cls(n_out, n_in, indptr, np.tile(np.arange(n_in, dtype=np.int32), n_out))

    @classmethod
    def from_links(cls, n_out: int, n_in: int, rows: ArrayLike, columns: ArrayLike) -> Self:
        """Create a topology from a list of links in any order.

        Parameters
        ----------
        n_out, n_in : int
            Widths, in [1, 2**31 - 1].
        rows, columns : array_like of int
            Output neuron and input neuron of each link, (nnz,).

        Returns
        -------
        Topology
            The topology with these links.

        Raises
        ------
        TypeError, ValueError
            If a link is out of range or occurs twice.

        Examples
        --------
        >>> import sparselab as sl
        >>> sl.Topology.from_links(2, 3, rows=[1, 0, 1], columns=[1, 2, 0]).indices.tolist()
        [2, 0, 1]
        """
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
    def from_scipy(cls, matrix: Any) -> tuple[Self, NDArray[np.generic]]:
        """Create a topology from a scipy sparse matrix.

        Parameters
        ----------
        matrix : scipy.sparse array or matrix
            Weights (n_out, n_in) in any format; explicit zeros are links.

        Returns
        -------
        topology : Topology
            The links.
        w : ndarray
            Their values (nnz,), of the dtype of the matrix.

        Raises
        ------
        TypeError, ValueError
            If the matrix is malformed or has duplicates.
        """
        import scipy.sparse

        if not scipy.sparse.issparse(matrix):
            checks.fail("matrix", type(matrix).__name__, "a scipy sparse matrix", TypeError)
        check_parts(matrix, "matrix")  # scipy's conversion does not check indices
        check_kind("matrix.data.dtype", matrix.dtype)
        coo = matrix.tocoo()
        rows, columns = coo.row, coo.col
        n_out, n_in = coo.shape
        topology = cls.from_links(n_out, n_in, rows, columns)
        return topology, np.ascontiguousarray(coo.data[np.lexsort((columns, rows))])

    def to_scipy(self, w: NDArray[np.generic]) -> Any:
        """Make a scipy matrix of the links.

        Parameters
        ----------
        w : ndarray
            Values (nnz,) of the links.

        Returns
        -------
        scipy.sparse.csr_array
            The matrix (n_out, n_in), with copies of all arrays.
        """
        import scipy.sparse

        return scipy.sparse.csr_array((w, self.indices, self.indptr), shape=self.shape, copy=True)

    def __repr__(self) -> str:
        return f"Topology({self.n_out} x {self.n_in}, {self.nnz:,} links, density {self.density:.4g})"
