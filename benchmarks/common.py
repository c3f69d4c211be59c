"""Interleaved timing, one JSON line a row, one table at the end."""

import json
import time

import numpy as np

from sparselab.experiments import environment


def interleaved(calls, *, repeats=9, inner=1, rest=0.0):
    """{name: seconds (repeats,)} of the functions in `calls`, taken in turn so that a slow spell hits all of them.

    Each is called once before (compilation, first touch), then `inner` times a sample; `rest` seconds between samples.
    """
    for call in calls.values():
        call()
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            time.sleep(rest)
            start = time.perf_counter()
            for _ in range(inner):
                call()
            seconds[name].append((time.perf_counter() - start) / inner)
    return {name: np.array(values) for name, values in seconds.items()}


def emit(benchmark, rows, path=None, *, show=True):
    """Print each row (unless show=False) as a JSON line with the machine, and append to `path` where given."""
    machine = {k: v for k, v in environment.describe().items() if k not in ("numba_cache", "memory_available")}
    for row in rows:
        line = json.dumps({"benchmark": benchmark, **row, "machine": machine})
        if show:
            print(line)
        if path:
            with open(path, "a") as file:
                file.write(line + "\n")


def table(rows, columns):
    """Rows (dicts) as aligned text."""
    text = [[f"{row[c]:.3f}" if isinstance(row[c], float) else str(row[c]) for c in columns] for row in rows]
    widths = [max(len(c), *(len(line[i]) for line in text)) for i, c in enumerate(columns)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(columns, widths, strict=True))]
    return "\n".join(lines + ["  ".join(v.rjust(w) for v, w in zip(line, widths, strict=True)) for line in text])
