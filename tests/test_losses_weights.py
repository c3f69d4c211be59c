"""Weights of samples and classes: a weight counts as so many copies of the row, on both engines, alone and with workers."""

import tracemalloc

import models
import numpy as np
import pytest
import sklearn.metrics
import sklearn.utils.class_weight
from hypothesis import given, settings
from hypothesis import strategies as st
from test_losses_outputs import ALL, data_for, needs_jit

import sparselab as sl
from sparselab.datasets.weights import weights_of_classes
from sparselab.nn.weighted_loss import Weighted

WHOLE = {"epochs": 1, "batch_size": 10**6, "optimizer": sl.MomentumSGD(0.05)}  # one step


class OfYourOwn:
    """A loss that knows nothing of weights."""

    code = None

    def __init__(self, loss):
        self.loss = loss

    def targets(self, y, n_out, dtype):
        return self.loss.targets(y, n_out, dtype)

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        return self.loss.on_tile(Z, targets, samples, first, count, scale, dZ)

    def of(self, Z, targets):
        return self.loss.of(Z, targets)


def repeated(data, counts):
    rows = np.repeat(np.arange(data.n_train), counts)
    return sl.datasets.Dataset(data.X_train[rows], data.y_train[rows], classes=data.classes)


def as_float64(data):
    y = data.y_train if data.classes is not None else data.y_train.astype(np.float64)
    return sl.datasets.Dataset(data.X_train.astype(np.float64), y, classes=data.classes)


def weights_after(data, **options):
    """(all weights and biases, the loss of the training) of a net trained on the data."""
    model = models.net(dtype=options.pop("dtype", np.float64), activation="tanh")
    record = list(sl.train(model, data, seed=0, **WHOLE | options))[-1]
    return np.concatenate([a for layer in model.layers for a in (layer.w, layer.b)]), record.train_loss


# a weight is a number of copies


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", [*ALL, "softmax"])
def test_a_weight_of_k_is_the_row_k_times(name, own):
    loss = (ALL | {"softmax": sl.SoftmaxCrossEntropy()})[name]
    loss, data = OfYourOwn(loss) if own else loss, as_float64(data_for(name, 60))
    counts = np.random.default_rng(1).integers(0, 4, 60)
    found = weights_after(data.with_weights(counts), loss=loss)
    wanted = weights_after(repeated(data, counts), loss=loss)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-11, atol=1e-13)
    assert found[1] == pytest.approx(wanted[1], rel=1e-11)


@given(st.floats(1e-3, 1e3))
@settings(max_examples=5, deadline=None)
def test_one_factor_for_all_changes_nothing(factor):
    data = as_float64(data_for("softmax", 40))
    weights = np.random.default_rng(0).random(40)
    found, wanted = (weights_after(data, sample_weight=w)[0] for w in (factor * weights, weights))
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)


def test_weights_of_one_change_nothing_but_rounding():
    data = data_for("softmax", 60)
    options = {"dtype": np.float32, "batch_size": 16, "epochs": 3}
    np.testing.assert_allclose(
        weights_after(data, sample_weight=np.ones(60), **options)[0], weights_after(data, **options)[0], rtol=1e-4, atol=1e-6
    )


def test_mini_batches_weigh_as_all_rows_do():
    data, n = as_float64(data_for("softmax", 60)), 60
    weights = np.random.default_rng(2).random(n)
    loss = Weighted(sl.SoftmaxCrossEntropy(), weights / weights.mean())
    Z, out = np.random.default_rng(0).normal(size=(4, 8)), np.empty((4, 8))
    parts = [loss.on_tile(Z, data.y_train, np.arange(n), first, min(8, n - first), 1.0, out)[0] for first in range(0, n, 8)]
    slow = sum(weights[i] / weights.mean() * sl.SoftmaxCrossEntropy().of(Z[:, [i % 8]].T, data.y_train[[i]])[0] for i in range(n))
    assert sum(parts) == pytest.approx(slow, rel=1e-12)


# engines and workers


@needs_jit
@pytest.mark.parametrize("name", ["softmax", "squared", "binary_cross_entropy", "hinge of classes"])
def test_fused_and_layerwise_give_the_same_bits(name):
    data = data_for(name).with_weights(np.random.default_rng(0).random(101))
    options = {"optimizer": sl.MomentumSGD(0.01), "loss": ALL.get(name), "epochs": 2, "batch_size": 40}
    found = [models.run(models.net(dropout=0.3), data, kind=kind, **options) for kind in models.ENGINES]
    assert found[0][1] == found[1][1]
    assert found[0][0] == found[1][0]
    assert found[0][1] != models.run(models.net(dropout=0.3), data_for(name), **options)[1]


def test_workers_know_the_weights():
    data = data_for("softmax", 128)
    options = {"epochs": 2, "batch_size": 32, "seed": 0, "sample_weight": np.random.default_rng(0).random(128)}
    one, several = models.net(), models.net()
    list(sl.train(one, data, **options))
    parallel = {"backend": "serial", "n_jobs": 1, "synchronous": True, "async_fraction": 1.0}
    list(sl.train_parallel(several, data, **parallel, **options))
    assert models.fingerprint(one) == models.fingerprint(several)
    records = list(sl.train_parallel(models.net(), data, backend="serial", n_jobs=2, class_weight="balanced", **options))
    assert np.isfinite(records[-1].test_loss)


def test_a_run_goes_on_with_the_same_weights_only(tmp_path):
    data, weights = data_for("softmax", 64), np.random.default_rng(0).random(64)
    run = lambda weights, epochs, **options: list(
        sl.train(models.net(), data, sample_weight=weights, epochs=epochs, batch_size=16, seed=0, **options)
    )
    run(weights, 1, checkpoint=tmp_path)
    assert run(weights, 3, checkpoint=tmp_path)[-1].train_loss == run(weights, 3)[-1].train_loss
    for other in (None, weights[::-1]):
        with pytest.raises(sl.CheckpointError, match="loss"):
            run(other, 4, checkpoint=tmp_path)


# classes


def test_balanced_classes_are_those_of_scikit_learn():
    codes = np.array([0, 0, 0, 2, 2, 0, 2, 0])
    found = weights_of_classes("balanced", codes, np.array(["a", "b", "c"]))
    np.testing.assert_allclose(found, sklearn.utils.class_weight.compute_sample_weight("balanced", codes))


def test_balanced_classes_count_a_weight_as_so_many_samples():
    times = np.array([3, 1, 0, 2])
    data = sl.datasets.Dataset.from_arrays(np.eye(4), ["no", "yes", "no", "yes"])
    repeated = sl.datasets.Dataset.from_arrays(np.repeat(np.eye(4), times, axis=0), np.repeat(["no", "yes", "no", "yes"], times))
    found, wanted = data.with_weights(times, "balanced").weights, repeated.with_weights(None, "balanced").weights
    np.testing.assert_allclose(found, [sum(wanted[:3]), wanted[3], 0, sum(wanted[4:])])


def test_weights_of_classes_and_samples_are_multiplied():
    data = sl.datasets.Dataset.from_arrays(np.eye(4), ["no", "yes", "no", "yes"])
    both = data.with_weights([1, 2, 3, 4], {"yes": 0.5})
    assert both.weights.tolist() == [1, 1, 3, 2]
    assert both.with_weights().weights is None
    assert both.head(2).weights.tolist() == [1, 1]
    assert sorted(both.split_validation(0.5).weights.tolist()) in ([1, 1], [1, 2], [1, 3], [2, 3])


def test_a_heavy_class_is_predicted_more_often():
    X, y = models.rows(200, features=3, classes=2)
    X = X + 3 * np.random.default_rng(0).standard_normal(X.shape).astype(np.float32)
    shares = []
    for weight in (0.1, 1, 10):
        model = models.net((3, 20, 2), density=0.8)
        list(sl.train(model, (X, np.array(["a", "b"])[y]), epochs=10, batch_size=20, seed=0, class_weight={"b": weight}))
        shares.append(np.mean(sl.predict(model, X).argmax(axis=1)))
    assert shares[0] < shares[1] < shares[2]


# evaluation


@pytest.mark.parametrize("own", [False, True])
def test_evaluation_with_weights(own):
    data, weights = data_for("softmax"), np.random.default_rng(0).random(101)
    model, loss = models.net(), sl.SoftmaxCrossEntropy()
    found = sl.evaluate(model, data.X_train, data.y_train, sample_weight=weights, loss=OfYourOwn(loss) if own else loss)
    Z = sl.predict(model, data.X_train).astype(np.float64)
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    assert found.loss == pytest.approx(sklearn.metrics.log_loss(data.y_train, P, sample_weight=weights), rel=1e-6)
    right = sklearn.metrics.accuracy_score(data.y_train, Z.argmax(axis=1), sample_weight=weights)
    assert found.accuracy == pytest.approx(right)
    numbers = data_for("squared")
    r2 = sl.evaluate(model, data.X_train, numbers.y_train, sample_weight=weights).r2
    assert r2 == pytest.approx(sklearn.metrics.r2_score(numbers.y_train, Z, sample_weight=weights))


# refused by name

BAD = [
    ({"sample_weight": [1, 2]}, "sample_weight.shape = (2,): must be (101,)"),
    ({"sample_weight": np.ones((101, 1))}, "sample_weight.shape = (101, 1)"),
    ({"sample_weight": np.zeros(101)}, "not zero for all samples"),
    ({"sample_weight": [*[1] * 100, -1]}, "sample_weight[100] = -1.0: must be a finite number >= 0"),
    ({"sample_weight": [np.nan, *[1] * 100]}, "sample_weight[0] = nan"),
    ({"sample_weight": [np.inf, *[1] * 100]}, "sample_weight[0] = inf"),
    ({"sample_weight": ["a"] * 101}, "sample_weight = ['a'"),
    ({"sample_weight": 1.0}, "sample_weight = 1.0"),
    ({"class_weight": "balance"}, "class_weight = 'balance': must be \"balanced\" or a dict"),
    ({"class_weight": 2}, "class_weight = 2"),
    ({"class_weight": {7: 1}}, "class_weight = 7: must be a dict whose keys are classes, [0, 1, 2, 3]"),
    ({"class_weight": {1: -1}}, "class_weight[1] = -1"),
    ({"class_weight": {0: 0, 1: 0, 2: 0, 3: 0}}, "not zero for all samples"),
]


@pytest.mark.parametrize(("options", "fragment"), BAD)
@pytest.mark.parametrize("train", [sl.steps, sl.train_parallel])
def test_weights_that_are_not_allowed(train, options, fragment):
    model = models.net()
    before = models.fingerprint(model)
    with pytest.raises((TypeError, ValueError)) as error:
        train(model, data_for("softmax"), **options)
    assert fragment in str(error.value)
    assert models.fingerprint(model) == before


def test_classes_have_weights_and_numbers_do_not():
    with pytest.raises(ValueError, match="class_weight = 'balanced': must be None where the targets are no classes"):
        sl.steps(models.net(), data_for("squared"), class_weight="balanced")
    with pytest.raises(ValueError, match=r"sample_weight.shape = \(3,\)"):
        sl.evaluate(models.net(), data_for("softmax").X_train, data_for("softmax").y_train, sample_weight=[1, 2, 3])


@pytest.mark.parametrize("weights", [None, np.full(3, 0.1), np.array([0.1, 0.2, 0.3])])
def test_a_constant_target_counts_as_1_or_0(weights):
    """Also where the mean of equal numbers is rounded to another number."""
    targets = np.full((3, 1), 0.1)
    assert sl.losses.r_squared(targets, targets, weights) == 1
    assert sl.losses.r_squared(targets + [[0], [0], [1]], targets, weights) == 0
    other, without = np.append(targets, [[7.0]], axis=0), np.append(np.ones(3) if weights is None else weights, 0)
    assert sl.losses.r_squared(other + [[0], [0], [1], [0]], other, without) == 0  # of weight 0, it does not count


def test_r_squared_of_what_is_not_known_is_not_known():
    targets = np.array([[1.0], [2.0], [np.nan]])
    assert np.isnan(sl.losses.r_squared(np.array([[1.0], [2.0], [3.0]]), targets))
    assert np.isnan(sl.losses.r_squared(targets, np.array([[1.0], [2.0], [3.0]])))


def test_labels_become_outputs_without_a_square_matrix():
    labels = np.array([0, 2999, 1])
    tracemalloc.start()
    found = sl.MeanSquaredError().targets(labels, 3000, np.float32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found.argmax(axis=1), labels)
    assert (found.sum(), peak < 10 * found.nbytes) == (3, True)
