"""The first layer of CSR samples by their own entries, in place of a dense tile of all features.

The tile then holds W x, without biases, of each sample: (n_out, W). What is left of the forward pass (bias, activation, dropout)
is that of a layer with one link of weight 1 for each output, and what is left of the backward pass (the gradients of the biases)
is that of a layer without links. So all else is done by the kernels of dense tiles.
"""

import numpy as np
import scipy.sparse

from .augmented import AugmentedRows

# costs of a sample, where a link costs 1 in a dense tile: of a feature of the tile, of an entry, and of each of its links
FEATURE, ENTRY, LINK = 1, 200, 35
WORTH_ORDER = 4  # to put a weight in order costs as much as a quarter of reading it anywhere


def by_entries(X, topology):
    """Whether samples X go through a first layer of these links by their entries: whether that is cheaper.

    The expected cost, by the density of X: the answer depends neither on the mini-batch nor on threads, nor on which links there
    are.
    """
    if isinstance(X, AugmentedRows) or not scipy.sparse.issparse(X):
        return False
    n, n_in = X.shape
    dense = n * (FEATURE * n_in + topology.nnz)
    return X.nnz * (ENTRY + LINK * topology.nnz / n_in) < dense


def in_order(layer, X, n):
    """The weights of a first layer by input, where n samples of X are so many that it is worth it; else None."""
    if n * X.nnz * WORTH_ORDER < X.shape[0] * X.shape[1]:
        return None
    return np.take(layer.w, layer.topology.transposed.slots, mode="clip")  # much faster than with a check


def tile_sizes(model, entries):
    """Rows of the tiles of a net's input and of the outputs of each layer; entries: whether samples come by their entries."""
    return (model.sizes[1], *model.sizes[1:]) if entries else model.sizes


class Finish:
    """The layers that finish what the entries began: `links`, (indptr, indices, w) of n links, and `no_links`, row pointers."""

    def __init__(self, n, dtype):
        self.n, self.dtype = n, dtype
        self.links = np.arange(n + 1, dtype=np.int64), np.arange(n, dtype=np.int32), np.ones(n, dtype)
        self.no_links = np.zeros(n + 1, np.int64)

    @classmethod
    def of(cls, layer, before):
        """That of a layer; `before`, a Finish or None, where it fits."""
        n, dtype = layer.topology.n_out, layer.dtype
        return before if before is not None and (before.n, before.dtype) == (n, dtype) else cls(n, dtype)
