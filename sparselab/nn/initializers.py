"""Initial values of links. A link that grows later gets its value from the same distribution, as in SET.

`fan="width"` scales by the layer's widths, as the paper does; `fan="links"` by each neuron's own number of incoming links,
without which signals vanish in networks with few links a neuron. Your own initializer is a function
(topology, rng, dtype, slots) that returns values.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..topology.topology import Topology
from ..utils import checks

Initializer: TypeAlias = Callable[..., NDArray[np.floating]]


@dataclass(frozen=True)
class _Scaled:
    """Values uniform in ±limit, where the limit depends on the fan."""

    fan: str = "width"

    def __post_init__(self) -> None:
        checks.choice("fan", self.fan, ("width", "links"))

    def limit(self, fan_in: float | NDArray[np.integer], n_out: int) -> NDArray[np.floating]:
        """Return half the width of the interval.

        Parameters
        ----------
        fan_in : int or ndarray of int
            Number of inputs, of the layer or of each neuron.
        n_out : int
            Number of outputs of the layer.

        Returns
        -------
        float or ndarray
            The limit, in the shape of `fan_in`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define limit")

    def __call__(
        self,
        topology: Topology,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        slots: NDArray[np.integer] | None = None,
    ) -> NDArray[np.floating]:
        """Draw values of links.

        Parameters
        ----------
        topology : Topology
            Links of the layer.
        rng : numpy.random.Generator
            Source of randomness.
        dtype : dtype, default float32
            Type of the values, float32 or float64.
        slots : ndarray of int, optional
            Links that need a value; by default all.

        Returns
        -------
        ndarray
            One value for each of the links.
        """
        values = rng.random(topology.nnz if slots is None else len(slots), dtype=dtype_of(dtype))
        values = np.multiply(values, 2, out=values)
        values -= 1
        if self.fan == "width":
            values *= dtype_of(dtype)(self.limit(topology.n_in, topology.n_out))
        else:
            values *= self.limit(_fan_in(topology, slots), topology.n_out).astype(dtype)
        return values


def dtype_of(dtype: DTypeLike) -> Any:
    """Return the scalar type of a dtype.

    Parameters
    ----------
    dtype : dtype
        A numpy type, dtype or name.

    Returns
    -------
    type
        The class, such as numpy.float32.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.initializers.dtype_of("float32").__name__
    'float32'
    """
    return np.dtype(dtype).type


def fan_in_at(topology: Topology, slots: NDArray[np.integer]) -> NDArray[np.int64]:
    """Count the incoming links of the output neurons of some links.

    Parameters
    ----------
    topology : Topology
        The links.
    slots : ndarray of int
        Slots of links.

    Returns
    -------
    ndarray
        For each of these links the fan-in of its output neuron.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.initializers.fan_in_at(sl.Topology.dense(2, 3), np.array([0, 5])).tolist()
    [3, 3]
    """
    rows = np.searchsorted(topology.indptr, slots, side="right") - 1
    return topology.fan_in[rows]


def _fan_in(topology, slots):
    return np.repeat(topology.fan_in, topology.fan_in) if slots is None else fan_in_at(topology, slots)


def _normal(topology, rng, dtype, slots, variance):
    values = rng.standard_normal(topology.nnz if slots is None else len(slots), dtype=dtype_of(dtype))
    return np.multiply(values, np.sqrt(variance).astype(dtype), out=values)


@dataclass(frozen=True)
class HeUniform(_Scaled):
    """Uniform in ±sqrt(6 / n_in) (He et al. 2015).

    Parameters
    ----------
    fan : {"width", "links"}, default "width"
        Whether n_in is the width of the layer before, as in the paper, or each neuron's number of incoming links.

    Raises
    ------
    TypeError, ValueError
        If `fan` is not one of these names.

    References
    ----------
    He, Zhang, Ren, Sun (2015), "Delving Deep into Rectifiers", arXiv 1502.01852.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> values = sl.HeUniform()(sl.Topology.dense(2, 6), np.random.default_rng(0))
    >>> values.shape, bool((np.abs(values) <= 1).all())
    ((12,), True)
    """

    def limit(self, fan_in: float | NDArray[np.integer], n_out: int) -> NDArray[np.floating]:
        """Return half the width of the interval.

        Parameters
        ----------
        fan_in : int or ndarray of int
            Number of inputs, of the layer or of each neuron.
        n_out : int
            Number of outputs of the layer.

        Returns
        -------
        float or ndarray
            The limit sqrt(6 / fan_in).
        """
        return np.sqrt(6 / np.maximum(fan_in, 1))


@dataclass(frozen=True)
class XavierUniform(_Scaled):
    """Uniform in ±sqrt(6 / (n_in + n_out)) (Glorot & Bengio 2010).

    Parameters
    ----------
    fan : {"width", "links"}, default "width"
        Whether n_in is the width of the layer before, as in the paper, or each neuron's number of incoming links.

    Raises
    ------
    TypeError, ValueError
        If `fan` is not one of these names.

    References
    ----------
    Glorot, Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks", AISTATS.

    Examples
    --------
    >>> import sparselab as sl
    >>> float(sl.XavierUniform().limit(4, 2))
    1.0
    """

    def limit(self, fan_in: float | NDArray[np.integer], n_out: int) -> NDArray[np.floating]:
        """Return half the width of the interval.

        Parameters
        ----------
        fan_in : int or ndarray of int
            Number of inputs, of the layer or of each neuron.
        n_out : int
            Number of outputs of the layer.

        Returns
        -------
        float or ndarray
            The limit sqrt(6 / (fan_in + n_out)).
        """
        return np.sqrt(6 / (np.maximum(fan_in, 1) + n_out))


MAX_DEVIATION = 1e30  # samples many deviations from 0 still fit into float32


@dataclass(frozen=True)
class Normal:
    """Normally distributed with mean 0.

    Parameters
    ----------
    deviation : float, default 0.1
        Standard deviation, in (0, 1e30].

    Raises
    ------
    TypeError, ValueError
        If `deviation` is not such a number.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.Normal(0.1)(sl.Topology.dense(2, 3), np.random.default_rng(0)).shape
    (6,)
    """

    deviation: float = 0.1

    def __post_init__(self) -> None:
        allowed = f"a number > 0, at most {MAX_DEVIATION:g}"
        checks.number("deviation", self.deviation, allowed, low=0, open_low=True, high=MAX_DEVIATION)

    def __call__(
        self,
        topology: Topology,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        slots: NDArray[np.integer] | None = None,
    ) -> NDArray[np.floating]:
        """Draw values of links.

        Parameters
        ----------
        topology : Topology
            Links of the layer.
        rng : numpy.random.Generator
            Source of randomness.
        dtype : dtype, default float32
            Type of the values, float32 or float64.
        slots : ndarray of int, optional
            Links that need a value; by default all.

        Returns
        -------
        ndarray
            One value for each of the links.
        """
        n = topology.nnz if slots is None else len(slots)
        return rng.standard_normal(n, dtype=dtype_of(dtype)) * dtype_of(dtype)(self.deviation)


@dataclass(frozen=True)
class HeNormal:
    """Normally distributed with variance 2 / n_in (He et al. 2015), also known as Kaiming normal.

    Parameters
    ----------
    fan : {"width", "links"}, default "width"
        Whether n_in is the width of the layer before, as in the paper, or each neuron's number of incoming links.

    Raises
    ------
    TypeError, ValueError
        If `fan` is not one of these names.

    References
    ----------
    He, Zhang, Ren, Sun (2015), "Delving Deep into Rectifiers", arXiv 1502.01852.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.initializers.HeNormal()(sl.Topology.dense(2, 6), np.random.default_rng(0)).shape
    (12,)
    """

    fan: str = "width"

    def __post_init__(self) -> None:
        checks.choice("fan", self.fan, ("width", "links"))

    def __call__(
        self,
        topology: Topology,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        slots: NDArray[np.integer] | None = None,
    ) -> NDArray[np.floating]:
        """Draw values of links.

        Parameters
        ----------
        topology : Topology
            Links of the layer.
        rng : numpy.random.Generator
            Source of randomness.
        dtype : dtype, default float32
            Type of the values, float32 or float64.
        slots : ndarray of int, optional
            Links that need a value; by default all.

        Returns
        -------
        ndarray
            One value for each of the links.
        """
        fan_in = topology.n_in if self.fan == "width" else _fan_in(topology, slots)
        return _normal(topology, rng, dtype, slots, 2 / fan_in)


@dataclass(frozen=True)
class SWI:
    """Normally distributed with variance 2 / (density · n_out): 2 divided by the mean number of outgoing links of an input.

    So the code of CHT starts its sparse layers (sparse weight initialization).

    References
    ----------
    Zhang et al. (2024), "Epitopological learning and Cannistraci-Hebb network shape intelligence brain-inspired theory for
    ultra-sparse advantage in deep learning", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.SWI()(sl.erdos_renyi(20, 30, density=0.1, exact=True, seed=0), np.random.default_rng(0)).shape
    (60,)
    """

    def __call__(
        self,
        topology: Topology,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        slots: NDArray[np.integer] | None = None,
    ) -> NDArray[np.floating]:
        """Draw values of links.

        Parameters
        ----------
        topology : Topology
            Links of the layer.
        rng : numpy.random.Generator
            Source of randomness.
        dtype : dtype, default float32
            Type of the values, float32 or float64.
        slots : ndarray of int, optional
            Links that need a value; by default all.

        Returns
        -------
        ndarray
            One value for each of the links.
        """
        return _normal(topology, rng, dtype, slots, 2 * topology.n_in / max(1, topology.nnz))


@dataclass(frozen=True)
class GradientFlow:
    """Normally distributed with variance 1 / fan, where the fan of each link is counted in links of its own neurons.

    Parameters
    ----------
    fan : {"in", "out", "mean"}, default "in"
        The number of links into the output of a link, the number of links out of its input, or the mean of both.

    Raises
    ------
    TypeError, ValueError
        If `fan` is not one of these names.

    References
    ----------
    Evci et al. (2022), "Gradient Flow in Sparse Neural Networks and How Lottery Tickets Win", arXiv 2010.03533.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.GradientFlow("mean")(sl.erdos_renyi(20, 30, density=0.1, exact=True, seed=0), np.random.default_rng(0)).shape
    (60,)
    """

    fan: str = "in"

    def __post_init__(self) -> None:
        checks.choice("fan", self.fan, ("in", "out", "mean"))

    def __call__(
        self,
        topology: Topology,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        slots: NDArray[np.integer] | None = None,
    ) -> NDArray[np.floating]:
        """Draw values of links.

        Parameters
        ----------
        topology : Topology
            Links of the layer.
        rng : numpy.random.Generator
            Source of randomness.
        dtype : dtype, default float32
            Type of the values, float32 or float64.
        slots : ndarray of int, optional
            Links that need a value; by default all.

        Returns
        -------
        ndarray
            One value for each of the links.
        """
        fan_in = _fan_in(topology, slots) if self.fan != "out" else 0
        fan_out = topology.fan_out[topology.indices if slots is None else topology.indices[slots]] if self.fan != "in" else 0
        return _normal(topology, rng, dtype, slots, (2 if self.fan == "mean" else 1) / (fan_in + fan_out))


@dataclass(frozen=True)
class DensityScaled:
    """The values of a dense layer, divided by the square root of the density: outputs vary as those of a dense layer, on average.

    Each link has the variance of the dense layer / density, the same in the whole layer; `GradientFlow` counts the links of
    each neuron instead.

    Parameters
    ----------
    dense : {"he_normal", "he_uniform", "xavier_uniform", "normal"}, default "he_normal"
        How a dense layer is initialized, by its widths.

    Raises
    ------
    TypeError, ValueError
        If `dense` is not one of these names.

    References
    ----------
    Evci et al. (2022), "Gradient Flow in Sparse Neural Networks and How Lottery Tickets Win", arXiv 2010.03533.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> topology = sl.erdos_renyi(20, 30, density=0.25, exact=True, seed=0)
    >>> values = [one(topology, np.random.default_rng(0)) for one in (sl.DensityScaled(), sl.HeNormal())]
    >>> bool(np.allclose(values[0], 2 * values[1]))
    True
    """

    dense: str = "he_normal"

    def __post_init__(self) -> None:
        checks.choice("dense", self.dense, DENSE)

    def __call__(
        self,
        topology: Topology,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        slots: NDArray[np.integer] | None = None,
    ) -> NDArray[np.floating]:
        """Draw values of links.

        Parameters
        ----------
        topology : Topology
            Links of the layer.
        rng : numpy.random.Generator
            Source of randomness.
        dtype : dtype, default float32
            Type of the values, float32 or float64.
        slots : ndarray of int, optional
            Links that need a value; by default all.

        Returns
        -------
        ndarray
            One value for each of the links.
        """
        values = DENSE[self.dense]()(topology, rng, dtype, slots)
        return np.divide(values, dtype_of(dtype)(math.sqrt(topology.density or 1)), out=values)


DENSE: dict[str, type] = {
    "he_normal": HeNormal, "he_uniform": HeUniform, "xavier_uniform": XavierUniform, "normal": Normal,
}  # fmt: skip
NAMES: dict[str, type] = {
    "he_uniform": HeUniform, "xavier_uniform": XavierUniform, "normal": Normal, "he_normal": HeNormal, "swi": SWI,
    "gradient_flow": GradientFlow, "density_scaled": DensityScaled,
}  # fmt: skip


def get(initializer: str | type | Initializer, **parameters: float | str) -> Initializer:
    """Return an initializer from a name, a class or an object.

    Parameters
    ----------
    initializer : str, type or callable
        One of the names in `NAMES`, a class that needs no arguments, or a function (topology, rng, dtype, slots).
    **parameters : float or str
        Arguments of the class, where a name is given: `fan`, `deviation` or `dense`.

    Returns
    -------
    callable
        The initializer.

    Raises
    ------
    TypeError, ValueError
        If `initializer` is none of these, or arguments are given beside what is no name.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.initializers.get("he_uniform", fan="links")
    HeUniform(fan='links')
    """
    if isinstance(initializer, str):
        return NAMES[checks.choice("initializer", initializer, NAMES)](**parameters)
    if parameters:
        checks.fail("initializer", initializer, f"a name, beside the arguments {list(parameters)}", TypeError)
    if isinstance(initializer, type):
        initializer = checks.instance("initializer", initializer)
    if not callable(initializer):
        checks.fail("initializer", initializer, f"one of {list(NAMES)} or a function (topology, rng, dtype, slots)", TypeError)
    return initializer


def describe(initializer: Any) -> dict[str, Any]:
    """Describe a built-in initializer by plain values, as files store it.

    Parameters
    ----------
    initializer : callable
        One of the classes of this module.

    Returns
    -------
    dict
        "name" and the parameters, which `get` turns back into the object.

    Raises
    ------
    ValueError
        If the initializer is your own: it cannot be stored by name.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.initializers.describe(sl.Normal(0.1))
    {'name': 'normal', 'deviation': 0.1}
    """
    for name, kind in NAMES.items():
        if type(initializer) is kind:
            return {"name": name, **vars(initializer)}
    checks.fail("initializer", initializer, f"one of {list(NAMES)}: a plug-in cannot be stored by name")
