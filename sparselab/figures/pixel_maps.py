"""Which pixels a network looks at: outgoing links of each input neuron, arranged as the image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..nn.mlp import check_no_estimator
from ..utils import checks
from . import style
from .histories import degrees_of, is_record, records_of
from .link_density import topologies_of
from .table_figure import TableFigure
from .types import DatasetName, Links, Run

PANELS = 4  # epochs shown, unless they are given


def input_map(
    source: "Links | Run | ArrayLike",
    image_shape: Sequence[int] | None = None,
    *,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw the number of links of each input pixel as an image.

    Parameters
    ----------
    source : SparseMLP, SparseLinear, Topology, EpochRecord or array_like of shape (pixels,)
        Where the links are counted; an array holds the outgoing links of each pixel.
    image_shape : tuple of int, optional
        (height, width) or (height, width, channels), where the links of the channels are added; by default that of `dataset`.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Columns of the table: row, column, links.

    Raises
    ------
    TypeError
        If `source` is none of these.
    ValueError
        If the shape does not fit the inputs, or a record has no degrees.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> figure = sl.figures.input_map(model, (8, 8))
    >>> int(figure.data["links"].sum()) == model.layers[0].topology.nnz
    True
    """
    image = image_of(fan_out_of(source), shape_of(image_shape, dataset))
    figure, axes = style.blank(1, 1, width=4.2, height=3.6, title=style.heading(title, dataset), image=True)
    shown = _draw(axes[0, 0], image, max(1, image.max()))
    style.label(axes[0, 0], "column", "row")
    style.colour_bar(figure, shown, axes[0, 0], "links per pixel")
    return style.finish(figure, _table(image))


def input_maps(
    history: Run,
    image_shape: Sequence[int] | None = None,
    epochs: int | Sequence[int] | None = None,
    *,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw the links of each input pixel after several epochs, with one colour scale.

    Parameters
    ----------
    history : History
        The run; its records must have degrees.
    image_shape : tuple of int, optional
        (height, width) or (height, width, channels), where the links of the channels are added; by default that of `dataset`.
    epochs : int or list of int, optional
        The epochs to draw; by default four, spread over the run.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Columns of the table: epoch, row, column, links.

    Raises
    ------
    ValueError
        If an epoch is not in the history, the shape does not fit the inputs, or records have no degrees.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits").head(100, 50)
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> history = sl.History(sl.train(model, data, epochs=2, seed=0, threads=1))
    >>> figure = sl.figures.input_maps(history, dataset=data)
    >>> sorted(set(figure.data["epoch"].tolist()))
    [1, 2]
    """
    records = {record.epoch: record for record in records_of(history)}
    shown = epochs_shown(list(records), epochs)
    shape = shape_of(image_shape, dataset)
    images = [image_of(fan_out_of(records[epoch]), shape) for epoch in shown]
    columns = min(PANELS, len(images))
    rows = -(-len(images) // columns)
    size = {"height": 0.7 + 1.5 * rows, "sharex": True, "sharey": True}
    figure, axes = style.blank(rows, columns, **size, image=True, title=style.heading(title, dataset))
    top = max(1, *(image.max() for image in images))
    for ax, epoch, image in zip(axes.flat, shown, images):
        picture = _draw(ax, image, top)
        style.label(ax, title=f"epoch {epoch}")
    for ax in axes[:, 0]:
        style.label(ax, y="row")
    for ax in style.last_row(axes, len(images)):
        style.label(ax, "column")
    style.colour_bar(figure, picture, axes, "links per pixel")
    tables = [{"epoch": np.full(image.size, epoch), **_table(image)} for epoch, image in zip(shown, images)]
    return style.finish(figure, {key: np.concatenate([table[key] for table in tables]) for key in tables[0]})


def epochs_shown(known, epochs):
    """The given epochs as a list, or PANELS of the known ones."""
    if epochs is None:
        return [known[i] for i in np.unique(np.linspace(0, len(known) - 1, PANELS).round().astype(int))]
    epochs = [epochs] if np.isscalar(epochs) else list(epochs)
    if not epochs or any(epoch not in known for epoch in epochs):
        checks.fail("epochs", epochs, f"epochs of the history, which has {known[0]} … {known[-1]}")
    return epochs


def fan_out_of(source):
    """Array (pixels,): outgoing links of each input of a model, topology, record or vector."""
    if is_record(source):
        return np.asarray(degrees_of(source).fan_out[0])
    if hasattr(source, "layers") or hasattr(source, "topology") or hasattr(source, "indptr"):
        return topologies_of(source)[0].fan_out
    check_no_estimator(source, "source", "a model, a Topology, an EpochRecord or a vector of fan-out")
    vector = np.asarray(source)
    if vector.ndim != 1 or vector.dtype.kind not in "iuf" or not vector.size:
        checks.fail("source", source, "a model, a Topology, an EpochRecord or a vector of fan-out", TypeError)
    return vector


def shape_of(image_shape, dataset):
    """The given shape, or that of the dataset."""
    image_shape = getattr(dataset, "image_shape", None) if image_shape is None else image_shape
    if image_shape is None or np.ndim(image_shape) != 1 or len(image_shape) not in (2, 3):
        checks.fail("image_shape", image_shape, "(height, width) or (height, width, channels)")
    return tuple(checks.integer(f"image_shape[{i}]", n) for i, n in enumerate(image_shape))


def image_of(fan_out, shape):
    """Image (height, width), summed over the channels."""
    if int(np.prod(shape)) != len(fan_out):
        checks.fail("image_shape", shape, f"of {len(fan_out)} values, the inputs of the net")
    return fan_out.reshape(shape) if len(shape) == 2 else fan_out.reshape(shape).sum(axis=2)


def _draw(ax, image, top):
    for axis in (ax.xaxis, ax.yaxis):
        style.whole(axis, 4)
    return ax.imshow(image, cmap="viridis", vmin=0, vmax=top, interpolation="nearest", origin="upper")


def _table(image):
    rows, columns = np.indices(image.shape)
    return {"row": rows.ravel(), "column": columns.ravel(), "links": image.ravel()}
