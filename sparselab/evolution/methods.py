"""Methods of dynamic sparse training, each PruneRegrow with the settings of its paper; SET and RigL are in `prune_regrow`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..nn.mlp import SparseMLP
from ..topology.link_counts import in_proportion
from . import criteria, regrowths
from .evidence import Evidence
from .prune_regrow import PruneRegrow

ROOM = 0.99  # share of a layer's positions that SNFS may fill


@dataclass(frozen=True)
class SNFS(PruneRegrow):
    """Sparse momentum: links move to the layers, and to the positions, where the average gradient is largest.

    The ⌈ζ nnz⌉ weakest links of each layer go, all but one at most. As many in all are shared out among the layers in proportion
    to the mean |average gradient| of their links, and grow where that of missing links is largest. The paper averages the
    gradients of the past in a dense momentum; here it is the average of `n_batches` batches at the present weights, which needs
    no dense array.

    Parameters
    ----------
    zeta : float or callable, default 0.5
        Share of links that is replaced, in [0, 1], or a function of the epoch.
    criterion, regrowth, new_values, same_place, layers, every, until, replaces_update, density, cut, extra : optional
        See PruneRegrow.
    n_batches : int, default 66
        Batches of the average: 0.9⁶⁶ is 10⁻³.
    decay : float, default 0.9
        Momentum of the average, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Dettmers, Zettlemoyer (2019), "Sparse Networks from Scratch: Faster Training without Losing Performance", arXiv 1907.04840,
    algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 30, 2), epsilon=2, seed=0)
    >>> records = list(sl.train(model, (X, y), epochs=3, rules=[sl.SNFS(0.3)], seed=0))
    >>> records[2].links == records[0].links
    True
    """

    zeta: float | Callable[[float], float] = 0.5
    criterion: criteria.Criterion = criteria.magnitude
    regrowth: regrowths.Regrowth = regrowths.ExactGradient()
    n_batches: int = 66
    decay: float = 0.9

    across_layers: ClassVar[bool] = True
    rounding: ClassVar[Callable[[float], int]] = math.ceil

    def grown_across(self, model: SparseMLP, evidence: Evidence | None, replaced: list[int]) -> list[int]:
        """Share out the new links in proportion to the mean |average gradient| of each layer's links.

        Parameters
        ----------
        model : SparseMLP
            The network.
        evidence : Evidence
            The average gradients.
        replaced : list of int
            Links that each layer has lost.

        Returns
        -------
        list of int
            Links that grow.
        """
        means = [
            float(np.abs(evidence.gradient(layer)).mean()) if n and evidence else 0.0
            for layer, n in zip(model.layers, replaced, strict=True)
        ]
        room = [
            max(n, int(ROOM * layer.topology.n_out * layer.topology.n_in) - layer.topology.nnz + n) if n else 0
            for layer, n in zip(model.layers, replaced, strict=True)
        ]
        return in_proportion(means, sum(replaced), room).tolist()

    def _keep(self, layer, state, evidence, rng, zeta, cut):
        keep = super()._keep(layer, state, evidence, rng, zeta, cut)
        if layer.topology.nnz and not keep.any():  # another layer may get the links of this one
            keep = np.arange(len(keep)) == np.argmax(np.abs(layer.w))
        return keep


@dataclass(frozen=True)
class GSE(PruneRegrow):
    """Guided stochastic exploration: gradients are compared at a few positions only, drawn where they are probably large.

    First links grow, then as many of the weakest old ones go; time is O(links · batch).

    Parameters
    ----------
    zeta : float or callable, default 0.2
        Share of links that is replaced, in [0, 1], or a function of the epoch; the paper lets it fall along a cosine.
    criterion : optional
        See PruneRegrow.
    regrowth : callable, default sl.regrowths.GuidedSample()
        How positions are drawn.
    new_values, same_place, layers, every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        See PruneRegrow.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Heddes et al. (2024), "Always-Sparse Training by Growing Connections with Guided Stochastic Exploration", arXiv 2401.06898,
    algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), epsilon=2, seed=0)
    >>> records = list(sl.train(model, (X, y), epochs=3, rules=[sl.GSE(0.2)], seed=0))
    >>> records[2].links == records[0].links
    True
    """

    zeta: float | Callable[[float], float] = 0.2
    criterion: criteria.Criterion = criteria.magnitude
    regrowth: regrowths.Regrowth = regrowths.GuidedSample()


@dataclass(frozen=True)
class MEST(PruneRegrow):
    """MEST: the links with the smallest |w| + γ |g| go, and new ones grow at random.

    Its soft memory bound (EM&S) lets links beyond `density` live until the next event: `density=0.1, extra=0.05`.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that is replaced, in [0, 1], or a function of the epoch.
    criterion : callable, default sl.criteria.WeightAndGradient("weight_plus_gradient")
        Which links go; γ is its `gamma`.
    regrowth, new_values, same_place, layers, every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        See PruneRegrow.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Yuan et al. (2021), "MEST: Accurate and Fast Memory-Economic Sparse Training Framework on the Edge", arXiv 2110.14032.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.MEST(0, density=0.1, extra=0.05, every=5).extra
    0.05
    """

    criterion: criteria.Criterion = criteria.WeightAndGradient()


@dataclass(frozen=True)
class GMP(PruneRegrow):
    """Gradual magnitude pruning: the smallest weights of all layers go, as a schedule of the density says; none grow.

    Parameters
    ----------
    zeta : float or callable, default 0
        Share of links that is replaced beyond that.
    criterion, regrowth, new_values, same_place, layers, every, until, replaces_update : optional
        See PruneRegrow.
    density : float or callable
        The schedule, such as `sl.schedules.Cubic`; the paper's falls as 1 − (1 − t)³.
    cut : {"global", "layer"}, default "global"
        Whether all layers are compared, or each loses the same share.
    extra, n_batches, decay : optional
        See PruneRegrow.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Zhu, Gupta (2017), "To prune, or not to prune: exploring the efficacy of pruning for model compression", arXiv 1710.01878,
    equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), density=0.8, seed=0)
    >>> rule = sl.GMP(density=lambda epoch: 0.8 - 0.2 * epoch)
    >>> _ = list(sl.train(model, (X, y), epochs=4, rules=[rule], seed=0))
    >>> model.layers[0].topology.nnz
    24
    """

    zeta: float | Callable[[float], float] = 0.0
    criterion: criteria.Criterion = criteria.magnitude
    cut: str = "global"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.density is None:
            raise ValueError(f"density = None: must be a density, or a schedule of it, for {type(self).__name__}")


@dataclass(frozen=True)
class GraNet(GMP):
    """GraNet: gradual magnitude pruning, and at each event a share of the links left moves to where the gradient is largest.

    Parameters
    ----------
    zeta : float or callable, default 0.5
        Share of links that is replaced, in [0, 1], or a function of the epoch; the paper lets it fall along a cosine.
    criterion : optional
        See PruneRegrow.
    regrowth : callable, default sl.regrowths.ExactGradient()
        Where links grow.
    new_values, same_place, layers, every, until, replaces_update : optional
        See PruneRegrow.
    density : float or callable
        The schedule, such as `sl.schedules.Cubic`.
    cut : {"global", "layer"}, default "global"
        Whether all layers are compared, or each loses the same share.
    extra, n_batches, decay : optional
        See PruneRegrow. In the paper there is an event every 1000 steps.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Liu et al. (2021), "Sparse Training via Boosting Pruning Plasticity with Neuroregeneration", arXiv 2106.10404, algorithm 1.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.GraNet(density=lambda epoch: 0.5 / (1 + epoch), every="1000 steps").zeta
    0.5
    """

    zeta: float | Callable[[float], float] = 0.5
    regrowth: regrowths.Regrowth = regrowths.ExactGradient()


@dataclass(frozen=True)
class ANF(PruneRegrow):
    """Automatic noise filtering: links of the first layer alone move at random, away from inputs that do not help.

    Parameters
    ----------
    zeta : float or callable, default 0.05
        Share of links that is replaced, in [0, 1], or a function of the epoch.
    criterion, regrowth, new_values, same_place : optional
        See PruneRegrow.
    layers : str or sequence of int, default (0,)
        Which layers change; see PruneRegrow.
    every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        See PruneRegrow. In the paper there is an event every 1000 steps, and the first layer has a fifth of its links.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Grooten et al. (2023), "Automatic Noise Filtering with Dynamic Sparse Training in Deep Reinforcement Learning", arXiv
    2302.06548.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.ANF(every="1000 steps").layers
    (0,)
    """

    zeta: float | Callable[[float], float] = 0.05
    criterion: criteria.Criterion = criteria.magnitude
    layers: str | tuple[int, ...] = (0,)
