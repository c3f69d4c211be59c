"""How well a net ranks the labels of test samples while it trains, and the links of frequent and of rare labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checkpoints.records import EpochRecord, History, StepRecord, thin
from ..datasets import Dataset
from ..nn.metrics import precision_at
from ..training.loop import check_model, predict_topk
from ..utils import checks
from .records import is_of_now, is_record

if TYPE_CHECKING:
    import pandas

    from ..nn.mlp import SparseMLP


class RankMeter:
    """Follows one training on several labels a sample, with P@k of the test samples after each epoch.

    Parameters
    ----------
    data : Dataset
        The data, with test samples and sparse y. Of these at most `n_samples` are predicted.
    ks : sequence of int, default (1, 3, 5)
        The numbers k of best labels.
    n_samples : int, default 2,000
        Test samples that are predicted, the first ones.
    threads : int, optional
        Threads that predict, by default all cores.

    Attributes
    ----------
    history : History
        The EpochRecords that were passed on.
    frequencies : ndarray
        Training samples of each label, (labels,).
    guess : dict of int to float
        P@k of the k most frequent labels as the answer to every sample.
    links : tuple of ndarray
        Incoming links of each label before training, and now; both (labels,).

    Raises
    ------
    TypeError, ValueError
        If the data are not such, or a number is not allowed.

    Examples
    --------
    >>> import sparselab as sl
    >>> data = sl.datasets.many_labels(500, 60, 40, 2, seed=0)
    >>> model = sl.SparseMLP.create((60, 30, 40), density=0.3, seed=0)
    >>> meter = sl.analysis.RankMeter(data, ks=(1, 2))
    >>> for record in meter.watch(sl.train(model, data, loss="binary_cross_entropy", epochs=3, seed=0), model):
    ...     pass
    >>> meter.to_frame().columns.tolist()
    ['epoch', 'seconds', 'links', 'P@1', 'P@2']
    """

    history: History
    frequencies: NDArray[np.int64]
    guess: dict[int, float]
    links: tuple[NDArray[np.int64], NDArray[np.int64]]

    def __init__(
        self, data: Dataset, *, ks: Sequence[int] = (1, 3, 5), n_samples: int = 2000, threads: int | None = None
    ) -> None:  # fmt: skip
        if not isinstance(data, Dataset):
            checks.fail("data", data, "a Dataset", TypeError)
        if data.X_test is None or not sparse.issparse(data.y_train):
            checks.fail("data", data, "with test samples and several labels a sample, a sparse y")
        ks = [checks.integer(f"ks[{i}]", k, high=data.n_outputs) for i, k in enumerate(checks.whole_array("ks", ks))]
        self.metrics = {k: precision_at(k) for k in sorted(set(ks))} or checks.fail("ks", ks, "at least one number")
        n, self.threads = checks.integer("n_samples", n_samples), threads
        self.X, self.y = data.X_test[:n], data.y_test[:n]
        self.frequencies = np.bincount(data.y_train.indices, minlength=data.n_outputs)
        most = np.argsort(-self.frequencies, kind="stable")[: max(self.metrics)]
        self.guess = self._precisions(np.tile(most, (self.X.shape[0], 1)))
        self.history, self.links, self._rows = History(), (self.frequencies[:0],) * 2, []

    def watch(
        self, records: Iterable[EpochRecord | StepRecord], model: SparseMLP
    ) -> Iterator[EpochRecord | StepRecord]:  # fmt: skip
        """Pass on the records of a training and predict after each epoch but those that a resumed run had finished before.

        Parameters
        ----------
        records : iterable of EpochRecord and StepRecord
            A training; it need not evaluate (``evaluate_every=0``).
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
        links = lambda: np.asarray(model.layers[-1].topology.fan_in, np.int64)
        self.links = (links(), links())
        for record in records:
            if is_record(record):
                self.history.append(record)
                thin(self.history)
            if is_record(record) and is_of_now(record, model):
                best, _ = predict_topk(model, self.X, max(self.metrics), threads=self.threads)
                self.links = self.links[0], links()
                row = {"epoch": record.epoch, "seconds": record.seconds, "links": record.links}
                self._rows.append(row | {f"P@{k}": value for k, value in self._precisions(best).items()})
            yield record

    def to_frame(self) -> pandas.DataFrame:
        """Return the measurements as a table.

        Returns
        -------
        pandas.DataFrame
            One row an epoch. Columns: epoch; seconds (training); links; P@k for each k.
        """
        import pandas

        return pandas.DataFrame(self._rows, columns=["epoch", "seconds", "links", *(f"P@{k}" for k in self.metrics)])

    def _precisions(self, best):
        return {k: metric(self.y, best) for k, metric in self.metrics.items()}
