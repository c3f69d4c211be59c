"""Two engines, any number of threads, any bunching of steps: one result, bit for bit."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import models
import naive
import numpy as np
import pytest
from stress.processes import last_line

from sparselab import kernels
from sparselab.engines import base, select, tiling
from sparselab.engines.base import Outcome
from sparselab.engines.fused import FusedEngine
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.engines.tiling import MAX_GROUPS, groups_of, tile_width, tiles_of
from sparselab.evolution import SET
from sparselab.nn.activations import FixedSlopes, Tanh
from sparselab.nn.losses import MeanSquaredError, SoftmaxCrossEntropy
from sparselab.nn.optimizers import MomentumSGD
from sparselab.topology import erdos_renyi
from sparselab.training.loop import predict

needs_jit = pytest.mark.skipif(not kernels.JIT, reason="the fused engine is compiled code")

BASE = {
    "batch": 32,
    "n": 101,
    "dropout": 0.3,
    "csr": False,
    "loss": None,
    "nesterov": False,
    "activation": "all_relu",
    "threads": 1,
}
CASES = {
    "base": {},
    "tiny batch": {"batch": 5},
    "one sample": {"batch": 1, "n": 23},
    "width 16": {"batch": 13},
    "two tiles": {"batch": 100, "n": 501},
    "two full tiles": {"batch": 128, "n": 501},
    "five tiles": {"batch": 300, "n": 701},
    "eight tiles": {"batch": 512, "n": 1301},
    "more tiles than groups": {"batch": 1000, "n": 2501},
    "the whole data": {"batch": 5000, "n": 301},
    "no dropout": {"dropout": 0.0, "batch": 100},
    "much dropout": {"dropout": 0.95},
    "csr": {"csr": True, "batch": 100, "n": 301},
    "csr, tiny batch": {"csr": True, "batch": 5},
    "squared loss": {"loss": "mean_squared_error", "batch": 100, "n": 301},
    "nesterov": {"nesterov": True},
    "relu": {"activation": "relu", "batch": 100},
    "identity": {"activation": "identity"},
    "odd slopes": {"activation": FixedSlopes(-2.0, 0.5), "batch": 100},
}


def trained(kind="fused", *, batch, n, dropout, csr, loss, nesterov, activation, threads, pace=0.0, epochs=3):
    """(records, fingerprint) of three epochs with SET in between."""
    model = models.net(dropout=dropout, activation=activation)
    optimizer = MomentumSGD(0.02, momentum=0.9, weight_decay=1e-3, nesterov=nesterov)
    return models.run(
        model, models.dataset(n, as_csr=csr), optimizer=optimizer, kind=kind, rules=[SET(0.3)], epochs=epochs,
        batch_size=batch, loss=loss, threads=threads, pace=pace,
    )  # fmt: skip


@needs_jit
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_fused_and_layerwise_give_the_same_bits(changes):
    whole, layered = (trained(kind, **BASE | changes) for kind in ("fused", "layerwise"))
    assert whole[1] == layered[1]
    assert whole[0] == layered[0]


@needs_jit
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("large_tile", [0, 2**40], ids=["always", "where tiles are few"])
def test_threads_that_share_each_tile_give_the_same_bits(changes, large_tile, monkeypatch):
    alone = trained(**BASE | changes)
    monkeypatch.setattr(tiling, "WORTH_MEETING", 0)
    monkeypatch.setattr(tiling, "LARGE_TILE", large_tile)
    for threads in (2, 3):
        assert trained(**BASE | changes | {"threads": threads}) == alone


@needs_jit
@pytest.mark.parametrize("as_csr", [False, True])
def test_threads_that_share_each_tile_predict_the_same_bits(as_csr, monkeypatch):
    model, data = models.net(), models.dataset(150, as_csr=as_csr)
    alone = predict(model, data.X_train, threads=1)
    monkeypatch.setattr(tiling, "LARGE_TILE", 0)
    for threads in (2, 3, 50):
        np.testing.assert_array_equal(predict(model, data.X_train, threads=threads), alone)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 100])
def test_cuts_share_out_the_links(parts):
    topology = erdos_renyi(500, 300, density=0.05, seed=0)
    cuts = tiling.even_cuts(topology.indptr, parts)
    assert (cuts[0], cuts[-1], len(cuts)) == (0, 500, parts + 1)
    work = np.diff(topology.indptr[cuts] + tiling.ROW * np.array(cuts))
    assert work.min() >= 0
    assert abs(work - work.mean()).max() <= topology.fan_in.max() + tiling.ROW


@pytest.mark.parametrize("fan_in", [[0, 0, 0], [0, 9, 0], [9, 0, 0], [0, 0, 9]])
def test_cuts_of_odd_topologies_cover_every_row(fan_in):
    indptr = np.cumsum([0, *fan_in])
    cuts = tiling.even_cuts(indptr, 4)
    assert sorted(cuts) == cuts
    assert (cuts[0], cuts[-1], len(cuts)) == (0, 3, 5)


@pytest.mark.parametrize("kind", [pytest.param("fused", marks=needs_jit), "layerwise"])
@pytest.mark.parametrize(
    "changes", [{"batch": 5}, {"batch": 100, "n": 301}, {"batch": 300, "n": 701}, {"batch": 1000, "n": 2501}]
)
def test_results_do_not_depend_on_the_number_of_threads(kind, changes):
    one, *others = (trained(kind, **BASE | changes | {"threads": threads, "epochs": 2}) for threads in (1, 2, 3, 4, 9))
    for other in others:
        assert other == one


@needs_jit
def test_the_threads_of_the_machine_are_the_default():
    assert trained(**BASE | {"batch": 300, "n": 701, "threads": None}) == trained(**BASE | {"batch": 300, "n": 701})


# one call or many


def run(engine, X, y, samples, batch, rates, optimizer, state, key, first):
    outcome = Outcome.of(len(samples), batch)
    engine.run(outcome, X, y, samples, batch, rates, optimizer, state, np.uint64(key), first)
    return outcome


def prepared(kind, batch, dropout=0.3, dtype=np.float32, threads=1):
    model, optimizer, loss = models.net(dropout=dropout, dtype=dtype), MomentumSGD(0.05), SoftmaxCrossEntropy()
    engine = (FusedEngine if kind == "fused" else LayerwiseEngine)(model, loss, tile_width(batch), threads)
    X, y = models.rows(301, dtype=dtype)
    return engine, (X, y), optimizer, optimizer.init(model)


@pytest.mark.parametrize("kind", [pytest.param("fused", marks=needs_jit), "layerwise"])
@pytest.mark.parametrize("batch", [7, 100])
def test_steps_may_be_bunched_in_any_way(kind, batch):
    n_steps, results = -(-301 // batch), []
    order = np.random.default_rng(0).permutation(301)
    for bunches in ([n_steps], [1] * n_steps, [2, n_steps - 2]):
        engine, (X, y), optimizer, state = prepared(kind, batch)
        first, losses, hits = 0, [], []
        for n in bunches:
            samples = order[first * batch : (first + n) * batch]
            outcome = run(engine, X, y, samples, batch, [0.05] * n, optimizer, state, 9, first)
            assert (outcome.done, outcome.failed) == (n, False)
            first, losses, hits = first + n, [*losses, *outcome.losses], [*hits, *outcome.hits]
        results.append((losses, hits, models.fingerprint(engine.model)))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("kind", [pytest.param("fused", marks=needs_jit), "layerwise"])
def test_an_outcome_counts_every_sample_once(kind):
    engine, (X, y), optimizer, state = prepared(kind, 100, dropout=0.0)
    optimizer.learning_rate = 1e-30
    loss, hits, _ = naive.softmax_loss(models.twin(engine.model).forward(X)[2].T, y)
    outcome = run(engine, X, y, np.arange(301), 100, [1e-30] * 4, optimizer, state, 0, 0)
    assert outcome.sizes.tolist() == [100, 100, 100, 1]
    assert (outcome.losses * outcome.sizes).sum() == pytest.approx(loss, rel=1e-6)
    assert outcome.hits.sum() == hits
    assert set(outcome.seconds) == set(base.ENGINE_PHASES)


@pytest.mark.parametrize("kind", [pytest.param("fused", marks=needs_jit), "layerwise"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bad_step", [0, 2])
def test_a_step_that_is_not_finite_is_not_applied_and_those_before_are(kind, threads, bad_step):
    engine, (X, y), optimizer, state = prepared(kind, 100, threads=threads)
    clean, _, _, clean_state = prepared(kind, 100)
    X[100 * bad_step + 50, 3] = np.nan
    outcome = run(engine, X, y, np.arange(301), 100, [0.05] * 4, optimizer, state, 0, 0)
    assert (outcome.done, outcome.failed) == (bad_step, True)
    if bad_step:
        wanted = run(clean, X, y, np.arange(100 * bad_step), 100, [0.05] * bad_step, optimizer, clean_state, 0, 0)
        assert outcome.losses[:bad_step].tolist() == wanted.losses.tolist()
        assert outcome.hits[:bad_step].tolist() == wanted.hits.tolist()
    assert models.fingerprint(engine.model) == models.fingerprint(clean.model)
    for ours, wanted in zip(state, clean_state, strict=True):
        np.testing.assert_array_equal(ours.links[0], wanted.links[0])
        np.testing.assert_array_equal(ours.neurons[0], wanted.neurons[0])
    X[100 * bad_step + 50, 3] = 0  # and the engine can go on
    assert run(engine, X, y, np.arange(301), 100, [0.05] * 4, optimizer, state, 0, 0).done == 4
    engine.close()


# outputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("as_csr", [False, True])
def test_predict_is_the_dense_twin(dtype, as_csr):
    model = models.net(dtype=dtype, dropout=0.5)
    X = models.dataset(150, as_csr=as_csr, dtype=dtype).X_train
    wanted = models.twin(model).forward(X.toarray() if as_csr else X)[2]
    np.testing.assert_allclose(
        predict(model, X), wanted, **({"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-12})
    )
    assert predict(model, X).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["all_relu", Tanh()])
def test_a_samples_output_does_not_depend_on_its_neighbours(dtype, activation):
    model, (X, _) = models.net(dtype=dtype, activation=activation), models.rows(301, dtype=dtype)
    whole = predict(model, X, threads=1)
    for part in (np.s_[:1], np.s_[3:8], np.s_[60:77], np.s_[100:140], np.s_[200:301], np.s_[::-1]):
        for threads in (1, 2, 5):
            np.testing.assert_array_equal(predict(model, X[part], threads=threads), whole[part])


@pytest.mark.parametrize("kind", [pytest.param("fused", marks=needs_jit), "layerwise"])
def test_outputs_of_some_samples_are_rows_of_all(kind):
    engine, (X, _), _, _ = prepared(kind, 100)
    some = np.array([300, 0, 17, 17, 4])
    np.testing.assert_array_equal(engine.outputs(X, some), engine.outputs(X)[some])
    assert engine.outputs(X, some[:0]).shape == (0, 4)


# who runs what


@needs_jit
def test_the_fast_engine_runs_what_it_can():
    soft, squared, sgd = SoftmaxCrossEntropy(), MeanSquaredError(), MomentumSGD()

    class Other(SoftmaxCrossEntropy):
        code = None

    class Mine(MomentumSGD):
        pass

    chosen = lambda loss=soft, optimizer=sgd, **options: type(select.create(models.net(**options), loss, optimizer, 32, 1))
    assert chosen() is chosen(squared) is chosen(optimizer=None) is FusedEngine
    assert chosen(activation=FixedSlopes(3.0)) is chosen(dropout=0.5) is FusedEngine
    assert chosen(activation="tanh") is chosen(dtype=np.float64) is chosen(Other()) is LayerwiseEngine
    assert chosen(optimizer=Mine()) is LayerwiseEngine


def test_tiles_hold_every_batch():
    for batch in range(1, 2000):
        width = tile_width(batch)
        assert width in kernels.WIDTHS
        assert 0 <= tiles_of(batch, width) * width - batch < width
        assert 1 <= groups_of(tiles_of(batch, width)) <= MAX_GROUPS


@pytest.mark.parametrize("kind", [pytest.param("fused", marks=needs_jit), "layerwise"])
def test_closing_lets_the_threads_go(kind):
    before = threading.active_count()
    engine, (X, y), optimizer, state = prepared(kind, 300, threads=4)
    run(engine, X, y, np.arange(301), 301, [0.1], optimizer, state, 0, 0)
    assert threading.active_count() > before
    engine.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("as_csr", [False, True])
def test_read_only_data_gives_the_same(as_csr):
    data = models.dataset(101, as_csr=as_csr)
    first = models.run(models.net(), data, optimizer=MomentumSGD(0.02), epochs=2, batch_size=32)[1]
    X = data.X_train
    for array in (X.data, X.indices, X.indptr, data.y_train) if as_csr else (X, data.y_train):
        array.flags.writeable = False
    model = models.net()
    assert models.run(model, data, optimizer=MomentumSGD(0.02), epochs=2, batch_size=32)[1] == first
    predict(model, X)


@needs_jit
@pytest.mark.slow
def test_a_run_compiles_its_own_kernels_only():
    """One tile width, one loss, one kind of data; what was told is how many of them the cache did not have."""
    code = """
import json, os, tempfile
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp()
import numpy as np, sparselab as sl
from sparselab.kernels import native
told = []
native.progress.set(lambda *counts: told.append(counts))
X, y = np.random.default_rng(0).random((256, 8), np.float32), np.arange(256) % 4
for _ in range(2):
    list(sl.train(sl.SparseMLP.create((8, 16, 4), epsilon=2, seed=0), (X, y, X, y), epochs=1, batch_size=128, seed=0))
folder = sl.kernels.cache.FOLDER
names = {path.name.split("-")[0].split(".")[-1] for path in folder.rglob("*.nbc")}
print(json.dumps([told, sorted(names), len(list(folder.rglob("*.spmm-*")))]))
"""
    told, names, n_spmm = last_line(code)
    assert told == [[k, len(told)] for k in range(1, len(told) + 1)]
    assert len(told) == 8
    assert n_spmm == 1
    assert {"spmm", "sddmm", "dx", "softmax", "from_dense", "update_net", "run_steps", "run_forward"} <= set(names)
    assert not {"scatter", "squared", "from_csr", "from_entries", "entry_gradients", "turn", "leave_gradients"} & set(names)


def test_a_kept_engine_follows_the_model():
    model, data, other = models.net(activation="all_relu"), models.dataset(40), models.net(activation="all_relu", seed=9)
    fresh = lambda: predict(copy.deepcopy(model), data.X_train[:5])
    predict(model, data.X_train[:5])
    assert "_idle" in vars(model)
    assert "_idle" not in vars(copy.deepcopy(model))
    for layer, new in zip(model.layers, other.layers, strict=True):  # other links, weights and biases
        layer.replace(new.topology, new.w, new.b)
    np.testing.assert_array_equal(predict(model, data.X_train[:5]), predict(other, data.X_train[:5]))
    model.layers[0].w *= 2  # in place
    np.testing.assert_array_equal(predict(model, data.X_train[:5]), fresh())
    model.activation = Tanh()
    np.testing.assert_array_equal(predict(model, data.X_train[:5]), fresh())


def test_predictions_at_once_do_not_share_an_engine():
    model, X = models.net(), models.dataset(200).X_train
    alone = predict(model, X)
    with ThreadPoolExecutor(4) as pool:
        for i, found in enumerate(pool.map(lambda i: predict(model, X[i : i + 7]), range(190))):
            np.testing.assert_array_equal(found, alone[i : i + 7])
