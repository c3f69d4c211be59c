"""A loss that misbehaves in a worker, at a given place of parallel training, and then never again.

The package knows nothing of it: what happens is what would happen to anybody's plug-in, or to any process.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.parallel.core.worker import Worker

DEATHS = ("kill", "exit", "segfault")  # the process is gone
HANGS = ("stop", "loop", "sleep")  # the process is there and does not answer
ERRORS = ("raise", "memory", "system exit")
ANSWERS = ("text", "shapes", "NaN gradient", "NaN", "cannot be sent", "cannot be read")  # of this task or the worker's next one
BY_VALUE = ("cannot be sent", "cannot be read")  # errors of what lies between processes


@dataclass
class Faulty(SoftmaxCrossEntropy):
    """Cross-entropy, and the fault `kind` (None: no fault) where worker `worker` (None: each) computes round `at` (in phase
    "gradient") or epoch `at` (in phase "local"), counted from 0; `times`: how often in all. folder: where it is noted."""

    folder: Path
    kind: str | None = None
    phase: str = "gradient"
    worker: int | None = 1
    at: int = 5
    times: int = 1

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        found = SoftmaxCrossEntropy.on_tile(self, Z, targets, samples, first, count, scale, dZ)
        if self.kind and first_call(place := place_now()) and self.is_meant(place):
            if self.claim():
                self.misbehave(place[0], dZ)
            else:
                note(self.folder / "again")
        return found

    def is_meant(self, place):
        worker, phase, at = place
        return phase == self.phase and at == self.at and self.worker in (None, worker.number)

    def claim(self):
        """Whether it is to happen now; notes when."""
        return any(note(self.folder / f"fault-{i}") for i in range(self.times))

    def misbehave(self, worker, dZ):
        """The fault, or its preparation."""
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.kind == "exit":
            os._exit(0)
        elif self.kind == "segfault":
            ctypes.string_at(0)
        elif self.kind == "stop":
            # To this thread: os.kill leaves it to the main thread, while this one may still finish its task and send the answer.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        elif self.kind == "loop":
            while True:
                pass
        elif self.kind == "sleep":
            time.sleep(20)
        elif self.kind == "NaN":
            dZ[:] = np.nan
        elif self.kind in ERRORS:
            raise {"raise": ValueError, "memory": MemoryError, "system exit": SystemExit}[self.kind]("on purpose")
        else:
            name = self.phase
            original = getattr(worker, name)
            setattr(worker, name, lambda *arguments: self.answer(worker, name, original(*arguments)))

    def answer(self, worker, name, result):
        """What the worker answers in place of the result, once."""
        delattr(worker, name)
        if self.kind in ("cannot be sent", "cannot be read"):
            return Closed(self.kind == "cannot be read")
        if self.kind == "text":
            return "garbage"
        wrong = (lambda a: a[1:]) if self.kind == "shapes" else lambda a: np.full_like(a, np.nan)
        if name == "gradient":
            result.dw = [wrong(a) for a in result.dw]
        else:
            p = result.parameters
            result.parameters = type(p)(p.topologies, tuple(wrong(w) for w in p.weights), p.biases, p.neurons)
        return result


class Closed:
    """Cannot be pickled, or cannot be read again. It passes for a Push up to there."""

    failed = True

    def __init__(self, is_sent):
        self.is_sent = is_sent

    def __reduce__(self):
        if not self.is_sent:
            raise ValueError("not to be sent")
        return refuse, ()


def refuse():
    """An object that cannot be read."""
    raise ValueError("not to be read")


def place_now():
    """(worker, phase, round or epoch) of the task under way, from the frames of the callers; None outside of one."""
    frame = sys._getframe(1)
    while frame:
        me, name = frame.f_locals.get("self"), frame.f_code.co_name
        if isinstance(me, Worker) and name in ("gradient", "local"):
            return me, name, frame.f_locals["round_" if name == "gradient" else "epoch"]
        frame = frame.f_back
    return None


def first_call(place):
    """Whether the loss is asked for the first time in this task."""
    if place is None:
        return False
    worker, *task = place
    known, worker.__dict__["_task"] = worker.__dict__.get("_task"), task
    return known != task or task[0] == "gradient"


def note(path):
    """Write the time into a new file; False where it is there already."""
    try:
        with open(path, "x") as file:
            file.write(repr(time.time()))
        return True
    except FileExistsError:
        return False
