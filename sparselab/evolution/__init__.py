"""Rules that change topologies between epochs, and the function that applies their changes to a network.

A rule is any function (epoch, model, state, evidence, rng) that returns a Rewiring or None for each layer. If it has a method
`prepare(model, epochs)`, this is called before a training starts, with the total number of epochs; if it has an attribute
`timing`, this says when it is called.
"""

from ..topology.percolation import percolate
from ..topology.rewiring import keep_neurons
from . import criteria, importances, new_values, regrowths
from .apply import Undo, apply
from .cannistraci_hebb import CHT, CHTs, CHTss
from .constant_fan_in import SRigL
from .criteria import magnitude, magnitude_within_sign
from .deep_r import DeepR
from .evidence import Evidence, Flow
from .evolving import Changes, can_go_by_layer, chained, evolve, evolve_by_layer
from .importance_pruning import ImportancePruning, least_important, shrink, widths_without
from .methods import ANF, GMP, GSE, MEST, SNFS, GraNet
from .pals import PALS
from .prune_regrow import SET, PruneRegrow, RigL
from .timing import Timing, timing_of
from .top_kast import TopKAST

__all__ = [
    "ANF", "CHT", "GMP", "GSE", "MEST", "PALS", "SET", "SNFS", "CHTs", "CHTss", "Changes", "DeepR", "Evidence", "Flow",
    "GraNet", "ImportancePruning", "PruneRegrow", "RigL", "SRigL", "Timing", "TopKAST", "Undo", "apply", "can_go_by_layer",
    "chained", "criteria", "evolve", "evolve_by_layer", "importances", "keep_neurons", "least_important", "magnitude",
    "magnitude_within_sign", "new_values", "percolate", "regrowths", "shrink", "timing_of", "widths_without",
]  # fmt: skip
