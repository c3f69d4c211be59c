"""What becomes of gradients that come late: how many updates behind they are, and which part of them has no place any more."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..utils import checks
from . import legends, style
from .histories import runs_of

FIRST = ("asynchronous", "synchronous")  # phases with pushes
BARS = 40  # at most
USUAL = 0.999  # share of the pushes that have bars of their own: a worker that lost its core for a moment comes very late


def staleness_histogram(runs, *, title=None, dataset=None):
    """Share of the pushes by staleness: updates of the server between a push and the snapshot that it was computed with.

    runs: a History of `train_parallel` or `simulate_parallel`, seeds of it, or {label: either}. Dashed: the mean of each run.
    More than 40 different values are put together, and the latest of a thousand in the last bar. ValueError without pushes.
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
    """All values of the records of all seeds, (n,) int64."""
    values = [value for seed in seeds for record in seed if record.workers is not None for value in record.workers.staleness]
    return np.array(values, np.int64)


def edges_of(highest):
    """Whole numbers between which values 0 … highest are counted."""
    width = max(1, -(-(int(highest) + 1) // BARS))
    return np.arange(0, highest + 1 + width, width)


def dropped_entries(runs, *, title=None, dataset=None):
    """Entries of gradients that had no place any more (their links went in the evolution before the epoch), by epoch, in %.

    runs: as for `staleness_histogram`; the mean over seeds. Only epochs of the first phase. ValueError where there is none.
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
