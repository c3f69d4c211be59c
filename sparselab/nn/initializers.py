"""First values of links. A new link's value comes from the same distribution as the first ones (SET).

`fan="width"` scales by the layer's widths, as the paper does; `fan="links"` by each neuron's actual number of incoming links,
without which signals vanish in very thin layers.
"""

from dataclasses import asdict, dataclass

import numpy as np

from ..utils import checks


@dataclass(frozen=True)
class _Scaled:
    """Values uniform in ±limit, the limit given by the fan."""

    fan: str = "width"

    def __post_init__(self):
        checks.choice("fan", self.fan, ("width", "links"))

    def limit(self, fan_in, n_out):
        """Half-width of the interval for neurons with `fan_in` inputs in a layer of n_out outputs."""
        raise NotImplementedError(f"{type(self).__name__} must define limit")

    def __call__(self, topology, rng, dtype=np.float32, slots=None):
        """Values of the links in `slots` (default all), (n,) of `dtype`."""
        values = rng.random(topology.nnz if slots is None else len(slots), dtype=dtype)
        values = np.multiply(values, 2, out=values)
        values -= 1
        if self.fan == "width":
            values *= dtype_of(dtype)(self.limit(topology.n_in, topology.n_out))
        else:
            fan_in = np.repeat(topology.fan_in, topology.fan_in) if slots is None else fan_in_at(topology, slots)
            values *= self.limit(fan_in, topology.n_out).astype(dtype)
        return values


def dtype_of(dtype):
    return np.dtype(dtype).type


def fan_in_at(topology, slots):
    """Incoming links of the neuron that each link in `slots` leads to."""
    rows = np.searchsorted(topology.indptr, slots, side="right") - 1
    return topology.fan_in[rows]


@dataclass(frozen=True)
class HeUniform(_Scaled):
    """U(±sqrt(6 / n_in)) (He et al. 2015)."""

    def limit(self, fan_in, n_out):
        return np.sqrt(6 / np.maximum(fan_in, 1))


@dataclass(frozen=True)
class XavierUniform(_Scaled):
    """U(±sqrt(6 / (n_in + n_out))) (Glorot & Bengio 2010)."""

    def limit(self, fan_in, n_out):
        return np.sqrt(6 / (np.maximum(fan_in, 1) + n_out))


MOST_DEVIATION = 1e30  # draws of many deviations still fit into float32


@dataclass(frozen=True)
class Normal:
    """N(0, deviation²)."""

    deviation: float = 0.1

    def __post_init__(self):
        allowed = f"a number > 0, at most {MOST_DEVIATION:g}"
        checks.number("deviation", self.deviation, allowed, low=0, open_low=True, high=MOST_DEVIATION)

    def __call__(self, topology, rng, dtype=np.float32, slots=None):
        """Values of the links in `slots` (default all), (n,) of `dtype`."""
        n = topology.nnz if slots is None else len(slots)
        return rng.standard_normal(n, dtype=dtype) * dtype_of(dtype)(self.deviation)


NAMES = {"he_uniform": HeUniform, "xavier_uniform": XavierUniform, "normal": Normal}


def get(initializer, **parameters):
    """An initializer object from an object, a class or one of the names in NAMES; raises naming the argument."""
    if isinstance(initializer, str):
        return NAMES[checks.choice("initializer", initializer, NAMES)](**parameters)
    if isinstance(initializer, type):
        initializer = checks.instance("initializer", initializer)
    if not callable(initializer):
        checks.fail("initializer", initializer, f"one of {list(NAMES)} or a function (topology, rng, dtype, slots)", TypeError)
    return initializer


def describe(initializer):
    """{"name": …, parameters} of a built-in initializer; ValueError for a plug-in."""
    for name, kind in NAMES.items():
        if type(initializer) is kind:
            return {"name": name, **asdict(initializer)}
    checks.fail("initializer", initializer, f"one of {list(NAMES)}: a plug-in cannot be stored by name")
