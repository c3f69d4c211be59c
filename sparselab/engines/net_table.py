"""Addresses of the net of a parameter server, for compiled code."""

import numpy as np

from ..kernels import columns
from ..kernels.arguments import address
from ..nn.optimizers import check_state

FIELDS = (columns.W, columns.B, columns.V, columns.VB)  # weights, biases, and the velocity of both


class NetTable:
    """A row of addresses for each layer, in one array `rows` for the whole run."""

    def __init__(self, model):
        self.model, self.seen, self.rows = model, None, np.zeros((len(model.layers), columns.FIELDS), np.int64)

    def refresh(self, state):
        """Write the addresses of the arrays of the model and of its LayerStates; the state is checked where arrays are new."""
        now = net_arrays(self.model, state)
        if self.seen is None or any(a is not b for a, b in zip(now, self.seen, strict=True)):
            check_state(state, self.model)
            write_rows(self.rows, now)
            self.seen = now


def net_arrays(model, state):
    """The arrays of a net: of each layer those of FIELDS."""
    pairs = zip(model.layers, state, strict=True)
    return [array for layer, s in pairs for array in (layer.w, layer.b, s.links[0], s.neurons[0])]


def write_rows(rows, arrays):
    """Sizes and addresses of a net's arrays (see `net_arrays`) into its rows."""
    for row, first in zip(rows, range(0, len(arrays), len(FIELDS)), strict=True):
        own = arrays[first : first + len(FIELDS)]
        row[[columns.NNZ, columns.N_OUT]] = len(own[0]), len(own[1])
        row[[*FIELDS]] = [*map(address, own)]
