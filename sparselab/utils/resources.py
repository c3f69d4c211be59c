"""Cores and memory available to this process, given the machine, its control groups (cgroups) and its resource limits."""

import numbers
import os
from pathlib import Path

import numpy as np

from . import checks

ROOT = Path("/")  # contains proc and sys; tests replace it


def cores():
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs(name, value):
    """Return a number of workers given in joblib's convention: -1 means all cores, -2 all but one, …, but at least one."""
    if not isinstance(value, bool | np.bool_ | np.timedelta64) and isinstance(value, numbers.Integral) and value < 0:
        return max(1, cores() + 1 + int(value))
    return checks.integer(name, value)


def available():
    """Bytes this process may still allocate: the minimum over MemAvailable, cgroups (v1 and v2) and RLIMIT_AS; None if unknown.

    Without /proc/meminfo (outside Linux) the machine's total memory takes the place of MemAvailable.
    """
    known = [n for n in (_of_machine(), _of_cgroups(), _of_address_space()) if n is not None]
    return max(0, min(known)) if known else None


def _text(path):
    try:
        return path.read_text()
    except (OSError, ValueError):  # ValueError: not text, or a NUL in the name
        return ""


def _number(text):
    return int(text) if text.strip().isdecimal() else None


def _fields(path):
    """Parse a kernel file with lines such as "MemTotal: 123 kB" into {first word: number}."""
    lines = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def total():
    """Bytes of memory of the machine; None if unknown."""
    kilobytes = _fields(ROOT / "proc/meminfo").get("MemTotal")
    return None if kilobytes is None else 1024 * kilobytes


def peak():
    """Peak memory of this process so far, in bytes; None if unknown."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _of_machine():
    kilobytes = _fields(ROOT / "proc/meminfo").get("MemAvailable")
    if kilobytes is not None:
        return 1024 * kilobytes
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


# The files with the limit and the usage of a cgroup, and the entries of memory.stat for file pages, which can be reclaimed.
VERSION_1 = "memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")
VERSION_2 = "memory.max", "memory.current", ("inactive_file", "active_file")


def _of_cgroups():
    left = []
    for line in _text(ROOT / "proc/self/cgroup").splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if controllers == "":
            left += _left_below(ROOT / "sys/fs/cgroup", path, *VERSION_2)
        elif "memory" in controllers.split(","):
            left += _left_below(ROOT / "sys/fs/cgroup/memory", path, *VERSION_1)
    return min(left, default=None)


def _left_below(base, path, limit_file, usage_file, file_pages):
    """Yield the bytes left in a cgroup and in each of its parents; in a container `path` may not exist, but the root does."""
    parts = [part for part in path.split("/") if part and part != ".."]
    for depth in range(len(parts), -1, -1):
        folder = base.joinpath(*parts[:depth])
        limit, used = _number(_text(folder / limit_file)), _number(_text(folder / usage_file))
        if limit is not None and used is not None:
            fields = _fields(folder / "memory.stat")
            yield limit - used + min(used, sum(fields.get(name, 0) for name in file_pages))


def _of_address_space():
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _text(ROOT / "proc/self/statm").split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return limit - int(pages[0]) * resource.getpagesize()
