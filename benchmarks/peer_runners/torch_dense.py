"""PyTorch, dense: torch.nn.Linear."""

import torch
from protocol import serve
from torch_net import TorchNet


class Dense(TorchNet):
    leaves_out = ("sparsity",)

    def layers(self, job):
        return [torch.nn.Linear(a, b) for a, b in zip(job["sizes"], job["sizes"][1:])]


if __name__ == "__main__":
    serve(Dense, torch=torch.__version__)
