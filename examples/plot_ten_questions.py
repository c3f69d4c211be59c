"""
Ten questions, ten experiments
==============================

Sparse or dense? Static or moving? Each question is one line below: two settings that differ in one thing. The answers hold for
this net, these data and this length of training; change a line and ask again.

:Source: Liu, Wang (2023), "Ten Lessons We Have Learned in the New 'Sparseland': A Short Handbook for Sparse Neural Network
    Researchers", arXiv:2302.02596. Some questions are asked there, others come from elsewhere in this gallery.
:Claim: The handbook gives no figures. Answers that one often hears: a sparse net loses nothing against a dense one, links that
    move beat static ones, and a net that begins dense ends higher than one that is always sparse.
:Measured: 4 seeds, differences of test accuracies in points: sparse instead of dense, same width -2.0 ± 1.3; wide and sparse
    instead of narrow and dense +4.6 ± 2.2; links move instead of staying -0.2 ± 0.9; the weakest links go instead of random
    ones +3.2 ± 0.4; links come by gradient instead of at random +0.2 ± 0.6; new links start at 0 instead of random values -0.0
    ± 0.4; density by layer (ER) instead of uniform +0.8 ± 0.2; values by link instead of by width +0.7 ± 0.7; begin dense
    (GMP), not always sparse -1.5 ± 1.5; cut after 8 epochs instead of after one +8.7 ± 4.0. A wide sparse net beats a narrow
    dense one, the weakest links should go, and a dense net must not be cut too early. None of the claims shows: the dense net
    is ahead, and neither moving links nor a dense beginning helps in so short a training.
"""

# %%
# The base is a net with 3 % of the links of its hidden layers, trained with SET. A question changes some of its settings.

import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

EPOCHS, SEEDS, D = 12, 4, 0.03
data = sl.datasets.load("fashion_mnist_small")
zeta = sl.schedules.Cosine(0.3, epochs=EPOCHS)
BASE = {"sizes": (784, 200, 200, 10), "density": [D, D, 1], "rules": sl.SET(zeta)}
dense = {"density": 1, "rules": ()}
cut = lambda epoch: {"density": 1, "rules": sl.GMP(density=lambda e: 1 if e < epoch else D)}  # dense, then cut once

QUESTIONS = {
    "sparse instead of dense, same width": ({}, dense),
    "wide and sparse instead of narrow and dense": ({}, {"sizes": (784, 7, 7, 10), **dense}),
    "links move instead of staying": ({}, {"rules": ()}),
    "the weakest links go instead of random ones": ({}, {"rules": sl.SET(zeta, criterion=sl.criteria.random)}),
    "links come by gradient instead of at random": ({"rules": sl.RigL(zeta)}, {}),
    "new links start at 0 instead of random values": ({}, {"rules": sl.SET(zeta, new_values="initializer")}),
    "density by layer (ER) instead of uniform": ({"density": D, "topology": "er", "dense_last": True}, {}),
    "values by link instead of by width": ({"initializer": sl.HeUniform("links")}, {"initializer": sl.HeUniform()}),
    "begin dense (GMP), not always sparse": ({"density": 1, "rules": sl.GMP(density=sl.schedules.Cubic(1, D, 0, 8))}, {}),
    "cut after 8 epochs instead of after one": (cut(8), cut(1)),
}


def accuracy(changes, seed):
    settings = {**BASE, **changes}
    sizes, rules = settings.pop("sizes"), settings.pop("rules")
    model = sl.SparseMLP.create(sizes, activation="relu", seed=seed, **settings)
    options = {"epochs": EPOCHS, "batch_size": 64, "evaluate_every": EPOCHS, "seed": seed, "threads": 1}
    *_, last = sl.train(model, data, optimizer=sl.MomentumSGD(0.01), rules=rules, **options)
    return 100 * last.test_accuracy


base = {seed: accuracy({}, seed) for seed in range(SEEDS)}
differences = {
    question: np.array([np.subtract(*(accuracy(side, seed) if side else base[seed] for side in sides)) for seed in range(SEEDS)])
    for question, sides in QUESTIONS.items()
}

# %%
# Accuracies are subtracted seed by seed; to the right of 0 the first setting is better. Bars are standard deviations.

figure, ax = plt.subplots(figsize=(7.2, 4), layout="constrained")
style.decorate(ax)
ax.axvline(0, color=style.GREY, linewidth=1)
for place, values in enumerate(differences.values()):
    ax.errorbar(values.mean(), -place, xerr=values.std(ddof=1), capsize=4, **style.look(0))
ax.set_yticks(-np.arange(len(differences)), differences)
style.label(ax, "difference of test accuracies (points)")
plt.show()
told = "; ".join(f"{name} {v.mean() + 0:+.1f} ± {v.std(ddof=1):.1f}" for name, v in differences.items())
print(f"measured: {SEEDS} seeds, differences of test accuracies in points: {told}.")
