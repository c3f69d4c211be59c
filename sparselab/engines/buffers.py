"""The buffers of training, allocated once: steps allocate nothing."""

import math

import numpy as np

from ..nn import activations
from ..nn.linear import NO_BITS
from .entries import tile_sizes

LINE = 64  # bytes of a cache line; rows of 16 floats and more start on one


def aligned(shape, dtype):
    """An uninitialised array that starts on a cache line."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + n_bytes].view(dtype).reshape(shape)


class Workspace:
    """The buffers of one tile. Each attribute is a list: item 0 belongs to the input, item l to the outputs of layer l.

    activations: (n_l, W) arrays; the backward pass overwrites them with dZ. sign_bits (z > 0), dropout_bits (kept by dropout):
    (n_l, ceil(W / 8)) uint8, or NO_BITS. z: (n_l, W) inputs of an activation that is not a pair of slopes, else None.
    entries: whether samples come by their entries; the input tile then has as many rows as the first layer has outputs.
    """

    def __init__(self, model, width, *, training=True, entries=False):
        sizes, dtype = tile_sizes(model, entries), model.dtype
        self.width, self.sizes, self.entries = width, sizes, entries
        self.activations = [aligned((n, width), dtype) for n in sizes]
        hidden = range(1, len(sizes) - 1)
        bits = lambda wanted: [np.zeros((sizes[l], -(-width // 8)), np.uint8) if wanted(l) else NO_BITS for l in hidden]
        general = [activations.slopes(f) is None for f in model.hidden]
        self.sign_bits = [NO_BITS, *bits(lambda l: training and not general[l - 1]), NO_BITS]
        self.dropout_bits = [NO_BITS, *bits(lambda l: training and model.dropout > 0), NO_BITS]
        self.z = [None, *(aligned((sizes[l], width), dtype) if general[l - 1] else None for l in hidden), None]

    @property
    def nbytes(self):
        """Bytes of all buffers."""
        arrays = [*self.activations, *self.sign_bits, *self.dropout_bits, *(z for z in self.z if z is not None)]
        return sum(a.nbytes for a in arrays)


class Gradients:
    """Gradients of every layer's links, biases and trained values, an array a layer: dw (nnz,), db (n_out,), dv (k, n_out)."""

    def __init__(self, dw, db, dv=()):
        self.dw, self.db, self.dv = dw, db, dv

    @classmethod
    def of(cls, model):
        """New arrays for this model."""
        return cls(*([np.zeros_like(getattr(layer, name)) for layer in model.layers] for name in ("w", "b", "values")))

    @property
    def vectors(self):
        """All arrays that are not empty, as vectors."""
        return self.dw + self.db + [array.reshape(-1) for array in self.dv if array.size]
