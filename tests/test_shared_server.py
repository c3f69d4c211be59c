"""Workers that are processes push and pull by themselves, with records as if all went through Python, and may be killed."""

import gc
import os
import signal
import time

import models
import numpy as np
import pytest
import test_handoff as handoff
from stress import parallel

import sparselab as sl
from sparselab.evolution import SET, ImportancePruning
from sparselab.kernels import JIT, columns, push_pull, system
from sparselab.kernels.arguments import address
from sparselab.nn import schedules
from sparselab.parallel.compiled import shared_server
from sparselab.utils import shared_memory

pytestmark = pytest.mark.skipif(not (JIT and shared_memory.AVAILABLE), reason="in memory that compiled code shares")
pushes = handoff.pushes


@pytest.fixture
def servers(monkeypatch):
    """The SharedServers that were made."""
    made, make = [], shared_server.SharedServer.__init__
    monkeypatch.setattr(
        shared_server.SharedServer, "__init__", lambda self, *arguments: (made.append(self), make(self, *arguments))[1]
    )
    return made


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_jobs": 3, "rules": [ImportancePruning(0.4, start=1), SET(0.3)]},
        pytest.param({"n_jobs": 1, "rules": [SET(0.3)]}, marks=pytest.mark.slow),
        pytest.param({"damping": 0.7, "n_jobs": 4, "pace": 0.05}, marks=pytest.mark.slow),
        pytest.param(
            {"optimizer": sl.MomentumSGD(schedules.Cosine(0.01, 3), nesterov=True, weight_decay=1e-3)}, marks=pytest.mark.slow
        ),
    ],
    ids=lambda options: ", ".join(options) or "plain",
)
def test_what_they_did_replays_one_after_the_other_bit_for_bit(options, pushes):
    records, found = handoff.run(backend="processes", **options)
    epochs = [record for record in records if isinstance(record, sl.EpochRecord)]
    assert 3 <= len(pushes) < 3 * handoff.STEPS / 2, "no turns were taken in compiled code"
    again, wanted = handoff.run(backend="serial", **options | {"pace": None}, schedule=handoff.schedule_of(epochs))
    assert found == wanted
    for record, other in zip(epochs, again, strict=True):
        for name in ("train_loss", "train_accuracy", "n_samples", "learning_rate", "nnz"):
            assert getattr(record, name) == getattr(other, name), name
        assert record.workers.staleness == other.workers.staleness


def test_pushes_that_may_be_refused_go_through_python(pushes, servers):
    handoff.run(backend="processes", max_staleness=3, epochs=1)
    assert len(pushes) == handoff.STEPS
    assert not servers


@pytest.mark.slow
def test_killed_at_any_moment_no_update_is_lost():
    good, slowest = parallel.shot(2)
    assert good == 2
    assert slowest < 30  # seconds, on a machine with other work; the harness prints it


def in_memory():
    """Descriptors of files without a name that this process has open: mappings have their own, until they are collected."""
    gc.collect()
    paths = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return sum(os.path.islink(path) and os.readlink(path).startswith("/memfd:sparselab") for path in paths)


@pytest.mark.slow
def test_the_memory_goes_with_the_run(servers):
    before = in_memory()
    handoff.run(backend="processes", rules=[SET(0.3)], epochs=4)
    assert servers.pop().memories == {}
    assert in_memory() == before


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "stopped"])
def test_a_lock_whose_holder_is_gone_is_taken_over(how, servers, monkeypatch):
    monkeypatch.setattr(shared_server, "STUCK", 0.2)
    records = sl.train_parallel(
        models.net(), models.dataset(4 * handoff.STEPS, 50), backend="processes", n_jobs=2, batch_size=4, epochs=4, pace=0.0,
        async_fraction=1.0, evaluate_every=0, seed=0,
    )  # fmt: skip
    for _ in range(3):
        next(records)
    (one,) = servers
    lock, process = shared_server.address(one.words), one.processes.workers[0].process
    while not system.try_to_acquire(lock, 1, 10**6):  # as worker 0 would
        pass
    os.kill(process.pid, how)
    begun = time.monotonic()
    rest = [record for record in records if isinstance(record, sl.EpochRecord)]
    assert [record.n_samples for record in rest] == [4 * handoff.STEPS] * 4
    assert [len(record.workers.staleness) for record in rest] == [handoff.STEPS] * 4
    assert rest[-1].workers.restarts >= 1
    assert time.monotonic() - begun < 60


@pytest.mark.timeout(60)
def test_a_worker_waits_for_the_lock_no_longer_than_its_time():
    """The holder may be stopped: then the worker must come back, for only Python can tell."""
    words, mine = np.zeros(push_pull.WORDS, np.int64), np.zeros(push_pull.MINE, np.int64)
    words[push_pull.LOCK], words[push_pull.APART] = 7, 1
    table, places, begun = np.zeros((1, columns.FIELDS), np.int64), np.zeros((1, 1), np.int64), time.monotonic_ns()
    mine[push_pull.UNTIL] = begun + 10**8
    settings = np.zeros(push_pull.SERVER_SETTINGS)
    arguments = address(words), mine, table, table, places, places, settings, 0.0, 0, 1
    assert not push_pull.take_turn(*arguments)
    assert time.monotonic_ns() - begun >= 10**8
    assert (words[push_pull.LOCK], words[push_pull.WAITING], words[push_pull.LOGGED]) == (7, 0, 0)


def test_a_turn_that_was_not_counted_has_not_happened(servers):
    """The older net may hold anything: a worker may have been killed while it wrote to it."""
    records = sl.train_parallel(
        models.net(), models.dataset(4 * handoff.STEPS, 50), backend="processes", n_jobs=1, batch_size=4, epochs=2, pace=0.0,
        async_fraction=1.0, evaluate_every=0, seed=0,
    )  # fmt: skip
    next(records)
    (one,) = servers
    while not system.try_to_acquire(shared_server.address(one.words), push_pull.DRIVER, 10**6):
        pass
    for array in one.nets[1 - int(one.words[push_pull.LOGGED]) % 2]:
        array[:] = np.nan
    system.release(shared_server.address(one.words))
    assert all(np.isfinite(record.train_loss) for record in records if isinstance(record, sl.EpochRecord))
