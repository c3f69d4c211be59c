"""
A density that finds itself
===========================

How dense should a net be? PALS starts dense and looks at the loss on samples that are not trained on: while that loss stays
near its best, the net shrinks, and where it rises, the net expands.

:Source: Atashgahi et al. (2023), "Adaptive Sparsity Level during Training for Efficient Time Series Forecasting with
    Transformers", arXiv:2305.18382.
:Claim: PALS finds a sparsity without being told one; nets lose about two thirds of their parameters and predict about as well
    as dense ones. (That was forecasting with Transformers. Here it is classification.)
:Measured: 3 seeds, test accuracy in %: dense 83.9 ± 0.6, SET at 20 % 83.3 ± 0.8; PALS with γ = 1.05 83.9 ± 0.5 at a density of
    72.1 ± 7.2 %; PALS with γ = 1.2 83.0 ± 0.9 at a density of 18.2 ± 5.8 %. With γ = 1.2 PALS loses four of five links and
    stays within the deviations of the dense net and of a SET net that was told its density. But γ decides where it ends: with
    1.05 it keeps most links, so that it is not free of a choice.
"""

# %%
# A fifth of the training images is held out for PALS. The factor γ says by how much the net shrinks or expands at an event.
# Events end after two thirds of the training, as in the paper.

import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

EPOCHS, SEEDS, GAMMAS, DENSITIES = 30, 3, (1.05, 1.2), (0.02, 0.05, 0.1, 0.2, 0.5)
data = sl.datasets.load("fashion_mnist_small")
split = data.split_validation(0.2)
parts = split.X_train, split.y_train, data.X_test, data.y_test


def run(density, rules, seed):
    """Density of the hidden layers in % after each epoch, and the test accuracy in % at the end."""
    model = sl.SparseMLP.create((784, 100, 100, 10), density=[density, density, 1], activation="relu", seed=seed)
    options = {"epochs": EPOCHS, "batch_size": 64, "evaluate_every": EPOCHS, "seed": seed, "threads": 1}
    records = list(sl.train(model, parts, optimizer=sl.MomentumSGD(0.01, weight_decay=1e-4), rules=rules, **options))
    return [100 * sum(r.nnz[:2]) / (784 * 100 + 100 * 100) for r in records], 100 * records[-1].test_accuracy


def runs(density, rules):
    curves, accuracies = zip(*[run(density, rules, seed) for seed in range(SEEDS)])
    return np.array(curves), np.array(accuracies)


held_out = split.X_test, split.y_test
pals = {g: runs(1, sl.PALS(held_out=held_out, gamma=g, tolerance=1.1, until=EPOCHS * 2 // 3)) for g in GAMMAS}
fixed = {density: runs(density, sl.SET(sl.schedules.Until(0.3, EPOCHS * 2 // 3))) for density in DENSITIES}
dense = runs(1, ())

# %%
# Left: the density of each PALS run. Right: what it reached, beside SET with densities that somebody has to choose. Bars are
# standard deviations over the seeds.

figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.6), layout="constrained")
style.decorate(left)
style.decorate(right)
for number, (gamma, (curves, accuracies)) in enumerate(pals.items()):
    left.plot(range(1, EPOCHS + 1), curves.T, color=style.COLOURS[number], linestyle=style.dash(number))
    at, mean, deviation = curves[:, -1].mean(), accuracies.mean(), accuracies.std(ddof=1)
    right.errorbar(at, mean, deviation, label=f"PALS, γ = {gamma}", capsize=3, **style.look(number))
values = np.array([accuracies for _, accuracies in [*fixed.values(), dense]])
right.errorbar(100 * np.array([*DENSITIES, 1]), values.mean(1), values.std(1, ddof=1), label="SET, 100 %: dense", **style.look(2))
right.set_xscale("log")
right.set_xticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
left.set_ylim(bottom=0)
style.label(left, "epoch", "density of the hidden layers (%)")
style.label(right, "density of the hidden layers (%)", "test accuracy (%)")
right.legend(frameon=False)
plt.show()

said = lambda values: f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
told = "; ".join(f"PALS with γ = {g} {said(a)} at a density of {said(curves[:, -1])} %" for g, (curves, a) in pals.items())
others = f"dense {said(dense[1])}, SET at 20 % {said(fixed[0.2][1])}"
print(f"measured: {SEEDS} seeds, test accuracy in %: {others}; {told}.")
