"""A whole net as scipy or NumPy matrices, a matrix and a bias vector a layer; and back."""

import numpy as np

from ..nn import footprint
from ..topology.topology import Topology
from ..training.loop import check_model
from ..utils import checks
from ..utils.csr import check_kind
from .parts import check_tolerance, links_over, named_error, net_of, paired


def to_scipy(model):
    """[(W, b)], one a layer: W scipy CSR (n_out, n_in), b (n_out,), copies. A link whose value is 0 stays an explicit zero."""
    check_model(model)
    return [(layer.to_scipy(), layer.b.copy()) for layer in model.layers]


def from_scipy(matrices, biases=None, *, activation="all_relu", dropout=0.0, initializer="he_uniform", dtype=None):
    """A SparseMLP whose links are the entries of scipy sparse matrices (n_out, n_in), first layer first; all is copied.

    matrices: a list of them (any format), or of pairs (W, b) as `to_scipy` gives them. Explicit zeros are links; duplicates are
    an error. biases: None (those of the pairs, else 0), or a list of (n_out,) vectors or None. activation, dropout,
    initializer: as for SparseMLP.create. dtype: "float32", "float64", or None: float32 where that holds all values exactly, else
    float64. Raises TypeError or ValueError naming the layer: widths that do not fit, wild indices, NaN, values beyond the dtype.
    """
    matrices, biases = paired("matrices", matrices, biases)
    links = []
    for i, matrix in enumerate(matrices):
        with named_error(f"matrices[{i}]"):
            links.append(Topology.from_scipy(matrix))
    return net_of("matrices", links, biases, dtype, activation=activation, dropout=dropout, initializer=initializer)


def to_dense(model):
    """[(W, b)], one a layer: W (n_out, n_in) with 0 where there is no link, b (n_out,), copies.

    Raises InsufficientMemoryError, before anything is allocated, where the matrices do not fit into memory. A link whose value is
    0 cannot be told from a missing one in them: `to_scipy` keeps it.
    """
    check_room(model, "to_dense", "to_scipy")
    return [(dense(layer), layer.b.copy()) for layer in model.layers]


def from_dense(
    weights, biases=None, *, activation="all_relu", dropout=0.0, initializer="he_uniform", dtype=None, tolerance=0.0
):  # fmt: skip
    """A SparseMLP whose links are the entries with |w| > tolerance of dense matrices (n_out, n_in), first layer first.

    weights: a list of them, or of pairs (W, b) as `to_dense` gives them. Everything else as for `from_scipy`; beside the matrices
    only their links take memory. Raises TypeError or ValueError naming the layer.
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


def check_room(model, door, instead):
    """Refuse, with numbers, a net whose dense matrices do not fit; `door` wants them, `instead` needs none."""
    check_model(model)
    shapes = enumerate(layer.topology for layer in model.layers)
    items = {f"W of layer {i + 1} ({t.n_out} x {t.n_in})": t.n_out * t.n_in * model.dtype.itemsize for i, t in shapes}
    items["places of the links"] = 20 * max(model.nnz)
    advise = lambda have: f"{instead}, about {footprint.size(model.nbytes)}"
    footprint.require_memory(f"{door} of {footprint.net_name(model.sizes)}", items, advise)


def dense(layer):
    """W (n_out, n_in) of one layer."""
    W = np.zeros(layer.topology.shape, layer.dtype)
    W[layer.topology.rows, layer.topology.indices] = layer.w
    return W
