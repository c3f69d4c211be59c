"""One training as something one can start, pause, step and stop from any thread; it knows no screen.

Whoever runs it pulls the generator of `steps`: a daemon thread (`begin`) or the caller (`pull`). `changed` is called after each
record and each change of state, always by the puller and never under the lock.
"""

import threading
import traceback
from contextlib import closing

from ..checkpoints.records import EpochRecord, History, thin
from ..experiments.experiment import build
from .live import LIVE, asking

SAVES = 100  # checkpoints of a run at most: each holds all records, so that one an epoch would cost the square of the epochs
ACTIVE = ("preparing", "running", "paused")


class LiveRun:
    """state: ready, preparing, running, paused, stopped, finished or failed. A run is used once.

    config: as at the start; now: with live changes; changes: (epoch, field, value) of each. experiment, history, last
    (StepRecord), first (topologies before training), error (headline, traceback) or None. make: config -> Experiment.
    checkpoint: None, or the folder of a run that is kept there and goes on (see `sparselab.train`); resume=False starts anew.
    """

    def __init__(self, config, *, make=build, rules=None, pace=0.05, changed=lambda: None, checkpoint=None, resume=True):
        self.config = self.now = config
        self.make, self.rules, self.pace, self.changed = make, rules, pace, changed
        self.kept = {"checkpoint": checkpoint, "resume": resume, "every": max(1, config.epochs // SAVES)}
        self.state, self.wanted, self.allowance, self.telling = "ready", "go", 0, False  # telling: `changed` hears a new state
        self.experiment, self.last, self.error, self.first = None, None, None, ()
        self.history, self.changes, self.condition = History(), [], threading.Condition()

    @property
    def active(self):
        """Whether somebody is pulling."""
        return self.state in ACTIVE

    def begin(self):
        """Pull in a daemon thread."""
        self.state = "preparing"
        threading.Thread(target=self._guarded, daemon=True, name="sparselab run").start()

    def pull(self):
        """Pull here until the end, Stop or an error, which is raised again."""
        self.state, end = "preparing", "stopped"
        try:
            self.changed()
            self._prepare()
            with closing(self.experiment.steps(pace=self.pace, **self.kept)) as stream:
                end = self._through(stream)
        except Exception as error:
            end, self.error = "failed", (f"{type(error).__name__}: {error}", traceback.format_exc())
            raise
        finally:
            self._enter(end)

    def pause(self):
        """Wait after the step that is under way."""
        self._want("pause")

    def resume(self):
        """Go on."""
        self._want("go")

    def step(self):
        """Pause, and go on by one record."""
        self._want("pause", 1)

    def stop(self, timeout=5.0):
        """End after the step that is under way; waits for it. The model stays usable; True if the run has ended."""
        self._want("stop")
        return self.wait(timeout)

    def wait(self, timeout=None):
        """Wait until nobody pulls any more, and `changed` was told so: else its last picture might come after the wait."""
        with self.condition:
            return self.condition.wait_for(lambda: not self.active and not self.telling, timeout)

    def set_live(self, config):
        """Let the running training read the live values of `config`; True if any is new."""
        with self.condition:
            new = {name: getattr(config, name) for name in LIVE if getattr(config, name) != getattr(self.now, name)}
            if not new or not self.active:
                return False
            self.now = self.now.replace(**new)
            for name, value in new.items():
                self._note(len(self.history) + 1, name, value)
            self._hand_over(new)
        return True

    def _note(self, epoch, name, value):
        """A slider that is dragged gives many values: of those within one epoch the last is kept."""
        self.changes = [change for change in self.changes if change[:2] != (epoch, name)] + [(epoch, name, value)]

    def _hand_over(self, names):
        for name in names if self.experiment else ():
            LIVE[name](self.experiment, self.now)

    def _guarded(self):
        try:
            self.pull()
        except Exception:
            pass  # it stands in self.error, for the panel to show

    def _prepare(self):
        experiment = self.make(self.config)
        rules = experiment.rules if self.rules is None else list(self.rules)
        experiment.rules = [asking(rule, self) for rule in rules]
        self.first = tuple(layer.topology for layer in experiment.model.layers)
        with self.condition:
            self.experiment = experiment
            self._hand_over({name for _, name, _ in self.changes})

    def _through(self, stream):
        while self._may_go_on():
            record = next(stream, None)
            if record is None:
                return "finished"
            if isinstance(record, EpochRecord):
                self.history.append(record)
                thin(self.history)
            else:
                self.last = record
            if self.wanted == "go" and self.state != "running":  # not before: the first record waits for the compiler
                self._enter("running")
            else:
                self.changed()
        return "stopped"

    def _may_go_on(self):
        if self.wanted == "pause" and not self.allowance:
            self._enter("paused")
            with self.condition:
                self.condition.wait_for(lambda: self.wanted != "pause" or self.allowance)
        with self.condition:
            self.allowance = max(0, self.allowance - 1)
            return self.wanted != "stop"

    def _enter(self, state):
        with self.condition:
            self.state, self.telling = state, True
            self.condition.notify_all()
        try:
            self.changed()
        finally:
            with self.condition:
                self.telling = False
                self.condition.notify_all()

    def _want(self, what, allowance=0):
        with self.condition:
            if self.wanted != "stop":
                self.wanted, self.allowance = what, self.allowance + allowance if allowance else 0
            self.condition.notify_all()


Run = LiveRun  # its name in the public API
