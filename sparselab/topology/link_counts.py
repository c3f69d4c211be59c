"""How many links a layer and each of its neurons gets."""

import numpy as np


def n_links(n_in, n_out, density):
    """The number of links that a density gives."""
    return round(density * (n_in * n_out))


def shared(n_links, n, rng):
    """(n,) numbers of links that differ by at most 1; random neurons have more."""
    counts = np.full(n, n_links // n)
    counts[rng.permutation(n)[: n_links % n]] += 1
    return counts


def thrown(total, n, most, rng):
    """(n,) numbers of links: one each as far as they suffice, the others thrown uniformly, at most `most` each."""
    counts = shared(min(total, n), n, rng)
    while (rest := total - counts.sum()) > 0:
        room = np.flatnonzero(counts < most)
        counts[room] += rng.multinomial(rest, np.full(len(room), 1 / len(room)))
        counts = np.minimum(counts, most)
    return counts


def in_proportion(weights, total, most):
    """Whole numbers ∝ weights, each at most `most`, whose sum is `total`: the largest remainders are rounded up.

    weights: (n,), >= 0; where those of all that have room left are 0, they count alike. most: one number, or one for each, with
    room for `total` in all.
    """
    weights, most, shares = np.asarray(weights, float), np.broadcast_to(most, len(weights)), np.zeros(len(weights))
    free = np.ones(len(weights), bool)
    while free.any():
        own = weights[free] if weights[free].any() else np.ones(np.count_nonzero(free))
        shares[free] = (total - most[~free].sum()) * own / own.sum()
        if not (shares > most).any():
            break
        free &= shares <= most
        shares[~free] = most[~free]
    counts = np.floor(shares).astype(np.int64)
    order = np.argsort(-np.where(counts < most, shares - counts, -1), kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts
