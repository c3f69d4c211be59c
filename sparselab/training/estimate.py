"""The memory that training or using a net will need, item by item, before anything is allocated."""

import html
from dataclasses import dataclass

import numpy as np

from ..engines.tiling import tile_width
from ..nn import activations
from ..nn.footprint import links, named, size, stored, whole
from ..nn.shapes import check_dtype, check_sizes
from ..utils import checks, resources
from .memory import DEGREES_UP_TO, LARGE, PLANS, Plan, TrainingShape


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
    sizes, itemsize = check_sizes(sizes), check_dtype(dtype).itemsize
    batch_size, n_samples = checks.integer("batch_size", batch_size), checks.integer("n_samples", n_samples, low=0)
    n_test, epochs = checks.integer("n_test", n_test, low=0), checks.integer("epochs", epochs, low=0)
    vectors = checks.integer("optimizer_vectors", optimizer_vectors, low=0)
    threads = resources.cores() if threads is None else checks.integer("threads", threads)
    dropout = checks.fraction("dropout", dropout, open_high=True)
    activation = activations.get(activation)
    plain = np.array([activations.slopes(activations.at(activation, depth)) is None for depth in range(1, len(sizes) - 1)], bool)
    net = TrainingShape.expected(sizes, itemsize, **links(epsilon, density), dropout=dropout, plain=plain)
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
