"""How much memory there still is for this process: what the machine, its control groups and its limits leave."""

import os
from pathlib import Path

from . import checks

ROOT = Path("/")  # where proc and sys are; tests have others


def cores():
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs(name, value):
    """A number of workers as joblib reads it: -1 stands for all cores, -2 for all but one."""
    if not isinstance(value, bool) and isinstance(value, int) and -cores() <= value < 0:
        return cores() + 1 + value
    return checks.integer(name, value)


def available():
    """Bytes this process may still use: the least of MemAvailable, what cgroups (v1, v2) leave, and RLIMIT_AS; None if unknown.

    Without /proc/meminfo (not Linux) it is the machine's whole memory, where the system tells it.
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
    """{first word: number after it} of the lines of a file of the kernel."""
    lines = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def total():
    """Bytes of memory the machine has; None where the system does not say."""
    kilobytes = _fields(ROOT / "proc/meminfo").get("MemTotal")
    return None if kilobytes is None else 1024 * kilobytes


def peak():
    """Bytes of memory that this process had at most so far; None where the system does not say."""
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


# file of the limit, of what is used, and how memory.stat calls file pages, which make room
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
    """Bytes left in the group and in those above it; in a container the path may be that of the host: then the root's."""
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
