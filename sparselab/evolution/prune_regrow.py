"""Removes a share of the links and grows as many elsewhere: SET, and rules that differ in which links are removed or grown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState
from ..topology.rewiring import Rewiring, between, check_free, grow, rewire
from ..topology.topology import Topology
from ..utils import checks
from . import criteria, regrowths
from .evidence import Evidence
from .new_values import NAMES, NewValues

SHAPES = {
    "criterion": "(layer, state, evidence, rng, zeta) -> scores or keep",
    "regrowth": "(layer, topology, n_new, evidence, rng) -> (rows, columns)",
    "new_values": "(layer, rewiring, evidence, rng) -> values",
}


@dataclass(frozen=True)
class PruneRegrow:
    """A rule that replaces links in every layer but the output layer.

    The criterion decides which links are removed, and the regrowth where as many new ones grow.

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

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these. When the rule is used: if a function returns invalid values; the network is then
        unchanged.

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

    def __post_init__(self) -> None:
        if not callable(self.zeta):
            checks.fraction("zeta", self.zeta)
        if isinstance(self.new_values, str):
            checks.choice("new_values", self.new_values, NAMES)
        checks.choice("same_place", self.same_place, ("new", "kept"))
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

    def __call__(
        self,
        epoch: int,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> list[Rewiring | None]:
        """Return a Rewiring for each layer; None for the output layer, for dense layers and where zeta is 0."""
        return list(self.by_layer(epoch, model, state, evidence, rng))

    def by_layer(
        self,
        epoch: int,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> Iterator[Rewiring | None]:
        """Compute the change of one layer after the other.

        Parameters
        ----------
        epoch : int
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
        zeta = checks.fraction("zeta", self.zeta(epoch) if callable(self.zeta) else self.zeta)
        chosen = self._chosen(len(model.layers))
        for index, layer in enumerate(model.layers):
            changes = index in chosen and zeta > 0
            yield self._rewire(layer, state[index] if state else None, evidence, rng, zeta) if changes else None

    def _chosen(self, n_layers):
        """The numbers of the layers that change."""
        if isinstance(self.layers, str):
            return range(n_layers - (self.layers == "hidden"))
        for number in self.layers:
            if not -n_layers <= number < n_layers:
                checks.fail("layers", list(self.layers), f"numbers of the net's {n_layers} layers, from 0")
        return {number % n_layers for number in self.layers}

    def _rewire(self, layer, state, evidence, rng, zeta):
        topology = layer.topology
        if topology.density == 1:
            return None
        keep = criteria.kept(self.criterion(layer, state, evidence, rng, zeta), topology.nnz, zeta)
        n_new = topology.nnz - int(np.count_nonzero(keep))
        return self._with_values(self._moved(layer, keep, n_new, evidence, rng), layer, evidence, rng)

    def _moved(self, layer, keep, n_new, evidence, rng):
        topology = layer.topology
        if not n_new or (self.regrowth is regrowths.uniform and self.same_place == "new"):  # the same links as below, in one pass
            return rewire(topology, keep, n_new, rng=rng)
        pruned = rewire(topology, keep)
        check_free(topology.shape, pruned.topology.nnz, n_new)
        rows, columns = self._checked(self.regrowth(layer, pruned.topology, n_new, evidence, rng), n_new)
        try:
            if self.same_place == "kept":
                keep, rows, columns = returned(topology, keep, rows, columns)
                pruned = rewire(topology, keep)
            return pruned.then(grow(pruned.topology, rows, columns))
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
            checks.fail("regrowth's result", answer, f"(rows, columns), {n_new} each: a position for each link that was pruned")
        return [checks.whole_array(f"regrowth's {name}", part, n_new) for name, part in zip(("rows", "columns"), answer)]


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
