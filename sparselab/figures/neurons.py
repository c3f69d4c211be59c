"""Neurons that work and neurons that do not, as shares of their layer."""

import numpy as np

from . import legends, style
from .tables import grouped_bars, joined, tables_of

KINDS = {
    "without_incoming": "without incoming links", "without_outgoing": "without outgoing links",
    "dead": "dead: slope 0 on all data", "saturated": "saturated: slope ≈ 0 on all data",
    "one_sided": "z on one side of 0 on all data",
}  # fmt: skip
ENDS = {"from_input": "with a path from an input", "to_output": "with a path to an output", "both": "with both"}


def neuron_health(health, *, title=None, dataset=None):
    """Shares of each hidden layer's neurons that are without links, dead, saturated, one-sided: a group of bars a layer.

    health: what `analysis.neuron_health` gave, or {label: that} to compare nets, a panel each.
    """
    tables = tables_of("health", health, ("layer", "neurons", *KINDS), "analysis.neuron_health")
    shares = lambda table, kind: 100 * np.asarray(table[kind], float) / np.asarray(table["neurons"], float)
    return _panels(tables, "layer", "hidden layer", KINDS, shares, style.heading(title, dataset))


def reach(table, *, title=None, dataset=None):
    """Shares of each level's neurons that paths of links join to an input, to an output, to both; level 0 is the input.

    table: what `analysis.reachable` gave, or {label: that} to compare nets, a panel each.
    """
    tables = tables_of("table", table, ("level", "neurons", *ENDS), "analysis.reachable")
    shares = lambda table, kind: 100 * np.asarray(table[kind], float)
    return _panels(tables, "level", "level (0: input)", ENDS, shares, style.heading(title, dataset))


def _panels(tables, place, text, kinds, shares, heading):
    figure, axes = style.blank(len(tables), 1, height=0.7 + 1.9 * len(tables), sharex=True, sharey=True, title=heading)
    for ax, (label, table) in zip(axes.flat, tables.items(), strict=True):
        handles = grouped_bars(ax, table[place], {kind: shares(table, kind) for kind in kinds})
        style.label(ax, y="% of neurons", title=style.plain(label) if label else None)
    top = max(float(np.max(shares(table, kind))) for table in tables.values() for kind in kinds)
    axes[0, 0].set_ylim(0, min(1.05 * max(top, 5), 105))
    style.label(axes[-1, 0], text)
    style.numbered(axes[-1, 0], [number for table in tables.values() for number in table[place]])
    legends.below(figure, list(handles.values()), list(kinds.values()))
    return style.finish(figure, joined(tables))
