"""Costs beside those of a dense network: bytes of each layer, and any measured numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..nn import summary
from ..nn.mlp import check_model
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import Model

BYTES = {"bytes": "stored: links and biases", "training_bytes": "in training, without activations"}
UNITS = {"links": "{:,.0f}".format, "bytes": summary.size, "seconds": summary.duration}
OURS, DENSE = {"color": style.COLOURS[0]}, {"color": style.COLOURS[4], "hatch": "//", "edgecolor": "white", "linewidth": 0}
NAMED = 6  # layers whose shapes fit under the bars


def memory(model: Model, *, title: str | None = None) -> TableFigure:
    """Draw the bytes of each layer beside those of a dense network of the same widths.

    Parameters
    ----------
    model : SparseMLP
        The network.
    title : str, optional
        Title of the figure.

    Returns
    -------
    TableFigure
        Bytes of the stored network, and bytes in training without activations, on logarithmic axes. The table has a row for each
        layer and one for the whole network, as `SparseMLP.summary` prints them.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> sl.figures.memory(model).to_frame()["layer"].tolist()
    ['1', '2', 'all']
    """
    check_model(model)
    rows = summary.rows(model)
    figure, axes = style.blank(2, 1, height=4.9, sharex=True, title=style.heading(title))
    for ax, (key, text) in zip(axes.flat, BYTES.items(), strict=True):
        handles = _pairs(ax, [row[key] for row in rows], [row[f"dense_{key}"] for row in rows])
        style.label(ax, y="bytes (log scale)", title=text)
    shapes = [f"\n{row['shape']}" if len(rows) <= NAMED + 1 else "" for row in rows]
    axes[1, 0].set_xticks(range(len(rows)), [row["layer"] + shape for row, shape in zip(rows, shapes, strict=True)])
    style.label(axes[1, 0], "layer")
    legends.below(figure, handles, ["this net", "dense net of the same widths"])
    return style.finish(figure, rows)


def _pairs(ax, ours, dense):
    places = np.arange(len(ours))
    handles = [ax.bar(places - 0.2, ours, 0.38, **OURS), ax.bar(places + 0.2, dense, 0.38, **DENSE)]
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(base=32))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: summary.size(value).replace(".0 ", " ")))
    ax.set_ylim(min(ours + dense) / 8, max(ours + dense) * 8)
    ax.grid(False, axis="x")
    for place, a, b in zip(places, ours, dense, strict=True):
        _above(ax, place, max(a, b), ratio(a, b))
    return handles


def ratio(ours, dense):
    """`ours` relative to `dense` as text: "12× less", "1.5× more", "equal"; empty if one is unknown or zero."""
    if not (ours > 0 and dense > 0):
        return ""
    factor = max(ours, dense) / min(ours, dense)
    text = f"{factor:,.0f}" if factor >= 9.95 else f"{factor:.2g}"
    return "equal" if text == "1" else f"{text}× {'less' if ours < dense else 'more'}"


def compare_costs(
    ours: Mapping[str, float | None],
    dense: Mapping[str, float | None],
    *,
    title: str | None = None,
    labels: Sequence[str] = ("sparse", "dense"),
) -> TableFigure:
    """Draw measured costs of two networks side by side, with their ratios.

    Parameters
    ----------
    ours : dict
        Numbers by name, such as ``{"links": 1000, "bytes": 5e4, "seconds": 0.2}``; None: not measured.
    dense : dict
        The same of the other network. Only names that both have are drawn, a panel each.
    title : str, optional
        Title of the figure.
    labels : (str, str), default ("sparse", "dense")
        What the two bars of a panel are called.

    Returns
    -------
    TableFigure
        Columns of the table: quantity, ours, dense, ratio.

    Raises
    ------
    ValueError
        If the two share no name, or a number is negative or not finite.

    Examples
    --------
    >>> import sparselab as sl
    >>> figure = sl.figures.compare_costs({"links": 10, "seconds": 1.5}, {"links": 1000, "seconds": None})
    >>> figure.data["ratio"]
    [100.0, nan]
    """
    names = [name for name in ours if name in dense]
    if not names:
        checks.fail("dense", sorted(dense), f"a dict that shares names with {sorted(ours)}")
    figure, axes = style.blank(1, len(names), height=2.8, width=max(3.2, 2.1 * len(names)), title=style.heading(title))
    rows = []
    for ax, name in zip(axes.flat, names, strict=True):
        pair = [_measured(f"{side}[{name!r}]", numbers[name]) for side, numbers in (("ours", ours), ("dense", dense))]
        _columns(ax, name, pair, [style.plain(text, 16) for text in labels])
        rows.append({"quantity": name, "ours": pair[0], "dense": pair[1], "ratio": pair[1] / pair[0] if pair[0] else np.nan})
    return style.finish(figure, rows)


def _measured(name, value):
    return np.nan if value is None else checks.non_negative(name, value)


def _columns(ax, name, pair, labels):
    write, notes = UNITS.get(name, "{:.4g}".format), (ratio(*pair), "")
    for place, (value, note, look) in enumerate(zip(pair, notes, (OURS, DENSE), strict=True)):
        known = np.isfinite(value)
        ax.bar(place, value if known else 0, 0.65, **look)
        lines = [write(value) if known else "not\nmeasured", note]
        _above(ax, place, value if known else 0, "\n".join(line for line in lines if line))
    ax.set_xticks([0, 1], labels)
    ax.set_xlim(-0.6, 1.6)
    ax.set_ylim(0, 1.25 * max([value for value in pair if np.isfinite(value)], default=1) or 1)
    ax.yaxis.set_visible(False)
    ax.spines["left"].set_visible(False)
    ax.grid(False)
    style.label(ax, title=style.plain(name))


def _above(ax, place, height, text):
    ax.annotate(
        text, (place, height), (0, 3), textcoords="offset points", ha="center", fontsize=style.SMALL, color=style.INK
    )  # fmt: skip
