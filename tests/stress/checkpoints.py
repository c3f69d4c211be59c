"""Checkpoint files: writers killed, disks full, bytes damaged, and what saving costs in memory.

Each function tries many cases; those that kill, limit or measure the process are meant for one of their own (`OWN`).
"""

import errno
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab.checkpoints import checkpoint
from sparselab.checkpoints.container import CheckpointError
from sparselab.checkpoints.run_dir import RunDir
from sparselab.checkpoints.state import TrainingState
from sparselab.nn.linear import SparseLinear
from sparselab.nn.optimizers import LayerState
from stress import processes

OWN = partial(processes.call, "checkpoints")  # a function of this file in a process of its own
ERRORS = {name: getattr(errno, name) for name in ("EIO", "EROFS", "ENOSPC")}


def small_net():
    """A net of some hundred links."""
    return models.net(dropout=0.3)


def small_file(folder):
    """The path of a checkpoint taken in the middle of the third epoch."""
    model, batches = small_net(), 2 * 5 + 2 + 2  # two epochs of four steps and a record, then two steps
    run = sl.steps(model, models.rows(), rules=[sl.SET(0.3)], epochs=4, batch_size=32, seed=5, checkpoint=folder)
    for _ in range(batches - 2):
        next(run)
    run.close()
    return RunDir(folder).files()[0]


# killed while saving


def kill_during_save(n, seed=0):
    """(checkpoints lost, kills): a process that saves without pause is killed at random moments (SIGKILL).

    Lost: the newest file that can be read is older than the last one whose saving had ended, or something is damaged or left.
    It forks: for a process without threads.
    """
    random, lost = np.random.default_rng(seed), 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")  # a damaged file would be warned of
        finished = mmap.mmap(-1, 8)
        _save_generation(RunDir(folder), 0, n_links=100)
        for kill in range(n):
            first = struct.unpack("q", finished[:])[0]
            n_links = (500, 100_000)[kill % 2]
            pid = os.fork()
            if pid == 0:
                try:
                    _save_for_ever(folder, finished, first, n_links)
                finally:
                    os._exit(1)
            time.sleep(random.uniform(0, 0.03))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            lost += not _nothing_lost(folder, struct.unpack("q", finished[:])[0])
    return lost, n


def _save_for_ever(folder, finished, generation, n_links):
    with RunDir(folder, keep=2).locked() as runs:
        while True:
            generation += 1
            _save_generation(runs, generation, n_links)
            finished[:] = struct.pack("q", generation)


def _save_generation(runs, generation, n_links):
    """A file whose every number tells its generation."""
    n_in, numbers = n_links // 10, lambda n: np.full(n, generation, np.float32)
    layer = SparseLinear(sl.Topology.dense(10, n_in), numbers(10 * n_in), numbers(10))
    state = TrainingState([LayerState([numbers(10 * n_in)], [numbers(10)])], np.random.SeedSequence(0), epoch=generation)
    model = sl.SparseMLP([layer], "relu")
    checkpoint.write(model, state, runs.next_file(generation, 0), (), {})
    runs.rotate()


def _nothing_lost(folder, finished):
    with RunDir(folder).locked() as runs:  # removes what the dead writer left
        try:
            _, found = runs.last_good(checkpoint.read)
        except (Warning, CheckpointError):
            return False
        whole = all((part == found.state.epoch).all() for part in (found.model.layers[0].w, found.state.optimizer[0].links[0]))
        left = [name for name in os.listdir(folder) if name.endswith(".tmp")]
        return whole and found.state.epoch >= finished and not left


# damaged bytes


def is_noticed(path, content):
    """Whether a file with this content is refused."""
    Path(path).write_bytes(content)
    try:
        sl.load_checkpoint(path)
    except CheckpointError:
        return True
    return False


def flipped_bits(n, seed=0):
    """(unnoticed, tried): one random bit of a small checkpoint flipped."""
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path, unnoticed = small_file(folder), 0
        whole = Path(path).read_bytes()
        for place, bit in zip(random.integers(len(whole), size=n), random.integers(8, size=n), strict=True):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            unnoticed += not is_noticed(path, changed)
    return int(unnoticed), n


def damaged_bytes(every=1):
    """(unnoticed, tried): each byte changed, each truncation, zeros at the end, appended bytes; of every `every`-th place."""
    with tempfile.TemporaryDirectory() as folder:
        path, unnoticed, tried = small_file(folder), 0, 0
        whole = Path(path).read_bytes()
        places = range(0, len(whole), every)
        for place in places:
            for changed in (
                whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :],
                whole[:place],
                whole[:place] + bytes(len(whole) - place),
            ):
                if changed != whole:
                    unnoticed, tried = unnoticed + (not is_noticed(path, changed)), tried + 1
        for extra in (b"\0", b"x", b"\n" * 100, whole):
            unnoticed, tried = unnoticed + (not is_noticed(path, whole + extra)), tried + 1
    return unnoticed, tried


# full disks


@contextmanager
def failing(name, number, at, only_first=False):
    """`os.name` raises an OSError of this number at its `at`-th call (from 0) and after; gives the list of its calls."""
    original, calls = getattr(os, name), []

    def fail(*arguments, **options):
        calls.append(name)
        if len(calls) - 1 == at or (len(calls) - 1 > at and not only_first):
            raise OSError(number, os.strerror(number))
        return original(*arguments, **options)

    setattr(os, name, fail)
    try:
        yield calls
    finally:
        setattr(os, name, original)


def disk_faults(every=1):
    """(bad, tried): a training whose disk fails from some call on (write, fsync or replace; EIO, EROFS, ENOSPC).

    Good: same weights as undisturbed, one warning with path, reason and free space, the checkpoints before it whole, no
    temporary file.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = _trained(Path(folder) / "undisturbed")[0]
        bad = tried = 0
        for name in ("write", "fsync", "replace"):
            with failing(name, 0, 10**9) as calls:
                _trained(Path(folder) / name)
            places = range(0, len(calls), every if name == "write" else 1)
            for at in places:
                number = list(ERRORS.values())[(at + tried) % len(ERRORS)]
                where = Path(folder) / f"{name}{at}"
                with failing(name, number, at):
                    found, messages = _trained(where)
                tried += 1
                bad += not (found == wanted and _one_good_warning(messages, where, number) and _is_clean(where))
    return bad, tried


def _trained(folder, epochs=3):
    """(bytes of the weights after a small training, texts of warnings)."""
    model = small_net()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        options = {"rules": [sl.SET(0.3)], "batch_size": 32, "seed": 5, "threads": 1}
        list(sl.train(model, models.rows(), epochs=epochs, checkpoint=folder, **options))
    return b"".join(layer.w.tobytes() for layer in model.layers), [str(w.message) for w in seen]


def _one_good_warning(messages, folder, number):
    return len(messages) == 1 and all(part in messages[0] for part in (str(folder), os.strerror(number), "MiB free"))


def _is_clean(folder):
    runs = RunDir(folder)
    if any(name.endswith(".tmp") for name in os.listdir(folder)):
        return False
    try:
        return all(checkpoint.read(path) for path in runs.files())
    except CheckpointError:
        return False


def limited_sizes(step=1):
    """(bad, tried): files may not grow beyond a limit (RLIMIT_FSIZE), for each limit up to the size of a checkpoint."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as folder:
        saved = sl.load_checkpoint(small_file(Path(folder) / "run"))
        path, bad, tried = Path(folder) / "net.npz", 0, 0
        sl.save_checkpoint(saved.model, saved.state, path)
        before, size = path.read_bytes(), path.stat().st_size
        saved.model.layers[0].b += 1
        for limit in range(0, size, step):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                sl.save_checkpoint(saved.model, saved.state, path)
                good = False
            except CheckpointError as error:
                good = str(path) in str(error) and "MiB free" in str(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            tried += 1
            bad += not (good and path.read_bytes() == before and sorted(os.listdir(folder)) == ["net.npz", "run"])
        sl.save_checkpoint(saved.model, saved.state, path)
        bad += path.read_bytes() == before
    return bad, tried + 1


# memory


def saving_memory(mebibytes=200):
    """(bytes that saving needed besides, bytes of the net and its velocities); Linux, in a process of its own."""
    width = int((mebibytes * 2**20 / 8) ** 0.5) + 1  # 8 bytes a link, besides the velocity's 4
    topology = sl.Topology.dense(width, width)
    ones = lambda n: np.ones(n, np.float32)
    model = sl.SparseMLP([SparseLinear(topology, ones(topology.nnz), ones(width))], "relu")
    state = TrainingState([LayerState([ones(topology.nnz)], [ones(width)])], np.random.SeedSequence(0))
    with tempfile.TemporaryDirectory() as folder:
        sl.save_checkpoint(small_net(), TrainingState.start(small_net(), sl.MomentumSGD()), f"{folder}/warm.npz")
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak starts anew; ru_maxrss would still know that of the process that started this one
        before = _bytes("VmRSS")
        sl.save_checkpoint(model, state, f"{folder}/net.npz")
        sl.save(model, f"{folder}/model.npz")
    return max(0, _bytes("VmHWM") - before), model.nbytes + 4 * topology.nnz


def _bytes(name):
    """A line of what the kernel tells of this process's memory."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))


# the promises


PROMISES = {
    "killed (SIGKILL) while saving: last good checkpoint lost": lambda s: OWN("kill_during_save", s.count(200, 20)),
    "random bits flipped: not noticed": lambda s: flipped_bits(s.count(10_000, 500)),
    "each byte changed, cut there, zeros from there: not noticed": lambda s: damaged_bytes(1 if s.full else 97),
    "disk fails at the n-th call: run or old files hurt, or silent": lambda s: disk_faults(1 if s.full else 29),
    "files limited to n bytes: old file hurt, or silent": lambda s: OWN("limited_sizes", 1 if s.full else 499),
}


@pytest.mark.parametrize("promise", PROMISES)
def test_nothing_is_lost(promise, stress):
    bad, tried = PROMISES[promise](stress)
    stress.row(promise, f"{bad} of {tried:,}", "0", bad == 0)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux")
def test_saving_needs_little_memory(stress):
    extra, net = OWN("saving_memory")
    stress.row("memory to save a net of 200 MiB", f"{extra / net:.1%} of it", "<= 5 %", extra <= 0.05 * net)
