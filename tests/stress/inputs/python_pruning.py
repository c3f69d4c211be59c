"""The Python API: pruning after training, and rewirings by place."""

from itertools import chain

import numpy as np

import sparselab as sl
from sparselab.analysis.prune_curve import prune
from sparselab.topology.neuron_ids import Neurons
from sparselab.topology.rewiring import between, grow, keep_neurons, regrow_rows, union

from . import INF, NAN, Made, acceptances, not_a_flag, not_a_seed, refusals, without
from .fixture import digest
from .python_rules import NO_FUNCTION, SHARE, WHOLE


def pruning():
    """Every kit of this file."""
    return chain(places(), afterwards(), accepted())


def places():
    """Neurons and links by number or by mask."""
    first = lambda s: s.subject.layers[0].topology  # 8 outputs, 6 inputs
    masks = {
        "no neuron": np.zeros(8, bool), "too short": np.ones(5, bool), "too long": np.ones(9, bool), "2-D": np.ones((8, 1), bool),
        "numbers": np.arange(8), "zeros and ones": np.ones(8, int), "list": [True] * 8, "text": "all",
    }  # fmt: skip
    yield from refusals("keep_neurons(rows)", lambda s, v: keep_neurons(first(s), rows=v), masks)
    columns = masks | {"no neuron": np.zeros(6, bool), "list": [True] * 6}
    yield from refusals("keep_neurons(cols)", lambda s, v: keep_neurons(first(s), cols=v), columns)
    shifts = {
        "too short": np.zeros(7), "2-D": np.zeros((8, 1)), "list": [0.0] * 8, "whole numbers": np.zeros(8, int), "text": "much",
        "NaN": np.full(8, NAN), "infinity": np.full(8, INF),
    }  # fmt: skip
    shift = lambda s, v: keep_neurons(first(s), shift=v)
    yield from refusals("keep_neurons(shift)", shift, shifts, shows_value=False)
    taken = lambda s: (first(s).rows[:1], first(s).indices[:1])
    links = {
        "occupied": Made(taken), "row beyond": ([8], [0]), "column beyond": ([0], [6]), "negative": ([-1], [0]),
        "fractions": ([0.5], [0]), "text": ("a", "b"), "nothing": (None, None), "unlike": ([0, 1], [0]), "bools": ([True], [0]),
        "2-D": ([[0]], [[0]]), "ragged": ([[0], [1, 2]], [0]),
    }  # fmt: skip
    named = ("rows", "columns", "link")
    yield from refusals("grow(links)", lambda s, v: grow(first(s), *v), links, names=named, shows_value=False)
    counts = {
        "nothing": None, "text": "many", "fractions": [0.5] * 8, "NaN": [NAN] * 8, "bools": [True] * 8, "too short": [1] * 7,
        "negative": [-1] + [0] * 7, "more than are free": [7] + [0] * 7, "2-D": np.zeros((8, 1), int), "2^40": [2**40] * 8,
        "10^30": [10**30] * 8, "ragged": [[1], [2, 3]],
    }  # fmt: skip
    rows = lambda s, v: regrow_rows(first(s), v, np.random.default_rng(0))
    yield from refusals("regrow_rows(counts)", rows, counts, shows_value=False)
    no_generator = {"nothing": None, "number": 3, "module": np.random, "RandomState": np.random.RandomState(0)}
    source = lambda s, v: regrow_rows(first(s), [0] * 8, v)
    yield from refusals("regrow_rows(rng)", source, no_generator, shows_value=False)
    other = sl.Topology.dense(2, 3)
    several = {
        "nothing": None, "number": 3, "none at all": [], "nothing in it": [None], "one, not in a list": other,
        "text in it": ["t"], "two shapes": [other, sl.Topology.dense(3, 2)],
    }  # fmt: skip
    yield from refusals("union(topologies)", lambda s, v: union(v), several, shows_value=False)
    single = {"nothing": None, "number": 3, "text": "t", "layer": Made(lambda s: s.subject.layers[0])}
    for argument in ("before", "after"):
        call = lambda s, v, argument=argument: between(**{"before": first(s), "after": first(s), argument: v})
        yield from refusals(f"between({argument})", call, single, shows_value=False)
    unlike = {"another shape": other}
    yield from refusals("between(after)", lambda s, v: between(first(s), v), unlike, names=("topologies",), shows_value=False)
    kept = {
        "nothing": None, "too short": (None,), "list": [None, None], "list of ids": (None, [0]),
        "falling": (None, np.array([2, 1])), "twice": (None, np.array([1, 1])), "beyond": (None, np.array([9])),
        "negative": (None, np.array([-1])),
        "floats": (None, np.array([0.0])), "mask": (None, np.ones(3, bool)),
    }  # fmt: skip
    yield from refusals("Neurons(kept)", lambda s, v: Neurons((4, 3), v), kept, shows_value=False)


def afterwards():
    """Pruning after training."""
    cut = lambda argument, **rest: lambda s, v: prune(**{"model": s.subject, "amount": 0.5} | rest | {argument: v})

    def curve(argument, **rest):
        settings = {"amounts": [0.5], "progress": False, "repeats": 1} | rest
        return lambda s, v: sl.prune_curve(**{"model": s.subject, "data": (s.X, s.y, s.X, s.y)} | settings | {argument: v})

    models = {"nothing": None, "number": 3, "text": "net", "class": sl.SparseMLP, "classifier": sl.SparseMLPClassifier()}
    table = {"importance": NO_FUNCTION, "min_neurons": WHOLE, "seed": not_a_seed()}
    for argument, faults in table.items():
        for name, call in (("prune", cut), ("prune_curve", curve)):
            yield from refusals(f"{name}({argument})", call(argument), faults)
    yield from refusals("prune(amount)", cut("amount"), SHARE)
    one = {f"one of them is {fault}": [0.1, value] for fault, value in SHARE.items()}
    amounts = one | {
        "none": [],
        "nothing": None,
        "text": "half",
        "nested": [[0.5, 0.1]],
        "generator": Made(lambda s: iter([0.5])),
    }
    yield from refusals("prune_curve(amounts)", curve("amounts"), amounts, shows_value=False)
    whole = {
        "fine_tune_epochs": without(WHOLE, "zero"),
        "batch_size": WHOLE,
        "threads": without(WHOLE, "nothing"),
        "repeats": WHOLE,
    }
    for argument, faults in whole.items():
        yield from refusals(f"prune_curve({argument})", curve(argument), faults)
    optimizers = {"text": "sgd", "number": 3, "class": sl.MomentumSGD, "list": [sl.MomentumSGD()]}
    tuned = curve("optimizer", fine_tune_epochs=1)
    yield from refusals("prune_curve(optimizer)", tuned, optimizers, shows_value=False)
    yield from refusals("prune_curve(progress)", curve("progress"), not_a_flag())
    data = {
        "nothing": None, "number": 3, "text": "digits", "without test samples": Made(lambda s: (s.X, s.y)),
        "NaN": Made(lambda s: (s.X * NAN, s.y, s.X, s.y)), "NaN in the test samples": Made(lambda s: (s.X, s.y, s.X * NAN, s.y)),
        "too wide": Made(lambda s: (np.hstack([s.X, s.X]), s.y, np.hstack([s.X, s.X]), s.y)),
        "too few labels": Made(lambda s: (s.X, s.y[1:], s.X, s.y)),
        "class that the net has not": Made(lambda s: (s.X, s.y + 9, s.X, s.y)),
    }  # fmt: skip
    how = {"names": ("X_test", "X_train", "X", "y", "y_test", "y_train"), "shows_value": False}
    yield from refusals("prune_curve(data)", curve("data"), data, **how)
    alone = without(data, "nothing", "without test samples", "NaN in the test samples")
    yield from refusals("prune(data)", cut("data"), alone, **how)
    for name, call in (("prune", cut), ("prune_curve", curve)):
        yield from refusals(f"{name}(model)", call("model"), models, shows_value=False)


def accepted():
    """Unusual settings that work."""
    shares = {"none": 0, "all": 1, "numpy float": np.float32(0.5)}
    left = {0: 8, 1: 1, 0.5: 4}
    cut = lambda s, v: (prune(s.subject, v, data=(s.X, s.y)).sizes[1], left[float(v)], digest(s.subject), digest(s.model))
    counted = lambda result, fixture: result[0] == result[1] and result[2] == result[3]
    yield from acceptances("prune(amount)", cut, shares, counted, "a copy with so many neurons; the net itself stays")
    some = {"one number": 0.5, "array": np.array([0.0, 0.5]), "twice the same": (0.5, 0.5), "falling": [1, 0]}
    curve = lambda s, v: (v, sl.prune_curve(s.subject, (s.X, s.y, s.X, s.y), v, progress=False, repeats=1))
    table = lambda result, fixture: (
        result[1].amount.tolist() == np.atleast_1d(result[0]).tolist() and bool(np.isfinite(result[1].loss).all())
    )
    yield from acceptances("prune_curve(amounts)", curve, some, table, "a row for each amount, in their order")
