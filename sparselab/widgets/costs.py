"""Links, bytes and seconds of a run beside its dense equivalent, which is measured once, then kept for all runs of its kind.

The equivalent has the original widths: importance pruning makes a net smaller, and the dense one would not have been pruned.
"""

from ..experiments import studies
from ..nn import footprint, summary

AT_ONCE = 256 * 2**20  # bytes of a dense net that is measured while the training waits; a larger one when the run has ended
ONCE = 64 * 2**20  # bytes from which it is measured once and not twice
_measured = {}  # (sizes, samples, batch size) -> seconds an epoch of the dense net


def sides(subject):
    """(ours, dense): two dicts of links, bytes, seconds; seconds are None where they were not measured yet."""
    model, run = subject.model, subject.current
    sizes = model.neurons.sizes
    if run.history and (footprint.dense_bytes(sizes) <= AT_ONCE or not run.active):
        return measured(model, run.history, run.config.batch_size)
    total = summary.rows(model)[-1]
    ours = {"links": total["links"], "bytes": total["training_bytes"], "seconds": None}
    return ours, {"links": footprint.dense_links(sizes), "bytes": footprint.dense_bytes(sizes), "seconds": None}


def measured(model, history, batch_size):
    """`studies.costs`, the dense net measured for the first run of its kind only."""
    sizes = model.neurons.sizes
    key = sizes, history[-1].n_samples, batch_size
    repeats = 0 if key in _measured else 1 if footprint.dense_bytes(sizes) > ONCE else 2
    ours, other = studies.costs(model, history, batch_size, repeats=repeats)
    _measured.setdefault(key, other["seconds"])
    return ours, other | {"seconds": _measured[key]}
