"""Which pixels the net looks at: outgoing links of each input neuron, laid out as the image they come from."""

import numpy as np

from ..utils import checks
from . import style
from .histories import degrees_of, is_record, records_of
from .link_density import topologies_of

PANELS = 4  # epochs shown where none are named


def input_map(source, image_shape=None, *, title=None, dataset=None):
    """Links of each input pixel as a (height, width) image.

    source: a model, a Topology, an EpochRecord or a (pixels,) vector of fan-out. image_shape: (height, width) or (height,
    width, channels), links of the channels are added; by default the dataset's. ValueError where it does not fit.
    """
    image = image_of(fan_out_of(source), shape_of(image_shape, dataset))
    figure, axes = style.blank(1, 1, width=4.2, height=3.6, title=style.heading(title, dataset), image=True)
    shown = _draw(axes[0, 0], image, max(1, image.max()))
    style.label(axes[0, 0], "column", "row")
    style.colour_bar(figure, shown, axes[0, 0], "links per pixel")
    return style.finish(figure, _table(image))


def input_maps(history, image_shape=None, epochs=None, *, title=None, dataset=None):
    """The input map after several epochs, side by side with one colour scale; by default four spread over the run."""
    records = {record.epoch: record for record in records_of(history)}
    known = list(records)
    if epochs is None:
        epochs = [known[i] for i in np.unique(np.linspace(0, len(known) - 1, PANELS).round().astype(int))]
    epochs = [epochs] if np.isscalar(epochs) else list(epochs)
    if not epochs or any(epoch not in records for epoch in epochs):
        checks.fail("epochs", epochs, f"of {known[0]} … {known[-1]}, the epochs of the history")
    shape = shape_of(image_shape, dataset)
    images = [image_of(fan_out_of(records[epoch]), shape) for epoch in epochs]
    columns = min(PANELS, len(images))
    rows = -(-len(images) // columns)
    size = {"height": 0.7 + 1.5 * rows, "sharex": True, "sharey": True}
    figure, axes = style.blank(rows, columns, **size, image=True, title=style.heading(title, dataset))
    top = max(1, *(image.max() for image in images))
    for ax, epoch, image in zip(axes.flat, epochs, images):
        shown = _draw(ax, image, top)
        style.label(ax, title=f"epoch {epoch}")
    for ax in axes[:, 0]:
        style.label(ax, y="row")
    for ax in style.last_row(axes, len(images)):
        style.label(ax, "column")
    style.colour_bar(figure, shown, axes, "links per pixel")
    tables = [{"epoch": np.full(image.size, epoch), **_table(image)} for epoch, image in zip(epochs, images)]
    return style.finish(figure, {key: np.concatenate([table[key] for table in tables]) for key in tables[0]})


def fan_out_of(source):
    """(pixels,) outgoing links of each input of a model, topology, record or vector."""
    if is_record(source):
        return np.asarray(degrees_of(source).fan_out[0])
    if hasattr(source, "layers") or hasattr(source, "topology") or hasattr(source, "indptr"):
        return topologies_of(source)[0].fan_out
    vector = np.asarray(source)
    if vector.ndim != 1 or vector.dtype.kind not in "iuf" or not vector.size:
        checks.fail("source", source, "a model, a Topology, an EpochRecord or a vector of fan-out", TypeError)
    return vector


def shape_of(image_shape, dataset):
    """The shape given, or that of the dataset."""
    image_shape = getattr(dataset, "image_shape", None) if image_shape is None else image_shape
    if image_shape is None or np.ndim(image_shape) != 1 or len(image_shape) not in (2, 3):
        checks.fail("image_shape", image_shape, "(height, width) or (height, width, channels)")
    return tuple(checks.integer(f"image_shape[{i}]", n) for i, n in enumerate(image_shape))


def image_of(fan_out, shape):
    """(height, width) sums over the channels."""
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
