"""Scores of free places by the links around them: the Cannistraci-Hebb scores of walks of three links.

N(·) are neighbours and d(·) their number. For a free place (u, v), z1 ∈ N(u) and z2 ∈ N(v) are the neurons on the walks
u – z1 – z2 – v, i = |N(z1) ∩ N(v)| or |N(z2) ∩ N(u)|, and e = d − i − 1 their links elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels import link_scores
from ..utils import checks
from .topology import Topology

BLOCK = 2**18  # places that are scored at a time, or those of one row
TOGETHER = 8  # blocks whose rows are scored together where neurons have many links


@dataclass(frozen=True)
class Kind:
    """A kind of score. by_walk: Σ √(x(z1) x(z2)) over the walks; otherwise Σ x over the neurons on them. x = 1 / (1 + e), or
    (1 + i) / (1 + e) if `within` counts."""

    by_walk: bool
    within: bool


KINDS = {
    "CH2-L3n": Kind(by_walk=False, within=True),
    "CH3-L3n": Kind(by_walk=False, within=False),
    "CH2-L3p": Kind(by_walk=True, within=True),
    "CH3-L3p": Kind(by_walk=True, within=False),
}


def walks(topology: Topology) -> NDArray[np.float64]:
    """Count the walks of three links that begin at each output, (n_out,): what scoring its row costs. Time is O(links)."""
    second = np.bincount(topology.indices, np.repeat(topology.fan_in, topology.fan_in), topology.n_in)
    return np.bincount(topology.rows, second[topology.indices], topology.n_out)


def operations(topology: Topology, kind: str) -> int:
    """Estimate what scoring a layer costs, in steps of some nanoseconds. Time is O(links)."""
    n_walks = int(walks(topology).sum())
    return n_walks if _by_walks(topology, kind) else _steps_of_blocks(topology)


def scored_rows(
    topology: Topology, kind: str, begin: int = 0, end: int | None = None, block: int = BLOCK
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Score the free places of some rows that have a positive score, block by block.

    Time is O(walks) and memory O(n_in + n_out + block), or what one row needs. For "L3n", where neurons have many links, rows are
    scored together, in time O(links (n_in + n_out + links of a neuron)) and memory O(8 block).

    Parameters
    ----------
    topology : Topology
        The links.
    kind : {"CH2-L3n", "CH3-L3n", "CH2-L3p", "CH3-L3p"}
        Which score.
    begin, end : int
        The rows; by default all.
    block : int
        Number of places that are scored at a time, at least those of one row.

    Yields
    ------
    scores : ndarray of float64
        Positive numbers, rounded to float32. The arrays are overwritten when the next ones are asked for.
    places : ndarray of int64
        row · n_in + column of each, rows ascending, columns in any order.
    """
    form = KINDS[checks.choice("score", kind, KINDS)]
    t = topology.transposed
    tables = _tables(form, int(max(topology.fan_in.max(), np.diff(t.indptr).max())))
    links = topology.indptr, topology.indices, t.indptr, t.rows
    score = _by_row if _by_walks(topology, kind) else _by_block
    yield from score(topology, form, begin, topology.n_out if end is None else end, block, (*tables, *links))


def _by_row(topology, form, begin, end, block, arrays):
    """One row after the other, over its walks."""
    n_out, n_in = topology.shape
    room = np.minimum(walks(topology), n_in - topology.fan_in)[begin:end].astype(np.int64)
    integers = lambda n: np.zeros(n, np.int32)
    scratch = [
        integers(n_out), np.zeros(n_out), integers(n_out + 1), integers(n_in), np.zeros(n_in), integers(n_in + 1), np.zeros(n_in),
        integers(n_in + 1),
    ]  # fmt: skip
    cuts = begin + _cuts(room, block)
    most = max((int(room[a - begin : b - begin].sum()) for a, b in zip(cuts, cuts[1:])), default=0)
    scores, places = np.empty(most), np.empty(most, np.int64)
    for a, b in zip(cuts, cuts[1:]):
        n = link_scores.score_rows(a, b, form.by_walk, *arrays, *scratch, scores, places)
        yield scores[:n], places[:n]


def _by_block(topology, form, begin, end, block, arrays):
    """Rows together, as dense rows of at most TOGETHER · block numbers; then the places with a score, `block` at a time."""
    n_out, n_in = topology.shape
    n_rows, part = max(1, TOGETHER * block // n_in), max(1, block // n_in)
    total = np.empty((min(n_rows, end - begin), n_in))
    scratch = np.zeros(n_out, np.int32), np.zeros(n_out + 1, np.int32), np.zeros(n_in, np.int32), np.zeros(n_in)
    for first in range(begin, end, n_rows):
        last = min(first + n_rows, end)
        link_scores.score_block(first, last, *arrays, *scratch, total)
        for a in range(first, last, part):
            rows, b = total[a - first : min(a + part, last) - first], min(a + part, last)
            slots = slice(topology.indptr[a], topology.indptr[b])
            rows[np.repeat(np.arange(b - a), topology.fan_in[a:b]), topology.indices[slots]] = 0
            found = np.flatnonzero(rows)
            yield rows.ravel()[found].astype(np.float32).astype(float), a * n_in + found


def _by_walks(topology, kind):
    """Whether rows are scored one by one: always for "L3p", where what z1 counts differs between rows."""
    return KINDS[kind].by_walk or walks(topology).sum() <= _steps_of_blocks(topology)


def _steps_of_blocks(topology):
    n_out, n_in = topology.shape
    blocks = -(-n_out * n_in // (TOGETHER * BLOCK))
    steps = blocks * np.square(topology.fan_in).sum() + topology.nnz * (n_out + n_in) + n_out * n_in
    return int(steps) // 4  # in the time of a walk, about


def _tables(form, longest):
    """What a neuron counts: above[1 + i] · below[1 + e]; its root where two of them are multiplied."""
    numbers = np.arange(longest + 2, dtype=float)
    numbers[0] = 1  # never used
    above, below = numbers if form.within else np.ones_like(numbers), 1 / numbers
    return (np.sqrt(above), np.sqrt(below)) if form.by_walk else (above, below)


def _cuts(room, block):
    """Where blocks of rows begin and end, so that each has room for at most `block` places, or is one row."""
    sums, cuts = np.concatenate([[0], np.cumsum(room)]), [0]
    while cuts[-1] < len(room):
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(sums, sums[cuts[-1]] + block, side="right")) - 1))
    return np.array(cuts)
