"""CSR samples go through the first layer by their own entries: the same net, the same gradients, and no tile of all features."""

import copy
import itertools
import pickle
import re
import tracemalloc

import models
import numpy as np
import pytest
import scipy.sparse
import strategies
from hypothesis import given
from hypothesis import strategies as st

import sparselab as sl
from sparselab import kernels
from sparselab.datasets.augmentation import Augmentation
from sparselab.datasets.dataset import Dataset
from sparselab.engines import entries, select, tiling
from sparselab.engines.augmented import AugmentedRows
from sparselab.engines.base import Outcome
from sparselab.engines.fused import FusedEngine
from sparselab.kernels.entries import LANES, add_entries, add_entries_by_blocks, add_entry_gradients, masks_of
from sparselab.nn import entry_costs
from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.training import memory
from sparselab.training.loop import predict, steps
from sparselab.utils import resources

needs_jit = pytest.mark.skipif(not kernels.JIT, reason="the fused engine is compiled code")
KINDS = [pytest.param("fused", marks=needs_jit), "layerwise"]
FEATURES = 2000
SIZES = (FEATURES, 33, 18, 4)


def sparse_rows(n, features=FEATURES, *, seed=0, dtype=np.float32, most=12):
    """A CSR matrix with 0 to `most` entries a row, unsorted; the last quarter of the features has none."""
    random, rows = np.random.default_rng(seed), []
    for row in range(n):
        rows.append(random.choice(features * 3 // 4, (row * 5) % (most + 1), replace=False))
    indptr = np.cumsum([0, *map(len, rows)])
    values = random.standard_normal(indptr[-1]).astype(dtype)
    return scipy.sparse.csr_array((values, np.concatenate(rows).astype(np.int32), indptr), shape=(n, features))


def dataset(n=101, n_test=30, *, dtype=np.float32):
    X, y = sparse_rows(n + n_test, dtype=dtype), np.arange(n + n_test) % 4
    return Dataset(X[:n], y[:n], X[n:], y[n:], classes=np.arange(4))


def trained(kind="fused", *, data=None, sizes=SIZES, epochs=3, dropout=0.3, activation="all_relu", optimizer=None, **options):
    data = dataset() if data is None else data
    model = models.net(sizes, density=0.15, dropout=dropout, activation=activation, dtype=data.X_train.dtype)
    options = {"batch_size": 32, "threads": 1, "rules": [sl.SET(0.3)]} | options
    optimizer = sl.MomentumSGD(0.05, weight_decay=1e-3) if optimizer is None else optimizer
    return *models.run(model, data, optimizer=optimizer, kind=kind, epochs=epochs, **options), model


# the kernels, against loops over plain lists


def listed(X):
    """[[(feature, value), …], …] of a CSR matrix."""
    rows = itertools.pairwise(X.indptr.tolist())
    return [list(zip(X.indices[a:b].tolist(), X.data[a:b].tolist(), strict=True)) for a, b in rows]


def links_of(topology):
    """[(output, input), …] in the order of slots."""
    return strategies.places_of(topology)


@st.composite
def cases(draw):
    """(topology, CSR matrix, samples, first, count, width): rows without entries, features without links, and so on."""
    topology = draw(strategies.topologies)
    n, n_in = draw(st.integers(1, 5)), topology.n_in
    rows = [draw(st.permutations(range(n_in)))[: draw(st.integers(0, n_in))] for _ in range(n)]  # not sorted
    indptr = np.cumsum([0, *map(len, rows)])
    values = np.array([draw(strategies.weights) for _ in range(indptr[-1])], np.float64)
    X = scipy.sparse.csr_array((values, np.array(sum(rows, []), np.int32), indptr), shape=(n, n_in))
    count = draw(st.integers(1, 6))
    samples = np.array(draw(st.lists(st.integers(0, n - 1), min_size=count, max_size=count + 3)))
    return topology, X, samples, len(samples) - count, count, draw(st.integers(count, 8))


@given(cases(), st.sampled_from([np.float32, np.float64]), st.integers(1, 4), strategies.seeds)
def test_products_are_sums_over_a_samples_entries(case, dtype, parts, seed):
    t, X, samples, first, count, width = case
    random, rows, links = np.random.default_rng(seed), listed(X), links_of(t)
    w, dZ = (random.integers(-8, 9, shape) / 4 for shape in (t.nnz, (t.n_out, width)))  # small fractions: sums are exact
    back, X = t.transposed, X.astype(dtype)
    place = X.data, X.indices, X.indptr, samples, first, count
    index, out, dw = (back.indptr, back.rows, back.slots), np.full((t.n_out, width), 55, dtype), np.full(t.nnz, 2, dtype)
    cuts = [width * part // parts for part in range(parts + 1)]
    for part in range(parts):
        add_entries(*place, *index, w.astype(dtype), out, cuts[part], cuts[part + 1])
        assert add_entry_gradients(*place, *index, dZ.astype(dtype), dw, part, parts) == 0
    wanted, gradient = np.zeros((t.n_out, width)), [2.0] * t.nnz
    for c, sample in enumerate(samples[first:].tolist()):
        for feature, value in rows[sample]:
            for slot, (output, source) in enumerate(links):
                if source == feature:
                    wanted[output, c] += w[slot] * value
                    gradient[slot] += value * dZ[output, c]
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(dw, gradient)


WAYS = "anywhere", "in order", pytest.param("by blocks", marks=needs_jit)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_out", [5, 8, 16, 23, 100, 256])
@pytest.mark.parametrize("density", [0.03, 0.3, 1.0])
def test_inputs_with_many_links_and_every_way_of_reading_their_weights(way, n_out, density):
    random = np.random.default_rng(n_out)
    t = strategies.topology_of(random.random((n_out, 40)) < density)
    dense = random.integers(-4, 5, (7, 40)) * (random.random((7, 40)) < 0.4) / 4  # small fractions: sums are exact
    X, back, w = scipy.sparse.csr_array(dense.astype(np.float32)), t.transposed, random.integers(-8, 9, t.nnz).astype(np.float32)
    samples, out = np.array([0, 3, 6, 1, 2]), np.full((n_out, 8), 55, np.float32)
    place = X.data, X.indices, X.indptr, samples, 1, 4, back.indptr
    if way == "by blocks":
        masks = np.zeros((40, -(-n_out // LANES)), np.uint16)
        masks_of(back.indptr, back.rows, masks)
        add_entries_by_blocks(*place, masks, w[back.slots], out, 0, 8)
    elif way == "in order":
        add_entries(*place, back.rows, back.slots[:0], w[back.slots], out, 0, 8)
    else:
        add_entries(*place, back.rows, back.slots, w, out, 0, 8)
    weights = np.zeros((n_out, 40))
    weights[tuple(np.array(links_of(t), int).reshape(-1, 2).T)] = w
    np.testing.assert_array_equal(out[:, :4], weights @ dense[samples[1:]].T)
    assert not out[:, 4:].any()


@needs_jit
def test_blocks_are_chosen_where_they_have_links(monkeypatch):
    monkeypatch.setattr(entries, "EXPANDS", True)
    assert [entries.mask_blocks(1000, n_out, 1000 * each, 4) for n_out, each in ((16, 2), (17, 2), (256, 24), (257, 200))] == [
        1, 0, 16, 0
    ]  # fmt: skip
    assert entries.mask_blocks(1000, 16, 16_000, 8) == 0
    model, X = models.net((FEATURES, 33, 4), density=0.3), sparse_rows(800)
    found = predict(model, X, threads=1)
    assert model._in_order[3].shape == (FEATURES, 3)
    monkeypatch.setattr(entries, "EXPANDS", False)
    other = model.copy()
    np.testing.assert_array_equal(predict(other, X, threads=2), found)
    assert other._in_order[3] is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_gradient_that_is_not_finite_is_told(bad):
    t, X = strategies.topology_of([[True, False]]), scipy.sparse.csr_array(np.array([[1.0, 0.0]], np.float32))
    back, dZ = t.transposed, np.full((1, 8), bad, np.float32)
    place = X.data, X.indices, X.indptr, np.array([0]), 0, 1, back.indptr, back.rows, back.slots
    assert np.isnan(add_entry_gradients(*place, dZ, np.zeros(1, np.float32), 0, 1))
    assert add_entry_gradients(*place, np.ones((1, 8), np.float32), np.zeros(1, np.float32), 0, 1) == 0


# which way


def test_the_cheaper_way_is_taken():
    topology = models.net(SIZES, density=0.15).layers[0].topology
    on = lambda X: entries.by_entries(X, topology)
    X = sparse_rows(20)
    assert on(X)
    assert not on(X.toarray())
    assert not on(scipy.sparse.csr_array(np.ones((3, FEATURES))))
    assert not on(scipy.sparse.random(50, FEATURES, density=0.1, format="csr", rng=np.random.default_rng(0)))
    assert not on(X[:0])
    assert on(scipy.sparse.csr_array((5, FEATURES)))  # no entries at all
    images = AugmentedRows(np.zeros((2, FEATURES), np.float32), Augmentation((40, 50), flip=True))
    assert not on(images)


def test_it_is_the_density_that_decides_and_no_mini_batch():
    topology = models.net(SIZES, density=0.15).layers[0].topology
    answers = []
    for density in np.linspace(0.001, 0.05, 20):
        X = scipy.sparse.random(100, FEATURES, density=density, format="csr", rng=np.random.default_rng(0))
        answers.append(entries.by_entries(X, topology))
        assert entries.by_entries(scipy.sparse.vstack([X, X, X], format="csr"), topology) == answers[-1]
    assert answers == sorted(answers, reverse=True)
    assert set(answers) == {True, False}


def test_summary_and_estimate_know_up_to_which_density():
    model = models.net(SIZES, density=0.15)
    topology = model.layers[0].topology
    limit = float(re.search(r"CSR samples of a density below ([\d.]+)% go through layer 1", model.summary())[1]) / 100
    for share, way in ((0.98 * limit, True), (1.02 * limit, False)):
        n = 50
        filled = np.arange(round(share * n * FEATURES)) * 7919 % (n * FEATURES)
        X = scipy.sparse.coo_array((np.ones(len(filled)), np.divmod(filled, FEATURES)), shape=(n, FEATURES)).tocsr()
        assert entries.by_entries(X, topology) == way
        options = {"density": 0.15, "threads": 1, "n_samples": n, "n_test": 5}
        said = sl.estimate_memory(SIZES, **options, data_density=share).items
        dense = sl.estimate_memory(SIZES, **options).items
        (tiles,) = (name for name in said if name.startswith("activations"))
        assert dense[tiles] - said[tiles] == way * (FEATURES - SIZES[1]) * 32 * 4
        assert said["data"] == pytest.approx((n + 5) * (share * FEATURES * 8 + 16), abs=1)
    with pytest.raises(ValueError, match="data_density = 1.5"):
        sl.estimate_memory(SIZES, data_density=1.5)


@needs_jit
def test_without_an_index_tiles_are_dense():
    data, results = dataset(), []
    for index in (True, False):
        engine = FusedEngine(models.net(SIZES), SoftmaxCrossEntropy(), 32, 1, index)
        results.append(engine.outputs(data.X_train))
        assert engine.entries == index
    np.testing.assert_allclose(*results, atol=1e-5 * abs(results[0]).max(), rtol=0)


def test_a_prediction_builds_no_index_that_has_no_room(monkeypatch):
    model, X = models.net(SIZES), sparse_rows(5)
    monkeypatch.setattr(select, "WORTH_CHECKING", 0)
    monkeypatch.setattr(resources, "available", lambda: 10)
    small = select.outputs(model, X, 1)
    assert not kernels.JIT or "transposed" not in vars(model.layers[0].topology)
    monkeypatch.setattr(resources, "available", lambda: 10**9)
    np.testing.assert_allclose(select.outputs(model, X, 1), small, atol=1e-5 * abs(small).max(), rtol=0)
    assert "transposed" in vars(model.layers[0].topology)


# weights in order, which a model keeps


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_in_order_are_those_that_the_layer_has_now(kind, dtype):
    model, X = models.net((FEATURES, 33, 4), density=0.01, dtype=dtype), sparse_rows(800, dtype=dtype)
    layer, random = model.layers[0], np.random.default_rng(0)
    with models.engine_is(kind):
        for change in range(6):
            found = predict(model, X)
            topology, _, w, _ = model._in_order
            assert topology() is layer.topology
            np.testing.assert_array_equal(w, layer.w[layer.topology.transposed.slots])
            np.testing.assert_array_equal(predict(model, X), found)
            assert model._in_order[2] is w
            np.testing.assert_array_equal(predict(model.copy(), X), found)
            np.testing.assert_array_equal(predict(pickle.loads(pickle.dumps(model)), X), found)
            if change == 2:
                layer.w[[0, 1]] = layer.w[[1, 0]]
            elif change == 3:
                sl.evolution.apply(sl.SET(0.3)(1, model, None, None, random), model, None, random)
            else:
                layer.w[random.integers(len(layer.w)) if change else -1] *= dtype(1 + 2e-7)


def test_weights_in_order_are_made_where_many_samples_read_them_and_forgotten_in_training():
    model, X = models.net((FEATURES, 33, 4), density=0.01), sparse_rows(800)
    predict(model, X[:50])
    assert "_in_order" not in vars(model)
    predict(model, X)
    assert "_in_order" in vars(model)
    assert "_in_order" not in vars(copy.deepcopy(model))
    kept = model._in_order
    predict(model, X[:3])
    assert model._in_order is kept
    list(sl.train(model, (X, np.arange(800) % 4), epochs=1, seed=0))
    assert "_in_order" not in vars(model)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.data())
def test_a_hash_tells_words_and_places(words, data):
    found = kernels.entries.hash64(np.array(words, np.uint64))
    mix = lambda x: x ^ (x >> 32)
    golden, factor, all_bits = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 2**64 - 1
    assert found == sum(mix((word + k * golden) * factor & all_bits) for k, word in enumerate(words)) & all_bits
    other = data.draw(st.permutations(words))
    assert (found == kernels.entries.hash64(np.array(other, np.uint64))) == (other == words)


# the same bits


CASES = {
    "base": {},
    "tiny batch": {"batch_size": 5},
    "one sample": {"batch_size": 1, "epochs": 1},
    "two tiles": {"batch_size": 100},
    "more than the data": {"batch_size": 5000},
    "more tiles than groups": {"batch_size": 700, "n": 700},
    "no dropout": {"dropout": 0.0},
    "adam": {"optimizer": sl.Adam(0.01)},
    "clipped": {"optimizer": sl.MomentumSGD(0.05, clip_norm=0.5)},
    "one layer": {"sizes": (FEATURES, 4), "rules": []},
}


def with_data(changes):
    changes = dict(changes)
    return {"data": dataset(changes.pop("n", 101))} | changes


@needs_jit
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_engines_and_threads_give_the_same_bits(changes, monkeypatch):
    changes = with_data(changes)
    wanted = trained(**changes)[:2]
    assert trained("layerwise", **changes)[:2] == wanted
    for threads in (2, 4):
        assert trained(**changes, threads=threads)[:2] == wanted
        assert trained("layerwise", **changes, threads=threads)[:2] == wanted
    monkeypatch.setattr(tiling, "WORTH_MEETING", 0)
    for large_tile, threads in itertools.product([0, 2**40], [2, 3]):  # together
        monkeypatch.setattr(tiling, "LARGE_TILE", large_tile)
        assert trained(**changes, threads=threads)[:2] == wanted


@pytest.mark.parametrize("options", [{"activation": "tanh"}, {"activation": "prelu"}, {"data": dataset(dtype=np.float64)}])
def test_the_general_engine_has_one_hash_for_all_threads(options):
    assert trained("layerwise", **options)[:2] == trained("layerwise", **options, threads=3)[:2]


@needs_jit
def test_one_worker_that_pushes_its_gradients_is_the_same_training():
    model, data = models.net(SIZES, density=0.15), dataset(n=200)
    options = {"epochs": 3, "batch_size": 100, "seed": 3, "optimizer": sl.MomentumSGD(0.05), "rules": [sl.SET(0.3)]}
    alone, parallel = model.copy(), model.copy()
    list(sl.train(alone, data, threads=1, **options))
    for backend in ("serial", "threads"):
        parallel = model.copy()
        records = list(sl.train_parallel(parallel, data, n_jobs=1, synchronous=True, backend=backend, **options))
        assert models.fingerprint(parallel) == models.fingerprint(alone), backend
        assert records


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumes_bit_for_bit(kind, tmp_path):
    options = {"optimizer": sl.MomentumSGD(0.05), "batch_size": 20, "rules": [sl.SET(0.3)], "threads": 1, "seed": 4}
    with models.engine_is(kind):
        make = lambda: models.net(SIZES, density=0.15, dropout=0.2)
        whole, halves = make(), [make(), make()]
        list(steps(whole, dataset(), epochs=4, **options))
        for model, epochs in zip(halves, (2, 4), strict=True):
            list(steps(model, dataset(), epochs=epochs, checkpoint=tmp_path, **options))
    assert models.fingerprint(halves[1]) == models.fingerprint(whole)


# the same numbers as dense tiles


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["all_relu", "tanh"])
def test_predictions_are_those_of_dense_features(dtype, activation):
    model, X = models.net(SIZES, density=0.15, dtype=dtype, activation=activation), sparse_rows(150, dtype=dtype)
    found, wanted = predict(model, X), predict(model, X.toarray())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=abs(wanted).max() * (1e-5 if dtype == np.float32 else 1e-13))
    for part in (np.s_[:1], np.s_[3:8], np.s_[60:77]):
        np.testing.assert_array_equal(predict(model, X[part]), found[part])


def test_the_net_is_the_dense_twin():
    model, X = models.net(SIZES, density=0.15), sparse_rows(70)
    wanted = models.twin(model).forward(X.toarray())[2]
    np.testing.assert_allclose(predict(model, X), wanted, rtol=0, atol=1e-5 * abs(wanted).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 20, 101, 300])
def test_gradients_are_those_of_dense_features(kind, batch):
    found = []
    for X in (sparse_rows(101), sparse_rows(101).toarray()):
        model, samples = models.net(SIZES, density=0.15, dropout=0.3), np.arange(batch) % 101
        make = select.create if kind == "fused" else models.layerwise_engine
        engine = make(model, SoftmaxCrossEntropy(), sl.MomentumSGD(), batch, 1)
        for _ in range(2):  # nothing of the call before is left
            dw, db = engine.gradient(Outcome.of(batch, batch), X, np.arange(101) % 4, samples, np.uint64(3), 0)
        found.append([*map(np.copy, dw), *map(np.copy, db)])
    for ours, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-5 * abs(wanted).max() + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_is_that_of_dense_tiles_up_to_rounding(kind, monkeypatch):
    ours, _, model = trained(kind, epochs=2)
    monkeypatch.setattr(entry_costs, "LINK", 10**9)
    wanted = trained(kind, epochs=2)
    for record, other in zip(ours, wanted[0], strict=True):
        assert getattr(record, "loss", 0) == pytest.approx(getattr(other, "loss", 0), rel=1e-4)
    X = dataset().X_test
    assert abs(predict(model, X) - predict(wanted[2], X)).max() <= 1e-3 * abs(predict(model, X)).max()


def test_an_engine_may_change_between_the_two_ways():
    model, X = models.net(SIZES, density=0.15), sparse_rows(40)
    engine = select.create(model, SoftmaxCrossEntropy(), sl.MomentumSGD(), 8, 1)
    other = scipy.sparse.csr_array(X.toarray() + 1)
    first = [engine.outputs(data) for data in (X, other, X.toarray())]
    for _ in range(2):
        for data, wanted in zip((X, other, X.toarray()), first, strict=True):
            np.testing.assert_array_equal(engine.outputs(data), wanted)


def test_features_without_samples_and_samples_without_entries():
    X, y = scipy.sparse.csr_array((12, FEATURES), dtype=np.float32), np.arange(12) % 4
    model = models.net(SIZES, density=0.15)
    before = model.layers[0].w.copy()
    list(sl.train(model, (X, y), epochs=2, batch_size=5, seed=0, optimizer=sl.MomentumSGD(0.1, weight_decay=0.0)))
    np.testing.assert_array_equal(model.layers[0].w, before)  # only biases can learn
    assert model.layers[0].b.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_is_not_finite_is_not_applied(kind):
    X, y = sparse_rows(30), np.arange(30) % 4
    model = models.net(SIZES, density=0.15)
    make = select.create if kind == "fused" else models.layerwise_engine
    optimizer = sl.MomentumSGD(0.05)
    engine, before = make(model, SoftmaxCrossEntropy(), optimizer, 30, 1), models.fingerprint(model)
    good = X.data.copy()
    X.data[40] = np.nan
    run = lambda: engine.run(outcome, X, y, np.arange(30), 30, [0.05], optimizer, optimizer.init(model), np.uint64(1), 0)
    outcome = Outcome.of(30, 30)
    run()
    assert (outcome.failed, outcome.done, models.fingerprint(model)) == (True, 0, before)
    X.data[:] = good
    outcome = Outcome.of(30, 30)
    run()
    assert (outcome.failed, outcome.done) == (False, 1)


def test_estimators_and_the_selector_take_it(monkeypatch):
    X, y = sparse_rows(60, most=30), np.arange(60) % 3
    X = scipy.sparse.csr_array(X.toarray() + np.eye(3)[y] @ np.eye(3, FEATURES))
    calls, add = [], entries.by_entries
    watch = lambda X, topology: calls.append(add(X, topology)) or calls[-1]
    for module in ("fused", "layerwise"):
        monkeypatch.setattr(f"sparselab.engines.{module}.by_entries", watch)
    net = sl.SparseMLPClassifier(hidden_layer_sizes=(20,), epsilon=3, epochs=5, random_state=0)
    found = sl.SparseFeatureSelector(net, n_features_to_select=10).fit(X, y)
    assert found.transform(X).shape == (60, 10)
    assert calls
    assert all(calls)
    dense = net.fit(X, y).predict_proba(X.toarray())
    np.testing.assert_allclose(net.predict_proba(X), dense, atol=1e-5)


# memory


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [3, 32, 150])
def test_the_plan_counts_what_is_there(kind, batch_size):
    model, data = models.net(SIZES, density=0.15, dropout=0.3), dataset(300)
    make = select.create if kind == "fused" else models.layerwise_engine
    optimizer = sl.MomentumSGD()
    engine, outcome = make(model, SoftmaxCrossEntropy(), optimizer, batch_size, 1), Outcome.of(batch_size, batch_size)
    state, samples = optimizer.init(model), np.arange(batch_size)
    engine.run(outcome, data.X_train, data.y_train, samples, batch_size, [0.1], optimizer, state, np.uint64(1), 0)
    items = memory.TrainingShape.of(model).training_items(
        batch_size, 1, n_test=0, evolution=False, layerwise=kind == "layerwise", vectors=1, entries=[True]
    )
    back = [layer.topology.transposed for layer in model.layers]
    index = sum(a.nbytes for t in back for a in vars(t).values())
    assert items["transposed index"] == index + sum(a.nbytes for a in (*engine.finish.links, engine.finish.no_links)) - 16
    (tiles,) = (n for name, n in items.items() if name.startswith("activations"))
    assert tiles == sum(space.nbytes for space in engine.workspaces)
    for some in ([True, False], [False, True]):  # one of the two needs a tile of all features, the other one the index
        other = memory.TrainingShape.of(model).training_items(
            batch_size, 1, n_test=0, evolution=False, layerwise=kind == "layerwise", vectors=1, entries=some
        )
        assert other["transposed index"] == items["transposed index"]
        assert sum(other.values()) > sum(items.values())


@needs_jit
def test_a_training_is_not_refused_for_a_tile_that_it_does_not_need(monkeypatch):
    features = 2**17  # an input tile takes 32 MiB
    X, y = sparse_rows(130, features), np.arange(130) % 2
    model = sl.SparseMLP.create((features, 20, 2), density=1e-2, seed=0)
    run = lambda X: list(sl.train(model.copy(), (X, y), epochs=1, batch_size=128, seed=0, rules=[]))
    monkeypatch.setattr(resources, "available", lambda: 2**24)
    run(X)
    with pytest.raises(sl.InsufficientMemoryError, match="activations"):
        run(np.zeros(X.shape, np.float32))


@needs_jit  # plain Python is too slow
def test_memory_is_that_of_links_and_entries():
    features, n = 2**20, 40
    random = np.random.default_rng(0)
    X = scipy.sparse.csr_array(
        (np.ones(n * 10, np.float32), random.integers(0, features, n * 10), np.arange(n + 1) * 10), shape=(n, features)
    )
    X.sum_duplicates()
    model = sl.SparseMLP.create((features, 20, 2), density=1e-2, seed=0)  # an input tile would take 128 bytes a feature
    run = lambda: list(sl.train(model, (X, np.arange(n) % 2), epochs=1, batch_size=32, seed=0, threads=1, rules=[]))
    run()
    vars(model.layers[0].topology).pop("transposed")
    tracemalloc.start()
    try:
        run()
        peak = tracemalloc.get_traced_memory()[1]
        assert peak < 60 * features
        tracemalloc.reset_peak()
        predict(model, X)
        assert tracemalloc.get_traced_memory()[1] < 60 * features
    finally:
        tracemalloc.stop()
