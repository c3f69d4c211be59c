"""The words in which the table of bad and unusual inputs is written: a case, what it must end in, and kits of values.

A door is where input comes in: the Python API, the classifier, the command line, a config file. Each has a file here with
`cases()`; reliability/gate.py runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

NAN, INF = float("nan"), float("inf")


class Refused(ValueError):
    """What a command line wrote when it gave up, as an error like those of the other doors."""


@dataclass(frozen=True)
class Refusal:
    """Must end in an error that names the argument (one of `names`) and holds all `words`; and nothing has changed."""

    names: tuple
    words: tuple = ()
    shows_value: bool = True


@dataclass(frozen=True)
class Acceptance:
    """Must work as `documented` says: `holds(result, scene)` is true."""

    holds: Callable
    documented: str


@dataclass(frozen=True)
class Case:
    """`call(scene, make(scene))` through a door; (argument, fault) is the pair that is counted."""

    door: str
    argument: str
    fault: str
    make: Callable
    call: Callable
    wanted: Refusal | Acceptance = field(repr=False)


def refusals(door, argument, call, faults, *, names=(), words=(), shows_value=True):
    """A case for each of `faults` ({id: value, or function that makes it}), all of which must be refused.

    argument is `function(name)` or `name`; names: other words that name it in a message.
    """
    name = argument.partition("(")[2].rstrip(")") or argument
    wanted = Refusal((name, *names), tuple(words), shows_value)
    return [Case(door, argument, fault, maker(value), call, wanted) for fault, value in faults.items()]


def acceptances(door, argument, call, faults, holds, documented):
    """A case for each of `faults`, all of which must work: holds(result, scene)."""
    wanted = Acceptance(holds, documented)
    return [Case(door, argument, fault, maker(value), call, wanted) for fault, value in faults.items()]


class Made:
    """Marks a function that makes a value, in a table where plain values (functions among them) stand too."""

    def __init__(self, function):
        self.function = function


def maker(value):
    return (lambda scene: value.function(scene)) if isinstance(value, Made) else (lambda scene: value)


def without(faults, *ids):
    """A kit without some of its faults."""
    return {fault: value for fault, value in faults.items() if fault not in ids}


class BadRepr:
    """An object that cannot even be shown."""

    def __repr__(self):
        raise RuntimeError("no words")


def not_a_number():
    """Values that are never a number within bounds."""
    import numpy as np

    return {
        "NaN": NAN, "infinity": INF, "minus infinity": -INF, "nothing": None, "text": "0.1", "bool": True,
        "numpy bool": np.True_, "object": object(), "complex": 1j, "list": [0.1], "array": np.array([0.1, 0.2]),
        "whole number beyond float": 10**400, "whole number beyond print": 10**5000, "object without words": BadRepr(),
    }  # fmt: skip


def not_whole():
    """Values that are never a whole number within bounds."""
    import numpy as np

    return {
        "fraction": 1.5, "whole float": 2.0, "NaN": NAN, "infinity": INF, "nothing": None, "text": "3", "bool": True,
        "object": object(), "list": [3], "array": np.array([3, 4]), "numpy float": np.float32(2),
        "below any bound": -(10**30), "object without words": BadRepr(),
    }  # fmt: skip


def not_a_flag():
    """Values that are neither True nor False."""
    return {"text": "no", "nothing": None, "number": 2, "list": [True], "object": object()}


def not_a_name():
    """Values that are not one of a few names."""
    return {
        "misspelt": "relo", "empty text": "", "nothing": None, "number": 3, "object": object(), "type": int,
        "class that needs arguments": UnicodeDecodeError, "long text": "x" * 10_000, "object without words": BadRepr(),
    }  # fmt: skip


def not_a_seed():
    """Values that are not a source of randomness."""
    return {"negative": -1, "fraction": 1.5, "text": "a", "bool": True, "object": object(), "NaN": NAN}
