"""Parallel coordinates: a line for each run of a sweep, across an axis for each setting and one for the score."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from ..utils import checks
from . import style
from .table_figure import TableFigure
from .tables import scored_rows
from .types import DatasetName

# Readable for colour-blind people and in grey; without the yellow, in which a line is hardly seen.
SCALE = ListedColormap(colormaps["viridis"](np.linspace(0, 0.75, 256)))
SPREAD = 100.0  # ratio highest / lowest from which an axis is logarithmic


def parallel_coordinates(
    rows: Iterable[Mapping[str, Any]], score: str = "accuracy", *, title: str | None = None, dataset: DatasetName = None
) -> TableFigure:
    """Draw a line for each row across one vertical axis for each column; the score is the last axis and colours the lines.

    Parameters
    ----------
    rows : list of dict
        Dicts with the same keys, as a DataFrame's ``to_dict("records")`` gives them. Values are numbers, or texts, which are
        placed in their order of appearance. Rows whose score is NaN or None (failed runs) are not drawn.
    score : str, default "accuracy"
        The column of the score.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        The table is `rows`.

    Raises
    ------
    TypeError
        If a row is no dict.
    ValueError
        If no row has a score, or there is no other column.

    Examples
    --------
    >>> import sparselab as sl
    >>> rows = [{"zeta": 0.1, "rule": "set", "accuracy": 0.8}, {"zeta": 0.3, "rule": "static", "accuracy": 0.7}]
    >>> sl.figures.parallel_coordinates(rows).data["zeta"]
    [0.1, 0.3]
    """
    rows, drawn = scored_rows(rows, (score,))
    names = [name for name in rows[0] if name != score]
    if not names:
        checks.fail("rows", rows, f"of at least one column beside {score}")
    figure, axes = style.blank(height=3.9, title=style.heading(title, dataset))
    ax = axes[0, 0]
    ax.grid(False)
    columns = [Column([row[name] for row in drawn]) for name in (*names, score)]
    values = np.array([row[score] for row in drawn], float)
    colours = ScalarMappable(Normalize(values.min(), max(values.max(), values.min() + 1e-12)), SCALE)
    places = np.column_stack([column.places for column in columns])
    for number in np.argsort(values):  # the best on top
        ax.plot(places[number], color=colours.to_rgba(values[number]), linewidth=1.5, alpha=0.85, marker="o", markersize=3)
    _draw_axes(ax, [*names, score], columns)
    style.label(ax, "settings, and the score", "position between lowest and highest")
    style.colour_bar(figure, colours, ax, score)
    return style.finish(figure, rows)


class Column:
    """The places of a column's values on its axis, from 0 to 1, and the tick labels."""

    def __init__(self, values):
        numbers = all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values)
        values = list(values) if numbers else [str(value) for value in values]
        kinds = list(dict.fromkeys(values))
        if not numbers:
            self.places = np.array([kinds.index(value) for value in values], float) / max(1, len(kinds) - 1)
            self.marks = {place: kind for kind, place in zip(values, self.places)}
            return
        low, high = min(kinds), max(kinds)
        scale = np.log if low > 0 and high / low >= SPREAD else np.asarray
        span = float(scale(high) - scale(low)) or 1.0
        self.places = (scale(np.array(values, float)) - scale(low)) / span if high > low else np.full(len(values), 0.5)
        shown = kinds if len(kinds) <= 5 else [low, high]
        self.marks = {float((scale(one) - scale(low)) / span) if high > low else 0.5: f"{one:.4g}" for one in shown}


def apart(marks, least=0.05):
    """(place, text) of the tick labels that fit: both ends, and those between them that do not overlap."""
    places = sorted(marks)
    kept = [places[0]]
    for place in places[1:]:
        if place - kept[-1] >= least:
            kept.append(place)
        elif place == places[-1] and len(kept) > 1:
            kept[-1] = place
    return [(place, marks[place]) for place in kept]


def _draw_axes(ax, names, columns):
    """Draw a vertical axis for each column, with tick labels beside it and the name below."""
    ax.set_xlim(-0.15, len(names) - 0.65)
    ax.set_ylim(-0.06, 1.06)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xticks(range(len(names)), [style.plain(name, 24) for name in names], fontsize=style.SMALL, color=style.INK)
    for number, column in enumerate(columns):
        ax.axvline(number, color=style.GREY, linewidth=0.8, zorder=0)
        for place, text in apart(column.marks):
            look = {"fontsize": 9, "color": style.INK, "va": "center"}
            behind = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
            ax.annotate(style.plain(text, 18), (number, place), (4, 0), textcoords="offset points", bbox=behind, **look)
