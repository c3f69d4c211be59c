"""The message shown when kernels have to be compiled, which happens once per machine."""

from pathlib import Path

from .cache_files import say_once


def announce(dispatcher):
    """Print one line to stderr, once per process, if `dispatcher` is neither compiled nor cached."""
    if getattr(dispatcher, "signatures", True):
        return
    folder, name = dispatcher.stats.cache_path, dispatcher.py_func.__qualname__
    if folder is None or not any(Path(folder).glob(f"*{name}-*.nbc")):
        say_once("compiling", "compiling kernels for this machine, about ten seconds, once …")
