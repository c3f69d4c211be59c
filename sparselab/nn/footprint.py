"""What a net takes, counted before anything is allocated: byte rules, and the refusal of nets that do not fit."""

from dataclasses import dataclass

import numpy as np

from ..topology.topology import MAX_WIDTH
from ..utils import checks, resources

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
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
    """need, have: bytes; items: {name: bytes} of all that is needed; advice: what would fit, as text. Nothing was allocated."""

    def __init__(self, what, need, have, items, advice=""):
        self.what, self.need, self.have, self.items, self.advice = what, need, have, items, advice
        largest = ", ".join(f"{name} {size(n)}" for name, n in sorted(items.items(), key=lambda item: -item[1])[:3])
        super().__init__(
            f"{what} needs about {size(need)} of memory, {size(have)} are available. Largest: {largest}."
            + (f" What would fit: {advice}." if advice else "")
        )

    def __reduce__(self):
        return type(self), (self.what, self.need, self.have, self.items, self.advice)


def stored(n_in, n_out, nnz, itemsize):
    """{name: bytes} of what a layer is: links and biases."""
    return {
        "weights": nnz * itemsize, "biases": n_out * itemsize, "column indices": 4 * nnz, "row pointers": 8 * (n_out + 1),
    }  # fmt: skip


def trained(n_in, n_out, nnz, itemsize, *, vectors=1, groups=1):
    """{name: bytes} of what stands beside a layer in training. vectors: what the optimizer keeps; groups: gradient buffers."""
    return {
        "optimizer state": vectors * (nnz + n_out) * itemsize,
        "gradients": groups * (nnz + n_out) * itemsize,
        "transposed index": 8 * nnz + 8 * (n_in + 1),
    }


def dense_links(sizes):
    """Weights of the dense net of these widths."""
    return sum(n_in * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))


def dense_bytes(sizes, *, itemsize=4, copies=3):
    """Bytes of the dense net: weights and biases, and by default their velocities and gradients."""
    return copies * itemsize * sum((n_in + 1) * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))


@dataclass(frozen=True)
class NetShape:
    """Widths (n + 1,) and expected links (n,) of n layers as floats: their sums may leave int64."""

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
        """Bytes that are needed only while a layer's links are drawn, beyond what the finished net has: slots and counts."""
        n_in, n_out = self.ends
        own = sum(stored(n_in, n_out, self.nnz, self.itemsize).values())
        drawing = 4 * self.nnz + 8 * self.nnz + 8 * (5 * n_out + n_in)
        return max(0.0, (np.cumsum(own) - own + drawing).max() - own.sum())


def whole(items):
    """The same in whole bytes, without what is nothing."""
    return {name: int(n) for name, n in items.items() if n >= 1}


def links(epsilon, density):
    """The checked one of the two, as arguments of NetShape.expected."""
    if density is None:
        return {"epsilon": checks.positive("epsilon", epsilon)}
    return {"density": checks.number("density", density, "a number in (0, 1]", low=0, high=1, open_low=True)}


def named(sizes):
    """A net by its widths; a very deep one by its ends."""
    shown = [str(n) for n in sizes] if len(sizes) <= 8 else [*map(str, sizes[:3]), "…", *map(str, sizes[-2:])]
    return f"a net {'-'.join(shown)}"


def refuse(what, items, advise):
    """Raise InsufficientMemoryError if the items do not fit into what is available; advise(have) says what would."""
    items = whole(items)
    need = sum(items.values())
    have = resources.available() if need >= WORTH_CHECKING else None
    if have is not None and need > have:
        raise InsufficientMemoryError(what, need, have, items, advise(have))


def check_creation(sizes, itemsize, epsilon, density):
    """Refuse a net that does not fit: called by SparseMLP.create before anything is allocated."""
    how = links(epsilon, density)
    net = NetShape.expected(sizes, itemsize, **how)
    refuse(f"creating {named(sizes)}", _creation(net), lambda have: _smaller(sizes, itemsize, how, have))
    if net.nnz.max() > MAX_WIDTH:
        layer = int(net.nnz.argmax())
        ((name, value),), most = how.items(), f"{MAX_WIDTH} links a layer"
        raise ValueError(f"{name} = {value:g}: gives layer {layer + 1} about {net.nnz[layer]:.3g} links: must be at most {most}")


def _creation(net):
    items = {name: n.sum() for name, n in stored(*net.ends, net.nnz, net.itemsize).items()}
    return items | {"drawing the links": net.creation()}


def _smaller(sizes, itemsize, how, have):
    """ "epsilon up to 3.4": the largest with which the net fits, or nothing."""
    ((name, value),) = how.items()
    fits = lambda share: sum(_creation(NetShape.expected(sizes, itemsize, **{name: share * value})).values()) <= have
    share = largest_share(fits)
    return f"{name} up to {_three_digits(share * value)}" if share else "fewer neurons"


def largest_share(fits, steps=30):
    """The largest factor in (0, 1], to a few digits, for which fits(factor); 0 where not even a millionth does."""
    low, high = 1e-6, 1.0
    if not fits(low):
        return 0.0
    for _ in range(steps):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _three_digits(value):
    """Rounded down, so that what is said fits."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return f"{np.floor(value / unit) * unit:.4g}"
