"""Pruning after training: the curve equals pruning and evaluating by hand, and the net itself does not change."""

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab.analysis.prune_curve import prune, prune_curve
from sparselab.evolution import importances
from sparselab.training.loop import predict


@pytest.fixture(scope="module")
def trained():
    model, data = models.net((20, 60, 40, 4), dropout=0.2), models.dataset(400, 100)
    models.run(model, data, optimizer=sl.MomentumSGD(0.05), epochs=8, batch_size=32, threads=1)
    return model, data


def test_the_curve_is_pruning_by_hand(trained):
    model, data = trained
    before = models.fingerprint(model)
    table = prune_curve(model, data, (0, 0.5, 0.9), progress=False, repeats=1)
    assert models.fingerprint(model) == before
    assert list(table.columns) == ["amount", "neurons", "links", "bytes", "loss", "accuracy", "r2", "seconds", "widths"]
    for _, row in table.iterrows():
        net = prune(model, row.amount, data=data)
        assert (row.neurons, row.links, row.bytes, row.widths) == (sum(net.sizes[1:-1]), net.n_links, net.nbytes, net.sizes)
        assert (row.loss, row.accuracy) == sl.evaluate(net, data.X_test, data.y_test)
        assert row.seconds > 0
    assert table.widths.tolist() == [(20, 60, 40, 4), (20, 30, 20, 4), (20, 6, 4, 4)]
    assert table.accuracy[0] == sl.evaluate(model, data.X_test, data.y_test).accuracy
    assert table.links.is_monotonic_decreasing


def test_fine_tuning_brings_accuracy_back(trained):
    model, data = trained
    before = models.fingerprint(model)
    table = sl.prune_curve(model, data, [0.9], fine_tune_epochs=10, optimizer=sl.MomentumSGD(0.05), batch_size=32, progress=False)
    assert models.fingerprint(model) == before
    assert table.tuned_loss[0] < table.loss[0]
    assert table.tuned_accuracy[0] > table.accuracy[0]


def test_with_data_the_outputs_jump_less(trained):
    model, data = trained
    wanted = predict(model, data.X_test)
    jump = {with_data: np.square(predict(prune(model, 0.4, data=data if with_data else None), data.X_test) - wanted).mean()
            for with_data in (False, True)}  # fmt: skip
    assert jump[True] < jump[False]


def test_a_pruned_net_can_be_pruned_and_trained(trained):
    model, data = trained
    net = prune(prune(model, 0.5), 0.5, importance=importances.product, min_neurons=12)
    assert net.sizes == (20, 15, 12, 4)
    assert net.neurons.sizes == (20, 60, 40, 4)
    records = list(sl.train(net, data, rules=[sl.SET(0.3)], epochs=2, seed=0))
    assert records[-1].train_loss < records[0].train_loss


def test_a_regression_has_a_curve_without_accuracy():
    model, data = models.net(), models.dataset(regression=True)
    table = prune_curve(model, data, 0.5, progress=False, repeats=1)
    assert np.isfinite(table.loss[0])


@pytest.mark.parametrize(
    "change, name",
    [
        ({"amounts": [0.1, 1.2]}, r"amounts\[1\]"),
        ({"amounts": []}, "amounts"),
        ({"amounts": [None]}, r"amounts\[0\]"),
        ({"fine_tune_epochs": -1}, "fine_tune_epochs"),
        ({"min_neurons": 0}, "min_neurons"),
        ({"repeats": 0}, "repeats"),
        ({"seed": "a"}, "seed"),
        ({"model": "net"}, "model"),
        ({"data": 3}, "data"),
    ],
)
def test_bad_arguments_are_named(change, name):
    good = {"model": models.net(), "data": models.dataset(), "amounts": [0.5], "progress": False}
    with pytest.raises((ValueError, TypeError), match=f"^{name}"):
        prune_curve(**good | change)


def test_without_test_samples_there_is_no_curve():
    X, y = models.rows()
    with pytest.raises(ValueError, match="data: must have test samples"):
        prune_curve(models.net(), (X, y), [0.5])
