"""Very large nets, past the paper's record: 50 and 200 million neurons, and one of 10 million that learns.

`python -m benchmarks.record [--only bat rat learns]`; each net in a process of its own (`python -m sparselab extreme`), which
needs up to 18 GiB of memory.
"""

import argparse

from benchmarks.common import emit, table
from benchmarks.scale import measured

NETS = {
    "bat": {"neurons": 5e7, "steps": 3},
    "rat": {"neurons": 2e8, "batch": 8, "steps": 1},
    "learns": {"neurons": 1e7, "min_fan_in": 1, "steps": 24, "steps_after": 0, "test": 512},
}
COLUMNS = "net", "neurons", "links", "batch", "init_seconds", "step_seconds", "evolve_seconds", "peak_gib", "plan"


def row(name):
    """What was measured, and the means of the first and the last five losses."""
    found = measured(**NETS[name])
    first, last = found["losses"][:5], found["losses"][-5:]
    means = {"first losses": sum(first) / len(first), "last losses": sum(last) / len(last)}
    first_step = found["steps_seconds"][0] if found["steps_seconds"] else None
    return {"net": name, **found, **means, "first_step_seconds": first_step, "test %": 100 * found["test_accuracy"]}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NETS, default=list(NETS))
    for name in parser.parse_args(argv).only:
        rows = [row(name)]
        emit("record", rows, key=("net",), show=False)
        print(table(rows, COLUMNS), flush=True)


if __name__ == "__main__":
    main()
