"""The buffers of training, owned by the caller, allocated once: steps allocate nothing."""

import math

import numpy as np

from ..nn import activations
from ..nn.linear import NO_BITS

LINE = 64  # bytes of a cache line; rows of 16 floats and more start on one


def aligned(shape, dtype):
    """An uninitialised array that starts on a cache line."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + n_bytes].view(dtype).reshape(shape)


class Workspace:
    """What one tile needs on its way: `levels[l]` (n_l, W) activations, level 0 the input; `on`, `kept` bits for backward.

    `inputs[l]` holds Z of layer l where its activation is not a pair of slopes, else None. levels[l] later takes dZ in place.
    """

    def __init__(self, model, width, *, training=True):
        sizes, dtype = model.sizes, model.dtype
        self.width, self.sizes = width, sizes
        self.levels = [aligned((n, width), dtype) for n in sizes]
        hidden = range(1, len(sizes) - 1)
        bits = lambda wanted: [np.zeros((sizes[l], -(-width // 8)), np.uint8) if wanted(l) else NO_BITS for l in hidden]
        plain = [activations.slopes(f) is None for f in model.hidden]
        self.on = [NO_BITS, *bits(lambda l: training and not plain[l - 1]), NO_BITS]
        self.kept = [NO_BITS, *bits(lambda l: training and model.dropout > 0), NO_BITS]
        self.inputs = [None, *(aligned((sizes[l], width), dtype) if plain[l - 1] else None for l in hidden), None]

    @property
    def nbytes(self):
        arrays = [*self.levels, *self.on, *self.kept, *(z for z in self.inputs if z is not None)]
        return sum(a.nbytes for a in arrays)


class Gradients:
    """One buffer the size of the links and one the size of the biases, per layer."""

    def __init__(self, dw, db):
        self.dw, self.db = dw, db

    @classmethod
    def of(cls, model):
        """New ones."""
        return cls([np.zeros_like(layer.w) for layer in model.layers], [np.zeros_like(layer.b) for layer in model.layers])
