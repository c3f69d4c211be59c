"""Panels without a screen: buttons are clicked, pictures are PNG bytes, nothing is shown that was not escaped."""

import dataclasses
import io
import json
import math
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor

import numpy as np
import pytest
from shown import DRAWN, bytes_of

from sparselab import ExperimentConfig, History, PruneRegrow, WorkerLostError, figures
from sparselab.checkpoints.records import thin
from sparselab.datasets import Dataset
from sparselab.experiments import studies
from sparselab.experiments.config import PAPER, knob
from sparselab.experiments.experiment import build
from sparselab.experiments.run_labels import labels
from sparselab.figures import style
from sparselab.nn import summary
from sparselab.nn.mlp import SparseMLP
from sparselab.training.progress import bar, watch
from sparselab.widgets import VIEWS, ConfigForm, Explorer, Run, TrainingPanel, View, markup
from sparselab.widgets.controls import Control, widget_of, widths
from sparselab.widgets.live_run import ended_from_outside
from sparselab.widgets.live_values import LIVE
from sparselab.widgets.painter import Painter
from sparselab.widgets.views import by_bytes, sampled

EVIL = "<img src=x onerror=alert(1)></script>"


def blobs(name="blobs", n=240):
    """Three separable classes of 4 x 4 pixels."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, 16)).astype(np.float32) + 2 * y[:, None]
    return Dataset.from_arrays(X, y, X[:60], y[:60], name=name, image_shape=(4, 4), standardise=True)


def config(**changes):
    return ExperimentConfig(**{"hidden": (24, 12), "epsilon": 4.0, "epochs": 3, "batch_size": 16, "threads": 1} | changes)


def panel_of(data=None, panel=None, **changes):
    return TrainingPanel(config(**changes), data=blobs() if data is None else data, **(panel or {}))


@pytest.fixture
def panel():
    made = panel_of()
    yield made
    made.stop()


@pytest.fixture
def endless():
    """A panel whose training does not end by itself."""
    made = panel_of(epochs=100_000)
    yield made
    made.stop()


def until(condition, timeout=20.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def picture(panel, name):
    return bytes_of(panel.screen.gallery.images[name])


def show(panel, name):
    panel.screen.gallery.tabs.selected_index = list(panel.views).index(name)
    assert panel.wait(20)
    return picture(panel, name)


def move(panel, name, value):
    panel.form.controls[name].input.value = value


def html(panel):
    """All HTML of a panel."""
    screen = panel.screen
    words = [screen.status, screen.message, screen.glance, *screen.gallery.hints.values()]
    return " ".join([one.value for one in words] + [control.error.value for control in panel.form.controls.values()])


# --- the form


def test_every_field_has_a_control_and_the_form_gives_the_defaults():
    form = ConfigForm()
    assert list(form.controls) == [one.name for one in dataclasses.fields(ExperimentConfig)]
    assert form.config == ExperimentConfig()
    assert "learning rate" in repr(form)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (knob(0.5, "x", "help", low=0.0, high=1.0, step=0.1), "FloatSlider"),
        (knob(0.5, "x", "help", low=0.1, high=10.0, step=0.1, log=True), "FloatLogSlider"),
        (knob(0.5, "x", "help", low=0.0, high=1e6, step=0.1), "FloatText"),
        (knob(5, "x", "help", low=0, high=10, step=1), "IntText"),
        (knob(5, "x", "help", low=0, high=2**63 - 1, step=1), "Text"),
        (knob((5,), "x", "help", low=1, high=10), "Text"),
        (knob(True, "x", "help"), "Checkbox"),
        (knob("a", "x", "help", choices=("a", "b")), "Dropdown"),
    ],
)
def test_a_new_hyper_parameter_gets_a_control(field, kind):
    made = dataclasses.make_dataclass("Config", [("new", type(field.default), field)])
    widget = widget_of(dataclasses.fields(made)[0], field.default)
    assert type(widget).__name__ == kind
    assert widget.tooltip == "help"


@pytest.mark.parametrize("name", sorted(PAPER))
def test_the_form_shows_any_config(name):
    form = ConfigForm(spans={"epsilon": (1.0, 5.0, 1.0), "epochs": (1, 10, 1), "alpha": (0.0, 0.1, 0.01)})
    form.load(ExperimentConfig.paper(name, seed=2**60 + 1))
    assert form.config == ExperimentConfig.paper(name, seed=2**60 + 1)
    assert form.faults == {}


@pytest.mark.parametrize("text", ["100, 20", "100-20", " 100 20 ", "100 → 20"])
def test_widths_are_read_as_one_types_them(text):
    assert widths(text) == (100, 20)
    assert widths("") == ()


BAD = [
    ("hidden", "10, 0"), ("hidden", "10, -3"), ("hidden", "10, x"), ("hidden", "1e3"), ("hidden", EVIL),
    ("epochs", 0), ("epochs", -1), ("epsilon", -1.0), ("epsilon", float("nan")), ("epsilon", float("inf")), ("batch_size", 0),
    ("seed", "1.5"), ("seed", "-1"),
    ("seed", EVIL), ("threads", 99_999),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_shown_beside_its_field_and_nothing_starts(name, value):
    typed = {"epochs": None, "epsilon": None}  # no sliders, which cannot be set to what they do not reach
    panel = panel_of(panel={"controls": ("hidden", "epochs", "epsilon", "batch_size", "seed", "threads"), "spans": typed})
    panel.run(epochs=1)
    before = list(panel.history)
    move(panel, name, value)
    panel.screen.buttons["Start"].click()
    assert panel.state == "finished"
    assert panel.history == before
    assert name in panel.form.controls[name].error.value
    assert name in panel.screen.message.value
    assert "<img" not in html(panel)
    with pytest.raises(ValueError, match=name):
        panel.run()
    with pytest.raises((ValueError, TypeError), match=name):
        panel.form.config  # noqa: B018


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="did you mean 'epsilon'"):
        ConfigForm(["epsilom"])
    with pytest.raises(ValueError, match="did you mean 'curves'"):
        panel_of(panel={"views": ("curvs",)})


# --- running


def test_run_in_the_cell_draws_the_visible_view_only(panel):
    history = panel.run(epochs=2)
    assert isinstance(history, History)
    assert [record.epoch for record in history] == [1, 2]
    assert panel.state == "finished"
    assert picture(panel, "curves").startswith(DRAWN)
    assert not any(picture(panel, name) for name in panel.views if name != "curves")
    assert "test accuracy" in panel.screen.status.value


@pytest.mark.slow
@pytest.mark.parametrize("name", list(VIEWS))
def test_every_view_is_drawn_before_and_after_a_run(name):
    parallel = name in ("workers", "staleness", "dropped", "speed-up")
    panel = panel_of(panel={"views": (name, "curves")})
    show(panel, name)
    assert "cannot draw" not in html(panel)
    panel.run(epochs=2)
    if parallel:
        assert show(panel, name) == b""
        panel.form.load(panel.form.config.replace(workers=1))
        panel.run(epochs=2)
    assert show(panel, name).startswith(DRAWN), html(panel)


@pytest.mark.slow
def test_views_need_no_test_set_no_image_and_no_classes():
    X = np.random.default_rng(0).normal(size=(64, 5))
    panel = panel_of(Dataset.from_arrays(X, X[:, :2] * 2, task="regression"), panel={"views": tuple(VIEWS)}, dropout=0.0)
    panel.run()
    panel.form.load(panel.form.config.replace(workers=2))
    panel.run()
    for name in VIEWS:
        drawn = show(panel, name)
        assert drawn.startswith(DRAWN) or name in ("input", "images", "average"), (name, html(panel))  # of images; of classes
    assert "cannot draw" not in html(panel)


def test_start_runs_in_a_thread_and_ends(panel):
    panel.screen.buttons["Start"].click()
    assert panel.wait(30)
    assert panel.state == "finished"
    assert len(panel.history) == 3
    assert picture(panel, "curves").startswith(DRAWN)
    assert not panel.screen.buttons["Start"].disabled
    assert panel.screen.buttons["Stop"].disabled


def test_a_second_start_is_refused(endless):
    assert endless.start()
    endless.screen.buttons["Start"].click()
    assert "already running" in endless.screen.message.value
    assert not endless.start()
    with pytest.raises(ValueError, match="already running"):
        endless.run()


def test_of_many_starts_at_once_one_wins(endless):
    gate, answers = threading.Barrier(8), []

    def press():
        gate.wait()
        answers.append(endless.start())

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]


def test_stop_answers_at_once_and_may_be_pressed_whenever(endless):
    endless.stop()  # before the start
    endless.start()
    until(lambda: len(endless.history) >= 2)
    start = time.perf_counter()
    endless.screen.buttons["Stop"].click()
    assert endless.current.wait(5)
    spent = time.perf_counter() - start
    endless.screen.buttons["Stop"].click()
    assert endless.state == "stopped"
    assert spent < 0.9
    assert endless.model.snapshot().weights
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "sparselab run"])


def test_stop_does_not_wait_for_a_picture(endless):
    endless.presenter.painter.draw = lambda: time.sleep(3)
    endless.start()
    until(lambda: endless.state == "running" and endless.presenter.painter.busy)
    start = time.perf_counter()
    assert endless.stop()
    assert time.perf_counter() - start < 0.9


def test_a_moved_control_does_not_wait_for_a_picture(endless):
    drawn = threading.Event()
    endless.presenter.painter.draw = lambda: drawn.wait(60)
    endless.start()
    until(lambda: endless.state == "running" and endless.presenter.painter.busy)
    endless.form.controls["learning_rate"].input.value = 0.02
    until(lambda: abs(endless.current.last.learning_rate - 0.02) < 1e-9)
    assert not drawn.is_set()
    drawn.set()


def test_a_control_moved_as_the_figure_is_begun_does_not_wait(endless, monkeypatch):
    drawn, painter, request = threading.Event(), endless.presenter.painter, endless.presenter.painter.request
    until(lambda: not painter.busy)
    painter.draw = lambda: drawn.wait(60)

    def request_and_move():
        request()
        if endless.state == "running":
            endless.form.controls["learning_rate"].input.value = 0.02

    monkeypatch.setattr(painter, "request", request_and_move)
    endless.start()
    until(lambda: endless.state == "running" and abs(endless.current.last.learning_rate - 0.02) < 1e-9)
    epochs = len(endless.history)
    until(lambda: len(endless.history) > epochs + 5)  # nor does it wait for that figure later
    assert not drawn.is_set()
    drawn.set()


def test_pause_holds_and_resume_goes_on(endless):
    endless.start()
    until(lambda: len(endless.history) >= 1)
    endless.screen.buttons["Pause"].click()
    until(lambda: endless.state == "paused")
    kept = len(endless.history)
    assert endless.screen.buttons["Pause"].description == "Resume"
    time.sleep(0.1)
    assert len(endless.history) == kept
    endless.screen.buttons["Pause"].click()
    until(lambda: len(endless.history) > kept)
    assert endless.state == "running"


def test_a_paused_run_can_be_stopped(endless):
    endless.step()
    until(lambda: endless.state == "paused")
    assert endless.stop()
    assert endless.state == "stopped"


def test_a_wait_ends_after_the_end_was_told():
    told = []
    run = Run(config(epochs=1), make=lambda config: build(config, data=blobs()))
    run.changed = lambda: run.active or (time.sleep(0.2), told.append(run.state))
    run.begin()
    assert run.wait(60)
    assert told == ["finished"]


def test_a_long_run_is_not_saved_after_each_epoch():
    assert Run(config(epochs=60)).checkpoint_options["every"] == 1
    assert Run(config(epochs=10_000)).checkpoint_options["every"] == 100


def test_step_takes_one_record_and_waits(endless):
    endless.screen.buttons["Step"].click()
    until(lambda: endless.state == "paused" and endless.current.last)
    first = endless.current.last
    assert (first.epoch, first.step, first.n_steps) == (1, 0, 1)
    endless.screen.buttons["Step"].click()
    until(lambda: endless.current.last is not first)
    time.sleep(0.05)
    assert endless.state == "paused"
    assert endless.current.last.step >= 1
    assert endless.history == []


def test_every_step_is_seen_in_the_status_line():
    panel = panel_of(learning_rate=1e-6, rule="static", epochs=3)  # loss and accuracy stay as they are
    panel.step()
    until(lambda: panel.state == "paused" and panel.current.last)
    steps = 0
    while len(panel.history) < 2:
        before, steps = panel.screen.status.value, steps + 1
        panel.step()
        until(lambda: panel.screen.status.value != before)  # noqa: B023
    assert steps > 4
    assert "at its end" in panel.screen.status.value
    panel.stop()


def test_a_run_that_ends_with_its_interpreter_is_interrupted(monkeypatch):
    run = Run(config(epochs=3, threads=2), make=lambda config: build(config, data=blobs()))
    run.changed = lambda: run.history and monkeypatch.setattr("concurrent.futures.thread._shutdown", True)
    with pytest.raises(RuntimeError, match="interpreter shutdown"):
        run.pull()
    assert run.state == "interrupted"


@pytest.mark.parametrize(("cause", "ended"), [(BrokenExecutor("killed"), True), (TypeError("of a plug-in"), False)])
def test_only_a_worker_that_was_ended_is_an_interruption(cause, ended):
    error = WorkerLostError("worker 0 failed 4 times in a row")
    error.__cause__ = cause
    assert ended_from_outside(error) == ended


def test_the_learning_rate_slider_reaches_the_running_training(endless):
    endless.step()
    until(lambda: endless.current.last)
    move(endless, "learning_rate", 0.03)
    move(endless, "learning_rate", 0.05)
    assert endless.current.experiment.optimizer.learning_rate == 0.05
    last = endless.current.last
    endless.step()
    until(lambda: endless.current.last is not last)
    assert endless.current.last.learning_rate == 0.05
    assert endless.current.changes == [(1, "learning_rate", 0.05)]
    until(lambda: "steered" in endless.screen.status.value)


def test_a_bad_live_value_does_not_reach_it(endless):
    endless.step()
    until(lambda: endless.current.last)
    endless.form.controls["learning_rate"].input = type("Bad", (), {"value": -1.0})
    endless._form_changed()
    assert endless.current.experiment.optimizer.learning_rate == 0.01
    assert "learning_rate" in html(endless)


def test_zeta_reaches_the_rule(endless):
    endless.start()
    until(lambda: len(endless.history) >= 3)
    assert endless.history[-1].grown[0] > 0
    move(endless, "zeta", 0.0)
    here = len(endless.history)
    until(lambda: len(endless.history) >= here + 3)
    assert endless.history[-1].grown == (0, 0, 0)


def test_only_what_is_live_can_be_moved_while_it_runs(endless):
    endless.start()
    until(lambda: endless.state == "running")
    until(lambda: endless.form.controls["epsilon"].input.disabled)
    assert not endless.form.controls["learning_rate"].input.disabled
    endless.stop()
    until(lambda: not endless.form.controls["epsilon"].input.disabled)


@pytest.mark.parametrize(
    ("settings", "dead"),
    [
        ({"rule": "cht"}, {"zeta"}), ({"rule": "cht", "zeta_schedule": "cosine"}, set()), ({"optimizer": "adam"}, {"momentum"}),
        ({"rule": "static"}, {"zeta"}), ({"rule": "chts"}, set()),
        ({"rule": "gmp", "zeta": 0.0, "density": 0.5, "final_density": 0.1}, {"zeta"}),
        ({"rule": "rigl", "zeta_stop": 5}, {"zeta"}),
    ],
    ids=str,
)  # fmt: skip
def test_what_has_no_effect_is_not_offered_while_it_runs_and_is_no_steering(settings, dead):
    moved = threading.Event()
    run = Run(config(epochs=100_000, **settings), make=lambda one: moved.wait(10) and build(one, data=blobs()))
    run.step()
    assert run.live == LIVE
    run.begin()
    assert run.set_live(run.now.replace(momentum=0.25, zeta=0.125))  # before it is known what has an effect
    moved.set()
    until(lambda: run.last)
    assert {*LIVE} - {*run.live} == dead
    assert {name for _, name, _ in run.changes} == {"momentum", "zeta"} - dead
    assert run.now == run.config.replace(**{name: value for _, name, value in run.changes})
    assert run.set_live(run.now.replace(zeta=0.25)) == ("zeta" not in dead)
    assert run.now.zeta == (run.config.zeta if "zeta" in dead else 0.25)
    assert run.stop(20)
    form = ConfigForm(LIVE, live=LIVE)
    form.lock(True, run.live)
    assert {name for name, control in form.controls.items() if control.input.disabled} == dead


def test_the_panel_locks_what_has_no_effect():
    panel = panel_of(epochs=100_000, optimizer="adam", panel={"controls": ("learning_rate", "momentum")})
    panel.start()
    until(lambda: panel.form.controls["momentum"].input.disabled)
    assert not panel.form.controls["learning_rate"].input.disabled
    panel.stop()
    until(lambda: not panel.form.controls["momentum"].input.disabled)


def test_live_values_keep_the_schedule():
    panel = panel_of(schedule="cosine")
    panel.step()
    until(lambda: panel.current.last)
    move(panel, "learning_rate", 0.02)
    assert panel.current.experiment.optimizer.rate(0) == pytest.approx(0.02)
    assert panel.current.experiment.optimizer.rate(3) < 0.001
    panel.stop()


def test_the_preset_reproduces_the_run(panel):
    move(panel, "alpha", 0.35)
    first = panel.run()
    other = panel_of(seed=5)
    other.use(panel.preset)
    assert other.run() == first
    assert json.loads(panel.preset)["alpha"] == 0.35
    assert panel.screen.preset.value == panel.preset


def test_a_bad_preset_is_shown(panel):
    for text in ("", "[]", '{"epsilom": 1}', '{"epochs": 0}', f'{{"dataset": "{EVIL}"}}'):
        panel.screen.preset.value = text
        panel.screen.use.click()
        assert "Error" in panel.screen.message.value
        assert "<img" not in html(panel)
    assert panel.form.config == config()


def test_reset_forgets(panel):
    panel.run()
    move(panel, "seed", "1")
    panel.run()
    assert len(panel.view_model.runs) == 2
    panel.screen.buttons["Reset"].click()
    assert (panel.state, panel.history, panel.view_model.runs) == ("ready", [], {})
    assert panel.wait(20)
    assert not picture(panel, "curves")
    assert panel.run()


def test_reset_undoes_what_was_changed_during_the_training(panel):
    move(panel, "alpha", 0.4)
    panel.step()
    until(lambda: panel.current.last)
    move(panel, "learning_rate", 10.0)
    panel.stop()
    panel.reset()
    assert panel.form.config.learning_rate == config().learning_rate
    assert panel.form.config.alpha == 0.4


def test_a_speed_slows_the_epochs_down_and_can_be_changed_meanwhile(panel):
    panel.screen.speed.value = 1
    panel.start()
    until(lambda: len(panel.history) == 1)
    time.sleep(0.3)
    assert len(panel.history) == 1
    panel.screen.speed.value = 0
    assert panel.wait(20)
    assert len(panel.history) == 3
    assert max(record.seconds for record in panel.history) < 0.9  # the wait is no training


def test_a_stop_does_not_wait_for_the_speed(endless):
    endless.screen.speed.value = 1
    endless.start()
    until(lambda: endless.history)
    start = time.monotonic()
    assert endless.stop()
    assert time.monotonic() - start < 0.8


@pytest.mark.parametrize(
    ("sent", "meant"), [(20.000000000000004, 20.0), (10 ** math.log10(1 / 3), 1 / 3), (0.30000000000000004, 0.3)]
)
def test_a_slider_means_a_round_number(sent, meant):
    control = Control("epsilon", 1 / 3, (0.1, 100.0, 0.1))
    control.input.value = sent
    assert control.read() == meant


def test_reset_ends_a_running_training(endless):
    endless.start()
    endless.reset()
    assert endless.state == "ready"


def test_earlier_runs_stay_in_the_curves(panel):
    panel.run()
    panel.run()
    assert list(panel.view_model.runs) == ["this run"]  # the same again: nothing to compare
    move(panel, "alpha", 0.1)
    panel.run()
    assert list(panel.view_model.runs) == ["alpha = 0.6", "alpha = 0.1"]


def test_a_finished_curve_stays_beside_a_stopped_repetition(panel):
    finished = panel.run()
    panel.start(paused=True)
    until(lambda: panel.state == "paused")
    panel.stop()
    assert [len(history) for history in panel.view_model.runs.values()][:1] == [len(finished)]
    panel.run()
    assert list(panel.view_model.runs) == ["this run"]


def test_labels_say_what_differs():
    run = lambda changes=(), **settings: Run(config(**settings)) if not changes else steered(**settings)

    def steered(**settings):
        made = Run(config(**settings))
        made.changes = [(1, "zeta", 0.1)]
        return made

    assert labels([]) == []
    assert labels([run(hidden=(3, 2)), run(rule="static")]) == ["hidden = 3-2, rule = set", "hidden = 24-12, rule = static"]
    assert labels([run(), run(["zeta"])]) == ["same", "same (steered)"]
    assert labels([run(), run()]) == ["run 1: same", "run 2: same"]
    far = [run(dataset=f"{'folder/' * 9}{name}.csv") for name in ("one", "two")]
    assert labels(far) == ["dataset = one.csv", "dataset = two.csv"]
    long = [run(dataset=f"{'a' * 60}{name}.csv") for name in ("one", "two")]
    assert len({style.plain(label) for label in labels(long)}) == 2


def test_whatever_is_pressed_in_whatever_order_the_panel_survives(endless):
    rng, end = np.random.default_rng(0), time.monotonic() + 2
    orders = [rng.permutation(np.repeat(list(endless.screen.buttons), 200)) for _ in range(3)]

    def press(order):
        for name in order:
            endless.screen.buttons[name].click()
            endless.screen.gallery.tabs.selected_index = len(endless.history) % len(endless.views)
            if time.monotonic() > end:
                return

    threads = [threading.Thread(target=press, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "Traceback" not in html(endless)
    assert endless.stop()
    endless.reset()
    move(endless, "epochs", 2)
    assert len(endless.run()) == 2
    assert show(endless, "curves").startswith(DRAWN)


# --- faults


def test_an_error_of_the_thread_is_shown_and_the_next_start_works(panel):
    move(panel, "learning_rate", 10.0)
    panel.screen.buttons["Start"].click()
    assert panel.wait(30)
    assert panel.state == "failed"
    assert "diverged" in panel.screen.message.value
    assert "<details>" in panel.screen.message.value
    assert "Traceback" in panel.screen.message.value
    move(panel, "learning_rate", 0.01)
    assert panel.run()
    assert panel.screen.message.value == ""


def test_an_error_in_the_cell_is_shown_and_raised(panel):
    def broken(config):
        raise OSError(f"no data for {EVIL}")

    panel.view_model.make = broken
    with pytest.raises(OSError, match="no data"):
        panel.run()
    assert panel.state == "failed"
    assert "OSError: no data for &lt;img" in panel.screen.message.value
    assert "<img" not in html(panel)
    assert "OSError" in repr(panel)


def test_an_interrupt_stops_the_run_and_keeps_what_it_had(panel):
    class Interrupting:
        zeta = None

        def __call__(self, epoch, *rest):
            raise KeyboardInterrupt

    panel.view_model.rules = [Interrupting()]
    with pytest.raises(KeyboardInterrupt):
        panel.run()
    assert panel.state == "stopped"
    assert len(panel.history) == 1


def test_an_error_of_drawing_stands_in_its_tab_and_stops_nothing():
    broken = View("broken", lambda shown: 1 / 0)
    panel = panel_of(panel={"views": (broken, "curves")})
    panel.run()
    assert panel.state == "finished"
    assert "division by zero" in panel.screen.gallery.hints["broken"].value
    assert show(panel, "curves").startswith(DRAWN)


def test_names_are_text_and_never_html():
    panel = panel_of(blobs(EVIL))
    panel.run()
    for name in panel.views:
        show(panel, name)
    assert "&lt;img" in panel.screen.glance.value
    assert "<img" not in html(panel)
    assert "</script" not in html(panel)
    assert "cannot draw" not in html(panel)


# --- pictures


def test_pictures_come_at_most_four_times_a_second(endless):
    drawn = []
    paint = endless.presenter.painter.draw
    endless.presenter.painter.draw = lambda: (drawn.append(time.monotonic()), paint())
    endless.start()
    until(lambda: len(drawn) >= 4)
    endless.stop()
    gaps = np.diff(drawn[:4])
    assert gaps.min() > 0.2


def test_the_painter_makes_one_picture_of_many_requests():
    gate, drawn = threading.Event(), []
    painter = Painter(lambda: (gate.wait(5), drawn.append(1)))
    for _ in range(50):
        painter.request()
    gate.set()
    assert painter.wait(5)
    assert len(drawn) in (1, 2)
    painter.draw = lambda: 1 / 0
    painter.request()
    assert painter.wait(5)


def test_the_timeline_shows_the_map_of_an_earlier_epoch(panel):
    panel.run()
    slider = panel.screen.timeline
    last = show(panel, "input")
    assert (slider.value, slider.max) == (3, 3)
    slider.value = 0
    first = show(panel, "input")
    assert first.startswith(DRAWN)
    assert first != last
    assert panel.view_model.shown_epoch == (0, None)
    slider.value = 2
    assert panel.wait(20)
    assert panel.view_model.shown_epoch[0] == 2
    move(panel, "epochs", 5)
    panel.run()
    assert slider.max == 5


def test_the_layer_menu_chooses_what_is_drawn(panel):
    first = show(panel, "connectivity")
    assert [label for label, _ in panel.screen.layers.options] == ["layer 1: 16 → 24", "layer 2: 24 → 12", "layer 3: 12 → 3"]
    panel.screen.layers.value = 1
    assert panel.wait(20)
    assert picture(panel, "connectivity") != first


def test_a_setting_changes_the_untrained_net(panel):
    before = panel.model.n_links
    move(panel, "epsilon", 2.0)
    assert panel.model.n_links < before


def test_a_very_large_net_and_data_to_fetch_are_not_made_just_to_look(panel):
    move(panel, "hidden", "30000000")
    assert panel.model is None
    other = TrainingPanel(config(dataset="cifar10"))
    assert other.model is None
    assert "press Start" in repr(other)
    assert other.wait(10)


def test_a_long_run_keeps_degrees_of_some_epochs_and_draws_some_points(panel):
    record, history = panel.run(epochs=1)[0], History()
    for epoch in range(1, 1501):
        history.append(dataclasses.replace(record, epoch=epoch))
        thin(history)
    kept = [record.epoch for record in history if record.fan_out]
    assert kept == [1, *range(8, 1500, 8), 1500]
    points = sampled(history)
    assert points[-1].epoch == 1500
    assert len(points) <= 300


# --- text, results, plug-ins


def test_the_text_says_what_there_is(panel):
    assert "ready" in repr(panel)
    assert "16-24-12-3" in repr(panel)
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == repr(panel)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    panel.run()
    assert "finished" in repr(panel)


def test_the_result_is_plain(panel):
    panel.run()
    result = json.loads(json.dumps(panel.result()))
    assert result["config"]["hidden"] == [24, 12]
    assert len(result["history"]) == 3
    assert result["costs"]["sparse"]["links"] == panel.model.n_links
    assert result["costs"]["dense"]["seconds"] > 0
    assert result["data"] == {"name": "blobs", "source": "arrays"}


def test_rules_and_views_may_be_ones_own():
    def keep_all(layer, state, evidence, rng, zeta):
        return np.ones(len(layer.w), bool)

    mine = View("mine", lambda shown: figures.memory(shown.model))
    panel = panel_of(panel={"rules": [PruneRegrow(0.3, criterion=keep_all)], "views": (mine,)})
    assert panel.run()[-1].grown == (0, 0, 0)
    assert picture(panel, "mine").startswith(DRAWN)


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_without_ipywidgets_the_same_panel_runs_and_prints():
    done = python(
        "import sys; sys.modules['ipywidgets'] = None\n"
        "from sparselab.widgets import TrainingPanel, layer_panel\n"
        "from sparselab import ExperimentConfig\n"
        "panel = TrainingPanel(ExperimentConfig(dataset='digits', hidden=(20,), epochs=2))\n"
        "panel.screen.buttons['Start'].click(); panel.wait(60)\n"
        "panel.screen.gallery.tabs.selected_index = 1; panel.wait(60)\n"
        "print(panel); print(panel._repr_mimebundle_().keys(), len(panel.screen.gallery.images['connectivity'].value) > 1000)\n"
        "print(layer_panel(20, 30))\n"
    )
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout
    assert "dict_keys(['text/plain']) True" in done.stdout


@pytest.mark.slow
def test_python_ends_while_a_training_runs():
    done = python(
        "import time\nfrom sparselab.widgets import start_panel\n"
        "panel = start_panel(hidden=(50,), epochs=100_000); panel.start()\n"
        "while not panel.history: time.sleep(0.01)\n"
        "print(panel.state)"
    )
    assert done.returncode == 0, done.stderr
    assert "running" in done.stdout


# --- the panels of the notebooks


@pytest.mark.parametrize("name", ["start_panel", "evolution_panel", "activation_panel"])
def test_each_notebook_has_its_panel(name):
    from sparselab import widgets

    panel = getattr(widgets, name)(epochs=2, hidden=(20, 20), dataset="digits", batch_size=64)
    panel.run()
    for view in panel.views:
        assert show(panel, view).startswith(DRAWN), html(panel)


LONG = {"hidden": (20, 20), "dataset": "digits", "epochs": 100_000}


@pytest.mark.parametrize("other", [{"epochs": 9}, {"new": True}])
def test_making_another_panel_stops_the_one_before(other):
    from sparselab.widgets import start_panel

    first = start_panel(**LONG)
    first.start()
    second = start_panel(**LONG | other)
    assert first.wait(20)
    assert first.state == "stopped"
    assert second.state == "ready"


@pytest.mark.parametrize(
    "name", ["start_panel", "evolution_panel", "activation_panel", "pruning_panel", "parallel_panel", "paper_panel"]
)
def test_a_cell_that_is_run_again_finds_the_training_that_is_under_way(name):
    from sparselab import widgets

    make = lambda: getattr(widgets, name)(**LONG)
    first = make()
    first.start()
    try:
        rows = len(first.form.widget.children)
        assert make() is first
        first.pause()
        assert make() is first
        assert len(first.form.widget.children) == rows  # what a panel adds to its form is added once
    finally:
        first.stop(0)
    assert make() is not first  # it was told to stop, whether or not it has ended
    assert first.wait(20)


def test_a_panel_at_rest_is_made_anew():
    from sparselab.widgets import start_panel

    assert start_panel(**LONG) is not start_panel(**LONG)


def test_a_panel_that_is_shown_has_one_sign_of_life(panel):
    from sparselab.widgets import pulse

    boxes = lambda: [child for child in panel.widget.children if "sparselab-pulse" in child._dom_classes]
    assert not boxes()  # not before it is shown
    for _ in range(2):
        panel._repr_mimebundle_()
    (line,) = boxes()
    before = line.value
    pulse.beat(line, 7)
    assert line.value != before
    assert line in pulse._lines


def test_one_fold_is_open_at_most():
    from sparselab.widgets.toolkit import Folds, make

    folds = Folds({name: make("VBox") for name in "abc"}, opened=1)
    pressed = lambda: [button.value for button in folds.buttons]  # a style shows the page below a pressed button
    assert pressed() == [False, True, False]
    folds.buttons[2].value = True  # a click
    assert (folds.selected_index, pressed()) == (2, [False, False, True])
    folds.buttons[2].value = False
    assert (folds.selected_index, pressed()) == (None, [False] * 3)
    assert ".sparselab-fold > .widget-toggle-button:not(.mod-active) + * { display: none; }" in markup.STYLE


def test_depth_sets_the_hidden_widths():
    from sparselab.widgets import activation_panel

    panel = activation_panel(dataset="digits")
    panel.form.widget.children[0].value = 2
    assert panel.form.config.hidden == (300, 300)


def test_the_layer_panel_follows_its_controls():
    from sparselab.widgets import layer_panel

    panel = layer_panel(30, 40, epsilon=2.0)
    assert panel.wait(30)
    first, table = bytes_of(panel.gallery.images["connectivity"]), panel.glance.value
    assert first.startswith(DRAWN)
    assert "sparselab" in table
    panel.controls["given"].value = "density"
    panel.controls["density"].value = 0.5
    assert panel.wait(30)
    assert bytes_of(panel.gallery.images["connectivity"]) != first
    assert panel.result.model.density == pytest.approx(0.5, abs=0.05)
    assert panel.controls["epsilon"].disabled
    for number in range(len(panel.gallery.views)):
        panel.gallery.tabs.selected_index = number
        assert panel.wait(30)
    assert all(bytes_of(image).startswith(DRAWN) for image in panel.gallery.images.values())
    assert "n_in = 30" in repr(panel)


def test_an_activation_has_one_colour_in_all_pictures():
    def colours(figure):
        (legend,) = figure.legends
        names = [text.get_text().removesuffix(", untrained") for text in legend.get_texts()]
        return dict(zip(names, (handle.get_color() for handle in legend.legend_handles), strict=True))

    shown = panel_of(activation="all_relu").view_model
    functions, norms = colours(VIEWS["functions"].draw(shown)), colours(VIEWS["gradients"].draw(shown))
    assert functions.items() <= norms.items()
    assert len(functions) == 2


def test_an_explorer_shows_what_is_wrong_with_a_study():
    from sparselab.widgets.toolkit import make

    explorer = Explorer({"n": make("IntSlider", value=1)}, lambda values: 1 // 0, {"v": View("v", lambda shown: None)})
    assert explorer.wait(10)
    assert "ZeroDivisionError" in explorer.message.value


# --- studies


@pytest.mark.parametrize("way", ["Dense", "Masked", "Scipy"])
def test_all_ways_compute_the_same_layer(way):
    model = SparseMLP.create((7, 9), density=0.4, seed=1)
    rng = np.random.default_rng(0)
    X, dZ = (rng.normal(size=(n, 64)).astype(np.float32) for n in (7, 9))
    other, ours = getattr(studies, way)(model), studies.Ours(model)
    for _ in range(3 if way != "Dense" else 1):  # the dense matrix grows links of its own
        for a, b in zip(other.step(X, dZ), ours.step(X, dZ), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_layer_costs_is_a_table_of_four_ways():
    table = studies.layer_costs(20, 30, density=0.1, repeats=1)
    assert list(table["way"]) == ["dense", "mask", "scipy", "sparselab"]
    assert table["bytes"][1] > table["bytes"][0] > table["bytes"][3]
    assert (table["step"] > 0).all()


def test_compare_gives_runs_by_label_and_seed():
    variants = {"SET": {"rule": "set"}, "static": {"rule": "static"}}
    runs = studies.compare(variants, seeds=2, data=blobs(), progress=False, hidden=(10,), epochs=2)
    assert {label: len(seeds) for label, seeds in runs.items()} == {"SET": 2, "static": 2}
    table = studies.accuracies(runs)
    assert list(table.index) == ["SET", "static"]
    assert (table["n"] == 2).all()
    assert (table["lowest"] <= table["highest"]).all()


# --- as text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_run_is_a_line_an_epoch(capsys):
    experiment = build(config(), data=blobs())
    history = watch(experiment.train())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "1", "2", "3"]
    assert f"{history[-1].test_accuracy:.2%}" in lines[-1]
    assert lines[-1].split()[4] == f"{history[-1].links:,}"


def test_in_a_terminal_a_bar_stands_under_the_lines():
    screen = Terminal()
    history = watch(build(config(), data=blobs()).steps(), epochs=3, file=screen)
    assert len(history) == 3
    assert "loss" in screen.getvalue()
    assert "3/3" in screen.getvalue() or "2/3" in screen.getvalue()


def test_a_bar_gives_its_steps_and_leaves_an_empty_line(capsys):
    assert list(bar("abc", 3, unit="net")) == ["a", "b", "c"]
    shown = capsys.readouterr().out
    assert "0/3" in shown
    assert shown.endswith("\r")
    assert not shown.split("\r")[-2].strip()
    assert list(bar("abc", shown=False)) == ["a", "b", "c"]
    assert capsys.readouterr().out == ""


def test_a_regression_without_test_samples_has_empty_columns():
    rng = np.random.default_rng(0)
    data = Dataset.from_arrays(rng.normal(size=(60, 4)), rng.normal(size=60), task="regression")
    file = io.StringIO()
    watch(build(config(epochs=1), data=data).train(), file=file)
    assert "%" not in file.getvalue()


# --- the dense twin


def twins(**changes):
    panel = panel_of(**changes)
    panel.screen.twin.value = True
    return panel


def test_a_dense_twin_and_its_run_train_as_each_of_them_alone():
    panel, alone = twins(), panel_of()
    panel.run()
    twin = panel.current.twin
    assert twin.state == "finished"
    assert twin.experiment.model.n_links == panel.model.n_dense
    assert list(panel.history) == list(alone.run())
    dense = build(twin.config, data=blobs())
    assert list(twin.history) == list(dense.train())
    assert list(panel.view_model.runs) == ["this run", "dense twin"]
    panel.screen.twin.value = False
    panel.run()
    assert panel.current.twin is None


def test_a_twin_follows_a_live_value_and_a_stop():
    panel = twins(epochs=100_000)
    panel.start()
    until(lambda: panel.current.twin is not None and panel.current.twin.history)
    move(panel, "learning_rate", 0.025)
    twin = panel.current.twin
    until(lambda: twin.experiment.optimizer.learning_rate == pytest.approx(0.025))
    assert panel.stop(20)
    assert twin.state == "stopped"
    assert abs(len(twin.history) - len(panel.history)) <= 1


def test_a_twin_that_fails_leaves_the_run_alone():
    panel = twins()
    make = panel.view_model.make

    def refuse_dense(config):
        if config.density == 1:
            raise MemoryError("too large")
        return make(config)

    panel.view_model.make = refuse_dense
    panel.run()
    assert panel.state == "finished"
    assert panel.current.twin.state == "failed"
    assert "no dense twin: MemoryError: too large" in panel.screen.status.value


def test_bytes_that_steps_went_through_are_counted_for_both():
    panel = twins(panel={"views": ("bytes",)})
    panel.run()
    assert show(panel, "bytes").startswith(DRAWN)
    records = by_bytes(panel.view_model)
    sparse, dense = (np.array([record.seconds for record in records[name]]) for name in ("sparse", "dense twin"))
    steps = math.ceil(240 / 16)
    total = summary.rows(panel.current.twin.experiment.model)[-1]
    assert dense == pytest.approx(steps * total["training_bytes"] / 1e9, rel=0.01)
    assert (sparse < dense).all()
    name, data = panel.screen.gallery.file("csv")
    assert b"gigabytes" in data.splitlines()[0]


def test_a_factor_is_written_out():
    assert [markup.times(dense, 1) for dense in (2330.4, 22, 2.24, None)] == ["2,330×", "22×", "2.2×", ""]
