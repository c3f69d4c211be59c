"""Where workers run: threads and processes of this machine, executors, a Dask cluster. Names load on first use."""

from ...utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
