"""PyTorch, masked: dense weights times a fixed mask, as most libraries of sparse training do it."""

import torch
import torch.nn.functional as F
from links import sparse_layers
from protocol import serve
from torch_net import TorchNet, dense_weight


class MaskedLinear(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.register_buffer("mask", (weight != 0).to(weight.dtype))
        self.weight, self.bias = torch.nn.Parameter(weight), torch.nn.Parameter(torch.zeros(len(weight)))

    def forward(self, X):
        return F.linear(X, self.weight * self.mask, self.bias)


class Masked(TorchNet):
    leaves_out = ("evolution",)

    def layers(self, job):
        return [MaskedLinear(dense_weight(*layer)) for layer in sparse_layers(job)]

    @property
    def links(self):
        return sum(int(layer.mask.sum(dtype=torch.float64)) for layer in self.modules)

    def weights(self):
        return [layer.weight.detach()[layer.mask > 0].numpy().copy() for layer in self.modules]


if __name__ == "__main__":
    serve(Masked, torch=torch.__version__)
