"""Floating-point operations and memory of a run, epoch by epoch, compared with the dense network of the original widths."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..nn import summary
from . import legends, style
from .cost_bars import ratio
from .table_figure import TableFigure
from .tables import joined, tables_of
from .types import DatasetName, Tables

PANELS = {
    "total_flops": ("total_dense_flops", "flops of training so far (log scale)"),
    "training_bytes": ("dense_training_bytes", "bytes in training (log scale)"),
}


def run_costs(costs: Tables, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw the operations and the memory of a training by epoch, beside those of the dense network.

    Both axes of costs are logarithmic. The dense network has the original widths, even if neurons were pruned. The ratio of the
    last epoch stands at the end of each line.

    Parameters
    ----------
    costs : pandas.DataFrame or dict
        The result of `analysis.run_costs`, or ``{label: result}`` to compare runs.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Operations of the training so far, and bytes in training without activations. The table is `costs` with a column run.

    Raises
    ------
    TypeError
        If `costs` is anything else or has no rows.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> figure = sl.figures.run_costs(sl.analysis.run_costs(history, model))
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['epoch', 'epoch']
    """
    wanted = ("epoch", *PANELS, *(dense for dense, _ in PANELS.values()))
    tables = tables_of("costs", costs, wanted, "analysis.run_costs")
    figure, axes = style.blank(1, 2, height=3.1, title=style.heading(title, dataset))
    for ax, (ours, (dense, text)) in zip(axes.flat, PANELS.items(), strict=True):
        handles = _draw(ax, tables, ours, dense)
        ax.set_yscale("log")
        style.label(ax, "epoch", text)
        style.numbered(ax, [epoch for table in tables.values() for epoch in table["epoch"]])
        if "bytes" in ours:
            ax.yaxis.set_major_locator(LogLocator(base=4))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: summary.size(value).replace(".0 ", " ")))
    legends.below(figure, handles.values(), handles)
    return style.finish(figure, joined(tables))


def _draw(ax, tables, ours, dense):
    handles, top = {}, 0
    for number, (label, table) in enumerate(tables.items()):
        epochs, values, compared = (np.asarray(table[name], float) for name in ("epoch", ours, dense))
        every = max(1, len(epochs) // 8)
        look = {**style.look(number), "linewidth": 1.6, "markersize": 4, "markevery": every}
        handles[style.plain(label) if label else "this run"] = ax.plot(epochs, values, **look)[0]
        line = ax.plot(epochs, compared, "--", color=style.GREY, linewidth=1.6)[0]
        ax.annotate(
            ratio(values[-1], compared[-1]), (epochs[-1], values[-1]), (-2, 7), textcoords="offset points", ha="right",
            fontsize=style.SMALL, color=look["color"],
        )  # fmt: skip
        top = np.nanmax([top, *values, *compared])
    low = min(float(np.nanmin(table[name])) for table in tables.values() for name in (ours, dense))
    ax.set_ylim(max(low, 1) / 2, max(top, 1) * 3)
    return handles | {"dense net of the original widths": line}
