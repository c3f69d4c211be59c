"""The panels of pruning without a screen: a threshold is dragged, a plan is read, a curve is made when its view is open."""

import dataclasses
import time

import models
import numpy as np
import pytest
from shown import DRAWN, bytes_of

import sparselab as sl
from sparselab.analysis.prune_curve import prune
from sparselab.datasets import Dataset
from sparselab.evolution import importances
from sparselab.experiments import studies
from sparselab.training.loop import evaluate
from sparselab.widgets import pruning_panel, threshold_panel, trade_off
from sparselab.widgets.painter import INTERVAL, Painter
from sparselab.widgets.plans import pruning_plan

SETTINGS = {
    "dataset": "digits", "hidden": (40, 30), "epochs": 5, "batch_size": 64, "threads": 1, "pruning_start": 2, "pruning_stop": 3,
    "pruning_every": 1,
}  # fmt: skip


def made(**changes):
    return pruning_panel(**SETTINGS | changes)


def show(panel, name):
    panel.screen.gallery.tabs.selected_index = list(panel.views).index(name)
    assert panel.wait(30)
    return bytes_of(panel.screen.gallery.images[name])


def move(panel, name, value):
    panel.form.controls[name].input.value = value


@pytest.fixture(scope="module")
def trained():
    panel = made()
    panel.screen.buttons["Start"].click()
    assert panel.wait(60)
    return panel


@pytest.fixture
def threshold(trained):
    panel = threshold_panel(trained)
    assert panel.wait(60)
    return panel


# --- the training panel


def test_start_prunes_as_planned_and_every_view_is_drawn(trained):
    assert trained.state == "finished"
    assert trained.model.sizes == (64, 16, 12, 10)
    assert "40-30 → 16-12" in trained.plan.value
    assert [sum(record.neurons_pruned) for record in trained.history][2:4] != [0, 0]
    for name in trained.views:
        assert show(trained, name).startswith(DRAWN), trained.screen.gallery.hints[name].value


def test_the_dense_equivalent_is_that_of_the_original_widths(trained):
    _, dense = studies.costs(trained.model, trained.history, 64, repeats=0)
    assert dense["links"] == 64 * 40 + 40 * 30 + 30 * 10
    assert f"{dense['links']:,}" in trained.screen.glance.value


@pytest.mark.parametrize("kind", ["none", "links"])
def test_other_kinds_of_pruning_run_too(kind):
    panel = made(pruning=kind)
    panel.run()
    assert panel.model.sizes == (64, 40, 30, 10)
    assert any(sum(record.neurons_pruned) for record in panel.history) == (kind == "links")
    for name in ("strength", "trade-off"):
        assert show(panel, name).startswith(DRAWN), panel.screen.gallery.hints[name].value


def test_only_controls_that_count_are_shown():
    panel = made()
    shown = lambda: {name for name, control in panel.form.controls.items() if control.widget.layout.display != "none"}
    every = set(panel.form.controls)
    assert shown() == every - {"pruning_percentile"}
    move(panel, "pruning", "links")
    assert shown() == every - {"pruning_amount", "pruning_stop"}
    move(panel, "pruning", "none")
    assert shown() == {"zeta", "learning_rate", "pruning", "epochs"}
    assert "No neuron" in panel.plan.value


def test_the_plan_is_what_happens():
    for changes in ({}, {"pruning_stop": 0}, {"pruning_amount": 0.3, "pruning_every": 2, "epochs": 7, "pruning_stop": 6}):
        panel = made(**changes)
        said = pruning_plan(panel.form.config)
        panel.run()
        assert said.endswith(f"→ {'-'.join(map(str, panel.model.sizes[1:-1]))}.")
        events = [record.epoch - 1 for record in panel.history if sum(record.neurons_pruned)]
        assert f"After epochs {', '.join(map(str, events))} neurons are removed" in said


def test_a_start_beyond_the_last_epoch_is_said_before_anything_runs():
    panel = made(pruning_start=9, pruning_stop=0)
    assert "Nothing will be pruned in 5 epochs: the first event would be after epoch 9" in panel.plan.value
    assert "no neuron" in pruning_plan(made(pruning_amount=0.0).form.config)


def test_bad_input_is_shown_beside_its_field_and_nothing_starts():
    panel = made()
    panel.form.controls["pruning_start"].input.max = 200
    move(panel, "pruning_start", 7)  # good alone, but it stops at 3
    panel.screen.buttons["Start"].click()
    assert panel.state == "ready"
    assert (
        "pruning_stop = 3: must be 0 or a whole number &gt;= pruning_start = 7" in panel.form.controls["pruning_stop"].error.value
    )
    assert "pruning_stop" in panel.screen.message.value
    assert panel.plan.value == ""
    with pytest.raises(ValueError, match="pruning_stop = 3"):
        panel.run()
    move(panel, "pruning_stop", 0)
    assert panel.form.controls["pruning_stop"].error.value == ""
    assert panel.form.faults == {}
    with pytest.raises(ValueError, match="pruning_amount = 1.5"):
        pruning_panel(pruning_amount=1.5)


def test_the_curve_is_made_once_an_epoch_and_only_when_looked_at(monkeypatch):
    made_for = []
    original = trade_off.prune_curve.prune_curve
    monkeypatch.setattr(trade_off.prune_curve, "prune_curve", lambda *a, **k: (made_for.append(1), original(*a, **k))[1])
    panel = made()
    panel.run()
    assert not made_for
    for name in ("trade-off", "connectivity", "trade-off"):
        show(panel, name)
    assert len(made_for) == 1
    move(panel, "importance", "product")
    show(panel, "trade-off")
    assert len(made_for) == 2


def test_while_it_trains_a_curve_is_kept_ten_times_as_long_as_it_took():
    kept = trade_off.Curve(None, 3, importances.incoming, time.monotonic(), 100.0)
    assert kept.usable(3, importances.incoming, False)
    assert kept.usable(9, importances.incoming, True)
    assert not kept.usable(9, importances.incoming, False)
    assert not kept.usable(3, importances.product, True)
    old = trade_off.Curve(None, 3, importances.incoming, time.monotonic() - 11, 1.0)
    assert not old.usable(4, importances.incoming, True)


def test_a_still_copy_fits_together_while_neurons_go():
    panel = made(epochs=400, pruning_start=1, pruning_stop=399, pruning_amount=0.9, hidden=(400, 300))
    panel.start()
    while not panel.history:
        time.sleep(0.005)
    seen = []
    for _ in range(200):
        net = trade_off.consistent_copy(panel.model)
        assert trade_off.remaining(net) == net.sizes
        seen.append(net.n_links)
    panel.stop()
    with pytest.raises(RuntimeError, match="too quickly"):
        trade_off.consistent_copy(panel.model, attempts=0)
    assert len(set(seen)) >= 1


def test_without_test_samples_and_without_hidden_layers_there_is_still_a_panel():
    X, y = models.rows(120)
    panel = made(hidden=(12,))
    panel.view_model.given = Dataset.from_arrays(X, y)
    panel.run()
    assert show(panel, "trade-off").startswith(DRAWN)
    flat = made(hidden=())
    flat.run()
    for name in ("strength", "trade-off"):
        assert show(flat, name) == b""
        assert "cannot draw" not in flat.screen.gallery.hints[name].value


# --- the threshold


def pictures(panel):
    found = {}
    for number, name in enumerate(panel.gallery.views):
        panel.gallery.tabs.selected_index = number
        assert panel.wait(30)
        found[name] = bytes_of(panel.gallery.images[name])
    return found


def test_dragging_the_threshold_moves_mark_cut_and_table(threshold, trained):
    first, table = pictures(threshold), threshold.glance.value
    assert all(picture.startswith(DRAWN) for picture in first.values())
    threshold.controls["amount"].value = 0.73
    second = pictures(threshold)
    assert all(second[name] != first[name] for name in first)
    assert threshold.glance.value != table
    net = prune(trained.model, 0.73, data=trained.view_model.data)
    assert f"{net.n_links:,}" in threshold.glance.value
    assert f"{trained.model.n_links:,}" in threshold.glance.value
    assert f"{64 * 40 + 40 * 30 + 30 * 10:,}" in threshold.glance.value


def test_the_point_is_computed_and_the_curve_only_once(threshold, trained):
    data, curve = trained.view_model.data, threshold.study.__self__.curve("incoming")
    threshold.controls["amount"].value = 0.37
    assert threshold.wait(30)
    cut, net = threshold.result, prune(trained.model, 0.37, data=data)
    assert (cut.row["loss"], cut.row["accuracy"]) == evaluate(net, data.X_test, data.y_test)
    assert cut.row["widths"] == net.sizes
    assert cut.whole["links"] == trained.model.n_links
    assert 0.37 in set(cut.table.amount)
    assert 0.37 not in set(curve.amount)
    assert threshold.study.__self__.curve("incoming") is curve
    threshold.controls["amount"].value = 0.4
    assert threshold.wait(30)
    assert threshold.result.table is curve


def test_the_importance_can_be_chosen(threshold):
    before = dict(threshold.result.row)
    threshold.controls["importance"].value = "product"
    assert threshold.wait(30)
    assert threshold.result.importance == "product"
    assert threshold.result.row["links"] != before["links"]


def test_a_given_curve_is_taken(trained):
    data = trained.view_model.data
    curve = sl.prune_curve(trained.model, data, (0, 0.5), 1, repeats=1, progress=False)
    panel = threshold_panel(trained.model, data, curve=curve, amount=0.25, threads=1)
    assert panel.wait(30)
    assert panel.message.value == ""
    assert panel.result.table.amount.tolist() == [0, 0.25, 0.5]
    assert "tuned_accuracy" in panel.result.table
    assert "amount = 0.25" in repr(panel)


def test_the_net_is_copied(trained, threshold):
    before = dict(threshold.result.row)
    model = trained.model.copy()
    panel = threshold_panel(model, trained.view_model.data)
    model.layers[0].w[:] = 0
    assert panel.wait(30)
    assert {k: panel.result.row[k] for k in ("links", "accuracy")} == {k: before[k] for k in ("links", "accuracy")}


def test_a_regression_without_test_samples_has_a_threshold():
    model, data = models.net((20, 33, 18, 1)), models.dataset(regression=True, classes=1)
    panel = threshold_panel(model, dataclasses.replace(data, X_test=None, y_test=None))
    assert panel.wait(30)
    assert panel.message.value == ""
    assert "loss" in panel.glance.value
    assert all(picture.startswith(DRAWN) for picture in pictures(panel).values())


def test_bad_input_of_the_threshold(trained):
    model, data = trained.model, trained.view_model.data
    with pytest.raises(ValueError, match=r"amount = 2: must be a number in \[0, 1\]"):
        threshold_panel(model, data, amount=2)
    with pytest.raises(ValueError, match="did you mean 'product'"):
        threshold_panel(model, data, importance="produkt")
    with pytest.raises(TypeError, match="model = 3"):
        threshold_panel(3, data)
    with pytest.raises(TypeError, match="hidden layer"):
        threshold_panel(models.net((64, 10)), data)
    with pytest.raises((TypeError, ValueError), match="data"):
        threshold_panel(model)


def test_a_limited_painter_draws_four_times_a_second_at_most():
    drawn = []
    painter, end = Painter(lambda: drawn.append(time.monotonic()), limited=True), time.monotonic() + 4 * INTERVAL
    while time.monotonic() < end:
        painter.request()
        time.sleep(0.005)
    assert painter.wait(5)
    assert len(drawn) >= 2
    assert np.diff(drawn).min() >= INTERVAL - 0.01


# --- studies


def test_the_dense_net_predicts_in_measured_time():
    assert studies.dense_inference((20, 30, 4), 50, repeats=1) > 0
    assert studies.dense_inference((20, 30, 4), 50, limit=100) is None


def test_first_and_last_is_the_records():
    variants = {"SET": {}, "shrink": {"pruning": "shrink", "pruning_start": 1, "pruning_stop": 0}}
    runs = studies.compare(
        variants, seeds=2, data=models.dataset(), progress=False, hidden=(20, 10), epochs=3, epsilon=3, new_values="initializer"
    )
    table = studies.first_and_last(runs, epochs=1)
    for label, seeds in runs.items():
        assert table.links_last[label] == round(np.mean([history[-1].links for history in seeds]))
        assert table.neurons_first[label] == round(np.mean([sum(history[0].active_neurons) for history in seeds]))
        assert table.seconds_last[label] == pytest.approx(np.median([history[-1].seconds for history in seeds]), abs=6e-4)
    assert table.neurons_last["shrink"] == 12
