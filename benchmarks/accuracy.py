"""Accuracy at equal epochs, several seeds: activations, initializers, and the anchors of the authors' demo settings.

`python -m benchmarks.accuracy [epochs] [seeds]` on complete FashionMNIST with the demo settings (λ = 2e-4, dropout .3,
ζ .3, ε 20): mean and deviation of the last epoch's test accuracy; then digits. Nothing is picked by the test set.
"""

import sys

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table

SIZES = (784, 1000, 1000, 1000, 10)
DEMO = {"momentum": 0.9, "weight_decay": 2e-4}
VARIANTS = {
    "AllReLU": {"activation": sl.AllReLU(0.6)},
    "LeakyReLU": {"activation": sl.LeakyReLU(0.6)},
    "ReLU": {"activation": sl.ReLU()},
    "AllNegative": {"activation": sl.AllNegative(0.6)},
    "AllReLU, he by links": {"initializer": sl.HeUniform("links")},
    "AllReLU, xavier by width": {"initializer": sl.XavierUniform()},
    "AllReLU, normal": {"initializer": sl.Normal()},
    "AllReLU, static": {"rules": []},
    "AllReLU, λ = 0": {"weight_decay": 0.0},
}


def last_accuracy(data, sizes, seed, epochs, *, rules=None, weight_decay=2e-4, epsilon=20, batch_size=128, rate=0.01, **net):
    model = sl.SparseMLP.create(sizes, epsilon=epsilon, dropout=0.3, seed=seed, **net)
    optimizer = sl.MomentumSGD(rate, momentum=0.9, weight_decay=weight_decay)
    rules = [sl.SET(0.3)] if rules is None else rules
    run = sl.train(
        model, data, optimizer=optimizer, rules=rules, epochs=epochs, batch_size=batch_size, seed=seed, evaluate_every=epochs
    )  # fmt: skip
    return [record.test_accuracy for record in run][-1]


def main(epochs=10, seeds=3):
    data, rows = sl.datasets.load("fashion_mnist"), []
    with tqdm(total=len(VARIANTS) * seeds, desc="fashion_mnist") as bar:
        for name, options in VARIANTS.items():
            scores = []
            for seed in range(seeds):
                scores.append(100 * last_accuracy(data, SIZES, seed, epochs, **options))
                bar.update()
            rows.append(row("fashion_mnist", name, epochs, scores))
    digits = sl.datasets.load("digits")
    scores = [
        100 * last_accuracy(digits, (64, 200, 200, 10), seed, 40, weight_decay=0.0, batch_size=32) for seed in range(seeds)
    ]  # fmt: skip
    rows.append(row("digits", "AllReLU 64-200-200-10", 40, scores))
    emit("accuracy", rows)
    print(table(rows, ["data", "variant", "epochs", "n", "mean %", "deviation", "each"]))


def row(data, name, epochs, scores):
    return {
        "data": data, "variant": name, "epochs": epochs, "n": len(scores), "mean %": float(np.mean(scores)),
        "deviation": float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0, "each": " ".join(f"{s:.2f}" for s in scores),
    }  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
