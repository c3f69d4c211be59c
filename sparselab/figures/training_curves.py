"""Loss and accuracy, or R², of one or several runs over the epochs."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..utils import checks
from . import legends, style
from .histories import column, runs_of
from .table_figure import TableFigure
from .types import DatasetName, Runs

X_LABELS = {"epoch": "epoch", "seconds": "training time (s), without evaluation"}
METRICS = {"loss": "loss (mean over samples)", "accuracy": "accuracy (share correct)", "r2": "R² (of test samples)"}
SUBSET = "accuracy (share with all labels right)"
BANDS = {"range": "mean, min to max over n seeds", "std": "mean ± 1 std over n seeds"}
PARTS = {"train": "--", "test": "-"}


def learning_curves(
    runs: Runs, *, x: str = "epoch", dataset: DatasetName = None, band: str = "range", title: str | None = None
) -> TableFigure:
    """Draw loss and accuracy, or R², of runs: training dashed, test solid.

    Parameters
    ----------
    runs : History, list of History, or dict
        A run; several runs that differ in their seeds only, of which the mean is drawn with a band; or ``{label: either}``.
        Regressions have R² of the test samples in place of the accuracy.
    x : {"epoch", "seconds"}, default "epoch"
        The horizontal axis: epochs, or seconds of training without evaluation (mean over seeds).
    dataset : Dataset or str, optional
        The data set that the title names, with its source.
    band : {"range", "std"}, default "range"
        From the lowest to the highest seed, or one standard deviation (n − 1) around the mean.
    title : str, optional
        Title of the figure.

    Returns
    -------
    TableFigure
        The table has a row for each run and epoch: mean, low and high of each score, number of seeds, seconds.

    Raises
    ------
    TypeError
        If `runs` holds anything but runs.
    ValueError
        If a run has no epoch, or `x` or `band` is none of the allowed names.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> sl.figures.learning_curves({"SET": history}, dataset=data).to_frame()["epoch"].tolist()
    [1, 2]
    """
    checks.choice("x", x, X_LABELS)
    checks.choice("band", band, BANDS)
    tables = {label: summarise(label, seeds, band) for label, seeds in runs_of(runs).items()}
    rows = [row for table in tables.values() for row in table]
    metrics = [metric for metric in METRICS if metric == "loss" or any(_known(rows, part, metric) for part in PARTS)]
    figure, axes = style.blank(1, len(metrics), height=3.1, title=style.heading(title, dataset))
    for ax, metric in zip(axes.flat, metrics, strict=True):
        for number, table in enumerate(tables.values()):
            _draw(ax, table, x, metric, style.look(number))
        style.label(
            ax, X_LABELS[x], SUBSET if metric == "accuracy" and getattr(dataset, "has_labels", False) else METRICS[metric]
        )
        if x == "epoch":
            style.numbered(ax, [row["epoch"] for row in rows])
    _legend(figure, tables, band)
    return style.finish(figure, rows)


def summarise(label, seeds, band="range"):
    """One row for each epoch: mean, low and high of each score over the seeds, number of seeds with this epoch, mean seconds."""
    table = []
    clocks = [dict(zip((r.epoch for r in seed), np.cumsum(column(seed, "seconds")), strict=True)) for seed in seeds]
    by_epoch = {}
    for seed in seeds:
        for record in seed:
            by_epoch.setdefault(record.epoch, []).append(record)
    for epoch, here in sorted(by_epoch.items()):
        seconds = float(np.mean([clock[epoch] for clock in clocks if epoch in clock]))
        row = {"run": str(label), "epoch": epoch, "seconds": seconds, "n": len(here)}
        for part in PARTS:
            for metric in METRICS:
                values = column(here, f"{part}_{metric}")
                row |= dict(zip(_names(part, metric), _spread(values[~np.isnan(values)], band), strict=True))
        table.append(row)
    return table


def _names(part, metric):
    return f"{part}_{metric}", f"{part}_{metric}_low", f"{part}_{metric}_high"


def _spread(values, band):
    if len(values) == 0:
        return (np.nan,) * 3
    mean = float(values.mean())
    if band == "range":
        return mean, float(values.min()), float(values.max())
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return mean, mean - deviation, mean + deviation


def _known(rows, part, metric):
    return any(not np.isnan(row[f"{part}_{metric}"]) for row in rows)


def _draw(ax, table, x, metric, look):
    for part, dash in PARTS.items():
        rows = [row for row in table if _known([row], part, metric)]
        places = [row[x] for row in rows]
        mean, low, high = ([row[name] for row in rows] for name in _names(part, metric))
        face, thick = ("white", 1.2) if part == "train" else (look["color"], 1.6)
        marks = {"markersize": 4, "markevery": max(1, len(rows) // 8), "markerfacecolor": face}
        ax.plot(places, mean, dash, **look, linewidth=thick, **marks)
        if max((row["n"] for row in rows), default=1) > 1:
            ax.fill_between(places, low, high, color=look["color"], alpha=0.2 if part == "test" else 0.1, linewidth=0)


def _legend(figure, tables, band):
    handles, labels = [], []
    for number, (label, table) in enumerate(tables.items()):
        counts = sorted({row["n"] for row in table})
        many = f" (n = {counts[0]})" if len(counts) == 1 else f" (n = {counts[0]}–{counts[-1]})"
        if label != "" or len(tables) > 1:
            handles.append(Line2D([], [], **style.look(number), linewidth=1.5, markersize=4))
            labels.append(style.plain(label) + (many if counts[-1] > 1 else ""))
    ink = style.INK if handles else style.COLOURS[0]
    for part, dash in PARTS.items():
        if any(_known(table, part, "loss") for table in tables.values()):
            handles.append(Line2D([], [], linestyle=dash, color=ink, linewidth=1.5))
            labels.append(part)
    if any(row["n"] > 1 for table in tables.values() for row in table):
        handles.append(Patch(color=style.GREY, alpha=0.3, linewidth=0))
        labels.append(BANDS[band])
    legends.below(figure, handles, labels)
