"""A loss with a weight for each sample of a training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..kernels.losses import NONE
from . import losses
from .protocols import Loss


@dataclass(frozen=True, eq=False)
class Weighted:
    """A loss of which each sample of a training has a weight.

    Parameters
    ----------
    loss : Loss
        The loss of one sample.
    weights : ndarray of float64
        Weights of all samples, of mean 1.
    """

    loss: Loss
    weights: NDArray[np.float64]

    @property
    def code(self) -> int | None:
        """That of the loss."""
        return getattr(self.loss, "code", None)

    def targets(self, y: ArrayLike, n_out: int, dtype: DTypeLike) -> NDArray[Any]:
        """Check targets as the loss does."""
        return self.loss.targets(y, n_out, dtype)

    def on_tile(
        self,
        Z: NDArray[np.floating],
        targets: NDArray[Any],
        samples: NDArray[np.int64],
        first: int,
        count: int,
        scale: float,
        dZ: NDArray[np.floating],
    ) -> tuple[float, float]:
        """Compute the weighted loss and gradient of one tile: of a loss of your own, sample by sample."""
        if losses.is_built_in(self.loss):
            built_in: Any = self.loss
            return built_in.on_tile(Z, targets, samples, first, count, scale, dZ, self.weights)
        loss, hits = 0.0, 0.0
        for c in range(count):
            weight, column = float(self.weights[samples[first + c]]), slice(c, c + 1)
            part = self.loss.on_tile(Z[:, column], targets, samples, first + c, 1, Z.dtype.type(scale * weight), dZ[:, column])
            loss, hits = loss + weight * part[0], hits + part[1]
        dZ[:, count:] = 0
        return loss, hits

    def response(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what is predicted of the targets."""
        return self.loss.response(Z) if hasattr(self.loss, "response") else Z

    def of(self, Z: NDArray[np.floating], targets: NDArray[Any]) -> tuple[float, float | None]:
        """Evaluate predictions for other samples, which have no weights."""
        return self.loss.of(Z, targets)


def with_weights(loss: Loss, weights: NDArray[np.float64] | None) -> Loss:
    """The loss with these weights of all samples, divided by their mean; itself for None."""
    return loss if weights is None else Weighted(loss, np.ascontiguousarray(weights / weights.mean(), np.float64))


def parts_of(loss: Loss) -> tuple[Loss, NDArray[np.float64]]:
    """(loss of one sample, weights or no numbers)."""
    return (loss.loss, loss.weights) if isinstance(loss, Weighted) else (loss, NONE)
