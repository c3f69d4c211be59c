"""One truly sparse layer: Z = W X + b, where only the links of its topology are stored."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import kernels
from ..kernels import csr_passes
from ..topology.topology import Topology
from ..utils import checks
from .shapes import DTYPES

NO_BITS = np.zeros((0, 0), np.uint8)


class SparseLinear:
    """A sparse layer: its links, their values and its biases.

    `w` and `b` can be replaced by arrays of the same length and dtype. Widths and links change by `evolution.apply`.

    Parameters
    ----------
    topology : Topology
        The links, from n_in inputs to n_out outputs.
    w : ndarray
        Values (nnz,) of the links, in CSR order, float32 or float64, contiguous and writeable; not copied.
    b : ndarray
        Biases (n_out,), of the same dtype; not copied.
    values : ndarray, optional
        The k trained values of the activation behind this layer, (k, n_out), of the same dtype; not copied. By default none.

    Raises
    ------
    TypeError, ValueError
        If an array does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> topology = sl.Topology.from_links(2, 3, rows=[0, 1, 1], columns=[2, 0, 1])
    >>> layer = sl.SparseLinear(topology, np.array([1.0, 2.0, 3.0]), np.zeros(2))
    >>> layer.forward(np.array([[1.0], [10.0], [100.0]])).tolist()
    [[100.0], [32.0]]
    """

    _values: NDArray[np.floating] | None = None  # missing in layers that were pickled before there were trained values

    def __init__(
        self,
        topology: Topology,
        w: NDArray[np.floating],
        b: NDArray[np.floating],
        values: NDArray[np.floating] | None = None,
    ) -> None:
        self._set(topology, w, b, values)

    def _set(self, topology, w, b, values):
        if not isinstance(topology, Topology):
            checks.fail("topology", topology, "a Topology", TypeError)
        if np.asarray(w).dtype not in DTYPES:
            checks.fail("w", np.asarray(w).dtype, "an array of float32 or float64", TypeError)
        self._topology, self._dtype = topology, np.asarray(w).dtype
        self.w, self.b = w, b
        if values is None:
            self._values = None
        else:
            self.values = values

    @property
    def topology(self) -> Topology:
        """The links."""
        return self._topology

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype of values and biases: float32 or float64."""
        return self._dtype

    @property
    def w(self) -> NDArray[np.floating]:
        """Values (nnz,) of the links."""
        return self._w

    @w.setter
    def w(self, values: NDArray[np.floating]) -> None:
        self._w = self._vector("w", values, self._topology.nnz)

    @property
    def b(self) -> NDArray[np.floating]:
        """Biases (n_out,)."""
        return self._b

    @b.setter
    def b(self, values: NDArray[np.floating]) -> None:
        self._b = self._vector("b", values, self._topology.n_out)

    @property
    def values(self) -> NDArray[np.floating]:
        """The trained values of the activation behind this layer, (k, n_out); k is 0 where it has none."""
        return np.empty((0, self._topology.n_out), self._dtype) if self._values is None else self._values

    @values.setter
    def values(self, values: NDArray[np.floating]) -> None:
        k = len(values) if isinstance(values, np.ndarray) and values.ndim else 1
        values = self._array("values", values, (k, self._topology.n_out))
        self._values = values if k else None

    def _vector(self, name, values, length):
        return self._array(name, values, (length,))

    def _array(self, name, values, shape):
        good = isinstance(values, np.ndarray) and values.dtype == self._dtype and values.shape == shape
        if not (good and values.flags.c_contiguous and values.flags.writeable):
            shown = f"{values.dtype} array of shape {values.shape}" if isinstance(values, np.ndarray) else values
            checks.fail(name, shown, f"a contiguous, writeable {self._dtype} array of shape {shape}")
        return values

    def check(self) -> Self:
        """Check that w, b and values fit and can be written to; unpickled arrays may be read-only.

        Returns
        -------
        SparseLinear
            This layer.

        Raises
        ------
        ValueError
            If an array does not fit.
        """
        self.w, self.b, self.values = self._w, self._b, self.values
        return self

    def copy(self) -> "SparseLinear":
        """Copy the layer.

        Returns
        -------
        SparseLinear
            A layer with copies of weights, biases and trained values; the topology is shared because it never changes.
        """
        return SparseLinear(self._topology, np.array(self._w), np.array(self._b), np.array(self.values))

    def replace(
        self,
        topology: Topology,
        w: NDArray[np.floating],
        b: NDArray[np.floating],
        values: NDArray[np.floating] | None = None,
    ) -> Self:
        """Replace links, values and biases together.

        Parameters
        ----------
        topology : Topology
            The new links.
        w, b : ndarray
            Their values (nnz,) and the biases (n_out,); not copied.
        values : ndarray, optional
            The trained values of the activation (k, n_out); not copied. By default the present ones.

        Returns
        -------
        SparseLinear
            This layer.

        Raises
        ------
        TypeError, ValueError
            If an array does not fit.
        """
        self._set(topology, w, b, self._values if values is None else values)
        return self

    def forward(self, X: ArrayLike, out: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """Compute Z = W X + b.

        Parameters
        ----------
        X : array_like
            Inputs (n_in, W), one column a sample.
        out : ndarray, optional
            Contiguous array (n_out, W) of the layer's dtype that receives the result; not X itself.

        Returns
        -------
        ndarray
            Z (n_out, W): `out` if given.

        Raises
        ------
        ValueError
            If a shape or dtype does not fit, or `out` shares memory with X.
        """
        X = self._tile("X", X, self._topology.n_in)
        shape = self._topology.n_out, X.shape[1]
        out = np.empty(shape, self._dtype) if out is None else out
        if out.shape != shape or out.dtype != self._dtype or not (out.flags.c_contiguous and out.flags.writeable):
            checks.fail("out", f"{out.dtype} array of shape {out.shape}", f"a contiguous {self._dtype} array of shape {shape}")
        if np.may_share_memory(out, X):
            checks.fail("out", "an array in the memory of X", "another one: outputs are written while inputs are read")
        t, kernel = self._topology, kernels.select(self._dtype, X.shape[1])
        kernel.spmm(
            t.indptr,
            t.indices,
            self._w,
            self._b,
            X,
            out,
            1.0,
            1.0,
            NO_BITS,
            NO_BITS,
            np.uint64(0),
            0,
            0,
            1.0,
            0,
            t.n_out,
        )
        return out

    def backward(self, X: ArrayLike, dZ: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
        """Compute the gradients of a loss.

        Parameters
        ----------
        X : array_like
            Inputs (n_in, W), one column a sample.
        dZ : array_like
            Gradient (n_out, W) of the loss with respect to the outputs Z.

        Returns
        -------
        dX : ndarray
            Gradient (n_in, W) with respect to the inputs.
        dw : ndarray
            Gradient (nnz,) with respect to the values of the links.
        db : ndarray
            Gradient (n_out,) with respect to the biases.

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        X, dZ = self._tile("X", X, self._topology.n_in), self._tile("dZ", dZ, self._topology.n_out)
        if X.shape[1] != dZ.shape[1]:
            checks.fail("dZ", dZ.shape, f"as many columns as X, {X.shape[1]}")
        t, reverse, kernel = self._topology, self._topology.transposed, kernels.select(self._dtype, X.shape[1])
        dX, dw, db = np.empty_like(X), np.empty_like(self._w), np.empty_like(self._b)
        kernel.sddmm(t.indptr, t.indices, X, dZ, dw, db, False, np.zeros(1, self._dtype), 0, t.n_out)
        kernel.dx(reverse.indptr, reverse.rows, reverse.slots, self._w, dZ, dX, 1.0, 1.0, NO_BITS, NO_BITS, 1.0, 0, t.n_in)
        return dX, dw, db

    def _tile(self, name, X, rows):
        X = np.ascontiguousarray(X, dtype=self._dtype)
        if X.ndim != 2 or X.shape[0] != rows or X.shape[1] == 0:
            checks.fail(name, X.shape, f"of shape ({rows}, columns)")
        return X

    def strength(self) -> NDArray[np.floating]:
        """Sum |w| over the incoming links of each output: the paper's importance of a neuron.

        Returns
        -------
        ndarray
            Strengths (n_out,).

        References
        ----------
        Curci, Mocanu, Pechenizkiy (2021), "Truly Sparse Neural Networks at Scale", arXiv 2102.01732, eq. 4.
        """
        out = np.empty(self._topology.n_out, self._dtype)
        csr_passes.strength(self._topology.indptr, self._w, out)
        return out

    def strength_out(self) -> NDArray[np.floating]:
        """Sum |w| over the outgoing links of each input: the strength of a feature.

        Returns
        -------
        ndarray
            Strengths (n_in,).

        References
        ----------
        Atashgahi et al. (2022), "Quick and Robust Feature Selection: the Strength of Energy-efficient Sparse Training for
        Autoencoders", Machine Learning 111.
        """
        out = np.zeros(self._topology.n_in)
        csr_passes.strength_out(self._topology.indices, self._w, out)
        return out.astype(self._dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of links, biases and trained values: values, indices and row pointers."""
        return self._w.nbytes + self._b.nbytes + self.values.nbytes + self._topology.nbytes

    def to_scipy(self) -> Any:
        """Convert the weights to a scipy matrix.

        Returns
        -------
        scipy.sparse.csr_array
            A copy of W (n_out, n_in).
        """
        return self._topology.to_scipy(self._w)

    def __repr__(self) -> str:
        return f"SparseLinear({self._topology!r}, {self._dtype})"
