"""Data of very many features: they are read where they stand, and not copied as a whole."""

import shutil
import tracemalloc
from types import SimpleNamespace

import models
import numpy as np
import pytest
import scipy.sparse

import sparselab as sl
from sparselab.datasets import embedded

ROWS, FEATURES = 400, 20_000
BYTES = ROWS * FEATURES * 4


@pytest.fixture(scope="module")
def y():
    return np.arange(ROWS) % 2


@pytest.fixture(scope="module")
def file(tmp_path_factory, y):
    path, rng = tmp_path_factory.mktemp("wide") / "X.npy", np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (ROWS, FEATURES))
    for row, label in zip(X, y, strict=True):  # row by row, as whoever has more than memory holds would write it
        row[:] = rng.standard_normal(FEATURES, dtype=np.float32) + (0.5 if label else -0.5)
    X.flush()
    return path


def trained(X, y, **options):
    """(peak bytes of the training beyond what was there, fingerprint, last record)."""
    model = sl.SparseMLP.create((FEATURES, 50, 2), epsilon=1, seed=0)
    options = {"epochs": 2, "batch_size": 16, "seed": 0, "optimizer": sl.MomentumSGD(0.001), "threads": 1} | options
    list(sl.train(model.copy(), (X[:32], y[:32]), **options))  # compiles
    tracemalloc.start()
    try:
        *_, last = sl.train(model, (X, y), **options)
        return tracemalloc.get_traced_memory()[1], models.fingerprint(model), last
    finally:
        tracemalloc.stop()


def test_a_file_in_memory_is_trained_on_where_it_stands(file, y):
    peak, found, last = trained(np.load(file, mmap_mode="r"), y)
    assert peak < BYTES / 4
    assert last.train_accuracy > 0.8
    assert found == trained(np.load(file), y)[1]


def test_sparse_features_go_into_the_first_layer_as_they_are(y):
    rng = np.random.default_rng(0)
    X = scipy.sparse.random(ROWS, 10**6, density=1e-4, format="csr", dtype=np.float32, rng=rng)
    model = sl.SparseMLP.create((10**6, 20, 2), epsilon=1, seed=0)
    run = lambda X: list(sl.train(model.copy(), (X, y), epochs=1, batch_size=8, seed=0, threads=1))
    tracemalloc.start()
    try:
        run(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ROWS * 10**6 * 4 / 10  # a tenth of the dense features


@pytest.mark.parametrize("standardise", [True, False])
def test_extreme_data_in_a_file_are_the_same_and_never_all_in_memory(tmp_path, standardise):
    options = {"n_features": FEATURES, "n_samples": ROWS, "standardise": standardise}
    wanted = embedded.extreme(**options)
    tracemalloc.start()
    try:
        found = embedded.extreme(**options, file=tmp_path / "X.npy")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BYTES / 2
    np.testing.assert_array_equal(found.X_train, wanted.X_train)
    np.testing.assert_array_equal(found.X_test, wanted.X_test)
    found.X_train.sum()
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(stored[: len(found.X_train)], wanted.X_train)
    model = sl.SparseMLP.create((FEATURES, 50, 2), epsilon=1, seed=0)
    *_, last = sl.train(model, found, epochs=1, batch_size=16, seed=0, optimizer=sl.MomentumSGD(0.001))
    assert np.isfinite(last.train_loss)


def test_a_disk_that_is_too_small_for_the_data_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match="file = .*32,000,000 bytes are needed, 1,000 are free"):
        embedded.extreme(FEATURES, ROWS, file=tmp_path / "X.npy")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="file = .*folder that exists"):
        embedded.extreme(FEATURES, ROWS, file=tmp_path / "no" / "X.npy")
