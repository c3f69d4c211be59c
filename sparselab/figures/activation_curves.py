"""Activation functions and their slopes, layer by layer; All-ReLU changes its sign from layer to layer."""

from typing import Any

import numpy as np

from ..nn import activations as functions
from ..nn import trained_activations
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure


def activation_functions(activations: Any, depth: int = 4, *, limit: float = 3.0, title: str | None = None) -> TableFigure:
    """Draw activation functions and their slopes in the hidden layers.

    Parameters
    ----------
    activations : str, activation, list or dict
        One activation, a list of them, or ``{label: activation}``; an activation is an object or a name such as "all_relu".
    depth : int, default 4
        Number of hidden layers, at most 12; each has a column of its own.
    limit : float, default 3.0
        The functions are drawn for z from −limit to limit.
    title : str, optional
        Title of the figure.

    Returns
    -------
    TableFigure
        The upper row shows f(z), the lower row the slope df/dz. Columns of the table: activation, layer, z, f, slope.

    Raises
    ------
    ValueError
        If there is no activation, or an argument is out of bounds.

    Examples
    --------
    >>> import sparselab as sl
    >>> figure = sl.figures.activation_functions(["all_relu", "relu"], depth=2)
    >>> list(figure.data)
    ['activation', 'layer', 'z', 'f', 'slope']
    """
    checks.integer("depth", depth, high=12)
    limit = checks.positive("limit", limit)
    chosen = named(activations)
    z = np.linspace(-limit, limit, 601)
    tables = [sample(label, f, layer, z) for label, f in chosen.items() for layer in range(1, depth + 1)]
    size = {"width": max(style.WIDTH, 1.6 * depth), "height": 4.1}
    figure, axes = style.blank(2, depth, **size, sharex=True, sharey="row", title=style.heading(title))
    for number in range(len(chosen)):
        for layer in range(depth):
            table = tables[number * depth + layer]
            for ax, key in zip(axes[:, layer], ("f", "slope"), strict=True):
                ax.plot(z, table[key], linestyle=style.dash(number), color=style.look(number)["color"], linewidth=1.8)
    for layer in range(depth):
        style.label(axes[0, layer], title=f"hidden layer {layer + 1}")
        style.label(axes[1, layer], "z")
    style.label(axes[0, 0], y="f(z)")
    style.label(axes[1, 0], y="slope df/dz")
    legends.below(figure, list(axes[0, 0].lines), [style.plain(label) for label in chosen])
    return style.finish(figure, {key: np.concatenate([table[key] for table in tables]) for key in tables[0]})


def named(activations):
    """{label: activation object}; a name becomes its object, and the label is the object's repr."""
    if not isinstance(activations, dict):
        several = activations if isinstance(activations, list | tuple) else [activations]
        objects = [functions.get(activation) for activation in several]
        texts = [_text(f) for f in objects]
        labels = [text if texts.count(text) == 1 else f"{text} #{number}" for number, text in enumerate(texts, 1)]
        activations = dict(zip(labels, objects, strict=True))
    if not activations:
        checks.fail("activations", activations, "one activation or more")
    return {label: functions.get(activation) for label, activation in activations.items()}


def _text(activation):
    text = repr(activation).removesuffix("()")
    return type(activation).__name__ if " object at " in text else text


def sample(label, activation, layer, z):
    """Table columns of f and its slope at z (n,) in one hidden layer; at a kink the left slope, as in training.

    Trained values are those that a neuron starts with.
    """
    here = functions.at(activation, layer)
    values = trained_activations.start(here, 1, np.random.default_rng(0), z.dtype)
    here = trained_activations.bind(here, values, layer)
    values, slopes = (np.asarray(part(z[None].copy()), float).reshape(-1) for part in (here.forward, here.gradient))
    names = np.full(len(z), str(label), dtype=object)
    return {"activation": names, "layer": np.full(len(z), layer), "z": z, "f": values, "slope": slopes}
