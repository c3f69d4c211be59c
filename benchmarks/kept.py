"""Kept results: files of JSON lines in benchmarks/results, a row a line, each with machine, versions, date and commit.

The environment variable SPARSELAB_RESULTS names another folder, for trial runs whose rows are not to be kept.
"""

import json
import os
import re
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from sparselab.experiments import environment
from sparselab.experiments.config import ExperimentConfig

ROOT = Path(__file__).parents[1]
NOT_KEPT = ("numba_cache", "memory_available")  # of the environment: says nothing about the measurement


def results():
    """The folder of the kept files."""
    return Path(os.environ.get("SPARSELAB_RESULTS") or ROOT / "benchmarks" / "results")


def file_of(benchmark):
    """The file of a benchmark's rows: "parallel: times" and "parallel: accuracy" share parallel.jsonl."""
    return results() / f"{re.split('[:,]', benchmark)[0]}.jsonl"


class Kept:
    """The rows of one benchmark, found by their settings (a dict of plain values) and written one by one.

    For long measurements: a run that was stopped continues, and what is in the file is not run again.
    """

    def __init__(self, benchmark, path=None):
        self.benchmark, self.path = benchmark, Path(path or file_of(benchmark))
        self.rows = {key_of(row["settings"]): row for row in read(self.path) if row["benchmark"] == benchmark}

    def row(self, settings, work):
        """The row of `settings`: from the file, or measured by `work()`, which returns a dict, and then written at once."""
        key = key_of(settings)
        if key not in self.rows:
            self.rows[key] = {"settings": settings, **work()}
            append(self.path, self.benchmark, [self.rows[key]])
        return self.rows[key]


def read(path):
    """The rows of a file of JSON lines, none if there is no file; an incomplete last line is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def append(path, benchmark, rows):
    """Add rows to a file; the first one starts a new line even after an incomplete line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut_off = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n" * bool(cut_off) + "".join(map(_line, stamped(benchmark, rows))))


def replace(path, benchmark, rows, key=()):
    """Put rows in place of the benchmark's older ones: of those with the same values of `key`, or of all if there is no key."""
    same = lambda old, new: all(old.get(name) == new.get(name) for name in key)
    others = [old for old in read(path) if old["benchmark"] != benchmark or not any(same(old, new) for new in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(map(_line, [*others, *stamped(benchmark, rows)])), encoding="utf-8")


def stamped(benchmark, rows):
    """The rows with the benchmark's name before and machine, versions, date and commit behind."""
    machine = {name: value for name, value in environment.describe().items() if name not in NOT_KEPT}
    when = {"machine": machine, "date": datetime.now(UTC).date().isoformat(), "commit": commit()}
    return [{"benchmark": benchmark, **row, **when} for row in rows]


@lru_cache
def commit():
    """The commit of the code, followed by "-dirty" if code was changed since; "unknown" outside a clone."""
    ask = lambda *command: subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    changed = ask("status", "--porcelain", "--", "sparselab", "benchmarks/*.py")
    return (ask("rev-parse", "--short=9", "HEAD") or "unknown") + "-dirty" * bool(changed)


def _line(row):
    return json.dumps(row, ensure_ascii=False) + "\n"


def key_of(settings):
    """Settings as text, equal for equal settings; configs that were kept before a field was added have its default."""
    return json.dumps(today({name: today(value) for name, value in settings.items()}), sort_keys=True)


def today(value):
    """The fields of a config with those that were added since it was kept; anything else unchanged."""
    is_config = isinstance(value, dict) and value.keys() >= {"dataset", "hidden", "zeta_schedule"}
    return asdict(ExperimentConfig.stored(value)) if is_config else value


def spread(values, digits=2):
    """Mean ± standard deviation of a sample (n − 1) as text; a single value has no deviation."""
    if len(values) < 2:
        return f"{np.mean(values):.{digits}f}"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"
