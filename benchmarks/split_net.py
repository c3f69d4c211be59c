"""A net that no process of this size could train: its layers split by rows between two of them.

`python -m benchmarks.split_net [--neurons 3e7] [--batch 128] [--steps 2] [--limits 8 8 16]`: ten hidden layers, ε = 1, 65,536
inputs, as in `benchmarks.scale`. One process with the first limit of memory (GiB of address space) must refuse the net; two with
the second limit each train it together, and their driver, which has the whole net, has that limit, too; one with the third trains
it alone, on as many threads. Printed: seconds of a step, the largest resident memory of each process, and the losses of both.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import sparselab as sl
from benchmarks.common import emit, table
from sparselab.experiments.extreme import Extreme
from sparselab.parallel import train_split

SPLIT = 2  # processes


def job(neurons, batch, steps):
    """(model, data, options) of the training."""
    sizes, random = Extreme(neurons, batch=batch).sizes, np.random.default_rng(0)
    model = sl.SparseMLP.create(sizes, epsilon=1, activation=sl.AllReLU(0.05), seed=0)
    X = random.standard_normal((steps * batch, sizes[0]), dtype=np.float32)
    data = X, np.arange(len(X)) % sizes[-1]
    return model, data, {"epochs": 1, "batch_size": batch, "seed": 0, "optimizer": sl.MomentumSGD(1e-6)}


def peak(pid):
    """GiB of the largest resident memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def part(kind, neurons, batch, steps):
    """Print, as JSON, what this process found: seconds of a step, peaks and loss, or why it refused."""
    try:
        model, data, options = job(neurons, batch, steps)
        if kind == "one":
            records = sl.train(model, data, threads=SPLIT, evaluate_every=0, **options)
        else:
            records = train_split(model, data, n_jobs=SPLIT, **options)
        begun = time.perf_counter()
        record = next(records)
        spent = time.perf_counter() - begun
        children = [process.pid for process, _ in records.gi_frame.f_locals.get("processes", ())] if kind == "split" else []
        found = {
            "links": model.n_links, "step s": record.seconds / steps, "all s": spent, "loss": record.train_loss,
            "peak GiB": [round(peak(pid), 2) for pid in ("self", *children)],
        }  # fmt: skip
        records.close()
    except MemoryError as error:
        found = {"refused": str(error)}
    print(json.dumps(found))


def limited(kind, limit, *arguments):
    """What a process with this limit found."""
    command = [sys.executable, "-m", "benchmarks.split_net", "--part", kind, *map(str, arguments)]
    size = int(limit * 2**30)
    done = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=float, default=3e7)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--limits", nargs=3, type=float, default=[8, 8, 16], metavar="GIB")
    parser.add_argument("--part", choices=("one", "split"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    arguments = "--neurons", int(given.neurons), "--batch", given.batch, "--steps", given.steps
    if given.part:
        part(given.part, int(given.neurons), given.batch, given.steps)
        return
    rows = []
    for name, kind, limit in zip(("one", "two, split", "one"), ("one", "split", "one"), given.limits, strict=True):
        row = {"neurons": int(given.neurons), "batch": given.batch, "processes": name, "limit GiB": limit}
        row |= limited(kind, limit, *arguments)
        rows.append(row)
        emit("split_net", [row], key=("neurons", "batch", "processes", "limit GiB"), show=False)
        print(json.dumps(row), flush=True)
    columns = ("processes", "limit GiB", "links", "step s", "peak GiB", "loss", "refused")
    print(table([{name: row.get(name, "") for name in columns} for row in rows], columns))


if __name__ == "__main__":
    main()
