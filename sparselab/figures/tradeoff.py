"""Accuracy against what pruning leaves of a network, and the time and bytes it then takes."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .tables import joined, tables_of
from .types import DatasetName, Tables

NEEDED = ("amount", "neurons", "links", "bytes", "accuracy", "loss", "seconds")
COSTS = {"bytes": "bytes", "seconds": "inference time"}


def trade_off(
    table: Tables, amount: float | None = None, *, title: str | None = None, dataset: DatasetName = None
) -> TableFigure:
    """Draw test accuracy against links and hidden neurons, and bytes and inference time against the pruned share.

    Parameters
    ----------
    table : pandas.DataFrame or dict
        The result of `prune_curve`, or ``{label: result}`` to compare. Regressions have no accuracy, so the loss is drawn.
    amount : float, optional
        One of the table's amounts, which is marked.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Grey lines: the least pruned network of each table, of which time and bytes are percentages; dashed: after fine-tuning, if
        the table has it. The figure's table is `table`, with a column run if there are several.

    Raises
    ------
    TypeError
        If `table` is anything else or has no rows.
    ValueError
        If `amount` is not in the table.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> curve = sl.prune_curve(model, data, (0, 0.5), progress=False, repeats=1)
    >>> sl.figures.trade_off(curve, 0.5).data["amount"]
    [0.0, 0.5]
    """
    tables = tables_of("table", table, NEEDED, "sparselab.prune_curve")
    columns = list(dict.fromkeys(name for one in tables.values() for name in one.columns))
    tables = {label: one.sort_values("amount").reindex(columns=columns) for label, one in tables.items()}
    if amount is not None:
        known = sorted({float(value) for one in tables.values() for value in one["amount"]})
        if float(checks.fraction("amount", amount)) not in known:
            checks.fail("amount", amount, f"one of the amounts of the table: {known}")
    score = "accuracy" if all(one["accuracy"].notna().all() for one in tables.values()) else "loss"
    figure, axes = style.blank(2, 2, height=5.0, title=style.heading(title, dataset))
    for number, one in enumerate(tables.values()):
        for ax, name in zip(axes[0], ("links", "neurons"), strict=True):
            _scores(ax, one, name, score, number, amount)
        for ax, name in zip(axes[1], COSTS, strict=True):
            _costs(ax, one, name, number, amount)
    for ax, name in zip(axes[0], ("links", "hidden neurons"), strict=True):
        style.label(ax, f"{name} left", f"test {score}")
        style.whole(ax.xaxis, 5)
        ax.set_xlim(0, None)
    first = "unpruned" if all(one["amount"].iloc[0] == 0 for one in tables.values()) else "least pruned"
    for ax, text in zip(axes[1], COSTS.values(), strict=True):
        style.label(ax, "share of hidden neurons pruned", f"{text} (% of {first})" if first != "unpruned" else f"{text} (%)")
        ax.set_ylim(0, max(108, ax.get_ylim()[1]))
    legends.below(figure, *_legend(tables, amount, first))
    whole = joined(tables)
    return style.finish(figure, whole if list(tables) != [""] else {k: v for k, v in whole.items() if k != "run"})


def _scores(ax, one, name, score, number, amount):
    look = {**style.look(number), "linewidth": 1.5, "markersize": 4}
    ax.axhline(one[score].iloc[0], color=style.GREY, linestyle=":", linewidth=1.3)
    ax.plot(one[name], one[score], "-", **look)
    kinds = [score]
    if f"tuned_{score}" in one:
        ax.plot(one[name], one[f"tuned_{score}"], "--", **look, markerfacecolor="white")
        kinds.append(f"tuned_{score}")
    for row in _marked(one, amount):
        for kind in kinds:
            _mark(ax, row[name], row[kind], number)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5))


def _costs(ax, one, name, number, amount):
    relative = 100 * one[name] / one[name].iloc[0]
    ax.plot(one["amount"], relative, "-", **style.look(number), linewidth=1.5, markersize=4)
    ax.axhline(100, color=style.GREY, linestyle=":", linewidth=1.3)
    for row in _marked(one, amount):
        _mark(ax, row["amount"], 100 * row[name] / one[name].iloc[0], number)


def _marked(one, amount):
    """The row of a table with this amount as a list of one dict; empty without an amount."""
    return [] if amount is None else one[one["amount"] == float(amount)].head(1).to_dict("records")


def _mark(ax, x, y, number):
    if np.isfinite(y):
        ax.plot([x], [y], "o", markersize=11, markerfacecolor="none", markeredgewidth=2, color=style.INK, zorder=5)


def _legend(tables, amount, first):
    handles, labels = [], []
    for number, label in enumerate(tables):
        handles.append(Line2D([], [], **style.look(number), linewidth=1.5, markersize=4))
        labels.append(style.plain(label) if label else "pruned")
    if any("tuned_loss" in one for one in tables.values()):
        look = {"markerfacecolor": "white", "markersize": 4, "linewidth": 1.5}
        colour = style.look(0) if len(tables) == 1 else {"color": style.INK, "marker": "o"}
        handles.append(Line2D([], [], linestyle="--", **colour, **look))
        labels.append("then fine-tuned")
    handles.append(Line2D([], [], color=style.GREY, linestyle=":", linewidth=1.3))
    labels.append(first)
    if amount is not None:
        handles.append(Line2D([], [], linestyle="", marker="o", markersize=9, markerfacecolor="none", color=style.INK))
        labels.append(f"amount {amount:g}")
    return handles, labels
