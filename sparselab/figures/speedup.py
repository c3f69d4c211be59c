"""How much faster several workers are than one."""

import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator

from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .tables import tables_of
from .types import DatasetName, Tables


def speed_up(table: Tables, *, alone: float | None = None, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw speed-up and efficiency (speed-up divided by workers) against the number of workers.

    Parameters
    ----------
    table : pandas.DataFrame or dict
        Columns workers and seconds; ``{label: table}`` compares several, such as measured and simulated times.
    alone : float, optional
        Seconds of the same work by one worker; by default those of the rows with 1 worker, in each table.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        The grey lines are an ideal speed-up. Columns of the table: run, workers, seconds, speed_up, efficiency.

    Raises
    ------
    TypeError
        If `table` lacks a column or has no rows.
    ValueError
        If a row has no worker or no time, or nothing says how long one worker takes.

    Examples
    --------
    >>> import pandas
    >>> import sparselab as sl
    >>> sl.figures.speed_up(pandas.DataFrame({"workers": [1, 2], "seconds": [8.0, 5.0]})).data["speed_up"]
    [1.0, 1.6]
    """
    tables = tables_of("table", table, ("workers", "seconds"), "measured or simulated runs, with columns workers and seconds,")
    rows = [row for label, one in tables.items() for row in speeds_of(label, one, alone)]
    figure, axes = style.blank(1, 2, height=3.0, title=style.heading(title, dataset))
    most = max(row["workers"] for row in rows)
    axes[0, 0].plot([1, most], [1, most], color=style.GREY, linestyle=":", linewidth=1.3)
    axes[0, 1].axhline(100, color=style.GREY, linestyle=":", linewidth=1.3)
    handles, labels = [], []
    for number, label in enumerate(tables):
        here = [row for row in rows if row["run"] == str(label)]
        for ax, name, factor in zip(axes.flat, ("speed_up", "efficiency"), (1, 100), strict=True):
            places, values = [row["workers"] for row in here], [factor * row[name] for row in here]
            (line,) = ax.plot(places, values, style.dash(number), **style.look(number), linewidth=1.5, markersize=5)
        handles.append(line)
        labels.append(style.plain(label))
    _axes(axes, sorted({row["workers"] for row in rows}), rows)
    if any(labels):
        legends.below(figure, handles, labels)
    return style.finish(figure, rows)


def speeds_of(label, table, alone):
    """Rows of one table, in ascending order of workers."""
    table = table.sort_values("workers")
    workers, seconds = table["workers"].to_numpy(int), table["seconds"].to_numpy(float)
    if workers.min() < 1 or not np.all(seconds > 0):
        checks.fail("table", table, "at least 1 worker and seconds > 0 in each row")
    if alone is None and not (workers == 1).any():
        checks.fail("alone", alone, "the seconds that one worker takes, because no row has 1 worker")
    base = float(seconds[workers == 1].mean()) if alone is None else checks.positive("alone", alone)
    return [
        {"run": str(label), "workers": int(n), "seconds": s, "speed_up": base / s, "efficiency": base / s / n}
        for n, s in zip(workers, seconds.tolist(), strict=True)
    ]  # fmt: skip


def _axes(axes, workers, rows):
    for ax in axes.flat:
        ax.set_xscale("log", base=2)
        ax.set_xticks(workers if len(workers) < 10 else workers[::2])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0, 0].set_yscale("log", base=2)
    axes[0, 0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0, 0].yaxis.set_minor_locator(NullLocator())
    axes[0, 1].set_ylim(0, 1.08 * max(100, *(100 * row["efficiency"] for row in rows)))
    style.label(axes[0, 0], "workers", "speed-up")
    style.label(axes[0, 1], "workers", "efficiency (%)")
