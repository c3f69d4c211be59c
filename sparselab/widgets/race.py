"""The panel of rules (notebook 07): one net trained under one rule after the other, with their curves and a table of results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from .. import figures
from ..analysis.rule_meter import RuleMeter
from ..experiments import races
from ..figures.style import limit_height
from ..nn import summary
from ..utils import checks
from . import markup
from .explorer import control
from .panels import latest
from .trainings import Measured, Trainings
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


class RacePanel(Trainings):
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
        self.settings = settings
        tip = "several: hold Ctrl, or Shift"
        controls = {
            "rules": control("SelectMultiple", "rules", options=list(races.RULES), value=tuple(rules), rows=10, tooltip=tip),
            "density": control("FloatSlider", "density", value=density, min=0.01, max=0.5, step=0.01),
            "epochs": control("IntSlider", "epochs", value=epochs, min=2, max=max(100, epochs)),
            "dataset": control("Dropdown", "data set", options=list(dict.fromkeys([*DATASETS, dataset])), value=dataset),
        }
        title, hint = "which links should go, and where should new ones grow?", "choose rules and press Start"
        super().__init__(controls, self._race, VIEWS, table, title=title, hint=hint)

    def _race(self, values):
        return Race(values, dict(self.meters), self.dense)

    def _refused(self, values):
        return "" if values["rules"] else "choose at least one rule"

    def _trainings(self, values):
        density, settings = values["density"], self.settings | {name: values[name] for name in ("epochs", "dataset")}
        config = races.entered_config(density, **settings)

        def make_measured(rule):
            experiment = races.entered(rule, density, **settings)
            return Measured(experiment, races.meter_of(experiment))

        return {rule: (config, partial(make_measured, rule)) for rule in values["rules"]}

    def _done(self, trainings):
        return f"· {len(self.meters)} of {len(trainings)} rules"


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
