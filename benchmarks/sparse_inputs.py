"""CSR data of very many features: fit and predict beside scikit-learn's dense MLPClassifier.

`python -m benchmarks.sparse_inputs [--features N …] [--rounds N]`: 2,500 samples of 90 entries, 100, 20 and 20 hidden units,
batches of 32, one epoch of SGD with momentum a fit, in turn; medians of one run, and the peak of what NumPy allocated in a fit of
ours (tracemalloc, not timed). Ours computes on one thread, and ε = 1 gives about one link a feature.
"""

import argparse
import tracemalloc
import warnings

import numpy as np
import scipy.sparse

import sparselab as sl
from benchmarks.common import emit, interleaved, table

SAMPLES, ENTRIES, CLASSES, HIDDEN, BATCH, EPSILON = 2500, 90, 4, (100, 20, 20), 32, 1
FEATURES = 40_000, 200_000, 2**20


def make_data(features):
    """(X, y): entries at random places with random values."""
    rng = np.random.default_rng(0)
    indices = rng.integers(0, features, SAMPLES * ENTRIES, dtype=np.int32)
    starts = np.arange(SAMPLES + 1) * ENTRIES
    X = scipy.sparse.csr_array((rng.random(len(indices), np.float32), indices, starts), shape=(SAMPLES, features))
    X.sum_duplicates()
    return X, rng.integers(0, CLASSES, SAMPLES)


def estimators():
    """{name: estimator} with the same net, but for the links, and the same optimizer."""
    from sklearn.neural_network import MLPClassifier

    options = {"batch_size": BATCH, "momentum": 0.9, "random_state": 0}
    ours = sl.SparseMLPClassifier(HIDDEN, epsilon=EPSILON, learning_rate=0.01, epochs=1, n_jobs=1, **options)
    dense = MLPClassifier(HIDDEN, solver="sgd", learning_rate_init=0.01, max_iter=1, alpha=0, **options)
    return {"ours": ours, "scikit-learn": dense}


def row_of(features, rounds):
    """The row of data with so many features."""
    (X, y), nets = make_data(features), estimators()
    nets["ours"].fit(X, y)  # compiles
    tracemalloc.start()
    nets["ours"].fit(X, y)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    fit = interleaved({name: (lambda net=net: net.fit(X, y)) for name, net in nets.items()}, repeats=rounds)
    predict = interleaved({name: (lambda net=net: net.predict(X)) for name, net in nets.items()}, repeats=5 * rounds)
    row = {"features": features, "links": nets["ours"].model_.n_links, "peak MiB": peak}
    for what, seconds in (("fit", fit), ("predict", predict)):
        ours, theirs = (float(np.median(seconds[name])) for name in nets)
        row |= {f"{what} s": ours, f"{what} s, scikit-learn": theirs, f"{what}, times faster": theirs / ours}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, nargs="+", default=FEATURES)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn: one epoch does not converge
        rows = [row_of(features, given.rounds) for features in given.features]
    emit("sparse_inputs", rows)
    print(table(rows, list(rows[0])))


if __name__ == "__main__":
    main()
