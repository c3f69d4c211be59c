"""SparseMLPClassifier with no argument but epsilon beside scikit-learn's MLPClassifier with its defaults, equal epochs.

`python -m benchmarks.defaults [--seeds N] [--epochs N] [--only NAME ...] [--out FILE]`

"topics" is a synthetic corpus of 20 topics: TF-IDF of words drawn with Zipf's frequencies, half of them from a topic's own words.
"offset" is digits with 1e9 added. The target: at least the peer's mean minus 1 point, minus 3 at epsilon 2.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.neural_network import MLPClassifier

import sparselab as sl
from benchmarks.common import table
from benchmarks.kept import Kept, spread

EPSILONS = (2, 5, 20)
NAMES = ("digits", "fashion_mnist_small", "madelon_like", "topics", "offset")


def topics(n_rows=1600, n_words=8000, length=80, n_topics=20, seed=0):
    """Synthetic counts (n_rows, n_words) as CSR, and the topic of each row."""
    rng, frequencies = np.random.default_rng(seed), 1 / np.arange(1, n_words + 1)
    y, n_own = rng.integers(0, n_topics, n_rows), n_words // 10
    own = [rng.permutation(n_words)[:n_own] for _ in range(n_topics)]
    words = rng.choice(n_words, (n_rows, length), p=frequencies / frequencies.sum())
    for row, topic in enumerate(y):
        p = frequencies[own[topic]]
        words[row, : length // 2] = rng.choice(own[topic], length // 2, p=p / p.sum())
    rows = np.repeat(np.arange(n_rows), length)
    return sparse.csr_array((np.ones(words.size, np.float32), (rows, words.ravel())), shape=(n_rows, n_words)), y


def parts(name):
    """(X, y, X_test, y_test), not scaled."""
    if name == "topics":
        X, y = topics()
        X = TfidfTransformer().fit_transform(X).astype(np.float32)
        return X[:1200], y[:1200], X[1200:], y[1200:]
    data = sl.datasets.load("digits" if name == "offset" else name, standardise=False)
    X, X_test = (part.astype(np.float64) + (1e9 if name == "offset" else 0) for part in (data.X_train, data.X_test))
    return X, data.y_train, X_test, data.y_test


def measured(model, data):
    """Accuracy in percent and seconds of one fit."""
    X, y, X_test, y_test = data
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            accuracy = 100 * float(model.fit(X, y).score(X_test, y_test))
        except (ValueError, sl.DivergedError):
            accuracy = 0.0  # a fit that fails counts as one that learns nothing
    return {"accuracy %": accuracy, "seconds": time.perf_counter() - start}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--out", type=Path, help="default: the kept file of this benchmark")
    chosen = parser.parse_args(argv)
    kept, lines = Kept("defaults", chosen.out), []
    for name in chosen.only:
        data = parts(name)
        line = {"data": name}
        for epsilon in ("peer", *EPSILONS):
            rows = []
            for seed in range(chosen.seeds):
                model = (
                    MLPClassifier(max_iter=chosen.epochs, random_state=seed)
                    if epsilon == "peer"
                    else sl.SparseMLPClassifier(epsilon=epsilon, epochs=chosen.epochs, random_state=seed)
                )
                settings = {"data": name, "epsilon": epsilon, "seed": seed, "model": repr(model)}
                rows.append(kept.row(settings, lambda model=model, data=data: measured(model, data)))
            line[str(epsilon)] = spread([row["accuracy %"] for row in rows])
        lines.append(line)
        print(table([line], ["data", "peer", *map(str, EPSILONS)]), flush=True)
    return lines


if __name__ == "__main__":
    main()
