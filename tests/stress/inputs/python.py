"""The Python API: nets, their parts, training. What comes in as data or topologies, and what is unusual, has files of its own."""

from itertools import chain

import numpy as np

import sparselab as sl
from sparselab.nn import activations, initializers, schedules
from sparselab.training.loop import TrainingState

from . import NAN, Made, not_a_flag, not_a_name, not_a_number, not_a_seed, not_whole, refusals, values, without
from .fixture import SIZES, Fixture, create, layer, of, steps
from .python_data import data, datasets, matrices, topologies
from .python_files import files_and_paths
from .python_labels import labels_and_numbers
from .python_pruning import pruning
from .python_rules import rules
from .python_unusual import accepted

__all__ = ["Fixture", "kits"]


def kits():
    """Every kit of this entry point."""
    return chain(
        nets(), parts(), training(), data(), matrices(), topologies(), datasets(), files_and_paths(), labels_and_numbers(),
        rules(), pruning(), accepted(),
    )  # fmt: skip


def nets():
    numbers = not_a_number()
    not_positive = numbers | {"zero": 0, "negative": -1}
    yield from refusals("create(epsilon)", create("epsilon"), without(not_positive, "nothing"))
    yield from refusals(
        "create(density)",
        create("density"),
        without(not_positive, "nothing", "array") | {"above 1": 1.0001, "far above 1": 1e300, "too many": np.full(9, 0.1)},
    )
    yield from refusals("create(dropout)", create("dropout"), numbers | {"negative": -0.1, "one": 1, "above 1": 2})
    yield from refusals("create(activation)", create("activation"), not_a_name())
    yield from refusals("create(initializer)", create("initializer"), without(not_a_name(), "nothing"))
    yield from refusals("create(seed)", create("seed"), not_a_seed() | {"RandomState": np.random.RandomState(0)})
    kinds = {
        "float16": np.float16,
        "int32": np.int32,
        "unknown name": "no such type",
        "nothing": None,
        "number": 7,
        "complex": complex,
    }
    yield from refusals("create(dtype)", create("dtype"), kinds, shows_value=False)
    yield from refusals("create(exact)", create("exact"), not_a_flag())
    widths = {
        "empty": (), "one width": (5,), "number": 7, "nothing": None, "text": "543", "bytes": b"543",
        "zero width": (5, 0, 3), "negative width": (5, -1, 3), "fraction": (5, 1.5, 3), "text width": (5, "4", 3),
        "no width": (5, None, 3), "bool width": (5, True, 3), "nested": (5, [4, 3], 3), "NaN width": (5, NAN, 3),
        "above 2^31 - 1": (5, 2**31, 3), "10^12": (5, 10**12, 3), "10^400": (5, 10**400, 3),
    }  # fmt: skip
    yield from refusals("create(sizes)", create("sizes"), widths, shows_value=False)
    beyond = {"2^31 - 1 neurons": (5, 2**31 - 1, 3), "10^12 links": (10**6, 10**6, 10**6)}
    huge = lambda fixture, value: sl.SparseMLP.create(value, epsilon=10**6)
    yield from refusals("create(sizes)", huge, beyond, names=("memory",), shows_value=False)
    by_hand = {
        "nothing": None, "number": 3, "empty": [], "numbers": [1, 2],
        "widths that do not follow": Made(lambda s: [layer(3, 4), layer(2, 5)]),
        "mixed dtypes": Made(lambda s: [layer(3, 4), layer(2, 3, np.float64)]),
    }  # fmt: skip
    yield from refusals("SparseMLP(layers)", lambda s, v: sl.SparseMLP(v, "relu"), by_hand, shows_value=False)
    bad_weights = {
        "nothing": None, "list": [1.0] * 12, "too short": np.ones(11, "f4"), "other dtype": np.ones(12, "f8"),
        "2-D": np.ones((12, 1), "f4"),
        "strided": np.ones(24, "f4")[::2], "read-only": values.read_only(np.ones(12, "f4")), "big-endian": np.ones(12, ">f4"),
    }  # fmt: skip
    yield from refusals("SparseLinear(w)", set_weights("w"), bad_weights, shows_value=False)
    too_few = bad_weights | {"too short": np.ones(2, "f4")}
    yield from refusals("SparseLinear(b)", set_weights("b"), too_few, shows_value=False)


def set_weights(name):
    return lambda fixture, value: setattr(layer(3, 4), name, value)


def parts():
    numbers = not_a_number()
    not_positive, whole = numbers | {"zero": 0, "negative": -1}, not_whole() | {"zero": 0, "negative": -1}
    share = numbers | {"negative": -0.1, "one": 1, "above 1": 1.5}
    rates = not_positive | {"below the smallest": 1e-60, "above the largest": 1e39, "schedule that says NaN": lambda epoch: NAN}
    rates |= {"schedule that says nothing": lambda epoch: None, "schedule that says a negative": lambda epoch: -1.0}
    unseen = ("schedule that says NaN", "schedule that says nothing", "schedule that says a negative")
    yield from refusals("MomentumSGD(learning_rate)", of(sl.MomentumSGD, "learning_rate"), without(rates, *unseen))
    said = {fault: rates[fault] for fault in unseen}
    yield from refusals("MomentumSGD(learning_rate)", of(sl.MomentumSGD, "learning_rate"), said, shows_value=False)
    for argument in ("momentum", "weight_decay"):
        yield from refusals(f"MomentumSGD({argument})", of(sl.MomentumSGD, argument), share)
    for argument in ("nesterov", "decay_biases"):
        yield from refusals(f"MomentumSGD({argument})", of(sl.MomentumSGD, argument), not_a_flag())
    for function, argument, rest, faults in (
        (schedules.Constant, "rate", {}, without(not_positive, "zero")),
        (schedules.Step, "rate", {"every": 2}, not_positive),
        (schedules.Step, "every", {"rate": 0.1}, whole),
        (schedules.Step, "factor", {"rate": 0.1, "every": 2}, not_positive),
        (schedules.Cosine, "rate", {"epochs": 2}, not_positive),
        (schedules.Cosine, "epochs", {"rate": 0.1}, not_positive),
        (schedules.Cosine, "final", {"rate": 0.1, "epochs": 2}, without(not_positive, "zero")),
        (schedules.WarmUp, "epochs", {"after": 0.1}, not_positive),
        (schedules.WarmUp, "after", {}, not_positive),
        (activations.AllReLU, "alpha", {}, numbers | {"negative": -1}),
        (activations.LeakyReLU, "alpha", {}, numbers | {"negative": -1}),
        (activations.AllNegative, "alpha", {}, numbers | {"negative": -1}),
        (activations.FixedSlopes, "left", {}, numbers),
        (activations.PReLU, "slope", {}, numbers),
        (activations.FixedSlopes, "right", {"left": 0.5}, numbers),
        (initializers.Normal, "deviation", {}, not_positive),
        (initializers.HeUniform, "fan", {}, not_a_name()),
        (initializers.XavierUniform, "fan", {}, not_a_name()),
    ):
        yield from refusals(f"{function.__name__}({argument})", of(function, argument, **rest), faults)
    beyond = {"slope beyond float32": 1e39, "negative slope beyond float32": -1e39}
    yield from refusals("FixedSlopes(left)", of(activations.FixedSlopes, "left"), beyond)
    yield from refusals("AllReLU(alpha)", of(activations.AllReLU, "alpha"), {"slope beyond float32": 1e39})
    yield from refusals("Normal(deviation)", of(initializers.Normal, "deviation"), {"beyond float32": 1e39})


def training():
    whole = not_whole() | {"negative": -1}
    for argument in ("batch_size", "threads"):
        faults = whole | {"zero": 0}
        yield from refusals(
            f"steps({argument})", steps(argument), without(faults, "nothing") if argument == "threads" else faults
        )
    for argument in ("epochs", "evaluate_every"):
        yield from refusals(f"steps({argument})", steps(argument), whole)
    yield from refusals("steps(pace)", steps("pace"), not_a_number() | {"negative": -1})
    yield from refusals("steps(seed)", steps("seed"), not_a_seed())
    losses = {"misspelt": "mse", "empty text": "", "number": 3, "bool": False, "object": object(), "type": int}
    yield from refusals("steps(loss)", steps("loss"), losses)
    optimizers = {"text": "sgd", "number": 3, "object": object(), "list": [sl.MomentumSGD()], "class": sl.MomentumSGD}
    yield from refusals("steps(optimizer)", steps("optimizer"), optimizers, shows_value=False)
    rules = {"number": 3, "text": "set", "text among rules": [sl.SET(0.3), "x"], "nothing among rules": [None], "class": [sl.SET]}
    yield from refusals("steps(rules)", steps("rules"), rules, shows_value=False)
    yield from refusals("steps(state)", steps("state"), {"text": "x", "number": 3, "empty list": [], "object": object()})
    other = lambda **options: Made(lambda s: TrainingState.start(sl.SparseMLP.create(**options), sl.MomentumSGD(), 0))
    states = {
        "of a wider net": other(sizes=(values.FEATURES, 9, 3), seed=1),
        "of a deeper net": other(sizes=(values.FEATURES, 8, 8, 3)),
        "of other links": other(sizes=SIZES, density=0.2, seed=9),
        "of float64": other(sizes=SIZES, density=0.6, seed=1, dtype="float64"),
    }  # fmt: skip
    yield from refusals("steps(state)", steps("state"), states, shows_value=False)
    kept = lambda argument: lambda s, v: sl.steps(s.subject, (s.X, s.y), **{"checkpoint": "no-such-folder", argument: v})
    for argument in ("every", "keep"):
        yield from refusals(f"steps({argument})", kept(argument), not_whole() | {"zero": 0, "negative": -1})
    yield from refusals("steps(resume)", kept("resume"), not_a_flag())
    places = {"number": 3, "object": object(), "list": ["runs"], "bool": True}
    yield from refusals("steps(checkpoint)", kept("checkpoint"), places)
    models = {"nothing": None, "number": 3, "text": "net", "class": sl.SparseMLP, "object": object()}
    yield from refusals("steps(model)", steps("model"), models, shows_value=False)
    yield from refusals("predict(model)", lambda s, v: sl.predict(v, s.X), models, shows_value=False)
    yield from refusals("evaluate(model)", lambda s, v: sl.evaluate(v, s.X, s.y), models, shows_value=False)
    threads = without(not_whole(), "nothing") | {"zero": 0, "negative": -1}
    yield from refusals("predict(threads)", lambda s, v: sl.predict(s.subject, s.X, threads=v), threads)
    frozen = {f"read-only {name}": name for name in ("w", "b")}
    yield from refusals("steps(model.layers)", freeze, frozen, names=("w", "b"), shows_value=False)


def freeze(fixture, name):
    array = getattr(fixture.subject.layers[1], name)
    array.flags.writeable = False
    try:
        return sl.steps(fixture.subject, (fixture.X, fixture.y))
    finally:
        array.flags.writeable = True
