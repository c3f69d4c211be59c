"""An autoencoder with sparse layers, which gradually lose links (GMP), on FashionMNIST.

`python examples/torch/autoencoder.py [--small]` prints its mean squared error on the test images and that of the baseline:
principal component analysis with as many numbers for an image.
"""

import argparse

import torch
from sklearn.decomposition import PCA
from torch import nn

import sparselab as sl
import sparselab.torch as st

CODE = 8  # numbers for an image


def main(arguments=None):
    """(mean squared error, that of the baseline); smaller is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tiny model, for a few seconds")
    small = parser.parse_args(arguments).small
    torch.manual_seed(0)
    data, n, width = sl.datasets.load("fashion_mnist_small", standardise=False), 3_000 if small else None, 128 if small else 512
    X, X_test = (torch.from_numpy(part / data.X_train.max()) for part in (data.X_train[:n], data.X_test))
    model = nn.Sequential(
        nn.Linear(784, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, CODE),
        nn.Linear(CODE, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 784),
    )  # fmt: skip
    st.sparsify(model, density=0.3, layers=["0", "2", "7", "9"])
    optimizer, epochs = torch.optim.Adam(model.parameters(), 3e-3), 15 if small else 40
    steps = epochs * -(-len(X) // 32)
    rule = sl.GMP(density=sl.schedules.Cubic(0.3, 0.1, start=0, stop=15))  # its epochs are events
    evolution = st.Evolution(model, optimizer, rule, every=steps // 20, stop=steps, seed=0)
    for epoch in range(epochs):
        for rows in torch.randperm(len(X)).split(32):
            optimizer.zero_grad()
            (model(X[rows]) - X[rows]).square().mean().backward()
            optimizer.step()
            evolution.step()
        with torch.no_grad():
            error = (model(X_test) - X_test).square().mean().item()
        if (epoch + 1) % 5 == 0:
            print(f"epoch {epoch + 1}: mean squared error {error:.4f}, {sum(evolution.events[-1].links):,} links")
    pca = PCA(CODE, random_state=0).fit(X.numpy())
    found = pca.inverse_transform(pca.transform(X_test.numpy()))
    baseline = float(((found - X_test.numpy()) ** 2).mean())
    print(f"autoencoder: {error:.4f}; principal component analysis: {baseline:.4f}")
    return error, baseline


if __name__ == "__main__":
    main()
