"""
Lottery tickets
===============

Train a dense net, prune its smallest weights, put the others back to their values before training, and train again. Does it
matter that these are the old values, or is it the places of the links? How large may new values be?

:Source: Frankle, Carbin (2019), "The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks", arXiv:1803.03635;
    for values by link Evci, Ioannou, Keskin, Dauphin (2022), "Gradient Flow in Sparse Neural Networks and How Lottery Tickets
    Win", arXiv:2010.03533.
:Claim: Pruned nets that start from their old values (winning tickets) reach a higher accuracy than the same links with new
    random values; new values have to be scaled by the links of each neuron, not by the width of the layer.
:Measured: 3 seeds, test accuracy in %. Dense 84.4 ± 0.6; at 1 % of the links: old values (tickets) 83.1 ± 1.0; new values by
    width 77.3 ± 0.6; new values by link 79.8 ± 0.8; new values by link, random links 78.2 ± 0.5. The claim holds: only tickets
    stay near the dense net. Values by link recover a part of what values by width lose.
"""

# %%
# Pruning goes on in rounds: the ticket of a round is trained, then 60 % of the links of its hidden layers are cut. A pruned
# link does not exist any more; ``rewire`` returns the smaller topology, and ``carry`` takes the values of the first day along.

import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

EPOCHS, SEEDS, ROUNDS, SIZES = 10, 3, 5, (784, 300, 100, 10)
VARIANTS = "old values (tickets)", "new values by width", "new values by link", "new values by link, random links"
data = sl.datasets.load("fashion_mnist_small")


def accuracy(model, seed):
    *_, last = sl.train(model, data, epochs=EPOCHS, batch_size=64, seed=seed, threads=1, evaluate_every=EPOCHS)
    return 100 * last.test_accuracy


def net(topologies, values):
    layers = [sl.SparseLinear(t, v.copy(), np.zeros(t.n_out, np.float32)) for t, v in zip(topologies, values)]
    return sl.SparseMLP(layers, "relu")


def rounds(seed):
    """Accuracies (round, variant); all variants of a round have equally many links in each layer."""
    rng, he = np.random.default_rng(seed), sl.HeNormal("links")
    model = sl.SparseMLP.create(SIZES, density=1, activation="relu", initializer=sl.HeNormal(), seed=seed)
    topologies, old = [layer.topology for layer in model.layers], [layer.w.copy() for layer in model.layers]
    table = [[accuracy(model, seed)] * 4]
    for _ in range(ROUNDS):
        for number, layer in enumerate(model.layers[:-1]):
            change = sl.rewire(layer.topology, sl.criteria.magnitude(layer, None, None, rng, 0.6))
            topologies[number], old[number] = change.topology, change.carry(old[number])
        model = net(topologies, old)
        anew = [net(topologies, [draw(t, rng) for t in topologies]) for draw in (sl.HeNormal(), he)]
        densities = [t.density for t in topologies]
        elsewhere = sl.SparseMLP.create(SIZES, density=densities, exact=True, activation="relu", initializer=he, seed=seed)
        table.append([accuracy(m, seed) for m in (model, *anew, elsewhere)])
    return table


found = np.array([rounds(seed) for seed in range(SEEDS)])  # (seed, round, variant)
densities = 100 * 0.4 ** np.arange(ROUNDS + 1)
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
style.decorate(ax)
for number, name in enumerate(VARIANTS):
    values = found[:, :, number]
    ax.errorbar(densities, values.mean(0), values.std(0, ddof=1), label=name, capsize=3, **style.look(number))
ax.set_xscale("log")
ax.set_xticks(densities, [f"{density:.3g}" for density in densities])
style.label(ax, "density of the hidden layers (%)", "test accuracy (%)")
ax.legend(frameon=False)
plt.show()

# %%
# Bars are standard deviations over the seeds. The sentence at the top, from the numbers of this run:

said = [f"{v.mean():.1f} ± {v.std(ddof=1):.1f}" for v in (found[:, 0, 0], *found[:, -1].T)]
told = "; ".join(f"{name} {text}" for name, text in zip(VARIANTS, said[1:]))
print(f"measured: {SEEDS} seeds, test accuracy in %. Dense {said[0]}; at 1 % of the links: {told}.")
