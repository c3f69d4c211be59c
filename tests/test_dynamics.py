"""Numbers that are not finite are found in their own batch and spoil nothing; arithmetic at the limits of float32."""

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds
from stress import dynamics

from sparselab.engines.base import DivergedError
from sparselab.nn import activations
from sparselab.nn.losses import MeanSquaredError, SoftmaxCrossEntropy
from sparselab.nn.optimizers import MAX_RATE, MomentumSGD
from sparselab.training.loop import predict, train

KINDS = dynamics.ENGINES


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", activations.NAMES)
@pytest.mark.parametrize("what", dynamics.PLANTS)
def test_a_planted_nan_is_found_in_its_batch_whatever_would_hide_it(kind, activation, what):
    for layer in (0,) if what.startswith("an input") else (0, 1) if "dead end" in what else (0, 1, 2):
        assert dynamics.planted(kind, activation, what, np.nan, layer, dropout=0.3), layer


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_infinity_is_found_although_tanh_makes_ones_of_it(kind, value):
    for activation in ("tanh", "relu"):
        for what in dynamics.PLANTS[:4]:
            assert dynamics.planted(kind, activation, what, value, 0), (activation, what)


def test_a_net_that_is_fine_is_not_called_diverged():
    model = dynamics.net_with_dead_end("all_relu", 0)
    model.layers[0].w[:] *= np.float32(1e19)  # the sum of squares is beyond float32, the weights are not
    model.layers[1].w[:] *= np.float32(1e-19)
    assert np.isfinite(next(train(model, models.rows(), optimizer=MomentumSGD(1e-30), epochs=1)).train_loss)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_nan_after_a_known_step_is_found_in_the_next(kind, threads):
    assert all(dynamics.diverges_at(kind, step, threads) for step in (1, 3, 4, 5, 8, 9))


def test_no_absurd_learning_rate_overflows_unnoticed():
    good, tried = dynamics.overflows(rates=(1e4, MAX_RATE), sizes=(dynamics.SIZES,))
    assert good == tried
    with pytest.raises(ValueError, match="learning_rate"):
        MomentumSGD(2 * MAX_RATE)


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_that_overflows_is_noticed_even_in_the_last_step(kind):
    """A weight close to the largest float32 and a gradient that takes it beyond; one batch, one epoch, nothing after it."""
    model, X, y = models.net((1, 1), density=1.0), np.full((4, 1), 1e-10, np.float32), np.full((4, 1), -3e38, np.float32)
    model.layers[0].w[:] = -3.4028e38
    options = {"optimizer": MomentumSGD(MAX_RATE, momentum=0), "loss": "mean_squared_error", "epochs": 1}
    with models.engine_is(kind), pytest.raises(DivergedError) as caught:
        list(train(model, models.Dataset(X, y), **options))
    assert caught.value.layer == 1


def test_errors_from_outside_come_through_and_leave_a_usable_net():
    assert dynamics.broken_runs() == dict.fromkeys(dynamics.broken_runs(), True)


# layers with holes


@st.composite
def nets(draw):
    """Masks of a small net, with empty rows, columns and layers."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=3, max_size=4))
    masks = []
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        mask = np.array(draw(st.lists(st.booleans(), min_size=n_in * n_out, max_size=n_in * n_out))).reshape(n_out, n_in)
        if draw(st.booleans()):
            mask[draw(st.integers(0, n_out - 1))] = False
        if draw(st.booleans()):
            mask[:, draw(st.integers(0, n_in - 1))] = False
        masks.append(mask if draw(st.integers(0, 4)) else mask & False)
    return masks


@given(nets(), st.sampled_from([np.float32, np.float64]), seeds)
def test_a_net_with_holes_gives_what_its_dense_twin_gives(masks, dtype, seed):
    model, random = models.from_masks(masks, dtype=dtype, seed=seed), np.random.default_rng(seed)
    X = random.standard_normal((5, model.sizes[0])).astype(dtype)
    wanted = models.twin(model).forward(X)[2]
    rtol = 1e-4 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(predict(model, X), wanted, rtol=rtol, atol=rtol)


@given(nets(), st.sampled_from(KINDS), seeds)
def test_a_net_with_holes_trains_and_its_biases_without_links_move(masks, kind, seed):
    model, random = models.from_masks(masks, dtype=np.float32, seed=seed), np.random.default_rng(seed)
    X = random.standard_normal((9, model.sizes[0])).astype(np.float32)
    y = random.standard_normal((9, model.sizes[-1])).astype(np.float32)
    before, nnz = model.layers[-1].b.copy(), model.nnz
    with models.engine_is(kind):
        records = list(train(model, models.Dataset(X, y), optimizer=MomentumSGD(0.01), epochs=2, batch_size=4, seed=0))
    assert np.isfinite([record.train_loss for record in records]).all()
    assert model.nnz == nnz
    assert (model.layers[-1].b != before).all()


def test_random_nets_with_holes_have_the_gradients_of_dense_arithmetic():
    assert dynamics.empty_lines(60) == (60, 60)


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_without_any_link_gives_its_biases_and_learns_again_when_links_grow(kind):
    assert dynamics.emptied_and_regrown(kind)


# arithmetic at its edges


def test_softmax_loss_is_exact_at_huge_logits():
    errors = dynamics.softmax_error(1000)
    assert errors["float32"] <= 1e-6
    assert errors["float64"] <= 1e-14


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_softmax_loss_stays_finite_at_huge_logits(dtype, size):
    size = float(dtype(size))
    Z = np.array([[size, -size, 0], [-size, size, 0], [0, 0, 0]], dtype)
    loss, targets = SoftmaxCrossEntropy(), np.array([0, 0, 2])
    dZ = np.empty_like(Z)
    value, hits = loss.on_tile(Z, targets, np.arange(3), 0, 3, dtype(1), dZ)
    assert value == pytest.approx(2 * size + np.log(3), rel=1e-6)
    assert hits == 1
    np.testing.assert_allclose(dZ.T, [[0, 0, 0], [-1, 1, 0], [1 / 3, 1 / 3, -2 / 3]], atol=1e-6)
    assert loss.of(Z.T, targets)[0] == pytest.approx((2 * size + np.log(3)) / 3, rel=1e-12)


def test_squared_error_of_huge_outputs_is_summed_in_float64():
    Z, targets = np.full((2, 1), 1e30, np.float32), np.zeros((1, 2), np.float32)
    value, _ = MeanSquaredError().on_tile(Z, targets, np.array([0]), 0, 1, np.float32(1), np.empty_like(Z))
    assert value == pytest.approx(1e60, rel=1e-6)


def test_denormal_numbers_cost_no_multiple_and_are_not_flushed():
    assert dynamics.denormal_ratio(n_epochs=30, repeats=3) < 20  # 100 and more where a processor traps; 1.1 measured
    assert dynamics.denormals_survive()
