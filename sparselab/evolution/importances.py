"""Importances of hidden neurons: functions (layer, following) that return one number for each neuron.

The neurons are the outputs of the SparseLinear `layer` and the inputs of `following`. Those with the lowest importance are pruned
first.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..nn.linear import SparseLinear
from ..utils import checks
from .criteria import check_finite

__all__ = ["NAMES", "incoming", "outgoing", "product"]

Importance: TypeAlias = Callable[[SparseLinear, SparseLinear], NDArray[np.generic]]


def incoming(layer: SparseLinear, following: SparseLinear) -> NDArray[np.floating]:
    """Sum |w| over the incoming links of each neuron: the importance of the paper.

    Parameters
    ----------
    layer : SparseLinear
        The layer whose outputs the neurons are.
    following : SparseLinear
        The layer whose inputs they are; not used.

    Returns
    -------
    ndarray
        Importances (neurons,).

    References
    ----------
    Curci, Mocanu, Pechenizkiy (2021), "Truly Sparse Neural Networks at Scale", arXiv 2102.01732, eq. 4.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), seed=0)
    >>> sl.importances.incoming(*model.layers).shape
    (8,)
    """
    return layer.strength()


def outgoing(layer: SparseLinear, following: SparseLinear) -> NDArray[np.floating]:
    """Sum |w| over the outgoing links of each neuron.

    Parameters
    ----------
    layer : SparseLinear
        The layer whose outputs the neurons are; not used.
    following : SparseLinear
        The layer whose inputs they are.

    Returns
    -------
    ndarray
        Importances (neurons,).

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), seed=0)
    >>> sl.importances.outgoing(*model.layers).shape
    (8,)
    """
    return following.strength_out()


def product(layer: SparseLinear, following: SparseLinear) -> NDArray[np.floating]:
    """Multiply the sums of |w| over incoming and over outgoing links: 0 for a neuron that lacks one of them.

    Parameters
    ----------
    layer : SparseLinear
        The layer whose outputs the neurons are.
    following : SparseLinear
        The layer whose inputs they are.

    Returns
    -------
    ndarray
        Importances (neurons,).

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), seed=0)
    >>> sl.importances.product(*model.layers).shape
    (8,)
    """
    return layer.strength() * following.strength_out()


NAMES: dict[str, Importance] = {"incoming": incoming, "outgoing": outgoing, "product": product}


def check(importance):
    """Raise TypeError unless `importance` is a function."""
    if not callable(importance) or isinstance(importance, type):
        checks.fail("importance", importance, "a function (layer, following) -> (neurons,) numbers", TypeError)


def scores(importance, model):
    """Return the importances of each hidden layer, (neurons,); ValueError if the function's result does not fit."""
    found = []
    for layer, following in zip(model.layers, model.layers[1:], strict=False):
        answer, n = checks.as_array(importance(layer, following)), layer.topology.n_out
        if answer.shape != (n,) or answer.dtype.kind not in "iuf":
            checks.fail("importance's result", answer, f"an array of numbers of shape ({n},)")
        check_finite("importance's result", answer)
        found.append(answer)
    return found
