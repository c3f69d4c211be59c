"""What each worker does at which time: a row for each worker, a bar for each task."""

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import PolyCollection

from ..utils import checks
from . import legends, style
from .histories import records_of
from .table_figure import TableFigure
from .types import DatasetName, Run

FIRST_PHASES = ("asynchronous", "synchronous", "local")
MOST_NAMES = 16  # up to this number of workers, every row is numbered


def worker_timeline(
    history: Run, *, window: Sequence[float] | None = None, title: str | None = None, dataset: DatasetName = None
) -> TableFigure:
    """Draw the tasks of each worker against time.

    Parameters
    ----------
    history : History
        Records of `train_parallel`, whose tasks last from being sent until the server takes their result, or of
        `simulate_parallel`, whose bars are computation alone. Records that were read from a file have no timelines.
    window : (float, float), optional
        Seconds (from, to) to show; by default all.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Dotted lines end epochs; "busy" is the share of the time in which a worker had a task. Columns of the table: epoch, phase,
        worker, start, end.

    Raises
    ------
    TypeError
        If `history` is not a run, or `window` not a pair.
    ValueError
        If the records have no workers, or there is no task in the window.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.parallel import Costs
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> costs = Costs(0.01, push=0.002)
    >>> history = sl.History(sl.simulate_parallel(model, data, 2, costs=costs, batch_size=25, epochs=2, seed=0))
    >>> sorted(set(sl.figures.worker_timeline(history).data["worker"]))
    [0, 1]
    """
    records = [record for record in records_of(history) if getattr(record, "workers", None) is not None]
    if not records:
        checks.fail("history", history, "records of train_parallel or simulate_parallel, as they came (files keep no timelines)")
    names = {"average": "local"}  # the record of the average holds the tasks of the last local epoch
    rows = [
        {"epoch": record.epoch, "phase": names.get(record.phase, record.phase), "worker": number, "start": start, "end": end}
        for record in records for number, start, end in record.workers.timeline
    ]  # fmt: skip
    low, high = window_of(window, rows)
    rows = [row for row in rows if row["end"] > low and row["start"] < high]
    if not rows:
        checks.fail("window", window, "(from, to) in seconds, with tasks between them")
    n = max(record.workers.n for record in records)
    figure, axes = style.blank(1, 1, height=1.3 + min(3.5, 0.3 * n), title=style.heading(title, dataset))
    ax = axes[0, 0]
    handles = _bars(ax, rows, low, high)
    _ends(ax, records, low, high)
    ax.set(xlim=(low, high), ylim=(n - 0.4, -0.6))
    ax.grid(False, axis="y")
    if n <= MOST_NAMES:
        ax.set_yticks(range(n))
        ax.set_title("busy", loc="right", fontsize=style.SMALL, color=style.INK)
        for number, share in enumerate(shares(rows, n, low, high)):
            ax.annotate(f"{share:.0%}", (1.005, number), xycoords=("axes fraction", "data"), va="center", fontsize=style.SMALL,
                        color=style.INK)  # fmt: skip
    else:
        style.whole(ax.yaxis)
    style.label(ax, "seconds from the start", "worker")
    legends.below(figure, handles.values(), handles)
    return style.finish(figure, rows)


def window_of(window, rows):
    """The window as two floats; by default from the first to the last task."""
    if window is None:
        return min((row["start"] for row in rows), default=0.0), max((row["end"] for row in rows), default=0.0)
    if not isinstance(window, list | tuple) or len(window) != 2:
        checks.fail("window", window, "(from, to) in seconds", TypeError)
    low, high = (checks.non_negative(f"window[{i}]", value) for i, value in enumerate(window))
    return (low, high) if low < high else checks.fail("window", window, "(from, to) with from < to")


def shares(rows, n, low, high):
    """Array (n,): share of the window in which each worker had a task."""
    spent = np.zeros(n)
    for row in rows:
        spent[row["worker"]] += min(row["end"], high) - max(row["start"], low)
    return spent / (high - low)


def _bars(ax, rows, low, high):
    """Draw the tasks, one collection for each phase because there may be very many; returns {phase: handle}."""
    handles, thin = {}, (high - low) / 1000
    for number, phase in enumerate(FIRST_PHASES):
        here = [row for row in rows if row["phase"] == phase]
        if here:
            boxes = [_box(row["start"], row["end"], row["worker"]) for row in here]
            gap = 0.6 if np.median([row["end"] - row["start"] for row in here]) > 5 * thin else 0
            look = {"facecolor": style.COLOURS[number], "edgecolor": "white", "linewidth": gap}
            handles[phase] = ax.add_collection(PolyCollection(boxes, **look))
    return handles


def _box(start, end, row):
    return [(start, row - 0.38), (end, row - 0.38), (end, row + 0.38), (start, row + 0.38)]


def _ends(ax, records, low, high):
    for record in records:
        end = max((end for _, _, end in record.workers.timeline), default=None)
        if end is not None and low < end < high:
            ax.axvline(end, color=style.INK, linestyle=":", linewidth=1)
