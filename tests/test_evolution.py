"""SET exactly as published, rules as plain functions, and `apply`, which changes everything or nothing."""

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from strategies import mask_of, places_of, seeds, shares, topology_of, weighted_topologies

from sparselab import evolution
from sparselab.evolution import SET, Evidence, PruneRegrow, criteria, magnitude, magnitude_within_sign, new_values
from sparselab.nn.linear import SparseLinear
from sparselab.nn.losses import MeanSquaredError, SoftmaxCrossEntropy
from sparselab.nn.mlp import SparseMLP
from sparselab.nn.optimizers import LayerState, MomentumSGD
from sparselab.topology.rewiring import Rewiring, rewire


def generator(seed=0):
    return np.random.default_rng(seed)


def single(topology, w):
    return SparseLinear(topology, w.copy(), np.zeros(topology.n_out, w.dtype))


def dropped(criterion, topology, w, zeta):
    keep = criterion(single(topology, w), None, None, None, zeta)
    assert (keep.dtype, keep.shape) == (bool, w.shape)
    return set(np.flatnonzero(~keep).tolist())


# criteria


@given(weighted_topologies(), shares)
def test_set_drops_the_smallest_of_each_sign_ties_in_slot_order(drawn, zeta):
    topology, w, _ = drawn
    for dtype in (np.float32, np.float64):
        assert dropped(magnitude_within_sign, topology, w.astype(dtype), zeta) == naive.set_cut(w, zeta)


@given(weighted_topologies(), shares)
def test_magnitude_drops_the_smallest_whatever_their_sign(drawn, zeta):
    topology, w, _ = drawn
    assert dropped(magnitude, topology, w, zeta) == naive.magnitude_cut(w, zeta)


@pytest.mark.parametrize("zeta", [0.0, 0.001, 0.1, 0.29, 0.3, 0.5, 0.999, 1.0])
def test_set_drops_the_floor_of_each_share(zeta):
    w = generator().standard_normal(1003).astype(np.float32)
    gone = dropped(magnitude_within_sign, topology_of(np.ones((17, 59), bool)), w, zeta)
    for sign in (1, -1):
        of_sign = np.flatnonzero(sign * w > 0)
        cut = sorted(abs(w[of_sign]))[: int(zeta * len(of_sign))]
        assert sorted(abs(w[k]) for k in gone if sign * w[k] > 0) == cut


def test_weights_that_are_zero_go_first():
    """New links start at 0: one that is still there has had no gradient, such as one from an input that never changes."""
    w = np.array([0.0, -0.0, 1, -1, 2, -2], np.float32)
    for zeta, gone in ((0.17, {0}), (0.34, {0, 1}), (0.5, {0, 1}), (0.67, {0, 1, 2, 3}), (1.0, set(range(6)))):
        assert dropped(magnitude_within_sign, topology_of(np.ones((2, 3), bool)), w, zeta) == gone


def test_one_sign_only():
    for w in (np.arange(1, 7), -np.arange(1, 7)):
        assert dropped(magnitude_within_sign, topology_of(np.ones((2, 3), bool)), w.astype(np.float32), 0.5) == {0, 1, 2}


# the step as a whole


def evolved(model, rule=None, epoch=1, seed=0):
    """(model, state, counts, before): one rule applied to a net with a recognisable velocity."""
    state = MomentumSGD().init(model)
    for l, s in enumerate(state):
        s.links[0][:] = np.arange(len(s.links[0])) + 1000 * (l + 1)
        s.neurons[0][:] = -np.arange(len(s.neurons[0])) - 1
    before = model.snapshot(), [(s.links[0].copy(), s.neurons[0].copy()) for s in state]
    rng = generator(seed)
    rule = rule or SET(0.3, new_values="initializer")
    counts = evolution.apply(rule(epoch, model, state, None, rng), model, state, rng)
    return model, state, counts, before


@given(weighted_topologies(), shares, seeds)
def test_set_keeps_survivors_and_starts_new_links_at_rest(drawn, zeta, seed):
    topology, w, _ = drawn
    layers = [
        single(topology, w),
        SparseLinear(topology_of(np.ones((1, topology.n_out))), *(np.ones(n, np.float32) for n in (topology.n_out, 1))),
    ]
    model, state, counts, (before, velocity) = evolved(
        SparseMLP(layers, "relu", initializer=lambda *a, slots=None: 99.0), SET(zeta, new_values="initializer"), seed=seed
    )
    cut = set() if mask_of(topology).all() else naive.set_cut(w, zeta)  # a dense layer has nowhere to grow
    new, survivors = model.layers[0], set(range(topology.nnz)) - cut
    old = {place: k for k, place in enumerate(places_of(topology)) if k in survivors}
    for place, value, v in zip(places_of(new.topology), new.w, state[0].links[0], strict=True):
        if place in old:
            assert (value.tobytes(), v) == (w[old[place]].tobytes(), velocity[0][0][old[place]])
        else:
            assert (value, v) == (99, 0)
    assert old.keys() <= set(places_of(new.topology))
    assert new.topology.validate().nnz == topology.nnz
    assert counts == [(topology.nnz - len(survivors),) * 2, (0, 0)]
    assert state[0].neurons[0].tolist() == velocity[0][1].tolist()
    assert model.layers[1].w.tolist() == before.weights[1].tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_set_leaves_the_output_layer_biases_and_dtypes(dtype):
    model, state, counts, (before, velocity) = evolved(models.net(dtype=dtype))
    assert model.layers[-1].topology is before.topologies[-1]
    assert counts[-1] == (0, 0)
    for l, layer in enumerate(model.layers):
        np.testing.assert_array_equal(layer.b, before.biases[l])
        np.testing.assert_array_equal(state[l].neurons[0], velocity[l][1])
        arrays = layer.w, layer.b, state[l].links[0], state[l].neurons[0]
        assert {a.dtype for a in arrays} == {np.dtype(dtype)}
        assert len(state[l].links[0]) == layer.topology.nnz == len(before.weights[l])


def test_new_values_come_from_the_models_initializer_for_the_new_slots():
    asked = []

    def initializer(topology, rng, dtype, slots=None):
        asked.append((topology, slots))
        return np.arange(len(slots)).astype(dtype) + 500

    model = models.net()
    model.initializer = initializer
    model, _, counts, (before, _) = evolved(model)
    for l, (topology, slots) in enumerate(asked):
        assert topology is model.layers[l].topology
        assert model.layers[l].w[slots].tolist() == (np.arange(counts[l][1]) + 500).tolist()
        assert (np.delete(model.layers[l].w, slots) < 500).all()
    assert len(asked) == 2


def moved(model, **options):
    """The rewirings of a rule whose evidence is a batch."""
    return PruneRegrow(0.3, **options)(1, model, None, evidence_of(model), generator())


def evidence_of(model):
    data = models.dataset(40, dtype=model.dtype)
    return Evidence(model, SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(40))


def test_new_links_start_at_zero_unless_something_else_is_chosen():
    model = models.net()
    rewirings = moved(model)
    evolution.apply(rewirings, model, None, generator())
    for layer, rewiring in zip(model.layers[:-1], rewirings, strict=False):
        assert len(rewiring.grown) > 0
        assert (layer.w[rewiring.grown] == 0).all()
    assert SET(0.3).new_values == PruneRegrow().new_values == "zero"


def test_last_keeps_the_value_of_a_place_that_is_pruned_and_grown_at_once():
    model = models.net((20, 6, 6, 4), density=0.9)
    before = [dict(zip(places_of(layer.topology), layer.w.tolist(), strict=True)) for layer in model.layers]
    rewirings = moved(model, new_values="last", criterion=criteria.random)
    evolution.apply(rewirings, model, None, generator())
    again = 0
    for layer, rewiring, old in zip(model.layers[:-1], rewirings, before, strict=False):
        found = places_of(layer.topology)
        for slot in rewiring.grown:
            assert layer.w[slot] == old.get(found[slot], 0)
            again += found[slot] in old
    assert again > 5


@pytest.mark.parametrize("sign", [False, True])
def test_gradient_values_are_those_of_one_step(sign):
    model = models.net(dtype=np.float64)
    dense = naive_gradients(model)
    rewirings = moved(model, new_values=new_values.Gradient(0.25, sign))
    evolution.apply(rewirings, model, None, generator())
    for layer, rewiring, G in zip(model.layers[:-1], rewirings, dense, strict=False):
        grown = [places_of(layer.topology)[slot] for slot in rewiring.grown]
        wanted = np.array([-0.25 * (np.sign(G[place]) if sign else G[place]) for place in grown])
        np.testing.assert_allclose(layer.w[rewiring.grown], wanted, rtol=1e-9, atol=1e-15)


def naive_gradients(model):
    """The gradient of every place of every layer, by dense products."""
    return [flow.dZ @ flow.X.T for flow in evidence_of(model).flows]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: np.zeros(n + 1), "new_values's result.*shape"),
        (lambda n: np.full(n, np.nan), "new_values's result.*finite"),
        (lambda n: "zero", "new_values's result"),
        (lambda n: None, "new_values's result"),
    ],
)
def test_bad_new_values_are_named_and_nothing_moves(answer, words):
    model = models.net()
    before = models.fingerprint(model)
    with pytest.raises((TypeError, ValueError), match=words):
        moved(model, new_values=lambda layer, rewiring, evidence, rng: answer(len(rewiring.grown)))
    assert models.fingerprint(model) == before


@pytest.mark.parametrize("wrong", ["zeros", "", 0, None, float, [0.0]])
def test_new_values_are_one_of_the_names_or_a_function(wrong):
    with pytest.raises((TypeError, ValueError), match="new_values"):
        SET(0.3, new_values=wrong)


def test_zeta_zero_changes_nothing_and_one_changes_all():
    model, _, counts, (before, _) = evolved(models.net(), SET(0.0))
    assert counts == [(0, 0)] * 3
    assert all(layer.topology is t for layer, t in zip(model.layers, before.topologies, strict=True))
    model, state, counts, (before, _) = evolved(models.net(), SET(1.0))
    assert counts == [(n, n) for n in model.nnz[:-1]] + [(0, 0)]
    assert (state[0].links[0] == 0).all()


def test_zeta_may_be_a_function_of_the_epoch():
    rule = SET(lambda epoch: 0.5 if epoch == 3 else 0.0)
    assert evolved(models.net(), rule, epoch=2)[2] == [(0, 0)] * 3
    assert evolved(models.net(), rule, epoch=3)[2][0][0] > 0


def test_a_full_layer_has_nowhere_to_grow_and_stays():
    model, _, counts, (before, _) = evolved(models.net(density=1.0))
    assert counts == [(0, 0)] * 3
    assert all(layer.topology is t for layer, t in zip(model.layers, before.topologies, strict=True))


def test_a_nearly_full_layer_evolves():
    model = models.net(density=1.0)
    keep = np.ones(model.nnz[0], bool)
    keep[7] = False
    evolution.apply([rewire(model.layers[0].topology, keep), None, None], model, None, generator())
    model, state, counts, _ = evolved(model)
    assert counts[0][0] == counts[0][1] > 0
    assert (state[0].links[0] == 0).sum() == counts[0][1]
    assert (~mask_of(model.layers[0].topology)).sum() == 1


def test_new_links_without_weight_leave_the_function_of_the_survivors():
    model = models.net(dtype=np.float64)
    model.initializer = lambda topology, rng, dtype, slots=None: np.zeros(len(slots))
    X, _ = models.rows(dtype=np.float64)
    pruned = models.twin(model)
    for W, layer in zip(pruned.W[:-1], model.layers, strict=False):
        for k in naive.set_cut(layer.w, 0.3):
            W[places_of(layer.topology)[k]] = 0
    model, *_ = evolved(model)
    np.testing.assert_allclose(models.twin(model).forward(X)[2], pruned.forward(X)[2], rtol=1e-12, atol=1e-12)


def test_evolution_repeats_with_its_generator():
    a, b, c = (evolved(models.net(), seed=seed)[0] for seed in (1, 1, 2))
    assert models.fingerprint(a) == models.fingerprint(b) != models.fingerprint(c)


# plug-ins


def test_a_criterion_is_a_function():
    seen = []

    def by_velocity(layer, state, evidence, rng, zeta):
        seen.append((layer, state, zeta))
        return state.links[0] % 2 == 0

    model, state, counts, _ = evolved(models.net(), PruneRegrow(0.4, by_velocity))
    assert [entry[2] for entry in seen] == [0.4, 0.4]
    assert (state[0].links[0] % 2 == 0).all()
    assert counts[0][0] == counts[0][1] > 0


@pytest.mark.parametrize("answer", [np.ones(3, bool), np.ones(5), None, "keep"])
def test_a_criterion_that_answers_nonsense_is_named(answer):
    model = models.net()
    before = models.fingerprint(model)
    with pytest.raises(ValueError, match="keep = .*must be a bool array"):
        evolved(model, PruneRegrow(0.3, lambda *arguments: answer))
    assert models.fingerprint(model) == before


# apply: all or nothing


def shrunk(model, gone):
    """Rewirings that take hidden neurons `gone` of the first hidden layer away."""
    first, second = (layer.topology for layer in model.layers[:2])
    stay = np.setdiff1d(np.arange(first.n_out), gone)
    rows, columns = mask_of(first), mask_of(second)
    parts = []
    for mask, t, which in ((rows, first, {"rows": stay}), (columns, second, {"cols": stay})):
        small = mask[stay] if "rows" in which else mask[:, stay]
        slots = np.full(mask.shape, -1)
        slots[mask] = np.arange(t.nnz)
        slots = slots[stay] if "rows" in which else slots[:, stay]
        parts.append(Rewiring(topology_of(small), slots[small], t.nnz, **which))
    return [*parts, *[None] * (len(model.layers) - 2)]


def test_neurons_without_links_can_go_without_a_trace():
    model = models.net(dtype=np.float64, activation="relu")
    gone = [0, 7, 32]
    keep = ~np.isin(model.layers[0].topology.rows, gone)
    evolution.apply([rewire(model.layers[0].topology, keep), None, None], model, None, generator())
    X, _ = models.rows(dtype=np.float64)
    before, state = models.twin(model).forward(X)[2], MomentumSGD().init(model)
    state[0].neurons[0][:] = np.arange(33)
    counts = evolution.apply(shrunk(model, gone), model, state, generator())
    assert model.sizes == (20, 30, 18, 4)
    assert counts[0] == (0, 0)
    assert counts[1][0] > 0
    assert state[0].neurons[0].tolist() == [j for j in range(33) if j not in gone]
    assert [len(s.links[0]) for s in state] == list(model.nnz)
    np.testing.assert_allclose(models.twin(model).forward(X)[2], before, rtol=1e-12)


def bad_rewirings():
    """(name, function(model) -> answer of a rule) that must be refused as a whole: the first layer's part is always fine."""
    good = lambda model: rewire(model.layers[0].topology, np.zeros(model.nnz[0], bool), model.nnz[0], rng=generator())

    def second(make):
        return lambda model: [good(model), make(model, model.layers[1].topology, np.arange(model.nnz[1])), None]

    return {
        "too few": lambda model: [good(model), None],
        "too many": lambda model: [good(model), None, None, None],
        "not a rewiring": second(lambda model, t, origin: t),
        "starts elsewhere": second(lambda model, t, origin: Rewiring(t, origin, t.nnz + 1)),
        "origin too short": second(lambda model, t, origin: Rewiring(t, origin[1:], t.nnz)),
        "origin too long": second(lambda model, t, origin: Rewiring(t, np.append(origin, 0), t.nnz)),
        "origin out of range": second(lambda model, t, origin: Rewiring(t, np.append(origin[1:], t.nnz), t.nnz)),
        "origin below -1": second(lambda model, t, origin: Rewiring(t, np.append(origin[1:], -2), t.nnz)),
        "origin not whole": second(lambda model, t, origin: Rewiring(t, origin.astype(float), t.nnz)),
        "rows too short": second(lambda model, t, origin: Rewiring(t, origin, t.nnz, rows=np.arange(t.n_out - 1))),
        "a narrower layer alone": lambda model: [good(model), shrunk(model, [0])[1], None],
        "other inputs": lambda model: [Rewiring(topology_of(np.zeros((33, 21))), origin_of(0), model.nnz[0]), None, None],
        "other outputs": lambda model: [
            None,
            None,
            Rewiring(topology_of(np.zeros((5, 18))), origin_of(0), model.nnz[2], rows=np.arange(5) % 4),
        ],
    }


def origin_of(n):
    return np.arange(n, dtype=np.int64)


@pytest.mark.parametrize("make", bad_rewirings().values(), ids=bad_rewirings().keys())
def test_a_bad_answer_of_a_rule_changes_nothing(make):
    model = models.net()
    state = [
        LayerState([np.arange(n, dtype=np.float32)], [np.ones(len(a.b), np.float32)])
        for n, a in zip(model.nnz, model.layers, strict=True)
    ]
    before, topologies = models.fingerprint(model), [layer.topology for layer in model.layers]
    with pytest.raises((ValueError, TypeError)):
        evolution.apply(make(model), model, state, generator())
    assert models.fingerprint(model) == before
    assert all(layer.topology is t for layer, t in zip(model.layers, topologies, strict=True))
    assert [s.links[0].tolist() for s in state] == [list(range(n)) for n in model.nnz]


def test_an_initializer_of_the_wrong_length_changes_nothing():
    model = models.net()
    model.initializer = lambda topology, rng, dtype, slots=None: np.zeros(3, dtype)
    before = models.fingerprint(model)
    with pytest.raises(ValueError):
        evolved(model)
    assert models.fingerprint(model) == before


def test_none_means_no_change():
    model = models.net()
    before = models.fingerprint(model)
    assert evolution.apply([None] * 3, model, None, generator()) == [(0, 0)] * 3
    assert models.fingerprint(model) == before


# evidence


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 8, 13, 70, 150])
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError()])
def test_evidence_is_what_flows_in_the_dense_twin(dtype, n, loss):
    model, (X, y) = models.net(dtype=dtype, dropout=0.3), models.rows(200, dtype=dtype)
    targets, samples = loss.targets(y, 4, dtype), generator().permutation(200)[:n]
    flows = Evidence(model, loss, X, targets, samples).flows
    slow = models.twin(model)
    slow.masks = [np.ones(W.shape) for W in slow.W]  # the gradient of links that could be
    inputs, _, _ = slow.forward(X[samples])
    _, dW, db = slow.gradient(X[samples], targets[samples], "softmax" if loss.code == 0 else "squared")
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-13}
    for (values, delta), value, dense, bias in zip(flows, inputs, dW, db, strict=True):
        np.testing.assert_allclose(values, value.T, **tolerance)
        np.testing.assert_allclose(delta @ values.T, dense, **tolerance)
        np.testing.assert_allclose(delta.sum(axis=1), bias, **tolerance)
