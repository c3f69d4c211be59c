"""What callers hand in, made one: a run, runs by name, seeds of a run become {label: [list of records, ...]}."""

import numpy as np

from .. import checks


def is_record(value):
    """Whether this looks like an EpochRecord."""
    return hasattr(value, "epoch") and hasattr(value, "train_loss")


def records_of(history, name="history"):
    """The records of one run as a list; raises TypeError or ValueError naming the argument."""
    wanted = "a History, or a list of EpochRecords, with at least one epoch"
    if is_record(history):
        return [history]
    if not isinstance(history, list | tuple) or not all(map(is_record, history)):
        checks.fail(name, history, wanted, TypeError)
    if not history:
        checks.fail(name, list(history), wanted)
    return list(history)


def runs_of(runs, name="runs"):
    """{label: [records of each seed]} of a History, [History of each seed] or {label: either}; a run alone has the label ""."""
    if not isinstance(runs, dict):
        seeds = _seeds(runs, name)
        return {"" if len(seeds) == 1 else "mean": seeds}
    if not runs:
        checks.fail(name, runs, "a History or a dict {label: History or list of Histories} that is not empty")
    return {label: _seeds(value, f"{name}[{label!r}]") for label, value in runs.items()}


def _seeds(value, name):
    several = isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], list | tuple)
    return [records_of(run, f"{name}[{i}]") for i, run in enumerate(value)] if several else [records_of(value, name)]


def column(records, name):
    """(epochs,) floats of one field, NaN where it is None."""
    return np.array([np.nan if (value := getattr(record, name)) is None else value for record in records], float)


def degrees_of(record, name="record"):
    """The record itself if it holds fan-in and fan-out vectors; ValueError otherwise."""
    if not len(record.fan_out):
        text = "which is not kept for nets above 200,000 neurons nor in CSV or JSON; take the model instead"
        raise ValueError(f"{name}: epoch {record.epoch} has no fan_in and fan_out, {text}")
    return record
