"""What rules share that are their own optimizer, and are given twice, as `optimizer=rule, rules=[rule]`."""

from collections.abc import Callable, Sequence

import numpy as np

from ..nn import schedules
from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState
from ..topology.rewiring import Rewiring
from ..utils import checks
from .evidence import Evidence


class OptimizingRule:
    """A rule with a learning rate, whose links are changed by another rule, `_rule`.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.DeepR(lambda epoch: 0.5 / (1 + epoch)).rate(1)
    0.25
    """

    learning_rate: float | schedules.Schedule
    _rule: Callable[..., list[Rewiring | None]]

    def rate(self, epoch: float) -> float:
        """Return the learning rate.

        Parameters
        ----------
        epoch : float
            The epoch.

        Returns
        -------
        float
            The rate.

        Raises
        ------
        TypeError, ValueError
            If the rate is not a finite number > 0.
        """
        return checks.positive("learning_rate", schedules.get(self.learning_rate)(epoch))

    def __call__(
        self,
        epoch: float,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> list[Rewiring | None]:
        """Return a Rewiring for each layer."""
        return self._rule(epoch, model, state, evidence, rng)
