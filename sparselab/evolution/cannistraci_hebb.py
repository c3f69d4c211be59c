"""Cannistraci-Hebb training: links grow where the topology itself suggests them, and links that lead nowhere are removed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState
from ..nn.schedules import Sigmoid
from ..topology.percolation import percolate
from ..topology.rewiring import Rewiring, between, rewire
from ..utils import checks
from . import criteria, regrowths
from .evidence import Evidence
from .prune_regrow import PruneRegrow, at, share
from .timing import Timing

COURSE = 0.75  # share of a training in which there are events, unless `until` says another


@dataclass(frozen=True)
class CHT(PruneRegrow):
    """Cannistraci-Hebb training: remove the weakest links, and grow as many where walks of three links suggest them, at 0.

    After the weakest links, those are removed that lead nowhere: incoming links of neurons without outgoing ones, and outgoing
    ones of neurons without incoming ones. As many links grow in the same layer. Events end when in every layer nearly all links
    return to where links were just removed.

    In the authors' code an event takes the place of the last update of each epoch; here it precedes the first one, which
    `replaces_update` makes it replace. Their output layers are dense: where it is sparse, neurons without a link to it lose all
    of their links.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that is replaced, in [0, 1], falling to 0 along half a cosine; or a function of the epoch (a schedule).
    criterion : callable, default sl.criteria.magnitude
        Which links are removed; `sl.criteria.relative_importance` is the other one of the paper. See PruneRegrow.
    regrowth : callable, default sl.regrowths.CannistraciHebb()
        Where links grow; see PruneRegrow.
    new_values : str or callable, default "zero"
        Values of new links; see PruneRegrow.
    same_place : str, default "kept"
        What a link is that grows where one was removed in the same event; see PruneRegrow.
    layers : str or sequence of int, default "hidden"
        Which layers change; see PruneRegrow.
    every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        When the events take place, how many links they leave, and what they see; see PruneRegrow. Events end at epoch `until`, by
        default after three quarters of the training.
    ended_by : float, default 0.9
        Share of new links that return to where links were removed: more in every layer end the events, in [0, 1]; 1: never.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Zhang et al. (2024), "Epitopological learning and Cannistraci-Hebb network shape intelligence brain-inspired theory for
    ultra-sparse advantage in deep learning", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), epsilon=2, seed=0)
    >>> records = list(sl.train(model, (X, y), epochs=4, rules=[sl.CHT(0.3)], seed=0))
    >>> records[3].nnz == records[0].nnz
    True
    """

    criterion: criteria.Criterion = criteria.magnitude
    regrowth: regrowths.Regrowth = regrowths.CannistraciHebb()
    same_place: str = "kept"
    ended_by: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.fraction("ended_by", self.ended_by)
        timing = Timing(self.every, None, self.replaces_update)  # from `until` on links may still go, but none grows
        object.__setattr__(self, "timing", timing)

    @property
    def across_layers(self) -> bool:
        """Whether all layers must be looked at before one can change: always."""
        return True

    def __call__(
        self,
        epoch: float,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> list[Rewiring | None]:
        """Return a Rewiring for each layer; None for layers that do not change."""
        memory, epochs = ({}, None) if evidence is None else (evidence.memory, evidence.epochs)
        if self.until is None and epochs is None:
            checks.fail("until", None, "the epoch at which events end, where the length of the training is not known")
        end = COURSE * epochs if self.until is None else self.until
        settings = self._settings(epoch, min(1.0, epoch / end) if end else 1.0)
        if memory.get("ended"):
            settings["zeta"] = 0.0
        event = replace(self, **settings)
        rewirings = super(CHT, event).__call__(epoch, model, state, evidence, rng)
        if self.ended_by < 1 and returned_shares(model, rewirings, event._replaced) > self.ended_by:
            memory["ended"] = True
        return rewirings

    def _settings(self, epoch, progress):
        """Fields of one event, numbers in the place of schedules; progress: share of the time of events that has passed."""
        falling = at(self.zeta, epoch) * (1 if callable(self.zeta) else (1 + math.cos(math.pi * progress)) / 2)
        return {"zeta": falling if progress < 1 else 0.0}

    def kept_across(self, model: SparseMLP, kept: list[NDArray[np.bool_] | None]) -> list[NDArray[np.bool_] | None]:
        """Remove links that lead nowhere.

        Parameters
        ----------
        model : SparseMLP
            The network.
        kept : list of ndarray of bool, or None
            Which links the criterion keeps in each layer, None for a layer that does not change.

        Returns
        -------
        list of ndarray of bool, or None
            Which links are kept.
        """
        return percolate([layer.topology for layer in model.layers], kept)

    def grown_across(self, model: SparseMLP, evidence: Evidence | None, replaced: list[int]) -> list[int]:
        """Let as many links grow as were replaced; without `zeta` none, because then they only led nowhere.

        Parameters
        ----------
        model : SparseMLP
            The network.
        evidence : Evidence or None
            Activations and gradients.
        replaced : list of int
            Links that each layer has lost, without those for `density`.

        Returns
        -------
        list of int
            Links that grow, without `extra`.
        """
        replaced = replaced if self.zeta else [0] * len(replaced)
        object.__setattr__(self, "_replaced", replaced)  # of an object that lives for one event
        return replaced


def returned_shares(model, rewirings, replaced):
    """The smallest share of new links in a layer that are at places where links were removed; 0 where nothing was replaced."""
    new = [
        1 - np.count_nonzero(between(layer.topology, rewiring.topology).origin < 0) / n
        for layer, rewiring, n in zip(model.layers, rewirings, replaced, strict=True)
        if rewiring is not None and n
    ]
    return min(new, default=0)


@dataclass(frozen=True)
class CHTs(CHT):
    """Cannistraci-Hebb training with soft rules: links are removed and grown at random, with probabilities given by their scores.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that is replaced, in [0, 1], or a function of the epoch (a schedule).
    criterion : callable, default sl.criteria.Soft("magnitude", (0.5, 0.75))
        Which links are removed; the paper has `Soft("relative_importance", …)`, too. See PruneRegrow.
    regrowth : callable, default sl.regrowths.CannistraciHebb("CH3-L3p", soft=True)
        Where links grow; the paper has "CH2-L3n", too. See PruneRegrow.
    new_values : str or callable, default "zero"
        Values of new links; see PruneRegrow.
    same_place : str, default "kept"
        What a link is that grows where one was removed in the same event; see PruneRegrow.
    layers : str or sequence of int, default "hidden"
        Which layers change; see PruneRegrow.
    every, until, replaces_update : optional
        When the events take place; see PruneRegrow. They end at epoch `until`, by default after three quarters of the training.
    density : float or callable, optional
        Links that are left in the end, as a share of all positions, in (0, 1]; without it their number stays. See PruneRegrow.
    cut : str, default "layer"
        How `density` is reached; see PruneRegrow.
    extra : float or callable, default 0
        Links beyond `density` (the paper's EM_S): an event prunes to `density` and grows these, instead of replacing `zeta`; the
        authors' code has 0.05. From 60 % of the events on half as many grow, at the end none; no links grow for those that led
        nowhere. The network should begin with `density` + `extra`. A function of the epoch is taken as it is.
    n_batches, decay : optional
        What the events see; see PruneRegrow.
    ended_by : float, default 1.0
        See CHT.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), epsilon=2, seed=0)
    >>> records = list(sl.train(model, (X, y), epochs=4, rules=[sl.CHTs(0.3)], seed=0))
    >>> records[3].nnz == records[0].nnz
    True
    """

    criterion: criteria.Criterion = criteria.Soft("magnitude", (0.5, 0.75))
    regrowth: regrowths.Regrowth = regrowths.CannistraciHebb(soft=True)
    ended_by: float = 1.0

    def _settings(self, epoch, progress):
        extra = at(self.extra, epoch)
        if not callable(self.extra):
            extra *= 1 if progress < 0.6 else 0.5 if progress < 1 else 0
        zeta = at(self.zeta, epoch) if progress < 1 and self.extra == 0 else 0.0
        settings = {"zeta": zeta, "extra": extra, "density": self.density and at(self.density, epoch)}
        return settings | ({"criterion": self.criterion.at(epoch, progress)} if isinstance(self.criterion, criteria.Soft) else {})


@dataclass(frozen=True)
class CHTss(CHTs):
    """Cannistraci-Hebb training with soft rules and a density that falls along a sigmoid.

    An event first removes the links beyond the density of the moment, those of the lowest relative importance, and then replaces
    the share `zeta` of the others.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that is replaced, in [0, 1], or a function of the epoch (a schedule).
    criterion : callable, default sl.criteria.Soft("magnitude", (0.5, 0.75))
        Which links are replaced; see PruneRegrow.
    regrowth : callable, default sl.regrowths.CannistraciHebb("CH2-L3n", soft=True)
        Where links grow; "L3p" costs far more at high density. See PruneRegrow.
    new_values : str or callable, default "zero"
        Values of new links; see PruneRegrow.
    same_place : str, default "kept"
        What a link is that grows where one was removed in the same event; see PruneRegrow.
    layers : str or sequence of int, default "hidden"
        Which layers change; see PruneRegrow.
    every, until, replaces_update : optional
        When the events take place; see PruneRegrow. They end at epoch `until`, by default after three quarters of the training.
    density : float or callable
        Links that are left in the end, as a share of all positions, in (0, 1]; or a function of the epoch that never rises.
    cut, extra, n_batches, decay, ended_by : optional
        How many links events leave, and what they see; see PruneRegrow and CHTs.
    first_density : float, default 0.5
        Where the sigmoid begins, in [density, 1]: the density with which the network should begin.
    steepness : float, default 6.0
        Steepness of the sigmoid; see `sl.schedules.Sigmoid`.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 50, 2), density=0.5, exact=True, seed=0)
    >>> records = list(sl.train(model, (X, y), epochs=9, rules=[sl.CHTss(0.3, density=0.1)], seed=0))
    >>> records[0].nnz[0], records[8].nnz[0]
    (100, 20)
    """

    regrowth: regrowths.Regrowth = regrowths.CannistraciHebb("CH2-L3n", soft=True)
    first_density: float = 0.5
    steepness: float = 6.0

    def __post_init__(self) -> None:
        if self.density is None:
            checks.fail("density", None, "the density in the end, a number in (0, 1], or a function of the epoch", TypeError)
        super().__post_init__()
        if callable(self.density):
            return
        if share("first_density", self.first_density) < self.density:
            checks.fail("first_density", self.first_density, f"at least density = {self.density}")
        self._sigmoid()

    def _settings(self, epoch, progress):
        settings = super()._settings(epoch, progress)
        if callable(self.density):
            return settings | {"first_density": 1.0}  # it has no meaning there, and must not be below the density
        return settings | {"density": self._sigmoid()(progress)}

    def _sigmoid(self):
        """The density as a function of the share of the time of events that has passed."""
        return Sigmoid(self.first_density, self.density, 0.0, 1.0, self.steepness)

    def _keep(self, layer, state, evidence, rng, zeta, cut):
        nnz = layer.topology.nnz
        if not cut:
            return super()._keep(layer, state, evidence, rng, zeta, cut)
        importance = criteria.relative_importance(layer, state, evidence, rng, zeta)
        keep = criteria.all_but_lowest(importance, (cut + 0.5) / nnz)
        pruned = rewire(layer.topology, keep)
        left = SparseLinear(pruned.topology, pruned.carry(layer.w), layer.b)
        states = state and LayerState([pruned.carry(v) for v in state.links], state.neurons)
        keep[keep] = super()._keep(left, states, evidence, rng, zeta, 0)
        return keep
