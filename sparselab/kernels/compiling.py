"""Say so when people have to wait for the compiler: once a machine, then kernels come from our cache."""

from pathlib import Path

from .cache_files import say_once


def announce(dispatcher):
    """One line on stderr, once a process, if `dispatcher` is neither compiled nor in the cache yet."""
    if getattr(dispatcher, "signatures", True):
        return
    folder, name = dispatcher.stats.cache_path, dispatcher.py_func.__qualname__
    if folder is None or not any(Path(folder).glob(f"*{name}-*.nbc")):
        say_once("compiling", "compiling kernels for this machine, about ten seconds, once …")
