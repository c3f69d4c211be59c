"""SparseProp (Nikdan et al. 2023): its SparseLinear modules on the CPU.

`SparseLinear.from_dense` counts links in float32, so its row offsets are wrong beyond 2^24 links; the arrays are set here.
"""

from importlib.metadata import version

import numpy as np
import torch
from links import sparse_layers
from protocol import serve
from sparseprop.modules import SparseLinear
from torch_net import TorchNet


def sparse_linear(n_in, n_out, indptr, indices, values):
    layer = SparseLinear(torch.ones(1, 1), bias=torch.nn.Parameter(torch.zeros(n_out)))
    layer.N, layer.M, layer.W_val = n_out, n_in, torch.nn.Parameter(torch.from_numpy(values))
    layer.W_idx = (torch.from_numpy(indptr.astype(np.int32)), torch.from_numpy(indices))
    return layer


class SparsePropNet(TorchNet):
    leaves_out = ("dropout", "evolution")

    def layers(self, job):
        return [sparse_linear(*layer) for layer in sparse_layers(job)]


if __name__ == "__main__":
    serve(SparsePropNet, torch=torch.__version__, sparseprop=version("sparseprop"))
