"""Measures of predictions that rank labels: precision, nDCG and propensity-scored precision of the k best of each sample.

Functions `…_at` return a metric: a function (y_true, predicted) -> float. Samples x labels are never stored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils import checks
from .rankings import best_labels, is_label, label_matrix


@dataclass(frozen=True, eq=False)
class AtK:
    """A metric of the k best labels of each sample; `precision_at`, `ndcg_at` and `propensity_precision_at` make it.

    Call it with the labels of samples, a sparse matrix or an array (n, labels) of 0 and 1, and with what was predicted: whole
    numbers (n, k or more), the best labels of each sample, best first, as `predict_topk` returns them; or floats (n, labels),
    scores of all labels, of which the highest count and among equals the first ones. It returns a float in [0, 1].

    Parameters
    ----------
    k : int
        Number of labels.
    gains : ndarray or callable, optional
        What a correct label counts, (labels,) >= 0, or a function that computes it from the labels of the samples; by default 1.
    ranked : bool, default False
        Whether the r-th place counts 1 / log2(r + 1) of it, r from 1.
    share_of_best : bool, default False
        Whether the result is a share of what the best choice of k labels would have got: of each sample where `ranked`, else of
        all samples together.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> y = np.array([[1, 0, 1], [0, 1, 0]])
    >>> sl.metrics.precision_at(2)(y, [[0, 1], [1, 2]])
    0.5
    """

    k: int
    gains: NDArray[np.float64] | Callable[[Any], NDArray[np.float64]] | None = None
    ranked: bool = False
    share_of_best: bool = False

    def __post_init__(self) -> None:
        checks.integer("k", self.k)
        for name in ("ranked", "share_of_best"):
            checks.flag(name, getattr(self, name))
        if self.gains is not None and not callable(self.gains):
            gains = checks.as_array(self.gains)
            if gains.ndim != 1 or gains.dtype.kind not in "iuf" or not (np.isfinite(gains) & (gains >= 0)).all():
                checks.fail("gains", self.gains, "None, a function of the labels, or finite numbers (labels,) >= 0")
            object.__setattr__(self, "gains", gains.astype(np.float64))

    @cached_property
    def discounts(self) -> NDArray[np.float64]:
        """What each of the k places counts."""
        return 1 / np.log2(np.arange(2, self.k + 2)) if self.ranked else np.ones(self.k)

    def __call__(self, y_true: Any, predicted: ArrayLike) -> float:
        """Compute the metric.

        Parameters
        ----------
        y_true : sparse matrix or array_like of shape (n, labels)
            0 and 1.
        predicted : array_like
            The best labels (n, k or more), whole numbers, or scores (n, labels), floats.

        Returns
        -------
        float
            The metric.

        Raises
        ------
        TypeError, ValueError
            If an array has another shape, a label is outside [0, labels) or occurs twice in a sample, or a score is NaN.
        """
        y = label_matrix(y_true, "y_true")
        gains = self.gains(y) if callable(self.gains) else np.ones(y.shape[1]) if self.gains is None else self.gains
        if len(gains) != y.shape[1]:
            checks.fail("y_true.shape", y.shape, f"(n, {len(gains)}), as many labels as there are propensities")
        best = best_labels(predicted, y.shape, self.k)
        found = (np.where(is_label(y, best), gains[best], 0) * self.discounts).sum(axis=1)
        if not self.share_of_best:
            return float(found.mean() / self.k)
        possible = self._possible(y, gains)
        if self.ranked:
            return float(np.divide(found, possible, out=np.zeros(len(found)), where=possible > 0).mean())
        return float(found.sum() / possible.sum()) if possible.any() else 0.0

    def _possible(self, y, gains):
        """(n,) what the best choice of k labels gets: the labels of each sample that count most."""
        rows, own = np.repeat(np.arange(y.shape[0]), np.diff(y.indptr)), gains[y.indices]
        order = np.lexsort((-own, rows))
        place = np.arange(y.nnz) - y.indptr[rows]
        counted = place < self.k
        parts = own[order][counted] * self.discounts[place[counted]]
        return np.bincount(rows[counted], parts, minlength=y.shape[0])


def precision_at(k: int) -> AtK:
    """Make the metric P@k: the share of correct labels among the k best of each sample, averaged over samples.

    Parameters
    ----------
    k : int
        Number of labels, >= 1.

    Returns
    -------
    AtK
        A function (y_true, predicted) -> float.

    Raises
    ------
    TypeError, ValueError
        If k is not such a number.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    >>> sl.metrics.precision_at(1)(np.array([[0, 1, 1], [0, 0, 1]]), scores)
    0.5
    """
    return AtK(k)


def ndcg_at(k: int) -> AtK:
    """Make the metric nDCG@k: correct labels among the k best count 1 / log2(1 + place), as a share of the best possible.

    A sample with fewer than k labels is compared with a ranking that begins with all of them; one without labels counts as 0.

    Parameters
    ----------
    k : int
        Number of labels, >= 1.

    Returns
    -------
    AtK
        A function (y_true, predicted) -> float.

    Raises
    ------
    TypeError, ValueError
        If k is not such a number.

    References
    ----------
    Järvelin, Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> round(sl.metrics.ndcg_at(2)(np.array([[0, 1, 0]]), [[0, 1]]), 4)
    0.6309
    """
    return AtK(k, ranked=True, share_of_best=True)


def propensity_precision_at(k: int, y_train: Any = None, *, a: float = 0.55, b: float = 1.5) -> AtK:
    """Make the metric PSP@k: precision in which rare labels count more, as a share of the best possible.

    A correct label counts 1 / p of its propensity p, see `propensities`. The sum over the k best labels of all samples is divided
    by the largest sum that k labels a sample could reach, as the Extreme Classification Repository does.

    Parameters
    ----------
    k : int
        Number of labels, >= 1.
    y_train : sparse matrix or array_like of shape (n, labels), optional
        Labels of the training samples, from which the propensities are computed, as published results do; by default they are
        computed from the labels that the metric is called with, which are fewer.
    a, b : float, default 0.55 and 1.5
        See `propensities`.

    Returns
    -------
    AtK
        A function (y_true, predicted) -> float.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Jain, Prabhu, Varma (2016), "Extreme multi-label loss functions for recommendation, tagging, ranking & other missing label
    applications", KDD.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> y = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0]])
    >>> sl.metrics.propensity_precision_at(1, y)(y, [[0], [2], [1]]) > sl.metrics.propensity_precision_at(1, y)(y, [[0]] * 3)
    True
    """
    gains = partial(_inverse_propensities, a=checks.positive("a", a), b=checks.positive("b", b))
    return AtK(k, gains if y_train is None else gains(y_train), share_of_best=True)


def _inverse_propensities(y_train, a, b):
    """What a correct label counts in PSP@k."""
    return 1 / propensities(y_train, a=a, b=b)


def propensities(y_train: Any, *, a: float = 0.55, b: float = 1.5) -> NDArray[np.float64]:
    """Estimate how probable it is that a label that applies is noted, which is less probable for rare labels.

    p = 1 / (1 + C (N_l + b)^(−a)), C = (log n − 1) (b + 1)^a, for a label that N_l of n samples have.

    Parameters
    ----------
    y_train : sparse matrix or array_like of shape (n, labels)
        Labels of the training samples, 0 and 1; at least 3 samples.
    a, b : float, default 0.55 and 1.5
        Parameters of the model, > 0; those of most data sets. For Wikipedia 0.5 and 0.4 are used, for Amazon 0.6 and 2.6.

    Returns
    -------
    ndarray
        Propensities (labels,), in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Jain, Prabhu, Varma (2016), see `propensity_precision_at`, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.metrics.propensities(np.array([[1, 0], [1, 0], [1, 1]])).round(3).tolist()
    [0.933, 0.91]
    """
    y, a, b = label_matrix(y_train, "y_train"), checks.positive("a", a), checks.positive("b", b)
    n = y.shape[0]
    if n < 3:
        checks.fail("y_train.shape", y.shape, "at least 3 samples: the logarithm of their number must exceed 1")
    counts = np.bincount(y.indices, minlength=y.shape[1])
    return 1 / (1 + (np.log(n) - 1) * (b + 1) ** a * (counts + b) ** -a)
