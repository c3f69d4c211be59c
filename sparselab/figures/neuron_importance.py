"""Which neurons Importance Pruning would take: how strong the neurons of each hidden layer are, and where the cut falls."""

import numpy as np

from .. import evolution
from ..evolution import importances
from ..utils import checks
from . import legends, style

BARS = 50
WORDS = {"incoming": "strength: Σ |w| incoming", "outgoing": "Σ |w| outgoing", "product": "Σ |w| incoming × outgoing"}


def strength_histogram(model, amount=None, importance=None, *, min_neurons=1, title=None, dataset=None):
    """Neurons of each hidden layer by importance; with `amount`, the share of them that would go is hatched, up to a line.

    amount: share of the neurons that the model has now, as in `analysis.prune_curve.prune`; None: no cut. importance: a
    function (layer, following) -> (neurons,) numbers, or one of the names "incoming" (default: the paper's neuron strength),
    "outgoing", "product". min_neurons: as in ImportancePruning. The line stands at the strongest neuron that goes. Table: layer,
    from, to,
    neurons, gone (how many of them would go), threshold. Raises TypeError or ValueError naming the argument.
    """
    importance, text = named(importance)
    if len(model.layers) < 2:
        checks.fail("model", model, "a net with at least one hidden layer")
    scores = importances.scores(importance, model)
    widths = model.sizes[1:-1] if amount is None else evolution.widths_without(
        model.sizes[1:-1], checks.fraction("amount", amount), checks.integer("min_neurons", min_neurons)
    )  # fmt: skip
    gone = evolution.least_important(model, importance, widths)
    columns = min(3, len(scores)) if len(scores) != 4 else 2
    panels = -(-len(scores) // columns)
    size = {"height": 0.7 + 2.3 * panels, "width": style.WIDTH if columns > 1 else 4.2}
    figure, axes = style.blank(panels, columns, **size, title=style.heading(title, dataset))
    rows = []
    for number, (ax, values, mask) in enumerate(zip(axes.flat, scores, gone, strict=False), 1):
        table = bins(values.astype(np.float64), mask)
        handles = _draw(ax, table)
        rows += [{"layer": number, **row} for row in table]
        style.label(ax, title=_caption(number, values, mask))
    for ax in axes[:, 0]:
        style.label(ax, y="neurons")
    for ax in style.last_row(axes, len(scores)):
        style.label(ax, text)
    legends.below(figure, handles, ["stays", "goes", "strongest that goes"][: len(handles)])
    return style.finish(figure, rows)


def named(importance):
    """(function, words for the axis) of an importance function, its name, or None for the paper's."""
    if isinstance(importance, str):
        importance = importances.NAMES[checks.choice("importance", importance, importances.NAMES)]
    importance = importances.incoming if importance is None else importance
    if not callable(importance):
        checks.fail("importance", importance, f"a function, or one of {list(importances.NAMES)}", TypeError)
    names = {function: name for name, function in importances.NAMES.items()}
    name = names.get(importance)
    return importance, WORDS[name] if name else style.plain(getattr(importance, "__name__", "importance"))


def bins(values, gone):
    """One dict a bin [from, to) of values (neurons,), the last one closed: neurons, and how many of them go; the threshold."""
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    counts, lost = np.histogram(values, edges)[0], np.histogram(values[gone], edges)[0]
    threshold = float(values[gone].max()) if gone.any() else np.nan
    cells = zip(edges, edges[1:], counts, lost)
    return [{"from": float(a), "to": float(b), "neurons": int(n), "gone": int(g), "threshold": threshold} for a, b, n, g in cells]


def _draw(ax, table):
    edges = [row["from"] for row in table] + [table[-1]["to"]]
    counts, lost = (np.array([row[name] for row in table]) for name in ("neurons", "gone"))
    stays = ax.stairs(counts, edges, fill=True, color=style.COLOURS[5])
    ax.stairs(counts, edges, color=style.COLOURS[0], linewidth=1)
    ax.set_ylim(0, 1.12 * max(1, counts.max()))
    style.whole(ax.yaxis)
    ax.xaxis.set_major_locator(style.MaxNLocator(nbins=4))
    threshold = table[0]["threshold"]
    if np.isnan(threshold):
        return [stays]
    goes = ax.stairs(lost, edges, fill=True, facecolor=style.COLOURS[1], hatch="//", edgecolor="white", linewidth=0)
    line = ax.axvline(threshold, color=style.INK, linestyle="--", linewidth=1.4)
    return [stays, goes, line]


def _caption(number, values, gone):
    text = f"hidden layer {number}: {len(values):,}"
    return text + (f"\n{gone.sum():,} go, up to {values[gone].max():.3g}" if gone.any() else "")
