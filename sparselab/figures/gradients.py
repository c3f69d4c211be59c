"""Norms of gradients by layer: they show where gradients vanish on their way back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analysis.gradients import gradient_norm_per_layer as gradient_norm_per_layer  # its old place
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import DatasetName

PANELS = {"dZ": "‖dZ‖ of a layer's outputs", "dw": "‖dw‖ of its links"}


def gradient_norms(norms: Mapping[Any, Any], *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw norms of gradients by layer on a logarithmic axis.

    Norms that are exactly zero have no place on such an axis; a "0" at its bottom marks them.

    Parameters
    ----------
    norms : dict
        The result of `analysis.gradient_norm_per_layer`, or ``{label: result}`` to compare networks, activations or epochs.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Columns of the table: run, layer, dZ (gradients of the layer's outputs), dw (gradients of its links).

    Raises
    ------
    TypeError
        If `norms` is anything else.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> norms = sl.analysis.gradient_norm_per_layer(model, data.X_train, data.y_train)
    >>> sl.figures.gradient_norms(norms).data["layer"]
    [1, 2]
    """
    tables = norms if isinstance(norms, dict) and "layer" not in norms else {"": norms}
    if not tables or not all(isinstance(table, dict) and {"layer", *PANELS} <= table.keys() for table in tables.values()):
        checks.fail("norms", norms, "a result of gradient_norm_per_layer, or a dict {label: result}", TypeError)
    checks.different_texts("norms", tables)
    figure, axes = style.blank(1, 2, height=3.1, title=style.heading(title, dataset))
    for ax, key in zip(axes.flat, PANELS, strict=True):
        if any(value > 0 for table in tables.values() for value in table[key]):
            ax.set_yscale("log")
        for number, table in enumerate(tables.values()):
            _draw(ax, table["layer"], np.asarray(table[key], float), number)
        style.label(ax, "layer", PANELS[key])
        style.numbered(ax, [layer for table in tables.values() for layer in table["layer"]])
    if list(tables) != [""]:
        legends.below(figure, list(axes[0, 0].lines), [style.plain(label) for label in tables])
    rows = [
        {"run": str(label), "layer": table["layer"][i], "dZ": table["dZ"][i], "dw": table["dw"][i]}
        for label, table in tables.items()
        for i in range(len(table["layer"]))
    ]
    return style.finish(figure, rows)


def _draw(ax, layers, values, number):
    look = style.look(number)
    seen = np.where(values > 0, values, np.nan)
    ax.plot(layers, seen, linestyle=style.dash(number), **look, linewidth=1.5, markersize=5)
    for layer in np.asarray(layers)[values == 0]:
        ax.annotate(
            "0", (layer, 0.02), xycoords=ax.get_xaxis_transform(), color=look["color"], fontsize=style.SMALL, ha="center"
        )  # fmt: skip
