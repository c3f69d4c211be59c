"""Sparse inputs and many outputs on real data: quality beside usual models on the same rows.

`python -m benchmarks.both_ends [--data NAME …] [--folder FOLDER] [--seeds N] [--threads N] [--choose] [--out FILE]`

The sets are .npz files in FOLDER, by default the data folder; they are no part of the project. Every set has its measure:

- newsgroups20: accuracy; 18,221 messages cut 60 : 40 by class, not the official split by date. Features are TF-IDF.
- dorothea: balanced accuracy on the validation rows (test labels were never published); classes weigh the same.
- bibtex, delicious: precision at 1, 3 and 5, official split; the output layer is sparse and evolves as all layers do.
- california: root of the mean squared error in 100,000 $, beside scikit-learn's MLPRegressor of the same widths and epochs.

Ours has three seeds. Its settings (`ours` of each Job) are the best of those in `tried`, compared on held-out training rows
(`--choose`, one seed), never on the test rows. Held out is one fifth of the training rows, of dorothea each of four stratified
parts in turn (their mean counts), of california the validation rows of its split. The fit that is tested is on all training rows,
of california without the validation rows. scikit-learn's MLPRegressor has its defaults, or the batch that was best there.
Rows are kept as they come: a run that was stopped continues with the next one.
"""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import table
from benchmarks.kept import Kept, spread

PLACES = 1, 3, 5  # of the best labels that precision counts
RIDGE = 10.0  # λ


def read(name, folder=None):
    """{key: array} of name.npz, sparse matrices put together; FileNotFoundError if the file is missing."""
    path = (sl.datasets.data_folder() if folder is None else Path(folder)) / f"{name}.npz"
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    for key in [key.removesuffix("_indptr") for key in arrays if key.endswith("_indptr")]:
        parts = (arrays.pop(f"{key}_{part}") for part in ("data", "indices", "indptr"))
        arrays[key] = sparse.csr_array(tuple(parts), shape=tuple(arrays.pop(f"{key}_shape")))
    return arrays


def four(arrays):
    """(X, y, X_test, y_test) of the arrays of a file, whichever way it tells the rows apart."""
    if "train" in arrays:
        X, y = arrays["x"], arrays["y"]
        return X[arrays["train"]], y[arrays["train"]], X[arrays["test"]], y[arrays["test"]]
    return tuple(arrays[f"{name}_{part}"] for part in ("train", "test") for name in "xy")


# Features: fitted on the training rows, applied to others


def ones(X, *others):
    """The values as float32."""
    return [part.astype(np.float32) for part in (X, *others)]


def tf_idf(X, *others):
    """TF-IDF with 1 + log of the counts, rows of length 1."""
    from sklearn.feature_extraction.text import TfidfTransformer

    fitted = TfidfTransformer(sublinear_tf=True).fit(X)
    return [sparse.csr_array(fitted.transform(part).astype(np.float32)) for part in (X, *others)]


def standard(X, *others):
    """Mean 0 and deviation 1."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    return [scaler.transform(part).astype(np.float32) for part in (X, *others)]


# Measures: what a model predicts against y


def accuracy(model, X, y):
    """Share of right labels, %."""
    return [100 * float((model.predict(X) == y).mean())]


def balanced(model, X, y):
    """Mean over the classes of the share of right labels, %."""
    right = model.predict(X) == y
    return [100 * float(np.mean([right[y == label].mean() for label in np.unique(y)]))]


def precision(model, X, Y):
    """Mean share of the k labels with the largest scores that a row has, %, for each k in PLACES."""
    scores = model.predict_proba(X)
    return [100 * sl.metrics.precision_at(k)(Y, scores) for k in PLACES]


def rmse(model, X, y):
    """Root of the mean squared error."""
    return [float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))]


# References


class Ridge:
    """Ridge regression on the 0 and 1 of each label, with a constant column."""

    def fit(self, X, Y):
        """Solve the normal equations."""
        A = self._with_ones(X)
        self.weights = np.linalg.solve(A.T @ A + RIDGE * np.eye(A.shape[1]), A.T @ Y.toarray())
        return self

    def predict_proba(self, X):
        """The scores of the labels."""
        return self._with_ones(X) @ self.weights

    @staticmethod
    def _with_ones(X):
        return np.hstack([X.toarray().astype(np.float64), np.ones((X.shape[0], 1))])


class OneVsRest:
    """A logistic regression for each label; its share of the training rows where all or none have it."""

    def fit(self, X, Y):
        """Fit each label alone."""
        from sklearn.linear_model import LogisticRegression

        columns, self.models = sparse.csc_array(Y), []
        X = sparse.csr_matrix(X, dtype=np.float64)
        for j in tqdm(range(Y.shape[1]), desc="one-vs-rest", leave=False):
            y = columns[:, [j]].toarray().ravel()
            constant = y.min() == y.max()
            self.models.append(float(y.mean()) if constant else LogisticRegression(solver="liblinear", random_state=0).fit(X, y))
        return self

    def predict_proba(self, X):
        """The probabilities of the labels."""
        X = sparse.csr_matrix(X, dtype=np.float64)
        scores = [np.full(X.shape[0], m) if isinstance(m, float) else m.predict_proba(X)[:, 1] for m in self.models]
        return np.column_stack(scores)


def logistic(**options):
    """A function that makes a logistic regression; seeds do not matter to it."""

    def make(_):
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1000, random_state=0, **options)

    return make


def nearest(_):
    """1-NN by the cosine of the angle."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(1, metric="cosine", algorithm="brute")


def dense_regressor(options):
    """A function that makes scikit-learn's MLPRegressor for a seed, without early stopping."""

    def make(seed):
        from sklearn.neural_network import MLPRegressor

        given = {"hidden_layer_sizes": WIDTHS, "max_iter": EPOCHS, "n_iter_no_change": EPOCHS + 1} | options
        return MLPRegressor(**given, random_state=seed)

    return make


@dataclass(frozen=True)
class Job:
    """A set: its features and measure, what is asked for, settings of ours, settings tried, models to compare with."""

    name: str
    features: Callable
    measure: Callable
    title: str
    asked: tuple | None
    ours: dict
    tried: tuple
    peers: dict
    parts: int = 1
    tried_peers: tuple = ()

    def make(self, options, seed, threads):
        """Our estimator."""
        options = dict(options)
        if options.pop("falls", False):
            options["learning_rate"] = sl.schedules.Cosine(options["learning_rate"], epochs=options["epochs"])
        kind = sl.SparseMLPRegressor if self.measure is rmse else sl.SparseMLPClassifier
        return kind(**options, random_state=seed, n_jobs=threads)

    def held_out(self, arrays):
        """[(X, y, X of the held-out rows, their y)] of the training rows."""
        X, y = four(arrays)[:2]
        if "x_val" in arrays:
            return [(X, y, arrays["x_val"], arrays["y_val"])]
        if self.parts > 1:
            from sklearn.model_selection import StratifiedKFold

            cuts = StratifiedKFold(self.parts, shuffle=True, random_state=0).split(y, y)
        else:
            order = np.random.default_rng(0).permutation(X.shape[0])
            cuts = [np.split(order, [X.shape[0] // 5])[::-1]]
        return [(X[first], y[first], X[second], y[second]) for first, second in cuts]

    def scores(self, make, parts):
        """{score: means over the parts, links and share of links in the output layer where there are}."""
        found = []
        for X, y, X_test, y_test in parts:
            X, X_test = self.features(X, X_test)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn: so many epochs do not converge
                model = make().fit(X, y)
            found.append(self.measure(model, X_test, y_test))
        row = {"score": np.mean(found, axis=0).tolist()}
        if net := getattr(model, "model_", None):
            last = net.layers[-1]
            row |= {"links": net.n_links, "output density %": 100 * len(last.w) / (net.sizes[-2] * net.sizes[-1])}
        return row


ADAM = {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 64, "activation": "relu"}
WIDTHS, EPOCHS = (200, 200), 50
JOBS = [
    Job(
        "newsgroups20", tf_idf, accuracy, "accuracy %", (78.95,),
        ADAM | {"hidden_layer_sizes": [200], "epsilon": 20, "epochs": 10},
        ({}, {"epsilon": 10}, {"epsilon": 10, "hidden_layer_sizes": [500]}, {"epsilon": 10, "hidden_layer_sizes": [200, 200]},
         {"epsilon": 10, "dropout": 0.5, "epochs": 15}, {"epsilon": 10, "epochs": 5}, {"epsilon": 10, "zeta": 0.0}),
        {"logistic regression, C = 10": logistic(C=10.0)},
    ),
    Job(
        "dorothea", ones, balanced, "balanced accuracy %", (80.0,),
        {"optimizer": "sgd", "learning_rate": 0.003, "weight_decay": 0.1, "batch_size": 32, "activation": "relu",
         "hidden_layer_sizes": [100], "epsilon": 2, "epochs": 30, "class_weight": "balanced"},
        ({}, {"optimizer": "adam", "learning_rate": 0.001, "weight_decay": 0.0, "epochs": 15},
         {"learning_rate": 0.01, "epochs": 15}, {"learning_rate": 0.01, "epochs": 15, "weight_decay": 0.0},
         {"learning_rate": 0.01, "epochs": 15, "dropout": 0.3},
         {"learning_rate": 0.01, "epochs": 15, "hidden_layer_sizes": [300]},
         {"learning_rate": 0.002, "epochs": 40}, {"epochs": 15, "weight_decay": 0.0}, {"weight_decay": 0.05},
         {"weight_decay": 0.2}, {"activation": "tanh"}, {"falls": True}),
        {"logistic regression, balanced": logistic(C=0.1, class_weight="balanced"), "1-NN": nearest},
        parts=4,
    ),
    Job(
        "bibtex", ones, precision, "P@1 / 3 / 5 %", (64.5, 38.8, 27.9),
        ADAM | {"hidden_layer_sizes": [2000], "density": [0.05, 0.2], "dropout": 0.5, "epochs": 30},
        ({}, {"epochs": 20}, {"optimizer": "adamw", "weight_decay": 0.1}, {"falls": True},
         {"hidden_layer_sizes": [1000], "density": [0.1, 0.3], "dropout": 0.0, "epochs": 15},
         {"hidden_layer_sizes": [500], "density": [0.1, 0.3], "dropout": 0.0, "epochs": 15},
         {"hidden_layer_sizes": [500], "density": [0.3, 0.3], "dropout": 0.0, "epochs": 15},
         {"hidden_layer_sizes": [500], "density": [0.1, 0.1], "dropout": 0.0, "epochs": 15}),
        {"ridge, λ = 10": lambda _: Ridge(), "one-vs-rest logistic regression": lambda _: OneVsRest()},
    ),
    Job(
        "delicious", ones, precision, "P@1 / 3 / 5 %", (64.7, 59.2, 54.8),
        ADAM | {"hidden_layer_sizes": [1000], "density": [0.2, 0.2], "epochs": 10},
        ({}, {"hidden_layer_sizes": [500]}, {"hidden_layer_sizes": [500], "epochs": 5},
         {"hidden_layer_sizes": [500], "zeta": 0.0}, {"hidden_layer_sizes": [500], "activation": "tanh"},
         {"hidden_layer_sizes": [500], "dropout": 0.5, "epochs": 15}, {"hidden_layer_sizes": [500], "density": [0.2, 0.1]},
         {"hidden_layer_sizes": [500], "optimizer": "adamw", "weight_decay": 0.1},
         {"dropout": 0.5, "epochs": 20, "falls": True}),
        {"ridge, λ = 10": lambda _: Ridge(), "one-vs-rest logistic regression": lambda _: OneVsRest()},
    ),
    Job(
        "california", standard, rmse, "RMSE", None,
        ADAM | {"hidden_layer_sizes": [*WIDTHS], "epochs": EPOCHS, "density": [1.0, 0.2, 1.0], "activation": "tanh",
                "batch_size": 32, "learning_rate": 0.005, "falls": True, "zeta": 0.1, "optimizer": "adamw",
                "weight_decay": 0.02},
        ({}, {"weight_decay": 0.0}, {"weight_decay": 0.0, "dropout": 0.05}, {"weight_decay": 0.0, "loss": "huber"},
         {"weight_decay": 0.0, "density": [1.0, 0.1, 1.0]}, {"weight_decay": 0.0, "zeta": 0.3},
         {"weight_decay": 0.0, "zeta": 0.3, "learning_rate": 0.003},
         {"weight_decay": 0.0, "zeta": 0.3, "learning_rate": 0.003, "density": [1.0, 0.5, 1.0]},
         {"weight_decay": 0.0, "batch_size": 16, "learning_rate": 0.003, "density": [1.0, 0.5, 1.0]},
         {"weight_decay": 0.0, "zeta": 0.3, "learning_rate": 0.01, "density": [1.0, 0.5, 1.0]},
         {"weight_decay": 0.0, "zeta": 0.3, "activation": "relu", "dropout": 0.05},
         {"weight_decay": 0.0, "zeta": 0.3, "activation": "relu", "dropout": 0.05, "density": [1.0, 0.5, 1.0]},
         {"weight_decay": 0.0, "activation": "relu", "learning_rate": 0.003},
         {"weight_decay": 0.0, "zeta": 0.3, "activation": "relu", "learning_rate": 0.003},
         {"weight_decay": 0.0, "zeta": 0.3, "activation": "relu", "learning_rate": 0.001, "batch_size": 64}),
        {"MLPRegressor": dense_regressor({}), "MLPRegressor, batch 64": dense_regressor({"batch_size": 64})},
        tried_peers=({}, {"batch_size": 64}),
    ),
]  # fmt: skip


def plan_of(job, part, seeds):
    """[(model, options, seed)]: part "test" is ours and its peers, "held out" the settings that were tried."""
    if part == "held out":
        ours = [("ours", job.ours | changes, 0) for changes in job.tried]
        return ours + [("MLPRegressor", changes, 0) for changes in job.tried_peers]
    ours = [("ours", job.ours, seed) for seed in range(seeds)]
    return ours + [(name, {}, seed) for name in job.peers for seed in range(seeds if name.startswith("MLPRegressor") else 1)]


def run(kept, job, arrays, part, seeds, threads, bar=None):
    """Measure what is not kept yet."""
    parts = job.held_out(arrays) if part == "held out" else [four(arrays)]
    for model, options, seed in plan_of(job, part, seeds):
        if model == "ours":
            make = lambda o=options, s=seed: job.make(o, s, threads)
        else:
            peer = dense_regressor(options) if part == "held out" else job.peers[model]
            make = lambda p=peer, s=seed: p(s)
        settings = {"data": job.name, "model": model, "options": options, "part": part, "seed": seed}
        kept.row(settings, lambda m=make: job.scores(m, parts))
        if bar is not None:
            bar.update()


def rows_of(kept, part="test"):
    """Rows of the table: mean ± deviation over the seeds of each model, or of the settings that were tried, of today's plan."""
    rows = []
    for job in JOBS:
        for model, options, _ in plan_of(job, part, 1):
            wanted = {"data": job.name, "model": model, "options": options, "part": part}
            found = [row for row in kept.rows.values() if row["settings"] == wanted | {"seed": row["settings"]["seed"]}]
            if not found:
                continue
            digits = 3 if job.measure is rmse else 2
            rows.append({
                "data": job.name, "measure": job.title, "model": model, "n": len(found),
                "score": " / ".join(spread(values, digits) for values in zip(*(row["score"] for row in found), strict=True)),
                "asked": " / ".join(map(str, job.asked or ())), "links": found[0].get("links"),
                "output density %": found[0].get("output density %"),
                "changed": ", ".join(f"{k}={v}" for k, v in options.items() if model != "ours" or job.ours.get(k) != v),
            })  # fmt: skip
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [job.name for job in JOBS]
    parser.add_argument("--data", nargs="+", choices=names, default=names)
    parser.add_argument("--folder", type=Path, help="folder of the .npz files; default: the data folder (SPARSELAB_DATA)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="results do not depend on it")
    parser.add_argument("--choose", action="store_true", help="compare settings on held-out training rows instead")
    parser.add_argument("--out", type=Path, help="default: the kept file of this benchmark")
    chosen = parser.parse_args(argv)
    kept, part = Kept("both_ends", chosen.out), "held out" if chosen.choose else "test"
    with tqdm(unit="fit") as bar:
        for job in JOBS:
            if job.name in chosen.data:
                bar.set_description(f"{job.name}, {part}")
                run(kept, job, read(job.name, chosen.folder), part, chosen.seeds, chosen.threads, bar)
    columns = ["data", "measure", "model", "n", "score", "asked" if part == "test" else "changed"]
    print(table(rows_of(kept, part), columns))


if __name__ == "__main__":
    main()
