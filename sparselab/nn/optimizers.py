"""Momentum SGD: the rule without state; its state is plain vectors that lie beside links and biases and move with them.

A plug-in has `init(model) -> [LayerState]`, `rate(epoch) -> float` and `update(layer, state, dw, db, rate)`.
"""

from dataclasses import dataclass, field

import numpy as np

from ..kernels import elementwise
from ..utils import checks
from . import schedules

# Learning rates. Beyond, the product with a gradient leaves float32: a step of 1e6 times a gradient below 1e32 does not.
TINY, HUGE = 1e-30, 1e6


@dataclass
class LayerState:
    """What an optimizer keeps for one layer: vectors aligned with its links and vectors aligned with its outputs."""

    links: list = field(default_factory=list)
    neurons: list = field(default_factory=list)

    def copy(self):
        """The same with vectors of its own (which may be written to, also where these are mapped from a file)."""
        return LayerState([np.array(v) for v in self.links], [np.array(v) for v in self.neurons])


def check_state(state, model):
    """Raise ValueError unless every vector of `state` (one LayerState a layer) fits its layer: kernels trust it."""
    if len(state) != len(model.layers):
        raise ValueError(f"state has {len(state)} entries: must be {len(model.layers)}, one for each layer")
    for number, (layer, s) in enumerate(zip(model.layers, state, strict=True), 1):
        for name, vectors, like in (("links", s.links, layer.w), ("neurons", s.neurons, layer.b)):
            for vector in vectors:
                if (
                    vector.shape != like.shape
                    or vector.dtype != like.dtype
                    or not (vector.flags.c_contiguous and vector.flags.writeable)
                ):
                    allowed = (
                        f"a contiguous, writeable {like.dtype} array of shape {like.shape}: is it the state of another model?"
                    )
                    checks.fail(f"state of layer {number}, {name}", f"{vector.dtype} array of shape {vector.shape}", allowed)


@dataclass
class MomentumSGD:
    """v ← μ v − η g;  w ← w + v − λ w, with g the mini-batch mean; λ is not multiplied by η (the paper's update).

    learning_rate η: a number in [1e-30, 1e6] or a schedule (epoch -> rate), read anew at every step; momentum μ in [0, 1);
    weight_decay λ in [0, 1); decay_biases: whether λ acts on biases too, as in the authors' code;
    nesterov: w ← w + μ v − η g − λ w.
    """

    learning_rate: object = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    nesterov: bool = False
    decay_biases: bool = True

    def __post_init__(self):
        self.rate(0)
        checks.fraction("momentum", self.momentum, open_high=True)
        checks.fraction("weight_decay", self.weight_decay, open_high=True)
        checks.flag("nesterov", self.nesterov)
        checks.flag("decay_biases", self.decay_biases)

    def rate(self, epoch):
        """η at `epoch` (a float); ValueError where it is not in [1e-30, 1e6]."""
        rate = checks.positive("learning_rate", schedules.get(self.learning_rate)(epoch))
        if not TINY <= rate <= HUGE:
            checks.fail("learning_rate", rate, f"a number in [{TINY:g}, {HUGE:g}]")
        return rate

    def init(self, model):
        """A zero velocity for every link and bias: one LayerState a layer."""
        return [LayerState([np.zeros_like(layer.w)], [np.zeros_like(layer.b)]) for layer in model.layers]

    def update(self, layer, state, dw, db, rate):
        """One step on one layer, in place, by the kernel that every trainer uses."""
        for values, velocity, gradient, decay in (
            (layer.w, state.links[0], dw, self.weight_decay),
            (layer.b, state.neurons[0], db, self.weight_decay if self.decay_biases else 0.0),
        ):
            kind = values.dtype.type
            elementwise.update(
                values,
                velocity,
                gradient,
                0,
                len(values),
                kind(rate),
                kind(self.momentum),
                kind(decay),
                bool(self.nesterov),
            )
