"""The ground floor: compiled loops over plain arrays, `out` arrays out. They know no classes and check nothing.

Whoever calls them answers for shapes, dtypes and indices: a bad index here is memory corruption (`Topology.validate` is the
gate). `vector` and `plain` hold the same layer kernels; `program` runs whole training steps; `sweeps` and `growth` build
and change topologies.
"""

import warnings

from . import plain, vector
from .settings import JIT, WIDTHS

if not JIT:  # the hashes wrap around on purpose
    warnings.filterwarnings("ignore", "overflow encountered in scalar", RuntimeWarning)


def select(dtype, width):
    """The fastest module that can run tiles of this dtype and width."""
    return vector if vector.supports(dtype, width) else plain


__all__ = ["JIT", "WIDTHS", "plain", "select", "vector"]
