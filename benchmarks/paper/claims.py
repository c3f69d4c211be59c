"""The nine claims that the paper leaves open: what the kept rows say of each, or which command would answer it."""

import numpy as np

from benchmarks.kept import spread
from benchmarks.paper import anchors, data, extreme, plan
from benchmarks.paper.views import book, groups, minutes_of, values

COMMAND = "not run: `python -m benchmarks.paper {}`"


def best_on_test(dataset, method):
    """Best epochs on the test rows beside the paper's, or which command is missing."""
    found = values(groups("table2").get((dataset, method), []), "accuracy_best")
    if not found:
        return COMMAND.format(f"table2 --dataset {dataset}")
    published = anchors.table2(dataset, method)[0]
    return f"{method} on {data.CALLED[dataset]}: {spread(found)} ({len(found)} seeds), the paper {published:.2f}"


def paired(dataset, first, second, share, column):
    """Differences of a column, second − first, seed by seed."""
    by = groups("table2", share)
    one, two = ({row["seed"]: row[column] for row in by.get((dataset, name), [])} for name in (first, second))
    return [two[seed] - one[seed] for seed in sorted(one.keys() & two.keys()) if None not in (one[seed], two[seed])]


def differences(pairs, share, column):
    """Text of paired differences of several (dataset, first, second); the command where there are none."""
    found = []
    for dataset, first, second in pairs:
        points = paired(dataset, first, second, share, column)
        found += [f"{data.CALLED[dataset]}: {second} − {first} = {spread(points)}"] if points else []
    return "; ".join(found) or COMMAND.format("table2")


def pruning():
    """Importance pruning against none, last epoch, all training rows."""
    pairs = [(dataset, "All-ReLU", f"All-ReLU, {mode}") for dataset in plan.DATASETS for mode in anchors.PRUNED]
    return differences(pairs, 0.0, "accuracy_last")


def slopes():
    """All-ReLU against other slopes by the epoch that the validation rows choose."""
    pairs = [(dataset, other, "All-ReLU") for dataset in plan.DATASETS for other in ("ReLU", "leaky ReLU", "SReLU")]
    return differences(pairs, plan.HELD_OUT, "accuracy_validation")


def bias():
    """Best on test minus the epoch that the validation rows choose, over all runs of a data set."""
    found = {}
    for (dataset, _), rows in groups("table2", plan.HELD_OUT).items():
        some = [row["accuracy_best"] - row["accuracy_validation"] for row in rows if row["accuracy_validation"] is not None]
        found.setdefault(dataset, []).extend(some)
    texts = [f"{data.CALLED[name]}: {spread(some)} ({len(some)} runs)" for name, some in found.items() if some]
    return "; ".join(texts) or COMMAND.format("table2")


def speeds():
    """WASAP with two workers against one thread and against two threads."""
    found = []
    for dataset in anchors.TABLE3:
        times = {way: groups("table3").get((dataset, way)) for way in ("sequential", "sequential, 2 threads", "WASAP")}
        if all(times.values()):
            one, two, workers = (float(np.mean([minutes_of(row) for row in rows])) for rows in times.values())
            found += [f"{data.CALLED[dataset]}: {one / workers:.2f} against one thread, {two / workers:.2f} against two"]
    return "; ".join(found) or COMMAND.format("table3")


def kinds():
    """WASAP against WASSP, accuracies of the last epoch."""
    found = []
    for dataset in anchors.TABLE3:
        a, b = (values(groups("table3").get((dataset, way), []), "accuracy_last") for way in ("WASAP", "WASSP"))
        found += [f"{data.CALLED[dataset]}: {spread(a)} against {spread(b)}"] if a and b else []
    return "; ".join(found) or COMMAND.format("table3")


def largest():
    """Accuracy of the very large nets after an epoch, or a part of one."""
    rows = [row for row in extreme.rows_of(book("table5")) if "steps" in row]
    texts = [f"{row['net']}, {row['method']}: {row['accuracy %']:.1f} after {row['steps']} steps" for row in rows]
    return "; ".join(texts) or COMMAND.format("table5 --folder FOLDER")


def early(found):
    """Log of the mean of ‖g‖² in the first tenth of a course."""
    return float(np.log(np.mean([found[key] for key in sorted(found, key=int)[:5]])))


def flow():
    """Correlation over the runs between the gradient flow in the first tenth and the accuracy at the end."""
    found = []
    for dataset in plan.DATASETS:
        rows = [
            row for (name, _), some in groups("table2").items() if name == dataset for row in some if row.get("gradient_flow")
        ]
        pairs = [(early(row["gradient_flow"]), row["accuracy_last"]) for row in rows if row["accuracy_last"] is not None]
        if len(pairs) > 2 and np.ptp(pairs, axis=0).all():
            found.append(f"{data.CALLED[dataset]}: {np.corrcoef(np.array(pairs).T)[0, 1]:.2f} over {len(pairs)} runs")
    return "; ".join(found) or COMMAND.format("figure5")


CLAIMS = {
    "Madelon reaches 77 with pruning": lambda: best_on_test("madelon", "All-ReLU, links"),
    "CIFAR-10 reaches 69.83 without augmentation": lambda: best_on_test("cifar10_jpeg", "All-ReLU"),
    "pruning is almost free": pruning,
    "All-ReLU is ahead of other slopes at the end": slopes,
    "how large is the bias of the best epoch on test": bias,
    "speed of WASAP at equal cores": speeds,
    "WASAP against WASSP": kinds,
    "do 50 M neurons learn": largest,
    "gradient flow is the cause": flow,
}


def rows():
    """A line a claim; none without any row."""
    names = ("table2", "table3", "table5")
    if not any(book(name).rows for name in names):
        return []
    return [{"claim": claim, "answer": answer()} for claim, answer in CLAIMS.items()]
