"""Pruning criteria: functions that decide which links are removed.

A criterion is a function (layer, state, evidence, rng, zeta) of a SparseLinear, its LayerState, an Evidence, a Generator and the
share of links to remove. It returns scores (nnz,), of which the lowest ⌊zeta · nnz⌋ are removed, or a bool array keep (nnz,).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import csr_passes
from ..nn.linear import SparseLinear
from ..nn.optimizers import LayerState
from ..utils import checks
from .drawing import drawn
from .evidence import Evidence, given

Criterion: TypeAlias = Callable[
    [SparseLinear, LayerState, Evidence, np.random.Generator, float], NDArray[np.floating] | NDArray[np.bool_]
]


def cut(values: NDArray[np.generic], share: float) -> tuple[Any, int]:
    """Find the threshold of a share of the smallest values.

    Parameters
    ----------
    values : ndarray
        Numbers (n,).
    share : float
        Share of values to select, in [0, 1].

    Returns
    -------
    threshold : number
        All values below it are selected.
    ties : int
        How many of the values equal to the threshold are selected too, so that there are ⌊share · n⌋ in all.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> threshold, ties = sl.criteria.cut(np.array([1, 2, 2, 2]), 0.5)
    >>> int(threshold), ties
    (2, 1)
    """
    n_drop = int(share * len(values))
    if n_drop == 0:
        return 0, 0
    part = np.partition(values, n_drop - 1)
    threshold = part[n_drop - 1]
    return threshold, n_drop - int(np.count_nonzero(part[:n_drop] < threshold))


def magnitude_within_sign(
    layer: SparseLinear, state: LayerState | None, evidence: Evidence | None, rng: np.random.Generator, zeta: float
) -> NDArray[np.bool_]:
    """Remove the smallest positive weights and the negative weights closest to 0: the criterion of SET.

    The share `zeta` of all links is removed: first weights that are exactly 0, then the same share of each sign; among equal
    weights the first ones. A link that still is at 0 has had no gradient since it grew there.

    Parameters
    ----------
    layer : SparseLinear
        The layer.
    state : LayerState or None
        The optimizer's state of the layer; not used.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness; not used.
    zeta : float
        Share of links to remove, in [0, 1].

    Returns
    -------
    ndarray of bool
        Which links are kept, (nnz,).

    References
    ----------
    Mocanu et al. (2018), "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
    network science", Nature Communications 9.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.dense(1, 4), np.array([0.1, 0.5, -0.2, -0.3]), np.zeros(1))
    >>> sl.criteria.magnitude_within_sign(layer, None, None, None, 0.5).tolist()
    [False, True, False, True]
    """
    w, keep = layer.w, np.empty(len(layer.w), bool)
    zeros, n_removed = np.flatnonzero(w == 0), zeta * len(w)
    if len(zeros):
        zeta = max(0.0, n_removed - len(zeros)) / max(1, len(w) - len(zeros))
    high, ties_high = cut(w[w > 0], zeta)
    low, ties_low = cut(-w[w < 0], zeta)
    csr_passes.keep_above(w, -low, high, ties_low, ties_high, keep)
    keep[zeros[: int(n_removed)]] = False
    return keep


def magnitude(
    layer: SparseLinear, state: LayerState | None, evidence: Evidence | None, rng: np.random.Generator, zeta: float
) -> NDArray[np.bool_]:
    """Remove the weights with the smallest |w|.

    Parameters
    ----------
    layer : SparseLinear
        The layer.
    state : LayerState or None
        The optimizer's state of the layer; not used.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness; not used.
    zeta : float
        Share of links to remove, in [0, 1].

    Returns
    -------
    ndarray of bool
        Which links are kept, (nnz,).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.dense(1, 4), np.array([0.1, 0.5, -0.2, -0.3]), np.zeros(1))
    >>> sl.criteria.magnitude(layer, None, None, None, 0.5).tolist()
    [False, True, False, True]
    """
    return all_but_lowest(np.abs(layer.w), zeta)


def random(
    layer: SparseLinear, state: LayerState | None, evidence: Evidence | None, rng: np.random.Generator, zeta: float
) -> NDArray[np.bool_]:
    """Remove links at random, as a baseline for other criteria.

    Parameters
    ----------
    layer : SparseLinear
        The layer.
    state : LayerState or None
        The optimizer's state of the layer; not used.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness.
    zeta : float
        Share of links to remove, in [0, 1].

    Returns
    -------
    ndarray of bool
        Which links are kept, (nnz,).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.dense(1, 4), np.ones(4), np.zeros(1))
    >>> int(sl.criteria.random(layer, None, None, np.random.default_rng(0), 0.5).sum())
    2
    """
    return all_but_lowest(rng.random(layer.topology.nnz), zeta)


def sensitivity(
    layer: SparseLinear, state: LayerState | None, evidence: Evidence, rng: np.random.Generator, zeta: float
) -> NDArray[np.bool_]:
    """Remove the links with the smallest |w · g|, where g is the gradient of a batch.

    To first order this is how much the loss would change without the link.

    Parameters
    ----------
    layer : SparseLinear
        The layer.
    state : LayerState or None
        The optimizer's state of the layer; not used.
    evidence : Evidence
        Activations and gradients of a batch.
    rng : numpy.random.Generator
        Source of randomness; not used.
    zeta : float
        Share of links to remove, in [0, 1].

    Returns
    -------
    ndarray of bool
        Which links are kept, (nnz,).

    References
    ----------
    Lee, Ajanthan, Torr (2019), "SNIP: Single-shot Network Pruning based on Connection Sensitivity", arXiv 1810.02340, eq. 4.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model, X, y = sl.SparseMLP.create((4, 8, 2), seed=0), np.ones((3, 4), np.float32), np.array([0, 1, 1])
    >>> evidence = sl.evolution.Evidence(model, sl.SoftmaxCrossEntropy(), X, y, np.arange(3))
    >>> int(sl.criteria.sensitivity(model.layers[0], None, evidence, None, 0.25).sum())
    24
    """
    return all_but_lowest(np.abs(layer.w * given(evidence).gradient(layer)), zeta)


def momentum(
    layer: SparseLinear, state: LayerState | None, evidence: Evidence | None, rng: np.random.Generator, zeta: float
) -> NDArray[np.bool_]:
    """Remove the links with the smallest |v|, where v is the velocity: those that recent gradients did not move.

    Parameters
    ----------
    layer : SparseLinear
        The layer.
    state : LayerState or None
        The optimizer's state of the layer.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness; not used.
    zeta : float
        Share of links to remove, in [0, 1].

    Returns
    -------
    ndarray of bool
        Which links are kept, (nnz,).

    Raises
    ------
    ValueError
        If the optimizer keeps no velocity.

    References
    ----------
    After Dettmers, Zettlemoyer (2019), "Sparse Networks from Scratch: Faster Training without Losing Performance", arXiv
    1907.04840.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.dense(1, 4), np.ones(4), np.zeros(1))
    >>> state = sl.LayerState([np.array([0.1, 0.5, -0.2, -0.3])], [np.zeros(1)])
    >>> sl.criteria.momentum(layer, state, None, None, 0.5).tolist()
    [False, True, False, True]
    """
    if state is None or not state.links:
        checks.fail("criterion", "momentum", "used with an optimizer that keeps a velocity of each link")
    return all_but_lowest(np.abs(state.links[0]), zeta)


def relative_importance(
    layer: SparseLinear, state: LayerState | None, evidence: Evidence | None, rng: np.random.Generator, zeta: float
) -> NDArray[np.floating]:
    """Remove the links that carry the smallest share of what reaches their output and of what leaves their input.

    The score of a link is |w| / (Σ|w| of its output + 10⁻⁵ n_in) + |w| / (Σ|w| of its input + 10⁻⁵ n_out).

    Parameters
    ----------
    layer : SparseLinear
        The layer.
    state : LayerState or None
        The optimizer's state of the layer; not used.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness; not used.
    zeta : float
        Share of links to remove; not used.

    Returns
    -------
    ndarray
        The scores (nnz,).

    References
    ----------
    Zhang et al. (2024), "Plug-and-Play: An Efficient Post-training Pruning Method for Large Language Models", ICLR.
    Zhang et al. (2025), arXiv 2501.19107 (CHTs).

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.dense(2, 2), np.array([0.1, 0.5, 0.2, 0.2]), np.zeros(2))
    >>> sl.criteria.relative_importance(layer, None, None, None, 0.25).round(2).tolist()
    [0.5, 1.55, 1.17, 0.79]
    """
    t, sizes = layer.topology, np.abs(layer.w)
    by_row, by_column = layer.strength() + 1e-5 * t.n_in, layer.strength_out() + 1e-5 * t.n_out
    return sizes / np.repeat(by_row, t.fan_in) + sizes / by_column[t.indices]


def _sizes(layer, state, evidence, rng, zeta):
    return np.abs(layer.w)


@dataclass(frozen=True)
class Soft:
    """Remove weak links with a higher probability than strong ones, instead of the weakest.

    The links that are kept are drawn one after the other, with probability ∝ score^T, where T = delta / (1 − delta).

    Parameters
    ----------
    score : {"magnitude", "relative_importance"} or callable, default "magnitude"
        The score of a link, >= 0: |w|, that of `relative_importance`, or your own function (layer, state, evidence, rng, zeta) ->
        scores. Links with a score of 0 are kept only when there are no others.
    delta : float, tuple of float or callable, default 0.5
        How much the score counts, in [0, 1): 0 not at all, 0.5 as T = 1, 0.9 as T = 9. A rule that calls `at`, as `sl.CHTs` does,
        takes also a function of the epoch (a schedule), or two numbers, between whose T it goes evenly in the course of events.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these. When it is used: if a score is negative or not finite.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.dense(1, 4), np.array([0.1, 0.5, -0.2, 0.0]), np.zeros(1))
    >>> keep = sl.criteria.Soft(delta=0.9)(layer, None, None, np.random.default_rng(0), 0.5)
    >>> int(keep.sum()), bool(keep[3])
    (2, False)
    """

    score: str | Criterion = "magnitude"
    delta: float | tuple[float, float] | Callable[[float], float] = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.score, str):
            checks.choice("score", self.score, SCORES)
        elif not callable(self.score):
            checks.fail("score", self.score, f"one of {list(SCORES)}, or a function", TypeError)
        if isinstance(self.delta, tuple | list) and len(self.delta) == 2:
            numbers = [checks.fraction(f"delta[{n}]", number, open_high=True) for n, number in enumerate(self.delta)]
            object.__setattr__(self, "delta", tuple(numbers))
        elif not callable(self.delta):
            checks.fraction("delta", self.delta, open_high=True)

    def at(self, epoch: float, progress: float) -> "Soft":
        """Return the criterion of one event, with a number for `delta`.

        Parameters
        ----------
        epoch : float
            Number of finished epochs.
        progress : float
            Share of the time of events that has passed, in [0, 1].

        Returns
        -------
        Soft
            The criterion itself if `delta` is a number.
        """
        if callable(self.delta):
            return replace(self, delta=self.delta(epoch))
        if isinstance(self.delta, tuple):
            first, last = (delta / (1 - delta) for delta in self.delta)
            power = first + (last - first) * progress
            return replace(self, delta=power / (1 + power))
        return self

    def __call__(
        self, layer: SparseLinear, state: LayerState | None, evidence: Evidence | None, rng: np.random.Generator, zeta: float
    ) -> NDArray[np.bool_]:
        """Return which links are kept, all but ⌊zeta · nnz⌋; the arguments are those of `magnitude`."""
        if callable(self.delta) or isinstance(self.delta, tuple):
            checks.fail("delta", self.delta, "a number, where a rule does not call `at`")
        scores = (SCORES[self.score] if isinstance(self.score, str) else self.score)(layer, state, evidence, rng, zeta)
        nnz = layer.topology.nnz
        if scores.shape != (nnz,) or scores.dtype.kind not in "iuf":
            checks.fail("score's result", scores, f"an array of {nnz} numbers")
        check_finite("score's result", scores)
        if (scores < 0).any():
            checks.fail("score's result", scores, "numbers >= 0")
        return drawn(scores, nnz - int(zeta * nnz), self.delta / (1 - self.delta), rng)


SCORES: dict[str, Criterion] = {"magnitude": _sizes, "relative_importance": relative_importance}

FORMULAS: dict[str, Callable[..., NDArray[np.floating]]] = {  # of weights, gradients and gamma; the lowest go
    "weight_plus_gradient": lambda w, g, gamma: np.abs(w) + gamma * np.abs(g),
    "next_weight": lambda w, g, gamma: np.abs(w - gamma * g),
    "gradient_per_weight": lambda w, g, gamma: np.abs(g) / (np.abs(w) + 1e-8),
    "weight_per_gradient": lambda w, g, gamma: np.abs(w) / (np.abs(g) + 1e-8),
    "taylor": lambda w, g, gamma: (w * g) ** 2,
    "loss_increase": lambda w, g, gamma: -w * g,
}


@dataclass(frozen=True)
class WeightAndGradient:
    """Remove the links with the lowest score, a function of weight w and gradient g of a batch.

    Parameters
    ----------
    score : str, default "weight_plus_gradient"
        The score: "weight_plus_gradient", |w| + γ |g| (MEST); "next_weight", |w − γ g|; "gradient_per_weight",
        |g| / (|w| + 10⁻⁸), and "weight_per_gradient", its counterpart (sensitivity and reciprocal sensitivity); "taylor",
        (w g)²; "loss_increase", −w g, so that the links with the largest w g go (SNIP with its sign). |w g| is `sensitivity`.
    gamma : float, default 1.0
        The factor γ > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Nowak et al. (2023), "Fantastic Weights and How to Find Them: Where to Prune in Dynamic Sparse Training", arXiv 2306.12230,
    table 1.
    Yuan et al. (2021), "MEST: Accurate and Fast Memory-Economic Sparse Training Framework on the Edge", arXiv 2110.14032.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.PruneRegrow(0.3, sl.criteria.WeightAndGradient("taylor")).criterion.score
    'taylor'
    """

    score: str = "weight_plus_gradient"
    gamma: float = 1.0

    def __post_init__(self) -> None:
        checks.choice("score", self.score, FORMULAS)
        checks.positive("gamma", self.gamma)

    def __call__(
        self, layer: SparseLinear, state: LayerState | None, evidence: Evidence, rng: np.random.Generator, zeta: float
    ) -> NDArray[np.bool_]:
        """Return which links are kept, (nnz,); the arguments are those of `magnitude`."""
        return all_but_lowest(FORMULAS[self.score](layer.w, given(evidence).gradient(layer), self.gamma), zeta)


NAMES: dict[str, Criterion] = {
    "magnitude_within_sign": magnitude_within_sign,
    "magnitude": magnitude,
    "random": random,
    "sensitivity": sensitivity,
    "momentum": momentum,
    "relative_importance": relative_importance,
    "soft_magnitude": Soft(),
    **{score: WeightAndGradient(score) for score in FORMULAS},
}


def all_but_lowest(scores: NDArray[np.generic], zeta: float) -> NDArray[np.bool_]:
    """Keep all links but those with the lowest scores.

    Parameters
    ----------
    scores : ndarray
        A finite number for each link, (nnz,).
    zeta : float
        Share of links to remove, in [0, 1]: ⌊zeta · nnz⌋ links; among equal scores the first ones.

    Returns
    -------
    ndarray of bool
        Which links are kept, (nnz,).

    Raises
    ------
    ValueError
        If a score is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.criteria.all_but_lowest(np.array([3, 1, 2, 1]), 0.25).tolist()
    [True, False, True, True]
    """
    check_finite("criterion's scores", scores)
    threshold, ties = cut(scores, zeta)
    keep = np.ones(len(scores), bool)
    if int(zeta * len(scores)):
        keep = scores >= threshold
        keep[np.flatnonzero(scores == threshold)[:ties]] = False
    return keep


def kept(answer: ArrayLike, nnz: int, zeta: float) -> NDArray[np.bool_]:
    """Convert the result of a criterion to a bool array.

    Parameters
    ----------
    answer : array_like
        Scores, or a bool array that marks the links to keep.
    nnz : int
        Number of links.
    zeta : float
        Share of links to remove, if `answer` has scores.

    Returns
    -------
    ndarray of bool
        Which links are kept, (nnz,).

    Raises
    ------
    ValueError
        If the result is neither.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.criteria.kept([3.0, 1.0], 2, 0.5).tolist()
    [True, False]
    """
    found = checks.as_array(answer)
    if found.shape == (nnz,) and found.dtype.kind in "iuf":
        return all_but_lowest(found, zeta)
    if found.shape != (nnz,) or found.dtype != bool:
        checks.fail("keep", answer, f"a bool array of shape ({nnz},), or as many scores: the criterion's result")
    return found


def check_finite(name: str, values: NDArray[np.generic]) -> None:
    """Check that all numbers are finite.

    Parameters
    ----------
    name : str
        Name of the array in the error message.
    values : ndarray
        Numbers (n,).

    Raises
    ------
    ValueError
        If one is not; the message names the first one.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.criteria.check_finite("scores", np.ones(3))
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] = {values[bad[0]]}: must be finite")
