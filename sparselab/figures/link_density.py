"""Which links exist, as an image of link densities; its cost grows with the links, its memory with the image."""

import numpy as np

from ..kernels.binning import links_per_bin
from ..nn.mlp import check_no_estimator
from ..utils import checks
from . import style
from .table_figure import TableFigure
from .types import Links

CELLS = 64  # up to this width, a pixel of the image is one possible link
LINES = 24  # up to this width, lines separate the pixels


def connectivity(source: Links, *, bins: int = 256, title: str | None = None) -> TableFigure:
    """Draw the links of layers as images: rows are output neurons, columns are input neurons.

    Parameters
    ----------
    source : SparseMLP, SparseLinear or Topology
        A network has a panel for each layer.
    bins : int, default 256
        Largest number of bins along each side, at most 4096. All bins are equally many neurons wide, but the last one may be
        narrower. Layers of at most 64 × 64 neurons show single links.
    title : str, optional
        Title of the figure.

    Returns
    -------
    TableFigure
        The colour is the number of links divided by the number of possible links. Columns of the table: layer, first output and
        input neuron of a bin, links, possible.

    Raises
    ------
    TypeError
        If `source` is none of these.
    ValueError
        If `bins` is out of bounds.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> figure = sl.figures.connectivity(model)
    >>> int(figure.to_frame()["links"].sum()) == model.n_links
    True
    """
    checks.integer("bins", bins, high=4096)
    layers = topologies_of(source)
    columns = min(2, len(layers))
    rows = -(-len(layers) // columns)
    width = 4.6 if columns == 1 else style.WIDTH
    height = 0.4 + (3.3 if columns == 1 else 2.9) * rows
    figure, axes = style.blank(rows, columns, height=height, width=width, image=True, title=style.heading(title))
    tables = []
    for number, (ax, topology) in enumerate(zip(axes.flat, layers), 1):
        image = density(topology, CELLS if max(topology.shape) <= CELLS else bins)
        _draw(figure, ax, topology, image)
        name = f"layer {number}: " if len(layers) > 1 else ""
        style.label(ax, "input neuron", "output neuron", f"{name}{topology.n_in:,} → {topology.n_out:,}, {topology.nnz:,} links")
        tables.append({"layer": np.full(image["links"].size, number), **{key: value.ravel() for key, value in image.items()}})
    style.last_row(axes, len(layers))
    return style.finish(figure, {key: np.concatenate([table[key] for table in tables]) for key in tables[0]})


def topologies_of(source):
    """List of the topologies of a model, a layer or a topology."""
    if hasattr(source, "layers"):
        return [layer.topology for layer in source.layers]
    check_no_estimator(source, "source", "a Topology, a SparseLinear or a SparseMLP")
    topology = getattr(source, "topology", source)
    if not hasattr(topology, "indptr"):
        checks.fail("source", source, "a Topology, a SparseLinear or a SparseMLP", TypeError)
    return [topology]


def density(topology, bins=256):
    """{output, input: first neuron of each bin; links, possible: counts}, each (rows, columns) of at most `bins`; int64."""
    n_out, n_in = topology.shape
    height, width = (-(-n // bins) for n in (n_out, n_in))
    outputs, inputs = np.arange(0, n_out, height, dtype=np.int64), np.arange(0, n_in, width, dtype=np.int64)
    links = np.zeros((len(outputs), len(inputs)), np.int64)
    links_per_bin(topology.indptr, topology.indices, height, width, links)
    possible = np.minimum(height, n_out - outputs)[:, None] * np.minimum(width, n_in - inputs)
    first = np.broadcast_arrays(outputs[:, None], inputs)
    return {"output": first[0], "input": first[1], "links": links, "possible": possible}


def typical_top(share):
    """Upper end of the colour scale: the 99.5 % quantile of the densities, so that one dense bin does not decide it."""
    return float(np.quantile(share, 0.995)) or float(share.max()) or 1.0


def _draw(figure, ax, topology, image):
    n_out, n_in = topology.shape
    share = image["links"] / image["possible"]
    cells, top = max(n_out, n_in) <= CELLS, typical_top(share)
    shown = ax.imshow(
        share, cmap="Blues", vmin=0, vmax=1 if cells else top, origin="upper", extent=(-0.5, n_in - 0.5, n_out - 0.5, -0.5),
        aspect="equal" if cells and 1 / 3 <= n_out / n_in <= 3 else "auto", interpolation="nearest" if cells else "antialiased",
    )  # fmt: skip
    style.whole(ax.xaxis, 5)
    style.whole(ax.yaxis)
    if cells and max(n_out, n_in) <= LINES:
        ax.vlines(np.arange(1, n_in) - 0.5, -0.5, n_out - 0.5, style.GRID, linewidth=0.6)
        ax.hlines(np.arange(1, n_out) - 0.5, -0.5, n_in - 0.5, style.GRID, linewidth=0.6)
    extend = "max" if share.max() > top and not cells else "neither"
    style.colour_bar(figure, shown, ax, "links per possible link", ticks=[0, 1] if cells else None, extend=extend)
