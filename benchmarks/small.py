"""The cost of small work: a step of Madelon's net, one sample through the standard net, a big batch through it.

`python -m benchmarks.small [rounds]`: ours and, where they are installed, dense PyTorch (extra [bench]) and scikit-learn's dense
MLPClassifier, in turn; medians of one run.
"""

import sys

import numpy as np

import sparselab as sl
from benchmarks.common import emit, interleaved, table
from benchmarks.training import SIZES

MADELON = (500, 400, 100, 400, 2)
BATCH, SAMPLES, EPOCHS = 32, 2000, 5
REST = 0.3  # seconds between samples: BLAS threads keep spinning for a while after their work


def madelon(threads, pulled):
    """A function that trains EPOCHS epochs of Madelon's shape with SET; `pulled`: a record for every step."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((SAMPLES, MADELON[0]), dtype=np.float32), rng.integers(0, 2, SAMPLES)
    model = sl.SparseMLP.create(MADELON, epsilon=10, activation=sl.AllReLU(0.5), dropout=0.3, initializer="normal", seed=0)
    options = {"rules": [sl.SET(0.3)], "epochs": 10**6, "batch_size": BATCH, "seed": 0, "threads": threads, "evaluate_every": 0}
    records = (sl.steps if pulled else sl.train)(model, data, **options)
    n = EPOCHS * (1 + -(-SAMPLES // BATCH)) if pulled else EPOCHS
    return lambda: [next(records) for _ in range(n)]


def dense_torch(n):
    """A function that sends n samples through the dense net, or None."""
    try:
        import torch
    except ImportError:
        return None
    layers = [layer for a, b in zip(SIZES, SIZES[1:]) for layer in (torch.nn.Linear(a, b), torch.nn.LeakyReLU(0.6))]
    net, X = torch.nn.Sequential(*layers[:-1]).eval(), torch.randn(n, SIZES[0])

    def run():
        with torch.inference_mode():
            net(X)

    return run


def dense_sklearn(n):
    """The same with scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, SIZES[0]), dtype=np.float32)
    net = MLPClassifier(SIZES[1:-1], max_iter=1, batch_size=100)
    net.partial_fit(X[: min(n, 100)], np.arange(min(n, 100)) % SIZES[-1], classes=np.arange(SIZES[-1]))
    return lambda: net.predict_proba(X)


def inference(n):
    """{name: function} that send n samples through the standard net."""
    model = sl.SparseMLP.create(SIZES, epsilon=20, activation=sl.AllReLU(0.6), seed=0)
    X = np.random.default_rng(0).standard_normal((n, SIZES[0]), dtype=np.float32)
    calls = {
        "ours": lambda: sl.predict(model, X),
        "torch dense": dense_torch(n),
        "scikit-learn dense": dense_sklearn(n),
    }
    return {name: call for name, call in calls.items() if call}


def main(rounds=15):
    rows, steps = [], EPOCHS * -(-SAMPLES // BATCH)
    calls = {
        "in train": madelon(None, False), "in train, 1 thread": madelon(1, False), "every step pulled": madelon(None, True)
    }  # fmt: skip
    rows += rows_of("Madelon step", interleaved(calls, repeats=rounds), 1 / steps)
    rows += rows_of("1 sample", interleaved(inference(1), repeats=rounds, inner=200, rest=REST), 1)
    rows += rows_of("10,000 samples", interleaved(inference(10_000), repeats=max(3, rounds // 3), rest=REST), 1)
    emit("small", rows)
    print(table(rows, ["what", "how", "microseconds", "min", "times ours"]))


def rows_of(what, seconds, scale):
    first = np.median(next(iter(seconds.values())))
    return [
        {"what": what, "how": name, "microseconds": float(np.median(v) * scale * 1e6), "min": float(v.min() * scale * 1e6),
         "times ours": float(np.median(v) / first)}
        for name, v in seconds.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
