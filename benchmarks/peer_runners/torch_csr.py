"""torch.sparse CSR: layers of csr_linear, activations (neurons, batch)."""

import torch
from csr_linear import CSRLinear
from links import sparse_layers
from protocol import serve
from torch_net import TorchNet


class CSR(TorchNet):
    leaves_out = ("dropout", "evolution")

    def layers(self, job):
        return [CSRLinear(*layer) for layer in sparse_layers(job)]

    def forward(self, X):
        return super().forward(X.t().contiguous()).t()


if __name__ == "__main__":
    serve(CSR, torch=torch.__version__)
