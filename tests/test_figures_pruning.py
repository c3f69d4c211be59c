"""Figures of pruning repeat their data: what they say would go is what pruning takes, what they mark was computed."""

import matplotlib.text
import models
import numpy as np
import pandas
import pytest

import sparselab as sl
from sparselab import figures
from sparselab.analysis.prune_curve import prune
from sparselab.evolution import importances

FIGURES = {"strength_histogram", "trade_off"}  # tested here


@pytest.fixture(scope="module")
def trained():
    model, data = models.net((20, 60, 40, 4)), models.dataset(300, 100)
    models.run(model, data, optimizer=sl.MomentumSGD(0.05), epochs=4, batch_size=32, threads=1)
    return model, data


@pytest.fixture(scope="module")
def table(trained):
    return sl.prune_curve(*trained, (0, 0.3, 0.6, 0.9), progress=False, repeats=1)


@pytest.fixture(scope="module")
def tuned(trained):
    return sl.prune_curve(*trained, (0.2, 0.6), 1, progress=False, repeats=1)


def words(figure):
    """Everything that is written in a figure."""
    figure.draw_without_rendering()
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_every_figure_can_be_saved(trained, table, tuned, tmp_path):
    made = [figures.trade_off({"a": table, "b": tuned}, 0.6), figures.strength_histogram(trained[0], 0.5)]
    paths = figures.save_figure(made[0], tmp_path / "x")
    assert len(pandas.read_csv(paths[2])) == 6
    for figure in made:
        assert all(text.get_fontsize() >= 9 for text in figure.findobj(matplotlib.text.Text) if text.get_text())
        assert all(ax.get_xlabel() for ax in figure.axes)


# strengths


@pytest.mark.parametrize("importance", [None, "outgoing", importances.product])
def test_the_strengths_that_go_are_those_that_pruning_takes(trained, importance):
    model, _ = trained
    frame = figures.strength_histogram(model, 0.35, importance).to_frame()
    function = importances.incoming if importance is None else importances.NAMES.get(importance, importance)
    left = prune(model, 0.35, importance=function)
    for layer, scores in enumerate(importances.scores(function, model), 1):
        rows = frame[frame.layer == layer]
        assert rows.neurons.sum() == len(scores)
        assert rows.gone.sum() == len(scores) - left.sizes[layer]
        stays = scores[left.neurons.ids(layer)]
        assert rows.threshold.nunique() == 1
        assert rows.threshold.iloc[0] <= stays.min()
        assert rows.threshold.iloc[0] == np.delete(scores, left.neurons.ids(layer)).max()
        counts = np.histogram(scores, np.append(rows["from"], rows["to"].iloc[-1]))[0]
        np.testing.assert_array_equal(rows.neurons, counts)


def test_the_threshold_is_written_and_drawn(trained):
    figure = figures.strength_histogram(trained[0], 0.5, dataset="digits")
    threshold = figure.to_frame().threshold.unique()
    assert all(f"{value:.3g}" in words(figure) for value in threshold)
    assert "30 pruned" in words(figure)
    assert "20 pruned" in words(figure)
    lines = [ax.lines[0].get_xdata()[0] for ax in figure.axes]
    np.testing.assert_allclose(lines, threshold)


def test_without_an_amount_nothing_goes(trained):
    for amount in (None, 0):
        figure = figures.strength_histogram(trained[0], amount)
        assert figure.to_frame().gone.sum() == 0
        assert figure.to_frame().threshold.isna().all()
        assert "pruned" not in words(figure)


def test_equal_strengths_many_layers_and_one(trained):
    flat = models.from_masks([np.ones((3, 2)), np.ones((2, 3))])
    flat.layers[0].w[:] = 1.0
    figure = figures.strength_histogram(flat, 0.4)
    assert figures.png_bytes(figure)
    assert figure.to_frame().gone.sum() == 1
    assert figures.png_bytes(figures.strength_histogram(models.net((5, 4, 4, 4, 4, 4, 2)), 0.5))


def test_bad_arguments_of_strengths(trained):
    model, _ = trained
    with pytest.raises(ValueError, match=r"amount = 1.5: must be a number in \[0, 1\]"):
        figures.strength_histogram(model, 1.5)
    with pytest.raises(ValueError, match="did you mean 'incoming'"):
        figures.strength_histogram(model, 0.5, "incomming")
    with pytest.raises(TypeError, match="importance = 3"):
        figures.strength_histogram(model, 0.5, 3)
    with pytest.raises(ValueError, match="hidden layer"):
        figures.strength_histogram(models.net((5, 3)), 0.5)
    with pytest.raises(ValueError, match="importance's result"):
        figures.strength_histogram(model, 0.5, lambda layer, following: np.zeros(3))


# the trade-off


def test_the_trade_off_repeats_the_table(table):
    figure = figures.trade_off(table.sample(frac=1, random_state=1), 0.6, dataset="digits")
    pandas.testing.assert_frame_equal(figure.to_frame(), table)
    links, neurons, size, seconds = figure.axes
    for ax, name in ((links, "links"), (neurons, "neurons")):
        line = next(line for line in ax.lines if len(line.get_xdata()) == len(table) and line.get_linestyle() == "-")
        np.testing.assert_array_equal(line.get_xdata(), table[name])
        np.testing.assert_array_equal(line.get_ydata(), table.accuracy)
    for ax, name in ((size, "bytes"), (seconds, "seconds")):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * table[name] / table[name][0])


def test_the_mark_stands_on_a_computed_point(table):
    row = table[table.amount == 0.6].iloc[0]
    marks = [ax.lines[-1].get_xydata()[0] for ax in figures.trade_off(table, 0.6).axes]
    np.testing.assert_allclose(marks[0], [row.links, row.accuracy])
    np.testing.assert_allclose(marks[1], [row.neurons, row.accuracy])
    np.testing.assert_allclose(marks[2], [0.6, 100 * row.bytes / table.bytes[0]])
    with pytest.raises(ValueError, match=r"amount = 0.5: must be one of the amounts of the table: \[0.0, 0.3, 0.6, 0.9\]"):
        figures.trade_off(table, 0.5)


def test_several_tables_with_and_without_fine_tuning(table, tuned):
    figure = figures.trade_off({"SET": table, "a_$b": tuned}, 0.6)
    frame = figure.to_frame()
    assert frame.run.tolist() == ["SET"] * 4 + ["a_$b"] * 2
    np.testing.assert_array_equal(frame.tuned_accuracy[4:], tuned.tuned_accuracy)
    assert frame.tuned_accuracy[:4].isna().all()
    said = words(figure)
    assert "then fine-tuned" in said
    assert "least pruned" in said
    assert r"a_\$b" in said
    assert "unpruned" in words(figures.trade_off(table))


def test_a_regression_has_its_loss():
    model, data = models.net((20, 33, 18, 1)), models.dataset(regression=True, classes=1)
    curve = sl.prune_curve(model, data, (0, 0.5), progress=False, repeats=1)
    figure = figures.trade_off(curve, 0.5)
    assert "test loss" in words(figure)
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), curve.loss)


def test_a_foreign_table_is_refused(table):
    for bad in (table.drop(columns="links"), table.iloc[:0], [1], {"x": 3}):
        with pytest.raises(TypeError, match="prune_curve"):
            figures.trade_off(bad)
    with pytest.raises(ValueError, match="not empty|at least one"):
        figures.trade_off({})


# links and neurons


@pytest.mark.parametrize("mode", ["shrink", "links"])
def test_neurons_that_went_stand_beside_those_that_are_left(mode):
    model, rule = models.net(), sl.ImportancePruning(0.5, start=1, every=1, mode=mode)
    history = sl.History(sl.train(model, models.dataset(), rules=[rule, sl.SET(0.3)], epochs=3, seed=0, threads=1))
    figure = figures.links_and_neurons(history)
    frame = figure.to_frame()
    hidden = frame[frame.layer < 3]
    gone = [n for record in history for n in record.neurons_pruned]
    assert sum(gone) > 0
    np.testing.assert_array_equal(hidden.neurons_pruned, gone)
    assert frame[frame.layer == 3].neurons_pruned.isna().all()
    heights = sum(bar.get_height() for bar in figure.axes[1].patches)
    assert heights == sum(gone)
    assert figure.axes[1].get_ylim()[1] >= max(map(sum, history["neurons_pruned"]))
