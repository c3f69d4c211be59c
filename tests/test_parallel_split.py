"""Layers that are split by rows between processes: the same losses as in one process, up to rounding."""

import models
import numpy as np
import pytest

import sparselab as sl
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


@pytest.mark.slow
def test_a_process_that_ends_is_named():
    records = sl.parallel.train_split(models.net(), models.dataset(100), epochs=50, batch_size=32)
    next(records)
    records.gi_frame.f_locals["processes"][1][0].kill()
    with pytest.raises(sl.WorkerLostError, match="has ended"):
        list(records)
