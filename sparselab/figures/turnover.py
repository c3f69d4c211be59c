"""Links, active neurons, and grown and pruned links of each layer over a run."""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from . import legends, style
from .histories import records_of
from .table_figure import TableFigure
from .types import DatasetName, Run

LOG_FROM = 20  # a logarithmic axis is used if layers differ by more than this factor
BARS = 24  # up to this number of epochs, each has a bar; more hatched bars would be slow to draw


def links_and_neurons(
    history: Run, *, stacked: bool = False, title: str | None = None, dataset: DatasetName = None
) -> TableFigure:
    """Draw links of each layer, active neurons of each hidden layer, and links grown and pruned, by epoch.

    Parameters
    ----------
    history : History
        The run.
    stacked : bool, default False
        Draw the links of the layers as stacked bars in place of lines.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Bars below the active neurons show how many neurons importance pruning removed before that epoch. Columns of the table:
        epoch, layer, links, active_neurons, neurons_pruned, pruned, grown.

    Raises
    ------
    TypeError
        If `history` is not a run.
    ValueError
        If it has no epoch.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> figure = sl.figures.links_and_neurons(history)
    >>> figure.to_frame()["layer"].tolist()
    [1, 2, 1, 2]
    """
    records = records_of(history)
    epochs, hidden = [record.epoch for record in records], len(records[0].active_neurons)
    panels = 3 if hidden else 2
    figure, axes = style.blank(panels, 1, height=0.5 + 1.75 * panels, sharex=True, title=style.heading(title, dataset))
    links, turnover = axes[0, 0], axes[-1, 0]
    nnz, grown, pruned = (np.array([getattr(record, name) for record in records]).T for name in ("nnz", "grown", "pruned"))
    if stacked:
        _stack(links, epochs, nnz)
        links.set_ylim(0, 1.08 * max(1, nnz.sum(axis=0).max()))
    else:
        _lines(links, epochs, nnz)
    style.label(links, y="links")
    if hidden:
        _lines(axes[1, 0], epochs, np.array([record.active_neurons for record in records]).T)
        gone = np.array([record.neurons_pruned or (0,) * hidden for record in records]).T
        if gone.any():
            _stack(axes[1, 0], epochs, gone)
            axes[1, 0].set_ylim(top=max(axes[1, 0].get_ylim()[1], 1.08 * gone.sum(axis=0).max()))
        style.label(axes[1, 0], y="active neurons\n(bars: pruned)" if gone.any() else "active neurons")
    _stack(turnover, epochs, grown)
    _stack(turnover, epochs, -pruned)
    top = 1.08 * max(1, grown.sum(axis=0).max(), pruned.sum(axis=0).max())
    turnover.set_ylim(-top, top)
    turnover.axhline(0, color=style.GREY, linewidth=0.8)
    turnover.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    style.label(turnover, "epoch", "links\npruned | grown")
    style.numbered(turnover, epochs)
    names = [f"layer {number + 1}" for number in range(len(nnz))]
    if hidden:
        names[-1] += " (output)"
    legends.below(figure, [_handle(number) for number in range(len(nnz))], names)
    return style.finish(figure, _table(records))


def _lines(ax, epochs, values):
    for number, line in enumerate(values):
        ax.plot(epochs, line, **_line(number), markevery=max(1, len(epochs) // 8))
    style.whole(ax.yaxis)
    if values.min() > 0 and values.max() > LOG_FROM * values.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, max(1, 1.08 * values.max()))


def _stack(ax, epochs, values):
    bottom = np.zeros(len(epochs))
    for number, heights in enumerate(values):
        if len(epochs) > BARS:
            ax.fill_between(epochs, bottom, bottom + heights, step="mid", **_fill(number))
        else:
            ax.bar(epochs, heights, 0.8, bottom, **_fill(number))
        bottom = bottom + heights
    style.whole(ax.yaxis)


def _fill(number):
    colour = to_rgba(style.look(number)["color"], 0.55)
    return {"facecolor": colour, "hatch": style.hatch(number), "edgecolor": "white", "linewidth": 0}


def _line(number):
    return {**style.look(number), "linestyle": style.dash(number), "linewidth": 1.5, "markersize": 4}


def _handle(number):
    return Patch(**_fill(number)), Line2D([], [], **_line(number))


def _table(records):
    rows = []
    for record in records:
        for l, links in enumerate(record.nnz):
            active = record.active_neurons[l] if l < len(record.active_neurons) else np.nan
            gone = record.neurons_pruned[l] if l < len(record.neurons_pruned) else np.nan
            row = {"epoch": record.epoch, "layer": l + 1, "links": links, "active_neurons": active, "neurons_pruned": gone}
            rows.append(row | {"pruned": record.pruned[l], "grown": record.grown[l]})
    return rows
