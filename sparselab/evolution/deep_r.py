"""DeepR: an optimizer and a rule in one, which moves every link that changes its sign, at every step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..nn import schedules
from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState
from ..utils import checks
from .optimizing_rule import OptimizingRule
from .prune_regrow import PruneRegrow
from .timing import Timing


@dataclass(frozen=True)
class DeepR(OptimizingRule):
    """Deep rewiring: a random walk of weights with fixed signs; a link that would change its sign goes, and another one grows.

    It is given twice, as `optimizer=rule, rules=[rule]`. A step is w ← w − η (g + α s) + η σ N, where s is the sign of the link
    and N standard normal noise; before the next step all links with s w ≤ 0 go, and as many grow at random with random signs,
    from 0. A sign is that of the stored number, also of a 0. Biases have neither decay nor noise.

    Parameters
    ----------
    learning_rate : float or callable, default 0.5
        The rate η, or a function of the epoch.
    alpha : float, default 1e-5
        The L1 decay α >= 0.
    noise : float, default 1e-5
        The deviation σ >= 0 of the noise, times η.
    layers : str or sequence of int, default "all"
        Which layers change their links; see PruneRegrow.
    seed : int, default 0
        Seed of the noise.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Bellec et al. (2018), "Deep Rewiring: Training very sparse deep networks", arXiv 1711.05136, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model, rule = sl.SparseMLP.create((4, 30, 2), epsilon=2, seed=0), sl.DeepR(0.1)
    >>> records = list(sl.train(model, (X, y), epochs=3, batch_size=5, optimizer=rule, rules=[rule], seed=0))
    >>> records[2].links == records[0].links
    True
    """

    learning_rate: float | schedules.Schedule = 0.5
    alpha: float = 1e-5
    noise: float = 1e-5
    layers: str | Sequence[int] = "all"
    seed: int = 0

    timing = Timing("1 step")

    def __post_init__(self) -> None:
        self.rate(0)
        checks.non_negative("alpha", self.alpha)
        checks.non_negative("noise", self.noise)
        checks.integer("seed", self.seed, low=0)
        rule = PruneRegrow(1.0, criterion=has_its_sign, new_values=zeros_of_both_signs, layers=self.layers)
        object.__setattr__(self, "_rule", rule)

    def init(self, model: SparseMLP) -> list[LayerState]:
        """Make the state of a training.

        Parameters
        ----------
        model : SparseMLP
            The network.

        Returns
        -------
        list of LayerState
            For each layer its number, which the noise depends on, as a vector (n_out,), and a count of steps.
        """
        return [LayerState([], [np.full(len(layer.b), number, layer.dtype)]) for number, layer in enumerate(model.layers)]

    def update(
        self, layer: SparseLinear, state: LayerState, dw: NDArray[np.floating], db: NDArray[np.floating], rate: float
    ) -> None:
        """Apply one step to one layer, in place; a link that would change its sign gets the value 0 with its old sign.

        Parameters
        ----------
        layer : SparseLinear
            The layer.
        state : LayerState
            Its count of steps.
        dw, db : ndarray
            Gradients of links (nnz,) and biases (n_out,).
        rate : float
            The learning rate.
        """
        key = [self.seed, int(state.neurons[0][0]), state.count]
        noise = np.random.default_rng(key).standard_normal(len(layer.w), layer.dtype)
        sign = np.copysign(layer.dtype.type(1), layer.w)
        size = sign * (layer.w - rate * dw + rate * self.noise * noise) - rate * self.alpha
        layer.w[:] = np.copysign(np.maximum(size, 0), sign)
        layer.b -= rate * db
        state.count += 1


def has_its_sign(layer, state, evidence, rng, zeta):
    """Keep the links that are not 0."""
    return layer.w != 0


def zeros_of_both_signs(layer, rewiring, evidence, rng):
    """0 with a random sign for each new link."""
    return np.copysign(np.zeros(len(rewiring.grown), layer.dtype), rng.random(len(rewiring.grown)) - 0.5)
