"""PALS: the density of a training finds itself, by the loss on held-out samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets.coerce import as_features
from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState
from ..topology.rewiring import Rewiring
from ..utils import checks
from . import criteria, regrowths
from .evidence import Evidence, given
from .prune_regrow import PruneRegrow, at


@dataclass(frozen=True)
class PALS(PruneRegrow):
    """Pruning with adaptive sparsity level: a network shrinks while its held-out loss allows it, and expands where it has to.

    Let S be the sparsity and L the held-out loss. Where S < `min_sparsity`, or L ≤ λ L_best and S < `max_sparsity`, the network
    shrinks: ⌈ζ γ nnz⌉ links of a layer go, and 1/γ of them grow. Else where L > λ L_best and S is above that of L_best it
    expands: ⌈ζ nnz⌉ go, and γ times as many grow. Else as many grow as go. The weakest links go, and new ones grow where the
    gradient is largest.

    Parameters
    ----------
    zeta : float or callable, default 0.5
        Share of links that is replaced, in [0, 1], or a function of the epoch.
    criterion, regrowth : optional
        See PruneRegrow.
    new_values, same_place, layers, every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        See PruneRegrow; there is no `density`. In the paper events end after two thirds of the training.
    held_out : tuple
        (X, y): samples that are not trained on.
    gamma : float, default 1.1
        The factor γ >= 1; the paper uses 1.05 to 1.2.
    tolerance : float, default 1.1
        The factor λ >= 1; the paper uses 1.05 to 1.2.
    min_sparsity, max_sparsity : float, default 0.2 and 0.9
        Between which sparsities, shares of missing links in [0, 1], the network expands or shrinks.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Atashgahi et al. (2023), "Adaptive Sparsity Level during Training for Efficient Time Series Forecasting with Transformers",
    arXiv 2305.18382, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((40, 4)), np.arange(40) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), density=1, seed=0)
    >>> records = list(sl.train(model, (X[:30], y[:30]), epochs=9, rules=[sl.PALS(held_out=(X[30:], y[30:]))], seed=0))
    >>> records[8].nnz[0] < records[0].nnz[0]
    True
    """

    zeta: float | Any = 0.5
    criterion: criteria.Criterion = criteria.magnitude
    regrowth: regrowths.Regrowth = regrowths.ExactGradient()
    held_out: tuple[Any, Any] | None = None
    gamma: float = 1.1
    tolerance: float = 1.1
    min_sparsity: float = 0.2
    max_sparsity: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.density is not None:
            checks.fail("density", self.density, "None: PALS finds it")
        if not isinstance(self.held_out, tuple | list) or len(self.held_out) != 2:
            checks.fail("held_out", self.held_out, "(X, y), samples that are not trained on", TypeError)
        arrays = tuple(np.asarray(part) if isinstance(part, tuple | list) else part for part in self.held_out)
        object.__setattr__(self, "held_out", arrays)  # lists would be described number by number in checkpoints
        for name, low in (("gamma", 1), ("tolerance", 1)):
            checks.number(name, getattr(self, name), f"a finite number >= {low}", low=low)
        for name in ("min_sparsity", "max_sparsity"):
            checks.fraction(name, getattr(self, name))

    across_layers = True

    def prepare(self, model: SparseMLP, epochs: int) -> None:
        """Check the held-out samples and the schedules of a training.

        Parameters
        ----------
        model : SparseMLP
            The network.
        epochs : int
            Epochs of the training.

        Raises
        ------
        TypeError, ValueError
            If `held_out` does not fit the network, or a schedule leaves its range.
        """
        super().prepare(model, epochs)
        X, y = self.held_out
        n, shape = as_features("held_out[0]", X, model).shape[0], np.shape(y)
        if shape[:1] != (n,):
            raise ValueError(f"held_out[1] has shape {shape}: must be {n} entries, one for each row of held_out[0]")

    def __call__(
        self,
        epoch: float,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> list[Rewiring | None]:
        """Return a Rewiring for each layer that changes, and note the best loss and its sparsity in the memory."""
        evidence = given(evidence)
        chosen = sorted(self._chosen(len(model.layers)))
        zeta = checks.fraction("zeta", at(self.zeta, epoch))
        pruned, grown = self._shares(evidence, self._sparsity(model, chosen))
        evidence, changes = self._averaged(evidence), [None] * len(model.layers)
        for index in chosen if zeta else []:
            layer, nnz = model.layers[index], model.layers[index].topology.nnz
            n_out, n_in = layer.topology.shape
            gone = min(max(0, nnz - 1), math.ceil(zeta * pruned * nnz))
            share = (gone + 0.5) / max(1, nnz)
            keep = criteria.kept(self.criterion(layer, state and state[index], evidence, rng, share), nnz, share)
            new = min(n_out * n_in - int(np.count_nonzero(keep)), round(grown * gone))
            changes[index] = self._rewiring(layer, keep, new, evidence, rng)
        return changes

    def _sparsity(self, model, chosen):
        places = sum(model.layers[index].topology.n_out * model.layers[index].topology.n_in for index in chosen)
        return 1 - sum(model.layers[index].topology.nnz for index in chosen) / places

    def _shares(self, evidence, sparsity):
        """(what goes, as a multiple of ζ nnz; what grows, as a multiple of what goes)."""
        memory, loss = evidence.memory, evidence.loss_of(*self.held_out)
        best, best_sparsity = memory.get("loss", loss), memory.get("sparsity", sparsity)
        if loss <= best:
            memory["loss"], memory["sparsity"] = loss, sparsity
        if sparsity < self.min_sparsity or (loss <= self.tolerance * best and sparsity < self.max_sparsity):
            return self.gamma, 1 / self.gamma
        if loss > self.tolerance * best and sparsity > best_sparsity:
            return 1.0, self.gamma
        return 1.0, 1.0
