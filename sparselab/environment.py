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


def memory():
    """(available, total) bytes, None where the system does not say."""
    try:
        with open("/proc/meminfo") as file:
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in file}
    except OSError:
        return None, None
    return kilobytes["MemAvailable"] * 1024, kilobytes["MemTotal"] * 1024


def describe():
    """A dict of plain values: the `info` command and every stored result show it."""
    from . import __version__
    from .kernels import cache, settings
    from .machine import cores

    available, total = memory()
    return {
        "sparselab": __version__,
        **versions(),
        "system": platform.platform(),
        "cpu": settings.cpu_name(),
        "cores": cores(),
        "memory_available": available,
        "memory_total": total,
        "jit": settings.JIT,
        "threading_layer": f"{settings.THREADING_LAYER} (not used: threads are our own)",
        "numba_cache": str(cache.FOLDER),
    }
