"""Reading, joining and drawing of the tables that figures take: one DataFrame, or {label: DataFrame}."""

from collections.abc import Mapping

from ..utils import checks
from . import style

BAR = 0.8  # width of a group of bars


def tables_of(name, tables, columns, maker):
    """{label: DataFrame}; a single table has the label "". TypeError for a table without these columns or without rows."""
    found = tables if isinstance(tables, dict) else {"": tables}
    wanted = f"a result of {maker} with at least one row, or a dict {{label: result}}"
    for table in found.values():
        if not hasattr(table, "columns") or not set(columns) <= set(table.columns) or not len(table):
            checks.fail(name, tables, wanted, TypeError)
    if not found:
        checks.fail(name, tables, wanted)
    checks.different_texts(name, found)
    return found


def scored_rows(rows, names):
    """The rows, one dict for each run, and those of them in which all of `names` are known: (all, these)."""
    wanted = f"dicts, one for each run, at least one of them with {', '.join(names)}"
    if isinstance(rows, Mapping | str) or not hasattr(rows, "__iter__"):
        checks.fail("rows", rows, wanted, TypeError)
    rows = list(rows)
    if not all(isinstance(row, Mapping) for row in rows):
        checks.fail("rows", rows, wanted, TypeError)
    known = [row for row in rows if all(row.get(name) is not None and row[name] == row[name] for name in names)]
    if not known:
        checks.fail("rows", rows, wanted)
    return rows, known


def grouped_bars(ax, places, columns):
    """Draw a group of bars at each place, with a bar for each of {name: heights}; returns {name: handle}."""
    width, handles = BAR / len(columns), {}
    for number, (name, heights) in enumerate(columns.items()):
        look = {"color": style.COLOURS[number], "hatch": style.hatch(number), "edgecolor": "white", "linewidth": 0}
        handles[name] = ax.bar([place - BAR / 2 + (number + 0.5) * width for place in places], heights, 0.92 * width, **look)
    ax.grid(False, axis="x")
    return handles


def joined(tables):
    """Put {label: DataFrame} together as {column: values}, with the label as column "run"."""
    columns = next(iter(tables.values())).columns
    whole = {"run": [str(label) for label, table in tables.items() for _ in range(len(table))]}
    return whole | {column: [value for table in tables.values() for value in table[column]] for column in columns}
