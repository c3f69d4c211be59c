"""The feature selector: every parameter, X and y of fit, X of transform and inverse_transform."""

import copy
from itertools import chain

import numpy as np

import sparselab as sl

from . import Made, acceptances, not_a_flag, not_a_number, not_a_seed, not_whole, refusals, values, without
from .classifier import WORDS
from .classifier import make as classifier
from .fixture import digest

CHOSEN = 3


def make(**parameters):
    """A small selector that chooses the same features every time."""
    small = {"estimator": classifier(), "n_features_to_select": CHOSEN, "random_state": 0}
    return sl.SparseFeatureSelector(**small | parameters)


class Fixture:
    """A fitted selector and what it selects; each call gets a fresh copy as `subject`."""

    def __init__(self):
        self.X, self.y = values.rows()
        self.fitted = make().fit(self.X, self.y)
        self.chosen = self.fitted.transform(self.X)
        self.digest = digest(self.fitted.estimator_.model_)

    def reset(self):
        self.subject = copy.deepcopy(self.fitted)

    def fingerprint(self):
        subject = self.subject
        return digest(subject.estimator_.model_, self.X, self.y, subject.strengths_, subject.ranking_, subject.get_support())


def parameter(name):
    return lambda fixture, value: fixture.subject.set_params(**{name: value}).fit(fixture.X, fixture.y)


def kits():
    """Every kit of this entry point."""
    return chain(parameters(), data(), accepted())


def parameters():
    amount = without(not_a_number(), "nothing") | {"zero": 0, "no share": 0.0, "negative": -1, "too many": 10**6, "beyond 1": 1.5}
    table = {
        "n_features_to_select": amount,
        "prefit": not_a_flag(),
        "random_state": not_a_seed() | {"list": [1]},
        "n_jobs": without(not_whole(), "nothing", "below any bound") | {"zero": 0},
        "estimator": {
            "text": "classifier", "number": 3, "class": sl.SparseMLPClassifier, "net": Made(lambda fixture: net_of(fixture)),
            "object": object(), "list": [], "module": np,
        },
    }  # fmt: skip
    for name, faults in table.items():
        yield from refusals(name, parameter(name), faults, shows_value=name != "estimator")
    fitted_before = lambda s, v: s.subject.set_params(prefit=True, estimator=v).fit()
    without_net = {"not fitted": Made(lambda fixture: classifier()), "nothing": None, "text": "net", "array": np.ones(3)}
    yield from refusals("fit(estimator)", fitted_before, without_net, shows_value=False)
    unknown = lambda s, v: sl.SparseFeatureSelector().set_params(**{v: 1})
    yield from refusals("set_params(name)", unknown, {"unknown": "epsilom", "empty": "", "capital": "N"}, names=("parameter",))


def net_of(fixture):
    return copy.deepcopy(fixture.fitted.estimator_.model_)


def data():
    bad = {fault: Made(lambda fixture, make=make: make(fixture.X.copy())) for fault, make in values.BAD_X.items()}
    wide = {fault: Made(lambda fixture, make=make: make(fixture.X.copy())) for fault, make in values.TOO_WIDE.items()}
    broken = {fault: Made(lambda fixture, make=make: make()) for fault, make in values.MALFORMED.items()}
    calls = {
        "fit(X)": (lambda s, X: make().fit(X, s.y), bad | broken),
        "fit again(X)": (lambda s, X: s.subject.fit(X, s.y), bad | broken),
        "transform(X)": (lambda s, X: s.subject.transform(X), bad | wide | broken),
        "inverse_transform(X)": (lambda s, X: s.subject.inverse_transform(X), broken),
    }
    for argument, (call, faults) in calls.items():
        faults = without(faults, "objects with None", "bytes")  # scikit-learn makes floats of text-like objects where it can
        yield from refusals(argument, call, faults, names=WORDS, shows_value=False)
    labels = {fault: Made(lambda fixture, make=make: make(fixture.y.copy())) for fault, make in values.BAD_Y.items()}
    fit = lambda s, y: make().fit(s.X, y)
    yield from refusals("fit(y)", fit, without(labels, "one-hot"), names=WORDS, shows_value=False)
    before = {method: method for method in ("transform", "inverse_transform", "get_support", "get_feature_names_out")}
    call = lambda s, method: getattr(make(), method)(*([s.X] if method.endswith("transform") else []))
    yield from refusals("before fit", call, before, names=("not fitted", "fitted yet"), shows_value=False)
    named = lambda s, columns: (
        make().fit(values.frame(s.X, columns=list("abcdef")), s.y).transform(values.frame(s.X, columns=columns))
    )
    columns = {"other names": list("ghijkl"), "other order": list("fedcba")}
    yield from refusals("transform(feature names)", named, columns, names=("feature names",), shows_value=False)


def accepted():
    unusual = without(values.made(values.LAYOUTS | values.DTYPES | values.SPARSE), "matrix")  # refused by scikit-learn
    net = lambda estimator: getattr(estimator, "model_", estimator)
    same_net = lambda result, fixture: digest(net(result.estimator_)) == fixture.digest
    alike = "the same net, bit for bit, as from the C-contiguous float32 copy"
    yield from acceptances("fit(X)", lambda s, X: make().fit(X, s.y), unusual, same_net, alike)
    dense = lambda X: np.asarray(X.toarray() if hasattr(X, "toarray") else X)
    same_columns = lambda result, fixture: np.array_equal(dense(result).astype(np.float32), fixture.chosen)
    alike = "the chosen columns of X, as they are"
    yield from acceptances("transform(X)", lambda s, X: s.subject.transform(X), unusual, same_columns, alike)
    amounts = {"half": None, "share": 0.5, "all": 1.0, "tiny share": 1e-9, "numpy": np.int8(2), "one": 1}
    count = lambda result, fixture: 1 <= result.get_support().sum() <= fixture.X.shape[1]
    said = "None is half, a share is rounded down, at least one feature stays"
    yield from acceptances("n_features_to_select", parameter("n_features_to_select"), amounts, count, said)
    fitted = {"net": Made(net_of), "classifier": Made(lambda fixture: fixture.fitted.estimator_)}
    call = lambda s, v: s.subject.set_params(prefit=True, estimator=v).fit()
    yield from acceptances("fit(estimator)", call, fitted, same_net, "prefit=True takes a fitted estimator or a net as it is")
