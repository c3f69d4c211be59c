"""Seconds a step and bytes a link, from 10^4 to 10^8 links, the batch fixed: does cost follow the links and nothing else?

`python -m benchmarks.growth [largest exponent] [--figure FILE] [--out FILE]`. Two families of nets with one input, three hidden
and one output layer: the same density (1 %: wider nets have more links a neuron) and the same fan-in (16 links a neuron: wider
nets have more neurons). Every size runs in a process of its own, all sizes in turn, round after round; medians, and the slope of
log time against log links by least squares.
"""

import argparse
import json
import subprocess
import sys

import numpy as np
from tqdm import tqdm

from benchmarks.common import emit, table

BATCH, FEATURES, CLASSES, LAYERS = 32, 1000, 10, 4
DENSITY, FAN_IN = 0.01, 16
ROUNDS, SHORTEST = 5, 0.5  # rounds; seconds of training a round at least


def sizes_of(family, links):
    """Widths of a net of about so many links."""
    if family == "density":  # links = DENSITY · (n · FEATURES + 3 n² + n · CLASSES) with three square layers
        b = FEATURES + CLASSES
        n = (-b + np.sqrt(b * b + 12 * links / DENSITY)) / 6
    else:
        n = links / FAN_IN / LAYERS
    return (FEATURES, *[round(n)] * LAYERS, CLASSES)


def serve(family, links):
    """One size, in its own process: prints a line for each line it reads, after one at the start."""
    import resource
    import time

    import sparselab as sl

    sizes, rng = sizes_of(family, links), np.random.default_rng(0)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    data = sl.datasets.load("madelon_like")  # compile and load everything before memory is counted
    for _ in sl.train(sl.SparseMLP.create((500, 50, 2), seed=0), data, rules=[sl.SET(0.3)], epochs=2, batch_size=BATCH, seed=0):
        pass
    before, start = peak(), time.perf_counter()
    how = {"density": DENSITY} if family == "density" else {"epsilon": FAN_IN / 2}
    model = sl.SparseMLP.create(sizes, initializer=sl.HeUniform("links"), activation=sl.AllReLU(0.6), seed=0, **how)
    made = time.perf_counter() - start
    steps = 4
    X, y = rng.standard_normal((steps * BATCH, FEATURES), dtype=np.float32), rng.integers(0, CLASSES, steps * BATCH)
    run = sl.train(
        model, (X, y), optimizer=sl.MomentumSGD(1e-6), epochs=10**9, batch_size=BATCH, seed=0, evaluate_every=0
    )  # fmt: skip
    next(run)
    print(json.dumps({"links": model.n_links, "neurons": sum(sizes), "seconds to make": made}), flush=True)
    for _ in sys.stdin:
        spent = []
        while sum(spent) < SHORTEST:
            start = time.perf_counter()
            next(run)
            spent.append(time.perf_counter() - start)
        print(json.dumps({"step": float(np.median(spent)) / steps, "bytes": peak() - before}), flush=True)


def measured(family, exponents, rounds=ROUNDS):
    """A row for each size: links, median seconds a step, bytes beyond the imports."""
    children = {}
    for exponent in tqdm(exponents, desc=f"making nets, same {family}"):
        command = [sys.executable, "-m", "benchmarks.growth", "--serve", family, str(round(10**exponent))]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children[exponent] = child, json.loads(child.stdout.readline()), []
    for _ in tqdm(range(rounds), desc="rounds"):
        for child, _, answers in children.values():
            child.stdin.write("\n")
            child.stdin.flush()
            answers.append(json.loads(child.stdout.readline()))
    for child, _, _ in children.values():
        child.stdin.close()
        child.wait()
    return [row(family, first, answers) for _, first, answers in children.values()]


def row(family, first, answers):
    steps = [answer["step"] for answer in answers]
    step, n_bytes = float(np.median(steps)), answers[-1]["bytes"]
    return {"same": family, **first, "ms a step": 1e3 * step, "ns a link": 1e9 * step / first["links"],
            "spread": (max(steps) - min(steps)) / step, "bytes a link": n_bytes / first["links"],
            "GiB": n_bytes / 2**30}  # fmt: skip


def slope(rows):
    """Of log step time against log links."""
    x, y = (np.log10([row[key] for row in rows]) for key in ("links", "ms a step"))
    return float(np.polyfit(x, y, 1)[0])


def figure(rows, path):
    """Time a step and bytes a link against links, as a picture."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from sparselab.figures import style

    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for i, family in enumerate(dict.fromkeys(row["same"] for row in rows)):
        part = [row for row in rows if row["same"] == family]
        links = [row["links"] for row in part]
        look = {"color": f"C{i}", "marker": "os"[i], "linestyle": ("-", "--")[i]}
        left.loglog(links, [row["ms a step"] for row in part], label=f"same {family}: slope {slope(part):.2f}", **look)
        right.semilogx(links, [row["bytes a link"] for row in part], label=f"same {family}", **look)
    left.set(xlabel="links", ylabel="milliseconds a step")
    right.set(xlabel="links", ylabel="bytes a link, whole process", ylim=(0, None))
    for ax in (left, right):
        ax.grid(alpha=0.3)
        ax.legend()
    fig.suptitle(f"A training step against its links, batch {BATCH}")
    fig.savefig(path, dpi=120)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("largest", type=float, nargs="?", default=8.0)
    options.add_argument("--figure")
    options.add_argument("--out")
    options.add_argument("--serve", nargs=2)
    given = options.parse_args()
    if given.serve:
        return serve(given.serve[0], int(given.serve[1]))
    exponents, rows = np.arange(4, given.largest + 0.01, 0.5), []
    for family in ("density", "fan-in"):
        rows += measured(family, exponents)
    emit("growth", rows, given.out)
    columns = ["same", "links", "neurons", "seconds to make", "ms a step", "spread", "ns a link", "bytes a link", "GiB"]
    print(table(rows, columns))
    for family in ("density", "fan-in"):
        print(f"same {family}: slope {slope([row for row in rows if row['same'] == family]):.3f}")
    if given.figure:
        figure(rows, given.figure)


if __name__ == "__main__":
    main()
