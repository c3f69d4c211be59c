"""What a net will need, counted before anything is allocated, and what there is: so that a run is refused and not killed.

Pure arithmetic from widths and expected links, array by array as the code allocates them. The process itself, its libraries
and compiled code are not counted.
"""

import html
from dataclasses import dataclass

import numpy as np

from . import activations, checks, machine
from .fused import shared_out
from .topology import MAX_WIDTH
from .workspace import groups_of, tile_width, tiles_of

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
WORTH_A_LOOK = 16 * 2**20  # bytes below which nobody is asked whether they are there
LARGE = 2**30  # bytes of an evolution of all layers at once from which it goes layer by layer, where the rules can
BATCH = 32  # samples of the step for which a net's summary tells the plan
DEGREES_UP_TO = 200_000  # neurons of a net whose fan-in and fan-out vectors are kept every epoch


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


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes at the moment that needs most. items: {name: bytes}, in the order of the code; what: of which net."""

    what: str
    items: dict

    @property
    def total(self):
        """Bytes in all."""
        return sum(self.items.values())

    def __str__(self):
        rows = [*self.items.items(), ("all", self.total)]
        return "\n".join([self.what, *(f"{name:>40} {size(n):>11} {n / max(1, self.total):>7.1%}" for name, n in rows)])

    __repr__ = __str__

    def _repr_html_(self):
        rows = [*self.items.items(), ("all", self.total)]
        cells = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{size(n)}</td><td>{n / max(1, self.total):.1%}</td></tr>" for name, n in rows
        )
        return f"<table><caption>{html.escape(self.what)}</caption>{cells}</table>"


@dataclass(frozen=True)
class Plan:
    """How a training uses memory. by_layer: evolution replaces one layer after the other, so that only one stands there twice;
    index: whether layers have a transposed index, which takes 8 bytes a link (else the backward pass scatters)."""

    by_layer: bool = False
    index: bool = True

    def __str__(self):
        if not self.by_layer:
            return "all layers at once"
        return "lean: evolution layer by layer" + ("" if self.index else ", no transposed index")


PLANS = Plan(), Plan(by_layer=True), Plan(by_layer=True, index=False)  # from the one that is undone exactly to the smallest
MOST = 0.5, 0.9, 1.0  # shares of what is available that each may need: others want memory too


def roomy(plans, need, have):
    """The first of these plans for which there is room, need(plan) bytes of `have` (None: unknown); None where there is none."""
    return next((plan for plan in plans if have is None or need(plan) <= MOST[PLANS.index(plan)] * have), None)


# the byte rules: numbers or arrays, an entry a layer


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
class _Net:
    """Widths (n + 1,) and expected links (n,) of n layers as floats: their sums may leave int64."""

    sizes: np.ndarray
    nnz: np.ndarray
    itemsize: int
    dropout: float = 0.0
    plain: object = False  # (n − 1,) bool: hidden layers whose activation is not a pair of slopes

    @classmethod
    def expected(cls, sizes, itemsize, *, epsilon=None, density=None, **options):
        sizes = np.array(sizes, float)
        cells, width = sizes[:-1] * sizes[1:], sizes[:-1] + sizes[1:]
        nnz = np.minimum(epsilon * width, cells) if density is None else density * cells
        return cls(sizes, nnz, itemsize, **options)

    @property
    def ends(self):
        return self.sizes[:-1], self.sizes[1:]

    @property
    def evolving(self):
        """(n,) bool: the layers a rule replaces, all but dense ones and the last."""
        sparse = self.nnz < self.sizes[:-1] * self.sizes[1:]
        return sparse & (np.arange(len(sparse)) < len(sparse) - 1)

    def tile(self, width, *, training):
        """Bytes of one Workspace."""
        hidden = self.sizes[1:-1]
        bits = hidden * -(-width // 8)
        activations_ = self.sizes.sum() * width * self.itemsize
        inputs = (hidden * self.plain).sum() * width * self.itemsize
        masks = (bits * ~np.asarray(self.plain, bool)).sum() + (bits.sum() if self.dropout else 0)
        return activations_ + inputs + (masks if training else 0)

    def shared(self, shares, threads, width):
        """Workspaces of the fused engine for so many shares of work: one a thread, or one for all."""
        parts, together = shared_out(threads, shares, width, self.nnz.sum(), self.sizes.sum())
        return 1 if together else parts

    def creation(self):
        """Bytes that are needed only while a layer's links are drawn, beyond what the finished net has: slots and counts."""
        n_in, n_out = self.ends
        own = sum(stored(n_in, n_out, self.nnz, self.itemsize).values())
        drawing = 4 * self.nnz + 8 * self.nnz + 8 * (5 * n_out + n_in)
        return max(0.0, (np.cumsum(own) - own + drawing).max() - own.sum())

    def evolution(self, vectors, by_layer=False):
        """Bytes beyond those of a step: new links, slots and state beside the old, and the work on the largest layer."""
        n_in, n_out = self.ends
        new = (12 + (1 + vectors) * self.itemsize) * self.nnz + 8 * (n_out + 1) + (1 + vectors) * n_out * self.itemsize
        work = 4 * self.nnz + 8 * (3 * n_out + n_in)
        on = self.evolving
        return (new + work)[on].max(initial=0) if by_layer else new[on].sum() + work[on].max(initial=0)

    def training(self, batch_size, threads, *, n_test, evolution, layerwise, vectors, plan=PLANS[0]):
        """{name: bytes} beyond the net itself, at the moment that needs most."""
        width = tile_width(batch_size)
        groups = groups_of(tiles_of(batch_size, width))
        spaces = groups if layerwise else max(self.shared(n, threads, width) for n in (groups, tiles_of(n_test, width)))
        tile, more = self.tile(width, training=True), {}
        if n_test:
            space = self.tile(width, training=False) if layerwise else 0
            more["evaluation"] = space + n_test * self.sizes[-1] * (self.itemsize + 3 * 8)
        if evolution:  # in addition: what an evaluation freed is not always given back
            more["evolution: new links beside the old"] = self.evolution(vectors, plan.by_layer)
        sums = {name: n.sum() for name, n in trained(*self.ends, self.nnz, self.itemsize, vectors=vectors, groups=groups).items()}
        names = f"gradients ({groups} groups)", f"activations ({spaces} tiles of {width})"
        return {
            "optimizer state": sums["optimizer state"], names[0]: sums["gradients"],
            "transposed index": plan.index * (sums["transposed index"] - 8 * (self.nnz[0] + self.sizes[0] + 1)),
            names[1]: spaces * tile, **more,
        }  # fmt: skip


def whole(items):
    """The same in whole bytes, without what is nothing."""
    return {name: int(n) for name, n in items.items() if n >= 1}


def estimate_memory(
    sizes, *, epsilon=20, density=None, batch_size=128, threads=None, dtype="float32", activation="all_relu", dropout=0.0,
    training=True, evolution=True, optimizer_vectors=1, layerwise=None, n_samples=0, n_test=0, epochs=0, plan=None,
):  # fmt: skip
    """Bytes a net of these widths will need, item by item, as a MemoryEstimate; nothing is allocated.

    sizes, epsilon, density, dtype, activation, dropout: as for SparseMLP.create. batch_size, threads (default all cores): as
    for train. training=False: the net alone, and one tile a thread. evolution: whether links are replaced between epochs.
    optimizer_vectors: values an optimizer keeps beside each link (MomentumSGD: 1). layerwise: which engine; by default as train
    chooses it for built-in losses and optimizers. plan: a Plan; by default layer by layer where that saves much. n_samples,
    n_test: dense data to be counted too; epochs: whose fan-in and
    fan-out vectors a history keeps. Raises TypeError or ValueError naming the argument.
    """
    from .mlp import check_dtype, check_sizes

    sizes, itemsize = check_sizes(sizes), check_dtype(dtype).itemsize
    batch_size, n_samples = checks.integer("batch_size", batch_size), checks.integer("n_samples", n_samples, low=0)
    n_test, epochs = checks.integer("n_test", n_test, low=0), checks.integer("epochs", epochs, low=0)
    vectors = checks.integer("optimizer_vectors", optimizer_vectors, low=0)
    threads = machine.cores() if threads is None else checks.integer("threads", threads)
    dropout = checks.fraction("dropout", dropout, open_high=True)
    activation = activations.get(activation)
    plain = np.array([activations.slopes(activations.at(activation, depth)) is None for depth in range(1, len(sizes) - 1)], bool)
    net = _Net.expected(sizes, itemsize, **links(epsilon, density), dropout=dropout, plain=plain)
    layerwise = bool(itemsize == 8 or plain.any()) if layerwise is None else checks.flag("layerwise", layerwise)
    batch_size = min(batch_size, n_samples or batch_size)
    plan = PLANS[int(not layerwise and net.evolution(vectors) > LARGE)] if plan is None else _checked_plan(plan)
    items = {name: n.sum() for name, n in stored(*net.ends, net.nnz, itemsize).items()}
    if training:
        items |= net.training(
            batch_size,
            threads,
            n_test=n_test,
            evolution=checks.flag("evolution", evolution),
            layerwise=layerwise,
            vectors=vectors,
            plan=plan,
        )
        items["order of the samples"] = 16 * n_samples
        items["fan-in and fan-out of all epochs"] = (
            epochs * 4 * (sum(sizes) * 2 - sizes[0] - sizes[-1]) * (sum(sizes) <= DEGREES_UP_TO)
        )
    else:
        spaces, width = 1 if layerwise else threads, tile_width(batch_size)
        tiles = spaces * net.tile(width, training=False)
        items |= {f"activations ({spaces} tiles of {width})": tiles, "drawing the links": max(0, net.creation() - tiles)}
    items["data"] = (n_samples + n_test) * (sizes[0] * itemsize + 8)
    return MemoryEstimate(f"{named(sizes)} in {'training' if training else 'use'}", whole(items))


def _checked_plan(plan):
    return plan if isinstance(plan, Plan) else checks.fail("plan", plan, f"one of {list(map(str, PLANS))}: a Plan", TypeError)


def links(epsilon, density):
    """The checked one of the two, as arguments of _Net.expected."""
    if density is None:
        return {"epsilon": checks.positive("epsilon", epsilon)}
    return {"density": checks.number("density", density, "a number in (0, 1]", low=0, high=1, open_low=True)}


def named(sizes):
    """A net by its widths; a very deep one by its ends."""
    shown = [str(n) for n in sizes] if len(sizes) <= 8 else [*map(str, sizes[:3]), "…", *map(str, sizes[-2:])]
    return f"a net {'-'.join(shown)}"


# the doors


def refuse(what, items, advise):
    """Raise InsufficientMemoryError if the items do not fit into what is available; advise(have) says what would."""
    items = whole(items)
    need = sum(items.values())
    have = machine.available() if need >= WORTH_A_LOOK else None
    if have is not None and need > have:
        raise InsufficientMemoryError(what, need, have, items, advise(have))


def check_creation(sizes, itemsize, epsilon, density):
    """Refuse a net that does not fit: called by SparseMLP.create before anything is allocated."""
    how = links(epsilon, density)
    net = _Net.expected(sizes, itemsize, **how)
    refuse(f"creating {named(sizes)}", _creation(net), lambda have: _smaller(sizes, itemsize, how, have))
    if net.nnz.max() > MAX_WIDTH:
        layer = int(net.nnz.argmax())
        (name, value), most = *how.items(), f"{MAX_WIDTH} links a layer"
        raise ValueError(f"{name} = {value:g}: gives layer {layer + 1} about {net.nnz[layer]:.3g} links: must be at most {most}")


def _creation(net):
    items = {name: n.sum() for name, n in stored(*net.ends, net.nnz, net.itemsize).items()}
    return items | {"drawing the links": net.creation()}


def _smaller(sizes, itemsize, how, have):
    """ "epsilon up to 3.4": the largest with which the net fits, or nothing."""
    ((name, value),) = how.items()
    fits = lambda share: sum(_creation(_Net.expected(sizes, itemsize, **{name: share * value})).values()) <= have
    share = _largest_share(fits)
    return f"{name} up to {_three_digits(share * value)}" if share else "fewer neurons"


def _largest_share(fits, steps=30):
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


def check_training(
    model, batch_size, threads, *, n_test=0, evolution=False, layerwise=False, vectors=1, has_state=False, by_layer=False,
    lean=False,
):  # fmt: skip
    """The first of PLANS for which there is room beside the net and the data; refuse, before anything is allocated, where there
    is none.

    batch_size: at most the number of samples. n_test: samples that will be evaluated. evolution: whether there are rules.
    layerwise: which engine. vectors: what the optimizer keeps beside a link; has_state: it is allocated already. by_layer:
    whether the rules can go layer by layer. A large evolution does so where it can, whatever room there is, and one of any size
    where `lean`.
    """
    plain = np.array([activations.slopes(f) is None for f in model.hidden], bool)
    net = _Net(np.array(model.sizes, float), np.array(model.nnz, float), model.dtype.itemsize, model.dropout, plain)
    options = {"n_test": n_test, "evolution": evolution, "layerwise": layerwise, "vectors": vectors}
    there = sum(8 * t.nnz + 8 * (t.n_in + 1) for t in (layer.topology for layer in model.layers[1:]) if "transposed" in vars(t))

    plans = [plan for plan in PLANS if not layerwise and (by_layer or not evolution)] or PLANS[:1]
    if len(plans) > 1 and evolution and (lean or net.evolution(vectors) > LARGE):
        plans = plans[1:]

    def items(batch_size, threads, net=net, plan=plans[-1]):
        found = net.training(batch_size, threads, plan=plan, **options)
        found["transposed index"] -= min(there, found["transposed index"])
        return found | ({"optimizer state": 0} if has_state else {})

    def advise(have):
        advice = []
        smaller = batch_size
        while smaller > 1 and sum(items(smaller, threads).values()) > have:
            smaller = -(-smaller // 2)
        if sum(items(smaller, threads).values()) <= have:
            advice.append(f"batch_size up to {smaller}")
        if threads > 1 and sum(items(batch_size, 1).values()) <= have:
            advice.append("threads = 1")
        scaled = lambda share: _Net(net.sizes, net.nnz * share, net.itemsize, net.dropout, net.plain)
        share = _largest_share(lambda share: sum(items(batch_size, threads, scaled(share)).values()) <= have)
        advice.append(f"a net with {share:.2g} times the links" if share else "fewer neurons")
        return " or ".join(advice)

    have = machine.available() if len(plans) > 1 else None
    plan = roomy(plans, lambda plan: sum(items(batch_size, threads, plan=plan).values()), have)
    if have is not None and plan is not None:
        return plan
    refuse(f"training {named(model.sizes)} with batches of {batch_size}", items(batch_size, threads), advise)
    return plans[0] if have is None else plans[-1]


def lean_plan(model):
    """How training by SET with BATCH samples a step would use memory, where that is not all layers at once; else None."""
    try:
        plan = check_training(model, BATCH, machine.cores(), evolution=True, by_layer=True)
    except InsufficientMemoryError as error:
        return f"does not fit: {size(error.need)} needed, {size(error.have)} available"
    return None if plan == PLANS[0] else str(plan)
