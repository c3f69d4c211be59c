"""Training is a generator with laws: repeatable, resumable, sliceable, equal to the textbook, and safe when it diverges."""

import _thread
import pickle
import threading
from contextlib import suppress
from itertools import islice

import models
import naive
import numpy as np
import pytest
from strategies import topology_of

from sparselab.checkpoints.records import EpochRecord, History, StepRecord
from sparselab.checkpoints.state import BATCHES, TrainingState
from sparselab.engines import select
from sparselab.engines.base import DivergedError
from sparselab.evolution import SET
from sparselab.nn.activations import AllReLU
from sparselab.nn.initializers import HeUniform
from sparselab.nn.linear import SparseLinear
from sparselab.nn.losses import MeanSquaredError, SoftmaxCrossEntropy
from sparselab.nn.mlp import SparseMLP
from sparselab.nn.optimizers import MomentumSGD
from sparselab.nn.schedules import Cosine, Step, WarmUp
from sparselab.training.loop import evaluate, predict, steps, train

KINDS = ["fused", "layerwise"]


def sgd(**options):
    return MomentumSGD(**{"learning_rate": 0.05, "weight_decay": 1e-3} | options)


def epochs_of(records):
    return [r for r in records if isinstance(r, EpochRecord)]


def trained(epochs=3, *, kind="fused", model=None, data=None, optimizer=None, state=None, seed=5, **options):
    """(records, fingerprint) of the usual small run: dropout, SET, a partial last batch."""
    options = {"rules": [SET(0.3)], "batch_size": 32, "threads": 1} | options
    model = models.net(dropout=0.3) if model is None else model
    optimizer = optimizer or sgd()
    return models.run(
        model, data or models.dataset(), optimizer=optimizer, kind=kind, state=state, seed=seed, epochs=epochs, **options
    )


# the textbook


OPTIMIZERS = {
    "plain": {"momentum": 0.0, "weight_decay": 0.0},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 1e-2},
    "nesterov": {"momentum": 0.9, "weight_decay": 1e-2, "nesterov": True},
    "biases not decayed": {"momentum": 0.5, "weight_decay": 1e-2, "decay_biases": False},
}


def follow(model, data, optimizer, loss, epochs, batch, seed=5, dropout=False):
    """The dense twin after the same batches; `dropout`: with bits drawn by hand."""
    slow, state = models.twin(model), TrainingState.start(model, optimizer, seed)
    targets, n = loss.targets(data.y_train, model.sizes[-1], model.dtype), len(data.y_train)
    threshold, scale = naive.threshold_of(model.dropout)
    losses = []
    for state.epoch in range(epochs):
        order = state.stream(BATCHES).permutation(n)
        for step, start in enumerate(range(0, n, batch)):
            chosen, drop = order[start : start + batch], None
            if dropout:
                keys = [naive.key64(naive.key64(int(state.dropout_key), step), l) for l in range(len(model.layers) - 1)]
                drop = [
                    scale * naive.kept(key, width, len(chosen), 0, threshold)
                    for key, width in zip(keys, model.sizes[1:], strict=False)
                ]
            at = state.epoch + step / -(-n // batch)
            how = optimizer.momentum, optimizer.weight_decay, optimizer.decay_biases, optimizer.nesterov
            kind = "softmax" if loss.code == 0 else "squared"
            losses.append(slow.step(data.X_train[chosen], targets[chosen], optimizer.rate(at), *how, kind, drop))
    return slow, losses


def same_as_twin(model, slow, rtol, atol):
    for ours, theirs, layer, bias in zip(models.dense(model), slow.W, model.layers, slow.b, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)
        np.testing.assert_allclose(layer.b, bias, rtol=rtol, atol=atol)


@pytest.mark.parametrize("density", [1.0, 0.3])
@pytest.mark.parametrize("how", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError()])
@pytest.mark.parametrize(("epochs", "batch"), [(1, 101), (10, 21)])  # one step, and fifty with a partial last batch
def test_float64_training_is_the_dense_net_step_by_step(density, how, loss, epochs, batch):
    data, model = models.dataset(dtype=np.float64), models.net(dtype=np.float64, density=density)
    optimizer = MomentumSGD(WarmUp(0.05, 2), **how)
    slow, losses = follow(model, data, optimizer, loss, epochs, batch)
    records, _ = trained(epochs, model=model, data=data, optimizer=optimizer, loss=loss, batch_size=batch, rules=[])
    assert len(losses) == (1 if epochs == 1 else 50)
    same_as_twin(model, slow, *((1e-12, 1e-14) if epochs == 1 else (1e-9, 1e-11)))
    np.testing.assert_allclose([r.loss for r in records if isinstance(r, StepRecord)], losses, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [8, 32, 101])
def test_float32_training_follows_the_dense_net(kind, batch):
    data, model, optimizer = models.dataset(), models.net(density=1.0), sgd(momentum=0.5)
    slow, losses = follow(model, data, optimizer, SoftmaxCrossEntropy(), 2, batch)
    records, _ = trained(2, kind=kind, model=model, data=data, optimizer=optimizer, batch_size=batch, rules=[])
    same_as_twin(model, slow, 1e-4, 2e-5)
    np.testing.assert_allclose([r.loss for r in records if isinstance(r, StepRecord)], losses, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [5, 20, 101])
def test_dropout_bits_can_be_drawn_by_hand(kind, batch):
    data, model, optimizer = models.dataset(), models.net(dropout=0.3), sgd(momentum=0.5)
    slow, losses = follow(model, data, optimizer, SoftmaxCrossEntropy(), 2, batch, dropout=True)
    trained(2, kind=kind, model=model, data=data, optimizer=optimizer, batch_size=batch, rules=[])
    same_as_twin(model, slow, 1e-4, 2e-5)


def test_dropout_in_float64_by_hand():
    data, model, optimizer = models.dataset(dtype=np.float64), models.net(dropout=0.5, dtype=np.float64, activation="relu"), sgd()
    slow, _ = follow(model, data, optimizer, SoftmaxCrossEntropy(), 3, 13, dropout=True)
    trained(3, model=model, data=data, optimizer=optimizer, batch_size=13, rules=[])
    same_as_twin(model, slow, 1e-9, 1e-11)


# repeatable


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_records_and_weights(kind):
    assert trained(kind=kind) == trained(kind=kind)
    assert trained(kind=kind)[1] != trained(kind=kind, seed=6)[1]
    assert trained(kind=kind, seed=np.random.SeedSequence(5)) == trained(kind=kind)


def test_the_models_seed_and_the_runs_seed_are_two_things():
    first, again, other = (trained(model=models.net(dropout=0.3, seed=s))[1] for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pace", [1e-4, 1e-3, 100.0])
def test_pace_changes_how_often_a_run_speaks_and_nothing_else(dtype, pace):
    make = lambda pace: trained(
        5, model=models.net(dropout=0.3, dtype=dtype), data=models.dataset(dtype=dtype), batch_size=7, pace=pace
    )
    every, some = make(0.0), make(pace)
    assert epochs_of(some[0]) == epochs_of(every[0])
    assert some[1] == every[1]
    for records, most in ((every[0], 1), (some[0], 15)):
        ours = [r for r in records if isinstance(r, StepRecord)]
        assert sum(r.n_steps for r in ours) == 5 * 15
        assert sum(r.n_samples for r in ours) == 5 * 101
        assert max(r.n_steps for r in ours) <= most


def test_train_is_the_epochs_of_steps():
    by_train = list(train(models.net(), models.dataset(), optimizer=sgd(), rules=[SET()], epochs=3, seed=1, batch_size=32))
    by_steps = epochs_of(steps(models.net(), models.dataset(), optimizer=sgd(), rules=[SET()], epochs=3, seed=1, batch_size=32))
    assert by_train == by_steps
    assert [r.epoch for r in by_train] == [1, 2, 3]


def test_tuples_of_arrays_are_data_too():
    data = models.dataset()
    whole = trained(data=(data.X_train, data.y_train, data.X_test, data.y_test))
    assert whole == trained(data=data)
    without = trained(data=(data.X_train, data.y_train))
    assert without[1] == whole[1]
    assert [r.test_loss for r in epochs_of(without[0])] == [None] * 3


def test_a_float64_net_trains_on_float64_data():
    data = models.dataset(dtype=np.float64)
    make = lambda data: trained(model=models.net(dtype=np.float64), data=data)
    assert make((data.X_train, data.y_train, data.X_test, data.y_test)) == make(data)


def test_layouts_of_the_data_do_not_matter():
    data = models.dataset()
    wanted = trained(data=(data.X_train, data.y_train))
    wide = np.zeros((101, 40), np.float32)
    wide[:, ::2] = data.X_train
    for X in (np.asfortranarray(data.X_train), wide[:, ::2], data.X_train.astype(">f4"), data.X_train.astype(np.float64)):
        assert trained(data=(X, data.y_train)) == wanted


# order and batches


class Recording(SoftmaxCrossEntropy):
    """Softmax that writes down which samples it saw."""

    code = None

    def __init__(self):
        self.seen = []

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        self.seen += samples[first : first + count].tolist()
        return super().on_tile(Z, targets, samples, first, count, scale, dZ)


@pytest.mark.parametrize("batch", [1, 32, 100, 101, 1000])
def test_every_epoch_sees_every_sample_once_in_another_order(batch):
    loss = Recording()
    records, _ = trained(3, loss=loss, batch_size=batch, optimizer=sgd(learning_rate=0.001))
    seen = np.array(loss.seen).reshape(3, 101)
    assert (np.sort(seen) == np.arange(101)).all()
    assert len({tuple(row) for row in seen}) == 3
    sizes = [r.n_samples for r in records if isinstance(r, StepRecord)]
    assert sizes == 3 * ([batch] * (101 // batch) + [101 % batch] * (101 % batch > 0) if batch < 101 else [101])
    assert [r.n_samples for r in epochs_of(records)] == [101] * 3


def test_a_batch_larger_than_the_data_is_the_data():
    assert trained(batch_size=101) == trained(batch_size=102) == trained(batch_size=10**9)


def test_step_records_tell_where_a_run_is():
    records, _ = trained(2)
    where = [(r.epoch, r.step, r.n_steps) for r in records if isinstance(r, StepRecord)]
    assert where == [(epoch, step, 1) for epoch in (1, 2) for step in range(4)]
    assert [type(r).__name__ for r in records] == 2 * (["StepRecord"] * 4 + ["EpochRecord"])


def test_the_learning_rate_is_read_at_every_step():
    asked, rate = [], Cosine(0.1, 2)
    optimizer = sgd(learning_rate=lambda epoch: asked.append(epoch) or rate(epoch))
    records, _ = trained(2, optimizer=optimizer)
    assert asked[-8:] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert [r.learning_rate for r in records if isinstance(r, StepRecord)] == [rate(e) for e in asked[-8:]]


@pytest.mark.parametrize(
    ("schedule", "rates"), [(Step(0.8, 2, 0.5), [0.8, 0.8, 0.4, 0.4, 0.2]), (WarmUp(1.0, 3), [0.1, 0.4, 0.7, 1, 1])]
)
def test_schedules_are_functions_of_the_epoch(schedule, rates):
    assert [schedule(epoch) for epoch in range(5)] == pytest.approx(rates)


# resumable


def test_nothing_happens_until_somebody_pulls():
    model = models.net()
    before = models.fingerprint(model)
    for run in (steps(model, models.dataset()), train(model, models.dataset())):
        assert models.fingerprint(model) == before
        run.close()
    assert models.fingerprint(model) == before


@pytest.mark.parametrize("kind", KINDS)
def test_three_records_are_three_steps(kind):
    data, optimizer, model = models.dataset(), sgd(), models.net(density=1.0)
    state = TrainingState.start(model, optimizer, 5)
    order = state.stream(BATCHES).permutation(101)
    slow = models.twin(model)
    with models.engine_is(kind):
        run = steps(model, data, optimizer=optimizer, batch_size=20, state=state, threads=2)
        assert len(list(islice(run, 3))) == 3
        run.close()
    assert (state.epoch, state.batch) == (0, 3)
    for start in (0, 20, 40):
        chosen = order[start : start + 20]
        slow.step(data.X_train[chosen], data.y_train[chosen], 0.05, 0.9, 1e-3)
    same_as_twin(model, slow, 1e-4, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pulled", [0, 1, 3, 4, 5, 6, 9, 10, 14])  # four steps and a record an epoch
@pytest.mark.parametrize("through_a_pickle", [False, True])
def test_going_on_is_as_if_never_stopped(kind, pulled, through_a_pickle):
    whole, wanted = trained(3, kind=kind)
    model, optimizer, data = models.net(dropout=0.3), sgd(), models.dataset()
    state = TrainingState.start(model, optimizer, 5)
    with models.engine_is(kind):
        run = steps(model, data, optimizer=optimizer, rules=[SET(0.3)], epochs=3, batch_size=32, threads=1, state=state)
        first = list(islice(run, pulled))
        run.close()
    if through_a_pickle:
        model, state, optimizer = pickle.loads(pickle.dumps((model, state, optimizer)))
    rest, found = trained(3 - state.epoch, kind=kind, model=model, optimizer=optimizer, state=state)
    assert found == wanted
    assert first + rest == whole  # an epoch record tells of the whole epoch, wherever it was cut


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [(2, 3), (1, 1, 1, 1, 1), (0, 5), (5, 0)])
def test_two_epochs_and_three_are_five(kind, parts):
    whole, wanted = trained(5, kind=kind)
    model, optimizer = models.net(dropout=0.3), sgd()
    state, records = TrainingState.start(model, optimizer, 5), []
    for n in parts:
        part, found = trained(n, kind=kind, model=model, optimizer=optimizer, state=state)
        records += part
    assert found == wanted
    assert records == whole
    assert (state.epoch, state.batch) == (5, 0)


def test_a_break_leaves_a_usable_model_and_no_threads():
    before, model = threading.active_count(), models.net()
    for record in steps(model, models.dataset(701), epochs=100, batch_size=300, threads=4):
        if record.epoch == 2:
            break
    del record
    assert predict(model, models.rows()[0]).shape == (101, 4)
    run = steps(model, models.dataset(701), batch_size=300, threads=4)
    next(run)
    assert threading.active_count() > before
    run.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_in_a_rule_lets_the_threads_go(kind):
    def broken(epoch, model, state, evidence, rng):
        raise RuntimeError("broken rule")

    before, model = threading.active_count(), models.net()
    with pytest.raises(RuntimeError, match="broken rule"):
        trained(2, kind=kind, model=model, data=models.dataset(701), rules=[broken], batch_size=300, threads=4)
    assert threading.active_count() == before
    assert np.isfinite(predict(model, models.rows()[0])).all()


@pytest.mark.parametrize("pace", [0.0, 100.0])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_in_a_schedule_leaves_model_and_state_in_step(kind, pace):
    bad = [1 + 2 / 4]

    def rate(epoch):
        if epoch in bad:
            raise RuntimeError("no rate")
        return 0.05

    optimizer, model = sgd(learning_rate=rate), models.net(dropout=0.3)
    state = TrainingState.start(model, optimizer, 5)
    with pytest.raises(RuntimeError, match="no rate"):
        trained(3, kind=kind, model=model, optimizer=optimizer, state=state, pace=pace)
    bad.clear()
    rest, found = trained(3 - state.epoch, kind=kind, model=model, optimizer=optimizer, state=state)
    whole, wanted = trained(3, kind=kind)
    assert found == wanted
    assert epochs_of(rest) == epochs_of(whole)[-len(epochs_of(rest)) :]


@pytest.mark.parametrize("pace", [0.0, 100.0])
def test_an_error_in_a_plug_in_loss_leaves_model_and_state_in_step(pace):
    class MyLoss(SoftmaxCrossEntropy):
        code = None

    class Failing(MyLoss):
        calls = 0

        def on_tile(self, *arguments):
            self.calls += 1
            if self.calls == 7:
                raise RuntimeError("no loss")
            return super().on_tile(*arguments)

    model, optimizer = models.net(dropout=0.3), sgd()
    state = TrainingState.start(model, optimizer, 5)
    with pytest.raises(RuntimeError, match="no loss"):
        trained(3, model=model, optimizer=optimizer, state=state, loss=Failing(), pace=pace)
    rest, found = trained(3 - state.epoch, model=model, optimizer=optimizer, state=state, loss=MyLoss())
    whole, wanted = trained(3, loss=MyLoss())
    assert found == wanted
    assert epochs_of(rest) == epochs_of(whole)[-len(epochs_of(rest)) :]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_leaves_model_and_state_in_step(threads):
    data, optimizer, model, again = models.dataset(5000), sgd(), models.net(), models.net()
    state, position = (TrainingState.start(m, optimizer, 5) for m in (model, again))
    options = {"optimizer": optimizer, "batch_size": 100, "epochs": 10**6, "threads": threads}
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in steps(model, data, state=state, pace=0.05, **options):
            pass
    timer.join()
    run = steps(again, data, state=position, **options)
    while (position.epoch, position.batch) < (state.epoch, state.batch):
        next(run)
    run.close()
    assert models.fingerprint(model, state) == models.fingerprint(again, position)


# evolution between epochs


def test_without_rules_the_topology_is_the_same_object():
    model = models.net()
    topologies = [layer.topology for layer in model.layers]
    records, _ = trained(model=model, rules=[])
    assert all(layer.topology is t for layer, t in zip(model.layers, topologies, strict=True))
    assert [r.pruned for r in epochs_of(records)] == [(0, 0, 0)] * 3


def test_zeta_zero_is_static_training():
    (static, wanted), (evolving, found) = trained(rules=[]), trained(rules=[SET(0.0)])
    assert (evolving, found) == (static, wanted)


def test_set_replaces_exactly_its_share_before_every_epoch_but_the_first():
    expected, rule = [], SET(0.3)

    def watched(epoch, model, state, evidence, rng):
        expected.append((epoch, [len(naive.set_cut(layer.w, 0.3)) for layer in model.layers[:-1]]))
        return rule(epoch, model, state, evidence, rng)

    records, fingerprint = trained(4, rules=[watched])
    assert [epoch for epoch, _ in expected] == [1, 2, 3]
    counts = [(0, 0, 0)] + [(*cut, 0) for _, cut in expected]
    assert [r.pruned for r in epochs_of(records)] == counts == [r.grown for r in epochs_of(records)]
    assert {r.nnz for r in epochs_of(records)} == {epochs_of(records)[0].nnz}
    assert counts[1][0] > 0
    assert fingerprint == trained(4)[1]


def test_a_rule_alone_may_stand_for_a_list():
    assert trained(rules=SET(0.3)) == trained(rules=[SET(0.3)]) == trained(rules=(SET(0.3),))


# what a record says


@pytest.mark.parametrize("kind", KINDS)
def test_test_scores_are_those_of_the_twin(kind):
    data, model = models.dataset(), models.net(dropout=0.5)
    records, _ = trained(2, kind=kind, model=model, data=data)
    loss, hits, _ = naive.softmax_loss(models.twin(model).forward(data.X_test)[2].T, data.y_test)
    last = epochs_of(records)[-1]
    assert last.test_loss == pytest.approx(loss / 30, rel=1e-5)
    assert last.test_accuracy == hits / 30
    assert evaluate(model, data.X_test, data.y_test) == (last.test_loss, last.test_accuracy)


@pytest.mark.parametrize(("every", "scored"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (5, [5]), (9, []), (0, [])])
def test_evaluate_every(every, scored):
    records, found = trained(5, evaluate_every=every)
    assert [r.epoch for r in epochs_of(records) if r.test_loss is not None] == scored
    assert [r.epoch for r in epochs_of(records) if r.test_accuracy is not None] == scored
    assert found == trained(5)[1]


def test_epoch_losses_are_means_over_samples():
    records, _ = trained(2)
    for epoch in epochs_of(records):
        mine = [r for r in records if isinstance(r, StepRecord) and r.epoch == epoch.epoch]
        assert epoch.train_loss == pytest.approx(sum(r.loss * r.n_samples for r in mine) / 101, rel=1e-14)
        assert epoch.train_accuracy == pytest.approx(sum(r.accuracy * r.n_samples for r in mine) / 101, rel=1e-14)


def test_records_tell_links_neurons_and_degrees():
    model = models.net()
    record = epochs_of(trained(1, model=model)[0])[0]
    assert record.nnz == model.nnz == tuple(int(mask.sum()) for mask in models.masks(model))
    assert record.links == sum(model.nnz)
    first, second, third = models.masks(model)
    assert record.active_neurons == (
        int((first.any(axis=1) & second.any(axis=0)).sum()),
        int((second.any(axis=1) & third.any(axis=0)).sum()),
    )
    for mask, fan_in, fan_out in zip(models.masks(model), record.fan_in, record.fan_out, strict=True):
        assert fan_in.tolist() == mask.sum(axis=1).tolist()
        assert fan_out.tolist() == mask.sum(axis=0).tolist()


def test_active_neurons_have_both_kinds_of_links():
    patterns = [np.ones((5, 3), bool), np.ones((2, 5), bool)]
    patterns[0][1] = False
    patterns[1][:, [1, 2]] = False
    assert models.from_masks(patterns).active_neurons == (3,)


def test_a_history_survives_json():
    history = History(epochs_of(trained(3)[0]))
    again = History.from_json(history.to_json())
    assert again == history
    assert history["nnz"] == [r.nnz for r in history]
    assert history[1:]["epoch"] == [2, 3]
    assert isinstance(history[1:], History)


# metamorphic


def permuted(model, layer, order):
    """The same function with the neurons of one hidden layer in another order."""
    weights = models.dense(model)
    weights[layer], weights[layer + 1] = weights[layer][order], weights[layer + 1][:, order]
    biases = [a.b.copy() for a in model.layers]
    biases[layer] = biases[layer][order]
    layers = []
    for W, b in zip(weights, biases, strict=True):
        t = topology_of(W != 0)
        layers.append(SparseLinear(t, W[W != 0].astype(model.dtype), b))
    return SparseMLP(layers, model.activation)


@pytest.mark.parametrize("layer", [0, 1])
def test_the_order_of_hidden_neurons_does_not_matter(layer):
    model, (X, _) = models.net(dtype=np.float64), models.rows(dtype=np.float64)
    other = permuted(model, layer, np.random.default_rng(0).permutation(model.sizes[layer + 1]))
    np.testing.assert_allclose(predict(other, X), predict(model, X), rtol=1e-12, atol=1e-13)


def test_the_order_of_hidden_neurons_does_not_matter_to_training():
    data, model = models.dataset(dtype=np.float64), models.net(dtype=np.float64)
    other = permuted(model, 0, np.arange(33)[::-1])
    for net in (model, other):
        trained(3, model=net, data=data, rules=[])
    np.testing.assert_allclose(predict(other, data.X_test), predict(model, data.X_test), rtol=1e-9, atol=1e-11)


def test_input_scale_moves_into_the_first_layer():
    model, (X, _) = models.net(activation=AllReLU(0.5)), models.rows()
    wanted = predict(model, X)
    model.layers[0].w *= np.float32(0.125)
    np.testing.assert_array_equal(predict(model, 8 * X), wanted)


def test_a_constant_on_all_logits_changes_no_loss():
    model, data = models.net(dtype=np.float64), models.dataset(dtype=np.float64)
    before = evaluate(model, data.X_test, data.y_test)
    model.layers[-1].b += 3
    assert evaluate(model, data.X_test, data.y_test) == pytest.approx(before)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_it_learns(seed, loss):
    data, model = models.dataset(600, 200), models.net(seed=seed, initializer=HeUniform("links"))
    last = list(
        train(model, data, optimizer=MomentumSGD(0.02), rules=[SET(0.3)], epochs=15, batch_size=32, seed=seed, loss=loss)
    )[-1]
    assert last.test_accuracy > (0.9 if loss == "softmax_cross_entropy" else 0.5)


def test_a_regression_is_fitted():
    random = np.random.default_rng(0)
    data = models.dataset(400, 100, regression=True)
    A = random.standard_normal((20, 4)).astype(np.float32)
    data.y_train[:], data.y_test[:] = data.X_train @ A / 5, data.X_test @ A / 5
    records = list(
        train(models.net(activation="leaky_relu"), data, optimizer=MomentumSGD(0.02), epochs=30, batch_size=32, seed=0)
    )
    assert records[-1].test_loss < 0.1 * records[0].test_loss


# divergence


def planted(what, value, layer, activation="all_relu", **options):
    """A net with one bad number, in a neuron that has links on both sides."""
    model = models.net(activation=activation, density=0.9, **options)
    array = getattr(model.layers[layer], what)
    array[len(array) // 2] = value
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["relu", "all_relu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("what", ["w", "b"])
def test_a_planted_nan_is_found_at_once_and_named(kind, activation, layer, what):
    model = planted(what, np.nan, layer, activation, dropout=0.3)
    before = models.fingerprint(model)
    with pytest.raises(DivergedError) as caught:
        trained(kind=kind, model=model)
    error = caught.value
    assert (error.epoch, error.batch, error.layer) == (1, 0, layer + 1)
    assert "weight or bias" in error.what
    for fragment in ("epoch 1", "batch 0", f"layer {layer + 1}", "last good step", "learning_rate"):
        assert fragment in str(error)
    assert models.fingerprint(model) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch", [32, 300])
def test_after_divergence_the_model_stands_at_its_last_good_step(kind, threads, batch):
    data, optimizer, seen = models.dataset(701), MomentumSGD(1e6, momentum=0.9), []
    model, clean = models.net(), models.net()
    state = TrainingState.start(model, optimizer, 5)
    with models.engine_is(kind):
        run = steps(model, data, optimizer=optimizer, batch_size=batch, threads=threads, state=state, epochs=100)
    with pytest.raises(DivergedError) as caught:
        seen.extend(run)
    n_steps = sum(isinstance(r, StepRecord) for r in seen)
    assert n_steps >= 1
    per_epoch = -(-701 // batch)
    assert (caught.value.epoch, caught.value.batch) == (1 + n_steps // per_epoch, n_steps % per_epoch)
    assert all(np.isfinite(layer.w).all() and np.isfinite(layer.b).all() for layer in model.layers)
    with models.engine_is(kind):
        again = TrainingState.start(clean, optimizer, 5)
        run = steps(clean, data, optimizer=optimizer, batch_size=batch, threads=threads, state=again, epochs=100)
        list(islice(run, len(seen)))
        run.close()
    assert models.fingerprint(model, state) == models.fingerprint(clean, again)


@pytest.mark.parametrize("pace", [0.0, 100.0])
def test_divergence_in_the_middle_of_a_bunch_of_steps(pace):
    data, model, optimizer = models.dataset(701), models.net(), MomentumSGD(1e6)
    state = TrainingState.start(model, optimizer, 5)
    with pytest.raises(DivergedError) as caught:
        list(steps(model, data, optimizer=optimizer, batch_size=8, pace=pace, state=state, epochs=100))
    assert (caught.value.epoch, caught.value.batch) == (state.epoch + 1, state.batch)
    slow, again = models.net(), MomentumSGD(1e6)
    position = TrainingState.start(slow, again, 5)
    with pytest.raises(DivergedError):
        list(steps(slow, data, optimizer=again, batch_size=8, state=position, epochs=100))
    assert models.fingerprint(model, state) == models.fingerprint(slow, position)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("rate", [1e3, 1e5, 1e6])
def test_an_absurd_learning_rate_never_leaves_weights_that_are_not_finite(kind, rate, n_steps):
    model, (X, y) = models.net(), models.rows()
    with suppress(DivergedError):  # found before the update, also before the last one of a run
        trained(n_steps, kind=kind, model=model, optimizer=MomentumSGD(rate), data=(1000 * X, y), batch_size=101, rules=[])
    assert all(np.isfinite(layer.w).all() and np.isfinite(layer.b).all() for layer in model.layers)


@pytest.mark.parametrize("kind", KINDS)
def test_an_infinite_activation_is_named(kind):
    model = models.net(activation="identity")
    for layer in model.layers:
        layer.w[:] = 1e20
    with pytest.raises(DivergedError) as caught:
        trained(kind=kind, model=model)
    assert (caught.value.layer, caught.value.what) == (2, "an activation")


def test_a_divergence_survives_a_pickle():
    error = pickle.loads(pickle.dumps(DivergedError(3, 4, 2, "an activation")))
    assert (error.epoch, error.batch, error.layer, error.what) == (3, 4, 2, "an activation")
    assert "epoch 3, batch 4" in str(error)


def test_a_run_can_go_on_after_divergence():
    model, optimizer, data = models.net(), MomentumSGD(1e6), models.dataset()
    state = TrainingState.start(model, optimizer, 5)
    with pytest.raises(DivergedError):
        list(steps(model, data, optimizer=optimizer, state=state, batch_size=32, epochs=50))
    model.load(models.net().snapshot())
    optimizer.learning_rate, state.optimizer = 0.01, optimizer.init(model)
    records = list(train(model, data, optimizer=optimizer, state=state, batch_size=32, epochs=2))
    assert np.isfinite(records[-1].train_loss)


# two at once


def job(k):
    model = models.net(dropout=0.3, seed=k)
    return trained(3, model=model, data=models.dataset(301), threads=2, batch_size=[100, 32][k % 2], seed=k, kind="fused")


def test_two_trainings_at_once_are_the_same_as_one_after_the_other():
    wanted, found = [job(k) for k in range(4)], [None] * 4

    def work(k):
        found[k] = job(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == wanted


def test_engines_are_what_the_helper_says():
    with models.engine_is("layerwise"):
        made = select.create(models.net(), SoftmaxCrossEntropy(), sgd(), 32, 1)
    assert type(made).__name__ == "LayerwiseEngine"
