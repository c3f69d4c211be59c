"""CSR data of very many features: fit and predict beside scikit-learn's dense MLPClassifier.

`python -m benchmarks.sparse_inputs [--features N …] [--epsilon E …] [--rounds N]`: 2,500 samples of 90 entries, 100, 20 and 20
hidden units, batches of 32, one epoch of SGD with momentum a fit, in turn; medians of one run beside the GOALS, and the peak of
what NumPy allocated in a fit of ours (tracemalloc, not timed). Ours computes on one thread; ε is about the links a feature.
"""

import argparse
import itertools
import tracemalloc
import warnings

import numpy as np
import scipy.sparse

import sparselab as sl
from benchmarks.common import emit, interleaved, table

SAMPLES, ENTRIES, CLASSES, HIDDEN, BATCH = 2500, 90, 4, (100, 20, 20), 32
FEATURES, EPSILONS = (40_000, 200_000, 2**20), (1, 20)
GOALS = {"fit": 2, "predict": 1}  # times as fast as scikit-learn, at least


def make_data(features):
    """(X, y): entries at random places with random values."""
    rng = np.random.default_rng(0)
    indices = rng.integers(0, features, SAMPLES * ENTRIES, dtype=np.int32)
    starts = np.arange(SAMPLES + 1) * ENTRIES
    X = scipy.sparse.csr_array((rng.random(len(indices), np.float32), indices, starts), shape=(SAMPLES, features))
    X.sum_duplicates()
    return X, rng.integers(0, CLASSES, SAMPLES)


def estimators(epsilon):
    """{name: estimator} with the same net, but for the links, and the same optimizer."""
    from sklearn.neural_network import MLPClassifier

    options = {"batch_size": BATCH, "momentum": 0.9, "random_state": 0}
    ours = sl.SparseMLPClassifier(HIDDEN, epsilon=epsilon, learning_rate=0.01, epochs=1, n_jobs=1, **options)
    dense = MLPClassifier(HIDDEN, solver="sgd", learning_rate_init=0.01, max_iter=1, alpha=0, **options)
    return {"ours": ours, "scikit-learn": dense}


def row_of(features, epsilon, rounds):
    """The row of data with so many features and a net with so many links a feature."""
    (X, y), nets = make_data(features), estimators(epsilon)
    nets["ours"].fit(X, y)  # compiles
    tracemalloc.start()
    nets["ours"].fit(X, y)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    fit = interleaved({name: (lambda net=net: net.fit(X, y)) for name, net in nets.items()}, repeats=rounds)
    predict = interleaved({name: (lambda net=net: net.predict(X)) for name, net in nets.items()}, repeats=5 * rounds)
    links = nets["ours"].model_.n_links
    row = {"features": features, "epsilon": epsilon, "links": links, "peak MiB": peak}
    row["bytes a link and entry"] = peak * 2**20 / (links + X.nnz)
    for what, seconds in (("fit", fit), ("predict", predict)):
        ours, theirs = (float(np.median(seconds[name])) for name in nets)
        row |= {f"{what} s": ours, f"{what} s, scikit-learn": theirs, f"{what}, times faster": theirs / ours}
    return row


def verdicts(row):
    """A line for each of the GOALS: what was measured beside it."""
    for what, goal in GOALS.items():
        times = row[f"{what}, times faster"]
        met = "met" if times >= goal else "MISSED"
        yield f"{row['features']:,} features, ε = {row['epsilon']:g}: {what} {times:.2f} × (goal: ≥ {goal} ×), {met}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, nargs="+", default=FEATURES)
    parser.add_argument("--epsilon", type=float, nargs="+", default=EPSILONS)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn: one epoch does not converge
        rows = []
        for features, epsilon in itertools.product(given.features, given.epsilon):
            rows.append(row_of(features, epsilon, given.rounds))
            emit("sparse_inputs", rows[-1:], key=("features", "epsilon"))
    print(table(rows, list(rows[0])))
    print(*(line for row in rows for line in verdicts(row)), sep="\n")


if __name__ == "__main__":
    main()
