"""Every criterion with every regrowth, compared with slow versions; schedules of zeta; invalid plug-ins, in every trainer."""

import itertools
import pickle

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import lawful, mask_of, places_of, seeds, shares, weighted_topologies

import sparselab as sl
from sparselab import evolution
from sparselab.checkpoints.records import EpochRecord
from sparselab.evolution import SET, Evidence, ImportancePruning, PruneRegrow, criteria, regrowths
from sparselab.experiments.experiment import zeta_of
from sparselab.nn.linear import SparseLinear
from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.nn.optimizers import LayerState, MomentumSGD
from sparselab.nn.schedules import Cosine, Until
from sparselab.training.loop import TrainingState

LATER = {"relative_importance", "soft_magnitude", "cannistraci_hebb"}  # with what is older, but not with all of it
PAIRS = [
    pair
    for pair in itertools.product(criteria.NAMES, regrowths.NAMES)
    if not LATER.intersection(pair) or pair[0] == "magnitude" or pair[1] == "uniform" or LATER.issuperset(pair)
]
DRAW = {"random", "soft_magnitude"}
ZETA, N = 0.3, 64


def generator(seed=0):
    return np.random.default_rng(seed)


def named(criterion, regrowth, zeta=ZETA):
    return PruneRegrow(zeta, criteria.NAMES[criterion], regrowths.NAMES[regrowth])


def evidence_of(model):
    X, y = models.rows(N, dtype=model.dtype)
    return Evidence(model, SoftmaxCrossEntropy(), X, y, np.arange(N))


def moving(model, seed=9):
    """The state of MomentumSGD with a velocity everywhere."""
    state, random = MomentumSGD().init(model), generator(seed)
    for s in state:
        for vector in (*s.links, *s.neurons):
            vector[:] = random.standard_normal(len(vector))
    return state


def evolved(rule, seed=0, **options):
    """(model before, its state, model after, its state, counts) of one rule applied to a small net."""
    pairs = [(model, moving(model)) for model in (models.net(**options) for _ in range(2))]
    (old, old_state), (model, state) = pairs
    rng = generator(seed)
    counts = evolution.apply(rule(1, model, state, evidence_of(model), rng), model, state, rng)
    return old, old_state, model, state, counts


# every criterion with every regrowth


@pytest.mark.parametrize(("criterion", "regrowth"), PAIRS)
def test_links_keep_their_number_survivors_their_values_and_new_links_rest(criterion, regrowth):
    keeps = []

    def spy(layer, state, evidence, rng, zeta):
        keeps.append(criteria.kept(criteria.NAMES[criterion](layer, state, evidence, rng, zeta), layer.topology.nnz, zeta))
        return keeps[-1]

    old, old_state, model, state, counts = evolved(PruneRegrow(ZETA, spy, regrowths.NAMES[regrowth]))
    assert models.fingerprint(model) == models.fingerprint(evolved(named(criterion, regrowth))[2])
    assert len(keeps) == 2
    for l, keep in enumerate(keeps):
        before, after = old.layers[l], model.layers[l]
        n = before.topology.nnz
        n_cut = len(naive.set_cut(before.w, ZETA)) if criterion == "magnitude_within_sign" else int(ZETA * n)
        assert counts[l] == (n_cut, n_cut)
        assert lawful(after.topology)
        assert after.topology.nnz == n
        survivors = {place: k for k, place in enumerate(places_of(before.topology)) if keep[k]}
        found = {place: k for k, place in enumerate(places_of(after.topology))}
        assert len(survivors) == n - n_cut
        assert survivors.keys() <= found.keys()
        old_v, v = old_state[l].links[0], state[l].links[0]
        for place, k in found.items():
            if place in survivors:
                assert (after.w[k].tobytes(), v[k]) == (before.w[survivors[place]].tobytes(), old_v[survivors[place]])
            else:
                assert v[k] == 0
        assert after.b.tobytes() == before.b.tobytes()
        assert state[l].neurons[0].tobytes() == old_state[l].neurons[0].tobytes()
    assert model.layers[-1].topology == old.layers[-1].topology
    assert counts[-1] == (0, 0)


@pytest.mark.parametrize(("criterion", "regrowth"), PAIRS)
def test_seeds_repeat(criterion, regrowth):
    few = {"gradient": regrowths.SampledGradient(2)}  # so that there is a choice
    rule = PruneRegrow(ZETA, criteria.NAMES[criterion], (regrowths.NAMES | few)[regrowth])
    first, again, other = (evolved(rule, seed=seed)[2] for seed in (1, 1, 2))
    assert models.fingerprint(first) == models.fingerprint(again)
    if criterion in ("random", "soft_magnitude") or regrowth not in (
        "exact_gradient",
        "cannistraci_hebb",
    ):  # else nothing is drawn
        assert first.layers[0].topology != other.layers[0].topology


@pytest.mark.parametrize(("criterion", "regrowth"), PAIRS)
def test_threads_and_engines_do_not_change_a_run(criterion, regrowth):
    ends, records = set(), []
    for kind, threads in (("fused", 1), ("fused", 3), ("layerwise", 2)):
        model = models.net(dropout=0.3)
        options = {"optimizer": MomentumSGD(0.05), "rules": [named(criterion, regrowth)], "epochs": 4, "batch_size": 64}
        found, end = models.run(model, models.dataset(), kind=kind, threads=threads, **options)
        ends.add(end)
        records.append([record for record in found if isinstance(record, EpochRecord)])
    assert len(ends) == 1
    assert records[0] == records[1] == records[2]
    assert all(record.nnz == records[0][0].nnz for record in records[0])
    assert all(record.grown == record.pruned and min(record.grown[:2]) > 0 for record in records[0][1:])


@pytest.mark.parametrize(("criterion", "regrowth"), PAIRS)
def test_layers_that_are_full_nearly_full_or_empty(criterion, regrowth):
    for density in (1.0, 0.99, 0.0):
        patterns = [generator(l).random(shape) < density for l, shape in enumerate([(9, 8), (7, 9), (3, 7)])]
        model = models.from_masks(patterns, dtype=np.float32)
        X, y = generator().standard_normal((N, 8)).astype(np.float32), np.arange(N) % 3
        state, before = moving(model), model.nnz
        evidence = Evidence(model, SoftmaxCrossEntropy(), X, y, np.arange(N))
        counts = evolution.apply(named(criterion, regrowth)(1, model, state, evidence, generator()), model, state, generator())
        assert model.nnz == before
        assert (sum(map(sum, counts)) > 0) == (density == 0.99)


# regrowth


@given(weighted_topologies(), shares, seeds)
def test_uniform_through_the_slow_path_gives_the_same_links(drawn, zeta, seed):
    topology, w, _ = drawn
    layers = [SparseLinear(topology, w.copy(), np.zeros(topology.n_out, np.float32))]
    layers.append(SparseLinear(sl.Topology.dense(1, topology.n_out), *(np.ones(n, np.float32) for n in (topology.n_out, 1))))
    found = []
    for regrowth in (regrowths.uniform, lambda *arguments: regrowths.uniform(*arguments)):
        rng = generator(seed)
        change = SET(zeta, regrowth=regrowth)(1, sl.SparseMLP(layers, "relu"), None, None, rng)[0]
        found.append((change, rng.integers(2**62)))  # the generator stands where it stood
    (fast, after), (slow, after_slow) = found
    assert after == after_slow
    assert (fast is None) == (slow is None)
    if fast is not None:
        assert fast.topology == slow.topology
        np.testing.assert_array_equal(fast.origin, slow.origin)


@pytest.mark.parametrize("criterion", criteria.NAMES)
def test_keep_fan_in_keeps_the_fan_in_of_every_neuron(criterion):
    fan_in = {}
    for regrowth in ("keep_fan_in", "uniform"):
        model = models.net()
        before = [layer.topology for layer in model.layers]
        options = {"optimizer": MomentumSGD(0.05), "rules": [named(criterion, regrowth)], "epochs": 5, "batch_size": 32}
        models.run(model, models.dataset(), threads=1, **options)
        fan_in[regrowth] = [(a.fan_in == b.topology.fan_in).all() for a, b in zip(before, model.layers, strict=True)]
        assert before[0] != model.layers[0].topology != before[1]
    assert fan_in == {"keep_fan_in": [True] * 3, "uniform": [False, False, True]}


class Recorder:
    """An evidence that notes which places were looked at, and answers from a dense matrix."""

    def __init__(self, G):
        self.G, self.asked = G, []

    def of(self, layer):
        return self

    def gradient_at(self, rows, columns):
        self.asked += list(zip(rows.tolist(), columns.tolist(), strict=True))
        return self.G[rows, columns]


@given(st.data(), seeds, st.integers(1, 6))
def test_the_largest_of_the_candidates_grow(data, seed, candidates):
    topology, *_ = data.draw(weighted_topologies())
    free = {tuple(map(int, place)) for place in np.argwhere(~mask_of(topology))}
    n_new = data.draw(st.integers(0, len(free)))
    G = data.draw(hnp.arrays(np.float32, topology.shape, elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])))
    evidence = Recorder(G)
    rows, columns = regrowths.SampledGradient(candidates)(None, topology, n_new, evidence, generator(seed))
    grown = list(zip(rows.tolist(), columns.tolist(), strict=True))
    asked = evidence.asked
    assert len(asked) == len(set(asked)) == min(candidates * n_new, len(free))
    assert set(asked) <= free
    assert asked == sorted(asked)
    best = sorted(range(len(asked)), key=lambda k: (-abs(float(G[asked[k]])), k))[:n_new]
    assert grown == [asked[k] for k in sorted(best)]


def dense_gradients(model):
    """dW (n_out, n_in) of every layer for the batch of `evidence_of`, of all links that could be there: the dense twin's."""
    X, y = models.rows(N, dtype=np.float64)
    twin = models.twin(model)
    twin.masks = [np.ones(W.shape) for W in twin.W]
    return twin.gradient(X, y)[1]


def test_with_all_free_places_as_candidates_it_is_rigl():
    old, _, model, _, counts = evolved(SET(ZETA, regrowth=regrowths.SampledGradient(10**6)), dtype=np.float64)
    for l, G in enumerate(dense_gradients(old)[:2]):
        before, after = old.layers[l], mask_of(model.layers[l].topology)
        pruned = mask_of(before.topology)
        for k in naive.set_cut(before.w, ZETA):
            pruned[places_of(before.topology)[k]] = False
        size = np.where(pruned, -1, abs(G)).ravel()
        wanted = pruned.copy()
        wanted.flat[np.argsort(-size)[: counts[l][1]]] = True
        np.testing.assert_array_equal(after, wanted)


def test_more_candidates_find_larger_gradients():
    means = []
    for candidates in (1, 3, 30):
        old, _, model, _, _ = evolved(SET(ZETA, regrowth=regrowths.SampledGradient(candidates)), dtype=np.float64)
        new = mask_of(model.layers[0].topology) & ~mask_of(old.layers[0].topology)
        means.append(abs(dense_gradients(old)[0])[new].mean())
    assert means[0] < means[1] < means[2]


def test_the_gradient_of_any_link_is_the_dense_one():
    model = models.net(dtype=np.float64, dropout=0.5)  # evidence knows no dropout
    evidence = evidence_of(model)
    for layer, G in zip(model.layers, dense_gradients(model), strict=True):
        rows, columns = (a.ravel() for a in np.indices(layer.topology.shape))
        np.testing.assert_allclose(evidence.of(layer).gradient_at(rows, columns), G.ravel(), rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(evidence.gradient(layer), G[mask_of(layer.topology)], rtol=1e-10, atol=1e-14)


def test_places_looked_at_in_pieces_are_the_same(monkeypatch):
    model = models.net()
    flow = evidence_of(model).of(model.layers[0])
    rows, columns = (a.ravel() for a in np.indices(model.layers[0].topology.shape))
    whole = flow.gradient_at(rows, columns)
    monkeypatch.setattr(evolution.evidence, "AT_ONCE", 3 * N)
    np.testing.assert_array_equal(flow.gradient_at(rows, columns), whole)
    assert flow.gradient_at([], []).shape == (0,)


@pytest.mark.parametrize("regrowth", ["gradient", "keep_fan_in"])
def test_nothing_of_the_size_of_the_matrix_is_made(regrowth):
    n = 50_000  # 2.5e9 places, more than int32 can count
    model = sl.SparseMLP.create((n, n, 3), epsilon=0.5, seed=0)
    X, y = generator().standard_normal((4, n)).astype(np.float32), np.array([0, 1, 2, 0])
    evidence, before = Evidence(model, SoftmaxCrossEntropy(), X, y, np.arange(4)), model.layers[0].topology
    change = named("sensitivity", regrowth)(1, model, None, evidence, generator())[0]
    assert lawful(change.topology) if before.nnz < 1000 else change.topology.validate().nnz == before.nnz
    assert len(change.grown) == int(ZETA * before.nnz) > 10_000
    new = change.topology.indices[change.grown]
    assert new.max() > 0.999 * n
    assert abs(new.mean() / n - 0.5) < 0.02


def test_a_regrowth_is_not_asked_where_nothing_went():
    def fails(*arguments):
        raise AssertionError("asked for 0 links")

    counts = evolved(PruneRegrow(1e-6, criteria.magnitude, fails))[-1]
    assert counts == [(0, 0)] * 3


# criteria


@given(st.data(), shares)
def test_the_lowest_scores_go_and_ties_in_slot_order(data, zeta):
    kinds = st.sampled_from([np.float64, np.float32, np.int64, np.uint8])
    n, dtype = data.draw(st.integers(0, 30)), data.draw(kinds)
    scores = data.draw(hnp.arrays(dtype, n, elements=st.integers(0, 4)))
    keep = criteria.kept(scores if data.draw(st.booleans()) else scores.tolist() or scores, n, zeta)
    gone = sorted(range(n), key=lambda k: (float(scores[k]), k))[: int(zeta * n)]
    assert (keep.dtype, keep.shape) == (bool, (n,))
    assert np.flatnonzero(~keep).tolist() == sorted(gone)


@given(weighted_topologies(), shares)
def test_momentum_is_the_size_of_the_velocity(drawn, zeta):
    topology, w, velocity = drawn
    layer = SparseLinear(topology, w, np.zeros(topology.n_out, np.float32))
    keep = criteria.momentum(layer, LayerState([velocity], []), None, None, zeta)
    assert set(np.flatnonzero(~keep).tolist()) == naive.magnitude_cut(velocity, zeta)


def test_momentum_wants_a_velocity():
    for state in (None, [LayerState() for _ in range(3)]):
        with pytest.raises(ValueError, match="^criterion = 'momentum': must be used with an optimizer that keeps a velocity"):
            PruneRegrow(0.3, criteria.momentum)(1, models.net(), state, None, generator())


@pytest.mark.parametrize("zeta", [0.0, 0.1, 0.3, 1.0])
def test_sensitivity_is_weight_times_gradient_of_the_dense_twin(zeta):
    model = models.net(dtype=np.float64, dropout=0.5)
    for layer, G in zip(model.layers, dense_gradients(model), strict=True):
        keep = criteria.sensitivity(layer, None, evidence_of(model), None, zeta)
        scores = abs(layer.w * G[mask_of(layer.topology)])
        assert set(np.flatnonzero(~keep).tolist()) == set(np.argsort(scores)[: int(zeta * len(scores))].tolist())


def test_random_takes_every_link_alike():
    model, n = models.net(), 400
    layer = model.layers[1]
    gone = sum((~criteria.random(layer, None, None, generator(seed), ZETA)).astype(int) for seed in range(n))
    share = int(ZETA * layer.topology.nnz) / layer.topology.nnz
    assert gone.sum() == n * int(ZETA * layer.topology.nnz)
    assert abs(gone - n * share).max() < 5 * np.sqrt(n * share * (1 - share))


# schedules of zeta


def grown_by(zeta, epochs=6, **options):
    """Links grown in the first layer before each epoch, and their number."""
    model = models.net()
    rules = [PruneRegrow(zeta, criteria.magnitude)]
    settings = {"optimizer": MomentumSGD(0.05), "rules": rules, "epochs": epochs, "batch_size": 32, "threads": 1} | options
    records, _ = models.run(model, models.dataset(), **settings)
    return [record.grown for record in records if isinstance(record, EpochRecord)], model.nnz


@pytest.mark.parametrize(
    ("zeta", "shares_of"),
    [
        (0.4, [0.4] * 5),
        (Cosine(0.4, 4), [1e-6 + (0.4 - 1e-6) * (1 + np.cos(np.pi * min(e / 4, 1))) / 2 for e in range(1, 6)]),
        (Until(0.4, 3), [0.4, 0.4, 0, 0, 0]),
        (Until(Cosine(0.4, 6), 4), [*(1e-6 + (0.4 - 1e-6) * (1 + np.cos(np.pi * e / 6)) / 2 for e in (1, 2, 3)), 0, 0]),
        (lambda epoch: 0.5 / epoch, [0.5 / e for e in range(1, 6)]),
        (lambda epoch: epoch % 2, [1, 0, 1, 0, 1]),
        (Until(0.4, 0), [0] * 5),
    ],
    ids=["constant", "cosine", "until", "cosine until", "own", "every other epoch", "never"],
)
def test_links_grow_as_the_schedule_says(zeta, shares_of):
    grown, nnz = grown_by(zeta)
    assert grown == [(0, 0, 0)] + [(int(share * nnz[0]), int(share * nnz[1]), 0) for share in shares_of]


def test_a_schedule_goes_on_where_a_training_goes_on():
    whole, _ = grown_by(Until(Cosine(0.4, 6), 4))
    model, optimizer = models.net(), MomentumSGD(0.05)
    state, rules = TrainingState.start(model, optimizer, 5), [PruneRegrow(Until(Cosine(0.4, 6), 4), criteria.magnitude)]
    parts = []
    for epochs in (2, 1, 3):
        options = {"optimizer": optimizer, "rules": rules, "state": state, "epochs": epochs, "batch_size": 32}
        parts += [record.grown for record in sl.train(model, models.dataset(), **options)]
    assert parts == whole


@pytest.mark.parametrize(
    ("settings", "shares_of"),
    [
        ({}, [0.3] * 5),
        ({"zeta_stop": 3}, [0.3, 0.3, 0, 0, 0]),
        ({"zeta_schedule": "cosine"}, [0.15 * (1 + np.cos(np.pi * e / 6)) for e in range(1, 6)]),
        ({"zeta_schedule": "cosine", "zeta_stop": 4}, [*(0.15 * (1 + np.cos(np.pi * e / 4)) for e in (1, 2, 3)), 0, 0]),
        ({"zeta": 0.0, "zeta_schedule": "cosine", "zeta_stop": 4}, [0] * 5),
    ],
)
def test_the_schedule_that_a_config_names(settings, shares_of):
    zeta = zeta_of(sl.ExperimentConfig(epochs=6, **settings))
    found = [zeta(epoch) if callable(zeta) else zeta for epoch in range(1, 6)]
    np.testing.assert_allclose(found, shares_of, rtol=1e-3, atol=4e-4)


@pytest.mark.parametrize("share", [1.5, -0.1, float("nan"), None, "0.3", True, [0.3]], ids=range(7))
def test_a_schedule_that_says_nonsense_is_named(share):
    with pytest.raises((TypeError, ValueError), match=r"^zeta = .*: must be a number in \[0, 1\]"):
        grown_by(lambda epoch: share)


# plug-ins that answer nonsense


def scores(change):
    return lambda layer, state, evidence, rng, zeta: change(np.abs(layer.w))


def spoilt(values, bad):
    values[len(values) // 2] = bad
    return values


BAD_CRITERIA = {
    "too few scores": scores(lambda s: s[1:]),
    "too many scores": scores(lambda s: np.r_[s, 1]),
    "keep of wrong length": scores(lambda s: s[1:] > 0),
    "no answer": scores(lambda s: None),
    "one number": scores(lambda s: 0.3),
    "NaN": scores(lambda s: spoilt(s, np.nan)),
    "infinity": scores(lambda s: spoilt(s, -np.inf)),
    "complex": scores(lambda s: s + 1j),
    "text": scores(lambda s: s.astype(str)),
    "objects": scores(lambda s: s.astype(object)),
    "2-D": scores(lambda s: s[:, None]),
    "ragged": scores(lambda s: [[1], [2, 3]]),
    "slots": scores(lambda s: np.array(["keep"])),
}


def answered(change):
    return lambda layer, topology, n_new, evidence, rng: change(*regrowths.uniform(layer, topology, n_new, evidence, rng))


def occupied(layer, topology, n_new, evidence, rng):
    return topology.rows[:n_new], topology.indices[:n_new]


BAD_REGROWTHS = {
    "too few": answered(lambda r, c: (r[1:], c[1:])),
    "too many": answered(lambda r, c: (np.r_[r, 0], np.r_[c, 0])),
    "rows and columns unlike": answered(lambda r, c: (r, c[1:])),
    "no answer": answered(lambda r, c: None),
    "rows only": answered(lambda r, c: r),
    "three arrays": answered(lambda r, c: (r, c, c)),
    "one array": answered(lambda r, c: np.array([r, c])),
    "floats": answered(lambda r, c: (r.astype(float), c)),
    "float columns": answered(lambda r, c: (r, c + 0.5)),
    "bools": answered(lambda r, c: (r > 0, c)),
    "text": answered(lambda r, c: (r.astype(str), c)),
    "2-D": answered(lambda r, c: (r[:, None], c[:, None])),
    "ragged": answered(lambda r, c: ([[1], [2, 3]], c)),
    "nothing in it": answered(lambda r, c: (None, None)),
    "a row beyond": answered(lambda r, c: (r + 1000, c)),
    "a column beyond": answered(lambda r, c: (r, spoilt(c, 1000))),
    "a negative row": answered(lambda r, c: (spoilt(r, -1), c)),
    "a negative column": answered(lambda r, c: (r, c - 1000)),
    "the same twice": answered(lambda r, c: (spoilt(r, r[0]), spoilt(c, c[0]))),
    "occupied": occupied,
}
BAD = [("criterion", fault, plug_in) for fault, plug_in in BAD_CRITERIA.items()]
BAD += [("regrowth", fault, plug_in) for fault, plug_in in BAD_REGROWTHS.items()]
bad_plug_ins = pytest.mark.parametrize(("name", "plug_in"), [(n, p) for n, _, p in BAD], ids=[f"{n}-{f}" for n, f, _ in BAD])


def everything(model, state=None):
    """What must not change: links, weights, biases, the optimizer's vectors, ids."""
    ids = [model.neurons.ids(level).tolist() for level in range(len(model.sizes))]
    vectors = [[v.tobytes() for v in (*s.links, *s.neurons)] for s in state or ()]
    return models.fingerprint(model), vectors, ids, model.neurons.sizes


@bad_plug_ins
def test_a_bad_answer_is_named_and_nothing_changes(name, plug_in):
    model = models.net()
    state = moving(model)
    before = everything(model, state)
    with pytest.raises((TypeError, ValueError), match=f"(?s){name}"):
        PruneRegrow(ZETA, **{name: plug_in})(1, model, state, evidence_of(model), generator())
    assert everything(model, state) == before


@bad_plug_ins
def test_a_bad_answer_in_a_training_undoes_the_rules_before_it(name, plug_in):
    model, optimizer = models.net(), MomentumSGD(0.05)
    state = TrainingState.start(model, optimizer, 0)
    rules = [ImportancePruning(0.5, start=1), SET(ZETA), PruneRegrow(ZETA, **{name: plug_in})]
    records = sl.train(model, models.dataset(), optimizer=optimizer, state=state, rules=rules, epochs=2, batch_size=32)
    next(records)
    before = everything(model, state.optimizer)
    with pytest.raises((TypeError, ValueError), match=f"(?s){name}"):
        next(records)
    assert everything(model, state.optimizer) == before
    assert state.position == (1, 0, False, 0)
    assert model.sizes == models.SIZES
    good = sl.train(model, models.dataset(), optimizer=optimizer, state=state, rules=rules[:2], epochs=1, batch_size=32)
    assert next(good).neurons_pruned == (16, 9)  # and training can go on


@bad_plug_ins
def test_a_bad_answer_leaves_a_classifier_as_it_was(name, plug_in):
    X, y = models.rows(80)
    options = {"hidden_layer_sizes": (20,), "density": 0.3, "epochs": 2, "random_state": 0}
    bad = [PruneRegrow(ZETA, **{name: plug_in})]
    fitted = sl.SparseMLPClassifier(**options).fit(X, y)
    before, content = everything(fitted.model_), fitted.predict_proba(X)
    with pytest.raises((TypeError, ValueError), match=f"(?s){name}"):
        fitted.set_params(rules=bad).fit(X, y)
    assert everything(fitted.model_) == before
    np.testing.assert_array_equal(fitted.predict_proba(X), content)
    fresh = sl.SparseMLPClassifier(rules=bad, **options)
    with pytest.raises((TypeError, ValueError), match=f"(?s){name}"):
        fresh.fit(X, y)
    assert not hasattr(fresh, "model_")


@pytest.mark.parametrize("name", ["criterion", "regrowth"])
def test_an_error_of_a_plug_in_comes_out_as_it_is(name):
    def fails(*arguments):
        raise RuntimeError("mine")

    model, rules = models.net(), [PruneRegrow(ZETA, **{name: fails})]
    records = sl.train(model, models.dataset(), rules=[ImportancePruning(0.5, start=1), *rules], epochs=2)
    next(records)
    before = everything(model)
    with pytest.raises(RuntimeError, match="^mine$"):
        next(records)
    assert everything(model) == before


@pytest.mark.parametrize("name", ["criterion", "regrowth"])
@pytest.mark.parametrize("plug_in", [None, "magnitude", 3, [len], PruneRegrow, object()], ids=range(6))
@pytest.mark.parametrize("rule", [SET, PruneRegrow])
def test_what_is_no_function_is_refused_at_once(rule, name, plug_in):
    with pytest.raises(TypeError, match=rf"^{name} = .*: must be a function \(layer, "):
        rule(**{name: plug_in})


@pytest.mark.parametrize("candidates", [0, -1, 1.5, "10", None, True, [10], float("nan")])
def test_candidates_are_a_whole_number(candidates):
    with pytest.raises((TypeError, ValueError), match="^candidates = .*: must be a whole number >= 1"):
        regrowths.SampledGradient(candidates)


@pytest.mark.parametrize(
    ("rows", "columns", "name"),
    [
        ([0.5], [0], "rows"), ([0], ["a"], "columns"), ([0, 1], [0], "columns"), ([33], [0], "rows"), ([-1], [0], "rows"),
        ([0], [20], "columns"), ([0], [-1], "columns"), (None, None, "rows"), ([True], [0], "rows"), ([[0]], [[0]], "rows"),
    ],
)  # fmt: skip
def test_evidence_of_places_that_are_none_is_refused(rows, columns, name):
    model = models.net()
    with pytest.raises((TypeError, ValueError), match=f"^{name} = .*: must be "):
        evidence_of(model).of(model.layers[0]).gradient_at(rows, columns)


def test_evidence_of_a_foreign_layer_is_refused():
    model = models.net()
    for layer in (models.net().layers[0], None, 0):
        with pytest.raises(ValueError, match="^layer = .*: must be one of the layers of the model"):
            evidence_of(model).of(layer)


def test_rules_can_be_pickled():
    rule = SET(Until(Cosine(0.3, 5), 3), criteria.sensitivity, regrowths.SampledGradient(3))
    assert pickle.loads(pickle.dumps(rule)) == rule
