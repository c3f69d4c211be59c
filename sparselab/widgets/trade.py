"""The trade-off curve of a net that may be training: computed when somebody looks, once an epoch, and not all the time.

A curve takes about a second, in which the training waits for the picture; so a new one is made at most every ten times as long.
"""

import dataclasses
import time
import weakref
from dataclasses import dataclass

from ..analysis import prune_curve
from ..nn.mlp import check_chain

AMOUNTS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)
SHARE = 0.1  # of the time that curves may take while the net is training
_curves = weakref.WeakKeyDictionary()  # model -> its latest Curve


@dataclass(frozen=True)
class Curve:
    """table of `prune_curve` after `epoch` epochs, for this importance; the clock when it was ready, and seconds it took."""

    table: object
    epoch: int
    importance: object
    ready: float
    cost: float

    def serves(self, epoch, importance, training):
        """Whether it may be shown now: it is this epoch's, or it is too soon for another one."""
        soon = training and time.monotonic() - self.ready < self.cost / SHARE
        return self.importance is importance and (self.epoch == epoch or soon)


def curve_of(model, data, epoch, importance, *, training=False, threads=None):
    """The Curve of a net after this epoch, or, while it is `training`, a somewhat earlier one."""
    kept = _curves.get(model)
    if kept is None or not kept.serves(epoch, importance, training):
        start = time.monotonic()
        options = {"importance": importance, "threads": threads, "repeats": 2, "progress": False}
        table = prune_curve.prune_curve(still(model), tested(data), AMOUNTS, **options)
        ready = time.monotonic()
        _curves[model] = kept = Curve(table, epoch, importance, ready, ready - start)
    return kept


def tested(data):
    """The data; those without test samples with the training samples in their place."""
    return data if data.X_test is not None else dataclasses.replace(data, X_test=data.X_train, y_test=data.y_train)


def still(model, attempts=1000):
    """A copy of a net that may be changed just now by another thread: its layers fit together."""
    for _ in range(attempts):
        before = [layer.topology for layer in model.layers]
        try:
            net = model.copy()
            check_chain(net.layers)
        except (TypeError, ValueError):  # evolution is replacing layers
            net = None
        after = [layer.topology for layer in model.layers]
        if net and all(a is b for a, b in zip(before, after, strict=True)) and lefts(net) == net.sizes:
            return net
        time.sleep(0.002)
    raise RuntimeError("the net changes too quickly to be looked at")


def lefts(net):
    """Neurons left at each level, as its `neurons` have it."""
    return tuple(len(net.neurons.ids(level)) for level in range(len(net.sizes)))
