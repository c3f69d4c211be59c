"""sparselab.testing: what is right passes, and each kind of mistake is caught and named."""

import models
import numpy as np
import pytest
from strategies import places_of
from test_hostile_rules import METHODS

import sparselab as sl
from sparselab.testing import check_gradients, check_rule, gradient_errors, links, links_after, net_from_masks


@pytest.mark.parametrize("name", METHODS)
def test_every_rule_of_the_package_passes(name):
    check_rule(METHODS[name](), epochs=3)


@pytest.mark.parametrize("rule", [sl.ImportancePruning(0.5, start=1), sl.TopKAST(density=0.2, every="2 steps")])
def test_rules_that_remove_neurons_or_optimize_pass(rule):
    check_rule(rule, net_from_masks([np.ones((12, 9)), np.ones((4, 12))], dtype="float32"))


def replaced(model, number, make):
    """No change but in one layer."""
    return [make(layer.topology) if n == number else None for n, layer in enumerate(model.layers)]


def without_last(topology, **changes):
    """The Rewiring that removes the last link, with other fields in place of its own."""
    one = sl.rewire(topology, np.arange(topology.nnz) < topology.nnz - 1)
    return sl.Rewiring(**{"topology": one.topology, "origin": one.origin, "n_before": one.n_before} | changes)


def shifts_origins(epoch, model, state, evidence, rng):
    return replaced(model, 0, lambda t: without_last(t, origin=np.arange(t.nnz - 1)[::-1].copy()))


def doubles_a_column(epoch, model, state, evidence, rng):
    def double(t):
        row = int(np.argmax(t.fan_in > 1))
        indices = t.indices.copy()
        indices[t.indptr[row] + 1] = indices[t.indptr[row]]
        return sl.Rewiring(sl.Topology(t.n_out, t.n_in, t.indptr, indices), np.arange(t.nnz), t.nnz)

    return replaced(model, 0, double)


def writes_weights(epoch, model, state, evidence, rng):
    model.layers[1].w[:] = 0
    return [None] * len(model.layers)


def writes_velocities(epoch, model, state, evidence, rng):
    state[0].links[0][:1] += 1
    return [None] * len(model.layers)


def draws_elsewhere(epoch, model, state, evidence, rng, own=np.random.default_rng(0)):  # noqa: B008
    return [sl.rewire(layer.topology, own.random(layer.topology.nnz) < 0.5) for layer in model.layers]


class Counts:
    """A rule that remembers on itself how often it was called."""

    calls = 0

    def __call__(self, epoch, model, state, evidence, rng):
        self.calls += 1
        return [sl.rewire(layer.topology, np.arange(layer.topology.nnz) >= self.calls) for layer in model.layers]


def remembers_an_object(epoch, model, state, evidence, rng):
    evidence.memory["seen"] = {1, 2}
    return [None] * len(model.layers)


def divides_by_links(epoch, model, state, evidence, rng):
    return [None if 1 // layer.topology.nnz else None for layer in model.layers]


def returns_one_too_few(epoch, model, state, evidence, rng):
    return [None] * (len(model.layers) - 1)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (shifts_origins, r"usual net, event before epoch 2, layer 1: link .* has the origin .*, which was at"),
        (doubles_a_column, r"usual net, event before epoch 2: ValueError: indices\["),
        (writes_weights, "the rule changed weights of layer 2 itself"),
        (writes_velocities, "the rule changed vector 0 of the optimizer's state of layer 1 itself"),
        (draws_elsewhere, "a second run with the same seed has other links"),
        (Counts(), "a second run with the same seed has other links"),
        (remembers_an_object, r"TypeError: evidence.memory.* = \{1, 2\}"),
        (divides_by_links, "a net whose second layer has no links, event before epoch 2: ZeroDivisionError"),
        (returns_one_too_few, "ValueError: rewirings: got 2"),
        (lambda *arguments: None, "usual net, event before epoch 2: TypeError"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_rule_is_caught(rule, message):
    with pytest.raises(AssertionError, match=message):
        check_rule(rule)


def test_the_net_itself_is_not_changed():
    model = models.net()
    before = models.fingerprint(model)
    check_rule(sl.SET(0.5), model)
    assert models.fingerprint(model) == before


@pytest.mark.parametrize("arguments", [(3,), (sl.SET,), (sl.SET(0.3), "net")])
def test_arguments_of_another_kind_are_refused(arguments):
    with pytest.raises(TypeError):
        check_rule(*arguments)


def test_a_run_of_one_epoch_has_no_event():
    with pytest.raises(ValueError, match="epochs = 1"):
        check_rule(sl.SET(0.3), epochs=1)


# twins


def test_links_are_those_of_the_layer():
    layer = models.net().layers[0]
    assert list(links(layer)) == places_of(layer.topology)
    assert list(links(layer).values()) == layer.w.tolist()
    assert links(layer, np.arange(layer.topology.nnz)) == {place: k for k, place in enumerate(places_of(layer.topology))}
    with pytest.raises(AssertionError, match="2 numbers"):
        links(layer, [1, 2])


def test_links_after_an_event_are_what_apply_makes():
    """Also where neurons go, and with the rewiring's values for new links."""
    model, rng = net_from_masks([np.ones((5, 4)), np.ones((2, 5))]), np.random.default_rng(0)
    gone = [np.array([True, False, False, True, False])]
    changes = sl.evolution.shrink(model, gone)
    wanted = [links_after(layer, change) for layer, change in zip(model.layers, changes, strict=True)]
    sl.evolution.apply(changes, model, None, rng)
    assert [links(layer) for layer in model.layers] == wanted
    change = sl.rewire(model.layers[0].topology, np.arange(12) > 3, 2, rng=rng)
    change = sl.Rewiring(change.topology, change.origin, change.n_before, new_values=np.array([7.0, 8.0]))
    wanted = links_after(model.layers[0], change)
    sl.evolution.apply([change, None], model, None, rng)
    assert links(model.layers[0]) == wanted
    assert {7.0, 8.0} <= set(wanted.values())


# gradients


class Swish:
    factor = 1

    def forward(self, Z):
        return Z / (1 + np.exp(-Z))

    def gradient(self, Z):
        s = 1 / (1 + np.exp(-Z))
        return self.factor * (s + Z * s * (1 - s))


class Wrong(Swish):
    factor = 1 + 1e-5


def samples(n_out, n=11):
    random = np.random.default_rng(1)
    return random.standard_normal((n, 6)), random.integers(0, n_out, n)


@pytest.mark.parametrize("activation", ["relu", "all_relu", "srelu", "taaf", "tanh", Swish()])
def test_right_gradients_pass(activation):
    masks = np.random.default_rng(0).random((7, 6)) < 0.5, np.ones((3, 7), bool)
    model = net_from_masks(masks, activation)
    before = models.fingerprint(model)
    check_gradients(model, *samples(3))
    check_gradients(model, samples(3)[0], np.random.default_rng(2).standard_normal((11, 3)), "mean_squared_error")
    assert models.fingerprint(model) == before


def test_a_wrong_gradient_is_named():
    with pytest.raises(AssertionError, match="weights of layer 1: relative error .*e-06"):
        check_gradients(net_from_masks([np.ones((7, 6)), np.ones((3, 7))], Wrong()), *samples(3))


def test_a_wrong_loss_is_named():
    class Half(sl.SoftmaxCrossEntropy):
        code = None

        def on_tile(self, Z, targets, chosen, first, count, scale, dZ):
            found = super().on_tile(Z, targets, chosen, first, count, scale, dZ)
            dZ *= 0.5
            return found

    with pytest.raises(AssertionError, match="weights of layer 1"):
        check_gradients(net_from_masks([np.ones((7, 6)), np.ones((3, 7))], "tanh"), *samples(3), Half())


def test_gradients_need_float64_and_samples_away_from_kinks():
    with pytest.raises(ValueError, match="model.dtype"):
        check_gradients(models.net((6, 7, 3)), *samples(3))
    model = net_from_masks([np.ones((7, 6)), np.ones((3, 7))], "relu")
    model.layers[0].b[:] = 0
    with pytest.raises(ValueError, match="kinks"):
        check_gradients(model, np.zeros((4, 6)), [0, 1, 2, 0])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda model, X, y: check_gradients(model, X[:, :5], y), "X has 5 features: must be 6"),
        (lambda model, X, y: check_gradients(model, X[0], y), "^X"),
        (lambda model, X, y: check_gradients(model, X, y[:10]), "y has 10 entries: must be 11"),
        (lambda model, X, y: gradient_errors(model, X[:, :5], y, sl.SoftmaxCrossEntropy()), "X has 5 features: must be 6"),
        (lambda model, X, y: gradient_errors(model, X, y[:10], sl.SoftmaxCrossEntropy()), "y has 10 entries: must be 11"),
        (lambda model, X, y: gradient_errors(model, X, y + 50_000, sl.SoftmaxCrossEntropy()), "labels in"),
        (lambda model, X, y: gradient_errors(model, X, X, sl.MeanSquaredError()), "3"),
        (lambda model, X, y: check_gradients(model, X, y, most=-1), "most = -1"),
        (lambda model, X, y: net_from_masks([[1, 0, 1]]), r"masks\[0\] = \[1, 0, 1\]: must be a bool array of shape"),
        (lambda model, X, y: net_from_masks([[[1, 0, 1]]], seed=-1), "seed = -1"),
        (lambda model, X, y: check_rule(sl.SET(0.3), seed=-1), "seed = -1"),
    ],
)
def test_what_does_not_fit_is_named_before_a_kernel_sees_it(call, message):
    model = net_from_masks([np.ones((7, 6)), np.ones((3, 7))], "tanh")
    with pytest.raises(ValueError, match=message):
        call(model, *samples(3))


def test_errors_name_trained_values_by_their_number_in_the_layer():
    model = net_from_masks([np.ones((7, 6)), np.ones((5, 7)), np.ones((3, 5))], "srelu")
    names = [name for name in gradient_errors(model, *samples(3), sl.SoftmaxCrossEntropy()) if "value" in name]
    assert names == [f"trained value {k} of layer {layer}" for layer in (1, 2) for k in (1, 2, 3, 4)]
