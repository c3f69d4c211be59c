"""CSR samples through all that takes samples: the update of links that no entry touches, workers, estimators, bad input."""

import re
import subprocess
import sys

import models
import numpy as np
import pytest
import scipy.sparse

import sparselab as sl
from sparselab import kernels
from sparselab.checkpoints.state import BATCHES
from sparselab.datasets.dataset import Dataset
from sparselab.kernels import elementwise, ends
from sparselab.training.loop import evaluate, predict

needs_jit = pytest.mark.skipif(not kernels.JIT, reason="plain Python is too slow")
KINDS = [pytest.param("fused", marks=needs_jit), "layerwise"]
FEATURES, N = 3000, 90
SIZES = (FEATURES, 21, 11, 3)


def rows(n=N, per_row=6, seed=0, dtype=np.float32):
    """(X, y): CSR samples in the first half of the features, whose classes show in the first three."""
    random, y = np.random.default_rng(seed), np.arange(n) % 3
    columns = np.stack([np.append(k, 3 + random.choice(FEATURES // 2 - 3, per_row - 1, replace=False)) for k in y])
    values = (0.5 + random.random(columns.size)).astype(dtype)
    X = scipy.sparse.csr_array((values, columns.ravel().astype(np.int32), np.arange(n + 1) * per_row), shape=(n, FEATURES))
    X.sort_indices()
    return X, y


def dataset(dtype=np.float32):
    (X, y), (X_test, y_test) = rows(dtype=dtype), rows(30, seed=1, dtype=dtype)
    return Dataset(X, y, X_test, y_test, classes=np.arange(3))


def net(**options):
    return models.net(SIZES, **{"density": 0.05, **options})


@pytest.fixture(autouse=True)
def no_dense_features(monkeypatch):
    """Nobody may ask for a tile of all features."""

    def refuse(*arguments):
        raise AssertionError("a dense tile of CSR samples was asked for")

    monkeypatch.setattr(elementwise, "gather_csr", refuse)
    monkeypatch.setattr(ends, "from_csr", property(refuse))  # it has no address


# the update


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nesterov", [False, True])
def test_links_that_no_entry_touches_keep_their_momentum_and_decay(kind, nesterov):
    dtype = np.float32 if kind == "fused" else np.float64
    model, data = net(dtype=dtype), dataset(dtype)
    optimizer = sl.MomentumSGD(0.05, momentum=0.9, weight_decay=1e-2, nesterov=nesterov)
    slow, state, dense = models.twin(model), sl.TrainingState.start(model, optimizer, 5), data.X_train.toarray()
    for state.epoch in range(4):
        order = state.stream(BATCHES).permutation(N)
        for start in range(0, N, 20):
            batch = order[start : start + 20]
            slow.step(dense[batch], data.y_train[batch], 0.05, 0.9, 1e-2, True, nesterov)
    models.run(model, data, optimizer=optimizer, kind=kind, epochs=4, batch_size=20, threads=1, rules=[])
    near = 1e-5 if dtype == np.float32 else 1e-12
    for ours, wanted in zip(models.dense(model), slow.W, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=near * abs(wanted).max())
    logits = slow.forward(data.X_test.toarray())[2]
    np.testing.assert_allclose(predict(model, data.X_test), logits, rtol=0, atol=2 * near * abs(logits).max())
    start, untouched = models.dense(net(dtype=dtype))[0], np.s_[:, FEATURES // 2 :]
    steps = 4 * 5
    assert 0.7 < (1 - 0.05 * 1e-2) ** steps < 1  # decay alone moves these
    assert np.any(models.dense(model)[0][untouched] != start[untouched])


@needs_jit
def test_threads_give_one_hash_for_all_ways_in():
    found = set()
    for threads in (1, 2, 4):
        model, data = net(dropout=0.2), dataset()
        records = list(sl.train(model, data, epochs=3, batch_size=20, threads=threads, rules=[sl.SET(0.3)], seed=1))
        scores = evaluate(model, data.X_test, data.y_test, threads=threads)
        outputs = predict(model, data.X_test, threads=threads)
        found.add((models.fingerprint(model), records[-1].test_loss, scores.loss, outputs.tobytes()))
    assert len(found) == 1


# who takes them

PLACES = ["serial", "threads", *(pytest.param(name, marks=pytest.mark.slow) for name in ("processes", "dask"))]


@pytest.mark.parametrize("place", PLACES)
def test_workers_compute_what_one_computes(place):
    options = {"epochs": 4, "batch_size": 20, "seed": 1, "optimizer": sl.MomentumSGD(0.05), "rules": [sl.SET(0.3)]}
    wanted, found = net(), net()
    list(sl.train(wanted, dataset(), **options))
    records = list(sl.train_parallel(found, dataset(), backend=place, n_jobs=1, synchronous=True, **options))
    assert models.fingerprint(found) == models.fingerprint(wanted)
    assert [record.phase for record in records][::3] == ["synchronous", "average"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("synchronous", [False, True])
def test_several_workers_learn(place, synchronous):
    model, data = net(density=0.3), dataset()
    options = {"epochs": 10, "batch_size": 10, "seed": 1, "optimizer": sl.MomentumSGD(0.1), "rules": [sl.SET(0.1)]}
    records = list(sl.train_parallel(model, data, backend=place, n_jobs=2, synchronous=synchronous, **options))
    assert records[-1].train_loss < records[0].train_loss
    assert np.isfinite(predict(model, data.X_test)).all()


def test_a_simulation_takes_them():
    records = list(sl.simulate_parallel(net(), dataset(), 3, compute=1.0, epochs=2, batch_size=20, seed=0))
    assert [record.epoch for record in records] == [1, 2]


@pytest.mark.parametrize("make", [sl.SparseMLPClassifier, sl.SparseMLPRegressor])
def test_estimators_predict_and_go_on_as_with_dense_features(make):
    X, y = rows()
    made = make((21, 11), density=0.05, epochs=2, batch_size=20, random_state=0, standardise=False).fit(X, y)
    made.partial_fit(X, y)
    outputs = getattr(made, "predict_proba", made.predict)
    np.testing.assert_allclose(outputs(X), outputs(X.toarray()), atol=1e-5)
    assert 0 <= made.score(X, y) <= 1 or make is sl.SparseMLPRegressor


def test_the_selector_finds_the_features_that_show_the_class():
    X, y = rows(300)
    net = sl.SparseMLPClassifier((30,), density=0.1, epochs=20, random_state=0, learning_rate=0.05)
    found = sl.SparseFeatureSelector(net, n_features_to_select=20).fit(X, y)
    assert scipy.sparse.issparse(found.transform(X))
    assert set(found.get_support(indices=True)) >= {0, 1, 2}


# bad input

BAD = {
    "column": (lambda X: X.indices.__setitem__(7, FEATURES), r"X\.indices\[7\] = 3000: must be a column in \[0, 2999\]"),
    "far": (lambda X: X.indices.__setitem__(7, 2**31 - 1), r"X\.indices\[7\] = 2147483647: must be a column"),
    "negative": (lambda X: X.indices.__setitem__(5, -1), r"X\.indices\[5\] = -1: must be a column"),
    "NaN": (lambda X: X.data.__setitem__(9, np.nan), r"X\.data\[9\] = nan: must be a finite"),
    "infinity": (lambda X: X.data.__setitem__(9, np.inf), r"X\.data\[9\] = inf: must be a finite"),
    "pointers": (lambda X: X.indptr.__setitem__(3, 10**6), r"X\.indptr\[4\] = 24: must be at least"),
    "last pointer": (lambda X: X.indptr.__setitem__(-1, 10**6), r"X\.indptr\[-1\] = 1000000: must be 540"),
    "first pointer": (lambda X: X.indptr.__setitem__(0, 2), r"X\.indptr\[0\] = 2: must be 0"),
}


@pytest.mark.parametrize("fault", BAD)
def test_faults_of_csr_are_named_before_anything_is_computed(fault):
    spoil, message = BAD[fault]
    X, y = rows()
    spoil(X)
    model, before = net(), models.fingerprint(net())
    fitted = sl.SparseMLPClassifier((21, 11), density=0.05, epochs=1, random_state=0).fit(*rows())
    calls = {
        "train": lambda: list(sl.train(model, (X, y), epochs=1)),
        "train_parallel": lambda: list(sl.train_parallel(model, (X, y), epochs=1, backend="serial", n_jobs=2)),
        "evaluate": lambda: evaluate(model, X, y),
        "predict": lambda: predict(model, X),
        "fit": lambda: sl.SparseMLPClassifier((21,), epochs=1).fit(X, y),
        "estimator": lambda: fitted.predict(X),
        "selector": lambda: sl.SparseFeatureSelector(sl.SparseMLPClassifier((21,), epochs=1)).fit(X, y),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
        assert models.fingerprint(model) == before, name


@pytest.mark.parametrize("width", [FEATURES - 1, FEATURES + 1, 5])
def test_samples_with_other_features_than_the_net_are_refused(width):
    (X, y), model = rows(), net()
    fitted = sl.SparseMLPClassifier((21, 11), density=0.05, epochs=1, random_state=0).fit(X, y)
    other = scipy.sparse.csr_array((4, width), dtype=np.float32)
    for call in (
        lambda: predict(model, other),
        lambda: evaluate(model, other, y[:4]),
        lambda: list(sl.train(model, (other, y[:4]))),
    ):
        with pytest.raises(ValueError, match=f"{width} features: must be {FEATURES}, the net's inputs"):
            call()
    with pytest.raises(ValueError, match=re.escape(f"X has {width} features")):
        fitted.predict(other)


@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_the_order_of_entries_and_the_kind_of_indices_change_nothing(kind):
    (X, y), random = rows(), np.random.default_rng(3)
    data, indices, starts = [], [], [0]
    for row in range(N):
        part = random.permutation(np.arange(X.indptr[row], X.indptr[row + 1]))
        column, value = X.indices[part].tolist(), X.data[part].tolist()
        data += [*value[:-1], value[-1] / 2, value[-1] / 2]  # the last entry twice, half each
        indices += [*column, column[-1]]
        starts.append(len(data))
    arrays = np.array(data, np.float32), np.array(indices, kind), np.array(starts, kind)
    messy = scipy.sparse.csr_array(arrays, shape=X.shape)
    messy.indices, messy.indptr = arrays[1:]  # scipy would choose the kind itself
    kept = [part.copy() for part in (messy.data, messy.indices, messy.indptr)]
    tidy, other = net(), net()
    options = {"epochs": 2, "batch_size": 20, "seed": 1, "threads": 1}
    list(sl.train(tidy, (X, y), **options))
    list(sl.train(other, (messy, y), **options))
    assert models.fingerprint(tidy) == models.fingerprint(other)
    np.testing.assert_array_equal(predict(other, messy), predict(tidy, X))
    for part, before in zip((messy.data, messy.indices, messy.indptr), kept, strict=True):
        np.testing.assert_array_equal(part, before)
        assert part.dtype == before.dtype


# memory of a process

SCRIPT = """
import resource, sys
import numpy as np, scipy.sparse
import sparselab as sl
features, n = int(sys.argv[1]), 256
rng = np.random.default_rng(0)
X = scipy.sparse.csr_array((rng.random(n * 90, np.float32), rng.integers(0, features, n * 90, dtype=np.int32),
                            np.arange(n + 1) * 90), shape=(n, features))
X.sum_duplicates()
net = sl.SparseMLPClassifier((100, 20, 20), epsilon=1, epochs=2, batch_size=32, random_state=0)
net.fit(X, np.arange(n) % 4).predict(X)
print(net.model_.n_links, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@needs_jit
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units")
def test_a_process_needs_memory_for_links_and_entries_only():
    def measured(features):
        run = subprocess.run([sys.executable, "-c", SCRIPT, str(features)], capture_output=True, text=True, check=True)
        return map(int, run.stdout.split())

    measured(2**10)  # compiles
    (_, before), (links, after) = measured(2**10), measured(2**20)
    assert after - before < 150 * links < 2**20 * 32 * 4 * 2  # bytes; a batch of dense features takes 128 a feature
