"""Backends by name, executor or address."""

from concurrent.futures import Executor

from ...utils import checks, shared_memory
from . import dask
from .executor import Executors, OwnProcesses
from .local import Serial, Threads
from .processes import Processes


def get(backend, schedule=()):
    """A backend from a name, an executor or an object; TypeError or ValueError naming it, ImportError where an extra is missing.

    executor: any concurrent.futures.Executor (or distributed.Client); it stays its owner's and is not shut down.
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
    return Serial(schedule) if backend == "serial" else NAMES[backend]()


def processes():
    """Workers in processes of this machine; where anonymous shared memory does not exist (not Linux), all goes by value."""
    return Processes() if shared_memory.AVAILABLE else OwnProcesses()


def dask_cluster(address=None):
    """Workers of a Dask cluster; ImportError where the package is missing."""
    dask.imported()
    return dask.Cluster(address)


NEEDED = ("open", "gradient", "local", "completed", "result", "restart", "close")
NAMES = {"serial": Serial, "threads": Threads, "processes": processes, "dask": dask_cluster}
