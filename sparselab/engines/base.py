"""What both engines share: the phases of a step, the outcome of a run of steps, and the error of a step that diverged."""

from dataclasses import dataclass, field

import numpy as np

ENGINE_PHASES = ("gather", "forward", "backward", "wait", "update")  # in the order of kernels.columns

WEIGHT = "a weight or bias"  # `what` of a DivergedError where the model itself is not finite


class DivergedError(ArithmeticError):
    """A loss or gradient was not finite; the update was not applied, and the model is at its last good step.

    A step is good where its own loss and gradients are finite; it may still have been far too long. Values of the model that
    reach no gradient, such as NaN in a neuron without outgoing links, are found between epochs only.

    Parameters
    ----------
    epoch : int
        Epoch in which it happened, from 1.
    batch : int
        Mini-batch of the epoch, from 0.
    layer : int
        First layer with a value that is not finite, from 1.
    what : str
        The kind of value.

    Attributes
    ----------
    epoch, batch, layer, what
        The arguments.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), epsilon=4, seed=0)
    >>> X, y = np.full((6, 4), 1e30, np.float32), np.array([0, 1, 0, 1, 0, 1])
    >>> try:
    ...     records = list(sl.train(model, (X, y), epochs=3, seed=0))
    ... except sl.DivergedError as error:
    ...     print(error.epoch)
    1
    """

    def __init__(self, epoch: int, batch: int, layer: int, what: str) -> None:
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
    """What a run of steps did. The engine fills it step by step, so that it is true after an interrupt as well.

    losses (means), hits and sizes (samples) have an item per step. done: number of steps applied. failed: whether step `done`
    had a loss or gradient that is not finite, and was not applied. seconds: by phase.
    """

    losses: np.ndarray
    hits: np.ndarray
    sizes: np.ndarray
    done: int = 0
    failed: bool = False
    seconds: dict = field(default_factory=lambda: dict.fromkeys(ENGINE_PHASES, 0.0))

    @classmethod
    def of(cls, n_samples, batch_size):
        """For consecutive batches of n samples; the last batch may be partial."""
        steps = -(-n_samples // batch_size)
        sizes = np.minimum(batch_size, n_samples - np.arange(steps) * batch_size)
        return cls(np.zeros(steps), np.zeros(steps, np.int64), sizes)
