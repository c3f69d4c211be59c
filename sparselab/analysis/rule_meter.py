"""What a rule does to a net while it trains: accuracy, links, ITOP rate, idle neurons and the time of an event, by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoints.records import History, thin
from ..training.loop import check_model
from .health import idle
from .lifetimes import LinkTracker, Record
from .records import is_of_now, is_record

if TYPE_CHECKING:
    import pandas

    from ..nn.mlp import SparseMLP

COLUMNS = ("epoch", "test_accuracy", "links", "density", "itop_rate", "neurons", "idle", "events", "event_seconds")


class RuleMeter:
    """Follows one training, with numbers that make rules comparable.

    Parameters
    ----------
    X : array_like or sparse matrix of shape (n, features)
        Samples on which a neuron counts as idle: some hundreds are enough.

    Attributes
    ----------
    history : History
        The EpochRecords that were passed on.
    tracker : LinkTracker
        The links ever tried, and their ages.
    model : SparseMLP or None
        The net that was watched last.

    Examples
    --------
    >>> import sparselab as sl
    >>> model, X, y = sl.SparseMLP.create((2, 8, 2), density=0.5, seed=0), [[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8
    >>> meter = sl.analysis.RuleMeter(X)
    >>> for record in meter.watch(sl.steps(model, (X, y), rules=[sl.SET(0.3)], epochs=3, batch_size=4, seed=0), model):
    ...     pass
    >>> meter.to_frame()["events"].tolist()
    [0, 1, 1]
    """

    history: History
    tracker: LinkTracker
    model: SparseMLP | None

    def __init__(self, X: Any) -> None:
        self.X, self.history, self.tracker, self.model = X, History(), LinkTracker(), None
        self._rows: list[dict[str, Any]] = []

    def watch(self, records: Iterable[Record], model: SparseMLP) -> Iterator[Record]:
        """Pass on the records of a training and measure the net at each epoch but those that a resumed run had finished before.

        Parameters
        ----------
        records : iterable of EpochRecord and StepRecord
            A training; several events in an epoch are told apart only in the records of `sparselab.steps`.
        model : SparseMLP
            The net that it trains.

        Yields
        ------
        EpochRecord or StepRecord
            The same records.

        Raises
        ------
        TypeError or ValueError
            Naming the argument.
        """
        check_model(model)
        self.model, here, events = model, [layer.topology for layer in model.layers], 0
        for record in self.tracker.watch(records, model):
            before, here = here, [layer.topology for layer in model.layers]
            events += any(a is not b for a, b in zip(before, here, strict=True))
            if is_record(record):
                self.history.append(record)
                thin(self.history)
                if is_of_now(record, model):
                    self._rows.append(self._row(record, events))
                events = 0
            yield record

    def to_frame(self) -> pandas.DataFrame:
        """Return the measurements as a table.

        Returns
        -------
        pandas.DataFrame
            One row an epoch. Columns: epoch; test_accuracy; links; density: links as a share of the possible ones of the original
            net; itop_rate: links ever tried as such a share (see LinkTracker); neurons: hidden ones; idle: those with f'(z) = 0
            on all samples, without an incoming or without an outgoing link; events: changes of the topology; event_seconds:
            mean time of one, NaN without any.
        """
        import pandas

        return pandas.DataFrame(self._rows, columns=COLUMNS)

    def _row(self, record, events):
        tried = self.tracker.tried
        possible, none = sum(t.n_out * t.n_in for t in tried), [np.zeros(0, bool)]
        neurons = np.concatenate([*none, *idle(self.model, self.X)])
        return {
            "epoch": record.epoch, "test_accuracy": np.nan if record.test_accuracy is None else record.test_accuracy,
            "links": record.links, "density": record.links / possible, "itop_rate": sum(t.nnz for t in tried) / possible,
            "neurons": len(neurons), "idle": int(np.count_nonzero(neurons)), "events": events,
            "event_seconds": record.seconds_evolve / events if events else np.nan,
        }  # fmt: skip
