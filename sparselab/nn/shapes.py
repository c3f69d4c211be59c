"""Validation of layer widths and data types."""

import numpy as np

from ..topology.topology import MAX_WIDTH
from ..utils import checks

DTYPES = (np.float32, np.float64)


def check_sizes(sizes):
    """Return layer widths, from input to output, as a tuple of ints."""
    if isinstance(sizes, str | bytes) or not hasattr(sizes, "__iter__"):
        checks.fail("sizes", sizes, "a sequence of layer widths, input and output included", TypeError)
    sizes = tuple(sizes)
    if len(sizes) < 2:
        checks.fail("sizes", sizes, "at least two widths: input and output")
    return tuple(checks.integer(f"sizes[{i}]", n, high=MAX_WIDTH) for i, n in enumerate(sizes))


def check_dtype(dtype):
    """Return float32 or float64 as a dtype; TypeError for anything else."""
    if dtype in ("float32", "float64", *DTYPES):
        return np.dtype(dtype)
    checks.fail("dtype", dtype, "float32 or float64", TypeError)
