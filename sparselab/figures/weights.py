"""How large the weights are: pruning by magnitude leaves its mark around zero."""

import numpy as np

from . import style

BARS = 60


def weights_histogram(model, *, title=None, dataset=None):
    """Links by weight, a panel a layer on a common axis of weights; weights that are not finite are left out and counted."""
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
