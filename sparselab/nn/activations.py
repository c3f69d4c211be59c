"""Activation functions. Those with two constant slopes are fused into the compiled kernels; others work on whole arrays.

Your own activation is any object with the methods of `protocols.Activation`; `at(depth)` and `slopes` are optional. It may have
trained values (see trained_activations.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils import checks
from . import trained_activations
from .protocols import Activation
from .trained_activations import PReLU, SReLU, Trained


def _floats(Z):
    """Z, as float64 where it is of whole numbers, whose type would cut the slopes."""
    return Z if Z.dtype.kind == "f" else Z.astype(np.float64)


class Slopes:
    """Base class of piecewise linear activations: left · z for z <= 0, right · z for z > 0.

    Subclasses define `slopes`, and `at` where the slopes depend on the layer.

    Examples
    --------
    >>> import sparselab as sl
    >>> isinstance(sl.ReLU(), sl.activations.Slopes)
    True
    """

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes (left, right)."""
        raise NotImplementedError(f"{type(self).__name__} must define slopes")

    def at(self, depth: int) -> "Slopes":
        """Return the activation of one hidden layer.

        Parameters
        ----------
        depth : int
            Number of the hidden layer, 1 for the first one.

        Returns
        -------
        Slopes
            The activation of that layer.
        """
        return self

    def forward(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute the outputs of neurons.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, of any shape.

        Returns
        -------
        ndarray
            The values f(Z), in the shape and dtype of Z.
        """
        (left, right), Z = self.slopes, _floats(Z)
        return np.where(Z > 0, Z * Z.dtype.type(right), Z * Z.dtype.type(left))

    def gradient(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute the derivative.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, of any shape.

        Returns
        -------
        ndarray
            The values f'(Z), in the shape and dtype of Z.
        """
        (left, right), Z = self.slopes, _floats(Z)
        return np.where(Z > 0, Z.dtype.type(right), Z.dtype.type(left))


@dataclass(frozen=True)
class FixedSlopes(Slopes):
    """The same two slopes in every layer.

    Parameters
    ----------
    left : float
        Slope for z <= 0, a finite float32 number.
    right : float, default 1.0
        Slope for z > 0, a finite float32 number.

    Raises
    ------
    TypeError, ValueError
        If a slope is not a finite float32 number.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.FixedSlopes(0.5).forward(np.array([-2.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    left: float
    right: float = 1.0

    def __post_init__(self) -> None:
        for name in ("left", "right"):
            checks.finite_float32(name, getattr(self, name))

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes (left, right)."""
        return self.left, self.right


@dataclass(frozen=True)
class AllReLU(Slopes):
    """All-ReLU, the alternated left ReLU (Curci et al. 2021, eq. 3).

    f(z) = z for z > 0. For z <= 0 the slope is −alpha in the first, third, … hidden layer and +alpha in the second,
    fourth, … one. alpha is not trained.

    Parameters
    ----------
    alpha : float, default 0.6
        Size of the left slope, >= 0; with 0 this is ReLU.

    Raises
    ------
    TypeError, ValueError
        If `alpha` is not a finite float32 number >= 0.

    References
    ----------
    Curci, Mocanu, Pechenizkiy (2021), "Truly Sparse Neural Networks at Scale", arXiv 2102.01732, eq. 3.

    Examples
    --------
    >>> import sparselab as sl
    >>> [sl.AllReLU(0.6).at(depth).slopes for depth in (1, 2, 3)]
    [(-0.6, 1.0), (0.6, 1.0), (-0.6, 1.0)]
    """

    alpha: float = 0.6

    def __post_init__(self) -> None:
        checks.finite_float32("alpha", self.alpha, low=0)

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes (left, right) of the first hidden layer."""
        return self.at(1).slopes

    def at(self, depth: int) -> FixedSlopes:
        """Return the activation of one hidden layer.

        Parameters
        ----------
        depth : int
            Number of the hidden layer, 1 for the first one.

        Returns
        -------
        FixedSlopes
            Left slope −alpha for odd and +alpha for even depths, right slope 1.
        """
        return FixedSlopes(-self.alpha if depth % 2 else self.alpha)


@dataclass(frozen=True)
class ReLU(Slopes):
    """The rectifier: max(z, 0).

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.ReLU().slopes
    (0.0, 1.0)
    """

    slopes = (0.0, 1.0)


@dataclass(frozen=True)
class LeakyReLU(Slopes):
    """The leaky rectifier: z for z > 0, else alpha · z, in every layer.

    Parameters
    ----------
    alpha : float, default 0.6
        Left slope, >= 0.

    Raises
    ------
    TypeError, ValueError
        If `alpha` is not a finite float32 number >= 0.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.LeakyReLU(0.1).slopes
    (0.1, 1.0)
    """

    alpha: float = 0.6

    def __post_init__(self) -> None:
        checks.finite_float32("alpha", self.alpha, low=0)

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes (left, right)."""
        return self.alpha, 1.0


@dataclass(frozen=True)
class AllNegative(Slopes):
    """Left slope −alpha in every layer: All-ReLU without its alternation, as a control experiment.

    Parameters
    ----------
    alpha : float, default 0.6
        Size of the left slope, >= 0.

    Raises
    ------
    TypeError, ValueError
        If `alpha` is not a finite float32 number >= 0.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.AllNegative(0.6).slopes
    (-0.6, 1.0)
    """

    alpha: float = 0.6

    def __post_init__(self) -> None:
        checks.finite_float32("alpha", self.alpha, low=0)

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes (left, right)."""
        return -self.alpha, 1.0


@dataclass(frozen=True)
class Identity(Slopes):
    """No activation: f(z) = z.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.Identity().slopes
    (1.0, 1.0)
    """

    slopes = (1.0, 1.0)


@dataclass(frozen=True)
class Tanh:
    """The hyperbolic tangent.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.Tanh().forward(np.zeros(2)).tolist()
    [0.0, 0.0]
    """

    slopes = None

    def at(self, depth: int) -> Self:
        """Return the activation of one hidden layer.

        Parameters
        ----------
        depth : int
            Number of the hidden layer, 1 for the first one.

        Returns
        -------
        Tanh
            This object: it is the same in every layer.
        """
        return self

    def forward(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute the outputs of neurons.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, of any shape.

        Returns
        -------
        ndarray
            The hyperbolic tangent of Z, in its shape and dtype.
        """
        return np.tanh(Z)

    def gradient(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute the derivative.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, of any shape.

        Returns
        -------
        ndarray
            1 − tanh²(Z), in the shape and dtype of Z.
        """
        return 1 - np.tanh(Z) ** 2


@dataclass(frozen=True)
class TAAF(Trained):
    """Transformative adaptive activation function: α f(β z + γ) + δ, with four trained values for each neuron.

    Neurons start with α = β = 1 and γ = δ = 0, so that it is f at first. Its authors leave out the biases, which γ stands for:
    `biases=False`.

    Parameters
    ----------
    function : str, type or Activation, default "tanh"
        The function f, as for `get`; one without trained values. It is stored as an object.
    biases : bool, default True
        Whether the biases of these neurons are trained; else they stay 0, but for what is put into them where inputs are removed.

    Raises
    ------
    TypeError, ValueError
        If `function` is no activation, or has trained values itself; if `biases` is no bool.

    References
    ----------
    Kunc, Kléma (2021), "On transformative adaptive activation functions in neural networks for gene expression inference",
    PLOS ONE 16.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.TAAF("relu").forward(np.array([-1.0, 2.0]), 3.0, 0.5, 1.0, -1.0).tolist()
    [0.5, 5.0]
    """

    function: str | type | Activation = "tanh"
    biases: bool = True

    trained = ("alpha", "beta", "gamma", "delta")

    def __post_init__(self) -> None:
        function = get(self.function)
        if trained_activations.names(function):
            checks.fail("function", self.function, "an activation without trained values of its own")
        object.__setattr__(self, "function", function)
        checks.flag("biases", self.biases)

    def at(self, depth: int) -> "TAAF":
        """Return the activation of one hidden layer.

        Parameters
        ----------
        depth : int
            Number of the hidden layer, 1 for the first one.

        Returns
        -------
        TAAF
            The same with the function of that layer.
        """
        return TAAF(at(get(self.function), depth), self.biases)

    def start_values(self, n: int, rng: np.random.Generator) -> Sequence[ArrayLike]:
        """Return the values at the start.

        Parameters
        ----------
        n : int
            Number of neurons.
        rng : numpy.random.Generator
            Not used.

        Returns
        -------
        list of ndarray
            The values α, β, γ and δ, (n,) each.
        """
        return [np.ones(n), np.ones(n), np.zeros(n), np.zeros(n)]

    def forward(self, Z: NDArray[np.floating], *values: Any) -> NDArray[np.floating]:
        """Compute the outputs of neurons.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).
        *values : array_like
            The values α, β, γ and δ, (neurons, 1) each, or numbers.

        Returns
        -------
        ndarray
            The values α f(β Z + γ) + δ, in the shape of Z.
        """
        alpha, beta, gamma, delta = self._given(values)
        result: NDArray[np.floating] = alpha * get(self.function).forward(beta * Z + gamma) + delta
        return result

    def gradient(self, Z: NDArray[np.floating], *values: Any) -> NDArray[np.floating]:
        """Compute the derivative by Z.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).
        *values : array_like
            As for `forward`.

        Returns
        -------
        ndarray
            The values α β f'(β Z + γ), in the shape of Z.
        """
        alpha, beta, gamma, _ = self._given(values)
        result: NDArray[np.floating] = alpha * beta * get(self.function).gradient(beta * Z + gamma)
        return result

    def value_gradients(self, Z: NDArray[np.floating], *values: Any) -> Sequence[NDArray[np.floating]]:
        """Compute the derivatives by the four values.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).
        *values : array_like
            As for `forward`.

        Returns
        -------
        list of ndarray
            The derivatives by α, β, γ and δ, each in the shape of Z.
        """
        alpha, beta, gamma, _ = self._given(values)
        inner, f = beta * Z + gamma, get(self.function)
        slope = alpha * f.gradient(inner)
        return [f.forward(inner), slope * Z, slope, np.ones_like(Z)]


NAMES: dict[str, type] = {
    "all_relu": AllReLU,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "all_negative": AllNegative,
    "tanh": Tanh,
    "identity": Identity,
    "prelu": PReLU,
    "srelu": SReLU,
    "taaf": TAAF,
}


def get(activation: str | type | Activation | dict[str, Any], **parameters: Any) -> Activation:
    """Return an activation object from a name, a class or an object.

    Parameters
    ----------
    activation : str, type, Activation or dict
        One of the names in `NAMES`, a class that needs no arguments, an object with `forward(Z)` and `gradient(Z)`, or what
        `describe` returns.
    **parameters : Any
        Arguments of the class, where a name is given: `alpha`.

    Returns
    -------
    Activation
        The object.

    Raises
    ------
    TypeError, ValueError
        If `activation` is none of these, or arguments are given beside what is no name.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.activations.get("leaky_relu", alpha=0.1)
    LeakyReLU(alpha=0.1)
    """
    found: Any = activation
    if isinstance(found, dict) and "name" in found:
        return get(found["name"], **{key: value for key, value in found.items() if key != "name"})
    if isinstance(found, str):
        found = NAMES[checks.choice("activation", found, NAMES)](**parameters)
    elif parameters:
        checks.fail("activation", found, f"a name, beside the arguments {list(parameters)}", TypeError)
    elif isinstance(found, type):
        found = checks.instance("activation", found)
    if not (callable(getattr(found, "forward", None)) and callable(getattr(found, "gradient", None))):
        checks.fail("activation", found, f"one of {list(NAMES)} or an object with forward(Z) and gradient(Z)", TypeError)
    trained_activations.check(found)
    return found


def at(activation: Activation, depth: int) -> Activation:
    """Return the activation of one hidden layer.

    Parameters
    ----------
    activation : Activation
        The activation of a network.
    depth : int
        Number of the hidden layer, 1 for the first one.

    Returns
    -------
    Activation
        `activation.at(depth)`, or `activation` itself where it has no method `at`.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.activations.at(sl.AllReLU(0.6), 2)
    FixedSlopes(left=0.6, right=1.0)
    """
    return activation.at(depth) if hasattr(activation, "at") else activation


def slopes(activation: Activation) -> tuple[float, float] | None:
    """Return the slopes of a piecewise linear activation.

    Parameters
    ----------
    activation : Activation
        An activation of one layer.

    Returns
    -------
    tuple of float or None
        (left, right), or None for an activation that the kernels cannot fuse.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.activations.slopes(sl.Tanh()) is None
    True
    """
    return None if trained_activations.names(activation) else getattr(activation, "slopes", None)


def takes_alpha(name: str) -> bool:
    """Tell whether the activation of some name has a parameter alpha.

    Parameters
    ----------
    name : str
        A name in `NAMES`; others have none.

    Returns
    -------
    bool
        Whether it has.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.activations.takes_alpha("all_relu"), sl.activations.takes_alpha("tanh")
    (True, False)
    """
    return hasattr(NAMES.get(name), "alpha")


def describe(activation: Any) -> dict[str, Any]:
    """Describe a built-in activation by plain values, as files store it.

    Parameters
    ----------
    activation : Activation
        One of the classes of this module.

    Returns
    -------
    dict
        "name" and the parameters, which `get` turns back into the object.

    Raises
    ------
    ValueError
        If the activation is your own: it cannot be stored by name.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.activations.describe(sl.AllReLU(0.6))
    {'name': 'all_relu', 'alpha': 0.6}
    """
    for name, kind in NAMES.items():
        if type(activation) is kind:
            plain = lambda value: describe(value) if hasattr(value, "forward") else value
            return {"name": name, **{key: plain(value) for key, value in vars(activation).items()}}
    checks.fail("activation", activation, f"one of {list(NAMES)}: a plug-in cannot be stored by name")
