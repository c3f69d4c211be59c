"""Signals, forks, folders, settings of other packages and ways to start processes: nothing is lost, and what cannot be done has a
named error."""

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import models
import pytest

import sparselab as sl
from sparselab import cli
from sparselab.checkpoints.run_dir import RunDir
from sparselab.checkpoints.state import EpochTotals
from sparselab.utils.interrupts import defer_interrupts

SMALL = "train --dataset digits --hidden 30 20 --seed 3 --threads 1 --batch-size 8 --learning-rate 0.001".split()


def python(code, *arguments, cwd=None, options=(), timeout=120, **environment):
    """The finished process of `python -c code arguments`; environment values of None are removed."""
    given = {name: value for name, value in (os.environ | environment).items() if value is not None}
    command = [sys.executable, *options, "-c", code, *map(str, arguments)]
    given.setdefault("PYTHONPATH", os.getcwd())
    return subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=timeout, check=False)


def saved(folder):
    """(position, hash of net and optimizer, history without times) of the newest checkpoint."""
    found = sl.load_checkpoint(folder)
    return found.state.position, models.fingerprint(found.model, found.state), list(found.history)


# SIGTERM


def sigterm():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def handled():
    """A handler of SIGTERM as users write them, which ends the program; gives the numbers it was called with."""
    calls = []

    def leave(number, frame):
        calls.append(number)
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, leave)
    yield calls
    assert signal.getsignal(signal.SIGTERM) is leave
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGTERM, before)


def test_sigterm_waits_for_the_end_of_the_section(handled):
    done = []

    def section():
        with defer_interrupts:
            sigterm()
            done.append("in the section")
            with defer_interrupts:
                sigterm()
            done.append("all of it")
        done.append("after")

    with pytest.raises(SystemExit):
        section()
    assert done == ["in the section", "all of it"]
    assert handled == [signal.SIGTERM]


@pytest.mark.parametrize("first, second", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
def test_two_signals_are_both_heard(handled, first, second):
    heard = []

    def section():
        try:
            with defer_interrupts:
                signal.raise_signal(first)
                signal.raise_signal(second)
                heard.append("whole")
        except BaseException as error:
            heard.extend([type(error), type(error.__context__)])

    section()
    order = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}
    assert heard == ["whole", order[second], order[first]]
    assert (defer_interrupts.depth, handled) == (0, [signal.SIGTERM])


def test_a_handler_that_only_notes_is_called_even_after_ctrl_c():
    calls, before = [], signal.signal(signal.SIGTERM, lambda *_: calls.append(1))
    try:
        with suppress(KeyboardInterrupt), defer_interrupts:
            sigterm()
            raise KeyboardInterrupt
        assert len(calls) == 1
        with defer_interrupts:
            sigterm()
            defer_interrupts.deliver_pending()
            assert len(calls) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(calls) == 2


def test_sigterm_without_a_handler_is_left_to_the_system():
    for setting in (signal.SIG_DFL, signal.SIG_IGN):
        before = signal.signal(signal.SIGTERM, setting)
        with defer_interrupts:
            assert signal.getsignal(signal.SIGTERM) == setting
        assert signal.signal(signal.SIGTERM, before) == setting


def test_nothing_is_done_with_sigterm_at_import():
    code = "import signal, sparselab as sl; sl.train, sl.SparseMLPClassifier; from sparselab import cli, widgets; "
    assert python(code + "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL").returncode == 0


def between_layers(monkeypatch, at):
    """SIGTERM between the updates of two layers."""
    original, calls = sl.MomentumSGD.update, []

    def update(self, *arguments):
        calls.append(1)
        if len(calls) == at:
            sigterm()
        return original(self, *arguments)

    monkeypatch.setattr(sl.MomentumSGD, "update", update)


@pytest.mark.parametrize("at", [2, 14, 30])
def test_a_handler_that_raises_cuts_no_update_and_the_run_is_saved(handled, tmp_path, monkeypatch, at):
    options = {"epochs": 3, "seed": 5, "every": 1000, "rules": [sl.SET(0.3)], "batch_size": 32}
    go = lambda folder: list(sl.train(models.net(dtype="float64"), models.dataset(), checkpoint=folder, **options))
    whole = go(tmp_path / "whole")
    between_layers(monkeypatch, at)
    with pytest.raises(SystemExit):
        go(tmp_path / "cut")
    monkeypatch.undo()
    epoch, batch, _ = sl.load_checkpoint(tmp_path / "cut").state.position
    assert epoch * 4 + batch >= -(-at // 3)  # four steps an epoch, three layers a step
    assert go(tmp_path / "cut") == whole
    assert saved(tmp_path / "cut") == saved(tmp_path / "whole")


def test_an_estimator_keeps_its_finished_epochs(handled, monkeypatch):
    X, y = models.rows(100)
    between_layers(monkeypatch, 3 * 10 + 2)  # in the third epoch
    classifier = sl.SparseMLPClassifier((30, 20), epochs=9, random_state=0, batch_size=25, activation="tanh")
    with pytest.raises(SystemExit):
        classifier.fit(X, y)
    assert classifier.n_iter_ == len(classifier.history_) == 2
    assert len(classifier.predict(X)) == 100


COMMANDS = {
    "train": [*SMALL, "--epochs", "5", "--every", "100"],
    "demo": ["demo", "--epochs", "3"],
    "extreme": ["extreme", "--neurons", "900", "--layers", "3", "--features", "64", "--batch", "4"],
}


def in_a_step(monkeypatch, at):
    """SIGTERM after a step, before it is counted."""
    original, calls = EpochTotals.add, []

    def add(*arguments):
        calls.append(1)
        if len(calls) == at:
            sigterm()
        return original(*arguments)

    monkeypatch.setattr(EpochTotals, "add", add)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_trains_ends_with_143(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    in_a_step(monkeypatch, 4)
    assert cli.main([*COMMANDS[command], *([] if command == "demo" else ["--checkpoint", "run"])]) == 143
    assert capsys.readouterr().err.splitlines()[-1].endswith("sparselab: terminated")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if command == "train":
        assert sum(saved("run")[0]) > 0
        assert {name.split(".")[-1] for name in os.listdir("run")} <= {"npz", "lock"}
    if command == "extreme":  # saves whole epochs only, at Ctrl-C as well
        assert RunDir("run").files() == []


def test_the_command_line_leaves_a_handler_of_the_caller_alone(handled, tmp_path, monkeypatch):
    in_a_step(monkeypatch, 4)
    with pytest.raises(SystemExit):
        cli.main([*COMMANDS["train"], "--checkpoint", str(tmp_path)])
    assert handled == [signal.SIGTERM]
    assert sum(saved(tmp_path)[0]) > 0


def test_the_command_line_runs_in_other_threads_too(tmp_path):
    found, command = [], [*SMALL, "--epochs", "1", "--json", str(tmp_path / "a.json")]
    thread = threading.Thread(target=lambda: found.append(cli.main(command)))
    thread.start()
    thread.join()
    assert found == [0]


@pytest.mark.parametrize("kind", ["fused", "layerwise"])
def test_terminated_at_random_times_equals_left_alone(handled, tmp_path, kind):
    """In this process; the twin in processes of its own is slow."""

    def go(folder):
        options = {"rules": [sl.SET(0.3)], "epochs": 8, "batch_size": 20, "every": 1000, "seed": 5, "checkpoint": folder}
        return list(sl.train(models.net(dropout=0.3), models.dataset(2000), **options))

    with models.engine_is(kind):
        whole, rng = go(tmp_path / "whole"), random.Random(0)
        for _ in range(12):
            timer = threading.Timer(rng.uniform(0.001, 0.15), sigterm)
            with suppress(SystemExit):
                timer.start()
                go(tmp_path / "cut")
                timer.join()
        assert len(handled) == 12
        assert sum(saved(tmp_path / "cut")[0]) > 0
        assert go(tmp_path / "cut") == whole
    assert saved(tmp_path / "cut") == saved(tmp_path / "whole")


def terminated(seconds, command):
    """The exit code of a command that is sent SIGTERM so many seconds after its first epoch has begun."""
    process = subprocess.Popen([sys.executable, "-m", "sparselab", *command], stdout=subprocess.PIPE, text=True)
    while process.stdout.readline().split()[:1] != ["epoch"]:  # what is before the first epoch has nothing to save
        assert process.poll() is None
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    return process.returncode


@pytest.mark.parametrize(
    "n, epochs", [(1, 120), pytest.param(20, 4000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])], ids=["once", "often"]
)
def test_a_terminated_command_goes_on_bit_for_bit(tmp_path, n, epochs):
    command, rng = [*SMALL, "--epochs", str(epochs), "--epsilon", "5", "--every", "1000", "--checkpoint"], random.Random(1)
    codes = [terminated(rng.uniform(0.05, 0.4), [*command, str(tmp_path / "cut")]) for _ in range(n)]
    assert codes == [143] * n
    assert cli.main([*command, str(tmp_path / "cut")]) == cli.main([*command, str(tmp_path / "whole")]) == 0
    assert saved(tmp_path / "cut") == saved(tmp_path / "whole")


# forks


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="about systems that fork")


def in_a_fork(function):
    """What function() returns, or its error, as text, in a forked child that has 60 seconds."""
    mine, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)
            try:
                text = str(function())
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            os.write(theirs, text.encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(mine, encoding="utf-8") as answer:
        text = answer.read()
    assert os.waitpid(child, 0)[1] == 0, "the child hung or crashed"
    return text


def begun(kind, folder, epochs=6):
    """A training that has begun to save into a folder; kind: a dtype, or where workers live."""
    options = {"epochs": epochs, "seed": 5, "batch_size": 20, "checkpoint": folder, "pace": 0.0}
    if kind in ("threads", "processes", "serial"):
        run = sl.train_parallel(models.net(), models.dataset(), backend=kind, n_jobs=2, **options)
    else:
        run = sl.steps(models.net(dtype=kind), models.dataset(dtype=kind), threads=2, **options)
    return run, [next(run) for _ in range(8)]


def stamps(folder):
    """{name: time and size} of what is in a folder."""
    return {entry.name: (entry.stat().st_mtime_ns, entry.stat().st_size) for entry in os.scandir(folder)}


@forks
@pytest.mark.parametrize("kind", ["float32", "float64", "threads", pytest.param("processes", marks=pytest.mark.slow)])
def test_a_forked_child_leaves_the_training_to_its_parent(kind, tmp_path):
    run, first = begun(kind, tmp_path)
    before = stamps(tmp_path)

    def forgotten():
        run.close()
        again = sl.steps(models.net(), models.dataset(), epochs=1, seed=0, threads=2)
        return len(list(again))

    said = in_a_fork(lambda: next(run))
    assert said.startswith(f"RuntimeError: this training was begun by process {os.getpid()}")
    assert "forked copy" in said
    assert "call train, steps or train_parallel anew" in said
    assert in_a_fork(forgotten) == "2"
    assert in_a_fork(lambda: begun("float32", tmp_path)).startswith("RunDirBusyError")
    assert stamps(tmp_path) == before
    with pytest.raises(sl.RunDirBusyError, match=f"process {os.getpid()}"):
        begun("float32", tmp_path)
    assert [type(record) for record in first + list(run)].count(sl.EpochRecord) == 6
    assert sl.load_checkpoint(tmp_path).state.epoch == 6


@forks
def test_a_forked_child_may_begin_what_its_parent_has_made(tmp_path):
    """Nothing has begun before the first record is asked for."""
    run = sl.train(models.net(), models.dataset(), epochs=2, seed=5, threads=2, checkpoint=tmp_path)
    assert in_a_fork(lambda: len(list(run))) == "2"
    assert sl.load_checkpoint(tmp_path).state.epoch == 2


ENDS = """
import os, sys
import models, sparselab as sl
run = sl.train_parallel(models.net(), models.dataset(), backend="processes", n_jobs=1, epochs=4, seed=5, checkpoint=sys.argv[1])
next(run)
before = sorted(os.listdir(sys.argv[1]))
child = os.fork()
if child == 0:
    sys.exit(0)  # the whole end of an interpreter, with open generators and what is registered for it
assert os.waitpid(child, 0)[1] == 0
assert sorted(os.listdir(sys.argv[1])) == before
records = list(run)
print(len(records), records[-1].workers.restarts)
"""


@forks
def test_the_end_of_a_forked_child_ends_no_worker_of_its_parent(tmp_path):
    ended = python(ENDS, tmp_path / "run", PYTHONPATH=os.pathsep.join([os.getcwd(), os.path.join(os.getcwd(), "tests")]))
    assert (ended.stdout, ended.stderr, ended.returncode) == ("3 0\n", "", 0)


@forks
def test_a_folder_that_was_locked_before_the_fork_is_not_written_to_by_the_child(tmp_path):
    folder = RunDir(tmp_path / "run")
    with folder.locked():
        said = in_a_fork(folder.check_held)
        assert f"process {os.getpid()} saves into this folder" in said
        assert said.startswith("CheckpointError")
        folder.check_held()
