"""
Workers that are late
=====================

Parallel workers that do not wait for each other push gradients of a net that has changed in the meantime, in which even some
links are gone. The staleness of a gradient is the number of updates that it missed. How much of it can training bear?

:Source: Curci, Mocanu, Pechenizkiy (2021), "Truly sparse neural networks at scale", arXiv:2102.01732 (WASAP-SGD).
:Claim: Asynchronous workers train a sparse, evolving net about as accurately as sequential training, if updates of removed
    links are dropped; the paper uses up to five workers.
:Measured: 3 seeds, test accuracy in % with 1, 2, 4, 8, 16, 32 workers: 83.8 ± 1.4, 84.3 ± 1.0, 83.8 ± 0.8, 82.3 ± 1.0, 10.0 ±
    0.0, 10.0 ± 0.0; steps divided: 83.8 ± 1.4, 83.9 ± 0.4, 83.7 ± 0.7, 80.0 ± 1.7, 78.4 ± 1.0, 74.1 ± 1.3. The claim holds up
    to four workers, and about holds for eight. All runs of 16 and more diverge, unless stale gradients take smaller steps; then
    they learn, but less in equally many epochs.
"""

# %%
# Many workers need no cluster here: ``simulate_parallel`` computes the real gradients from the nets that so many workers would
# have had, in the order in which they would arrive. Only the clock is simulated: each gradient takes one second.
# ``async_fraction=1`` leaves out the second phase of WASAP, in which workers are on their own.

import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

EPOCHS, SEEDS, WORKERS = 10, 3, (1, 2, 4, 8, 16, 32)
VARIANTS = {"as it comes": 0.0, "step divided by √(1 + staleness)": 0.5}
data = sl.datasets.load("fashion_mnist_small")


def run(n_workers, damping, seed):
    """Test accuracy in % after the last epoch, and the mean staleness."""
    model = sl.SparseMLP.create((784, 200, 200, 10), epsilon=10, activation=sl.AllReLU(0.6), seed=seed)
    settings = {"optimizer": sl.MomentumSGD(0.01), "rules": [sl.SET(0.3)], "compute": 1.0, "async_fraction": 1.0}
    options = {"epochs": EPOCHS, "batch_size": 64, "evaluate_every": EPOCHS, "damping": damping, "seed": seed}
    try:
        *_, last = sl.simulate_parallel(model, data, n_workers, **settings, **options)
    except sl.DivergedError:
        return 10, np.nan  # what guessing would get
    return 100 * last.test_accuracy, last.staleness


found = {name: np.array([[run(k, damping, s) for s in range(SEEDS)] for k in WORKERS]) for name, damping in VARIANTS.items()}

# %%
# All runs see each image once an epoch; one that diverged counts as guessing, 10 %. Bars are standard deviations over seeds.

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
style.decorate(ax)
for number, (name, values) in enumerate(found.items()):
    accuracy, staleness = values[..., 0], values[..., 1].mean(1)
    ax.errorbar(WORKERS, accuracy.mean(1), accuracy.std(1, ddof=1), label=name, capsize=3, **style.look(number))
ax.set_xscale("log", base=2)
ax.set_xticks(WORKERS, [f"{k}\n({s:.0f})" for k, s in zip(WORKERS, staleness)])
style.label(ax, "workers (mean staleness of their gradients, in updates)", "test accuracy (%)")
ax.legend(frameon=False)
plt.show()

# %%
# The sentence at the top, from the numbers of this run.

told = [", ".join(f"{v.mean():.1f} ± {v.std(ddof=1):.1f}" for v in values[..., 0]) for values in found.values()]
counts = ", ".join(map(str, WORKERS))
print(f"measured: {SEEDS} seeds, test accuracy in % with {counts} workers: {'; steps divided: '.join(told)}.")
