"""Chooses the engine: `fused` where it can run the training, `layerwise` otherwise.

`fused` runs whole steps in compiled code. It needs float32, activations that are pairs of slopes, a built-in loss and
optimizer, and JIT (`is_fusable`). `layerwise` runs any plug-in and dtype. Where both can run they give the same bits.
"""

from contextlib import contextmanager

import numpy as np

from ..kernels import JIT
from ..nn import activations, losses
from ..nn.evaluation import scores_of
from ..nn.footprint import WORTH_CHECKING
from ..nn.weighted_loss import parts_of
from ..utils import checks, resources
from .entries import by_entries, links_read, tile_sizes
from .fused import UPDATES, FusedEngine
from .layerwise import LayerwiseEngine
from .tiling import tile_width

WORTH_THREADS = 2 * 10**7  # links × samples of a prediction from which it is worth starting threads
KEEP = 2**24  # bytes of model and buffers up to which the model keeps the engine of its last prediction


@contextmanager
def predicting(model, X, threads):
    """An engine for validated samples X, without dropout.

    Small predictions run on one thread. The model keeps their engine, so that the next prediction need not allocate buffers and
    tables. One caller at a time reuses it; others get a new one.
    """
    n, width = X.shape[0], tile_width(X.shape[0])
    key, (kept, engine) = (width, model.activation, model.dtype), model.__dict__.pop("_idle", (None, None))
    first = model.layers[0].topology
    entries = by_entries(X, first)
    threads = threads if n * links_read(model, X) >= WORTH_THREADS else 1
    if kept != key or threads > 1:
        engine = create(model, losses.SoftmaxCrossEntropy(), None, n, threads)
        buffers = 2 * sum(tile_sizes(model, entries)) * width * model.dtype.itemsize
        small = threads == 1 and model.nbytes + buffers <= KEEP
        key = key if small and is_value(model.activation) else None
    engine.index = not entries or has_room_for_index(first)
    try:
        yield engine
    finally:
        if key:
            model._idle = key, engine
        else:
            engine.close()


def outputs(model, X, threads):
    """The net's outputs (n, n_out) for validated samples X, without dropout."""
    with predicting(model, X, threads) as engine:
        return engine.outputs(X)


def best_outputs(model, X, threads, k):
    """(places, outputs) of the k largest outputs of each of the validated samples X, (n, k), without dropout."""
    with predicting(model, X, threads) as engine:
        return engine.best_outputs(X, k)


def scores(model, X, threads, loss, targets, weights=None):
    """(loss, accuracy, R²) of the net on validated samples X, without dropout; weights: of the samples."""
    checks.one_for_each_row(targets, X.shape[0])
    return scores_of(loss, lambda begin, end: outputs(model, X[begin:end], threads), targets, weights, model.sizes[-1])


def has_room_for_index(topology):
    """Whether the transposed index exists, or fits into the memory."""
    need = 12 * topology.nnz + 8 * topology.n_in  # while it is made; then 8 bytes a link
    if "transposed" in vars(topology) or need < WORTH_CHECKING:
        return True
    have = resources.available()
    return have is None or need <= have


def is_value(thing):
    """Whether an object is a frozen dataclass: comparable and immutable."""
    parameters = getattr(type(thing), "__dataclass_params__", None)
    return parameters is not None and parameters.frozen and parameters.eq


def is_fusable(model, loss, optimizer):
    """Whether the fused engine can run this model with this loss and optimizer (None: predictions only)."""
    return (
        JIT
        and model.dtype == np.float32
        and all(activations.slopes(f) is not None for f in model.hidden)
        and losses.is_built_in(parts_of(loss)[0])
        and (optimizer is None or (type(optimizer) in UPDATES and not getattr(optimizer, "count_by_link", False)))
    )


def create(model, loss, optimizer, batch_size, threads, index=True):
    """The fastest engine that can run this model with this loss and optimizer. index: see FusedEngine."""
    if is_fusable(model, loss, optimizer):
        return FusedEngine(model, loss, tile_width(batch_size), threads, index)
    return LayerwiseEngine(model, loss, tile_width(batch_size), threads)
