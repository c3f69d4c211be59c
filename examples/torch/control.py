"""Deep Q-learning (Mnih et al. 2015) with sparse layers: balancing a pole where nine of ten observed numbers are noise.

`python examples/torch/control.py [--small]` prints for how many steps the pole stays up, 200 at most, and the baseline: pushing
at random.
"""

import argparse
import copy

import numpy as np
import torch
from torch import nn

import sparselab as sl
import sparselab.torch as st

CARTS, LONGEST, NOISE = 16, 200, 36  # carts at the same time, steps of an episode, numbers beside the four of a cart


def observed(carts, rng):
    """Position, velocity, angle of the pole and its velocity, then noise."""
    return torch.from_numpy(np.c_[carts[:, :4], rng.standard_normal((CARTS, NOISE))].astype(np.float32))


def push(carts, right, rng):
    """Push carts (n, 5), of which the last number is the age (Barto et al. 1983); (those that ended, those that fell, ages)."""
    v, angle, spin = carts[:, 1:4].T.copy()
    sin, cos = np.sin(angle), np.cos(angle)
    force = (np.where(right, 10.0, -10.0) + 0.05 * spin**2 * sin) / 1.1
    turn = (9.8 * sin - cos * force) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    carts += np.stack([0.02 * v, 0.02 * (force - 0.05 * turn * cos / 1.1), 0.02 * spin, 0.02 * turn, np.ones(CARTS)], 1)
    fell = (np.abs(carts[:, 0]) > 2.4) | (np.abs(carts[:, 2]) > 0.21)
    ended, ages = fell | (carts[:, 4] >= LONGEST), carts[:, 4].copy()
    carts[ended] = np.c_[rng.uniform(-0.05, 0.05, (ended.sum(), 4)), np.zeros(ended.sum())]
    return ended, fell, ages


def lasting(policy, rng):
    """Mean length of the episodes that end within 800 steps."""
    carts, found = np.c_[rng.uniform(-0.05, 0.05, (CARTS, 4)), np.zeros(CARTS)], []
    for _ in range(800):
        ended, _, ages = push(carts, policy(observed(carts, rng)), rng)
        found += ages[ended].tolist()
    return float(np.mean(found))


def main(arguments=None):
    """(steps that the pole stays up, that of the baseline); larger is better."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a short training, for a few seconds")
    steps, rng = 1_500 if parser.parse_args(arguments).small else 6_000, np.random.default_rng(0)
    torch.manual_seed(0)
    values = nn.Sequential(nn.Linear(4 + NOISE, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))
    st.sparsify(values, density=0.2, layers=["0", "2"])
    target, optimizer = copy.deepcopy(values), torch.optim.Adam(values.parameters(), 1e-3)
    evolution = st.Evolution(values, optimizer, sl.SET(0.3), every=200, stop=steps // 2, seed=0)
    best = lambda seen: values(seen).argmax(1).numpy() == 1
    carts, memory = np.c_[rng.uniform(-0.05, 0.05, (CARTS, 4)), np.zeros(CARTS)], []
    seen = observed(carts, rng)
    for step in range(steps):
        right = np.where(rng.random(CARTS) < max(0.05, 1 - 2 * step / steps), rng.random(CARTS) < 0.5, best(seen))
        before, (_, fell, _), seen = seen, push(carts, right, rng), observed(carts, rng)
        memory.append((before, torch.from_numpy(right).long(), torch.from_numpy(~fell).float(), seen))
        some = rng.integers(max(0, len(memory) - 2_000), len(memory), 8)
        old, pushed, alive, new = map(torch.cat, zip(*(memory[k] for k in some), strict=True))
        with torch.no_grad():
            wanted = alive + 0.98 * alive * target(new).gather(1, values(new).argmax(1, keepdim=True))[:, 0]
        optimizer.zero_grad()
        nn.functional.smooth_l1_loss(values(old).gather(1, pushed[:, None])[:, 0], wanted).backward()
        optimizer.step()
        evolution.step()
        if step % 100 == 0:
            target.load_state_dict(values.state_dict())  # takes the links over, too
    found, random = lasting(best, np.random.default_rng(1)), lasting(lambda _: rng.random(CARTS) < 0.5, np.random.default_rng(1))
    print(f"the pole stays up for {found:.0f} steps; pushed at random, for {random:.0f}")
    return found, random


if __name__ == "__main__":
    main()
