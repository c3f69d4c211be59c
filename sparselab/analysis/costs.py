"""What a run has cost in arithmetic and bytes, and what the dense net would have cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..nn import footprint
from ..training.loop import check_model
from ..utils import checks
from .records import records_of

if TYPE_CHECKING:
    import pandas

    from ..checkpoints.records import EpochRecord
    from ..nn.mlp import SparseMLP


def run_costs(history: Sequence[EpochRecord], model: SparseMLP) -> pandas.DataFrame:
    """Count the arithmetic and the bytes of a run, epoch by epoch.

    A link costs 2 flops a sample forward, 2 for dw and 2 for dX, which the first layer does not need; biases, activations,
    optimizer and evolution, O(neurons) a sample or O(links) a step, are not counted.

    Parameters
    ----------
    history : History or sequence of EpochRecord
        The records of the run that ended with `model`.
    model : SparseMLP
        The trained net.

    Returns
    -------
    pandas.DataFrame
        One row an epoch; the totals in the last row are those of the run. Columns: epoch, links, seconds (training); flops
        (additions and multiplications of the epoch's training), total_flops (of all epochs so far), inference_flops (of one
        sample); bytes (of the stored net), training_bytes (with velocity, gradient and transposed index, as in
        `model.summary()`, without activations). bytes are NaN in epochs whose widths are not known: records without degree
        vectors of a net that has lost neurons since. dense_*: the same for the dense net of the original widths, pruned neurons
        included. Flops are floats, because they may exceed 2^63.

    Raises
    ------
    TypeError or ValueError
        Naming the argument, its value and what is allowed.

    References
    ----------
    U. Evci et al., "Rigging the lottery: making all tickets winners", 2020, which counts a training step as three forward
    passes.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> history = sl.History(sl.train(model, ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8), epochs=2, seed=0))
    >>> costs = sl.analysis.run_costs(history, model)
    >>> bool(costs["inference_flops"].iloc[-1] == 2 * model.n_links)
    True
    """
    import pandas

    check_model(model)
    records = records_of(history)
    if tuple(records[-1].nnz) != model.nnz or len({len(record.nnz) for record in records}) > 1:
        checks.fail("history", tuple(records[-1].nnz), f"of this model: its last epoch must have {model.nnz} links")
    links, widths = np.array([record.nnz for record in records], float), widths_of(records, model)
    dense, itemsize = footprint.expected_links(model.neurons.sizes, density=1.0), model.dtype.itemsize
    dense_bytes = lambda copies: float(footprint.dense_bytes(model.neurons.sizes, itemsize=itemsize, copies=copies))
    samples = np.array([record.n_samples for record in records], float)
    ends = widths[:, :-1], widths[:, 1:], links, itemsize, np.array([len(layer.values) for layer in model.layers])
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
    """Flops of one sample's forward and backward pass; links: (…, layers)."""
    return 6 * links.sum(axis=-1) - 2 * links[..., 0]


def widths_of(records, model):
    """(epochs, levels) floats: neurons of each level; NaN for records without degrees of a net that has lost neurons since."""
    if model.sizes == model.neurons.sizes:
        return np.tile(np.array(model.sizes, float), (len(records), 1))
    known = lambda record: [len(record.fan_out[0]), *map(len, record.fan_in)] if record.fan_in else [np.nan] * len(model.sizes)
    return np.array([*map(known, records[:-1]), model.sizes], float)


def _sum(items):
    """(epochs,) bytes of all items, each (epochs, layers)."""
    return sum(n.sum(axis=1) for n in items.values())
