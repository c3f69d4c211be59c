"""Every gradient is the slope of the loss: float64, central differences, every link, bias and trained value."""

import models
import naive
import numpy as np
import pytest
from stress import gradients
from stress.gradients import LOSSES, targets_for
from stress.gradients import masks as patterns

from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.nn import activations, losses
from sparselab.testing import gradient_errors

MOST = gradients.MOST
COMBINATIONS = gradients.combinations()
QUICK = [
    (activation, loss)
    for activation in gradients.ACTIVATIONS
    for loss in LOSSES
    if loss in ("softmax_cross_entropy", "mean_squared_error", "plug-in") or activation == "all_relu"
]


def errors(model, X, loss, key=None):
    """The largest relative error of a net's gradients."""
    return max(gradient_errors(model, X, targets_for(loss, len(X)), loss, key).values())


@pytest.mark.parametrize(
    "pattern", [pytest.param(one, marks=[pytest.mark.slow] * (n % 2)) for n, one in enumerate(gradients.PATTERNS)]
)
@pytest.mark.parametrize(("activation", "loss"), QUICK)
def test_gradients_are_slopes(activation, loss, pattern):
    """Without dropout and with some of it, at a fixed key."""
    for dropout in (0.0, 0.3) if pattern == "holes" else (0.0,):
        assert gradients.worst(activation, loss, pattern, dropout) <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda one: ", ".join(map(str, one)))
def test_gradients_are_slopes_in_three_nets_of_every_kind(combination):
    assert gradients.worst(*combination, n_seeds=3) <= MOST


def test_every_combination_is_in_the_list():
    assert len(set(COMBINATIONS)) == 11 * 9 * 5 * 3
    assert {name for name, *_ in COMBINATIONS} >= set(activations.NAMES)
    assert {loss for _, loss, *_ in COMBINATIONS} >= set(losses.NAMES)


@pytest.mark.parametrize("dropout", [0.3, 0.9])
@pytest.mark.parametrize("activation", gradients.ACTIVATIONS)
def test_gradients_with_dropout_at_a_fixed_key(activation, dropout):
    assert gradients.worst(activation, "softmax_cross_entropy", "holes", dropout) <= MOST


def test_dropout_of_a_step_is_that_of_the_naive_bits():
    model = models.from_masks(patterns("sparse"), activation="relu", dropout=0.5)
    X, key, loss = np.random.default_rng(0).standard_normal((11, 6)), 77, LOSSES["softmax_cross_entropy"]
    value, _, dw, db = LayerwiseEngine(model, loss, 8, 1).batch_gradient(X, targets_for(loss), np.arange(11), np.uint64(key))
    drop = [2.0 * naive.kept(naive.key64(key, l), layer.topology.n_out, 11, 0, 128) for l, layer in enumerate(model.layers[:-1])]
    slow = models.twin(model).gradient(X, targets_for(loss), drop=drop)
    assert value / 11 == pytest.approx(slow[0], rel=1e-12)
    for layer, ours, theirs in zip(model.layers, dw, slow[1], strict=True):
        t = layer.topology
        np.testing.assert_allclose(ours, theirs[t.rows, t.indices], rtol=1e-11, atol=1e-14)
    for ours, theirs in zip(db, slow[2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-14)


def test_the_check_itself_sees_a_wrong_gradient():
    class Wrong(gradients.Swish):
        def gradient(self, Z):
            return super().gradient(Z) * (1 + 1e-5)

    loss, make = LOSSES["softmax_cross_entropy"], lambda seed: models.from_masks(patterns("dense"), activation=Wrong(), seed=seed)
    assert errors(*gradients.away_from_kinks(make, loss, None), loss) > MOST


# sums over batches


@pytest.mark.parametrize("width", [1, 3, 8, 64])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_is_the_sum_of_its_samples_whatever_the_tiles(width, threads):
    model, X, loss = (
        models.from_masks(patterns("holes"), activation="all_relu"),
        np.random.default_rng(0).standard_normal((50, 6)),
        LOSSES["softmax_cross_entropy"],
    )
    targets, one = targets_for(loss, 50), LayerwiseEngine(model, loss, 1, 1)
    total = [np.zeros(n) for n in model.nnz]
    for sample in range(50):
        for sum_, part in zip(total, one.batch_gradient(X, targets, np.array([sample]), None)[2], strict=True):
            sum_ += part / 50
    engine = LayerwiseEngine(model, loss, width, threads)
    for ours, wanted in zip(engine.batch_gradient(X, targets, np.arange(50), None)[2], total, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-10, atol=1e-13)
    engine.close()


def test_a_sample_twice_weighs_twice():
    model, X, loss = (
        models.from_masks(patterns("sparse")),
        np.random.default_rng(0).standard_normal((11, 6)),
        LOSSES["softmax_cross_entropy"],
    )
    gradient = lambda samples: [
        g * len(samples)
        for g in LayerwiseEngine(model, loss, 8, 1).batch_gradient(X, targets_for(loss), np.array(samples), None)[2]
    ]
    for twice, once, extra in zip(gradient([0, 1, 1, 2]), gradient([0, 1, 2]), gradient([1]), strict=True):
        np.testing.assert_allclose(twice, once + extra, rtol=1e-11, atol=1e-13)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_padding_columns_never_reach_the_gradient():
    class SignedRoot:
        """Infinitely steep at 0, where every padding column of a fresh net stands."""

        def forward(self, Z):
            return np.sign(Z) * np.sqrt(abs(Z))

        def gradient(self, Z):
            with np.errstate(divide="ignore"):
                return 0.5 / np.sqrt(abs(Z))

    model, X, loss = (
        models.from_masks(patterns("dense"), activation=SignedRoot()),
        np.random.default_rng(0).standard_normal((11, 6)),
        LOSSES["softmax_cross_entropy"],
    )
    for layer in model.layers:
        layer.b[:] = 0
    assert errors(model, X, loss) <= MOST
