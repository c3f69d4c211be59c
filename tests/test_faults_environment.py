"""Signals, forks, folders, settings of other packages and ways to start processes: nothing is lost, and what cannot be done has a
named error."""

import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import models
import pytest
from stress.processes import without_compiling
from tqdm import tqdm

import sparselab as sl
from sparselab import cli
from sparselab.checkpoints.run_dir import RunDir
from sparselab.checkpoints.state import EpochTotals
from sparselab.experiments.run_store import RunStore
from sparselab.utils.interrupts import defer_interrupts

PATHS = os.pathsep.join([os.path.dirname(os.path.dirname(__file__)), os.path.dirname(__file__)])
SMALL = "train --dataset digits --hidden 30 20 --seed 3 --threads 1 --batch-size 8 --learning-rate 0.001".split()


def python(code, *arguments, cwd=None, options=(), timeout=120, **environment):
    """The finished process of `python -c code arguments`, without what it said of kernels it had to compile.

    Environment values of None are removed.
    """
    given = {name: value for name, value in (os.environ | {"PYTHONPATH": PATHS} | environment).items() if value is not None}
    command = [sys.executable, *options, "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=timeout, check=False)
    ended.stderr = without_compiling(ended.stderr)
    return ended


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


@pytest.mark.slow
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
    epoch, batch, *_ = sl.load_checkpoint(tmp_path / "cut").state.position
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


class InterruptedLock:
    """A lock of tqdm's with a SIGTERM just before or just after it is taken, once it is due."""

    def __init__(self, moment):
        self.lock, self.moment, self.due = threading.RLock(), moment, False

    def acquire(self):
        self._interrupt("before")
        self.lock.acquire()
        self._interrupt("after")

    def release(self):
        self.lock.release()

    __enter__ = acquire

    def __exit__(self, *_):
        self.release()

    def _interrupt(self, moment):
        if self.due and moment == self.moment:
            self.due = False
            sigterm()


@pytest.mark.parametrize("records, moment", [(sl.train, "before"), (sl.steps, "after")])
def test_a_signal_while_a_line_is_printed_in_a_terminal_ends_the_run(records, moment, handled, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def disturbed():
        for record in records(models.net(), models.dataset(200), epochs=3):
            lock.due = True
            yield record

    lock = InterruptedLock(moment)
    monkeypatch.setattr(tqdm, "_lock", lock, raising=False)
    with pytest.raises(SystemExit):
        sl.widgets.watch(disturbed(), epochs=3, file=Terminal())
    assert handled == [signal.SIGTERM]
    with ThreadPoolExecutor() as pool:
        assert pool.submit(lock.lock.acquire, timeout=1).result()


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


@pytest.mark.slow
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


@pytest.mark.slow
@forks
def test_the_end_of_a_forked_child_ends_no_worker_of_its_parent(tmp_path):
    ended = python(ENDS, tmp_path / "run")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("3 0\n", "", 0)


@forks
def test_a_folder_that_was_locked_before_the_fork_is_not_written_to_by_the_child(tmp_path):
    folder = RunDir(tmp_path / "run")
    with folder.locked():
        said = in_a_fork(folder.check_held)
        assert f"process {os.getpid()} saves into this folder" in said
        assert said.startswith("CheckpointError")
        folder.check_held()


# folders and disks


X, Y = models.rows(60)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """The working directory has been deleted, after the kernels were compiled: numba cannot do that without one."""
    list(sl.train(models.net(), (X, Y), epochs=1))
    list(sl.train_parallel(models.net(), (X, Y), epochs=1, n_jobs=1, backend="threads"))
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()


OPENED = {
    "train": lambda: list(sl.train(models.net(), (X, Y), epochs=1, checkpoint="runs")),
    "train_parallel": lambda: list(sl.train_parallel(models.net(), (X, Y), epochs=1, n_jobs=1, checkpoint="runs")),
    "fit": lambda: sl.SparseMLPClassifier((4,), epochs=1, checkpoint="runs").fit(X, Y),
    "fit, early stopping": lambda: sl.SparseMLPClassifier((4,), epochs=1, checkpoint="runs", early_stopping=True).fit(X, Y),
    "a store of runs": lambda: RunStore("runs"),
    "save": lambda: sl.save(models.net(), "runs"),
}


@pytest.mark.parametrize("what", OPENED)
def test_a_working_directory_that_was_deleted_is_named(what, nowhere):
    with pytest.raises((sl.CheckpointError, ValueError, FileNotFoundError)) as caught:
        OPENED[what]()
    assert "= 'runs" in str(caught.value)
    assert "must be an absolute path, because the working directory of this process was deleted" in str(caught.value)


def test_what_needs_no_working_directory_works_without_one(nowhere, tmp_path, capsys):
    assert len(list(sl.train(models.net(), (X, Y), epochs=1, checkpoint=tmp_path / "run"))) == 1
    assert len(list(sl.train_parallel(models.net(), (X, Y), epochs=1, n_jobs=1, backend="processes"))) == 1
    assert cli.main([*SMALL, "--epochs", "1", "--checkpoint", "run"]) == 2
    assert "checkpoint = 'run': must be an absolute path" in capsys.readouterr().err


def test_a_lock_that_cannot_be_opened_is_a_checkpoint_error_and_is_let_go(tmp_path, monkeypatch):
    original = os.open

    def full(path, flags, *more, **options):
        if str(path).endswith(".lock") and flags == os.O_RDONLY:
            raise OSError(errno.EMFILE, "Too many open files")
        return original(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(sl.CheckpointError, match="cannot be used as a folder for checkpoints .*Too many open files"):
        list(sl.train(models.net(), (X, Y), epochs=1, checkpoint=tmp_path))
    monkeypatch.undo()
    assert len(list(sl.train(models.net(), (X, Y), epochs=1, checkpoint=tmp_path))) == 1


FULL = """
import json, os, resource, signal, sys, warnings
from types import SimpleNamespace
import models, sparselab as sl
from sparselab import cli
from sparselab.experiments.run_store import RunStore

def error_of(function):
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def room(n):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY))

os.chdir(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write beyond the limit fails, as on a full disk
model, (X, y) = models.net(), models.rows(60)
records = list(sl.train(model, (X, y), epochs=3, seed=0))
figure = sl.figures.connectivity(model)
logger = RunStore("runs").new(sl.ExperimentConfig(dataset="digits"))
run = SimpleNamespace(state="running", history=records[:1], changes=[], error=None)
logger.note(run)
for name in ("net.npz", "f.pdf"):
    open(name, "w").write("old")
found, size = {}, (logger.folder / "history.jsonl").stat().st_size
room(size + 10)
run.history = records
found["history"] = error_of(lambda: logger.note(run))
same = (logger.folder / "history.jsonl").stat().st_size == size
room(100)
found["save"] = error_of(lambda: sl.save(model, "net.npz"))
found["figure"] = error_of(lambda: sl.figures.save_figure(figure, "f"))
found["new run"] = error_of(lambda: RunStore("others").new(sl.ExperimentConfig(dataset="digits")))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    n = len(list(sl.train(model, (X, y), epochs=3, seed=0, checkpoint="full")))
room(resource.RLIM_INFINITY)
logger.note(run)
epochs = [record.epoch for record in RunStore("runs").open(logger.folder.name).history]
left = sorted(os.path.join(folder, name) for folder, _, names in os.walk(".") for name in names)
print(json.dumps([found, same, epochs, n, [str(one.message) for one in said], left]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit for the size of files")
def test_a_full_disk_is_named_and_nothing_half_is_left(tmp_path):
    ended = python(FULL, tmp_path)
    assert ended.returncode == 0, ended.stderr
    found, same, epochs, n, said, left = json.loads(ended.stdout.splitlines()[-1])
    for what, name in {"history": "history.jsonl", "save": "net.npz", "figure": "f.pdf", "new run": "run.json"}.items():
        assert found[what].startswith("OSError: [Errno 27] File too large")
        assert name in found[what]
    assert same
    assert epochs == [1, 2, 3]
    assert n == 3
    assert len(said) == 1
    assert "training goes on" in said[0]
    assert left == ["./f.pdf", "./full/.lock", "./net.npz", "./runs/0001-digits/history.jsonl", "./runs/0001-digits/run.json"]
    assert [(tmp_path / name).read_text() for name in ("net.npz", "f.pdf")] == ["old", "old"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_a_result_that_does_not_fit_is_named(capsys, tmp_path):
    assert cli.main([*SMALL, "--epochs", "1", "--json", "/dev/full"]) == 2
    assert "No space left on device: '/dev/full'" in capsys.readouterr().err


def test_a_result_keeps_links_and_rights_of_the_file_before_it(tmp_path):
    (tmp_path / "a.json").write_text("old")
    os.chmod(tmp_path / "a.json", 0o600)
    (tmp_path / "link.json").symlink_to("a.json")
    assert cli.main([*SMALL, "--epochs", "1", "--json", str(tmp_path / "link.json")]) == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "a.json").read_text())["config"]["epochs"] == 1
    assert os.name == "nt" or (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600


def test_a_relative_folder_of_data_is_absolute_once(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / name / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "first")
    monkeypatch.setenv("SPARSELAB_DATA", "./mine")
    assert sl.datasets.data_folder() == tmp_path / "first" / "mine"
    monkeypatch.chdir(tmp_path / "second")
    assert sl.datasets.data_folder() == tmp_path / "first" / "mine"
    code = "import os; from sparselab import datasets; os.chdir('..'); print(datasets.data_folder())"
    assert python(code, cwd=tmp_path / "first").stdout.strip() == str(tmp_path / "first" / "mine")


def test_neither_a_home_nor_a_folder_for_temporary_files_is_needed(tmp_path):
    code = "import sparselab as sl; print(sl.datasets.load('digits').n_train, bool(sl.datasets.data_folder()))"
    ended = python(code, cwd=tmp_path, HOME=None, TMPDIR="/nonexistent/tmp")
    assert (ended.stdout, ended.stderr) == ("1437 True\n", "")


# settings of other packages, of Python and of the system


WORK = """
import hashlib, io, json, sys, warnings
import numpy as np, pandas as pd, scipy.sparse
import sparselab as sl

random = np.random.default_rng(0)
X, y = random.standard_normal((200, 20)).astype(np.float32), np.arange(200) % 4
X[:, 7] = 3  # a constant column
names = np.array(["\\xe4", "b", "c", "d"])[y]


def digest(*parts):
    return hashlib.sha256(b"".join(part if isinstance(part, bytes) else repr(part).encode() for part in parts)).hexdigest()[:12]


def net(dtype="float32", scale=1, **options):
    model = sl.SparseMLP.create((20, 60, 40, 4), epsilon=5, dtype=dtype, seed=0, **options)
    for layer in model.layers:
        layer.w[:] = [float(w) * scale for w in layer.w]
    return model


def trained(model, y=y, call=sl.train, **options):
    records = list(call(model, (X.astype(model.dtype), y, X[:50].astype(model.dtype), y[:50]), seed=0, epochs=3, batch_size=32,
                        **options))
    scores = [float(s) for s in sl.evaluate(model, X.astype(model.dtype), y) if s is not None]
    told = [(r.train_loss, r.test_loss, r.nnz) for r in records]
    outputs = sl.predict(model, X[:9].astype(model.dtype)).tobytes()
    return digest(told, scores, outputs, *(layer.w.tobytes() for layer in model.layers))


def fitted(X, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*vanishes in float64")  # of the tiny numbers below
        model = sl.SparseMLPClassifier((30,), epochs=3, random_state=0, batch_size=32, **options).fit(X, names)
    return digest(model.predict_proba(X).tobytes(), model.predict(X).tolist())


def drawn():
    figure = sl.figures.learning_curves({"\\u03b6": sl.History(list(sl.train(net(), (X, y, X, y), seed=0, epochs=2)))})
    figure.savefig(io.BytesIO(), format="png")
    frame = sl.figures.to_frame(figure)
    return digest(sorted(frame), frame[[c for c in frame if "seconds" not in c]].to_csv().encode())


def diverged():
    try:
        return trained(net("float64", 1e150, activation="tanh"), np.eye(4)[y], loss="mean_squared_error")
    except sl.DivergedError as error:
        return str(error)


rows = "a,b,class\\n" + "1.5,2,x\\n2.5,3,y\\n" * 20
frame = pd.DataFrame(X.astype(float), columns=[f"f{i}" for i in range(20)])
found = {
    "train": trained(net(dropout=0.2), rules=[sl.SET(0.3)]),
    "train, layerwise": trained(net("float64", activation="tanh"), rules=[sl.ImportancePruning(start=1)]),
    "train, regression": trained(net("float64", activation="tanh"), np.eye(4)[y], loss="mean_squared_error"),
    "train, tiny weights": trained(net("float32", 1e-30, activation="tanh"), np.eye(4, dtype="f")[y], loss="mean_squared_error"),
    "train, diverging": diverged(),
    "train_parallel": trained(net(), call=sl.train_parallel, backend="serial", n_jobs=2, async_fraction=0.5),
    "fit": fitted(X.astype(float), early_stopping=True),
    "fit, a frame": fitted(frame),
    "fit, sparse": fitted(scipy.sparse.csr_array(np.where(X > 1, X, 0))),
    "fit, tiny numbers": fitted(X.astype(float) * np.array(1e-170)),
    "data": digest(sl.datasets.Dataset.from_arrays(frame, y, standardise=True).X_train.tobytes()),
    "csv": digest(sl.datasets.Dataset.from_csv(io.StringIO(rows), test_fraction=0).X_train.tobytes()),
    "degrees": sl.analysis.power_law(np.repeat([1, 2, 3, 5, 8, 40], [400, 200, 80, 30, 8, 1]))["exponent"].hex(),
    "figure": drawn(),
}
print(json.dumps(found))
"""

OPTIONS = {
    "numpy": "import numpy as np; np.seterr(all='raise'); np.set_printoptions(precision=1)",
    "pandas": "import pandas as pd; pd.set_option('display.precision', 1); pd.set_option('compute.use_numexpr', False)",
    "scikit-learn": "import sklearn; sklearn.set_config(transform_output='pandas', assume_finite=True)",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, '')",
}
SETTINGS = {  # name: (code before, options of Python, environment)
    "NumPy raises": (OPTIONS["numpy"], [], {}),
    "warnings are errors": ("", ["-W", "error"], {}),
    "pandas": (OPTIONS["pandas"], [], {}),
    "scikit-learn": (OPTIONS["scikit-learn"], [], {}),
    "C": ("", [], {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "a console of ASCII": ("", [], {"PYTHONIOENCODING": "ascii"}),
    "one thread of numba": ("", [], {"NUMBA_NUM_THREADS": "1"}),
    "one thread of OpenMP": ("", [], {"OMP_NUM_THREADS": "1"}),
}


@pytest.fixture(scope="module")
def as_usual():
    ended = python(WORK)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def decimal_comma(folder):
    """The environment of a locale with a decimal comma; where it cannot be made, of the locale C."""
    if shutil.which("localedef"):
        command = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return {"LOCPATH": str(folder), "LC_ALL": "de_DE.UTF-8"}
    return {"LC_ALL": "C"}


def same_under(as_usual, before, options, environment):
    ended = python(before + "\n" + WORK, options=options, **environment)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == as_usual


@pytest.mark.slow
def test_all_settings_together_change_nothing(as_usual, tmp_path):
    options = [option for _, given, _ in SETTINGS.values() for option in given]
    environment = {name: value for _, _, given in SETTINGS.values() for name, value in given.items() if name != "LC_ALL"}
    same_under(as_usual, "; ".join(OPTIONS.values()), options, environment | decimal_comma(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_alone_changes_anything(name, as_usual):
    same_under(as_usual, *SETTINGS[name])


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "demo", "extreme", "info"])
def test_commands_where_warnings_are_errors(command, tmp_path):
    arguments = {**COMMANDS, "info": ["info"]}[command]
    code = "import runpy, sys; sys.argv[0] = 'sparselab'; runpy.run_module('sparselab', run_name='__main__')"
    ended = python(code, *arguments, cwd=tmp_path, options=["-W", "error"], PYTHONIOENCODING="ascii", LC_ALL="C")
    assert ended.returncode == 0, ended.stderr


# ways to start processes


STARTED = """
import hashlib, json, multiprocessing, sys, warnings
import models, sparselab as sl


def fingerprint(kind):
    warnings.simplefilter("error")
    X, y = models.rows(200)
    options = {"epochs": 3, "seed": 0, "batch_size": 32, "rules": [sl.SET(0.3)]}
    try:
        model = models.net()
        if kind == "train":
            list(sl.train(model, (X, y), threads=2, **options))
        elif kind == "fit":
            model = sl.SparseMLPClassifier((30,), epochs=3, random_state=0, batch_size=32, n_jobs=2).fit(X, y).model_
        else:
            list(sl.train_parallel(model, (X, y), backend=kind, n_jobs=2, synchronous=True, **options))
        return models.fingerprint(model)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    kinds, found = sys.argv[1:], {}
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:  # whose workers are daemonic
            found[method] = pool.map_async(fingerprint, kinds, chunksize=1).get(100)
    print(json.dumps([found, [fingerprint(kind) for kind in kinds if kind != "dask"]]))
"""


@forks
@pytest.mark.parametrize(
    "kinds", [["train", "fit", "dask"], pytest.param(["processes", "threads", "serial"], marks=pytest.mark.slow)], ids="+".join
)
def test_daemonic_workers_train_the_same_or_say_why_not(kinds, tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "started.py").write_text(STARTED)
    command, given = [sys.executable, str(tmp_path / "started.py"), *kinds], os.environ | {"PYTHONPATH": PATHS}
    ended = subprocess.run(command, env=given, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    found, here = json.loads(ended.stdout)
    for method in ("fork", "spawn"):
        assert found[method][: len(here)] == here
    assert not any("Error" in text for text in here)
    if "dask" in kinds:
        said = 'ValueError: backend = \'dask\': must be "processes" or "threads" in a worker of multiprocessing.Pool'
        assert all(found[method][-1].startswith(said) for method in found)


TINY = """
import json, models, numpy as np, sparselab as sl
found = []
for dtype in ("float32", "float64"):
    model = sl.SparseMLP.create((6, 8, 3), density=0.6, seed=0, dtype=dtype, dropout=0.2)
    X, y = models.rows(40, 6, 3, dtype=dtype)
    records = list(sl.train(model, (X, y), rules=[sl.SET(0.3)], epochs=3, seed=0, batch_size=16, threads=2))
    found += [record.train_loss for record in records] + [*map(float, sl.evaluate(model, X, y))]
    found += [float(w) for layer in model.layers for w in layer.w]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_plain_python_gives_the_same_but_for_rounding():
    compiled, plain = (python(TINY, NUMBA_DISABLE_JIT=value) for value in (None, "1"))
    assert (compiled.returncode, plain.returncode) == (0, 0), plain.stderr
    assert json.loads(plain.stdout) == pytest.approx(json.loads(compiled.stdout), rel=1e-4, abs=1e-6)


# the command line called from Python


CALLS = [["info"], ["train", "--epochs", "x"], ["--help"], [*SMALL, "--alpha", "x"], ["notebooks", "\0"]]


@pytest.mark.parametrize("arguments", CALLS, ids=lambda arguments: arguments[0])
def test_the_command_line_gives_streams_back_as_they_were(arguments, monkeypatch):
    for name, errors in (("stdout", "strict"), ("stderr", "backslashreplace")):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), "ascii", errors=errors))
    with suppress(SystemExit):
        cli.main(arguments)
    assert (sys.stdout.errors, sys.stderr.errors) == ("strict", "backslashreplace")
    with pytest.raises(UnicodeEncodeError):
        sys.stdout.write("ε")


def test_the_command_line_may_be_called_where_its_streams_were_closed(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(cli, "run", lambda options: stream.close() or 7)
    assert cli.main(["info"]) == 7


@pytest.mark.parametrize("option, name", [("--json", "a.json"), ("--save", "a.npz"), ("--save", "a")])
def test_a_read_only_file_is_refused_at_the_start(option, name, tmp_path, monkeypatch, capsys):
    file = tmp_path / (name if "." in name else f"{name}.npz")
    file.write_text("kept")
    file.chmod(0o444)
    monkeypatch.setattr(cli, "build", None)  # which is never reached
    assert cli.main([*SMALL, option, str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"sparselab: {option} = ")
    assert "read-only" in said
    assert file.read_text() == "kept"


def test_extreme_refuses_a_read_only_file(tmp_path, capsys):
    file = tmp_path / "a.json"
    file.write_text("kept")
    file.chmod(0o444)
    assert cli.main(["extreme", "--neurons", "900", "--layers", "3", "--json", str(file)]) == 2
    assert "read-only" in capsys.readouterr().err
