"""Activations with trained values: vectors with one value for each neuron, which get gradients and are updated like biases.

An activation names its values (`trained`) and is itself immutable; the values belong to a layer (`SparseLinear.values`), and
`bind` puts both together. TAAF, which is made of another activation, is in activations.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..utils import checks
from .protocols import Activation

MAX_VALUES = 16  # trained values of a neuron
METHODS = "start_values", "forward", "gradient", "value_gradients"


class Trained:
    """Base class of the activations here: `trained` names the values that each neuron has.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SReLU.trained
    ('t_l', 'a_l', 'p', 'a_r')
    """

    slopes = None
    trained: tuple[str, ...] = ()

    def at(self, depth: int) -> Self:
        """Return the activation of one hidden layer.

        Parameters
        ----------
        depth : int
            Number of the hidden layer, 1 for the first one.

        Returns
        -------
        Trained
            This object: only the values differ from layer to layer.
        """
        return self

    def _given(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values; TypeError unless there are as many as names."""
        if len(values) != len(self.trained):
            checks.fail("values", f"{len(values)} of them", f"{', '.join(self.trained)}, those of {self!r}", TypeError)
        return values


@dataclass(frozen=True)
class PReLU(Trained):
    """The rectifier with a trained slope: z for z > 0, else a · z, with a value of a for each neuron.

    Parameters
    ----------
    slope : float, default 0.25
        The slope a at the start.

    Raises
    ------
    TypeError, ValueError
        If `slope` is not a finite float32 number.

    References
    ----------
    He, Zhang, Ren, Sun (2015), "Delving deep into rectifiers", arXiv 1502.01852.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.PReLU().forward(np.array([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """

    slope: float = 0.25

    trained = ("a",)

    def __post_init__(self) -> None:
        checks.finite_float32("slope", self.slope)

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
            The slopes (n,).
        """
        return [np.full(n, self.slope)]

    def forward(self, Z: NDArray[np.floating], *values: Any) -> NDArray[np.floating]:
        """Compute the outputs of neurons.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).
        *values : array_like
            The slopes a, (neurons, 1), or a number.

        Returns
        -------
        ndarray
            The values f(Z), in the shape of Z.
        """
        (a,) = self._given(values)
        return np.where(Z > 0, Z, a * Z)

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
            The values f'(Z), in the shape of Z.
        """
        (a,) = self._given(values)
        return np.where(Z > 0, Z.dtype.type(1), a)

    def value_gradients(self, Z: NDArray[np.floating], *values: Any) -> Sequence[NDArray[np.floating]]:
        """Compute the derivative by the slope.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).
        *values : array_like
            As for `forward`.

        Returns
        -------
        list of ndarray
            The derivative ∂f/∂a, in the shape of Z.
        """
        self._given(values)
        return [np.minimum(Z, 0)]


@dataclass(frozen=True)
class SReLU(Trained):
    """The S-shaped rectifier: three linear pieces, with four trained values for each neuron.

    f(z) = t_r + a_r (z − t_r) for z >= t_r, t_l + a_l (z − t_l) for z <= t_l, else z, where t_r = t_l + |p|. Neurons start with
    t_l = 0, a_r = 1, and a_l and p drawn from U(0, 1) and U(0, 5).

    References
    ----------
    Jin et al. (2016), "Deep learning with S-shaped rectified linear activation units", arXiv 1512.07030.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.SReLU().forward(np.array([-2.0, 0.5, 3.0]), 0.0, 0.1, 1.0, 2.0).tolist()
    [-0.2, 0.5, 5.0]
    """

    trained = ("t_l", "a_l", "p", "a_r")

    def start_values(self, n: int, rng: np.random.Generator) -> Sequence[ArrayLike]:
        """Return the values at the start.

        Parameters
        ----------
        n : int
            Number of neurons.
        rng : numpy.random.Generator
            Source of a_l and p.

        Returns
        -------
        list of ndarray
            The values t_l, a_l, p and a_r, (n,) each.
        """
        return [np.zeros(n), rng.random(n), 5 * rng.random(n), np.ones(n)]

    def forward(self, Z: NDArray[np.floating], *values: Any) -> NDArray[np.floating]:
        """Compute the outputs of neurons.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).
        *values : array_like
            The values t_l, a_l, p and a_r, (neurons, 1) each, or numbers.

        Returns
        -------
        ndarray
            The values f(Z), in the shape of Z.
        """
        t_l, a_l, p, a_r = self._given(values)
        t_r = t_l + np.abs(p)
        return np.where(Z >= t_r, t_r + a_r * (Z - t_r), np.where(Z <= t_l, t_l + a_l * (Z - t_l), Z))

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
            The values f'(Z), in the shape of Z.
        """
        t_l, a_l, p, a_r = self._given(values)
        return np.where(Z >= t_l + np.abs(p), a_r, np.where(Z <= t_l, a_l, Z.dtype.type(1)))

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
            The derivatives ∂f/∂t_l, ∂f/∂a_l, ∂f/∂p and ∂f/∂a_r, each in the shape of Z.
        """
        t_l, a_l, p, a_r = self._given(values)
        t_r, zero = t_l + np.abs(p), Z.dtype.type(0)
        right = Z >= t_r
        left = (Z <= t_l) & ~right
        return [
            np.where(right, 1 - a_r, np.where(left, 1 - a_l, zero)),
            np.where(left, Z - t_l, zero),
            np.where(right, (1 - a_r) * np.sign(p), zero),
            np.where(right, Z - t_r, zero),
        ]


class Bound:
    """The activation of one layer together with its trained values, with the methods of `protocols.Activation`.

    Parameters
    ----------
    activation : Activation
        An activation with trained values.
    values : ndarray
        The values (k, neurons); not copied.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 3, 2), activation="prelu", seed=0)
    >>> model.hidden[0].forward(np.full((3, 1), -4.0, np.float32)).tolist()
    [[-1.0], [-1.0], [-1.0]]
    """

    slopes = None

    def __init__(self, activation: Any, values: NDArray[np.floating]) -> None:
        self.activation, self.values = activation, values
        self.biases = getattr(activation, "biases", True)  # whether those of its neurons are trained

    @property
    def columns(self) -> NDArray[np.floating]:
        """The values (k, neurons, 1), as the activation takes them."""
        return self.values[:, :, None]

    def forward(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute the outputs of neurons.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).

        Returns
        -------
        ndarray
            The values f(Z), in the shape of Z.
        """
        result: NDArray[np.floating] = self.activation.forward(Z, *self.columns)
        return result

    def gradient(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute the derivative by Z.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).

        Returns
        -------
        ndarray
            The values f'(Z), in the shape of Z.
        """
        result: NDArray[np.floating] = self.activation.gradient(Z, *self.columns)
        return result

    def value_gradients(self, Z: NDArray[np.floating]) -> Sequence[NDArray[np.floating]]:
        """Compute the derivatives by the values.

        Parameters
        ----------
        Z : ndarray
            Inputs of the activation, (neurons, samples).

        Returns
        -------
        list of ndarray
            The derivatives ∂f/∂v for each of the k values v, in the shape of Z.

        Raises
        ------
        ValueError
            If there are not k arrays of this shape.
        """
        parts = list(self.activation.value_gradients(Z, *self.columns))
        if [np.shape(part) for part in parts] != [Z.shape] * len(self.values):
            shapes, allowed = [np.shape(part) for part in parts], f"{len(self.values)} arrays of the shape of Z, {Z.shape}"
            raise ValueError(f"{self!r}.value_gradients gave shapes {shapes}: must be {allowed}")
        return parts

    def __repr__(self) -> str:
        return repr(self.activation)


def names(activation: Any) -> tuple[str, ...]:
    """The names of the trained values of an activation; () for one that has none."""
    return tuple(getattr(activation, "trained", ()))


def check(activation: Any) -> None:
    """Raise TypeError or ValueError where an activation names trained values and lacks what they need."""
    found = getattr(activation, "trained", ())
    good = isinstance(found, tuple | list) and all(isinstance(name, str) for name in found)
    if not good or len(set(found)) != len(found) or len(found) > MAX_VALUES:
        checks.fail("activation.trained", found, f"at most {MAX_VALUES} different names of trained values")
    lacking = [name for name in METHODS if found and not callable(getattr(activation, name, None))]
    if lacking:
        checks.fail("activation", activation, f"an object with {', '.join(lacking)}, because it has trained values", TypeError)


def start(activation: Any, n: int, rng: np.random.Generator, dtype: DTypeLike) -> NDArray[np.floating]:
    """The values (k, n) of n neurons at the start, checked; (0, n) for an activation without trained values."""
    check(activation)
    wanted = names(activation)
    given = activation.start_values(n, rng) if wanted else []
    values = np.empty((len(wanted), n), dtype)
    if len(given) != len(wanted) or any(np.shape(vector) != (n,) for vector in given):
        shapes = [np.shape(vector) for vector in given]
        raise ValueError(f"{activation!r}.start_values gave shapes {shapes}: must be {len(wanted)} vectors of shape ({n},)")
    for k, vector in enumerate(given):
        values[k] = vector
        if not np.isfinite(values[k]).all():
            raise ValueError(f"{activation!r}.start_values gave {wanted[k]} that are not finite {values.dtype} numbers")
    return values


def check_values(values: NDArray[np.floating], activation: Any, name: str) -> None:
    """Raise ValueError unless a layer has the trained values of its activation. name: of the layer."""
    wanted = names(activation)
    if len(values) != len(wanted):
        allowed = f"{len(wanted)}, the trained values of {activation!r}" + (f" ({', '.join(wanted)})" if wanted else "")
        checks.fail(f"values of each neuron of {name}", len(values), allowed)


def bind(activation: Activation, values: NDArray[np.floating], number: int) -> Activation:
    """The activation of hidden layer `number` with the values of that layer: itself where there are none."""
    if not len(values) and not names(activation):
        return activation
    check_values(values, activation, f"layer {number}")
    return Bound(activation, values)


def refuse(activation: Any, reason: str) -> None:
    """Raise ValueError for a model's activation with trained values, naming them and the reason."""
    if names(activation):
        allowed = f"one without trained values (this one has {', '.join(names(activation))}): {reason}"
        checks.fail("model.activation", activation, allowed)
