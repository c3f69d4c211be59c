"""Every gradient is the slope of the loss: float64, central differences, every link and every bias."""

import models
import naive
import numpy as np
import pytest

from sparselab import activations, losses
from sparselab.layerwise import LayerwiseEngine

H = 1e-5
MOST = 1e-7  # ‖g − n‖ / (‖g‖ + ‖n‖)


class Swish:
    """A plug-in with the two methods and nothing else."""

    def forward(self, Z):
        return Z / (1 + np.exp(-Z))

    def gradient(self, Z):
        s = 1 / (1 + np.exp(-Z))
        return s + Z * s * (1 - s)


class LogCosh:
    """A plug-in loss: Σ log cosh(z − t)."""

    code = None

    def targets(self, y, n_out, dtype):
        return losses.MeanSquaredError().targets(y, n_out, dtype)

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        difference = Z[:, :count] - targets[samples[first : first + count]].T
        dZ[:, :count], dZ[:, count:] = np.tanh(difference) * scale, 0
        return float(np.log(np.cosh(difference)).sum()), 0

    def of(self, Z, targets):
        return float(np.log(np.cosh(Z - targets)).sum(axis=1).mean()), None


ACTIVATIONS = {
    "all_relu": activations.AllReLU(0.6),
    "relu": activations.ReLU(),
    "leaky_relu": activations.LeakyReLU(0.3),
    "all_negative": activations.AllNegative(0.6),
    "tanh": activations.Tanh(),
    "identity": activations.Identity(),
    "fixed_slopes": activations.FixedSlopes(-1.5, 2.0),
    "plug-in": Swish(),
}
LOSSES = {"softmax": losses.SoftmaxCrossEntropy(), "squared": losses.MeanSquaredError(), "plug-in": LogCosh()}


def patterns(kind):
    """Links of a 6-7-5-7-3 net."""
    random = np.random.default_rng(7)
    shapes = [(7, 6), (5, 7), (7, 5), (3, 7)]
    made = [np.ones(s, bool) if kind == "dense" else random.random(s) < 0.5 for s in shapes]
    if kind == "holes":
        made[0][2] = made[1][3] = made[3][1] = False  # neurons without incoming links
        made[0][:, 4] = made[1][:, 0] = made[2][:, 1] = False  # without outgoing ones
    if kind == "an empty layer":
        made[1][:] = False
    return made


def hidden_values(model, X, key):
    """Every pre-activation of the hidden layers, by dense arithmetic."""
    Y, values = X.T, []
    dropped, scale = naive.threshold_of(model.dropout if key is not None else 0)
    for l, (W, layer) in enumerate(zip(models.dense(model)[:-1], model.layers, strict=False)):
        Z = W @ Y + layer.b[:, None]
        Y = model.hidden[l].forward(Z)
        if dropped:
            Y = Y * scale * naive.kept(naive.key64(key, l), *Z.shape, 0, dropped)
        values.append(Z.ravel())
    return np.concatenate(values)


def away_from_kinks(make, key):
    """(model, X) in which no pre-activation is so close to 0 that the difference quotient could step over it."""
    for seed in range(100):
        model, X = make(seed), np.random.default_rng(seed).standard_normal((11, 6))
        if abs(hidden_values(model, X, key)).min() > 10 * H:
            return model, X
    raise AssertionError("no draw without a kink nearby")


def check_gradients(model, X, targets, loss, key):
    """Relative error of every layer's dw and db."""
    engine, samples = LayerwiseEngine(model, loss, 8, 1), np.random.default_rng(0).permutation(len(X))
    value = lambda: engine.batch_gradient(X, targets, samples, key)[0] / len(X)
    _, _, dw, db = engine.batch_gradient(X, targets, samples, key)
    gradients = [(layer.w, g.copy()) for layer, g in zip(model.layers, dw, strict=True)]
    gradients += [(layer.b, g.copy()) for layer, g in zip(model.layers, db, strict=True)]
    for array, gradient in gradients:
        numeric = np.empty_like(array)
        for k, old in enumerate(array.tolist()):
            array[k] = old + H
            up = value()
            array[k] = old - H
            numeric[k] = (up - value()) / (2 * H)
            array[k] = old
        size = np.linalg.norm(gradient) + np.linalg.norm(numeric)
        assert np.linalg.norm(gradient - numeric) <= MOST * size + 1e-10


def targets_for(loss, n=11):
    y = np.random.default_rng(3).integers(0, 3, n)
    return loss.targets(y if loss.code == 0 else np.random.default_rng(4).standard_normal((n, 3)), 3, np.float64)


@pytest.mark.parametrize("kind", ["dense", "sparse", "holes", "an empty layer"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())
def test_gradients_are_slopes(activation, loss, kind):
    make = lambda seed: models.from_masks(patterns(kind), activation=activation, seed=seed)
    check_gradients(*away_from_kinks(make, None), targets_for(loss), loss, None)


@pytest.mark.parametrize("dropout", [0.3, 0.9])
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())
def test_gradients_with_dropout_at_a_fixed_key(activation, dropout):
    make = lambda seed: models.from_masks(patterns("holes"), activation=activation, seed=seed, dropout=dropout)
    key, loss = 2**63 + 12345, LOSSES["softmax"]
    check_gradients(*away_from_kinks(make, key), targets_for(loss), loss, np.uint64(key))


def test_dropout_of_a_step_is_that_of_the_naive_bits():
    model = models.from_masks(patterns("sparse"), activation="relu", dropout=0.5)
    X, key, loss = np.random.default_rng(0).standard_normal((11, 6)), 77, LOSSES["softmax"]
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
    class Wrong(Swish):
        def gradient(self, Z):
            return super().gradient(Z) * (1 + 1e-5)

    loss, make = LOSSES["softmax"], lambda seed: models.from_masks(patterns("dense"), activation=Wrong(), seed=seed)
    with pytest.raises(AssertionError):
        check_gradients(*away_from_kinks(make, None), targets_for(loss), loss, None)


# sums over batches


@pytest.mark.parametrize("width", [1, 3, 8, 64])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_is_the_sum_of_its_samples_whatever_the_tiles(width, threads):
    model, X, loss = (
        models.from_masks(patterns("holes"), activation="all_relu"),
        np.random.default_rng(0).standard_normal((50, 6)),
        LOSSES["softmax"],
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
    model, X, loss = models.from_masks(patterns("sparse")), np.random.default_rng(0).standard_normal((11, 6)), LOSSES["softmax"]
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
        LOSSES["softmax"],
    )
    for layer in model.layers:
        layer.b[:] = 0
    check_gradients(model, X, targets_for(loss), loss, None)
