"""Degrees at the beginning, in the middle and at the end of a run, and their distances from a power law and a random layer."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..analysis import degrees as laws
from ..analysis.records import degrees_in, records_of
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import DatasetName, Run

SHOWN = 3  # panels of the upper row, unless epochs are given
LINKS = {"in": "incoming links", "out": "outgoing links"}


def degree_evolution(
    history: Run,
    layer: int = 1,
    side: str = "in",
    epochs: int | Sequence[int] | None = None,
    *,
    k_min: int | None = None,
    covers: float = 0.5,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw how the degrees of a layer change over a run, with a fitted power law and a random layer.

    The upper row shows the share of neurons with at least k links at three epochs. The lower row shows by epoch: mean and largest
    degree, the distances from both laws, and which of the laws the degrees support.

    Parameters
    ----------
    history : History
        The run; its records must have degrees.
    layer : int, default 1
        Number of the layer, from 1.
    side : {"in", "out"}, default "in"
        Incoming or outgoing links.
    epochs : int or list of int, optional
        Up to three epochs of the upper row; by default the first, the middle and the last one.
    k_min : int, optional
        Passed to `analysis.degree_evolution`, whose table the lower row shows.
    covers : float, default 0.5
        Passed to `analysis.degree_evolution`, too.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        The table has a row for each degree of the epochs shown, then a row for each epoch.

    Raises
    ------
    ValueError
        If an epoch is not in the history, there are more than three, or another argument is out of bounds.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> figure = sl.figures.degree_evolution(history, layer=1, side="out")
    >>> len(figure.axes)
    6
    """
    records = records_of(history)
    table = laws.degree_evolution(records, layer, side, k_min=k_min, covers=covers)
    shown = _chosen(records, epochs)
    figure, axes = style.blank(2, SHOWN, height=5.2, width=7.2, title=style.heading(title, dataset))
    rows = []
    for ax, record in zip(axes[0], shown):
        fit = table[table["epoch"] == record.epoch].iloc[0]
        degrees, n_possible = degrees_in(record, layer, side)
        law = distribution(degrees, n_possible, fit)
        handles = _draw(ax, law, fit["neurons"])
        style.label(ax, LINKS[side], None, f"epoch {record.epoch}" + _said(fit))
        rows += [{"epoch": record.epoch, **dict(zip(law, values, strict=True))} for values in zip(*law.values(), strict=True)]
    for ax in axes[0, len(shown) :]:
        ax.set_visible(False)
    style.label(axes[0, 0], y="neurons with at least as many, %")
    handles += _by_epoch(axes[1], table)
    names = ["this layer", "fitted power law", "random layer with as many links", "largest degree", "mean degree"]
    legends.below(figure, handles, names)
    names = list(dict.fromkeys([*(rows[0] if rows else ()), *table.columns]))
    rows += table.to_dict("records")
    return style.finish(figure, [{name: row.get(name, np.nan) for name in names} for row in rows])


def _chosen(records, epochs):
    if epochs is None:
        return [records[i] for i in np.unique(np.linspace(0, len(records) - 1, SHOWN).round().astype(int))]
    known = {record.epoch: record for record in records}
    epochs = [epochs] if np.isscalar(epochs) else list(epochs)
    if not 0 < len(epochs) <= SHOWN or any(epoch not in known for epoch in epochs):
        checks.fail("epochs", epochs, f"1 to {SHOWN} of the epochs {records[0].epoch} … {records[-1].epoch} of the history")
    return [known[epoch] for epoch in epochs]


def distribution(degrees, n_possible, fit):
    """Columns: each degree that occurs (from 1), share of neurons with at least this degree, the same by the power law (NaN below
    k_min) and in a random layer."""
    values, counts = np.unique(degrees[degrees > 0], return_counts=True)
    share = counts[::-1].cumsum()[::-1] / len(degrees)
    inside = values >= fit["k_min"]
    law = np.full(len(values), np.nan)
    if inside.any():
        law[inside] = share[inside][0] * laws.power_law_tail(values[inside], fit["k_min"], fit["exponent"])
    random = laws.Random(float(np.mean(degrees)), n_possible).tail(values)
    return {"degree": values, "at_least": share, "power_law": law, "random": random}


def _said(fit):
    return f"\nexponent {fit['exponent']:.1f} from {int(fit['k_min'])} on" if np.isfinite(fit["exponent"]) else ""


def _draw(ax, law, neurons):
    k = law["degree"]
    points = ax.plot(k, 100 * law["at_least"], "o", color=style.COLOURS[0], markersize=3)[0]
    power = ax.plot(k, 100 * law["power_law"], "-", color=style.COLOURS[1], linewidth=1.5)[0]
    random = ax.plot(k, 100 * law["random"], "--", color=style.COLOURS[2], linewidth=1.5)[0]
    if len(k):  # a layer without links cannot be drawn on logarithmic axes
        ax.set(xscale="log", yscale="log")
        ax.set(xlim=(k[0] / 1.15, k[-1] * 1.15), ylim=(50 / neurons, 160))
        ax.xaxis.set_major_locator(FixedLocator(np.unique(np.geomspace(k[0], k[-1], 4).round())))
        ax.xaxis.set_minor_locator(NullLocator())
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    return [points, power, random]


def _by_epoch(axes, table):
    """Draw the lower row; returns the legend handles of largest and mean degree (the laws look as in the upper row)."""
    epochs, marker = table["epoch"], "o" if len(table) == 1 else None
    line = lambda ax, name, colour, dash="-": ax.plot(
        epochs, table[name].replace(np.inf, np.nan), dash, color=colour, marker=marker, markersize=4, linewidth=1.5
    )[0]  # fmt: skip
    handles = [line(axes[0], "largest", style.COLOURS[3], "-."), line(axes[0], "mean", style.COLOURS[6], ":")]
    line(axes[1], "ks_power_law", style.COLOURS[1])
    line(axes[1], "ks_binomial", style.COLOURS[2], "--")
    line(axes[2], "evidence", style.INK)
    for ax, text in zip(axes, ("links of a neuron", "KS distance from the law", "evidence (in deviations)"), strict=True):
        style.label(ax, "epoch", text)
        style.numbered(ax, epochs)
    for ax in axes[:2]:
        ax.set_ylim(0, None)
    low, high = axes[2].get_ylim()
    axes[2].set_ylim(min(low, -4) - 1.2, max(high, 4) + 1.2)  # leaves space for the labels
    axes[2].axhspan(-2, 2, color=style.GRID, zorder=0)
    for y, side, text in ((0.97, "top", "power law"), (0.03, "bottom", "random layer")):
        axes[2].text(0.97, y, text, transform=axes[2].transAxes, ha="right", va=side, fontsize=style.SMALL, color=style.GREY)
    return handles
