"""Distributions of in- and out-degrees beside those of a random layer: they show whether evolution has formed hubs."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from scipy.special import bdtr

from . import legends, style
from .histories import degrees_of, is_record
from .link_density import topologies_of
from .table_figure import TableFigure
from .types import DatasetName, Links, Run

BARS = 40  # largest number of bins on linear axes
POINTS = 25  # largest number of bins on logarithmic axes
SIDES = ("in", "out")


def degree_histograms(
    source: "Links | Run", *, log: bool = False, title: str | None = None, dataset: DatasetName = None
) -> TableFigure:
    """Draw the share of neurons by their numbers of incoming and outgoing links, a row of panels for each layer.

    The line is a random (Erdős–Rényi) layer with the same number of links: its degrees are binomial, nearly Poisson.

    Parameters
    ----------
    source : SparseMLP, SparseLinear, Topology or EpochRecord
        Where the degrees come from.
    log : bool, default False
        Use logarithmic axes and the share per degree; neurons without a link are only counted in the title.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Columns of the table: layer, side ("in", "out"), first and last degree of a bin, neurons, share, random_share.

    Raises
    ------
    TypeError
        If `source` is none of these.
    ValueError
        If a record has no degrees, as one that was read from a file.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> frame = sl.figures.degree_histograms(model).to_frame()
    >>> frame.groupby(["layer", "side"])["neurons"].sum().tolist()
    [20, 64, 10, 20]
    """
    layers = layers_of(source)
    figure, axes = style.blank(len(layers), 2, height=0.6 + 1.9 * len(layers), title=style.heading(title, dataset))
    rows = []
    for number, (row, layer) in enumerate(zip(axes, layers, strict=True), 1):
        for ax, side in zip(row, SIDES, strict=True):
            degrees, others = layer if side == "in" else layer[::-1]
            table = distribution(degrees, len(others), log)
            handles = _draw(ax, table, log)
            style.label(ax, None, "share per degree" if log else "share of neurons", _caption(number, side, degrees))
            rows += [{"layer": number, "side": side, **line} for line in table]
    for ax, side in zip(axes[-1], SIDES, strict=True):
        style.label(ax, "incoming links" if side == "in" else "outgoing links")
    legends.below(figure, handles, ["this net", "random layer with as many links"])
    return style.finish(figure, rows)


def layers_of(source):
    """List of (fan_in, fan_out), one for each layer of a model, topology or record."""
    if is_record(source):
        record = degrees_of(source, "source")
        return [(np.asarray(a), np.asarray(b)) for a, b in zip(record.fan_in, record.fan_out, strict=True)]
    return [(topology.fan_in, topology.fan_out) for topology in topologies_of(source)]


def distribution(degrees, n_possible, log=False):
    """One dict for each bin of degrees [first, last]: neurons, their share, and the expected share in a random layer.

    degrees (neurons,); n_possible: links a neuron could have. The random share is binomial with p = mean / n_possible.
    """
    mean = float(np.mean(degrees))
    edges = _log_edges(degrees) if log else _edges(degrees, mean)
    neurons = np.histogram(degrees, edges)[0]
    below = _binomial_cdf(edges - 1, n_possible, mean / n_possible)
    random = np.diff(below)
    return [
        {"first": int(a), "last": int(b) - 1, "neurons": int(n), "share": n / len(degrees), "random_share": float(r)}
        for a, b, n, r in zip(edges, edges[1:], neurons, random)
    ]


def _edges(degrees, mean):
    spread = 4 * np.sqrt(mean) + 1
    low, high = min(degrees.min(), int(max(0, mean - spread))), max(degrees.max(), int(mean + spread))
    step = -(-(int(high) - int(low) + 1) // BARS)
    return np.arange(low, high + 1 + step, step)


def _log_edges(degrees):
    linked = degrees[degrees > 0]
    low, high = (int(linked.min()), int(linked.max()) + 1) if len(linked) else (1, 2)
    return np.unique(np.geomspace(low, high, POINTS).round().astype(np.int64))


def _binomial_cdf(k, n, p):
    return np.where(k < 0, 0.0, np.where(k >= n, 1.0, bdtr(np.clip(k, 0, n - 1).astype(float), n, p)))


def _draw(ax, table, log):
    first, width = (np.array([row["first"] for row in table]), np.array([row["last"] - row["first"] + 1 for row in table]))
    share, random = (np.array([row[key] for row in table]) for key in ("share", "random_share"))
    middle = np.sqrt(first * (first + width - 1.0)) if log else first + (width - 1) / 2
    if not log:
        bars = ax.bar(first - 0.5, share, width, align="edge", color=style.COLOURS[5], edgecolor="white", linewidth=0.3)
        line = ax.plot(middle, random, color=style.COLOURS[1], marker="o", markersize=2.5, linewidth=1.3)
        style.whole(ax.xaxis)
        return [bars, line[0]]
    return _draw_log(ax, first, width, middle, share, random)


def _draw_log(ax, first, width, middle, share, random):
    seen = share > 0
    points = ax.plot(middle[seen], (share / width)[seen], "o", color=style.COLOURS[0], markersize=4)
    line = ax.plot(middle, np.where(random > 0, random / width, np.nan), "--", color=style.COLOURS[1], linewidth=1.3)
    if not seen.any():  # a layer without links cannot be drawn on logarithmic axes
        return [points[0], line[0]]
    ax.set(xscale="log", yscale="log")
    low, high = first[0] / 1.3, (first[-1] + width[-1]) * 1.3
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim((share / width)[seen].min() / 3, 3 * max((share / width).max(), (random / width).max()))
    return [points[0], line[0]]


def _caption(number, side, degrees):
    without = int(np.count_nonzero(np.asarray(degrees) == 0))
    empty = f", {without:,} without" if without else ""
    kind = "outputs" if side == "in" else "inputs"
    return f"layer {number}: {len(degrees):,} {kind}, mean {np.mean(degrees):.3g}{empty}"
