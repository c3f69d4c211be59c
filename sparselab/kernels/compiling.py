"""Say so when people have to wait for the compiler: once a machine, then kernels come from numba's cache."""

import sys
from pathlib import Path

_said = []


def announce(dispatcher):
    """One line on stderr, once a process, if `dispatcher` is neither compiled nor in the cache yet."""
    if _said or getattr(dispatcher, "signatures", True):
        return
    _said.append(True)
    folder, name = Path(dispatcher.stats.cache_path), dispatcher.py_func.__qualname__
    if not any(folder.glob(f"*{name}-*.nbi")):
        sys.stderr.write("sparselab: compiling kernels for this machine, about ten seconds, once …\n")
        sys.stderr.flush()
