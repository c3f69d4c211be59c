"""Applies changes of topology to a network: the only code that replaces its links and widths."""

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP, check_model
from ..nn.optimizers import LayerState
from ..topology.neuron_ids import check_ids
from ..topology.rewiring import Rewiring
from ..utils.interrupts import defer_interrupts


def apply(
    rewirings: Sequence[Rewiring | None],
    model: SparseMLP,
    state: Sequence[LayerState] | None,
    rng: np.random.Generator,
    first_state: Callable[[SparseLinear, Rewiring], Sequence[NDArray[np.floating]]] | None = None,
) -> list[tuple[int, int]]:
    """Change the topologies of a network, and carry weights, biases, trained values and optimizer state along.

    New links get the rewiring's `new_values`, or a value from the network's initializer, and an optimizer state of 0 or that of
    `first_state`. Everything is computed before anything is replaced: if an error is raised, nothing has changed.

    Parameters
    ----------
    rewirings : list of Rewiring or None
        The change of each layer, None for no change.
    model : SparseMLP
        The network, changed in place.
    state : list of LayerState or None
        The optimizer's state of each layer, changed in place.
    rng : numpy.random.Generator
        Source of the values of new links.
    first_state : callable, optional
        (layer before the change, rewiring) -> the optimizer's vectors (n_grown,) of the new links.

    Returns
    -------
    list of tuple of int
        Numbers of links that were pruned and that have grown, for each layer.

    Raises
    ------
    TypeError, ValueError
        If a rewiring does not fit its layer or the layer beside it.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((3, 4, 2), density=1, seed=0)
    >>> half = sl.rewire(model.layers[0].topology, np.arange(12) % 2 == 0)
    >>> sl.evolution.apply([half, None], model, None, np.random.default_rng(0))
    [(6, 0), (0, 0)]
    """
    check_model(model)
    if len(rewirings) != len(model.layers):
        raise ValueError(f"rewirings: got {len(rewirings)}, must be one for each of the {len(model.layers)} layers")
    plans = [
        None if rewiring is None else _plan(index, rewiring, model, state, rng, first_state)
        for index, rewiring in enumerate(rewirings)
    ]
    _check_widths(plans, model)
    _check_kept(rewirings)
    neurons = model.neurons.after(rewirings)
    with defer_interrupts:
        for layer, plan in zip(model.layers, plans, strict=True):
            if plan:
                new = plan["layer"]
                layer.replace(new.topology, new.w, new.b, new.values)
        model.neurons = neurons
        for s, plan in zip(state or (), plans, strict=False):
            if plan:
                s.links, s.neurons = plan["links"], plan["neurons"]
    return [(plan["pruned"], plan["grown"]) if plan else (0, 0) for plan in plans]


class Undo:
    """A context manager that restores a network when its block ends, unless `give_up` was called in it.

    With it several rules are applied either all or not at all. Evolution replaces arrays and never writes into them, so that
    references suffice and nothing is copied. Values that a rule writes into existing arrays are not restored.

    Parameters
    ----------
    model : SparseMLP, optional
        The network; without one nothing is restored.
    state : list of LayerState, optional
        The optimizer's state of each layer.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), seed=0)
    >>> before = model.layers[0].topology
    >>> with sl.evolution.Undo(model):
    ...     _ = model.take_over(sl.SparseMLP.create((4, 5, 2), seed=1).layers)
    >>> model.sizes, model.layers[0].topology is before
    ((4, 8, 2), True)
    """

    def __init__(self, model: SparseMLP | None = None, state: Sequence[LayerState] | None = None) -> None:
        if model is not None:
            check_model(model)
        layers = model.layers if model else ()
        self._layers = [(layer, layer.topology, layer.w, layer.b, layer.values) for layer in layers]
        self._states = [(s, s.links, s.neurons) for s in state or ()]
        self._model, self._neurons = model, model and model.neurons

    def __enter__(self) -> Self:
        return self

    def give_up(self) -> None:
        """Keep the changes: nothing will be restored."""
        self._layers, self._states, self._neurons = [], [], None

    def __exit__(self, *_: object) -> None:
        with defer_interrupts:
            for layer, *parts in self._layers:
                layer.replace(*parts)
            for s, links, neurons in self._states:
                s.links, s.neurons = links, neurons
            if self._model and self._neurons:
                self._model.neurons = self._neurons


def _plan(index, rewiring, model, state, rng, first_state):
    layer = model.layers[index]
    if not isinstance(rewiring, Rewiring) or rewiring.n_before != layer.topology.nnz:
        raise ValueError(f"rewirings[{index}] = {rewiring!r}: must be a Rewiring that starts from {layer.topology.nnz} links")
    for name, ids, n in (("rows", rewiring.rows, layer.topology.n_out), ("cols", rewiring.cols, layer.topology.n_in)):
        if ids is not None:
            check_ids(f"rewirings[{index}].{name}", ids, n)
    w = carried_links(rewiring, layer.w, lambda topology, grown: model.initializer(topology, rng, layer.dtype, slots=grown))
    links, grown = [rewiring.carry(v) for v in state[index].links] if state else [], rewiring.grown
    if links and first_state and len(grown):
        for vector, first in zip(links, first_state(layer, rewiring), strict=True):
            vector[grown] = first
    values = np.ascontiguousarray(rewiring.carry_rows(layer.values.T).T)
    return {
        "layer": SparseLinear(rewiring.topology, w, rewiring.carry_biases(layer.b), values),
        "links": links,
        "neurons": [rewiring.carry_rows(v) for v in state[index].neurons] if state else [],
        "pruned": rewiring.n_pruned,
        "grown": len(grown),
    }


def carried_links(rewiring, w, draw):
    """The values of a layer's links after a change; draw(topology, slots): of new links, where the change has none for them."""
    w, grown = rewiring.carry(w), rewiring.grown
    if rewiring.new_values is not None:
        w[grown] = rewiring.new_values
    elif len(grown):
        w[grown] = draw(rewiring.topology, grown)
    return w


def _check_widths(plans, model):
    shapes = [
        plan["layer"].topology.shape if plan else layer.topology.shape for plan, layer in zip(plans, model.layers, strict=True)
    ]
    ends = np.array([n for n_out, n_in in shapes for n in (n_in, n_out)])
    if (ends[1:-1:2] != ends[2::2]).any():
        raise ValueError(f"rewirings: layers of shapes {shapes} (n_out, n_in) do not fit together")
    if (ends[0], ends[-1]) != (model.sizes[0], model.sizes[-1]):
        raise ValueError(f"rewirings: inputs and outputs must stay {model.sizes[0]} and {model.sizes[-1]}")


def _check_kept(rewirings):
    """Check that each layer keeps as inputs exactly the neurons that the layer before keeps as outputs."""
    for index, (first, second) in enumerate(zip(rewirings, rewirings[1:], strict=False)):
        rows, cols = (getattr(rewiring, name, None) for rewiring, name in ((first, "rows"), (second, "cols")))
        if (rows is None) != (cols is None) or (rows is not None and not np.array_equal(rows, cols)):
            raise ValueError(f"rewirings[{index + 1}].cols: must be the neurons that rewirings[{index}].rows keeps")
