"""Links, bytes and seconds of a run beside its dense equivalent, which is measured once for all runs of its kind.

The equivalent has the original widths: importance pruning narrows a sparse net, but the dense one would not have been pruned.
"""

import numpy as np

from ..experiments import studies
from ..nn import footprint, summary

STEPPED = "steps × bytes in training (GB)"
AT_ONCE = 256 * 2**20  # a dense net of at most so many bytes is measured while the training waits, a larger one after it
ONCE = 64 * 2**20  # a dense net of more bytes is measured once, not twice
_seconds = {}  # (sizes, samples, batch size) -> seconds per epoch of the dense net


def sparse_and_dense(view_model):
    """Two dicts of links, bytes and seconds; seconds are None where they have not been measured."""
    model, run = view_model.model, view_model.current
    sizes = model.neurons.sizes
    if run.history and (footprint.dense_bytes(sizes) <= AT_ONCE or not run.active):
        return measured(model, run.history, run.config.batch_size)
    total = summary.rows(model)[-1]
    sparse = {"links": total["links"], "bytes": total["training_bytes"], "seconds": None}
    return sparse, {"links": footprint.dense_links(sizes), "bytes": footprint.dense_bytes(sizes), "seconds": None}


def stepped_gigabytes(run):
    """(epochs,) of each epoch of a LiveRun: its mini-batches times the bytes of links, biases and what training adds to them."""
    model = run.experiment.model
    widths, links = np.array(model.neurons.sizes), np.array([record.nnz for record in run.history], float)
    size = summary.shape_bytes(widths[:-1], widths[1:], links, model.dtype.itemsize).sum(axis=1)
    steps = np.ceil(np.array([record.n_samples for record in run.history]) / run.config.batch_size)
    return steps * size / 1e9


def measured(model, history, batch_size):
    """`studies.costs`, in which the dense net is measured only for the first run of its kind."""
    sizes = model.neurons.sizes
    key = sizes, history[-1].n_samples, batch_size
    repeats = 0 if key in _seconds else 1 if footprint.dense_bytes(sizes) > ONCE else 2
    sparse, dense = studies.costs(model, history, batch_size, repeats=repeats)
    _seconds.setdefault(key, dense["seconds"])
    return sparse, dense | {"seconds": _seconds[key]}
