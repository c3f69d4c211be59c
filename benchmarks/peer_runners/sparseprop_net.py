"""SparseProp (Nikdan et al. 2023): its SparseLinear modules on the CPU."""

from importlib.metadata import version

import torch
from links import sparse_layers
from protocol import serve
from sparseprop_linear import sparse_linear
from torch_net import TorchNet


class SparsePropNet(TorchNet):
    leaves_out = ("dropout", "evolution")

    def layers(self, job):
        return [sparse_linear(*layer) for layer in sparse_layers(job)]


if __name__ == "__main__":
    serve(SparsePropNet, torch=torch.__version__, sparseprop=version("sparseprop"))
