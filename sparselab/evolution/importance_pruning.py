"""Importance Pruning: hidden neurons with weak links go, and the net really gets smaller. Contribution 3 of the paper."""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from ..nn import activations
from ..topology.rewiring import keep_neurons, rewire
from ..utils import checks
from . import importances

MODES, RAMPS, FOLDS = ("shrink", "links"), {"linear": 1, "cubic": 3}, ("bias", "mean")


@dataclass(frozen=True)
class ImportancePruning:
    """A rule for training: from epoch `start` on, every `every` epochs, the least important hidden neurons go.

    mode="shrink": they really go, with rows, biases, velocities and outgoing links; what they gave, a constant without their
    incoming links, is added to the next layer's biases; `model.neurons` keeps the original ids. `amount` is the share of the
    ORIGINAL neurons of each hidden layer that shall be gone after the event at epoch `stop` (default: all at `start`); on the
    way there events follow `ramp`, linear or cubic 1 − (1 − t)³ (Zhu & Gupta 2018), with as many events as fit. Or `amount` is
    a function epoch -> share. The widths are known before the run: `plan`.

    mode="links", the paper's and its code's: every neuron whose importance is at most the `percentile`-th percentile of its
    layer loses its incoming links; width, bias and outgoing links stay, and SET, if it comes after, may grow links into it
    again (Curci et al. 2021, algorithm 2; their runs: start 200, every 10, percentile 20). No event comes after `stop`.

    importance: a function of importances.py (incoming strength, as in the paper; outgoing; product), or your own.
    fold: what a neuron that goes is taken to give: "bias", f(b), exactly what it gives once its incoming links are cut, or
    "mean", the mean of f(z) over a batch, with which the net's outputs jump least. No layer falls below `min_neurons`; input and
    output are never pruned. Put it before SET in the list of rules. TypeError or ValueError naming the argument.
    """

    amount: object = 0.6
    start: int = 200
    stop: int | None = None
    every: int = 10
    mode: str = "shrink"
    percentile: float = 20.0
    importance: object = importances.incoming
    min_neurons: int = 1
    ramp: str = "cubic"
    fold: str = "bias"

    def __post_init__(self):
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

    def is_due(self, epoch):
        """Whether there is an event before epoch `epoch` + 1, that is after `epoch` epochs."""
        in_turn = epoch >= self.start and (epoch - self.start) % self.every == 0
        if self.mode == "links":
            return in_turn and (self.stop is None or epoch <= self.stop)
        return in_turn or epoch == self.stop

    def share(self, epoch):
        """Share of the original neurons that shall be gone after the event at `epoch` (mode "shrink")."""
        if callable(self.amount):
            return checks.fraction("amount", self.amount(epoch))
        stop = self.start if self.stop is None else self.stop
        first = self.every if stop > self.start else 1
        t = min(1.0, (epoch - self.start + first) / (stop - self.start + first)) if epoch < stop else 1.0
        return self.amount * (1 - (1 - t) ** RAMPS[self.ramp])

    def widths(self, model, epoch):
        """Widths of the hidden layers after the event at `epoch`, from the original ones; they never grow."""
        targets = widths_without(model.neurons.sizes[1:-1], self.share(epoch), self.min_neurons)
        return tuple(min(width, target) for width, target in zip(model.sizes[1:-1], targets, strict=True))

    def plan(self, model, epochs):
        """[(epoch, widths of the hidden layers after it)] of the events of a training of `epochs` epochs at which neurons go
        (mode "shrink")."""
        events, now = [], model.sizes[1:-1]
        for epoch in filter(self.is_due, range(1, epochs)):
            left = tuple(map(min, now, self.widths(model, epoch)))
            if left != now:
                events.append((epoch, left))
            now = left
        return events

    def prepare(self, model, epochs):
        """Before a training of `epochs` epochs in all: a warning where no event falls into it."""
        if self.start >= epochs:
            text = (
                f"start = {self.start}: nothing will be pruned in {epochs} epochs; the last event can be after epoch {epochs - 1}"
            )
            warnings.warn(text, stacklevel=4)

    def __call__(self, epoch, model, state, evidence, rng):
        """A Rewiring for each layer; None where nothing changes."""
        if not self.is_due(epoch):
            return [None] * len(model.layers)
        if self.mode == "links":
            return self._cut(model)
        gone = least_important(model, self.importance, self.widths(model, epoch))
        return shrink(model, gone, evidence if self.fold == "mean" else None)

    def _cut(self, model):
        """Empty the neurons up to the percentile; the `min_neurons` strongest keep their links."""
        rewirings = []
        for layer, scores in zip(model.layers, importances.scores(self.importance, model), strict=False):
            empty = scores <= np.percentile(scores, self.percentile)
            empty &= weakest(scores, max(0, len(scores) - self.min_neurons))
            keep = ~np.repeat(empty, layer.topology.fan_in)
            rewirings.append(None if keep.all() else rewire(layer.topology, keep))
        return [*rewirings, None]


def widths_without(widths, share, min_neurons=1):
    """What is left of each width without the share, rounded up, and never below `min_neurons`."""
    return tuple(max(min(min_neurons, n), n - math.floor(share * n + 1e-9)) for n in widths)


def least_important(model, importance, widths):
    """[(neurons,) bool of each hidden layer]: those that go so that `widths` are left."""
    scores = importances.scores(importance, model)
    return [weakest(values, len(values) - width) for values, width in zip(scores, widths, strict=True)]


def weakest(scores, n):
    """(neurons,) bool: the n lowest scores; ties go in order."""
    gone = np.zeros(len(scores), bool)
    gone[np.argsort(scores, kind="stable")[:n]] = True
    return gone


def shrink(model, gone, evidence=None):
    """Rewirings (one a layer) that take hidden neurons away: gone[l] (neurons,) bool of hidden layer l + 1.

    What they gave is added to the next layer's biases: f(b), which is what is left once their incoming links are cut, or with
    `evidence` the mean of f(z) over its batch. In evaluation the smaller net is then the same function as the cut one.
    """
    outputs, inputs = [None, *gone], [*gone, None]
    rewirings = []
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
    """(n_in,) float64: what each input of layer `number` (0 is the first) gives where it is a constant."""
    layer = model.layers[number - 1]
    fixed = activations.at(model.activation, number).forward(layer.b[:, None])[:, 0].astype(np.float64)
    if evidence is None:
        return fixed
    return np.where(layer.topology.fan_in == 0, fixed, evidence.flows[number].X.mean(axis=1, dtype=np.float64))


def lost(layer, gone, values):
    """(n_out,) float64: what each output got from the inputs in `gone` (n_in,) bool, which give `values` (n_in,)."""
    topology = layer.topology
    slots = np.flatnonzero(gone[topology.indices])
    rows = np.searchsorted(topology.indptr, slots, side="right") - 1
    given = layer.w[slots].astype(np.float64) * values[topology.indices[slots]]
    return np.bincount(rows, given, topology.n_out).astype(np.float64)  # of no links bincount makes whole numbers
