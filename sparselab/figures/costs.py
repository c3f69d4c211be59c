"""What it costs: seconds by phase, bytes beside the dense net, and any measured numbers side by side."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .. import checks, summary
from ..history import PHASES
from . import style
from .runs import column, records_of, runs_of

BYTES = {"bytes": "stored: links and biases", "training_bytes": "in training, without activations"}
UNITS = {"links": "{:,.0f}".format, "bytes": summary.size, "seconds": "{:.3g} s".format}


def phases(history, *, mean=False, title=None, dataset=None):
    """Seconds of each phase: stacked bars by epoch, or the mean epoch as one bar (also of several runs, {label: History}).

    "other" is what the wall clock of training has beyond its phases; evaluation stands on top and is not training.
    """
    if isinstance(history, dict):
        runs, mean = {label: seeds[0] for label, seeds in runs_of(history, "history").items()}, True
    else:
        runs = {"": records_of(history)}
    tables = {label: seconds_by_phase(records) for label, records in runs.items()}
    if mean:
        return _mean_phases(tables, style.heading(title, dataset))
    table = tables[""]
    figure, axes = style.blank(1, 1, height=3.6, title=style.heading(title, dataset))
    handles = _stack(axes[0, 0], table["epoch"], table)
    style.label(axes[0, 0], "epoch", "seconds")
    style.epochs(axes[0, 0], table["epoch"])
    style.below(figure, handles.values(), list(handles), columns=4)
    return style.finish(figure, table)


def seconds_by_phase(records):
    """Columns: epoch, seconds of each phase, other (the rest of the training clock), evaluate, seconds (training clock)."""
    spent = {phase: column(records, f"seconds_{phase}") for phase in PHASES}
    evaluate, clock = spent.pop("evaluate"), column(records, "seconds")
    other = np.maximum(0, clock - sum(spent.values()))
    return {"epoch": [r.epoch for r in records], **spent, "other": other, "evaluate": evaluate, "seconds": clock}


def _stack(ax, places, table, *, sideways=False):
    handles, start = {}, np.zeros(len(places))
    for number, phase in enumerate(name for name in table if name not in ("epoch", "run", "seconds")):
        values = np.asarray(table[phase], float)
        if not values.any():
            continue
        colour = style.GREY if phase == "other" else style.COLOURS[number % len(style.COLOURS)]
        draw, edge = (ax.barh, "left") if sideways else (ax.bar, "bottom")
        look = {"color": colour, "hatch": style.HATCHES[number % len(style.HATCHES)], "edgecolor": "white", "linewidth": 0}
        handles[phase] = draw(places, values, 0.8, **{edge: start}, **look)
        start = start + values
    return handles


def _mean_phases(tables, title):
    rows = [
        {"run": str(label), **{key: float(np.mean(table[key])) for key in table if key != "epoch"}}
        for label, table in tables.items()
    ]
    table = {key: [row[key] for row in rows] for key in rows[0]}
    figure, axes = style.blank(1, 1, height=1.7 + 0.45 * len(rows), title=title)
    ax = axes[0, 0]
    handles = _stack(ax, range(len(rows)), table, sideways=True)
    ax.set_yticks(range(len(rows)), [style.plain(row["run"], 24) for row in rows])
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    style.label(ax, "seconds an epoch, mean")
    style.below(figure, handles.values(), list(handles), columns=4)
    return style.finish(figure, table)


def memory(model, *, title=None):
    """Bytes of each layer and of all, ours beside the dense net of the same widths, with the ratio; logarithmic axis."""
    rows = summary.rows(model)
    figure, axes = style.blank(2, 1, height=5.2, sharex=True, title=style.heading(title))
    for ax, (key, text) in zip(axes.flat, BYTES.items(), strict=True):
        handles = _pairs(ax, [row[key] for row in rows], [row[f"dense_{key}"] for row in rows])
        style.label(ax, title=text)
    names = [row["layer"] if row["layer"] == "all" else f"layer {row['layer']}\n{row['shape']}" for row in rows]
    axes[1, 0].set_xticks(range(len(rows)), names)
    style.below(figure, handles, ["this net", "dense net of the same widths"])
    return style.finish(figure, rows)


def _pairs(ax, ours, dense):
    places = np.arange(len(ours))
    handles = [
        ax.bar(places - 0.2, ours, 0.38, color=style.COLOURS[0]),
        ax.bar(places + 0.2, dense, 0.38, color=style.COLOURS[4], hatch="//", edgecolor="white", linewidth=0),
    ]
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(base=32))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: summary.size(value).replace(".0 ", " ")))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(min(ours + dense) / 8, max(ours + dense) * 8)
    ax.grid(False, axis="x")
    for place, a, b in zip(places, ours, dense, strict=True):
        ax.annotate(ratio(a, b), (place, max(a, b)), (0, 4), textcoords="offset points", ha="center", fontsize=style.SMALL)
    return handles


def ratio(ours, dense):
    """`ours` against `dense` in words: "12× less", "1.5× more", "equal"."""
    if not (ours > 0 and dense > 0):
        return ""
    factor = dense / ours if ours < dense else ours / dense
    text = f"{factor:,.0f}" if factor >= 9.95 else f"{factor:.2g}"
    return "equal" if text == "1" else f"{text}× {'less' if ours < dense else 'more'}"


def compare_costs(ours, dense, *, title=None, labels=("sparse", "dense")):
    """Measured numbers side by side, a panel each, with the ratio: {"links": …, "bytes": …, "seconds": …} of both.

    Only what both name is drawn; a number that is None ("dense does not fit") is said to be not measured.
    """
    names = [name for name in ours if name in dense]
    if not names:
        checks.fail("dense", sorted(dense), f"a dict that shares names with {sorted(ours)}")
    figure, axes = style.blank(1, len(names), height=3.0, width=max(3.2, 2.1 * len(names)), title=style.heading(title))
    rows = []
    for ax, name in zip(axes.flat, names, strict=True):
        pair = [np.nan if side[name] is None else float(side[name]) for side in (ours, dense)]
        _columns(ax, name, pair, [style.plain(text, 16) for text in labels])
        rows.append({"quantity": name, "ours": pair[0], "dense": pair[1], "ratio": pair[1] / pair[0] if pair[0] else np.nan})
    return style.finish(figure, rows)


def _columns(ax, name, pair, labels):
    write = UNITS.get(name, "{:.4g}".format)
    for place, (value, colour, hatch) in enumerate(zip(pair, (style.COLOURS[0], style.COLOURS[4]), ("", "//"), strict=True)):
        known = np.isfinite(value)
        height = value if known else 0
        ax.bar(place, height, 0.65, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        text = write(value) if known else "not\nmeasured"
        ax.annotate(text, (place, height), (0, 3), textcoords="offset points", ha="center", fontsize=style.SMALL, color=style.INK)
    ax.set_xticks([0, 1], labels)
    ax.set_xlim(-0.6, 1.6)
    ax.set_ylim(0, 1.18 * max([value for value in pair if np.isfinite(value)], default=1) or 1)
    ax.yaxis.set_visible(False)
    ax.spines["left"].set_visible(False)
    ax.grid(False)
    style.label(ax, title=": ".join(part for part in (style.plain(name), ratio(*pair)) if part))
