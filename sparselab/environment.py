"""What this machine and this installation are: versions, cores, memory, threading layer, caches."""

import importlib.metadata
import platform

PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "scikit-learn", "matplotlib", "ipywidgets", "jupyterlab", "torch")


def versions():
    """{package: version or None} of what results may depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def describe():
    """A dict of plain values: the `info` command and every stored result show it."""
    from . import __version__
    from .kernels import cache, settings
    from .machine import available, cores, total

    return {
        "sparselab": __version__,
        **versions(),
        "system": platform.platform(),
        "cpu": settings.cpu_name(),
        "cores": cores(),
        "memory_available": available(),
        "memory_total": total(),
        "jit": settings.JIT,
        "threading_layer": f"{settings.THREADING_LAYER} (not used: threads are our own)",
        "numba_cache": str(cache.FOLDER),
    }
