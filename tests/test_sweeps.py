"""Sweeps: the same results for any number of jobs, a row for every run, and nothing that takes the others down."""

import os

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab import figures
from sparselab.experiments import sweep

SMALL = {"hidden": (30, 20), "epsilon": 5.0, "epochs": 2, "batch_size": 32}
TWO = {"evolving": {"zeta": 0.3}, "static": {"rule": "static"}}


@pytest.fixture(scope="module")
def data():
    return models.dataset(200, 60)


@pytest.fixture(scope="module")
def alone(data):
    return sl.sweep(TWO, 2, data=data, progress=False, **SMALL)


def test_a_run_is_the_run_of_its_config(alone, data):
    config = sl.ExperimentConfig(zeta=0.3, seed=1, **SMALL)
    record = list(sl.build(config, data=data).train())[-1]
    row = alone.frame.iloc[1]
    assert (row.label, row.seed, row.error) == ("evolving", 1, "")
    assert (row.accuracy, row.loss, row.links) == (record.test_accuracy, record.test_loss, record.links)
    assert row.seconds == sum(alone.runs[1].history["seconds"]) > 0


def test_the_table_is_mean_deviation_and_number_of_the_rows(alone):
    table, frame = alone.table, alone.frame
    assert list(table.index) == list(TWO)
    for label in TWO:
        accuracies = frame[frame.label == label].accuracy
        assert table["mean"][label] == pytest.approx(np.mean(accuracies))
        assert table.deviation[label] == pytest.approx(np.std(accuracies, ddof=1))
        assert (table.n[label], table.failed[label]) == (2, 0)
    assert "Sweep of 4 runs, 0 failed" in repr(alone)
    assert "static" in alone._repr_html_()


@pytest.mark.parametrize("n_jobs, backend", [(2, "threading"), (4, "threading"), pytest.param(2, "loky", marks=pytest.mark.slow)])
def test_results_do_not_depend_on_the_number_of_jobs(alone, data, n_jobs, backend):
    others = sl.sweep(TWO, 2, data=data, progress=False, n_jobs=n_jobs, backend=backend, **SMALL)
    wanted, found = alone.frame, others.frame
    for column in ("label", "seed", "accuracy", "loss", "links", "error"):
        assert list(found[column]) == list(wanted[column])
    for run, other in zip(alone.runs, others.runs, strict=True):
        assert list(run.history) == list(other.history)


def test_a_failed_run_is_a_row_with_its_error(data):
    found = sl.sweep({"good": {}, "wild": {"learning_rate": 10.0, "schedule": "constant", "epochs": 9}}, [3, 4], data=data,
                     progress=False, **SMALL)  # fmt: skip
    rows = found.frame.set_index("label")
    assert list(rows.error["good"]) == ["", ""]
    assert all(error.startswith("DivergedError: training diverged") for error in rows.error["wild"])
    assert list(found.table.failed) == [0, 2]
    assert np.isnan(found.table["mean"]["wild"])
    assert set(found.histories) == {"good"}


def test_all_combinations_of_a_grid(data):
    found = sl.sweep({"zeta": np.array([0.1, 0.2]), "hidden": [(10,), (12, 8)]}, data=data, progress=False, epochs=1)
    assert [run.label for run in found.runs] == [
        "zeta=0.1, hidden=(10,)", "zeta=0.1, hidden=(12, 8)", "zeta=0.2, hidden=(10,)", "zeta=0.2, hidden=(12, 8)"
    ]  # fmt: skip
    assert [(run.config.zeta, run.config.hidden) for run in found.runs] == [
        (0.1, (10,)), (0.1, (12, 8)), (0.2, (10,)), (0.2, (12, 8))
    ]  # fmt: skip


def test_a_list_of_configs_is_numbered_and_settings_hold_for_all(data):
    found = sl.sweep([sl.ExperimentConfig(), {"zeta": 0.1}], [7], data=data, progress=False, **SMALL)
    assert [(run.label, run.config.epochs, run.config.seed) for run in found.runs] == [("0", 2, 7), ("1", 2, 7)]


def test_sequential_and_parallel_training_side_by_side(data):
    found = sl.sweep({"alone": {}, "WASSP of one": {"workers": 1, "synchronous": True}}, data=data, progress=False, **SMALL)
    assert list(found.frame.error) == ["", ""]
    assert found.frame.accuracy[0] == found.frame.accuracy[1]
    assert found.runs[1].history[-1].phase == "average"


def test_regressions_are_compared_by_their_r2():
    found = sl.sweep({"a": {}}, 2, data=models.dataset(100, 30, regression=True, classes=1), progress=False, **SMALL)
    assert found.table.score["a"] == "r2"
    assert found.table["mean"]["a"] == pytest.approx(found.frame.r2.mean())


def test_what_it_found_can_be_drawn(alone):
    rows = figures.learning_curves(alone.histories).to_frame()
    assert set(rows.run) == set(TWO)
    assert set(rows.n) == {2}


def test_progress_is_shown_where_it_is_wanted(data, capsys):
    sl.sweep({"shown": {}}, data=data, **SMALL)
    assert "shown" in capsys.readouterr().out


def test_runs_share_the_cores(data, monkeypatch):
    seen = []
    monkeypatch.setattr(sweep, "cores", lambda: 6)
    monkeypatch.setattr("sparselab.utils.resources.cores", lambda: 6)
    monkeypatch.setattr(sweep, "trained", lambda config, data, threads: (seen.append(threads), (sl.History(), ""))[1])
    for n_jobs in (1, 2, 4, 12, -1, -2, -99):
        sl.sweep([{}], data=data, n_jobs=n_jobs, backend="threading", progress=False)
    assert seen == [6, 3, 1, 1, 1, 1, 6]


def dies(number):
    """A task that takes its process with it."""
    if number == 1:
        os._exit(3)
    return sl.History(), ""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_dies_is_an_error_and_the_others_go_on():
    found = dict(sweep.finished(dies, [(0,), (1,), (2,)], 2, "loky"))
    assert found[0] == found[2] == ([], "")
    assert sweep.DIED in found[1][1]


@pytest.mark.parametrize(
    "change, named",
    [
        ({"configs": {"a": {"zeta": 2}}}, r"configs\['a'\]: zeta = 2"),
        ({"configs": {"a": {"zetta": 0.2}}}, r"configs\['a'\]: field = 'zetta'.*zeta"),
        ({"configs": {"a": 3}}, r"configs\['a'\] = 3"),
        ({"configs": [sl.ExperimentConfig(), None]}, r"configs\['1'\] = None"),
        ({"configs": {"zetta": [0.1]}}, "field = 'zetta'"),
        ({"configs": {"zeta": []}}, r"configs\['zeta'\] = \[\]"),
        ({"configs": {"zeta": [0.1, 7]}}, r"configs\['zeta=7'\]: zeta = 7"),
        ({"configs": {}}, "configs"),
        ({"configs": {1: {"zeta": 0.1}, "1": {"zeta": 0.2}}}, r"configs = \[1, '1'\]: must be labels"),
        ({"configs": {"zeta": [0.1, 0.1]}}, r"configs\['zeta'\] = \[0.1, 0.1\]: must be values that differ"),
        ({"configs": "set"}, "configs"),
        ({"seeds": 0}, "seeds = 0"),
        ({"seeds": [1, -1]}, r"seeds\[1\] = -1"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"seeds": []}, "seeds"),
        ({"seeds": {0}}, "seeds"),
        ({"seeds": np.array(3)}, "seeds = array"),
        ({"n_jobs": 0}, "n_jobs = 0"),
        ({"n_jobs": True}, "n_jobs = True"),
        ({"n_jobs": None}, "n_jobs = None"),
        ({"backend": "dask"}, "backend = 'dask'"),
        ({"progress": 1}, "progress = 1"),
        ({"epoch": 3}, "field = 'epoch'.*epochs"),
    ],
)
def test_bad_arguments_are_named_before_any_run(change, named, monkeypatch, data):
    monkeypatch.setattr(sweep, "finished", lambda *arguments: pytest.fail("a run was started"))
    with pytest.raises((ValueError, TypeError), match=f"^{named}"):
        sl.sweep(**{"configs": TWO, "data": data, "progress": False} | change)
