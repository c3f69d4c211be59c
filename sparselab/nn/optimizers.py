"""Momentum SGD. The optimizer itself has no state: it is kept in vectors aligned with links and biases, which move with them.

Your own optimizer is any object with the methods of `Optimizer`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..kernels import elementwise
from ..topology.topology import Topology
from ..utils import checks
from . import schedules
from .linear import SparseLinear
from .mlp import SparseMLP

# Bounds of the learning rate: within them its product with a gradient (below 1e32) fits into float32.
MIN_RATE, MAX_RATE = 1e-30, 1e6
Gradients: TypeAlias = Sequence[NDArray[np.floating]]  # an array for each layer


@dataclass
class LayerState:
    """What an optimizer remembers about one layer, such as a velocity.

    When the topology changes, these vectors are carried along with the links and neurons; new links start at 0, unless the
    optimizer has another `new_state`.

    Parameters
    ----------
    links : list of ndarray, optional
        Vectors (nnz,), one value for each link.
    neurons : list of ndarray, optional
        Vectors (n_out,), one value for each output neuron: those of the biases, then as many for each trained value.
    count : int, default 0
        Number of steps, where the optimizer counts them.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> state = sl.LayerState([np.zeros(5)], [np.zeros(2)])
    >>> [len(vector) for vector in state.links + state.neurons]
    [5, 2]
    """

    links: list[NDArray[np.floating]] = field(default_factory=list)
    neurons: list[NDArray[np.floating]] = field(default_factory=list)
    count: int = 0

    def copy(self) -> "LayerState":
        """Copy the state.

        Returns
        -------
        LayerState
            The same values in new, writeable vectors.
        """
        return LayerState([np.array(v) for v in self.links], [np.array(v) for v in self.neurons], self.count)


class Optimizer(Protocol):
    """The methods that every optimizer must have."""

    def init(self, model: SparseMLP) -> list[LayerState]:
        """Return the state at the start of a training, one LayerState for each layer."""
        ...

    def rate(self, epoch: float) -> float:
        """Return the learning rate at `epoch`."""
        ...

    def update(
        self, layer: SparseLinear, state: LayerState, dw: NDArray[np.floating], db: NDArray[np.floating], rate: float
    ) -> None:
        """Change `layer.w`, `layer.b` and `state` in place, given the gradients dw (nnz,) and db (n_out,)."""
        ...


def check_state(state: Sequence[LayerState], model: SparseMLP, optimizer: Optimizer | None = None) -> None:
    """Raise ValueError unless every vector of `state` fits its layer, and there are as many as an optimizer of this package
    keeps: the kernels do not check it."""
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
        parts = 1 + len(layer.values)
        if len(s.neurons) % parts:
            allowed = f"a multiple of {parts}, for biases and {parts - 1} trained values: make it by TrainingState.start"
            checks.fail(f"state of layer {number}, vectors of neurons", len(s.neurons), allowed)
        if isinstance(optimizer, WithVectors):
            n = optimizer.vectors
            for name, vectors, wanted in (("links", s.links, n), ("neurons", s.neurons, n * parts)):
                if len(vectors) != wanted:
                    allowed = f"{wanted}, as {type(optimizer).__qualname__} keeps: make it by TrainingState.start"
                    checks.fail(f"state of layer {number}, vectors of {name}", len(vectors), allowed)


def start(optimizer: Optimizer, model: SparseMLP) -> list[LayerState]:
    """The state at the start of a training: that of `optimizer.init`, and for each trained value the same as for biases."""
    state = optimizer.init(model)
    if any(len(layer.values) for layer in model.layers):
        for layer, s in zip(model.layers, state, strict=False):
            s.neurons = [*s.neurons, *(np.array(vector) for _ in layer.values for vector in s.neurons)]
    return state


def update(
    optimizer: Optimizer,
    layer: SparseLinear,
    state: LayerState,
    dw: NDArray[np.floating],
    db: NDArray[np.floating],
    dv: NDArray[np.floating],
    rate: float,
) -> None:
    """Let an optimizer change a layer and its state in place, given the gradients dw (nnz,), db (n_out,) and dv (k, n_out).

    Each of the k trained values is updated as the biases of a layer without links, so that every optimizer can do it.
    """
    if not len(layer.values):
        optimizer.update(layer, state, dw, db, rate)
        return
    kept = len(state.neurons) // (1 + len(layer.values))  # vectors of the biases
    own = LayerState(state.links, state.neurons[:kept], state.count)
    optimizer.update(layer, own, dw, db, rate)
    neurons, empty = own.neurons, layer.w[:0]
    topology = Topology(len(layer.b), 1, np.zeros(len(layer.b) + 1, np.int64), np.empty(0, np.int32))
    for k, row in enumerate(layer.values, 1):
        part = LayerState([empty for _ in state.links], state.neurons[k * kept : (k + 1) * kept], state.count)
        alone = SparseLinear(topology, empty, row)
        optimizer.update(alone, part, empty, dv[k - 1], rate)
        row[:] = alone.b  # an optimizer may replace it
        neurons = neurons + part.neurons
    state.links, state.neurons, state.count = own.links, neurons, own.count


def update_layers(
    optimizer: Optimizer,
    model: SparseMLP,
    state: Sequence[LayerState],
    dw: Gradients,
    db: Gradients,
    rate: float,
    dv: Gradients | None = None,
) -> None:
    """One step of an optimizer on all layers, with the gradients of each; they are clipped first where it has a `clip_norm`.

    dv: of the trained values of activations, (k, n_out) in each layer; None where there are none.
    """
    dv = [layer.values for layer in model.layers] if dv is None else dv
    limit = getattr(optimizer, "clip_norm", None)
    factor = 1.0 if limit is None else clip_factor(limit, dw, db, dv)
    for layer, s, *gradients in zip(model.layers, state, dw, db, dv, strict=True):
        weights, biases, values = [g * g.dtype.type(factor) for g in gradients] if factor != 1 else gradients
        update(optimizer, layer, s, weights, biases, values, rate)


def clip_factor(limit: float, *gradients: Gradients) -> float:
    """min(1, limit / (norm + 1e-6)), with the norm of all gradients (a list of each kind), as in PyTorch.

    It is summed as in kernels.updating.clip_net.
    """
    total = 0.0
    for of_layer in zip(*gradients, strict=True):
        for one in of_layer:
            total = elementwise.add_squares(total, one.ravel())
    return min(1.0, limit / (math.sqrt(total) + 1e-6))


class WithVectors:
    """What optimizers share that keep some vectors for links and as many for neurons, and have a rate or a schedule of it."""

    learning_rate: float | schedules.Schedule
    clip_norm: float | None
    new_state: float
    vectors = 1  # that are kept for the links of a layer

    def __post_init__(self) -> None:
        self.rate(0)
        checks.number("new_state", self.new_state, "a number in [0, 1e6]", low=0, high=1e6)
        if self.clip_norm is not None:
            checks.number("clip_norm", self.clip_norm, "None or a finite number > 0", low=0, open_low=True)

    def rate(self, epoch: float) -> float:
        """Return the learning rate.

        Parameters
        ----------
        epoch : float
            Epochs trained so far; 2.5 is half way through the third one.

        Returns
        -------
        float
            The rate η.

        Raises
        ------
        TypeError, ValueError
            If the schedule gives no number in [1e-30, 1e6].
        """
        rate = checks.positive("learning_rate", schedules.get(self.learning_rate)(epoch))
        if not MIN_RATE <= rate <= MAX_RATE:
            checks.fail("learning_rate", rate, f"a number in [{MIN_RATE:g}, {MAX_RATE:g}]")
        return rate

    def init(self, model: SparseMLP) -> list[LayerState]:
        """Return the state at the start of a training.

        Parameters
        ----------
        model : SparseMLP
            The network.

        Returns
        -------
        list of LayerState
            Vectors of 0, one LayerState for each layer.
        """
        zeros = lambda like: [np.zeros_like(like) for _ in range(self.vectors)]
        return [LayerState(zeros(layer.w), zeros(layer.b)) for layer in model.layers]

    def first_state(self, gradient: NDArray[np.floating], rate: float) -> list[NDArray[np.floating]]:
        """Return what is kept of new links at first, where `new_state` is not 0.

        Parameters
        ----------
        gradient : ndarray
            Gradients of the new links (n,).
        rate : float
            The learning rate.

        Returns
        -------
        list of ndarray
            Vectors (n,), as many as are kept of links.
        """
        return [gradient.dtype.type(self.new_state) * gradient]


@dataclass
class MomentumSGD(WithVectors):
    """Stochastic gradient descent with momentum: v ← μ v − η g, then w ← w + v − λ w.

    g is the mean gradient of a mini-batch. As in the paper, the weight decay λ is not multiplied by the learning rate η.

    Parameters
    ----------
    learning_rate : float or callable, default 0.01
        The rate η: a number in [1e-30, 1e6], or a schedule that is evaluated at every step.
    momentum : float, default 0.9
        The momentum μ, in [0, 1).
    weight_decay : float, default 0.0
        The decay λ, in [0, 1).
    nesterov : bool, default False
        Use Nesterov's momentum: w ← w + μ v − η g − λ w.
    decay_biases : bool, default True
        Whether λ applies to biases too, as in the code of the paper's authors.
    clip_norm : float, optional
        Gradients of a step whose norm, over all weights and biases, is larger are scaled down to it. Default: no clipping.
    new_state : float, default 0.0
        Factor c in [0, 1e6]: the velocity of a link that grows starts at −η c g, where g is its gradient in the batch of the
        event (`initial_acc_scale` in the code of RigL, Evci et al. 2020).

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Curci, Mocanu, Pechenizkiy (2021), "Truly Sparse Neural Networks at Scale", arXiv 2102.01732.

    Examples
    --------
    >>> import sparselab as sl
    >>> optimizer = sl.MomentumSGD(sl.schedules.Step(0.1, every=10), momentum=0.9)
    >>> optimizer.rate(0)
    0.1
    """

    learning_rate: float | schedules.Schedule = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    nesterov: bool = False
    decay_biases: bool = True
    clip_norm: float | None = None
    new_state: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.fraction("momentum", self.momentum, open_high=True)
        checks.fraction("weight_decay", self.weight_decay, open_high=True)
        checks.flag("nesterov", self.nesterov)
        checks.flag("decay_biases", self.decay_biases)

    def first_state(self, gradient: NDArray[np.floating], rate: float) -> list[NDArray[np.floating]]:
        """Return the velocities of new links at first, where `new_state` is not 0.

        Parameters
        ----------
        gradient : ndarray
            Gradients of the new links (n,).
        rate : float
            The learning rate η.

        Returns
        -------
        list of ndarray
            The velocities −η c g, (n,).
        """
        return [gradient.dtype.type(-rate * self.new_state) * gradient]

    def update(
        self, layer: SparseLinear, state: LayerState, dw: NDArray[np.floating], db: NDArray[np.floating], rate: float
    ) -> None:
        """Apply one step to one layer, in place.

        Parameters
        ----------
        layer : SparseLinear
            The layer.
        state : LayerState
            Its velocities.
        dw, db : ndarray
            Gradients of links (nnz,) and biases (n_out,).
        rate : float
            The learning rate.
        """
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
