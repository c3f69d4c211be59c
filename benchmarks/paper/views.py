"""The tables of docs/paper.md, computed from the kept rows: ours, the paper's, and the difference with its deviation.

Of runs of different lengths the longest are shown; what was not run stands as "not run". Minutes are processor minutes of runs on
all training rows, so that 500 epochs of ours stand beside the paper's minutes of one core.
"""

import numpy as np

from benchmarks import kept
from benchmarks.kept import spread
from benchmarks.paper import anchors, data, extreme, features, plan
from benchmarks.paper.runs import book

MISSING = "not run"
LONG = 500  # epochs of the paper


def groups(name, share=0.0):
    """{(dataset, method): rows} of a table, of runs that held out this share; only those with the largest number of epochs."""
    found = {}
    for row in book(name).rows.values():
        if row["settings"]["held_out"] == share:
            found.setdefault((row["dataset"], row["method"]), []).append(row)
    longest = {key: max(row["epochs"] for row in rows) for key, rows in found.items()}
    return {key: [row for row in rows if row["epochs"] == longest[key]] for key, rows in found.items()}


def methods_of(name):
    """The planned (dataset, method) of a table, in its order."""
    order = list(plan.DATASETS)
    return sorted(dict.fromkeys((run.dataset, run.method) for run in plan.planned(name)), key=lambda pair: order.index(pair[0]))


def values(rows, column):
    """The values of a column that rows have."""
    return [row[column] for row in rows if row.get(column) is not None]


def over_seeds(rows, column, digits=2):
    """Mean ± deviation as text, "not run" without values."""
    found = values(rows, column)
    return spread(found, digits) if found else MISSING


def difference(rows, column, published):
    """Mean ± deviation of the differences to a published number as text; nothing where one is missing."""
    found = [] if published is None else [value - published for value in values(rows, column)]
    return spread(found) if found else ""


def table2_rows():
    """A line a data set and method: the three accuracies without a tenth of the rows, and last and best with all rows."""
    if not book("table2").rows:
        return []
    whole, part, rows = groups("table2"), groups("table2", plan.HELD_OUT), []
    for key in methods_of("table2"):
        all_rows, some = whole.get(key, []), part.get(key, [])
        accuracy, links, minutes = anchors.table2(*key)
        spent = [row["cpu_seconds"] / 60 for row in all_rows if row["epochs"] == LONG]
        bias = [row["accuracy_best"] - row["accuracy_validation"] for row in some if row["accuracy_validation"] is not None]
        rows.append({
            "data": data.CALLED[key[0]], "method": key[1], "epochs": max(values(all_rows + some, "epochs"), default=None),
            "n": f"{len(some)}, {len(all_rows)}", "last": over_seeds(some, "accuracy_last"),
            "validation": over_seeds(some, "accuracy_validation"), "bias": spread(bias) if bias else "",
            "last, all rows": over_seeds(all_rows, "accuracy_last"), "best, all rows": over_seeds(all_rows, "accuracy_best"),
            "paper": accuracy, "difference": difference(all_rows, "accuracy_best", accuracy),
            "links": float(np.mean(values(all_rows, "links"))) if all_rows else None, "paper's links": links,
            "minutes": float(np.mean(spent)) if spent else None, "paper's minutes": minutes,
            "ratio": minutes / float(np.mean(spent)) if spent and minutes else None,
        })  # fmt: skip
    return rows


def minutes_of(row):
    """Minutes of the paper's 500 epochs; those of a shorter run from the median of its epochs, simulated ones as they are."""
    if row["epochs"] == LONG:
        return row["seconds_training"] / 60
    return row["seconds_epoch"] * LONG / 60


def table3_rows():
    """A line a data set and way of training; speed-up against one thread."""
    found, rows = groups("table3"), []
    for dataset, way in methods_of("table3") if found else ():
        some, alone = found.get((dataset, way), []), found.get((dataset, "sequential" + ", links" * way.endswith(", links")), [])
        published = anchors.TABLE3[dataset]
        accuracy, minutes = published.get(way, (None, None))
        first = published["sequential" + ", links" * way.endswith(", links")][1]
        mean = lambda rows, of: float(np.mean([of(row) for row in rows])) if rows else None
        ours, base = mean(some, minutes_of), mean(alone, minutes_of)
        rows.append({
            "data": data.CALLED[dataset], "way": way, "epochs": max(values(some, "epochs"), default=None),
            "last": over_seeds(some, "accuracy_last"), "best": over_seeds(some, "accuracy_best"), "paper": accuracy,
            "minutes": ours, "speed-up": base / ours if ours and base else None, "paper's minutes": minutes,
            "paper's speed-up": first / minutes if minutes else None,
            "MiB": mean(some, lambda row: (row["peak_bytes"] or np.nan) / 2**20),
        })  # fmt: skip
    return rows


def table4_rows():
    """A line a data set and number of threads: an epoch of ours, and of PyTorch with masks."""
    found, rows = book("table4").rows.values(), []
    for dataset, published in anchors.TABLE4.items() if found else ():
        for threads, keras in zip((1, 2), published, strict=True):
            some = {row["method"]: row for row in found if (row["dataset"], row["threads"]) == (dataset, threads)}
            ours, masked = some.get("All-ReLU"), some.get("PyTorch, masked, All-ReLU")
            both = ours is not None and masked is not None
            rows.append({
                "data": data.CALLED[dataset], "threads": threads, "ours": ours and ours["seconds_epoch"],
                "masked": masked and masked["seconds_epoch"],
                "times": masked["seconds_epoch"] / ours["seconds_epoch"] if both else None,
                "minutes": ours and minutes_of(ours), "paper's minutes": keras,
                "cores": "one" if threads == 1 else "all six",
                "MiB": ours and ours["peak_bytes"] / 2**20, "masked MiB": masked and masked["peak_bytes"] / 2**20,
            })  # fmt: skip
    return rows


def table6_rows():
    """A line a slope: last and best epoch, beside the paper's best."""
    found = groups("table6")
    rows = [(alpha, found.get(("fashion_mnist", f"α, {alpha:g}"), []), best) for alpha, best in anchors.TABLE6.items()]
    return [
        {
            "α": f"{alpha:g}", "epochs": max(values(some, "epochs"), default=None), "n": len(some),
            "last": over_seeds(some, "accuracy_last"), "best": over_seeds(some, "accuracy_best"), "paper": best,
            "difference": difference(some, "accuracy_best", best),
        }
        for alpha, some, best in rows if found
    ]  # fmt: skip


def table7_rows():
    """A line a data set and percentile: change of accuracy by pruning once after training, ours and the paper's."""
    whole, rows = groups("table2"), []
    for dataset, (before, *after) in anchors.TABLE7.items() if whole else ():
        some = [row for row in whole.get((dataset, "All-ReLU"), []) if "pruned_after" in row]
        for percentile, published in zip(anchors.PERCENTILES, after, strict=True):
            pairs = [(row, row["pruned_after"][str(percentile)]) for row in some]
            points = [pruned[0] - row["accuracy_last"] for row, pruned in pairs]
            gone = [100 * (1 - pruned[1] / row["links"]) for row, pruned in pairs]
            rows.append({
                "data": data.CALLED[dataset], "percentile": percentile, "n": len(some),
                "before": over_seeds(some, "accuracy_last"), "points": spread(points) if points else MISSING,
                "gone": float(np.mean(gone)) if gone else None, "paper": published - before,
            })  # fmt: skip
    return rows


def figure5_rows():
    """A line a data set: the mean of ‖g‖² over the course, of All-ReLU and ReLU, in the first and in the last tenth."""
    whole, rows = groups("table2"), []
    for dataset in plan.DATASETS if whole else ():
        means = {}
        for method in ("ReLU", "All-ReLU"):
            flows = values(whole.get((dataset, method), []), "gradient_flow")
            for part, chosen in (("first", slice(0, 5)), ("last", slice(-5, None))):
                found = [np.mean([flow[key] for key in sorted(flow, key=int)[chosen]]) for flow in flows]
                means[f"{method}, {part}"] = float(np.mean(found)) if found else None
        if None not in means.values():
            rows.append({"data": data.CALLED[dataset], **means})
    return rows


def table5_rows():
    """Table 5; empty without rows."""
    found = book("table5")
    return extreme.rows_of(found) if found.rows else []


def feature_rows():
    """Feature selection; empty without rows."""
    found = book("features")
    return features.rows_of(found) if found.rows else []


def challenge_rows():
    """Graph Challenge, by threads; the run with the most samples."""
    rows = [row for row in kept.read(kept.file_of("paper: challenge")) if row["benchmark"] == "paper: challenge"]
    most = max((row["samples"] for row in rows), default=0)
    return [row for row in rows if row["samples"] == most]
