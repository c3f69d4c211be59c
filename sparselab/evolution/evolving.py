"""One evolution of the topology: all rules are applied in order, and what they changed is summed up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np

from ..nn.mlp import SparseMLP, check_model
from ..nn.optimizers import LayerState, Optimizer, check_state
from ..topology.rewiring import Rewiring
from ..utils import checks
from .apply import apply
from .evidence import Evidence, given
from .regrowths import places

Rule: TypeAlias = Callable[[float, SparseMLP, Sequence[LayerState], Evidence, np.random.Generator], Sequence[Rewiring | None]]


@dataclass
class Changes:
    """What an evolution changed.

    Parameters
    ----------
    links : list of tuple of int
        Numbers of links (pruned, grown) of each layer.
    neurons_pruned : list of int
        For each hidden layer the number of neurons that were removed or have lost their last incoming link.
    rewirings : list of Rewiring or None
        The change of each layer, None where nothing changed.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.Changes.none(2).links
    [(0, 0), (0, 0)]
    """

    links: list[tuple[int, int]]
    neurons_pruned: list[int]
    rewirings: list[Rewiring | None]

    @classmethod
    def none(cls, n_layers: int) -> Self:
        """Return the changes of an evolution that changed nothing.

        Parameters
        ----------
        n_layers : int
            Number of layers.

        Returns
        -------
        Changes
            No changes.
        """
        return cls([(0, 0)] * n_layers, [0] * (n_layers - 1), [None] * n_layers)


def evolve(
    rules: Sequence[Rule],
    epoch: float,
    model: SparseMLP,
    state: Sequence[LayerState],
    make_evidence: Callable[[], Evidence],
    rng: np.random.Generator,
    memories: Sequence[dict[str, Any]] | None = None,
    optimizer: Optimizer | None = None,
) -> Changes:
    """Apply rules in order to a network and its optimizer state.

    Parameters
    ----------
    rules : list of callable
        The rules.
    epoch : int or float
        Number of finished epochs; within an epoch with a fraction.
    model : SparseMLP
        The network, changed in place.
    state : list of LayerState
        The optimizer's state of each layer, changed in place.
    make_evidence : callable
        Returns an Evidence of the network in its present state; called before each rule.
    rng : numpy.random.Generator
        Source of randomness.
    memories : list of dict, optional
        The memory of each rule, which becomes its evidence's; changed in place.
    optimizer : Optimizer, optional
        The optimizer; where its `new_state` is not 0, it says what it keeps of new links at first.

    Returns
    -------
    Changes
        What has changed.

    Raises
    ------
    TypeError, ValueError
        If a rule returns something that does not fit. Earlier rules have been applied by then: see `Undo`.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((10, 20, 2), density=0.5, exact=True, seed=0)
    >>> state = sl.MomentumSGD().init(model)
    >>> sl.evolution.evolve([sl.SET(0.3)], 1, model, state, lambda: None, np.random.default_rng(0)).links
    [(29, 29), (0, 0)]
    """
    check_model(model)
    done = Changes.none(len(model.layers))
    links, neurons = np.array(done.links, int), np.array(done.neurons_pruned, int)
    for number, rule in enumerate(rules):
        linked = np.array(model.linked_neurons, int)
        evidence = with_memory(make_evidence(), memories, number)
        rewirings = rule(epoch, model, state, evidence, rng)
        remember(rule, evidence, memories, number)
        links += apply(rewirings, model, state, rng, first_state(optimizer, epoch, evidence))
        neurons += np.maximum(0, linked - np.array(model.linked_neurons, int))
        done.rewirings = [chained(*pair) for pair in zip(done.rewirings, rewirings, strict=True)]
    check_state(state, model)
    return Changes([(int(pruned), int(grown)) for pruned, grown in links], list(map(int, neurons)), done.rewirings)


def can_go_by_layer(rules: Sequence[Rule]) -> bool:
    """Tell whether all rules can change one layer after the other, as rules that look at single layers can.

    Parameters
    ----------
    rules : list of callable
        The rules.

    Returns
    -------
    bool
        Whether all have a method `by_layer`, and none an attribute `across_layers` that is true.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.can_go_by_layer([sl.SET(0.3)]), sl.evolution.can_go_by_layer([sl.ImportancePruning()])
    (True, False)
    """
    return all(hasattr(rule, "by_layer") and not getattr(rule, "across_layers", False) for rule in rules)


def with_memory(evidence, memories, number):
    """The evidence with the memory of rule `number`."""
    if memories is not None and evidence is not None:
        evidence.memory = memories[number]
    return evidence


def first_state(optimizer, epoch, evidence):
    """The optimizer's state of new links, as `apply` takes it, from their gradients in the batch; None where it is 0."""
    if not getattr(optimizer, "new_state", 0):
        return None
    given(evidence)
    rate = optimizer.rate(epoch)
    return lambda layer, rewiring: optimizer.first_state(evidence.of(layer).gradient_at(*places_before(rewiring)), rate)


def places_before(rewiring):
    """(rows, columns) of the links that have grown, in the numbering of the layer before the change."""
    ids = rewiring.rows, rewiring.cols
    return [place if kept is None else kept[place] for place, kept in zip(places(rewiring), ids, strict=True)]


def remember(rule, evidence, memories, number):
    """Take over the memory of rule `number` as a checkpoint gives it back, so that a run that is resumed remembers the same."""
    if memories is not None and evidence is not None:
        found = plain(evidence.memory, f"evidence.memory of {checks.shown(rule)}")
        memories[number].clear()
        memories[number].update(found)


def plain(value, name):
    """A value with plain numbers, texts, lists and dicts; TypeError with its name for anything else."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(one, f"{name}[{n}]") for n, one in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(one, f"{name}[{key!r}]") for key, one in value.items()}
    checks.fail(name, value, "numbers, texts, and lists and dicts of them, with texts as keys", TypeError)


def evolve_by_layer(
    rules: Sequence[Any],
    epoch: float,
    model: SparseMLP,
    state: Sequence[LayerState],
    make_evidence: Callable[[], Evidence],
    rng: np.random.Generator,
    memories: Sequence[dict[str, Any]] | None = None,
    optimizer: Optimizer | None = None,
) -> Changes:
    """Apply rules layer by layer, for networks of which two copies do not fit into memory.

    Each layer is replaced before the change of the next one is computed. The result equals that of `evolve`, provided that
    a rule that asks for gradients at all does so before the first layer changes. After an interrupt some layers may have evolved
    and others not, and new links may be at 0: the network is valid, but training cannot be resumed exactly.

    Parameters
    ----------
    rules : list of callable
        The rules, each with a method `by_layer`.
    epoch : int or float
        Number of finished epochs; within an epoch with a fraction.
    model : SparseMLP
        The network, changed in place.
    state : list of LayerState
        The optimizer's state of each layer, changed in place.
    make_evidence : callable
        Returns an Evidence of the network in its present state; called before each rule.
    rng : numpy.random.Generator
        Source of randomness.
    memories : list of dict, optional
        The memory of each rule, which becomes its evidence's; changed in place.
    optimizer : Optimizer, optional
        The optimizer; where its `new_state` is not 0, it says what it keeps of new links at first.

    Returns
    -------
    Changes
        What has changed, without rewirings.

    Raises
    ------
    ValueError
        If a rule has to look at several layers at once.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((10, 20, 2), density=0.5, exact=True, seed=0)
    >>> state = sl.MomentumSGD().init(model)
    >>> sl.evolution.evolve_by_layer([sl.SET(0.3)], 1, model, state, lambda: None, np.random.default_rng(0)).links
    [(29, 29), (0, 0)]
    """
    if not can_go_by_layer(rules):
        checks.fail("rules", list(rules), "rules that look at one layer at a time: see `can_go_by_layer`")
    check_model(model)
    n = len(model.layers)
    links, neurons = np.zeros((n, 2), int), np.zeros(n - 1, int)
    for number, rule in enumerate(rules):
        linked = np.array(model.linked_neurons, int)
        evidence = with_memory(make_evidence(), memories, number)
        first = first_state(optimizer, epoch, evidence)
        if first:  # gradients are those of the net before the event
            evidence.flows  # noqa: B018
        without_values = []  # `evolve` draws the initializer's values when all layers' changes have been drawn
        for index, rewiring in enumerate(rule.by_layer(epoch, model, state, evidence, rng)):
            if isinstance(rewiring, Rewiring) and rewiring.new_values is None:
                new = rewiring.origin < 0
                without_values.append((model.layers[index], np.packbits(new)))
                rewiring = replace(rewiring, new_values=np.zeros(np.count_nonzero(new), model.dtype))
            only = [rewiring if other == index else None for other in range(n)]
            links += apply(only, model, state, rng, first)
        remember(rule, evidence, memories, number)
        for layer, bits in without_values:
            slots = np.flatnonzero(np.unpackbits(bits, count=layer.topology.nnz))
            if len(slots):
                layer.w[slots] = model.initializer(layer.topology, rng, layer.dtype, slots=slots)
        neurons += np.maximum(0, linked - np.array(model.linked_neurons, int))
    check_state(state, model)
    return Changes([(int(pruned), int(grown)) for pruned, grown in links], list(map(int, neurons)), [None] * n)


def chained(first: Rewiring | None, second: Rewiring | None) -> Rewiring | None:
    """Combine two changes of a layer.

    Parameters
    ----------
    first, second : Rewiring or None
        The earlier and the later change, None for no change.

    Returns
    -------
    Rewiring or None
        Both changes in one.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.chained(None, None) is None
    True
    """
    return second if first is None else first if second is None else first.then(second)
