"""Timing of alternatives in turn, rows that are kept, and tables as text."""

import json
import time
from pathlib import Path

import numpy as np

from benchmarks import kept


def interleaved(calls, *, repeats=9, inner=1, rest=0.0, uncounted=0):
    """{name: seconds (repeats,)} of the functions in `calls`, called in turn so that a slow phase of the machine affects all.

    Each is called once beforehand (compilation, first use of memory), then `inner` times a sample, with `rest` seconds between,
    after `uncounted` calls: a loop that goes on finds caches filled and threads awake.
    """
    for call in calls.values():
        call()
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            time.sleep(rest)
            for _ in range(uncounted):
                call()
            start = time.perf_counter()
            for _ in range(inner):
                call()
            seconds[name].append((time.perf_counter() - start) / inner)
    return {name: np.array(values) for name, values in seconds.items()}


def emit(benchmark, rows, path=None, *, key=(), show=True):
    """Keep the rows in the benchmark's file (or in `path`), in place of those of the last run, and print them unless show=False.

    key: names of columns; only older rows with the same values in them are replaced, by default all of this benchmark.
    """
    kept.replace(Path(path or kept.file_of(benchmark)), benchmark, rows, key)
    if show:
        for row in rows:
            print(json.dumps({"benchmark": benchmark, **row}, ensure_ascii=False))


def table(rows, columns):
    """Rows (dicts) as aligned text; nothing where a row has no such column."""
    values = [[row.get(c, "") for c in columns] for row in rows]
    text = [[f"{value:.3f}" if isinstance(value, float) else str(value) for value in line] for line in values]
    widths = [max(len(c), *(len(line[i]) for line in text)) for i, c in enumerate(columns)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(columns, widths, strict=True))]
    return "\n".join(lines + ["  ".join(v.rjust(w) for v, w in zip(line, widths, strict=True)) for line in text])
