"""What pruning costs and what it saves: accuracy against what is left of the net, and the time and bytes it then takes."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..utils import checks
from . import legends, style
from .tables import joined, tables_of

NEEDED = ("amount", "neurons", "links", "bytes", "accuracy", "loss", "seconds")
COSTS = {"bytes": "bytes", "seconds": "inference time"}


def trade_off(table, amount=None, *, title=None, dataset=None):
    """Test accuracy against links and against hidden neurons; below, bytes and measured inference time against the amount.

    table: the DataFrame of `sparselab.prune_curve`, or {label: DataFrame} to compare. amount: one of the amounts in it, which is
    marked (nothing is drawn that was not computed; ValueError for another one). The grey line is the least pruned net of each
    table, the unpruned one where amount 0 is there; time and bytes are in % of it. Dashed: after fine tuning, where the
    table has it. Regressions, which have no accuracy, get the loss. The figure's table is the given one, with its label.
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
        style.label(
            ax, "amount: share of hidden neurons gone", f"{text} (% of {first})" if first != "unpruned" else f"{text} (%)"
        )
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
    """The rows of a table at that amount, as dicts."""
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
