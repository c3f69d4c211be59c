"""The panel of twins: whatever trains, its curves, its table, Stop, and what went wrong."""

import math
import threading
from types import SimpleNamespace

import pytest

import sparselab as sl
from sparselab.widgets import twins_panel

PNG = b"\x89PNG"


def record(epoch, accuracy=math.nan, seconds=0.5, links=1000):
    return SimpleNamespace(epoch=epoch, accuracy=accuracy, seconds=seconds, links=links, bytes=16 * links)


def begin(density, epochs, pace):
    """Two trainings of which one has fewer links."""

    def training(links, gain):
        for epoch in range(epochs):
            yield record(epoch + 0.5, links=links)
            yield record(epoch + 1.0, 0.5 + gain * epoch, links=links)

    return {"sparse": training(round(1000 * density), 0.1), "dense": training(1000, 0.12)}


@pytest.fixture
def panel():
    made = twins_panel(begin, epochs=3, new=True)
    assert made.wait(60)
    return made


def test_trainings_take_turns_and_become_curves(panel):
    assert panel.glance.value == ""
    panel.controls["density"].value = 0.2
    panel.run()
    assert {name: [one.epoch for one in each] for name, each in panel.records.items()} == {
        "sparse": [1.0, 2.0, 3.0], "dense": [1.0, 2.0, 3.0],
    }  # fmt: skip
    assert panel.records["sparse"][-1].links == 200
    assert "finished" in panel.status.value
    assert panel.bar.value == panel.bar.max == 6
    assert "74.0%" in panel.glance.value
    assert "70.0%" in panel.glance.value
    assert bytes(panel.gallery.images["curves"].value).startswith(PNG)
    panel.gallery.tabs.selected_index = 1
    assert panel.wait(60)
    assert bytes(panel.gallery.images["costs"].value).startswith(PNG)
    assert "In JupyterLab" in repr(panel)


def test_stop_ends_within_an_epoch_and_start_begins_anew():
    entered, go = threading.Event(), threading.Event()

    def endless(density, epochs, pace):
        def training():
            for step in range(10**9):
                entered.set()
                go.wait(0.01)
                yield record(0.5 - 0.5 / (step + 2))

        return {"sparse": training()}

    panel = twins_panel(endless, epochs=2, new=True)
    assert panel.start()
    assert entered.wait(30)
    assert panel.active
    assert twins_panel(endless, epochs=2) is panel
    assert not panel.start()
    assert "press Stop first" in panel.notice.value
    assert panel.stop(30)
    assert not panel.active
    assert panel.records == {"sparse": []}
    assert panel.start()
    assert panel.stop(30)
    assert "stopped" in panel.status.value


def test_an_exception_is_shown():
    def fails(density, epochs, pace):
        raise RuntimeError("no such model")

    panel = twins_panel(fails, new=True)
    panel.run()
    assert "failed" in panel.status.value
    assert "no such model" in panel.message.value
    assert panel.start()
    assert panel.wait(30)


@pytest.mark.parametrize(
    "wrong, error",
    [({"begin": 3}, TypeError), ({"density": 0}, ValueError), ({"density": 1.5}, ValueError), ({"epochs": 0}, ValueError)],
)
def test_what_is_not_allowed_is_refused(wrong, error):
    with pytest.raises(error, match=next(iter(wrong))):
        twins_panel(**({"begin": begin} | wrong))


@pytest.mark.parametrize("seconds", [0.0055, 3.3, 12345.0])
def test_numbers_below_the_axes_do_not_run_into_each_other(seconds):
    records = [record(epoch, 0.1 * epoch, seconds) for epoch in (1.0, 2.0, 3.0)]
    figure = sl.figures.twin_curves({"sparse": records, "dense": records})
    figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        seen = [box for box in boxes if ax.bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= ax.bbox.x1 + 1]
        assert len(seen) >= 2
        assert all(one.x1 + 4 < other.x0 for one, other in zip(seen, seen[1:]))


def test_the_figure_has_a_row_for_each_epoch():
    trainings = begin(0.1, 2, None)
    table = sl.figures.twin_curves({name: list(training) for name, training in trainings.items()}).to_frame()
    assert table["training"].tolist() == ["sparse", "sparse", "dense", "dense"]
    assert table["epoch"].tolist() == [1.0, 2.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="records"):
        sl.figures.twin_curves({"sparse": [record(0.5)]})
