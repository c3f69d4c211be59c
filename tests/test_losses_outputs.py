"""Losses by name: values and gradients of formulas in pure Python and scikit-learn, with the same bits on both engines."""

import dataclasses
import math

import models
import numpy as np
import pytest
import scipy.sparse
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

import sparselab as sl
from sparselab.engines import select
from sparselab.engines.fused import FusedEngine
from sparselab.kernels import JIT
from sparselab.nn import losses
from sparselab.nn.weighted_loss import Weighted

needs_jit = pytest.mark.skipif(not JIT, reason="the fused engine needs compiled code")

BINARY = {"binary_cross_entropy": sl.BinaryCrossEntropy(), "squared_hinge": sl.SquaredHinge()}
NUMBERS = {
    "squared": sl.MeanSquaredError(), "absolute": sl.MeanAbsoluteError(), "huber": sl.HuberLoss(0.7), "poisson": sl.PoissonLoss(),
    "quantile": sl.QuantileLoss(0.8),
}  # fmt: skip
OUTPUTS = BINARY | NUMBERS
SLOW = {
    "binary_cross_entropy": lambda z, t: math.log1p(math.exp(z)) - t * z,
    "squared_hinge": lambda z, t: max(0.0, 1 - (2 * t - 1) * z) ** 2,
    "squared": lambda z, t: (z - t) ** 2 / 2,
    "absolute": lambda z, t: abs(z - t),
    "huber": lambda z, t: (z - t) ** 2 / 2 if abs(z - t) <= 0.7 else 0.7 * (abs(z - t) - 0.35),
    "poisson": lambda z, t: math.exp(z) - t * z,
    "quantile": lambda z, t: 0.8 * (t - z) if z < t else 0.2 * (z - t),
}
WEIGHTS = (0.5, 0.0, 2.0)


def outputs_and_targets(name, n=9, n_out=3, seed=0):
    """(Z (n, n_out), y)."""
    random = np.random.default_rng(seed)
    Z, y = random.normal(0, 2, (n, n_out)), random.normal(0, 2, (n, n_out))
    return Z, (y > 0).astype(int) if name in BINARY else abs(y) if name == "poisson" else y


def tile(loss, Z, targets, samples, width=16, scale=0.25, weights=None):
    """(loss, hits, gradient (samples, n_out)) of one tile in float64, written over its outputs."""
    out = np.full((Z.shape[1], width), np.nan)
    out[:, : len(samples)] = Z[samples].T
    loss = loss if weights is None else Weighted(loss, weights)
    value, hits = loss.on_tile(out, targets, np.concatenate([[99], samples]), 1, len(samples), scale, out)
    assert not out[:, len(samples) :].any()
    return value, hits, out[:, : len(samples)].T


# formulas


@pytest.mark.parametrize("factors", [None, WEIGHTS])
@pytest.mark.parametrize("name", OUTPUTS)
def test_value_and_gradient_are_those_of_the_formula(name, factors):
    loss = type(OUTPUTS[name])(**vars(OUTPUTS[name]) | {"output_weights": factors})
    Z, y = outputs_and_targets(name)
    targets, samples, slow, h = loss.targets(y, 3, np.float64), np.array([4, 0, 7, 4]), SLOW[name], 1e-6
    value, _, gradient = tile(loss, Z, targets, samples)
    each = [[(f, z, t) for f, z, t in zip(factors or (1, 1, 1), Z[i], y[i], strict=True)] for i in samples]
    assert value == pytest.approx(sum(f * slow(z, t) for row in each for f, z, t in row), rel=1e-12)
    slopes = [[f * (slow(z + h, t) - slow(z - h, t)) / (2 * h) for f, z, t in row] for row in each]
    np.testing.assert_allclose(gradient, 0.25 * np.array(slopes), rtol=1e-6, atol=1e-8)
    rows = [sum(f * slow(z, t) for f, z, t in zip(factors or (1, 1, 1), a, b, strict=True)) for a, b in zip(Z, y, strict=True)]
    assert loss.of(Z, targets)[0] == pytest.approx(np.mean(rows), rel=1e-12)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, lambda Y: Y.argmax(axis=1)])
@pytest.mark.parametrize("factors", [None, WEIGHTS])
@pytest.mark.parametrize("name", BINARY)
def test_positive_weights_are_those_of_the_targets_1(name, factors, form):
    Z, y = outputs_and_targets(name, n_out=8)
    Y, samples = np.eye(8, dtype=np.uint8)[y.argmax(axis=1)], np.array([4, 0, 7])
    of_outputs, positive = np.resize(factors or (1,), 8), np.arange(8) / 3
    plain = type(BINARY[name])()
    loss = type(BINARY[name])(output_weights=factors and of_outputs.tolist(), positive_weights=positive)
    targets = loss.targets(form(Y), 8, np.float64)
    value, hits, gradient = tile(loss, Z, targets, samples)
    each = of_outputs * np.where(Y > 0, positive, 1)
    slow = SLOW[name]
    rows = [sum(f * slow(z, int(t)) for f, z, t in zip(*row, strict=True)) for row in zip(each, Z, Y, strict=True)]
    assert value == pytest.approx(sum(rows[i] for i in samples), rel=1e-12)
    np.testing.assert_allclose(gradient, each[samples] * tile(plain, Z, targets, samples)[2], rtol=1e-12)
    assert hits == tile(plain, Z, targets, samples)[1]
    assert loss.of(Z, targets)[0] == pytest.approx(np.mean(rows), rel=1e-12)
    again = plain.with_factors(np.ones(8), positive).with_factors(of_outputs, np.ones(8))
    assert again.of(Z, targets) == loss.of(Z, targets)
    assert plain == type(BINARY[name])()


@pytest.mark.parametrize("name", [*OUTPUTS, "softmax", "smooth", "classes"])
def test_weights_of_samples_multiply_loss_and_gradient(name):
    of_classes = {"softmax": sl.SoftmaxCrossEntropy(), "smooth": sl.SoftmaxCrossEntropy(0.2), "classes": sl.SquaredHinge()}
    loss, (Z, y) = (of_classes | OUTPUTS)[name], outputs_and_targets(name)
    targets = loss.targets(np.arange(9) % 3 if name in of_classes else y, 3, np.float64)
    weights, samples = np.random.default_rng(1).random(9), np.array([3, 8, 3, 1])
    value, hits, gradient = tile(loss, Z, targets, samples, weights=weights)
    alone = [tile(loss, Z, targets, samples[i : i + 1]) for i in range(4)]
    assert value == pytest.approx(sum(weights[i] * one[0] for i, one in zip(samples, alone, strict=True)), rel=1e-12)
    assert hits == sum(one[1] for one in alone)
    wanted = np.concatenate([weights[i] * one[2] for i, one in zip(samples, alone, strict=True)])
    np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-15)
    mean = sum(weights[i] * loss.of(Z[i : i + 1], targets[i : i + 1])[0] for i in range(9)) / weights.sum()
    assert losses.scores(loss, Z, targets, weights)[0] == pytest.approx(mean, rel=1e-12)


def test_losses_are_those_of_scikit_learn():
    Z, y = outputs_and_targets("squared", 50, 1)
    of = lambda loss, y: loss.of(Z, loss.targets(y, 1, np.float64))[0]
    labels = (y > 0).astype(int).ravel()
    probabilities = 1 / (1 + np.exp(-Z.ravel()))
    assert of(sl.BinaryCrossEntropy(), labels) == pytest.approx(sklearn.metrics.log_loss(labels, probabilities))
    assert of(sl.MeanAbsoluteError(), y) == pytest.approx(sklearn.metrics.mean_absolute_error(y, Z))
    assert of(sl.QuantileLoss(0.3), y) == pytest.approx(sklearn.metrics.mean_pinball_loss(y, Z, alpha=0.3))
    counts = np.round(abs(y)) + 1
    deviance = 2 * (of(sl.PoissonLoss(), counts) - np.mean(counts - counts * np.log(counts)))
    assert deviance == pytest.approx(sklearn.metrics.mean_poisson_deviance(counts, np.exp(Z)))


def test_smoothed_labels():
    Z, y = np.random.default_rng(0).normal(0, 2, (6, 4)), np.arange(6) % 4
    loss, h, e = sl.SoftmaxCrossEntropy(label_smoothing=0.2), 1e-6, np.eye(4)
    target = 0.8 * e[y] + 0.05
    slow = lambda Z: -(target * (Z - np.log(np.exp(Z).sum(axis=1, keepdims=True)))).sum()
    value, hits, gradient = tile(loss, Z, y, np.arange(6))
    assert value == pytest.approx(slow(Z), rel=1e-12)
    assert hits == (Z.argmax(axis=1) == y).sum()
    bump = lambda i, q: h * e[q] * (np.arange(6) == i)[:, None]
    slopes = [[(slow(Z + bump(i, q)) - slow(Z - bump(i, q))) / (2 * h) for q in range(4)] for i in range(6)]
    np.testing.assert_allclose(gradient, 0.25 * np.array(slopes), atol=1e-8)
    assert loss.of(Z, y)[0] == pytest.approx(slow(Z) / 6, rel=1e-12)


@given(st.floats(-1e4, 1e4), st.booleans(), st.sampled_from([*BINARY]))
@settings(max_examples=50, deadline=None)
def test_binary_losses_of_any_output_are_finite_and_fall_with_the_margin(z, t, name):
    loss, y = BINARY[name], np.array([[t]], np.uint8)
    value, hits, gradient = tile(loss, np.array([[z]]), y, np.array([0]))
    assert np.isfinite(value)
    assert value >= 0
    assert gradient[0, 0] * (1 if t else -1) <= 0
    assert hits == ((z > 0) == t)
    assert loss.of(np.array([[z]]), y)[0] == pytest.approx(value, rel=1e-12, abs=1e-100)  # e^−300 stands for less


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_not_a_number_is_seen(name):
    loss = OUTPUTS[name]
    targets = loss.targets(np.ones((1, 1)), 1, np.float64)
    assert np.isnan(tile(loss, np.array([[np.nan]]), targets, np.array([0]))[0])


# what counts as correct


def test_all_labels_of_a_sample_must_be_right():
    Z, y = np.array([[1.0, -1], [1, 1], [-1, -1], [0, 0]]), np.array([[1, 0], [1, 0], [0, 0], [0, 0]], np.uint8)
    for loss in BINARY.values():
        assert loss.of(Z, y)[1] == 0.75
        assert tile(loss, Z, y, np.arange(4))[1] == 3
        assert losses.scores(loss, Z, y)[2] is None


@pytest.mark.parametrize("name", BINARY)
def test_a_binary_loss_of_classes_is_one_against_the_rest(name):
    Z, labels, loss = np.random.default_rng(0).normal(0, 1, (20, 4)), np.arange(20) % 4, BINARY[name]
    targets = loss.targets(labels, 4, np.float32)
    by_class, by_label = tile(loss, Z, targets, np.arange(16)), tile(loss, Z, np.eye(4, dtype=np.uint8)[labels], np.arange(16))
    assert by_class[0] == pytest.approx(by_label[0], rel=1e-14)  # the kernel of labels has an e^x of its own
    np.testing.assert_allclose(by_class[2], by_label[2], rtol=1e-6)
    assert by_class[1] == (Z[:16].argmax(axis=1) == labels[:16]).sum()
    assert loss.of(Z, targets)[1] == np.mean(Z.argmax(axis=1) == labels)


def test_r2_is_that_of_scikit_learn_and_of_expected_counts():
    Z, y = outputs_and_targets("poisson", 30)
    weights = np.random.default_rng(5).random(30)
    for loss, predicted in ((sl.PoissonLoss(), np.exp(Z)), (sl.HuberLoss(), Z)):
        value, accuracy, r2 = losses.scores(loss, Z, loss.targets(y, 3, np.float64), weights)
        assert accuracy is None
        assert r2 == pytest.approx(sklearn.metrics.r2_score(y, predicted, sample_weight=weights))


# engines

ALL = OUTPUTS | {
    "binary of classes": sl.BinaryCrossEntropy(), "hinge of classes": sl.SquaredHinge(), "smooth": sl.SoftmaxCrossEntropy(0.1),
    "positive weights": sl.BinaryCrossEntropy(output_weights=(1, 2, 0, 0.5), positive_weights=(2, 1, 3, 0)),
    "huber, factors": sl.HuberLoss(0.5, output_weights=(1, 2, 0, 0.5)),
    "squared, factors": sl.MeanSquaredError(output_weights=(1, 2, 0, 0.5)),
}  # fmt: skip
OF_NUMBERS = (*NUMBERS, "huber, factors", "squared, factors")


def data_for(name, n=101, n_test=30):
    data = models.dataset(n, n_test, regression=name in OF_NUMBERS or name in BINARY)
    change = lambda y: (y > 0).astype(np.float32) if name in BINARY else abs(y) if name == "poisson" else y
    return sl.datasets.Dataset(
        data.X_train, change(data.y_train), data.X_test, change(data.y_test), classes=data.classes
    )  # fmt: skip


@needs_jit
@pytest.mark.parametrize("name", ALL)
def test_fused_and_layerwise_give_the_same_bits(name):
    assert type(select.create(models.net(), ALL[name], None, 64, 1)) is FusedEngine
    found = [
        models.run(
            models.net(dropout=0.3), data_for(name), optimizer=sl.MomentumSGD(0.002), kind=kind, loss=ALL[name], epochs=2,
            batch_size=40, rules=[sl.SET(0.3)],
        )
        for kind in models.ENGINES
    ]  # fmt: skip
    assert found[0][1] == found[1][1]
    assert found[0][0] == found[1][0]
    record = found[0][0][-1]
    assert np.isfinite(record.test_loss)
    assert (record.test_accuracy is None) == (record.test_r2 is not None) == (name in OF_NUMBERS)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "squared_hinge"])
def test_one_output_tells_two_labels_apart(name):
    X, y = models.rows(200, classes=2)
    words = np.array(["no", "yes"])[y]
    model = models.net((20, 30, 1), density=0.6)
    records = list(sl.train(model, (X, words, X, words), loss=name, epochs=8, batch_size=20, seed=0))
    assert records[-1].test_accuracy > 0.95
    assert records[-1].train_accuracy > 0.9
    assert model.classes.tolist() == ["no", "yes"]
    scores = sl.evaluate(model, X, words, loss=name)
    assert scores.accuracy == pytest.approx(np.mean((sl.predict(model, X)[:, 0] > 0) == y))
    assert sl.evaluate(model, X, y, loss=name) == scores


def test_losses_by_name_learn_what_they_are_for():
    random = np.random.default_rng(0)
    X = random.standard_normal((400, 5))
    rate = X[:, 0] + 0.5
    y = random.poisson(np.exp(rate))
    model = models.net((5, 30, 1), density=0.8)
    list(sl.train(model, (X, y), loss="poisson", epochs=30, batch_size=20, seed=0))
    assert np.corrcoef(sl.predict(model, X)[:, 0], rate)[0, 1] > 0.9
    noise = random.standard_normal(400)
    model = models.net((5, 30, 1), density=0.8)
    list(sl.train(model, (X, noise), loss=sl.QuantileLoss(0.9), epochs=20, batch_size=20, seed=0))
    assert 0.8 < np.mean(noise < sl.predict(model, X)[:, 0]) < 0.98


def test_several_labels_a_sample_are_learned():
    random = np.random.default_rng(0)
    X = random.standard_normal((300, 6)).astype(np.float32)
    Y = (X[:, :3] > 0).astype(np.uint8)
    Y[:, 1] = 1 - Y[:, 0]  # its rows may look like one-hot rows
    model = models.net((6, 40, 3), density=0.6)
    records = list(sl.train(model, (X, Y, X, Y), loss="binary_cross_entropy", epochs=20, batch_size=20, seed=0))
    assert records[-1].test_accuracy > 0.9
    for labels in (Y, Y.astype(bool), Y.astype(float)):
        scores = sl.evaluate(model, X, labels, loss="binary_cross_entropy")
        assert scores.accuracy == np.mean(((sl.predict(model, X) > 0) == Y).all(axis=1))


# refused by name


@pytest.mark.parametrize(
    ("loss", "y", "fragments"),
    [
        ("binary_cross_entropy", [0, 1, 2, 1], ["y[2] = 2", "0 or 1"]),
        ("binary_cross_entropy", [0.5, 0.0, 1.0, 1.0], ["= 0.5: must be 0 or 1"]),
        ("squared_hinge", ["a", "b", "c", "a"], ["y[2] = 2", "0 or 1"]),
        ("poisson", [0, 1, -1, 2], ["y = -1.0", "counts >= 0"]),
        ("softmax_cross_entropy", ["a", "b", "a", "b"], ["labels in [0, 1)"]),
    ],
)
def test_targets_of_one_output_that_do_not_fit(loss, y, fragments):
    model = models.net((2, 3, 1))
    before = models.fingerprint(model)
    with pytest.raises((TypeError, ValueError)) as error:
        sl.steps(model, (np.eye(4)[:, :2], y), loss=loss)
    assert all(part in str(error.value) for part in fragments), error.value
    assert models.fingerprint(model) == before


@pytest.mark.parametrize(
    ("loss", "y", "fragments"),
    [
        ("binary_cross_entropy", [[0, 1, 2], [1, 0, 0]], ["y[0, 2] = 2", "0 or 1"]),
        ("squared_hinge", [[0, 1, 1], [1, 0, 0.25]], ["y[1, 2] = 0.25", "0 or 1"]),
        ("mean_absolute_error", [0, 2], ["(2,)", "(n, 3)"]),
        ("poisson", [[0.0, 1, -2], [1, 1, 1]], ["y = -2.0", "counts >= 0"]),
        (sl.HuberLoss(output_weights=[1, 2]), [[0.5, 1, -2], [1, 1, 1]], ["output_weights = (1.0, 2.0)", "3 numbers"]),
        ("squared_hing", [0, 1], ["did you mean 'squared_hinge'?"]),
    ],
)
def test_targets_of_three_outputs_that_do_not_fit(loss, y, fragments):
    with pytest.raises((TypeError, ValueError)) as error:
        sl.steps(models.net((2, 3, 3)), (np.eye(2), np.array(y)), loss=loss)
    assert all(part in str(error.value) for part in fragments), error.value


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: sl.QuantileLoss(0), "q = 0: must be a number in (0, 1)"),
        (lambda: sl.QuantileLoss(1.0), "q = 1.0"),
        (lambda: sl.QuantileLoss("0.5"), "q = '0.5'"),
        (lambda: sl.HuberLoss(0), "delta = 0"),
        (lambda: sl.HuberLoss(delta=np.inf), "delta = inf"),
        (lambda: sl.SoftmaxCrossEntropy(1.0), "label_smoothing = 1.0: must be a number in [0, 1)"),
        (lambda: sl.BinaryCrossEntropy(output_weights=[1, -1]), "output_weights[1] = -1"),
        (lambda: sl.BinaryCrossEntropy(output_weights=[0, 0]), "not all 0"),
        (lambda: sl.BinaryCrossEntropy(output_weights=2), "output_weights = 2"),
        (lambda: sl.SquaredHinge(positive_weights=[1, np.nan]), "positive_weights[1] = nan"),
        (
            lambda: sl.SquaredHinge(positive_weights=[1.0]).targets(np.eye(2), 2, "f4"),
            "positive_weights = (1.0,): must be 2 numbers",
        ),
        (lambda: sl.BinaryCrossEntropy(positive_weights=[0.0]), "not all 0"),
    ],
)
def test_settings_that_are_not_allowed(make, fragment):
    with pytest.raises((TypeError, ValueError)) as error:
        make()
    assert fragment in str(error.value)


# in checkpoints


def test_a_run_goes_on_with_the_same_loss_only(tmp_path):
    data = data_for("huber")
    run = lambda loss, epochs: list(
        sl.train(models.net(), data, loss=loss, epochs=epochs, batch_size=40, seed=0, checkpoint=tmp_path)
    )
    run(sl.HuberLoss(0.5), 1)
    assert [record.epoch for record in run(sl.HuberLoss(0.5), 2)] == [1, 2]
    with pytest.raises(sl.CheckpointError, match="loss"):
        run(sl.HuberLoss(0.6), 3)


def test_losses_are_values_that_can_be_subclassed():
    assert sl.HuberLoss(0.5) == sl.HuberLoss(0.5) != sl.HuberLoss()
    assert len({sl.QuantileLoss(0.1), sl.QuantileLoss(0.1), sl.QuantileLoss(0.2), sl.MeanSquaredError()}) == 3
    assert repr(sl.HuberLoss(0.5)) == "HuberLoss(delta=0.5, output_weights=None)"

    @dataclasses.dataclass
    class Scaled(sl.SoftmaxCrossEntropy):
        by: float
        code = None

        def on_tile(self, Z, *arguments):
            return super().on_tile(Z * self.by, *arguments)

    assert np.isfinite(list(sl.train(models.net(), data_for("smooth"), loss=Scaled(0.5), epochs=1, seed=0))[0].train_loss)
