"""
An ensemble from one training
=============================

Several nets vote better than one, but cost several trainings. Sparse evolution passes many topologies in one training. Keep a
copy of the net at the end of each of three phases, move most links before the next one, and average what the copies say.

:Source: Liu et al. (2022), "Deep Ensembling with No Overhead for either Training or Testing: The All-Round Blessings of Dynamic
    Sparsity", arXiv:2106.14568.
:Claim: The average of such free tickets (EDST) is more accurate than a single dense net, with fewer links to train.
:Measured: 4 seeds, in %: dense, one net 84.8 ± 0.2; sparse, one net 83.5 ± 0.4; one ticket, mean 83.5 ± 0.5; average of 2
    tickets 83.8 ± 0.4; average of 3 tickets 83.7 ± 0.5; images on which first and last ticket differ 4.3 ± 1.3. An average of 4
    sparse nets of own trainings is more accurate. The claim does not show here: tickets of one short training are too much
    alike, so that averaging adds next to nothing, and the dense net stays ahead.
"""

# %%
# The whole plan consists of two functions of the epoch: the learning rate falls in each phase, and ζ, the share of links that
# moves, is 0.3 while the net explores, 0.8 where a new phase begins, and else 0.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

import sparselab as sl
from sparselab.figures import style

EXPLORE, PHASE, TICKETS, SEEDS, SIZES = 15, 10, 3, 4, (784, 150, 150, 10)
EPOCHS = EXPLORE + TICKETS * PHASE
data = sl.datasets.load("fashion_mnist_small")

phased_rate = lambda epoch: 0.01 if epoch < EXPLORE or (epoch - EXPLORE) % PHASE < PHASE // 2 else 0.001
phased_zeta = lambda epoch: 0.3 if epoch < EXPLORE else 0.8 * ((epoch - EXPLORE) % PHASE == 0)

# %%
# The rivals are a sparse and a dense net that use the same epochs for one result, and learn slowly in the last ones.

single_rate = lambda epoch: 0.01 if epoch < EPOCHS - PHASE // 2 else 0.001


def outputs(density, rate, zeta, seed):
    """Probabilities of the test images at the end of each phase: (ticket, image, class)."""
    model = sl.SparseMLP.create(SIZES, density=[density, density, 1], activation="relu", seed=seed)
    options = {"epochs": EPOCHS, "batch_size": 64, "evaluate_every": 0, "seed": seed, "threads": 1}
    records = sl.train(model, data, optimizer=sl.MomentumSGD(rate), rules=sl.SET(zeta), **options)
    ends = range(EXPLORE + PHASE, EPOCHS + 1, PHASE)
    return np.array([softmax(sl.predict(model, data.X_test, threads=1), axis=1) for r in records if r.epoch in ends])


def accuracy(probabilities):
    return 100 * (probabilities.argmax(1) == data.y_test).mean()


tickets = [outputs(0.1, phased_rate, phased_zeta, seed) for seed in range(SEEDS)]
of_size = np.array([[accuracy(t[: n + 1].mean(0)) for n in range(TICKETS)] for t in tickets])  # (seed, tickets - 1)
alone = np.array([np.mean([accuracy(p) for p in t]) for t in tickets])
differ = np.array([100 * (t[0].argmax(1) != t[-1].argmax(1)).mean() for t in tickets])
singles = [outputs(0.1, single_rate, sl.schedules.Until(0.3, EPOCHS - PHASE), seed)[-1] for seed in range(SEEDS)]
sparse, together = np.array([accuracy(p) for p in singles]), accuracy(np.mean(singles, axis=0))
dense = np.array([accuracy(outputs(1, single_rate, 0, s)[-1]) for s in range(SEEDS)])

# %%
# Bars are standard deviations over the seeds.

rows = [("dense, one net", dense), ("sparse, one net", sparse), ("one ticket, mean", alone)]
rows += [(f"average of {n} tickets", of_size[:, n - 1]) for n in range(2, TICKETS + 1)]
figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
style.decorate(ax)
for place, (name, values) in enumerate(reversed(rows)):
    ax.errorbar(values.mean(), place, xerr=values.std(ddof=1), capsize=4, **style.look("ticket" not in name))
ax.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
style.label(ax, "test accuracy (%)")
plt.show()

rows.append(("images on which first and last ticket differ", differ))
said = "; ".join(f"{name} {values.mean():.1f} ± {values.std(ddof=1):.1f}" for name, values in rows)
verdict = "more" if together > max(of_size[:, -1].mean(), sparse.mean()) + 0.5 else "not more"
print(f"measured: {SEEDS} seeds, in %: {said}. An average of {SEEDS} sparse nets of own trainings is {verdict} accurate.")
