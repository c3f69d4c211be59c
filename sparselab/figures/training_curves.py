"""Learning curves: the first question about any run, and the honest way to compare several of them."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..utils import checks
from . import legends, style
from .histories import column, runs_of

CLOCKS = {"epoch": "epoch", "seconds": "training time (s), without evaluation"}
METRICS = {"loss": "loss (mean over samples)", "accuracy": "accuracy (share correct)"}
BANDS = {"range": "mean, min to max over n seeds", "std": "mean ± 1 std over n seeds"}
PARTS = {"train": "--", "test": "-"}


def learning_curves(runs, *, x="epoch", dataset=None, band="range", title=None):
    """Loss and accuracy, train dashed and test solid, against epochs or cumulative seconds.

    runs: a History, [History of each seed] (mean line; band: "range" or "std" over the n seeds), or {label: either of them}.
    x: "epoch" or "seconds" (training without evaluation; the mean over seeds). dataset: a Dataset or name, for the title.
    Regressions, whose accuracy is None, get the loss alone. Raises ValueError for an empty run.
    """
    checks.choice("x", x, CLOCKS)
    checks.choice("band", band, BANDS)
    tables = {label: summarise(label, seeds, band) for label, seeds in runs_of(runs).items()}
    rows = [row for table in tables.values() for row in table]
    metrics = [metric for metric in METRICS if metric == "loss" or any(_known(rows, part, metric) for part in PARTS)]
    figure, axes = style.blank(1, len(metrics), height=3.1, title=style.heading(title, dataset))
    for ax, metric in zip(axes.flat, metrics, strict=True):
        for number, table in enumerate(tables.values()):
            _draw(ax, table, x, metric, style.look(number))
        style.label(ax, CLOCKS[x], METRICS[metric])
        if x == "epoch":
            style.numbered(ax, [row["epoch"] for row in rows])
    _legend(figure, tables, band)
    return style.finish(figure, rows)


def summarise(label, seeds, band="range"):
    """One row an epoch over the seeds of a run: mean, low and high of each score, n seeds that got there, mean seconds."""
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
