"""
Groups of labels as a help
==========================

A label with few links tells only few neurons below what they did wrong, and these learn little. So let the net predict groups of
similar labels, too: there are few, so all neurons may be linked to them, and once the net has learnt they are not needed.

:Source: Ullah, Schultheis, Lasby, Ioannou, Babbar (2024), "Navigating Extremes: Dynamic Sparsity in Large Output Spaces",
    arXiv:2411.03171.
:Claim: A sparse output layer hampers training because little gradient reaches the layers below; an auxiliary loss at the start
    of training recovers most of what is lost against a dense output layer.
:Measured: 3 seeds, P@1 in %: 64 links a label 82.4 ± 0.9; 8 links 76.3 ± 2.7; 8 links, groups at first 76.4 ± 2.5. Few links
    cost what the claim says, but groups of labels do not bring it back. (Labels of these data are drawn independently of each
    other, real ones are not.)
"""

# %%
# Artificial data stand in for texts: 2,000 labels, five for each sample. Labels whose samples have similar means make a group.

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans

import sparselab as sl
from sparselab.figures import style

EPOCHS, SEEDS, LABELS, GROUPS, WIDTH = 10, 3, 2000, 50, 64
NETS = {"64 links a label": (64, 0), "8 links": (8, 0), "8 links, groups at first": (8, 1)}  # and the weight of groups


def with_groups(data, seed):
    """Labels and groups of the training samples."""
    counts = np.maximum(np.ravel(data.y_train.sum(axis=0)), 1)
    means = (data.y_train.T @ data.X_train) / counts[:, None]
    group = KMeans(GROUPS, n_init=1, random_state=seed).fit_predict(means)
    member = sparse.csr_array((np.ones(LABELS, np.float32), (np.arange(LABELS), group)), shape=(LABELS, GROUPS))
    return sparse.hstack([data.y_train, (data.y_train @ member) > 0], format="csr").astype(np.float32)


def links(n_in, n_out, density, rng):
    """Few links for each label, all for each group."""
    labels = [rng.permutation(n_in)[: round(density * n_in)] for _ in range(LABELS)]
    columns = [*labels, *[np.arange(n_in)] * GROUPS]
    return sl.Topology.from_links(n_out, n_in, np.repeat(np.arange(n_out), list(map(len, columns))), np.concatenate(columns))


def run(fan_in, weight, seed):
    """P@1 of the test samples in % after each epoch."""
    data = sl.datasets.many_labels(3000, 500, LABELS, seed=seed)
    y = with_groups(data, seed)
    sizes, density = (500, WIDTH, LABELS + GROUPS), [1, fan_in / WIDTH]
    model = sl.SparseMLP.create(sizes, density=density, topology=links, activation="relu", seed=seed)
    counts = np.ravel(y.sum(axis=0)) + 0.5
    model.layers[-1].b[:] = np.log(counts / (data.n_train + 1 - counts))
    optimizer, curve = sl.Adam(sl.schedules.Cosine(0.005, epochs=EPOCHS)), []
    state = sl.TrainingState.start(model, optimizer, seed)
    for part in (weight, 0):  # of the training
        loss = sl.BinaryCrossEntropy(output_weights=[1.0] * LABELS + [part] * GROUPS)
        options = {"epochs": EPOCHS // 2, "batch_size": 32, "state": state, "threads": 1, "loss": loss}
        for _ in sl.train(model, (data.X_train, y), optimizer=optimizer, **options):
            best = sl.predict(model, data.X_test, threads=1)[:, :LABELS].argmax(axis=1)
            curve.append(100 * sl.metrics.precision_at(1)(data.y_test, best[:, None]))
    return curve


# %%
# P@1 is the share of test samples whose best-ranked label is one of theirs. Bars are standard deviations over the seeds.

curves = {name: np.array([run(*net, seed) for seed in range(SEEDS)]) for name, net in NETS.items()}
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
style.decorate(ax)
for number, (name, values) in enumerate(curves.items()):
    ax.errorbar(range(1, EPOCHS + 1), values.mean(0), values.std(0, ddof=1), label=name, capsize=3, **style.look(number))
style.label(ax, "epoch", "P@1 (%)")
ax.legend(frameon=False)
plt.show()
told = "; ".join(f"{name} {v[:, -1].mean():.1f} ± {v[:, -1].std(ddof=1):.1f}" for name, v in curves.items())
print(f"measured: {SEEDS} seeds, P@1 in %: {told}.")
