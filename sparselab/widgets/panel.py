"""The training panel: a form, buttons and views for one LiveRun at a time. Its arguments declare which of them.

Callbacks come on any thread, also while a cell runs: starting and resetting hold one lock, and a second start is refused.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ..checkpoints.records import History
from ..datasets import Dataset
from ..experiments.config import ExperimentConfig
from ..nn.mlp import SparseMLP
from ..utils import checks
from .costs import sparse_and_dense
from .describe import panel_text, plain_values
from .form import ConfigForm
from .live_run import LiveRun
from .live_values import LIVE
from .presenter import Presenter
from .screen import Screen
from .toolkit import Displayed, guarded
from .view_model import ViewModel
from .views import VIEWS, View

CONTROLS = (
    "learning_rate", "zeta", "dataset", "hidden", "epsilon", "activation", "alpha", "rule", "batch_size", "epochs", "seed"
)  # fmt: skip
SHOWN = ("curves", "connectivity", "input", "degrees", "neurons", "costs")
SPANS = {"epsilon": (1.0, 100.0, 1.0), "alpha": (0.0, 1.0, 0.05), "epochs": (1, 500, 1)}


class TrainingPanel(Displayed):
    """A training to watch and to control: make it the last line of a cell and press Start, or call `start` or `run`.

    Learning rate, momentum, weight decay and zeta can be changed while a training runs; those that its optimizer or rule does not
    use cannot, nor can the zeta of CHT without a schedule.

    Parameters
    ----------
    config : ExperimentConfig, optional
        First settings of the form, the config's defaults by default.
    data : Dataset, optional
        Data in place of the config's.
    controls : iterable of str
        Fields of ExperimentConfig that get a control.
    views : iterable of str or View
        Names in VIEWS, or views.
    spans : dict of str to (low, high, step), optional
        Ranges of sliders.
    rules : list of topology rules, optional
        Rules in place of the config's.
    title : str, default ""
        Heading of the panel.
    pace : float, default 0.05
        Seconds of training between two updates of the status.
    checkpoint : str or path, optional
        Folder in which the run is saved: after Stop, or in another session, Start resumes it; after Reset it begins anew.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.widgets import TrainingPanel
    >>> panel = TrainingPanel(sl.ExperimentConfig(dataset="digits", hidden=(10,), epochs=2, threads=1))
    >>> history = panel.run()
    >>> panel.state, len(history)
    ('finished', 2)
    """

    Form, Screen = ConfigForm, Screen

    def __init__(
        self, config: ExperimentConfig | None = None, *, data: Dataset | None = None, controls: Iterable[str] = CONTROLS,
        views: Iterable[str | View] = SHOWN, spans: Mapping[str, tuple | None] | None = None,
        rules: Iterable[Any] | None = None, title: str = "", pace: float = 0.05, checkpoint: Any = None,
    ) -> None:  # fmt: skip
        fields = dataclasses.asdict(ExperimentConfig() if config is None else config)
        names = [name for name in controls if data is None or name != "dataset"]
        self.form = self.Form(names, spans=SPANS | (spans or {}), live=[name for name in names if name in LIVE], **fields)
        self.views = dict(map(named, views))
        self.view_model = ViewModel(lambda: self.form.config, data=data, rules=rules)
        self.screen = self.Screen(self.form, self.views, title)
        self.widget = self.screen.widget
        self.presenter = Presenter(self.view_model, self.screen, self.form, self.views)
        self.lock, self.pace = threading.RLock(), pace
        self.checkpoint, self.resume_next = checkpoint, True
        self._connect()
        self._show_at_rest()

    @property
    def current(self) -> LiveRun:
        """The run that is under way or was the last."""
        return self.view_model.current

    @property
    def history(self) -> History:
        """The EpochRecords of the current run."""
        return self.current.history

    @property
    def model(self) -> SparseMLP | None:
        """The net of the current run; an untrained one before the first Start."""
        return self.view_model.model

    @property
    def state(self) -> str:
        """State of the current run: ready, preparing, running, paused, stopped, finished or failed."""
        return self.current.state

    @property
    def active(self) -> bool:
        """Whether a training is under way that was not told to stop."""
        return self.current.active and self.current.request != "stop"

    def start(self, *, paused: bool = False) -> bool:
        """Train in a thread.

        Parameters
        ----------
        paused : bool, default False
            Whether to pause after the first mini-batches.

        Returns
        -------
        bool
            False if a training is under way or a setting is invalid, which the panel shows.
        """
        run = self._new_run()
        if run and paused:
            run.step()
        if run:
            run.begin()
        return run is not None

    def run(self, epochs: int | None = None) -> History:
        """Train until the end before returning.

        Parameters
        ----------
        epochs : int, optional
            Epochs in place of those in the form.

        Returns
        -------
        History
            The EpochRecords of the run.

        Raises
        ------
        ValueError
            If a training is under way or a setting is invalid. Exceptions of the training are shown and raised, too.
        """
        run = self._new_run({} if epochs is None else {"epochs": epochs}, strict=True)
        run.pull()
        self.presenter.painter.wait()
        return run.history

    def pause(self) -> None:
        """Wait after the step that is under way; continue if it is paused."""
        (self.current.resume if self.state == "paused" else self.current.pause)()

    def step(self) -> bool | None:
        """Train a few mini-batches, then wait; start a paused run if there is none.

        Returns
        -------
        bool or None
            Whether a run was started; None if one was under way.
        """
        if not self.current.active:
            return self.start(paused=True)
        self.current.step()
        return None

    def stop(self, timeout: float | None = 5.0) -> bool:
        """End the training; the net stays as it is.

        Parameters
        ----------
        timeout : float or None, default 5.0
            Seconds to wait for the end; None waits as long as it takes.

        Returns
        -------
        bool
            Whether the training has ended.
        """
        return self.current.stop(timeout)

    def reset(self) -> None:
        """Go back to an untrained net and forget earlier runs; settings that were changed while it trained are as before."""
        with self.lock:
            if not self.stop():
                self.presenter.show_message("still working (loading data or compiling): try again in a moment")
                return
            self._undo_changes()
            if not self.form.faults:
                self.view_model.clear()
            self.resume_next = False
            self._show_at_rest()

    @property
    def preset(self) -> str:
        """JSON text of the config of the current run, or before the first Start of the form; `use` loads such a text."""
        return (self.form.config if self.state == "ready" and not self.form.faults else self.current.config).to_json()

    def use(self, preset: str) -> None:
        """Put the settings of a preset into the form.

        Parameters
        ----------
        preset : str
            JSON text of a config.

        Raises
        ------
        TypeError, ValueError
            If the text is no valid config.
        """
        self.form.load(ExperimentConfig.from_json(preset))

    def result(self) -> dict[str, Any]:
        """Return everything about the run as plain values.

        Returns
        -------
        dict
            Config, live changes, state, data, environment, costs beside the dense net, and history.
        """
        return plain_values(self.view_model, sparse_and_dense(self.view_model) if self.model else None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the training has ended and everything is drawn.

        Parameters
        ----------
        timeout : float or None, default None
            Seconds to wait at most for each of the two.

        Returns
        -------
        bool
            Whether both have ended.
        """
        return self.current.wait(timeout) and self.presenter.painter.wait(timeout)

    def _new_run(self, changes=(), *, strict=False):
        """Make a new run the current one; where it may not start, show why and return None, or if `strict` raise ValueError."""
        with self.lock:
            text = "already running: press Stop first" if self.current.active else "; ".join(self.form.faults.values())
            self.presenter.show_message(text)
            if text and strict:
                raise ValueError(text)
            if text:
                return None
            config = self.form.config.replace(**dict(changes))
            run = self.view_model.new_run(config, pace=self.pace, **self._checkpoint_options(config))
            run.changed, run.state = lambda: self.presenter.changed(run), "preparing"
            run.speed = self.screen.speed.value
            if self.screen.twin.value:
                run.twin = self.view_model.dense_twin(config, pace=self.pace)
            self.screen.preset.value = self.preset
            return run

    def _undo_changes(self):
        """Put values that were changed while the run trained, and not since, back to those with which it began."""
        run = self.current
        for name in dict.fromkeys(name for _, name, _ in run.changes if name in self.form.controls):
            if self.form.controls[name].read() == getattr(run.now, name):
                self.form.controls[name].write(getattr(run.config, name))

    def _checkpoint_options(self, config):
        """Where the next run is saved, and whether it resumes what is there."""
        resume, self.resume_next = self.resume_next, True
        return {"checkpoint": self.checkpoint, "resume": resume}

    def _show_at_rest(self):
        """Show the panel while nothing runs."""
        self.presenter.show_message("")
        self.presenter.show_state()
        self.screen.preset.value = self.preset
        self.presenter.painter.request()

    def _connect(self):
        """Connect widgets with actions; an exception in a callback is shown in the message line."""
        screen, redraw = self.screen, lambda change: self.screen.updating or self.presenter.painter.request()
        on_click = lambda widget, action: widget.on_click(lambda _: guarded(screen.message, action))
        actions = {"Start": self.start, "Pause": self.pause, "Step": self.step, "Stop": lambda: self.stop(0), "Reset": self.reset}
        for name, action in actions.items():
            on_click(screen.buttons[name], action)
        on_click(screen.go, self._start_or_pause)
        screen.lecture.observe(self._show_lecture, "value")
        screen.speed.observe(lambda change: setattr(self.current, "speed", change["new"]), "value")
        on_click(screen.use, lambda: self.use(screen.preset.value))
        screen.gallery.observe(redraw)
        for widget in (screen.timeline, screen.layers, screen.neuron):
            widget.observe(redraw, "value")
        self.form.observe(lambda name: guarded(screen.message, self._form_changed))

    def _start_or_pause(self):
        (self.pause if self.current.active else self.start)()

    def _show_lecture(self, change):
        self.screen.show_lecture(change["new"])
        self.presenter.painter.request()

    def _form_changed(self):
        """Pass live values to the running training; other changes are seen in the untrained net."""
        if self.form.faults:
            return
        if self.current.active:
            self.current.set_live(self.form.config)
            return
        if self.state == "ready":
            self.screen.preset.value = self.preset
        self.presenter.painter.request()

    def __repr__(self):
        return panel_text(self)


def named(view):
    """(name, View) of a name in VIEWS or of a View."""
    return (view.title, view) if isinstance(view, View) else (view, VIEWS[checks.choice("view", view, VIEWS)])
