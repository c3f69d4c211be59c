"""A net of PyTorch modules, trained by PyTorch's own momentum SGD; the runners differ in what a layer is."""

import numpy as np
import torch
import torch.nn.functional as F
from protocol import Net

ALPHA = 0.6  # All-ReLU: slope -ALPHA in odd hidden layers, ALPHA in even ones


class TorchNet(Net):
    """Layers are modules (batch, n_in) -> (batch, n_out); a subclass gives `layers(job)`."""

    def __init__(self, job):
        super().__init__(job)
        torch.set_num_threads(job["threads"])
        torch.manual_seed(job["seed"])
        self.modules = torch.nn.ModuleList(self.layers(job))
        self.optimizer = torch.optim.SGD(self.modules.parameters(), lr=job["rate"], momentum=job["momentum"])
        self.samples, self.labels = torch.from_numpy(self.X), torch.from_numpy(self.y)
        self.dropout = torch.nn.Dropout(job["dropout"]) if job["dropout"] else torch.nn.Identity()

    @property
    def links(self):
        return sum(layer.weight.numel() for layer in self.modules)

    def forward(self, Z):
        for depth, layer in enumerate(self.modules, 1):
            Z = layer(Z)
            if depth < len(self.modules):
                Z = self.dropout(F.leaky_relu(Z, -ALPHA if depth % 2 else ALPHA))
        return Z

    def train(self, steps):
        self.dropout.train()
        total = 0.0
        for _ in range(steps):
            batch = torch.from_numpy(next(self.order))
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.forward(self.samples[batch]), self.labels[batch])
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return steps, float(total) / steps

    def predict(self, X):
        self.dropout.eval()
        with torch.inference_mode():
            return self.forward(torch.from_numpy(X)).numpy()

    def weights(self):
        return [np.array(layer.weight.detach()) for layer in self.modules]


def dense_weight(n_in, n_out, indptr, indices, values):
    """(n_out, n_in) tensor of a layer's links, zero elsewhere."""
    W = np.zeros((n_out, n_in), np.float32)
    W[np.repeat(np.arange(n_out), np.diff(indptr)), indices] = values
    return torch.from_numpy(W)
