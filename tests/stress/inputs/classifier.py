"""The classifier: every parameter, X and y of fit, partial_fit, predict, predict_proba, decision_function and score."""

import copy
from itertools import chain

import numpy as np

import sparselab as sl

from . import NAN, Made, acceptances, not_a_flag, not_a_name, not_a_number, not_a_seed, not_whole, refusals, values, without
from .fixture import digest

# Beside our own messages those of scikit-learn, which looks first and has no one word for an argument.
WORDS = (
    "X",
    "y",
    "sample",
    "samples",
    "feature",
    "features",
    "Expected 2D",
    "shape",
    "Input",
    "label",
    "labels",
    "dtype",
    "class",
    "classes",
    "Complex",
    "array",
    "targets",
)


def make(**parameters):
    """A small classifier that fits the same net every time, on the features as they are."""
    small = {"hidden_layer_sizes": (8,), "density": 0.6, "epochs": 2, "batch_size": 7, "random_state": 0, "standardise": False}
    return sl.SparseMLPClassifier(**small | parameters)


class Fixture:
    """A fitted classifier and its answers; each call gets a fresh copy as `subject`."""

    def __init__(self):
        self.X, self.y = values.rows()
        self.fitted = make().fit(self.X, self.y)
        self.proba = self.fitted.predict_proba(self.X)
        self.digest = digest(self.fitted.model_)

    def reset(self):
        self.subject = copy.deepcopy(self.fitted)

    def fingerprint(self):
        return digest(self.subject.model_, self.X, self.y), self.subject.history_ == self.fitted.history_


def parameter(name):
    return lambda fixture, value: fixture.subject.set_params(**{name: value}).fit(fixture.X, fixture.y)


def kits():
    """Every kit of this entry point."""
    return chain(parameters(), data(), matrices(), accepted())


def parameters():
    numbers, whole = not_a_number(), not_whole() | {"zero": 0, "negative": -1}
    not_positive, flags = numbers | {"zero": 0, "negative": -1}, not_a_flag()
    share = numbers | {"negative": -0.1, "one": 1, "above 1": 1.5}
    table = {
        "hidden_layer_sizes": {
            "nothing": None, "text": "200", "zero": (0,), "negative": (-1,), "fraction": (10, 1.5), "10^12": (10**12,),
            "nested": ((10,),),
            "bool": (True,), "float": 1.5, "set": {3}, "0-D array": np.array(3), "10^400": (10**400,),
        },
        "epsilon": not_positive,
        "density": without(not_positive, "nothing", "array") | {"above 1": 1.1, "too many": np.full(9, 0.1)},
        "activation": not_a_name(),
        "alpha": numbers | {"negative": -1, "slope beyond float32": 1e39},
        "initializer": {name: value for name, value in not_a_name().items() if value is not None},
        "dropout": share,
        "zeta": numbers | {"negative": -0.1, "above 1": 1.5},
        "rules": {"text": "SET", "number": 3, "numbers": [1], "nothing among rules": [None]},
        "learning_rate": not_positive | {"below the smallest": 1e-60, "above the largest": 1e39},
        "momentum": share,
        "weight_decay": share,
        "nesterov": flags,
        "batch_size": whole | {"text": "all"},
        "epochs": whole,
        "early_stopping": flags,
        "validation_fraction": share | {"zero": 0},
        "n_epochs_no_change": whole,
        "tol": numbers | {"negative": -1e-4},
        "warm_start": flags,
        "standardise": flags,
        "random_state": not_a_seed() | {"list": [1]},
        "verbose": {"nothing": None, "text": "yes", "fraction": 1.5},
        "n_jobs": without(not_whole(), "nothing", "below any bound") | {"zero": 0},
    }  # fmt: skip
    table["class_weight"] = {"number": 3, "text": "balance", "no class": {99: 1}, "negative": {0: -1}, "text in it": {0: "a"}}
    table["checkpoint"] = {"number": 3, "object": object(), "list": ["runs"], "bool": True}
    containers = "hidden_layer_sizes", "rules", "class_weight"
    for name, faults in table.items():
        yield from refusals(name, parameter(name), faults, shows_value=name not in containers)
    fit = lambda s, v: make(rules=v, epochs=3).fit(s.X, s.y)
    early = lambda **options: [sl.ImportancePruning(**{"start": 1} | options), sl.SET(0.3)]
    spoilt = {
        "class": [sl.ImportancePruning], "function that returns nothing": early(importance=lambda *layers: None),
        "function that says NaN": early(importance=lambda layer, following: layer.strength() * NAN),
        "amount that is none": early(amount=lambda epoch: 2), "answers of wrong length": [lambda *arguments: [None]],
        "criterion of wrong length": [sl.SET(0.3, criterion=lambda layer, *rest: layer.w[1:])],
        "regrowth that is not there": [sl.SET(0.3, regrowth=lambda layer, topology, n, *rest: (np.full(n, 10**6), np.arange(n)))],
    }  # fmt: skip
    named = ("rules", "importance", "amount", "rewirings", "criterion", "regrowth")
    yield from refusals("rules", fit, spoilt, names=named, shows_value=False)
    unknown = lambda s, v: sl.SparseMLPClassifier().set_params(**{v: 1})
    yield from refusals(
        "set_params(name)", unknown, {"unknown": "epsilom", "empty": "", "capital": "Epsilon"}, names=("parameter",)
    )


def data():
    fit = lambda s, X: s.subject.fit(X, s.y)
    fresh = lambda s, X: make().fit(X, s.y)
    go_on = lambda s, X: s.subject.partial_fit(X, s.y)
    bad = {fault: Made(lambda fixture, make=make: make(fixture.X.copy())) for fault, make in values.BAD_X.items()}
    wide = {fault: Made(lambda fixture, make=make: make(fixture.X.copy())) for fault, make in values.TOO_WIDE.items()}
    calls = {"fit(X)": fresh, "fit again(X)": fit, "partial_fit(X)": go_on}
    for method in ("predict", "predict_proba", "decision_function"):
        calls[f"{method}(X)"] = lambda s, X, method=method: getattr(s.subject, method)(X)
    calls["score(X)"] = lambda s, X: s.subject.score(X, s.y)
    numbers = ("number", "objects with None", "bytes")  # scikit-learn makes floats of text-like objects where it can
    for argument, call in calls.items():
        faults = bad if "fit" in argument and "partial" not in argument else bad | wide
        yield from refusals(argument, call, without(faults, *numbers[1:]), names=WORDS, shows_value=False)
    labels = {fault: Made(lambda fixture, make=make: make(fixture.y.copy())) for fault, make in values.BAD_Y.items()}
    yield from refusals(
        "fit(y)", lambda s, y: make().fit(s.X, y), without(labels, "one class", "one-hot"), names=WORDS, shows_value=False
    )
    unseen = {"unseen label": Made(lambda s: s.y + 3), "text for numbers": Made(lambda s: np.array(list("abc"))[s.y])}
    yield from refusals(
        "partial_fit(y)",
        lambda s, y: s.subject.partial_fit(s.X, y),
        without(labels, "one class") | unseen,
        names=WORDS,
        shows_value=False,
    )
    # score is scikit-learn's own; its message about masked labels names no argument
    yield from refusals(
        "score(y)",
        lambda s, y: s.subject.score(s.X, y),
        without(labels, "one class", "one-hot", "masked"),
        names=(*WORDS, "target"),
        shows_value=False,
    )
    classes = {
        "nothing": None,
        "one": [0],
        "without some of y": [0, 1],
        "text": ["a", "b"],
        "ragged": [[0], [1, 2]],
        "mixed": [0, "a"],
    }
    first = lambda s, v: make().partial_fit(s.X, s.y, classes=v)
    yield from refusals("partial_fit(classes)", first, classes, names=("classes", "y["), shows_value=False)
    before = {method: method for method in ("predict", "predict_proba", "decision_function", "score")}
    unfitted = lambda s, method: getattr(make(), method)(s.X, *([s.y] if method == "score" else []))
    yield from refusals("before fit", unfitted, before, names=("not fitted",), shows_value=False)
    named = lambda s, columns: (
        make().fit(values.frame(s.X, columns=list("abcdef")), s.y).predict(values.frame(s.X, columns=columns))
    )
    columns = {"other names": list("ghijkl"), "other order": list("fedcba")}
    yield from refusals("predict(feature names)", named, columns, names=("feature names",), shows_value=False)


def matrices():
    """Malformed sparse matrices, where scikit-learn itself crashes."""
    bad = {fault: Made(lambda fixture, make=make: make()) for fault, make in values.MALFORMED.items()}
    calls = {
        "fit(X)": lambda s, X: make().fit(X, s.y),
        "partial_fit(X)": lambda s, X: s.subject.partial_fit(X, s.y),
        "predict(X)": lambda s, X: s.subject.predict(X),
        "predict_proba(X)": lambda s, X: s.subject.predict_proba(X),
        "score(X)": lambda s, X: s.subject.score(X, s.y),
    }
    for argument, call in calls.items():
        yield from refusals(argument, call, bad, shows_value=False)


def accepted():
    alike = "the same net, bit for bit, as from the C-contiguous float32 copy"
    same_net = lambda result, fixture: digest(result.model_) == fixture.digest
    same_answer = lambda result, fixture: np.array_equal(result, fixture.proba)
    unusual = values.made(values.LAYOUTS | values.DTYPES | values.SPARSE)
    # scikit-learn refuses numpy.matrix, which is on its way out
    yield from acceptances("fit(X)", lambda s, X: make().fit(X, s.y), without(unusual, "matrix"), same_net, alike)
    alike = "the same probabilities, bit for bit, as of the C-contiguous float32 copy"
    yield from acceptances(
        "predict_proba(X)", lambda s, X: s.subject.predict_proba(X), without(unusual, "matrix"), same_answer, alike
    )
    labels = {
        "text": list("abc"), "bool-like": [-1, 0, 1], "far apart": [5, 900, 2**62], "whole floats": [0.0, 1.0, 2.0],
        "objects": np.array(list("xyz"), object),
    }  # fmt: skip
    made = {fault: Made(lambda s, labels=labels: np.asarray(labels)[s.y]) for fault, labels in labels.items()}
    decoded = lambda result, fixture: (
        set(result.predict(fixture.X).tolist()) <= set(result.classes_.tolist()) and same_net(result, fixture)
    )
    yield from acceptances("fit(y)", lambda s, y: make().fit(s.X, y), made, decoded, "labels of any kind come back as they were")
    finite = lambda result, fixture: np.isfinite(result.loss_)
    scaled = {f"scale {scale:g}": scale for scale in (1e-30, 1e-6, 1e6, 1e30)}
    call = lambda s, v: make(standardise=True).fit(s.X * np.float64(v), s.y)
    yield from acceptances("fit(X)", call, scaled, finite, "with standardise=True the scale of the features does not matter")
    awkward = {
        "all zero": Made(lambda s: s.X * 0), "duplicate rows": Made(lambda s: np.tile(s.X[:1], (values.N, 1))),
        "one row a class": Made(lambda s: s.X[:3]), "one feature": Made(lambda s: s.X[:, :1]),
    }  # fmt: skip
    call = lambda s, X: make(standardise=True).fit(X, s.y[: len(X)])
    yield from acceptances("fit(X)", call, awkward, finite, "the loss is finite")
    sizes = {"no hidden layer": (), "one number": 5, "list": [5, 4], "numpy ints": np.array([5, 4])}
    yield from acceptances("hidden_layer_sizes", parameter("hidden_layer_sizes"), sizes, finite, "widths of the hidden layers")
    states = {
        "RandomState": np.random.RandomState(3),
        "Generator": np.random.default_rng(3),
        "SeedSequence": np.random.SeedSequence(3),
        "2^64": 2**64,
    }
    twice = lambda s, v: [digest(make(random_state=v).fit(s.X, s.y).model_) for _ in range(2)]
    yield from acceptances(
        "random_state", twice, states, lambda r, s: r[0] == r[1], "the generator is copied: a fit twice is the same net"
    )
    pruned = {
        "one rule": sl.ImportancePruning(0.5, start=1), "beside SET": [sl.ImportancePruning(0.5, start=1), sl.SET(0.3)],
        "all of them": [sl.ImportancePruning(1.0, start=1)], "with the mean": [sl.ImportancePruning(0.5, start=1, fold="mean")],
    }  # fmt: skip
    call = lambda s, v: make(rules=v, epochs=4).fit(s.X, s.y)
    smaller = lambda result, fixture: (
        result.model_.sizes[1] < 8 == result.model_.neurons.sizes[1]
        and np.isfinite(result.predict_proba(fixture.X)).all()
        and digest(result.partial_fit(fixture.X, fixture.y).model_) != fixture.digest
    )
    yield from acceptances("rules", call, pruned, smaller, "hidden neurons go, and the classifier predicts and learns on")
    cut = {"links": [sl.ImportancePruning(mode="links", start=1, percentile=50)]}
    emptied = lambda result, fixture: result.model_.sizes[1] == 8 and result.model_.nnz[0] < fixture.fitted.model_.nnz[0]
    yield from acceptances("rules", call, cut, emptied, "in mode links the widths stay")
    late = {"importance pruning from epoch 200 on": [sl.ImportancePruning()]}
    whole = lambda result, fixture: result.model_.sizes[1] == 8
    yield from acceptances("rules", call, late, whole, "a start after the end is warned of, and nothing is pruned")
    beyond = {"more than the rows": 10**6, "auto": "auto", "1": 1}
    yield from acceptances("batch_size", parameter("batch_size"), beyond, finite, "a batch larger than the data is the data")
    cores = {"all": -1, "all but one": -2, "more than cores": 64, "nothing": None}
    call = lambda s, v: make(n_jobs=v).fit(s.X, s.y)
    yield from acceptances("n_jobs", call, cores, same_net, "results do not depend on threads")
