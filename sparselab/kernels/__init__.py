"""Compiled loops over plain arrays, the lowest floor of the package. They know no classes and check nothing.

The caller is responsible for shapes, dtypes and indices: a wrong index corrupts memory (`Topology.validate` prevents that).
`vector` and `plain` hold the same layer kernels; `program` runs whole training steps; `csr_passes` and `growth` build and change
topologies; `push_pull` and `updating` apply gradients.
"""

import warnings

from . import plain, vector
from .settings import JIT, WIDTHS

if not JIT:  # the hashes are meant to wrap around
    warnings.filterwarnings("ignore", "overflow encountered in scalar", RuntimeWarning)


def select(dtype, width):
    """The faster module of `vector` and `plain` that can run tiles of this dtype and width."""
    return vector if vector.supports(dtype, width) else plain


__all__ = ["JIT", "WIDTHS", "plain", "select", "vector"]
