"""A scale-free graph between two layers: Barabási and Albert's, shuffled onto both."""

import numpy as np

from ..kernels import attachment
from .rewiring import rewire
from .topology import Topology

ROUNDS = 30  # of exchanges that try to dissolve double links


def scale_free(n_in, n_out, n_links, rng):
    """Draw a topology with `n_links` links whose degrees follow a power law on both sides. O(links + n_in + n_out), times a log.

    Links of Barabási and Albert's graph within a side are cut, and each end makes a link with one of the other side, so that
    degrees stay. Where a side has ends left over, half of them get a partner in proportion to its degree. Double links
    exchange their ends with others; the few that cannot are placed uniformly.
    """
    a, b = rng.permutation(n_in + n_out)[preferential(n_in + n_out, n_links, rng)].reshape(-1, 2).T
    a, b = np.minimum(a, b), np.maximum(a, b)  # below n_in: an input
    inside, outside = b < n_in, a >= n_in
    inputs, outputs = (rng.permutation(np.append(a[side], b[side])) for side in (inside, outside))
    paired, across = min(len(inputs), len(outputs)), ~(inside | outside)
    columns, rows = np.append(a[across], inputs[:paired]), np.append(b[across], outputs[:paired])
    inputs, outputs = (ends[paired : paired + (len(ends) - paired) // 2] for ends in (inputs, outputs))
    columns = np.concatenate([columns, inputs, _in_proportion(columns, n_in, len(outputs), rng)])
    rows = np.concatenate([rows, _in_proportion(rows - n_in, n_out, len(inputs), rng) + n_in, outputs]) - n_in
    rows, columns = _without_doubles(rows, columns, n_in, rng)
    topology = Topology.from_links(n_out, n_in, rows, columns)
    return rewire(topology, np.ones(topology.nnz, bool), n_links - topology.nnz, rng=rng).topology


def preferential(n_nodes, n_links, rng):
    """Ends (2 n_links,) of a Barabási–Albert graph: a node has c or c − 1 links (node v < c has v) to earlier ones."""
    rising = np.arange(n_nodes)
    c = int(np.searchsorted(np.cumsum(rising[:0:-1]), n_links)) + 1
    counts = np.minimum(rising, c)
    counts[c + rng.permutation(n_nodes - c)[: counts.sum() - n_links]] -= 1
    ends = np.empty(2 * n_links, np.int64)
    attachment.attach(rng.integers(2**64, size=1, dtype=np.uint64), counts, np.full(n_nodes, -1), ends)
    return ends


def _in_proportion(ends, n, count, rng):
    """`count` of n neurons in proportion to how often each is one of `ends`; uniformly if there are none."""
    return ends[rng.integers(len(ends), size=count)] if len(ends) else rng.integers(n, size=count)


def _without_doubles(rows, columns, n_in, rng):
    """Exchange the columns of double links and others, where that makes no new doubles; what is still double is left out."""
    places = rows * n_in + columns
    for _ in range(ROUNDS):
        known, first = np.unique(places, return_index=True)
        single = np.zeros(len(places), bool)
        single[first] = True
        double = np.flatnonzero(~single)
        if not len(double):
            break
        others = rng.permutation(first)[: len(double)]
        double = double[: len(others)]
        new = np.append(rows[double] * n_in + columns[others], rows[others] * n_in + columns[double])
        at = np.minimum(np.searchsorted(known, new), len(known) - 1)
        _, inverse, times = np.unique(new, return_inverse=True, return_counts=True)
        fine = np.all(((known[at] != new) & (times[inverse] == 1)).reshape(2, -1), axis=0)
        double, others = double[fine], others[fine]
        columns[double], columns[others] = columns[others], columns[double]
        places = rows * n_in + columns
    first = np.unique(places, return_index=True)[1]
    return rows[first], columns[first]
