"""Bad and unusual inputs as tables, a file for each entry point: Python API, estimators, command line, config file.

A file has `kits()` and a class `Fixture`, what its calls work on; tests/stress/test_inputs.py tries every kit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

NAN, INF = float("nan"), float("inf")


class Refused(ValueError):
    """What the command line printed when it refused, as an error like those of the other entry points."""


@dataclass(frozen=True)
class Refusal:
    """Must end in an error that names the argument (one of `names`) and holds all `words`; and nothing has changed.

    of_system: whether an OSError that says the path is an answer, too.
    """

    names: tuple
    words: tuple = ()
    shows_value: bool = True
    of_system: bool = False


@dataclass(frozen=True)
class Acceptance:
    """Must work as `documented` says: `holds(result, fixture)` is true."""

    holds: Callable
    documented: str


@dataclass(frozen=True)
class Kit:
    """`call(fixture, value)` for each of `faults` ({name: value, or Made}); a pair (argument, fault) is what is counted."""

    argument: str
    faults: dict = field(repr=False)
    call: Callable
    wanted: Refusal | Acceptance = field(repr=False)

    def value(self, fault, fixture):
        """The value of a fault."""
        value = self.faults[fault]
        return value.function(fixture) if isinstance(value, Made) else value


def refusals(argument, call, faults, *, names=(), words=(), shows_value=True, of_system=False):
    """A kit whose faults must all be refused.

    argument is `function(name)` or `name`; names: other words that name it in a message.
    """
    name = argument.partition("(")[2].rstrip(")") or argument
    yield Kit(argument, faults, call, Refusal((name, *names), tuple(words), shows_value, of_system))


def acceptances(argument, call, faults, holds, documented):
    """A kit whose faults must all work: holds(result, fixture)."""
    yield Kit(argument, faults, call, Acceptance(holds, documented))


class Made:
    """Marks a function of the fixture that makes a value, in a table where plain values (functions among them) stand too."""

    def __init__(self, function):
        self.function = function


def without(faults, *names):
    """Faults without some of them."""
    return {fault: value for fault, value in faults.items() if fault not in names}


class BadRepr:
    """An object whose repr raises."""

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


ANY_TEXT = {"target", "columns"}  # fields of a config that take any short text
MAY_BE_EMPTY = ANY_TEXT | {"separator"}


def for_field(name, faults):
    """The faults of a text that are faults of this field of a config, too."""
    good = {"misspelt", "text", "path", "module"} if name in ANY_TEXT else set()
    good |= {"empty", "empty text"} if name in MAY_BE_EMPTY else set()
    return {fault: value for fault, value in faults.items() if fault not in good}


def not_a_seed():
    """Values that are not a source of randomness."""
    return {"negative": -1, "fraction": 1.5, "text": "a", "bool": True, "object": object(), "NaN": NAN}
