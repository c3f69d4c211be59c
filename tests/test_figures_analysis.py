"""Figures of the analyses, made from a real (tiny) run: their tables are the analyses' numbers, their axes say what is shown."""

from dataclasses import replace

import matplotlib.figure
import matplotlib.text
import numpy as np
import pandas
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from models import dataset, net

import sparselab as sl
from sparselab import analysis, figures
from sparselab.figures import degrees_by_epoch, lifetimes, style
from sparselab.figures import tables as table_inputs

FIGURES = {"degree_evolution", "link_ages", "neuron_health", "reach", "run_costs"}  # tested here


@pytest.fixture(scope="module")
def run():
    """(model, records, tracker) of a training in which links move and neurons go."""
    model, tracker = net((20, 33, 18, 4), density=0.3), analysis.LinkTracker()
    rules = [sl.ImportancePruning(0.3, start=3), sl.SET(0.3)]
    records = sl.train(model, dataset(), rules=rules, epochs=5, seed=3, threads=1)
    return model, sl.History(tracker.watch(records, model)), tracker


@pytest.fixture(scope="module")
def tables(run):
    model, history, _ = run
    relu = net((20, 30, 18, 4), density=0.05, activation="relu")
    X = dataset().X_train
    return {
        "health": analysis.neuron_health(relu, X), "healthy": analysis.neuron_health(model, X),
        "reach": analysis.reachable(relu), "reached": analysis.reachable(model), "costs": analysis.run_costs(history, model),
    }  # fmt: skip


@pytest.fixture(scope="module")
def makers(run, tables):
    """A call for every figure of these modules, most of them in two variants."""
    _, history, tracker = run
    return {
        "degree_evolution": lambda: figures.degree_evolution(history, title="first layer"),
        "degree_evolution, outputs": lambda: figures.degree_evolution(history, 2, "out", [2, 5]),
        "degree_evolution, one epoch": lambda: figures.degree_evolution(history[:1], 3),
        "link_ages": lambda: figures.link_ages(tracker, dataset="digits"),
        "neuron_health": lambda: figures.neuron_health(tables["health"]),
        "neuron_health, two": lambda: figures.neuron_health({"ReLU": tables["health"], "All-ReLU": tables["healthy"]}),
        "reach": lambda: figures.reach(tables["reach"]),
        "reach, two": lambda: figures.reach({"thin": tables["reach"], "$it's_": tables["reached"]}),
        "run_costs": lambda: figures.run_costs(tables["costs"]),
        "run_costs, two": lambda: figures.run_costs({"a": tables["costs"], "b": tables["costs"]}),
    }


def words(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_every_figure_of_an_analysis_is_tried_here(makers):
    assert {name.split(",")[0] for name in makers} == FIGURES


def test_every_figure_is_labelled_within_its_edges_and_has_a_table(makers):
    for name, make in makers.items():
        figure = make()
        assert isinstance(figure, matplotlib.figure.Figure)
        assert len({len(values) for values in figure.data.values()}) == 1, name
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        for ax in figure.axes:
            shared = len(ax.get_shared_x_axes().get_siblings(ax)) > 1
            assert not ax.get_visible() or ax.get_xlabel() or shared, name
            for text in (ax.xaxis.label, ax.yaxis.label, ax.title):
                box = text.get_window_extent(canvas.get_renderer())
                inside = min(box.x0, box.y0) >= -1 and box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
                assert inside or not text.get_text() or not ax.get_visible(), (name, text.get_text())


@pytest.mark.slow
def test_every_figure_can_be_saved(makers, tmp_path):
    for name in [name for name in makers if "," not in name]:
        figure = makers[name]()
        paths = figures.save_figure(figure, tmp_path / name)
        frame = figures.to_frame(figure)
        assert all(path.stat().st_size > 100 for path in paths)
        assert list(pandas.read_csv(paths[2]).columns) == list(frame.columns)
        assert len(pandas.read_csv(paths[2])) == len(frame) > 0


def test_degrees_in_the_table_are_those_of_the_records(run):
    _, history, _ = run
    frame = figures.to_frame(figures.degree_evolution(history, 2))
    table = analysis.degree_evolution(history, 2)
    pandas.testing.assert_frame_equal(
        frame[frame.degree.isna()][list(table.columns)].reset_index(drop=True), table, check_dtype=False
    )
    for record in (history[0], history[2], history[4]):
        rows, degrees = frame[(frame.epoch == record.epoch) & frame.degree.notna()], record.fan_in[1]
        fit = table[table.epoch == record.epoch].iloc[0]
        assert rows.at_least.tolist() == pytest.approx([np.mean(degrees >= k) for k in rows.degree])
        assert rows.degree.tolist() == sorted(set(degrees[degrees > 0]))
        law = rows[rows.power_law.notna()]
        assert law.degree.min() >= fit.k_min
        assert law.power_law.iloc[0] == law.at_least.iloc[0]
        slope = np.polyfit(np.log(law.degree - 0.5), np.log(law.power_law), 1)[0]  # a straight line on logarithmic axes
        assert slope == pytest.approx(1 - fit.exponent)
        assert rows.random.is_monotonic_decreasing
        assert abs(rows.random - rows.at_least).max() < 0.4
    assert set(frame[frame.degree.notna()].epoch) == {1, 3, 5}


def test_a_layer_without_links_has_degrees_to_draw(run):
    _, history, _ = run
    empty = replace(history[0], fan_in=tuple(0 * fan for fan in history[0].fan_in))
    figure = figures.degree_evolution([empty])
    assert figures.png_bytes(figure)
    assert degrees_by_epoch.distribution(np.zeros(3, int), 5, {"k_min": np.nan, "exponent": np.nan})["degree"].tolist() == []


def test_ages_in_the_table_are_all_links(run):
    model, _, tracker = run
    frame = figures.to_frame(figures.link_ages(tracker))
    ages = frame[frame["from"].notna()]
    assert ages.groupby("layer").links.sum().tolist() == list(model.nnz)
    for layer in range(3):
        own = ages[ages.layer == str(layer + 1)]
        assert own.links.tolist() == np.bincount(tracker.ages[layer], minlength=5).tolist()
        assert own.share.sum() == pytest.approx(100)
    pandas.testing.assert_frame_equal(
        frame[frame["from"].isna()][list(tracker.to_frame())].reset_index(drop=True), tracker.to_frame(), check_dtype=False
    )
    long = lifetimes._ages([np.arange(500)], 499)
    assert len(long) == lifetimes.BARS
    assert sum(row["links"] for row in long) == 500
    assert sum(row["share"] * (row["to"] - row["from"] + 1) for row in long) == pytest.approx(100)


def test_bars_are_shares_of_neurons(tables):
    figure = figures.neuron_health({"ReLU": tables["health"], "All-ReLU": tables["healthy"]})
    for ax, table in zip(figure.axes, (tables["health"], tables["healthy"])):
        for container, kind in zip(ax.containers, ("without_incoming", "without_outgoing", "dead", "saturated", "one_sided")):
            assert [bar.get_height() for bar in container] == pytest.approx((100 * table[kind] / table["neurons"]).tolist())
    assert figure.data["run"] == ["ReLU"] * 2 + ["All-ReLU"] * 2
    assert {"ReLU", "All-ReLU", "% of neurons", "hidden layer", "dead: slope 0 on all data"} <= set(words(figure))
    assert tables["health"]["dead"].sum() > 0
    reach = figures.reach(tables["reach"])
    heights = [[bar.get_height() for bar in container] for container in reach.axes[0].containers]
    assert heights == [pytest.approx((100 * tables["reach"][kind]).tolist()) for kind in ("from_input", "to_output", "both")]
    ends = [bar for container in reach.axes[0].containers for bar in container]
    assert max(bar.get_x() + bar.get_width() for bar in ends) - min(bar.get_x() for bar in ends) < 4
    assert table_inputs.BAR < 1


def test_costs_are_drawn_beside_the_dense_net(tables):
    table = tables["costs"]
    figure = figures.run_costs(table)
    ours, dense = figure.axes[0].lines
    assert ours.get_ydata().tolist() == table["total_flops"].tolist()
    assert dense.get_ydata().tolist() == table["total_dense_flops"].tolist()
    factor = table["total_dense_flops"].iloc[-1] / table["total_flops"].iloc[-1]
    assert f"{factor:.2g}× less" in words(figure)
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "log"]
    unknown = table.assign(training_bytes=[np.nan] * 4 + [1000.0])
    assert figures.png_bytes(figures.run_costs(unknown))


def refuses(name, call):
    with pytest.raises((TypeError, ValueError), match=name):
        call()


def test_what_cannot_be_drawn_is_named(run, tables):
    _, history, _ = run
    refuses("tracker", lambda: figures.link_ages(history))
    refuses("tracker", lambda: figures.link_ages(analysis.LinkTracker()))
    refuses("epochs", lambda: figures.degree_evolution(history, epochs=[1, 9]))
    refuses("epochs", lambda: figures.degree_evolution(history, epochs=[]))
    refuses("epochs", lambda: figures.degree_evolution(history, epochs=[1, 2, 3, 4]))
    refuses("layer", lambda: figures.degree_evolution(history, 7))
    refuses("side", lambda: figures.degree_evolution(history, side="x"))
    empty = tables["health"][:0]
    for name, draw in (("health", figures.neuron_health), ("table", figures.reach), ("costs", figures.run_costs)):
        for bad in ({}, {"a": 1}, [1], None, empty, {"a": tables["costs"][["epoch"]]}):
            refuses(name, lambda draw=draw, bad=bad: draw(bad))


def test_one_epoch_is_a_point(run):
    _, history, _ = run
    figure = figures.degree_evolution(history[:1])
    assert all(line.get_marker() == "o" for line in figure.axes[3].lines)
    assert style.dash(0) == "-"
    assert len(degrees_by_epoch._chosen(list(history), None)) == 3
