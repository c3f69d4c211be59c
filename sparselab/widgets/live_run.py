"""A training that can be started, paused, stepped and stopped from any thread; it knows nothing of widgets.

One thread pulls the records of the training: a daemon thread (`begin`) or the caller (`pull`). `changed` is called after each
record and each change of state, always by that thread and never while it holds the lock.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

from ..checkpoints.records import EpochRecord, History, thin
from ..experiments.config import ExperimentConfig
from ..experiments.experiment import Experiment, build
from ..kernels import native
from ..parallel.supervisor import WorkerLostError
from .live_values import LIVE, apply, used, with_live_zeta
from .stages import Stages

MAX_CHECKPOINTS = 100  # each holds all records, so one an epoch would cost the square of the epochs
ACTIVE = ("preparing", "running", "paused")


class LiveRun:
    """One training that can be paused, stepped, stopped and changed while it runs. It is used once.

    Parameters
    ----------
    config : ExperimentConfig
        The settings.
    make : callable, default `sparselab.build`
        Makes the Experiment of a config.
    rules : list of topology rules, optional
        Rules in place of the config's.
    pace : float, default 0.05
        Seconds of training between two StepRecords.
    changed : callable, optional
        Called without arguments after each record and each change of state.
    checkpoint : str or path, optional
        Folder in which the run is saved and from which it is resumed, see `sparselab.train`.
    resume : bool, default True
        Whether to continue the run in that folder; else it starts anew.

    Attributes
    ----------
    state : str
        "ready", "preparing", "running", "paused", "stopped", "finished", "failed", or "interrupted" where its process or those of
        its workers were ended.
    config, now : ExperimentConfig
        The settings at the start, and with the changes made since.
    changes : list of (int, str, value)
        Epoch, field and value of each change.
    live : tuple of str
        Fields that `set_live` changes. Once the training is prepared, those that its optimizer or a rule has: Adam has no
        momentum, and CHT reads a zeta without a schedule only once.
    history : History
        The EpochRecords so far.
    last : StepRecord or None
        The latest mini-batch.
    first : tuple of Topology
        The topologies before training.
    stages : list of (int, tuple of Topology)
        The topologies before training and after each epoch, or after some of them where they are large.
    experiment : Experiment or None
        What is trained.
    until : int
        Stop after this epoch, of all that the config has; 0 for none. What is saved can be resumed.
    speed : float
        Epochs per second at most, so that a short training can be watched; 0 for as fast as possible.
    twin : LiveRun or None
        A second training, such as that of the dense net: one epoch of it follows each epoch of this one, with the same live
        values. If it fails, this one goes on.
    error : tuple of str or None
        Headline and traceback of the exception that ended the run.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.widgets import Run
    >>> run = Run(sl.ExperimentConfig(dataset="digits", hidden=(10,), epochs=2, threads=1))
    >>> run.pull()
    >>> run.state, len(run.history)
    ('finished', 2)
    """

    def __init__(
        self, config: ExperimentConfig, *, make: Callable[[ExperimentConfig], Experiment] = build,
        rules: Iterable[Any] | None = None, pace: float = 0.05, changed: Callable[[], Any] = lambda: None, checkpoint: Any = None,
        resume: bool = True,
    ) -> None:  # fmt: skip
        self.config = self.now = config
        self.make, self.rules, self.pace, self.changed = make, rules, pace, changed
        every = max(1, config.epochs // MAX_CHECKPOINTS)
        self.checkpoint_options = {"checkpoint": checkpoint, "resume": resume, "every": every}
        self.state, self.request, self.steps_allowed = "ready", "go", 0
        self.until, self.speed, self.twin, self.stream = 0, 0, None, None
        self.notifying = False  # whether `changed` is being told of a new state
        self.compiling = None  # (number, of how many) of the kernel that is being compiled, once per machine
        self.experiment, self.last, self.error, self.first = None, None, None, ()
        self.stages, self.live = Stages(), LIVE
        self.history, self.changes, self.condition = History(), [], threading.Condition()

    @property
    def active(self) -> bool:
        """Whether the training is under way, which it also is while it is paused."""
        return self.state in ACTIVE

    def begin(self) -> None:
        """Train in a daemon thread."""
        self.state = "preparing"
        threading.Thread(target=self._pull_quietly, daemon=True, name="sparselab run").start()

    def pull(self) -> None:
        """Train in this thread until the end, a stop or an exception, which is raised again."""
        self.state, end = "preparing", "stopped"
        told = native.progress.set(self._note_compiling)
        try:
            self.changed()
            self._prepare()
            with closing(self.experiment.steps(pace=self.pace, **self.checkpoint_options)) as stream:
                end = self._consume(stream)
        except Exception as error:
            end = "interrupted" if ended_from_outside(error) else "failed"
            self.error = f"{type(error).__name__}: {error}", traceback.format_exc()
            raise
        finally:
            native.progress.reset(told)
            if self.twin is not None:
                self.twin.close(end)
            self._enter(end)

    def advance(self, go_on: Callable[[], bool]) -> None:
        """Train as the twin of another run: until the end of the next epoch.

        Parameters
        ----------
        go_on : callable
            Asked before each mini-batch whether to go on.
        """
        try:
            if self.state == "ready":
                self.state = "running"
                self._prepare()
                self.stream = self.experiment.steps(pace=self.pace)
            while self.state == "running" and go_on():
                record = next(self.stream, None)
                if record is None:
                    return
                if isinstance(record, EpochRecord):
                    self.history.append(record)
                    thin(self.history)
                    return
                self.last = record
        except Exception as error:
            self.state, self.error = "failed", (f"{type(error).__name__}: {error}", traceback.format_exc())

    def close(self, state: str) -> None:
        """End a twin.

        Parameters
        ----------
        state : str
            State of the run whose twin it is.
        """
        if self.stream is not None:
            self.stream.close()
        self.state = self.state if self.state == "failed" else state

    def pause(self) -> None:
        """Wait after the step that is under way."""
        self._ask("pause")

    def resume(self) -> None:
        """Continue after a pause."""
        self._ask("go")

    def step(self) -> None:
        """Continue by one record, then wait again."""
        self._ask("pause", 1)

    def stop(self, timeout: float | None = 5.0) -> bool:
        """End the training after the step that is under way; the model stays usable.

        Parameters
        ----------
        timeout : float or None, default 5.0
            Seconds to wait for the end; None waits as long as it takes.

        Returns
        -------
        bool
            Whether the training has ended.
        """
        self._ask("stop")
        return self.wait(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the training has ended and `changed` has been told so.

        Parameters
        ----------
        timeout : float or None, default None
            Seconds to wait at most.

        Returns
        -------
        bool
            Whether the training has ended.
        """
        with self.condition:
            return self.condition.wait_for(lambda: not self.active and not self.notifying, timeout)

    def set_live(self, config: ExperimentConfig) -> bool:
        """Let the running training use the learning rate, momentum, weight decay and zeta of a config, as far as it has them.

        Parameters
        ----------
        config : ExperimentConfig
            The config with the new values.

        Returns
        -------
        bool
            Whether a value that it uses is new and the training is under way.
        """
        with self.condition:
            new = {name: getattr(config, name) for name in self.live if getattr(config, name) != getattr(self.now, name)}
            if not new or not self.active:
                return False
            self.now = self.now.replace(**new)
            epoch = len(self.history) + 1
            for name, value in new.items():  # a dragged slider gives many values: the last one of an epoch is kept
                self.changes = [one for one in self.changes if one[:2] != (epoch, name)] + [(epoch, name, value)]
            if self.experiment:
                apply(new, self.experiment.optimizer, self.now)
        if self.twin is not None:
            self.twin.set_live(config)
        return True

    def _pull_quietly(self):
        with suppress(Exception):  # self.error has it, for the panel to show
            self.pull()

    def _note_compiling(self, number, total):
        self.compiling = number, total
        self.changed()

    def _prepare(self):
        experiment = self.make(self.config)
        rules = experiment.rules if self.rules is None else list(self.rules)
        experiment.rules = [with_live_zeta(rule, self) for rule in rules]
        live = used(experiment.optimizer, zeta=any(new is not old for new, old in zip(experiment.rules, rules, strict=True)))
        self.first = tuple(layer.topology for layer in experiment.model.layers)
        self.stages.add(0, self.first)
        with self.condition:
            self.experiment, self.live = experiment, live
            self.changes = [one for one in self.changes if one[1] in live]  # those before it was known what has an effect
            self.now = self.config.replace(**{name: getattr(self.now, name) for name in live})
            apply({name for _, name, _ in self.changes}, experiment.optimizer, self.now)

    def _consume(self, stream):
        """Take records until the stream ends or a stop is requested; returns the final state."""
        began = time.monotonic()
        while self._wait_while_paused():
            record = next(stream, None)
            if record is None:
                return "finished"
            if isinstance(record, EpochRecord):
                self.history.append(record)
                thin(self.history)
                self.stages.add(record.epoch, tuple(layer.topology for layer in self.experiment.model.layers))
            else:
                self.last = record
            if self.request == "go" and self.state != "running":  # not earlier: the first record waits for the compiler
                self._enter("running")
            else:
                self.changed()
            if isinstance(record, EpochRecord):
                if self.twin is not None:
                    self.twin.advance(self._wait_for_twin)
                if 0 < self.until <= record.epoch < self.config.epochs:
                    break
                self._wait_for_speed(began)
                began = time.monotonic()
        return "stopped"

    def _wait_for_twin(self):
        """Whether the twin may train its next mini-batch."""
        self.changed()
        return self._wait_while_paused()

    def _wait_for_speed(self, began):
        """Wait until the epoch that began then has taken as long as `speed` says, which may change meanwhile."""
        left = lambda: self.speed and began + 1 / self.speed - time.monotonic()
        with self.condition:
            while self.request == "go" and left() > 0:
                self.condition.wait(min(left(), 0.1))

    def _wait_while_paused(self):
        """Whether to take another record; False once a stop is requested."""
        if self.request == "pause" and not self.steps_allowed:
            self._enter("paused")
            with self.condition:
                self.condition.wait_for(lambda: self.request != "pause" or self.steps_allowed)
        with self.condition:
            self.steps_allowed = max(0, self.steps_allowed - 1)
            return self.request != "stop"

    def _enter(self, state):
        with self.condition:
            self.state, self.notifying = state, True
            self.condition.notify_all()
        try:
            self.changed()
        finally:
            with self.condition:
                self.notifying = False
                self.condition.notify_all()

    def _ask(self, request, steps=0):
        with self.condition:
            if self.request != "stop":  # a stop is final
                self.request, self.steps_allowed = request, self.steps_allowed + steps if steps else 0
            self.condition.notify_all()


def ended_from_outside(error):
    """Whether a training ended with this error because processes were ended, as by a restart of the kernel: it can be resumed.

    A kernel ends the processes of workers before its own; then the interpreter lets no thread give work to another any more.
    """
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int)
    except RuntimeError:
        return True
    return isinstance(error, WorkerLostError) and isinstance(error.__cause__, BrokenExecutor | ConnectionError)


Run = LiveRun  # its public name
