"""Nets with 10^4 to 10^6 labels as outputs: seconds an epoch, of an evolution and of predicting the best 5, and peak memory.

`python -m benchmarks.large_outputs [--labels N …] [--batches N] [--epochs N]`. Data: `sl.datasets.many_labels`, 100,000 samples
of 500 features and 5 labels. Net: 500-1000-labels, 10 % of the links in the first layer and 32 links a label, ReLU, binary
cross-entropy, momentum SGD, batches of 32, one thread; each size in a process of its own, data and libraries included in its
peak. An epoch is 3,125 times the median of the measured batches. Evolutions replace 30 % of both layers' links: SET at random
places of the same label, RigL at the largest gradients of ten sampled places a link. The smallest net is then trained for
`--epochs` whole epochs. Rows are kept as they come. Printed: the slope of log time against log labels, by least squares.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import table
from benchmarks.kept import Kept
from sparselab.nn.footprint import dense_bytes

LABELS, SAMPLES, TESTS = (10**4, 10**5, 10**6), 100_000, 256
FEATURES, HIDDEN, LINKS, BATCH, RATE, ZETA = 500, 1000, 32, 32, 0.02, 0.3
COLUMNS = (
    "labels", "links", "epoch s", "SET s", "RigL s", "top 5 ms", "peak GiB", "dense weights GiB", "P@1 %", "P@5 %", "PSP@5 %",
)  # fmt: skip
RULES = {
    "SET": sl.SET(ZETA, layers="all", regrowth=sl.regrowths.keep_fan_in),
    "RigL": sl.RigL(ZETA, layers="all", regrowth=sl.regrowths.SampledGradient(10)),
}


def measured(labels, batches, epochs):
    """The row of a net with so many labels; epochs: to train it for, with all samples."""
    data = sl.datasets.many_labels(SAMPLES + TESTS, FEATURES, labels, seed=0, test_fraction=TESTS / (SAMPLES + TESTS))
    sizes, density = (FEATURES, HIDDEN, labels), [0.1, LINKS / HIDDEN]
    model = sl.SparseMLP.create(sizes, density=density, topology="fixed_fan_in", activation="relu", seed=0)
    some = data.X_train[: batches * BATCH], data.y_train[: batches * BATCH]
    options = {"loss": "binary_cross_entropy", "optimizer": sl.MomentumSGD(RATE), "batch_size": BATCH, "threads": 1, "seed": 0}
    row, seconds = {"labels": labels, "links": model.n_links}, []
    for name, rule in RULES.items():
        for record in sl.steps(model, some, epochs=2, rules=rule, **options):
            if isinstance(record, sl.EpochRecord):
                row[f"{name} s"] = record.seconds_evolve  # that of the last epoch: there is none before the first
            elif record.step:
                seconds.append(record.seconds)
    row["epoch s"] = float(np.median(seconds)) * SAMPLES / BATCH
    sl.predict_topk(model, data.X_test, 5, threads=1)  # compiles
    start = time.perf_counter()
    sl.predict_topk(model, data.X_test, 5, threads=1)
    row["top 5 ms"] = 1e3 * (time.perf_counter() - start) / TESTS
    row |= scores(sizes, density, data, epochs, options)
    row["peak GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return row | {"dense weights GiB": dense_bytes(sizes, copies=1) / 2**30}


def scores(sizes, density, data, epochs, options):
    """{metric: per cent} after a training with SET; None where there are no epochs."""
    names = ("P@1 %", "P@5 %", "PSP@5 %")
    if not epochs:
        return dict.fromkeys(names)
    model = sl.SparseMLP.create(sizes, density=density, topology="fixed_fan_in", activation="relu", seed=0)
    list(sl.train(model, (data.X_train, data.y_train), epochs=epochs, rules=RULES["SET"], **options))
    labels, _ = sl.predict_topk(model, data.X_test, 5)
    metrics = sl.metrics.precision_at(1), sl.metrics.precision_at(5), sl.metrics.propensity_precision_at(5, data.y_train)
    return {name: 100 * metric(data.y_test, labels) for name, metric in zip(names, metrics, strict=True)}


def in_own_process(**settings):
    """`measured` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.large_outputs", "--one", json.dumps(settings)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(found.stdout.splitlines()[-1])


def slope(found):
    """Of log seconds an epoch against log labels; None below two nets."""
    if len(found) < 2:
        return None
    return float(np.polyfit(*(np.log([row[name] for row in found]) for name in ("labels", "epoch s")), 1)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, nargs="+", default=LABELS)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(**json.loads(given.one))))
        return
    kept, found = Kept("large_outputs"), []
    for labels in tqdm(sorted(given.labels), desc="large outputs", unit="net"):
        epochs = given.epochs if labels == min(given.labels) else 0
        settings = {"labels": labels, "batches": given.batches, "epochs": epochs}
        found.append(kept.row(settings, lambda settings=settings: in_own_process(**settings)))
    print(table(found, COLUMNS))
    print("slope of log time:", slope(found))


if __name__ == "__main__":
    main()
