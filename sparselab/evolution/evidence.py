"""What rules may look at beyond the weights: the activations and deltas of a batch, computed only when somebody asks."""

from functools import cached_property

from ..layerwise import LayerwiseEngine
from ..workspace import tile_width


class Evidence:
    """`flows[l]` = (X (n_in, n), dZ (n_out, n)) of layer l for a batch, dropout off.

    With these a rule can score any single possible link (rows dZ[j] · X[i]); a dense gradient never exists.
    """

    def __init__(self, model, loss, X, targets, samples):
        self._arguments = model, loss, X, targets, samples

    @cached_property
    def flows(self):
        model, loss, X, targets, samples = self._arguments
        return LayerwiseEngine(model, loss, tile_width(len(samples)), 1).flows(X, targets, samples)
