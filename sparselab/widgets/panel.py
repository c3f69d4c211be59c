"""The training panel: a form, buttons and views over one `Run` at a time; which of them is a matter of declaration.

Callbacks come on any thread, also while a cell runs: starting and resetting hold one lock, and a second start is refused.
"""

import dataclasses
import threading
import traceback

from ..experiments.config import ExperimentConfig
from ..utils import checks
from . import markup, words
from .costs import sides
from .form import ConfigForm
from .live import LIVE
from .presenter import Presenter
from .screen import Screen
from .toolkit import bundle
from .view_model import ViewModel
from .views import VIEWS, View

CONTROLS = (
    "learning_rate", "zeta", "dataset", "hidden", "epsilon", "activation", "alpha", "rule", "batch_size", "epochs", "seed"
)  # fmt: skip
SHOWN = ("curves", "connectivity", "input", "degrees", "neurons", "costs")
SPANS = {"epsilon": (1.0, 100.0, 1.0), "alpha": (0.0, 1.0, 0.05), "epochs": (1, 500, 1)}


class TrainingPanel:
    """A training to watch and steer. Show it as the last line of a cell and press Start, or call `start()` or `run()`.

    config: an ExperimentConfig (default: its defaults). data: a Dataset to use in place of the config's. controls: names of
    fields. views: names of VIEWS, or View objects. spans: {name: (low, high, step)} of sliders. rules: topology rules in
    place of the config's. Learning rate, momentum, weight decay and zeta reach a training that is under way. checkpoint: a
    folder in which the run is kept: after Stop, or in another session, Start goes on with it; after Reset it begins anew.
    """

    Form, Screen = ConfigForm, Screen

    def __init__(
        self, config=None, *, data=None, controls=CONTROLS, views=SHOWN, spans=None, rules=None, title="", pace=0.05,
        checkpoint=None,
    ):  # fmt: skip
        fields = dataclasses.asdict(ExperimentConfig() if config is None else config)
        names = [name for name in controls if data is None or name != "dataset"]
        self.form = self.Form(names, spans=SPANS | (spans or {}), live=[name for name in names if name in LIVE], **fields)
        self.views = dict(map(named, views))
        self.subject = ViewModel(lambda: self.form.config, data=data, rules=rules)
        self.screen = self.Screen(self.form, self.views, title)
        self.presenter = Presenter(self.subject, self.screen, self.form, self.views)
        self.lock, self.pace = threading.RLock(), pace
        self.kept = {"checkpoint": checkpoint, "resume": True}
        self._listen()
        self._settle()

    current = property(lambda self: self.subject.current, doc="The Run that is under way or was last.")
    history = property(lambda self: self.current.history, doc="Its EpochRecords.")
    model = property(lambda self: self.subject.model, doc="Its net; an untrained one before the first Start.")
    state = property(lambda self: self.current.state, doc="ready, preparing, running, paused, stopped, finished or failed.")

    def start(self, *, paused=False):
        """Train in a thread; False if a training is under way or a setting is wrong, which the panel shows."""
        run = self._claim()
        if run and paused:
            run.step()
        if run:
            run.begin()
        return run is not None

    def run(self, epochs=None):
        """Train here until the end (`epochs` in place of the form's); returns the History. Errors are shown and raised."""
        run = self._claim({} if epochs is None else {"epochs": epochs}, ask=True)
        run.pull()
        self.presenter.painter.wait()
        return run.history

    def pause(self):
        """Wait after the step that is under way; when paused: go on."""
        (self.current.resume if self.state == "paused" else self.current.pause)()

    def step(self):
        """A few mini-batches, then wait; starts a paused run where there is none."""
        return self.current.step() if self.current.active else self.start(paused=True)

    def stop(self, timeout=5.0):
        """End the training; waits up to `timeout` seconds until it has. The net stays as it is."""
        return self.current.stop(timeout)

    def reset(self):
        """Back to an untrained net with the settings of the form; earlier runs are forgotten."""
        with self.lock:
            if not self.stop():
                return self.presenter.say("still working (loading data or compiling): try again in a moment")
            if not self.form.faults:
                self.subject.clear()
            self.kept["resume"] = False
            self._settle()

    @property
    def preset(self):
        """JSON text of a config: that of the run, before the first Start that of the form. `use(preset)` loads one."""
        return (self.form.config if self.state == "ready" and not self.form.faults else self.current.config).to_json()

    def use(self, preset):
        """Put the settings of a preset text into the form."""
        self.form.load(ExperimentConfig.from_json(preset))

    def result(self):
        """Everything about the run as plain values: config, live changes, data, costs beside the dense net, history."""
        return words.result(self.subject, sides(self.subject) if self.model else None)

    def wait(self, timeout=None):
        """Until the training has ended and everything is drawn; False if that takes longer."""
        return self.current.wait(timeout) and self.presenter.painter.wait(timeout)

    def _claim(self, changes=(), *, ask=False):
        """A new Run in place of the current one, or None and a message where it may not start (`ask`: ValueError)."""
        with self.lock:
            text = "already running: press Stop first" if self.current.active else "; ".join(self.form.faults.values())
            self.presenter.say(text)
            if text and ask:
                raise ValueError(text)
            if text:
                return None
            config = self.form.config.replace(**dict(changes))
            run = self.subject.new_run(config, pace=self.pace, **self._place(config))
            run.changed, run.state = lambda: self.presenter.changed(run), "preparing"
            self.screen.preset.value = self.preset
            return run

    def _place(self, config):
        """Where the next run is kept, and whether it goes on with what is there."""
        place = dict(self.kept)
        self.kept["resume"] = True
        return place

    def _settle(self):
        """The screen for a panel at rest."""
        self.presenter.say("")
        self.presenter.tell()
        self.screen.preset.value = self.preset
        self.presenter.painter.ask()

    def _listen(self):
        screen, redraw = self.screen, lambda change: screen.moving or self.presenter.painter.ask()
        actions = {"Start": self.start, "Pause": self.pause, "Step": self.step, "Stop": lambda: self.stop(0), "Reset": self.reset}
        for name, action in actions.items():
            screen.buttons[name].on_click(lambda _, action=action: self._safely(action))
        screen.use.on_click(lambda _: self._safely(self.use, screen.preset.value))
        screen.gallery.tabs.observe(redraw, "selected_index")
        screen.timeline.observe(redraw, "value")
        screen.layers.observe(redraw, "value")
        self.form.observe(lambda name: self._safely(self._moved, name))

    def _moved(self, name):
        """A control was moved: what is live goes to the running training, the rest is seen in the untrained net."""
        if self.form.faults:
            return
        if self.current.active:
            self.current.set_live(self.form.config)
            return
        if self.state == "ready":
            self.screen.preset.value = self.preset
        self.presenter.painter.ask()

    def _safely(self, action, *arguments):
        """An error in a callback is seen by nobody unless the panel shows it."""
        try:
            action(*arguments)
        except Exception as error:
            self.screen.message.value = markup.error(f"{type(error).__name__}: {error}", traceback.format_exc())

    def __repr__(self):
        return words.text(self)

    def _repr_mimebundle_(self, **options):
        return bundle(self.screen.widget, repr(self), options)


def named(view):
    """(name, View) of a name in VIEWS or of a View."""
    return (view.title, view) if isinstance(view, View) else (view, VIEWS[checks.choice("view", view, VIEWS)])
