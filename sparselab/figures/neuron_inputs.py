"""One neuron of the first layer: its incoming weights, and the samples that drive it most."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..datasets.coerce import as_features
from ..nn.mlp import check_model
from ..utils import checks
from . import mosaic, style
from .pixel_maps import shape_of
from .table_figure import TableFigure
from .types import DatasetName, Model

SAMPLES, COLUMNS, SIDE = 6, 3, 0.75  # that are shown, how many in a row, and inches of each
BARS = 14  # inputs that are shown where they are no images
NO_LINK = "#C8C8C8"


def one_neuron(
    model: Model,
    number: int,
    X: Any,
    labels: ArrayLike | None = None,
    image_shape: Sequence[int] | None = None,
    *,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw the incoming weights of a neuron of the first layer, and the samples with the largest weighted sum.

    The weighted sum is z = w · x + b, before the activation; only the features that have a link are read.

    Parameters
    ----------
    model : SparseMLP
        The network.
    number : int
        Number of the neuron among the outputs of the first layer, from 0.
    X : array_like or sparse matrix of shape (n, features)
        Samples.
    labels : array_like of shape (n,), optional
        What is written beside each sample, such as its class.
    image_shape : tuple of int, optional
        (height, width) or (height, width, channels) where samples are images; by default that of `dataset`, if it has one.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        On the left the weights, as an image in which inputs without a link are grey (channels are added), or as bars of the 14
        largest ones by size; on the right 6 samples. Columns of the table: kind ("weight" or "sample"), number of the input or
        sample, value (the weight, or z), all weights before the samples.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits")
    >>> model = sl.SparseMLP.create((64, 20, 10), epsilon=4, seed=0)
    >>> frame = sl.figures.one_neuron(model, 3, data.X_test, dataset=data).to_frame()
    >>> int((frame["kind"] == "weight").sum()) == int(model.layers[0].topology.fan_in[3])
    True
    """
    check_model(model)
    layer = model.layers[0]
    number = checks.integer("number", number, low=0, high=layer.topology.n_out - 1)
    X = as_features("X", X, model)
    labels = None if labels is None else np.asarray(labels).astype(str)
    if labels is not None and labels.shape != (X.shape[0],):
        checks.fail("labels", labels.shape, f"of shape ({X.shape[0]},), one for each row of X")
    image_shape = getattr(dataset, "image_shape", None) if image_shape is None else image_shape
    shape = None if image_shape is None else shape_of(image_shape, dataset)
    inputs, weights = incoming(layer, number)
    z = weighted_sums(X, inputs, weights, layer.b[number])
    best = np.argsort(-z, kind="stable")[:SAMPLES]
    fan_out = f" in, {model.layers[1].topology.fan_out[number]:,} out" if len(model.layers) > 1 else ""
    about = f"neuron {number}: {len(inputs):,} links{fan_out}, bias {layer.b[number]:.2g}"
    heading = style.heading(about if title is None else f"{about} · {title}", dataset)
    figure, [[left, right]] = style.blank(1, 2, height=3.9, width=7.2, title=heading)
    said = lambda i: f"sample {i}" if labels is None else style.plain(labels[i], 12)
    if shape is None:
        order = np.argsort(-np.abs(weights), kind="stable")[:BARS]
        _bars(left, [f"input {i}" for i in inputs[order]], weights[order])
        style.label(left, "weight", title=f"the {len(order)} largest weights" if len(order) else "no incoming links")
        _bars(right, [said(i) for i in best], z[best])
        style.label(right, "weighted sum z", title="samples with the largest z")
    else:
        _weights_as_image(figure, left, inputs, weights, shape)
        images = mosaic.pictures_of(X[best], shape, dataset)
        mosaic.draw(right, images, [f"{said(i)}\nz = {z[i]:.2f}" for i in best], COLUMNS, SIDE)
        style.label(right, title="samples with the largest z = w · x + b")
    kinds = np.repeat(["weight", "sample"], [len(inputs), len(best)])
    return style.finish(
        figure, {"kind": kinds, "number": np.concatenate([inputs, best]), "value": np.concatenate([weights, z[best]])}
    )


def incoming(layer, number):
    """(inputs, weights) of the links of one neuron."""
    links = slice(int(layer.topology.indptr[number]), int(layer.topology.indptr[number + 1]))
    return layer.topology.indices[links].astype(np.int64), layer.w[links].astype(np.float64)


def weighted_sums(X, inputs, weights, bias):
    """(n,) float64: z of one neuron for each row of X, of which only the columns of its inputs are read."""
    return np.asarray(X[:, inputs] @ weights, np.float64).ravel() + float(bias)


def _bars(ax, names, values):
    """Horizontal bars, the first one on top, positive and negative ones in different colours."""
    places = np.arange(len(names))[::-1]
    ax.barh(places, values, 0.75, color=[style.COLOURS[0] if value > 0 else style.COLOURS[1] for value in values])
    ax.axvline(0, color=style.GREY, linewidth=0.8)
    ax.set_yticks(places, names)
    ax.grid(False, axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5))


def _weights_as_image(figure, ax, inputs, weights, shape):
    """Each weight at its pixel, red below and blue above 0; the links of a pixel's channels are added."""
    pixels = int(np.prod(shape[:2]))
    place = inputs // (shape[2] if len(shape) == 3 else 1)
    image = np.bincount(place, weights, pixels).astype(np.float64)  # of whole numbers where there is no link
    image[np.bincount(place, minlength=pixels) == 0] = np.nan
    style.decorate(ax, image=True)
    ax.set_facecolor(NO_LINK)
    top = float(np.abs(image[np.isfinite(image)]).max(initial=0)) or 1.0
    shown = ax.imshow(image.reshape(shape[:2]), cmap="RdBu", vmin=-top, vmax=top, interpolation="nearest")
    for axis in (ax.xaxis, ax.yaxis):
        style.whole(axis, 4)
    style.label(ax, "column", "row", "incoming weights (grey: no link)")
    style.colour_bar(figure, shown, ax, "weight")
