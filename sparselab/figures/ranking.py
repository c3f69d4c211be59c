"""Labels ranked by a net, from what a RankMeter has measured: P@k by epoch, and the links of frequent and of rare labels."""

import numpy as np
from matplotlib.lines import Line2D

from ..analysis.rank_meter import RankMeter
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import DatasetName

GROUPS = 8  # of labels, equally many in each
WHEN = ("before training", "after it")


def label_ranking(meter: RankMeter, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw P@k of the test samples by epoch, and how many links labels have, from the rarest to the most frequent ones.

    Parameters
    ----------
    meter : RankMeter
        What it has measured.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Dotted lines: the most frequent labels as the answer to every sample. On the right labels are sorted by their frequency in
        the training samples and divided into at most 8 groups of equal size, of which the means are drawn. The table has a row
        for each epoch and k, then for each group.

    Raises
    ------
    TypeError
        If `meter` is no RankMeter.
    ValueError
        If it has measured nothing.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.many_labels(500, 60, 40, 2, seed=0)
    >>> model = sl.SparseMLP.create((60, 30, 40), density=0.3, seed=0)
    >>> meter = sl.analysis.RankMeter(data)
    >>> for record in meter.watch(sl.train(model, data, loss="binary_cross_entropy", epochs=3, seed=0), model):
    ...     pass
    >>> sl.figures.label_ranking(meter).to_frame()["k"].dropna().unique().tolist()
    [1.0, 3.0, 5.0]
    """
    if not isinstance(meter, RankMeter):
        checks.fail("meter", meter, "a RankMeter", TypeError)
    if not meter.history:
        checks.fail("meter", meter, "one that has watched at least one epoch")
    figure, [[ranks, links]] = style.blank(1, 2, height=3.1, width=7.2, title=style.heading(title, dataset))
    rows = [*_precisions(ranks, meter), *_links(links, meter)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return style.finish(figure, [{name: row.get(name, np.nan) for name in names} for row in rows])


def _precisions(ax, meter):
    """Curves of P@k; returns rows of the table."""
    table, rows, handles = meter.to_frame(), [], []
    for number, (k, guess) in enumerate(meter.guess.items()):
        look = style.look(number) | {"linestyle": style.dash(number), "markersize": 4, "linewidth": 1.5}
        handles += ax.plot(table["epoch"], 100 * table[f"P@{k}"], **look, markevery=max(1, len(table) // 8))
        ax.axhline(100 * guess, color=look["color"], linestyle=":", linewidth=1)
        rows += [{"epoch": e, "k": k, "precision": p, "guess": guess} for e, p in zip(table["epoch"], table[f"P@{k}"])]
    ax.set_ylim(0, max(10.0, 1.08 * ax.dataLim.ymax))
    style.label(ax, "epoch", "P@k of test samples, %")
    style.numbered(ax, table["epoch"])
    labels = [*(f"P@{k}" for k in meter.guess), "always the most frequent"]
    handles.append(Line2D([], [], color=style.GREY, linestyle=":", linewidth=1))
    legends.legend(ax, handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
    return rows


def _links(ax, meter):
    """Mean links of groups of labels before training and now; returns rows of the table."""
    groups = np.array_split(np.argsort(meter.frequencies, kind="stable"), min(GROUPS, len(meter.frequencies)))
    means = [[float(links[group].mean()) for group in groups] for links in meter.links]
    handles = []
    for number, each in enumerate(means):
        look = {
            "color": (style.GREY, style.COLOURS[0])[number],
            "hatch": style.hatch(number),
            "edgecolor": "white",
            "linewidth": 0,
        }
        handles.append(ax.bar(np.arange(len(groups)) + 0.4 * number - 0.2, each, 0.38, **look))
    samples = [float(meter.frequencies[group].mean()) for group in groups]
    ax.set_xticks(range(len(groups)), [_short(value) for value in samples])
    ax.grid(False, axis="x")
    style.label(ax, "mean training samples of a label, in groups", "mean links of a label")
    legends.legend(ax, handles, WHEN, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
    return [
        {"group": i + 1, "labels": len(group), "samples": samples[i], "links_before": means[0][i], "links": means[1][i]}
        for i, group in enumerate(groups)
    ]


def _short(value):
    """A mean as text: one decimal below 10."""
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
