"""Activation functions as small objects: two slopes where that is all there is (fused into the kernels), else arrays.

A plug-in is any object with `forward(Z) -> Y` and `gradient(Z) -> dY/dZ` on (neurons, W) tiles; `at(depth)` and `slopes` are
optional. Depth counts hidden layers from 1.
"""

from dataclasses import asdict, dataclass

import numpy as np

from ..utils import checks


class Slopes:
    """A piecewise-linear activation: left·z for z <= 0, right·z for z > 0."""

    @property
    def slopes(self):
        """(left, right)."""
        raise NotImplementedError(f"{type(self).__name__} must define slopes")

    def at(self, depth):
        """The activation of hidden layer `depth` = 1, 2, …"""
        return self

    def forward(self, Z):
        left, right = self.slopes
        return np.where(Z > 0, Z * Z.dtype.type(right), Z * Z.dtype.type(left))

    def gradient(self, Z):
        left, right = self.slopes
        return np.where(Z > 0, Z.dtype.type(right), Z.dtype.type(left))


@dataclass(frozen=True)
class FixedSlopes(Slopes):
    """The same two slopes in every layer."""

    left: float
    right: float = 1.0

    def __post_init__(self):
        for name in ("left", "right"):
            checks.finite_float32(name, getattr(self, name))

    @property
    def slopes(self):
        return self.left, self.right


@dataclass(frozen=True)
class AllReLU(Slopes):
    """All-ReLU, the alternated left ReLU (Curci et al. 2021, eq. 3): contribution 2 of the paper.

    f(z) = z for z > 0; for z <= 0 the slope is −alpha in the first, third, … hidden layer and +alpha in the second, fourth, …
    alpha is not trained. alpha = 0 is ReLU.
    """

    alpha: float = 0.6

    def __post_init__(self):
        checks.finite_float32("alpha", self.alpha, low=0)

    @property
    def slopes(self):
        """Those of the first hidden layer."""
        return self.at(1).slopes

    def at(self, depth):
        return FixedSlopes(-self.alpha if depth % 2 else self.alpha)


@dataclass(frozen=True)
class ReLU(Slopes):
    """max(z, 0)."""

    slopes = (0.0, 1.0)


@dataclass(frozen=True)
class LeakyReLU(Slopes):
    """z for z > 0 else alpha·z, in every layer."""

    alpha: float = 0.6

    def __post_init__(self):
        checks.finite_float32("alpha", self.alpha, low=0)

    @property
    def slopes(self):
        return self.alpha, 1.0


@dataclass(frozen=True)
class AllNegative(Slopes):
    """The control that was never published: left slope −alpha in every layer, no alternation."""

    alpha: float = 0.6

    def __post_init__(self):
        checks.finite_float32("alpha", self.alpha, low=0)

    @property
    def slopes(self):
        return -self.alpha, 1.0


@dataclass(frozen=True)
class Identity(Slopes):
    """z: a linear layer."""

    slopes = (1.0, 1.0)


@dataclass(frozen=True)
class Tanh:
    """tanh(z)."""

    slopes = None

    def at(self, depth):
        return self

    def forward(self, Z):
        return np.tanh(Z)

    def gradient(self, Z):
        return 1 - np.tanh(Z) ** 2


NAMES = {
    "all_relu": AllReLU,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "all_negative": AllNegative,
    "tanh": Tanh,
    "identity": Identity,
}


def get(activation, **parameters):
    """An activation object from an object, a class or one of the names in NAMES; raises naming the argument."""
    if isinstance(activation, str):
        activation = NAMES[checks.choice("activation", activation, NAMES)](**parameters)
    elif isinstance(activation, type):
        activation = checks.instance("activation", activation)
    if not (callable(getattr(activation, "forward", None)) and callable(getattr(activation, "gradient", None))):
        checks.fail("activation", activation, f"one of {list(NAMES)} or an object with forward(Z) and gradient(Z)", TypeError)
    return activation


def at(activation, depth):
    """The activation of hidden layer `depth`; plug-ins without `at` are the same everywhere."""
    return activation.at(depth) if hasattr(activation, "at") else activation


def slopes(activation):
    """(left, right), or None where one more pass over the tile is needed."""
    return getattr(activation, "slopes", None)


def takes_alpha(name):
    """Whether the activation of this name has a slope alpha."""
    return hasattr(NAMES.get(name), "alpha")


def describe(activation):
    """{"name": …, parameters}: what `get` turns back into the object; ValueError for a plug-in, which cannot be stored."""
    for name, kind in NAMES.items():
        if type(activation) is kind:
            return {"name": name, **asdict(activation)}
    checks.fail("activation", activation, f"one of {list(NAMES)}: a plug-in cannot be stored by name")
