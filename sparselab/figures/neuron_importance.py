"""Importance of the neurons of each hidden layer, and which of them importance pruning would remove."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .. import evolution
from ..evolution import importances
from ..nn.mlp import check_model
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import DatasetName, Model

BARS = 50
LABELS = {"incoming": "strength: Σ |w| incoming", "outgoing": "Σ |w| outgoing", "product": "Σ |w| incoming × outgoing"}


def strength_histogram(
    model: Model,
    amount: float | None = None,
    importance: Callable[..., ArrayLike] | str | None = None,
    *,
    min_neurons: int = 1,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw a histogram of neuron importance for each hidden layer; neurons that would be pruned are hatched.

    Parameters
    ----------
    model : SparseMLP
        A network with at least one hidden layer.
    amount : float, optional
        Share of the hidden neurons that would be pruned, in [0, 1]; by default none.
    importance : callable or {"incoming", "outgoing", "product"}, optional
        A function (layer, following layer) -> (neurons,) numbers, or the name of one; by default "incoming", the neuron strength
        of the paper.
    min_neurons : int, default 1
        Neurons that every layer keeps at least, as in `ImportancePruning`.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        A dashed line marks the most important neuron that would be pruned. Columns of the table: layer, from, to, neurons, gone
        (how many of them would be pruned), threshold.

    Raises
    ------
    TypeError
        If `importance` is neither a function nor a name.
    ValueError
        If the network has no hidden layer, or an argument is out of bounds.

    References
    ----------
    .. [1] Curci, S., Mocanu, D. C., Pechenizkiy, M. (2021). Truly sparse neural networks at scale. arXiv:2102.01732.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> sum(sl.figures.strength_histogram(model, 0.25).data["gone"])
    5
    """
    check_model(model)
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
    legends.below(figure, handles, ["kept", "pruned", "most important pruned"][: len(handles)])
    return style.finish(figure, rows)


def named(importance):
    """(function, axis label) of an importance function, its name, or None for the default."""
    if isinstance(importance, str):
        importance = importances.NAMES[checks.choice("importance", importance, importances.NAMES)]
    importance = importances.incoming if importance is None else importance
    if not callable(importance):
        checks.fail("importance", importance, f"a function, or one of {list(importances.NAMES)}", TypeError)
    names = {function: name for name, function in importances.NAMES.items()}
    name = names.get(importance)
    return importance, LABELS[name] if name else style.plain(getattr(importance, "__name__", "importance"))


def bins(values, gone):
    """One dict for each bin [from, to) of values (neurons,): neurons, how many are pruned, threshold. The last bin is closed."""
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
    return text + (f"\n{gone.sum():,} pruned, up to {values[gone].max():.3g}" if gone.any() else "")
