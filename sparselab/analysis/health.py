"""Neurons that take no part on some data: without links, dead, saturated, or merely linear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from ..datasets.coerce import as_features
from ..engines.tiling import tile_width, tiles_of
from ..training.loop import check_model
from ..utils import checks

if TYPE_CHECKING:
    import pandas

    from ..nn.mlp import SparseMLP


def neuron_health(model: SparseMLP, X: Any, *, threshold: float = 0.01) -> pandas.DataFrame:
    """Count the neurons of each hidden layer that take no part on some samples, without dropout.

    Samples go through the net tile by tile, so that memory is O(neurons · 64).

    Parameters
    ----------
    model : SparseMLP
        The net; any activation, plug-ins too.
    X : array_like or sparse matrix of shape (n, features)
        Samples.
    threshold : float, default 0.01
        Slope below which an activation counts as saturated.

    Returns
    -------
    pandas.DataFrame
        One row a hidden layer; a neuron may count in several columns. Columns: layer (from 1); neurons; without_incoming,
        without_outgoing: no such link; dead: f'(z) = 0 on every sample, so that no gradient reaches the neuron (Lu et al.);
        saturated: |f'(z)| < threshold on every sample (Glorot & Bengio), dead ones included, none where all slopes are at least
        `threshold`, as those of All-ReLU; one_sided: z > 0 on every sample, or z <= 0 on every one: with two slopes such a
        neuron is linear.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    L. Lu, Y. Shin, Y. Su, G. E. Karniadakis, "Dying ReLU and initialization: theory and numerical examples", 2019.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> sl.analysis.neuron_health(model, [[0.0, 1.0], [1.0, 0.0]])["neurons"].tolist()
    [8]
    """
    import pandas

    check_model(model)
    threshold, X = checks.positive("threshold", threshold), as_features("X", X, model)
    found = _seen(model, X, threshold)
    after = model.layers[1:]
    columns = ("layer", "neurons", "without_incoming", "without_outgoing", *_Seen.KINDS)
    rows = [
        (number, layer.topology.n_out, _zeros(layer.topology.fan_in), _zeros(later.topology.fan_out), *seen.counts())
        for number, (layer, later, seen) in enumerate(zip(model.layers, after, found), 1)
    ]
    return pandas.DataFrame(rows, columns=columns)


def idle(model, X):
    """For each hidden layer which neurons, (n_out,) bool, have f'(z) = 0 on every sample, or no incoming or no outgoing link."""
    ends = zip(model.layers, model.layers[1:], _seen(model, as_features("X", X, model), 0.01), strict=False)
    return [seen.dead | (a.topology.fan_in == 0) | (b.topology.fan_out == 0) for a, b, seen in ends]


def _seen(model, X, threshold):
    """What is true of the neurons of each hidden layer on all samples."""
    found = [_Seen(n) for n in model.sizes[1:-1]]
    for tile in tiles(X, model.dtype):
        for layer, f, seen in zip(model.layers, model.hidden, found):
            Z = layer.forward(tile)
            seen.add(Z, f.gradient(Z), threshold)
            tile = f.forward(Z)
    return found


def tiles(X, dtype):
    """The samples as columns, (features, W) at a time; the last tile is padded with its last sample."""
    n, width = X.shape[0], tile_width(X.shape[0])
    for tile in range(tiles_of(n, width)):
        rows = X[tile * width : (tile + 1) * width]
        rows = rows.toarray() if scipy.sparse.issparse(rows) else rows
        missing = width - len(rows)
        yield np.ascontiguousarray(np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]).T, dtype)


class _Seen:
    """For each neuron, what has been true of every sample so far."""

    KINDS = ("dead", "saturated", "one_sided")

    def __init__(self, n):
        self.dead, self.saturated, self.right, self.left = (np.ones(n, bool) for _ in range(4))

    def add(self, Z, slopes, threshold):
        """Take a tile of samples into account: inputs Z of the activation, and its slopes there."""
        if np.shape(slopes) != Z.shape:
            raise ValueError(f"model.activation: gradient gave shape {np.shape(slopes)}: must be that of Z, {Z.shape}")
        self.dead &= (slopes == 0).all(axis=1)
        self.saturated &= (np.abs(slopes) < threshold).all(axis=1)
        self.right &= (Z > 0).all(axis=1)
        self.left &= (Z <= 0).all(axis=1)

    def counts(self):
        """Numbers of neurons of KINDS."""
        return [int(np.count_nonzero(mask)) for mask in (self.dead, self.saturated, self.right | self.left)]


def _zeros(degrees):
    return int(np.count_nonzero(degrees == 0))
