"""Figures of parallel training repeat the records: every task, every push, every accuracy is where the run had it."""

import matplotlib.text
import models
import numpy as np
import pandas
import pytest

import sparselab as sl
from sparselab import figures
from sparselab.parallel import Costs

FIGURES = {"accuracy_by_phase", "dropped_entries", "speed_up", "staleness_histogram", "worker_timeline"}  # tested here
COSTS = Costs(0.01, push=0.002, evolve=0.005, average=0.01)
OPTIONS = {"epochs": 6, "batch_size": 32, "rules": [sl.SET(0.3)], "optimizer": sl.MomentumSGD(0.02)}


def simulated(n=3, seed=0, **options):
    data = models.dataset(400, 50)
    return sl.History(sl.simulate_parallel(models.net(), data, n, costs=COSTS, seed=seed, **OPTIONS | options))


@pytest.fixture(scope="module")
def wasap():
    return simulated(stragglers={1: 3})


@pytest.fixture(scope="module")
def wassp():
    return simulated(synchronous=True)


@pytest.fixture(scope="module")
def alone():
    return [sl.History(sl.train(models.net(), models.dataset(400, 50), seed=s, threads=1, **OPTIONS)) for s in (0, 1)]


@pytest.fixture(scope="module")
def seconds():
    return pandas.DataFrame({"workers": [4, 1, 2], "seconds": [4.0, 8.0, 5.0]})


@pytest.fixture(scope="module")
def makers(wasap, wassp, alone, seconds):
    return {
        "worker_timeline": lambda: figures.worker_timeline(wasap, window=(0, 0.2), title="three workers", dataset="digits"),
        "worker_timeline, many": lambda: figures.worker_timeline(simulated(13, epochs=1, async_fraction=1.0)),
        "staleness_histogram": lambda: figures.staleness_histogram(wasap),
        "staleness_histogram, two": lambda: figures.staleness_histogram({"one slow": wasap, "in step": wassp}),
        "dropped_entries": lambda: figures.dropped_entries({"one slow": wasap, "in step": wassp}),
        "speed_up": lambda: figures.speed_up(seconds),
        "speed_up, two": lambda: figures.speed_up({"measured": seconds, "simulated": seconds}, alone=9.0),
        "accuracy_by_phase": lambda: figures.accuracy_by_phase({"WASAP": wasap, "WASSP": wassp, "sequential": alone}),
    }


def words(figure):
    """Everything that is written in a figure."""
    figure.draw_without_rendering()
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_every_figure_is_tried_labelled_and_can_be_saved(makers, tmp_path):
    assert {name.split(",")[0] for name in makers} == FIGURES
    for name, make in makers.items():
        figure = make()
        assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes), name
        assert all(text.get_fontsize() >= 9 for text in figure.findobj(matplotlib.text.Text) if text.get_text()), name
        paths = figures.save_figure(figure, tmp_path / "x")
        assert len(pandas.read_csv(paths[2])) == len(figure.to_frame()) > 0


# timelines


def test_the_timeline_is_that_of_the_records(wasap):
    frame = figures.worker_timeline(wasap).to_frame()
    wanted = [(record.epoch, *task) for record in wasap for task in record.workers.timeline]
    assert list(frame[["epoch", "worker", "start", "end"]].itertuples(index=False, name=None)) == wanted
    assert set(frame.phase) == {"asynchronous", "local"}


def test_a_window_shows_what_lies_in_it_and_how_busy_workers_were(wasap):
    figure = figures.worker_timeline(wasap, window=(0.05, 0.1))
    frame = figure.to_frame()
    assert ((frame.end > 0.05) & (frame.start < 0.1)).all()
    for worker in range(3):
        here = frame[frame.worker == worker]
        share = (np.minimum(here.end, 0.1) - np.maximum(here.start, 0.05)).sum() / 0.05
        assert f"{share:.0%}" in words(figure)
    boxes = [path.get_extents() for collection in figure.axes[0].collections for path in collection.get_paths()]
    assert sorted(box.x0 for box in boxes) == pytest.approx(sorted(frame.start))
    assert figure.axes[0].get_xlim() == (0.05, 0.1)


def test_measured_runs_have_timelines_too():
    records = list(sl.train_parallel(models.net(), models.dataset(400, 50), backend="threads", n_jobs=2, **OPTIONS))
    frame = figures.worker_timeline(records).to_frame()
    assert len(frame) == 4 * 13 + 2 * 2
    assert figures.staleness_histogram(records).to_frame().pushes.sum() == 4 * 13


# pushes


def test_the_histogram_counts_every_push(wasap, wassp):
    figure = figures.staleness_histogram({"one slow": wasap, "in step": wassp})
    frame, values = figure.to_frame(), [s for record in wasap[:4] for s in record.workers.staleness]
    here = frame[frame.run == "one slow"]
    assert {int(row["from"]): row.pushes for _, row in here.iterrows() if row.pushes} == dict(
        zip(*np.unique(values, return_counts=True), strict=True)
    )
    assert here.share.sum() == pytest.approx(1)
    assert f"mean {np.mean(values):.3g}, n = {len(values)}" in words(figure)
    zeros = frame[(frame.run == "in step") & (frame["from"] == 0)]
    assert zeros.share.iloc[0] == 1


@pytest.mark.parametrize("highest", [0, 1, 39, 40, 41, 255])
def test_bins_hold_whole_numbers_once(highest):
    from sparselab.figures.staleness import BARS, edges_of

    edges = edges_of(highest)
    assert edges[0] == 0
    assert edges[-1] > highest
    assert len(edges) - 1 <= BARS
    assert len(set(np.diff(edges))) == 1


def test_dropped_entries_are_those_of_the_first_phase(wasap):
    figure = figures.dropped_entries({"a": [wasap, wasap]})
    frame = figure.to_frame()
    assert list(frame.dropped) == pytest.approx([record.workers.dropped for record in wasap[:4]])
    assert frame.dropped[0] == 0 < frame.dropped[1]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 100 * frame.dropped)


# speed and accuracy


def test_speed_up_and_efficiency(seconds):
    frame = figures.speed_up(seconds).to_frame()
    assert list(frame.workers) == [1, 2, 4]
    assert list(frame.speed_up) == [1, 1.6, 2]
    assert list(frame.efficiency) == [1, 0.8, 0.5]
    assert list(figures.speed_up(seconds[:1], alone=16).to_frame().speed_up) == [4]


def test_accuracies_are_those_of_the_records(wasap, alone):
    figure = figures.accuracy_by_phase({"WASAP": wasap, "sequential": alone})
    frame = figure.to_frame().set_index("run")
    assert list(frame.test_accuracy["WASAP"]) == wasap["test_accuracy"]
    assert list(frame.phase["WASAP"]) == ["asynchronous"] * 4 + ["local", "average"]
    assert list(frame.test_accuracy["sequential"]) == pytest.approx(np.mean([run["test_accuracy"] for run in alone], axis=0))
    stars = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in stars] == [(6, wasap[-1].test_accuracy)]
    assert "average of all workers" in words(figure)
    assert "average of all workers" not in words(figures.accuracy_by_phase(alone))


def bad_calls(history, alone, seconds):
    return [
        (lambda: figures.worker_timeline(alone[0]), "history"),
        (lambda: figures.worker_timeline(history, window=(2, 1)), "window"),
        (lambda: figures.worker_timeline(history, window=(1e6, 2e6)), "window"),
        (lambda: figures.worker_timeline(history, window=3), "window"),
        (lambda: figures.worker_timeline(history, window=(-1, 3)), r"window\[0\]"),
        (lambda: figures.staleness_histogram(alone), "runs"),
        (lambda: figures.staleness_histogram({"a": history, "b": alone}), r"runs\['b'\]"),
        (lambda: figures.dropped_entries(alone), "runs"),
        (lambda: figures.speed_up(seconds[seconds.workers > 1]), "alone"),
        (lambda: figures.speed_up(seconds.drop(columns="seconds")), "table"),
        (lambda: figures.speed_up(seconds.assign(seconds=0.0)), "table"),
        (lambda: figures.speed_up(seconds, alone=0), "alone"),
        (lambda: figures.accuracy_by_phase({}), "runs"),
        (lambda: figures.accuracy_by_phase(sl.History(history[:0])), r"runs\[0\]|runs"),
    ]


@pytest.mark.parametrize("number", range(len(bad_calls(None, None, None))))
def test_bad_arguments_are_named(number, wasap, alone, seconds):
    call, name = bad_calls(wasap, alone, seconds)[number]
    with pytest.raises((ValueError, TypeError), match=f"^({name})"):
        call()
