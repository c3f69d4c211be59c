"""The page without a screen: its tabs by their buttons, what is wrong beside the field, and nothing lost by an error."""

import threading
import time
import zipfile
from concurrent.futures import BrokenExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from shown import DRAWN, PNG, bytes_of

from sparselab import EpochRecord, ExperimentConfig, History, WorkerLostError, build, datasets
from sparselab.checkpoints.run_dir import RunDir
from sparselab.experiments.random_search import random_configs
from sparselab.experiments.run_store import KeptRun
from sparselab.experiments.sweep import Sweep, SweepRun
from sparselab.nn import summary
from sparselab.widgets import Workbench, workbench
from sparselab.widgets.costs import sparse_and_dense
from sparselab.widgets.page import compare_tab, cost_estimate, run_list, sweep_tab
from sparselab.widgets.page.compare_tab import entries
from sparselab.widgets.page.sweep_form import value_of

EVIL = "<img src=x onerror=alert(1)></script>"
SMALL = {"dataset": "digits", "hidden": (20, 10), "epsilon": 4.0, "epochs": 2, "threads": 1}


@pytest.fixture
def page(tmp_path):
    made = Workbench(ExperimentConfig(**SMALL), folder=tmp_path / "runs")
    yield made
    made.stop()


def texts(widget):
    """Every HTML text in a widget and in those inside it."""
    kind = type(widget).__name__
    own = [widget.value] if kind == "HTML" else []
    return own + [text for child in getattr(widget, "children", ()) for text in texts(child)]


def html(page):
    return " ".join(texts(page.widget))


def own_table(folder, name="mine.csv", n=60):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, 5)) + 3 * y[:, None]
    path = folder / name
    path.write_text("\n".join(",".join(map(str, [*row, label])) for row, label in zip(X, y)))
    return path


# --- Train


def test_every_field_has_a_control_and_every_view_a_picture(page):
    page.train.run()
    assert set(page.train.form.controls) == set(ExperimentConfig.__dataclass_fields__)
    for number, name in enumerate(page.train.views):
        page.train.screen.gallery.tabs.selected_index = number
        assert page.train.wait(20)
        assert bytes_of(page.train.screen.gallery.images[name]).startswith(DRAWN)


def test_two_starts_at_once_are_one_run(page):
    page.train.form.controls["epochs"].input.value = 500
    answers, gate = [], threading.Barrier(2)
    starts = [threading.Thread(target=lambda: (gate.wait(), answers.append(page.train.start()))) for _ in range(2)]
    for one in starts:
        one.start()
    for one in starts:
        one.join()
    assert sorted(answers) == [False, True]
    assert "already running" in page.train.screen.message.value
    start = time.monotonic()
    page.train.screen.buttons["Stop"].click()
    assert page.train.current.wait(1.0)
    print(f"\nseconds until Stop was answered: {time.monotonic() - start:.3f}")


def test_a_moved_slider_is_in_the_record(page):
    page.train.form.controls["epochs"].input.value = 500
    assert page.train.start()
    while not page.train.history:
        time.sleep(0.01)
    page.train.form.controls["learning_rate"].input.value = 0.05
    moved = len(page.train.history)
    while len(page.train.history) < moved + 2:
        time.sleep(0.01)
    page.train.stop()
    assert page.train.history[-1].learning_rate == pytest.approx(0.05)
    assert page.train.current.changes[0][1:] == ("learning_rate", pytest.approx(0.05))


def test_a_file_of_ones_own_is_read_before_anything_starts(page, tmp_path):
    path = own_table(tmp_path)
    page.train.form.own.value = str(path)
    assert page.train.form.own_error.value == ""
    assert page.train.form.config.dataset == str(path)
    page.train.run(epochs=30)
    assert page.train.history[-1].test_accuracy > 0.6
    assert ExperimentConfig.from_json(page.train.preset).dataset == str(path)


BAD_FILES = {
    "missing.csv": None,
    "words.csv": "a,b\n1,x\nhello,y\n",
    "ragged.csv": "1,2,0\n1,2\n",
    "broken.npz": "no zip at all",
    "table.xlsx": "anything",
    f"{EVIL.replace('/', '')}.csv": None,
}


def test_a_bad_file_is_said_beside_its_path_and_nothing_starts(page, tmp_path):
    page.train.run()
    before = list(page.train.history)
    for name, text in BAD_FILES.items():
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        page.train.form.own.value = str(path)
        assert page.train.form.own_error.value, name
        assert page.train.form.config.dataset == "digits"
    assert page.train.history == before
    assert "<img" not in html(page)


def test_nothing_starts_while_a_typed_file_cannot_be_read(page, tmp_path):
    form, start = page.train.form, page.train.screen.buttons["Start"]
    form.own.value = str(tmp_path / "missing.csv")
    start.click()
    assert page.train.state == "ready"
    assert page.store.names() == []
    assert "missing.csv" in page.train.screen.message.value
    form.controls["dataset"].input.value = "fashion_mnist_small"  # another choice takes its place
    assert form.own.value == form.own_error.value == ""
    form.own.value = str(tmp_path / "missing.csv")
    form.load(form.config.replace(dataset="digits"))
    assert form.faults == {}


def test_a_typed_file_is_read_again_when_its_description_changes(page, tmp_path):
    path, form = tmp_path / "t.csv", page.train.form
    path.write_text("kind,size,name\n" + "".join(f"{'ab'[i % 2]},{i},n{i}\n" for i in range(40)))
    form.own.value = str(path)
    assert "columns=" in form.own_error.value
    assert form.faults
    form.controls["target"].input.value = "kind"
    form.controls["columns"].input.value = "size"
    assert form.own_error.value == ""
    assert form.faults == {}
    page.train.run(epochs=1)
    assert page.train.current.experiment.data.n_features == 1
    form.controls["dataset"].input.value = "digits"
    assert "is not a file" in form.faults["target"]


def test_runs_on_own_data_have_their_name_and_are_not_mixed_with_others(tmp_path):
    rng = np.random.default_rng(0)
    data = datasets.Dataset.from_arrays(rng.normal(size=(60, 5)), np.arange(60) % 3, name="my shop")
    config = ExperimentConfig(hidden=(8,), epochs=1, epsilon=4, threads=1, batch_size=32)
    own = Workbench(config, data=data, folder=tmp_path)
    own.train.run()
    (name,) = own.store.names()
    assert name == "0001-my-shop"
    (row,) = own.store.rows()
    assert row["dataset"] == "my shop"
    other = Workbench(config.replace(dataset="digits"), folder=tmp_path)
    for action in ("Open", "Resume", "Run again"):
        other.runs.list.list.value = (name,)
        other.runs.press(action)
        assert "data=my shop" in other.runs.message.value, action
    assert other.store.names() == [name]
    own.runs.list.refresh()
    own.runs.list.list.value = (name,)
    own.runs.press("Run again")
    assert own.train.wait(60)
    assert own.store.names() == [name, "0002-my-shop"]


def test_a_file_that_went_is_said_at_start_and_earlier_results_are_kept(page, tmp_path):
    page.train.run()
    before = list(page.train.history)
    gone = own_table(tmp_path)
    gone.unlink()
    page.train.form.load(page.train.form.config.replace(dataset=str(gone)))
    page.train.screen.buttons["Start"].click()
    assert page.train.state == "finished"
    assert page.train.history == before
    assert "existing file" in page.train.form.controls["dataset"].error.value
    assert "existing file" in page.train.screen.message.value


def test_the_fold_of_what_is_wrong_opens(page):
    page.train.form.controls["batch_size"].input.value = 0
    page.train.screen.buttons["Start"].click()
    assert page.train.state == "ready"
    assert page.train.form.folds.selected_index == page.train.form.fold_of["batch_size"] != 0


def test_the_price_follows_the_form_before_anything_runs(page):
    page.train.cost_painter.wait(20)
    before = page.train.screen.costs.value
    page.train.form.controls["hidden"].input.value = "200, 200"
    page.train.cost_painter.wait(20)
    assert page.train.state == "ready"
    assert page.train.screen.costs.value not in ("", before)
    page.train.form.controls["hidden"].input.value = EVIL
    page.train.cost_painter.wait(20)
    assert "<img" not in html(page)


def test_price_line_and_costs_say_the_same_bytes(page):
    bytes_in_training = lambda: summary.size(sparse_and_dense(page.train.view_model)[0]["bytes"])
    for _ in range(2):  # before and after a training
        page.train.cost_painter.request()
        assert page.train.cost_painter.wait(20)
        assert f"{bytes_in_training()} in training," in page.train.screen.costs.value
        page.train.run()


def test_an_opened_run_says_its_epoch(page):
    page.train.run()
    page.refresh()
    press(page, "Open", page.store.names()[0])
    assert "epoch 2 of 2" in page.train.screen.status.value
    assert list(page.train.view_model.runs) == ["this run"]


def test_a_legend_of_compared_runs_is_short_and_says_the_seed():
    run = lambda number, seed: SimpleNamespace(name=f"000{number}-digits", label="n" * 60, config=ExperimentConfig(seed=seed))
    assert entries([run(1, 5), run(2, 6)]) == [f"0001 {'n' * 16}, seed 5", f"0002 {'n' * 16}, seed 6"]
    assert entries([run(1, 5)]) == [f"0001 {'n' * 16}"]


def test_the_page_counts_the_links_of_the_chosen_start(page):
    controls = page.train.form.controls
    controls["hidden"].input.value = "30"
    controls["topology"].input.value = "csti"
    controls["dense_last"].input.value = True
    assert controls["epsilon"].widget.layout.display != "none"
    controls["density"].input.value = 0.1
    page.train.cost_painter.wait(20)
    assert f"{192 + 300} links" in page.train.screen.costs.value
    assert controls["epsilon"].widget.layout.display == "none"
    assert page.train.view_model.model.nnz == (192, 300)


def test_the_time_of_a_net_that_ran_is_that_of_its_last_run(page):
    page.train.run()
    page.train.cost_painter.wait(20)
    assert "your last run" in page.train.screen.costs.value
    page.train.form.controls["hidden"].input.value = "200, 200"
    page.train.cost_painter.wait(20)
    assert "your last run" not in page.train.screen.costs.value


@pytest.mark.parametrize("sizes", [(20, 30, 1), (20, 30, 7), (5000, 20, 2)])
def test_the_rate_of_any_net_is_a_number(sizes, monkeypatch):
    monkeypatch.setattr(cost_estimate, "MOMENT", 0.0)
    assert 0 < cost_estimate.measured(sizes, 2.0, 32, 1) < float("inf")
    assert len(list(cost_estimate.for_a_moment(iter(range(9))))) == 2  # one more than the first


def idle(data):
    """A view model of these data, without a run and a net."""
    run = SimpleNamespace(config=None, first=(), active=True)
    return SimpleNamespace(at_hand=lambda config: True, data_of=lambda config: data, current=run)


def test_the_cost_line_counts_what_the_optimizer_keeps(monkeypatch):
    """Adam has two vectors, MomentumSGD one: the only difference between their lines is the memory."""
    asked, view_model = [], idle(datasets.load("digits"))
    real = cost_estimate.estimate.estimate_memory
    monkeypatch.setattr(cost_estimate, "rate_of", lambda *_: (1e9, "measured"))
    monkeypatch.setattr(cost_estimate.estimate, "estimate_memory", lambda *a, **more: asked.append(real(*a, **more)) or asked[-1])
    for name in ("momentum_sgd", "adam"):
        cost_estimate.cost_line(ExperimentConfig(dataset="digits", optimizer=name), view_model)
    assert asked[1].items["optimizer state"] == 2 * asked[0].items["optimizer state"] > 0


@pytest.mark.parametrize(("density", "said"), [(0.01, "by their entries, density of X 1.00%"), (0.5, "as dense tiles")])
def test_the_cost_line_says_how_csr_samples_go_in(density, said, monkeypatch):
    monkeypatch.setattr(cost_estimate, "rate_of", lambda *_: (1e9, "measured"))
    X = sparse.random_array((100, 1000), density=density, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    data = datasets.Dataset.from_arrays(X, np.arange(100) % 3)
    assert f"samples {said}" in cost_estimate.cost_line(ExperimentConfig(dataset="digits"), idle(data))


# --- Sweep


def swept(page, fields, *, seeds="2", kind="grid", epochs=2):
    form = page.sweep.form
    form.kind.value, form.seeds.value, form.epochs.value = kind, seeds, epochs
    for row, (name, values) in zip(form.rows, [*fields.items(), *[("—", "")] * 3]):
        row.field.value, row.values.value = name, values
    page.sweep.buttons["Start"].click()


def test_four_runs_and_their_pictures(page):
    swept(page, {"epsilon": "3, 6"})
    assert page.sweep.wait(60)
    result = page.sweep.runner.result
    assert [(run.config.epsilon, run.seed, run.error) for run in result.runs] == [(3, 0, ""), (3, 1, ""), (6, 0, ""), (6, 1, "")]
    assert all(len(run.history) == 2 for run in result.runs)
    for number, name in enumerate(page.sweep.gallery.images):
        page.sweep.gallery.tabs.selected_index = number
        assert page.sweep.wait(20)
        assert bytes_of(page.sweep.gallery.images[name]).startswith(DRAWN)
    assert "4 of 4 runs" in page.sweep.status.value
    assert "epsilon=6.0" in page.sweep.table.value


def test_a_sweep_goes_on_where_a_run_cannot_be_saved(page, monkeypatch):
    def full(logger, run):
        raise OSError(28, "no space left", str(logger.folder))

    monkeypatch.setattr("sparselab.experiments.run_store.RunLogger.note", full)
    swept(page, {"epsilon": "3"}, seeds="1")
    assert page.sweep.wait(60)
    (run,) = page.sweep.runner.result.runs
    assert (len(run.history), run.error) == (2, "")
    assert "is not saved" in page.sweep.message.value
    assert "no space left" in page.sweep.message.value


def test_successive_halving_goes_on_with_the_best_where_they_were(page):
    page.sweep.form.draws.value = 9
    swept(page, {"learning_rate": "0.001 … 0.3"}, seeds="1", kind="halving", epochs=9)
    assert page.sweep.wait(120)
    runs = page.sweep.runner.result.runs
    assert sorted(len(run.history) for run in runs) == [1] * 6 + [3, 3, 9]
    assert "13 of 13 runs" in page.sweep.status.value
    first = sorted((run.history[0].test_accuracy for run in runs), reverse=True)
    assert all(run.history[0].test_accuracy >= first[2] for run in runs if len(run.history) > 1)
    (longest,) = (run for run in runs if len(run.history) == 9)
    assert longest.history == History(record.without_degrees() for record in build(longest.config).train())
    assert sweep_tab.best_of(page.sweep.runner.result) == longest.config
    states = [row["state"] for row in page.store.rows()]
    assert (states.count("finished"), states.count("stopped")) == (1, 8)


def test_a_stop_ends_all_rounds(page):
    page.sweep.form.draws.value = 9
    swept(page, {"learning_rate": "0.001 … 0.1"}, seeds="1", kind="halving", epochs=900)
    assert page.sweep.stop(20)
    assert page.sweep.runner.state == "stopped"
    assert not page.sweep.runner.active


def test_a_run_whose_process_ended_is_offered_once(page):
    page.train._new_run().changed = lambda: None  # a Run whose first epoch is pulled here
    run, logger = page.train.current, page.train.logger
    run.changed = lambda: (logger.note(run), run.history and run.stop(0))
    run.pull()
    about = logger.folder / "run.json"
    about.write_text(about.read_text(encoding="utf-8").replace('"stopped"', '"running"'), encoding="utf-8")  # as if killed
    other = Workbench(ExperimentConfig(**SMALL), folder=page.store.folder)
    offer = other.train.screen.offer
    assert (offer.description, offer.layout.display) == (f"Resume {logger.folder.name}", "")
    offer.click()
    assert other.train.wait(30)
    assert (other.train.state, len(other.train.history)) == ("finished", 2)
    assert offer.layout.display == "none"
    assert Workbench(ExperimentConfig(**SMALL), folder=page.store.folder).train.screen.offer.layout.display == "none"


def test_a_run_whose_workers_were_ended_is_offered(page):
    page.train._new_run().changed = lambda: None
    run, logger, begin = page.train.current, page.train.logger, page.train.current.make

    def make(config):
        experiment = begin(config)
        steps = experiment.steps

        def until_a_worker_is_lost(**options):
            for record in steps(**options):
                yield record
                if isinstance(record, EpochRecord):
                    raise WorkerLostError("worker 0 failed 3 times in a row") from BrokenExecutor("it has ended")

        experiment.steps = until_a_worker_is_lost
        return experiment

    run.make, run.changed = make, lambda: logger.note(run)
    with pytest.raises(WorkerLostError):
        run.pull()
    other = Workbench(ExperimentConfig(**SMALL), folder=page.store.folder)
    assert [row["state"] for row in other.runs.list.known] == ["interrupted"]
    assert other.train.screen.offer.description == f"Resume {logger.folder.name}"
    other.train.screen.offer.click()
    assert other.train.wait(30)
    assert (other.train.state, len(other.train.history)) == ("finished", 2)


def test_the_best_of_a_sweep_is_trained_longer(page):
    swept(page, {"learning_rate": "0.000001, 0.05"})
    assert page.sweep.wait(60)
    result = page.sweep.runner.result
    assert result.table["mean"].idxmax() == "learning_rate=0.05"
    assert {row["group"] for row in page.store.rows()} == {page.sweep.group}
    assert page.sweep.group.startswith("sweep ")
    page.sweep.longer.value = 3
    page.sweep.buttons["Longer"].click()
    assert page.train.wait(60)
    assert page.tabs.titles[page.tabs.selected_index] == "Train"
    config = page.train.current.config
    assert (config.learning_rate, config.seed, config.epochs, len(page.train.history)) == (0.05, 0, 3, 3)
    best = next(run for run in result.runs if run.config.learning_rate == 0.05)
    assert [record.train_loss for record in page.train.history[:2]] == [record.train_loss for record in best.history]
    assert page.store.rows()[0]["group"] == ""


def test_nothing_is_trained_longer_before_a_sweep(page):
    assert page.sweep.buttons["Longer"].disabled
    assert not page.sweep.train_longer()
    assert "no run of the sweep" in page.sweep.message.value
    assert page.train.state == "ready"


def test_the_best_by_loss_has_the_lowest():
    scored = lambda loss: EpochRecord(1, "sequential", 9.0, None, loss, None, (5,), (0,), (0,), (), 0.1, 10)
    runs = [SweepRun(f"{loss}", 0, ExperimentConfig(epsilon=loss), History([scored(loss)])) for loss in (3.0, 1.0, 2.0)]
    assert sweep_tab.best_of(Sweep(runs)).epsilon == 1.0


def test_a_varied_loss_does_not_take_the_place_of_the_score():
    scored = lambda loss: EpochRecord(1, "sequential", 9.0, None, loss, None, (5,), (0,), (0,), (), 0.1, 10)
    losses = {"huber": 3.0, "quantile": 1.0}
    runs = [SweepRun(name, 0, ExperimentConfig(loss=name), History([scored(value)])) for name, value in losses.items()]
    rows, score = sweep_tab.varied(Sweep(runs))
    assert score == "loss"
    assert rows == [{"loss_function": name, "loss": value} for name, value in losses.items()]


def test_runs_on_other_data_are_told_apart():
    runs = [KeptRun(f"000{i}-a", Path("a"), ExperimentConfig(), own_data=own) for i, own in enumerate(("mine", "yours"), 1)]
    assert all(word in compare_tab.differences(runs) for word in ("data", "mine", "yours"))


BAD_SWEEPS = [
    ({"epsilon": "3, -1"}, "2", "epsilon = -1"),
    ({"epsilon": EVIL}, "2", "epsilon"),
    ({"epsilon": ""}, "2", "at least one value"),
    ({"hidden": "10-0; 20"}, "2", "hidden"),
    ({"activation": "relu, relo"}, "2", "relo"),
    ({"epsilon": "3"}, "x", "seeds"),
    ({"epsilon": "3"}, "1, 1", "different"),
    ({"epsilon": "3"}, "100000", "runs"),
]


def test_a_bad_sweep_does_not_start_and_what_was_found_stays(page):
    swept(page, {"epsilon": "3"}, seeds="1")
    assert page.sweep.wait(60)
    for fields, seeds, said in BAD_SWEEPS:
        swept(page, fields, seeds=seeds)
        assert not page.sweep.runner.active
        assert said in page.sweep.message.value
        assert len(page.sweep.runner.result.runs) == 1
    assert "<img" not in html(page)


def test_a_sweep_is_stopped_and_a_second_one_refused_meanwhile(page):
    page.sweep.form.epochs.value = 5000
    page.sweep.buttons["Start"].click()
    page.sweep.start()
    assert "already running" in page.sweep.message.value
    while not page.sweep.runner.under_way:
        time.sleep(0.01)
    start = time.monotonic()
    page.sweep.buttons["Stop"].click()
    assert page.sweep.runner.wait(1.0)
    print(f"\nseconds until the sweep's Stop was answered: {time.monotonic() - start:.3f}")
    assert page.sweep.runner.state == "stopped"


def test_a_run_that_fails_is_a_row_and_the_others_go_on(page, tmp_path):
    gone = tmp_path / "gone.csv"
    swept(page, {"dataset": f"digits, {gone}"}, seeds="1")
    assert page.sweep.wait(60)
    good, bad = page.sweep.runner.result.runs
    assert good.error == ""
    assert "existing file" in bad.error
    assert "1 failed" in page.sweep.status.value


def test_random_draws_are_within_their_ranges_and_repeat(page):
    swept(page, {"epsilon": "2 … 8", "learning_rate": "0.001..0.1", "activation": "relu, tanh"}, seeds="1", kind="random")
    assert page.sweep.wait(60)
    configs = [run.config for run in page.sweep.runner.result.runs]
    assert len(configs) == 8
    assert all(2 <= one.epsilon <= 8 and 0.001 <= one.learning_rate <= 0.1 for one in configs)
    assert {one.activation for one in configs} == {"relu", "tanh"}
    space = {"epsilon": (2.0, 8.0), "learning_rate": (0.001, 0.1), "activation": ["relu", "tanh"]}
    again = [*random_configs(space, ExperimentConfig(**SMALL), 8).values()]
    assert [one.replace(threads=1) for one in configs] == again
    with pytest.raises(ValueError, match="epsilon"):
        random_configs({"epsilon": (8.0, 2.0)}, ExperimentConfig(**SMALL), 8)
    with pytest.raises(ValueError, match="activation"):
        random_configs({"activation": ("relu", "tanh")}, ExperimentConfig(**SMALL), 8)


def test_a_field_that_takes_a_number_or_a_name_can_be_varied():
    assert [value_of("steps_per_push", text) for text in ("3", "auto")] == [3, "auto"]
    with pytest.raises(ValueError, match="steps_per_push = 'often'"):
        value_of("steps_per_push", "often")


# --- Runs and Compare


@pytest.fixture
def two(page):
    """A page with two kept runs that differ in epsilon."""
    page.train.run()
    page.train.screen.label.value = EVIL
    page.train.form.controls["epsilon"].write(6.0)
    page.train.run()
    page.runs.list.refresh()
    return page


def rows(page):
    return {row["name"]: row for row in page.store.rows()}


def press(page, button, *names):
    page.runs.list.list.value = names
    page.runs.buttons[button].click()
    return page.runs.message.value


def test_runs_are_kept_as_they_were(two):
    assert list(rows(two)) == ["0002-digits", "0001-digits"]
    kept = two.store.open("0002-digits")
    assert kept.history == two.train.history
    assert kept.config == two.train.current.config
    assert (kept.label, kept.state, rows(two)["0002-digits"]["epochs"]) == (EVIL, "finished", "2/2")


def test_the_list_filters_and_sorts(two):
    names = lambda: [name for _, name in two.runs.list.list.options]
    two.runs.list.sort.value, two.runs.list.descending.value = "links", False
    assert names() == ["0001-digits", "0002-digits"]
    two.runs.list.descending.value = True
    assert names() == ["0002-digits", "0001-digits"]
    two.runs.list.filter.value = "0001 finished"
    assert names() == ["0001-digits"]
    two.runs.list.filter.value = "no such"
    assert names() == []


def test_two_runs_are_overlaid_and_what_differs_is_listed(two):
    two.compare.choose(["0002-digits", "0001-digits"])
    assert two.compare.wait(20)
    assert bytes_of(two.compare.gallery.images["compared"]).startswith(DRAWN)
    assert "epsilon" in two.compare.table.value
    assert "momentum" not in two.compare.table.value
    assert "<img" not in html(two)


def test_a_run_is_opened_with_its_net_and_repeated_exactly(two):
    first = two.store.open("0001-digits").history
    links = two.train.model.n_links
    assert "is open" in press(two, "Open", "0001-digits")
    assert two.train.history == first
    assert two.train.form.config.epsilon == 4.0
    assert two.train.model.n_links == sum(first[-1].nnz) != links
    press(two, "Run again", "0001-digits")
    assert two.train.wait(20)
    assert two.store.open("0003-digits").history == first


def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been_stopped(page):
    whole = page.train.run(epochs=12)
    page.train.form.controls["epochs"].write(12)
    page.train._new_run().changed = lambda: None  # a Run whose first epochs are pulled here
    run = page.train.current
    logger, shown = page.train.logger, []
    run.changed = lambda: (logger.note(run), shown.append(1), len(run.history) >= 3 and run.stop(0))
    run.pull()
    assert 3 <= len(run.history) < 12
    name = logger.folder.name
    page.runs.list.refresh()
    assert "continues" in press(page, "Resume", name)
    assert page.train.wait(20)
    assert page.train.history == whole
    assert page.store.open(name).history == whole
    assert "has finished" in press(page, "Resume", name)


def test_an_export_has_everything(two):
    press(two, "Export", "0001-digits")
    with zipfile.ZipFile(two.store.folder / "0001-digits.zip") as archive:
        assert ExperimentConfig.from_json(archive.read("config.json")) == two.store.open("0001-digits").config
        assert archive.read("curves_epoch.png").startswith(PNG)
        assert len(archive.read("history.csv").splitlines()) == 3
        assert "checkpoint.npz" in archive.namelist()
        assert b"<h1>Run 0001-digits</h1>" in archive.read("report.html")


def test_deleted_runs_come_back_until_the_next_deletion(two):
    assert "Undo" in press(two, "Delete", "0001-digits", "0002-digits")
    assert rows(two) == {}
    assert "back again" in press(two, "Undo")
    assert list(rows(two)) == ["0002-digits", "0001-digits"]
    press(two, "Delete", "0001-digits")
    press(two, "Delete", "0002-digits")
    press(two, "Undo")
    assert list(rows(two)) == ["0002-digits"]
    assert "nothing was deleted" in press(two, "Undo")


def test_a_locked_run_is_neither_deleted_nor_resumed(two):
    with RunDir(two.store.path("0001-digits")).locked():
        assert "another training uses it" in press(two, "Delete", "0001-digits", "0002-digits")
    assert len(rows(two)) == 2


def test_notes_are_of_the_selected_runs(two):
    two.runs.list.list.value = ("0001-digits", "0002-digits")
    two.runs.notes["group"].value = EVIL
    two.runs.notes["tags"].value = "slow,  good, slow"
    two.runs.list.list.value = ("0002-digits",)
    two.runs.notes["notes"].value = "the second"
    assert two.runs.notes["tags"].value == "slow, good"
    two.runs.list.list.value = ("0002-digits", "0001-digits")
    assert {name: one.value for name, one in two.runs.notes.items()} == {"group": EVIL, "tags": "slow, good", "notes": ""}
    two.runs.list.list.value = ()
    assert all(one.disabled and one.value == "" for one in two.runs.notes.values())
    assert [rows(two)[f"000{i}-digits"]["notes"] for i in (1, 2)] == ["", "the second"]
    two.runs.list.filter.value = "good second"
    assert [name for _, name in two.runs.list.list.options] == ["0002-digits"]
    assert "<img" not in html(two)


def test_a_run_selected_while_another_thread_shows_the_list_anew_stays_selected(two):
    selecting = threading.Thread(target=lambda: two.runs.list.list.set_trait("value", ("0001-digits",)))

    def select(change):  # noqa: ARG001 (an observer has it)
        selecting.start()
        until_waiting = time.monotonic() + 10
        while two.runs.list.list.value == () and time.monotonic() < until_waiting:
            time.sleep(0.01)

    two.runs.list.list.observe(select, "options")
    press(two, "Delete", "0002-digits")
    selecting.join()
    assert two.runs.list.selected == ["0001-digits"]
    assert not two.runs.notes["notes"].disabled


def test_notes_are_saved_while_another_thread_refreshes_the_list(two):
    """As a training does that ends: each refresh sends another list, which must not undo the selection."""
    tab, times, done = two.runs, iter(range(10**9)), threading.Event()
    tab.list.rows = lambda: [row | {"seconds": float(next(times))} for row in two.store.rows()]

    def refresh():
        while not done.is_set():
            two.refresh()

    tab.list.list.value = ("0001-digits",)
    other = threading.Thread(target=refresh)
    other.start()
    try:
        for i in range(30):
            for name in ("group", "tags"):
                tab.notes[name].value = f"{name} {i}"
                assert rows(two)["0001-digits"][name] == f"{name} {i}"
    finally:
        done.set()
        other.join()
    assert tab.list.selected == ["0001-digits"]


def test_the_list_has_room_for_any_texts(two):
    one = {"state": "interrupted", "dataset": f"/a/{'d' * 80}.csv", "epochs": "99999/99999"}
    known = [one | {"name": f"000{i}-{'n' * 24}"} for i in (1, 2)]
    numbers = {"accuracy": 0.5, "r2": -0.123, "loss": 1.234567, "links": 10**9, "seconds": 123456.7}
    texts = dict.fromkeys(("label", "group", "tags"), "w" * 90)
    for some in ({}, texts, numbers, texts | numbers):
        two.runs.list.rows = lambda some=some: [row | some for row in known]
        two.runs.list.refresh()
        lines = [text for text, _ in two.runs.list.list.options]
        assert {len(line) for line in lines} == {max(map(len, lines))}
        assert max(map(len, lines)) <= run_list.WIDEST
        assert ("1,000,000,000" in lines[0]) == bool("links" in some)
        assert ("accuracy" in two.runs.list.head.value) == bool("accuracy" in some)


@given(
    longest=st.lists(st.integers(0, 40), min_size=len(run_list.COLUMNS), max_size=len(run_list.COLUMNS)),
    widest=st.integers(40, 150), kept=st.sampled_from(list(run_list.COLUMNS)),
)  # fmt: skip
def test_a_line_fits_its_room_with_all_columns_where_that_is_possible(longest, widest, kept):
    numbers = [key for key in run_list.COLUMNS if key not in run_list.WORDS]
    text = {key: "x" * (min(n, 9) if key in numbers else n) for key, n in zip(run_list.COLUMNS, longest, strict=True)}
    widths = run_list.widths_of([text], widest, kept)
    assert list(widths) == [key for key in run_list.COLUMNS if key in widths]
    assert len(run_list.line(text, widths)) == sum(widths.values()) + len(widths) - 1 <= widest
    full = run_list.used([text])
    assert set(widths) >= {"name", "state", *({kept} & set(full))}
    natural = sum(max(len(text[key]), len(run_list.COLUMNS[key][0])) + 1 for key in full) - 1
    assert natural > widest or list(widths) == full
    assert all(widths[key] >= len(text[key]) for key in widths if key in numbers)


def test_a_narrow_list_says_which_columns_it_has_no_room_for(two):
    tab = two.runs.list
    lines = lambda: [text for text, _ in tab.list.options]
    wide = lines()
    tab.room.value = 50
    assert all(len(line) <= 50 for line in lines())
    assert "epochs" in tab.count.value
    assert "accuracy" in tab.head.value
    tab.sort.value = "epochs"
    assert "epochs" in tab.head.value
    tab.room.value, tab.sort.value = 200, "name"
    assert lines() == wide
    assert "narrow" not in tab.count.value


def test_mean_and_band_over_seeds_by_one_click(page):
    for seed in (0, 1, 2):
        page.train.form.controls["seed"].write(seed)
        page.train.form.controls["epsilon"].write(4.0 if seed < 2 else 6.0)
        page.train.run()
    page.refresh()
    press(page, "Over seeds", "0002-digits")
    assert page.tabs.titles[page.tabs.selected_index] == "Compare"
    assert set(page.compare.list.selected) == {"0001-digits", "0002-digits"}
    assert page.compare.wait(20)
    assert bytes_of(page.compare.gallery.images["over-seeds"]).startswith(PNG)
    runs = [page.store.open(name) for name in page.store.names()]
    lines = compare_tab.bands(runs).to_frame()
    assert dict(lines.groupby("run")["n"].max()) == {"epsilon = 4": 2, "epsilon = 6": 1}
    assert "no other finished run" in press(page, "Over seeds", "0003-digits")


DAMAGES = {
    "run.json": ["", "[]", "{", '{"config": {"epsilon": -1}}', f'{{"config": "{EVIL}"}}', "\x00\x01"],
    "history.jsonl": ["{}\n", f"{EVIL}\n", "[1]\n", '{"epoch": 1}\n'],
}


def test_a_damaged_run_is_a_row_that_says_so_and_nothing_else_suffers(two):
    before = list(two.train.history)
    for file, text in [(file, text) for file, some in DAMAGES.items() for text in some]:
        place = two.store.path("0001-digits") / file
        good = place.read_text()
        place.write_text(text)
        two.refresh()
        assert rows(two)["0002-digits"]["state"] == "finished"
        assert file in press(two, "Open", "0001-digits"), text
        two.compare.choose([])
        two.compare.choose(["0001-digits", "0002-digits"])
        assert two.compare.wait(20)
        assert file in two.compare.message.value, text
        place.write_text(good)
    assert two.train.history == before
    assert two.train.state == "finished"
    assert "<img" not in html(two)


def test_runs_of_several_pages_do_not_mix(page, tmp_path):
    other = Workbench(ExperimentConfig(**SMALL | {"epsilon": 6.0}), folder=tmp_path / "runs")
    threads = [threading.Thread(target=one.train.run) for one in (page, other)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    kept = [page.store.open(name) for name in page.store.names()]
    assert sorted(run.config.epsilon for run in kept) == [4.0, 6.0]
    for one in (page, other):
        assert one.train.history == next(run.history for run in kept if run.config == one.train.current.config)


def test_a_folder_that_cannot_be_made_is_said_and_nothing_starts(tmp_path):
    (tmp_path / "runs").write_text("a file")
    made = Workbench(ExperimentConfig(**SMALL), folder=tmp_path / "runs")
    made.train.screen.buttons["Start"].click()
    assert made.train.state == "ready"
    assert "runs" in made.train.screen.message.value


# --- the whole


def test_a_page_that_is_made_again_stops_the_one_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = workbench(**SMALL | {"epochs": 500})
    assert first.train.start()
    second = workbench(**SMALL)
    assert first.train.current.wait(5)
    assert second.train.state == "ready"
    assert "ready" in repr(second)


def test_a_page_that_is_made_again_finds_its_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = lambda shift=0: (np.eye(8, dtype=np.float32) + shift, np.arange(8) % 2)
    own = SMALL | {"epochs": 100_000}
    first = workbench(data=data(), **own)
    assert first.train.start()
    try:
        assert workbench(data=data(), folder=tmp_path / "runs", **own) is first
    finally:
        second = workbench(data=data(1), **own)  # other data
    assert first.train.wait(10)
    assert second.train.start()
    assert workbench(data=data(1), folder="others", **own) is not second
    assert second.train.wait(10)


def test_a_page_that_is_made_again_finds_its_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = workbench(**SMALL)
    first.sweep.form.epochs.value = 500
    assert first.sweep.start()
    try:
        assert workbench(**SMALL) is first
    finally:
        first.sweep.stop(0)
    assert workbench(**SMALL) is not first
    assert first.sweep.wait(20)


def test_a_name_that_is_no_file_is_still_refused_with_the_closest():
    with pytest.raises(ValueError, match="digits"):
        ExperimentConfig(dataset="digit")
    assert not datasets.is_file("digits")
