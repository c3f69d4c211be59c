"""Draws links uniformly without replacement, in time and memory proportional to their number.

A uniform k-subset of the free positions of an (n_out, n_in) matrix is drawn in two steps that together are exact: first how
many links each row gets (sequential draws without replacement, by rejection), then that many free columns in each row.
"""

from .rng import below, key64
from .settings import jit

SHORT = 24  # links of a row up to which a linear search is faster than marks in memory


@jit
def draw_counts(state, n_in, occupied, n_new, counts):
    """counts[j] of `n_new` links go to row j: P(row j) ∝ its free positions n_in − occupied[j] − counts[j] at each draw."""
    n_out = counts.shape[0]
    counts[:] = 0
    for _ in range(n_new):
        while True:
            j = below(state, n_out)
            if below(state, n_in) >= occupied[j] + counts[j]:
                counts[j] += 1
                break


@jit
def _sort(values, n):
    """Shell sort of values[:n] with Knuth's gaps: rows are short, and numba's own sort takes long to compile."""
    gap = 1
    while 3 * gap < n:
        gap = 3 * gap + 1
    while gap > 0:
        for a in range(gap, n):
            value, b = values[a], a
            while b >= gap and values[b - gap] > value:
                values[b] = values[b - gap]
                b -= gap
            values[b] = value
        gap //= 3


@jit
def walk_columns(state, n_in, taken, n_new, out):
    """out[:n_new] = distinct free columns, sorted, in one pass over the row (selection sampling, Knuth's algorithm S)."""
    free, wanted, t, filled = n_in - taken.shape[0], n_new, 0, 0
    for i in range(n_in):
        if t < taken.shape[0] and taken[t] == i:
            t += 1
            continue
        if wanted and below(state, free) < wanted:
            out[filled] = i
            filled += 1
            wanted -= 1
        free -= 1


@jit
def holds(values, n, value):
    """Whether value is one of values[:n], by linear search."""
    for k in range(n):
        if values[k] == value:
            return True
    return False


@jit
def draw_columns(state, n_in, taken, n_new, stamp, mark, out):
    """out[:n_new] = distinct free columns, sorted, where `taken` (sorted) are occupied.

    Occupied columns are drawn and rejected: found by linear search in a short row, by `stamp` (n_in,) int64 in a long one,
    where no value equals `mark` on entry. More than half-full rows use `walk_columns`.
    """
    n = taken.shape[0]
    if 2 * (n + n_new) > n_in:
        walk_columns(state, n_in, taken, n_new, out)
        return
    short, filled = n + n_new <= SHORT, 0
    if not short:
        for t in range(n):
            stamp[taken[t]] = mark
    while filled < n_new:
        i = below(state, n_in)
        if short:
            if holds(taken, n, i) or holds(out, filled, i):
                continue
        else:
            if stamp[i] == mark:
                continue
            stamp[i] = mark
        out[filled] = i
        filled += 1
    _sort(out, n_new)


@jit
def grow(seed, begin, end, n_in, indptr, indices, origins, counts, new_indptr, new_indices, origin, stamp, drawn, state):
    """Merge the links (indptr, indices; their old slots in `origins`) with counts[j] newly drawn ones, for rows begin … end − 1.

    new_indptr is given; new_indices and origin (old slot, or −1 for a new link) are written, sorted in each row. The links
    drawn for a row depend on (seed, row) only. Scratch: stamp (n_in,), which may be empty where
    every row is short, drawn (largest number of new links in a row) and state (1,) uint64.
    """
    for j in range(begin, end):
        taken, old = indices[indptr[j] : indptr[j + 1]], origins[indptr[j] : indptr[j + 1]]
        if counts[j]:
            state[0] = key64(seed, j)
            draw_columns(state, n_in, taken, counts[j], stamp, j, drawn)
        a, b = 0, 0
        for k in range(new_indptr[j], new_indptr[j + 1]):
            if b >= counts[j] or (a < taken.shape[0] and taken[a] < drawn[b]):
                new_indices[k], origin[k] = taken[a], old[a]
                a += 1
            else:
                new_indices[k], origin[k] = drawn[b], -1
                b += 1
