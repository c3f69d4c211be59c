"""Whether evolution makes degrees scale free: their moments over the epochs, a fitted power law, a random layer beside it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc, gammaln, pdtrc, xlog1py, xlogy

from ..topology.topology import MAX_WIDTH
from ..utils import checks
from .subjects import SIDES, degrees_in, records_of

COMPARED = ("ks_power_law", "ks_binomial", "evidence")
MOST = 3.0  # of a neuron's log-likelihood ratio, 20 to 1
CANDIDATES = 500  # values of k_min that are tried at most, spread over the distinct degrees


def degree_evolution(history, layer=1, side="in", *, k_min=None, covers=0.5):
    """A DataFrame, one row an epoch: how the degrees of one layer change, and what they look like.

    Columns: epoch, neurons, links, mean, deviation (of the neurons, ddof 0), largest, without (share of neurons without a link),
    then those of `power_law`. Degrees that become scale free, as Mocanu et al. (2018) report it of SET, show it by `evidence`
    above 2 and a `ks_power_law` that falls below `ks_binomial`; a random (Erdős–Rényi) layer stays below.

    history: records of a run with fan-in and fan-out vectors. layer: from 1. side: "in" (incoming links of a layer's outputs) or
    "out" (outgoing links of its inputs). k_min, covers: as for `power_law`. Raises TypeError or ValueError naming the argument.
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


def power_law(degrees, n_possible=None, *, k_min=None, covers=0.5):
    """Fit P(k) ∝ k^−exponent to the degrees k >= k_min, and compare it with a random layer: a dict of numbers.

    exponent: maximum likelihood in the discrete approximation of Clauset, Shalizi & Newman (2009, eq. 3.7), 1 + n / Σ ln(k /
    (k_min − ½)), within 2 % for k_min >= 6, too small below. k_min: as given, or the one of least KS distance (their section
    3.3) among those whose fit covers at least the share `covers` of the neurons with a link; covered: the share of these it
    does cover. ks_power_law, ks_binomial: Kolmogorov–Smirnov distances, the largest difference of two cumulative distributions,
    over the neurons with k >= k_min; the first to the fit (its P(K >= k) = ((k − ½) / (k_min − ½))^(1 − exponent), on which eq.
    3.7 stands), the second to the degrees of a random layer with as many links in that range: binomial, nothing fitted.
    evidence: log-likelihood ratio of the two over its standard deviation (Vuong 1989; Clauset et al., appendix C), the ratio of
    each neuron cut to ±3, for a single hub would else make both: above 2 the degrees are nearer to the power law, below −2 to
    the random layer, between them nothing is decided. Distances alone favour the power law in small layers, for k_min and
    exponent were chosen after the degrees; and a large `ks_power_law` says that neither fits.

    degrees: (neurons,) whole numbers >= 0; those without a link count for the mean of the random layer. n_possible: links a
    neuron could have (n_in for fan-in); None: many, so that the binomial is a Poisson distribution. NaN where no neuron has k >=
    k_min; evidence is NaN where they are all alike. Raises TypeError or ValueError naming the argument.
    """
    degrees = _vector(degrees)
    largest = int(degrees.max())
    if n_possible is not None:
        n_possible = checks.integer("n_possible", n_possible, low=max(1, largest), high=MAX_WIDTH)
    k_min = k_min if k_min is None else checks.integer("k_min", k_min, high=MAX_WIDTH)
    covers = checks.number("covers", covers, "a number in (0, 1]", low=0, high=1, open_low=True)
    values, counts = np.unique(degrees[degrees > 0], return_counts=True)
    if not len(values) or (k_min is not None and k_min > largest):
        return {"exponent": np.nan, "k_min": k_min or np.nan, "covered": 0.0} | dict.fromkeys(COMPARED, np.nan)
    k_min = _best_start(values, counts, covers) if k_min is None else k_min
    inside = values >= k_min
    tail = values[inside], counts[inside]
    exponent, random = _exponent(*tail, k_min), Random(float(degrees.mean()), n_possible)
    compared = _compare(*tail, k_min, exponent, random)
    return {"exponent": exponent, "k_min": k_min, "covered": float(tail[1].sum() / counts.sum()), **compared}


def _vector(degrees):
    degrees = checks.whole_array("degrees", degrees)
    if not len(degrees):
        checks.fail("degrees", degrees, "at least one whole number")
    if degrees.min() < 0 or degrees.max() > MAX_WIDTH:
        checks.fail("degrees", degrees, f"in [0, {MAX_WIDTH}]")
    return degrees.astype(np.int64)


def power_law_tail(k, k_min, exponent):
    """P(K >= k) of the power law from k_min on: a continuous one from k_min − ½, rounded (Clauset et al. 2009, appendix D)."""
    return ((np.maximum(k, k_min) - 0.5) / (k_min - 0.5)) ** (1 - exponent)


@dataclass(frozen=True)
class Random:
    """Degrees in a random layer: binomial with this mean out of n possible links, or a Poisson distribution (n None)."""

    mean: float
    n: int | None = None

    @property
    def p(self):
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
    fit = lambda k: power_law_tail(k, k_min, exponent)
    whole = float(random.tail(k_min))
    if whole == 0:  # a random layer has no such neuron
        return {"ks_power_law": _distance(values, counts, fit), "ks_binomial": 1.0, "evidence": np.inf}
    ratios = np.clip(np.log(fit(values) - fit(values + 1)) - random.log(values) + np.log(whole), -MOST, MOST)
    return {
        "ks_power_law": _distance(values, counts, fit),
        "ks_binomial": _distance(values, counts, lambda k: random.tail(np.maximum(k, k_min)) / whole),
        "evidence": _standardised(ratios, counts),
    }


def _standardised(ratios, counts):
    """Σ over its standard deviation, √n · that of one neuron; NaN where all are alike."""
    if np.ptp(ratios) == 0:
        return np.nan
    n = counts.sum()
    mean = (counts * ratios).sum() / n
    spread = np.sqrt((counts * (ratios - mean) ** 2).sum() / n)
    return float(np.sqrt(n) * mean / spread)


def _exponent(values, counts, k_min):
    return float(1 + counts.sum() / (counts * np.log(values / (k_min - 0.5))).sum())


def _distance(values, counts, tail):
    """Largest |P(K >= k) − share of degrees >= k| over all k; shares step at `values`, so only their two sides are looked at."""
    left = counts[::-1].cumsum()[::-1] / counts.sum()  # share of degrees >= values[i]
    right = np.append(left[1:], 0.0)
    return float(max(np.abs(tail(values) - left).max(), np.abs(tail(values + 1) - right).max()))


def _best_start(values, counts, covers):
    covered = counts[::-1].cumsum()[::-1] / counts.sum()
    allowed = np.flatnonzero(covered >= covers)
    tried = allowed[np.unique(np.linspace(0, len(allowed) - 1, CANDIDATES).round().astype(int))]

    def distance(start):
        tail, k_min = (values[start:], counts[start:]), int(values[start])
        exponent = _exponent(*tail, k_min)
        return _distance(*tail, lambda k: power_law_tail(k, k_min, exponent))

    return int(values[min(tried, key=distance)])
