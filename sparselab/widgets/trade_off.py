"""The trade-off curve of a net that may be training: computed at most once an epoch, and only while its view is open.

The training waits for the figure meanwhile, so that curves may take only a tenth of the time.
"""

import dataclasses
import time
import weakref
from dataclasses import dataclass

from ..analysis import prune_curve
from ..nn.mlp import check_chain

AMOUNTS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)
SHARE = 0.1  # share of the time that curves may take while the net is training
_curves = weakref.WeakKeyDictionary()  # model -> its latest Curve


@dataclass(frozen=True)
class Curve:
    """table: of `prune_curve` after `epoch` epochs for this importance; ready: the clock when it was made; cost: seconds."""

    table: object
    epoch: int
    importance: object
    ready: float
    cost: float

    def usable(self, epoch, importance, training):
        """Whether it may be shown: it belongs to this epoch, or it is too soon for another one."""
        soon = training and time.monotonic() - self.ready < self.cost / SHARE
        return self.importance is importance and (self.epoch == epoch or soon)


def curve_of(model, data, epoch, importance, *, training=False, threads=None, loss=None):
    """The Curve of a net after this epoch or, while it is training, of a somewhat earlier one."""
    kept = _curves.get(model)
    if kept is None or not kept.usable(epoch, importance, training):
        start = time.monotonic()
        options = {"importance": importance, "threads": threads, "repeats": 2, "progress": False, "loss": loss}
        table = prune_curve.prune_curve(consistent_copy(model), with_test_set(data), AMOUNTS, **options)
        ready = time.monotonic()
        _curves[model] = kept = Curve(table, epoch, importance, ready, ready - start)
    return kept


def with_test_set(data):
    """The data; without test samples, the training samples take their place."""
    return data if data.X_test is not None else dataclasses.replace(data, X_test=data.X_train, y_test=data.y_train)


def consistent_copy(model, attempts=1000):
    """A copy whose layers fit together, of a net that another thread may be changing."""
    for _ in range(attempts):
        before = [layer.topology for layer in model.layers]
        try:
            net = model.copy()
            check_chain(net.layers)
        except (TypeError, ValueError):  # evolution is replacing layers
            net = None
        unchanged = all(a is layer.topology for a, layer in zip(before, model.layers, strict=True))
        if net and unchanged and remaining(net) == net.sizes:
            return net
        time.sleep(0.002)
    raise RuntimeError("the net changes too quickly to be copied")


def remaining(net):
    """Number of remaining neurons at each level, from the net's neuron ids."""
    return tuple(len(net.neurons.ids(level)) for level in range(len(net.sizes)))
