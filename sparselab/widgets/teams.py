"""What workers did, as views of a panel: functions of its Subject that give a Figure, or None where there is nothing yet."""

import numpy as np

from .. import figures
from ..figures.style import limit_height, set_height
from .teamwork import split_of

ALONE = "Nothing to see yet: press Start, with at least one worker."
NO_PUSHES = "Nothing to see yet: only a first phase with workers has pushes."
NOT_COMPARED = "Nothing to compare yet: press Start with 0 workers, and once more with some."
SHOWN = 3  # epochs in the timeline
SAME = (
    "dataset",
    "hidden",
    "epsilon",
    "batch_size",
    "pruning",
    "pruning_amount",
    "threads",
)  # what decides how much work there is


def marked(figure, run):
    """Learning curves with a dotted line where the workers of `run` part."""
    split = split_of(run.config)
    if run.config.workers and 0 < split < run.config.epochs and len(run.history) > split:
        for ax in figure.axes:
            ax.axvline(split + 0.5, color="0.35", linestyle=":", linewidth=1.2)
        ax.annotate(
            "workers part ", (split + 0.5, 0.02), xycoords=("data", "axes fraction"), ha="right", fontsize=8, color="0.35"
        )
    return figure


def timeline(subject):
    """Tasks of each worker in the last epochs."""
    records = subject.current.history[-SHOWN:]
    return limit_height(figures.worker_timeline(records), 3.6) if any(tasks_of(record) for record in records) else None


def tasks_of(record):
    """(worker, start, end) of each task of an epoch; [] where none is known, as in a run that goes on from a file."""
    return [] if record.workers is None else record.workers.timeline


def staleness(subject):
    """How late the gradients of each run came."""
    runs = {label: history for label, history in subject.runs.items() if pushes_of(history)}
    return limit_height(figures.staleness_histogram(unnamed(runs))) if runs else None


def dropped(subject):
    """How much of them had no place any more."""
    runs = {label: pushes_of(history) for label, history in subject.runs.items() if pushes_of(history)}
    return limit_height(figures.dropped_entries(unnamed(runs))) if runs else None


def pushes_of(history):
    """Records of epochs with pushes."""
    return [record for record in list(history) if record.workers is not None and record.workers.staleness]


def unnamed(runs):
    """A run alone needs no name."""
    return next(iter(runs.values())) if len(runs) == 1 else runs


def average(subject):
    """Accuracy of the common net, of the workers' own, and of their average; of the runs kept, too."""
    runs = {label: list(history) for label, history in subject.runs.items()}
    runs = {label: history for label, history in runs.items() if any(r.test_accuracy is not None for r in history)}
    return set_height(figures.accuracy_by_phase(unnamed(runs), dataset=subject.data), 3.9) if runs else None


def speed_up(subject):
    """Mean seconds of an epoch with workers, beside the latest run without: of all runs that had the same work to do."""
    import pandas

    current, found, base = subject.current, {}, None
    for run in [*subject.kept, current]:
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
    """Mean seconds of an epoch, without those of the first two, which load compiled code."""
    seconds = [record.seconds for record in list(history)]
    return float(np.mean(seconds[2:] or seconds))
