"""Describes the machine and the installation: versions, cores, memory, threading layer, caches."""

import platform

from ..kernels import cache, settings
from ..utils.resources import available, cores, total
from ..utils.version import __version__, versions

PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "scikit-learn", "matplotlib", "ipywidgets", "jupyterlab", "torch")


def describe():
    """A dict of plain values, which the `info` command prints and every stored result holds."""
    return {
        "sparselab": __version__,
        "python": platform.python_version(),
        **versions(*PACKAGES),
        "system": platform.platform(),
        "cpu": settings.cpu_name(),
        "cores": cores(),
        "memory_available": available(),
        "memory_total": total(),
        "jit": settings.JIT,
        "threading_layer": f"{settings.THREADING_LAYER} (not used: threads are our own)",
        "numba_cache": str(cache.FOLDER),
    }
