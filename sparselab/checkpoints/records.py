"""Records of a run, one frozen value an epoch or a few mini-batches, and the list of epochs that reads like a table."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, SupportsIndex, get_origin, overload

import numpy as np

from ..utils import checks

if TYPE_CHECKING:
    import pandas

RECORD_PHASES = ("gather", "forward", "backward", "wait", "update", "evolve", "evaluate")


def _timing():
    """A field that is left out of comparisons."""
    return field(default=0.0, compare=False)


@dataclass(frozen=True)
class StepRecord:
    """One or several mini-batches; values are means over their samples, in training mode (with dropout).

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 1.
    step : int
        Index of the last mini-batch in its epoch, from 0.
    n_steps, n_samples : int
        Mini-batches and samples since the record before.
    loss : float
        Mean loss.
    accuracy : float or None
        Share of correct labels; None for regressions.
    learning_rate : float
        Rate of the last mini-batch.
    seconds : float, default 0.0
        Wall time; equality leaves it out.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> records = list(sl.steps(model, ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8), epochs=1, batch_size=4, seed=0))
    >>> [record.step for record in records if isinstance(record, sl.StepRecord)]
    [0, 1, 2, 3]
    """

    epoch: int
    step: int
    n_steps: int
    n_samples: int
    loss: float
    accuracy: float | None
    learning_rate: float
    seconds: float = _timing()


@dataclass(frozen=True)
class EpochRecord:
    """One epoch. Values for each layer are tuples; equality leaves out times, degree vectors and `workers`.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 1.
    phase : str
        "sequential", or in parallel training "asynchronous", "synchronous", "local" or "average".
    train_loss : float
        Mean loss over the epoch's mini-batches, in training mode (with dropout).
    train_accuracy : float or None
        Share of correct labels among them; None for regressions.
    test_loss, test_accuracy : float or None
        Scores on the test samples; None where they were not evaluated. A regression has no accuracy.
    nnz : tuple of int
        Links of each layer; while parallel workers train alone, those of the first one's net.
    pruned, grown : tuple of int
        Links of each layer that were removed and added before the epoch; while parallel workers train alone, by the first one.
    active_neurons : tuple of int
        Neurons of each hidden layer that have incoming and outgoing links.
    learning_rate : float
        Rate of the last mini-batch.
    n_samples : int
        Training samples.
    neurons_pruned : tuple of int, default ()
        Neurons of each hidden layer that were removed or lost their last incoming link.
    staleness : float, optional
        Mean number of updates between the read of a net and its gradient (parallel training).
    seconds : float, default 0.0
        Wall time without evaluation.
    seconds_gather, seconds_forward, seconds_backward, seconds_wait, seconds_update, seconds_evolve, seconds_evaluate : float
        Time of each phase, a mean over threads.
    fan_in : tuple of ndarray, default ()
        Incoming links of each output of each layer, arrays (n_out,); () for nets of more than 200,000 neurons.
    fan_out : tuple of ndarray, default ()
        Outgoing links of each input of each layer, arrays (n_in,).
    workers : object, optional
        Parallel training: staleness, timeline and more.
    test_r2 : float, optional
        R² on the test samples of a regression.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> record = next(sl.train(model, ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8), epochs=1, seed=0))
    >>> record.epoch, record.phase, record.links == model.n_links
    (1, 'sequential', True)
    """

    epoch: int
    phase: str
    train_loss: float
    train_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    nnz: tuple[int, ...]
    pruned: tuple[int, ...]
    grown: tuple[int, ...]
    active_neurons: tuple[int, ...]
    learning_rate: float
    n_samples: int
    neurons_pruned: tuple[int, ...] = ()
    staleness: float | None = None
    seconds: float = _timing()
    seconds_gather: float = _timing()
    seconds_forward: float = _timing()
    seconds_backward: float = _timing()
    seconds_wait: float = _timing()
    seconds_update: float = _timing()
    seconds_evolve: float = _timing()
    seconds_evaluate: float = _timing()
    fan_in: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)
    fan_out: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)
    workers: Any = field(default=None, compare=False, repr=False)
    test_r2: float | None = None

    @property
    def links(self) -> int:
        """Links in all layers."""
        return sum(self.nnz)

    def without_degrees(self) -> "EpochRecord":
        """Return a copy without `fan_in` and `fan_out`, which are as long as the net is wide, and without `workers`.

        Returns
        -------
        EpochRecord
            The copy; it equals this record.
        """
        return replace(self, fan_in=(), fan_out=(), workers=None)


NOT_IN_TABLES = ("fan_in", "fan_out", "workers")
COLUMNS = tuple(f.name for f in fields(EpochRecord) if f.name not in NOT_IN_TABLES)
ADDED = ("test_r2",)  # columns that files of version 0.1 do not have
TYPES = {f.name: f.type for f in fields(EpochRecord)}
TUPLES = tuple(name for name in COLUMNS if get_origin(TYPES[name]) is tuple)


class History(list[EpochRecord]):
    """A list of EpochRecords whose columns can be read by name.

    Parameters
    ----------
    iterable : iterable of EpochRecord, optional
        The records, such as `sl.train(...)`.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    >>> history = sl.History(sl.train(model, ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8), epochs=3, seed=0))
    >>> history["epoch"]
    [1, 2, 3]
    >>> history[-1].epoch
    3
    """

    @overload
    def __getitem__(self, key: SupportsIndex) -> EpochRecord: ...
    @overload
    def __getitem__(self, key: slice) -> "History": ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key):
        if isinstance(key, str):
            if key not in COLUMNS and key not in ("links", *NOT_IN_TABLES):
                raise KeyError(f"{key!r}: must be one of {[*COLUMNS, 'links', *NOT_IN_TABLES]}")
            return [getattr(record, key) for record in self]
        chosen = super().__getitem__(key)
        return History(chosen) if isinstance(key, slice) else chosen

    def to_frame(self) -> "pandas.DataFrame":
        """Return the history as a table, one row an epoch.

        Returns
        -------
        pandas.DataFrame
            The fields of the records as columns, without degree vectors and `workers`.
        """
        import pandas

        return pandas.DataFrame(self._rows(), columns=list(COLUMNS))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table of `to_frame` as CSV.

        Parameters
        ----------
        path : str or path-like
            The file.
        """
        self.to_frame().to_csv(path, index=False)

    def to_json(self) -> str:
        """Return the records as a JSON list, without degree vectors and `workers`.

        Returns
        -------
        str
            JSON text, for `from_json`.
        """
        return json.dumps([dict(zip(COLUMNS, to_plain(row), strict=True)) for row in self._rows()])

    @classmethod
    def from_json(cls, text: str) -> "History":
        """Make a History from the text of `to_json`.

        Parameters
        ----------
        text : str
            JSON text.

        Returns
        -------
        History
            The records.
        """
        rows: list[dict[str, Any]] = json.loads(text)
        return cls(EpochRecord(**row | {name: tuple(row[name]) for name in TUPLES if name in row}) for row in rows)

    def to_table(self) -> dict[str, list[Any]]:
        """Return the history as plain values for the JSON header of a file.

        Returns
        -------
        dict
            "columns": their names; "rows": a list of values for each epoch.
        """
        return {"columns": list(COLUMNS), "rows": [to_plain(row) for row in self._rows()]}

    @classmethod
    def from_table(cls, table: dict[str, list[Any]]) -> "History":
        """Make a History from the plain values of `to_table`, each of which is checked.

        Parameters
        ----------
        table : dict
            As `to_table` returns it; the order of the columns does not matter.

        Returns
        -------
        History
            The records.

        Raises
        ------
        TypeError or ValueError
            Naming row and column.
        """
        columns = table["columns"]
        if sorted({*columns, *ADDED}) != sorted(COLUMNS) or len(set(columns)) < len(columns):
            checks.fail("columns", columns, f"{list(COLUMNS)}")
        return cls(
            EpochRecord(**{name: check_value(i, name, value) for name, value in zip(columns, row, strict=True)})
            for i, row in enumerate(table["rows"])
        )

    def _rows(self) -> Iterator[list[Any]]:
        """The values of each record, in the order of COLUMNS."""
        return ([getattr(record, name) for name in COLUMNS] for record in self)


def to_plain(value):
    """A value as JSON types: NumPy numbers as Python numbers, tuples as lists."""
    if isinstance(value, tuple | list):
        return [to_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def check_value(row, name, value):
    """A value from a file in the type of its column; TypeError or ValueError naming row and column."""
    kind, where = TYPES[name], f"{name} of record {row}"
    if name in TUPLES:
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


MAX_DEGREE_EPOCHS, MAX_DEGREE_BYTES = 256, 2**26  # at most so many epochs keep their degree vectors, of so many bytes in all


def thin(history):
    """Drop degree vectors in place, so that at most about MAX_DEGREE_EPOCHS epochs (or MAX_DEGREE_BYTES) keep theirs.

    Those epochs are evenly spread; the first and the last one are always among them.
    """
    last, before = history[-1], history[-2] if len(history) > 1 else history[-1]
    size = sum(degrees.nbytes for degrees in (*last.fan_in, *last.fan_out))
    most = max(8, min(MAX_DEGREE_EPOCHS, MAX_DEGREE_BYTES // max(1, size)))
    step, step_before = (1 << ((record.epoch - 1) // most).bit_length() for record in (last, before))
    for i in range(len(history) - 1) if step != step_before else [len(history) - 2] if step > 1 else ():
        if history[i].epoch % step and i and history[i].fan_out:
            history[i] = replace(history[i], fan_in=(), fan_out=())
