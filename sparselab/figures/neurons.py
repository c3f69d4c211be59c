"""Neurons that work and neurons that do not, as shares of their layers."""

import numpy as np

from . import legends, style
from .table_figure import TableFigure
from .tables import grouped_bars, joined, tables_of
from .types import DatasetName, Tables

KINDS = {
    "without_incoming": "without incoming links", "without_outgoing": "without outgoing links",
    "dead": "dead: slope 0 on all data", "saturated": "saturated: slope ≈ 0 on all data",
    "one_sided": "z on one side of 0 on all data",
}  # fmt: skip
ENDS = {"from_input": "with a path from an input", "to_output": "with a path to an output", "both": "with both"}


def neuron_health(health: Tables, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw which share of each hidden layer's neurons has no links, is dead, saturated or one-sided.

    Parameters
    ----------
    health : pandas.DataFrame or dict
        The result of `analysis.neuron_health`, or ``{label: result}`` to compare networks, a panel each.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        A group of bars for each hidden layer. The table is `health` with a column run.

    Raises
    ------
    TypeError
        If `health` is anything else or has no rows.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> data = sl.datasets.load("digits")
    >>> figure = sl.figures.neuron_health(sl.analysis.neuron_health(model, data.X_test))
    >>> figure.data["neurons"]
    [20]
    """
    tables = tables_of("health", health, ("layer", "neurons", *KINDS), "analysis.neuron_health")
    shares = lambda table, kind: 100 * np.asarray(table[kind], float) / np.asarray(table["neurons"], float)
    return _panels(tables, "layer", "hidden layer", KINDS, shares, style.heading(title, dataset))


def reach(table: Tables, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw which share of each level's neurons is connected by paths of links to an input, to an output, to both.

    Parameters
    ----------
    table : pandas.DataFrame or dict
        The result of `analysis.reachable`, or ``{label: result}`` to compare networks, a panel each. Level 0 is the input.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        A group of bars for each level. The table is `table` with a column run.

    Raises
    ------
    TypeError
        If `table` is anything else or has no rows.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> sl.figures.reach(sl.analysis.reachable(model)).data["level"]
    [0, 1, 2]
    """
    tables = tables_of("table", table, ("level", "neurons", *ENDS), "analysis.reachable")
    shares = lambda table, kind: 100 * np.asarray(table[kind], float)
    return _panels(tables, "level", "level (0: input)", ENDS, shares, style.heading(title, dataset))


def _panels(tables, place, text, kinds, shares, heading):
    figure, axes = style.blank(len(tables), 1, height=0.7 + 1.9 * len(tables), sharex=True, sharey=True, title=heading)
    for ax, (label, table) in zip(axes.flat, tables.items(), strict=True):
        handles = grouped_bars(ax, table[place], {kind: shares(table, kind) for kind in kinds})
        style.label(ax, y="% of neurons", title=style.plain(label) if label else None)
    top = max(float(np.max(shares(table, kind))) for table in tables.values() for kind in kinds)
    axes[0, 0].set_ylim(0, min(1.05 * max(top, 5), 105))
    style.label(axes[-1, 0], text)
    style.numbered(axes[-1, 0], [number for table in tables.values() for number in table[place]])
    legends.below(figure, list(handles.values()), list(kinds.values()))
    return style.finish(figure, joined(tables))
