"""What your own activation or loss must provide, as types. (Optimizers: see optimizers.py.)"""

from collections.abc import Sequence
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


class TrainedActivation(Protocol):
    """The methods of an activation with trained values; each value is an array (neurons, 1), in the order of the names."""

    trained: tuple[str, ...]

    def start_values(self, n: int, rng: np.random.Generator) -> Sequence[ArrayLike]:
        """Return the values of n neurons at the start, one vector (n,) for each name."""
        ...

    def forward(self, Z: NDArray[np.floating], *values: Any) -> NDArray[np.floating]:
        """Return f(Z)."""
        ...

    def gradient(self, Z: NDArray[np.floating], *values: Any) -> NDArray[np.floating]:
        """Return f'(Z), element by element."""
        ...

    def value_gradients(self, Z: NDArray[np.floating], *values: Any) -> Sequence[NDArray[np.floating]]:
        """Return the derivatives of f(Z) by each value, element by element."""
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
