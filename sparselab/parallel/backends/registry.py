"""Backends by name, executor or address."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from ...utils import checks, shared_memory
from . import dask
from .executor import Executors, OwnProcesses
from .local import Serial, Threads
from .processes import Processes


def get(backend: Any, schedule: Sequence[int] = ()) -> Any:
    """Give a backend.

    Parameters
    ----------
    backend : str, Executor, distributed.Client or object
        "serial", "threads", "processes" (this machine), "dask" (a cluster of this machine), the address of a Dask scheduler
        ("tcp://host:port"), any `concurrent.futures.Executor` or a `distributed.Client`, which is not shut down, or an object
        with the methods of a backend: open, gradient, local, completed, result, restart, close.
    schedule : sequence of int, optional
        For "serial": numbers of workers in the order in which their gradients come.

    Returns
    -------
    object
        The backend.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.
    ImportError
        If an extra is missing.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.parallel.backends.get("serial").name
    'serial'
    """
    if not isinstance(backend, str):
        if isinstance(backend, Executor):
            return Executors(backend)
        if type(backend).__module__.startswith("distributed."):
            return dask_cluster(backend)
        if not all(callable(getattr(backend, name, None)) for name in NEEDED):
            allowed = f"one of {list(NAMES)}, an Executor, or an object with {', '.join(NEEDED)}"
            checks.fail("backend", backend, allowed, TypeError)
        return backend
    if "://" in backend:
        return dask_cluster(backend)
    checks.choice("backend", backend, NAMES)
    return Serial(checks.whole_array("schedule", schedule).tolist()) if backend == "serial" else NAMES[backend]()


def processes():
    """Workers in processes of this machine; without anonymous shared memory (not Linux) all is sent by value."""
    return Processes() if shared_memory.AVAILABLE else OwnProcesses()


def dask_cluster(address=None):
    """Workers of a Dask cluster; ImportError where the package is missing."""
    dask.imported()
    return dask.Cluster(address)


NEEDED = ("open", "gradient", "local", "completed", "result", "restart", "close")
NAMES = {"serial": Serial, "threads": Threads, "processes": processes, "dask": dask_cluster}
