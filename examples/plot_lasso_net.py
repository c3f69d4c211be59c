"""
How much penalty a net of needles needs
=======================================

A penalty on absolute weights (LASSO) removes links of a net's first layer; features that keep some are selected. How many, its
factor λ decides. A rule finds it without trying: noise alone must almost never get a link.

:Source: Ma, Sardy, Hengartner, Bobenko, Lin (2022), "A phase transition for finding needles in nonlinear haystacks with LASSO
    artificial neural networks", Statistics and Computing 32, arXiv:2201.08652.
:Claim: With the penalty of the quantile rule, the probability of selecting exactly the needles passes from 0 to nearly 1 as
    samples grow, though the association is not linear; smaller penalties, as cross-validation chooses them, select too much.
:Measured: 6 repetitions, share with exactly the needles from 100, 200, 400, 800, 1600 samples: 1 λ 0.0 ± 0.0, 0.0 ± 0.0, 0.0 ±
    0.0, 0.3 ± 0.2, 1.0 ± 0.0; 0.3 λ 0.3 ± 0.2, 0.7 ± 0.2, 1.0 ± 0.0, 1.0 ± 0.0, 0.8 ± 0.2; 0.1 λ 0.0 ± 0.0, 0.0 ± 0.0, 0.0 ±
    0.0, 0.0 ± 0.0, 0.0 ± 0.0. The transition shows, and a tenth of the penalty selects too much. But the rule is cautious: with
    less of it the net finds the needles in fewer samples.
"""

# %%
# Two needles among 50 features: the target is the absolute value of their difference, which is correlated with neither.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import scale

import sparselab as sl
from sparselab.figures import style

FEATURES, NEURONS, SAMPLES, REPEATS, SHARES, STEPS = 50, 20, (100, 200, 400, 800, 1600), 6, (0.1, 0.3, 1), 300


def haystack(n, seed):  # features (features, samples) and target, both standardised
    rng = np.random.default_rng(seed)
    X = scale(rng.standard_normal((FEATURES, n)), axis=1)
    return X, scale(abs(X[0] - X[1]) + 0.1 * rng.standard_normal(n))


# %%
# The net begins dense, with a small penalty that grows to λ. After each step weights of the first layer come nearer to 0 by the
# penalty (a soft threshold), and those of the output layer are scaled to the norm 1. Links of the value 0 are removed for good.


def selected(n, seed):
    """The features that are left at each share of λ, which leaves none in 95 % of all cases if the target is noise."""
    X, y = haystack(n, seed)
    rng, found = np.random.default_rng(seed), []
    noise = scale(rng.standard_normal((1000, n)), axis=1)
    penalty = np.quantile(abs(noise @ X.T).max(axis=1), 0.95) / n  # both for the loss ‖y − f(x)‖ / √n
    model = sl.SparseMLP.create((FEATURES, NEURONS, 1), density=1, activation="relu", seed=seed, dtype=np.float64)
    optimizer, (first, last) = sl.SGD(), model.layers
    state = optimizer.init(model)
    for share in SHARES:
        for step in range(STEPS):
            rate = 0.5 * (1 - step / STEPS)
            A = np.maximum(first.forward(X), 0)
            residual = last.forward(A) - y
            dA, *gradients = last.backward(A, residual / np.linalg.norm(residual) / n**0.5)
            optimizer.update(first, state[0], *first.backward(X, dA * (A > 0))[1:], rate)
            optimizer.update(last, state[1], *gradients, rate)
            first.w = np.sign(first.w) * np.maximum(abs(first.w) - rate * share * penalty, 0)
            last.w /= np.linalg.norm(last.w)
        sl.evolution.apply([sl.rewire(first.topology, first.w != 0), None], model, state, rng)
        found.append(set(np.flatnonzero(first.topology.fan_out)))
    return found


found = {n: [selected(n, seed) for seed in range(REPEATS)] for n in SAMPLES}
shares = np.array([[[one == {0, 1} for one in repeat] for repeat in repeats] for repeats in found.values()]).mean(1)
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
style.decorate(ax)
for number, share in enumerate(SHARES):
    ax.semilogx(SAMPLES, shares[:, number], label=f"{share} λ", **style.look(number))
ax.set_xticks(SAMPLES, SAMPLES)
style.label(ax, "samples", "repetitions with exactly the needles")
ax.legend(title="penalty", frameon=False)
plt.show()
told = [", ".join(f"{p:.1f} ± {(p * (1 - p) / REPEATS) ** 0.5:.1f}" for p in column) for column in shares.T]
told = "; ".join(f"{share:g} λ {text}" for share, text in zip(SHARES[::-1], told[::-1]))
print(f"measured: {REPEATS} repetitions, share with exactly the needles from {', '.join(map(str, SAMPLES))} samples: {told}.")
