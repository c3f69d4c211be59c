"""Bytes of a net, counted from widths and links before anything is allocated; a net that does not fit is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..topology.layer_densities import check_density, densities
from ..topology.starts import FixedFanIn, Uniform
from ..topology.topology import MAX_WIDTH
from ..utils import checks, resources

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
DRAWING, DRAWING_PLACES = 4 + 8, 130  # bytes a link: drawn row by row, or as pairs (output, input) that are sorted
BY_ROWS = Uniform, FixedFanIn  # starts that draw the links of one output after the other
WORTH_CHECKING = 16 * 2**20  # bytes: skip the memory check below this size


def size(n_bytes):
    """Bytes as text with a unit."""
    n_bytes = float(n_bytes)
    for unit in UNITS:
        if n_bytes < 1024 or unit == UNITS[-1]:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return None


class InsufficientMemoryError(MemoryError):
    """More memory is needed than is available; raised before anything is allocated.

    Parameters
    ----------
    what : str
        What was to be done, such as "creating a net 784-1000-10".
    need : int
        Bytes that it needs.
    have : int
        Bytes that are available.
    items : dict of str to int
        The bytes needed, item by item.
    advice : str, default ""
        What would fit.

    Examples
    --------
    >>> import sparselab as sl
    >>> try:
    ...     sl.SparseMLP.create([2 * 10**9] * 50, epsilon=0.2)
    ... except sl.InsufficientMemoryError as error:
    ...     print(error.need > error.have)
    True
    """

    def __init__(self, what: str, need: int, have: int, items: dict[str, int], advice: str = "") -> None:
        self.what, self.need, self.have, self.items, self.advice = what, need, have, items, advice
        largest = ", ".join(f"{name} {size(n)}" for name, n in sorted(items.items(), key=lambda item: -item[1])[:3])
        super().__init__(
            f"{what} needs about {size(need)} of memory, {size(have)} are available. Largest: {largest}."
            + (f" What would fit: {advice}." if advice else "")
        )

    def __reduce__(self):
        return type(self), (self.what, self.need, self.have, self.items, self.advice)


# one layer, or arrays of them


def layer_stored_items(n_in, n_out, nnz, itemsize, values=0):
    """{name: bytes} of a layer's links, biases and, where there are any, so many trained values of each output."""
    trained = {"trained values": values * n_out * itemsize} if np.any(values) else {}
    return {
        "weights": nnz * itemsize, "biases": n_out * itemsize, "column indices": 4 * nnz, "row pointers": 8 * (n_out + 1),
    } | trained  # fmt: skip


def layer_training_items(n_in, n_out, nnz, itemsize, values=0, *, vectors=1, groups=1):
    """{name: bytes} that training adds to a layer.

    values: trained ones of each output; vectors: values that the optimizer stores for each link and neuron; groups: gradient
    buffers.
    """
    trained = nnz + (1 + values) * n_out
    return {
        "optimizer state": vectors * trained * itemsize,
        "gradients": groups * trained * itemsize,
        "transposed index": 8 * nnz + 8 * (n_in + 1),
    }


def flow_items(sizes, n_samples, itemsize, entries=False):
    """{name: bytes} of inputs and gradients of all layers, which are put together from tiles: they are there twice.

    entries: whether samples go through the first layer by their entries, so that its inputs stay sparse.
    """
    neurons = sum(sizes[1 if entries else 0 : -1]) + sum(sizes[1:])
    return {f"activations and gradients of {n_samples} samples for rules": 2 * n_samples * neurons * itemsize}


# nets


def dense_links(sizes):
    """Weights of the dense net of these widths."""
    return sum(n_in * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))


def dense_bytes(sizes, *, itemsize=4, copies=3):
    """Bytes of the dense net: weights and biases, and by default their velocities and gradients."""
    return copies * itemsize * sum((n_in + 1) * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))


def expected_links(sizes, *, epsilon=None, density=None):
    """(layers,) floats: how many links each layer gets on average; epsilon is not used where there are densities."""
    sizes = np.array(sizes, float)
    n_in, n_out = sizes[:-1], sizes[1:]
    return np.minimum(epsilon * (n_in + n_out), n_in * n_out) if density is None else np.asarray(density) * (n_in * n_out)


def with_least(links, sizes, min_fan_in):
    """At most so many links of each layer where its outputs have at least `min_fan_in`, or as many as there are inputs."""
    n_in, n_out = np.array(sizes[:-1], float), np.array(sizes[1:], float)
    return np.minimum(links + n_out * np.minimum(min_fan_in, n_in), n_in * n_out) if min_fan_in else links


@dataclass(frozen=True)
class NetShape:
    """Widths (n + 1,) and links (n,) of n layers as floats: their sums may be larger than an int64."""

    sizes: np.ndarray
    nnz: np.ndarray
    itemsize: int

    @classmethod
    def expected(cls, sizes, itemsize, *, epsilon=None, density=None, **options):
        """The shape of a net that is yet to be created; options: other fields."""
        return cls(np.array(sizes, float), expected_links(sizes, epsilon=epsilon, density=density), itemsize, **options)

    @property
    def ends(self):
        """(inputs, outputs) of all layers."""
        return self.sizes[:-1], self.sizes[1:]

    def stored_items(self):
        """{name: bytes} of the net itself."""
        return {name: n.sum() for name, n in layer_stored_items(*self.ends, self.nnz, self.itemsize).items()}

    def creation_bytes(self, per_link=DRAWING):
        """Bytes beyond those of the finished net that are needed only while a layer's links are drawn: slots and counts."""
        n_in, n_out = self.ends
        own = sum(layer_stored_items(n_in, n_out, self.nnz, self.itemsize).values())
        drawing = per_link * self.nnz + 8 * (5 * n_out + n_in)
        return max(0.0, (np.cumsum(own) - own + drawing).max() - own.sum())


def whole_bytes(items):
    """The same items in whole bytes, without those below one byte."""
    return {name: int(n) for name, n in items.items() if n >= 1}


def check_sparsity(epsilon, density, n_layers):
    """{"density": …} where one is given, else {"epsilon": …}, checked: arguments of `expected_links`."""
    if density is None:
        return {"epsilon": checks.positive("epsilon", epsilon)}
    return {"density": check_density(density, n_layers)}


def net_name(sizes):
    """A net as text by its widths; of a very deep one only the first and last."""
    shown = [str(n) for n in sizes] if len(sizes) <= 8 else [*map(str, sizes[:3]), "…", *map(str, sizes[-2:])]
    return f"a net {'-'.join(shown)}"


# refusal


def require_memory(what, items, advise):
    """Raise InsufficientMemoryError where the items do not fit into the available memory.

    advise(have) says what would fit into so many bytes.
    """
    items = whole_bytes(items)
    need = sum(items.values())
    have = resources.available() if need >= WORTH_CHECKING else None
    if have is not None and need > have:
        raise InsufficientMemoryError(what, need, have, items, advise(have))


def check_creation(sizes, itemsize, sparsity, start, dense_ends, min_fan_in=0):
    """The densities of a net's layers; refused if it does not fit, before SparseMLP.create allocates anything.

    sparsity: {"epsilon": …} or {"density": …}, as it was given; start and dense_ends as for `layer_densities.densities`;
    min_fan_in: least number of links of an output.
    """
    ((name, value),) = sparsity.items()
    scaled = lambda share: [share * one for one in value] if isinstance(value, list) else share * value
    shares = lambda share: densities(
        sizes, start, **{"epsilon": None, "density": None, name: scaled(share)}, dense_ends=dense_ends
    )
    cells = np.array([n_in * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False)], float)
    links = lambda share: with_least(np.array(shares(share)) * cells, sizes, min_fan_in)
    shape = lambda share: NetShape(np.array(sizes, float), links(share), itemsize)
    need = lambda share: creation_items(shape(share), DRAWING if isinstance(start, BY_ROWS) else DRAWING_PLACES)
    require_memory(f"creating {net_name(sizes)}", need(1), lambda have: _largest_sparsity(name, value, need, have))
    net = shape(1)
    if net.nnz.max() > MAX_WIDTH:
        layer = int(net.nnz.argmax())
        allowed = f"{MAX_WIDTH} links a layer"
        shown = checks.shown(value) if isinstance(value, list) else f"{value:g}"
        beside = f" with min_fan_in = {min_fan_in}" if min_fan_in else ""
        found = f"gives layer {layer + 1} about {net.nnz[layer]:.3g} links"
        raise ValueError(f"{name} = {shown}{beside}: {found}: must be at most {allowed}")
    return shares(1)


def creation_items(net, per_link=DRAWING):
    """{name: bytes} that creating a net of a NetShape needs."""
    return net.stored_items() | {"drawing the links": net.creation_bytes(per_link)}


def _largest_sparsity(name, value, need, have):
    """Such as "epsilon up to 3.4": the largest value with which the net fits into `have` bytes."""
    share = largest_share(lambda share: sum(whole_bytes(need(share)).values()) <= have)
    if not share:
        return "fewer neurons"
    return f"{share:.2g} of these densities" if isinstance(value, list) else f"{name} up to {_three_digits(share * value)}"


def largest_share(fits, steps=30):
    """The largest factor in (0, 1], to a few digits, for which fits(factor); 0 if a millionth is still too much."""
    low, high = 1e-6, 1.0
    if not fits(low):
        return 0.0
    for _ in range(steps):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _three_digits(value):
    """Rounded down, so that the value in the message fits."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return f"{np.floor(value / unit) * unit:.4g}"
