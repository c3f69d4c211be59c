"""Which links go: a criterion is a function (layer, state, evidence, rng, zeta) -> keep (nnz,) bool."""

import numpy as np

from ..kernels import sweeps


def cut(values, share):
    """(threshold, ties): drop what is below the threshold and `ties` of those equal to it: exactly ⌊share · n⌋ values."""
    n_drop = int(share * len(values))
    if n_drop == 0:
        return 0, 0
    part = np.partition(values, n_drop - 1)
    threshold = part[n_drop - 1]
    return threshold, n_drop - int(np.count_nonzero(part[:n_drop] < threshold))


def magnitude_within_sign(layer, state, evidence, rng, zeta):
    """SET's criterion (Mocanu et al. 2018): the share zeta of the smallest positive and of the largest negative weights goes.

    Ties go in slot order. Weights that are exactly 0 stay.
    """
    w = layer.w
    high, ties_high = cut(w[w > 0], zeta)
    low, ties_low = cut(-w[w < 0], zeta)
    keep = np.empty(len(w), bool)
    sweeps.keep_above(w, -low, high, ties_low, ties_high, keep)
    return keep


def magnitude(layer, state, evidence, rng, zeta):
    """The share zeta of the weights closest to 0 goes, whatever their sign."""
    size = np.abs(layer.w)
    threshold, ties = cut(size, zeta)
    keep = size >= threshold
    keep[np.flatnonzero(size == threshold)[:ties]] = False
    return keep
