"""The rules CHT, CHTs and CHTss: whole events against dense twins, densities along a training, when events end, resuming."""

import math

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import lawful, mask_of, places_of

import sparselab as sl
from sparselab import evolution
from sparselab.evolution import CHT, Evidence
from sparselab.nn.optimizers import MomentumSGD

RULES = {
    "CHT": lambda: CHT(0.3),
    "CHTs": lambda: sl.CHTs(0.3, criterion=sl.criteria.Soft("relative_importance", (0.5, 0.9))),
    "extra": lambda: sl.CHTs(density=0.3, extra=0.1),
    "CHTss": lambda: sl.CHTss(0.3, density=0.2),
}


def net(seed=0, density=0.4, **options):
    return sl.SparseMLP.create(
        (12, 9, 10, 4), density=density, exact=True, dtype="float64", activation="relu", seed=seed, **options
    )


def event(model, rule, epoch=1, memory=None):
    """(velocities before, numbers of links (pruned, grown), rewirings) of one event; the model is changed."""
    data, state = models.dataset(30, features=12, dtype=np.float64), MomentumSGD().init(model)
    for s in state:
        s.links[0][:] = 1 + np.arange(len(s.links[0]))
    before = [s.links[0].copy() for s in state]
    evidence = Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(30))
    evidence.memory = {} if memory is None else memory
    rewirings = rule(epoch, model, state, evidence, np.random.default_rng(0))
    counts = evolution.apply(rewirings, model, state, np.random.default_rng(0))
    assert all(lawful(layer.topology) for layer in model.layers)
    return before, [s.links[0] for s in state], counts


def twin(model, velocities, zeta):
    """{layer: {place: (value, velocity)}} after CHT on dense masks."""
    masks, links = [], []
    for layer, velocity in zip(model.layers, velocities, strict=True):
        places = places_of(layer.topology)
        links.append(dict(zip(places, zip(layer.w, velocity, strict=True), strict=True)))
        masks.append(mask_of(layer.topology))
        if layer is not model.layers[-1]:
            for k in naive.magnitude_cut(layer.w, zeta):
                masks[-1][places[k]] = False
    masks = naive.percolated(masks, [False] * (len(masks) - 1) + [True])
    after = [links[-1]]
    for old, mask in zip(links[-2::-1], masks[-2::-1], strict=True):
        scores = {place: np.float32(score) for place, score in naive.link_scores(mask, "CH3-L3p").items()}
        missing = len(old) - int(mask.sum())
        best = sorted(scores, key=lambda place: (-scores[place], place))[:missing]
        kept = {tuple(map(int, place)) for place in np.argwhere(mask)}
        after.insert(0, {place: old.get(place, (0, 0)) for place in [*kept, *best]})
    return after


@given(seed=st.integers(0, 1000), zeta=st.sampled_from([0.1, 0.3, 0.6]), epoch=st.sampled_from([1, 4]))
def test_cht_is_its_dense_twin(seed, zeta, epoch):
    model = net(seed)
    old = model.copy()
    before, after, _ = event(model, CHT(zeta, until=8), epoch)
    wanted = twin(old, before, zeta * (1 + math.cos(math.pi * epoch / 8)) / 2)
    for layer, velocity, links in zip(model.layers, after, wanted, strict=True):
        found = dict(zip(places_of(layer.topology), zip(layer.w, velocity, strict=True), strict=True))
        missing = found.keys() - links.keys()  # grown uniformly where there are too few walks
        assert all(found[place] == links[place] for place in links)
        assert len(missing) == len(found) - len(links)


@pytest.mark.parametrize("rule", [CHT, sl.CHTs])
@given(seed=st.integers(0, 1000))
def test_links_that_lead_nowhere_are_replaced(rule, seed):
    """What the regrowth is given is a fixed point of percolation, and as many links grow as are missing."""
    left, model = [], net(seed, density=0.3)

    def regrowth(layer, topology, n_new, evidence, rng):
        left.append(topology)
        assert n_new == layer.topology.nnz - topology.nnz
        return sl.regrowths.uniform(layer, topology, n_new, evidence, rng)

    last = model.layers[-1].topology
    event(model, rule(0.5, until=8, regrowth=regrowth))
    keeps = [np.ones(topology.nnz, bool) for topology in left]
    assert all(keep.all() for keep in sl.evolution.percolate([*left, last], [*keeps, None])[:2])


def test_links_beyond_the_density_are_not_grown_for_those_that_led_nowhere():
    model, old = net(density=0.4), []
    rule = sl.CHTs(density=0.2, extra=0.1, until=8)
    for epoch in (1, 2, 3):
        old.append(model.nnz[:2])
        _, _, counts = event(model, rule, epoch)
        for layer, before, (pruned, grown) in zip(model.layers, old[-1], counts, strict=False):
            places = layer.topology.n_out * layer.topology.n_in
            assert layer.topology.nnz <= round(0.2 * places) + round(0.1 * places) + 1
            assert before - pruned + grown == layer.topology.nnz


def densities(rule, density, epochs=9):
    model, data = net(density=density), models.dataset(30, features=12, dtype=np.float64)
    records = list(sl.train(model, data, rules=[rule], epochs=epochs, seed=0))
    return [sum(record.nnz[:2]) / (12 * 9 + 9 * 10) for record in records]


def test_links_beyond_the_density_grow_until_the_end():
    found = densities(sl.CHTs(density=0.3, extra=0.1, until=6), 0.4)
    assert found[:4] == pytest.approx([0.4] * 4, abs=0.03)
    assert found[4:6] == pytest.approx([0.35] * 2, abs=0.03)
    assert found[6:] == pytest.approx([0.3] * 3, abs=0.03)
    assert max(found[6:]) <= 0.3 + 0.005


def test_the_density_falls_along_a_sigmoid():
    found = densities(sl.CHTss(0.3, density=0.1, until=8), 0.5)
    rise = lambda x: 1 / (1 + math.exp(-x))
    fallen = [0.5 + (rise(6 * (epoch / 4 - 1)) - 0.5) / (rise(6) - rise(-6)) for epoch in range(9)]
    wanted = [0.5 - 0.4 * share for share in fallen]
    assert found == pytest.approx(wanted, abs=0.01)


def test_events_end_with_three_quarters_of_a_training():
    for rule, until in ((CHT(0.3, ended_by=1.0), 5), (sl.CHTs(0.3), 6), (sl.CHTs(0.3, until=3), 3)):
        model, data = net(), models.dataset(30, features=12, dtype=np.float64)
        records = list(sl.train(model, data, rules=[rule], epochs=8, seed=0))
        assert [sum(record.grown) > 0 for record in records] == [0 < epoch < until for epoch in range(8)]


def test_events_end_when_nearly_all_links_return():
    model, memory = net(density=0.9), {}
    event(model, CHT(0.3, until=8, ended_by=0.0), memory=memory)
    assert memory == {"ended": True}
    _, _, counts = event(model, CHT(0.3, until=8, ended_by=0.0), memory=memory)
    assert counts == [(0, 0)] * 3
    for rule in (CHT(0.3, until=8, ended_by=1.0), sl.CHTs(0.3, until=8)):
        event(net(density=0.9), rule, memory=(memory := {}))
        assert memory == {}


def test_the_density_falls_also_when_no_more_links_are_replaced():
    model = net(density=0.5)
    event(model, CHT(0.3, until=8, density=lambda epoch: 0.4 - 0.05 * epoch), 2, memory={"ended": True})
    assert sum(model.nnz[:2]) <= round(0.3 * (12 * 9 + 9 * 10)) + 1


def test_where_the_length_is_not_known_until_is_asked_for():
    with pytest.raises(ValueError, match="until = None: must be the epoch at which events end"):
        event(net(), CHT(0.3))


@pytest.mark.parametrize("name", RULES)
def test_a_run_is_resumed_exactly(name, tmp_path):
    data, whole, parts = models.dataset(60, features=12, dtype=np.float64), net(density=0.5), net(density=0.5)
    options = {"rules": [RULES[name]()], "batch_size": 32, "seed": 1, "epochs": 6}
    list(sl.train(whole, data, **options))
    records = sl.train(parts, data, checkpoint=tmp_path / "run", **options)
    for _ in range(3):
        next(records)
    records.close()
    list(sl.train(parts := net(density=0.5), data, checkpoint=tmp_path / "run", **options))
    assert models.fingerprint(parts) == models.fingerprint(whole)


def test_two_trainings_of_different_length_share_a_rule():
    data, rule, lengths = models.dataset(60, features=12, dtype=np.float64), CHT(0.3, ended_by=1.0), (4, 8)
    train = lambda epochs, rule: sl.train(net(), data, rules=[rule], epochs=epochs, seed=0)
    grown = lambda records: [record.grown for record in records]
    apart = [grown(train(epochs, CHT(0.3, ended_by=1.0))) for epochs in lengths]
    runs = [train(epochs, rule) for epochs in lengths]
    together = [[next(run)] for run in runs]
    for found, run in reversed(list(zip(together, runs, strict=True))):
        found += run
    assert list(map(grown, together)) == apart
    assert apart[0][3] == (0, 0, 0) != apart[1][3]


@pytest.mark.parametrize("name", RULES)
def test_workers_train_with_it(name):
    model = models.net(density=0.5)
    list(sl.train_parallel(model, models.dataset(300), rules=[RULES[name]()], n_jobs=2, epochs=4, batch_size=32, seed=0))
    for layer in model.layers:
        layer.check()


def test_an_event_can_take_the_place_of_an_update():
    model = net()
    rule, data = CHT(0.3, replaces_update=True), models.dataset(60, features=12, dtype=np.float64)
    records = list(sl.train(model, data, rules=[rule], epochs=4, batch_size=20, seed=0))
    assert [record.n_samples for record in records] == [60, 40, 40, 60]


@pytest.mark.parametrize(
    ("rule", "options", "words"),
    [
        (CHT, {"ended_by": 2}, "ended_by"), (CHT, {"zeta": -1}, "zeta"), (sl.CHTs, {"extra": 0.1}, "extra"),
        (sl.CHTss, {}, "density"), (sl.CHTss, {"density": 0}, "density"),
        (sl.CHTss, {"density": 0.1, "steepness": 0}, "steepness"),
        (sl.CHTss, {"density": 0.1, "first_density": 0.05}, "first_density"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(rule, options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        rule(**options)
