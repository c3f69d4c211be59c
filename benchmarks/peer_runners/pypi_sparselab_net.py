"""The project that owns the bare name on PyPI: its SparseLinear, on our links.

Its constructor draws a dense matrix first; the links are put in through its public `PaddedCSR.from_torch_sparse_csr`, so that
they are those of the other peers.
"""

import warnings
from importlib.metadata import version

import numpy as np
import torch
from links import sparse_layers
from protocol import serve
from torch_net import TorchNet

import sparselab

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


def sparse_linear(n_in, n_out, indptr, indices, values):
    pieces = (torch.from_numpy(indptr), torch.from_numpy(indices.astype(np.int64)), torch.from_numpy(values))
    csr = sparselab.PaddedCSR.from_torch_sparse_csr(torch.sparse_csr_tensor(*pieces, (n_out, n_in), check_invariants=False))
    layer = sparselab.SparseLinear(1, 1, sparsity=0.0)
    layer.in_features, layer.out_features, layer._csr = n_in, n_out, csr
    layer._values = torch.nn.Parameter(
        torch.from_numpy(np.asarray(csr.values))
    )  # a view: what the optimizer writes, kernels read
    layer.bias = torch.nn.Parameter(torch.zeros(n_out))
    return layer


class PyPINet(TorchNet):
    leaves_out = ("dropout", "evolution")

    def layers(self, job):
        # its cache of transposes is kept by id(): a new net must not meet an old one's
        sparselab.ops._clear_transpose_cache()
        return [sparse_linear(*layer) for layer in sparse_layers(job)]

    @property
    def links(self):
        return sum(layer.nnz for layer in self.modules)

    def weights(self):
        return [np.array(layer._values.detach())[np.asarray(layer._csr.col_indices) >= 0] for layer in self.modules]


if __name__ == "__main__":
    serve(PyPINet, torch=torch.__version__, sparselab=version("sparselab"))
