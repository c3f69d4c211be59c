"""Rules that change topologies between epochs, and the one function that applies them.

A rule is any callable (epoch, model, state, evidence, rng) -> [Rewiring or None for each layer]. One that has a method
`prepare(model, epochs)` is told before a training starts how many epochs there will be in all.
"""

from ..topology.rewiring import keep_neurons
from . import criteria, importances, regrowths
from .apply import Undo, apply
from .criteria import magnitude, magnitude_within_sign
from .evidence import Evidence, Flow
from .evolving import Changes, can_go_by_layer, chained, evolve, evolve_by_layer
from .importance_pruning import ImportancePruning, least_important, shrink, widths_without
from .prune_regrow import SET, PruneRegrow

__all__ = [
    "SET", "Changes", "Evidence", "Flow", "ImportancePruning", "PruneRegrow", "Undo", "apply", "can_go_by_layer", "chained",
    "criteria", "evolve", "evolve_by_layer",
    "importances", "keep_neurons", "least_important", "magnitude",
    "magnitude_within_sign", "regrowths", "shrink", "widths_without",
]  # fmt: skip
