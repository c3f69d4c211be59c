"""How much of what the runs of a sweep differ by goes back to each setting."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..utils import checks
from . import style
from .table_figure import TableFigure
from .tables import scored_rows
from .types import DatasetName

GROUPS = 4  # into which the numbers of a setting are put, if there are more of them


def setting_importance(
    rows: Iterable[Mapping[str, Any]], score: str = "accuracy", *, title: str | None = None, dataset: DatasetName = None
) -> TableFigure:
    """Draw which share of the variance of a score each setting of a sweep explains alone.

    Parameters
    ----------
    rows : list of dict
        Dicts with the same keys: settings and the score, as for `parallel_coordinates`. Rows whose score is NaN or None are left
        out.
    score : str, default "accuracy"
        The column of the score.
    title : str, optional
        Title of the figure.
    dataset : Dataset or str, optional
        The data set that the title names, with its source.

    Returns
    -------
    TableFigure
        A bar for each setting, in percent: ε², the variance between the runs with equal values (with many numbers: four groups of
        neighbouring ones) that is more than chance would give. A share that two settings have only together is in none of the
        bars. The table has the columns setting, share (NaN where there are too few runs) and n.

    Raises
    ------
    TypeError
        If a row is no dict.
    ValueError
        If no row has a score, or there is no other column.

    References
    ----------
    T. L. Kelley, "An unbiased correlation ratio measure", PNAS 21, 1935.

    Examples
    --------
    >>> import sparselab as sl
    >>> rows = [{"zeta": z, "seed": s, "accuracy": 0.7 + z + 0.01 * s} for z in (0.1, 0.2) for s in (0, 1)]
    >>> [round(share, 2) for share in sl.figures.setting_importance(rows).data["share"]]
    [0.99, 0.0]
    """
    rows, known = scored_rows(rows, (score,))
    names = [name for name in rows[0] if name != score]
    if not names:
        checks.fail("rows", rows, f"of at least one column beside {score}")
    scores = np.array([row[score] for row in known], float)
    shares = {name: explained([row[name] for row in known], scores) for name in names}
    names = sorted(names, key=lambda name: -np.nan_to_num(shares[name], nan=-1.0))
    figure, axes = style.blank(height=1.6 + 0.35 * len(names), title=style.heading(title, dataset))
    ax, places = axes[0, 0], np.arange(len(names))[::-1]
    percent = 100 * np.array([shares[name] for name in names])
    ax.barh(places, np.nan_to_num(percent), color=style.COLOURS[0], height=0.6)
    for place, value in zip(places, percent, strict=True):
        text = "too few runs" if np.isnan(value) else f"{value:.0f} %"
        ax.annotate(text, (np.nan_to_num(value), place), (4, 0), textcoords="offset points", va="center", fontsize=style.SMALL)
    ax.set_yticks(places, [style.plain(name, 24) for name in names], fontsize=style.SMALL, color=style.INK)
    ax.set_xlim(0, 112)
    style.label(ax, f"variance of the {style.plain(score)} that the setting explains alone (%), {len(known)} runs", "setting")
    return style.finish(figure, [{"setting": name, "share": shares[name], "n": len(known)} for name in names])


def explained(values, scores):
    """ε² of scores grouped by a setting's values, at least 0; NaN where every group has one run, or all are one group."""
    groups = group_numbers(values)
    n, k, total = len(scores), len(set(groups.tolist())), float(((scores - scores.mean()) ** 2).sum())
    if n <= k or k < 2:
        return float("nan")
    if not total:
        return 0.0
    parts = [scores[groups == group] for group in np.unique(groups)]
    within = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    return max(0.0, 1 - within / (n - k) * (n - 1) / total)


def group_numbers(values):
    """The number of the group of each value: equal values, or GROUPS groups of neighbouring numbers where there are more."""
    numbers = all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values)
    kinds = sorted(set(values)) if numbers else list(dict.fromkeys(map(str, values)))
    places = np.array([kinds.index(value if numbers else str(value)) for value in values])
    return places * GROUPS // len(kinds) if numbers and len(kinds) > GROUPS else places
