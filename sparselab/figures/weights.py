"""Distribution of the weights of each layer; magnitude pruning leaves a gap around zero."""

import numpy as np

from ..nn.mlp import check_model
from . import style
from .table_figure import TableFigure
from .types import DatasetName, Model

BARS = 60


def weights_histogram(model: Model, *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw a histogram of the weights of each layer.

    Parameters
    ----------
    model : SparseMLP
        The network. Weights that are not finite are left out; the title of the panel counts them.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        All panels have the same horizontal axis. Columns of the table: layer, from, to, links.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> sum(sl.figures.weights_histogram(model).data["links"]) == model.n_links
    True
    """
    check_model(model)
    layers = [layer.w[np.isfinite(layer.w)].astype(np.float64) for layer in model.layers]
    columns = 2 if len(layers) in (2, 4) else min(3, len(layers))
    panels = -(-len(layers) // columns)
    top = max((float(np.abs(w).max()) for w in layers if len(w)), default=0.0) or 1.0
    edges = np.linspace(-top, top, BARS + 1)
    size = {"height": 0.5 + 2.2 * panels, "width": style.WIDTH if columns > 1 else 4.2}
    figure, axes = style.blank(panels, columns, **size, sharex=True, title=style.heading(title, dataset))
    rows = []
    for number, (ax, layer, w) in enumerate(zip(axes.flat, model.layers, layers), 1):
        counts = np.histogram(w, edges)[0]
        ax.stairs(counts, edges, fill=True, color=style.COLOURS[5])
        ax.stairs(counts, edges, color=style.COLOURS[0], linewidth=1)
        style.whole(ax.yaxis)
        lost = len(layer.w) - len(w)
        style.label(ax, title=f"layer {number}: {len(layer.w):,} links" + (f",\n{lost:,} not finite" if lost else ""))
        rows += [{"layer": number, "from": a, "to": b, "links": int(n)} for a, b, n in zip(edges, edges[1:], counts)]
    for ax in axes[:, 0]:
        style.label(ax, y="links")
    for ax in style.last_row(axes, len(layers)):
        style.label(ax, "weight")
    return style.finish(figure, rows)
