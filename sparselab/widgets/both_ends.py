"""The panel of many features and many labels (notebook 09): P@k, links of the labels, and costs beside the dense net."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .. import figures
from ..analysis.rank_meter import RankMeter
from ..experiments import both_ends, studies
from ..figures.style import limit_height
from ..nn import footprint, summary
from ..utils import checks
from . import markup
from .explorer import control
from .panels import latest
from .trainings import Measured, Trainings
from .views import View

WORDS = LABELS = (1_000, 10_000, 100_000, 1_000_000)
HEAD = ("net", "links", "in training", "time per epoch")


@dataclass(frozen=True)
class Ends:
    """What the panel shows: the values of its controls, and of the training RankMeter, net, costs of it and of the dense net."""

    values: dict[str, Any]
    hidden: tuple[int, ...]
    meter: RankMeter | None = None
    model: Any = None
    own: dict[str, Any] | None = None
    dense: dict[str, Any] | None = None


class BothEndsPanel(Trainings):
    """Panel of a net with many features and many labels; `both_ends_panel` makes one.

    Parameters
    ----------
    values : dict
        First values of the controls: words, labels, links, epochs.
    n_texts : int
        Texts, of which a fifth is for testing.
    settings : dict
        Fields of ExperimentConfig in place of those of `both_ends.SETTINGS`.

    Attributes
    ----------
    meters : dict of str to RankMeter
        What was measured of the training, under the empty name.
    current : LiveRun or None
        The training that is under way or was the last.

    Examples
    --------
    >>> from sparselab.widgets import both_ends_panel
    >>> panel = both_ends_panel(words=1_000, labels=1_000, epochs=2, n_texts=200)
    >>> panel.run()
    >>> len(panel.meters[""].history)
    2
    """

    def __init__(self, values: dict[str, int], n_texts: int, settings: dict[str, Any]) -> None:
        self.n_texts, self.settings = n_texts, settings
        self.hidden = both_ends.config_of(values["links"], **settings).hidden
        sizes = lambda known, value: [(f"{n:,}", n) for n in sorted({*known, value})]
        controls = {
            name: control("SelectionSlider", text, options=sizes(known, values[name]), value=values[name])
            for name, text, known in (("words", "words", WORDS), ("labels", "labels", LABELS))
        }
        most = min(64, self.hidden[-1])
        controls["links"] = control("IntSlider", "links per label", value=values["links"], min=1, max=max(most, values["links"]))
        controls["epochs"] = control("IntSlider", "epochs", value=values["epochs"], min=1, max=max(50, values["epochs"]))
        title = "how many words, and how many labels, can one small net hold?"
        super().__init__(controls, self._ends, VIEWS, table, title=title, hint="choose sizes and press Start")

    def _ends(self, values):
        """The sizes of the controls, or what has been measured with those that were trained."""
        run, meter = self.current, self.meters.get("")
        if meter is None or not meter.history or run.experiment is None:
            return Ends(values, self.hidden)
        model = run.experiment.model
        own, dense = studies.costs(model, meter.history, run.config.batch_size, repeats=0)
        return Ends(values, self.hidden, meter, model, own, self.dense or dense)

    def _trainings(self, values):
        settings = self.settings | {"epochs": values["epochs"]}

        def make_measured():
            data = remembered(values["words"], values["labels"], self.n_texts)
            experiment = both_ends.entered(data, values["links"], **settings)
            return Measured(experiment, RankMeter(data, threads=experiment.config.threads or None))

        return {"": (both_ends.config_of(values["links"], **settings), make_measured)}


@lru_cache(1)
def remembered(words, labels, n):
    """`both_ends.texts` of the last training."""
    return both_ends.texts(words, labels, n=n)


def both_ends_panel(
    *, words: int = 100_000, labels: int = 1_000, links: int = 16, epochs: int = 6, n_texts: int = 5_000, new: bool = False,
    **settings: Any,
) -> BothEndsPanel:  # fmt: skip
    """Panel of notebook 09: a net on artificial texts of many words and labels, and its costs beside those of a dense net.

    Parameters
    ----------
    words : int, default 100,000
        Features, at least 100.
    labels : int, default 1,000
        Labels, at least 10.
    links : int, default 16
        Incoming links of a label at the start, at most the neurons of the last hidden layer.
    epochs : int, default 6
        Passes over the training texts.
    n_texts : int, default 5,000
        Texts, of which a fifth is for testing; at least 10.
    new : bool, default False
        Whether to make a panel even while one with these settings is training, which is stopped.
    **settings
        Fields of ExperimentConfig in place of those of `experiments.both_ends.SETTINGS`, such as ``hidden=(64,)``.

    Returns
    -------
    BothEndsPanel
        The panel; the one before while it is training with these settings.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from sparselab.widgets import both_ends_panel
    >>> both_ends_panel(words=5_000, links=4).values
    {'words': 5000, 'labels': 1000, 'links': 4, 'epochs': 6}
    """
    values = {
        "words": checks.integer("words", words, low=100, high=2**31 - 1),
        "labels": checks.integer("labels", labels, low=10, high=2**31 - 1),
        "links": checks.integer("links", links), "epochs": checks.integer("epochs", epochs),
    }  # fmt: skip
    n_texts = checks.integer("n_texts", n_texts, low=10)
    config = both_ends.config_of(links, epochs=epochs, **settings)
    return latest("both ends", (values, n_texts, config), lambda: BothEndsPanel(values, n_texts, settings), new)


def table(ends):
    """HTML: links, bytes and seconds of the trained net and of the dense one; before a training, what a dense one would need."""
    if ends.own is None:
        sizes = ends.values["words"], *ends.hidden, ends.values["labels"]
        dense = {"links": footprint.dense_links(sizes), "bytes": footprint.dense_bytes(sizes), "seconds": None}
        return markup.table([row("dense net of these sizes", dense)], HEAD)
    rows = [row("truly sparse", ends.own), row("dense equivalent", ends.dense)]
    note = "Of the latest training; times are measured here, those of the dense net on a few mini-batches at the end."
    return markup.table(rows, HEAD) + markup.note(note)


def row(name, cost):
    """A row of the table."""
    seconds = "–" if cost["seconds"] is None else markup.seconds(cost["seconds"])
    return name, f"{cost['links']:,}", summary.size(cost["bytes"]), seconds


def ranking(ends):
    """P@k by epoch, and links of frequent and rare labels."""
    return figures.label_ranking(ends.meter) if ends.meter else None


def measured_costs(ends):
    """Links, bytes and seconds of both nets."""
    return figures.compare_costs(ends.own, ends.dense, labels=("truly sparse", "dense")) if ends.own else None


def by_layer(ends):
    """Bytes of the two layers, beside dense ones."""
    return limit_height(figures.memory(ends.model), 4.4) if ends.model else None


NOTHING = "Press Start: it appears after the first epoch."
VIEWS = {
    "ranking": View("P@k and links", ranking, empty=NOTHING),
    "costs": View("time & memory", measured_costs, empty=NOTHING),
    "memory": View("memory by layer", by_layer, empty=NOTHING),
}
