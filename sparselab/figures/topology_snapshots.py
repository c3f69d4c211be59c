"""A topology at several epochs: links of each pixel, and which links evolution has grown since the first of them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from ..topology.topology import Topology
from ..utils import checks
from . import legends, style
from .pixel_maps import image_of, shape_of
from .table_figure import TableFigure
from .types import DatasetName

NEURONS = 60  # hidden neurons whose single links are drawn; more would not be distinguishable
MOST = 6  # largest number of columns
KINDS = {"there from the start": style.COLOURS[0], "grown since": style.COLOURS[4]}


def topology_stages(
    topologies: Mapping[int, Topology],
    image_shape: Sequence[int] | None = None,
    *,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw the first layer's topology at several epochs: links of each pixel, and single links to the first hidden neurons.

    Parameters
    ----------
    topologies : dict
        ``{epoch: Topology}`` of the first layer, at most six, all of one shape; the first one is the start.
    image_shape : tuple of int, optional
        (height, width) or (height, width, channels), where the links of the channels are added; by default that of `dataset`.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        The title of each column says which share of the links was not there at the start. Columns of the table: epoch, row,
        column, links.

    Raises
    ------
    TypeError
        If `topologies` is not a dict of topologies.
    ValueError
        If there is none or more than six, their shapes differ, or the image's shape does not fit.

    Examples
    --------
    >>> import sparselab as sl
    >>> layer = sl.erdos_renyi(20, 64, epsilon=4, seed=0)
    >>> figure = sl.figures.topology_stages({0: layer, 5: sl.erdos_renyi(20, 64, epsilon=4, seed=1)}, (8, 8))
    >>> sorted(set(figure.data["epoch"].tolist()))
    [0, 5]
    """
    checked(topologies)
    shape, first = shape_of(image_shape, dataset), next(iter(topologies.values()))
    pixels = {epoch: image_of(topology.fan_out, shape) for epoch, topology in topologies.items()}
    size = {"width": 1.3 + 1.6 * len(topologies), "height": 4.6}
    figure, axes = style.blank(2, len(topologies), **size, title=style.heading(title, dataset), image=True)
    for (epoch, topology), ax in zip(topologies.items(), axes[0]):
        share = grown(first, topology).mean() if topology.nnz else 0
        style.label(ax, title=f"{title_of(epoch)}\n{share:.0%} grown since")
    _maps(figure, axes[0], list(pixels.values()))
    for topology, ax in zip(topologies.values(), axes[1]):
        _links(ax, first, topology)
    for row, (across, down) in zip(axes, (("column", "row"), ("input (pixel)", "hidden neuron"))):
        style.label(row[0], y=down)
        for ax in row:
            style.label(ax, across)
            ax.tick_params(labelleft=ax is row[0])
    legends.below(figure, [Patch(color=colour) for colour in KINDS.values()], list(KINDS))
    return style.finish(figure, table(pixels))


def checked(topologies):
    """Raise TypeError or ValueError unless this is a dict of 1 to MOST topologies of one shape."""
    if not isinstance(topologies, dict) or not all(hasattr(one, "fan_out") for one in topologies.values()):
        checks.fail("topologies", topologies, "a dict {epoch: Topology}", TypeError)
    if not 1 <= len(topologies) <= MOST:
        checks.fail("topologies", list(topologies), f"of 1 to {MOST} epochs")
    if len(shapes := {topology.shape for topology in topologies.values()}) > 1:
        checks.fail("topologies", shapes, "of one shape")


def title_of(epoch):
    """The column's title for an epoch."""
    return f"after epoch {epoch}" if epoch else "before training"


def grown(first, now):
    """Bool array (nnz,): which links of `now` are not in `first`."""
    places = [one.rows.astype(np.int64) * one.n_in + one.indices for one in (first, now)]
    return ~np.isin(places[1], places[0], assume_unique=True)


def kinds(first, now):
    """Array (neurons, n_in) of the first NEURONS neurons: 0 for no link, 1 for a link from the start, 2 for one grown since."""
    image = np.zeros((min(NEURONS, now.n_out), now.n_in), np.int8)
    shown = slice(0, int(now.indptr[len(image)]))
    image[now.rows[shown], now.indices[shown]] = 1 + grown(first, now)[shown]
    return image


def _maps(figure, row, images):
    """Draw the links of each pixel, with one colour scale."""
    low, high = min(image.min() for image in images), max(image.max() for image in images)
    for ax, image in zip(row, images):
        shown = ax.imshow(image, cmap="viridis", vmin=low, vmax=max(high, low + 1), interpolation="nearest")
        for axis in (ax.xaxis, ax.yaxis):
            style.whole(axis, 4)
    style.colour_bar(figure, shown, row, "links per pixel")


def _links(ax, first, topology):
    """Draw single links, in the colour of their kind."""
    image = kinds(first, topology)
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
    colours = ListedColormap(["white", *KINDS.values()])
    ax.imshow(image, cmap=colours, vmin=0, vmax=2, extent=extent, aspect="auto", interpolation="nearest")
    for axis in (ax.xaxis, ax.yaxis):
        style.whole(axis, 3)


def table(pixels):
    """Table columns of the upper row: epoch, row, column, links."""
    first = next(iter(pixels.values()))
    rows, columns = (places.ravel() for places in np.indices(first.shape))
    parts = [
        {"epoch": np.full(image.size, epoch), "row": rows, "column": columns, "links": image.ravel()}
        for epoch, image in pixels.items()
    ]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
