"""Which neurons take part: those on a path of links from an input to an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..kernels import csr_passes
from ..training.loop import check_model

if TYPE_CHECKING:
    import pandas

    from ..nn.mlp import SparseMLP


def reachable(model: SparseMLP) -> pandas.DataFrame:
    """Compute the share of the neurons of each level that are on a path from an input to an output.

    A neuron that is not costs time and changes nothing but constants; whole layers of them are the layer collapse of Tanaka et
    al. Time and memory are O(links + neurons).

    Parameters
    ----------
    model : SparseMLP
        The net.

    Returns
    -------
    pandas.DataFrame
        One row a level (0: input … output). Columns: level, neurons, from_input (share with a path of links from any input),
        to_output (share with a path to any output), both.

    Raises
    ------
    TypeError
        Where `model` is not a SparseMLP.

    References
    ----------
    H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli, "Pruning neural networks without any data by iteratively conserving
    synaptic flow", 2020.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), density=1.0, seed=0)
    >>> sl.analysis.reachable(model)["both"].tolist()
    [1.0, 1.0, 1.0]
    """
    import pandas

    forth, back = path_masks(model)
    rows = [
        {"level": level, "neurons": len(a), "from_input": a.mean(), "to_output": b.mean(), "both": (a & b).mean()}
        for level, (a, b) in enumerate(zip(forth, back, strict=True))
    ]
    return pandas.DataFrame(rows)


def active_neurons(model: SparseMLP) -> float:
    """Compute the share of neurons that sparse layers use: inputs with outgoing links, and outputs of the last one with incoming.

    The "active neuron percentage" (ANP) of Zhang et al., times 100. A neuron between two sparse layers counts as an input of the
    later one; dense layers do not count. Time and memory are O(links + neurons).

    Parameters
    ----------
    model : SparseMLP
        The net.

    Returns
    -------
    float
        A share in [0, 1]; 1 where no layer is sparse.

    Raises
    ------
    TypeError
        Where `model` is not a SparseMLP.

    References
    ----------
    Zhang et al. (2025), "Brain network science modelling of sparse neural networks enables Transformers and LLMs to perform as
    fully connected", arXiv 2501.19107.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 2), density=1.0, seed=0)
    >>> sl.analysis.active_neurons(model)
    1.0
    """
    check_model(model)
    degrees = [layer.topology.fan_out for layer in model.layers if layer.topology.density < 1]
    if not degrees:
        return 1.0
    degrees.append(next(layer.topology.fan_in for layer in reversed(model.layers) if layer.topology.density < 1))
    return sum(map(np.count_nonzero, degrees)) / sum(map(len, degrees))


def path_masks(model):
    """(from_input, to_output): for each level a bool vector (neurons,), found by passing marks along the links."""
    check_model(model)
    forth, back = [np.ones(model.sizes[0], bool)], [np.ones(model.sizes[-1], bool)]
    for layer in model.layers:
        t = layer.topology
        forth.append(_marked(t.n_out, t.rows[forth[-1][t.indices]]))
    for layer in reversed(model.layers):
        t = layer.topology
        back.insert(0, _marked(t.n_in, t.indices[back[0][t.rows]]))
    return forth, back


def share_from_input(model):
    """Share of the hidden neurons with a path of links from any input; memory O(neurons of two levels)."""
    check_model(model)
    marks, reached = np.ones(model.sizes[0], bool), 0
    for layer in model.layers[:-1]:
        topology, found = layer.topology, np.empty(layer.topology.n_out, bool)
        csr_passes.any_marked(topology.indptr, topology.indices, marks, found)
        marks, reached = found, reached + int(np.count_nonzero(found))
    return reached / max(1, sum(model.sizes[1:-1]))


def _marked(n, places):
    mask = np.zeros(n, bool)
    mask[places] = True
    return mask
