"""Workers that die, hang, raise or give wrong answers: they are replaced, and the training has the same result."""

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import models
import numpy as np
import pytest
from stress import faults, parallel

import sparselab as sl
from sparselab.parallel import supervisor
from sparselab.parallel.backends import executor as executors
from sparselab.parallel.backends import local, registry
from sparselab.parallel.core.worker import GradientUpdate

pytestmark = pytest.mark.timeout(240)
slow = pytest.mark.slow
EVERY = faults.DEATHS + faults.HANGS + faults.ERRORS + faults.ANSWERS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The hash of a synchronous run without faults; one for all backends."""
    return parallel.train(tmp_path_factory.mktemp("none"), "serial").hash


def fault(kind, phase, **more):
    return {"kind": kind, "phase": phase, "at": {"gradient": 5, "local": 3}[phase], **more}


def places(backend, kinds, marks=()):
    """Each kind in the one phase or the other, both for those that kill or hang."""
    for i, kind in enumerate(kinds):
        both = ("gradient", "local")
        for phase in both if kind in ("kill", "stop") else (both[i % 2],):
            yield pytest.param(backend, kind, phase, marks=marks, id=f"{backend}-{kind}-{phase}")


IN_PROCESS = ("raise", "memory", "system exit", "text", "shapes", "NaN")
ALL = [
    *places("threads", IN_PROCESS),
    pytest.param("processes", "kill", "gradient", id="processes-kill-gradient-fast"),
    *places("processes", EVERY, slow),
    *places("dask", ("kill", "exit", "stop", "raise", "text", "NaN gradient", "cannot be sent"), slow),
]


@pytest.mark.parametrize("backend, kind, phase", ALL)
def test_a_fault_leaves_no_trace(tmp_path, undisturbed, backend, kind, phase):
    before = parallel.family(os.getpid())
    found = parallel.train(tmp_path, backend, fault(kind, phase))
    assert parallel.left_of(before) == []
    assert (tmp_path / "fault-0").exists()
    assert found.hash == undisturbed
    assert found.updates == [7, 7]
    if kind in faults.DEATHS + faults.HANGS + ("NaN",):
        assert found.again < 30  # seconds, on a machine with other work; tests/stress/parallel.py measures it
        assert found.restarts >= 1 or backend == "dask"  # whose own scheduler does it where it can


@pytest.mark.parametrize(
    "backend, kind",
    [pytest.param("processes", "kill", marks=slow), pytest.param("dask", "kill", marks=slow), ("threads", "raise")],
)
def test_asynchronous_runs_lose_no_update(tmp_path, backend, kind):
    found = parallel.train(tmp_path, backend, {"kind": kind, "at": 4, "worker": None}, synchronous=False)
    assert (tmp_path / "fault-0").exists()
    assert found.updates == [parallel.UPDATES] * 2
    assert np.isfinite([layer.w.sum() for layer in found.model.layers]).all()


@slow
@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_all_workers_die_at_once(tmp_path, undisturbed, backend):
    found = parallel.train(tmp_path, backend, fault("kill", "gradient", worker=None, times=2))
    assert found.hash == undisturbed
    assert (tmp_path / "fault-1").exists()


def train(backend, loss, **options):
    """(model, data, the generator) of a run without evolution."""
    model, data = models.net(), models.dataset(400, 50)
    options = {"n_jobs": 2, "epochs": 3, "batch_size": 32, "seed": 5, "async_fraction": 1.0, "synchronous": True} | options
    return model, data, sl.train_parallel(model, data, backend=backend, loss=loss, **options)


def check_usable(model, data):
    assert np.isfinite(sl.evaluate(model, data.X_test, data.y_test).loss)
    assert [record.epoch for record in sl.train(model, data, epochs=1)] == [1]


@pytest.mark.parametrize(
    "backend, kind",
    [("threads", "raise"), pytest.param("processes", "kill", marks=slow), pytest.param("processes", "raise", marks=slow)],
)
def test_what_fails_again_and_again_ends_with_the_worker_named(tmp_path, backend, kind):
    """The model has the server's last state: that after the first epoch, since the fault comes in the next round."""
    model, data, records = train(backend, faults.Faulty(tmp_path, kind, at=7, times=100), max_restarts=2)
    next(records)
    after_one = models.fingerprint(model)
    with pytest.raises(sl.parallel.WorkerLostError, match="worker 1 failed 3 times in a row at gradient"):
        next(records)
    assert models.fingerprint(model) == after_one
    check_usable(model, data)


def test_a_thread_that_hangs_is_an_error_and_not_a_hang(tmp_path, monkeypatch):
    model, data, records = train("threads", faults.Faulty(tmp_path, "sleep"), task_timeout=1)
    begun = time.perf_counter()
    with pytest.raises(sl.parallel.WorkerLostError, match=r"worker 1 .*threads cannot be killed"):
        list(records)
    assert time.perf_counter() - begun < 15
    check_usable(model, data)


@pytest.mark.parametrize("backend", ["serial", "threads", pytest.param("processes", marks=slow)])
def test_divergence_without_a_fault_is_told_as_such(tmp_path, backend):
    model, data, records = train(backend, faults.Faulty(tmp_path))
    model.layers[0].w[0] = np.inf
    with pytest.raises(sl.DivergedError):
        list(records)


def test_local_divergence_is_told_as_such(tmp_path):
    model, data, records = train("threads", faults.Faulty(tmp_path), async_fraction=0.0)
    model.layers[0].w[0] = np.inf
    with pytest.raises(sl.DivergedError):
        list(records)


# the supervisor alone


class Slow(local.Serial):
    """Worker 0 never answers; a new one does."""

    in_turn = False

    def completed(self, timeout):
        time.sleep(min(timeout, 0.05))
        return super().completed(timeout) if self.replaced else None

    def open(self, *arguments):
        self.replaced = []

    def gradient(self, number, snapshot, round_):
        update = GradientUpdate(number, round_, 0, 0, [], 0, 0, [], [], False)
        return self._start(number, lambda: update)

    def restart(self, numbers):
        self.replaced += numbers
        self.waiting.clear()
        return numbers


def test_a_hang_is_noticed_at_the_deadline(monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST", 0.0)
    backend = Slow()
    supervised = supervisor.Supervisor(backend, None, None, None, task_timeout=0.3)
    supervised.submit(0, "gradient", lambda: None, 0)
    number, update = supervised.next()
    assert (number, update.round, backend.replaced, supervised.restarts) == (0, 0, [0], 1)
    ((worker, error, seconds),) = supervised.failures
    assert worker == 0
    assert isinstance(error, TimeoutError)
    assert 0.3 <= seconds < 10


def test_patience_is_20_times_the_median_of_its_kind_and_more_for_the_first():
    supervised = supervisor.Supervisor(Slow(), None, None, None)
    supervised.tasks = {0: ("gradient", ()), 1: ("local", ())}
    assert supervised.patience(0) == supervisor.FIRST + supervisor.PATIENCE
    assert supervised.patience(1) == supervisor.FIRST + supervisor.UNKNOWN
    supervised.seen |= {(0, "gradient"), (1, "local")}
    supervised.spent |= {"gradient": [0.01], "local": [100.0]}
    assert supervised.patience(0) == supervisor.PATIENCE
    assert supervised.patience(1) == 2000
    supervised.task_timeout = 1.0
    assert supervised.patience(0) == supervised.patience(1) == 1.0


# executors of others


def executor_of(kind):
    if kind == "threads":
        return ThreadPoolExecutor(2)
    if kind == "loky":
        import loky

        return loky.ProcessPoolExecutor(2)
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


@pytest.mark.parametrize("kind", ["threads", pytest.param("processes", marks=slow), pytest.param("loky", marks=slow)])
def test_any_executor_is_a_backend_and_stays_its_owners(tmp_path, undisturbed, kind):
    with executor_of(kind) as executor:
        assert parallel.train(tmp_path, executor, task_timeout=60).hash == undisturbed
        assert executor.submit(pow, 2, 3).result(timeout=60) == 8


@slow
def test_processes_by_value_where_memory_cannot_be_shared(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr("sparselab.utils.shared_memory.AVAILABLE", False)
    assert isinstance(registry.get("processes"), executors.OwnProcesses)
    assert parallel.train(tmp_path, "processes", fault("kill", "gradient")).hash == undisturbed


def test_an_executor_that_breaks_is_named(tmp_path):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    _, _, records = train(executor, None)
    with pytest.raises(sl.parallel.WorkerLostError, match=r"worker \d .*shutdown"):
        list(records)


# clusters of others


@pytest.fixture
def scheduler():
    """A scheduler and two workers as processes of their own, as on a cluster; (address, the processes)."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, quiet = f"tcp://127.0.0.1:{port}", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    place = os.environ | {"PYTHONPATH": parallel.PATHS}  # workers load the faulty parts of a net by name
    command = lambda *arguments: subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]], env=place, **quiet
    )
    started = [command("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--dashboard-address", "127.0.0.1:0")]
    started += [
        command("dask_worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny") for _ in "12"
    ]
    yield address, started
    for process in started:
        process.kill()
        process.wait(30)


@slow
def test_an_existing_cluster_its_client_and_the_end_of_its_scheduler(tmp_path, undisturbed, scheduler):
    from distributed import Client

    address, processes = scheduler
    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        for i, backend in enumerate((client, address, client.get_executor())):
            folder = tmp_path / str(i)
            folder.mkdir()
            assert parallel.train(folder, backend, task_timeout=60).hash == undisturbed
            assert client.submit(pow, 2, 3).result(timeout=60) == 8
        model, data, records = train(client, None, epochs=1000)
        next(records)
        processes[0].kill()
        begun = time.perf_counter()
        with pytest.raises(sl.parallel.WorkerLostError, match="scheduler is gone"):
            list(records)
        assert time.perf_counter() - begun < 30
        check_usable(model, data)


@slow
def test_a_worker_that_hangs_in_a_cluster_of_others_never_hangs_the_training(tmp_path, scheduler, monkeypatch):
    """It ends, or names the worker that does not answer: what is not ours cannot be killed, and may block the others."""
    from distributed import Client

    monkeypatch.setattr(supervisor, "FIRST", 5.0)
    with Client(scheduler[0], timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        told, (model, data, records) = None, train(client, faults.Faulty(tmp_path, "stop"), task_timeout=1)
        try:
            assert [record.epoch for record in records] == [1, 2, 3]
        except sl.parallel.WorkerLostError as error:
            told = str(error)
        assert told is None or "no answer for" in told
        assert (tmp_path / "fault-0").exists()
        check_usable(model, data)


# the end of the driver


@slow
@pytest.mark.parametrize("share", [1.0, 0.0])
@pytest.mark.parametrize("backend", ["threads", "processes", "dask"])
def test_ctrl_c_leaves_a_model_that_works_and_nothing_else(backend, share):
    found = parallel.interrupted(backend, share=share)
    assert (found.good, found.ports, found.shm, found.err) == (True, [], [], "")
    assert max(found.back, found.gone) < 10  # seconds, on a machine with other work; tests/stress/parallel.py measures it


@slow
@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_workers_end_with_their_driver(backend):
    found = parallel.killed(backend)
    assert (found.ports, found.shm) == ([], [])
    assert found.gone < 10


LEFT = """
import sys
import numpy as np
import sparselab as sl

if __name__ == "__main__":
    X, y = np.random.default_rng(0).standard_normal((400, 20), dtype=np.float32), np.arange(400) % 4
    run = sl.train_parallel(
        sl.SparseMLP.create((20, 30, 4), epsilon=3, seed=1), (X, y), backend=sys.argv[1], n_jobs=2, epochs=10**4, batch_size=16,
        async_fraction=float(sys.argv[2]), seed=0,
    )
    print(next(run).epoch, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("share", ["1.0", pytest.param("0.0", marks=slow)])
@pytest.mark.parametrize("backend", ["threads", "processes", pytest.param("dask", marks=slow)])
def test_a_script_ends_whose_run_was_never_closed(tmp_path, backend, share):
    path = tmp_path / "script.py"
    path.write_text(LEFT)
    command, place = [sys.executable, str(path), backend, share], {"PYTHONPATH": parallel.PATHS}
    ended = subprocess.run(command, env=os.environ | place, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (0, "1\n"), ended.stderr
    assert "Traceback" not in ended.stderr
    assert "leaked" not in ended.stderr


def stumble(records):
    """A consumer with an error of its own."""
    for record in records:
        record.epoch / 0


def children():
    return {process.pid for process in parallel.workers(parallel.family(os.getpid()))}


@slow
@pytest.mark.parametrize("backend", ["processes", "dask"])
@pytest.mark.parametrize("ending", ["close", "error"])
def test_a_run_that_is_left_leaves_no_process(backend, ending):
    before = children()
    model, data, records = train(backend, None, epochs=1000)
    next(records)
    assert children() - before
    if ending == "close":
        records.close()
    else:
        with pytest.raises(ZeroDivisionError):
            stumble(records)
        del records
    limit = time.monotonic() + 10
    while children() - before and time.monotonic() < limit:
        time.sleep(0.05)
    assert not children() - before
    check_usable(model, data)


CELLS = """
import numpy as np, sparselab as sl
import models
X, y = models.rows(2000)
data = sl.datasets.Dataset(X, y, X[:50], y[:50], classes=np.arange(4))
model = sl.SparseMLP.create((20, 300, 300, 4), epsilon=20, seed=1)
options = dict(backend="processes", n_jobs=2, batch_size=16, seed=0)
""", """
for record in sl.train_parallel(model, data, epochs=10**5, async_fraction=1.0, **options):
    print(record.epoch, flush=True)
""", """
again = [record.phase for record in sl.train_parallel(model, data, epochs=2, **options)]
print("usable", np.isfinite(sl.evaluate(model, data.X_test, data.y_test).loss), again)
"""  # fmt: skip


def messages(client, id, until, timeout=120):
    """(text, error name) of a cell until it is idle or the text is found."""
    text, error, limit = "", None, time.monotonic() + timeout
    while time.monotonic() < limit:
        message = client.get_iopub_msg(timeout=timeout)
        if message["parent_header"].get("msg_id") != id:
            continue
        content = message["content"]
        text += content.get("text", "")
        error = content.get("ename", error)
        if (until and until in text) or content.get("execution_state") == "idle":
            return text, error
    raise TimeoutError(text)


@slow
def test_stop_in_a_notebook():
    """The kernel's Stop: KeyboardInterrupt in the cell, the workers gone, and the next cell trains again."""
    import psutil
    from jupyter_client import KernelManager

    manager = KernelManager()
    manager.start_kernel(cwd=str(Path(__file__).parent))  # CELLS import models.py beside this file
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        assert messages(client, client.execute(CELLS[0]), None) == ("", None)
        id = client.execute(CELLS[1])
        messages(client, id, "3\n")
        kernel = psutil.Process(manager.provisioner.pid)
        family = parallel.workers(parallel.family(kernel.pid))
        assert len(family) >= 2
        sent = time.time()
        manager.interrupt_kernel()
        text, error = messages(client, id, None)
        assert error == "KeyboardInterrupt"
        assert "resource_tracker" not in text
        assert parallel.gone_after(family, sent) < 10
        text, error = messages(client, client.execute(CELLS[2]), None)
        assert "usable True" in text, (text, error)
        assert "asynchronous" in text
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
