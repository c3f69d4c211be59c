"""User-defined activations, losses and optimizers train like the built-in ones; copies of these give the same bits."""

import models
import numpy as np
import pytest

from sparselab.checkpoints.records import EpochRecord
from sparselab.evolution import SET
from sparselab.nn.activations import AllReLU, Identity, ReLU
from sparselab.nn.losses import MeanSquaredError, SoftmaxCrossEntropy
from sparselab.nn.optimizers import LayerState, MomentumSGD
from sparselab.training.loop import TrainingState, evaluate, predict, steps


class MyReLU:
    """ReLU with the two methods and nothing else."""

    def forward(self, Z):
        return np.where(Z > 0, Z, Z * 0)

    def gradient(self, Z):
        return (Z > 0).astype(Z.dtype)


class MyAllReLU(MyReLU):
    """All-ReLU as a plug-in that is asked for its depth."""

    def __init__(self, left=None):
        self.left = left

    def at(self, depth):
        return MyAllReLU(np.float32(-0.6 if depth % 2 else 0.6))

    def forward(self, Z):
        return np.where(Z > 0, Z, Z * self.left)

    def gradient(self, Z):
        return np.where(Z > 0, Z.dtype.type(1), Z.dtype.type(self.left))


class MySlopes:
    """A plug-in that has slopes: it may use the fast engine."""

    slopes = (0.0, 1.0)
    forward, gradient = MyReLU.forward, MyReLU.gradient


class MySoftmax:
    """Cross-entropy without a code."""

    def targets(self, y, n_out, dtype):
        return np.asarray(y)

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        labels = targets[samples[first : first + count]]
        P = np.exp(Z[:, :count] - Z[:, :count].max(axis=0))
        P /= P.sum(axis=0)
        hits = int((P.argmax(axis=0) == labels).sum())
        loss = -np.log(P[labels, np.arange(count)]).sum()
        P[labels, np.arange(count)] -= 1
        dZ[:, :count], dZ[:, count:] = P * scale, 0
        return float(loss), hits

    def of(self, Z, targets):
        return SoftmaxCrossEntropy().of(Z, targets)


class Adam:
    """Two vectors a link and a count of steps a layer."""

    def init(self, model):
        zeros = lambda a: [np.zeros_like(a), np.zeros_like(a)]
        return [LayerState(zeros(layer.w), zeros(layer.b)) for layer in model.layers]

    def rate(self, epoch):
        return 0.01

    def update(self, layer, state, dw, db, rate):
        for values, (m, v), g in ((layer.w, state.links, dw), (layer.b, state.neurons, db)):
            m += 0.1 * (g - m)
            v += 0.01 * (g * g - v)
            values -= rate * m / (np.sqrt(v) + 1e-8)


class MySGD(MomentumSGD):
    """The paper's update in NumPy."""

    def update(self, layer, state, dw, db, rate):
        for values, v, g in ((layer.w, state.links[0], dw), (layer.b, state.neurons[0], db)):
            v[:] = np.float32(self.momentum) * v - np.float32(rate) * g
            values += v - np.float32(self.weight_decay) * values


def trained(*, activation="all_relu", loss=None, optimizer=None, kind="fused", epochs=3, **options):
    """(epoch records, fingerprint, model, state)."""
    model, optimizer = models.net(activation=activation, dropout=0.3), optimizer or MomentumSGD(0.05, weight_decay=1e-3)
    state = TrainingState.start(model, optimizer, 5)
    records, found = models.run(
        model, models.dataset(), optimizer=optimizer, kind=kind, state=state, rules=[SET(0.3)], epochs=epochs, batch_size=30,
        loss=loss, **options,
    )  # fmt: skip
    return [r for r in records if isinstance(r, EpochRecord)], found, model, state


@pytest.mark.parametrize(("mine", "theirs"), [(MyReLU(), ReLU()), (MySlopes(), ReLU())])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_activation_of_ones_own_gives_the_bits_of_the_built_in(mine, theirs, threads):
    assert trained(activation=mine, threads=threads)[:2] == trained(activation=theirs, threads=threads)[:2]


def test_an_activation_is_asked_for_its_depth():
    mine, theirs = trained(activation=MyAllReLU()), trained(activation=AllReLU(0.6))
    np.testing.assert_allclose([r.train_loss for r in mine[0]], [r.train_loss for r in theirs[0]], rtol=1e-4)
    X, _ = models.rows()
    np.testing.assert_allclose(predict(mine[2], X), predict(theirs[2], X), rtol=1e-2, atol=1e-3)


def test_a_class_will_do_as_an_activation():
    assert trained(activation=MyReLU)[:2] == trained(activation=MyReLU())[:2]


def test_a_loss_of_ones_own_trains_like_the_built_in():
    mine, theirs = trained(loss=MySoftmax()), trained()
    np.testing.assert_allclose([r.train_loss for r in mine[0]], [r.train_loss for r in theirs[0]], rtol=1e-4)
    assert [r.pruned for r in mine[0]] == [r.pruned for r in theirs[0]]
    X, y = models.rows()
    assert evaluate(mine[2], X, y, loss=MySoftmax()) == evaluate(mine[2], X, y)


def test_an_optimizer_of_ones_own_trains_like_the_built_in():
    mine, theirs = trained(optimizer=MySGD(0.05, weight_decay=1e-3), kind="layerwise"), trained(kind="layerwise")
    np.testing.assert_allclose([r.train_loss for r in mine[0]], [r.train_loss for r in theirs[0]], rtol=1e-5)


def test_every_vector_of_an_optimizer_moves_with_its_links():
    records, _, model, state = trained(optimizer=Adam(), epochs=6)
    assert records[-1].train_loss < records[0].train_loss
    for layer, s in zip(model.layers, state.optimizer, strict=True):
        assert [len(v) for v in s.links] == [layer.topology.nnz] * 2
        assert [len(v) for v in s.neurons] == [layer.topology.n_out] * 2


def test_new_links_start_with_empty_vectors_whatever_the_optimizer():
    seen = []

    def watch(epoch, model, state, evidence, rng):
        for s in state:
            s.links[0] += 1000
            s.links[1] += 5000
        rewirings = SET(0.3)(epoch, model, state, evidence, rng)
        seen.append([None if r is None else r.grown for r in rewirings])
        return rewirings

    model, optimizer = models.net(), Adam()
    state = TrainingState.start(model, optimizer, 0)
    run = steps(model, models.dataset(), optimizer=optimizer, rules=[watch], epochs=2, batch_size=101, state=state)
    next(run), next(run), next(run)  # a step, an epoch, and the step after evolution
    run.close()
    for s, grown in zip(state.optimizer[:-1], seen[0], strict=False):
        for vector, low in ((s.links[0], 800), (s.links[1], 4000)):
            assert (vector[grown] < 10).all()
            assert (np.delete(vector, grown) > low).all()


@pytest.mark.parametrize("method", ["forward", "gradient"])
def test_an_activation_that_changes_the_shape_is_named(method):
    class Bad(MyReLU):
        def __repr__(self):
            return "Bad()"

    setattr(Bad, method, lambda self, Z: Z[:1])
    with pytest.raises(
        ValueError, match=rf"Bad\(\)\.{method} gave shape \(1, 32\): must be that of Z, \(33, 32\)|{method} gave shape"
    ):
        trained(activation=Bad())


def test_one_output_has_no_accuracy():
    model = models.net((20, 9, 1))
    data = models.dataset(regression=True, classes=1)
    records, _ = models.run(model, data, optimizer=MomentumSGD(0.01), epochs=2, batch_size=32, loss=MeanSquaredError())
    assert {r.accuracy if hasattr(r, "accuracy") else r.train_accuracy for r in records} == {None}
    assert records[-1].test_accuracy is None


def test_the_loss_follows_the_data():
    for data, loss in ((models.dataset(), "softmax_cross_entropy"), (models.dataset(regression=True), "mean_squared_error")):
        default, named = (
            models.run(models.net(), data, optimizer=MomentumSGD(0.01), epochs=1, batch_size=32, loss=chosen)
            for chosen in (None, loss)
        )
        assert default == named


def test_a_linear_net_has_its_closed_form_gradient_flow():
    """Identity activations and one layer: one step of least squares by hand."""
    data, model = models.dataset(regression=True, dtype=np.float64), models.net((20, 4), dtype=np.float64, activation=Identity())
    W = models.dense(model)[0]
    gradient = (data.X_train @ W.T - data.y_train).T @ data.X_train / 101 * models.masks(model)[0]
    models.run(model, data, optimizer=MomentumSGD(0.1, momentum=0.0), epochs=1, batch_size=101)
    np.testing.assert_allclose(models.dense(model)[0], W - 0.1 * gradient, rtol=1e-12, atol=1e-14)
