"""Nets of 10^4 to 5·10^7 neurons through the same classes: seconds of a step and of an evolution, and the peak of the process.

`python -m benchmarks.scale [--neurons 1e4 1e5 … 5e7] [--out FILE] [--figure FILE]`. Ten hidden layers, ε = 1, batch 32,
65,536 inputs; each net in a process of its own (`python -m sparselab extreme`). Rows are kept as they come, and what is there
is not run again. Printed: the slope of log step time against log links from 10^6 links on, by least squares, and bytes a neuron:
what a net needs beyond the smallest net's process, which has the same libraries, code and data, by the neurons it has more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.common import table
from benchmarks.kept import Kept

COLUMNS = (
    "neurons", "links", "init_seconds", "step_seconds", "evolve_seconds", "peak_gib", "bytes a neuron", "gather_gb_per_second",
    "plan",
)  # fmt: skip
LAYERS, INPUTS = 10, 65_536


def measured(**settings):
    """What `python -m sparselab extreme` finds with these settings, in a process of its own."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.json"
        command = [sys.executable, "-m", "sparselab", "extreme", *options, "--json", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        return json.loads(path.read_text())


def rows(neurons, path):
    """A row for each number of neurons, from the file or measured."""
    kept, found = Kept("scale", path), []
    for n in tqdm(neurons, desc="scale", unit="net"):
        settings = {"neurons": n, "layers": LAYERS, "epsilon": 1, "batch": 32}
        found.append(dict(kept.row(settings, lambda s=settings: measured(**s, features=INPUTS, steps=5))))
    return with_bytes(found)


def with_bytes(found):
    """The rows with the bytes a neuron that each net needs beyond the smallest one's process."""
    found[0]["bytes a neuron"] = None
    for row in found[1:]:
        row["bytes a neuron"] = (row["peak_gib"] - found[0]["peak_gib"]) * 2**30 / (row["neurons"] - found[0]["neurons"])
    return found


def slope(found, least=10**6):
    """Of log seconds a step against log links, from `least` links on; None below two nets."""
    some = [row for row in found if row["links"] >= least]
    if len(some) < 2:
        return None
    x, y = (np.log10([row[name] for row in some]) for name in ("links", "step_seconds"))
    return float(np.polyfit(x, y, 1)[0])


def spread(found, least=10**6):
    """(mean, largest distance from it as a share of it) of bytes a neuron, from `least` links on."""
    some = np.array([row["bytes a neuron"] for row in found[1:] if row["links"] >= least])
    return float(some.mean()), float(abs(some / some.mean() - 1).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", nargs="*", type=float, default=[1e4, 1e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7])
    parser.add_argument("--out", help="default: the kept file of this benchmark")
    parser.add_argument("--figure")
    given = parser.parse_args()
    found = rows([int(n) for n in given.neurons], given.out)
    print(table(found, COLUMNS))
    print(f"log step seconds against log links, from 10^6 links on: slope {slope(found)}")
    if slope(found) is not None:
        print("bytes a neuron, from 10^6 links on: {:.0f}, every net within {:.1%} of that".format(*spread(found)))
    if given.figure:
        import pandas

        from sparselab import figures

        figures.scale(pandas.DataFrame(found)).savefig(given.figure, dpi=120)


if __name__ == "__main__":
    main()
