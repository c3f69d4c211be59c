"""The loss of each training step, for runs that are too short or too large to look at whole epochs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import DatasetName


def loss_by_step(
    losses: ArrayLike | Mapping[Any, ArrayLike], *, title: str | None = None, dataset: DatasetName = None
) -> TableFigure:
    """Draw the training loss of each step.

    Parameters
    ----------
    losses : array_like of shape (steps,) or dict
        Losses as `experiments.extreme.run` returns them, or ``{label: losses}``.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        Columns of the table: run, step (from 1), loss.

    Raises
    ------
    ValueError
        If an array is empty or not one-dimensional.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.figures.loss_by_step([0.5, 0.25]).data["step"]
    [1, 2]
    """
    given = losses if isinstance(losses, dict) else {"": losses}
    checks.different_texts("losses", given)
    runs = {label: checks.as_array(values).astype(float) for label, values in given.items()}
    for label, values in runs.items():
        if values.ndim != 1 or not len(values):
            checks.fail(f"losses[{label!r}]", given[label], "numbers, one for each step")
    figure, axes = style.blank(height=2.6, title=style.heading(title, dataset))
    lines = []
    for number, values in enumerate(runs.values()):
        look = style.look(number) | {"linestyle": style.dash(number), "linewidth": 1.5, "markersize": 4}
        lines += axes[0, 0].plot(np.arange(1, len(values) + 1), values, **look)
    style.label(axes[0, 0], "step", "training loss")
    style.whole(axes[0, 0].xaxis, 9)
    if any(map(str, runs)):
        legends.below(figure, lines, [style.plain(label) for label in runs])
    return style.finish(
        figure, [{"run": str(label), "step": i + 1, "loss": x} for label, v in runs.items() for i, x in enumerate(v)]
    )
