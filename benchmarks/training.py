"""The standard job: FashionMNIST, 784-1000-1000-1000-10, ε = 20, batch 128, dropout 0.3, SET before each epoch.

`python -m benchmarks.training [rounds]` runs, in turn, our epoch on all cores and on one, dense PyTorch (extra [bench]) and
scikit-learn's dense MLPClassifier on the same data, and prints seconds, phases and ratios. Evaluation is off.
"""

import sys

import numpy as np

import sparselab as sl
from benchmarks.common import emit, interleaved, table
from benchmarks.dense_peers import BATCH, sklearn_epoch, torch_epoch
from sparselab.checkpoints.records import RECORD_PHASES

SIZES = (784, 1000, 1000, 1000, 10)


def our_epochs(data, threads, records):
    """A function that trains for one more epoch a call and appends its record to `records`."""
    model = sl.SparseMLP.create(SIZES, epsilon=20, activation=sl.AllReLU(0.6), dropout=0.3, seed=0)
    run = sl.train(
        model, data, rules=[sl.SET(0.3)], epochs=10**6, batch_size=BATCH, seed=0, threads=threads, evaluate_every=0
    )  # fmt: skip
    return lambda: records.append(next(run))


def seconds_of_phases(records):
    """{phase: median seconds of an epoch}; the first epoch, which compiles, is left out."""
    return {phase: float(np.median([getattr(r, f"seconds_{phase}") for r in records[1:]])) for phase in RECORD_PHASES}


def main(rounds=7, with_sklearn=1):
    data = sl.datasets.load("fashion_mnist")
    all_cores, one_core = [], []
    calls = {"ours": our_epochs(data, None, all_cores), "ours, 1 thread": our_epochs(data, 1, one_core)}
    peer = torch_epoch(SIZES, data.X_train, data.y_train)
    if peer:
        calls["torch dense"] = peer
    if with_sklearn:
        calls["scikit-learn dense"] = sklearn_epoch(SIZES, data.X_train, data.y_train)
    seconds = interleaved(calls, repeats=rounds, rest=0.5)
    ours = np.median(seconds["ours"])
    rows = [
        {"epoch of": name, "seconds": float(np.median(v)), "min": float(v.min()), "max": float(v.max()),
         "times ours": float(np.median(v) / ours)}
        for name, v in seconds.items()
    ]  # fmt: skip
    emit("training", rows)
    print(table(rows, ["epoch of", "seconds", "min", "max", "times ours"]))
    phases = [{"threads": "all cores", **seconds_of_phases(all_cores)}, {"threads": "1", **seconds_of_phases(one_core)}]
    emit("training: phases", phases)
    print(table(phases, list(phases[0])))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
