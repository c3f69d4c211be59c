"""The Python API: data, sparse matrices, topologies and datasets that must be refused."""

import numpy as np
from scipy import sparse

import sparselab as sl
from sparselab.topology import erdos_renyi, rewire
from sparselab.topology.topology import Topology

from . import Made, not_a_flag, not_a_name, not_a_number, not_a_seed, not_whole, refusals, values, without
from .fixture import of


def data():
    """X and y of train, predict and evaluate: numbers that are none, wrong shapes, what is not made of numbers."""
    train = lambda fixture, X: sl.steps(fixture.subject, (X, fixture.y))
    test = lambda fixture, X: sl.steps(fixture.subject, (fixture.X, fixture.y, X, fixture.y))
    calls = {
        "steps(X)": train, "steps(X_test)": test, "predict(X)": lambda s, X: sl.predict(s.subject, X),
        "evaluate(X)": lambda s, X: sl.evaluate(s.subject, X, s.y),
    }  # fmt: skip
    bad = {
        fault: Made(lambda fixture, make=make: make(fixture.X.copy())) for fault, make in (values.BAD_X | values.TOO_WIDE).items()
    }
    for argument, call in calls.items():
        # X_test = None means that there is none, unless there is y_test
        yield from refusals(argument, call, bad, names=("X_test", "X_train", "X"), shows_value=False)
    labels = {fault: Made(lambda fixture, make=make: make(fixture.y.copy())) for fault, make in values.BAD_Y.items()}
    labels |= {"above the outputs": Made(lambda s: np.where(s.y == 1, 7, s.y)), "negative": Made(lambda s: s.y - 1)}
    more = {"more classes than outputs": Made(lambda s: np.arange(values.N) % 7)}
    fit = lambda s, y: sl.steps(s.subject, (s.X, y))
    # y - 1 and {0, 2, 7} are labels of three classes, which become codes
    yield from refusals("steps(y)", fit, without(labels, "above the outputs", "negative") | more, shows_value=False)
    unseen = labels | {"unseen label": Made(lambda s: s.y + 3)}
    yield from refusals(
        "steps(y_test)", lambda s, y: sl.steps(s.subject, (s.X, s.y, s.X, y)), without(unseen, "one class"), shows_value=False
    )
    yield from refusals(
        "evaluate(y)",
        lambda s, y: sl.evaluate(s.subject, s.X, y),
        without(labels, "one class", "one-hot") | more,
        shows_value=False,
    )
    shapes = {"nothing": None, "number": 3, "name": "digits", "dict": {"X": 1}, "X alone": ([[1.0]],), "three parts": (1, 2, 3)}
    yield from refusals("steps(data)", lambda s, v: sl.steps(s.subject, v), shapes, shows_value=False)


def matrices():
    """Malformed sparse matrices in every call that takes one."""
    bad = {fault: Made(lambda fixture, make=make: make()) for fault, make in values.MALFORMED.items()}
    calls = {
        "steps(X)": lambda s, X: sl.steps(s.subject, (X, s.y)),
        "steps(X_test)": lambda s, X: sl.steps(s.subject, (values.GOOD, s.y, X, s.y)),
        "predict(X)": lambda s, X: sl.predict(s.subject, X),
        "evaluate(X)": lambda s, X: sl.evaluate(s.subject, X, s.y),
        "Dataset.from_arrays(X)": lambda s, X: sl.datasets.Dataset.from_arrays(X, s.y),
    }
    for argument, call in calls.items():
        yield from refusals(argument, call, bad, names=("X_test", "X_train", "X"), shows_value=False)
    weights = without(bad, "data with NaN", "data with infinity")
    yield from refusals("Topology.from_scipy(matrix)", of(Topology.from_scipy, "matrix"), weights, shows_value=False)
    rest = {
        "nothing": None,
        "dense array": np.ones((3, 4)),
        "text": "matrix",
        "duplicates": Made(lambda s: values.duplicated(s.X)),
    }
    rest |= {"1-D": Made(lambda s: sparse.coo_array(np.ones(4)))}
    yield from refusals(
        "Topology.from_scipy(matrix)", of(Topology.from_scipy, "matrix"), rest, names=("columns", "indices"), shows_value=False
    )


def topologies():
    start, ids = np.array([0, 2, 2, 3]), np.array([1, 3, 0], np.int32)
    good = {"n_out": 3, "n_in": 4, "indptr": start, "indices": ids}
    make = lambda argument: of(Topology, argument, **good)
    width = not_whole() | {"zero": 0, "negative": -1, "2^31": 2**31, "2^64": 2**64}
    for argument in ("n_out", "n_in"):
        yield from refusals(f"Topology({argument})", make(argument), width)
        dense = {"n_out": 3, "n_in": 4} | {argument: None}
        yield from refusals(f"Topology.dense({argument})", of(Topology.dense, argument, **dense), width)
        links = dense | {"rows": [0, 1], "columns": [0, 2]}
        yield from refusals(f"Topology.from_links({argument})", of(Topology.from_links, argument, **links), width)
        yield from refusals(f"erdos_renyi({argument})", of(erdos_renyi, argument, **dense, density=0.5), width)
    indptr = {
        "starts late": start + [1, 0, 0, 0], "starts below 0": start + [-1, 0, 0, 0], "falls": np.array([0, 3, 2, 3]),
        "ends early": start - [0, 0, 0, 1], "ends late": start + [0, 0, 0, 1], "ends at 10^9": start + [0, 0, 0, 10**9],
        "too short": start[:-1],
        "too long": np.append(start, 3), "empty": start[:0], "int32": start.astype(np.int32), "float": start.astype(float),
        "2-D": start[:, None],
        "strided": np.repeat(start, 2)[::2], "list": start.tolist(), "nothing": None, "big-endian": start.astype(">i8"),
        "all 2^62": np.full(4, 2**62),
    }  # fmt: skip
    yield from refusals("Topology(indptr)", make("indptr"), indptr, names=("indices",), shows_value=False)
    indices = {
        "one too large": ids + np.int32([0, 1, 0]), "100 000": np.int32([1, 100_000, 0]),
        "2^31 - 1": np.int32([1, 2**31 - 1, 0]),
        "-1": np.int32([-1, 3, 0]), "below -columns": np.int32([-5, 3, 0]), "unsorted": np.int32([3, 1, 0]),
        "duplicate": np.int32([1, 1, 0]),
        "too short": ids[:-1], "too long": np.append(ids, np.int32(1)), "int64": ids.astype(np.int64),
        "float": ids.astype(float),
        "2-D": ids[:, None], "strided": np.repeat(ids, 2)[::2], "list": ids.tolist(), "nothing": None,
        "big-endian": ids.astype(">i4"),
    }  # fmt: skip
    yield from refusals("Topology(indices)", make("indices"), indices, names=("indptr",), shows_value=False)
    columns = {
        "one too large": [0, 4], "-1": [0, -1], "2^40": [0, 2**40], "fractions": [0, 1.5], "text": ["a", "b"], "2-D": [[0, 1]],
        "other length": [0, 1, 2], "nothing": None, "duplicates": [1, 1],
    }  # fmt: skip
    call = lambda s, v: Topology.from_links(3, 4, [0, 0], v)
    yield from refusals("Topology.from_links(columns)", call, columns, names=("indices",), shows_value=False)
    share = without(not_a_number(), "nothing") | {"zero": 0, "negative": -1}
    for argument in ("epsilon", "density"):
        faults = share | ({"above 1": 1.0001} if argument == "density" else {})
        yield from refusals(f"erdos_renyi({argument})", of(erdos_renyi, argument, n_out=3, n_in=4), faults)
    both = {"neither": {}, "both": {"epsilon": 1, "density": 0.5}}
    yield from refusals(
        "erdos_renyi(epsilon, density)",
        lambda s, v: erdos_renyi(3, 4, **v),
        both,
        names=("epsilon", "density"),
        shows_value=False,
    )
    t = Topology(**good)
    keep = {"too short": np.ones(2, bool), "numbers": np.ones(3), "nothing": None, "2-D": np.ones((3, 1), bool)}
    yield from refusals("rewire(keep)", lambda s, v: rewire(t, v), keep, shows_value=False)
    yield from refusals(
        "rewire(n_new)", lambda s, v: rewire(t, np.ones(3, bool), v, rng=np.random.default_rng(0)),
        not_whole() | {"negative": -1, "more than are free": 10},
    )  # fmt: skip
    yield from refusals(
        "rewire(rng)", lambda s, v: rewire(t, np.ones(3, bool), 2, rng=v), {"nothing": None, "number": 7, "object": object()}
    )


def datasets():
    load = of(sl.datasets.load, "name")
    names = without(not_a_name(), "misspelt") | {"misspelt": "fashion_mnst", "path": "../../etc/passwd"}
    yield from refusals("datasets.load(name)", load, names)
    register = lambda s, v: sl.datasets.register(v, lambda: None)
    yield from refusals("datasets.register(name)", register, {"taken": "digits", "empty": "", "number": 3, "nothing": None})
    register = lambda s, v: sl.datasets.register("stress", v)
    yield from refusals("datasets.register(function)", register, {"nothing": None, "number": 3, "text": "f"})
    Dataset = sl.datasets.Dataset
    made = lambda argument: lambda s, v: Dataset.from_arrays(s.X, s.y, **{argument: v})
    yield from refusals("Dataset.from_arrays(task)", made("task"), without(not_a_name(), "misspelt") | {"misspelt": "regresion"})
    kinds = {"float16": np.float16, "int32": np.int32, "nothing": None, "unknown name": "no such type", "number": 7}
    yield from refusals("Dataset.from_arrays(dtype)", made("dtype"), kinds, shows_value=False)
    shapes = {
        "other number of pixels": (4, 4),
        "number": 6,
        "text": "2x3",
        "negative": (-2, -3),
        "fraction": (1.5, 4),
        "empty": (),
    }
    yield from refusals("Dataset.from_arrays(image_shape)", made("image_shape"), without(shapes, "empty"), shows_value=False)
    yield from refusals("Dataset.from_arrays(standardise)", made("standardise"), without(not_a_flag(), "nothing"))
    yield from refusals("Dataset.from_arrays(overwrite)", made("overwrite"), not_a_flag())
    cut = lambda s, v: Dataset.from_arrays(s.X, s.y).split_validation(v)
    share = not_a_number() | {"zero": 0, "one": 1, "negative": -0.1, "above 1": 1.5}
    yield from refusals("Dataset.split_validation(fraction)", cut, share)
    cut = lambda s, v: Dataset.from_arrays(s.X, s.y).split_validation(0.3, seed=v)
    yield from refusals("Dataset.split_validation(seed)", cut, not_a_seed())
    head = lambda s, v: Dataset.from_arrays(s.X, s.y).head(v)
    yield from refusals("Dataset.head(n_train)", head, not_whole() | {"zero": 0, "negative": -1})
