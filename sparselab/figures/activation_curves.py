"""Activation functions and their slopes, layer by layer: what alternates in All-ReLU is seen best beside what does not."""

import numpy as np

from ..nn import activations as functions
from ..utils import checks
from . import legends, style


def activation_functions(activations, depth=4, *, limit=3.0, title=None):
    """f(z) and its slope in hidden layers 1 … depth, one column a layer.

    activations: one, a list, or {label: activation}; objects or names such as "all_relu". limit: z goes from −limit to limit.
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
    """{label: activation object}; names are made into objects, objects give their repr as label."""
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
    """Columns of f and its slope at z (n,) in one hidden layer; the slope at a kink is the left one, as in training."""
    here = functions.at(activation, layer)
    values, slopes = (np.asarray(part(z[None].copy()), float).reshape(-1) for part in (here.forward, here.gradient))
    names = np.full(len(z), str(label), dtype=object)
    return {"activation": names, "layer": np.full(len(z), layer), "z": z, "f": values, "slope": slopes}
