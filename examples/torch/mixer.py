"""An MLP-Mixer (Tolstikhin et al. 2021) on FashionMNIST, all of whose mixing layers are sparse and evolve.

`python examples/torch/mixer.py [--small]` prints its accuracy and that of the baseline: the class whose mean image is nearest.
"""

import argparse

import torch
from sklearn.neighbors import NearestCentroid
from torch import nn

import sparselab as sl
import sparselab.torch as st

SIDE, PLACES = 7, 16  # pixels of a patch in each direction, patches of an image


class Mixing(nn.Module):
    """Two layers over patches, then two over channels, each pair beside a way around it."""

    def __init__(self, width, hidden):
        super().__init__()
        pair = lambda n: nn.Sequential(nn.Linear(n, hidden), nn.GELU(), nn.Linear(hidden, n))
        self.of_patches, self.of_channels = pair(PLACES), pair(width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, X):
        X = X + self.of_patches(self.norms[0](X).transpose(1, 2)).transpose(1, 2)
        return X + self.of_channels(self.norms[1](X))


class Mixer(nn.Module):
    """Images (n, 784) -> ten logits."""

    def __init__(self, width, hidden, blocks):
        super().__init__()
        self.patches = nn.Conv2d(1, width, SIDE, stride=SIDE)
        self.blocks = nn.Sequential(*(Mixing(width, hidden) for _ in range(blocks)), nn.LayerNorm(width))
        self.out = nn.Linear(width, 10)

    def forward(self, X):
        channels = self.patches(X.reshape(-1, 1, 28, 28)).flatten(2).transpose(1, 2)
        return self.out(self.blocks(channels).mean(1))


def main(arguments=None):
    """(accuracy, that of the baseline); larger is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tiny model, for a few seconds")
    small = parser.parse_args(arguments).small
    torch.manual_seed(0)
    data, n = sl.datasets.load("fashion_mnist_small", standardise="published"), 1_000 if small else None
    X, y = data.X_train[:n], data.y_train[:n]
    model = Mixer(*(64, 128, 1) if small else (192, 768, 3))
    st.sparsify(model, density=0.1, layers=lambda name, layer: name.startswith("blocks"))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    evolution = st.Evolution(model, optimizer, sl.SET(0.3), every=50, seed=0)
    samples, classes = torch.from_numpy(X), torch.from_numpy(y).long()
    for epoch in range(12):
        for rows in torch.randperm(len(X)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(samples[rows]), classes[rows]).backward()
            optimizer.step()
            evolution.step()
        with torch.no_grad():
            accuracy = (model(torch.from_numpy(data.X_test)).argmax(1).numpy() == data.y_test).mean()
        print(f"epoch {epoch + 1}: accuracy {accuracy:.1%}, {sum(evolution.events[-1].links) if evolution.events else 0:,} links")
    baseline = NearestCentroid().fit(X, y).score(data.X_test, data.y_test)
    print(f"nearest mean image: accuracy {baseline:.1%}")
    return accuracy, baseline


if __name__ == "__main__":
    main()
