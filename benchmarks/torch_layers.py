"""One layer in PyTorch, forward and backward: torch.nn.Linear, one with a mask, torch CSR, SparseProp, and ours.

`python -m benchmarks.torch_layers [--shapes N_INxN_OUT …] [--rows N …] [--densities D …] [--rounds N] [--figure PNG]`: float32,
gradients of inputs, weights and biases; five passes of each in turn, after a rest and two that do not count, on torch's threads;
medians of one run beside the GOALS. A row is kept when it is measured, without those whose pass takes two seconds or longer.
torch CSR needs activations as (neurons, batch): "torch CSR" gets them so, and has nothing to turn; "in rows" takes the place of
nn.Linear, as all others do, and turns inputs and outputs. SparseProp is timed where it is installed, which needs a C++ compiler:
`pip install scipy setuptools wheel pybind11` and
`pip install --no-build-isolation sparseprop==0.1.14`. --figure draws all kept rows.
"""

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np

import sparselab as sl
from benchmarks import kept
from benchmarks.break_even import COLOURS, DASHES, MARKERS, break_even
from benchmarks.common import emit, interleaved, table

SHAPES = "768x3072", "3072x768", "256x1024", "256x256", "4096x4096"
ROWS = 1024, 128, 4096
DENSITIES = 0.1, 0.05, 0.01, 0.2, 0.02, 0.3, 0.005, 0.5
LARGEST = 10**11  # multiply-adds of the dense layer in a forward and a backward pass; larger jobs are left out
IN_A_ROW, UNCOUNTED = 5, 2  # passes of a sample, and before it: the first after a rest finds caches of others and threads asleep
REST = 0.02  # seconds between samples, so that no waiting threads of torch run beside the next one
OURS, DENSE, MASKED, CSR, SPARSEPROP = "ours", "nn.Linear", "masked", "torch CSR", "SparseProp"
CSR_IN_ROWS = "torch CSR in rows"
OTHERS = DENSE, MASKED, CSR, CSR_IN_ROWS, SPARSEPROP
LONGEST = 2.0  # seconds of a pass from which on all but ours and nn.Linear are left out
GOALS = {("768x3072", 1024, density): times for density, times in ((0.1, 3), (0.05, 6), (0.01, 12))}  # nn.Linear's time over ours


def calls_of(n_in, n_out, rows, density):
    """{name: one forward and backward pass}, which returns the gradients of inputs, weights and biases."""
    import torch

    import sparselab.torch
    from benchmarks.peer_runners.csr_linear import CSRLinear

    topology = sl.erdos_renyi(n_out, n_in, density=density, exact=True, seed=0)
    ours = sparselab.torch.SparseLinear(n_in, n_out, topology=topology)
    linear = torch.nn.Linear(n_in, n_out)
    (mask,) = sparselab.torch.to_masks(ours).values()
    X, dY = torch.randn(rows, n_in), torch.randn(rows, n_out)
    links = n_in, n_out, topology.indptr, np.array(topology.indices)
    csr = CSRLinear(*links, ours.weight.detach().numpy().copy())

    def passes(forward, parameters, X, dY):
        parameters = [*parameters]

        def run():
            inputs = X.requires_grad_()
            return torch.autograd.grad(forward(inputs), [inputs, *parameters], dY)

        return run

    masked = lambda X: torch.nn.functional.linear(X, linear.weight * mask, linear.bias)
    calls = {
        OURS: passes(ours, ours.parameters(), X, dY),
        DENSE: passes(linear, linear.parameters(), X, dY),
        MASKED: passes(masked, linear.parameters(), X, dY),
        CSR: passes(csr, csr.parameters(), X.t().contiguous(), dY.t().contiguous()),
        CSR_IN_ROWS: passes(lambda X: csr(X.t().contiguous()).t().contiguous(), csr.parameters(), X, dY),
    }
    try:
        from benchmarks.peer_runners.sparseprop_linear import sparse_linear
    except ImportError:
        return calls
    theirs = sparse_linear(*links, ours.weight.detach().numpy().copy())
    return calls | {SPARSEPROP: passes(theirs, [theirs.W_val, theirs.bias], X, dY)}


def row_of(shape, rows, density, rounds):
    """The row of one setting: milliseconds of each, and how many times faster ours is."""
    calls = calls_of(*map(int, shape.split("x")), rows, density)
    calls = {name: call for name, call in calls.items() if name in (OURS, DENSE) or seconds_of(call) < LONGEST}
    found = interleaved(calls, repeats=rounds, inner=IN_A_ROW, rest=REST, uncounted=UNCOUNTED)
    seconds = {name: float(np.median(each)) for name, each in found.items()}
    in_ms = lambda name: 1e3 * seconds[name] if name in seconds else None
    times = {f"times {name}": seconds[name] / seconds[OURS] if name in seconds else None for name in OTHERS}
    return {"shape": shape, "rows": rows, "density": density} | {f"{name} ms": in_ms(name) for name in (OURS, *OTHERS)} | times


def seconds_of(call):
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def verdict(row):
    """What was measured beside the goal, or None where there is none."""
    goal, times = GOALS.get((row["shape"], row["rows"], row["density"])), row[f"times {DENSE}"]
    if goal is None:
        return None
    met = "met" if times >= goal else "MISSED"
    return f"{row['shape']}, {row['rows']} rows, density {row['density']:g}: {times:.2f} × (goal: ≥ {goal} ×), {met}"


def lines(rows, name):
    """{(shape, rows): (densities, ours, the other's)} in milliseconds, where the other one was timed, densities ascending."""
    found = {}
    for row in sorted(rows, key=lambda row: row["density"]):
        if row.get(f"{name} ms"):
            columns = found.setdefault((row["shape"], row["rows"]), ([], [], []))
            for column, value in zip(columns, (row["density"], row[f"{OURS} ms"], row[f"{name} ms"]), strict=True):
                column.append(value)
    return found


def break_even_rows(rows):
    """[{shape, rows, and for each of the others the density below which ours is faster}]."""
    found = {}
    for name in OTHERS:
        for (shape, n), timed in lines(rows, name).items():
            at = break_even(*timed)
            beyond = f"> {at.highest:g}" if at.always == "ours" else f"< {at.lowest:g}"
            text = beyond if at.density is None else f"{at.density:.2g}"
            found.setdefault((shape, n), {"shape": shape, "rows": n})[name] = text
    return list(found.values())


def figure(rows, path):
    """nn.Linear's time over ours against density, a line a shape and number of rows; saved as PNG at `path`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    found = lines(rows, DENSE)
    shapes, sizes = list(dict.fromkeys(shape for shape, _ in found)), sorted({n for _, n in found})
    drawing = Figure(figsize=(10, 6), dpi=150, layout="constrained")
    axis = drawing.subplots()
    for (shape, n), timed in found.items():
        densities, ours, dense = timed
        colour, style = COLOURS[shapes.index(shape) % len(COLOURS)], sizes.index(n) % len(DASHES)
        ratio = [theirs / own for own, theirs in zip(ours, dense, strict=True)]
        look = {"marker": MARKERS[style], "linestyle": DASHES[style], "color": colour, "linewidth": 2, "markersize": 7}
        axis.plot(densities, ratio, label=f"{shape.replace('x', ' × ')}, {n:,} rows", **look)
        if at := break_even(*timed).density:
            axis.plot([at], [1], "o", markersize=14, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=2)
    axis.set(xscale="log", yscale="log")
    axis.set_ylim(min(0.5, axis.get_ylim()[0]), max(2, axis.get_ylim()[1]))
    axis.axhline(1, color="black", linewidth=1.2)
    axis.axhspan(axis.get_ylim()[0], 1, color="0.9", zorder=0)
    axis.set_xticks(sorted({row["density"] for row in rows}))
    axis.yaxis.set_major_locator(LogLocator(2))
    for side, form in ((axis.xaxis, "{x:g}"), (axis.yaxis, "{x:g}×")):
        side.set_minor_locator(NullLocator())
        side.set_major_formatter(form)
    axis.tick_params(labelsize=13)
    axis.set_xlabel("density (share of links kept)", fontsize=14)
    axis.set_ylabel("nn.Linear's time / ours", fontsize=14)
    axis.set_title("forward and backward pass of one layer; rings: equal times", fontsize=14)
    axis.grid(True, which="major", color="0.85", linewidth=0.7)
    drawing.legend(loc="outside right upper", fontsize=11, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--densities", type=float, nargs="+", default=DENSITIES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--figure", type=Path, help="draw all kept rows there")
    given = parser.parse_args()
    found = []
    for rows, shape, density in product(given.rows, given.shapes, given.densities):
        n_in, n_out = map(int, shape.split("x"))
        if 3 * n_in * n_out * rows <= LARGEST:
            found.append(row_of(shape, rows, density, given.rounds))
            emit("torch_layers", found[-1:], key=("shape", "rows", "density"))
    print(table(found, list(found[0])))
    print(*filter(None, map(verdict, found)), sep="\n")
    if given.figure:
        figure([row for row in kept.read(kept.file_of("torch_layers")) if row["benchmark"] == "torch_layers"], given.figure)


if __name__ == "__main__":
    main()
