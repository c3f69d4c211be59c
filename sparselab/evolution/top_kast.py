"""Top-KAST: an optimizer and a rule in one, with links that the forward pass leaves out."""

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
from .prune_regrow import PruneRegrow, share
from .timing import Timing, interval


@dataclass(frozen=True)
class TopKAST(OptimizingRule):
    """Top-KAST: the links with the largest weights are active; the others are silent, only the backward pass sees them.

    It is given twice, as `optimizer=rule, rules=[rule]`, to a network with more links than are to be active. Every link has a
    parameter θ, a vector of the optimizer. The weight of an active link is θ, that of a silent one 0, so that it takes no part in
    what the network computes; its gradient is known nevertheless, and θ is trained: θ ← θ − η (g + λ θ), for silent links with
    λ / density. At each event those links of a layer become active whose |θ| is largest, and a share of the silent ones, those of
    the smallest |θ|, makes room for new silent links at random positions with θ = 0. (The paper has dense parameters, of which
    all may become active: here what is removed is forgotten.) Up to the first event all links are active.

    Parameters
    ----------
    learning_rate : float or callable, default 0.1
        The rate η, or a function of the epoch.
    density : float, default 0.1
        Active links as a share of all positions of a layer, in (0, 1].
    penalty : float, default 1e-4
        The factor λ >= 0 of the decay of active links.
    refresh : float, default 0.3
        Share of the silent links that an event replaces, in [0, 1].
    every : str, default "100 steps"
        Distance of two events, in steps.
    layers : str or sequence of int, default "hidden"
        Which layers have silent links; see PruneRegrow.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Jayakumar et al. (2020), "Top-KAST: Top-K Always Sparse Training", arXiv 2106.03517, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model, rule = sl.SparseMLP.create((4, 30, 2), density=0.5, exact=True, seed=0), sl.TopKAST(density=0.2, every="5 steps")
    >>> records = list(sl.train(model, (X, y), epochs=9, batch_size=5, optimizer=rule, rules=[rule], seed=0))
    >>> model.layers[0].topology.nnz, int(np.count_nonzero(model.layers[0].w))
    (60, 24)
    """

    learning_rate: float | schedules.Schedule = 0.1
    density: float = 0.1
    penalty: float = 1e-4
    refresh: float = 0.3
    every: str = "100 steps"
    layers: str | Sequence[int] = "hidden"

    vectors = 2

    def __post_init__(self) -> None:
        self.rate(0)
        share("density", self.density)
        checks.non_negative("penalty", self.penalty)
        checks.fraction("refresh", self.refresh)
        if not interval(self.every)[1]:
            checks.fail("every", self.every, 'a number of steps, such as "100 steps"')
        object.__setattr__(self, "timing", Timing(self.every))
        rule = PruneRegrow(1.0, criterion=self._without_smallest_silent, layers=self.layers)
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
            For each layer θ and 1 for active links, 0 for silent ones, (nnz,) each; for each output the number of links that are
            to be active in all of the layer as it is now, 0 for all at any time.
        """
        chosen, found = self._rule._chosen(len(model.layers)), []
        for number, layer in enumerate(model.layers):
            wanted = self._n_active(layer) if number in chosen else 0
            found.append(LayerState([layer.w.copy(), np.ones_like(layer.w)], [np.full(len(layer.b), wanted, layer.dtype)]))
        return found

    def update(
        self, layer: SparseLinear, state: LayerState, dw: NDArray[np.floating], db: NDArray[np.floating], rate: float
    ) -> None:
        """Apply one step to one layer, in place; before a step with an event, choose the active links anew.

        Parameters
        ----------
        layer : SparseLinear
            The layer.
        state : LayerState
            Its θ, which links are active, and the count of steps.
        dw, db : ndarray
            Gradients of links (nnz,) and biases (n_out,).
        rate : float
            The learning rate.
        """
        (theta, active), some_silent = state.links, len(state.neurons[0]) and state.neurons[0][0] > 0
        theta -= rate * (dw + self.penalty * np.where(active == 1, 1, 1 / self.density).astype(theta.dtype) * theta)
        layer.b -= rate * db
        state.count += 1
        if some_silent and len(theta) and state.count % interval(self.every)[0] == 0:
            first = max(0, len(theta) - self._n_active(layer))  # by its present shape: neurons may have been pruned
            active[:] = 0
            active[np.argpartition(np.abs(theta), first)[first:]] = 1
        layer.w[:] = theta * active

    def _n_active(self, layer):
        """How many links of a layer are to be active."""
        return max(1, round(self.density * layer.topology.n_out * layer.topology.n_in))

    def _without_smallest_silent(self, layer, state, evidence, rng, zeta):
        """Keep all links but a share of the silent ones, those with the smallest parameters."""
        theta, active = state.links
        silent, keep = np.flatnonzero(active == 0), np.ones(len(theta), bool)
        n = int(self.refresh * len(silent))
        keep[silent[np.argsort(np.abs(theta[silent]), kind="stable")[:n]]] = False
        return keep
