"""New Python processes for what cannot be tried in one's own: cold starts, signals, memory, other environments."""

import json
import os
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
Ended = namedtuple("Ended", "code out err seconds")  # exit code (−n for signal n, None for a process that hung), texts


def without_compiling(err):
    """What a process wrote to stderr, but for the line that it compiles kernels, which depends on the cache alone."""
    return "".join(line for line in err.splitlines(True) if "compiling kernels for this machine" not in line)


def command_line(process):
    """Its words joined by spaces, empty where the process is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def start(code, *arguments, **environment):
    """`python -c code arguments` at the top of the repository; environment values of None are removed."""
    given = {name: value for name, value in (os.environ | {"PYTHONPATH": PATHS} | environment).items() if value is not None}
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


def last_line(code, *arguments, timeout=900, **environment):
    """The JSON in the last line that a process prints; RuntimeError where it does not end well."""
    ended = run(code, *arguments, timeout=timeout, **environment)
    if ended.code:
        raise RuntimeError(f"a process ended with code {ended.code}: {ended.err[-3000:]}")
    return json.loads(ended.out.splitlines()[-1])


def call(module, function, *arguments, timeout=900):
    """What a function of a module of this folder returns in a process of its own; texts and numbers, as JSON allows."""
    code = f"import json, sys; from stress import {module} as m; print(json.dumps(m.{function}(*json.loads(sys.argv[1]))))"
    return last_line(code, json.dumps(arguments), timeout=timeout)
