"""A GRU cell (Cho et al. 2014) made of two sparse layers, which forecasts a noisy sum of waves one step ahead.

`python examples/torch/gru.py [--small]` prints its mean squared error and that of the baseline: persistence, the value before.
"""

import argparse

import torch
from torch import nn

import sparselab as sl
import sparselab.torch as st


class SparseGRUCell(nn.Module):
    """The equations of torch.nn.GRUCell; the three gates of inputs and of states are one sparse layer each."""

    def __init__(self, n_in, n_hidden, density):
        super().__init__()
        self.of_input = st.SparseLinear(n_in, 3 * n_hidden, density=1.0)
        self.of_state = st.SparseLinear(n_hidden, 3 * n_hidden, density=density)

    def forward(self, X, h):
        (r_x, z_x, n_x), (r_h, z_h, n_h) = self.of_input(X).chunk(3, -1), self.of_state(h).chunk(3, -1)
        z = torch.sigmoid(z_x + z_h)
        return (1 - z) * torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h) + z * h


class Forecaster(nn.Module):
    """Series (n, steps) -> the next value after each step (n, steps)."""

    def __init__(self, n_hidden, density):
        super().__init__()
        self.cell, self.out, self.n_hidden = SparseGRUCell(1, n_hidden, density), nn.Linear(n_hidden, 1), n_hidden

    def forward(self, series):
        h, found = series.new_zeros(len(series), self.n_hidden), []
        for value in series.split(1, dim=1):
            h = self.cell(value, h)
            found.append(value + self.out(h))
        return torch.cat(found, 1)


def waves(n, steps):
    """Sums of two waves with random phases and noise (n, steps)."""
    t, phases = torch.arange(steps) / 4, 7 * torch.rand(2, n, 1)
    return torch.sin(t + phases[0]) + 0.5 * torch.sin(2.6 * t + phases[1]) + 0.05 * torch.randn(n, steps)


def main(arguments=None):
    """(mean squared error, that of the baseline); smaller is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tiny cell, for a few seconds")
    small = parser.parse_args(arguments).small
    torch.manual_seed(0)
    model = Forecaster(32 if small else 256, density=0.2 if small else 0.05)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    evolution = st.Evolution(model, optimizer, sl.RigL(0.3), every=20, layers=["cell.of_state"], seed=0)
    test = waves(200, 60)
    for step in range(100 if small else 500):
        series = waves(32, 40)
        loss = (model(series[:, :-1]) - series[:, 1:]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        evolution.step()
        if (step + 1) % 50 == 0:
            links = evolution.events[-1].links[0]
            print(f"step {step + 1}: mean squared error {loss.item():.4f}, {links:,} links between states")
    with torch.no_grad():
        error = (model(test[:, :-1]) - test[:, 1:]).square().mean().item()
    baseline = test.diff(dim=1).square().mean().item()
    print(f"of new series: {error:.4f}; persistence: {baseline:.4f}")
    return error, baseline


if __name__ == "__main__":
    main()
