"""The Python API: labels that nets and datasets do not know or cannot use, numbers of foreign types, contradictory configs."""

import datetime
from decimal import Decimal
from itertools import chain

import numpy as np

import sparselab as sl
from sparselab.datasets import Dataset
from sparselab.experiments.config import ExperimentConfig

from . import INF, NAN, Made, refusals, values, without
from .fixture import create, of, steps

NAMES = np.array(["ant", "bee", "cat"])


def labels_and_numbers():
    """Every kit of this file."""
    return chain(labels(), foreign_numbers(), arrays(), configs())


def named(s):
    """A net that knows the labels ant, bee, cat."""
    s.subject.classes = NAMES
    return s.subject


def with_one(value, place=5):
    """A fault: the names with one of them replaced."""
    return Made(lambda s: [*NAMES[s.y][:place].tolist(), value, *NAMES[s.y][place + 1 :].tolist()])


def foreign_labels():
    """Labels for a net that knows ant, bee, cat; {fault: y}."""
    import pandas

    return {
        "unknown": with_one("dog"), "in capitals": with_one("ANT"), "with a blank": with_one("ant "),
        "empty text": with_one(""),
        "None": with_one(None), "NaN": with_one(NAN), "NA": with_one(pandas.NA), "NaT": with_one(pandas.NaT),
        "number": with_one(1),
        "bytes": with_one(b"ant"), "bool": with_one(True), "list": with_one(["ant"]),
        "date": with_one(datetime.date(2020, 1, 1)),
        "all bytes": Made(lambda s: NAMES[s.y].astype("S")), "all bool": Made(lambda s: s.y > 0),
        "codes and one beyond": Made(lambda s: np.where(s.y == 2, 3, s.y)), "negative codes": Made(lambda s: -s.y),
        "fractions": Made(lambda s: s.y + 0.5), "codes as text": Made(lambda s: s.y.astype(str)),
        "too short": Made(lambda s: NAMES[s.y][:-1]), "too long": Made(lambda s: np.append(NAMES[s.y], "ant")),
        "none": Made(lambda s: NAMES[:0]), "two columns": Made(lambda s: np.c_[NAMES[s.y], NAMES[s.y]]),
        "series with NA": Made(lambda s: pandas.Series([*NAMES[s.y][:-1], None], dtype="string")),
        "category with NA": Made(lambda s: pandas.Series([*NAMES[s.y][:-1], None], dtype="category")),
        "dates": Made(lambda s: np.full(values.N, "2020-01-01", "datetime64[D]")),
        "spans of time": Made(lambda s: np.full(values.N, 3, "timedelta64[D]")), "complex": Made(lambda s: s.y + 0j),
        "structured": Made(lambda s: np.zeros(values.N, [("a", int)])), "one text": "ant", "dict": {"ant": 1},
        "set": {"ant", "bee"},
        "masked": Made(lambda s: np.ma.array(NAMES[s.y], mask=s.y == 1)), "nothing": None,
    }  # fmt: skip


def labels():
    how = {"names": ("y", "y_test", "data.classes"), "shows_value": False}
    faults = foreign_labels()
    yield from refusals("evaluate(y) by name", lambda s, y: sl.evaluate(named(s), s.X, y), faults, **how)
    yield from refusals("steps(y) by name", lambda s, y: sl.steps(named(s), (s.X, y)), faults, **how)
    test = lambda s, y: sl.steps(named(s), (s.X, s.y, s.X, y))
    yield from refusals("steps(y_test) by name", test, without(faults, "nothing"), **how)
    made = lambda s, y: sl.steps(named(s), Dataset.from_arrays(s.X, y))
    yield from refusals("steps(Dataset of y) by name", made, without(faults, "all bool", "codes as text"), **how)
    of_data = lambda s, y: Dataset.from_arrays(s.X, y, classes=NAMES)
    yield from refusals("Dataset.from_arrays(y, classes)", of_data, faults, **how)
    classes = {
        "too many": ["a", "b", "c", "d"], "none": [], "one twice": ["a", "b", "a"], "one text": "abc", "number": 3,
        "mixed": ["a", 1, 2],
        "NaN": [0.0, NAN, 1.0], "fraction": [0.5, 1, 2], "infinity": [0.0, INF, 1.0], "nothing in it": ["a", None, "b"],
        "nested": [["a", "b", "c"]], "ragged": [["a"], ["b", "c"]], "dict": {"a": 0}, "set": {"a", "b"},
        "complex": [1j, 2j, 3j],
        "dates": np.array(["2020", "2021", "2022"], "datetime64[Y]"), "objects": [object(), object(), object()],
        "100,000 letters": ["a" * 100_000, "b", "c"], "masked": np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        "generator": (i for i in "abc"),
    }  # fmt: skip
    set_classes = lambda s, v: setattr(s.subject, "classes", v)
    yield from refusals("SparseMLP.classes", set_classes, classes, names=("classes",), shows_value=False)
    names = without(classes, "number", "generator") | {"too few": ["a", "b"]}
    call = lambda s, v: Dataset.from_arrays(s.X, s.y).with_class_names(v)
    yield from refusals("Dataset.with_class_names(names)", call, names, names=("names",), shows_value=False)


def foreign_numbers():
    """Numbers that are of no Python or numpy type of numbers, for every argument that is a number."""
    import pandas

    foreign = {
        "0-D array": np.array(0.1), "1-D array of one": np.array([0.1]), "date": np.datetime64("2020-01-01"),
        "span of time": np.timedelta64(1, "D"), "Python's date": datetime.date(2020, 1, 1),
        "Python's span": datetime.timedelta(1),
        "numpy complex": np.complex64(0.1), "Decimal": Decimal("0.1"), "Decimal NaN": Decimal("nan"),
        "bytes": b"0.1", "missing": pandas.NA, "no time": pandas.NaT, "object array": np.array(0.1, dtype=object), "set": {0.1},
        "tuple": (0.1,), "structured": np.zeros(1, [("a", float)])[0], "slice": slice(1),
    }  # fmt: skip
    options = {"batch_size": 4, "epochs": 1}
    calls = {
        **{f"create({name})": create(name) for name in ("epsilon", "density", "dropout")},
        **{f"steps({name})": steps(name) for name in ("epochs", "batch_size", "threads", "evaluate_every", "pace")},
        **{f"MomentumSGD({name})": of(sl.MomentumSGD, name) for name in ("learning_rate", "momentum", "weight_decay")},
        **{f"LeakyReLU({name})": of(sl.activations.LeakyReLU, name) for name in ("alpha",)},
        **{f"ExperimentConfig({name})": of(ExperimentConfig, name) for name in ("epsilon", "zeta", "epochs", "learning_rate")},
        "SET(zeta)": of(sl.SET, "zeta"), "average(n_links)": lambda s, v: sl.average([s.subject], [v, v]),
        "train_parallel(n_jobs)": lambda s, v: list(sl.train_parallel(s.subject, (s.X, s.y), n_jobs=v, **options)),
        "sweep(n_jobs)": lambda s, v: sl.sweep([ExperimentConfig(dataset="digits", epochs=1)], n_jobs=v, progress=False),
    }  # fmt: skip
    for argument, call in calls.items():
        yield from refusals(argument, call, foreign, names=("n_links[0]", "learning_rate", "zeta"), shows_value=False)


def arrays():
    """Arrays of foreign numbers as X of a dataset, an estimator and a call."""
    diagonal = np.eye(values.N, values.FEATURES) > 0
    changed = lambda value, dtype=object: Made(lambda s: np.where(diagonal, value, s.X.astype(dtype)))
    faults = {
        "objects of None": changed(None), "objects of text": changed("x"),
        "objects of lists": Made(lambda s: [[[1]] * 6] * values.N),
        "objects of complex": changed(1j), "objects of NaN": changed(NAN), "objects of Decimal NaN": changed(Decimal("nan")),
        "objects of 10^400": changed(10**400), "dates": Made(lambda s: np.full(s.X.shape, "2020", "datetime64[Y]")),
        "spans of time": Made(lambda s: np.full(s.X.shape, 3, "timedelta64[s]")), "complex": Made(lambda s: s.X + 0j),
        "bytes": Made(lambda s: s.X.astype("S")), "text of numbers": Made(lambda s: s.X.astype(str)),
        "structured": Made(lambda s: np.zeros(values.N, [("a", float), ("b", float)])), "huge": changed(1e300, float),
        "minus infinity": changed(-INF, float), "matrix of a few": Made(lambda s: np.zeros((values.N, 0))),
        "NaN of long double": changed(np.longdouble("nan"), np.longdouble), "void": Made(lambda s: np.zeros(s.X.shape, "V8")),
    }  # fmt: skip
    how = {"names": ("X", "X.dtype", "X.shape", "data.X_train"), "shows_value": False}
    calls = {
        "Dataset.from_arrays(X) foreign": lambda s, X: Dataset.from_arrays(X, s.y),
        "Dataset.from_arrays(X, standardise)": lambda s, X: Dataset.from_arrays(X, s.y, standardise=True),
        "steps(X) foreign": lambda s, X: sl.steps(s.subject, (X, s.y)), "predict(X) foreign": lambda s,
        X: sl.predict(s.subject, X),
        "evaluate(X) foreign": lambda s, X: sl.evaluate(s.subject, X, s.y),
    }  # fmt: skip
    for argument, call in calls.items():
        yield from refusals(argument, call, without(faults, "huge") if "standardise" in argument else faults, **how)


def configs():
    """Fields that do not exist or do not fit together."""
    config = {"dataset": "digits", "hidden": (8,), "epochs": 2}
    build = lambda s, v: sl.build(ExperimentConfig(**config | v))
    together = {
        "pruning that begins after it ends": {"pruning": "shrink", "pruning_start": 9, "pruning_stop": 3},
        "links that begin after they end": {"pruning": "links", "pruning_start": 9, "pruning_stop": 3},
        "more workers than mini-batches": {"workers": 64},
        "columns of a built-in dataset": {"columns": "a,b"},
        "target of a built-in dataset": {"target": "a"},
        "separator of a built-in dataset": {"separator": ";"},
        "regression of classes": {"task": "regression"},
    }
    names = ("pruning_stop", "pruning_start", "n_jobs", "workers", "columns", "target", "separator", "task")
    yield from refusals("config across", build, together, names=names, shows_value=False)
    unknown = {
        "misspelt": {"epsilom": 3}, "capital": {"Epochs": 3}, "empty": {"": 3}, "of the class": {"replace": 3},
        "private": {"_x": 1},
        "of train": {"checkpoint": "runs"}, "number as a name": {3: 4}, "nothing as a name": {None: 4},
    }  # fmt: skip
    each = lambda s, v: ExperimentConfig(**config).replace(**v)
    yield from refusals("ExperimentConfig.replace(field)", each, without(unknown, "number as a name", "nothing as a name"), **{
        "names": ("field", "epsilom", "Epochs", "replace", "_x", "checkpoint", "''"), "shows_value": False})  # fmt: skip
    swept = lambda s, v: sl.sweep(v, progress=False)
    grids = {
        "nothing": None, "number": 3, "text": "digits", "empty": [], "empty grid": {}, "numbers": [1, 2],
        "unknown field": {"epsilom": [1]},
        "no values": {"epsilon": []}, "value out of bounds": {"epsilon": [-1]}, "text for numbers": {"epsilon": ["a"]},
        "config among numbers": [ExperimentConfig(**config), 3], "unknown field in a list": [{"epsilom": 1}],
        "number as a name": {3: [1]},
        "unknown dataset": [{"dataset": "no_such"}],
    }  # fmt: skip
    names = ("configs", "epsilom", "epsilon", "field", "3", "dataset")
    yield from refusals("sweep(configs)", swept, grids, names=names, shows_value=False)
    data = {"number": 3, "text": "digits", "X alone": (np.eye(4),), "three": (1, 2, 3), "dict": {"X": 1},
        "list of none": [None, None],
            "a net": Made(lambda s: s.subject)}  # fmt: skip
    given = lambda s, v: sl.build(ExperimentConfig(**config), data=v)
    yield from refusals("build(data)", given, data, names=("data", "X"), shows_value=False)
    taken = lambda s, v: sl.build(v)
    configs = {"nothing": None, "number": 3, "text": "digits", "dict": {"epochs": 3}, "class": ExperimentConfig, "list": []}
    yield from refusals("build(config)", taken, configs, names=("config",), shows_value=False)
