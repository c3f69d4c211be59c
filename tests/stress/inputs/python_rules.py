"""The Python API: rules that prune and regrow, the plug-ins in them, and what they may look at."""

import dataclasses
import warnings
from functools import partial
from itertools import chain

import numpy as np

import sparselab as sl
from sparselab.checkpoints.state import TrainingState
from sparselab.evolution import Evidence
from sparselab.nn import schedules
from sparselab.nn.losses import SoftmaxCrossEntropy

from . import INF, NAN, acceptances, for_field, not_a_flag, not_a_name, not_a_number, not_whole, refusals, without
from .fixture import SIZES, of

NO_FUNCTION = {"nothing": None, "number": 3, "text": "magnitude", "object": object(), "list": [abs], "class": int}
SHARE = not_a_number() | {"negative": -0.1, "above 1": 1.1}
WHOLE = not_whole() | {"zero": 0, "negative": -1}
SAID = {
    "NaN": NAN,
    "infinity": INF,
    "nothing": None,
    "text": "0.3",
    "negative": -0.1,
    "above 1": 1.5,
    "bool": True,
    "list": [0.3],
}


def rules():
    """Every kit of this file."""
    return chain(settings(), answers(), evidence(), config(), accepted())


def once(rule, fixture):
    """A rule called as a training would call it before its second epoch."""
    model, state = fixture.subject, TrainingState.start(fixture.subject, sl.MomentumSGD(), 0)
    seen = Evidence(model, SoftmaxCrossEntropy(), fixture.X, fixture.y, np.arange(len(fixture.y)))
    return rule(1, model, state.optimizer, seen, np.random.default_rng(0))


def settings():
    """What is said when a rule is made."""
    make = partial(of, sl.ImportancePruning)
    table = {
        "amount": SHARE,
        "start": WHOLE,
        "stop": without(WHOLE, "nothing"),
        "every": WHOLE,
        "mode": not_a_name(),
        "percentile": not_a_number() | {"negative": -0.1, "above 100": 100.1},
        "importance": NO_FUNCTION,
        "min_neurons": WHOLE,
        "ramp": not_a_name(),
        "fold": not_a_name(),
    }
    for argument, faults in table.items():
        yield from refusals(f"ImportancePruning({argument})", make(argument), faults)
    yield from refusals("ImportancePruning(stop)", make("stop", start=5), {"before start": 4})
    for function in (sl.PruneRegrow, sl.SET):
        yield from refusals(f"{function.__name__}(zeta)", of(function, "zeta"), SHARE)
        for argument in ("criterion", "regrowth"):
            yield from refusals(f"{function.__name__}({argument})", of(function, argument), NO_FUNCTION)
    yield from refusals("SampledGradient(candidates)", of(sl.regrowths.SampledGradient, "candidates"), WHOLE)
    not_positive = not_a_number() | {"zero": 0, "negative": -1}
    yield from refusals("Until(before)", of(schedules.Until, "before", stop=3), not_positive)
    yield from refusals("Until(stop)", of(schedules.Until, "stop", before=0.3), without(WHOLE, "zero"))


def answers():
    """What a plug-in says when it is asked."""
    said = {f"function that says {fault}": value for fault, value in SAID.items()}
    zeta = lambda s, v: once(sl.SET(lambda epoch: v), s)
    yield from refusals("SET(zeta)", zeta, said)
    amount = lambda s, v: once(sl.ImportancePruning(lambda epoch: v, start=1), s)
    yield from refusals("ImportancePruning(amount)", amount, said)
    for mode in ("shrink", "links"):
        call = lambda s, v, mode=mode: once(sl.ImportancePruning(start=1, mode=mode, importance=lambda *layers: v), s)
        wrong = {
            "nothing": None, "text": "strong", "one number": 1.0, "too short": np.ones(7), "too long": np.ones(9),
            "2-D": np.ones((8, 1)), "NaN": np.full(8, NAN), "infinity": np.full(8, INF), "bools": np.ones(8, bool),
            "objects": np.ones(8, object), "complex": np.ones(8, complex), "ragged": [[1], [2, 3]],
        }  # fmt: skip
        said = {f"{mode}, function that says {fault}": value for fault, value in wrong.items()}
        yield from refusals("ImportancePruning(importance)", call, said, shows_value=False)
    scores = {
        "nothing": lambda n: None, "text": lambda n: "all", "one number": lambda n: 1.0, "too short": lambda n: np.ones(n - 1),
        "too long": lambda n: np.ones(n + 1), "2-D": lambda n: np.ones((n, 1)), "NaN": lambda n: np.full(n, NAN),
        "infinity": lambda n: np.r_[np.ones(n - 1), INF], "objects": lambda n: np.ones(n, object),
        "ragged": lambda n: [[1], [2, 3]], "complex": lambda n: np.ones(n, complex),
        "keep of wrong length": lambda n: np.ones(n + 1, bool),
    }  # fmt: skip
    criterion = lambda s, make: once(sl.SET(0.5, criterion=lambda layer, *rest: make(layer.topology.nnz)), s)
    said = {f"function that says {fault}": make for fault, make in scores.items()}
    yield from refusals("SET(criterion)", criterion, said, shows_value=False)
    links = {
        "nothing": lambda r, c, t: None, "text": lambda r, c, t: "ab", "rows only": lambda r, c, t: r,
        "one array": lambda r, c, t: np.array([r, c]), "too few": lambda r, c, t: (r[1:], c[1:]),
        "none": lambda r, c, t: ([], []),
        "too many": lambda r, c, t: (np.r_[r, 0], np.r_[c, 0]), "floats": lambda r, c, t: (r * 1.0, c),
        "NaN": lambda r, c, t: (r, c * NAN), "bools": lambda r, c, t: (r > 0, c > 0), "2-D": lambda r, c, t: (r[None], c[None]),
        "ragged": lambda r, c, t: ([[1], [2, 3]], c), "row beyond": lambda r, c, t: (r + 100, c),
        "column beyond": lambda r, c, t: (r, c + 100), "negative row": lambda r, c, t: (r - 100, c),
        "2^40": lambda r, c, t: (r, c.astype(np.int64) + 2**40), "the same twice": lambda r, c, t: (r * 0 + r[0], c * 0 + c[0]),
        "occupied": lambda r, c, t: (t.rows[: len(r)], t.indices[: len(r)]),
    }  # fmt: skip

    def regrowth(fixture, change):
        uniform = lambda layer, topology, *rest: change(*sl.regrowths.uniform(layer, topology, *rest), topology)
        return once(sl.SET(0.5, regrowth=uniform), fixture)

    said = {f"function that says {fault}": change for fault, change in links.items()}
    yield from refusals("SET(regrowth)", regrowth, said, shows_value=False)


def config():
    """Each field of a config, from Python."""
    names = not_a_name()
    for one in dataclasses.fields(sl.ExperimentConfig):
        m, name = one.metadata, one.name
        make = lambda s, v, name=name: sl.ExperimentConfig(**{name: v})
        if one.type is bool:
            faults = not_a_flag()
        elif one.type is tuple:
            faults = {
                "nothing": None,
                "number": 3,
                "text": "200",
                "fractions": (1.5,),
                "zero": (0,),
                "bools": (True,),
                "object": object(),
            }
        elif one.type in (int, int | str):
            faults = not_whole() | {"below the lowest": m["low"] - 1, "above the highest": m["high"] + 1}
        elif one.type is float:
            faults = not_a_number() | {"below the lowest": m["low"] - 1, "above the highest": m["high"] * 1.01}
        else:
            faults = for_field(name, names)
        yield from refusals(f"ExperimentConfig({name})", make, faults, shows_value=one.type is not tuple)
    early = {"before it starts": 4}
    built = lambda s, v: sl.build(sl.ExperimentConfig(dataset="digits", pruning="shrink", pruning_start=5, pruning_stop=v))
    yield from refusals("ExperimentConfig(pruning_stop)", built, early)


def evidence():
    """What a rule asks of the evidence."""
    ask = lambda what: lambda s, v: once(lambda epoch, model, state, seen, rng: what(seen, model.layers[0], v), s)
    foreign = {
        "nothing": None,
        "number": 0,
        "text": "first",
        "layer of another net": sl.SparseMLP.create(SIZES, seed=0).layers[0],
    }
    layer = ask(lambda seen, layer, v: seen.of(v))
    yield from refusals("Evidence.of(layer)", layer, foreign, shows_value=False)
    places = {
        "fractions": [0.5], "text": ["a"], "bools": [True], "2-D": [[0]], "ragged": [[0], [1, 2]], "negative": [-1],
        "beyond": [10**6], "nothing": None, "number": 3, "NaN": [NAN],
    }  # fmt: skip
    for argument in ("rows", "columns"):
        call = ask(
            lambda seen, layer, v, argument=argument: seen.of(layer).gradient_at(**{"rows": [0], "columns": [0], argument: v})
        )
        yield from refusals(f"gradient_at({argument})", call, places, shows_value=False)
    unlike = ask(lambda seen, layer, v: seen.of(layer).gradient_at(*v))
    lengths = {"fewer columns than rows": ([0, 1], [0]), "more columns than rows": ([0], [0, 1])}
    yield from refusals("gradient_at(columns)", unlike, lengths, shows_value=False)


def accepted():
    """Unusual settings that work."""

    def trained(fixture, rule):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            _, losses = fixture.train((fixture.X, fixture.y), rules=[rule, sl.SET(0.3)], epochs=4)
        return fixture.subject, losses, [str(one.message) for one in told]

    rule = lambda **options: sl.ImportancePruning(**{"start": 1, "every": 1} | options)
    finite = lambda result: bool(np.isfinite(result[1]).all())
    ends = {
        "none": (rule(amount=0), 8), "all": (rule(amount=1), 1), "all but two": (rule(amount=1.0, min_neurons=2), 2),
        "more stay than there are": (rule(amount=1, min_neurons=100), 8), "stop is start": (rule(amount=0.5, stop=1), 4),
        "stop after the end": (rule(amount=0.75, stop=12, ramp="linear"), 7), "numpy numbers": (rule(amount=np.float32(0.5)), 4),
        "function of the epoch": (rule(amount=lambda epoch: 0.25 * epoch), 2),
    }  # fmt: skip
    for fault, (one, width) in ends.items():
        holds = lambda result, fixture, width=width: finite(result) and result[0].sizes == (SIZES[0], width, SIZES[2])
        text = f"{width} of the 8 hidden neurons are left and training goes on"
        yield from acceptances("ImportancePruning(amount)", trained, {fault: one}, holds, text)
    percentiles = {"the weakest only": rule(mode="links", percentile=0), "all": rule(mode="links", percentile=100)}
    same_width = lambda result, fixture: finite(result) and result[0].sizes == SIZES
    text = "in mode links widths stay and training goes on"
    yield from acceptances("ImportancePruning(percentile)", trained, percentiles, same_width, text)
    late = {"last epoch": sl.ImportancePruning(start=4), "far beyond": sl.ImportancePruning(start=10**9)}
    warned = lambda result, fixture: (
        same_width(result, fixture)
        and len(result[2]) == 1
        and "start = " in result[2][0]
        and "nothing will be pruned" in result[2][0]
    )
    text = "a start after the last event there could be is warned of, and nothing is pruned"
    yield from acceptances("ImportancePruning(start)", trained, late, warned, text)
    empty = {"never": schedules.Until(0.3, 0), "zeta 0": 0}
    still = lambda s, v: (s.train((s.X, s.y), rules=[sl.SET(v)], epochs=3), [layer.topology for layer in s.subject.layers])[1]
    same = lambda result, fixture: result == [layer.topology for layer in fixture.model.layers]
    yield from acceptances("Until(stop)", still, empty, same, "the topology stays")
    many = {"more candidates than free places": 10**9, "one": 1, "numpy int": np.int8(3)}
    grown = lambda s, v: still(s, 0.5) and once(sl.SET(0.5, regrowth=sl.regrowths.SampledGradient(v)), s)[0]
    full = lambda result, fixture: result.topology.nnz == result.n_before and len(result.grown) == result.n_pruned > 0
    yield from acceptances("SampledGradient(candidates)", grown, many, full, "as many links grow as went")
    keep = {
        "scores of whole numbers": lambda layer, *rest: np.arange(layer.topology.nnz),
        "list": lambda layer, *rest: [0.5] * layer.topology.nnz,
        "keep": lambda layer, *rest: np.arange(layer.topology.nnz) % 2 == 0,
        "keep all": lambda layer, *rest: np.isfinite(layer.w),
        "keep none": lambda layer, *rest: ~np.isfinite(layer.w),
    }
    changed = lambda s, v: once(sl.SET(0.5, criterion=v), s)[0]
    number = lambda result, fixture: result.topology.nnz == result.n_before and len(result.grown) == result.n_pruned
    yield from acceptances("SET(criterion)", changed, keep, number, "scores or keep; as many links grow as went")
