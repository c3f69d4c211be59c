"""New Python processes for what cannot be tried in one's own: cold starts, signals, memory, other environments."""

import os
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).parents[2]
Ended = namedtuple("Ended", "code out err seconds")  # exit code (−n for signal n, None for a process that hung), texts


def start(code, *arguments, **environment):
    """`python -c code arguments` at the top of the repository; environment values of None are removed."""
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    given = {name: value for name, value in (os.environ | paths | environment).items() if value is not None}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def end(process, timeout=120):
    """Wait for a process; one that takes longer than `timeout` seconds is killed."""
    began = time.perf_counter()
    try:
        out, err = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        code = None
    return Ended(code, out, err, time.perf_counter() - began)


def run(code, *arguments, timeout=120, **environment):
    """start, then end."""
    return end(start(code, *arguments, **environment), timeout)
