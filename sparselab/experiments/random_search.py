"""Random search: configs whose fields are drawn from ranges or chosen among values."""

import numpy as np

from ..utils import checks
from .config import FIELDS


def drawn(space, base, n, seed=0):
    """{label: config} of `n` draws; the same seed gives the same ones, and they do not change when more are asked for.

    space: {field: (low, high), from which is drawn evenly (evenly in the logarithm where the field is logarithmic), or a list
    of values}. ValueError for a range that ends before it begins, or of what is no number.
    """
    checks.integer("draws", n, low=1)
    for name, values in space.items():
        if isinstance(values, tuple):
            check_range(name, values)
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(n):
        changes = {name: draw(FIELDS[name], values, rng) for name, values in space.items()}
        label = ", ".join(f"{name}={value}" for name, value in changes.items())
        found[f"{number + 1}: {label}"] = base.replace(**changes)
    return found


def check_range(name, ends):
    """Two numbers, the lower one first."""
    if FIELDS[name].type not in (int, float):
        checks.fail(name, ends, "values to choose among, not a range: it is no number")
    if ends[0] >= ends[1]:
        checks.fail(name, ends, "a range from low to high")


def draw(field, values, rng):
    """One value of a field; three digits tell it."""
    if not isinstance(values, tuple):
        return values[rng.integers(len(values))]
    low, high = values
    if field.type is int:
        return int(rng.integers(low, high + 1))
    if field.metadata["log"]:
        return min(high, max(low, float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")))
    return min(high, max(low, float(f"{rng.uniform(low, high):.3g}")))
