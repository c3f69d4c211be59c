"""What every door says to bad input: the argument, the value, what is allowed.

One helper a kind of value, so that messages read alike everywhere and no door forgets a case.
"""

import difflib
import math
import numbers
import reprlib

import numpy as np

LONGEST = 120  # characters of a value in a message
FLOAT32_MAX = float(np.finfo(np.float32).max)


def shown(value):
    """A short repr that is safe to put into a message, also for a value whose own repr fails."""
    try:
        text = reprlib.repr(value)
    except Exception:  # whatever a foreign __repr__ raises; ValueError for a whole number of thousands of digits
        text = f"<{type(value).__name__} that cannot be shown>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def fail(name, value, allowed, error=ValueError):
    """Raise `error` with the one form all messages have."""
    raise error(f"{name} = {shown(value)}: must be {allowed}")


def number(name, value, allowed, *, low=None, high=None, open_low=False, open_high=False):
    """A finite real number within bounds (closed unless said otherwise), as float."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        fail(name, value, allowed, TypeError)
    try:
        result = float(value)
    except (OverflowError, ValueError):  # 10**400
        fail(name, value, allowed)
    below = low is not None and (result < low or (open_low and result == low))
    above = high is not None and (result > high or (open_high and result == high))
    if not np.isfinite(result) or below or above:
        fail(name, value, allowed)
    return result


def fraction(name, value, *, open_high=False):
    """A share between 0 and 1, as float."""
    return number(name, value, f"a number in [0, 1{')' if open_high else ']'}", low=0, high=1, open_high=open_high)


def positive(name, value):
    """A number above 0, as float."""
    return number(name, value, "a finite number > 0", low=0, open_low=True)


def non_negative(name, value):
    """A number of at least 0, as float."""
    return number(name, value, "a finite number >= 0", low=0)


def finite_float32(name, value, *, low=-FLOAT32_MAX):
    """A number that a float32 can hold, as float."""
    allowed = "a finite float32 number" + (f" >= {low:g}" if low > -FLOAT32_MAX else "")
    return number(name, value, allowed, low=low, high=FLOAT32_MAX)


def integer(name, value, *, low=1, high=None):
    """A whole number within [low, high], as int."""
    allowed = f"a whole number >= {low}" if high is None else f"a whole number in [{low}, {high}]"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        fail(name, value, allowed, TypeError)
    if value < low or (high is not None and value > high):
        fail(name, value, allowed)
    return int(value)


def as_array(values):
    """np.asarray; of a ragged list, and of anything else of which none can be made, a 0-D array of None."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        return np.asarray(None)


def whole_array(name, values, n=None):
    """A 1-D array of n (None: any number of) whole numbers, which an empty list is too."""
    array = as_array(values)
    array = array.astype(np.int64) if array.shape == (0,) else array
    if array.ndim != 1 or array.dtype.kind not in "iu" or n not in (None, len(array)):
        fail(name, values, f"a 1-D array of {'' if n is None else f'{n} '}whole numbers", TypeError)
    return array


def mask(name, values, n):
    """A bool array of shape (n,)."""
    if not isinstance(values, np.ndarray) or values.dtype != bool or values.shape != (n,):
        fail(name, values, f"a bool array of shape ({n},)")
    return values


def flag(name, value):
    """True or False, as bool."""
    if not isinstance(value, bool | np.bool_):
        fail(name, value, "True or False", TypeError)
    return bool(value)


def instance(name, kind):
    """An object of a class that was handed in where an object is due; TypeError where it wants arguments."""
    try:
        return kind()
    except TypeError:
        fail(name, kind, f"an object: {kind.__name__} cannot be made without arguments", TypeError)


MOST_NAMES = 24  # in a message


def few(names):
    """A list of names as text; the end of a long one is only counted."""
    if len(names) <= MOST_NAMES:
        return str(names)
    return f"{str(names[:MOST_NAMES])[:-1]}, … {len(names) - MOST_NAMES} more]"


def choice(name, value, allowed):
    """One of the names in `allowed`, with a hint at the closest one."""
    names = list(allowed)
    if not isinstance(value, str):
        fail(name, value, f"one of {names}", TypeError)
    if value not in names:
        close = difflib.get_close_matches(value, names, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        fail(name, value, f"one of {few(names)}{hint}")
    return value


def generator(name, seed):
    """A numpy Generator from None, a whole number >= 0, a SeedSequence or a Generator (used as it is)."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(seed_sequence(name, seed))


def seed_sequence(name, seed):
    """A SeedSequence from None, a whole number >= 0, a SeedSequence, or a Generator, of which one number is drawn."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence(int(seed.integers(2**63)))
    if seed is None:
        return np.random.SeedSequence()
    return np.random.SeedSequence(integer(name, seed, low=0))


PIECE = 2**20  # numbers looked at at once
FEW = 2**13  # numbers whose dot product is taken by one thread, at once


def all_finite(values):
    """Whether every number of a vector is. The sum of a piece says so in most cases, and nothing long is allocated."""
    with np.errstate(all="ignore"):
        if len(values) <= FEW:
            return math.isfinite(np.dot(values, values)) or bool(np.isfinite(values).all())
        pieces = (values[start : start + PIECE] for start in range(0, len(values), PIECE))
        return all(np.isfinite(piece.sum()) or np.isfinite(piece).all() for piece in pieces)
