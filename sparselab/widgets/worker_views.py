"""Views of what parallel workers did: functions of a ViewModel that return a Figure, or None where there is nothing yet."""

import numpy as np

from .. import figures
from ..figures.style import limit_height, set_height
from .plans import first_phase

NO_WORKERS = "Nothing to see yet: press Start, with at least one worker."
NO_PUSHES = "Nothing to see yet: only a first phase with workers has pushes."
NOT_COMPARED = "Nothing to compare yet: press Start with 0 workers, and once more with some."
SHOWN = 3  # epochs in the timeline
SAME = (  # fields that decide the work to do
    "dataset", "hidden", "epsilon", "topology", "density", "dense_last", "batch_size", "pruning", "pruning_amount", "threads",
)  # fmt: skip


def split_of(run):
    """Where the first phase of a run ended on an axis of epochs; None where it did not."""
    split = first_phase(run.config)
    return split + 0.5 if run.config.workers and 0 < split < run.config.epochs and len(run.history) > split else None


def marked(figure, run):
    """Learning curves with a dotted line where the first phase of `run` ends."""
    split = split_of(run)
    if split is not None:
        for ax in figure.axes:
            ax.axvline(split, color="0.35", linestyle=":", linewidth=1.2)
        where = {"xycoords": ("data", "axes fraction"), "ha": "right"}
        ax.annotate("end of phase 1 ", (split, 0.02), **where, fontsize=8, color="0.35")
    return figure


def timeline(view_model):
    """Tasks of each worker in the last epochs."""
    records = view_model.current.history[-SHOWN:]
    known = any(record.workers and record.workers.timeline for record in records)  # not in records that were read from a file
    return limit_height(figures.worker_timeline(records), 3.6) if known else None


def staleness(view_model):
    """Staleness of the gradients of each run."""
    runs = {label: history for label, history in view_model.runs.items() if pushes_of(history)}
    return limit_height(figures.staleness_histogram(unnamed(runs))) if runs else None


def dropped(view_model):
    """Share of gradient entries whose link no longer existed."""
    runs = {label: pushes_of(history) for label, history in view_model.runs.items() if pushes_of(history)}
    return limit_height(figures.dropped_entries(unnamed(runs))) if runs else None


def pushes_of(history):
    """The records of epochs with pushes."""
    return [record for record in list(history) if record.workers is not None and record.workers.staleness]


def unnamed(runs):
    """The runs by label; a single run without its label."""
    return next(iter(runs.values())) if len(runs) == 1 else runs


def average(view_model):
    """Accuracy of the shared net, of the workers' own nets and of their average, for each run."""
    runs = {label: list(history) for label, history in view_model.runs.items()}
    runs = {label: history for label, history in runs.items() if any(r.test_accuracy is not None for r in history)}
    return set_height(figures.accuracy_by_phase(unnamed(runs), dataset=view_model.common_data), 3.9) if runs else None


def speed_up(view_model):
    """Mean seconds per epoch with workers against the latest run without; only runs with the same work are compared."""
    import pandas

    current, found, base = view_model.current, {}, None
    for run in [*view_model.earlier, current]:
        if not run.history or any(getattr(run.config, name) != getattr(current.config, name) for name in SAME):
            continue
        if run.config.workers:
            kind = "synchronous" if run.config.synchronous else "asynchronous"
            found.setdefault(f"{run.config.backend}, {kind}", {})[run.config.workers] = seconds_of(run.history)
        else:
            base = seconds_of(run.history)
    if not found or base is None:
        return None
    tables = {label: pandas.DataFrame(list(times.items()), columns=["workers", "seconds"]) for label, times in found.items()}
    return limit_height(figures.speed_up(tables, alone=base))


def seconds_of(history):
    """Mean seconds per epoch, without the first two, which load compiled code."""
    seconds = [record.seconds for record in list(history)]
    return float(np.mean(seconds[2:] or seconds))
