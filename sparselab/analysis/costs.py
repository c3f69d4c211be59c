"""What a run has cost in arithmetic and bytes, and what the dense net would have cost."""

import numpy as np

from ..nn import footprint
from ..training.loop import check_model
from ..utils import checks
from .subjects import records_of


def run_costs(history, model):
    """A DataFrame, one row an epoch; the last row's totals are those of the run. Columns:

    epoch, links, seconds (training); flops: additions and multiplications of the epoch's training, total_flops: those of all
    epochs so far; inference_flops: of one sample; bytes: of the stored net, training_bytes: with velocity, gradient and
    transposed index (as in `model.summary()`, without activations), NaN where the widths of that time are not known: records
    without degrees of a net that has lost neurons since; each with its dense twin, dense_*: the dense net of the ORIGINAL widths,
    neurons that were pruned included.

    A link costs 2 flops a sample forward, 2 for dw and 2 for dX, which the first layer does not need (Evci et al. 2020, "Rigging
    the lottery", count a step as three forward passes); biases, activations, optimizer and evolution, O(neurons) a sample or
    O(links) a step, are not counted. Flops are floats: they may pass 2^63. history: the records of the run that ended with
    `model`. Raises TypeError or ValueError naming the argument.
    """
    import pandas

    check_model(model)
    records = records_of(history)
    if tuple(records[-1].nnz) != model.nnz or len({len(record.nnz) for record in records}) > 1:
        checks.fail("history", tuple(records[-1].nnz), f"of this model: its last epoch must have {model.nnz} links")
    links, widths = np.array([record.nnz for record in records], float), widths_of(records, model)
    dense, itemsize = dense_links(model), model.dtype.itemsize
    dense_bytes = lambda copies: float(footprint.dense_bytes(model.neurons.sizes, itemsize=itemsize, copies=copies))
    samples = np.array([record.n_samples for record in records], float)
    ends = widths[:, :-1], widths[:, 1:], links, itemsize
    stored, trained = _sum(footprint.layer_stored_items(*ends)), _sum(footprint.layer_training_items(*ends))
    table = {
        "epoch": [record.epoch for record in records],
        "links": links.sum(axis=1).astype(np.int64),
        "seconds": [record.seconds for record in records],
        "flops": training_flops(links) * samples,
        "dense_flops": training_flops(dense) * samples,
        "inference_flops": 2 * links.sum(axis=1),
        "dense_inference_flops": 2 * dense.sum(),
        "bytes": stored,
        "dense_bytes": dense_bytes(1),
        "training_bytes": stored + trained,
        "dense_training_bytes": dense_bytes(3),
    }
    table |= {f"total_{name}": np.cumsum(table[name]) for name in ("flops", "dense_flops")}
    return pandas.DataFrame(table)


def training_flops(links):
    """Flops of one sample's forward and backward pass through layers with `links` (…, layers)."""
    return 6 * links.sum(axis=-1) - 2 * links[..., 0]


def dense_links(model):
    """(layers,) floats: links of the dense net of the original widths."""
    sizes = np.array(model.neurons.sizes, float)
    return sizes[:-1] * sizes[1:]


def widths_of(records, model):
    """(epochs, levels) floats: neurons of each level; NaN where neurons have gone since and the record has no degrees."""
    if model.sizes == model.neurons.sizes:
        return np.tile(np.array(model.sizes, float), (len(records), 1))
    known = lambda record: [len(record.fan_out[0]), *map(len, record.fan_in)] if record.fan_in else [np.nan] * len(model.sizes)
    return np.array([*map(known, records[:-1]), model.sizes], float)


def _sum(items):
    """(epochs,) bytes of all items, each (epochs, layers)."""
    return sum(n.sum(axis=1) for n in items.values())
