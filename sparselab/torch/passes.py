"""What rules may see of a layer beside its weights: inputs and output gradients of backward passes."""

import weakref

import torch


class Passes:
    """The rows (X, dY) of the backward passes whose sum the gradient of a layer's weight is now; copies.

    They begin anew where that gradient does: with the first backward pass after it was set to None or to zeros. A layer that is
    used several times in a backward pass has rows for each. Rows of a backward pass that adds nothing to that gradient, such as
    `torch.autograd.grad(loss, x)`, are forgotten.

    wanted: whether rows are kept.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        self.wanted, self.rows, self._weight, self._end = False, [], weakref.ref(weight), None
        self._pending = {}  # rows of each backward pass that has not reached the weight yet; they may be nested

    def ask(self, wanted):
        """Forget all rows, and keep the next ones if they are wanted."""
        self.wanted, self.rows, self._pending = wanted, [], {}

    def add(self, X, dY):
        """Keep the rows of a use of the layer, arrays (n, n_in) and (n, n_out), if they are wanted."""
        if not self.wanted:
            return
        backward, weight = torch._C._current_graph_task_id(), self._weight()
        if backward < 0 or weight is None or not weight.requires_grad:
            return
        if self._end is None:
            self._end = End(self, weight)
        if backward not in self._pending:
            if weight.grad is None or not weight.grad.any():
                self.rows = []
            self._pending[backward] = []
            torch.autograd.Variable._execution_engine.queue_callback(lambda: self._pending.pop(backward, None))
        self._pending[backward].append((X.copy(), dY.copy()))

    def take(self):
        """Count the rows of the present backward pass: its gradient is in the weight's now."""
        self.rows += self._pending.pop(torch._C._current_graph_task_id(), [])


class End:
    """The hook of a weight that tells its Passes, as long as these live."""

    def __init__(self, passes, weight):
        self._passes = weakref.ref(passes)
        weakref.finalize(passes, weight.register_post_accumulate_grad_hook(self).remove)

    def __call__(self, weight):
        passes = self._passes()
        if passes is not None:
            passes.take()


def alone():
    """Whether this process is the only one that trains the model, as far as torch.distributed knows."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1
