"""
A pole to balance, and much noise
=================================

Push a cart so that its pole stays upright. Of forty numbers that a net observes, four tell about the cart and all others are
noise. Does it learn sooner with few links in its first layer, and if these may leave the noise?

:Source: Grooten et al. (2023), "Automatic Noise Filtering with Dynamic Sparse Training in Deep Reinforcement Learning",
    arXiv:2302.06548.
:Claim: Where nine of ten features are noise, an agent whose first layer is sparse and rewired (ANF) earns more than a dense one.
:Measured: 4 seeds, steps that the pole stays up: dense 70 ± 72; few links, static 146 ± 33; few links, ANF 175 ± 27. With ANF
    the cart's four numbers have 12.6 ± 1.5 % of the first layer's links, from 10 %. The claim shows: few links help, and moving
    them helps on average, within the deviations.
"""

# %%
# The task is CartPole of gymnasium, the training deep Q-learning (Mnih et al. 2015). One push in twenty is random to the end.

import gymnasium
import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

STEPS, WINDOWS, SEEDS, CARTS, NOISE, RATE = 2000, np.arange(200, 2001, 200), 4, 16, 36, 1e-3
VARIANTS = {"dense": (1, 0), "few links, static": (0.2, 0), "few links, ANF": (0.2, 0.1)}  # density of the first layer, ζ


def forward(model, X):  # the inputs of all layers, and the values of both actions
    inputs = [X]
    for layer in model.layers[:-1]:
        inputs.append(np.maximum(layer.forward(inputs[-1]), 0))
    return inputs, model.layers[-1].forward(inputs[-1])


def agent(density, zeta, seed):  # steps that the pole stays up in each window, and first-layer links at the cart's numbers in %
    rng, optimizer, rule = np.random.default_rng(seed), sl.Adam(RATE), sl.ANF(zeta)
    model = sl.SparseMLP.create((4 + NOISE, 64, 64, 2), density=[density, 1, 1], exact=True, seed=seed)
    state, target, memory = optimizer.init(model), model.copy(), []
    carts = gymnasium.make_vec("CartPole-v1", CARTS, max_episode_steps=200)
    observed = lambda numbers: np.hstack([numbers * [1, 1, 10, 1], rng.standard_normal((CARTS, NOISE))])
    now, ended = observed(carts.reset(seed=seed)[0]), np.zeros((STEPS + 1, CARTS), bool)
    for step in range(STEPS):
        explore = rng.random(CARTS) < max(0.05, 1 - 3 * step / STEPS)
        right = np.where(explore, rng.integers(2, size=CARTS), forward(model, now.T)[1].argmax(axis=0))
        numbers, _, fell, long, _ = carts.step(right)
        before, now, ended[step + 1] = now, observed(numbers), fell | long
        memory.append((before, right, fell, now, ended[step]))  # a cart that had ended has been put upright instead
        old = [memory[k] for k in rng.integers(max(0, step - 1500), step + 1, 8)]
        seen, pushed, lost, new, anew = map(np.concatenate, zip(*old))
        inputs, values = forward(model, seen.T)
        wanted = 1 + 0.98 * ~lost * forward(target, new.T)[1].max(axis=0)
        slope = np.clip(values - wanted, -1, 1) * ~anew * (pushed == [[0], [1]]) / len(pushed)
        for layer, one, X in [*zip(model.layers, state, inputs)][::-1]:
            dX, *gradients = layer.backward(X, slope)
            optimizer.update(layer, one, *gradients, RATE)
            slope = dX * (X > 0)
        if step % 100 == 99:
            sl.evolution.apply(rule(step // 100, model, state, None, rng), model, state, rng)
            target = model.copy()
    endings = np.maximum(ended[1:].reshape(len(WINDOWS), -1).sum(axis=1), 1)
    return WINDOWS[0] * CARTS / endings, 100 * model.layers[0].topology.fan_out[:4].sum() / model.nnz[0]


runs = {name: [agent(*what, seed) for seed in range(SEEDS)] for name, what in VARIANTS.items()}
lengths = {name: np.array([windows for windows, _ in seeds]) for name, seeds in runs.items()}
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
style.decorate(ax)
for number, (name, v) in enumerate(lengths.items()):
    ax.errorbar(WINDOWS, v.mean(0), v.std(0, ddof=1), label=name, capsize=3, **style.look(number))
style.label(ax, "steps of each cart", "steps that the pole stays up")
ax.legend(frameon=False)
plt.show()
said = "; ".join(f"{name} {v[:, -1].mean():.0f} ± {v[:, -1].std(ddof=1):.0f}" for name, v in lengths.items())
links = np.array([share for _, share in runs["few links, ANF"]])
share = f"{links.mean():.1f} ± {links.std(ddof=1):.1f} % of the first layer's links, from 10 %"
print(f"measured: {SEEDS} seeds, steps that the pole stays up: {said}. With ANF the cart's four numbers have {share}.")
