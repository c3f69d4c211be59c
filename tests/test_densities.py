"""How many links an event leaves: density schedules, cut in each layer or over all, and links beyond it, against dense twins."""

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import lawful, places_of

import sparselab as sl
from sparselab import evolution
from sparselab.evolution import PruneRegrow


def net(seed=0, density=0.5):
    return sl.SparseMLP.create((9, 8, 7, 4), density=density, exact=True, dtype="float64", activation="relu", seed=seed)


def evolved(model, rule, epoch=1):
    """The model after an event, and the numbers of links (pruned, grown) of each layer."""
    data, after = models.dataset(30, features=9, dtype=np.float64), model.copy()
    evidence = evolution.Evidence(after, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(30))
    counts = evolution.apply(rule(epoch, after, None, evidence, np.random.default_rng(0)), after, None, np.random.default_rng(0))
    for layer in after.layers:
        assert lawful(layer.topology)
    return after, counts


def links(layer):
    return dict(zip(places_of(layer.topology), layer.w, strict=True))


@given(seed=st.integers(0, 500), density=st.floats(0.05, 1.0))
def test_a_cut_of_each_layer_keeps_its_largest_links(seed, density):
    model = net(seed)
    after, counts = evolved(model, PruneRegrow(0, density=density, criterion=sl.criteria.magnitude))
    places = [layer.topology.n_out * layer.topology.n_in for layer in model.layers[:2]]
    wanted = round(density * sum(places)) / sum(model.nnz[:2])
    for old, new in zip(model.layers[:2], after.layers[:2], strict=True):
        n = max(1, round(old.topology.nnz * min(1, wanted)))
        kept = sorted(links(old).items(), key=lambda link: -abs(link[1]))[:n]
        assert links(new) == dict(kept)
    assert after.layers[2].topology is model.layers[2].topology
    assert all(grown == 0 for _, grown in counts)


@given(seed=st.integers(0, 500), density=st.floats(0.02, 1.0))
def test_a_global_cut_keeps_the_largest_links_of_all_layers(seed, density):
    model = net(seed)
    after, _ = evolved(model, PruneRegrow(0, density=density, cut="global", criterion=sl.criteria.magnitude, layers="all"))
    old = {(l, *place): w for l, layer in enumerate(model.layers) for place, w in links(layer).items()}
    n = round(density * sum(layer.topology.n_out * layer.topology.n_in for layer in model.layers))
    kept = dict(sorted(old.items(), key=lambda link: -abs(link[1]))[:n])
    for l, layer in enumerate(model.layers):  # at least the largest one of each layer
        if not any(place[0] == l for place in kept):
            place = max(((l, *p) for p in links(layer)), key=lambda place: abs(old[place]))
            kept[place] = old[place]
    assert {(l, *place): w for l, layer in enumerate(after.layers) for place, w in links(layer).items()} == kept


@given(seed=st.integers(0, 500), density=st.floats(0.1, 0.5), zeta=st.floats(0, 1), cut=st.sampled_from(["layer", "global"]))
def test_after_the_cut_a_share_is_replaced(seed, density, zeta, cut):
    model = net(seed)
    rule = PruneRegrow(zeta, density=density, cut=cut, criterion=sl.criteria.magnitude, regrowth=sl.regrowths.ExactGradient())
    only_cut = evolved(model, PruneRegrow(0, density=density, cut=cut, criterion=sl.criteria.magnitude))[0]
    after, _ = evolved(model, rule)
    assert after.nnz == only_cut.nnz
    for old, fewer, new in zip(model.layers[:2], only_cut.layers[:2], after.layers[:2], strict=True):
        n = int(zeta * fewer.topology.nnz)
        weakest = naive.magnitude_cut(fewer.w, zeta)
        stays = {place: w for k, (place, w) in enumerate(links(fewer).items()) if k not in weakest}
        assert stays.items() <= links(new).items()
        assert len(links(new)) - len(stays) == n
        assert set(stays) <= set(links(old))


@given(seed=st.integers(0, 500), extra=st.floats(0, 0.3))
def test_extra_links_grow_and_go_again(seed, extra):
    model, rule = net(seed), PruneRegrow(0, density=0.4, extra=extra, criterion=sl.criteria.magnitude)
    sizes = [layer.topology.n_out * layer.topology.n_in for layer in model.layers[:2]]
    first, _ = evolved(model, rule)
    base = evolved(model, PruneRegrow(0, density=0.4, criterion=sl.criteria.magnitude))[0].nnz
    assert first.nnz[:2] == tuple(n + round(extra * size) for n, size in zip(base, sizes, strict=False))
    second, _ = evolved(first, rule)
    assert abs(sum(second.nnz[:2]) - sum(first.nnz[:2])) <= 2  # where the share of a layer is rounded


def test_extra_links_that_do_not_fit_in_a_layer_are_named():
    masks = [np.ones((7, 9)), np.eye(6, 7), np.ones((3, 6))]
    rule = PruneRegrow(0, density=0.5, extra=0.5, criterion=sl.criteria.magnitude)
    with pytest.raises(ValueError, match="extra = 0.5: must be at most 0.* here: of a layer's 63 positions"):
        evolved(models.from_masks(masks), rule)


@given(seed=st.integers(0, 500))
def test_a_net_below_the_density_grows_by_extra_until_it_is_there(seed):
    model, rule = sl.SparseMLP.create((9, 7, 6, 3), density=0.1, exact=True, seed=seed), PruneRegrow(0, density=0.4, extra=0.1)
    sizes, found = np.array([63, 42]), []
    for _ in range(6):
        model = evolved(model, rule)[0]
        found.append(sum(model.nnz[:2]))
    steps = round(0.1 * 63) + round(0.1 * 42)
    assert found[:3] == [round(0.1 * 63) + round(0.1 * 42) + steps * n for n in (1, 2, 3)]
    assert abs(found[-1] - 0.5 * sizes.sum()) <= 3


def test_a_training_follows_a_schedule_and_ends_where_it_should():
    schedule = lambda epoch: max(0.1, 0.5 - 0.1 * epoch)
    model, data = sl.SparseMLP.create((20, 30, 30, 4), density=0.5, exact=True, seed=0), models.dataset(60)
    rule = PruneRegrow(0.2, density=schedule, regrowth=sl.regrowths.gradient, every="3 steps")
    for record in sl.train(model, data, rules=[rule], epochs=6, batch_size=20, seed=0):
        expected = schedule(record.epoch - 1)  # the last event came before the epoch, and one at its beginning
        assert abs(sum(record.nnz[:2]) / (20 * 30 + 30 * 30) - expected) < 0.002


def test_dense_layers_can_become_sparse():
    model = net(density=1)
    after, _ = evolved(model, PruneRegrow(0.3, density=0.5, layers="all"))
    assert sum(after.nnz) == round(0.5 * sum(model.nnz))
    assert evolved(model, PruneRegrow(0.3, layers="all"))[1] == [(0, 0)] * 3


@pytest.mark.parametrize(
    "options, message",
    [
        ({"density": 0}, r"density = 0: must be a number in \(0, 1\]"),
        ({"density": 1.2}, r"density = 1.2: must be a number in \[0, 1\]"),
        ({"density": lambda epoch: 0.1 + epoch / 10}, "density: rises from 0.1 to 0.2 after epoch 0: must never rise"),
        ({"density": lambda epoch: 0.4 - epoch / 10}, r"density = 0.0: must be a number in \(0, 1\]"),
        ({"density": lambda epoch: "much"}, "density = 'much'"),
        ({"extra": 0.1}, "extra = 0.1: must be 0 without density"),
        ({"density": 0.2, "extra": -1}, "extra = -1"),
        ({"density": 0.3, "extra": 0.8}, "extra = 0.8: must be at most 0.7, because density = 0.3"),
        ({"density": 0.3, "extra": lambda epoch: epoch / 4}, "extra = 0.75: must be at most 0.7, because density = 0.3"),
        ({"density": lambda epoch: 0.3, "extra": 0.8}, "extra = 0.8: must be at most 0.7, because density = 0.3"),
        ({"cut": "some"}, "cut = 'some': must be one of"),
        ({"n_batches": 0}, "n_batches = 0: must be a whole number >= 1"),
        ({"decay": 0}, "decay = 0: must be a number in"),
        ({"layers": [7]}, r"layers = \[7\]: must be numbers of the net's 3 layers"),
    ],
)
def test_densities_that_cannot_be_are_refused_before_anything_is_trained(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sl.steps(net(), models.dataset(30, features=9, dtype=np.float64), rules=[PruneRegrow(0.3, **options)], epochs=5)


def test_a_global_cut_does_not_go_layer_by_layer():
    assert not evolution.can_go_by_layer([PruneRegrow(0.3, density=0.2, cut="global")])
    assert evolution.can_go_by_layer([PruneRegrow(0.3, density=0.2)])
