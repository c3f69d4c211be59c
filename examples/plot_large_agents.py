"""
Agents that grow
================

In deep reinforcement learning larger nets are often worse ones. Removing most links at random before the training is said to
let agents grow further. Push a cart so that its pole stays upright: how wide may the net be, dense and with a tenth of the links
of its hidden layer?

:Source: Ma, Li, Wang, Shen, Bacon, Tao (2025), "Network Sparsity Unlocks the Scaling Potential of Deep Reinforcement Learning",
    arXiv:2506.17204.
:Claim: Dense agents get worse beyond some size; with static sparsity agents of the same widths go on getting better.
:Measured: 4 seeds, steps that the pole stays up with 16, 64, 256 neurons: dense 10.9 ± 0.4, 129.0 ± 65.5, 78.4 ± 19.6; a tenth
    of the links 10.4 ± 0.2, 26.9 ± 19.5, 107.6 ± 49.8. The claim shows on average, within the deviations: the dense agent is
    best at 64 neurons, the sparse one at 256, where it is ahead. But the best dense agent, with fewer links, is better still.
"""

# %%
# The task is CartPole of gymnasium, the training deep Q-learning (Mnih et al. 2015). One push in twenty is random to the end.

import gymnasium
import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

STEPS, SEEDS, CARTS, RATE, WIDTHS = 1000, 4, 16, 1e-3, (16, 64, 256)
VARIANTS = {"dense": 1, "a tenth of the links": 0.1}  # density of the hidden layer


def forward(model, X):  # the inputs of all layers, and the values of both actions
    inputs = [X]
    for layer in model.layers[:-1]:
        inputs.append(np.maximum(layer.forward(inputs[-1]), 0))
    return inputs, model.layers[-1].forward(inputs[-1])


def agent(width, density, seed):  # steps that the pole stays up in the last fifth of the training
    rng, optimizer = np.random.default_rng(seed), sl.Adam(RATE)
    initializer = sl.HeUniform("links")
    model = sl.SparseMLP.create((4, width, width, 2), density=[1, density, 1], exact=True, initializer=initializer, seed=seed)
    state, target, memory, endings = optimizer.init(model), model.copy(), [], 0
    carts = gymnasium.make_vec("CartPole-v1", CARTS, max_episode_steps=200)
    now, ended = carts.reset(seed=seed)[0] * [1, 1, 10, 1], np.zeros(CARTS, bool)
    for step in range(STEPS):
        explore = rng.random(CARTS) < max(0.05, 1 - 3 * step / STEPS)
        right = np.where(explore, rng.integers(2, size=CARTS), forward(model, now.T)[1].argmax(axis=0))
        numbers, _, fell, long, _ = carts.step(right)
        memory.append((now, right, fell, numbers * [1, 1, 10, 1], ended))  # a cart that had ended has been put upright instead
        now, ended = memory[-1][3], fell | long
        endings += ended.sum() * (step >= 0.8 * STEPS)
        seen, pushed, lost, new, anew = map(np.concatenate, zip(*(memory[k] for k in rng.integers(step + 1, size=4))))
        inputs, values = forward(model, seen.T)
        wanted = 1 + 0.98 * ~lost * forward(target, new.T)[1].max(axis=0)
        slope = np.clip(values - wanted, -1, 1) * ~anew * (pushed == [[0], [1]]) / len(pushed)
        for layer, one, X in [*zip(model.layers, state, inputs)][::-1]:
            dX, *gradients = layer.backward(X, slope)
            optimizer.update(layer, one, *gradients, RATE)
            slope = dX * (X > 0)
        if step % 100 == 99:
            target = model.copy()
    return 0.2 * STEPS * CARTS / max(endings, 1)


# %%
# Bars are standard deviations over seeds.

found = {name: np.array([[agent(n, d, seed) for seed in range(SEEDS)] for n in WIDTHS]) for name, d in VARIANTS.items()}
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
style.decorate(ax)
for number, (name, v) in enumerate(found.items()):
    ax.errorbar(WIDTHS, v.mean(1), v.std(1, ddof=1), label=name, capsize=3, **style.look(number))
ax.set_xscale("log", base=2)
ax.set_xticks(WIDTHS, WIDTHS)
style.label(ax, "neurons of each hidden layer", "steps that the pole stays up")
ax.legend(frameon=False, loc="upper left")
plt.show()
told = "; ".join(f"{name} " + ", ".join(f"{m.mean():.1f} ± {m.std(ddof=1):.1f}" for m in v) for name, v in found.items())
print(f"measured: {SEEDS} seeds, steps that the pole stays up with {', '.join(map(str, WIDTHS))} neurons: {told}.")
