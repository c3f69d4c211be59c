"""Rows of long measurements, written as they come: a run that was stopped goes on, and what is in the file is not run again."""

import json
from pathlib import Path

import numpy as np

from benchmarks.common import emit


class Kept:
    """The JSON lines of one benchmark at `path`, found by their settings (a dict of plain values)."""

    def __init__(self, benchmark, path):
        self.benchmark, self.path = benchmark, Path(path)
        self.rows = {_key(row["settings"]): row for row in read(self.path) if row["benchmark"] == benchmark}

    def row(self, settings, work):
        """The row of `settings`: from the file, or `work()` -> a dict of what was measured, which is then written at once."""
        key = _key(settings)
        if key not in self.rows:
            self.rows[key] = {"settings": settings, **work()}
            end_last_line(self.path)
            emit(self.benchmark, [self.rows[key]], self.path, show=False)
        return self.rows[key]


def read(path):
    """The rows of a file of JSON lines, none where there is no file; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def end_last_line(path):
    """Make the folder, and see that what is appended starts a line of its own behind a line that was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with open(path, "a") as file:
            file.write("\n")


def _key(settings):
    return json.dumps(settings, sort_keys=True)


def spread(values, digits=2):
    """Mean ± standard deviation of a sample (n − 1) as text; one value has no deviation."""
    if len(values) < 2:
        return f"{np.mean(values):.{digits}f}"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"
