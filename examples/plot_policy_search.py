"""
A sparse actor, found without gradients
=======================================

Draw many actors around a mean, let each of them act, and move the mean to the best ones (cross-entropy method): that is
reinforcement learning without gradients. Do many neurons with few links learn more than a dense actor with as many numbers?

:Source: Graesser, Evci, Elsen, Castro (2022), "The State of Sparse Training in Deep Reinforcement Learning", arXiv:2206.10369.
:Claim: Sparse nets perform better than dense ones with the same number of parameters. (There they are trained by gradients.)
:Measured: 5 seeds, reward a step in the last five generations by hidden neurons: 10 + 10, dense -2.1 ± 1.1; 20 + 20, sparse
    -3.0 ± 0.9; 40 + 40, sparser -5.0 ± 0.6. The claim does not hold for this search: the sparser the actor, the slower it
    learns.
"""

# %%
# The task: swing up a pendulum with a weak motor, on which random torques act. An actor sees cosine and sine of the angle and
# the speed. All actors of a generation form *one* net of sparse blocks, so that a step of all of them is three sparse products.

import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

POPULATION, ELITE, GENERATIONS, EPISODES, STEPS, SEEDS = 64, 8, 60, 4, 120, 5
NETS = {"10 + 10, dense": (10, 1, 1, 1), "20 + 20, sparse": (20, 0.6, 0.21, 0.9), "40 + 40, sparser": (40, 0.3, 0.04, 0.95)}


def blocks(topology):  # the topology of the whole population: one block for each actor
    (n_out, n_in), actor = topology.shape, np.arange(POPULATION)[:, None]
    links = (topology.rows + n_out * actor).ravel(), (topology.indices + n_in * actor).ravel()
    return sl.Topology.from_links(POPULATION * n_out, POPULATION * n_in, *links)


def returns(layers, rng):  # mean reward a step of each actor, from the same starts and with the same random torques
    angle, speed, total = np.tile(rng.uniform(-np.pi, np.pi, EPISODES), (POPULATION, 1)), np.zeros((POPULATION, EPISODES)), 0
    for _ in range(STEPS):
        signal = np.stack([np.cos(angle), np.sin(angle), speed / 8, np.ones_like(angle)], axis=1).reshape(-1, EPISODES)
        for layer in layers:
            signal = np.tanh(layer.forward(signal))
        total -= (((angle + np.pi) % (2 * np.pi) - np.pi) ** 2 + 0.1 * speed**2).mean(1)
        speed = np.clip(speed + 0.05 * (15 * np.sin(angle) + 3 * (2 * signal + rng.normal(0, 0.3, EPISODES))), -8, 8)
        angle = angle + 0.05 * speed
    return total / STEPS


def search(seed, width, *densities):  # the return of the mean actor in each generation
    rng = np.random.default_rng(seed)
    sizes = zip((width, width, 1), (4, width, width), densities)
    parts = [sl.erdos_renyi(n_out, n_in, density=density, exact=True, seed=seed) for n_out, n_in, density in sizes]
    layers = [sl.SparseLinear(blocks(t), np.zeros(POPULATION * t.nnz), np.zeros(POPULATION * t.n_out)) for t in parts]
    cuts = np.cumsum([t.nnz for t in parts])
    mean, spread, curve = np.zeros(cuts[-1]), np.ones(cuts[-1]), []
    for generation in range(GENERATIONS):
        actors = rng.normal(mean, spread, (POPULATION, len(mean)))
        actors[0] = mean
        for layer, values in zip(layers, np.split(actors, cuts[:-1], axis=1)):
            layer.w = values.ravel()
        scores = returns(layers, rng)
        best = actors[np.argsort(-scores)[:ELITE]]
        mean, spread = best.mean(0), best.std(0) + 0.2 * (1 - generation / GENERATIONS)
        curve.append(scores[0])
    return curve


# %%
# A reward of 0 would be a pendulum that always stands. Bars are standard deviations over the seeds.

found = {name: np.array([search(seed, *net) for seed in range(SEEDS)]) for name, net in NETS.items()}
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
style.decorate(ax)
for number, (name, values) in enumerate(found.items()):
    bars = {"yerr": values.std(0, ddof=1), "errorevery": (2 * number, 6), "markevery": 6, "capsize": 3}
    ax.errorbar(range(GENERATIONS), values.mean(0), label=name, **bars, **style.look(number))
style.label(ax, "generation", "reward a step of the mean actor")
ax.legend(title="neurons, 150 links each", frameon=False)
plt.show()
last = {name: values[:, -5:].mean(1) for name, values in found.items()}
said = [f"{name} {values.mean():.1f} ± {values.std(ddof=1):.1f}" for name, values in last.items()]
print(f"measured: {SEEDS} seeds, reward a step in the last five generations by hidden neurons: {'; '.join(said)}.")
