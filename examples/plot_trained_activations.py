"""
Activations that are trained
============================

An activation may have values of its own in each neuron, which are trained like weights: SReLU has two thresholds and two
slopes, TAAF a scale and a shift on both sides of another function. All-ReLU has none: its slope for negative inputs is fixed,
and its sign alternates from layer to layer.

:Source: Curci, Mocanu, Pechenizkiy (2021), "Truly sparse neural networks at scale", arXiv:2102.01732 (All-ReLU); Jin et al.
    (2016), "Deep Learning with S-Shaped Rectified Linear Activation Units", arXiv:1512.07030 (SReLU); Kunc, Kléma (2021), PLOS
    ONE 16, doi:10.1371/journal.pone.0243915 (TAAF).
:Claim: With SET, All-ReLU does better than ReLU and does not need the trained values of SReLU; TAAF improves the function in
    it.
:Measured: 4 seeds, test accuracy of ReLU 82.5 ± 0.5 %; differences in points: All-ReLU over ReLU -0.7 ± 0.4; All-ReLU over
    SReLU -0.2 ± 0.3; TAAF over tanh -0.9 ± 0.8. None of the claims shows in so short a training without dropout: All-ReLU is
    not above ReLU, and TAAF not above tanh. That trained values are not needed does show.
"""

# %%
# Settings of the All-ReLU paper for FashionMNIST (ε = 20, ζ = 0.3, slope 0.6, starting values by the width of layers, also for
# new links), but narrower layers, no dropout and a short training, on 5,000 embedded images.

import matplotlib.pyplot as plt
import numpy as np

import sparselab as sl
from sparselab.figures import style

EPOCHS, SEEDS = 12, 4
ACTIVATIONS = {"ReLU": sl.ReLU(), "All-ReLU": sl.AllReLU(0.6), "SReLU": sl.SReLU(), "tanh": sl.Tanh(), "TAAF": sl.TAAF("tanh")}
data = sl.datasets.load("fashion_mnist_small")


def run(activation, seed):
    model = sl.SparseMLP.create((784, 200, 200, 200, 10), epsilon=20, initializer="he_uniform", activation=activation, seed=seed)
    rule = sl.SET(0.3, new_values="initializer")
    options = {"epochs": EPOCHS, "batch_size": 128, "seed": seed, "threads": 1}
    records = sl.train(model, data, optimizer=sl.MomentumSGD(0.01, weight_decay=2e-4), rules=[rule], **options)
    return [100 * record.test_accuracy for record in records], model


runs = {name: [run(activation, seed) for seed in range(SEEDS)] for name, activation in ACTIVATIONS.items()}

# %%
# Left: test accuracy, mean of the seeds. Right: the function of twelve neurons of the first hidden layer after training.

figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.6), layout="constrained")
style.decorate(left)
style.decorate(right)
last = {name: np.array([curve[-1] for curve, _ in seeds]) for name, seeds in runs.items()}
for number, (name, seeds) in enumerate(runs.items()):
    left.plot(range(1, EPOCHS + 1), np.mean([curve for curve, _ in seeds], 0), label=name, markevery=3, **style.look(number))
style.label(left, "epoch", "test accuracy (%)")
left.legend(frameon=False)
z = np.linspace(-4, 4, 201, dtype=np.float32)
for number, name in ((2, "SReLU"), (4, "TAAF")):
    values = runs[name][0][1].layers[0].values[:, :12, None]
    for neuron, curve in enumerate(ACTIVATIONS[name].forward(np.tile(z, (12, 1)), *values)):
        right.plot(z, curve, color=style.COLOURS[number], linewidth=0.8, label=name if neuron == 0 else None)
style.label(right, "input of the activation", "output", "as trained, 12 neurons each")
right.legend(frameon=False)
plt.show()

# %%
# The sentence at the top, from the numbers of this run. A difference is that of nets with the same seed.


def said(values):
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


pairs = {f"{a} over {b}": last[a] - last[b] for a, b in (("All-ReLU", "ReLU"), ("All-ReLU", "SReLU"), ("TAAF", "tanh"))}
told = "; ".join(f"{name} {said(values)}" for name, values in pairs.items())
print(f"measured: {SEEDS} seeds, test accuracy of ReLU {said(last['ReLU'])} %; differences in points: {told}.")
