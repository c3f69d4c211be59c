"""Time and memory of very large networks, beside brains with as many neurons."""

from . import style
from .table_figure import TableFigure
from .tables import tables_of
from .types import Table

# name -> (neurons of the whole nervous system or brain, where the number is from)
BRAINS = {
    "worm (C. elegans)": (302, "White et al. 1986"),
    "fruit fly": (139_255, "Dorkenwald et al. 2024"),
    "bat (as claimed)": (50_000_000, "Curci et al. 2021: about 50 million"),
    "mouse": (71_000_000, "Herculano-Houzel et al. 2006"),
    "rat": (200_000_000, "Herculano-Houzel et al. 2006"),
}


def scale(table: Table, *, title: str | None = None) -> TableFigure:
    """Draw seconds of a step and of an evolution, and peak memory, against the number of hidden neurons.

    Grey lines mark nervous systems with as many neurons, from a worm to a rat.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns neurons, step_seconds, evolve_seconds and peak_gib; a row for each network that was trained, all with one batch
        size. `experiments.extreme.run` returns such numbers.
    title : str, optional
        Title of the figure.

    Returns
    -------
    TableFigure
        The table has these four columns, sorted by neurons.

    Raises
    ------
    TypeError
        If `table` lacks a column or has no rows.

    Examples
    --------
    >>> import pandas
    >>> import sparselab as sl
    >>> numbers = {"neurons": [1e4, 1e6], "step_seconds": [0.01, 1], "evolve_seconds": [0.02, 2], "peak_gib": [0.2, 0.6]}
    >>> len(sl.figures.scale(pandas.DataFrame(numbers)).to_frame())
    2
    """
    columns = ("neurons", "step_seconds", "evolve_seconds", "peak_gib")
    rows = tables_of("table", table, columns, "benchmarks.scale")[""].sort_values("neurons")
    figure, axes = style.blank(1, 2, height=3.4, title=style.heading(title, None))
    places = rows["neurons"].to_numpy(float)
    lines = (
        ("a training step", axes[0, 0], "step_seconds"), ("an evolution", axes[0, 0], "evolve_seconds"),
        ("peak of the process", axes[0, 1], "peak_gib"),
    )  # fmt: skip
    for number, (label, ax, name) in enumerate(lines):
        ax.loglog(places, rows[name].to_numpy(float), label=label, linewidth=1.5, markersize=5, **style.look(number))
    for ax in axes.flat:
        _brains(ax, places.min(), 3 * max(places.max(), BRAINS["rat"][0]))
        ax.legend(loc="upper left", fontsize=9)
    style.label(axes[0, 0], "hidden neurons", "seconds")
    style.label(axes[0, 1], "hidden neurons", "GiB")
    return style.finish(figure, {name: rows[name].tolist() for name in columns})


def _brains(ax, low, high):
    """Draw a line and a name for each brain in range, away from the curves; leave space for the legend above."""
    ax.set_xlim(0.4 * low, high)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top * (top / bottom) ** 0.35)
    before = 0
    for name, (neurons, _) in BRAINS.items():
        if neurons > 0.6 * low:
            height = 0.4 if neurons < (low * high) ** 0.5 else 0.03  # above the curves, then below
            side = "left" if neurons < 4 * before else "right"  # of two that are close
            ax.axvline(neurons, color=style.GREY, linestyle=":", linewidth=1)
            ax.text(
                neurons, height, f" {name} ", transform=ax.get_xaxis_transform(), rotation=90, fontsize=9, ha=side, va="bottom"
            )  # fmt: skip
            before = neurons
