"""Which classes a net takes for which: its predictions counted by true and predicted class."""

import numpy as np
from numpy.typing import ArrayLike

from ..utils import checks
from . import style
from .table_figure import TableFigure
from .types import DatasetName

COUNTED = 12  # up to so many classes the counts stand in the cells; with more of them the largest ones stand beside the matrix
NAMED = 20, 12  # most names along the vertical and the horizontal axis
LISTED = 10  # confusions beside a matrix without counts


def confusion_matrix(
    truth: ArrayLike,
    predicted: ArrayLike,
    classes: ArrayLike | None = None,
    *,
    title: str | None = None,
    dataset: DatasetName = None,
) -> TableFigure:
    """Draw how many samples of each class were predicted as which class.

    Parameters
    ----------
    truth : array_like of int, shape (n,)
        Number of the class of each sample, from 0.
    predicted : array_like of int, shape (n,)
        Number of the class that was predicted.
    classes : array_like of shape (classes,), optional
        Names of the classes; by default those of `dataset`, or their numbers.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Rows are true classes. The colour is the share of the samples of that class, so that rare classes are seen as well as
        frequent ones; up to 12 classes have the counts in the cells, of more of them the 10 largest confusions are listed.
        Columns of the table: true, predicted, samples, share (NaN for a class without samples).

    Raises
    ------
    TypeError
        If `truth` or `predicted` are no whole numbers.
    ValueError
        If they are empty, of different lengths, or no numbers of `classes`.

    Examples
    --------
    >>> import sparselab as sl
    >>> figure = sl.figures.confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], ["cat", "dog"])
    >>> figure.to_frame().query("true == 'cat' and predicted == 'dog'")[["samples", "share"]].values.tolist()
    [[1.0, 0.5]]
    """
    truth, predicted, names = checked(truth, predicted, classes, dataset)
    n = len(names)
    counts = np.bincount(truth * n + predicted, minlength=n * n).reshape(n, n)
    of_class = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, of_class, out=np.full((n, n), np.nan), where=of_class > 0)
    right = f"{np.trace(counts):,} of {len(truth):,} right"
    heading = style.heading(right if title is None else f"{title}: {right}", dataset)
    few = n <= COUNTED
    size = {"columns": 1, "width": style.WIDTH} if few else {"columns": 2, "width": 8.4, "width_ratios": [3, 2]}
    figure, axes = style.blank(1, **size, height=4.6, title=heading, image=True)
    shown = _draw(axes[0, 0], shares, names)
    if few:
        _write_counts(axes[0, 0], counts, shares)
    else:
        _list(axes[0, 1], counts, shares, names)
    style.colour_bar(figure, shown, axes[0, 0], "share of the true class")
    rows, columns = (places.ravel() for places in np.indices((n, n)))
    table = {"true": names[rows], "predicted": names[columns], "samples": counts.ravel(), "share": shares.ravel()}
    return style.finish(figure, table)


def checked(truth, predicted, classes, dataset):
    """(truth, predicted, names): int64 arrays (n,) of numbers of these names (classes,)."""
    truth = checks.whole_array("truth", truth).astype(np.int64)
    predicted = checks.whole_array("predicted", predicted, len(truth)).astype(np.int64)
    if not len(truth):
        checks.fail("truth", truth, "the classes of at least one sample")
    classes = getattr(dataset, "classes", None) if classes is None else classes
    names = np.arange(1 + max(truth.max(), predicted.max())) if classes is None else np.asarray(classes)
    if names.ndim != 1:
        checks.fail("classes", classes, "the names of the classes, one after the other")
    for name, codes in (("truth", truth), ("predicted", predicted)):
        if codes.min() < 0 or codes.max() >= len(names):
            checks.fail(name, codes, f"numbers of classes in [0, {len(names) - 1}]")
    return truth, predicted, names.astype(str)


def _draw(ax, shares, names):
    """The matrix as an image, with the names of all classes or of every other one, third one, …"""
    shown = ax.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    down, across = (np.arange(0, len(names), -(-len(names) // most)) for most in NAMED)
    words = [style.plain(name, 14) for name in names]
    ax.set_yticks(down, [words[i] for i in down])
    turned = 45 if max(map(len, words)) * len(across) > 50 else 0  # of so many letters the names would touch
    look = {"rotation": turned, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    ax.set_xticks(across, [words[i] for i in across], **look)
    style.label(ax, "predicted class", "true class")
    return shown


def _write_counts(ax, counts, shares):
    """The counts in their cells, without the zeros."""
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else style.INK
            ax.text(column, row, f"{count:,}", ha="center", va="center", fontsize=style.SMALL, color=colour)


def _list(ax, counts, shares, names):
    """The most frequent confusions in words, the largest count first."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:LISTED]
    places = [divmod(int(place), len(counts)) for place in order if wrong.flat[place]]
    name = lambda i: style.plain(names[i], 12)
    lines = [f"{name(a)} → {name(b)}: {counts[a, b]:,} ({shares[a, b]:.0%})" for a, b in places]
    ax.set_axis_off()
    style.label(ax, title="true → predicted, most often")
    ax.text(0, 1, "\n".join(lines) or "none", ha="left", va="top", fontsize=style.SMALL, color=style.INK, linespacing=1.7,
            transform=ax.transAxes)  # fmt: skip
