"""Neurons that do not take part: without links, dead, saturated, or nothing but linear on the data at hand."""

import numpy as np
import scipy.sparse

from ..datasets.coerce import as_features
from ..engines.tiling import tile_width, tiles_of
from ..training.loop import check_model
from ..utils import checks


def neuron_health(model, X, *, threshold=0.01):
    """A DataFrame, one row a hidden layer: numbers of neurons, dropout off. Columns:

    layer (from 1); neurons; without_incoming, without_outgoing: no such link; dead: f'(z) = 0 on every sample, so no gradient
    reaches the neuron (Lu et al. 2019, "Dying ReLU"); saturated: |f'(z)| < threshold on every sample (Glorot & Bengio 2010), dead
    ones included; with slopes of at least `threshold`, as those of All-ReLU, none is; one_sided: z > 0 on every sample, or z <= 0
    on every one: with two slopes such a neuron is linear. A neuron may count in several columns.

    X: (n, features), dense or CSR. Any activation, plug-ins too. Samples go through tile by tile: memory O(neurons · 64). Raises
    TypeError or ValueError naming the argument.
    """
    import pandas

    check_model(model)
    threshold, X = checks.positive("threshold", threshold), as_features("X", X, model)
    found = [_Seen(n) for n in model.sizes[1:-1]]
    for tile in tiles(X, model.dtype):
        for layer, f, seen in zip(model.layers, model.hidden, found):
            Z = layer.forward(tile)
            seen.add(Z, f.gradient(Z), threshold)
            tile = f.forward(Z)
    after = model.layers[1:]
    columns = ("layer", "neurons", "without_incoming", "without_outgoing", *_Seen.KINDS)
    rows = [
        (number, layer.topology.n_out, _zeros(layer.topology.fan_in), _zeros(later.topology.fan_out), *seen.counts())
        for number, (layer, later, seen) in enumerate(zip(model.layers, after, found), 1)
    ]
    return pandas.DataFrame(rows, columns=columns)


def tiles(X, dtype):
    """The samples as columns, (features, W) at a time; the last tile is filled up with its last sample."""
    n, width = X.shape[0], tile_width(X.shape[0])
    for tile in range(tiles_of(n, width)):
        rows = X[tile * width : (tile + 1) * width]
        rows = rows.toarray() if scipy.sparse.issparse(rows) else rows
        missing = width - len(rows)
        yield np.ascontiguousarray(np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]).T, dtype)


class _Seen:
    """What was true of every sample so far, a bool a neuron."""

    KINDS = ("dead", "saturated", "one_sided")

    def __init__(self, n):
        self.dead, self.saturated, self.right, self.left = (np.ones(n, bool) for _ in range(4))

    def add(self, Z, slopes, threshold):
        if np.shape(slopes) != Z.shape:
            raise ValueError(f"model.activation: gradient gave shape {np.shape(slopes)}: must be that of Z, {Z.shape}")
        self.dead &= (slopes == 0).all(axis=1)
        self.saturated &= (np.abs(slopes) < threshold).all(axis=1)
        self.right &= (Z > 0).all(axis=1)
        self.left &= (Z <= 0).all(axis=1)

    def counts(self):
        return [int(np.count_nonzero(mask)) for mask in (self.dead, self.saturated, self.right | self.left)]


def _zeros(degrees):
    return int(np.count_nonzero(degrees == 0))
