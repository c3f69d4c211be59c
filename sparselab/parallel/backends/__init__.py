"""Where workers live: threads, processes, executors, a Dask cluster."""

from ...utils import lazy

_NAMES = {
    "registry": ["get"],
    "local": ["Local", "Serial", "Threads"],
    "processes": ["Processes"],
    "executor": ["Executors"],
    "dask": ["Cluster"],
}

__getattr__, __dir__, __all__ = lazy.attach(__name__, _NAMES)
