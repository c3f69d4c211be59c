"""Removes links and grows others: SET, and rules that differ in how many, which links are removed, and where new ones grow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState
from ..topology.rewiring import Rewiring, between, check_free, grow, regrow_rows, rewire
from ..topology.topology import Topology
from ..utils import checks
from ..utils.largest import counts_of_smallest
from . import criteria, regrowths
from .evidence import Evidence
from .new_values import NAMES, NewValues
from .timing import Timing

SHAPES = {
    "criterion": "(layer, state, evidence, rng, zeta) -> scores or keep",
    "regrowth": "(layer, topology, n_new, evidence, rng) -> (rows, columns)",
    "new_values": "(layer, rewiring, evidence, rng) -> values",
}


@dataclass(frozen=True)
class PruneRegrow:
    """A rule that replaces links in every layer but the output layer.

    An event removes links down to `density`, if that is given, and the share `zeta` of those left; as many grow as `zeta` has
    removed, and `extra` ones. The criterion decides which links are removed, and the regrowth where new ones grow.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that is replaced, in [0, 1], or a function of the epoch (a schedule).
    criterion : callable, default sl.criteria.magnitude_within_sign
        A function of `sl.criteria`, or your own: (layer, state, evidence, rng, zeta) -> scores or keep.
    regrowth : callable, default sl.regrowths.uniform
        A function of `sl.regrowths`, or your own: (layer, topology, n_new, evidence, rng) -> (rows, columns).
    new_values : {"zero", "initializer", "last", "gradient"} or callable, default "zero"
        Values of new links: 0; drawn by the network's initializer, as in the paper; that of the link which was removed from the
        same place, else 0; −0.1 times the gradient; or your own function (layer, rewiring, evidence, rng) -> values.
    same_place : {"new", "kept"}, default "new"
        What a link is that grows where one was removed in the same event: a new one, or the old one, which keeps its value and
        its optimizer state.
    layers : {"hidden", "all"} or sequence of int, default "hidden"
        Which layers change: all but the output layer, all, or those with these numbers (from 0; −1 is the last one).
    every : int or str, default 1
        Distance of two events: a number of epochs, or a text such as "100 steps".
    until : float, optional
        Epoch from which on there are no more events.
    replaces_update : bool, default False
        Whether an event takes the place of a step, see Timing.
    density : float or callable, optional
        Links that an event leaves in these layers together, as a share of all positions, in (0, 1], or a function of the epoch
        that never rises; where they have less, none goes for it, and without `extra` their number stays.
    cut : {"layer", "global"}, default "layer"
        How `density` is reached: each layer loses the same share of its links, or those with the smallest |w| of all layers
        together are counted, and each layer loses as many as are its own; at least one stays.
    extra : float or callable, default 0
        Links that grow in each layer until the next event, as a share of its positions, in [0, 1 − density], or a function of the
        epoch. They grow beyond `density`, or towards it where a network begins with less.
    n_batches : int, default 1
        Mini-batches whose average gradient criterion and regrowth see, see `Evidence.average`.
    decay : float, default 1.0
        Weight of each of these batches, relative to the one before, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these. Before a training: if `density` rises, or `density` and `extra` exceed 1 together. When
        the rule is used: if a function returns invalid values, or `extra` does not fit in a layer; the network is then unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((10, 20, 2), density=0.5, exact=True, seed=0)
    >>> rule = sl.PruneRegrow(0.3, criterion=sl.criteria.magnitude)
    >>> rewirings = rule(1, model, None, None, np.random.default_rng(0))
    >>> rewirings[0].n_pruned, len(rewirings[0].grown), rewirings[1] is None
    (30, 30, True)
    """

    zeta: float | Callable[[int], float] = 0.3
    criterion: criteria.Criterion = criteria.magnitude_within_sign
    regrowth: regrowths.Regrowth = regrowths.uniform
    new_values: str | NewValues = "zero"
    same_place: str = "new"
    layers: str | Sequence[int] = "hidden"
    every: int | str = 1
    until: float | None = None
    replaces_update: bool = False
    density: float | Callable[[float], float] | None = None
    cut: str = "layer"
    extra: float | Callable[[float], float] = 0.0
    n_batches: int = 1
    decay: float = 1.0

    rounding: ClassVar[Callable[[float], int]] = int  # of ζ times a number of links

    def __post_init__(self) -> None:
        if not callable(self.zeta):
            checks.fraction("zeta", self.zeta)
        if isinstance(self.new_values, str):
            checks.choice("new_values", self.new_values, NAMES)
        object.__setattr__(self, "timing", Timing(self.every, self.until, self.replaces_update))
        checks.choice("same_place", self.same_place, ("new", "kept"))
        checks.choice("cut", self.cut, ("layer", "global"))
        checks.integer("n_batches", self.n_batches)
        if checks.fraction("decay", self.decay) == 0:
            checks.fail("decay", self.decay, "a number in (0, 1]")
        if self.density is not None and not callable(self.density):
            share("density", self.density)
        if not callable(self.extra):
            checks.fraction("extra", self.extra)
        if self.density is None and self.extra != 0:
            checks.fail("extra", self.extra, "0 without density: the links would become more at every event")
        if self.density is not None and not callable(self.density) and not callable(self.extra):
            check_fits(self.density, self.extra)
        if isinstance(self.layers, str):
            checks.choice("layers", self.layers, ("hidden", "all"))
        else:
            object.__setattr__(self, "layers", tuple(map(int, checks.whole_array("layers", self.layers))))
        for name, shape in SHAPES.items():
            plug_in = getattr(self, name)
            if name == "new_values" and isinstance(plug_in, str):
                continue
            if not callable(plug_in) or isinstance(plug_in, type):
                checks.fail(name, plug_in, f"a function {shape}", TypeError)

    @property
    def across_layers(self) -> bool:
        """Whether all layers must be looked at before one can change."""
        return self.density is not None and self.cut == "global"

    def prepare(self, model: SparseMLP, epochs: int) -> None:
        """Check the schedules of a training.

        Parameters
        ----------
        model : SparseMLP
            The network.
        epochs : int
            Epochs of the training.

        Raises
        ------
        TypeError, ValueError
            If `density` rises or leaves its range, or `density` and `extra` exceed 1 together.
        """
        self._chosen(len(model.layers))
        if self.density is None:
            return
        values = [share("density", at(self.density, epoch)) for epoch in range(epochs)]
        for epoch, (before, after) in enumerate(zip(values, values[1:])):
            if after > before:
                raise ValueError(f"density: rises from {before:g} to {after:g} after epoch {epoch}: must never rise")
        for epoch, density in enumerate(values[1:], 1):  # there is no event at the start
            check_fits(density, checks.fraction("extra", at(self.extra, epoch)))

    def __call__(
        self,
        epoch: float,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> list[Rewiring | None]:
        """Return a Rewiring for each layer; None for layers that do not change, as those of density 1 that keep all links."""
        if not self.across_layers:
            return list(self.by_layer(epoch, model, state, evidence, rng))
        zeta, cuts, extra = self._amounts(epoch, model)
        evidence = self._averaged(evidence)
        states = state or [None] * len(model.layers)
        kept = [
            None if cut is None else self._keep(layer, s, evidence, rng, zeta, cut)
            for layer, s, cut in zip(model.layers, states, cuts, strict=True)
        ]
        kept = self.kept_across(model, kept)
        wanted = self.grown_across(model, evidence, [n_replaced(keep, cut) for keep, cut in zip(kept, cuts, strict=True)])
        return [
            None if keep is None else self._rewiring(layer, keep, n + n_extra(extra, layer, keep, n), evidence, rng)
            for layer, keep, n in zip(model.layers, kept, wanted, strict=True)
        ]

    def kept_across(self, model: SparseMLP, kept: list[NDArray[np.bool_] | None]) -> list[NDArray[np.bool_] | None]:
        """Decide over all layers which links are kept, where `across_layers`: as they are, unless a subclass changes it.

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
        return kept

    def grown_across(self, model: SparseMLP, evidence: Evidence | None, replaced: list[int]) -> list[int]:
        """Decide how many links grow in each layer, where `across_layers`: as many as were replaced, or as a subclass shares out.

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
        return replaced

    def by_layer(
        self,
        epoch: float,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> Iterator[Rewiring | None]:
        """Compute the change of one layer after the other.

        Parameters
        ----------
        epoch : int or float
            Number of finished epochs.
        model : SparseMLP
            The network. The caller may replace a layer before it asks for the change of the next one.
        state : list of LayerState or None
            The optimizer's state of each layer.
        evidence : Evidence or None
            Activations and gradients of a batch.
        rng : numpy.random.Generator
            Source of randomness.

        Yields
        ------
        Rewiring or None
            The change of a layer; None for no change.
        """
        zeta, cuts, extra = self._amounts(epoch, model)
        evidence = self._averaged(evidence)
        for index, (layer, cut) in enumerate(zip(model.layers, cuts, strict=True)):
            if cut is None:
                yield None
                continue
            keep = self._keep(layer, state[index] if state else None, evidence, rng, zeta, cut)
            n = n_replaced(keep, cut)
            yield self._rewiring(layer, keep, n + n_extra(extra, layer, keep, n), evidence, rng)

    def _chosen(self, n_layers):
        """The numbers of the layers that may change."""
        if isinstance(self.layers, str):
            return set(range(n_layers - (self.layers == "hidden")))
        for number in self.layers:
            if not -n_layers <= number < n_layers:
                checks.fail("layers", list(self.layers), f"numbers of the net's {n_layers} layers, from 0")
        return {number % n_layers for number in self.layers}

    def _amounts(self, epoch, model):
        """(zeta, cuts, extra) of an event; cuts: for each layer how many links go for `density`, None if it does not change."""
        zeta, extra = checks.fraction("zeta", at(self.zeta, epoch)), checks.fraction("extra", at(self.extra, epoch))
        chosen = sorted(self._chosen(len(model.layers)))
        cuts = [None] * len(model.layers)
        for index, cut in zip(chosen, self._cuts(epoch, [model.layers[index] for index in chosen]), strict=True):
            if cut or extra or (zeta and model.layers[index].topology.density < 1):
                cuts[index] = cut
        return zeta, cuts, extra

    def _cuts(self, epoch, layers):
        """How many links each of these layers loses so that all have `density` together."""
        nnz = np.array([layer.topology.nnz for layer in layers])
        if self.density is None:
            return [0] * len(layers)
        places = sum(layer.topology.n_out * layer.topology.n_in for layer in layers)
        wanted = round(share("density", at(self.density, epoch)) * places)
        if wanted >= nnz.sum():
            return [0] * len(layers)
        if self.cut == "layer":
            return (nnz - np.clip(np.round(nnz * (wanted / nnz.sum())).astype(int), np.minimum(1, nnz), nnz)).tolist()
        each = counts_of_smallest([layer.w for layer in layers], int(nnz.sum()) - wanted)
        return np.clip(each, 0, np.maximum(0, nnz - 1)).tolist()

    def _averaged(self, evidence):
        return evidence if self.n_batches == 1 or evidence is None else evidence.average(self.n_batches, self.decay)

    def _keep(self, layer, state, evidence, rng, zeta, cut):
        """Which links of a layer stay that loses `cut` links, and the share zeta of the others."""
        nnz = layer.topology.nnz
        lost = zeta
        if cut or self.rounding is not int:  # a half more, so that ⌊lost · nnz⌋ is that number
            lost = min(1.0, (cut + self.rounding(zeta * (nnz - cut)) + 0.5) / max(1, nnz))
        return criteria.kept(self.criterion(layer, state, evidence, rng, lost), nnz, lost)

    def _rewiring(self, layer, keep, n_new, evidence, rng):
        return self._with_values(self._moved(layer, keep, n_new, evidence, rng), layer, evidence, rng)

    def _moved(self, layer, keep, n_new, evidence, rng):
        topology = layer.topology
        if not n_new or (self.regrowth is regrowths.uniform and self.same_place == "new"):  # the same links as below, in one pass
            return rewire(topology, keep, n_new, rng=rng)
        pruned = rewire(topology, keep)
        check_free(topology.shape, pruned.topology.nnz, n_new)
        if self.regrowth is regrowths.keep_fan_in and self.same_place == "new" and topology.nnz - pruned.topology.nnz == n_new:
            return pruned.then(regrow_rows(pruned.topology, topology.fan_in - pruned.topology.fan_in, rng))  # the same, too
        rows, columns = self._checked(self.regrowth(layer, pruned.topology, n_new, evidence, rng), n_new)
        try:
            return moved(topology, keep, rows, columns, self.same_place)
        except (TypeError, ValueError) as error:
            raise type(error)(f"regrowth: {error}") from error

    def _with_values(self, rewiring, layer, evidence, rng):
        start = NAMES[self.new_values] if isinstance(self.new_values, str) else self.new_values
        if start is None:
            return rewiring
        values = start(layer, rewiring, evidence, rng)
        try:
            return replace(rewiring, new_values=np.asarray(values, layer.dtype))
        except (TypeError, ValueError) as error:
            raise type(error)(f"new_values's result: {error}") from error

    def _checked(self, answer, n_new):
        """Check that a regrowth returned n_new rows and columns."""
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            checks.fail("regrowth's result", answer, f"(rows, columns), {n_new} each: a position for each new link")
        return [checks.whole_array(f"regrowth's {name}", part, n_new) for name, part in zip(("rows", "columns"), answer)]


def at(value, epoch):
    """A setting at an epoch: a number, or what a schedule says."""
    return value(epoch) if callable(value) else value


def share(name, value):
    """A number in (0, 1] as float."""
    if checks.fraction(name, value) == 0:
        checks.fail(name, value, "a number in (0, 1]")
    return float(value)


def n_replaced(keep, cut):
    """How many links of a layer go beyond the `cut` ones; keep: which stay, None for all."""
    return 0 if keep is None else max(0, len(keep) - int(np.count_nonzero(keep)) - cut)


def n_extra(extra, layer, keep, n):
    """How many links are a share of all positions of a layer; ValueError where they do not fit beside those of `keep` and n."""
    places = layer.topology.n_out * layer.topology.n_in
    found, free = round(extra * places), places - int(np.count_nonzero(keep)) - n if extra else places
    if found > free:
        checks.fail("extra", extra, f"at most {free / places:g} here: of a layer's {places} positions {free} are free")
    return found


def check_fits(density, extra):
    """Raise ValueError unless `extra` links fit beside those of `density`."""
    if density + extra > 1 + 1e-9:  # a little more is rounding
        checks.fail("extra", extra, f"at most {1 - density:g}, because density = {density:g} and extra cannot exceed 1 together")


def moved(topology, keep, rows, columns, same_place):
    """The Rewiring that keeps some links and grows others at positions; ValueError where one is not free."""
    if same_place == "kept":
        keep, rows, columns = returned(topology, keep, rows, columns)
    pruned = rewire(topology, keep)
    return pruned.then(grow(pruned.topology, rows, columns))


def returned(topology, keep, rows, columns):
    """(keep, rows, columns) in which links that would grow where one is removed are not removed."""
    new = Topology.from_links(*topology.shape, rows, columns)
    slots = between(topology, new).origin
    keep = keep.copy()
    keep[slots[slots >= 0]] = True
    return keep, new.rows[slots < 0], new.indices[slots < 0]


@dataclass(frozen=True)
class SET(PruneRegrow):
    """Sparse evolutionary training: remove the weakest links of each sign and grow as many at random positions.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that is replaced, in [0, 1], or a function of the epoch (a schedule).
    criterion : callable, default sl.criteria.magnitude_within_sign
        Which links are removed; see PruneRegrow.
    regrowth : callable, default sl.regrowths.uniform
        Where links grow; see PruneRegrow.
    new_values : str or callable, default "zero"
        Values of new links; see PruneRegrow. The paper's are "initializer".
    same_place : str, default "new"
        What a link is that grows where one was removed in the same event; see PruneRegrow.
    layers : str or sequence of int, default "hidden"
        Which layers change; see PruneRegrow.
    every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        When the events take place, how many links they leave, and what they see; see PruneRegrow.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Mocanu et al. (2018), "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
    network science", Nature Communications 9.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), epsilon=2, seed=0)
    >>> records = list(sl.train(model, (X, y), epochs=3, rules=[sl.SET(0.3)], seed=0))
    >>> records[2].nnz == records[0].nnz
    True
    """


@dataclass(frozen=True)
class RigL(PruneRegrow):
    """Remove the weakest links and grow as many where the gradient of a batch is largest, starting at 0.

    Here events take place between epochs, with the gradient of the first mini-batch of the coming epoch, which is then trained
    on; in the paper they replace an update every 100 steps, until three quarters of the training.

    Parameters
    ----------
    zeta : float or callable, default 0.3
        Share of links that is replaced, in [0, 1], or a function of the epoch (a schedule).
    criterion : callable, default sl.criteria.magnitude
        Which links are removed; see PruneRegrow.
    regrowth : callable, default sl.regrowths.ExactGradient()
        Where links grow; `sl.regrowths.SampledGradient` costs less. See PruneRegrow.
    new_values : str or callable, default "zero"
        Values of new links; see PruneRegrow.
    same_place : str, default "kept"
        What a link is that grows where one was removed in the same event; see PruneRegrow.
    layers : str or sequence of int, default "hidden"
        Which layers change; see PruneRegrow.
    every, until, replaces_update, density, cut, extra, n_batches, decay : optional
        When the events take place, how many links they leave, and what they see; see PruneRegrow.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Evci et al. (2020), "Rigging the Lottery: Making All Tickets Winners", arXiv 1911.11134, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    >>> model = sl.SparseMLP.create((4, 30, 2), epsilon=2, seed=0)
    >>> records = list(sl.train(model, (X, y), epochs=3, rules=[sl.RigL(0.3)], seed=0))
    >>> records[2].nnz == records[0].nnz
    True
    """

    criterion: criteria.Criterion = criteria.magnitude
    regrowth: regrowths.Regrowth = regrowths.ExactGradient()
    same_place: str = "kept"
