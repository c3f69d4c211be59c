"""What your own activation or loss must provide, as types. (Optimizers: see optimizers.py.)"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


class Activation(Protocol):
    """The methods that every activation must have; Z is a tile of shape (neurons, samples)."""

    def forward(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return f(Z)."""
        ...

    def gradient(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return f'(Z), element by element."""
        ...


class Loss(Protocol):
    """The methods that every loss must have."""

    def targets(self, y: ArrayLike, n_out: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return targets in the form that the other methods take; raise TypeError or ValueError if they do not fit."""
        ...

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
        """Return (sum of losses, number of correct predictions) of a tile and write the gradient times `scale` to dZ."""
        ...

    def of(self, Z: NDArray[np.floating], targets: NDArray[Any]) -> tuple[float, float | None]:
        """Return (mean loss, accuracy or None) of outputs Z (samples, outputs)."""
        ...
