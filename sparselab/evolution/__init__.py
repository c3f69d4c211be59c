"""Rules that change topologies between epochs, and the one function that applies them.

A rule is any callable (epoch, model, state, evidence, rng) -> [Rewiring or None for each layer].
"""

from .apply import Undo, apply
from .criteria import magnitude, magnitude_within_sign
from .evidence import Evidence
from .prune_regrow import SET, PruneRegrow

__all__ = ["SET", "Evidence", "PruneRegrow", "Undo", "apply", "magnitude", "magnitude_within_sign"]
