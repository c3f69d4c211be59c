"""Scores of many samples with many outputs, of which only some exist at a time."""

import numpy as np

from . import losses

AT_ONCE = 2**22  # outputs that are evaluated at a time, in float64
ROWS = 64  # samples whose outputs are computed at a time where one has so many outputs that it is less: a whole tile


def rows_at_once(n, n_out):
    """(samples whose outputs are computed, samples that are evaluated) at a time, of n samples with classes."""
    size = max(1, AT_ONCE // n_out)
    return min(n, max(ROWS, size)), min(n, size)


def scores_of(loss, outputs, targets, weights, n_out):
    """`losses.scores`; where there are classes, without the outputs of all samples at once.

    outputs: a function (begin, end) -> Z (end − begin, n_out) of these samples. weights: of all samples, or None.
    """
    n = len(targets)
    computed, size = rows_at_once(n, n_out)
    if n <= size or not losses.has_classes(targets):
        return losses.scores(loss, outputs(0, n), targets, weights)
    found = []  # (weight, loss, accuracy) of each piece
    for begin in range(0, n, computed):
        Z = outputs(begin, min(n, begin + computed))
        for first in range(0, len(Z), size):
            part = slice(begin + first, begin + min(first + size, len(Z)))
            own = None if weights is None else weights[part]
            weight = part.stop - part.start if own is None else own.sum()
            if weight:
                found.append((weight, *losses.scores(loss, Z[first : first + size], targets[part], own)[:2]))
    each, values, hits = zip(*found, strict=True)
    return float(np.average(values, weights=each)), None if None in hits else float(np.average(hits, weights=each)), None
