"""Many small images in one picture, with words under each of them."""

import numpy as np

from ..utils import checks
from . import style
from .pixel_maps import shape_of

GAP = 0.12  # of an image's width, between two images
SPACE, LINE = 0.06, 0.15  # inches above the words, and of each of their lines
GREYS, DARK = (5, 95), 1e-12  # percentiles of a sample's values that become black and white; the least distance of the two


def pictures_of(X, image_shape, dataset):
    """Array (n, height, width, 3) in [0, 1] of rows of X (n, pixels), each from its own darkest to its own brightest value."""
    shape = shape_of(image_shape, dataset)
    X = np.asarray(X.toarray() if hasattr(X, "toarray") else X, np.float64)
    if X.ndim != 2 or X.shape[1] != int(np.prod(shape)):
        checks.fail("X", X.shape, f"of shape (n, {int(np.prod(shape))}), the values of an image of {shape}")
    low, high = np.percentile(X, GREYS, axis=1, keepdims=True) if len(X) else (0.0, 1.0)
    low, high = np.where(high - low > DARK, (low, high), (X.min(axis=1, keepdims=True), X.max(axis=1, keepdims=True)))
    images = np.clip((X - low) / np.maximum(high - low, DARK), 0, 1).reshape(len(X), *shape)
    images = images[..., None] if images.ndim == 3 else images
    return images if images.shape[-1] == 3 else np.broadcast_to(images.mean(axis=-1, keepdims=True), (*images.shape[:3], 3))


def draw(ax, images, words, columns, side, *, colours=None, frames=False):
    """Images (n, height, width, 3) in rows of `columns`, each with its words below, in its colour, and in a frame of it.

    side: inches of an image's width, for the room under it.
    """
    ax.set_axis_off()
    colours = [style.INK] * len(words) if colours is None else colours
    rows = max(1, -(-len(images) // columns))
    height = (images.shape[1] / images.shape[2]) if len(images) else 1.0
    line = (SPACE + LINE * max((1 + text.count("\n") for text in words), default=1)) / side
    for place, (image, text, colour) in enumerate(zip(images, words, colours, strict=True)):
        row, column = divmod(place, columns)
        left, top = column * (1 + GAP), row * (height + line)
        ax.imshow(image, extent=(left, left + 1, top + height, top), interpolation="nearest")
        if frames:
            ends = [(left, top), (left + 1, top), (left + 1, top + height), (left, top + height), (left, top)]
            ax.plot(*zip(*ends), color=colour, linewidth=1.8, clip_on=False)
        ax.text(left + 0.5, top + height + 0.04, text, ha="center", va="top", fontsize=style.SMALL, color=colour)
    ax.set_xlim(-0.03, columns * (1 + GAP) - GAP + 0.03)
    ax.set_ylim(rows * (height + line), -0.03)
    ax.set_aspect("equal")
