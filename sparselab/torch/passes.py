"""What rules may see of a layer beside its weights: inputs and output gradients of backward passes."""

import weakref

from torch import Tensor


class Passes:
    """The rows (X, dY) of the backward passes whose sum the gradient of a layer's weight is now; copies.

    They begin anew where that gradient does: with the first backward pass after it was set to None or to zeros. A layer that is
    used several times in a backward pass has rows for each.

    wanted: whether rows are kept.
    """

    def __init__(self, weight: Tensor) -> None:
        self.wanted, self.rows, self._ended, self._weight = False, [], True, weakref.ref(weight)
        if weight.requires_grad:
            weight.register_post_accumulate_grad_hook(self._end)

    def add(self, X, dY):
        """Keep the rows of a use of the layer, arrays (n, n_in) and (n, n_out), if they are wanted."""
        if not self.wanted:
            return
        weight = self._weight()
        if self._ended and (weight is None or weight.grad is None or not weight.grad.any()):
            self.rows = []
        self._ended = False
        self.rows.append((X.copy(), dY.copy()))

    def _end(self, weight):
        self._ended = True
