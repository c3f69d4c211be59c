"""Argument validation: one helper for each kind of value, and one format for every error message.

A message names the argument, shows its value and says what is allowed.
"""

import difflib
import math
import numbers
import os
import re
import reprlib
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

LONGEST = 120  # characters of a value that a message shows
FAR = 2**31 - 1  # bounds from here on are those of a number's type
FLOAT32_MAX = float(np.finfo(np.float32).max)


def shown(value):
    """A short repr for an error message; works for objects whose own repr raises, too."""
    try:
        text = reprlib.repr(value)
    except Exception:  # __repr__ of a foreign class may raise anything; int raises ValueError beyond thousands of digits
        text = f"<{type(value).__name__} that cannot be shown>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def fail(name: str, value: object, allowed: str, error: type[Exception] = ValueError) -> NoReturn:
    """Raise `error` with a message in the common format: `name = value: must be allowed`."""
    raise error(f"{name} = {shown(value)}: must be {allowed}")


def usual_errors():
    """A context with NumPy's own settings for floating-point errors: what the caller has set with `np.seterr` is meant for other
    code, and threads do not know it. What is not finite is found by checks."""
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


def absolute(name: str, path: Any, error: type[Exception] = ValueError) -> str:
    """Return a path as an absolute str; `error` where it is relative and there is no working directory any more."""
    path = os.fsdecode(path)
    try:
        return os.path.abspath(path)
    except OSError:
        fail(name, path, "an absolute path, because the working directory of this process was deleted (or call os.chdir)", error)


def number(name, value, allowed, *, low=None, high=None, open_low=False, open_high=False):
    """Return a finite real number within bounds as float; `open_low` and `open_high` exclude the bound itself."""
    if isinstance(value, bool | np.bool_ | np.timedelta64) or not isinstance(value, numbers.Real):  # numpy counts spans of time
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
    """Return a number between 0 and 1 as float."""
    return number(name, value, f"a number in [0, 1{')' if open_high else ']'}", low=0, high=1, open_high=open_high)


def positive(name, value):
    """Return a number > 0 as float."""
    return number(name, value, "a finite number > 0", low=0, open_low=True)


def non_negative(name, value):
    """Return a number >= 0 as float."""
    return number(name, value, "a finite number >= 0", low=0)


def finite_float32(name, value, *, low=-FLOAT32_MAX):
    """Return a number that fits into a float32, as float."""
    allowed = "a finite float32 number" + (f" >= {low:g}" if low > -FLOAT32_MAX else "")
    return number(name, value, allowed, low=low, high=FLOAT32_MAX)


def integer(name, value, *, low=1, high=None):
    """Return a whole number within [low, high] as int; a bound that is far away is named only where it was passed."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_ | np.timedelta64)
    passed = whole and high is not None and value > high
    near = high is not None and high < FAR
    allowed = f"a whole number in [{low}, {high}]" if passed or near else f"a whole number >= {low}"
    if not whole:
        fail(name, value, allowed, TypeError)
    if passed or value < low:
        fail(name, value, allowed)
    return int(value)


def as_array(values):
    """Return np.asarray(values), or a 0-D array of None where numpy raises (ragged lists, for example)."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        return np.asarray(None)


def whole_array(name: str, values: ArrayLike, n: int | None = None) -> NDArray[np.integer]:
    """Return a 1-D integer array of length n (None: any length); an empty list is allowed."""
    array = as_array(values)
    array = array.astype(np.int64) if array.shape == (0,) else array
    if array.ndim != 1 or array.dtype.kind not in "iu" or n not in (None, len(array)):
        fail(name, values, f"a 1-D array of {'' if n is None else f'{n} '}whole numbers", TypeError)
    return array


def one_for_each_row(targets, n):
    """Raise ValueError unless there are n targets, one for each of n samples."""
    if len(targets) != n:
        raise ValueError(f"y has {len(targets)} entries: must be {n}, one for each row of X")


def mask(name, values, n):
    """Return `values` if it is a bool array of shape (n,)."""
    if not isinstance(values, np.ndarray) or values.dtype != bool or values.shape != (n,):
        fail(name, values, f"a bool array of shape ({n},)")
    return values


def is_one_hot(rows):
    """Whether each row of a 2-D array has one 1, and 0 elsewhere."""
    return bool(np.all((rows == 0) | (rows == 1)) and np.all(rows.sum(axis=1) == 1))


def different_texts(name, labels):
    """Raise ValueError for labels that are shown alike, such as 1 and "1": what one of them names would be lost in tables."""
    texts = [str(label) for label in labels]
    if len(set(texts)) < len(texts):
        fail(name, [*labels], "labels whose texts differ")


def flag(name, value):
    """Return True or False as bool."""
    if not isinstance(value, bool | np.bool_):
        fail(name, value, "True or False", TypeError)
    return bool(value)


LONGEST_NAME = 255  # characters of a file's name, on any system


def path(name, value):
    """Return a path as a str; TypeError for what is no path, ValueError for one that no system can have.

    "" would be the working directory, or, with an extension, a hidden file in it.
    """
    if not isinstance(value, str | bytes) and not hasattr(value, "__fspath__"):
        fail(name, value, "the path of a file or folder: text or a pathlib.Path", TypeError)
    try:
        text = os.fsdecode(value)
        os.fsencode(text)
    except (UnicodeError, TypeError, ValueError):
        fail(name, value, "a path that can be encoded")
    if not text or "\0" in text or max(map(len, re.split(r"[/\\]", text))) > LONGEST_NAME:
        fail(name, value, f"a path that is not empty, without NUL, and with names of at most {LONGEST_NAME} characters")
    return text


def instance(name, kind):
    """Construct an object of class `kind`, which was passed in place of an object; TypeError if it needs arguments."""
    try:
        return kind()
    except TypeError:
        fail(name, kind, f"an object: {kind.__name__} cannot be constructed without arguments", TypeError)


MOST_NAMES = 24  # names that a message lists


def few(names):
    """Format a list of names; of a long list only the first names and the number of the others."""
    if len(names) <= MOST_NAMES:
        return str(names)
    return f"{str(names[:MOST_NAMES])[:-1]}, … {len(names) - MOST_NAMES} more]"


def choice(name, value, allowed):
    """Return `value` if it is one of the names in `allowed`; the error suggests the closest name."""
    names = list(allowed)
    if not isinstance(value, str):
        fail(name, value, f"one of {few(names)}", TypeError)
    if value not in names:
        close = difflib.get_close_matches(value, names, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        fail(name, value, f"one of {few(names)}{hint}")
    return value


def generator(name, seed):
    """Return a numpy Generator from None, a whole number >= 0, a SeedSequence or a Generator (returned unchanged)."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(seed_sequence(name, seed))


def seed_sequence(name, seed):
    """Return a SeedSequence from None, a whole number >= 0, a SeedSequence or a Generator (one number is drawn from it)."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence(int(seed.integers(2**63)))
    if seed is None:
        return np.random.SeedSequence()
    return np.random.SeedSequence(integer(name, seed, low=0))


PIECE = 2**20  # numbers that are summed in one call
FEW = 2**13  # numbers up to which a dot product is the fastest test; longer ones would start BLAS threads


def all_finite(values):
    """Whether every number of a vector is finite. A finite sum proves it, so that usually no mask is allocated."""
    with np.errstate(all="ignore"):
        if len(values) <= FEW:
            return math.isfinite(np.dot(values, values)) or bool(np.isfinite(values).all())
        pieces = (values[start : start + PIECE] for start in range(0, len(values), PIECE))
        return all(np.isfinite(piece.sum()) or np.isfinite(piece).all() for piece in pieces)
