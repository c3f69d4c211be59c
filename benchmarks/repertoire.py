"""Methods of dynamic sparse training against each other, with the recipe of Zhang et al. (2025), arXiv 2501.19107, table 7.

`python -m benchmarks.repertoire [--data fashion_mnist mnist] [--densities 0.01 …] [--methods NAME …] [--seeds 3] [--threads N]`

Nets 784-1568-1568-1568-10 of ReLU neurons whose last layer is dense and does not change; the others begin with exactly the same
share of links, drawn uniformly, or by CSTI and with SWI in the family of CHT. 100 epochs at 1 %, 30 at other densities, SGD
with batches of 32, momentum 0.9, decay 5e-4; the rate falls along a line from 0.025 to a hundredth of it at nine tenths of the
epochs. ζ is 0.3; links change before every epoch, unless a name says otherwise. A seed gives every method the same order of
samples, and where the start is the same, the same first links and weights. Accuracy is that of the last epoch; the best one is
kept beside it because other papers name it. Nothing but RigL's timing, which the paper does not tell, was chosen with test
accuracies in view (docs/findings.md). Rows are kept as they come: a run that was stopped continues with the next one. All of it
takes about twelve hours of two cores; `nice -n 19` leaves them to others.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import table
from benchmarks.kept import Kept, spread

SIZES = (784, 1568, 1568, 1568, 10)
DENSITIES = (0.01, 0.02, 0.05, 0.1)
BATCH, RATE, ZETA = 32, 0.025, 0.3
COURSE = 0.75  # share of the epochs in which there are events
PUBLISHED = {  # table 7 of the paper at 1 %: mean test accuracy
    ("mnist", "dense"): 98.78, ("mnist", "SET"): 98.14, ("mnist", "RigL"): 98.61, ("mnist", "CHT"): 98.48,
    ("mnist", "CHTs, L3p"): 98.81, ("mnist", "CHTs, L3n"): 98.76, ("mnist", "GMP"): 98.62, ("mnist", "GraNet"): 98.81,
    ("mnist", "CHTss"): 98.83,
    ("fashion_mnist", "dense"): 90.88, ("fashion_mnist", "SET"): 89.00, ("fashion_mnist", "RigL"): 89.91,
    ("fashion_mnist", "CHT"): 88.70, ("fashion_mnist", "CHTs, L3p"): 90.93, ("fashion_mnist", "CHTs, L3n"): 90.67,
    ("fashion_mnist", "GMP"): 90.29, ("fashion_mnist", "GraNet"): 89.98, ("fashion_mnist", "CHTss"): 90.81,
}  # fmt: skip


@dataclass(frozen=True)
class Method:
    """What a method needs: rules(density, epochs) -> list; start: topology and initializer; its density at the start."""

    rules: object = lambda density, epochs: []
    start: dict = field(default_factory=lambda: {"topology": "uniform", "initializer": sl.HeNormal()})
    first: object = lambda density: density


def falling(epochs):
    """ζ along half a cosine, to the end of the events."""
    return sl.schedules.Cosine(ZETA, COURSE * epochs, final=0)


def soft(data):
    """How CHTs removes links: by |w| on MNIST, by relative importance on FashionMNIST, as the authors."""
    return sl.criteria.Soft("magnitude" if data == "mnist" else "relative_importance", (0.5, 0.75))


def methods(data):
    """{name: Method} for a data set."""
    cht = {"topology": "csti", "initializer": sl.SWI()}
    hard = sl.criteria.magnitude if data == "mnist" else sl.criteria.relative_importance
    until = lambda epochs: {"until": COURSE * epochs}
    often = {"every": "100 steps", "replaces_update": True}  # as in RigL's paper
    gradual = lambda density, epochs: sl.schedules.Cubic(0.5, density, 0, COURSE * epochs)
    return {
        "static": Method(),
        "SET": Method(lambda density, epochs: [sl.SET(ZETA, sl.criteria.magnitude)]),
        "SET, falling ζ": Method(lambda density, epochs: [sl.SET(falling(epochs), sl.criteria.magnitude, **until(epochs))]),
        "SET, values from the initializer": Method(
            lambda density, epochs: [sl.SET(ZETA, sl.criteria.magnitude, new_values="initializer")]
        ),
        "SET, start as CHT": Method(lambda density, epochs: [sl.SET(ZETA, sl.criteria.magnitude)], cht),
        "RigL": Method(lambda density, epochs: [sl.RigL(ZETA)]),
        "RigL, start as CHT": Method(lambda density, epochs: [sl.RigL(ZETA)], cht),
        "RigL, every 100 steps": Method(lambda density, epochs: [sl.RigL(falling(epochs), **until(epochs), **often)]),
        "RigL, sampled": Method(lambda density, epochs: [sl.RigL(ZETA, regrowth=sl.regrowths.SampledGradient())]),
        "RigL, falling ζ": Method(lambda density, epochs: [sl.RigL(falling(epochs), **until(epochs))]),
        "GSE": Method(lambda density, epochs: [sl.GSE(falling(epochs), **until(epochs))]),
        "MEST": Method(lambda density, epochs: [sl.MEST(ZETA)]),
        "SNFS": Method(lambda density, epochs: [sl.SNFS(falling(epochs), **until(epochs))]),
        "SRigL": Method(lambda density, epochs: [sl.SRigL(falling(epochs), **until(epochs))]),
        "GMP": Method(lambda density, epochs: [sl.GMP(density=gradual(density, epochs))], first=lambda density: 0.5),
        "GraNet": Method(
            lambda density, epochs: [sl.GraNet(falling(epochs), density=gradual(density, epochs))], first=lambda density: 0.5
        ),
        "CHT": Method(lambda density, epochs: [sl.CHT(ZETA, hard, replaces_update=True)], cht),
        "CHTs, L3p": Method(lambda density, epochs: [sl.CHTs(ZETA, soft(data), replaces_update=True)], cht),
        "CHTs, L3n": Method(
            lambda density, epochs: [
                sl.CHTs(ZETA, soft(data), sl.regrowths.CannistraciHebb("CH2-L3n", soft=True), replaces_update=True)
            ],
            cht,
        ),
        "CHTs, L3p, EM_S": Method(
            lambda density, epochs: [sl.CHTs(ZETA, soft(data), density=density, extra=0.05, replaces_update=True)],
            cht, first=lambda density: density + 0.05,
        ),
        "CHTss": Method(
            lambda density, epochs: [sl.CHTss(ZETA, soft(data), density=density, replaces_update=True)],
            cht, first=lambda density: 0.5,
        ),
    }  # fmt: skip


def measured(data, method, density, epochs, seed, threads):
    """{accuracy in percent after the last epoch and the best one, links, dead neurons, seconds} of one run."""
    sizes = (data.n_features, *SIZES[1:-1], data.n_classes)
    features = data.X_train if method.start["topology"] == "csti" else None  # one scale for all pixels keeps correlations
    model = sl.SparseMLP.create(
        sizes,
        density=method.first(density),
        dense_last=True,
        exact=True,
        activation="relu",
        seed=seed,
        data=features,
        **method.start,
    )
    optimizer = sl.SGD(
        lambda epoch: RATE * (1 - 0.99 * min(1, int(epoch) / (0.9 * epochs))), momentum=0.9, weight_decay=5e-4
    )  # fmt: skip
    rules, records = method.rules(density, epochs), []
    options = {"optimizer": optimizer, "rules": rules, "epochs": epochs, "batch_size": BATCH, "seed": seed, "threads": threads}
    start = time.perf_counter()
    for record in tqdm(sl.train(model, data, **options), total=epochs, leave=False, desc="epochs", mininterval=2):
        records.append(record)
    accuracies = [100 * record.test_accuracy for record in records]
    return {
        "accuracy %": accuracies[-1], "best %": max(accuracies), "links": sum(model.nnz[:-1]),
        "mean links": float(np.mean([sum(record.nnz[:-1]) for record in records])),
        "active neurons %": 100 * sl.analysis.active_neurons(model),
        "ms an event": 1e3 * float(np.median([record.seconds_evolve for record in records[1:]])),
        "seconds an epoch": float(np.median([record.seconds for record in records])),
        "seconds": time.perf_counter() - start, "source": data.source,
    }  # fmt: skip


def rows_of(kept):
    """Rows of the table: mean ± deviation of all seeds of each method, beside what the paper publishes."""
    groups = {}
    for row in kept.rows.values():
        s = row["settings"]
        groups.setdefault((s["data"], s["density"], s["method"]), []).append(row)
    order = {name: n for n, name in enumerate(methods("mnist"))}
    rows = []
    for data in sorted({data for data, density, _ in groups if density == 0.01}):
        rows.append({"data": data, "density %": 100.0, "method": "dense", "published %": PUBLISHED[data, "dense"]})
    for (data, density, name), found in sorted(groups.items(), key=lambda item: (*item[0][:2], order.get(item[0][2], 99))):
        each = [row["accuracy %"] for row in found]
        mean = lambda column, found=found: float(np.mean([row[column] for row in found]))
        published = PUBLISHED.get((data, name)) if density == 0.01 else None
        rows.append({
            "data": data, "density %": 100 * density, "method": name, "epochs": found[0]["settings"]["epochs"], "n": len(each),
            "accuracy %": spread(each), "best %": spread([row["best %"] for row in found]), "published %": published,
            "mean links": mean("mean links"), "active neurons %": mean("active neurons %"), "ms an event": mean("ms an event"),
            "seconds an epoch": mean("seconds an epoch"),
        })  # fmt: skip
    return rows


def points_of(kept, density=0.01):
    """[{data, method, accuracies of the seeds, published}] at one density, in the order of the methods; what `figure` draws."""
    found = {}
    for row in kept.rows.values():
        s = row["settings"]
        if s["density"] == density:
            found.setdefault((s["data"], s["method"]), {})[s["seed"]] = row["accuracy %"]
    order = [(data, name) for data in ("fashion_mnist", "mnist") for name in methods(data)]
    accuracies = lambda by_seed: [by_seed[seed] for seed in sorted(by_seed)]
    return [
        {"data": key[0], "method": key[1], "accuracies": accuracies(found[key]), "published": PUBLISHED.get(key)}
        for key in order if key in found
    ]  # fmt: skip


OURS, THEIRS, FONT = "#0072B2", "#D55E00", 15  # of the palette of Okabe and Ito; points, for a picture at half its size


def figure(points, path, **metadata):
    """Accuracy by method, a panel for each data set: ours with a point for each seed, beside the published mean."""
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(point["data"] for point in points))
    names = [name for name in methods("mnist") if any(point["method"] == name for point in points)]
    drawing = Figure(figsize=(6 * len(sets) + 2, 0.55 * len(names) + 2.2), dpi=100, layout="constrained")
    axes, legend = drawing.subplots(1, len(sets), sharey=True, squeeze=False)[0], {}
    for axis, data in zip(axes, sets, strict=True):
        legend["published, dense"] = axis.axvline(PUBLISHED[data, "dense"], color="black", linestyle="--", linewidth=1.5)
        for point in (point for point in points if point["data"] == data):
            y, n = names.index(point["method"]), len(point["accuracies"])
            look = {"s": 110, "color": OURS, "alpha": 0.75, "linewidths": 0, "zorder": 3}
            legend["ours, a point for each seed"] = axis.scatter(point["accuracies"], [y] * n, **look)
            if point["published"] is not None:
                look = {"s": 150, "marker": "D", "facecolors": "none", "edgecolors": THEIRS, "linewidths": 2.5, "zorder": 4}
                legend["published mean"] = axis.scatter(point["published"], y, **look)
        axis.set_title({"fashion_mnist": "FashionMNIST", "mnist": "MNIST"}[data], fontsize=FONT)
        axis.set_xlabel("test accuracy, last epoch (%)", fontsize=FONT)
        axis.tick_params(labelsize=FONT)
        axis.grid(True, color="0.88", linewidth=0.8)
        axis.set_axisbelow(True)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    drawing.legend(legend.values(), legend, loc="outside lower center", ncols=3, fontsize=FONT, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, metadata=metadata)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=("fashion_mnist", "mnist"), default=["fashion_mnist"])
    parser.add_argument("--densities", nargs="+", type=float, default=list(DENSITIES))
    parser.add_argument("--methods", nargs="+", choices=methods("mnist"), default=list(methods("mnist")))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="default: 100 at 1 %%, else 30")
    parser.add_argument("--threads", type=int, help="default: all cores; results do not depend on it")
    parser.add_argument("--out", type=Path, help="default: the kept file of this benchmark")
    chosen = parser.parse_args(argv)
    kept = Kept("repertoire", chosen.out)
    plan = [
        (data, density, seed, name)
        for density in chosen.densities for seed in range(chosen.seeds) for data in chosen.data for name in chosen.methods
    ]  # fmt: skip
    loaded = {name: sl.datasets.load(name, standardise="published") for name in chosen.data}
    with tqdm(plan) as bar:
        for data, density, seed, name in bar:
            bar.set_description(f"{data}, {100 * density:g} %, {name}")
            epochs = chosen.epochs or (100 if density == 0.01 else 30)
            settings = {"data": data, "method": name, "density": density, "epochs": epochs, "seed": seed}
            work = lambda d=data, n=name, p=density, e=epochs, s=seed: measured(
                loaded[d], methods(d)[n], p, e, s, chosen.threads
            )  # fmt: skip
            kept.row(settings, work)
    print(table(rows_of(kept), ["data", "density %", "method", "epochs", "n", "accuracy %", "best %", "published %"]))


if __name__ == "__main__":
    main()
