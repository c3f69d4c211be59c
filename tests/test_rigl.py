"""RigL and its parts against dense twins: exact ranking of all places, links that return, chosen layers."""

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import places_of

import sparselab as sl
from sparselab import evolution
from sparselab.evolution import Evidence, PruneRegrow, RigL
from sparselab.evolution.regrowths import ExactGradient
from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.nn.optimizers import MomentumSGD


def evolved(model, rule):
    """(state, rewirings) of one event; velocities can be told apart."""
    data, state = models.dataset(40, dtype=model.dtype), MomentumSGD().init(model)
    for s in state:
        s.links[0][:] = 1 + np.arange(len(s.links[0]))
    evidence = Evidence(model, SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(40))
    dense = [flow.dZ @ flow.X.T for flow in evidence.flows]
    rewirings = rule(1, model, state, evidence, np.random.default_rng(0))
    evolution.apply(rewirings, model, state, np.random.default_rng(0))
    return state, rewirings, dense


def twin(layer, velocity, G, zeta):
    """{place: (value, velocity)} after RigL, on dense matrices: all places that are not kept are ranked by |gradient|."""
    places = places_of(layer.topology)
    gone = naive.magnitude_cut(layer.w, zeta)
    kept = {place: (layer.w[k], velocity[k]) for k, place in enumerate(places) if k not in gone}
    free = [(row, column) for row in range(G.shape[0]) for column in range(G.shape[1]) if (row, column) not in kept]
    free.sort(key=lambda place: (-abs(G[place]), place))
    old = {places[k]: (layer.w[k], velocity[k]) for k in gone}
    return kept | {place: old.get(place, (0, 0)) for place in free[: len(gone)]}


@pytest.mark.parametrize("block", [1, 30, 2**22])
@given(seed=st.integers(0, 1000), zeta=st.sampled_from([0.1, 0.3, 0.7, 1.0]))
def test_rigl_is_its_dense_twin(block, seed, zeta):
    model = sl.SparseMLP.create((20, 7, 6, 4), density=0.4, dtype="float64", seed=seed, activation="relu")
    before = model.copy()
    state, _, dense = evolved(model, RigL(zeta, regrowth=ExactGradient(block), layers="all"))
    for old, layer, s, G in zip(before.layers, model.layers, state, dense, strict=True):
        wanted = twin(old, 1 + np.arange(old.topology.nnz), G, zeta)
        found = dict(zip(places_of(layer.topology), zip(layer.w, s.links[0], strict=True), strict=True))
        assert found == wanted
        layer.topology.validate()


def test_a_link_that_returns_is_new_unless_it_is_to_be_kept():
    counts = {}
    for same_place in ("new", "kept"):
        model = models.net((20, 6, 6, 4), density=0.9)
        rule = PruneRegrow(0.3, regrowth=ExactGradient(), same_place=same_place)
        _, rewirings, _ = evolved(model, rule)
        counts[same_place] = [(r.n_pruned, len(r.grown), r.topology.nnz) for r in rewirings if r is not None]
    for new, kept in zip(counts["new"], counts["kept"], strict=True):
        assert new[2] == kept[2]
        assert new[0] == new[1] > kept[0] == kept[1]


@pytest.mark.parametrize(
    ("layers", "changed"),
    [("hidden", [0, 1]), ("all", [0, 1, 2]), ([1], [1]), ((0, -1), [0, 2]), ([], []), (np.array([2]), [2])],
)
def test_layers_that_change(layers, changed):
    model = models.net()
    _, rewirings, _ = evolved(model, sl.SET(0.3, layers=layers))
    assert [index for index, rewiring in enumerate(rewirings) if rewiring is not None] == changed


@pytest.mark.parametrize("engine", ["float32", "float64"])
def test_a_run_is_resumed_exactly(tmp_path, engine):
    data, whole, parts = models.dataset(300, dtype=np.dtype(engine)), models.net(dtype=engine), models.net(dtype=engine)
    options = {"rules": [RigL(0.3)], "batch_size": 32, "seed": 1}
    list(sl.train(whole, data, epochs=4, **options))
    for epochs in (2, 4):
        list(sl.train(parts, data, epochs=epochs, checkpoint=tmp_path / "run", **options))
    assert models.fingerprint(parts) == models.fingerprint(whole)


def test_workers_train_with_it():
    model = models.net()
    list(sl.train_parallel(model, models.dataset(300), rules=[RigL(0.3)], n_jobs=2, epochs=3, batch_size=32, seed=0))
    for layer in model.layers:
        layer.check()


def test_no_array_of_all_places_is_made():
    """Six million places, one hundredth of them links: the gradients of one block at a time."""
    import tracemalloc

    n = 100_000
    model = sl.SparseMLP.create((n, 60, 2), density=0.01, seed=0)
    X, y = np.random.default_rng(0).random((4, n), np.float32), np.arange(4) % 2
    evidence = Evidence(model, SoftmaxCrossEntropy(), X, y, np.arange(4))
    _ = evidence.flows
    tracemalloc.start()
    RigL(0.3, regrowth=ExactGradient(n))(1, model, None, evidence, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * n * 60 / 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": "every"}, "layers"), ({"layers": [0.5]}, "layers"), ({"layers": 1}, "layers"),
        ({"same_place": "old"}, "same_place"), ({"same_place": None}, "same_place"), ({"zeta": 1.5}, "zeta"),
        ({"regrowth": ExactGradient}, "regrowth"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        RigL(**options)


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="layers.*3 layers"):
        evolved(models.net(), RigL(layers=[3]))


@pytest.mark.parametrize("block", [0, -1, 2.5, True, "many"])
def test_blocks_are_whole_numbers(block):
    with pytest.raises((TypeError, ValueError), match="block"):
        ExactGradient(block)
