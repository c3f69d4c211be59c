"""Figure 5 from the kept rows: `python -m benchmarks.paper figures` writes docs/images/gradient_flow.png."""

import argparse
from pathlib import Path

from benchmarks import kept
from benchmarks.paper import data, views

PATH = Path("docs") / "images" / "gradient_flow.png"


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
    figure, [axes] = style.blank(columns=len(lines), height=3, title="Gradient flow, ‖g‖²")
    table = []
    for ax, (dataset, found) in zip(axes, lines.items(), strict=True):
        for place, (method, (epochs, values)) in enumerate(sorted(found.items())):
            ax.plot(epochs, values, **style.look(place), label=method)
            table += [{"data": dataset, "method": method, "epoch": e, "flow": v} for e, v in zip(epochs, values, strict=True)]
        ax.set_yscale("log")
        ax.set_title(data.CALLED[dataset], fontsize=9)
        style.label(ax, "epoch", "‖g‖²")
        ax.legend()
    return style.finish(figure, table)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper figures", description=__doc__)
    parser.add_argument("--out", type=Path, default=kept.ROOT / PATH)
    given = parser.parse_args(argv)
    figure = gradient_flow()
    if figure is None:
        print("no rows of table 2 yet")
    else:
        figure.savefig(given.out, dpi=120)
        print(f"written: {given.out}")
