"""Losses of a tile and their gradients, with weights of samples and of outputs.

elementwise.py has the two that need no weights, softmax cross-entropy and squared error, as parts of fused passes.
"""

import numpy as np

from .settings import jit

# `code` of the built-in losses; then those of binary losses for targets that are labels or lists of labels
SOFTMAX, SQUARED, BINARY, HINGE, ABSOLUTE, HUBER, POISSON, QUANTILE = range(8)
BINARY_OF_CLASSES, HINGE_OF_CLASSES, BINARY_OF_LISTS, HINGE_OF_LISTS = range(8, 12)
NONE = np.zeros(0)  # weights or factors that are all 1


def code_of(code, targets):
    """The code for these targets: labels (n,), or lists of labels: int32 (n, longest), sorted, −1 beyond the last."""
    if targets.dtype == np.int32:
        return {BINARY: BINARY_OF_LISTS, HINGE: HINGE_OF_LISTS}[code]
    return {BINARY: BINARY_OF_CLASSES, HINGE: HINGE_OF_CLASSES}.get(code, code) if targets.ndim == 1 else code


@jit
def of_one(code, z, t, parameter):
    """(loss, slope) of an output z and its target t, in float64. A loss of z that is NaN is NaN."""
    if code == BINARY or code == BINARY_OF_CLASSES or code == BINARY_OF_LISTS:  # −log σ(margin)
        sign = 1.0 if t > 0 else -1.0
        margin = sign * z
        e = np.exp(-abs(margin))
        if margin > 0:
            return np.log1p(e), -sign * e / (1.0 + e)
        return np.log1p(e) - margin, -sign / (1.0 + e)
    if code == HINGE or code == HINGE_OF_CLASSES or code == HINGE_OF_LISTS:
        sign = 1.0 if t > 0 else -1.0
        gap = 0.0 if sign * z >= 1.0 else 1.0 - sign * z
        return gap * gap, -2.0 * sign * gap
    d = z - t
    if code == POISSON:
        rate = np.exp(z)
        return rate - t * z, rate - t
    if code == ABSOLUTE:
        return abs(d), 1.0 if d > 0 else (-1.0 if d < 0 else 0.0)
    if code == QUANTILE:
        if d > 0:
            return (1.0 - parameter) * d, 1.0 - parameter
        return -parameter * d, -parameter if d < 0 else 0.0
    if code == HUBER and abs(d) > parameter:
        return parameter * (abs(d) - 0.5 * parameter), parameter if d > 0 else -parameter
    return 0.5 * d * d, d  # SQUARED, too


@jit
def by_outputs(code, Z, targets, samples, first, count, scale, dZ, parameter, factors, weights):
    """Σ of a loss over a tile of outputs Z (outputs, W), each by itself: (Σ loss, hits); dZ = slopes · scale, and may be Z.

    targets (n, outputs), or lists of labels, see code_of; labels (n, 1) are lists of one. factors: of the outputs, twice as many
    where those of targets > 0 are others, or NONE; weights: of all n samples, or NONE. Hits: samples whose largest output is that
    of the largest target; where each output is a label, samples whose outputs all have the right sign.
    """
    n, width = Z.shape
    listed = code >= BINARY_OF_CLASSES
    by_sign = code == BINARY or code == HINGE or code == BINARY_OF_LISTS or code == HINGE_OF_LISTS
    loss, hits = 0.0, 0
    for c in range(count):
        sample, best, wanted, right, place = samples[first + c], 0, 0, True, 0
        top, largest = 0.0, 0.0
        weight = weights[sample] if len(weights) else 1.0
        for q in range(n):
            z = np.float64(Z[q, c])
            if listed:
                t = 1.0 if place < targets.shape[1] and targets[sample, place] == q else 0.0
                place += 1 if t > 0 else 0
            else:
                t = np.float64(targets[sample, q])
            if q == 0 or z > top:
                top, best = z, q
            if q == 0 or t > largest:
                largest, wanted = t, q
            right = right and (z > 0) == (t > 0)
            value, slope = of_one(code, z, t, parameter)
            factor = weight
            if len(factors):
                factor *= factors[q + n if t > 0 and len(factors) > n else q]
            loss += factor * value
            dZ[q, c] = factor * slope * scale
        hits += right if by_sign else best == wanted
    dZ[:, count:width] = 0
    return loss, hits


@jit
def softmax(Z, labels, samples, first, count, scale, dZ, smoothing, weights):
    """`elementwise.softmax_loss` with weights of the samples, and targets (1 − smoothing) · one-hot + smoothing / classes."""
    n, width = Z.shape
    loss, hits = 0.0, 0
    for c in range(count):
        label, best = labels[samples[first + c]], 0
        weight = weights[samples[first + c]] if len(weights) else 1.0
        for q in range(1, n):
            if Z[q, c] > Z[best, c]:
                best = q
        top, spread, sum_ = np.float64(Z[best, c]), 0.0, 0.0
        logit = np.float64(Z[label, c]) - top
        for q in range(n):
            spread += np.float64(Z[q, c]) - top
            sum_ += np.exp(np.float64(Z[q, c]) - top)
        for q in range(n):
            target = smoothing / n + (1.0 - smoothing if q == label else 0.0)
            dZ[q, c] = weight * (np.exp(np.float64(Z[q, c]) - top) / sum_ - target) * scale
        loss += weight * (np.log(sum_) - (1.0 - smoothing) * logit - smoothing * spread / n)
        hits += best == label
    dZ[:, count:width] = 0
    return loss, hits
