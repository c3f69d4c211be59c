"""A whole net as scipy or NumPy matrices, one matrix and one bias vector a layer, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..nn import footprint, trained_activations
from ..topology.topology import Topology
from ..training.loop import check_model
from ..utils import checks
from ..utils.csr import check_kind
from .parts import check_tolerance, links_over, named_error, net_of, paired

if TYPE_CHECKING:
    import scipy.sparse
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from ..nn.initializers import Initializer
    from ..nn.mlp import SparseMLP
    from ..nn.protocols import Activation


def to_scipy(model: SparseMLP) -> list[tuple[scipy.sparse.csr_array, NDArray[Any]]]:
    """Export a net as scipy CSR matrices and bias vectors; what its outputs stand for, `model.classes`, is not in them.

    Parameters
    ----------
    model : SparseMLP
        The net.

    Returns
    -------
    list of (scipy.sparse.csr_array, ndarray)
        For each layer W (n_out, n_in) and b (n_out,), copies. A link whose value is 0 stays an explicit zero.

    Raises
    ------
    TypeError
        Where `model` is not a SparseMLP.
    ValueError
        Where its activation has trained values, which would be lost.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> [W.shape for W, b in sl.export.to_scipy(model)]
    [(8, 4), (3, 8)]
    """
    check_model(model)
    trained_activations.refuse(model.activation, "matrices do not hold them, to_npz does")
    return [(layer.to_scipy(), layer.b.copy()) for layer in model.layers]


def from_scipy(
    matrices: Sequence[Any],
    biases: Sequence[ArrayLike | None] | None = None,
    *,
    activation: str | type | Activation = "all_relu",
    dropout: float = 0.0,
    initializer: str | type | Initializer = "he_uniform",
    dtype: DTypeLike | None = None,
) -> SparseMLP:
    """Make a net whose links are the entries of scipy sparse matrices; everything is copied.

    Labels of the outputs are set by `model.classes = labels`.

    Parameters
    ----------
    matrices : list of sparse matrices, or of pairs (W, b)
        For each layer W (n_out, n_in) in any scipy format, the first layer first. Explicit zeros are links; duplicates are an
        error.
    biases : list of array_like or None, optional
        For each layer (n_out,), or None for zeros; by default those of the pairs, else zeros.
    activation : str or object, default "all_relu"
        Activation of the hidden layers, as for `SparseMLP.create`.
    dropout : float, default 0.0
        Share of hidden values dropped in training, in [0, 1).
    initializer : str or object, default "he_uniform"
        Distribution of the values of links that training adds.
    dtype : {"float32", "float64"}, optional
        By default float32 where it holds all values exactly, else float64.

    Returns
    -------
    SparseMLP
        The net.

    Raises
    ------
    TypeError or ValueError
        Naming the layer and what is wrong: widths that do not fit, invalid indices, NaN, values that the dtype cannot hold.

    Examples
    --------
    >>> import scipy.sparse
    >>> import sparselab as sl
    >>> W = scipy.sparse.csr_array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
    >>> model = sl.export.from_scipy([W, W.T])
    >>> model.sizes, model.n_links
    ((3, 2, 3), 6)
    """
    matrices, biases = paired("matrices", matrices, biases)
    links = []
    for i, matrix in enumerate(matrices):
        with named_error(f"matrices[{i}]"):
            links.append(Topology.from_scipy(matrix))
    return net_of("matrices", links, biases, dtype, activation=activation, dropout=dropout, initializer=initializer)


def to_dense(model: SparseMLP) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Export a net as dense matrices and bias vectors; what its outputs stand for, `model.classes`, is not in them.

    Parameters
    ----------
    model : SparseMLP
        The net.

    Returns
    -------
    list of (ndarray, ndarray)
        For each layer W (n_out, n_in), with 0 where there is no link, and b (n_out,), copies. A link whose value is 0 cannot be
        told from a missing one; `to_scipy` keeps it.

    Raises
    ------
    InsufficientMemoryError
        Where the matrices do not fit into memory, before anything is allocated.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> [W.shape for W, b in sl.export.to_dense(model)]
    [(8, 4), (3, 8)]
    """
    check_dense_memory(model, "to_dense", "to_scipy")
    trained_activations.refuse(model.activation, "matrices do not hold them, to_npz does")
    return [(dense(layer), layer.b.copy()) for layer in model.layers]


def from_dense(
    weights: Sequence[Any],
    biases: Sequence[ArrayLike | None] | None = None,
    *,
    activation: str | type | Activation = "all_relu",
    dropout: float = 0.0,
    initializer: str | type | Initializer = "he_uniform",
    dtype: DTypeLike | None = None,
    tolerance: float = 0.0,
) -> SparseMLP:
    """Make a net whose links are the entries of dense matrices with |w| > tolerance; everything is copied.

    Beside the matrices only their links take memory. Labels of the outputs are set by `model.classes = labels`.

    Parameters
    ----------
    weights : list of array_like, or of pairs (W, b)
        For each layer W (n_out, n_in), the first layer first.
    biases : list of array_like or None, optional
        For each layer (n_out,), or None for zeros; by default those of the pairs, else zeros.
    activation : str or object, default "all_relu"
        Activation of the hidden layers, as for `SparseMLP.create`.
    dropout : float, default 0.0
        Share of hidden values dropped in training, in [0, 1).
    initializer : str or object, default "he_uniform"
        Distribution of the values of links that training adds.
    dtype : {"float32", "float64"}, optional
        By default float32 where it holds all values exactly, else float64.
    tolerance : float, default 0.0
        Entries up to this absolute value are not links.

    Returns
    -------
    SparseMLP
        The net.

    Raises
    ------
    TypeError or ValueError
        Naming the layer and what is wrong.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.export.from_dense([[[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]], [[0.5, 0.0]]])
    >>> model.sizes, model.n_links
    ((3, 2, 1), 4)
    """
    weights, biases = paired("weights", weights, biases)
    tolerance, links = check_tolerance(tolerance), []
    for i, W in enumerate(weights):
        W = np.asarray(W)
        if W.ndim != 2 or 0 in W.shape:
            checks.fail(f"weights[{i}].shape", W.shape, "(n_out, n_in), both at least 1")
        check_kind(f"weights[{i}].dtype", W.dtype)
        links.append(links_over(W, tolerance))
    return net_of("weights", links, biases, dtype, activation=activation, dropout=dropout, initializer=initializer)


def check_dense_memory(model, call, alternative):
    """Refuse, with numbers, a net whose dense matrices do not fit. call: what needs them; alternative: what does not."""
    check_model(model)
    shapes = enumerate(layer.topology for layer in model.layers)
    items = {f"W of layer {i + 1} ({t.n_out} x {t.n_in})": t.n_out * t.n_in * model.dtype.itemsize for i, t in shapes}
    items["places of the links"] = 20 * max(model.nnz)
    advise = lambda have: f"{alternative}, about {footprint.size(model.nbytes)}"
    footprint.require_memory(f"{call} of {footprint.net_name(model.sizes)}", items, advise)


def dense(layer):
    """W (n_out, n_in) of one layer."""
    W = np.zeros(layer.topology.shape, layer.dtype)
    W[layer.topology.rows, layer.topology.indices] = layer.w
    return W
