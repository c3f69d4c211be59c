"""Schedules: learning rates, or shares such as SET's zeta, as functions of the epoch.

The epoch is a float: 2.5 is half way through the third epoch. Your own schedule is any function of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..utils import checks

Schedule: TypeAlias = Callable[[float], float]


@dataclass(frozen=True)
class Constant:
    """The same rate in every epoch.

    Parameters
    ----------
    rate : float
        The rate, > 0.

    Raises
    ------
    TypeError, ValueError
        If `rate` is not a finite number > 0.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.schedules.Constant(0.01)(100)
    0.01
    """

    rate: float

    def __post_init__(self) -> None:
        checks.positive("rate", self.rate)

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        return self.rate


@dataclass(frozen=True)
class Step:
    """A rate that is multiplied by a factor at regular intervals: rate · factor^⌊epoch / every⌋.

    Parameters
    ----------
    rate : float
        The rate of the first epochs, > 0.
    every : int
        Epochs between two changes, >= 1.
    factor : float, default 0.9
        Factor of each change, > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.schedules.Step(1.0, every=10, factor=0.5)(25)
    0.25
    """

    rate: float
    every: int
    factor: float = 0.9

    def __post_init__(self) -> None:
        checks.positive("rate", self.rate)
        checks.integer("every", self.every)
        checks.positive("factor", self.factor)

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        return self.rate * self.factor ** (int(epoch) // self.every)


@dataclass(frozen=True)
class Cosine:
    """A rate that falls along half a cosine and stays at its final value (Loshchilov & Hutter 2017).

    Parameters
    ----------
    rate : float
        The rate at epoch 0, > 0.
    epochs : int
        Epochs until the final value is reached, >= 1.
    final : float, default 1e-6
        The rate from then on, > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Loshchilov, Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv 1608.03983, eq. 5.

    Examples
    --------
    >>> import sparselab as sl
    >>> round(sl.schedules.Cosine(0.1, epochs=10)(5), 3)
    0.05
    """

    rate: float
    epochs: int
    final: float = 1e-6

    def __post_init__(self) -> None:
        checks.positive("rate", self.rate)
        checks.integer("epochs", self.epochs)
        checks.positive("final", self.final)

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        share = min(epoch / self.epochs, 1)
        return self.final + (self.rate - self.final) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class WarmUp:
    """A linear increase from a tenth of a rate or schedule to the whole of it.

    Parameters
    ----------
    after : float or callable
        The rate, > 0, or schedule that is multiplied; unchanged once the warm-up is over.
    epochs : float, default 5
        Length of the warm-up, > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> import sparselab as sl
    >>> warm_up = sl.schedules.WarmUp(1.0, epochs=5)
    >>> [round(warm_up(epoch), 2) for epoch in (0, 2.5, 5, 50)]
    [0.1, 0.55, 1.0, 1.0]
    """

    after: float | Schedule
    epochs: float = 5

    def __post_init__(self) -> None:
        get(self.after, "after")
        checks.positive("epochs", self.epochs)

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        return get(self.after)(epoch) * (0.1 + 0.9 * min(epoch / self.epochs, 1))


@dataclass(frozen=True)
class Until:
    """A number or schedule that becomes 0 at some epoch, such as a zeta after which the topology stays fixed.

    Parameters
    ----------
    before : float or callable
        The number, > 0, or schedule until then.
    stop : int
        First epoch with the value 0, >= 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> import sparselab as sl
    >>> zeta = sl.schedules.Until(0.3, stop=100)
    >>> zeta(99), zeta(100)
    (0.3, 0.0)
    """

    before: float | Schedule
    stop: int

    def __post_init__(self) -> None:
        get(self.before, "before")
        checks.integer("stop", self.stop, low=0)

    def __call__(self, epoch: float) -> float:
        """Return the value at `epoch`."""
        return get(self.before)(epoch) if epoch < self.stop else 0.0


def get(rate: float | Schedule, name: str = "learning_rate") -> Schedule:
    """Return a schedule from a number or a schedule.

    Parameters
    ----------
    rate : float or callable
        A number > 0 or a function of the epoch.
    name : str, default "learning_rate"
        Name of the argument in error messages.

    Returns
    -------
    callable
        `rate` itself if it is a function, else the constant schedule.

    Raises
    ------
    TypeError, ValueError
        If `rate` is neither a function nor a finite number > 0.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.schedules.get(0.01)
    Constant(rate=0.01)
    """
    return rate if callable(rate) else Constant(checks.positive(name, rate))
