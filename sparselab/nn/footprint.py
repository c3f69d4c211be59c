"""How many bytes a network needs, computed before anything is allocated, and the error for networks that do not fit."""

from dataclasses import dataclass

import numpy as np

from ..topology.topology import MAX_WIDTH
from ..utils import checks, resources

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
WORTH_CHECKING = 16 * 2**20  # bytes: skip the memory check below this size


def size(n_bytes):
    """Format a number of bytes with a unit."""
    n_bytes = float(n_bytes)
    for unit in UNITS:
        if n_bytes < 1024 or unit == UNITS[-1]:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return None


class InsufficientMemoryError(MemoryError):
    """A network or a training needs more memory than is available; raised before anything is allocated.

    The arguments become attributes of the same names.

    Parameters
    ----------
    what : str
        What was asked for, such as "creating a net 10-5-2".
    need, have : int
        Bytes that are needed and that are available.
    items : dict
        What the memory is needed for: {name: bytes}.
    advice : str, default ""
        What would fit.

    Examples
    --------
    >>> import sparselab as sl
    >>> try:
    ...     sl.SparseMLP.create((2**30, 2**30, 2), epsilon=2**20)
    ... except sl.InsufficientMemoryError as error:
    ...     print(error.need > error.have)
    True
    """

    def __init__(self, what: str, need: int, have: int, items: dict[str, int], advice: str = "") -> None:
        self.what: str = what
        self.need: int = need
        self.have: int = have
        self.items: dict[str, int] = items
        self.advice: str = advice
        largest = ", ".join(f"{name} {size(n)}" for name, n in sorted(items.items(), key=lambda item: -item[1])[:3])
        super().__init__(
            f"{what} needs about {size(need)} of memory, {size(have)} are available. Largest: {largest}."
            + (f" What would fit: {advice}." if advice else "")
        )

    def __reduce__(self):
        return type(self), (self.what, self.need, self.have, self.items, self.advice)


def stored(n_in, n_out, nnz, itemsize):
    """Return {name: bytes} of a layer itself: links and biases."""
    return {
        "weights": nnz * itemsize, "biases": n_out * itemsize, "column indices": 4 * nnz, "row pointers": 8 * (n_out + 1),
    }  # fmt: skip


def trained(n_in, n_out, nnz, itemsize, *, vectors=1, groups=1):
    """Return {name: bytes} of what training adds to a layer. vectors: optimizer vectors; groups: sets of gradient buffers."""
    return {
        "optimizer state": vectors * (nnz + n_out) * itemsize,
        "gradients": groups * (nnz + n_out) * itemsize,
        "transposed index": 8 * nnz + 8 * (n_in + 1),
    }


def dense_links(sizes):
    """Number of weights of the dense network of these widths."""
    return sum(n_in * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))


def dense_bytes(sizes, *, itemsize=4, copies=3):
    """Bytes of the dense network; copies=3 counts weights and biases, their velocities and their gradients."""
    return copies * itemsize * sum((n_in + 1) * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))


@dataclass(frozen=True)
class NetShape:
    """Widths (n + 1,) and expected links (n,) of n layers, as floats because their sums may exceed int64."""

    sizes: np.ndarray
    nnz: np.ndarray
    itemsize: int

    @classmethod
    def expected(cls, sizes, itemsize, *, epsilon=None, density=None, **options):
        sizes = np.array(sizes, float)
        cells, width = sizes[:-1] * sizes[1:], sizes[:-1] + sizes[1:]
        nnz = np.minimum(epsilon * width, cells) if density is None else density * cells
        return cls(sizes, nnz, itemsize, **options)

    @property
    def ends(self):
        return self.sizes[:-1], self.sizes[1:]

    def creation(self):
        """Bytes for slots and counts that are needed only while links are drawn, beyond those of the finished network."""
        n_in, n_out = self.ends
        own = sum(stored(n_in, n_out, self.nnz, self.itemsize).values())
        drawing = 4 * self.nnz + 8 * self.nnz + 8 * (5 * n_out + n_in)
        return max(0.0, (np.cumsum(own) - own + drawing).max() - own.sum())


def whole(items):
    """Round to whole bytes and drop items below one byte."""
    return {name: int(n) for name, n in items.items() if n >= 1}


def links(epsilon, density):
    """Check `epsilon` or `density`, whichever is given, and return it as keyword arguments of NetShape.expected."""
    if density is None:
        return {"epsilon": checks.positive("epsilon", epsilon)}
    return {"density": checks.number("density", density, "a number in (0, 1]", low=0, high=1, open_low=True)}


def named(sizes):
    """Name a network by its widths; of a deep one show the first and last ones."""
    shown = [str(n) for n in sizes] if len(sizes) <= 8 else [*map(str, sizes[:3]), "…", *map(str, sizes[-2:])]
    return f"a net {'-'.join(shown)}"


def refuse(what, items, advise):
    """Raise InsufficientMemoryError if the items do not fit into the available memory; advise(have) says what would fit."""
    items = whole(items)
    need = sum(items.values())
    have = resources.available() if need >= WORTH_CHECKING else None
    if have is not None and need > have:
        raise InsufficientMemoryError(what, need, have, items, advise(have))


def check_creation(sizes, itemsize, epsilon, density):
    """Raise an error if a network does not fit into memory; SparseMLP.create calls this before it allocates anything."""
    how = links(epsilon, density)
    net = NetShape.expected(sizes, itemsize, **how)
    refuse(f"creating {named(sizes)}", _creation(net), lambda have: _smaller(sizes, itemsize, how, have))
    if net.nnz.max() > MAX_WIDTH:
        layer = int(net.nnz.argmax())
        (name, value), most = *how.items(), f"{MAX_WIDTH} links a layer"
        raise ValueError(f"{name} = {value:g}: gives layer {layer + 1} about {net.nnz[layer]:.3g} links: must be at most {most}")


def _creation(net):
    items = {name: n.sum() for name, n in stored(*net.ends, net.nnz, net.itemsize).items()}
    return items | {"drawing the links": net.creation()}


def _smaller(sizes, itemsize, how, have):
    """Advice such as "epsilon up to 3.4": the largest value with which the network fits."""
    ((name, value),) = how.items()
    fits = lambda share: sum(_creation(NetShape.expected(sizes, itemsize, **{name: share * value})).values()) <= have
    share = largest_share(fits)
    return f"{name} up to {_three_digits(share * value)}" if share else "fewer neurons"


def largest_share(fits, steps=30):
    """Return the largest factor in (0, 1], to a few digits, for which fits(factor) is true; 0 if 1e-6 does not fit."""
    low, high = 1e-6, 1.0
    if not fits(low):
        return 0.0
    for _ in range(steps):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _three_digits(value):
    """Round down to three digits."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return f"{np.floor(value / unit) * unit:.4g}"
