"""What a run leaves behind: one frozen record an epoch, and a list of them that reads like a table."""

import json
from dataclasses import dataclass, field, fields, replace

import numpy as np

from ..utils import checks

RECORD_PHASES = ("gather", "forward", "backward", "wait", "update", "evolve", "evaluate")


def _timing():
    return field(default=0.0, compare=False)


@dataclass(frozen=True)
class StepRecord:
    """One or several mini-batches: losses are means over their samples, in training mode (with dropout)."""

    epoch: int  # from 1
    step: int  # index of the last mini-batch, from 0
    n_steps: int
    n_samples: int
    loss: float
    accuracy: float | None
    learning_rate: float
    seconds: float = _timing()


@dataclass(frozen=True)
class EpochRecord:
    """One epoch. train_* are running means in training mode; test_* are None where not evaluated. Per-layer values are tuples.

    seconds is wall time without evaluation; seconds_* split it by phase (means over threads). Equality leaves time out.
    """

    epoch: int  # from 1
    phase: str
    train_loss: float
    train_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    nnz: tuple
    pruned: tuple
    grown: tuple
    active_neurons: tuple
    learning_rate: float
    n_samples: int
    neurons_pruned: tuple = ()  # per hidden layer: neurons that went, or lost their last incoming link
    staleness: float | None = None
    seconds: float = _timing()
    seconds_gather: float = _timing()
    seconds_forward: float = _timing()
    seconds_backward: float = _timing()
    seconds_wait: float = _timing()
    seconds_update: float = _timing()
    seconds_evolve: float = _timing()
    seconds_evaluate: float = _timing()
    fan_in: tuple = field(default=(), compare=False, repr=False)  # of each layer (n_out,); () for nets above 200,000 neurons
    fan_out: tuple = field(default=(), compare=False, repr=False)  # of each layer (n_in,)
    workers: object = field(default=None, compare=False, repr=False)  # of parallel training: staleness, timeline and more

    @property
    def links(self):
        """Links in all layers."""
        return sum(self.nnz)

    def without_degrees(self):
        """The same record without fan_in and fan_out, which are as long as the net is wide, and without `workers`."""
        return replace(self, fan_in=(), fan_out=(), workers=None)


LONG = ("fan_in", "fan_out", "workers")  # not in tables and files
COLUMNS = tuple(f.name for f in fields(EpochRecord) if f.name not in LONG)
TUPLES = tuple(f.name for f in fields(EpochRecord) if f.type is tuple)
KINDS = {f.name: f.type for f in fields(EpochRecord)}


class History(list):
    """A list of EpochRecords; `history["test_accuracy"]` is a column as a list."""

    def __getitem__(self, key):
        if isinstance(key, str):
            if key not in COLUMNS and key not in ("links", *LONG):
                raise KeyError(f"{key!r}: must be one of {[*COLUMNS, 'links', *LONG]}")
            return [getattr(record, key) for record in self]
        chosen = super().__getitem__(key)
        return History(chosen) if isinstance(key, slice) else chosen

    def to_frame(self):
        """A pandas DataFrame, one row an epoch."""
        import pandas

        return pandas.DataFrame([{name: getattr(record, name) for name in COLUMNS} for record in self], columns=list(COLUMNS))

    def to_csv(self, path):
        """Write the table as CSV."""
        self.to_frame().to_csv(path, index=False)

    def to_json(self):
        """The records as a JSON list (without degree vectors)."""
        return json.dumps([{name: plain(getattr(record, name)) for name in COLUMNS} for record in self])

    @classmethod
    def from_json(cls, text):
        """What `to_json` gave, back."""
        rows = json.loads(text)
        return cls(EpochRecord(**{k: tuple(v) if k in TUPLES else v for k, v in row.items()}) for row in rows)

    def to_table(self):
        """{"columns": names, "rows": values} for a file's JSON header (without degree vectors)."""
        return {"columns": list(COLUMNS), "rows": [[plain(getattr(record, name)) for name in COLUMNS] for record in self]}

    @classmethod
    def from_table(cls, table):
        """What `to_table` gave, back, each value looked at; TypeError or ValueError naming row and column."""
        columns = table["columns"]
        if sorted(columns) != sorted(COLUMNS):
            checks.fail("columns", columns, f"{list(COLUMNS)}")
        return cls(
            EpochRecord(**{name: checked(i, name, value) for name, value in zip(columns, row, strict=True)})
            for i, row in enumerate(table["rows"])
        )


def plain(value):
    """NumPy numbers and tuples as what JSON knows."""
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def checked(row, name, value):
    """A value of a table that came from a file, in the type of its column."""
    kind, where = KINDS[name], f"{name} of record {row}"
    if kind is tuple:
        if not isinstance(value, list):
            checks.fail(where, value, "a list of whole numbers", TypeError)
        return tuple(checks.integer(f"{where}[{i}]", number, low=0) for i, number in enumerate(value))
    if kind is int:
        return checks.integer(where, value, low=0)
    if kind is str:
        return value if isinstance(value, str) and value.isidentifier() else checks.fail(where, value, "a short name")
    if value is None and kind is not float:
        return None
    return value if type(value) in (int, float) else checks.fail(where, value, "a number", TypeError)


MOST_DEGREES, MOST_DEGREE_BYTES = 256, 2**26  # epochs whose degree vectors are kept at most, and bytes of them


def thin(history):
    """Drop degree vectors in place, so that those of at most about MOST_DEGREES epochs (or MOST_DEGREE_BYTES) stay.

    They are evenly spread; those of the first and last epoch always stay.
    """
    last, before = history[-1], history[-2] if len(history) > 1 else history[-1]
    size = sum(degrees.nbytes for degrees in (*last.fan_in, *last.fan_out))
    most = max(8, min(MOST_DEGREES, MOST_DEGREE_BYTES // max(1, size)))
    step, step_before = (1 << ((record.epoch - 1) // most).bit_length() for record in (last, before))
    for i in range(len(history) - 1) if step != step_before else [len(history) - 2] if step > 1 else ():
        if history[i].epoch % step and i and history[i].fan_out:
            history[i] = replace(history[i], fan_in=(), fan_out=())
