"""The memory that training or using a net will need, item by item, before anything is allocated."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engines.tiling import tile_width
from ..nn import activations
from ..nn.entry_costs import density_limit
from ..nn.footprint import check_sparsity, net_name, size, whole_bytes
from ..nn.protocols import Activation
from ..nn.shapes import check_dtype, check_sizes
from ..utils import checks, resources
from .memory import DEGREES_UP_TO, LARGE_EVOLUTION, PLANS, Plan, TrainingShape, of_hidden

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ..nn.protocols import Activation


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a net needs at the moment that needs most; shown as a table.

    Parameters
    ----------
    what : str
        The net and its use, such as "a net 784-100-10 in training".
    items : dict of str to int
        Bytes by name, in the order in which they are allocated.

    Examples
    --------
    >>> import sparselab as sl
    >>> estimate = sl.estimate_memory((784, 1000, 10))
    >>> estimate.total == sum(estimate.items.values())
    True
    """

    what: str
    items: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.items.values())

    def __str__(self):
        return "\n".join([self.what, *(f"{name:>40} {size(n):>11} {share:>7.1%}" for name, n, share in self._rows())])

    __repr__ = __str__

    def _repr_html_(self):
        cells = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{size(n)}</td><td>{share:.1%}</td></tr>" for name, n, share in self._rows()
        )
        return f"<table><caption>{html.escape(self.what)}</caption>{cells}</table>"

    def _rows(self):
        """(name, bytes, share of the total) of each item and of all."""
        return [(name, n, n / max(1, self.total)) for name, n in (*self.items.items(), ("all", self.total))]


def estimate_memory(
    sizes: Sequence[int], *, epsilon: float = 20, density: float | Sequence[float] | None = None, batch_size: int = 128,
    threads: int | None = None, dtype: DTypeLike = "float32", activation: str | type | Activation = "all_relu",
    dropout: float = 0.0, training: bool = True, evolution: bool = True, optimizer_vectors: int = 1,
    layerwise: bool | None = None, n_samples: int = 0, n_test: int = 0, epochs: int = 0, plan: Plan | None = None,
    n_batches: int = 0, data_density: float | None = None,
) -> MemoryEstimate:  # fmt: skip
    """Count the bytes that a net of these widths will need, item by item; nothing is allocated.

    Parameters
    ----------
    sizes : sequence of int
        Layer widths, input and output included.
    epsilon : float, default 20
        Expected links of a layer are epsilon (n_in + n_out), as for `SparseMLP.create`.
    density : float or list of float, optional
        Share of links in every layer, in (0, 1], or in each, in place of `epsilon`.
    batch_size : int, default 128
        Samples of a mini-batch.
    threads : int, optional
        Threads that compute; by default all cores.
    dtype : {"float32", "float64"}, default "float32"
        Type of weights, biases and activations.
    activation : str or object, default "all_relu"
        As for `SparseMLP.create`.
    dropout : float, default 0.0
        Share of hidden values dropped in training, in [0, 1).
    training : bool, default True
        False counts the net alone and what predictions need.
    evolution : bool, default True
        Whether links are replaced between epochs.
    optimizer_vectors : int, default 1
        Values that the optimizer stores for each link (`MomentumSGD`: 1).
    layerwise : bool, optional
        Whether the layerwise engine is used; by default as `train` chooses it for built-in losses and optimizers.
    n_samples, n_test : int, default 0
        Training and test samples that are counted too, dense unless there is a `data_density`.
    epochs : int, default 0
        Epochs whose fan-in and fan-out vectors a history holds.
    plan : Plan, optional
        How training uses memory (see `sparselab.training.memory`); by default layer by layer where that saves much.
    n_batches : int, default 0
        Mini-batches whose gradients a rule looks at together: `n_batches` of a rule that asks for gradients, such as 1 for `RigL`
        and 66 for `SNFS`; at most `n_samples` samples, if these are given.
    data_density : float, optional
        Share of entries in CSR samples, in [0, 1]; by default samples are dense. Where it is small they go through the first
        layer by their entries, and there are no dense tiles of features.

    Returns
    -------
    MemoryEstimate
        Its `items` are the bytes by name, its `total` is their sum.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.estimate_memory((784, 1000, 10), training=False).items["biases"]
    4040
    """
    sizes, itemsize = check_sizes(sizes), check_dtype(dtype).itemsize
    batch_size, n_samples = checks.integer("batch_size", batch_size), checks.integer("n_samples", n_samples, low=0)
    n_test, epochs = checks.integer("n_test", n_test, low=0), checks.integer("epochs", epochs, low=0)
    vectors = checks.integer("optimizer_vectors", optimizer_vectors, low=0)
    threads = resources.cores() if threads is None else checks.integer("threads", threads)
    dropout, function = checks.fraction("dropout", dropout, open_high=True), activations.get(activation)
    n_batches = checks.integer("n_batches", n_batches, low=0)
    stores_inputs, n_values = of_hidden(function, len(sizes))
    net = TrainingShape.expected(
        sizes, itemsize, **check_sparsity(epsilon, density, len(sizes) - 1), dropout=dropout, stores_inputs=stores_inputs,
        n_values=n_values,
    )  # fmt: skip
    layerwise = bool(itemsize == 8 or stores_inputs.any()) if layerwise is None else checks.flag("layerwise", layerwise)
    batch_size = min(batch_size, n_samples or batch_size)
    if plan is None:
        plan = PLANS[int(not layerwise and net.evolution_bytes(vectors) > LARGE_EVOLUTION)]
    elif not isinstance(plan, Plan):
        checks.fail("plan", plan, f"one of {list(map(str, PLANS))}: a Plan", TypeError)
    share = None if data_density is None else checks.fraction("data_density", data_density)
    entries = share is not None and bool(share < density_limit(sizes[0], net.nnz[0]))
    items = net.stored_items()
    if training:
        evolution = checks.flag("evolution", evolution)
        items |= net.training_items(
            batch_size, threads, n_test=n_test, evolution=evolution, layerwise=layerwise, vectors=vectors, plan=plan,
            n_seen=min(n_batches * batch_size, n_samples or n_batches * batch_size), entries=[entries],
        )  # fmt: skip
        items["order of the samples"] = 16 * n_samples
        n_degrees = sum(sizes) * 2 - sizes[0] - sizes[-1]
        items["fan-in and fan-out of all epochs"] = epochs * 4 * n_degrees * (sum(sizes) <= DEGREES_UP_TO)
    else:
        spaces, width = 1 if layerwise else threads, tile_width(batch_size)
        tiles = spaces * net.workspace_bytes(width, training=False, entries=entries)
        items |= {f"activations ({spaces} tiles of {width})": tiles, "drawing the links": max(0, net.creation_bytes() - tiles)}
    of_features = sizes[0] * itemsize if share is None else share * sizes[0] * (itemsize + 4) + 8
    items["data"] = (n_samples + n_test) * (of_features + 8)
    return MemoryEstimate(f"{net_name(sizes)} in {'training' if training else 'use'}", whole_bytes(items))
