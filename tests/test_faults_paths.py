"""Folders, consoles and defaults: a run stays in its own folder, and what is written at the end is checked at the start."""

import os
import re
import shutil
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import sparselab as sl
from sparselab import cli
from sparselab.experiments.run_store import RunStore

X, Y = np.eye(8, dtype=np.float32), np.arange(8) % 2


def train(folder, epochs, seed, after=lambda record: None, **options):
    """Epochs that are saved in a folder; after(record) is called after each."""
    model = sl.SparseMLP.create((8, 4, 2), seed=0)
    for record in sl.train(model, (X, Y), epochs=epochs, seed=seed, checkpoint=folder, threads=1, **options):
        after(record)
    return model


def contents(folder):
    """{name: bytes} of the checkpoints in a folder."""
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.npz")}


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Folders a and b; the working directory is a."""
    for name in "ab":
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    return tmp_path / "a", tmp_path / "b"


def test_a_change_of_directory_does_not_lead_into_another_run(two):
    a, b = two
    os.chdir(b)
    train("runs", 3, 1)
    before = contents(b / "runs")
    os.chdir(a)
    train("runs", 8, 0, lambda record: record.epoch == 2 and os.chdir(b))
    assert contents(b / "runs") == before
    assert sl.load_checkpoint(a / "runs").state.epoch == 8


def test_parallel_runs_and_estimators_stay_where_they_began(two):
    a, b = two
    model = sl.SparseMLP.create((8, 4, 2), seed=0)
    options = {"n_jobs": 2, "batch_size": 4, "epochs": 4, "seed": 0, "checkpoint": "runs", "async_fraction": 0.5}
    for record in sl.train_parallel(model, (X, Y), **options):
        if record.epoch == 1:
            os.chdir(b)
    assert sl.load_checkpoint(a / "runs").state.epoch == 4
    os.chdir(a)

    def zeta(epoch):
        os.chdir(b)
        return 0.3

    settings = {"epochs": 4, "early_stopping": True, "validation_fraction": 0.25, "random_state": 0, "checkpoint": "fits"}
    rows, labels = np.random.default_rng(0).normal(size=(40, 8)), np.arange(40) % 2
    sl.SparseMLPClassifier((4,), zeta=zeta, **settings).fit(rows, labels)
    assert sl.load_checkpoint(a / "fits").state.epoch == 4
    assert (a / "fits" / "best.npz").exists()
    assert list(b.iterdir()) == []


def test_the_local_phase_removes_nothing_of_another_run(two):
    a, _ = two
    others = a / "runs" / "local-epoch9-worker0.npz"

    def train_and_take():
        for record in sl.train_parallel(model, (X, Y), **options):
            if record.epoch == 2:
                shutil.move(a / "runs", a / "elsewhere")
                (a / "runs").mkdir()
                others.write_bytes(b"another run's")

    model = sl.SparseMLP.create((8, 4, 2), seed=0)
    options = {"n_jobs": 2, "batch_size": 4, "epochs": 5, "seed": 0, "checkpoint": "runs", "async_fraction": 0.2}
    with pytest.warns(UserWarning, match="moved, deleted or replaced"):
        train_and_take()
    assert [path.name for path in (a / "runs").iterdir()] == [others.name]
    assert others.read_bytes() == b"another run's"


@pytest.mark.parametrize("reason", ["replaced", "full"])
def test_the_local_phase_says_once_that_it_cannot_save(two, reason, monkeypatch):
    a, _ = two

    def train_and_spoil():
        for record in sl.train_parallel(model, (X, Y), **options):
            if record.epoch == 1 and reason == "replaced":
                shutil.move(a / "runs", a / "elsewhere")
                (a / "runs").mkdir()
            elif record.epoch == 1:
                monkeypatch.setattr("sparselab.checkpoints.container._write_all", full)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    model = sl.SparseMLP.create((8, 4, 2), seed=0)
    options = {"n_jobs": 2, "batch_size": 4, "epochs": 8, "seed": 0, "checkpoint": "runs", "async_fraction": 0.1}
    with pytest.warns(UserWarning, match="training goes on") as caught:
        train_and_spoil()
    said = [str(one.message) for one in caught if re.search("local-.*stays|replaced.*stays", str(one.message))]
    assert len(said) == 1


@pytest.mark.parametrize("what", ["replaced", "deleted"])
def test_the_best_epoch_of_a_fit_is_not_written_into_another_runs_folder(two, what):
    a, _ = two
    rows = np.random.default_rng(0).normal(size=(60, 8))
    labels = (rows[:, 0] > 0).astype(int)

    def rate(epoch):
        if epoch >= 1 and not (a / "elsewhere").exists():
            shutil.move(a / "fits", a / "elsewhere")
            if what == "replaced":
                (a / "fits").mkdir()
                (a / "fits" / "best.npz").write_bytes(b"another run's")
        return 0.02

    settings = {"epochs": 12, "early_stopping": True, "n_epochs_no_change": 12, "validation_fraction": 0.5, "random_state": 0}
    settings |= {"learning_rate": rate, "tol": 0, "n_jobs": 1}
    fit = lambda **options: sl.SparseMLPClassifier((8,), **settings, **options).fit(rows, labels)
    with pytest.warns(UserWarning, match="moved, deleted or replaced") as caught:
        fitted = fit(checkpoint="fits")
    assert fitted.best_epoch_ > 1, "the best epoch must come after the folder is lost"
    assert len([one for one in caught if "best epoch is not saved" in str(one.message)]) == 1
    assert {path.name: path.read_bytes() for path in (a / "fits").glob("*")} == (
        {"best.npz": b"another run's"} if what == "replaced" else {}
    )
    np.testing.assert_array_equal(fitted.predict_proba(rows), fit().predict_proba(rows))


def test_an_empty_path_is_not_the_working_directory(two):
    a, _ = two
    model = sl.SparseMLP.create((8, 4, 2), seed=0)
    state = sl.TrainingState.start(model, sl.MomentumSGD(), 0)
    calls = {
        "save": lambda: sl.save(model, ""), "save_checkpoint": lambda: sl.save_checkpoint(model, state, ""),
        "train": lambda: list(sl.train(model, (X, Y), epochs=1, checkpoint="")),
        "train_parallel": lambda: list(sl.train_parallel(model, (X, Y), epochs=1, n_jobs=1, checkpoint="")),
        "estimator": lambda: sl.SparseMLPClassifier((4,), epochs=1, checkpoint="").fit(X, Y), "store": lambda: RunStore(""),
        "figure": lambda: sl.figures.save_figure(sl.figures.memory(model), ""),
    }  # fmt: skip
    for name, call in calls.items():
        with pytest.raises(ValueError, match=r"(path|checkpoint|folder) = '': must be a path that is not empty"):
            call()
        assert list(a.iterdir()) == [], name


def test_a_store_of_runs_stays_where_it_was_made(two):
    a, b = two
    store = RunStore("runs")
    os.chdir(b)
    store.new(sl.ExperimentConfig(dataset="digits"))
    assert [path.name for path in (a / "runs").iterdir()] == ["0001-digits"]
    assert list(b.iterdir()) == []


@pytest.mark.parametrize("what", ["deleted", "replaced"])
def test_the_record_of_a_run_is_not_written_into_another_ones_folder(two, what):
    a, _ = two
    store, config = RunStore("runs"), sl.ExperimentConfig(dataset="digits")
    logger = store.new(config)
    shutil.move(logger.folder, a / "elsewhere")
    if what == "replaced":
        RunStore("other").new(config, "another")
        shutil.move(a / "other" / "0001-digits", logger.folder)
    before = {path.name: path.read_bytes() for path in logger.folder.glob("*")}
    run = SimpleNamespace(history=[object()], state="running", changes=[], error=None)
    with pytest.raises(OSError, match="moved, deleted or replaced"):
        logger.note(run)
    assert {path.name: path.read_bytes() for path in logger.folder.glob("*")} == before


@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
def test_a_folder_that_is_taken_away_is_said_once_and_no_other_is_written_to(two, what):
    a, _ = two

    def take(record):
        if record.epoch == 2:
            (shutil.rmtree if what == "deleted" else lambda path: shutil.move(path, a / "elsewhere"))(a / "runs")
            if what == "replaced":
                train(a / "runs", 3, 1)
                found.update(contents(a / "runs"))

    found = {}
    with pytest.warns(UserWarning, match="moved, deleted or replaced") as caught:
        train("runs", 8, 0, take)
    assert len([one for one in caught if "moved, deleted" in str(one.message)]) == 1
    assert contents(a / "runs") == found
    if what != "deleted":
        kept = a / "elsewhere"
        assert sl.load_checkpoint(kept).state.epoch == 2
        train(kept, 5, 0)  # the moved folder goes on
        assert sl.load_checkpoint(kept).state.epoch == 5


def test_a_link_that_is_turned_is_another_folder(two):
    a, b = two
    (a / "real").mkdir()
    (a / "link").symlink_to(a / "real")
    train(b / "runs", 2, 1)
    before = contents(b / "runs")

    def turn(record):
        if record.epoch == 2:
            (a / "link").unlink()
            (a / "link").symlink_to(b / "runs")

    with pytest.warns(UserWarning, match="moved, deleted or replaced"):
        train("link", 5, 0, turn)
    assert contents(b / "runs") == before


def test_workers_by_default_are_as_many_as_there_is_work_for():
    for options in ({}, {"n_jobs": -1}, {"n_jobs": None}):
        model = sl.SparseMLP.create((8, 4, 2), seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            records = list(sl.train_parallel(model, (X, Y), epochs=1, seed=0, **options))
        assert records[-1].workers.n == 1
    with pytest.raises(ValueError, match="n_jobs = 2: must be at most 1"):
        list(sl.train_parallel(sl.SparseMLP.create((8, 4, 2), seed=0), (X, Y), epochs=1, n_jobs=2))


BAD = [
    ("extreme", "--json", "no/x.json"),
    ("demo", "--epochs", "1", "--out", "file/out"),
    ("train", "--dataset", "digits", "--json", "no/x.json"),
    ("train", "--dataset", "digits", "--save", "no/x.npz"),
    ("train", "--save", "x.npz", "--json", "./x.npz"),
    ("train", "--save", "x", "--json", "x.npz"),
    ("train", "--every", "0"),
    ("train", "--keep", "-1"),
]


@pytest.mark.parametrize("command", BAD, ids=" ".join)
def test_what_cannot_be_written_at_the_end_is_refused_at_the_start(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cli, "build", lambda config: pytest.fail("the work began"))
    monkeypatch.setattr(cli.extreme, "run", lambda *args, **options: pytest.fail("the work began"))
    assert cli.main(list(command)) == 2
    assert f"{command[-2]} = " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


EMPTY = [
    ("train", "--checkpoint"), ("train", "--json"), ("train", "--save"), ("train", "--config"), ("demo", "--out"),
    ("extreme", "--checkpoint"), ("extreme", "--json"), ("notebooks",),
]  # fmt: skip


@pytest.mark.parametrize("command", EMPTY, ids=" ".join)
def test_an_empty_path_on_the_command_line_is_not_the_working_directory(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, ""])
    assert ended.value.code == 2
    assert f"argument {command[-1] if len(command) > 1 else 'DIR'}: path = '': must be a path" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_settings_come_from_the_paper_or_from_a_file(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--paper", "madelon", "--config", "c.json"])
    assert "--config: not allowed with argument --paper" in capsys.readouterr().err


@pytest.mark.parametrize(
    "encoding", ["ascii", *(pytest.param(other, marks=pytest.mark.slow) for other in ("cp1252", "latin-1", "utf-8"))]
)
@pytest.mark.parametrize(
    "command", [("--help",), ("train", "--help"), ("info",), ("train", "--dataset", "nothing ε")], ids=" ".join
)
def test_consoles_of_any_encoding_are_written_to(command, encoding):
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONPATH": str(Path(sl.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-m", "sparselab", *command], capture_output=True, env=env, timeout=120, check=False)
    assert done.returncode == (2 if "nothing ε" in command else 0), done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout + done.stderr


def test_training_on_an_ascii_console_writes_its_files(tmp_path):
    env = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONPATH": str(Path(sl.__file__).parents[1])}
    command = ["train", "--dataset", "digits", "--hidden", "8", "--epochs", "1", "--json", str(tmp_path / "x.json")]
    done = subprocess.run([sys.executable, "-m", "sparselab", *command], capture_output=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.json").read_bytes().decode("utf-8")


def test_closing_a_run_in_another_directory_saves_it_at_home(two):
    a, b = two
    model = sl.SparseMLP.create((8, 4, 2), seed=0)
    with closing(sl.train(model, (X, Y), epochs=9, seed=0, checkpoint="runs", every=5, threads=1)) as records:
        next(records)
        next(records)
        os.chdir(b)
    assert sl.load_checkpoint(a / "runs").state.epoch == 2
    assert list(b.iterdir()) == []
