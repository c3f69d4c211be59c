"""Tuning: halving trains as a run that was never interrupted, scores come from validation samples, the best one is found."""

import math
from types import SimpleNamespace

import pytest

import sparselab as sl
from sparselab.experiments import tuning
from sparselab.experiments.tuning import rounds

SMALL = {"hidden": (12,), "epsilon": 4.0, "threads": 1, "progress": False}
SPACE = {"learning_rate": (0.0005, 0.2), "zeta": [0.1, 0.3], "batch_size": (16, 64)}


@pytest.fixture(scope="module")
def data():
    return sl.datasets.load("digits").head(300, 60)


@pytest.fixture(scope="module")
def halved(data):
    return sl.tune(SPACE, 9, epochs=9, data=data, **SMALL)


def test_each_round_has_a_third_of_the_runs_for_three_times_as_long(halved):
    assert sorted(len(run.history) for run in halved.runs) == [1] * 6 + [3] * 2 + [9]
    score = lambda run, epochs: run.history[epochs - 1].test_accuracy
    for epochs in (1, 3):
        went_on = [score(run, epochs) for run in halved.runs if len(run.history) > epochs]
        ended = [score(run, epochs) for run in halved.runs if len(run.history) == epochs]
        assert min(went_on) >= max(ended)
    assert halved.best == next(run.config for run in halved.runs if len(run.history) == 9)


def test_what_goes_on_is_what_would_never_have_been_interrupted(halved, data):
    split = data.split_validation(0.2, 0)
    for run in halved.runs:
        whole = sl.History(sl.build(run.config, data=split).train())
        assert list(run.history) == list(whole)[: len(run.history)]


def test_results_do_not_depend_on_threads_that_train_at_once(halved, data):
    again = sl.tune(SPACE, 9, epochs=9, data=data, n_jobs=2, backend="threading", **SMALL)
    assert [list(run.history) for run in again.runs] == [list(run.history) for run in halved.runs]


def test_a_grid_and_random_draws_train_to_the_end(data):
    grid = sl.tune({"zeta": [0.1, 0.2, 0.3], "epsilon": [2.0, 4.0]}, method="grid", epochs=2, data=data, **SMALL)
    assert [(run.config.zeta, run.config.epsilon) for run in grid.runs] == [(z, e) for z in (0.1, 0.2, 0.3) for e in (2.0, 4.0)]
    drawn = sl.tune(SPACE, 3, method="random", epochs=2, data=data, **SMALL)
    assert [len(run.history) for run in [*grid.runs, *drawn.runs]] == [2] * 9
    best = max(drawn.runs, key=lambda run: run.history[-1].test_accuracy)
    assert drawn.best == best.config
    assert all(0.0005 <= run.config.learning_rate <= 0.2 and run.config.zeta in (0.1, 0.3) for run in drawn.runs)


def test_a_run_that_fails_does_not_stop_the_others(data, monkeypatch):
    def failing(config, **options):
        if config.zeta > 0.3:
            raise ArithmeticError("too much")
        return sl.build(config, **options)

    monkeypatch.setattr(tuning, "build", failing)
    found = sl.tune({"zeta": [0.4, 0.3]}, method="grid", epochs=2, data=data, **SMALL)
    assert [run.error for run in found.runs] == ["ArithmeticError: too much", ""]
    assert found.best.zeta == 0.3
    with pytest.raises(ValueError, match="all runs failed, the first one with: ArithmeticError"):
        sl.tune({"zeta": [0.5]}, 3, epochs=9, data=data, **SMALL).best  # noqa: B018


def test_a_score_that_is_no_number_is_the_worst():
    """A step that was too long may be the last one: then the training has not diverged, but the test loss has."""
    record = lambda **scores: SimpleNamespace(**{"test_accuracy": None, "test_r2": None, "test_loss": None} | scores)
    bad = [record(), record(test_loss=math.nan), record(test_r2=math.nan, test_loss=math.nan), record(test_loss=math.inf)]
    runs = [tuning.SweepRun(str(n), 0, sl.ExperimentConfig(seed=n), [one]) for n, one in enumerate([*bad, record(test_loss=9.0)])]
    assert [tuning.score_of(run) for run in runs] == [-math.inf] * 4 + [-9.0]
    assert tuning.Tuning(runs).best.seed == 4


@pytest.mark.parametrize(("epochs", "factor", "least", "wanted"), [
    (27, 3, 1, [1, 3, 9, 27]), (20, 2, 3, [3, 6, 12, 20]), (5, 3, 5, [5]),
])  # fmt: skip
def test_rounds(epochs, factor, least, wanted):
    assert rounds(epochs, "halving", factor, least) == wanted
    assert rounds(epochs, "random", factor, least) == [epochs]


@pytest.mark.parametrize(("changes", "error", "text"), [
    ({"space": {}}, TypeError, "space"), ({"space": {"nonsense": [1]}}, ValueError, "field = 'nonsense'"),
    ({"space": {"zeta": 0.3}}, TypeError, "zeta"), ({"space": {"zeta": (0.3, 0.1)}}, ValueError, "range"),
    ({"space": {"epochs": [2, 3]}}, ValueError, "without epochs"),
    ({"space": {"zeta": (0.1, 0.3)}, "method": "grid"}, TypeError, "a list of values"),
    ({"method": "best"}, ValueError, "method = 'best'"), ({"factor": 1}, ValueError, "factor = 1"),
    ({"min_epochs": 30}, ValueError, "min_epochs = 30"), ({"validation": 1.5}, ValueError, "validation = 1.5"),
    ({"validation": 0.9999999}, ValueError, "rows of validation = .* every class keeps a row"),
    ({"seed": -1}, ValueError, "seed = -1"), ({"seed": "one"}, TypeError, "seed = 'one'"),
    ({"space": {"learning_rate": (0.0, 0.1)}}, ValueError, "learning_rate = 0.0"),
    ({"space": {"zeta": ("low", "high")}}, TypeError, "zeta = 'low'"),
    ({"space": {"batch_size": (0.5, 8)}}, TypeError, "batch_size = 0.5"),
    ({"space": {"steps_per_push": (1, "auto")}}, ValueError, r"steps_per_push = \(1, 'auto'\): must be a range"),
    ({"space": {"dataset": ["digits", "fashion_mnist_small"]}, "data": None}, ValueError, "data set"),
])  # fmt: skip
def test_bad_arguments_are_named_before_anything_runs(data, changes, error, text):
    with pytest.raises(error, match=text):
        sl.tune(**{"space": {"zeta": [0.1]}, "data": data, "epochs": 2} | SMALL | changes)
