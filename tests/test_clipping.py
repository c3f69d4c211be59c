"""Clipping of gradients by their norm: a plain formula, the same bits in both engines, any number of threads, workers."""

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import sparselab as sl
from sparselab.engines import select
from sparselab.kernels import elementwise, updating
from sparselab.nn.optimizers import clip_factor
from sparselab.training.loop import TrainingState

OPTIMIZERS = {
    "momentum": lambda **options: sl.MomentumSGD(0.05, weight_decay=1e-3, **options),
    "nesterov": lambda **options: sl.MomentumSGD(0.05, nesterov=True, **options),
    "sgd": lambda **options: sl.SGD(0.1, momentum=0.9, weight_decay=0.01, dampening=0.2, **options),
    "adam": lambda **options: sl.Adam(0.01, weight_decay=0.01, **options),
    "adamw": lambda **options: sl.AdamW(0.01, **options),
}
each_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
WIDE = (20, 300, 200, 4)  # layers of more than one chunk


def trained(optimizer, *, threads=1, epochs=2, batch_size=32, sizes=(20, 30, 25, 4), dtype="float32"):
    """(model, state) after a training."""
    model = models.net(sizes, dropout=0.2, dtype=dtype)
    state, data = TrainingState.start(model, optimizer, 0), models.dataset(300, dtype=dtype)
    options = {"state": state, "rules": [sl.SET(0.3)], "epochs": epochs, "batch_size": batch_size, "threads": threads}
    list(sl.train(model, data, optimizer=optimizer, **options))
    return model, state


class Spy:
    """Keeps the gradients that it gets, and changes nothing."""

    def __init__(self, clip_norm=None):
        self.clip_norm, self.seen = clip_norm, []

    def init(self, model):
        return [sl.LayerState() for _ in model.layers]

    def rate(self, epoch):
        return 1.0

    def update(self, layer, state, dw, db, rate):
        self.seen += [dw.copy(), db.copy()]


def gradients(clip_norm, dtype="float64"):
    """[dw, db of the first layer, of the second, …] of one batch, as an optimizer gets them."""
    spy, model = Spy(clip_norm), models.net(dtype=dtype)
    next(sl.steps(model, models.dataset(64, dtype=dtype), optimizer=spy, batch_size=64, seed=0))
    return spy.seen


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("share", [1e-3, 0.5, 0.999, 1.5, 1e6])
def test_gradients_are_scaled_as_the_formula_says(dtype, share):
    plain = gradients(None, dtype)
    norm = np.sqrt(sum(np.sum(g.astype(float) ** 2) for g in plain))
    limit = share * norm
    for got, g in zip(gradients(limit, dtype), plain, strict=True):
        np.testing.assert_allclose(got, g * min(1, limit / (norm + 1e-6)), rtol=1e-12 if dtype == "float64" else 1e-6)
        if share > 1:
            np.testing.assert_array_equal(got, g)


def test_the_factor_is_that_of_torch():
    """torch.nn.utils.clip_grad_norm_ of (3, 4) and (12,) to 6.5: the norm is 13, and 1e-6 is added to it."""
    dw, db = [np.array([3.0, 4.0])], [np.array([12.0])]
    assert clip_factor(6.5, dw, db) == pytest.approx(0.49999996153846450, rel=1e-15)
    assert clip_factor(13.1, dw, db) == 1
    assert clip_factor(13.0, dw, db) < 1
    assert clip_factor(1.0, [np.zeros(3)], [np.zeros(1)]) == 1


@given(arrays.arrays(np.float64, st.integers(0, 40), elements=st.floats(-1e6, 1e6)), st.data())
def test_squares_of_a_part(values, data):
    begin = data.draw(st.integers(0, len(values)))
    end = data.draw(st.integers(begin, len(values)))
    assert elementwise.squares(values, begin, end) == pytest.approx(sum(v * v for v in values[begin:end]), rel=1e-12)


def test_squares_of_more_than_a_chunk():
    for n in (1, elementwise.CHUNK - 1, elementwise.CHUNK, elementwise.CHUNK + 1, 3 * elementwise.CHUNK + 5):
        values = np.random.default_rng(n).normal(size=n).astype(np.float32)
        assert elementwise.add_squares(2.0, values) == pytest.approx(2 + np.sum(values.astype(float) ** 2), rel=1e-12)


@pytest.mark.skipif(not select.JIT, reason="the fused engine is compiled")
@pytest.mark.parametrize("sizes", [(20, 30, 25, 4), WIDE])
@pytest.mark.parametrize("batch_size", [32, 300])
@each_optimizer
def test_both_engines_give_the_same_bits_with_any_number_of_threads(monkeypatch, name, batch_size, sizes):
    optimizer = OPTIMIZERS[name](clip_norm=0.05)
    options = {"batch_size": batch_size, "sizes": sizes}
    wanted = models.fingerprint(*trained(optimizer, **options))
    for threads in (2, 3):
        assert models.fingerprint(*trained(optimizer, threads=threads, **options)) == wanted
    assert models.fingerprint(*trained(OPTIMIZERS[name](), **options)) != wanted
    monkeypatch.setattr(select, "is_fusable", lambda *_: False)
    for threads in (1, 2):
        assert models.fingerprint(*trained(optimizer, threads=threads, **options)) == wanted


@each_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_norm_that_is_never_reached_changes_no_bit(name, dtype):
    found = [models.fingerprint(*trained(OPTIMIZERS[name](clip_norm=norm), dtype=dtype)) for norm in (None, 1e9)]
    assert found[0] == found[1]


@pytest.mark.skipif(not select.JIT, reason="the fused engine is compiled")
def test_without_clipping_the_kernels_are_those_of_before(monkeypatch):
    monkeypatch.setattr(updating.clip_net, "compiled", lambda: pytest.fail("the kernel that clips was asked for"))
    trained(sl.Adam(0.01))


def test_one_synchronous_worker_is_the_sequential_training():
    for name in ("momentum", "adamw"):
        alone, together = models.net(), models.net()
        options = {"optimizer": OPTIMIZERS[name](clip_norm=0.1), "epochs": 2, "batch_size": 32, "seed": 1}
        list(sl.train(alone, models.dataset(300), **options))
        list(sl.train_parallel(together, models.dataset(300), n_jobs=1, synchronous=True, async_fraction=1.0, **options))
        assert models.fingerprint(alone) == models.fingerprint(together)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threads", "processes"])
@pytest.mark.parametrize("synchronous", [True, False])
def test_workers_train_with_it(backend, synchronous):
    model = models.net()
    options = {"optimizer": sl.MomentumSGD(0.05, clip_norm=0.1), "epochs": 3, "batch_size": 32, "n_jobs": 2, "seed": 1}
    records = list(sl.train_parallel(model, models.dataset(300), synchronous=synchronous, backend=backend, **options))
    assert [record.epoch for record in records] == [1, 2, 3]
    assert all(np.isfinite(record.train_loss) for record in records)


def test_a_server_clips_each_push_and_leaves_its_gradients_alone():
    model = models.net(dtype="float64")
    server = sl.ParameterServer(model, sl.SGD(clip_norm=2.0))
    before = [layer.w.copy() for layer in model.layers]
    dw, db = [np.ones_like(layer.w) for layer in model.layers], [np.zeros_like(layer.b) for layer in model.layers]
    server.push(server.pull(), dw, db, 0.5)
    norm = np.sqrt(model.n_links)
    for layer, old, gradient in zip(model.layers, before, dw, strict=True):
        np.testing.assert_allclose(layer.w, old - 0.5 * 2 / (norm + 1e-6), rtol=1e-12)
        assert np.all(gradient == 1)


def test_a_run_that_is_resumed_equals_one_that_was_not_interrupted(tmp_path):
    options = {"optimizer": sl.AdamW(0.01, clip_norm=0.05), "batch_size": 32, "seed": 3}
    whole, parts = models.net(), models.net()
    list(sl.train(whole, models.dataset(300), epochs=3, **options))
    for epochs in (1, 3):
        list(sl.train(parts, models.dataset(300), epochs=epochs, checkpoint=tmp_path / "run", **options))
    assert models.fingerprint(parts) == models.fingerprint(whole)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1", True])
@pytest.mark.parametrize("kind", [sl.MomentumSGD, sl.SGD, sl.Adam, sl.AdamW])
def test_bad_norms_are_named(kind, value):
    with pytest.raises((TypeError, ValueError), match="clip_norm = .*None or a finite number > 0"):
        kind(clip_norm=value)
