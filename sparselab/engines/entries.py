"""The first layer of CSR samples by their own entries, in place of a dense tile of all features.

The tile then holds W x, without biases, of each sample: (n_out, W). What is left of the forward pass (bias, activation, dropout)
is that of a layer with one link of weight 1 for each output, and what is left of the backward pass (the gradients of the biases)
is that of a layer without links. So all else is done by the kernels of dense tiles.
"""

import weakref

import numpy as np
import scipy.sparse

from ..kernels.entries import LANES, MOST_BLOCKS, hash64, masks_of, take
from ..kernels.settings import EXPANDS
from ..nn.entry_costs import density_limit
from .augmented import AugmentedRows

WORTH_ORDER = 6  # to put a weight in order costs a sixth of reading it anywhere
WORTH_BLOCKS = 1.5  # links of an input in a block of outputs from which blocks are faster than links one by one
WORTH_CHECKING = 24  # to see that a weight is the one that was put in order costs a 24th of it


def by_entries(X, topology):
    """Whether samples X go through a first layer of these links by their entries: whether that is cheaper.

    The expected cost, by the density of X: the answer depends neither on the mini-batch nor on threads, nor on which links there
    are.
    """
    if isinstance(X, AugmentedRows) or not scipy.sparse.issparse(X):
        return False
    n, n_in = X.shape
    return X.nnz < density_limit(n_in, topology.nnz) * n * n_in


def links_read(model, X):
    """Links that a sample of X goes through, on average."""
    first = model.layers[0].topology
    if not by_entries(X, first):
        return model.n_links
    return model.n_links - first.nnz + first.nnz * X.nnz // (X.shape[0] * X.shape[1])


def in_order(model, X, n):
    """(weights of the first layer by input, masks or None) where n samples of X are so many that it is worth it; else None.

    The model keeps them for the next call, which uses them where neither links nor weights are others; training forgets them.
    masks: those of `kernels.entries.masks_of`, where it is faster to compute with them.
    """
    layer, kept = model.layers[0], vars(model).get("_in_order")
    topology, times = layer.topology, n * X.nnz / (X.shape[0] * X.shape[1])  # how often a link is read
    if times * (WORTH_CHECKING if kept else WORTH_ORDER) < 1:
        return None
    mark = mark_of(layer.w)
    if kept and kept[0]() is topology and kept[1] == mark:
        return kept[2:]
    forget_order(model)
    if times * WORTH_ORDER < 1:
        return None
    w = np.empty_like(layer.w)
    take(layer.w, topology.transposed.slots, w)
    model._in_order = weakref.ref(topology), mark, w, block_masks(topology, layer.dtype)
    return model._in_order[2:]


def block_masks(topology, dtype):
    """The masks of a layer's links by input; None where it is not worth it."""
    blocks = mask_blocks(topology.n_in, topology.n_out, topology.nnz, np.dtype(dtype).itemsize)
    if not blocks:
        return None
    masks, by_input = np.zeros((topology.n_in, blocks), np.uint16), topology.transposed
    masks_of(by_input.indptr, by_input.rows, masks)
    return masks


def mask_blocks(n_in, n_out, n_links, itemsize):
    """Masks of each input, of 2 bytes: where blocks of outputs have enough links, and the processor expands vectors; else 0."""
    blocks = -(-n_out // LANES)
    return blocks if EXPANDS and itemsize == 4 and blocks <= MOST_BLOCKS and n_links >= WORTH_BLOCKS * n_in * blocks else 0


def forget_order(model):
    """Free the weights in order that a model keeps."""
    vars(model).pop("_in_order", None)


def mark_of(w):
    """What tells these weights from others: their kind, a hash of them, and the last one."""
    whole = w.nbytes // 8 * 8 // w.itemsize
    return w.dtype, int(hash64(w[:whole].view(np.uint64))), w[whole:].tobytes()


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
