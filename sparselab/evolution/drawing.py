"""Draws without replacement, with weights."""

import numpy as np

from ..kernels import link_scores
from ..utils.largest import Largest


def perturbed(scores, places, power, seed):
    """Random numbers of which the k largest are k places drawn one after the other without replacement, p ∝ score^power.

    They are functions of (seed, place) alone. −inf for a score of 0, which is never drawn. Scores are >= 0.
    """
    out = np.empty(len(scores))
    link_scores.perturb(seed, places, np.asarray(scores, float), float(power), out)
    return out


def drawn(scores, k, power, rng):
    """A bool array with k True, drawn without replacement, p ∝ score^power; scores of 0 only when no other is left, uniformly."""
    seed, places = rng.integers(2**64, dtype=np.uint64), np.arange(len(scores))
    chosen = np.zeros(len(scores), bool)
    for weights in (scores, np.equal(scores, 0)):
        best = Largest(k - int(np.count_nonzero(chosen)))
        best.offer(perturbed(weights, places, power, seed), 0)
        chosen[best.places()] = True
    return chosen
