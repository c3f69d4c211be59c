"""The Python API: layouts, dtypes, formats and numbers that are unusual and work, with what is promised of them."""

from fractions import Fraction

import numpy as np

import sparselab as sl
from sparselab.topology import erdos_renyi
from sparselab.topology.topology import Topology

from . import Made, acceptances, values
from .fixture import SIZES, create, digest


def same_training(result, fixture):
    return result == fixture.trained


def same_outputs(result, fixture):
    return np.array_equal(result, fixture.outputs)


def same_scores(result, fixture):
    return result == fixture.scores


def accepted():
    layouts = values.made(values.LAYOUTS | values.DTYPES)
    alike = "training on this is, bit for bit, training on the C-contiguous float32 copy"
    yield from acceptances("steps(X)", lambda s, X: s.train((X, s.y)), layouts, same_training, alike)
    alike = "the outputs are, bit for bit, those of the C-contiguous float32 copy"
    yield from acceptances("predict(X)", lambda s, X: sl.predict(s.subject, X), layouts, same_outputs, alike)
    alike = "the scores are those of the C-contiguous float32 copy"
    yield from acceptances("evaluate(X)", lambda s, X: sl.evaluate(s.subject, X, s.y), layouts, same_scores, alike)
    forms = values.made(values.SPARSE)
    alike = "training on this is, bit for bit, training on the dense rows"
    yield from acceptances("steps(X)", lambda s, X: s.train((X, s.y)), forms, same_training, alike)
    alike = "the outputs are, bit for bit, those of the dense rows"
    yield from acceptances("predict(X)", lambda s, X: sl.predict(s.subject, X), forms, same_outputs, alike)
    yield from acceptances("evaluate(X)", lambda s, X: sl.evaluate(s.subject, X, s.y), forms, same_scores, alike)
    labels = {
        "uint8": Made(lambda s: s.y.astype("u1")), "big-endian": Made(lambda s: s.y.astype(">i4")),
        "list": Made(lambda s: s.y.tolist()),
        "whole floats": Made(lambda s: s.y.astype(float)), "read-only": Made(lambda s: values.read_only(s.y)),
        "column": Made(lambda s: s.y[:, None]), "text": Made(lambda s: np.array(list("abc"))[s.y]),
        "not from 0": Made(lambda s: np.array([5, 900, 2**62])[s.y]), "negative": Made(lambda s: s.y - 1),
    }  # fmt: skip
    coded = "labels of any kind become the codes 0 … k − 1 of their sorted values"
    yield from acceptances("steps(y)", lambda s, y: s.train((s.X, y)), labels, same_training, coded)
    yield from extremes()
    yield from unusual_numbers()


def finite_training(result, fixture):
    return np.isfinite(result[1]).all()


def extremes():
    """Data that are legal and awkward."""
    doubled = lambda s: (np.tile(s.X[:1], (values.N, 1)), s.y)
    awkward = {
        "duplicate rows": doubled, "constant feature": lambda s: (np.hstack([s.X[:, 1:], np.ones((values.N, 1))]), s.y),
        "all zero": lambda s: (s.X * 0, s.y), "scale 1e-30": lambda s: (s.X * 1e-30, s.y),
        "denormal": lambda s: (s.X * 1e-40, s.y),
        "one feature is 1e6 times the others": lambda s: (s.X * [1, 1, 1, 1, 1e6, 1], s.y),
    }  # fmt: skip
    made = {fault: Made(make) for fault, make in awkward.items()}
    slow = lambda s, data: s.train(data, optimizer=sl.MomentumSGD(1e-9 if data[0].max() > 10 else 0.05))
    yield from acceptances("steps(X)", slow, made, finite_training, "the loss stays finite")
    far = {"scale 1e30": Made(lambda s: s.X * np.float32(1e30))}
    diverges = lambda result, fixture: result == "DivergedError, weights finite"
    yield from acceptances("steps(X)", until_divergence, far, diverges, "training ends in DivergedError at its last good step")


def until_divergence(fixture, X):
    try:
        fixture.train((X, fixture.y), optimizer=sl.MomentumSGD(1000.0))
    except sl.DivergedError:
        finite = all(np.isfinite(layer.w).all() and np.isfinite(layer.b).all() for layer in fixture.subject.layers)
        return "DivergedError, weights finite" if finite else "DivergedError, weights spoilt"
    return "finished"


def unusual_numbers():
    """Hyper-parameters at and beyond their usual bounds, and numbers of other libraries."""
    net = lambda **options: sl.SparseMLP.create(**{"sizes": SIZES, "seed": 0} | options)
    full = digest(net(density=1.0))
    dense = lambda result, fixture: all(layer.topology == Topology.dense(*layer.topology.shape) for layer in result.layers)
    huge = {"density above 1": 1e6, "largest float": 1.7e308, "whole number": 10**18}
    yield from acceptances("create(epsilon)", create("epsilon"), huge, dense, "a layer for which ε reaches n_in n_out is dense")
    tiny = {"no link at all": 1e-9, "smallest float": 5e-324}
    usable = lambda result, fixture: np.isfinite(sl.predict(result, fixture.X)).all()
    without_links = "a layer may have no links; it gives its biases"
    yield from acceptances("create(epsilon)", create("epsilon"), tiny, usable, without_links)
    kinds = {
        "float32": np.float32(1),
        "float64": np.float64(1),
        "whole number": 1,
        "longdouble": np.longdouble(1),
        "Fraction": Fraction(1),
    }
    alike = lambda result, fixture: digest(result) == full
    yield from acceptances("create(density)", create("density"), kinds, alike, "numbers of every library are the same number")
    widths = {
        "list": list(SIZES),
        "array": np.array(SIZES),
        "numpy ints": tuple(map(np.uint8, SIZES)),
        "generator": Made(lambda s: iter(SIZES)),
    }
    alike = lambda result, fixture: digest(result) == digest(net())
    yield from acceptances("create(sizes)", create("sizes"), widths, alike, "any sequence of whole numbers is the same net")
    seeds = {
        "2^64": 2**64,
        "numpy int": np.int64(7),
        "SeedSequence": np.random.SeedSequence(3),
        "Generator": Made(lambda s: np.random.default_rng(3)),
    }
    seeds |= {"nothing": None}
    works = lambda result, fixture: result.n_links > 0
    yield from acceptances("create(seed)", create("seed"), seeds, works, "sources of randomness")
    whole = {"larger than the data": 1000, "as large as the data": values.N}
    batch = lambda s, v: s.train((s.X, s.y), batch_size=v)
    of_all = lambda result, fixture: result == (fixture.reset() or fixture.train((fixture.X, fixture.y), batch_size=values.N))
    yield from acceptances("steps(batch_size)", batch, whole, of_all, "a batch larger than the data is the data")
    finite = {"1": 1, "does not divide the rows": 5, "numpy int": np.uint16(7)}
    yield from acceptances("steps(batch_size)", batch, finite, finite_training, "the last, partial batch is trained too")
    threads = {"more than cores": 64, "numpy int": np.int8(2)}
    yield from acceptances(
        "steps(threads)", lambda s, v: s.train((s.X, s.y), threads=v), threads, same_training, "results do not depend on threads"
    )
    still = lambda s, v: (s.train((s.X, s.y), rules=[sl.SET(v)]), [layer.topology for layer in s.subject.layers])[1]
    same = lambda result, fixture: result == [layer.topology for layer in fixture.model.layers]
    yield from acceptances("SET(zeta)", still, {"zero": 0, "too small for one link": 1e-9}, same, "the topology stays")
    counts = lambda result, fixture: [t.nnz for t in result] == list(fixture.model.nnz) and not same(result, fixture)
    yield from acceptances("SET(zeta)", still, {"one": 1.0}, counts, "every link is replaced, their number stays")
    yield from acceptances(
        "SET(zeta)", crowded, {"hardly a free place": 1.0, "more links than free places": 0.5},
        lambda result, fixture: result, "growing among few free places ends, and the number of links stays",
    )  # fmt: skip
    wide = {"2^31 positions": (70_000, 70_000), "4e18 positions": (2_000_000, 2_000_000)}
    yield from acceptances(
        "erdos_renyi(n_out, n_in)", lambda s, v: erdos_renyi(*v, epsilon=0.25, exact=True, seed=0), wide,
        lambda result, fixture: result.nnz == (result.n_out + result.n_in) // 4, "positions are counted in 64 bits",
    )  # fmt: skip
    yield from acceptances(
        "steps(epochs)", lambda s, v: (list(sl.steps(s.subject, (s.X, s.y), epochs=v)), digest(s.subject)), {"zero": 0},
        lambda result, fixture: result == ([], digest(fixture.model)), "no epoch changes nothing",
    )  # fmt: skip


def crowded(fixture, zeta):
    """SET on a layer of density 0.998."""
    model = sl.SparseMLP.create((50, 60, 3), density=0.998, seed=0)
    before = model.nnz
    random = np.random.default_rng(0)
    X, y = random.standard_normal((20, 50)), random.integers(0, 3, 20)
    list(sl.train(model, (X, y), rules=[sl.SET(zeta)], epochs=3, seed=0))
    return model.nnz == before
