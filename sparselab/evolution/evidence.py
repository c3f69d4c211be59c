"""What rules may look at beyond the weights: the activations and deltas of a batch, computed only when somebody asks."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..engines.layerwise import LayerwiseEngine
from ..engines.tiling import tile_width
from ..utils import checks

AT_ONCE = 2**22  # numbers gathered at once where single links are looked at


class Flow(NamedTuple):
    """What flowed through one layer for a batch: X (n_in, n) its input, dZ (n_out, n) the gradient of the loss by its output."""

    X: np.ndarray
    dZ: np.ndarray

    def gradient_at(self, rows, columns):
        """(k,) gradient of the links from columns[k] to rows[k], existing or not: dZ[row] · X[column]. Memory O(k).

        TypeError or ValueError naming what is not a place.
        """
        rows = checks.whole_array("rows", rows)
        columns = checks.whole_array("columns", columns, len(rows))
        for name, places, n in (("rows", rows, len(self.dZ)), ("columns", columns, len(self.X))):
            if len(places) and not 0 <= places.min() <= places.max() < n:
                checks.fail(name, places, f"in [0, {n})")
        out, piece = np.empty(len(rows), self.X.dtype), max(1, AT_ONCE // self.X.shape[1])
        for start in range(0, len(rows), piece):
            part = slice(start, start + piece)
            np.einsum("kn,kn->k", self.dZ[rows[part]], self.X[columns[part]], out=out[part])
        return out


class Evidence:
    """`flows[l]` = Flow(X (n_in, n), dZ (n_out, n)) of layer l for a batch, dropout off; `of(layer)` the one of a layer.

    With these a rule can score any single possible link; a dense gradient never exists.
    """

    def __init__(self, model, loss, X, targets, samples):
        self._arguments = model, loss, X, targets, samples

    @cached_property
    def flows(self):
        model, loss, X, targets, samples = self._arguments
        flows = LayerwiseEngine(model, loss, tile_width(len(samples)), 1).flows(X, targets, samples)
        return [Flow(*flow) for flow in flows]

    def of(self, layer):
        """The Flow of one of the model's layers; ValueError for another one."""
        for flow, other in zip(self.flows, self._arguments[0].layers, strict=True):
            if other is layer:
                return flow
        checks.fail("layer", layer, "one of the layers of the model that is trained")

    def gradient(self, layer):
        """(nnz,) gradient of the links of a layer."""
        flow = self.of(layer)
        return layer.backward(flow.X, flow.dZ)[1]
