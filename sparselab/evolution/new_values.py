"""The values with which new links start.

A function (layer, rewiring, evidence, rng) that returns a value for each link that has grown, in the order of `rewiring.grown`.
`layer` is the SparseLinear before the change, `evidence` an Evidence and `rng` a Generator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..nn.linear import SparseLinear
from ..topology.rewiring import Rewiring, between
from ..utils import checks
from .evidence import Evidence, given
from .regrowths import places

NewValues: TypeAlias = Callable[[SparseLinear, Rewiring, Evidence, np.random.Generator], NDArray[np.floating]]


def zero(layer: SparseLinear, rewiring: Rewiring, evidence: Evidence | None, rng: np.random.Generator) -> NDArray[np.floating]:
    """Start at 0, so that an event does not change what the network computes beyond the links it removes.

    Parameters
    ----------
    layer : SparseLinear
        The layer before the change.
    rewiring : Rewiring
        The change.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness; not used.

    Returns
    -------
    ndarray
        Zeros (n_grown,), in the dtype of the layer.

    References
    ----------
    Evci et al. (2020), "Rigging the Lottery: Making All Tickets Winners", arXiv 1911.11134, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseMLP.create((10, 20, 2), density=0.5, exact=True, seed=0).layers[0]
    >>> rewiring = sl.rewire(layer.topology, np.arange(100) >= 3, 3, rng=np.random.default_rng(0))
    >>> sl.evolution.new_values.zero(layer, rewiring, None, None).tolist()
    [0.0, 0.0, 0.0]
    """
    return np.zeros(len(rewiring.grown), layer.dtype)


def last(layer: SparseLinear, rewiring: Rewiring, evidence: Evidence | None, rng: np.random.Generator) -> NDArray[np.floating]:
    """Start at the value of the link that was removed from the same place in the same event, elsewhere at 0.

    Parameters
    ----------
    layer : SparseLinear
        The layer before the change, which gives the values.
    rewiring : Rewiring
        The change.
    evidence : Evidence or None
        Activations and gradients of a batch; not used.
    rng : numpy.random.Generator
        Source of randomness; not used.

    Returns
    -------
    ndarray
        Values (n_grown,), in the dtype of the layer.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> layer = sl.SparseLinear(sl.Topology.dense(1, 2), np.array([5.0, 6.0]), np.zeros(1))
    >>> rewiring = sl.rewire(layer.topology, np.array([False, True]), 1, rng=np.random.default_rng(0))
    >>> sl.evolution.new_values.last(layer, rewiring, None, None).tolist()
    [5.0]
    """
    slots = between(layer.topology, rewiring.topology).origin[rewiring.grown]
    return np.where(slots >= 0, layer.w[slots], layer.dtype.type(0))


@dataclass(frozen=True)
class Gradient:
    """Start at −scale times the gradient of a batch, as if the link had been there for a step.

    Parameters
    ----------
    scale : float, default 0.1
        Factor, > 0. With MomentumSGD, η / (1 − μ) is what one gradient adds to a link in the end.
    sign : bool, default False
        Whether only the sign of the gradient counts, so that all values are ± scale.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.SET(0.3, new_values=sl.evolution.new_values.Gradient(0.01, sign=True)).new_values.scale
    0.01
    """

    scale: float = 0.1
    sign: bool = False

    def __post_init__(self) -> None:
        checks.positive("scale", self.scale)
        if not isinstance(self.sign, bool):
            checks.fail("sign", self.sign, "True or False", TypeError)

    def __call__(
        self, layer: SparseLinear, rewiring: Rewiring, evidence: Evidence, rng: np.random.Generator
    ) -> NDArray[np.floating]:
        """Return the values of the new links; the arguments are those of `zero`."""
        gradients = given(evidence).of(layer).gradient_at(*places(rewiring))
        return (-self.scale * (np.sign(gradients) if self.sign else gradients)).astype(layer.dtype)


INITIALIZER = "initializer"  # the network's own, which draws from the distribution of the initial values
NAMES: dict[str, NewValues | None] = {"zero": zero, INITIALIZER: None, "last": last, "gradient": Gradient()}
