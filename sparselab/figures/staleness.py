"""Gradients that arrive late at the parameter server: how many updates they are behind, and which part of them is dropped."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..utils import checks
from . import legends, style
from .histories import runs_of
from .table_figure import TableFigure
from .types import DatasetName, Runs

FIRST = ("asynchronous", "synchronous")  # phases in which workers push gradients
BARS = 40  # largest number of bars
USUAL = 0.999  # share of pushes with bars of their own; a worker that was descheduled is very late


def staleness_histogram(runs: Runs, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw the share of pushes by staleness: the server's updates between a push and the snapshot it was computed with.

    Parameters
    ----------
    runs : History, list of History, or dict
        Runs of `train_parallel` or `simulate_parallel`; a list holds several seeds, whose pushes are put together; or
        ``{label: either}``.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Dashed lines are the means. More than 40 different values share bars, and the latest push of a thousand is counted in the
        last bar. Columns of the table: run, from, to, pushes, share.

    Raises
    ------
    ValueError
        If a run has no pushes.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.parallel import Costs
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> costs = Costs(0.01, push=0.002)
    >>> history = sl.History(sl.simulate_parallel(model, data, 2, costs=costs, batch_size=25, epochs=2, seed=0))
    >>> type(sl.figures.staleness_histogram(history)).__name__
    'TableFigure'
    """
    pushes = {label: staleness_of(seeds) for label, seeds in runs_of(runs).items()}
    for label, values in pushes.items():
        if not len(values):
            checks.fail(f"runs[{label!r}]" if label else "runs", runs, "records with pushes, as train_parallel gave them")
    highest = max(values.max() for values in pushes.values())
    usual = max(np.quantile(values, USUAL, method="higher") for values in pushes.values())
    edges = edges_of(usual if usual == highest else usual + 1)
    figure, axes = style.blank(1, 1, height=3.0, title=style.heading(title, dataset))
    ax, rows, handles = axes[0, 0], [], {}
    for number, (label, values) in enumerate(pushes.items()):
        counts = np.histogram(np.minimum(values, edges[-1] - 1), edges)[0]
        share, colour, name = counts / len(values), style.COLOURS[number % len(style.COLOURS)], style.plain(label)
        text = (
            f"{name}: mean {values.mean():.3g}, n = {len(values):,}" if name else f"mean {values.mean():.3g}, n = {len(values):,}"
        )
        handles[text] = ax.stairs(
            share, edges - 0.5, fill=len(pushes) == 1, color=colour, linewidth=1.6, linestyle="-" if number < 7 else "--"
        )
        ax.axvline(values.mean(), color=colour, linestyle="--", linewidth=1.2)
        rows += [
            {"run": str(label), "from": int(low), "to": int(high) - 1, "pushes": int(count), "share": float(part)}
            for low, high, count, part in zip(edges, edges[1:], counts, share, strict=False)
        ]  # fmt: skip
    beyond = "" if highest < edges[-1] else f"; last bar: {edges[-2]} and more"
    style.label(ax, f"staleness (updates of the server{beyond})", "share of the pushes")
    style.whole(ax.xaxis)
    ax.set_xlim(-0.9, edges[-1] - 0.1)
    ax.set_ylim(0, None)
    legends.below(figure, handles.values(), handles)
    return style.finish(figure, rows)


def staleness_of(seeds):
    """Staleness of all pushes of all seeds, int64 (n,)."""
    values = [value for seed in seeds for record in seed if record.workers is not None for value in record.workers.staleness]
    return np.array(values, np.int64)


def edges_of(highest):
    """Bin edges (whole numbers) for values from 0 to highest."""
    width = max(1, -(-(int(highest) + 1) // BARS))
    return np.arange(0, highest + 1 + width, width)


def dropped_entries(runs: Runs, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw by epoch the percentage of gradient entries that were dropped because evolution had removed their links.

    Parameters
    ----------
    runs : History, list of History, or dict
        Runs of `train_parallel` or `simulate_parallel`, as for `staleness_histogram`; the mean over seeds is drawn.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Epochs of the first phase only. Columns of the table: run, epoch, dropped (a fraction), n (number of seeds).

    Raises
    ------
    ValueError
        If a run has no epoch of the first phase.

    Examples
    --------
    >>> import sparselab as sl
    >>> from sparselab.parallel import Costs
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> costs = Costs(0.01, push=0.002)
    >>> options = {"rules": [sl.SET(0.3)], "epochs": 2, "async_fraction": 1.0, "batch_size": 25, "seed": 0}
    >>> records = sl.simulate_parallel(model, data, 2, costs=costs, **options)
    >>> sl.figures.dropped_entries(list(records)).data["epoch"]
    [1, 2]
    """
    figure, axes = style.blank(1, 1, height=2.8, title=style.heading(title, dataset))
    ax, rows, handles, labels = axes[0, 0], [], [], []
    for number, (label, seeds) in enumerate(runs_of(runs).items()):
        shares = {}
        for record in (record for seed in seeds for record in seed):
            if record.workers is not None and record.phase in FIRST:
                shares.setdefault(record.epoch, []).append(record.workers.dropped)
        if not shares:
            checks.fail(f"runs[{label!r}]" if label else "runs", runs, "records of a first phase, as train_parallel gave them")
        here = [{"run": str(label), "epoch": e, "dropped": float(np.mean(v)), "n": len(v)} for e, v in sorted(shares.items())]
        handles += ax.plot(
            [row["epoch"] for row in here], [100 * row["dropped"] for row in here], style.dash(number), **style.look(number),
            linewidth=1.5, markersize=4,
        )  # fmt: skip
        labels.append(style.plain(label))
        rows += here
    style.label(ax, "epoch", "gradient entries dropped (%)")
    style.numbered(ax, [row["epoch"] for row in rows])
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5))
    ax.set_ylim(0, None)
    if any(labels):
        legends.below(figure, handles, labels)
    return style.finish(figure, rows)
