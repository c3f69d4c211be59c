"""Preferential attachment: the links of a scale-free graph, in time proportional to their number."""

from .rng import below
from .settings import jit


@jit
def attach(state, counts, seen, ends):
    """Write the two ends of each link into ends[2 e] and ends[2 e + 1]; node v comes with counts[v] links to earlier nodes.

    Its partners are distinct and drawn in proportion to their degree before v, which the list of all ends holds; while there is
    no link yet, uniformly. A node with as many links as there are earlier ones gets all of these. seen (nodes,) is scratch,
    filled with −1.
    """
    e = 0
    for v in range(counts.shape[0]):
        before, everyone = 2 * e, counts[v] >= v
        for u in range(v if everyone else 0):
            ends[2 * e], ends[2 * e + 1] = v, u
            e += 1
        drawn = v if everyone else 0
        while drawn < counts[v]:
            u = ends[below(state, before)] if before else below(state, v)
            if seen[u] != v:
                seen[u] = v
                ends[2 * e], ends[2 * e + 1] = v, u
                e += 1
                drawn += 1
