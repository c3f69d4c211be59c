"""Images with what a net takes them for: the first ones, and the first ones that are wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from ..utils import checks
from . import mosaic, style
from .confusion import checked
from .table_figure import TableFigure
from .types import DatasetName

COLUMNS = 6, 14  # fewest and most images in a row
WIDTH, HEIGHT = 7.4, 4.5  # inches of the figure; the height is that up to which there are more rows
LETTER, LINES = 0.068, mosaic.SPACE + 2 * mosaic.LINE  # inches of a letter, and of the two lines under an image
RIGHT, WRONG = style.COLOURS[0], style.COLOURS[1]


def predicted_images(
    X: Any,
    truth: ArrayLike,
    predicted: ArrayLike,
    image_shape: Sequence[int] | None = None,
    classes: ArrayLike | None = None,
    *,
    rows: int | None = None,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw samples that are images with their predicted classes, and mark right and wrong ones.

    Parameters
    ----------
    X : array_like or sparse matrix of shape (n, pixels)
        Samples.
    truth : array_like of int, shape (n,)
        Number of the class of each sample, from 0.
    predicted : array_like of int, shape (n,)
        Number of the class that was predicted.
    image_shape : tuple of int, optional
        (height, width) or (height, width, channels), where three channels are red, green and blue; by default that of `dataset`.
    classes : array_like of shape (classes,), optional
        Names of the classes; by default those of `dataset`, or their numbers.
    rows : int, optional
        Rows of images of each kind; by default as many as fit into 4.5 inches. The longest name decides how many images are in
        a row.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Above the first samples, below the first wrong ones; the grey levels of each image go from its own darkest to its own
        brightest value, of standardised pixels too. Columns of the table: sample, true, predicted, right; a row for each image.

    Raises
    ------
    TypeError
        If `truth` or `predicted` are no whole numbers.
    ValueError
        If the arrays do not fit together, or the shape not to the columns of X.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.load("digits")
    >>> figure = sl.figures.predicted_images(data.X_test, data.y_test, data.y_test, dataset=data)
    >>> len(figure.data["sample"]), all(figure.data["right"])
    (28, True)
    """
    truth, predicted, names = checked(truth, predicted, classes, dataset)
    X = X.tocsr() if sparse.issparse(X) else np.asarray(X)
    if X.shape[0] != len(truth):
        checks.fail("X", X.shape, f"of {len(truth)} rows, one for each of truth")
    columns, side = sizes(names)
    rows = max(1, int((HEIGHT - 1.05) / 2 / (side + LINES))) if rows is None else checks.integer("rows", rows)
    most = rows * columns
    wrong = np.flatnonzero(truth != predicted)
    groups = {f"the first of {len(truth):,} samples": np.arange(min(most, len(truth)))}
    groups |= {f"the first of {len(wrong):,} wrong ones": wrong[:most]} if len(wrong) else {}
    lines = [-(-len(places) // columns) for places in groups.values()]
    right = f"{len(truth) - len(wrong):,} of {len(truth):,} right"
    heading = style.heading(right if title is None else f"{title}: {right}", dataset)
    size = {"height": 0.45 + sum(0.3 + (side + LINES) * n for n in lines), "width": WIDTH, "height_ratios": lines}
    figure, axes = style.blank(len(groups), 1, **size, title=heading, image=True)
    for ax, (name, places) in zip(axes.flat, groups.items()):
        fits = truth[places] == predicted[places]
        words = [_words(names, *pair) for pair in zip(truth[places], predicted[places])]
        colours = [RIGHT if one else WRONG for one in fits]
        images = mosaic.pictures_of(X[places], image_shape, dataset)
        mosaic.draw(ax, images, words, columns, side, colours=colours, frames=True)
        style.label(ax, title=name)
    shown = np.concatenate(list(groups.values()))
    table = {"sample": shown, "true": names[truth[shown]], "predicted": names[predicted[shown]]}
    return style.finish(figure, table | {"right": truth[shown] == predicted[shown]})


def sizes(names):
    """(images in a row, width of each in inches), so that the longest name has room under an image."""
    wanted = LETTER * (2 + max(len(style.plain(name, 12)) for name in names)) + 0.1
    columns = min(COLUMNS[1], max(COLUMNS[0], int((WIDTH - 0.2) / wanted)))
    return columns, (WIDTH - 0.2) / columns / (1 + mosaic.GAP)


def _words(names, truth, predicted):
    """What stands under an image: a tick and its class, or a cross, the predicted and the true class on two lines."""
    name = lambda code: style.plain(names[code], 12)
    return f"✓ {name(truth)}" if truth == predicted else f"✗ {name(predicted)}\nis {name(truth)}"
