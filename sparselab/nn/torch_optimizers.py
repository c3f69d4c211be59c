"""SGD, Adam and AdamW with the semantics of PyTorch's torch.optim, on vectors aligned with links and biases.

They differ from MomentumSGD, the form of the paper's authors, in which the learning rate is inside the velocity and the weight
decay is not multiplied by it. `named` makes any of the four from its name.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import elementwise
from ..utils import checks
from . import schedules
from .linear import SparseLinear
from .optimizers import LayerState, MomentumSGD, WithVectors

MAX_DECAY = 1e6


class TorchOptimizer(WithVectors):
    """Optimizers whose vectors have no learning rate inside, and which count their steps."""


@dataclass
class SGD(TorchOptimizer):
    """Stochastic gradient descent as `torch.optim.SGD`.

    d = g + λ w; v ← μ v + (1 − τ) d (v = d in the first step); w ← w − η v, with Nesterov's momentum w ← w − η (d + μ v). Links
    that grow begin with a velocity of 0, or c times their gradient.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        The rate η: a number in [1e-30, 1e6], or a schedule that is evaluated at every step.
    momentum : float, default 0.0
        The momentum μ, in [0, 1).
    weight_decay : float, default 0.0
        The decay λ >= 0, of weights and biases.
    nesterov : bool, default False
        Use Nesterov's momentum; it needs a momentum and no dampening.
    dampening : float, default 0.0
        The dampening τ, in [0, 1].
    clip_norm : float, optional
        Gradients of a step whose norm, over all weights and biases, is larger are scaled down to it. Default: no clipping.
    new_state : float, default 0.0
        Factor c in [0, 1e6]: the velocity of a link that grows starts at c g, where g is its gradient in the batch of the
        event (`initial_acc_scale` in the code of RigL, Evci et al. 2020).

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Sutskever, Martens, Dahl, Hinton (2013), "On the importance of initialization and momentum in deep learning", ICML.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SGD(0.1, momentum=0.9, weight_decay=5e-4).rate(0)
    0.1
    """

    learning_rate: float | schedules.Schedule = 0.001
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0
    clip_norm: float | None = None
    new_state: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.fraction("momentum", self.momentum, open_high=True)
        checks.number("weight_decay", self.weight_decay, f"a number in [0, {MAX_DECAY:g}]", low=0, high=MAX_DECAY)
        checks.flag("nesterov", self.nesterov)
        checks.fraction("dampening", self.dampening)
        if self.nesterov and (self.momentum == 0 or self.dampening > 0):
            checks.fail("nesterov", self.nesterov, "False unless momentum > 0 and dampening = 0")

    def update(
        self, layer: SparseLinear, state: LayerState, dw: NDArray[np.floating], db: NDArray[np.floating], rate: float
    ) -> None:
        """Apply one step to one layer, in place.

        Parameters
        ----------
        layer : SparseLinear
            The layer.
        state : LayerState
            Its velocities and its count of steps.
        dw, db : ndarray
            Gradients of links (nnz,) and biases (n_out,).
        rate : float
            The learning rate.
        """
        kind = layer.dtype.type
        share = 1 if state.count == 0 or self.momentum == 0 else 1 - self.dampening
        numbers = kind(rate), kind(self.momentum), kind(share), kind(self.weight_decay), bool(self.nesterov)
        for values, velocity, gradient in ((layer.w, state.links[0], dw), (layer.b, state.neurons[0], db)):
            elementwise.sgd(values, velocity, gradient, 0, len(values), *numbers)
        state.count += 1


@dataclass
class Adam(TorchOptimizer):
    """Adam as `torch.optim.Adam`: steps of about the learning rate, whatever the size of the gradients.

    d = g + λ w; m ← β₁ m + (1 − β₁) d; v ← β₂ v + (1 − β₂) d²; w ← w − η m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ) and
    v̂ = v / (1 − β₂ᵗ). Links that grow begin with m = v = 0 while t goes on, so that their first step is about
    (1 − β₁) / √(1 − β₂) η, 3.16 η by default; with `count_by_link` it is η.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        The rate η: a number in [1e-30, 1e6], or a schedule that is evaluated at every step.
    betas : tuple of float, default (0.9, 0.999)
        The shares β₁ and β₂ that the averages keep, in [0, 1).
    eps : float, default 1e-8
        The term ε > 0 below the fraction.
    weight_decay : float, default 0.0
        The decay λ >= 0, of weights and biases.
    clip_norm : float, optional
        Gradients of a step whose norm, over all weights and biases, is larger are scaled down to it. Default: no clipping.
    count_by_link : bool, default False
        Whether each link counts its own steps t since it has grown. It takes a third vector, and the slower engine.
    new_state : float, default 0.0
        Factor c in [0, 1e6]: the averages of a link that grows start at m = c g and v = (c g)², where g is its gradient in
        the batch of the event (`initial_acc_scale` in the code of RigL, Evci et al. 2020).

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization", arXiv 1412.6980, algorithm 1.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.Adam(0.002).rate(0)
    0.002
    """

    learning_rate: float | schedules.Schedule = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None
    count_by_link: bool = False
    new_state: float = 0.0

    vectors = 2
    decoupled = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.betas, tuple | list) or len(self.betas) != 2:
            checks.fail("betas", self.betas, "two numbers in [0, 1)", TypeError)
        for number, beta in enumerate(self.betas):
            checks.fraction(f"betas[{number}]", beta, open_high=True)
        if checks.flag("count_by_link", self.count_by_link):
            self.vectors = 3
            if self.new_state:
                checks.fail("new_state", self.new_state, "0 with count_by_link: averages of 0 steps are 0")
        checks.number("eps", self.eps, "a number in [1e-30, 1e6]", low=1e-30, high=1e6)
        checks.number("weight_decay", self.weight_decay, f"a number in [0, {MAX_DECAY:g}]", low=0, high=MAX_DECAY)

    def update(
        self, layer: SparseLinear, state: LayerState, dw: NDArray[np.floating], db: NDArray[np.floating], rate: float
    ) -> None:
        """Apply one step to one layer, in place.

        Parameters
        ----------
        layer : SparseLinear
            The layer.
        state : LayerState
            Its averages of gradients and of their squares, the counts of its links, if any, and its own count of steps.
        dw, db : ndarray
            Gradients of links (nnz,) and biases (n_out,).
        rate : float
            The learning rate.
        """
        kind, (beta1, beta2), t = layer.dtype.type, self.betas, state.count + 1
        rate = float(kind(rate))
        decay, shrink = (0.0, 1 - rate * self.weight_decay) if self.decoupled else (self.weight_decay, 1.0)
        common = beta1, beta2, self.eps, decay, shrink
        numbers = rate / (1 - beta1**t), np.sqrt(1 - beta2**t), *common
        for values, (m, v, *counts), gradient in ((layer.w, state.links, dw), (layer.b, state.neurons, db)):
            if counts:
                elementwise.adam_by_link(values, m, v, *counts, gradient, rate, *map(float, common))
            else:
                elementwise.adam(values, m, v, gradient, 0, len(values), *map(kind, numbers))
        state.count = t

    def first_state(self, gradient: NDArray[np.floating], rate: float) -> list[NDArray[np.floating]]:
        """Return the averages of new links at first, where `new_state` is not 0.

        Parameters
        ----------
        gradient : ndarray
            Gradients of the new links (n,).
        rate : float
            The learning rate; not used.

        Returns
        -------
        list of ndarray
            The averages m = c g and v = (c g)², (n,) each.
        """
        (m,) = super().first_state(gradient, rate)
        return [m, m * m]


@dataclass
class AdamW(Adam):
    """Adam with decoupled weight decay as `torch.optim.AdamW`: w ← (1 − η λ) w first, then Adam's step of the gradient alone.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        The rate η: a number in [1e-30, 1e6], or a schedule that is evaluated at every step.
    betas : tuple of float, default (0.9, 0.999)
        The shares β₁ and β₂ that the averages keep, in [0, 1).
    eps : float, default 1e-8
        The term ε > 0 below the fraction.
    weight_decay : float, default 0.01
        The decay λ >= 0, of weights and biases.
    clip_norm : float, optional
        Gradients of a step whose norm, over all weights and biases, is larger are scaled down to it. Default: no clipping.
    count_by_link : bool, default False
        Whether each link counts its own steps t since it has grown, see `Adam`.
    new_state : float, default 0.0
        State of a link that grows, see `Adam`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    References
    ----------
    Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", arXiv 1711.05101, algorithm 2.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.AdamW().weight_decay
    0.01
    """

    weight_decay: float = 0.01

    decoupled = True


NAMES = {"momentum_sgd": MomentumSGD, "sgd": SGD, "adam": Adam, "adamw": AdamW}


def named(name: str, **settings: Any) -> MomentumSGD | SGD | Adam:
    """Return the optimizer of a name, with those of the settings that it has; ValueError for a flag that it has not."""
    kind = NAMES[checks.choice("optimizer", name, NAMES)]
    known = {one.name for one in fields(kind)}
    for flag, default in (("nesterov", False), ("decay_biases", True)):
        if flag not in known and settings.get(flag, default) != default:
            checks.fail(flag, settings[flag], f"{default} with optimizer = {name!r}")
    return kind(**{key: value for key, value in settings.items() if key in known})
