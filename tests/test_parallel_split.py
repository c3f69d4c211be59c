"""Layers that are split by rows between processes: the same losses as in one process, up to rounding."""

import subprocess
import threading

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab.datasets import Augmentation
from sparselab.parallel import split

pytestmark = pytest.mark.timeout(120)


def losses(records):
    return [record.train_loss for record in records]


@pytest.mark.parametrize("n_jobs, dtype", [(2, np.float32), pytest.param(3, np.float64, marks=pytest.mark.slow)])
def test_the_losses_are_those_of_one_process(n_jobs, dtype):
    data, options = models.dataset(150, 10, dtype=dtype), {"epochs": 3, "batch_size": 80, "seed": 5}
    one, several = models.net(dtype=dtype), models.net(dtype=dtype)
    options["optimizer"] = sl.MomentumSGD(0.02, weight_decay=1e-3)
    wanted = list(sl.train(one, data, threads=1, evaluate_every=0, **options))
    found = list(sl.parallel.train_split(several, data, n_jobs=n_jobs, **options))
    np.testing.assert_allclose(losses(found), losses(wanted), rtol=1e-4 if dtype == np.float32 else 1e-10)
    assert [record.train_accuracy for record in found] == pytest.approx([record.train_accuracy for record in wanted], abs=0.02)
    for mine, theirs in zip(several.layers, one.layers, strict=True):
        np.testing.assert_allclose(mine.w, theirs.w, atol=1e-4)
        np.testing.assert_allclose(mine.b, theirs.b, atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_rows_of_all_parts_are_the_layer(n):
    for layer in models.net().layers[:2]:
        ends = split.bounds(layer.topology.n_out, n)
        parts = [split.rows_of(layer, *ends[k : k + 2]) for k in range(n)]
        X = np.random.default_rng(0).standard_normal((layer.topology.n_in, 8)).astype(np.float32)
        np.testing.assert_allclose(np.concatenate([part.forward(X) for part in parts]), layer.forward(X), rtol=1e-6)
        assert sum(part.topology.nnz for part in parts) == layer.topology.nnz


@pytest.mark.parametrize(
    "change, name",
    [({"n_jobs": 5}, "n_jobs"), ({"optimizer": sl.SGD(0.1, clip_norm=1.0)}, "optimizer.clip_norm"), ({"epochs": 0}, "epochs")],
)
def test_what_cannot_be_split_is_named(change, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        sl.parallel.train_split(models.net(), models.dataset(100), **change)
    with pytest.raises(ValueError, match=r"^model\.dropout = 0\.3"):
        sl.parallel.train_split(models.net(dropout=0.3), models.dataset(100))
    data = models.dataset(100).with_augmentation(Augmentation((4, 5), flip=True))
    with pytest.raises(ValueError, match=r"^data\.augmentation = Augmentation"):
        sl.parallel.train_split(models.net(), data)


class FailsForMany:
    """An activation that one of two processes cannot compute: that with 17 of 33 neurons. The other one waits for it."""

    def forward(self, Z):
        if len(Z) == 17:
            raise ArithmeticError("seventeen")
        return np.tanh(Z)

    def gradient(self, Z):
        return 1 - np.tanh(Z) ** 2


def test_an_error_in_one_process_ends_all():
    with pytest.raises(ArithmeticError, match="seventeen"):
        list(sl.parallel.train_split(models.net(activation=FailsForMany()), models.dataset(100)))


class Locked(FailsForMany):
    """An activation that cannot be sent."""

    def __init__(self):
        self.lock = threading.Lock()


def test_no_process_is_left_where_a_part_cannot_be_sent(monkeypatch):
    started, begin = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: started.append(begin(*args, **kwargs)) or started[-1])
    with pytest.raises(TypeError, match="lock"):
        list(sl.parallel.train_split(models.net(activation=Locked()), models.dataset(100)))
    assert [process.poll() is None for process in started] == [False, False]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_training():
    model, data = models.net(), models.dataset(100)
    model.layers[1].w[:] = 1e30
    before = models.fingerprint(model)
    with pytest.raises(sl.DivergedError, match="diverged in epoch"):
        list(sl.parallel.train_split(model, data, epochs=2, seed=0))
    assert models.fingerprint(model) == before


@pytest.mark.slow
def test_a_process_that_ends_is_named():
    records = sl.parallel.train_split(models.net(), models.dataset(100), epochs=50, batch_size=32)
    next(records)
    assert records.gi_frame.f_locals["parts"] == []
    records.gi_frame.f_locals["processes"][1][0].kill()
    with pytest.raises(sl.WorkerLostError, match="has ended"):
        list(records)
