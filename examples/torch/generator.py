"""A generator and a critic with sparse layers (Goodfellow et al. 2014) that draw handwritten digits of 8 × 8 pixels.

`python examples/torch/generator.py [--small]` prints the distance of drawn and true digits (from each to the nearest one of the
other kind, a mean of both means), and that of the baseline: independent pixels, each with the right values.
"""

import argparse

import torch
from torch import nn
from torch.nn.functional import softplus

import sparselab as sl
import sparselab.torch as st

NOISE = 16  # random numbers from which a digit is drawn


def distance_of(A, B):
    """Mean distance of two samples' points to the nearest point of the other (Chamfer distance): wrong or missing ones cost."""
    distances = torch.cdist(A, B)
    return (distances.min(0).values.mean() + distances.min(1).values.mean()).item() / 2


def sparse(*layers):
    """A net whose first two linear layers are sparse."""
    model = nn.Sequential(*layers)
    linear = [name for name, layer in model.named_children() if isinstance(layer, nn.Linear)]
    return st.sparsify(model, density=0.2, layers=linear[:2])


def main(arguments=None):
    """(distance to true digits, that of the baseline); smaller is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a short training, for a few seconds")
    small = parser.parse_args(arguments).small
    torch.manual_seed(0)
    data = sl.datasets.load("digits", standardise=False)
    X, X_test = (torch.from_numpy(part) / 8 - 1 for part in (data.X_train, data.X_test))
    width, steps = (128, 600) if small else (384, 4_000)
    hidden = lambda n_in: (nn.Linear(n_in, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.2))
    generator = sparse(*hidden(NOISE), *hidden(width), nn.Linear(width, 64), nn.Tanh())
    judging = nn.Linear(64, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
    critic = sparse(*judging)
    pairs = []
    for one in (generator, critic):
        optimizer = torch.optim.Adam(one.parameters(), 1e-3, betas=(0.5, 0.9))
        pairs.append((optimizer, st.Evolution(one, optimizer, sl.SET(0.2), every=200, stop=steps // 2, seed=0)))
    for step in range(steps):
        true, drawn = X[torch.randint(len(X), (64,))], generator(torch.randn(64, NOISE))
        of_critic = softplus(-critic(true)).mean() + softplus(critic(drawn.detach())).mean()
        update(*pairs[1], of_critic)
        update(*pairs[0], softplus(-critic(drawn)).mean())
        if (step + 1) % 200 == 0:
            print(f"step {step + 1}: loss of the critic {of_critic.item():.3f}")
    generator.eval()
    with torch.no_grad():
        distance = distance_of(generator(torch.randn(1_000, NOISE)), X_test)
    shuffled = torch.stack([pixel[torch.randperm(len(X))] for pixel in X.T], 1)[:1_000]
    baseline = distance_of(shuffled, X_test)
    print(f"distance to true digits: {distance:.3f}; independent pixels: {baseline:.3f}")
    return distance, baseline


def update(optimizer, evolution, loss):
    """One step of a net."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    evolution.step()


if __name__ == "__main__":
    main()
