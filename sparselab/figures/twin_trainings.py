"""Trainings side by side: test accuracy by epoch, and by the seconds that the training has taken."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..utils import checks
from . import legends, style
from .table_figure import TableFigure
from .types import DatasetName

FIELDS = ("epoch", "accuracy", "seconds", "links", "bytes")


def twin_curves(records: Mapping[str, Iterable[Any]], *, title: str | None = None, dataset: DatasetName = None) -> TableFigure:
    """Draw the test accuracy of several trainings by epoch and by time.

    Parameters
    ----------
    records : dict
        ``{name: records}`` with attributes epoch, accuracy, seconds (of that epoch), links and bytes, as those of
        `sparselab.torch.twins`. Records within an epoch, whose accuracy is NaN, are left out.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        The table has a row for each training and epoch.

    Raises
    ------
    ValueError
        If no training has finished an epoch.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import sparselab as sl
    >>> record = SimpleNamespace(epoch=1.0, accuracy=0.8, seconds=2.0, links=100, bytes=1600)
    >>> sl.figures.twin_curves({"sparse": [record]}).to_frame()["accuracy"].tolist()
    [0.8]
    """
    found = {name: [one for one in each if one.accuracy == one.accuracy] for name, each in records.items()}
    if not any(found.values()):
        checks.fail("records", list(records), "trainings of which at least one has finished an epoch")
    figure, [axes] = style.blank(1, 2, height=3.3, width=7.2, sharey=True, title=style.heading(title, dataset))
    for number, (name, each) in enumerate(found.items()):
        look = {**style.look(number), "linestyle": style.dash(number), "linewidth": 1.5, "markersize": 4}
        values = [100 * one.accuracy for one in each]
        axes[0].plot([one.epoch for one in each], values, label=style.plain(name), **look)
        axes[1].plot(np.cumsum([one.seconds for one in each]), values, **look)
    style.label(axes[0], "epoch", "test accuracy, %")
    style.label(axes[1], "seconds of training")
    style.numbered(axes[0], [one.epoch for each in found.values() for one in each])
    axes[1].set_xlim(left=0)
    axes[1].locator_params("x", nbins=4)  # short times have long numbers
    legends.below(figure, *axes[0].get_legend_handles_labels())
    rows = [{"training": name} | {field: getattr(one, field) for field in FIELDS} for name, each in found.items() for one in each]
    return style.finish(figure, rows)
