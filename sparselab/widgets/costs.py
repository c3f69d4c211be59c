"""Links, bytes and seconds of a run beside its dense equivalent, which is measured, once, on this machine."""

import numpy as np

from .. import dense, summary

AT_ONCE = 256 * 2**20  # bytes of a dense net that is measured while the training waits; a larger one when the run has ended
FLOPS = 3e10  # of dense work that may be spent on it
_measured = {}  # (sizes, samples, batch size) -> seconds of each measurement


def dense_seconds(sizes, n_samples, batch_size, *, again=False):
    """Seconds an epoch of the dense net of these widths; the lowest of two measurements, the second when asked `again`."""
    key = sizes, n_samples, batch_size
    known = _measured.setdefault(key, [])
    if len(known) < (2 if again else 1):
        a_batch = 6 * batch_size * sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
        known.append(dense.measure(*key, batches=int(min(10, max(2, FLOPS // a_batch)))).seconds)
    return None if None in known else min(known)


def sides(subject):
    """(ours, dense): two dicts of links, bytes, seconds; seconds are None where they were not measured yet."""
    model, run = subject.model, subject.current
    total = summary.rows(model)[-1]
    ours = {"links": total["links"], "bytes": total["training_bytes"], "seconds": None}
    other = {"links": total["dense_links"], "bytes": dense.dense_bytes(model.sizes), "seconds": None}
    if run.history:
        ours["seconds"] = float(np.median([record.seconds for record in run.history[1:] or run.history]))
    if run.history and (other["bytes"] <= AT_ONCE or not run.active):
        n_samples = run.history[-1].n_samples
        batch_size = min(run.config.batch_size, n_samples)
        other["seconds"] = dense_seconds(model.sizes, n_samples, batch_size, again=not run.active)
    return ours, other
