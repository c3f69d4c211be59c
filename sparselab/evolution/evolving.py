"""One evolution: all rules, one after the other, and what they changed in all."""

import copy
from dataclasses import dataclass

import numpy as np

from ..nn.optimizers import check_state
from .apply import apply


@dataclass
class Changes:
    """What an evolution did. links: (pruned, grown) of each layer; neurons_pruned: of each hidden layer, those that went or lost
    their last incoming link; rewirings: of each layer the way from before to after, None where nothing changed."""

    links: list
    neurons_pruned: list
    rewirings: list

    @classmethod
    def none(cls, n_layers):
        """Nothing was changed."""
        return cls([(0, 0)] * n_layers, [0] * (n_layers - 1), [None] * n_layers)


def evolve(rules, epoch, model, state, make_evidence, rng):
    """Apply the rules in order to model and state (a LayerState a layer); returns the Changes.

    epoch: epochs that are finished. make_evidence: () -> Evidence of the model as it is then, called once a rule.
    """
    done = Changes.none(len(model.layers))
    links, neurons = np.array(done.links, int), np.array(done.neurons_pruned, int)
    for rule in rules:
        linked = np.array(model.linked_neurons, int)
        rewirings = rule(epoch, model, state, make_evidence(), rng)
        links += apply(rewirings, model, state, rng)
        neurons += np.maximum(0, linked - np.array(model.linked_neurons, int))
        done.rewirings = [chained(*pair) for pair in zip(done.rewirings, rewirings, strict=True)]
    check_state(state, model)
    return Changes([tuple(map(int, row)) for row in links], list(map(int, neurons)), done.rewirings)


def can_go_by_layer(rules):
    """Whether all rules can answer for one layer after the other: PruneRegrow and its kind, which look at no other layer."""
    return all(hasattr(rule, "by_layer") for rule in rules)


def evolve_by_layer(rules, epoch, model, state, make_evidence, rng):
    """`evolve` for nets too large to stand there twice: each layer is replaced before the next one is looked at.

    The same links and values come out, where every sparse layer loses links. An interrupt may leave some layers evolved and
    others not: a net that is whole, but not one to go on from exactly. No rewirings are kept.
    """
    n = len(model.layers)
    links, neurons = np.zeros((n, 2), int), np.zeros(n - 1, int)
    for rule in rules:
        linked = np.array(model.linked_neurons, int)
        values = copy.deepcopy(rng)  # `evolve` draws values of new links behind the seeds of all layers' links
        values.integers(2**64, size=sum(layer.topology.density < 1 for layer in model.layers[:-1]), dtype=np.uint64)
        for index, rewiring in enumerate(rule.by_layer(epoch, model, state, make_evidence(), rng)):
            only = [rewiring if other == index else None for other in range(n)]
            links += apply(only, model, state, values)
        rng = values
        neurons += np.maximum(0, linked - np.array(model.linked_neurons, int))
    check_state(state, model)
    return Changes([tuple(map(int, row)) for row in links], list(map(int, neurons)), [None] * n)


def chained(first, second):
    """Two rewirings of a layer, one after the other, as one; None is no change."""
    return second if first is None else first if second is None else first.then(second)
