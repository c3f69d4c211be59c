"""The score of the runs of a sweep against what they cost, and those that no other run beats in both."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .tables import scored_rows
from .types import DatasetName

UNITS = {"seconds": "seconds of training"}
SPREAD = 100.0  # ratio highest / lowest from which an axis is logarithmic


def pareto(
    rows: Iterable[Mapping[str, Any]], score: str = "accuracy", costs: Sequence[str] = ("links", "seconds"), *,
    highest: bool = True, title: str | None = None, dataset: DatasetName = None,
) -> TableFigure:  # fmt: skip
    """Draw a score against costs, and the runs that no other one beats in both, the Pareto front.

    Parameters
    ----------
    rows : list of dict
        Dicts with the score and the costs, as `Sweep.frame.to_dict("records")` gives them. Rows in which one of these is NaN or
        None are left out.
    score : str, default "accuracy"
        The column of the score.
    costs : sequence of str, default ("links", "seconds")
        Columns in which less is better, a panel each.
    highest : bool, default True
        Whether a higher score is better; False for a loss.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        The table is `rows`, with a column such as ``front_links`` for each cost: whether no run that costs at most as much has a
        better score, and none with at least this score costs less.

    Raises
    ------
    TypeError
        If `highest` is no bool, or a row is no dict.
    ValueError
        If no row has the score and all costs, or no cost is named.

    Examples
    --------
    >>> import sparselab as sl
    >>> rows = [{"accuracy": 0.8, "links": 100}, {"accuracy": 0.7, "links": 200}, {"accuracy": 0.9, "links": 300}]
    >>> sl.figures.pareto(rows, costs=["links"]).data["front_links"]
    [True, False, True]
    """
    costs = list(costs)
    checks.flag("highest", highest)
    if not costs:
        checks.fail("costs", costs, "the name of at least one column")
    known = [dict(row) for row in scored_rows(rows, (score, *costs))[1]]
    figure, axes = style.blank(1, len(costs), height=3.6, title=style.heading(title, dataset))
    scores = np.array([row[score] for row in known], float)
    for ax, cost in zip(axes[0], costs, strict=True):
        spent = np.array([row[cost] for row in known], float)
        front = undominated(spent, scores if highest else -scores)
        for row, best in zip(known, front.tolist(), strict=True):
            row[f"front_{cost}"] = best
        _draw(ax, spent, scores, front)
        style.label(ax, UNITS.get(cost, style.plain(cost)), f"test {style.plain(score)}" if ax is axes[0, 0] else None)
    legends.below(figure, *axes[0, 0].get_legend_handles_labels())
    return style.finish(figure, known)


def undominated(costs, scores):
    """Which points no other one beats: (n,) bool, for costs of which less and scores of which more is better."""
    front, best, cheapest = np.zeros(len(costs), bool), -np.inf, np.nan
    for number in np.lexsort((-scores, costs)):
        same = scores[number] == best and costs[number] == cheapest
        if same or scores[number] > best:
            front[number], best, cheapest = True, scores[number], costs[number]
    return front


def _draw(ax, spent, scores, front):
    """All runs, and the front as steps: what the next better score costs."""
    order = np.flatnonzero(front)[np.argsort(spent[front], kind="stable")]
    ax.plot(spent[~front], scores[~front], "o", color=style.GREY, markersize=4, label="other runs")
    look = {"color": style.COLOURS[1], "marker": "D", "markersize": 5}
    ax.plot(spent[order], scores[order], drawstyle="steps-post", linewidth=1.5, label="none is better and cheaper", **look)
    if spent.min() > 0 and spent.max() / spent.min() >= SPREAD:
        ax.set_xscale("log")
    elif len(set(spent.tolist())) > 1:
        ax.set_xlim(0, None)
