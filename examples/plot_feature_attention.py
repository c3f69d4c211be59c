"""
Where to pay attention
======================

An autoencoder ranks features without labels: those with strong links win. With SET its links move at random; WAST moves them
after every batch to features that mattered most so far, badly restored or strong. Does it see what they mean, or their size?

:Source: Sokar, Atashgahi, Pechenizkiy, Mocanu (2022), "Where to Pay Attention in Sparse Training for Feature Selection?",
    NeurIPS 35, arXiv:2211.14627. The settings are those of its code for Madelon.
:Claim: Links that go to important features in every step find informative features in ten epochs, without labels.
:Measured: 4 seeds, relevant features among the first 20: WAST, one scale 19.8 ± 0.5; WAST, own scales 2.8 ± 1.7; SET, one scale
    15.0 ± 1.4; SET, own scales 1.5 ± 1.3; deviations, no net 20.0 ± 0.0. The claim holds with one scale, where WAST
    is ahead of SET; but there relevant features are simply the larger ones. With own scales noise, which nothing restores, wins.
"""

# %%
# The data stand in for Madelon: 5 informative features, 15 mixtures of these, and 480 features of noise, in this order. WAST's
# code gives all features one mean and one deviation; usual is a scale for each, and then no feature is larger than another.

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import make_classification

import sparselab as sl
from sparselab.figures import style

SEEDS, FEATURES, HIDDEN, RELEVANT, OPTIMIZER = 4, 500, 200, 20, sl.SGD(0.0004, momentum=0.9, nesterov=True)
MADELON = {"n_informative": 5, "n_redundant": 15, "n_clusters_per_class": 16, "class_sep": 2, "shuffle": False}
CASES = {"WAST, one scale": (1, None), "WAST, own scales": (1, 0), "SET, one scale": (0, None), "SET, own scales": (0, 0)}
made = lambda seed: make_classification(2000, FEATURES, **MADELON, random_state=seed)[0]
SIGMOID = SimpleNamespace(forward=expit, gradient=lambda Z: expit(Z) * expit(-Z))
relevant = lambda scores: (np.argsort(-scores)[:RELEVANT] < RELEVANT).sum()  # among the first 20

# %%
# With every batch a feature gets 0.9 times its mean error and 0.1 times the sum of its weights' sizes. Links of small weight and
# importance go; as many grow at the most important features, which are filled one after the other: hidden neurons are all alike.


def wast(importance):  # of features, as inputs and as outputs
    ends = lambda links: (0, links.indices, links.rows) if links.n_in == FEATURES else (1, links.rows, links.indices)

    def weakest(layer, state, evidence, rng, zeta):
        side, features, _ = ends(layer.topology)
        importance[side] += 0.9 * abs(evidence.flows[-1].dZ).sum(axis=1) + 0.1 * np.bincount(features, abs(layer.w), FEATURES)
        return abs(layer.w) * importance[side][features]

    def attended(layer, topology, n_new, evidence, rng):
        side, features, neurons = ends(topology)
        order = np.argsort(-importance[side])
        free = np.cumsum(HIDDEN - np.bincount(features, minlength=FEATURES)[order])
        places = np.add.outer(HIDDEN * order[: np.searchsorted(free, n_new) + 1], rng.permutation(HIDDEN)).ravel()
        return np.divmod(places[~np.isin(places, HIDDEN * features + neurons)][:n_new], HIDDEN)[:: 2 * side - 1]

    return sl.PruneRegrow(0.3, weakest, attended, layers="all", every="1 steps", same_place="kept")


def found(attends, axis, seed):  # relevant features after each epoch
    X, importance = made(seed), np.zeros((2, FEATURES))
    X = (X - X.mean(axis)) / X.std(axis)
    data = sl.datasets.Dataset.from_arrays(X, X, task="regression").with_augmentation(sl.datasets.Augmentation(noise=0.2))
    model = sl.SparseMLP.create((FEATURES, HIDDEN, FEATURES), density=0.2, activation=SIGMOID, seed=seed)
    rule, options = wast(importance) if attends else sl.SET(0.3, layers="all"), {"epochs": 10, "batch_size": 128, "threads": 1}
    epochs = sl.train(model, data, loss="mean_squared_error", optimizer=OPTIMIZER, rules=[rule], seed=seed, **options)
    return [relevant(importance[0] if attends else model.layers[0].strength_out()) for _ in epochs]


hits = {name: np.array([found(*case, seed) for seed in range(SEEDS)]) for name, case in CASES.items()}
hits["deviations, no net"] = np.array([[relevant(made(seed).std(axis=0))] * 10 for seed in range(SEEDS)])
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
style.decorate(ax)
for number, (name, v) in enumerate(hits.items()):
    ax.errorbar(range(1, 11), v.mean(0), v.std(0, ddof=1), label=name, capsize=3, **style.look(number))
style.label(ax, "epochs", "relevant features among the first 20")
ax.legend(frameon=False)
plt.show()
said = "; ".join(f"{name} {v[:, -1].mean():.1f} ± {v[:, -1].std(ddof=1):.1f}" for name, v in hits.items())
print(f"measured: {SEEDS} seeds, relevant features among the first 20: {said}.")
