"""The panel of twins (notebook 11): a sparse model and its dense twin train side by side, whatever library they are made with."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import figures
from ..nn import summary
from ..utils import checks
from . import markup
from .explorer import BackgroundExplorer, control
from .panels import latest
from .presenter import STATUS_INTERVAL
from .views import View

HEAD = ("training", "epochs", "accuracy", "time per epoch", "links", "bytes in training")
PACE = 0.2  # seconds of training between two looks at Stop


@dataclass(frozen=True)
class Twins:
    """What the panel shows: {name: records of its epochs so far}."""

    records: dict[str, list[Any]]


class TwinsPanel(BackgroundExplorer):
    """Panel of trainings side by side; `twins_panel` makes one.

    Parameters
    ----------
    begin : callable
        Gets density, epochs and pace, and returns {name: iterator of records}, as `sparselab.torch.twins` does.
    density : float
        Share of links at first.
    epochs : int
        Epochs at first.
    title : str
        Heading of the panel.

    Attributes
    ----------
    records : dict of str to list
        The records at the end of each epoch, of the latest trainings.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from sparselab.widgets import twins_panel
    >>> record = SimpleNamespace(epoch=1.0, accuracy=0.8, seconds=2.0, links=100, bytes=1600)
    >>> panel = twins_panel(lambda density, epochs, pace: {"sparse": iter([record]), "dense": iter([record])}, epochs=1)
    >>> panel.run()
    >>> {name: len(records) for name, records in panel.records.items()}
    {'sparse': 1, 'dense': 1}
    """

    def __init__(self, begin: Callable[..., Mapping[str, Iterator[Any]]], density: float, epochs: int, title: str) -> None:
        self.begin, self.records = begin, {}
        controls = {
            "density": control("FloatSlider", "density", value=density, min=0.01, max=1.0, step=0.01),
            "epochs": control("IntSlider", "epochs", value=epochs, min=1, max=max(50, epochs)),
        }
        hint = "choose a density and press Start"
        super().__init__(controls, lambda values: Twins(self.records), VIEWS, table, title=title, hint=hint)

    def _begin(self, values):
        self.records = {}
        return (values,)

    def _run(self, values):
        self.status.value = markup.status("preparing", "· making the models")
        try:
            trainings = dict(self.begin(**values, pace=PACE))
            self.records = {name: [] for name in trainings}
            self._redraw()
            self.bar.max = float(max(1, values["epochs"] * len(trainings)))
            for _ in range(values["epochs"]):  # in turn, so that a slow phase of the machine affects all
                for name, training in trainings.items():
                    self._epoch(name, training)
        except Exception as error:
            self.status.value = markup.status("failed", "")
            self.message.value = markup.exception(error)
        else:
            self.status.value = markup.status("stopped" if self.stopping else "finished", f"· {', '.join(self.records)}")
            self._redraw()

    def _epoch(self, name, training):
        """Take the records of a training until the end of its epoch."""
        before = sum(map(len, self.records.values()))
        for record in () if self.stopping else training:
            self.bar.value, now = before + record.epoch - math.ceil(record.epoch) + 1, time.monotonic()
            if now - self.told > STATUS_INTERVAL:
                self.told = now
                self.status.value = markup.status("running", f"· {name}, epoch {math.ceil(record.epoch)}")
            if record.accuracy == record.accuracy:
                self.records[name].append(record)
                self._redraw()
                self.painter.wait(unless=lambda: self.stopping)  # drawing would distort the times of the next epoch
                return
            if self.stopping:
                return


def twins_panel(
    begin: Callable[..., Mapping[str, Iterator[Any]]], *, density: float = 0.1, epochs: int = 5,
    title: str = "what does a sparse model lose beside its dense twin?", new: bool = False,
) -> TwinsPanel:  # fmt: skip
    """Panel of notebook 11: a sparse model and its dense twin train in turn, epoch by epoch; accuracy, time, links and bytes.

    Parameters
    ----------
    begin : callable
        Begins the trainings: gets density, epochs and pace (seconds from one record to the next within an epoch) by keyword, and
        returns {name: iterator of records}, as `sparselab.torch.twins` does.
    density : float, default 0.1
        Share of links at first, 0.01 to 1.
    epochs : int, default 5
        Epochs at first.
    title : str, default "what does a sparse model lose beside its dense twin?"
        Heading of the panel.
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.

    Returns
    -------
    TwinsPanel
        The panel; the one before while it is training with these settings.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from sparselab.widgets import twins_panel
    >>> twins_panel(lambda density, epochs, pace: {}, density=0.2).values
    {'density': 0.2, 'epochs': 5}
    """
    if not callable(begin):
        checks.fail("begin", begin, "a function that begins trainings, such as one that calls sparselab.torch.twins", TypeError)
    density = checks.number("density", density, "a number in [0.01, 1]", low=0.01, high=1)
    epochs = checks.integer("epochs", epochs)
    return latest("twins", (density, epochs, title), lambda: TwinsPanel(begin, density, epochs, title), new)


def table(twins):
    """HTML: what was measured of each training."""
    rows = []
    for name, records in twins.records.items():
        if records:
            last, seconds = records[-1], sum(record.seconds for record in records) / len(records)
            size = f"{last.links:,}", summary.size(last.bytes)
            rows.append((name, len(records), f"{last.accuracy:.1%}", markup.seconds(seconds), *size))
    note = "After the last epoch of each; times are means, measured here, without those of the tests."
    return markup.table(rows, HEAD) + markup.note(note) if rows else ""


def curves(twins):
    """Accuracy by epoch and by time."""
    return figures.twin_curves(twins.records) if any(twins.records.values()) else None


def costs(twins):
    """Links, bytes and seconds of the first two trainings."""
    if not twins.records or not all(twins.records.values()):
        return None
    names = list(twins.records)[:2]
    last = [{key: getattr(twins.records[name][-1], key) for key in ("links", "bytes", "seconds")} for name in names]
    return figures.compare_costs(*last, labels=names) if len(names) == 2 else None


NOTHING = "Press Start: it appears after the first epoch."
VIEWS = {"curves": View("accuracy", curves, empty=NOTHING), "costs": View("time & memory", costs, empty=NOTHING)}
