"""The panel of parallel training without a screen: start, pause, step and stop work as in a single training.

No worker is left behind.
"""

import os
import pickle
import threading
import time
from types import SimpleNamespace

import models
import numpy as np
import pytest
from shown import DRAWN, bytes_of
from stress import parallel

import sparselab as sl
from sparselab import ExperimentConfig, figures
from sparselab.experiments import studies
from sparselab.widgets import Run, describe, parallel_panel, plans, worker_views
from sparselab.widgets.live_values import with_live_zeta, zeta_at

SETTINGS = {"dataset": "digits", "hidden": (40, 30), "epochs": 6, "batch_size": 64, "threads": 1}
LONG = SETTINGS | {"epochs": 5000, "async_fraction": 1.0}


def made(**changes):
    return parallel_panel(**SETTINGS | changes)


def show(panel, name):
    panel.screen.gallery.tabs.selected_index = list(panel.views).index(name)
    assert panel.wait(60)
    return bytes_of(panel.screen.gallery.images[name])


def move(panel, name, value):
    panel.form.controls[name].input.value = value


def until(condition, what, timeout=60.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: it did not come"
        time.sleep(0.005)


def workers_alive():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sparselab-worker")]


def no_worker_is_left():
    until(lambda: not workers_alive(), "the end of the workers")


@pytest.fixture(scope="module")
def trained():
    """Two workers, then none, then two that wait for each other."""
    panel = made()
    for changes in ({}, {"workers": 0}, {"workers": 2, "synchronous": True}):
        for name, value in changes.items():
            move(panel, name, value)
        panel.screen.buttons["Start"].click()
        assert panel.wait(120)
        assert panel.state == "finished", panel.current.error
    return panel


def test_start_trains_in_phases_and_every_view_is_drawn(trained):
    assert trained.history["phase"] == ["synchronous"] * 4 + ["local", "average"]
    assert [history["phase"][0] for history in trained.view_model.runs.values()] == ["asynchronous", "sequential", "synchronous"]
    assert len(trained.history[-1].workers.accuracies) == 2
    for name in trained.views:
        assert show(trained, name).startswith(DRAWN), trained.screen.gallery.hints[name].value
    no_worker_is_left()


def test_the_panel_is_the_config_s_run(trained):
    records = list(sl.build(trained.current.config).train())
    assert records == trained.history  # synchronous: exactly
    assert "average" in repr(trained)


def test_views_that_have_nothing_to_show_say_so():
    panel = made(workers=0, epochs=2)
    panel.run()
    for name, word in (("workers", "worker"), ("staleness", "pushes"), ("dropped", "pushes"), ("speed-up", "0 workers")):
        assert show(panel, name) == b""
        assert word in panel.screen.gallery.hints[name].value
    assert show(panel, "average").startswith(DRAWN)


def test_speed_up_compares_only_what_had_the_same_work(trained):
    tables = []
    original, worker_views.figures = (
        worker_views.figures,
        SimpleNamespace(speed_up=lambda t, alone: tables.append((t, alone)) or []),
    )
    try:
        with pytest.raises(AttributeError):
            worker_views.speed_up(trained.view_model)  # a list is no figure
    finally:
        worker_views.figures = original
    (found, alone), kept = tables[0], trained.view_model.earlier
    assert {label: table.workers.tolist() for label, table in found.items()} == {
        "threads, asynchronous": [2], "threads, synchronous": [2]
    }  # fmt: skip
    assert alone == pytest.approx(np.mean([record.seconds for record in kept[1].history][2:]))
    other = SimpleNamespace(
        current=trained.current, earlier=[SimpleNamespace(config=made(hidden=(5,)).form.config, history=kept[1].history)]
    )
    assert worker_views.speed_up(other) is None


def test_the_plan_is_what_happens():
    for changes in ({}, {"async_fraction": 0.0}, {"async_fraction": 1.0}, {"workers": 1, "async_fraction": 0.2}):
        panel = made(epochs=4, **changes)
        said, split = panel.plan.value, plans.first_phase(panel.form.config)
        panel.run()
        assert panel.history["phase"].count("asynchronous") == split
        assert ("shared net" in said) == (split > 0)
        assert ("its own net" in said) == (split < 4)
    assert "wait for each other at every step (WASSP-SGD)" in made(synchronous=True).plan.value
    assert "without workers, on one thread" in made(workers=0).plan.value


def test_only_controls_that_count_are_shown():
    panel = made()
    shown = lambda: {name for name, control in panel.form.controls.items() if control.widget.layout.display != "none"}
    assert shown() == set(panel.form.controls)
    move(panel, "workers", 0)
    assert shown() == {"learning_rate", "zeta", "workers", "epochs"}
    move(panel, "workers", 3)
    assert shown() == set(panel.form.controls)


def test_pause_step_stop_and_reset():
    panel = parallel_panel(**LONG)
    panel.screen.buttons["Start"].click()
    until(lambda: panel.current.last, "the first step")
    assert not panel.start()  # a second start
    assert "already running" in panel.screen.message.value
    panel.screen.buttons["Pause"].click()
    until(lambda: panel.state == "paused", "the pause")
    seen = panel.current.last, len(panel.history)
    panel.screen.buttons["Step"].click()
    until(lambda: (panel.current.last, len(panel.history)) != seen, "one step")
    until(lambda: panel.state == "paused", "the pause after it")
    assert "epoch" in panel.screen.status.value
    panel.screen.buttons["Stop"].click()
    assert panel.current.wait(30)
    assert panel.state == "stopped"
    assert np.isfinite(sl.evaluate(panel.model, panel.view_model.data.X_test, panel.view_model.data.y_test).loss)
    no_worker_is_left()
    panel.screen.buttons["Reset"].click()
    assert panel.state == "ready"
    assert not panel.history


def test_stop_in_the_local_phase_waits_for_the_epoch_and_the_net_is_the_server_s():
    panel = parallel_panel(**LONG | {"async_fraction": 0.0002})  # one epoch in common
    panel.start()
    until(lambda: len(panel.history) > 3, "the local phase")
    assert "each worker trains its own net" in describe.status_line(panel.current)
    start = time.monotonic()
    assert panel.stop(30)
    assert time.monotonic() - start < 30
    assert panel.history[-1].phase == "local"
    assert panel.model.nnz == panel.history[0].nnz
    no_worker_is_left()


def test_a_new_panel_stops_the_one_before():
    first = parallel_panel(**LONG)
    first.start()
    until(lambda: first.current.last, "the first step")
    parallel_panel(**SETTINGS)
    assert first.current.wait(30)
    no_worker_is_left()


@pytest.mark.parametrize("share", [1.0, 0.0002])
def test_learning_rate_and_zeta_reach_threads_in_both_phases(share):
    panel = parallel_panel(**LONG | {"async_fraction": share})
    panel.start()
    until(lambda: len(panel.history) > 2, "two epochs")
    move(panel, "learning_rate", 0.0020)
    move(panel, "zeta", 0.0)
    until(lambda: panel.history[-1].learning_rate == pytest.approx(0.002), "the new rate")
    until(lambda: not sum(panel.history[-1].pruned), "an epoch without moved links")
    assert panel.current.changes
    assert panel.stop(30)


def test_a_rule_asks_here_and_keeps_what_it_was_told_elsewhere():
    """Rules go to other processes: the lock of a Run would not."""
    run = Run(ExperimentConfig(zeta=0.25))
    rule = with_live_zeta(sl.SET(0.25), run)
    elsewhere = pickle.loads(pickle.dumps(rule))
    run.now = run.now.replace(zeta=0.5)
    assert (rule.zeta(1), elsewhere.zeta(1)) == (0.5, 0.25)
    falling = Run(ExperimentConfig(zeta_schedule="cosine"))
    sent = pickle.loads(pickle.dumps(with_live_zeta(sl.build(falling.config).rules[0], falling)))
    assert sent.zeta(4) == zeta_at(falling.config, 4)


def test_too_many_workers_are_said_and_nothing_runs():
    panel = made(workers=8, batch_size=1000)
    panel.start()
    assert panel.wait(30)
    assert panel.state == "failed"
    assert "workers = 8: must be at most 2" in panel.screen.message.value
    no_worker_is_left()
    with pytest.raises(ValueError, match="workers = 65"):
        parallel_panel(workers=65)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_processes_train_and_go():
    panel = made(backend="processes", epochs=4)
    assert "Workers in other processes keep the learning rate" in panel.plan.value
    panel.start()
    assert panel.wait(180)
    assert panel.state == "finished", panel.current.error
    assert show(panel, "workers").startswith(DRAWN)
    running, others = parallel_panel(**LONG | {"backend": "processes"}), children()  # others: left by earlier tests
    running.start()
    until(lambda: running.history, "the first epoch", 120)
    mine = children() - others
    assert len(mine) >= 2
    move(running, "learning_rate", 0.002)
    until(lambda: running.history[-1].learning_rate == pytest.approx(0.002), "the new rate, which the server uses")
    running.reset()
    until(lambda: not children() & mine, "the end of the processes")


def children():
    """Worker processes of this one."""
    return {process.pid for process in parallel.workers(parallel.family(os.getpid()))}


def test_the_curves_show_where_the_workers_part(trained):
    def lines(run):
        drawn = figures.learning_curves({"this run": trained.history})
        return [
            line.get_xdata()[0]
            for ax in worker_views.marked(drawn, run).axes
            for line in ax.lines
            if len(set(line.get_xdata())) == 1
        ]

    whole = trained.current
    early = SimpleNamespace(config=whole.config, history=whole.history[:4])
    alone = SimpleNamespace(config=whole.config.replace(workers=0), history=whole.history)
    assert set(lines(whole)) - set(lines(early)) == {4.5}
    assert lines(early) == lines(alone)


# --- studies


def test_the_average_stands_beside_its_workers(trained):
    runs = {label: [history, history] for label, history in trained.view_model.runs.items()}
    table = studies.average_and_workers(runs)
    assert len(table) == 2  # not the one without workers
    for label, row in table.iterrows():
        last = runs[label][0][-1]
        assert (row.average, row.n) == (pytest.approx(last.test_accuracy, abs=1e-4), 2)
        assert row.worst <= row.workers <= row.best
        assert (row.best, row.worst) == pytest.approx((max(last.workers.accuracies), min(last.workers.accuracies)), abs=1e-4)
        assert row.gain == pytest.approx(100 * (last.test_accuracy - np.mean(last.workers.accuracies)), abs=1e-2)


def test_seconds_by_phase_are_the_records(trained):
    label, history = list(trained.view_model.runs.items())[-1]
    table = studies.epoch_seconds({label: [history]})
    assert [phase for _, phase in table.index] == ["synchronous", "local", "average"]
    assert table.epochs.tolist() == [2, 1, 1]  # the first two load compiled code
    assert table.seconds.iloc[0] == pytest.approx(np.median(history["seconds"][2:4]), abs=1e-4)


def test_simulated_workers_make_a_row_each_and_divergence_is_said(capsys):
    settings = {"hidden": (30, 20), "epochs": 4, "data": models.dataset(), "batch_size": 8, "progress": False}
    runs = studies.simulate((1, 3), **settings)
    table = studies.of_workers(runs)
    assert list(runs) == ["1 worker", "3 workers"]
    assert table.workers.tolist() == [1, 3]
    assert table.epochs.tolist() == [4, 4]
    assert table.staleness[0] == table.dropped[0] == 0 < table.staleness[1] < 3
    assert (table.seconds > 0).all()
    assert table.accuracy[1] == pytest.approx(runs["3 workers"][0][-1].test_accuracy, abs=1e-4)
    assert runs["3 workers"][0]["phase"] == ["asynchronous"] * 3 + ["average"]
    assert "diverged" not in capsys.readouterr().out
    gone = studies.simulate((2,), learning_rate=10.0, momentum=0.99, **settings)
    assert all(len(history) < 4 for seeds in gone.values() for history in seeds)
    assert "2 workers: training diverged in epoch" in capsys.readouterr().out
