"""Random search: configs whose fields are drawn at random from ranges or lists of values."""

import numpy as np

from ..utils import checks
from .config import FIELDS, NUMBER_OR_NAME, checked


def random_configs(space, base, n, seed=0):
    """{label: config} of `n` random draws; with the same seed, the first draws do not depend on `n`.

    space: {field: range or list of values}. A range (low, high) is sampled uniformly, in the logarithm for logarithmic fields.
    ValueError for a range whose ends are in the wrong order, or of a field that is not a number.
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
    """TypeError or ValueError unless these are two numbers that the field allows, the lower one first."""
    if FIELDS[name].type not in (int, float, NUMBER_OR_NAME):
        checks.fail(name, ends, "a list of values, not a range, because the field is not a number")
    low, high = (checked(FIELDS[name], end) for end in ends)
    if isinstance(low, str) or isinstance(high, str) or low >= high:
        checks.fail(name, ends, "a range from low to high")


def draw(field, values, rng):
    """Draw one value of a field, rounded to three digits."""
    if not isinstance(values, tuple):
        return values[rng.integers(len(values))]
    low, high = values
    if field.type is not float:
        return int(rng.integers(low, high + 1))
    if field.metadata["log"]:
        return min(high, max(low, float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")))
    return min(high, max(low, float(f"{rng.uniform(low, high):.3g}")))
