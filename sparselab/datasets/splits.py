"""Random splits of rows into two parts: stratified for labels, plain for numbers, reproducible by seed."""

import numpy as np

from ..utils.checks import fail, generator, number


def split_rows(codes, n_samples, n_second, seed=0, name="rows to cut off"):
    """Return the row numbers of both parts, each in random order; the second part has `n_second` rows.

    With `codes` (n_samples,) int the split is stratified: every class contributes its share (largest remainder method), and keeps
    at least one row in the first part. With None it is not. name: of the number of rows, for messages.
    """
    rng = generator("seed", seed)
    order = rng.permutation(n_samples)
    if codes is None:
        return order[n_second:], order[:n_second]
    share = _shares(np.bincount(codes), n_second, name)
    rank = _rank_in_class(codes[order])
    second = rank < share[codes[order]]
    return order[~second], order[second]


def rows_of_fraction(name, fraction, n_samples):
    """Return the number of rows in a fraction, in (0, 1), of `n_samples`: at least one, never all."""
    share = number(name, fraction, "a fraction in (0, 1)", low=0, high=1, open_low=True, open_high=True)
    if n_samples < 2:
        fail("n_samples", n_samples, "at least 2 to be split")
    return min(max(1, round(share * n_samples)), n_samples - 1)


def _shares(counts, n_second, name):
    """Return the number of rows from each class: proportional, rounded by largest remainder, at most all but one."""
    ideal = counts * (n_second / counts.sum())
    limit = np.maximum(counts - 1, 0)
    share = np.minimum(np.floor(ideal).astype(np.int64), limit)
    if n_second > limit.sum():
        fail(name, n_second, f"at most {limit.sum()}, so that every class keeps a row in the first part")
    while (missing := n_second - share.sum()) > 0:
        order = np.argsort(share - ideal, kind="stable")
        share[order[share[order] < limit[order]][:missing]] += 1
    return share


def _rank_in_class(codes):
    """Number the rows of each class: 0 for the first one, 1 for the second, and so on."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rank = np.empty(len(codes), dtype=np.int64)
    rank[order] = np.arange(len(codes)) - starts
    return rank
