"""A checkpoint file is complete or is not used: whatever is killed, cut, changed, full or forged, the last good one stays."""

import errno
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import models
import numpy as np
import pytest
from stress import checkpoints as harness
from stress import processes

import sparselab as sl
from sparselab.checkpoints import container, run_description
from sparselab.checkpoints.container import CheckpointError
from sparselab.checkpoints.records import History
from sparselab.checkpoints.run_dir import NAME, RunDir, RunDirBusyError
from sparselab.checkpoints.state import TrainingState
from sparselab.training.loop import steps, train


@pytest.fixture
def state():
    """(model, state, history) two epochs and two steps into a training."""
    model, optimizer = models.net(dropout=0.3), sl.MomentumSGD(0.05)
    position, history = TrainingState.start(model, optimizer, 5), History()
    run = steps(model, models.dataset(), optimizer=optimizer, rules=[sl.SET(0.3)], batch_size=32, epochs=4, state=position)
    while (position.epoch, position.batch) != (2, 2):
        record = next(run)
        if isinstance(record, sl.EpochRecord):
            history.append(record)
    run.close()
    return model, position, history


@pytest.fixture
def saved(state, tmp_path):
    """Path of a checkpoint file of it."""
    return sl.save_checkpoint(*state[:2], tmp_path / "run", state[2], about={"note": [1, "two"]})


def kept(folder, epochs=2, **options):
    """A small training kept in `folder`; its records."""
    options = {"batch_size": 32, "seed": 5, "threads": 1} | options
    return list(train(models.net(), models.dataset(), epochs=epochs, checkpoint=folder, **options))


def names(folder):
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


# what is in one


def test_everything_comes_back(state, saved):
    model, position, history = state
    found = sl.load_checkpoint(saved)
    assert models.fingerprint(found.model, found.state) == models.fingerprint(model, position)
    assert found.state.position == (2, 2, True, 0)
    assert found.state.totals == position.totals
    assert (found.state.seeds.entropy, found.state.seeds.spawn_key) == (5, ())
    assert found.history == history
    assert found.history["seconds"] == history["seconds"]
    assert found.history[0].fan_in == ()
    assert (found.about, found.path) == ({"note": [1, "two"]}, saved)
    assert (found.model.dropout, found.model.activation) == (0.3, model.activation)


def test_numpy_reads_it_without_pickle(saved, state):
    with np.load(saved, allow_pickle=False) as file:
        assert json.loads(file["header"].tobytes())["kind"] == "checkpoint"
        np.testing.assert_array_equal(file["2.links.0"], state[1].optimizer[2].links[0])
        assert len(file["losses"]) == 2


@pytest.mark.parametrize("entropy", [0, 2**200, [1, 2, 3]])
def test_seeds_of_every_kind_come_back(state, tmp_path, entropy):
    state[1].seeds = np.random.SeedSequence(entropy, spawn_key=(3, 4), pool_size=8)
    again = sl.load_checkpoint(sl.save_checkpoint(*state[:2], tmp_path / "run")).state
    for purpose in (1, 2, 3):
        assert again.stream(purpose).random() == state[1].stream(purpose).random()
    assert again.dropout_key == state[1].dropout_key


def test_a_net_of_plug_ins_comes_back_into_one_that_has_them(state, tmp_path):
    class Swish(sl.Tanh):
        pass

    model = models.net(activation=Swish())
    path = sl.save_checkpoint(model, TrainingState.start(model, sl.MomentumSGD(), 1), tmp_path / "run")
    with pytest.raises(CheckpointError, match="Swish.*plug-in.*model="):
        sl.load_checkpoint(path)
    other = models.net(activation=Swish(), seed=9)
    assert sl.load_checkpoint(path, other).model is other
    assert models.fingerprint(other) == models.fingerprint(model)


def test_loading_into_a_net_that_does_not_fit(saved):
    other = models.net((20, 33, 18, 5))
    before = models.fingerprint(other)
    with pytest.raises(CheckpointError, match=r"layers, inputs, outputs, dtype = \[3, 20, 4, 'float32'\]: must be \[3, 20, 5"):
        sl.load_checkpoint(saved, other)
    assert models.fingerprint(other) == before


def test_a_state_of_another_net_is_not_saved(state, tmp_path):
    with pytest.raises(ValueError, match="state"):
        sl.save_checkpoint(models.net((20, 10, 4)), state[1], tmp_path / "run")
    assert os.listdir(tmp_path) == []


def test_a_state_that_is_not_finite_is_not_saved(state, tmp_path):
    state[1].optimizer[2].links[0][0] = np.inf
    with pytest.raises(CheckpointError, match="2.links.0: .* must be finite"):
        sl.save_checkpoint(*state[:2], tmp_path / "run")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("change", [{"evolved": False}, {"batch": 3}])
def test_a_state_that_no_training_gave_is_not_saved(state, tmp_path, change):
    vars(state[1]).update(change)
    with pytest.raises(CheckpointError, match="run.npz: batch = "):
        sl.save_checkpoint(*state[:2], tmp_path / "run")


def test_about_is_plain_values(state, tmp_path):
    with pytest.raises(CheckpointError, match="run.npz: .*JSON"):
        sl.save_checkpoint(*state[:2], tmp_path / "run", about={"a": object()})
    assert os.listdir(tmp_path) == []


def test_missing_ones_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        sl.load_checkpoint(tmp_path / "run.npz")
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        sl.load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="run.npz"):
        sl.save_checkpoint(models.net(), TrainingState.start(models.net(), sl.MomentumSGD()), tmp_path / "nowhere" / "run")


def test_a_model_file_is_not_a_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"must be 'checkpoint' \(load\(path\)"):
        sl.load_checkpoint(sl.save(models.net(), tmp_path / "net"))


# damaged


def test_random_bits():
    assert harness.flipped_bits(1000) == (0, 1000)


@pytest.mark.parametrize("every", [41, pytest.param(1, marks=pytest.mark.slow)])
def test_bytes_truncations_and_tails(every):
    unnoticed, tried = harness.damaged_bytes(every)
    assert unnoticed == 0
    assert tried > 3 * 10_000 / every


def test_the_harness_sees_what_would_not_be_noticed(saved, monkeypatch):
    content = Path(saved).read_bytes()
    assert not harness.is_noticed(saved, content)
    monkeypatch.setattr(container, "_check_digest", lambda file, size: None)
    place = content.index(b"losses.npy") + 10 + container.HEAD + 3
    assert harness.is_noticed(saved, content[:place] + b"?" + content[place + 1 :])  # zip's own checksum still says so


@pytest.mark.slow
def test_hostile_files(tmp_path):
    wrong, tried = processes.call("attacks", "trial", str(harness.small_file(tmp_path)), timeout=300)
    assert wrong == []
    assert tried > 200


def test_the_watch_over_hostile_files_can_fail(saved):
    code = "import json, sys; from stress import attacks; "
    code += "attacks.files = lambda path, canary: {'good': open(path, 'rb').read()}; "
    code += "print(json.dumps(attacks.trial(sys.argv[1])))"
    assert json.loads(processes.run(code, saved).out) == [[["good", "accepted"]], 1]


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: content[:100] + b"?" * 50])
def test_a_damaged_one_is_passed_over_for_the_one_before(tmp_path, damage):
    kept(tmp_path, 4)
    newest = tmp_path / names(tmp_path)[-1]
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.warns(UserWarning, match=f"{newest.name}: .*passed over"):
        assert sl.load_checkpoint(tmp_path).state.epoch == 3
    with pytest.warns(UserWarning, match=newest.name):
        assert len(kept(tmp_path, 5)) == 5
    assert sl.load_checkpoint(tmp_path).state.epoch == 5
    assert newest.name not in names(tmp_path) or len(names(tmp_path)) == 4  # it does not take a good one's place


def test_without_a_good_checkpoint_a_new_run_starts(tmp_path):
    kept(tmp_path)
    for name in names(tmp_path):
        (tmp_path / name).write_bytes(b"")
    with pytest.warns(UserWarning, match="passed over") as seen:
        assert [record.epoch for record in kept(tmp_path)] == [1, 2]
    assert len(seen) == 2
    assert sl.load_checkpoint(tmp_path).state.epoch == 2


@pytest.mark.filterwarnings("ignore:.*passed over")
def test_a_folder_of_damaged_ones_has_none_to_load(tmp_path):
    (tmp_path / "000001-epoch1.npz").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="no checkpoint that can be read"):
        sl.load_checkpoint(tmp_path)


@pytest.mark.filterwarnings("error")
def test_too_little_memory_is_not_damage(tmp_path, monkeypatch):
    kept(tmp_path)
    monkeypatch.setattr(container.resources, "available", lambda: 1000)
    with pytest.raises(CheckpointError, match="1,000 are free"):
        sl.load_checkpoint(tmp_path)


# killed, full, read-only


@pytest.mark.slow
def test_killed_while_saving():
    assert processes.call("checkpoints", "kill_during_save", 20) == [0, 20]


@pytest.mark.slow
def test_killed_while_saving_200_times():
    assert processes.call("checkpoints", "kill_during_save", 200, 1) == [0, 200]


def test_a_lost_checkpoint_would_be_seen(tmp_path):
    with RunDir(tmp_path).locked() as runs:
        harness._save_generation(runs, 3, 500)
    assert harness._nothing_lost(tmp_path, 3)
    assert not harness._nothing_lost(tmp_path, 4)


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_a_disk_that_fails_at_the_nth_call(every):
    bad, tried = harness.disk_faults(every)
    assert bad == 0
    assert tried > 200 / every


@pytest.mark.parametrize("step", [331, pytest.param(1, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_after_n_bytes(step):
    bad, tried = processes.call("checkpoints", "limited_sizes", step)
    assert bad == 0
    assert tried > 10_000 / step


def test_a_full_device(state):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError) as caught:
            container._write_all(descriptor, {}, {"a": np.zeros(10)})
        assert caught.value.errno == errno.ENOSPC
    finally:
        os.close(descriptor)


def test_a_disk_that_recovers_keeps_the_newest(tmp_path):
    with harness.failing("fsync", errno.ENOSPC, 0, only_first=True), pytest.warns(UserWarning, match="MiB") as seen:
        kept(tmp_path, 3)
    assert len(seen) == 1
    assert [sl.load_checkpoint(tmp_path / name).state.epoch for name in names(tmp_path)] == [2, 3]


def test_a_folder_that_vanishes_is_one_warning(tmp_path):
    import shutil

    records = train(models.net(), models.dataset(), epochs=3, seed=5, checkpoint=tmp_path / "run")
    next(records)
    shutil.rmtree(tmp_path / "run")
    with pytest.warns(UserWarning, match="moved, deleted or replaced") as seen:
        assert len(list(records)) == 2
    assert len(seen) == 1


@pytest.mark.parametrize("where", ["a file", "below a file", "a\0b", "x" * 5000])
def test_a_folder_that_cannot_be_is_named_before_training(tmp_path, where):
    (tmp_path / "a file").write_text("")
    (tmp_path / "below a file").symlink_to(tmp_path / "a file" / "x")
    with pytest.raises(CheckpointError, match="checkpoint = "):
        kept(tmp_path / where)


@pytest.mark.slow
def test_saving_copies_nothing():
    if sys.platform != "linux":
        pytest.skip("measured on Linux only")
    extra, net = processes.call("checkpoints", "saving_memory")
    assert net >= 300 * 2**20 / 1.05
    assert extra <= 0.05 * net


# the folder


def test_the_newest_are_kept(tmp_path):
    kept(tmp_path, 6, keep=2)
    assert names(tmp_path) == ["000005-epoch5.npz", "000006-epoch6.npz"]


def test_every_and_the_end(tmp_path):
    kept(tmp_path, 5, every=2, keep=9)
    assert [name[7:] for name in names(tmp_path)] == ["epoch2.npz", "epoch4.npz", "epoch5.npz"]


def test_newest_is_a_matter_of_numbers_and_not_of_clocks(tmp_path):
    kept(tmp_path, 3)
    os.utime(tmp_path / "000001-epoch1.npz", (2e9, 2e9))
    assert sl.load_checkpoint(tmp_path).state.epoch == 3


def test_a_new_run_in_an_old_folder_comes_after_it(tmp_path):
    kept(tmp_path, 5)
    kept(tmp_path, 2, seed=6, resume=False)
    assert names(tmp_path) == ["000005-epoch5.npz", "000006-epoch1.npz", "000007-epoch2.npz"]
    assert sl.load_checkpoint(tmp_path).state.seeds.entropy == 6


def test_other_files_are_left_alone_and_those_of_dead_writers_removed(tmp_path):
    others = ["notes.txt", "000009-epoch1.npz.bak", "1-epoch1.npz", ".x.tmp", "000001-epoch1.npz.tmp"]
    dead = [".000001-epoch1.npz.123-0a1b2c3d.tmp", ".best.npz.7-ffffffff.tmp"]
    for name in others + dead:
        (tmp_path / name).write_text("x")
    kept(tmp_path)
    assert set(os.listdir(tmp_path)) == {*others, ".lock", "000001-epoch1.npz", "000002-epoch2.npz"}


def test_two_trainings_do_not_share_a_folder(tmp_path):
    first = train(models.net(), models.dataset(), epochs=3, batch_size=32, seed=5, checkpoint=tmp_path)
    next(first)
    with pytest.raises(RunDirBusyError, match=f"process {os.getpid()}") as caught:
        kept(tmp_path)
    assert caught.value.pid == os.getpid()
    assert pickle.loads(pickle.dumps(caught.value)).pid == os.getpid()
    first.close()
    assert len(kept(tmp_path)) == 2


HOLD = """
import sys, models, time
from sparselab.training import train
records = train(models.net(), models.dataset(), epochs=3, seed=5, batch_size=32, checkpoint=sys.argv[1])
next(records)
print("holds", flush=True)
time.sleep(60)
"""


def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.path.dirname(__file__)}
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert other.stdout.readline() == "holds\n"
        with pytest.raises(RunDirBusyError) as caught:
            kept(tmp_path)
        assert caught.value.pid == other.pid
    finally:
        other.kill()
        other.communicate()
    assert (tmp_path / ".owner").exists()
    assert [record.epoch for record in kept(tmp_path, 3)] == [1, 2, 3]
    assert not (tmp_path / ".owner").exists()


def test_the_lock_may_be_let_go_by_another_thread(tmp_path):
    records = train(models.net(), models.dataset(), epochs=3, batch_size=32, seed=5, checkpoint=tmp_path)
    next(records)
    closing = threading.Thread(target=records.close)
    closing.start()
    closing.join()
    assert len(kept(tmp_path)) == 2


def test_names_of_files():
    assert NAME.fullmatch("000012-epoch4.npz")
    assert NAME.fullmatch("000012-epoch4-batch20.npz")
    assert not NAME.fullmatch("000012-epoch4.npz.bak")


# arguments


@pytest.mark.parametrize(
    "options, message",
    [
        ({"checkpoint": 3}, "checkpoint = 3: must be the path"),
        ({"checkpoint": True}, "checkpoint = True: must be the path"),
        ({"checkpoint": "x", "every": 0}, "every = 0: must be"),
        ({"checkpoint": "x", "keep": 0}, "keep = 0: must be"),
        ({"checkpoint": "x", "keep": 1.5}, "keep = 1.5: must be"),
        ({"checkpoint": "x", "resume": "no"}, "resume = 'no': must be"),
        ({"checkpoint": "x", "config": {"a": object()}}, "config = .*: must be plain values"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_done(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match=message):
        steps(models.net(), models.dataset(), **options)
    assert os.listdir(tmp_path) == []


def test_nothing_is_done_before_somebody_pulls(tmp_path):
    train(models.net(), models.dataset(), checkpoint=tmp_path / "run").close()
    assert os.listdir(tmp_path) == []


def test_a_header_that_could_not_be_read_again_is_not_written(state, tmp_path, monkeypatch):
    monkeypatch.setattr(container, "MAX_HEADER", 100)
    with pytest.raises(CheckpointError, match="run.npz: .*header has"):
        sl.save_checkpoint(*state[:2], tmp_path / "run")
    assert os.listdir(tmp_path) == []


def test_versions_are_told():
    assert run_description.versions()["numpy"] == np.__version__
