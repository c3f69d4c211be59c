"""The only function that replaces topologies, widths and biases of a living net."""

import numpy as np

from ..nn.linear import SparseLinear
from ..topology.neuron_ids import check_ids
from ..topology.rewiring import Rewiring
from ..utils.interrupts import defer_interrupts


def apply(rewirings, model, state, rng):
    """Carry weights, biases and optimizer state through `rewirings` (one a layer, None for no change).

    New links get a value from the model's initializer and a zero velocity. Everything is computed before anything is
    replaced: a bad rewiring raises ValueError and changes nothing. Returns (pruned, grown) per layer.
    """
    if len(rewirings) != len(model.layers):
        raise ValueError(f"rewirings: got {len(rewirings)}, must be one for each of the {len(model.layers)} layers")
    plans = [None if rewiring is None else _plan(index, rewiring, model, state, rng) for index, rewiring in enumerate(rewirings)]
    _check_widths(plans, model)
    _check_kept(rewirings)
    neurons = model.neurons.after(rewirings)
    with defer_interrupts:
        for layer, plan in zip(model.layers, plans, strict=True):
            if plan:
                new = plan["layer"]
                layer.replace(new.topology, new.w, new.b)
        model.neurons = neurons
        for s, plan in zip(state or (), plans, strict=False):
            if plan:
                s.links, s.neurons = plan["links"], plan["neurons"]
    return [(plan["pruned"], plan["grown"]) if plan else (0, 0) for plan in plans]


class Undo:
    """`with Undo(model, state) as undo:` puts topologies, weights and state back at the end, unless `undo.give_up()` was called.

    So several rules are applied all or not at all, whatever is raised between them. Evolution replaces arrays and writes into
    none, so that references are enough: nothing is copied. What a rule of one's own writes in place stays. Without a model
    nothing is kept, and nothing put back.
    """

    def __init__(self, model=None, state=None):
        self.layers = [(layer, layer.topology, layer.w, layer.b) for layer in (model.layers if model else ())]
        self.states = [(s, s.links, s.neurons) for s in state or ()]
        self.model, self.neurons = model, model and model.neurons

    def __enter__(self):
        return self

    def give_up(self):
        """From now on the changes stay."""
        self.layers, self.states, self.neurons = [], [], None

    def __exit__(self, *_):
        with defer_interrupts:
            for layer, *before in self.layers:
                layer.replace(*before)
            for s, links, neurons in self.states:
                s.links, s.neurons = links, neurons
            if self.neurons:
                self.model.neurons = self.neurons


def _plan(index, rewiring, model, state, rng):
    layer = model.layers[index]
    if not isinstance(rewiring, Rewiring) or rewiring.n_before != layer.topology.nnz:
        raise ValueError(f"rewirings[{index}] = {rewiring!r}: must be a Rewiring that starts from {layer.topology.nnz} links")
    for name, ids, n in (("rows", rewiring.rows, layer.topology.n_out), ("cols", rewiring.cols, layer.topology.n_in)):
        if ids is not None:
            check_ids(f"rewirings[{index}].{name}", ids, n)
    w, grown = rewiring.carry(layer.w), rewiring.grown
    if len(grown):
        w[grown] = model.initializer(rewiring.topology, rng, layer.dtype, slots=grown)
    return {
        "layer": SparseLinear(rewiring.topology, w, rewiring.carry_biases(layer.b)),
        "links": [rewiring.carry(v) for v in state[index].links] if state else [],
        "neurons": [rewiring.carry_rows(v) for v in state[index].neurons] if state else [],
        "pruned": rewiring.n_pruned,
        "grown": len(grown),
    }


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
    """The neurons that one layer keeps as outputs, and no others, the next one keeps as inputs."""
    for index, (first, second) in enumerate(zip(rewirings, rewirings[1:], strict=False)):
        rows, cols = (getattr(rewiring, name, None) for rewiring, name in ((first, "rows"), (second, "cols")))
        if (rows is None) != (cols is None) or (rows is not None and not np.array_equal(rows, cols)):
            raise ValueError(f"rewirings[{index + 1}].cols: must be the neurons that rewirings[{index}].rows keeps")
