"""A layer on torch.sparse CSR at its best: its products (spmm, sampled_addmm) in an autograd function.

The gradient that torch.sparse itself takes through a CSR matrix is right but transposes the matrix at every step; with the
transposed pattern kept, as here, a step is several times faster.
"""

import warnings

import numpy as np
import torch

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


class Product(torch.autograd.Function):
    """Z = W X for the values of W; int32 indices, which MKL takes as they are."""

    @staticmethod
    def forward(ctx, values, X, layer):
        ctx.layer = layer
        ctx.save_for_backward(values, X)
        return layer.matrix(values) @ X

    @staticmethod
    def backward(ctx, dZ):
        values, X = ctx.saved_tensors
        W, dX = ctx.layer.matrix(values), None
        if ctx.needs_input_grad[1]:
            dX = ctx.layer.transposed(values) @ dZ
        return torch.sparse.sampled_addmm(W, dZ, X.t(), beta=0.0).values(), dX, None


class CSRLinear(torch.nn.Module):
    """Activations are (neurons, batch)."""

    def __init__(self, n_in, n_out, indptr, indices, values):
        super().__init__()
        self.shape = (n_out, n_in)
        self.crow, self.col = torch.from_numpy(indptr.astype(np.int32)), torch.from_numpy(indices)
        self.slots = torch.from_numpy(np.argsort(indices, kind="stable"))
        self.rows = torch.from_numpy(np.repeat(np.arange(n_out, dtype=np.int32), np.diff(indptr)))[self.slots]
        columns = np.concatenate([[0], np.cumsum(np.bincount(indices, minlength=n_in))])
        self.crow_t = torch.from_numpy(columns.astype(np.int32))
        self.weight, self.bias = torch.nn.Parameter(torch.from_numpy(values)), torch.nn.Parameter(torch.zeros(n_out, 1))

    def matrix(self, values):
        return torch.sparse_csr_tensor(self.crow, self.col, values, self.shape, check_invariants=False)

    def transposed(self, values):
        return torch.sparse_csr_tensor(self.crow_t, self.rows, values[self.slots], self.shape[::-1], check_invariants=False)

    def forward(self, X):
        return Product.apply(self.weight, X, self) + self.bias
