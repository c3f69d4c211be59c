"""Seconds a step and bytes a link, from 10^4 to 10^8 links, with a fixed batch: does the cost depend on the links alone?

`python -m benchmarks.growth [largest exponent] [--figure FILE] [--out FILE]`. Two families of nets with an input and three hidden
layers of the same width: the same density (1 %: wider nets have more links a neuron) and the same fan-in (16 links a neuron:
wider nets have more neurons, whose activations are farther apart). Every size runs in a process of its own, all sizes
of a family in turn, round after round; medians, and the slope of log time against log links by least squares. Bytes are the peak
of what NumPy allocated from the making of the net to the end of training (tracemalloc), in processes that are not timed.
"""

import argparse
import json
import subprocess
import sys
import time
import tracemalloc

import numpy as np
from tqdm import tqdm

import sparselab as sl
from benchmarks.common import emit, table

BATCH, STEPS, CLASSES, SPARSE_LAYERS = 32, 4, 10, 3
DENSITY, FAN_IN = 0.01, 16
ROUNDS, SHORTEST = 5, 0.5  # rounds; seconds of training a round at least


def width_of(family, links):
    """Neurons a layer of a net of about so many links."""
    share = links / SPARSE_LAYERS
    return round((share / DENSITY) ** 0.5 if family == "density" else share / FAN_IN)


def training(family, links):
    """(model, a generator of its epochs of STEPS mini-batches, seconds it took to make the net)."""
    n, rng = width_of(family, links), np.random.default_rng(0)
    X, y = rng.standard_normal((STEPS * BATCH, n), dtype=np.float32), rng.integers(0, CLASSES, STEPS * BATCH)
    how = {"density": DENSITY} if family == "density" else {"epsilon": FAN_IN / 2}
    tracemalloc.reset_peak() if tracemalloc.is_tracing() else None
    start = time.perf_counter()
    model = sl.SparseMLP.create((n, n, n, n, CLASSES), initializer=sl.HeUniform("links"), seed=0, **how)
    made = time.perf_counter() - start
    run = sl.train(model, (X, y), optimizer=sl.MomentumSGD(1e-6), epochs=10**9, batch_size=BATCH, seed=0, evaluate_every=0)
    next(run)
    return model, run, made


def serve(family, links):
    """Time one size: prints a line at the start, then one for each line it reads."""
    training(family, 10**4)  # loads what is loaded once
    model, run, made = training(family, links)
    print(json.dumps({"links": model.n_links, "neurons": sum(model.sizes), "seconds to make": made}), flush=True)
    for _ in sys.stdin:
        spent = []
        while sum(spent) < SHORTEST:
            start = time.perf_counter()
            next(run)
            spent.append(time.perf_counter() - start)
        print(json.dumps(float(np.median(spent)) / STEPS), flush=True)


def measure_bytes(family, links):
    """Print the peak of what one size allocates beyond the data."""
    training(family, 10**4)  # everything is compiled and loaded now
    tracemalloc.start()
    n = width_of(family, links)
    training(family, links)
    print(tracemalloc.get_traced_memory()[1] - 4 * STEPS * BATCH * n)


def child(command, family, exponent):
    """A process that measures time or bytes of one size."""
    arguments = [sys.executable, "-m", "benchmarks.growth", command, family, str(round(10**exponent))]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measured(family, exponents, rounds=ROUNDS):
    """A row for each size: links, median seconds a step, bytes."""
    n_bytes = []
    for exponent in tqdm(exponents, desc=f"same {family}: bytes"):
        answer, _ = child("--bytes", family, exponent).communicate()
        n_bytes.append(int(answer))
    children, first = [], []
    for exponent in tqdm(exponents, desc=f"same {family}: making"):
        children.append(child("--serve", family, exponent))
        first.append(json.loads(children[-1].stdout.readline()))
    steps = [[] for _ in children]
    for _ in tqdm(range(rounds), desc=f"same {family}: rounds"):
        for process, answers in zip(children, steps):
            process.stdin.write("\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
    for process in children:
        process.stdin.close()
        process.wait()
    return [row(family, *parts) for parts in zip(first, steps, n_bytes)]


def row(family, first, steps, n_bytes):
    step = float(np.median(steps))
    return {
        "same": family, **first, "ms a step": 1e3 * step, "spread": (max(steps) - min(steps)) / step,
        "ns a link": 1e9 * step / first["links"], "bytes a link": n_bytes / first["links"], "GiB": n_bytes / 2**30,
    }  # fmt: skip


def slope(rows):
    """Of log step time against log links."""
    x, y = (np.log10([row[key] for row in rows]) for key in ("links", "ms a step"))
    return float(np.polyfit(x, y, 1)[0])


def figure(rows, path):
    """Time a step and bytes a link against links, as a picture."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for i, family in enumerate(dict.fromkeys(row["same"] for row in rows)):
        part = [row for row in rows if row["same"] == family]
        links = [row["links"] for row in part]
        look = {"color": f"C{i}", "marker": "os"[i], "linestyle": ("-", "--")[i]}
        left.loglog(links, [row["ms a step"] for row in part], label=f"same {family}: slope {slope(part):.2f}", **look)
        right.semilogx(links, [row["bytes a link"] for row in part], label=f"same {family}", **look)
    left.set(xlabel="links", ylabel="milliseconds a step")
    right.set(xlabel="links", ylabel="bytes a link: net, optimizer, buffers", ylim=(0, None))
    for ax in (left, right):
        ax.grid(alpha=0.3)
        ax.legend()
    fig.suptitle(f"A training step against its links, batch {BATCH}")
    fig.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("largest", type=float, nargs="?", default=8.0)
    parser.add_argument("--figure")
    parser.add_argument("--out", help="default: the kept file of this benchmark")
    parser.add_argument("--serve", nargs=2)
    parser.add_argument("--bytes", nargs=2)
    given = parser.parse_args()
    if given.serve or given.bytes:
        family, links = given.serve or given.bytes
        return (serve if given.serve else measure_bytes)(family, int(links))
    rows, families = [], ("density", "fan-in")
    for family in families:
        rows += measured(family, np.arange(4, given.largest + 0.01, 0.5))
    emit("growth", rows, given.out)
    columns = ["same", "links", "neurons", "seconds to make", "ms a step", "spread", "ns a link", "bytes a link", "GiB"]
    print(table(rows, columns))
    for family in families:
        part = [row for row in rows if row["same"] == family]
        weights = [row["bytes a link"] for row in part]
        print(f"same {family}: slope {slope(part):.3f}, bytes a link {min(weights):.1f} to {max(weights):.1f}")
    if given.figure:
        figure(rows, given.figure)


if __name__ == "__main__":
    main()
