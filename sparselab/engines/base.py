"""What all engines share: the phases of a step, what a run of steps gives, and the error of a step that diverged."""

from dataclasses import dataclass, field

import numpy as np

ENGINE_PHASES = ("gather", "forward", "backward", "wait", "update")


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
    seconds: dict = field(default_factory=lambda: dict.fromkeys(ENGINE_PHASES, 0.0))

    @classmethod
    def of(cls, n_samples, batch_size):
        """For consecutive batches of n samples, the last one maybe partial."""
        steps = -(-n_samples // batch_size)
        sizes = np.minimum(batch_size, n_samples - np.arange(steps) * batch_size)
        return cls(np.zeros(steps), np.zeros(steps, np.int64), sizes)
