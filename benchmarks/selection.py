"""Feature selection by strength on madelon_like: how many of the 20 relevant features are among the strongest 20.

`python -m benchmarks.selection [seeds]`: SparseFeatureSelector beside scikit-learn's mutual information, the same 2,000 training
rows; accuracy on the 600 test rows with the selected 20 and with all 500; the features that were missed; other draws of the data.
`python -m benchmarks.selection --search`: where the selector's settings come from. The 500 rows of a validation part, of six
splits of the training rows, judge them: log loss of a classifier trained with the 20. Test rows and known features do not.
One thread everywhere.
"""

import itertools
import sys

import numpy as np
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import log_loss
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table
from sparselab.datasets.embedded import madelon_like, madelon_like_relevant
from sparselab.datasets.splits import split_rows
from sparselab.estimators.selector import SETTINGS, ranks

N = 20
SMALL = sl.Normal(0.01)  # links that start near 0
VARIANTS = {
    "selector as it comes": {},
    "no weight decay": {"weight_decay": 0.0},
    "no dropout": {"dropout": 0.0},
    "SET 0.1": {"zeta": 0.1},
    "SET 0.3": {"zeta": 0.3},
    "SET 0.3, links start near 0": {"zeta": 0.3, "initializer": SMALL},
    "a quarter of the links": {"epsilon": 5},
    "a quarter, SET 0.3, near 0": {"epsilon": 5, "zeta": 0.3, "initializer": SMALL},
}
GRID = {
    "zeta": (0, 0.1, 0.3), "weight_decay": (0.0, 0.001, 0.003, 0.01), "dropout": (0.0, 0.5), "learning_rate": (0.003, 0.01),
    "epsilon": (5, 20),
}  # fmt: skip


def classifier(seed, **settings):
    return sl.SparseMLPClassifier(random_state=seed, **settings)


def strengths(X, y, seed, **changes):
    """(n_features,) of a selector with some settings changed."""
    estimator = sl.SparseMLPClassifier(**(SETTINGS | changes))
    return sl.SparseFeatureSelector(estimator, n_features_to_select=N, random_state=seed).fit(X, y).strengths_


def best(scores):
    """The N columns with the largest scores, ascending; equal ones in the order of the columns."""
    return np.flatnonzero(ranks(scores) <= N)


def accuracy(data, columns, seed, **settings):
    """Per cent on the test rows, trained with these columns alone."""
    return 100 * classifier(seed, **settings).fit(data.X_train[:, columns], data.y_train).score(
        data.X_test[:, columns], data.y_test
    )


def methods():
    """{name: function (X, y, seed) -> scores}."""
    found = {name: lambda X, y, seed, changes=changes: strengths(X, y, seed, **changes) for name, changes in VARIANTS.items()}
    return found | {"mutual information": lambda X, y, seed: mutual_info_classif(X, y, random_state=seed)}


def summary(values, form):
    values = np.array(values, float)
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "deviation": float(deviation), "each": " ".join(form.format(v) for v in values)}


def compare(seeds):
    """(rows of hits, rows of accuracies, {column: times missed}) on the data set as `load` gives it.

    "noise / the 20": median score of the 480 features of noise over that of the 20.
    """
    data, relevant = sl.datasets.load("madelon_like"), np.concatenate(madelon_like_relevant())
    hits, scores, chosen, missed = [], [], {}, dict.fromkeys(sorted(relevant.tolist()), 0)
    every = np.arange(data.X_train.shape[1])
    for name, score in tqdm(methods().items(), desc="ranking"):
        ratings = [score(data.X_train, data.y_train, seed) for seed in range(seeds)]
        chosen[name] = [best(rating) for rating in ratings]
        found = [len(np.intersect1d(columns, relevant)) for columns in chosen[name]]
        noise = float(np.mean([np.median(np.delete(rating, relevant)) / np.median(rating[relevant]) for rating in ratings]))
        hits.append({"ranked by": name, "n": seeds, **summary(found, "{:.0f}"), "noise / the 20": noise})
    for columns in chosen["selector as it comes"]:
        for column in np.setdiff1d(relevant, columns).tolist():
            missed[column] += 1
    sets = {"all 500": [every] * seeds, "the 20 of the generator": [np.sort(relevant)] * seeds}
    sets |= {f"20 by {name}": chosen[name] for name in ("selector as it comes", "mutual information")}
    kinds = {"classifier as it comes": {}, "selector's settings": SETTINGS}
    for (features, columns), (kind, settings) in tqdm(list(itertools.product(sets.items(), kinds.items())), desc="accuracy"):
        values = [accuracy(data, columns[seed], seed, **settings) for seed in range(seeds)]
        scores.append({"features": features, "trained": kind, "n": seeds, **summary(values, "{:.1f}")})
    return hits, scores, missed


def explain(missed):
    """The features that were missed: a row each, with their correlation with the class and mutual information's rank."""
    data, (informative, _) = sl.datasets.load("madelon_like"), madelon_like_relevant()
    rank = ranks(mutual_info_classif(data.X_train, data.y_train, random_state=0))
    together = np.corrcoef(data.X_train.T, data.y_train)[-1]
    return [
        {
            "column": column, "kind": "informative" if column in informative else "combination", "missed": times,
            "|correlation|": float(abs(together[column])), "rank by mutual information": int(rank[column]),
        }
        for column, times in missed.items() if times
    ]  # fmt: skip


def other_draws(seeds):
    """Hits in other data of the same generator, seed 1, 2, …, for which nothing was tuned."""
    rows = []
    for name in ("selector as it comes", "mutual information"):
        found = []
        for draw in range(1, seeds + 1):
            data, relevant = madelon_like(seed=draw), np.concatenate(madelon_like_relevant(draw))
            found.append(len(np.intersect1d(best(methods()[name](data.X_train, data.y_train, draw)), relevant)))
        rows.append({"ranked by": name, "n": seeds, **summary(found, "{:.0f}")})
    return rows


def judge(data, relevant, changes, split):
    """(log loss and accuracy on the validation part with the 20 selected on the rest, hits) of one setting and split."""
    first, second = split_rows(data.y_train, data.n_train, 500, seed=split)
    X, y, X_second, y_second = data.X_train[first], data.y_train[first], data.X_train[second], data.y_train[second]
    columns = best(strengths(X, y, split, **changes))
    fitted = classifier(split, batch_size="auto", epochs=30).fit(X[:, columns], y)
    loss = log_loss(y_second, fitted.predict_proba(X_second[:, columns]))
    return loss, 100 * fitted.score(X_second[:, columns], y_second), len(np.intersect1d(columns, relevant))


def search(splits=6):
    """A row a setting, the best first by validation loss; hits are shown, and decide nothing."""
    data, relevant = sl.datasets.load("madelon_like"), np.concatenate(madelon_like_relevant())
    settings = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    rows = []
    for changes in tqdm(settings, desc="settings"):
        losses, accuracies, hits = zip(*(judge(data, relevant, changes, split) for split in range(splits)), strict=True)
        means = {"loss": losses, "accuracy": accuracies, "hits (not used)": hits}
        rows.append(changes | {name: float(np.mean(values)) for name, values in means.items()})
    return sorted(rows, key=lambda row: row["loss"])


def show(benchmark, rows):
    emit(benchmark, rows)
    print(table(rows, list(rows[0])) if rows else "none")


def main(seeds=5):
    hits, scores, missed = compare(seeds)
    show("selection: hits of 20", hits)
    show("selection: accuracy", scores)
    show("selection: missed", explain(missed))
    show("selection: other draws", other_draws(seeds))


if __name__ == "__main__":
    if sys.argv[1:] == ["--search"]:
        show("selection: search", search())
    else:
        main(*map(int, sys.argv[1:]))
