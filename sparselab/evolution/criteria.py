"""Which links go: a criterion is a function (layer, state, evidence, rng, zeta) of a SparseLinear, its LayerState, an Evidence, a
Generator and the share that shall go.

It answers with scores (nnz,), numbers of which the lowest ⌊zeta · nnz⌋ go, or with keep (nnz,) bool.
"""

import numpy as np

from ..kernels import csr_passes
from ..utils import checks


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
    csr_passes.keep_above(w, -low, high, ties_low, ties_high, keep)
    return keep


def magnitude(layer, state, evidence, rng, zeta):
    """|w|: the weights closest to 0 go, whatever their sign."""
    return all_but_lowest(np.abs(layer.w), zeta)


def random(layer, state, evidence, rng, zeta):
    """By lot: the control of every criterion."""
    return all_but_lowest(rng.random(layer.topology.nnz), zeta)


def sensitivity(layer, state, evidence, rng, zeta):
    """|w · g|, g the gradient of a batch: how much the loss would change, to first order (Lee et al. 2019, SNIP, eq. 4)."""
    return all_but_lowest(np.abs(layer.w * evidence.gradient(layer)), zeta)


def momentum(layer, state, evidence, rng, zeta):
    """|v|, the velocity: links that no gradient has moved of late go (after Dettmers & Zettlemoyer 2019, sparse momentum)."""
    if state is None or not state.links:
        checks.fail("criterion", "momentum", "used with an optimizer that keeps a velocity beside the links")
    return all_but_lowest(np.abs(state.links[0]), zeta)


NAMES = {
    "magnitude_within_sign": magnitude_within_sign,
    "magnitude": magnitude,
    "random": random,
    "sensitivity": sensitivity,
    "momentum": momentum,
}


def all_but_lowest(scores, zeta):
    """keep (nnz,) bool: the ⌊zeta · nnz⌋ lowest scores go, ties in slot order. ValueError for a score that is not finite."""
    check_finite("criterion's scores", scores)
    threshold, ties = cut(scores, zeta)
    keep = np.ones(len(scores), bool)
    if int(zeta * len(scores)):
        keep = scores >= threshold
        keep[np.flatnonzero(scores == threshold)[:ties]] = False
    return keep


def kept(answer, nnz, zeta):
    """keep (nnz,) bool of a criterion's answer, which is that or scores; ValueError for anything else."""
    found = checks.as_array(answer)
    if found.shape == (nnz,) and found.dtype.kind in "iuf":
        return all_but_lowest(found, zeta)
    if found.shape != (nnz,) or found.dtype != bool:
        checks.fail("keep", answer, f"a bool array of shape ({nnz},), or as many scores: the criterion's answer")
    return found


def check_finite(name, values):
    """ValueError naming the first number that is not finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] = {values[bad[0]]}: must be finite")
