"""Table 5: the five very large nets of the paper, on two cores: seconds of creation, an epoch, testing and evolution, and memory.

`python -m benchmarks.paper table5 --folder FOLDER [--only "1 M" …] [--minutes 20]`: needs 11 GB of memory for the data and 3 GB
of disk in FOLDER, and up to 24 GiB of memory for the largest net. The data are scikit-learn's `make_classification`, 7,000 +
3,000 rows of 65,536 features, of which 64 are informative (the paper gives the sizes alone); the classes are so far apart that
the nearer of their two means names nearly every test row. Batches of 128, dropout 0.4, values scaled by links. Each net is
trained in two ways: "All-ReLU" at the paper's rate 0.01, or 10 / width where that is less, because each output has a whole
layer's neurons as inputs; and "leaky, output from 0": leaky ReLU, outputs that begin at 0, and 2.5 / width. An epoch that takes
longer than `--minutes` is broken off, and its time is the median of its steps times their number. Test accuracy is that after
this epoch, before the evolution.
"""

import argparse
import itertools
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import sparselab as sl
from benchmarks import kept
from benchmarks.common import table
from benchmarks.paper import anchors
from sparselab.checkpoints.state import BATCHES
from sparselab.experiments.extreme import Extreme, begin_training

TRAIN, TEST, FEATURES, INFORMATIVE = 7000, 3000, 65_536, 64
SEPARATION = 4.0  # class_sep
BATCH, DROPOUT, SEED = 128, 0.4, 0
WAYS = ("All-ReLU", "leaky, output from 0")
RATE = 2.5  # over the width, of the second way
DATA = {"features": FEATURES, "class_sep": SEPARATION, "batch": BATCH, "dropout": DROPOUT}  # of the settings of a row
COLUMNS = (
    "net", "method", "neurons", "links", "init s", "epoch s", "steps", "test s", "evolve s", "GiB", "accuracy %",
    "nearest mean %", "core-minutes", "ratio",
)  # fmt: skip


def make_data(path, n_train=TRAIN, n_test=TEST, features=FEATURES):
    """Write the rows to path (.npy, standardised by the training rows) and the labels beside it."""
    from sklearn.datasets import make_classification

    X, y = make_classification(
        n_train + n_test, features, n_informative=INFORMATIVE, n_redundant=0, n_clusters_per_class=1, class_sep=SEPARATION,
        shuffle=False, random_state=SEED,
    )  # fmt: skip
    order = np.random.default_rng(SEED).permutation(len(y))
    out = np.lib.format.open_memmap(path, "w+", np.float32, X.shape)
    # the informative columns come first; the others are scikit-learn's noise, which is standard normal
    train = X[order[:n_train], : min(features, 1024)]
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    X[:, : len(mean)] = (X[:, : len(mean)] - mean) / deviation
    for place, row in enumerate(order):
        out[place] = X[row]
    np.save(labels_of(path), y[order])


def labels_of(path):
    """The file of the labels."""
    return path.with_name(f"{path.stem}_labels.npy")


def load(path, n_train=TRAIN):
    """The Dataset of these files, mapped into memory."""
    X, y = np.load(path, mmap_mode="r"), np.load(labels_of(path))
    parts = X[:n_train], y[:n_train], X[n_train:], y[n_train:]
    return sl.datasets.Dataset.from_arrays(*parts, name="make_classification", source="synthetic")


def nearest_mean(data):
    """Share of the test rows that are nearer to their own class's mean of the training rows: what is there to be learned."""
    total = np.zeros((2, data.n_features))
    for start in range(0, data.n_train, 500):
        X, y = data.X_train[start : start + 500], data.y_train[start : start + 500]
        total += [X[y == one].sum(axis=0, dtype=float) for one in (0, 1)]
    means = (total / np.bincount(data.y_train, minlength=2)[:, None]).astype(np.float32)
    direction, middle = means[1] - means[0], means.mean(axis=0)
    return float(np.mean((data.X_test @ direction > middle @ direction) == (data.y_test == 1)))


def measured(name, way, path, minutes, threads):
    """The row of a net of table 5; in a process of its own."""
    layers, width, epsilon, *_ = anchors.TABLE5[name]
    data = load(path)
    return trained(data, layers, width, epsilon, minutes, threads, way) | {"nearest mean %": 100 * nearest_mean(data)}


def trained(data, layers, width, epsilon, minutes, threads, way=WAYS[0]):
    """Seconds by phase, accuracy, links and memory of one epoch of a net, or of a part of it."""
    is_papers = way == WAYS[0]
    rate = None if is_papers else RATE / width  # None: that of Extreme
    what = Extreme(
        layers * width, layers, epsilon, BATCH, features=data.n_features, learning_rate=rate, seed=SEED, threads=threads,
        test=data.n_test,
    )  # fmt: skip
    with sl.analysis.Meter() as meter:
        begin = time.perf_counter()
        model = sl.SparseMLP.create(
            what.sizes, epsilon=epsilon, activation=sl.AllReLU(what.alpha) if is_papers else sl.LeakyReLU(),
            initializer=sl.HeUniform("links"), dropout=DROPOUT, seed=SEED,
        )  # fmt: skip
        if not is_papers:
            model.layers[-1].w[:] = 0
        seconds = {"init s": time.perf_counter() - begin}
        links = model.n_links
        training, state = begin_training(model, data, what)
        try:
            order = state.stream(BATCHES).permutation(data.n_train)
            training.run(state, order[:0], [], state.dropout_key)  # makes the indices
            steps, losses = [], []
            for start in range(0, data.n_train, BATCH):
                begin = time.perf_counter()
                outcome = training.run(state, order[start : start + BATCH], [what.learning_rate], state.dropout_key)
                steps.append(time.perf_counter() - begin)
                losses.append(float(outcome.losses[0]))
                meter.read()
                if sum(steps) > 60 * minutes:
                    break
            n_steps = -(-data.n_train // BATCH)
            seconds["epoch s"] = sum(steps) if len(steps) == n_steps else float(np.median(steps)) * n_steps
            begin = time.perf_counter()
            loss, accuracy = training.loss.of(training.engine.outputs(training.test[0]), training.test[1])[:2]
            seconds["test s"] = time.perf_counter() - begin
            state.epoch, state.batch, state.evolved = 1, 0, False
            begin = time.perf_counter()
            training.begin(state, order)
            training.run(state, order[:0], [], state.dropout_key)
            seconds["evolve s"] = time.perf_counter() - begin
        finally:
            training.close()
    return seconds | {
        "neurons": layers * width, "links": links, "steps": len(steps), "steps of an epoch": n_steps, "plan": str(training.plan),
        "test loss": float(loss), "accuracy %": 100 * float(accuracy), "first losses": float(np.mean(losses[:5])),
        "last losses": float(np.mean(losses[-5:])), "learning rate": what.learning_rate, "threads": threads, **meter.as_dict(),
    }  # fmt: skip


def rows_of(book):
    """Rows of the table, beside the paper's core-minutes of an epoch with testing and evolution."""
    of = lambda row: (row["settings"]["net"], row["settings"]["method"])
    found = {of(row): row for row in book.rows.values() if row["settings"].items() >= DATA.items()}
    rows = []
    for name, (*_, workers, _, epoch, test, evolve) in anchors.TABLE5.items():
        theirs = workers * (epoch + test + evolve)
        for way in WAYS:
            row, more = found.get((name, way)), {"net": name, "method": way}
            if row is None:
                rows.append(more | {"links": "not run"})
                continue
            ours = row["threads"] * (row["epoch s"] + row["test s"] + row["evolve s"]) / 60
            more |= {"GiB": row["peak_bytes"] / 2**30, "core-minutes": ours, "paper's core-minutes": float(theirs)}
            rows.append({**row, **more, "ratio": theirs / ours})
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper table5", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="for the file of the data")
    parser.add_argument("--only", nargs="+", choices=anchors.TABLE5, default=list(anchors.TABLE5))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--features", type=int, default=FEATURES, help="fewer for a trial")
    given = parser.parse_args(argv)
    path, context = given.folder / f"make_classification_{given.features}.npy", multiprocessing.get_context("spawn")

    def alone(function, *arguments):
        """Its result, computed in a process of its own."""
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(function, *arguments).result()

    if not labels_of(path).exists():
        alone(make_data, path, TRAIN, TEST, given.features)
    book = kept.Kept("paper: table5")
    for name, way in itertools.product(given.only, given.method):
        settings = {"net": name, "method": way, **DATA, "features": given.features, "minutes": given.minutes}
        book.row(settings, lambda name=name, way=way: alone(measured, name, way, path, given.minutes, given.threads))
    rows = [{column: row.get(column, "") for column in COLUMNS} for row in rows_of(book)]
    print(table(rows, COLUMNS))
