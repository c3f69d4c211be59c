"""Normalises the runs that callers pass: a run, several seeds or a dict become {label: [records of each seed]}."""

import numpy as np

from ..analysis.records import degrees_of as degrees_of
from ..analysis.records import is_record as is_record
from ..analysis.records import records_of as records_of
from ..utils import checks


def runs_of(runs, name="runs"):
    """{label: [records of each seed]} of a History, a list of them (seeds) or {label: either}; a single run has the label ""."""
    if not isinstance(runs, dict):
        seeds = _seeds(runs, name)
        return {"" if len(seeds) == 1 else "mean": seeds}
    if not runs:
        checks.fail(name, runs, "a History or a dict {label: History or list of Histories} that is not empty")
    checks.different_texts(name, runs)
    return {label: _seeds(value, f"{name}[{label!r}]") for label, value in runs.items()}


def _seeds(value, name):
    several = isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], list | tuple)
    return [records_of(run, f"{name}[{i}]") for i, run in enumerate(value)] if several else [records_of(value, name)]


def column(records, name):
    """Array (epochs,) of one field, NaN where it is None or there is no such field."""
    return np.array([np.nan if (value := getattr(record, name, None)) is None else value for record in records], float)
