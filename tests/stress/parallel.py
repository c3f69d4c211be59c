"""Workers that die, hang or lie, and drivers that are interrupted or killed: does parallel training go on as if nothing was?

Faults happen inside real workers, at random places of both phases; a synchronous run must end with the same bits as one that
was never disturbed. Ctrl-C goes to the process group of a script, as from a terminal.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from pathlib import Path

import models
import numpy as np
import psutil
import pytest

import sparselab as sl
from sparselab.datasets import Dataset
from stress import faults
from stress.processes import PATHS, ROOT, command_line, without_compiling

NOTICED = 2.0  # seconds from a death until its task is done again
HANGING = 1.0  # seconds that a task may take here
# What distributed tells its log, at level INFO, where a connection is closed while it sends: now and then, at any Ctrl-C.
COMM_CLOSED = re.compile(r"^.* - distributed\.\S+ - INFO - .*\n(Traceback(.*\n)*?\S*Error.*\n)?", re.MULTILINE)
GONE = 2.0  # seconds after which nothing is left of an interrupted or killed driver
UPDATES = 13  # an epoch
OPTIONS = {"n_jobs": 2, "epochs": 5, "batch_size": 32, "seed": 5, "async_fraction": 0.4, "task_timeout": HANGING}

# hash and model at the end; updates of each epoch of the first phase; seconds from the fault until its task was begun again (None
# where it was not, or there was no fault); replaced workers; seconds in all
Trained = namedtuple("Trained", "hash model updates again restarts seconds")


def train(folder, backend, fault=None, *, synchronous=True, **options):
    """Trained: a small net with a fault (a dict of arguments for Faulty)."""
    X, y = models.rows(450)
    data = Dataset(X[:400], y[:400], X[400:], y[400:], classes=np.arange(4))
    model = sl.SparseMLP.create(models.SIZES, density=0.4, dropout=0.3, seed=1)
    loss, begun = faults.Faulty(Path(folder), **fault or {}), time.perf_counter()
    records = list(
        sl.train_parallel(
            model, data, backend=backend, synchronous=synchronous, loss=loss, rules=[sl.SET(0.3)],
            optimizer=sl.MomentumSGD(0.02), **OPTIONS | options,
        )
    )  # fmt: skip
    updates = [len(record.workers.staleness) for record in records if record.workers.staleness]
    seconds = time.perf_counter() - begun
    return Trained(
        models.fingerprint(model), model, updates, again_after(folder), records[-1].workers.restarts, seconds
    )  # fmt: skip


def again_after(folder):
    """Seconds from the first fault until the task was begun again; None without."""
    at = [float(path.read_text()) for path in (Path(folder) / "fault-0", Path(folder) / "again") if path.exists()]
    return at[1] - at[0] if len(at) == 2 else None


def random_place(random):
    """A worker and a round of the first phase, or an epoch of the second."""
    if random.random() < 0.3:
        return {"phase": "local", "worker": int(random.integers(2)), "at": 3}
    return {"phase": "gradient", "worker": int(random.integers(2)), "at": int(random.integers(1, 14))}


def disturbed(backend, kinds, n, synchronous=True):
    """(runs that were as they should be and left no process, seconds until the task was begun again) of n runs with a fault."""
    random, good, waited, wanted = np.random.default_rng(0), 0, [], None
    before = family(os.getpid())
    for i in range(n):
        with tempfile.TemporaryDirectory() as folder:
            wanted = train(folder, "serial").hash if wanted is None else wanted
            fault = random_place(random)
            if not synchronous and fault["phase"] == "gradient":
                fault |= {"at": min(fault["at"], 8), "worker": None}  # which worker gets further depends on their speed
            found = train(folder, backend, {"kind": kinds[i % len(kinds)], **fault}, synchronous=synchronous)
            happened = (Path(folder) / "fault-0").exists()
            as_wanted = found.hash == wanted if synchronous else found.updates == [UPDATES] * 2 and models.is_finite(found.model)
            good += happened and as_wanted and not left_of(before)
            waited += [found.again] if found.again is not None else []
    return good, waited


def shot(n, shots=3):
    """(runs that lost no update, the longest pause of a worker in seconds) of n asynchronous runs on processes that take their
    turns in compiled code, each with `shots` SIGKILLs at random moments to a random worker."""
    X, y = models.rows(16_000)
    data, good, pauses = Dataset(X, y, X[:50], y[:50], classes=np.arange(4)), 0, [0.0]
    for i in range(n):
        model, random = sl.SparseMLP.create((20, 300, 300, 4), epsilon=20, seed=1), np.random.default_rng(i)
        run = sl.train_parallel(
            model, data, backend="processes", n_jobs=2, epochs=6, batch_size=16, seed=i, async_fraction=1.0, rules=[sl.SET(0.3)],
            optimizer=sl.MomentumSGD(0.01), pace=0.0, evaluate_every=0,
        )  # fmt: skip
        records, next_shot, left = [], time.monotonic() + 0.2, shots
        for record in run:
            if left and time.monotonic() > next_shot:
                victims = workers(family(os.getpid()))
                victims[random.integers(len(victims))].kill()
                next_shot, left = time.monotonic() + random.uniform(0.05, 0.4), left - 1
            records += [record] if isinstance(record, sl.EpochRecord) else []
        whole = all(len(record.workers.staleness) == record.n_samples // 16 == 1000 for record in records)
        good += whole and not left and records[-1].workers.restarts > 0 and models.is_finite(model)
        pauses += pauses_of([task for record in records for task in record.workers.timeline])
    return good, max(pauses)


def pauses_of(tasks):
    """Seconds from each task of a worker, a (number, begin, end), to the end of its next one."""
    last, found = {}, []
    for number, _, end in tasks:
        found += [end - last[number]] if number in last else []
        last[number] = end
    return found


def family(pid):
    """The processes that a process has started."""
    return psutil.Process(pid).children(recursive=True)


def left_of(before, patience=30.0):
    """The workers that this process has beside those before, once none or no patience is left; `patience` in seconds."""
    limit = time.monotonic() + patience
    while (left := workers([one for one in family(os.getpid()) if one not in before])) and time.monotonic() < limit:
        time.sleep(0.05)
    return left


def workers(processes):
    """Those of them that are no resource tracker, which ends last."""
    return [one for one in processes if "resource_tracker" not in command_line(one)]


# a script that is interrupted, or killed

SCRIPT = """
import json, os, signal, sys, time
import numpy as np
import sparselab as sl
import models

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process started in the background ignores it
    backend, synchronous = sys.argv[1], sys.argv[2] == "True"
    X, y = models.rows(2000)
    data = sl.datasets.Dataset(X, y, X[:50], y[:50], classes=np.arange(4))
    model = sl.SparseMLP.create((20, 300, 300, 4), epsilon=20, seed=1)
    options = {"backend": backend, "n_jobs": 2, "batch_size": 16, "rules": [sl.SET(0.3)], "synchronous": synchronous}
    say = lambda **what: print(json.dumps(what), flush=True)
    try:
        for record in sl.train_parallel(model, data, epochs=10**5, async_fraction=float(sys.argv[3]), **options):
            say(epoch=record.epoch, phase=record.phase)
    except KeyboardInterrupt:
        say(back=time.time())
    finite = all(np.isfinite(layer.check().w).all() for layer in model.layers)
    again = [record.epoch for record in sl.train(model, data, epochs=1)]
    say(good=bool(finite and again == [1] and np.isfinite(sl.evaluate(model, data.X_test, data.y_test).loss)))
"""

Stopped = namedtuple(
    "Stopped", "good back gone ports shm err"
)  # usable afterwards; seconds; listeners beyond loopback; left overs


class Script:
    """A driver in a session of its own, and what belongs to it."""

    def __init__(self, folder, backend, synchronous=False, share=1.0):
        path = Path(folder) / "script.py"
        path.write_text(SCRIPT)
        environment = os.environ | {"PYTHONPATH": PATHS}
        self.shm = set(os.listdir("/dev/shm"))
        self.process = subprocess.Popen(
            [sys.executable, str(path), backend, str(synchronous), str(share)], cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def wait_for_epochs(self, n):
        """Read until n epochs are finished; what still comes is left for the end."""
        for _ in range(n):
            if not self.process.stdout.readline():
                raise RuntimeError(f"the script ended: {self.process.stderr.read()[-3000:]}")

    def family(self):
        """The processes that it has started."""
        return family(self.process.pid)

    def ports(self):
        """(address, port) on which it or one of its processes listens, beyond loopback."""
        found = []
        for process in [psutil.Process(self.process.pid), *self.family()]:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended in the meantime
                found += [c.laddr for c in process.net_connections("inet") if c.status == "LISTEN"]
        return [tuple(address) for address in found if address.ip not in ("127.0.0.1", "::1")]

    def left(self, patience=5.0):
        """New names in /dev/shm, but for those that carry the id of another process; the resource tracker tidies up last."""
        limit, foreign = time.monotonic() + patience, re.compile(rf".*[-_](?!{self.process.pid}[-_])\d+[-_].*")
        while True:
            left = sorted(name for name in set(os.listdir("/dev/shm")) - self.shm if not foreign.fullmatch(name))
            if not left or time.monotonic() > limit:
                return left
            time.sleep(0.05)

    def end(self):
        """Whatever happens: nothing of it stays."""
        for process in [*(self.family() if self.process.poll() is None else []), self.process]:
            try:
                process.kill()
            except Exception:  # it is gone
                continue


def gone_after(family, begun, limit=30.0):
    """Seconds from `begun` (time.time()) until none of these processes runs."""
    while any(alive(process) for process in family):
        if time.time() - begun > limit:
            return float("inf")
        time.sleep(0.01)
    return time.time() - begun


def alive(process):
    """Whether psutil still finds it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def interrupted(backend, *, synchronous=False, share=1.0, epochs=3, wait=0.3):
    """Stopped: SIGINT to the process group of a script that trains, as from a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        script = Script(folder, backend, synchronous, share)
        try:
            script.wait_for_epochs(epochs)
            time.sleep(wait)
            started, ports = script.family(), script.ports()
            sent = time.time()
            os.killpg(script.process.pid, signal.SIGINT)
            gone = gone_after(workers(started), sent)
            try:
                out, err = script.process.communicate(timeout=120)
                err = COMM_CLOSED.sub("", without_compiling(err))
            except subprocess.TimeoutExpired:
                return Stopped(False, float("inf"), gone, ports, script.left(), "no end within 120 s")
            said = [json.loads(line) for line in out.splitlines()]
            back = [line["back"] - sent for line in said if "back" in line]
            good = bool(back) and said[-1].get("good") is True and script.process.returncode == 0
            return Stopped(good, back[0] if back else float("inf"), gone, ports, script.left(), err)
        finally:
            script.end()


def killed(backend, *, synchronous=False, share=1.0, epochs=3):
    """Stopped: SIGKILL to the driver alone; back is 0."""
    with tempfile.TemporaryDirectory() as folder:
        script = Script(folder, backend, synchronous, share)
        try:
            script.wait_for_epochs(epochs)
            started, ports = script.family(), script.ports()
            sent = time.time()
            script.process.kill()
            gone = gone_after(started, sent)
            script.process.wait(30)
            return Stopped(gone < float("inf"), 0.0, gone, ports, script.left(), "")
        finally:
            script.end()


# the promises


PLANS = [
    ("processes", faults.DEATHS, (100, 6), True), ("processes", faults.DEATHS, (40, 3), False),
    ("processes", faults.HANGS, (20, 3), True), ("processes", faults.ERRORS + faults.ANSWERS, (27, 9), True),
    ("dask", faults.DEATHS, (20, 3), True), ("dask", faults.HANGS, (9, 3), True),
    ("dask", faults.ERRORS + faults.ANSWERS, (18, 9), True),
]  # fmt: skip


@pytest.mark.parametrize("backend, kinds, counts, synchronous", PLANS)
def test_faults_of_workers(backend, kinds, counts, synchronous, stress):
    n = stress.count(*counts)
    good, waited = disturbed(backend, kinds, n, synchronous)
    name = f"parallel: {backend}, {'synchronous' if synchronous else 'asynchronous'}, {', '.join(kinds)}"
    stress.all(name, good, n, "the bits of an undisturbed run" if synchronous else "all updates, finite")
    limit = NOTICED + (HANGING if kinds == faults.HANGS else 0)
    if kinds in (faults.DEATHS, faults.HANGS) and waited:
        stress.row(f"{name}: done again after", f"at most {max(waited):.2f} s", f"< {limit} s", max(waited) < limit)


def test_kills_in_compiled_code(stress):
    n = stress.count(20, 2)
    good, slowest = shot(n)
    promise = "parallel: processes, asynchronous, three SIGKILLs at any moment of turns in compiled code"
    stress.all(promise, good, n, "no update lost")
    stress.row("parallel: the same: a worker's longest pause", f"{slowest:.2f} s", f"< {NOTICED} s", slowest < NOTICED)


@pytest.mark.parametrize("stop, what", [(interrupted, "Ctrl-C"), (killed, "the driver is killed")])
@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_drivers_that_stop(backend, stop, what, stress):
    found = [stop(backend, share=share) for share in (1.0, 0.0) * stress.count(5, 1)]
    good = sum(one.good and not one.shm and not one.ports for one in found)
    name, slowest = f"parallel: {what}, {backend}", max(max(one.gone, one.back) for one in found)
    stress.all(f"{name}: usable, nothing left, loopback only", good, len(found))
    stress.row(f"{name}: back, and workers gone, after", f"at most {slowest:.2f} s", f"< {GONE} s", slowest < GONE)
