"""Importance Pruning (contribution 3 of the paper): removes hidden neurons with weak links, which makes the network smaller."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..nn.mlp import SparseMLP, check_model
from ..nn.optimizers import LayerState
from ..topology.rewiring import Rewiring, keep_neurons, rewire
from ..utils import checks
from . import importances
from .evidence import Evidence

MODES, RAMPS, FOLDS = ("shrink", "links"), {"linear": 1, "cubic": 3}, ("bias", "mean")


@dataclass(frozen=True)
class ImportancePruning:
    """A rule that removes the least important hidden neurons during training.

    With mode="shrink" neurons are removed together with their biases, velocities and all their links. A neuron without incoming
    links has a constant output; this constant is added to the next layer's biases, so that the smaller network computes the same
    function. `SparseMLP.neurons` keeps the original ids.

    With mode="links", as in the paper and its code, neurons only lose their incoming links. Widths, biases and outgoing links
    stay, and SET may grow links into such neurons again.

    Input and output neurons are never pruned. In a list of rules this one comes before SET.

    Parameters
    ----------
    amount : float or callable, default 0.6
        Share of the original neurons of each hidden layer, in [0, 1], that is removed once the event at epoch `stop` is over;
        or a function of the epoch that gives the share so far. For mode "shrink".
    start : int, default 200
        First event: after this number of epochs, >= 1.
    stop : int, optional
        Last event, >= `start`. By default "shrink" removes everything at `start`, and "links" goes on to the end.
    every : int, default 10
        Epochs between two events, >= 1.
    mode : {"shrink", "links"}, default "shrink"
        What happens to unimportant neurons, see above.
    percentile : float, default 20.0
        In mode "links", neurons up to this percentile of their layer's importances are pruned, in [0, 100].
    importance : callable, default sl.importances.outgoing
        A function of `sl.importances`, or your own: (layer, following) -> one number for each neuron.
    min_neurons : int, default 1
        Number of neurons that every hidden layer keeps at least, >= 1.
    ramp : {"cubic", "linear"}, default "cubic"
        How the removed share grows from `start` to `stop`: 1 − (1 − t)³ or t.
    fold : {"mean", "bias"}, default "mean"
        What is added to the next layer's biases for a neuron: "bias" is f(b), its output once its incoming links are cut;
        "mean" is the mean of f(z) over a batch, which changes the outputs of the network least. The defaults of `importance`
        and `fold` cost the least accuracy (`python -m benchmarks.importance`); `ImportancePruning.paper()` has the paper's.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    References
    ----------
    Curci, Mocanu, Pechenizkiy (2021), "Truly Sparse Neural Networks at Scale", arXiv 2102.01732, algorithm 2 (mode "links";
    their sequential runs use start 200, every 10, percentile 20).
    Zhu, Gupta (2018), "To prune, or not to prune", arXiv 1710.01878 (the cubic ramp).

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((10, 100, 2), seed=0)
    >>> sl.ImportancePruning(0.5, start=2, stop=4, every=2, ramp="linear").plan(model, epochs=10)
    [(2, (75,)), (4, (50,))]
    """

    amount: float | Callable[[int], float] = 0.6
    start: int = 200
    stop: int | None = None
    every: int = 10
    mode: str = "shrink"
    percentile: float = 20.0
    importance: importances.Importance = importances.outgoing
    min_neurons: int = 1
    ramp: str = "cubic"
    fold: str = "mean"

    def __post_init__(self) -> None:
        if not callable(self.amount):
            checks.fraction("amount", self.amount)
        checks.integer("start", self.start)
        if self.stop is not None:
            checks.integer("stop", self.stop, low=self.start)
        checks.integer("every", self.every)
        checks.choice("mode", self.mode, MODES)
        checks.number("percentile", self.percentile, "a number in [0, 100]", low=0, high=100)
        importances.check(self.importance)
        checks.integer("min_neurons", self.min_neurons)
        checks.choice("ramp", self.ramp, RAMPS)
        checks.choice("fold", self.fold, FOLDS)

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """Return the rule with the settings of the paper's sequential runs.

        Neurons up to the 20th percentile of incoming strength lose their incoming links after epoch 200 and every 10 epochs more.

        Parameters
        ----------
        **changes : Any
            Arguments with other values, such as mode="shrink".

        Returns
        -------
        ImportancePruning
            The rule.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed.

        Examples
        --------
        >>> import sparselab as sl
        >>> rule = sl.ImportancePruning.paper(start=20)
        >>> rule.mode, rule.importance.__name__, rule.start, rule.percentile
        ('links', 'incoming', 20, 20.0)
        """
        preset: dict[str, Any] = {
            "mode": "links", "start": 200, "every": 10, "percentile": 20.0, "importance": importances.incoming, "fold": "bias",
        }  # fmt: skip
        return cls(**preset | changes)

    def is_due(self, epoch: int) -> bool:
        """Tell whether neurons are pruned after some epoch.

        Parameters
        ----------
        epoch : int
            Number of finished epochs.

        Returns
        -------
        bool
            Whether there is an event before the next epoch.
        """
        in_turn = epoch >= self.start and (epoch - self.start) % self.every == 0
        if self.mode == "links":
            return in_turn and (self.stop is None or epoch <= self.stop)
        return in_turn or epoch == self.stop

    def share(self, epoch: int) -> float:
        """Compute the share of the original neurons that is removed so far (mode "shrink").

        Parameters
        ----------
        epoch : int
            Number of finished epochs; the event after it is included.

        Returns
        -------
        float
            The share, in [0, 1].
        """
        if callable(self.amount):
            return checks.fraction("amount", self.amount(epoch))
        stop = self.start if self.stop is None else self.stop
        first = self.every if stop > self.start else 1
        t = min(1.0, (epoch - self.start + first) / (stop - self.start + first)) if epoch < stop else 1.0
        return self.amount * (1 - (1 - t) ** RAMPS[self.ramp])

    def widths(self, model: SparseMLP, epoch: int) -> tuple[int, ...]:
        """Compute the widths of the hidden layers after an event (mode "shrink").

        Parameters
        ----------
        model : SparseMLP
            The network.
        epoch : int
            Number of finished epochs.

        Returns
        -------
        tuple of int
            The widths, never larger than those of the network.
        """
        targets = widths_without(model.neurons.sizes[1:-1], self.share(epoch), self.min_neurons)
        return tuple(min(width, target) for width, target in zip(model.sizes[1:-1], targets, strict=True))

    def plan(self, model: SparseMLP, epochs: int) -> list[tuple[int, tuple[int, ...]]]:
        """List the events of a training that remove neurons (mode "shrink").

        Parameters
        ----------
        model : SparseMLP
            The network before the training.
        epochs : int
            Length of the training.

        Returns
        -------
        list of tuple
            For each event the number of finished epochs and the widths of the hidden layers after it.
        """
        events, now = [], model.sizes[1:-1]
        for epoch in filter(self.is_due, range(1, epochs)):
            left = tuple(map(min, now, self.widths(model, epoch)))
            if left != now:
                events.append((epoch, left))
            now = left
        return events

    def prepare(self, model: SparseMLP, epochs: int) -> None:
        """Warn if a training is too short for any event; called before it starts.

        Parameters
        ----------
        model : SparseMLP
            The network.
        epochs : int
            Total number of epochs.

        Warns
        -----
        UserWarning
            If nothing will be pruned.
        """
        if self.start >= epochs:
            text = (
                f"start = {self.start}: nothing will be pruned in {epochs} epochs; the last event can be after epoch {epochs - 1}"
            )
            warnings.warn(text, stacklevel=4)

    def __call__(
        self,
        epoch: int,
        model: SparseMLP,
        state: Sequence[LayerState] | None,
        evidence: Evidence | None,
        rng: np.random.Generator,
    ) -> list[Rewiring | None]:
        """Return a Rewiring for each layer; None where nothing changes."""
        if not self.is_due(epoch):
            return [None] * len(model.layers)
        if self.mode == "links":
            return self._cut(model)
        gone = least_important(model, self.importance, self.widths(model, epoch))
        return shrink(model, gone, evidence if self.fold == "mean" else None)

    def _cut(self, model):
        """Remove the incoming links of neurons up to the percentile; the `min_neurons` most important ones keep theirs."""
        rewirings = []
        for layer, scores in zip(model.layers, importances.scores(self.importance, model), strict=False):
            empty = scores <= np.percentile(scores, self.percentile)
            empty &= weakest(scores, max(0, len(scores) - self.min_neurons))
            keep = ~np.repeat(empty, layer.topology.fan_in)
            rewirings.append(None if keep.all() else rewire(layer.topology, keep))
        return [*rewirings, None]


def widths_without(widths: Sequence[int], share: float, min_neurons: int = 1) -> tuple[int, ...]:
    """Reduce widths by a share.

    Parameters
    ----------
    widths : sequence of int
        Widths of layers.
    share : float
        Share of neurons that is removed, in [0, 1].
    min_neurons : int, default 1
        Number of neurons that every layer keeps at least.

    Returns
    -------
    tuple of int
        The widths that are left, rounded up.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.evolution.widths_without((100, 3), 0.5)
    (50, 2)
    """
    return tuple(max(min(min_neurons, n), n - math.floor(share * n + 1e-9)) for n in widths)


def least_important(model: SparseMLP, importance: importances.Importance, widths: Sequence[int]) -> list[NDArray[np.bool_]]:
    """Choose the least important neurons of each hidden layer.

    Parameters
    ----------
    model : SparseMLP
        The network.
    importance : callable
        A function of `sl.importances`, or your own.
    widths : sequence of int
        Number of neurons that each hidden layer keeps.

    Returns
    -------
    list of ndarray of bool
        For each hidden layer which neurons are to be removed; among equally important ones the first.

    Raises
    ------
    ValueError
        If the function's result does not fit.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), seed=0)
    >>> gone = sl.evolution.least_important(model, sl.importances.incoming, [5])
    >>> int(gone[0].sum())
    3
    """
    scores = importances.scores(importance, model)
    return [weakest(values, len(values) - width) for values, width in zip(scores, widths, strict=True)]


def weakest(scores, n):
    """Return a bool array that marks the n lowest scores; among equal ones the first."""
    gone = np.zeros(len(scores), bool)
    gone[np.argsort(scores, kind="stable")[:n]] = True
    return gone


def shrink(model: SparseMLP, gone: Sequence[NDArray[np.bool_]], evidence: Evidence | None = None) -> list[Rewiring | None]:
    """Compute the change that removes hidden neurons from a network.

    The output that a removed neuron has without its incoming links, f(b), is added to the next layer's biases. Without dropout
    the smaller network is then the same function as the network in which only those links are cut.

    Parameters
    ----------
    model : SparseMLP
        The network; it is not changed (see `apply`).
    gone : list of ndarray of bool
        For each hidden layer which neurons are removed, (neurons,).
    evidence : Evidence, optional
        A batch: the mean of f(z) over it then takes the place of f(b) for neurons that have links.

    Returns
    -------
    list of Rewiring or None
        The change of each layer, None for no change.

    Raises
    ------
    TypeError, ValueError
        If an array does not fit, or if no neuron of a layer is left.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), seed=0)
    >>> _ = sl.evolution.apply(sl.evolution.shrink(model, [np.arange(8) < 3]), model, None, np.random.default_rng(0))
    >>> model.sizes, model.neurons.ids(1).tolist()
    ((4, 5, 2), [3, 4, 5, 6, 7])
    """
    check_model(model)
    outputs, inputs = [None, *gone], [*gone, None]
    rewirings: list[Rewiring | None] = []
    for number, layer in enumerate(model.layers):
        before, here = outputs[number], inputs[number]
        before, here = (None if mask is None or not mask.any() else ~mask for mask in (before, here))
        if before is None and here is None:
            rewirings.append(None)
            continue
        shift = None if before is None else lost(layer, ~before, constants(model, number, evidence))
        if shift is not None and here is not None:
            shift = shift[here]
        rewirings.append(keep_neurons(layer.topology, rows=here, cols=before, shift=shift))
    return rewirings


def constants(model, number, evidence=None):
    """Return the output, taken as a constant, of each neuron that is an input of layer `number` (0 is the first): (n_in,)."""
    layer = model.layers[number - 1]
    fixed = model.hidden[number - 1].forward(layer.b[:, None])[:, 0].astype(np.float64)
    if evidence is None:
        return fixed
    return np.where(layer.topology.fan_in == 0, fixed, evidence.flows[number].X.mean(axis=1, dtype=np.float64))


def lost(layer, gone, values):
    """Return what each output receives from the inputs in `gone` (n_in,) bool, whose values are `values`: (n_out,) float64."""
    topology = layer.topology
    slots = np.flatnonzero(gone[topology.indices])
    rows = np.searchsorted(topology.indptr, slots, side="right") - 1
    given = layer.w[slots].astype(np.float64) * values[topology.indices[slots]]
    return np.bincount(rows, given, topology.n_out).astype(np.float64)  # without links bincount returns integers
