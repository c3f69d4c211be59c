"""Places on a ring: side by side, or drawn with a probability that falls with the distance from a centre."""

import numpy as np

STEEPEST = 1e12  # beyond, the nearest places are drawn anyway
PIECE = 2**20  # places that are considered at a time


def neighbours(first, counts, length):
    """(i, place) of counts[i] places on a ring of this length, one beside the other from first[i] on."""
    i = np.repeat(np.arange(len(counts)), counts)
    return i, (first.astype(np.int64)[i] + np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)) % length


def near_centres(counts, centres, length, decay, rng):
    """Draw counts[i] distinct places of range(length) for each i; returns all of them, (Σ counts,), those of i together.

    Place x has probability ∝ (1 + δ)^−decay among those that are left, where δ is its distance from centres[i] on the ring. The
    draws are a race: each place arrives after an exponential time with this rate, and the first counts[i] are taken, which is the
    same law. Near places get a time each; of the many far ones only those are drawn that arrive early. So time and memory are
    O(Σ counts + length), with a logarithm, as long as the counts are of similar size.
    """
    distance = np.arange(1, length + 1) // 2  # of the places in the order 0, +1, −1, +2, −2, …
    cost = min(decay, STEEPEST) * np.log1p(distance)  # −ln rate
    most = int(counts.max())
    end = _time_of(min(length, most + 3 * most**0.5 + 3), cost)
    near = int(np.searchsorted(cost, end))
    far = np.cumsum(np.exp(end - cost[near:]))  # rates, in units of the end's inverse
    step = max(1, PIECE // (near + int(far[-1] if len(far) else 0) + 1))
    pieces = [_race(counts[i : i + step], cost[:near], far, end, rng) for i in range(0, len(counts), step)]
    q = np.concatenate(pieces)
    offset = np.where(q % 2 == 1, distance[q], -distance[q])
    return (np.repeat(centres, counts) + offset) % length


def _time_of(wanted, cost):
    """Logarithm of the time at which so many places are expected to have arrived; inf where that is half of them or more."""
    if 2 * wanted >= len(cost):
        return np.inf
    low, high = -50.0, float(cost[-1]) + 50
    for _ in range(60):
        middle = (low + high) / 2
        arrived = -np.expm1(-np.exp(np.minimum(middle - cost, 50))).sum()
        low, high = (middle, high) if arrived < wanted else (low, middle)
    return high


def _race(counts, cost, far, end, rng):
    """The first counts[i] places of each i, as numbers in the order of distance."""
    n, near = len(counts), len(cost)
    times = np.log(rng.standard_exponential((n, near))) + cost
    rows, places, late = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    waiting, begin, until = np.arange(n if len(far) else 0), 0.0, 1.0
    while len(waiting):  # usually once: then few rows need a longer time
        arrivals = rng.poisson((until - begin) * far[-1], len(waiting))
        new = rng.random(arrivals.sum()) * far[-1], begin + (until - begin) * (1 - rng.random(arrivals.sum()))
        rows = np.append(rows, np.repeat(waiting, arrivals))
        places = np.append(places, near + np.minimum(np.searchsorted(far, new[0], side="right"), len(far) - 1))
        late = np.append(late, end + np.log(new[1]))
        order = np.lexsort((late, places, rows))
        rows, places, late = rows[order], places[order], late[order]
        first = np.append(True, (np.diff(rows) != 0) | (np.diff(places) != 0))[: len(rows)]
        rows, places, late = rows[first], places[first], late[first]
        there = (times <= end + np.log(until)).sum(axis=1) + np.bincount(rows, minlength=n)
        waiting, begin, until = np.flatnonzero(there < counts), until, 2 * until
    rows, places = np.append(np.repeat(np.arange(n), near), rows), np.append(np.tile(np.arange(near), n), places)
    order = np.lexsort((np.append(times.ravel(), late), rows))
    begins = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))[:-1]])
    rows = rows[order]
    return places[order][np.arange(len(rows)) - begins[rows] < counts[rows]]
