"""The density at which a sparse peer's time equals the dense one's: arithmetic, table and figure."""

import math
from collections import namedtuple

# density: where the times are equal; None where they never are in the range measured, and then `always` names the faster one
BreakEven = namedtuple("BreakEven", "density always lowest highest")


def break_even(densities, ours, dense):
    """Where log(ours / dense), linear in log(density) between measured points, first reaches 0 from the sparse side.

    densities, ours, dense: sequences of the same length (> 0), seconds in one unit. Below the density given ours is faster at
    every point measured. Raises ValueError for an empty or non-positive sequence.
    """
    points = sorted(zip(densities, ours, dense, strict=True))
    if not points or min(map(min, points)) <= 0:
        raise ValueError(f"densities and seconds are {points}: must be one or more numbers above 0")
    logs = [(math.log(d), math.log(a / b)) for d, a, b in points]
    ends = points[0][0], points[-1][0]
    if logs[0][1] > 0:
        return BreakEven(None, "dense" if all(y > 0 for _, y in logs) else "dense at the sparsest", *ends)
    for (x0, y0), (x1, y1) in zip(logs, logs[1:]):
        if y1 > 0:
            return BreakEven(math.exp(x0 + (x1 - x0) * -y0 / (y1 - y0)), None, *ends)
    return BreakEven(None, "ours", *ends)


def sentence(name, found):
    """What a break-even says, dense's victories included. name: of the setting."""
    if found.density is not None:
        return f"{name}: ours is faster below density {found.density:.3g}, dense PyTorch wins above"
    if found.always == "ours":
        return f"{name}: ours is faster at every density measured ({found.lowest:g} to {found.highest:g})"
    if found.always == "dense":
        return f"{name}: dense PyTorch wins at every density measured ({found.lowest:g} to {found.highest:g})"
    return f"{name}: dense PyTorch wins at density {found.lowest:g} already, and not everywhere above"


def lines(rows, kind="train"):
    """{(width, batch): (densities, ours, dense)} of the sweep's rows of one kind, where both were timed, densities ascending."""
    rows = [r for r in rows if r["kind"] == kind and r["seconds"]]
    dense = {(r["width"], r["batch"], r["density"]): r["seconds"] for r in rows if r["peer"] == "torch dense"}
    found = {}
    for key, ours in sorted(((r["width"], r["batch"], r["density"]), r["seconds"]) for r in rows if r["peer"] == "ours"):
        if key in dense:
            columns = found.setdefault(key[:2], ([], [], []))
            for column, value in zip(columns, (key[2], ours, dense[key])):
                column.append(value)
    return found


def draw(rows, path):
    """Dense time over ours against density, a line a (width, batch), break-evens marked; saved as PNG at `path`."""
    from matplotlib.figure import Figure

    kinds = [
        (kind, title) for kind, title in (("train", "training step"), ("infer", "inference, same batch")) if lines(rows, kind)
    ]
    if not kinds:
        return None
    figure = Figure(figsize=(5.2 * len(kinds) + 1.2, 5.8), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axis, (kind, title) in zip(axes, kinds):
        panel(axis, lines(rows, kind), title)
    axes[0].set_ylabel("dense PyTorch's time / ours", fontsize=14)
    n_widths = len({row["width"] for row in rows})
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=n_widths, fontsize=13, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


# Okabe and Ito's colours, told apart without colour too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")
MARKERS, DASHES = ("o", "s", "^", "D", "v"), ("-", "--", ":", "-.", (0, (1, 4)))


def panel(axis, found, title):
    """One kind of work: colour is the width, marker and dashes are the batch."""
    widths, batches, crossings = sorted({w for w, _ in found}), sorted({b for _, b in found}), []
    for (width, batch), (densities, ours, dense) in found.items():
        colour, shape = COLOURS[widths.index(width) % 5], batches.index(batch) % 5
        label, ratio = f"{width:,} wide, batch {batch}", [d / o for o, d in zip(ours, dense)]
        axis.plot(densities, ratio, DASHES[shape], marker=MARKERS[shape], color=colour, label=label, markersize=7, linewidth=2)
        if at := break_even(densities, ours, dense).density:
            crossings.append(at)
            axis.plot([at], [1], "o", markersize=14, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=2)
    axis.set(xscale="log", yscale="log")
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, 0.5), max(high, 2))
    axis.axhline(1, color="black", linewidth=1.2)
    axis.axhspan(axis.get_ylim()[0], 1, color="0.9", zorder=0)
    for y, va, text in ((0.93, "top", "dense PyTorch is faster"), (1.07, "bottom", "ours is faster")):
        axis.text(0.02, y, text, va=va, fontsize=13, transform=axis.get_yaxis_transform())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:g}×")
    axis.tick_params(labelsize=13)
    axis.set_xlabel("density (share of links kept)", fontsize=14)
    axis.set_title(f"{title}\n{said(crossings, len(found))}", fontsize=14)
    axis.grid(True, which="major", color="0.85", linewidth=0.7)


def said(crossings, n):
    """The title's second line: where the lines cross, and how many do."""
    if not crossings:
        return "no break-even in the range measured"
    low, high = f"{min(crossings):.2g}", f"{max(crossings):.2g}"
    where = low if low == high else f"{low} to {high}"
    return f"break-even (rings): {where}" + (f", {len(crossings)} of {n} lines" if len(crossings) < n else "")
