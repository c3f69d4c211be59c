"""Artificial data of several labels a sample, with as many labels as wanted."""

import numpy as np
from scipy import sparse

from ..utils.checks import fail, fraction, integer, non_negative, number
from .dataset import Dataset
from .splits import rows_of_fraction

ACTIVE = 8  # features of a label's prototype
BLOCK = 2**22  # numbers that are computed at a time
ROUNDS = 100  # in which labels that a sample has already are drawn again; what is then left is drawn from the others alone


def many_labels(
    n_samples: int = 10_000,
    n_features: int = 500,
    n_labels: int = 10_000,
    labels_per_sample: int = 5,
    seed: int = 0,
    *,
    noise: float = 0.1,
    skew: float = 0.8,
    test_fraction: float = 0.2,
    words: int = 0,
) -> Dataset:
    """Make artificial data of several labels a sample, in memory for the prototypes and the samples only.

    Each label has a prototype of length 1 with at most 8 features that are not 0, one from each eighth of the features. A sample
    has `labels_per_sample` different labels, drawn one after the other with a probability ∝ r^(−skew) for the r-th most frequent
    label, so that many labels are rare, as in real data; which label is how frequent is drawn, too. Its features are the sum of
    its labels' prototypes and of noise, divided by their common standard deviation.

    With `words` each sample is a text of so many words, of which the features count how often they occur: log(1 + count), times
    one number as by `Dataset.from_arrays` with standardise="auto". A word is one of those of the prototype of one of the sample's
    labels, all equally probable; or, with the probability `noise`, any of them ∝ 1 / r for the r-th feature.

    Parameters
    ----------
    n_samples : int, default 10,000
        Samples in all, >= 10.
    n_features : int, default 500
        Features, >= 1.
    n_labels : int, default 10,000
        Labels, >= 2.
    labels_per_sample : int, default 5
        Labels of each sample, at most half of all.
    seed : int, default 0
        Source of randomness.
    noise : float, default 0.1
        Standard deviation of the noise of a feature, in [0, 1e6], where a prototype has the length 1; with `words` the share of
        words that no label gave, in [0, 1].
    skew : float, default 0.8
        Exponent of the frequencies, >= 0; 0 makes all labels equally frequent.
    test_fraction : float, default 0.2
        Share of the samples that are for testing, in (0, 1).
    words : int, default 0
        Words of a sample; 0 for dense features.

    Returns
    -------
    Dataset
        Features in float32, dense or, with `words`, csr_arrays; labels as csr_arrays of 0 and 1. Its source is "synthetic".

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.many_labels(1_000, 50, 2_000, seed=0)
    >>> data.y_train.shape, data.y_train.nnz
    ((800, 2000), 4000)
    """
    n_samples, n_features = integer("n_samples", n_samples, low=10), integer("n_features", n_features)
    n_labels = integer("n_labels", n_labels, low=2, high=2**31 - 1)
    each = integer("labels_per_sample", labels_per_sample)
    if each > n_labels // 2:
        fail("labels_per_sample", each, f"at most half of the {n_labels} labels")
    words, skew = integer("words", words, low=0), non_negative("skew", skew)
    noise = fraction("noise", noise) if words else number("noise", noise, "a number in [0, 1e6]", low=0, high=1e6)
    n_test = rows_of_fraction("test_fraction", test_fraction, n_samples)
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(integer("seed", seed, low=0)).spawn(3)]
    labels = _drawn_labels(n_samples, n_labels, each, skew, streams[0])
    y = sparse.csr_array(
        (np.ones(labels.size, np.uint8), labels.ravel(), np.arange(n_samples + 1) * each), shape=(n_samples, n_labels)
    )
    X = (
        _bags(labels, n_labels, n_features, words, noise, *streams[1:])
        if words
        else _features(labels, n_labels, n_features, noise, *streams[1:])
    )
    settings = {"name": "many_labels", "source": "synthetic", "task": "regression", "standardise": "auto" if words else False}
    return Dataset.from_arrays(X[:-n_test], y[:-n_test], X[-n_test:], y[-n_test:], **settings)


def _drawn_labels(n, n_labels, each, skew, rng):
    """Different labels of each sample, (n, each) int32, sorted."""
    chances = np.cumsum(np.arange(1, n_labels + 1) ** -float(skew))
    found, missing = np.full((n, each), -1, np.int64), np.arange(n)
    for _ in range(ROUNDS):
        rows = found[missing]
        empty = rows < 0
        ranks = np.searchsorted(chances, rng.random(int(empty.sum())) * chances[-1], side="right")
        rows[empty] = np.minimum(ranks, n_labels - 1)
        place = np.argsort(rows, axis=1, kind="stable")
        rows = np.take_along_axis(rows, place, axis=1)
        again = np.zeros(rows.shape, bool)
        again[:, 1:] = rows[:, 1:] == rows[:, :-1]
        rows[again] = -1
        found[missing] = rows
        missing = missing[again.any(axis=1)]
    block = max(1, BLOCK // n_labels)
    for first in range(0, len(missing), block):
        rows = missing[first : first + block]
        found[rows] = _completed(found[rows], n_labels, skew, rng)
    return np.sort(rng.permutation(n_labels).astype(np.int32)[found], axis=1)


def _completed(found, n_labels, skew, rng):
    """Ranks of labels (n, each) of which −1 stands for missing ones: those are drawn, in one pass, from the ranks not in a row.

    The smallest of exponential waiting times divided by r^(−skew) are such draws one after the other; here their logarithms.
    """
    waiting = np.log(rng.standard_exponential((len(found), n_labels)))
    with np.errstate(over="ignore"):
        waiting += skew * np.log(np.arange(1, n_labels + 1))
    row, place = np.nonzero(found >= 0)
    waiting[row, found[row, place]] = -np.inf  # those found stay
    return np.argpartition(waiting, found.shape[1] - 1, axis=1)[:, : found.shape[1]]


def _features(labels, n_labels, n_features, noise, of_prototypes, of_noise):
    """(n, n_features) float32: the prototypes of each sample's labels and noise, of variance 1 over all samples."""
    n, each = labels.shape
    active = min(ACTIVE, n_features)
    values = of_prototypes.standard_normal((n_labels, active), np.float32)
    values /= np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    places = _different(n_labels, n_features, active, of_prototypes)
    scale = np.float32(1 / np.sqrt(each / n_features + noise**2))
    X, block = np.empty((n, n_features), np.float32), max(1, BLOCK // n_features)
    for first in range(0, n, block):
        part, own = X[first : first + block], labels[first : first + block]
        of_noise.standard_normal(out=part, dtype=np.float32)
        part *= np.float32(noise)
        for k in range(each):
            part[np.arange(len(own))[:, None], places[own[:, k]]] += values[own[:, k]]  # each place once
        part *= scale
    return X


def _bags(labels, n_labels, n_features, words, noise, of_prototypes, of_words):
    """(n, n_features) csr_array float32: log(1 + count) of the words of each text."""
    n, each = labels.shape
    places = _different(n_labels, n_features, min(ACTIVE, n_features), of_prototypes)
    shape = n, words
    label = np.take_along_axis(labels, of_words.integers(0, each, shape), axis=1)
    own = places[label, of_words.integers(0, places.shape[1], shape)]
    common = np.minimum(np.float64(n_features) ** of_words.random(shape), n_features).astype(np.int32) - 1
    drawn = np.where(of_words.random(shape) < noise, common, own)
    X = sparse.csr_array((np.ones(drawn.size, np.float32), drawn.ravel(), np.arange(n + 1) * words), shape=(n, n_features))
    X.sum_duplicates()
    X.data = np.log1p(X.data)
    return X


def _different(n, n_features, active, rng):
    """(n, active) int32: different features, one in each of as many runs of features of equal length."""
    starts = np.arange(active) * n_features // active
    lengths = np.diff(np.append(starts, n_features))
    return (starts + (rng.random((n, active), np.float32) * lengths).astype(np.int64).clip(0, lengths - 1)).astype(np.int32)
