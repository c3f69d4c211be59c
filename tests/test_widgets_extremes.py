"""The panel of very many neurons: a plan that follows the sliders, and real runs that can be stopped."""

import threading

import pytest

from sparselab.experiments import extreme
from sparselab.nn import footprint
from sparselab.widgets import extreme_panel

PNG = b"\x89PNG"


@pytest.fixture
def panel():
    made = extreme_panel(10_000, layers=3, features=64)
    assert made.wait(60)
    return made


def test_the_plan_follows_the_sliders(panel):
    first, words = bytes(panel.gallery.images["plan"].value), panel.glance.value
    assert first.startswith(PNG)
    assert "It fits." in words
    assert "Press Run" in words
    panel.controls["batch"].value = 128
    assert panel.wait(60)
    assert bytes(panel.gallery.images["plan"].value) != first
    assert panel.result.what.batch == 128
    assert "sliders" in repr(panel)


def test_what_does_not_fit_is_said_and_refused(panel, monkeypatch):
    monkeypatch.setattr("sparselab.utils.resources.available", lambda: 10**6)
    monkeypatch.setattr(footprint, "WORTH_CHECKING", 0)
    panel.controls["layers"].value = 4
    assert panel.wait(60)
    assert "It does not fit" in panel.glance.value
    panel.start()
    assert panel.wait(60)
    assert "InsufficientMemoryError" in panel.status.value
    assert not panel.results


def test_a_run_becomes_a_point_and_gives_the_rate(panel):
    panel.start()
    panel.start()
    assert panel.wait(60)
    (found,) = panel.results
    assert found["sizes"] == [64, 3333, 3333, 3333, 2]
    assert panel.bar.value == panel.bar.max
    assert "GB/s" in panel.glance.value
    assert panel.result.step_seconds == pytest.approx(found["step_seconds"], rel=0.1)
    panel.controls["neurons"].value = 1e6
    assert panel.wait(60)
    assert panel.result.step_seconds > 50 * found["step_seconds"]
    panel.gallery.tabs.selected_index = 1
    assert panel.wait(60)
    assert bytes(panel.gallery.images["ladder"].value).startswith(PNG)


def test_stop_ends_a_run_after_its_phase_and_keeps_nothing(panel, monkeypatch):
    reached, go_on, real = threading.Event(), threading.Event(), extreme.make_data

    def slow(what):
        reached.set()
        assert go_on.wait(60)
        return real(what)

    monkeypatch.setattr(extreme, "make_data", slow)
    panel.start()
    assert reached.wait(60)
    panel.stop()
    go_on.set()
    assert panel.wait(60)
    assert "stopped" in panel.status.value
    assert not panel.results
    monkeypatch.setattr(extreme, "make_data", real)
    panel.start()
    assert panel.wait(60)
    assert len(panel.results) == 1


def test_rows_of_earlier_runs_are_points_too():
    rows = [extreme.run(extreme.Extreme(2000, 2, features=16), progress=False)]
    panel = extreme_panel(4000, layers=2, features=16, measured=rows)
    assert panel.wait(60)
    assert "measured at 2,000 neurons" in panel.glance.value


def test_a_panel_that_is_made_again_is_the_one_that_runs(monkeypatch):
    reached, go_on, real = threading.Event(), threading.Event(), extreme.make_data

    def slow(what):
        reached.set()
        assert go_on.wait(60)
        return real(what)

    monkeypatch.setattr(extreme, "make_data", slow)
    panel = extreme_panel(4000, layers=2, features=16)
    panel.start()
    try:
        assert reached.wait(60)
        assert extreme_panel(4000, layers=2, features=16, measured=[]) is panel
        assert panel.active
        assert extreme_panel(4000, layers=2, features=16, new=True) is not panel
        assert not panel.active
    finally:
        go_on.set()
    assert panel.wait(60)
