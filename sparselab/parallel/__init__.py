"""Training with several workers and a parameter server: threads, processes, or a Dask cluster.

From the bottom up: core (the server, what a worker computes), compiled (pushes and pulls without the interpreter), backends
(where workers live), supervisor (retries), the two phases, trainer (train_parallel), simulation. Names load on first use.
"""

from ..utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
