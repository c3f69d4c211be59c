"""Where the memory of a training goes, before it is allocated: a stacked bar for each memory plan."""

import textwrap
from collections.abc import Mapping

from matplotlib.ticker import MaxNLocator

from ..nn import summary
from ..training.estimate import MemoryEstimate
from ..utils import checks
from . import style
from .table_figure import TableFigure

# first words of an item of a MemoryEstimate -> the part of the bar it is added to, from left to right
PARTS = {
    "weights": "weights", "column indices": "links", "row pointers": "links", "biases": "weights", "optimizer": "velocities",
    "gradients": "gradients", "transposed": "transposed index", "activations": "activations", "evolution": "evolution",
}  # fmt: skip
OTHER = "data, evaluation and other"
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def memory_plan(
    plans: MemoryEstimate | Mapping[str, MemoryEstimate], *, available: float | None = None, title: str | None = None
) -> TableFigure:
    """Draw the bytes that trainings will need, part by part.

    Parameters
    ----------
    plans : MemoryEstimate or dict
        An estimate of `estimate_memory`, or ``{label: estimate}`` for a bar each.
    available : float, optional
        Bytes that are available, drawn as a line if the bars are not dwarfed by it.
    title : str, optional
        Title of the figure.

    Returns
    -------
    TableFigure
        Stacked bars in KiB to GiB. Columns of the table: plan, part, bytes.

    Raises
    ------
    TypeError
        If `plans` is anything else or empty.

    Examples
    --------
    >>> import sparselab as sl
    >>> estimate = sl.estimate_memory((100, 200, 2), epsilon=2)
    >>> figure = sl.figures.memory_plan(estimate, available=1e6)
    >>> sum(figure.data["bytes"]) == estimate.total
    True
    """
    plans = {plans.what: plans} if isinstance(plans, MemoryEstimate) else plans
    if not isinstance(plans, dict) or not all(isinstance(one, MemoryEstimate) for one in plans.values()) or not plans:
        checks.fail("plans", plans, "{label: MemoryEstimate}, or a MemoryEstimate", TypeError)
    rows = [{"plan": label, "part": part, "bytes": n} for label, one in plans.items() for part, n in parts_of(one).items()]
    figure, axes = style.blank(height=1.7 + 0.5 * len(plans), title=style.heading(title))
    ax, most = axes[0, 0], max(one.total for one in plans.values())
    unit, size = max(((name, n) for name, n in UNITS.items() if n <= most), key=lambda pair: pair[1], default=("KiB", 2**10))
    places = {label: -number for number, label in enumerate(plans)}
    for number, part in enumerate([*dict.fromkeys(PARTS.values()), OTHER]):
        look = {
            "color": style.COLOURS[number % 7],
            "hatch": "//" if part == OTHER else "",
            "edgecolor": "white",
            "linewidth": 0.7,
        }
        mine = [row for row in rows if row["part"] == part]
        starts = [_before(rows, row) / size for row in mine]
        ax.barh(
            [places[row["plan"]] for row in mine], [row["bytes"] / size for row in mine], 0.6, left=starts, label=part, **look
        )
    for label, one in plans.items():
        text = f" {summary.size(one.total)}"
        ax.text(one.total / size, places[label], text, va="center", fontsize=style.SMALL, color=style.INK)
    end = most
    if available is not None and available < 3 * most:  # a line far away would make the bars too short
        ax.axvline(available / size, color=style.INK, linestyle="--", linewidth=1.2, label="available now")
        end = max(most, available)
    ax.set_xlim(0, 1.18 * end / size)
    ax.set_yticks(list(places.values()), ["\n".join(textwrap.wrap(style.plain(label, 60), 24)) for label in places])
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.grid(False, axis="y")
    style.label(ax, f"{unit} in use", "memory plan")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=style.SMALL, frameon=False)
    return style.finish(figure, rows)


def parts_of(estimate):
    """{part: bytes} of a MemoryEstimate, in the order of the bar."""
    found = dict.fromkeys([*PARTS.values(), OTHER], 0)
    for name, n_bytes in estimate.items.items():
        found[next((part for start, part in PARTS.items() if name.startswith(start)), OTHER)] += n_bytes
    return {part: n for part, n in found.items() if n}


def _before(rows, row):
    """Bytes of the parts to the left of this one in its bar."""
    same = [one for one in rows if one["plan"] == row["plan"]]
    return sum(one["bytes"] for one in same[: same.index(row)])
