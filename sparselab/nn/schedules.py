"""Learning rates, and shares such as zeta, as pure functions of the epoch (a float: 2.5 is half way through the third)."""

import math
from dataclasses import dataclass

from ..utils import checks


@dataclass(frozen=True)
class Constant:
    """Always `rate`."""

    rate: float

    def __post_init__(self):
        checks.positive("rate", self.rate)

    def __call__(self, epoch):
        return self.rate


@dataclass(frozen=True)
class Step:
    """rate · factor^(number of whole `every` epochs)."""

    rate: float
    every: int
    factor: float = 0.9

    def __post_init__(self):
        checks.positive("rate", self.rate)
        checks.integer("every", self.every)
        checks.positive("factor", self.factor)

    def __call__(self, epoch):
        return self.rate * self.factor ** (int(epoch) // self.every)


@dataclass(frozen=True)
class Cosine:
    """From `rate` to `final` along half a cosine of `epochs` epochs, then `final` (Loshchilov & Hutter 2017)."""

    rate: float
    epochs: int
    final: float = 1e-6

    def __post_init__(self):
        checks.positive("rate", self.rate)
        checks.integer("epochs", self.epochs)
        checks.positive("final", self.final)

    def __call__(self, epoch):
        share = min(epoch / self.epochs, 1)
        return self.final + (self.rate - self.final) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class WarmUp:
    """`after` (a rate or a schedule), climbing linearly from a tenth of it over the first `epochs` epochs."""

    after: object
    epochs: float = 5

    def __post_init__(self):
        get(self.after, "after")
        checks.positive("epochs", self.epochs)

    def __call__(self, epoch):
        return get(self.after)(epoch) * (0.1 + 0.9 * min(epoch / self.epochs, 1))


@dataclass(frozen=True)
class Until:
    """`before` (a number or a schedule) until epoch `stop`, 0 from then on: for a zeta, so that the topology comes to rest."""

    before: object
    stop: int

    def __post_init__(self):
        get(self.before, "before")
        checks.integer("stop", self.stop, low=0)

    def __call__(self, epoch):
        return get(self.before)(epoch) if epoch < self.stop else 0.0


def get(rate, name="learning_rate"):
    """A schedule from a number or a schedule."""
    return rate if callable(rate) else Constant(checks.positive(name, rate))
