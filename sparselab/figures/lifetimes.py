"""Ages of links and how much of the possible links evolution has tried, from what a LinkTracker observed."""

import numpy as np

from ..analysis.lifetimes import LinkTracker
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import DatasetName

BARS = 40  # largest number of bins of ages
PANELS = {
    "churn": "new links, %", "survival": "first links still there, %", "itop_rate": "ITOP rate: ever tried, %",
}  # fmt: skip


def link_ages(tracker: LinkTracker, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw the ages of links, and by epoch the shares of new links, of first links still there and of links ever tried.

    Parameters
    ----------
    tracker : analysis.LinkTracker
        A tracker that has observed at least one epoch.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        The last panel is the ITOP rate: possible links that were active at least once. The table has a row for each layer and bin
        of ages (columns from, to, links, share), then a row for each epoch and layer.

    Raises
    ------
    TypeError
        If `tracker` is not a LinkTracker.
    ValueError
        If it has not observed a network.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model, tracker = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0), sl.analysis.LinkTracker()
    >>> records = sl.train(model, data, rules=[sl.SET(0.3)], epochs=3, seed=0, threads=1)
    >>> history = list(tracker.watch(records, model))
    >>> type(sl.figures.link_ages(tracker)).__name__
    'TableFigure'
    """
    if not hasattr(tracker, "to_frame") or not hasattr(tracker, "ages"):
        checks.fail("tracker", tracker, "a LinkTracker of sparselab.analysis", TypeError)
    frame = tracker.to_frame()
    if not len(frame):
        checks.fail("tracker", tracker, "a LinkTracker that has observed a model")
    ages = _ages(tracker.ages, int(frame.epoch.max() - frame.epoch.min()))
    figure, axes = style.blank(2, 2, height=5.0, title=style.heading(title, dataset))
    for number in range(len(tracker.ages)):
        here = [row for row in ages if row["layer"] == str(number + 1) and row["links"]]
        axes[0, 0].plot(
            [(row["from"] + row["to"]) / 2 for row in here], [row["share"] for row in here], **_line(number, len(here))
        )
    if any(row["links"] for row in ages):
        axes[0, 0].set_yscale("log")
    style.whole(axes[0, 0].xaxis)
    axes[0, 0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    style.label(axes[0, 0], "age (epochs)", "% of links (log scale)")
    handles = _curves(axes.flat[1:], frame)
    legends.below(figure, handles.values(), handles)
    return style.finish(figure, _table(ages, frame))


def _ages(ages, span):
    """One dict for each layer and bin of ages: links, and their share in % per epoch of age."""
    edges = np.unique(np.linspace(0, span + 1, min(span + 1, BARS) + 1).round().astype(int))
    rows = []
    for number, old in enumerate(ages, 1):
        for first, end, links in zip(edges, edges[1:], np.histogram(old, edges)[0]):
            share = 100 * links / max(1, len(old)) / (end - first)
            rows.append({"layer": str(number), "from": int(first), "to": int(end) - 1, "links": int(links), "share": share})
    return rows


def _curves(axes, frame):
    handles = {}
    for layer, here in frame.groupby("layer", sort=False):
        look = {"color": style.INK, "linestyle": "-", "linewidth": 2.2} if layer == "all" else _line(len(handles), len(here))
        for ax, column in zip(axes, PANELS, strict=True):
            line = ax.plot(here["epoch"], 100 * here[column].astype(float), **look)[0]
        handles["all layers" if layer == "all" else f"layer {layer}"] = line
    for ax, (column, text) in zip(axes, PANELS.items(), strict=True):
        ax.set_ylim(0, max(1.0, 108 * np.nanmax(np.append(frame[column].astype(float), 0))))
        style.label(ax, "epoch", text)
        style.numbered(ax, frame["epoch"])
    return handles


def _line(number, points):
    every = max(1, points // 8)
    return {**style.look(number), "linestyle": style.dash(number), "linewidth": 1.4, "markersize": 4, "markevery": every}


def _table(ages, frame):
    """Rows of the ages, then rows of the epochs; NaN in the columns of the other part."""
    rows = [*ages, *frame.to_dict("records")]
    names = list(dict.fromkeys(name for row in (ages[0], rows[-1]) for name in row))
    return [{name: row.get(name, np.nan) for name in names} for row in rows]
