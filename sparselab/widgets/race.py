"""The panel of rules (notebook 07): one net trained under one rule after the other, with their curves and a table of results.

Each training is a LiveRun in the panel's thread. It waits for a figure, so that drawing does not distort its times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .. import figures
from ..analysis.rule_meter import RuleMeter
from ..experiments import races
from ..figures.style import limit_height
from ..nn import summary
from ..utils import checks
from . import costs, markup
from .describe import status_line
from .explorer import Explorer, control
from .live_run import LiveRun
from .panels import latest
from .presenter import STATUS_INTERVAL
from .toolkit import make
from .views import View

DATASETS = ("fashion_mnist_small", "digits")
HEAD = ("rule", "accuracy", "ITOP rate", "idle neurons", "time per event", "links", "bytes in training", "time per epoch")


@dataclass(frozen=True)
class Race:
    """What the panel shows: the values of its controls, {rule: RuleMeter} of the rules so far, and costs of the dense net."""

    values: dict[str, Any]
    meters: dict[str, RuleMeter]
    dense: dict[str, Any] | None

    @property
    def begun(self):
        """The meters that have seen an epoch."""
        return {rule: meter for rule, meter in self.meters.items() if meter.history}


class Measured:
    """An Experiment for a LiveRun whose records pass through a RuleMeter; its rules stay as they are."""

    def __init__(self, experiment):
        self.experiment, self.meter = experiment, races.meter_of(experiment)
        self.rules, self.model, self.optimizer = [], experiment.model, experiment.optimizer

    def steps(self, **options):
        """The records of the training."""
        return self.meter.watch(self.experiment.steps(**options), self.model)


class RacePanel(Explorer):
    """Panel of a race of rules; `race_panel` makes one.

    Parameters
    ----------
    rules : iterable of str
        Rules that are chosen at first.
    density : float
        Share of links in the end.
    epochs : int
        Epochs of each training.
    dataset : str
        Data set.
    settings : dict
        Fields of ExperimentConfig common to all trainings.

    Attributes
    ----------
    meters : dict of str to RuleMeter
        What was measured of each rule of the latest race.
    current : LiveRun or None
        The training that is under way or was the last.

    Examples
    --------
    >>> from sparselab.widgets import race_panel
    >>> panel = race_panel(["SET"], dataset="digits", epochs=2, hidden=(20,))
    >>> panel.run()
    >>> list(panel.meters)
    ['SET']
    """

    def __init__(self, rules: Iterable[str], density: float, epochs: int, dataset: str, settings: dict[str, Any]) -> None:
        self.settings, self.meters, self.dense, self.current = settings, {}, None, None
        self.thread, self.stopping, self.told, self.lock = None, False, 0.0, threading.Lock()
        tip = "several: hold Ctrl, or Shift"
        controls = {
            "rules": control("SelectMultiple", "rules", options=list(races.RULES), value=tuple(rules), rows=10, tooltip=tip),
            "density": control("FloatSlider", "density", value=density, min=0.01, max=0.5, step=0.01),
            "epochs": control("IntSlider", "epochs", value=epochs, min=2, max=max(100, epochs)),
            "dataset": control("Dropdown", "data set", options=list(dict.fromkeys([*DATASETS, dataset])), value=dataset),
        }
        button = lambda name, css, style: make("Button", css, description=name, button_style=style, layout={"width": "110px"})
        self.start_button = button("Start", "sparselab-start", "success")
        self.stop_button = button("Stop", "sparselab-stop", "")
        self.bar = make("IntProgress", value=0, min=0, max=1, layout={"width": "97%"})
        self.status = make("HTML", "sparselab-status", value=markup.status("ready", "· choose rules and press Start"))
        self.notice = make("HTML")  # not `message`, which every drawing clears
        super().__init__(controls, self._race, VIEWS, table, title="which links should go, and where should new ones grow?")
        self.start_button.on_click(lambda button: self.start())
        self.stop_button.on_click(lambda button: self.stop())

    def _left(self):
        buttons = make("HBox", children=[self.start_button, self.stop_button])
        return [*self.controls.values(), buttons, self.bar, self.status, self.notice, self.message]

    def _arranged(self):
        panel = super()._arranged()
        panel.children = [*panel.children, self.glance]  # the table is too wide for the left column
        return panel

    def _race(self, values):
        return Race(values, dict(self.meters), self.dense)

    @property
    def active(self) -> bool:
        """Whether a race is under way that was not told to stop."""
        return not self._ended() and not self.stopping

    def start(self) -> bool:
        """Train under the chosen rules, one after the other, in a thread.

        Returns
        -------
        bool
            False if a race is under way, or none is chosen, which the panel shows.
        """
        with self.lock:
            if not self._may_start():
                return False
            self.thread = threading.Thread(target=self._run, args=(self.values,), daemon=True, name="sparselab race")
            self.thread.start()
        return True

    def run(self) -> None:
        """Train under the chosen rules before returning; a second race at the same time does nothing."""
        if self.start():
            self.wait()

    def stop(self, timeout: float | None = 0.0) -> bool:
        """End the race after the step that is under way; what was measured stays.

        Parameters
        ----------
        timeout : float or None, default 0.0
            Seconds to wait for the end; None waits as long as it takes.

        Returns
        -------
        bool
            Whether the race has ended.
        """
        self.stopping = True
        if self.current:
            self.current.stop(0)
        return self._ended(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the race has ended and everything is drawn.

        Parameters
        ----------
        timeout : float or None, default None
            Seconds to wait at most for each of the two.

        Returns
        -------
        bool
            Whether both have ended.
        """
        return self._ended(timeout) and super().wait(timeout)

    def _ended(self, timeout=0.0):
        if self.thread:
            self.thread.join(timeout)
        return not (self.thread and self.thread.is_alive())

    def _may_start(self):
        """Whether a race may start; if not, the panel says why, and if so, it forgets the one before."""
        text = "" if self._ended() else "already running: press Stop first"
        text = text or ("" if self.values["rules"] else "choose at least one rule")
        self.notice.value = markup.error_message(text) if text else ""
        if not text:
            self.meters, self.dense, self.stopping, self.bar.value = {}, None, False, 0
            self.bar.max = len(self.values["rules"]) * self.values["epochs"]
        return not text

    def _run(self, values):
        state, rules = "finished", values["rules"]
        for number, rule in enumerate(rules):
            self.current = run = self._live_run(rule, number, values)
            if self.stopping:
                run.stop(0)
            with suppress(Exception):  # run.error has it
                run.pull()
            state = run.state
            if state != "finished":
                break
        if state == "finished":
            self._measure_dense()
        self.status.value = markup.status(state, f"· {len(self.meters)} of {len(rules)} rules")
        if self.current.error:
            self.notice.value = markup.error_message(*self.current.error)
        self._redraw()

    def _live_run(self, rule, number, values):
        settings = self.settings | {name: values[name] for name in ("epochs", "dataset")}

        def make_measured(config):
            measured = Measured(races.entered(rule, values["density"], **settings))
            self.meters[rule] = measured.meter
            return measured

        run = LiveRun(races.entered_config(values["density"], **settings), make=make_measured)
        run.changed = lambda: self._changed(run, rule, number)
        return run

    def _changed(self, run, rule, number):
        """After each record and change of state, on the thread that trains."""
        now = time.monotonic()
        if run.state != "running" or now - self.told > STATUS_INTERVAL:
            self.told = now
            self.status.value = markup.status(run.state, f"· {rule} {status_line(run)}")
        self.bar.value = number * run.config.epochs + len(run.history)
        if run.history and self.painter.due:
            self._redraw()
            self.painter.wait(unless=lambda: self.stopping)

    def _measure_dense(self):
        """Measure a dense net of the same widths, once for all rules."""
        meter = next(iter(self.meters.values()))
        self.dense = costs.measured(meter.model, meter.history, self.current.config.batch_size)[1]

    def _redraw(self):
        self.studied = None  # what was measured has changed, not the controls
        self.painter.request()


def race_panel(
    rules: Iterable[str] = ("static", "SET", "RigL", "CHT"), *, density: float = 0.05, epochs: int = 10,
    dataset: str = "fashion_mnist_small", new: bool = False, **settings: Any,
) -> RacePanel:  # fmt: skip
    """Panel of notebook 07: the same net under several rules, their curves, one event of each as a picture, and a table.

    Parameters
    ----------
    rules : iterable of str, default ("static", "SET", "RigL", "CHT")
        Names in `sparselab.experiments.races.RULES` that are chosen at first.
    density : float, default 0.05
        Share of links of the sparse layers in the end, 0.01 to 0.5.
    epochs : int, default 10
        Epochs of each training, at least 2.
    dataset : str, default "fashion_mnist_small"
        Data set; "digits" is the other one in the menu.
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig common to all trainings, in place of those of `races.SETTINGS`.

    Returns
    -------
    RacePanel
        The panel; the one before while it is training with these settings.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from sparselab.widgets import race_panel
    >>> race_panel(["SET", "RigL"], dataset="digits").values["rules"]
    ('SET', 'RigL')
    """
    rules = [checks.choice("rule", rule, races.RULES) for rule in rules]
    density = checks.number("density", density, "a number in [0.01, 0.5]", low=0.01, high=0.5)
    config = races.entered_config(density, epochs=epochs, dataset=dataset, **settings)
    return latest("race", (rules, config), lambda: RacePanel(rules, density, epochs, dataset, settings), new)


def table(race):
    """HTML: what was measured of each rule, beside the dense net."""
    if not race.begun:
        return ""
    found, rows = races.results({rule: [meter] for rule, meter in race.begun.items()}), []
    for rule, row in found.iterrows():
        event = "–" if row["event_ms"] != row["event_ms"] else markup.seconds(row["event_ms"] / 1e3)
        shares = f"{row['accuracy']:.1%}", f"{row['itop']:.1f} %", f"{row['idle']:.1f} %"
        size = f"{row['links']:,.0f}", summary.size(int(row["bytes"]))
        rows.append((rule, *shares, event, *size, markup.seconds(row["epoch_ms"] / 1e3)))
    if race.dense:
        dense = race.dense
        size = f"{dense['links']:,}", summary.size(dense["bytes"]), markup.seconds(dense["seconds"])
        rows.append(("dense equivalent", "–", "–", "–", "–", *size))
    note = "After the last epoch; times are medians, measured here. Dense: a net of the same widths, not trained."
    return markup.table(rows, HEAD) + markup.note(note)


def curves(race):
    """All measurements by epoch."""
    return limit_height(figures.rule_race(race.begun), 5.2) if race.begun else None


def pictures(race):
    """One event of each chosen rule on a small net."""
    rules = race.values["rules"]
    return figures.rule_events(small_events(rules)) if rules else None


@lru_cache(32)
def small_events(rules):
    """`races.events`, remembered: it trains a small net for each rule."""
    return races.events(rules)


VIEWS = {
    "race": View("race", curves, empty="Press Start: each rule becomes a curve here, epoch by epoch."),
    "event": View("one event", pictures, empty="Choose a rule."),
}
