"""Figures from the kept rows: `python -m benchmarks.paper figures` writes them into docs/images.

paper_table2.png: accuracies of table 2 beside the paper's; gradient_flow.png: figure 5.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import kept
from benchmarks.paper import anchors, data, plan, views

IMAGES = Path("docs") / "images"
WAYS = {  # label: (share of the training rows held out, column)
    "best epoch on test": (0.0, "accuracy_best"),
    "last epoch": (0.0, "accuracy_last"),
    "epoch chosen by validation": (plan.HELD_OUT, "accuracy_validation"),
}


def accuracies(*datasets):
    """A matplotlib Figure: test accuracies of table 2, mean ± deviation over seeds, beside the paper's; None without rows.

    datasets: names of data sets, by default all that have rows.
    """
    from sparselab.figures import style

    found = {share: views.groups("table2", share) for share in (0.0, plan.HELD_OUT)}
    lines = {}
    for dataset, method in views.methods_of("table2"):
        if any((dataset, method) in groups for groups in found.values()) and (not datasets or dataset in datasets):
            lines.setdefault(dataset, []).append(method)
    if not lines:
        return None
    height = 1.2 + 0.3 * sum(map(len, lines.values()))
    figure, axes = style.blank(
        rows=len(lines),
        height=height,
        title="Table 2: test accuracy, ours and the paper's",
        gridspec_kw={"height_ratios": [len(methods) + 1 for methods in lines.values()]},
    )  # fmt: skip
    table = []
    for [ax], (dataset, methods) in zip(axes, lines.items(), strict=True):
        for place, (label, (share, column)) in enumerate(WAYS.items()):
            values = {y: views.values(found[share].get((dataset, method), []), column) for y, method in enumerate(methods)}
            values = {y: some for y, some in values.items() if some}
            means, deviations = ([float(of(some)) for some in values.values()] for of in (np.mean, np.std))
            ax.errorbar(
                means,
                [y + 0.2 * (place - 1) for y in values],
                xerr=deviations,
                linestyle="",
                markersize=5,
                label=f"ours, {label}",
                **style.look(place),
            )
            table += [
                {"data": dataset, "method": methods[y], "accuracy": label, "mean": mean, "deviation": deviation, "n": len(some)}
                for (y, some), mean, deviation in zip(values.items(), means, deviations, strict=True)
            ]  # fmt: skip
        published = {y: anchors.table2(dataset, method)[0] for y, method in enumerate(methods)}
        published = {y: accuracy for y, accuracy in published.items() if accuracy is not None}
        ax.plot(
            list(published.values()), list(published), linestyle="", marker="x", color=style.INK, markersize=7, markeredgewidth=2,
            label="the paper, best epoch on test",
        )  # fmt: skip
        ax.set_yticks(range(len(methods)), methods)
        ax.set_ylim(len(methods) - 0.5, -0.5)
        style.label(ax, "accuracy on the test rows, %", title=data.CALLED[dataset])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=style.SMALL, frameon=False)
    return style.finish(figure, table)


def gradient_flow():
    """A matplotlib Figure: ‖g‖² by epoch of ReLU and All-ReLU, the mean over seeds, a panel a data set; None without rows."""
    from sparselab.figures import style

    lines = {}
    for (dataset, method), rows in views.groups("table2").items():
        flows = [row["gradient_flow"] for row in rows if row.get("gradient_flow")]
        if method in ("ReLU", "All-ReLU") and flows:
            epochs = sorted(set.intersection(*({int(epoch) for epoch in flow} for flow in flows)))
            values = [sum(flow[str(epoch)] for flow in flows) / len(flows) for epoch in epochs]
            lines.setdefault(dataset, {})[method] = epochs, values
    if not lines:
        return None
    n_rows = -(-len(lines) // 2)
    figure, axes = style.blank(rows=n_rows, columns=2, height=0.8 + 2.4 * n_rows, title="Gradient flow, ‖g‖²")
    table = []
    for ax in axes.flat[len(lines) :]:
        ax.remove()
    for ax, (dataset, found) in zip(axes.flat, lines.items(), strict=False):
        for place, (method, (epochs, values)) in enumerate(sorted(found.items())):
            ax.plot(epochs, values, **style.look(place), markersize=3, label=method)
            table += [{"data": dataset, "method": method, "epoch": e, "flow": v} for e, v in zip(epochs, values, strict=True)]
        ax.set_yscale("log")
        ax.set_title(data.CALLED[dataset], fontsize=9)
        style.label(ax, "epoch", "‖g‖²")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return style.finish(figure, table)


FIGURES = {"paper_table2.png": accuracies, "gradient_flow.png": gradient_flow}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper figures", description=__doc__)
    parser.add_argument("--out", type=Path, default=kept.ROOT / IMAGES, help="folder of the images")
    given = parser.parse_args(argv)
    for name, draw in FIGURES.items():
        figure = draw()
        if figure is None:
            print(f"{name}: no rows of table 2 yet")
        else:
            figure.savefig(given.out / name, dpi=120)
            print(f"written: {given.out / name}")
