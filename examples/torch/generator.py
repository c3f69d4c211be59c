"""A generator and a critic with sparse layers (Goodfellow et al. 2014) that draw handwritten digits of 8 × 8 pixels.

`python examples/torch/generator.py [--small]` prints the energy distance of drawn and true digits (Székely & Rizzo 2013), and
that of the baseline: independent pixels, each with the right values.
"""

import argparse

import torch
from torch import nn

import sparselab as sl
import sparselab.torch as st

NOISE = 16  # random numbers from which a digit is drawn


def energy_distance(A, B):
    """2 E|a − b| − E|a − a'| − E|b − b'| of two samples; 0 for equal distributions."""
    within = lambda A: torch.cdist(A, A).sum() / (len(A) * (len(A) - 1))
    return (2 * torch.cdist(A, B).mean() - within(A) - within(B)).item()


def net(n_in, width, n_out):
    """Three layers, of which the first two are sparse."""
    layers = nn.Linear(n_in, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, n_out)
    return st.sparsify(nn.Sequential(*layers), density=0.2, layers=["0", "2"])


def main(arguments=None):
    """(energy distance, that of the baseline); smaller is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a short training, for a few seconds")
    small = parser.parse_args(arguments).small
    torch.manual_seed(0)
    data = sl.datasets.load("digits")
    X, X_test = (torch.from_numpy(part) for part in (data.X_train, data.X_test))
    middle, spread = X.mean(0), X.std(0) + 1e-3
    X, X_test = (X - middle) / spread, (X_test - middle) / spread
    width = 128 if small else 384
    generator, critic = net(NOISE, width, 64), net(64, width, 1)
    pairs = []
    for one in (generator, critic):
        optimizer = torch.optim.Adam(one.parameters(), 5e-4, betas=(0.5, 0.9))
        pairs.append((optimizer, st.Evolution(one, optimizer, sl.SET(0.2), every=100, seed=0)))
    for step in range(800 if small else 5_000):
        true, drawn = X[torch.randint(len(X), (64,))], generator(torch.randn(64, NOISE))
        of_critic = torch.relu(1 - critic(true)).mean() + torch.relu(1 + critic(drawn.detach())).mean()
        update(*pairs[1], of_critic)
        update(*pairs[0], -critic(drawn).mean())
        if (step + 1) % 400 == 0:
            print(f"step {step + 1}: loss of the critic {of_critic.item():.3f}")
    with torch.no_grad():
        distance = energy_distance(generator(torch.randn(1_000, NOISE)), X_test)
    shuffled = torch.stack([pixel[torch.randperm(len(X))] for pixel in X.T], 1)[:1_000]
    baseline = energy_distance(shuffled, X_test)
    print(f"energy distance to true digits: {distance:.3f}; independent pixels: {baseline:.3f}")
    return distance, baseline


def update(optimizer, evolution, loss):
    """One step of a net."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    evolution.step()


if __name__ == "__main__":
    main()
