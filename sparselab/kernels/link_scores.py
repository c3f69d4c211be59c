"""Scores of places where a link could be, from the walks of three links between their two ends (Cannistraci-Hebb theory).

A walk from output u to input v goes u – z1 – z2 – v: z1 is an input of u, z2 an output of v, and z1 and z2 are linked. Of the d
links of z1 one leads to u, i to neighbours of v and e elsewhere: d = 1 + i + e; those of z2 lead to v, to neighbours of u, and
elsewhere.
"""

import numpy as np

from .rng import U64, key64
from .settings import jit


@jit
def score_rows(
    begin, end, by_walk, above, below, indptr, indices, indptr_t, rows_t, shared_out, factor, touched_out, shared_in, sums,
    touched_in, total, reached, scores, places,
):  # fmt: skip
    """Score every free place that a walk reaches, in rows begin … end − 1; returns their number.

    A neuron counts x = above[1 + i] · below[1 + e]. by_walk: the score is Σ x(z1) x(z2) over the walks; otherwise Σ x over the
    neurons z1 and z2 on them, each once. scores and places (row · n_in + column) have room for them. Scores are rounded to
    float32 at the end, so that equal ones stay equal whatever the order of their terms. Time is O(walks).

    Scratch, 0 on entry and exit: shared_out (n_out,) int32; shared_in (n_in,) int32, sums and total (n_in,) float64. Scratch of
    any content: factor (n_out,) float64, touched_out (n_out + 1,), touched_in and reached (n_in + 1,) int32.
    """
    n_in, found = total.shape[0], 0
    for u in range(begin, end):
        neighbours, n_touched, n_reached = indices[indptr[u] : indptr[u + 1]], 0, 0
        for z1 in neighbours:  # i of every z2, over two links from u
            for k in range(indptr_t[z1], indptr_t[z1 + 1]):
                z2 = rows_t[k]
                if z2 != u:  # what u is linked to is no free place
                    touched_out[n_touched] = z2
                    n_touched += shared_out[z2] == 0
                    shared_out[z2] += 1
        for n in range(n_touched):
            z2 = touched_out[n]
            i = shared_out[z2]
            shared_out[z2] = 0
            factor[z2] = above[1 + i] * below[indptr[z2 + 1] - indptr[z2] - i]
            if not by_walk:
                for k in range(indptr[z2], indptr[z2 + 1]):
                    v = indices[k]
                    reached[n_reached] = v
                    n_reached += total[v] == 0
                    total[v] += factor[z2]
        for z1 in neighbours:
            n_touched = 0
            for k in range(indptr_t[z1], indptr_t[z1 + 1]):  # i of z1 for every v, over two links from z1
                z2 = rows_t[k]
                if z2 != u:
                    x = factor[z2]
                    for m in range(indptr[z2], indptr[z2 + 1]):
                        v = indices[m]
                        touched_in[n_touched] = v
                        n_touched += shared_in[v] == 0
                        shared_in[v] += 1
                        sums[v] += x
            degree = indptr_t[z1 + 1] - indptr_t[z1]
            for n in range(n_touched):
                v = touched_in[n]
                i = shared_in[v]
                x = above[1 + i] * below[degree - i]
                reached[n_reached] = v
                n_reached += total[v] == 0
                total[v] += x * sums[v] if by_walk else x
                shared_in[v], sums[v] = 0, 0
        for v in neighbours:
            total[v] = 0
        for n in range(n_reached):
            v = reached[n]
            if total[v] > 0:
                scores[found], places[found] = np.float32(total[v]), u * n_in + v
                found += 1
                total[v] = 0
    return found


@jit
def score_block(begin, end, above, below, indptr, indices, indptr_t, rows_t, shared_out, touched_out, shared_in, x, total):
    """total[u − begin] = the sums over neurons of `score_rows` for rows begin … end − 1, of all places, also of links.

    What z1 counts is the same for all rows, so that time is O(links (n_in + n_out + links of a neuron)), which is less than the
    walks where neurons have many links. Scratch as in `score_rows`; x (n_in,) float64, of any content.
    """
    n_in = total.shape[1]
    for u in range(begin, end):
        row, n_touched = total[u - begin], 0
        for v in range(n_in):
            row[v] = 0
        for m in range(indptr[u], indptr[u + 1]):
            z1 = indices[m]
            for k in range(indptr_t[z1], indptr_t[z1 + 1]):
                z2 = rows_t[k]
                if z2 != u:
                    touched_out[n_touched] = z2
                    n_touched += shared_out[z2] == 0
                    shared_out[z2] += 1
        for n in range(n_touched):
            z2 = touched_out[n]
            i = shared_out[z2]
            shared_out[z2] = 0
            counts = above[1 + i] * below[indptr[z2 + 1] - indptr[z2] - i]
            for m in range(indptr[z2], indptr[z2 + 1]):
                row[indices[m]] += counts
    for z1 in range(n_in):
        first, last = indptr_t[z1], indptr_t[z1 + 1]
        degree = last - first
        while first < last and rows_t[first] < begin:
            first += 1
        while first < last and rows_t[last - 1] >= end:
            last -= 1
        if first == last:
            continue
        for k in range(indptr_t[z1], indptr_t[z1 + 1]):
            for m in range(indptr[rows_t[k]], indptr[rows_t[k] + 1]):
                shared_in[indices[m]] += 1
        for v in range(n_in):
            i = shared_in[v]
            shared_in[v] = 0
            x[v] = above[1 + i] * below[degree - i] if 0 < i < degree else 0.0  # i = d: v is linked to all that z1 is linked to
        for k in range(first, last):
            row = total[rows_t[k] - begin]
            for v in range(n_in):
                row[v] += x[v]


@jit
def perturb(seed, places, scores, power, out):
    """out[n] = power · ln scores[n] − ln(−ln U), −inf for a score of 0, with U in (0, 1) a function of (seed, places[n]).

    The k largest are k draws without replacement, p ∝ score^power (Efraimidis & Spirakis 2006; "Gumbel-top-k", Kool et al. 2019).
    """
    for n in range(places.shape[0]):
        uniform = (np.float64(key64(seed, places[n]) >> U64(12)) + 0.5) / 4503599627370496.0  # 2^52: exact, and never 0 or 1
        noise = -np.log(-np.log(uniform))
        out[n] = power * np.log(scores[n]) + noise if scores[n] > 0 else -np.inf
