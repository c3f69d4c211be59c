"""Do degrees become scale free? Their moments in each epoch, a fitted power law, and a random layer for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtrc, gammaln, pdtrc, xlog1py, xlogy

from ..topology.topology import MAX_WIDTH
from ..utils import checks
from .records import SIDES, degrees_in, records_of

if TYPE_CHECKING:
    import pandas
    from numpy.typing import ArrayLike

    from ..checkpoints.records import EpochRecord

COMPARED = ("ks_power_law", "ks_binomial", "evidence")
MAX_LOG_RATIO = 3.0  # of one neuron's likelihoods, 20 to 1
CANDIDATES = 500  # at most so many values of k_min are tried, spread over the distinct degrees


def degree_evolution(
    history: Sequence[EpochRecord], layer: int = 1, side: str = "in", *, k_min: int | None = None, covers: float = 0.5
) -> pandas.DataFrame:
    """Describe the degrees of one layer in each epoch, and compare them with a power law and a random layer.

    Degrees that become scale free, as Mocanu et al. report of SET, show it by `evidence` above 2 and a `ks_power_law` that falls
    below `ks_binomial`; a random (Erdős–Rényi) layer stays below.

    Parameters
    ----------
    history : History or sequence of EpochRecord
        Records of a run with fan-in and fan-out vectors.
    layer : int, default 1
        The layer, from 1.
    side : {"in", "out"}, default "in"
        Incoming links of the layer's outputs, or outgoing links of its inputs.
    k_min : int, optional
        As for `power_law`.
    covers : float, default 0.5
        As for `power_law`.

    Returns
    -------
    pandas.DataFrame
        One row an epoch. Columns: epoch, neurons, links, mean, deviation (of the neurons, ddof 0), largest, without (share of
        neurons without a link), then those of `power_law`.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    References
    ----------
    D. C. Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by network
    science", 2018.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> history = sl.History(sl.train(model, ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8), epochs=2, seed=0))
    >>> table = sl.analysis.degree_evolution(history, layer=1)
    >>> table["neurons"].tolist()
    [8, 8]
    """
    import pandas

    records = records_of(history)
    layer = checks.integer("layer", layer, high=len(records[0].nnz))
    checks.choice("side", side, SIDES)
    rows = []
    for record in records:
        degrees, n_possible = degrees_in(record, layer, side)
        moments = {"epoch": record.epoch, "neurons": len(degrees), **moments_of(degrees)}
        rows.append(moments | power_law(degrees, n_possible, k_min=k_min, covers=covers))
    return pandas.DataFrame(rows)


def moments_of(degrees):
    """{links, mean, deviation, largest, without} of degrees (neurons,)."""
    degrees = np.asarray(degrees)
    return {
        "links": int(degrees.sum()), "mean": float(degrees.mean()), "deviation": float(degrees.std()),
        "largest": int(degrees.max()), "without": float(np.mean(degrees == 0)),
    }  # fmt: skip


def power_law(
    degrees: ArrayLike, n_possible: int | None = None, *, k_min: int | None = None, covers: float = 0.5
) -> dict[str, float]:
    """Fit a power law P(k) ∝ k^−exponent to the degrees k >= k_min, and compare it with a random layer.

    The random layer has as many links among the degrees >= k_min: a binomial distribution, to which nothing is fitted. The two
    distances alone favour the power law in small layers, because k_min and exponent were chosen after the degrees; a large
    `ks_power_law` says that neither distribution fits.

    Parameters
    ----------
    degrees : array_like of int, shape (neurons,)
        Links of each neuron; neurons without links count for the mean of the random layer.
    n_possible : int, optional
        Links that a neuron could have (n_in for fan-in); by default unlimited, so that the binomial is a Poisson distribution.
    k_min : int, optional
        Where the power law begins; by default the value of least Kolmogorov–Smirnov distance (Clauset et al., section 3.3).
    covers : float, default 0.5
        Least share, in (0, 1], of the neurons with a link that must have k >= k_min where `k_min` is chosen.

    Returns
    -------
    dict of str to float
        Numbers by name. exponent: maximum likelihood in the discrete approximation 1 + n / Σ ln(k / (k_min − ½)) (eq. 3.7),
        within 2 % for k_min >= 6, too small below. k_min: as given or chosen. covered: share of the neurons with a link that
        have k >= k_min. ks_power_law, ks_binomial: largest difference of the cumulative distributions over these neurons, to
        the fit (its P(K >= k) = ((k − ½) / (k_min − ½))^(1 − exponent), the basis of eq. 3.7) and to the random layer.
        evidence: log-likelihood ratio of the two over its standard deviation (Vuong; Clauset et al., appendix C), above 2 in
        favour of the power law, below −2 of the random layer, undecided between; the ratio of each neuron is cut to ±3, because
        a single hub could otherwise decide it. NaN where no neuron has k >= k_min; evidence is NaN where all ratios are
        equal, inf where a random layer has no such degrees at all.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    References
    ----------
    A. Clauset, C. R. Shalizi, M. E. J. Newman, "Power-law distributions in empirical data", 2009.
    Q. H. Vuong, "Likelihood ratio tests for model selection and non-nested hypotheses", 1989.

    Examples
    --------
    >>> import sparselab as sl
    >>> fit = sl.analysis.power_law([1, 1, 2, 3, 50, 400], k_min=1)
    >>> fit["covered"], fit["exponent"] > 1
    (1.0, True)
    """
    vector = _vector(degrees)
    largest = int(vector.max())
    if n_possible is not None:
        n_possible = checks.integer("n_possible", n_possible, low=max(1, largest), high=MAX_WIDTH)
    k_min = k_min if k_min is None else checks.integer("k_min", k_min, high=MAX_WIDTH)
    covers = checks.number("covers", covers, "a number in (0, 1]", low=0, high=1, open_low=True)
    values, counts = np.unique(vector[vector > 0], return_counts=True)
    if not len(values) or (k_min is not None and k_min > largest):
        return {"exponent": np.nan, "k_min": k_min or np.nan, "covered": 0.0} | dict.fromkeys(COMPARED, np.nan)
    with checks.usual_errors():
        k_min = _best_start(values, counts, covers) if k_min is None else k_min
    inside = values >= k_min
    tail = values[inside], counts[inside]
    exponent, random = _exponent(*tail, k_min), Random(float(vector.mean()), n_possible)
    with checks.usual_errors():
        compared = _compare(*tail, k_min, exponent, random)
    return {"exponent": exponent, "k_min": k_min, "covered": float(tail[1].sum() / counts.sum()), **compared}


def _vector(degrees):
    """Degrees as an int64 vector, checked."""
    degrees = checks.whole_array("degrees", degrees)
    if not len(degrees):
        checks.fail("degrees", degrees, "at least one whole number")
    if degrees.min() < 0 or degrees.max() > MAX_WIDTH:
        checks.fail("degrees", degrees, f"in [0, {MAX_WIDTH}]")
    return degrees.astype(np.int64)


def power_law_tail(k, k_min, exponent):
    """P(K >= k) of a power law from k_min on: a continuous one from k_min − ½, rounded (Clauset et al. 2009, appendix D)."""
    return ((np.maximum(k, k_min) - 0.5) / (k_min - 0.5)) ** (1 - exponent)


@dataclass(frozen=True)
class Random:
    """Degrees in a random layer: binomial with this mean out of n possible links, or a Poisson distribution (n None)."""

    mean: float
    n: int | None = None

    @property
    def p(self):
        """Probability of each possible link."""
        return min(1.0, self.mean / self.n)

    def tail(self, k):
        """P(K >= k) for whole k >= 0."""
        below = np.maximum(np.asarray(k, float) - 1, 0)
        beyond = pdtrc(below, self.mean) if self.n is None else bdtrc(np.minimum(below, self.n), self.n, self.p)
        return np.where(np.asarray(k) > 0, beyond, 1.0)

    def log(self, k):
        """ln P(K = k) for whole k in [0, n]."""
        if self.n is None:
            return xlogy(k, self.mean) - self.mean - gammaln(k + 1)
        ways = gammaln(self.n + 1) - gammaln(k + 1) - gammaln(self.n - k + 1)
        return ways + xlogy(k, self.p) + xlog1py(self.n - k, -self.p)


def _compare(values, counts, k_min, exponent, random):
    """{name of COMPARED: number} for degrees >= k_min, given as distinct values and how often each occurs."""
    fit = lambda k: power_law_tail(k, k_min, exponent)
    whole = float(random.tail(k_min))
    if whole == 0:  # a random layer has no such neuron
        return {"ks_power_law": _distance(values, counts, fit), "ks_binomial": 1.0, "evidence": np.inf}
    ratios = np.clip(np.log(fit(values) - fit(values + 1)) - random.log(values) + np.log(whole), -MAX_LOG_RATIO, MAX_LOG_RATIO)
    return {
        "ks_power_law": _distance(values, counts, fit),
        "ks_binomial": _distance(values, counts, lambda k: random.tail(np.maximum(k, k_min)) / whole),
        "evidence": _standardised(ratios, counts),
    }


def _standardised(ratios, counts):
    """The sum of the ratios over its standard deviation, which is √n times that of one; NaN where all are equal."""
    if np.ptp(ratios) == 0:
        return np.nan
    n = counts.sum()
    mean = (counts * ratios).sum() / n
    spread = np.sqrt((counts * (ratios - mean) ** 2).sum() / n)
    return float(np.sqrt(n) * mean / spread)


def _exponent(values, counts, k_min):
    """Clauset et al. 2009, eq. 3.7."""
    return float(1 + counts.sum() / (counts * np.log(values / (k_min - 0.5))).sum())


def _distance(values, counts, tail):
    """Largest |P(K >= k) − share of degrees >= k| over all k; the shares change at `values` only."""
    left = counts[::-1].cumsum()[::-1] / counts.sum()  # share of degrees >= values[i]
    right = np.append(left[1:], 0.0)
    return float(max(np.abs(tail(values) - left).max(), np.abs(tail(values + 1) - right).max()))


def _best_start(values, counts, covers):
    """The degree from which on a power law fits best, of those that leave at least the share `covers` of the neurons."""
    covered = counts[::-1].cumsum()[::-1] / counts.sum()
    allowed = np.flatnonzero(covered >= covers)
    tried = allowed[np.unique(np.linspace(0, len(allowed) - 1, CANDIDATES).round().astype(int))]

    def distance(start):
        tail, k_min = (values[start:], counts[start:]), int(values[start])
        exponent = _exponent(*tail, k_min)
        return _distance(*tail, lambda k: power_law_tail(k, k_min, exponent))

    return int(values[min(tried, key=distance)])
