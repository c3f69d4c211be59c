"""Schedules: learning rates, shares such as SET's zeta, or densities, as functions of the epoch.

The epoch is a float: 2.5 is half way through the third epoch. Your own schedule is any function of it. Shares may fall to 0,
learning rates may not: the optimizers refuse a rate of 0.
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
        The rate, >= 0.

    Raises
    ------
    TypeError, ValueError
        If `rate` is not a finite number >= 0.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.schedules.Constant(0.01)(100)
    0.01
    """

    rate: float

    def __post_init__(self) -> None:
        checks.non_negative("rate", self.rate)

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
        """Return the rate at `epoch`; infinity, which optimizers refuse, where no float is as large."""
        try:
            return float(self.rate * self.factor ** (int(epoch) // self.every))
        except OverflowError:
            return math.inf


def _share(epoch: float, start: float, stop: float) -> float:
    """Return how much of the window from `start` to `stop` is over: 0 before it, 1 after it."""
    return min(max((epoch - start) / (stop - start), 0.0), 1.0)


def _between(low: float, high: float, share: float) -> float:
    """Return the number that lies above `low` by this share of the way to `high`."""
    return low + (high - low) * share


@dataclass(frozen=True)
class _FallingRate:
    """The arguments of rates that fall, and the checks of these."""

    rate: float
    epochs: float
    final: float = 1e-6
    start: float = 0.0

    def __post_init__(self) -> None:
        checks.positive("rate", self.rate)
        checks.non_negative("start", self.start)
        allowed = f"a number > start = {self.start}" if self.start else "a finite number > 0"
        checks.number("epochs", self.epochs, allowed, low=self.start, open_low=True)
        checks.number("final", self.final, f"a number in [0, rate = {self.rate}]", low=0, high=self.rate)


@dataclass(frozen=True)
class _FallingDensity:
    """The arguments of densities that fall, and the checks of these."""

    initial: float
    final: float
    start: float
    stop: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, "a number in (0, 1]", low=0, high=1, open_low=True)
        allowed = f"a number in (0, initial = {self.initial}], because it may not rise"
        checks.number("final", self.final, allowed, low=0, high=self.initial, open_low=True)
        checks.non_negative("start", self.start)
        checks.number("stop", self.stop, f"a number > start = {self.start}", low=self.start, open_low=True)


@dataclass(frozen=True)
class Linear(_FallingRate):
    """A rate that falls along a straight line and stays at its final value.

    Parameters
    ----------
    rate : float
        The rate until `start`, > 0.
    epochs : float
        Epochs until the final value is reached, > `start`.
    final : float, default 1e-6
        The rate from then on, in [0, rate].
    start : float, default 0.0
        Epoch at which it begins to fall, >= 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> import sparselab as sl
    >>> zeta = sl.schedules.Linear(0.5, epochs=10, final=0)
    >>> [zeta(epoch) for epoch in (0, 5, 10, 11)]
    [0.5, 0.25, 0.0, 0.0]
    """

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        return _between(self.final, self.rate, 1 - _share(epoch, self.start, self.epochs))


@dataclass(frozen=True)
class Cosine(_FallingRate):
    """A rate that falls along half a cosine and stays at its final value (Loshchilov & Hutter 2017).

    Parameters
    ----------
    rate : float
        The rate until `start`, > 0.
    epochs : float
        Epochs until the final value is reached, > `start`.
    final : float, default 1e-6
        The rate from then on, in [0, rate].
    start : float, default 0.0
        Epoch at which it begins to fall, >= 0.

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

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        return _between(self.final, self.rate, (1 + math.cos(math.pi * _share(epoch, self.start, self.epochs))) / 2)


@dataclass(frozen=True)
class Power(_FallingRate):
    """A rate that falls as (1 − τ)ᵏ, τ from 0 to 1, and stays at its final value.

    Parameters
    ----------
    rate : float
        The rate until `start`, > 0.
    epochs : float
        Epochs until the final value is reached, > `start`.
    final : float, default 1e-6
        The rate from then on, in [0, rate].
    start : float, default 0.0
        Epoch at which it begins to fall, >= 0.
    exponent : float, default 3.0
        The exponent k, > 0; 1 is `Linear`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> import sparselab as sl
    >>> zeta = sl.schedules.Power(0.4, epochs=10, final=0, exponent=2)
    >>> [zeta(epoch) for epoch in (0, 5, 10)]
    [0.4, 0.1, 0.0]
    """

    exponent: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("exponent", self.exponent)

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        return _between(self.final, self.rate, (1 - _share(epoch, self.start, self.epochs)) ** self.exponent)


@dataclass(frozen=True)
class OneCycle:
    """A learning rate that rises to its peak along half a cosine, then falls far below its start (Smith & Topin 2018).

    The momentum, which the authors let fall and rise in the opposite direction, stays as it is.

    Parameters
    ----------
    rate : float
        The rate at the peak, > 0.
    epochs : float
        Length of the cycle, > 0; the rate stays at its final value from then on.
    rise : float, default 0.3
        Share of the cycle before the peak, in (0, 1).
    initial : float, default 0.04
        The rate at epoch 0, as a share of the peak in (0, 1].
    final : float, default 4e-6
        The rate at the end, as a share of the peak in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Smith, Topin (2018), "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", arXiv 1708.07120.

    Examples
    --------
    >>> import sparselab as sl
    >>> rate = sl.schedules.OneCycle(1.0, epochs=10)
    >>> [round(rate(epoch), 3) for epoch in (0, 1.5, 3, 6.5, 10)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """

    rate: float
    epochs: float
    rise: float = 0.3
    initial: float = 0.04
    final: float = 4e-6

    def __post_init__(self) -> None:
        checks.positive("rate", self.rate)
        checks.positive("epochs", self.epochs)
        checks.number("rise", self.rise, "a number in (0, 1)", low=0, high=1, open_low=True, open_high=True)
        for name in ("initial", "final"):
            checks.number(name, getattr(self, name), "a number in (0, 1]", low=0, high=1, open_low=True)

    def __call__(self, epoch: float) -> float:
        """Return the rate at `epoch`."""
        peak = self.rise * self.epochs
        if epoch >= peak:
            return Cosine(self.rate, self.epochs, self.final * self.rate, peak)(epoch)
        return self.rate * _between(self.initial, 1.0, (1 - math.cos(math.pi * epoch / peak)) / 2)


@dataclass(frozen=True)
class Cubic(_FallingDensity):
    """A density that falls fast at first and slowly in the end: D_f + (D_i − D_f)(1 − τ)³ (Zhu & Gupta 2017).

    Parameters
    ----------
    initial : float
        The density D_i until `start`, in (0, 1].
    final : float
        The density D_f from `stop` on, in (0, initial].
    start : float
        Epoch at which it begins to fall (τ = 0), >= 0.
    stop : float
        Epoch at which `final` is reached (τ = 1), > `start`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Zhu, Gupta (2017), "To prune, or not to prune: exploring the efficacy of pruning for model compression", arXiv 1710.01878.

    Examples
    --------
    >>> import sparselab as sl
    >>> density = sl.schedules.Cubic(0.5, 0.1, start=2, stop=12)
    >>> [round(density(epoch), 3) for epoch in (0, 2, 7, 12)]
    [0.5, 0.5, 0.15, 0.1]
    """

    def __call__(self, epoch: float) -> float:
        """Return the density at `epoch`."""
        return _between(self.final, self.initial, (1 - _share(epoch, self.start, self.stop)) ** 3)


@dataclass(frozen=True)
class Sigmoid(_FallingDensity):
    """A density that falls along a sigmoid, fastest in the middle of the window (Zhang et al. 2025, CHTss).

    D_i + (D_f − D_i)(½ + (σ(k(2τ − 1)) − ½) / (σ(k) − σ(−k))), so that both ends are met exactly.

    Parameters
    ----------
    initial : float
        The density D_i until `start`, in (0, 1].
    final : float
        The density D_f from `stop` on, in (0, initial].
    start : float
        Epoch at which it begins to fall (τ = 0), >= 0.
    stop : float
        Epoch at which `final` is reached (τ = 1), > `start`.
    steepness : float, default 6.0
        The steepness k, in [0.001, 1000].

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107.

    Examples
    --------
    >>> import sparselab as sl
    >>> density = sl.schedules.Sigmoid(0.5, 0.1, start=2, stop=12)
    >>> [round(density(epoch), 3) for epoch in (0, 2, 7, 12)]
    [0.5, 0.5, 0.3, 0.1]
    """

    steepness: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number("steepness", self.steepness, "a number in [0.001, 1000]", low=0.001, high=1000)

    def __call__(self, epoch: float) -> float:
        """Return the density at `epoch`."""
        half = self.steepness / 2  # σ(x) − ½ = tanh(x / 2) / 2
        done = _share(epoch, self.start, self.stop)
        return _between(self.final, self.initial, (1 - math.tanh(half * (2 * done - 1)) / math.tanh(half)) / 2)


@dataclass(frozen=True)
class WarmUp:
    """A linear increase from a tenth of a rate or schedule to the whole of it.

    `WarmUp(Cosine(rate, epochs, start=5), 5)` rises to the rate for five epochs, then falls along half a cosine.

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
