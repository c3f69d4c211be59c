"""Checks of arguments: the records of a run, and the degree vectors in a record."""

from ..training.memory import DEGREES_UP_TO
from ..utils import checks

SIDES = ("in", "out")


def is_record(value):
    """Whether this looks like an EpochRecord."""
    return hasattr(value, "epoch") and hasattr(value, "train_loss")


def is_step(value):
    """Whether this looks like a StepRecord."""
    return hasattr(value, "epoch") and hasattr(value, "n_steps")


def is_of_now(record, model):
    """Whether the model is as it was at the end of this EpochRecord's epoch.

    A resumed run yields the records of its finished epochs first, without degree vectors, which large nets never have.
    """
    return len(record.fan_in) > 0 or sum(model.sizes) > DEGREES_UP_TO


def records_of(history, name="history"):
    """The records of one run as a list; TypeError or ValueError naming the argument."""
    allowed = "a History, or a list of EpochRecords, with at least one epoch"
    if is_record(history):
        return [history]
    if not isinstance(history, list | tuple) or not all(map(is_record, history)):
        checks.fail(name, history, allowed, TypeError)
    if not history:
        checks.fail(name, list(history), allowed)
    return list(history)


def degrees_of(record, name="record"):
    """The record itself if it holds fan-in and fan-out vectors; ValueError otherwise."""
    if not len(record.fan_out):
        text = "which is not kept for nets above 200,000 neurons nor in CSV or JSON; take the model instead"
        raise ValueError(f"{name}: epoch {record.epoch} has no fan_in and fan_out, {text}")
    return record


def degrees_in(record, layer, side, name="history"):
    """(degrees (neurons,), links that a neuron could have) of one side of layer 1, 2, … in a record."""
    record = degrees_of(record, name)
    pair = record.fan_in[layer - 1], record.fan_out[layer - 1]
    degrees, others = pair if side == "in" else pair[::-1]
    return degrees, len(others)
