"""Runs interrupted anywhere and resumed, or killed and resumed: the end must be, bit for bit, that of a run left alone.

A run's end is compared as its last checkpoint tells it: links, weights, biases, velocities, position, seeds, history.
"""

import hashlib
import itertools
import os
import signal
import tempfile
import time
from collections import namedtuple
from contextlib import suppress

import models
import numpy as np
import scipy.sparse

import sparselab as sl
from sparselab.checkpoints.records import EpochRecord
from sparselab.checkpoints.run_dir import RunDir
from stress import processes

Case = namedtuple("Case", "stop optimizer dropout evolution engine sparse threads")
OPTIMIZERS = {
    "plain": {"momentum": 0.0},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "decay": {"momentum": 0.9, "weight_decay": 1e-3, "decay_biases": False},
}
EPOCHS, STEPS = 4, 4  # 101 samples in batches of 32
PER_EPOCH = STEPS + 1  # records
STOPS = {
    "first step": 1,
    "first epoch": 3,
    "end of first epoch": PER_EPOCH,
    "after evolution": PER_EPOCH + 1,
    "mid-epoch": PER_EPOCH + 2,
    "before the record": 2 * PER_EPOCH - 1,
    "end of epoch": 2 * PER_EPOCH,
    "twice": 2 * PER_EPOCH + 2,
    "in evolution": None,
    "extended": None,
    "at the end": None,
}
ALL = [
    Case(*values)
    for values in itertools.product(
        STOPS, OPTIMIZERS, (0.0, 0.3), (True, False), ("fused", "layerwise"), (False, True), (1, 2)
    )
    if not (values[0] == "in evolution" and not values[3])
]  # fmt: skip


def some_cases(n):
    """n cases that are spread over the matrix and hold every value of every column."""
    chosen = [ALL[i] for i in np.random.default_rng(0).permutation(len(ALL))[:n]]
    for column, values in enumerate(zip(*ALL, strict=True)):
        missing = set(values) - {case[column] for case in chosen}
        chosen += [next(case for case in ALL if case[column] == value) for value in sorted(missing, key=str)]
    return chosen


def problem(case):
    """(net, data, options) of a case; the net is another one each time it is asked for, as in a new session without a seed."""
    X, y = models.rows()
    wide = case.engine == "layerwise"
    X = np.where(abs(X) > 1, X, 0) if case.sparse else X
    X = X.astype(np.float64 if wide else np.float32)
    data = (scipy.sparse.csr_array(X) if case.sparse else X), y
    model = sl.SparseMLP.create(
        (20, 33, 18, 4), density=0.4, dropout=case.dropout, seed=1, activation="tanh" if wide else "all_relu",
        dtype=np.float64 if wide else np.float32,
    )  # fmt: skip
    options = {
        "optimizer": sl.MomentumSGD(sl.schedules.Step(0.05, 2), **OPTIMIZERS[case.optimizer]), "batch_size": 32, "seed": 5,
        "rules": [sl.SET(0.3)] if case.evolution else [], "threads": case.threads,
    }  # fmt: skip
    return model, data, options


def start(case, folder, epochs=EPOCHS, **changes):
    """The generator of a run that is kept in `folder`."""
    model, data, options = problem(case)
    for layer in model.layers if RunDir(folder).files() else ():
        layer.w[:] = 0  # what a run goes on with comes from the folder
    return sl.steps(model, data, epochs=epochs, checkpoint=folder, **options | changes)


def interrupt(case, folder):
    """A run that is stopped where the case says."""
    pulled = STOPS[case.stop]
    if case.stop == "in evolution":
        return interrupted_in_evolution(case, folder)
    if case.stop in ("extended", "at the end"):
        return list(start(case, folder, 2 if case.stop == "extended" else EPOCHS))
    for n in (3, pulled) if case.stop == "twice" else (pulled,):
        run = start(case, folder)
        list(itertools.islice(run, n))
        run.close()


def interrupted_in_evolution(case, folder):
    """KeyboardInterrupt between two rules, when half of the links are others already."""
    calls = []

    def rule(epoch, model, state, evidence, rng):
        calls.append(epoch)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return [None] * len(model.layers)

    with suppress(KeyboardInterrupt):
        list(start(case, folder, rules=[sl.SET(0.3), rule]))
    if len(calls) != 2:
        raise RuntimeError("the rule was not asked twice")


def end(folder):
    """(hash of links, weights, biases and velocities; position, seeds and records) of the newest checkpoint."""
    saved = sl.load_checkpoint(folder)
    digest = hashlib.sha256()
    for layer, state in zip(saved.model.layers, saved.state.optimizer, strict=True):
        t = layer.topology
        for array in (t.indptr, t.indices, layer.w, layer.b, *state.links, *state.neurons):
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest(), saved.state.position, saved.state.seeds.entropy, saved.state.seeds.spawn_key, list(saved.history)


def matrix(cases):
    """[cases whose end is not that of the run left alone]; the resumed run must also yield the same EpochRecords, all of them."""
    import warnings

    wrong, alone = [], {}
    with tempfile.TemporaryDirectory() as top, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*going on with other settings")  # the rule that interrupts
        for number, case in enumerate(cases):
            key = case._replace(stop="", threads=1)
            if key not in alone:
                folder = f"{top}/alone{number}"
                alone[key] = epochs_of(start(case, folder)), end(folder)
            folder = f"{top}/{number}"
            interrupt(case, folder)
            found = epochs_of(start(case._replace(threads=3 - case.threads), folder)), end(folder)
            if found != alone[key]:
                wrong.append(case)
    return wrong


def epochs_of(records):
    """Those of whole epochs."""
    return [record for record in records if isinstance(record, EpochRecord)]


# killed


KILLED = [
    Case("", "nesterov", 0.3, True, "fused", False, 2),
    Case("", "decay", 0.3, True, "layerwise", True, 1),
    Case("", "momentum", 0.0, True, "fused", True, 1),
]
LONG = 40  # epochs, some tenths of a second


def random_kills(n, seed=0):
    """(ends that differ, kills): a training is killed (SIGKILL) at a random moment and resumed, until n kills have hit.

    It forks: for a process without threads.
    """
    random, wrong, hits = np.random.default_rng(seed), 0, 0
    with tempfile.TemporaryDirectory() as top:
        alone = []
        for number, case in enumerate(KILLED):
            list(start(case, f"{top}/warm{number}", 2, threads=1))  # compiled code, which children inherit
            began = time.perf_counter()
            _wait(_child(case, f"{top}/alone{number}"))
            alone.append((end(f"{top}/alone{number}"), time.perf_counter() - began))
        while hits < n:
            which = hits % len(KILLED)
            folder, (wanted, seconds) = f"{top}/killed{hits}", alone[which]
            pid = _child(KILLED[which], folder)
            time.sleep(random.uniform(0, seconds))
            os.kill(pid, signal.SIGKILL)
            if os.WIFSIGNALED(_wait(pid)):
                _wait(_child(KILLED[which], folder))
                wrong, hits = wrong + (end(folder) != wanted), hits + 1
    return wrong, hits


def _child(case, folder):
    """The process number of a fork that trains; this process has no threads, so forking it is safe."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            list(start(case, folder, LONG))
            code = 0
        finally:
            os._exit(code)
    return pid


def _wait(pid):
    return os.waitpid(pid, 0)[1]


# the promises


def test_interrupted_runs(stress):
    cases = ALL if stress.full else some_cases(30)
    wrong = matrix(cases)
    stress.all("interrupted anywhere and resumed: bit-equal to the run left alone", len(cases) - len(wrong), len(cases))
    assert wrong == []


def test_killed_runs(stress):
    bad, kills = processes.call("resume", "random_kills", stress.count(50, 5))
    stress.all("trainings killed at random and resumed: bit-equal", kills - bad, kills)
