"""Two ways to run the same steps: `fused` (whole steps in compiled code) and `layerwise` (any plug-in), bit for bit alike."""

from dataclasses import dataclass, field

import numpy as np

from . import activations, losses, optimizers
from .kernels import JIT
from .workspace import tile_width

PHASES = ("gather", "forward", "backward", "wait", "update")


WEIGHT = "a weight or bias"  # not finite in the model itself


class DivergedError(ArithmeticError):
    """A loss or gradient was not finite. The update was not applied: the model stands at its last good step.

    Only what no gradient sees, such as NaN in a neuron without outgoing links, is found in the model itself, between epochs.
    Good means: its own loss and gradient were finite; a step that was far too long may still have led into nowhere.
    epoch (from 1), batch (from 0), layer (from 1), what: where it was first seen.
    """

    def __init__(self, epoch, batch, layer, what):
        self.epoch, self.batch, self.layer, self.what = epoch, batch, layer, what
        where = "The step was not applied; the model is at its last good step."
        if what == WEIGHT:
            where = "The model holds it since its last good step: go on from a checkpoint or a new model."
        super().__init__(
            f"training diverged in epoch {epoch}, batch {batch}: {what} of layer {layer} is not finite. {where} A smaller "
            "learning_rate or standardised inputs usually help."
        )

    def __reduce__(self):
        return type(self), (self.epoch, self.batch, self.layer, self.what)


@dataclass
class Outcome:
    """What a run of steps gives, filled by the engine as it goes: an interrupt leaves what was really done.

    Per step: losses (means), hits, sizes (samples). done: steps that were applied. failed: whether step `done` had a loss or
    gradient that is not finite, and was not applied. seconds: by phase.
    """

    losses: np.ndarray
    hits: np.ndarray
    sizes: np.ndarray
    done: int = 0
    failed: bool = False
    seconds: dict = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))

    @classmethod
    def of(cls, n_samples, batch_size):
        """For consecutive batches of n samples, the last one maybe partial."""
        steps = -(-n_samples // batch_size)
        sizes = np.minimum(batch_size, n_samples - np.arange(steps) * batch_size)
        return cls(np.zeros(steps), np.zeros(steps, np.int64), sizes)


WORTH_THREADS = 2 * 10**7  # links × samples from which it pays to start threads: about half a millisecond of one
KEEP = 2**24  # bytes of net and buffers up to which a model keeps the engine of its last prediction


def outputs(model, X, threads):
    """The net's outputs for checked samples X: (n, n_out), dropout off.

    Little work is done by one thread, whose engine the model keeps for the next time, so that a sample need not wait for
    buffers, tables and threads to be made; it lends it to one caller at a time, others get one of their own.
    """
    n, width = X.shape[0], tile_width(X.shape[0])
    key, (kept, engine) = (width, model.activation, model.dtype), model.__dict__.pop("_idle", (None, None))
    threads = threads if n * model.n_links >= WORTH_THREADS else 1
    if kept != key or threads > 1:
        engine = create(model, losses.SoftmaxCrossEntropy(), None, n, threads)
        small = threads == 1 and model.nbytes + 2 * sum(model.sizes) * width * model.dtype.itemsize <= KEEP
        key = key if small and is_value(model.activation) else None
    try:
        return engine.outputs(X)
    finally:
        if key:
            model._idle = key, engine
        else:
            engine.close()


def is_value(thing):
    """Whether an object is a frozen dataclass, which can be compared and does not change."""
    parameters = getattr(type(thing), "__dataclass_params__", None)
    return parameters is not None and parameters.frozen and parameters.eq


def is_fusable(model, loss, optimizer):
    """Whether whole steps of this model with this loss and optimizer run in compiled code."""
    return (
        JIT
        and model.dtype == np.float32
        and all(activations.slopes(f) is not None for f in model.hidden)
        and getattr(loss, "code", None) is not None
        and type(loss) in losses.NAMES.values()
        and (optimizer is None or type(optimizer) is optimizers.MomentumSGD)
    )


def create(model, loss, optimizer, batch_size, threads, index=True):
    """The fastest engine that can run this model with this loss and optimizer. index: see FusedEngine."""
    from .fused import FusedEngine
    from .layerwise import LayerwiseEngine

    if is_fusable(model, loss, optimizer):
        return FusedEngine(model, loss, tile_width(batch_size), threads, index)
    return LayerwiseEngine(model, loss, tile_width(batch_size), threads)
