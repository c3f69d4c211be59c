"""Test accuracy through the phases of parallel training, beside sequential training."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..utils import checks
from . import legends, style
from .histories import runs_of
from .table_figure import TableFigure
from .training_curves import summarise
from .types import DatasetName, Runs

COLUMNS = ("run", "epoch", "phase", "n", "test_accuracy", "test_accuracy_low", "test_accuracy_high")


def accuracy_by_phase(runs: Runs, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw test accuracy by epoch: the server's network, the mean of the workers' own networks, and their average.

    Parameters
    ----------
    runs : History, list of History, or dict
        Runs of `train_parallel`, `simulate_parallel` or `train`; a list holds several seeds; or ``{label: either}``.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Solid: the server's network; dashed: the workers' networks; star: their average; dotted: the beginning of the local phase;
        band: lowest to highest seed. Columns of the table: run, epoch, phase, n, test_accuracy and its low and high.

    Raises
    ------
    ValueError
        If no epoch was evaluated.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> sl.figures.accuracy_by_phase({"sequential": history}).data["epoch"]
    [1, 2]
    """
    tables = {label: rows_of(label, seeds) for label, seeds in runs_of(runs).items()}
    rows = [row for table in tables.values() for row in table]
    if not rows:
        checks.fail("runs", runs, "records with test accuracies")
    figure, axes = style.blank(1, 1, height=3.4, title=style.heading(title, dataset))
    ax = axes[0, 0]
    for number, table in enumerate(tables.values()):
        _draw(ax, table, style.look(number))
    style.label(ax, "epoch", "test accuracy (share correct)")
    style.numbered(ax, [row["epoch"] for row in rows])
    legends.below(figure, *_legend(tables, rows))
    return style.finish(figure, rows)


def rows_of(label, seeds):
    """A row for each evaluated epoch: mean, lowest and highest accuracy of n seeds, and the phase."""
    phases = {record.epoch: record.phase for seed in seeds for record in seed}
    rows = [row | {"phase": phases[row["epoch"]]} for row in summarise(label, seeds) if not np.isnan(row["test_accuracy"])]
    return [{name: row[name] for name in COLUMNS} for row in rows]


def _draw(ax, table, look):
    common, local = ([row for row in table if (row["phase"] == "local") == own] for own in (False, True))
    common = [row for row in common if row["phase"] != "average"]
    for rows, dash, face in ((common, "-", look["color"]), (common[-1:] + local, "--", "white")):
        marks = {"markersize": 4, "markevery": slice(1 if rows is not common and common else 0, None, max(1, len(rows) // 8))}
        ax.plot(
            [row["epoch"] for row in rows], [row["test_accuracy"] for row in rows], dash, **look, linewidth=1.5,
            markerfacecolor=face, **marks,
        )  # fmt: skip
    for row in table:
        if row["phase"] == "average":
            ax.plot([row["epoch"]], [row["test_accuracy"]], "*", color=look["color"], markersize=13, markeredgecolor=style.INK)
    if local and common:
        ax.axvline(common[-1]["epoch"] + 0.5, color=look["color"], linestyle=":", linewidth=1.2)
    if max((row["n"] for row in table), default=1) > 1:
        bounds = [[row[f"test_accuracy_{end}"] for row in table] for end in ("low", "high")]
        ax.fill_between([row["epoch"] for row in table], *bounds, color=look["color"], alpha=0.15, linewidth=0)


def _legend(tables, rows):
    handles, labels = [], []
    for number, (label, table) in enumerate(tables.items()):
        if str(label):
            handles.append(Line2D([], [], **style.look(number), linewidth=1.5, markersize=4))
            most = max((row["n"] for row in table), default=1)
            labels.append(style.plain(label) + (f" (n = {most})" if most > 1 else ""))
    phases = {row["phase"] for row in rows}
    if "local" in phases:
        handles.append(Line2D([], [], color=style.INK, linestyle="--", linewidth=1.5))
        labels.append("mean of the workers' own nets")
    if "average" in phases:
        handles.append(Line2D([], [], color=style.GREY, linestyle="", marker="*", markersize=11, markeredgecolor=style.INK))
        labels.append("average of all workers")
    if any(row["n"] > 1 for row in rows):
        handles.append(Patch(color=style.GREY, alpha=0.3, linewidth=0))
        labels.append("lowest to highest of n seeds")
    return handles, labels
