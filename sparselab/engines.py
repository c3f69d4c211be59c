"""Two ways to run the same steps: `fused` (whole steps in compiled code) and `layerwise` (any plug-in), bit for bit alike."""

from dataclasses import dataclass, field

import numpy as np

from . import activations, losses, optimizers
from .kernels import JIT
from .workspace import tile_width


class DivergedError(ArithmeticError):
    """A loss or gradient was not finite. The update was not applied: the model stands at its last good step.

    epoch (from 1), batch (from 0), layer (from 1), what: where it was first seen.
    """

    def __init__(self, epoch, batch, layer, what):
        self.epoch, self.batch, self.layer, self.what = epoch, batch, layer, what
        super().__init__(
            f"training diverged in epoch {epoch}, batch {batch}: {what} of layer {layer} is not finite. The step was not "
            "applied; the model is at its last good step. A smaller learning_rate or standardised inputs usually help."
        )

    def __reduce__(self):
        return type(self), (self.epoch, self.batch, self.layer, self.what)


class NonFinite(ArithmeticError):
    """An engine's word for step `step` of a run that must not be applied; training gives it its epoch and layer."""

    def __init__(self, step):
        super().__init__(step)
        self.step = step


@dataclass
class Outcome:
    """What a run of steps gives: per step mean loss, hits, samples; seconds by phase."""

    losses: np.ndarray
    hits: np.ndarray
    sizes: np.ndarray
    seconds: dict = field(default_factory=dict)


PHASES = ("gather", "forward", "backward", "wait", "update")


def create(model, loss, optimizer, batch_size, threads):
    """The fastest engine that can run this model with this loss and optimizer."""
    from .fused import FusedEngine
    from .layerwise import LayerwiseEngine

    fusable = (
        JIT
        and model.dtype == np.float32
        and all(activations.slopes(f) is not None for f in model.hidden)
        and getattr(loss, "code", None) is not None
        and type(loss) in losses.NAMES.values()
        and (optimizer is None or type(optimizer) is optimizers.MomentumSGD)
    )
    return (FusedEngine if fusable else LayerwiseEngine)(model, loss, tile_width(batch_size), threads)
