"""Importances of hidden neurons: functions (layer, following) that return one number for each neuron.

The neurons are the outputs of the SparseLinear `layer` and the inputs of `following`. Those with the lowest importance are pruned
first.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP, check_model
from ..utils import checks
from .criteria import check_finite

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


def check(importance: object) -> None:
    """Check that an importance is a function.

    Parameters
    ----------
    importance : object
        What was given.

    Raises
    ------
    TypeError
        If it is a class or cannot be called.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.importances.check(sl.importances.incoming)
    """
    if not callable(importance) or isinstance(importance, type):
        checks.fail("importance", importance, "a function (layer, following) -> (neurons,) numbers", TypeError)


def scores(importance: Importance, model: SparseMLP) -> list[NDArray[np.generic]]:
    """Compute the importances of all hidden neurons.

    Parameters
    ----------
    importance : callable
        A function of this module, or your own.
    model : SparseMLP
        The network.

    Returns
    -------
    list of ndarray
        Importances (neurons,) of each hidden layer.

    Raises
    ------
    ValueError
        If the function's result has another shape or numbers that are not finite.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 6, 2), seed=0)
    >>> [len(values) for values in sl.importances.scores(sl.importances.incoming, model)]
    [8, 6]
    """
    check_model(model)
    found = []
    for layer, following in zip(model.layers, model.layers[1:], strict=False):
        answer, n = checks.as_array(importance(layer, following)), layer.topology.n_out
        if answer.shape != (n,) or answer.dtype.kind not in "iuf":
            checks.fail("importance's result", answer, f"an array of numbers of shape ({n},)")
        check_finite("importance's result", answer)
        found.append(answer)
    return found
