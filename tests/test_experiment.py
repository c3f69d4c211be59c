"""The config is one value that says everything; `build` turns names into objects; the command line is made from it."""

import dataclasses
import json

import numpy as np
import pytest

import sparselab as sl
from sparselab import cli
from sparselab.analysis import dense_baseline
from sparselab.experiments import environment
from sparselab.experiments.config import PAPER, SCHEDULES
from sparselab.experiments.random_search import random_configs
from sparselab.nn import schedules, summary
from sparselab.widgets import live_values
from sparselab.widgets.controls import Control

SMALL = {"dataset": "digits", "hidden": (30, 20), "epochs": 2}
BAD = [
    ("zeta", 1.5), ("zeta", "0.3"), ("epsilon", 0), ("epsilon", float("nan")), ("hidden", "100"), ("hidden", (0,)),
    ("hidden", (10, 1.5)), ("activation", "relo"), ("dataset", "fashon"), ("rule", None), ("batch_size", 0), ("epochs", True),
    ("seed", -1), ("workers", -1), ("workers", 65), ("workers", 1.5), ("backend", "thread"), ("backend", "serial"),
    ("async_fraction", 1.01), ("async_fraction", "most"), ("synchronous", 1), ("steps_per_push", 0),
    ("steps_per_push", "often"), ("steps_per_push", 1.5),
    ("nesterov", 1), ("learning_rate", 0), ("dropout", 1), ("schedule", "linea"), ("initializer", "he"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_field_is_named_with_its_value_and_what_is_allowed(name, value):
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        sl.ExperimentConfig(**{name: value})
    assert "must be" in str(caught.value)


def test_close_names_are_suggested():
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        sl.ExperimentConfig(activation="relo")


def test_json_round_trip_and_unknown_fields():
    config = sl.ExperimentConfig(**SMALL, schedule="cosine")
    assert sl.ExperimentConfig.from_json(config.to_json()) == config
    for text in ("{", "[1]", '{"zeat": 0.3}', None):
        with pytest.raises((TypeError, ValueError)):
            sl.ExperimentConfig.from_json(text)


@pytest.mark.parametrize("name", PAPER)
def test_paper_presets_are_valid(name):
    config = sl.ExperimentConfig.paper(name, epochs=3)
    assert (config.dataset, config.epochs, config.momentum, config.zeta, config.weight_decay) == (name, 3, 0.9, 0.3, 0)


def test_the_paper_links_of_fashion_mnist():
    config = sl.ExperimentConfig.paper("fashion_mnist")
    model = sl.SparseMLP.create((784, *config.hidden, 10), epsilon=config.epsilon, exact=True, seed=0)
    assert model.n_links == 125_680  # algorithms: ε (n_in + n_out) a layer, the last one dense


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("activation", sl.activations.NAMES)
def test_every_choice_builds_and_learns(schedule, activation):
    experiment = sl.build(sl.ExperimentConfig(**SMALL, schedule=schedule, activation=activation))
    records = list(experiment.train())
    assert [r.epoch for r in records] == [1, 2]
    assert np.isfinite(records[-1].train_loss)


def test_schedules_by_name_are_those_of_sl_schedules():
    config = sl.ExperimentConfig(**SMALL)
    rate = lambda name, epochs=20: sl.build(config.replace(schedule=name, epochs=epochs)).optimizer.learning_rate
    assert rate("linear") == schedules.Linear(0.01, 20, 1e-5)
    assert rate("one_cycle") == schedules.OneCycle(0.01, 20)
    assert rate("warm_up_cosine") == schedules.WarmUp(schedules.Cosine(0.01, 20, 1e-5, start=2), 2)
    assert rate("warm_up_cosine", 1)(1) == pytest.approx(1e-5)


OPTIMIZERS = {
    "momentum_sgd": lambda **more: sl.MomentumSGD(0.02, 0.8, 1e-3, **more),
    "sgd": lambda **more: sl.SGD(0.02, 0.8, 1e-3, **more),
    "adam": lambda **more: sl.Adam(0.02, (0.8, 0.99), 1e-6, 1e-3, **more),
    "adamw": lambda **more: sl.AdamW(0.02, (0.8, 0.99), 1e-6, 1e-3, **more),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_by_name(name, tmp_path):
    """The config's is the object with the same numbers; from JSON, on the command line and in a random search, too."""
    numbers = {"learning_rate": 0.02, "momentum": 0.8, "weight_decay": 1e-3, "beta1": 0.8, "beta2": 0.99, "eps": 1e-6}
    config = sl.ExperimentConfig(**SMALL, optimizer=name, **numbers)
    assert sl.build(config).optimizer == OPTIMIZERS[name]()
    config = config.replace(clip_norm=0.5)
    experiment = sl.build(sl.ExperimentConfig.from_json(config.to_json()))
    assert experiment.optimizer == OPTIMIZERS[name](clip_norm=0.5)
    records = list(experiment.train())
    out = tmp_path / "out.json"
    options = [f"--{key.replace('_', '-')}={value}" for key, value in (numbers | {"clip_norm": 0.5, "optimizer": name}).items()]
    small = ["--dataset", "digits", "--hidden", "30", "--epochs", "2", "--epsilon", "5"]
    assert cli.main(["train", *small, *options, "--json", str(out)]) == 0
    found = json.loads(out.read_text())["config"]
    assert {key: found[key] for key in numbers} == numbers
    assert (found["optimizer"], found["clip_norm"]) == (name, 0.5)
    assert np.isfinite(records[-1].train_loss)
    drawn = random_configs({"optimizer": [name], "clip_norm": (0.1, 2.0), "beta2": (0.9, 0.99)}, config, 3)
    for one in drawn.values():
        assert one.optimizer == name
        assert 0.1 <= one.clip_norm <= 2
        assert 0.9 <= one.beta2 <= 0.99


def test_settings_of_before_name_the_optimizer_of_before():
    old = dataclasses.asdict(sl.ExperimentConfig(**SMALL))
    for name in ("optimizer", "beta1", "beta2", "eps", "clip_norm"):
        del old[name]
    config = sl.ExperimentConfig.stored(old)
    assert config == sl.ExperimentConfig(**SMALL)
    assert sl.build(config).optimizer == sl.MomentumSGD(0.01)
    for name in PAPER:
        assert sl.ExperimentConfig.paper(name).optimizer == "momentum_sgd"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "adamax"}, "optimizer = 'adamax': must be one of .*did you mean 'adam"),
        ({"optimizer": 3}, "optimizer = 3"),
        ({"optimizer": "adam", "nesterov": True}, "nesterov = True: must be False with optimizer = 'adam'"),
        ({"optimizer": "sgd", "decay_biases": False}, "decay_biases = False: must be True with optimizer = 'sgd'"),
        ({"optimizer": "sgd", "nesterov": True, "momentum": 0.0}, "nesterov"),
        ({"beta1": 1.0}, "beta1"),
        ({"beta2": -0.1}, "beta2"),
        ({"eps": 0.0}, "eps"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"schedule": "onecycle"}, "schedule = 'onecycle': .*did you mean 'one_cycle'"),
    ],
)
def test_settings_of_optimizers_that_are_refused(changes, words):
    with pytest.raises((TypeError, ValueError), match=words):
        sl.build(sl.ExperimentConfig(**SMALL | changes))


def test_live_values_reach_the_optimizers_that_have_them():
    for name in OPTIMIZERS:
        config = sl.ExperimentConfig(**SMALL, optimizer=name)
        optimizer = sl.build(config).optimizer
        live_values.apply(live_values.LIVE, optimizer, config.replace(learning_rate=0.5, momentum=0.25, weight_decay=0.01))
        assert (optimizer.learning_rate, optimizer.weight_decay) == (0.5, 0.01)
        assert getattr(optimizer, "momentum", None) == (0.25 if "sgd" in name else None)


def test_the_same_config_is_the_same_run():
    runs = [list(sl.build(sl.ExperimentConfig(**SMALL)).train(threads=threads)) for threads in (1, 2)]
    assert runs[0] == runs[1]


def test_static_rule_and_initializer_fan():
    experiment = sl.build(sl.ExperimentConfig(**SMALL, rule="static", fan="links"))
    assert experiment.rules == []
    assert experiment.model.initializer == sl.HeUniform("links")


@pytest.mark.parametrize("synchronous", [False, True])
def test_workers_make_it_parallel_training(synchronous):
    config = sl.ExperimentConfig(**SMALL | {"epochs": 4}, workers=2, synchronous=synchronous, async_fraction=0.5)
    first = "synchronous" if synchronous else "asynchronous"
    records = list(sl.build(config).train(evaluate_every=4))
    assert [record.phase for record in records] == [first, first, "local", "average"]
    assert records[0].workers.n == 2
    both = list(sl.build(config).steps())
    steps, epochs = ([r for r in both if isinstance(r, kind)] for kind in (sl.StepRecord, sl.EpochRecord))
    for number in (1, 2, 3):
        here = sum(step.n_samples for step in steps if step.epoch == number)
        assert here == (epochs[number - 1].n_samples if number < 3 else 0)


def test_the_config_s_parallel_run_is_train_parallel():
    config = sl.ExperimentConfig(
        **SMALL, workers=2, synchronous=True, async_fraction=1.0, steps_per_push=3, threads=7, seed=5, learning_rate=0.02
    )
    experiment, other = sl.build(config), sl.build(config)
    records = list(experiment.train())
    options = {"n_jobs": 2, "synchronous": True, "async_fraction": 1.0, "steps_per_push": 3, "epochs": 2, "batch_size": 32}
    direct = sl.train_parallel(other.model, other.data, optimizer=other.optimizer, rules=other.rules, seed=5, **options)
    assert records == list(direct)
    one = sl.build(config.replace(workers=1, steps_per_push=1))
    alone = sl.build(config.replace(workers=0))
    assert [r.train_loss for r in one.train()] == [r.train_loss for r in alone.train()]


def test_steps_per_push_may_be_measured():
    config = sl.ExperimentConfig(**SMALL, workers=2, steps_per_push="auto")
    assert sl.ExperimentConfig.from_json(config.to_json()) == config
    assert sl.build(config).parallel_options["steps_per_push"] == "auto"
    control = Control("steps_per_push", 1)
    for shown, read in (("auto", "auto"), ("12", 12)):
        control.input.value = shown
        assert (control.read(), control.check()) == (read, "")
    control.write(3)
    assert control.input.value == "3"
    control.input.value = "often"
    assert "must be a whole number in [1, 1000], or one of ['auto']" in control.check()


def test_more_workers_than_mini_batches_are_refused_before_training():
    data = sl.datasets.load("digits")
    with pytest.raises(ValueError, match="workers = 3: must be at most 2, the mini-batches of an epoch"):
        sl.build(sl.ExperimentConfig(**SMALL, workers=3, batch_size=-(-data.n_train // 2)))


def test_parallel_runs_are_kept_and_asked_for_again(tmp_path, capsys):
    arguments = "train --dataset digits --hidden 20 --epochs 3 --workers 2 --synchronous --checkpoint".split()
    shown = []
    for changes in ([], [], ["--workers", "1"]):
        code = cli.main([*arguments, str(tmp_path / "run"), *changes])
        text = capsys.readouterr()
        shown.append((code, [line.split()[:5] for line in text.out.splitlines() if line[:5].strip().isdigit()][-3:]))
    assert shown[0][0] == 0
    assert shown[1] == shown[0]  # the finished run, read from its folder
    assert shown[2][0] == 2
    assert "'n_jobs': 1" in text.err


def test_command_line_trains_writes_and_saves(tmp_path, capsys):
    out, saved = tmp_path / "out.json", tmp_path / "net.npz"
    arguments = "train --dataset digits --hidden 30 20 --epochs 2 --alpha 0.5 --nesterov --seed 3".split()
    assert cli.main([*arguments, "--json", str(out), "--save", str(saved)]) == 0
    text, result = capsys.readouterr().out, json.loads(out.read_text())
    assert "truly sparse" in text
    assert result["config"]["hidden"] == [30, 20]
    assert result["config"]["nesterov"] is True
    assert result["source"] == "embedded"
    assert len(result["history"]) == 2
    data = sl.datasets.load("digits")
    again = sl.evaluate(sl.load(saved), data.X_test, data.y_test)
    assert again.accuracy == result["history"][-1]["test_accuracy"]


def test_a_net_without_links_has_no_ratio_and_its_results_are_written(tmp_path, capsys):
    out, saved = tmp_path / "out.json", tmp_path / "net.npz"
    arguments = "train --dataset digits --hidden 1 --epsilon 0.01 --no-dense-last --epochs 1 --seed 3".split()
    assert cli.main([*arguments, "--json", str(out), "--save", str(saved)]) == 0
    assert sl.load(saved).n_links == 0
    assert json.loads(out.read_text())["costs"]["links"] == [0, 74]
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("links  "))
    assert line.split() == ["links", "0", "74", "—"]


def test_results_are_written_before_the_comparison_is_shown(tmp_path, monkeypatch):
    out, saved = tmp_path / "out.json", tmp_path / "net.npz"
    monkeypatch.setattr(cli, "costs_table", lambda table: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["train", "--dataset", "digits", "--hidden", "1", "--epochs", "1", "--json", str(out), "--save", str(saved)])
    assert out.exists()
    assert saved.exists()


def test_every_field_is_an_option():
    text = cli.parser()._subparsers._group_actions[0].choices["train"].format_help()
    for one in dataclasses.fields(sl.ExperimentConfig):
        assert f"--{one.name.replace('_', '-')}" in text


@pytest.mark.parametrize("arguments", ["--zeta 2", "--dataset nothing", "--hidden 0", "--config missing.json"])
def test_bad_options_are_one_line_and_exit_code_2(arguments, capsys):
    assert cli.main(["train", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sparselab: ")
    assert error.count("\n") == 1


def test_info_says_what_the_machine_is(capsys):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    for name in ("numpy", "numba", "cores", "memory_total", "threading_layer", "numba_cache"):
        assert name in text
    assert environment.describe()["cores"] >= 1


@pytest.mark.slow
def test_demo_writes_three_files_a_figure(tmp_path, capsys):
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path / "new")]) == 0
    names = {path.stem for path in (tmp_path / "new").iterdir()}
    assert {"learning_curves", "connectivity", "input_map", "memory"} <= names
    for name in names:
        assert {path.suffix for path in (tmp_path / "new").glob(f"{name}.*")} == {".pdf", ".png", ".csv"}


def test_summary_counts_what_is_there():
    model = sl.SparseMLP.create((784, 100, 10), epsilon=5, seed=0)
    rows = summary.rows(model)
    assert [row["links"] for row in rows] == [*model.nnz, model.n_links]
    assert rows[-1]["dense_links"] == 784 * 100 + 100 * 10
    arrays = [a for l in model.layers for a in (l.w, l.b, l.topology.indptr, l.topology.indices)]
    assert rows[-1]["bytes"] == sum(a.nbytes for a in arrays)
    assert f"{model.n_links:,}" in model.summary()


def test_dense_is_measured_or_refused():
    small, huge = dense_baseline.measure((20, 10, 2), 100, 10, batches=2), dense_baseline.measure((10**6, 10**6, 2), 100, 10)
    assert small.seconds > 0
    assert small.n_bytes == 12 * (21 * 10 + 11 * 2)
    assert huge.seconds is None
    assert huge.n_bytes > 12e12


def test_history_reads_like_a_table(tmp_path):
    history = sl.History(sl.build(sl.ExperimentConfig(**SMALL)).train())
    assert history["epoch"] == [1, 2]
    assert list(history.to_frame()["test_accuracy"]) == history["test_accuracy"]
    assert sl.History.from_json(history.to_json()) == history
    assert isinstance(history[:1], sl.History)
    with pytest.raises(KeyError, match="must be one of"):
        history["accuracy"]
    history.to_csv(tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_text().count("\n") == 3
