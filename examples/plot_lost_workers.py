"""
Workers that are slow or get lost
=================================

Four workers share a training. One may be slow, and any of them may stop with a gradient in flight and come back a little later.
What does that cost if all wait for each other in every step, and what if nobody waits?

:Source: Curci, Mocanu, Pechenizkiy (2021), "Truly sparse neural networks at scale", arXiv:2102.01732 (WASAP-SGD and WASSP-SGD).
:Claim: Asynchronous workers (WASAP) train a sparse, evolving net in less time than synchronous ones (WASSP), with about the same
    accuracy. (Theirs were equally fast, and none was lost.)
:Measured: 3 seeds, without trouble, with a slow worker, with losses: asynchronous 83.8 ± 0.8, 83.7 ± 0.6, 84.1 ± 1.1 % in 19.4
    ± 0.0, 25.2 ± 0.0, 31.4 ± 1.1 seconds an epoch; synchronous 84.1 ± 0.8, 84.1 ± 0.8, 84.1 ± 0.8 % in 19.5 ± 0.0, 156.2 ± 0.0,
    98.7 ± 29.6 seconds an epoch. Equal workers are equally fast both ways; trouble costs the synchronous ones several times as
    long. No accuracy is lost.
"""

# %%
# Only the clock is simulated: a gradient takes one second, or eight from the slow worker. Each worker fails once in 40 seconds on
# average and is away for 20; the gradient that it had begun is lost. Gradients, updates and rewiring are real.

import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style
from sparselab.parallel import Failures

EPOCHS, SEEDS, WORKERS = 10, 3, 4
TROUBLES = {
    "none": {},
    "one is slow": {"stragglers": {0: 8}},
    "some get lost": {"failures": Failures(mean=40, delay=20)},
}
data = sl.datasets.load("fashion_mnist_small")


def run(synchronous, trouble, seed):
    """Test accuracy in %, simulated seconds of an epoch, and the gradients that were lost."""
    model = sl.SparseMLP.create((784, 200, 200, 10), epsilon=10, activation=sl.AllReLU(0.6), seed=seed)
    settings = {"optimizer": sl.MomentumSGD(0.01), "rules": [sl.SET(0.3)], "compute": 1.0, "async_fraction": 1.0}
    options = {"epochs": EPOCHS, "batch_size": 64, "evaluate_every": EPOCHS, "synchronous": synchronous, "seed": seed}
    records = list(sl.simulate_parallel(model, data, WORKERS, **settings, **options, **TROUBLES[trouble]))
    lost = sum(record.workers.lost for record in records)
    return 100 * records[-1].test_accuracy, sum(record.seconds for record in records) / EPOCHS, lost


KINDS = {"asynchronous": False, "synchronous": True}
found = {
    kind: np.array([[run(synchronous, trouble, seed) for seed in range(SEEDS)] for trouble in TROUBLES])
    for kind, synchronous in KINDS.items()
}  # (trouble, seed, what)

# %%
# Bars are means, and the lines on them standard deviations over the seeds.

figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6), layout="constrained")
for what, (ax, text) in enumerate(zip(axes, ("test accuracy (%)", "simulated seconds an epoch"))):
    style.decorate(ax)
    for number, (kind, values) in enumerate(found.items()):
        places = np.arange(len(TROUBLES)) + 0.4 * number - 0.2
        mean, deviation = values[..., what].mean(1), values[..., what].std(1, ddof=1)
        ax.bar(places, mean, 0.38, yerr=deviation, capsize=3, color=style.COLOURS[number], label=kind)
    ax.set_xticks(range(len(TROUBLES)), TROUBLES)
    style.label(ax, "trouble with workers", text)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
plt.show()
said = lambda values: f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
told = "; ".join(
    f"{kind} {', '.join(said(v[:, 0]) for v in values)} % in {', '.join(said(v[:, 1]) for v in values)} seconds an epoch"
    for kind, values in found.items()
)
print(f"measured: {SEEDS} seeds, without trouble, with a slow worker, with losses: {told}.")
