"""Training with several workers and a parameter server: threads, processes, or a Dask cluster. Names load on first use."""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
