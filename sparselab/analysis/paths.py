"""Which neurons take part: those a path of links leads to from an input, and from there on to an output."""

import numpy as np

from ..kernels import csr_passes
from ..training.loop import check_model


def reachable(model):
    """A DataFrame, one row a level (0: input … output): neurons and the shares that are connected.

    Columns: level, neurons, from_input (share with a path of links from any input), to_output (share with a path to any output),
    both. A neuron without `both` costs time and changes nothing but constants (Tanaka et al. 2020 call whole layers of them
    layer collapse). Time and memory O(links + neurons). Raises TypeError naming the argument.
    """
    import pandas

    forth, back = path_masks(model)
    rows = [
        {"level": level, "neurons": len(a), "from_input": a.mean(), "to_output": b.mean(), "both": (a & b).mean()}
        for level, (a, b) in enumerate(zip(forth, back, strict=True))
    ]
    return pandas.DataFrame(rows)


def path_masks(model):
    """(from_input, to_output): a bool vector (neurons,) a level each, by spreading marks along the links."""
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
