"""The numbers that a regression predicts against the true ones."""

import numpy as np
from numpy.typing import ArrayLike

from ..nn.losses import r_squared
from ..utils import checks
from . import style
from .table_figure import TableFigure
from .types import DatasetName

PANELS = 4  # outputs that are drawn
POINTS = 2000  # up to so many samples each is a point; more are counted in hexagons


def predicted_numbers(
    truth: ArrayLike, predicted: ArrayLike, *, title: str | None = None, dataset: DatasetName = None,
) -> TableFigure:  # fmt: skip
    """Draw predicted numbers against true ones, with the line on which they are equal.

    Parameters
    ----------
    truth : array_like of shape (n,) or (n, outputs)
        True numbers.
    predicted : array_like of the same shape
        Predicted numbers.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        A panel with its R² for each output, at most 4; above 2000 samples the colour counts them. Columns of the table: output
        (from 0), true, predicted.

    Raises
    ------
    TypeError
        If these are no numbers.
    ValueError
        If they are empty or of different shapes.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.figures.predicted_numbers([1.0, 2.0], [1.5, 2.0]).to_frame().values.tolist()
    [[0.0, 1.0, 1.5], [0.0, 2.0, 2.0]]
    """
    truth, predicted = numbers("truth", truth), numbers("predicted", predicted)
    if truth.shape != predicted.shape:
        checks.fail("predicted", predicted.shape, f"of shape {truth.shape}, that of truth")
    n, outputs = truth.shape
    shown = min(PANELS, outputs)
    columns = min(2, shown)
    rows = -(-shown // columns)
    size = {"height": 4.2 if rows == 1 else 5.4, "width": 4.8 if columns == 1 else style.WIDTH}
    figure, axes = style.blank(rows, columns, **size, title=style.heading(title, dataset))
    for output, ax in zip(range(shown), axes.flat):
        _draw(figure, ax, truth[:, output], predicted[:, output])
        known = np.isfinite(truth[:, output]) & np.isfinite(predicted[:, output])  # those that are drawn
        r2 = r_squared(predicted[known][:, [output]], truth[known][:, [output]])
        said = [f"output {output}"] * (outputs > 1) + ([] if r2 is None else [f"R² {r2:.3f}"])
        style.label(ax, "true", "predicted", ": ".join(said))
    style.last_row(axes, shown)
    table = {"output": np.repeat(np.arange(outputs), n), "true": truth.T.ravel(), "predicted": predicted.T.ravel()}
    return style.finish(figure, table)


def numbers(name, values):
    """The values as a float64 array (n, outputs)."""
    array = checks.as_array(values)
    if array.dtype.kind not in "iuf":
        checks.fail(name, values, "numbers", TypeError)
    if array.ndim not in (1, 2) or not array.size:
        checks.fail(name, array.shape, "of shape (n,) or (n, outputs), with at least one number")
    return array.astype(np.float64).reshape(len(array), -1)


def _draw(figure, ax, truth, predicted):
    """One output: points, or hexagons whose colour counts samples."""
    finite = np.isfinite(truth) & np.isfinite(predicted)
    truth, predicted = truth[finite], predicted[finite]
    if len(truth) > POINTS:
        shown = ax.hexbin(truth, predicted, gridsize=40, cmap="Blues", mincnt=1, linewidths=0.2)
        style.colour_bar(figure, shown, ax, "samples")
    else:
        alpha = 0.8 if len(truth) < 200 else 0.4
        ax.plot(truth, predicted, "o", color=style.COLOURS[0], markersize=4, alpha=alpha, markeredgewidth=0)
    if len(truth):
        ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
        ax.plot(ends, ends, "--", color=style.COLOURS[1], linewidth=1.3)
