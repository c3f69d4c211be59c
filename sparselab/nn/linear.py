"""One truly sparse layer: Z = W X + b where only the links of `topology` exist."""

import numpy as np

from .. import kernels
from ..kernels import csr_passes
from ..topology.topology import Topology
from ..utils import checks
from .shapes import DTYPES

NO_BITS = np.zeros((0, 0), np.uint8)


class SparseLinear:
    """A layer's whole state: `topology`, `w` (nnz,) aligned with its links, `b` (n_out,). Nothing else exists.

    w and b can be replaced by arrays of the same length and dtype (TypeError or ValueError otherwise); widths and links change
    only through `evolution.apply`.
    """

    def __init__(self, topology, w, b):
        if not isinstance(topology, Topology):
            checks.fail("topology", topology, "a Topology", TypeError)
        if np.asarray(w).dtype not in DTYPES:
            checks.fail("w", np.asarray(w).dtype, "an array of float32 or float64", TypeError)
        self._topology, self._dtype = topology, np.asarray(w).dtype
        self.w, self.b = w, b

    @property
    def topology(self):
        return self._topology

    @property
    def dtype(self):
        return self._dtype

    @property
    def w(self):
        """(nnz,) values of the links."""
        return self._w

    @w.setter
    def w(self, values):
        self._w = self._vector("w", values, self._topology.nnz)

    @property
    def b(self):
        """(n_out,) biases."""
        return self._b

    @b.setter
    def b(self, values):
        self._b = self._vector("b", values, self._topology.n_out)

    def _vector(self, name, values, length):
        good = isinstance(values, np.ndarray) and values.dtype == self._dtype and values.shape == (length,)
        if not (good and values.flags.c_contiguous and values.flags.writeable):
            shown = f"{values.dtype} array of shape {values.shape}" if isinstance(values, np.ndarray) else values
            checks.fail(name, shown, f"a contiguous, writeable {self._dtype} array of shape ({length},)")
        return values

    def check(self):
        """Raise unless w and b still fit and can be written to (a pickle may bring read-only arrays); returns self."""
        self.w, self.b = self._w, self._b
        return self

    def replace(self, topology, w, b):
        """All three at once, the only way to other links; returns self."""
        self.__init__(topology, w, b)
        return self

    def forward(self, X, out=None):
        """Z = W X + b for a tile X (n_in, W); returns Z (n_out, W), written to `out` where given."""
        X = self._tile("X", X, self._topology.n_in)
        shape = self._topology.n_out, X.shape[1]
        out = np.empty(shape, self._dtype) if out is None else out
        if out.shape != shape or out.dtype != self._dtype or not (out.flags.c_contiguous and out.flags.writeable):
            checks.fail("out", f"{out.dtype} array of shape {out.shape}", f"a contiguous {self._dtype} array of shape {shape}")
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

    def backward(self, X, dZ):
        """(dX (n_in, W), dw (nnz,), db (n_out,)) from a tile's input and dZ (n_out, W)."""
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

    def strength(self):
        """(n_out,) Σ |w| over the incoming links of each neuron: the paper's importance."""
        out = np.empty(self._topology.n_out, self._dtype)
        csr_passes.strength(self._topology.indptr, self._w, out)
        return out

    def strength_out(self):
        """(n_in,) Σ |w| over the outgoing links of each input (Atashgahi et al. 2022: the strength of a feature)."""
        out = np.zeros(self._topology.n_in)
        csr_passes.strength_out(self._topology.indices, self._w, out)
        return out.astype(self._dtype)

    @property
    def nbytes(self):
        """Bytes of links and biases: values, indices and row pointers."""
        return self._w.nbytes + self._b.nbytes + self._topology.nbytes

    def to_scipy(self):
        """W as scipy CSR (n_out, n_in), a copy."""
        return self._topology.to_scipy(self._w)

    def __repr__(self):
        return f"SparseLinear({self._topology!r}, {self._dtype})"
