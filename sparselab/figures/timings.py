"""Seconds of the phases of training, by epoch or as the mean epoch of runs."""

import numpy as np

from ..checkpoints.records import RECORD_PHASES
from . import legends, style
from .histories import column, records_of, runs_of
from .table_figure import TableFigure
from .types import DatasetName, Runs

SEEN_FROM = 0.001  # smaller shares of the total are in the table but not drawn


def phases(history: Runs, *, mean: bool = False, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw the seconds that each phase of training takes.

    Parameters
    ----------
    history : History or dict
        A run, drawn as stacked bars by epoch; or ``{label: History}``, a bar each for their mean epochs.
    mean : bool, default False
        Draw the mean epoch of a single run, too.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        "other" is the time of training beyond its phases; evaluation is not part of the time of training and drawn white.

    Raises
    ------
    TypeError
        If `history` holds anything but runs.
    ValueError
        If a run has no epoch.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> sl.figures.phases(history).data["epoch"]
    [1, 2]
    """
    heading = style.heading(title, dataset)
    if isinstance(history, dict):
        runs = {label: sum(seeds, []) for label, seeds in runs_of(history, "history").items()}
        return _means({label: seconds_by_phase(records) for label, records in runs.items()}, heading)
    table = seconds_by_phase(records_of(history))
    if mean:
        return _means({"": table}, heading)
    figure, axes = style.blank(1, 1, height=3.2, title=heading)
    handles = _stack(axes[0, 0].bar, "bottom", table["epoch"], table)
    style.label(axes[0, 0], "epoch", "seconds")
    style.numbered(axes[0, 0], table["epoch"])
    legends.below(figure, handles.values(), handles)
    return style.finish(figure, table)


def seconds_by_phase(records):
    """Columns: epoch, seconds of each phase, other (training time outside of the phases), evaluate, seconds (training time)."""
    spent = {phase: column(records, f"seconds_{phase}") for phase in RECORD_PHASES}
    evaluate, clock = spent.pop("evaluate"), column(records, "seconds")
    other = np.maximum(0, clock - sum(spent.values()))
    return {"epoch": [record.epoch for record in records], **spent, "other": other, "evaluate": evaluate, "seconds": clock}


def _means(tables, heading):
    rows = []
    for label, table in tables.items():
        rows.append({"run": str(label), **{name: float(np.mean(table[name])) for name in table if name != "epoch"}})
    figure, axes = style.blank(1, 1, height=1.1 + 0.45 * len(rows), title=heading)
    ax = axes[0, 0]
    handles = _stack(ax.barh, "left", range(len(rows)), {name: [row[name] for row in rows] for name in rows[0]})
    ax.set_yticks(range(len(rows)), [style.plain(row["run"], 24) for row in rows])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    style.label(ax, "seconds per epoch, mean", "run" if any(row["run"] for row in rows) else None)
    legends.below(figure, handles.values(), handles)
    return style.finish(figure, rows)


def _stack(draw, edge, places, table):
    shown = [name for name in table if name not in ("epoch", "run", "seconds")]
    whole = sum(np.sum(table[name]) for name in shown)
    handles, start = {}, np.zeros(len(places))
    for number, name in enumerate(shown):
        values = np.asarray(table[name], float)
        if values.sum() > SEEN_FROM * whole:
            handles[name] = draw(places, values, 0.8, **{edge: start}, **_fill(number, name))
            start = start + values
    return handles


def _fill(number, name):
    if name == "evaluate":
        return {"color": "white", "hatch": "///", "edgecolor": style.GREY, "linewidth": 0.5}
    colour = style.GREY if name == "other" else style.COLOURS[number % len(style.COLOURS)]
    return {"color": colour, "hatch": style.hatch(number), "edgecolor": "white", "linewidth": 0}
