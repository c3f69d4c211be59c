"""An interrupted run that is resumed is, bit for bit, the run that was left alone; another run is refused."""

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from itertools import islice

import models
import numpy as np
import pytest
from stress import processes, resume

import sparselab as sl
from sparselab import cli
from sparselab.checkpoints.container import CheckpointError
from sparselab.checkpoints.records import EpochRecord, StepRecord
from sparselab.checkpoints.run_dir import RunDir
from sparselab.engines.base import DivergedError
from sparselab.nn.activations import Tanh
from sparselab.nn.schedules import Cosine
from sparselab.training.loop import TrainingState, steps, train

CASES = resume.some_cases(20)


def name_of(case):
    return "-".join(str(value).replace(" ", "_") for value in case)


# the matrix


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_resumed_is_left_alone(case):
    assert resume.matrix([case]) == []


@pytest.mark.slow
def test_resumed_is_left_alone_everywhere():
    assert resume.matrix(resume.ALL) == []


def test_the_matrix_would_see_a_difference(monkeypatch):
    from sparselab.checkpoints.state import EpochTotals

    case = next(case for case in resume.ALL if case.stop == "mid-epoch" and case.dropout and case.evolution)
    assert resume.matrix([case]) == []
    monkeypatch.setattr("sparselab.checkpoints.checkpoint.read_totals", lambda *arguments: EpochTotals([(0, 0)] * 3, [1.0, 1.0]))
    assert resume.matrix([case]) == [case]


@pytest.mark.slow
def test_killed_at_random():
    assert processes.call("resume", "random_kills", 3) == [0, 3]


@pytest.mark.slow
def test_killed_at_random_50_times():
    assert processes.call("resume", "random_kills", 50, 1) == [0, 50]


# what a resumed run yields


def run(folder, epochs=4, *, model=None, data=None, call=steps, **options):
    """The generator of a small run in `folder`."""
    options = {"optimizer": sl.MomentumSGD(0.05), "rules": [sl.SET(0.3)], "batch_size": 32, "seed": 5, "threads": 1} | options
    model = models.net(dropout=0.3) if model is None else model
    return call(model, data or models.dataset(), epochs=epochs, checkpoint=folder, **options)


def test_records_come_again_and_then_go_on(tmp_path):
    whole = list(run(tmp_path / "whole"))
    first = list(islice(run(tmp_path / "cut"), 7))
    again = list(run(tmp_path / "cut"))
    assert first == whole[:7]
    assert [type(record) for record in again] == [EpochRecord] + [StepRecord] * 2 + whole_types(whole[9:])
    assert again[1:] == whole[7:]
    assert again[0] == whole[4]
    assert again[0].fan_in == ()
    assert len(again[-1].fan_in) == 3


def whole_types(records):
    return [type(record) for record in records]


def test_early_stopping_of_ones_own_stops_at_the_same_place(tmp_path):
    def fit(folder):
        seen = []
        for record in run(folder, 20, call=train):
            seen.append(record)
            if len(seen) > 2 and seen[-1].train_loss > min(r.train_loss for r in seen[:-1]) - 0.05:
                break
        return seen

    model = models.net(dropout=0.3)
    list(islice(run(tmp_path / "cut", 20, model=model), 8))
    whole, cut = fit(tmp_path / "whole"), fit(tmp_path / "cut")
    assert whole == cut
    assert 2 < len(cut) < 20
    assert fit(tmp_path / "cut") == whole
    assert resume.end(tmp_path / "whole") == resume.end(tmp_path / "cut")


def test_ten_epochs_and_ten_more_are_twenty(tmp_path):
    whole = list(run(tmp_path / "whole", 20, call=train))
    list(run(tmp_path / "parts", 10, call=train))
    assert list(run(tmp_path / "parts", 20, call=train)) == whole
    assert resume.end(tmp_path / "parts") == resume.end(tmp_path / "whole")


def test_fewer_epochs_than_are_done_is_an_error(tmp_path):
    list(run(tmp_path, 3))
    with pytest.raises(CheckpointError, match="epochs = 2: must be at least 3"):
        list(run(tmp_path, 2))


def test_with_a_checkpoint_it_is_the_same_training_as_without(tmp_path):
    options = {"optimizer": sl.MomentumSGD(0.05), "rules": [sl.SET(0.3)], "batch_size": 32, "epochs": 4, "threads": 1}
    kept, plain = models.net(dropout=0.3), models.net(dropout=0.3)
    assert list(run(tmp_path, model=kept)) == list(steps(plain, models.dataset(), seed=5, **options))
    assert models.fingerprint(kept) == models.fingerprint(plain)


def test_the_model_is_loaded_in_place(tmp_path):
    whole, model = models.net(dropout=0.3), models.net(dropout=0.3, seed=99)
    list(run(tmp_path, model=whole))
    list(run(tmp_path, model=model))
    assert models.fingerprint(model) == models.fingerprint(whole)


def test_a_run_without_a_seed_goes_on_with_the_one_it_had(tmp_path):
    list(run(tmp_path / "a", 2, seed=None))
    entropy = sl.load_checkpoint(tmp_path / "a").state.seeds.entropy
    found = list(run(tmp_path / "a", 4, seed=None, call=train))
    assert found == list(run(tmp_path / "b", 4, seed=entropy, call=train))


def test_a_given_state_is_moved_to_where_the_run_stands(tmp_path):
    list(islice(run(tmp_path), 8))
    model = models.net(dropout=0.3)
    state = TrainingState.start(model, sl.MomentumSGD(0.05), 77)
    list(run(tmp_path, model=model, state=state, seed=None))
    assert (state.epoch, state.seeds.entropy) == (4, 5)
    assert models.fingerprint(model, state) == resume_fingerprint(tmp_path)


def resume_fingerprint(folder):
    saved = sl.load_checkpoint(folder)
    return models.fingerprint(saved.model, saved.state)


def test_resume_false_starts_a_new_run(tmp_path):
    list(run(tmp_path, 4))
    assert [record.epoch for record in run(tmp_path, 2, resume=False, seed=6, call=train)] == [1, 2]


# where an interrupt comes


@pytest.mark.parametrize("every", [1, 1000])
@pytest.mark.parametrize("kind", ["fused", "layerwise"])
def test_ctrl_c_anywhere_loses_nothing(tmp_path, kind, every):
    with models.engine_is(kind):
        options = {"data": models.dataset(2000), "batch_size": 20, "every": every, "pace": 0.02, "epochs": 6}
        whole = [r for r in run(tmp_path / "whole", **options) if isinstance(r, EpochRecord)]
        n_interrupts = 0
        while n_interrupts < 12:
            timer = threading.Timer(0.01 + 0.005 * n_interrupts, _thread.interrupt_main)
            timer.start()
            try:
                found = [r for r in run(tmp_path / "cut", **options) if isinstance(r, EpochRecord)]
                timer.join()
                break
            except KeyboardInterrupt:
                n_interrupts += 1
            finally:
                timer.cancel()
        found = [r for r in run(tmp_path / "cut", **options) if isinstance(r, EpochRecord)]
    assert n_interrupts
    assert found == whole
    assert resume.end(tmp_path / "cut") == resume.end(tmp_path / "whole")


def test_an_error_saves_nothing_of_its_own(tmp_path):
    def broken(epoch, model, state, evidence, rng):
        raise RuntimeError("a rule of my own")

    with pytest.raises(RuntimeError, match="of my own"):
        list(run(tmp_path, rules=[sl.SET(0.3), broken]))
    assert [os.path.basename(path) for path in RunDir(tmp_path).files()] == ["000001-epoch1.npz"]


def test_a_diverged_run_leaves_its_last_good_checkpoint(tmp_path):
    growing = lambda epoch: 0.05 if epoch < 2 else 1e6
    with pytest.raises(DivergedError):
        list(run(tmp_path, 8, optimizer=sl.MomentumSGD(growing)))
    assert sl.load_checkpoint(tmp_path).state.position == (2, 0, False, 0)
    with pytest.warns(UserWarning, match="learning_rate"):
        assert len(list(run(tmp_path, 8, call=train))) == 8


# another run


CHANGES = {
    "data": {"data": models.dataset(100)},
    "data changed": {"data": models.dataset(101, features=20, classes=4, dtype=np.float64)},
    "seed": {"seed": 6},
    "net": {"model": models.net((20, 33, 19, 4), dropout=0.3)},
    "loss": {"loss": "mean_squared_error"},
    "dtype": {"model": models.net(dropout=0.3, dtype=np.float64)},
    "activation": {"model": models.net(dropout=0.3, activation=Tanh())},
}


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "data changed"])
def test_another_run_is_refused_and_nothing_is_changed(tmp_path, name):
    list(islice(run(tmp_path), 7))
    before, model = sorted(os.listdir(tmp_path)), CHANGES[name].get("model", models.net(dropout=0.3))
    untouched = models.fingerprint(model)
    with pytest.raises(CheckpointError, match="resume=False") as caught:
        list(run(tmp_path, **{"model": model} | CHANGES[name]))
    words = str(caught.value)
    assert any(f"{word} = " in words for word in {"loss": ("loss", "data"), "dtype": ("dtype", "data")}.get(name, (name,)))
    assert "must be" in words
    assert sorted(os.listdir(tmp_path)) == before
    assert models.fingerprint(model) == untouched


def test_one_number_of_the_data_is_enough(tmp_path):
    list(run(tmp_path, 1))
    data = models.dataset()
    data.X_train[50, 3] = np.nextafter(data.X_train[50, 3], np.float32(9))
    with pytest.raises(CheckpointError, match="data = "):
        list(run(tmp_path, 2, data=data))


def test_layouts_of_the_same_data_are_the_same_data(tmp_path):
    list(run(tmp_path, 1))
    data = models.dataset()
    as_float64 = type(data)(data.X_train.astype(np.float64), data.y_train, data.X_test, data.y_test, classes=data.classes)
    assert len(list(run(tmp_path, 2, data=as_float64, call=train))) == 2


def test_another_batch_size_is_refused_only_in_the_middle_of_an_epoch(tmp_path):
    list(islice(run(tmp_path), 7))
    with pytest.raises(CheckpointError, match="batch_size = 20: must be 32"):
        list(run(tmp_path, batch_size=20))
    list(run(tmp_path, 2))
    with pytest.warns(UserWarning, match="batch_size 32 -> 20"):
        list(run(tmp_path, 3, batch_size=20))


WARNED = {
    "optimizer.learning_rate 0.05 -> 0.01": {"optimizer": sl.MomentumSGD(0.01)},
    "optimizer.nesterov False -> True": {"optimizer": sl.MomentumSGD(0.05, nesterov=True)},
    "optimizer.learning_rate 0.05 -> {": {"optimizer": sl.MomentumSGD(Cosine(0.05, 4))},
    r"rules\[0\].zeta 0.3 -> 0.1": {"rules": [sl.SET(0.1)]},
    r"rules .* -> \[\]": {"rules": []},
    "dropout 0.3 -> 0.0": {"model": models.net()},
    "evaluate_every 1 -> 2": {"evaluate_every": 2},
}


@pytest.mark.parametrize("words", WARNED)
def test_other_settings_are_warned_of(tmp_path, words):
    list(islice(run(tmp_path), 7))
    with pytest.warns(UserWarning, match=words) as seen:
        assert len(list(run(tmp_path, call=train, **WARNED[words]))) == 4
    assert len(seen) == 1


def test_other_versions_are_warned_of_and_threads_are_not(tmp_path, monkeypatch):
    list(run(tmp_path, 1, threads=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(run(tmp_path, 2, threads=2))
    monkeypatch.setattr("sparselab.checkpoints.run_description.versions", lambda: {"numpy": "9.9"})
    with pytest.warns(UserWarning, match=r"versions.numpy '[0-9.]+' -> '9.9'"):
        list(run(tmp_path, 3))


def test_another_order_of_samples_is_refused_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    list(islice(run(tmp_path), 7))
    monkeypatch.setattr("sparselab.checkpoints.run_description.order_digest", lambda state, n: "another generator")
    with pytest.raises(CheckpointError, match="order = "):
        list(run(tmp_path))


def test_another_kind_of_optimizer_is_refused(tmp_path):
    class Plain:
        def init(self, model):
            return [type(s)() for s in sl.MomentumSGD().init(model)]

        def rate(self, epoch):
            return 0.05

        def update(self, layer, state, dw, db, rate):
            layer.w -= np.float32(rate) * dw

    list(run(tmp_path / "a", 1))
    with pytest.raises(CheckpointError, match="vectors of the optimizer"):
        list(run(tmp_path / "a", 2, optimizer=Plain()))
    list(islice(run(tmp_path / "b", optimizer=Plain()), 7))
    assert list(run(tmp_path / "b", optimizer=Plain(), call=train)) == list(run(tmp_path / "c", optimizer=Plain(), call=train))


# config, command line, classifier, panel


SMALL = "--dataset digits --hidden 30 20 --seed 3".split()


def result_of(path):
    """History of a result file without times."""
    records = json.loads(path.read_text())["history"]
    return [{name: value for name, value in record.items() if "seconds" not in name} for record in records]


def test_the_command_line_goes_on(tmp_path, capsys):
    folder = ["--checkpoint", str(tmp_path / "run")]
    assert cli.main(["train", *SMALL, "--epochs", "4", "--json", str(tmp_path / "whole.json")]) == 0
    assert cli.main(["train", *SMALL, "--epochs", "2", *folder, "--keep", "2"]) == 0
    assert cli.main(["train", "--epochs", "4", *folder, "--json", str(tmp_path / "parts.json")]) == 0  # settings: the folder's
    assert result_of(tmp_path / "parts.json") == result_of(tmp_path / "whole.json")
    assert cli.main(["train", *SMALL, "--epochs", "1", *folder, "--no-resume"]) == 0
    assert sl.load_checkpoint(tmp_path / "run").state.epoch == 1
    capsys.readouterr()
    assert cli.main(["train", *folder, "--epochs", "2", "--seed", "4"]) == 2
    assert "seed = " in capsys.readouterr().err


def test_a_busy_folder_is_one_line_and_exit_code_2(tmp_path, capsys):
    busy = run(tmp_path)
    next(busy)
    assert cli.main(["train", *SMALL, "--epochs", "1", "--checkpoint", str(tmp_path), "--no-resume"]) == 2
    assert f"process {os.getpid()}" in capsys.readouterr().err
    busy.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_command_that_is_killed_goes_on(tmp_path, how):
    command = [sys.executable, "-m", "sparselab", "train", *SMALL, "--epochs", "100", "--checkpoint", str(tmp_path / "run")]
    command += ["--threads", "1", "--batch-size", "8"]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while not killed.stdout.readline().strip().startswith("7 "):
        assert killed.poll() is None
    killed.send_signal(how)
    killed.communicate()
    reached = sl.load_checkpoint(tmp_path / "run").state
    assert 7 <= reached.epoch < 100
    options = sl.load_checkpoint(tmp_path / "run").about["config"] | {"epochs": reached.epoch + 2}
    config = sl.ExperimentConfig(**options)
    resumed = list(sl.build(config).train(checkpoint=tmp_path / "run"))
    assert resumed == list(sl.build(config).train())


def classifier(**options):
    options = {"epochs": 6, "random_state": 3, "batch_size": 32, "dropout": 0.2} | options
    return sl.SparseMLPClassifier((30, 20), learning_rate=0.05, **options)


def stop_after(n):
    """A zeta that raises KeyboardInterrupt when epoch n is about to begin."""

    def zeta(epoch):
        if epoch == n:
            raise KeyboardInterrupt
        return 0.3

    return zeta


@pytest.mark.filterwarnings("ignore:.*going on with other settings")
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("stopped", [1, 3, 5])
def test_an_interrupted_fit_goes_on(tmp_path, early_stopping, seed, stopped):
    X, y = models.rows(300)
    patience = 2 if seed is not None else 9  # an unknown seed could stop before the best epoch that is on disk
    options = {"early_stopping": early_stopping, "n_epochs_no_change": patience, "random_state": seed, "zeta": stop_after(99)}
    with pytest.raises(KeyboardInterrupt):
        classifier(checkpoint=tmp_path, **options | {"zeta": stop_after(stopped), "n_epochs_no_change": 9}).fit(X, y)
    resumed = classifier(checkpoint=tmp_path, **options).fit(X, y)
    entropy = sl.load_checkpoint(tmp_path).state.seeds.entropy
    whole = classifier(**options | {"random_state": np.random.SeedSequence(entropy)}).fit(X, y)
    assert models.fingerprint(resumed.model_, resumed._state) == models.fingerprint(whole.model_, whole._state)
    assert resumed.history_ == whole.history_
    assert len(resumed.history_) >= stopped or early_stopping  # which stops where it would have stopped
    assert (resumed.best_epoch_ is not None) == early_stopping
    again = classifier(checkpoint=tmp_path, **options).fit(X, y)
    assert models.fingerprint(again.model_) == models.fingerprint(resumed.model_)
    assert again.history_ == resumed.history_


def test_the_classifier_keeps_the_best_epoch_on_disk(tmp_path):
    X, y = models.rows(300)
    fitted = classifier(checkpoint=tmp_path, early_stopping=True).fit(X, y)
    best = sl.load_checkpoint(tmp_path / "best.npz")
    assert best.state.epoch == fitted.best_epoch_
    assert models.fingerprint(best.model) == models.fingerprint(fitted.model_)


def test_a_folder_of_another_fit_is_refused(tmp_path):
    X, y = models.rows(300)
    classifier(checkpoint=tmp_path).fit(X, y)
    with pytest.raises(CheckpointError, match="data = "):
        classifier(checkpoint=tmp_path).fit(X[:250], y[:250])
    with pytest.raises(CheckpointError, match="seed = "):
        classifier(checkpoint=tmp_path, random_state=4).fit(X, y)
    with pytest.raises(ValueError, match="checkpoint = .*None with warm_start"):
        classifier(checkpoint=tmp_path, warm_start=True).fit(X, y)


def test_partial_fit_looks_at_no_folder(tmp_path):
    X, y = models.rows(300)
    classifier(checkpoint=tmp_path / "none").partial_fit(X, y, classes=range(4))
    assert not (tmp_path / "none").exists()


def panel(folder, **options):
    from sparselab.widgets import TrainingPanel

    config = sl.ExperimentConfig(dataset="digits", hidden=(30, 20), epochs=5, batch_size=32, seed=1, **options)
    return TrainingPanel(config, pace=0.0, checkpoint=folder)


def test_a_stopped_panel_goes_on_with_its_run(tmp_path):
    whole = panel(tmp_path / "whole").run()
    first = panel(tmp_path / "cut")
    assert first.start()
    deadline = time.monotonic() + 60
    while len(first.history) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert first.stop(60)
    reached = len(first.history)
    second = panel(tmp_path / "cut")
    assert list(second.run()) == list(whole)
    assert 2 <= reached <= 5
    assert resume.end(tmp_path / "cut") == resume.end(tmp_path / "whole")
    second.reset()
    assert [record.epoch for record in second.run(2)] == [1, 2]
    assert sl.load_checkpoint(tmp_path / "cut").state.epoch == 2
