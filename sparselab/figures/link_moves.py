"""One event of each of several rules on a small layer: which links go, which stay, and which come."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from ..topology.topology import Topology
from ..utils import checks
from . import legends, style
from .table_figure import TableFigure

MOST, PLACES, COLUMNS = 16, 2400, 3  # largest number of rules, and of places of a layer; panels beside each other
STATES = {
    "stays": ("#C4C4C4", "", style.INK),
    "goes": (style.COLOURS[1], "x", "white"),
    "comes": (style.COLOURS[0], "+", "white"),
}


def rule_events(changes: Mapping[str, tuple[Topology, Topology]], *, title: str | None = None) -> TableFigure:
    """Draw small layers as grids, a cell for each possible link: orange × goes, blue + comes, grey stays.

    Parameters
    ----------
    changes : dict
        ``{rule: (topology before, topology after)}``, at most 16, of at most 2,400 places each. A link that goes and comes back
        to its place stays.
    title : str, optional
        Title of the figure.

    Returns
    -------
    TableFigure
        The title of each panel counts what goes and comes. The table has a row for each such link: rule, row, column, state.

    Raises
    ------
    TypeError
        If `changes` is not such a dict.
    ValueError
        If there are none or too many, a layer is too large, or two shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> before = sl.erdos_renyi(12, 16, epsilon=2, seed=0)
    >>> after = sl.rewire(before, np.arange(before.nnz) % 4 > 0, 10, rng=np.random.default_rng(0)).topology
    >>> sorted(set(sl.figures.rule_events({"every fourth": (before, after)}).data["state"]))
    ['comes', 'goes', 'stays']
    """
    check(changes)
    columns = 2 if len(changes) == 4 else min(COLUMNS, len(changes))
    lines, side = -(-len(changes) // columns), 1.9  # inches of a panel's width
    tallest = max(before.n_out / before.n_in for before, _ in changes.values())
    height = lines * (min(3.0, side * tallest) + 0.6) + (0.45 if title else 0.15)
    width = max(3.2, 0.6 + 2.1 * columns)
    figure, axes = style.blank(lines, columns, width=width, height=height, title=style.heading(title), image=True)
    rows = []
    for ax, (rule, (before, after)) in zip(axes.flat, changes.items()):
        image = states(before, after)
        _draw(ax, image)
        gone, new = (int(np.count_nonzero(image == number)) for number in (2, 3))
        style.label(ax, title=f"{style.plain(rule, 20)}: −{gone} +{new}")
        names = [None, *STATES]
        rows += [{"rule": str(rule), "row": int(j), "column": int(i), "state": names[image[j, i]]} for j, i in np.argwhere(image)]
    style.last_row(axes, len(changes))
    for number, ax in enumerate(axes.flat[: len(changes)]):
        style.label(ax, "input" if number + columns >= len(changes) else None, None if number % columns else "neuron")
    handles = [
        Line2D([], [], linestyle="none", marker="s", markersize=9, color=colour, markeredgecolor=style.GREY)
        for colour, _, _ in STATES.values()
    ]
    legends.below(figure, handles, ["stays", "× goes", "+ comes"])
    return style.finish(figure, rows or {name: [] for name in ("rule", "row", "column", "state")})


def check(changes):
    """Raise TypeError or ValueError unless these are changes of small layers."""
    pairs = list(changes.values()) if isinstance(changes, dict) else [None]
    if not all(
        isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(t, Topology) for t in pair) for pair in pairs
    ):
        checks.fail("changes", changes, "a dict {rule: (Topology before, Topology after)}", TypeError)
    if not 1 <= len(pairs) <= MOST:
        checks.fail("changes", list(changes), f"of 1 to {MOST} rules")
    for before, after in pairs:
        if before.shape != after.shape or before.n_out * before.n_in > PLACES:
            checks.fail("changes", [before.shape, after.shape], f"two topologies of one shape with at most {PLACES:,} places")


def states(before, after):
    """Array (n_out, n_in): 0 no link, 1 stays, 2 goes, 3 comes."""
    old, new = (np.zeros(before.shape, bool) for _ in range(2))
    old[before.rows, before.indices] = True
    new[after.rows, after.indices] = True
    return np.where(old & new, 1, np.where(old, 2, np.where(new, 3, 0)))


def _draw(ax, image):
    """The cells, with lines between them, and a mark on each that changes."""
    ax.imshow(image, cmap=ListedColormap(["white", *(colour for colour, _, _ in STATES.values())]), vmin=0, vmax=3)
    n_out, n_in = image.shape
    ax.hlines(np.arange(n_out + 1) - 0.5, -0.5, n_in - 0.5, color=style.GRID, linewidth=0.6)
    ax.vlines(np.arange(n_in + 1) - 0.5, -0.5, n_out - 0.5, color=style.GRID, linewidth=0.6)
    size = min(9, 74 / max(n_in, n_out))  # points: somewhat more than half a cell
    for number, (_, mark, colour) in enumerate(STATES.values(), 1):
        if mark:
            rows, columns = np.nonzero(image == number)
            ax.plot(columns, rows, linestyle="none", marker=mark, color=colour, markersize=size, markeredgewidth=0.3 * size)
    for axis in (ax.xaxis, ax.yaxis):
        style.whole(axis, 4)
