"""How long links live: their ages, how many are replaced, and how many of the possible ones were ever tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..topology.rewiring import between, union
from ..training.loop import check_model
from ..utils import checks
from .records import is_of_now, is_record, is_step

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

    from ..checkpoints.records import EpochRecord, StepRecord
    from ..nn.mlp import SparseMLP
    from ..topology.topology import Topology

Record = TypeVar("Record", bound="EpochRecord | StepRecord")
COLUMNS = ("epoch", "layer", "links", "new", "churn", "survival", "mean_age", "tried", "possible", "itop_rate")


class LinkTracker:
    """Follows the age of every link of a net, and every place that ever had a link.

    Links are identified by their place among the original neurons, so that ages stay right when neurons are removed. A link that
    was pruned and grown again at the same place between two observations counts as one that stayed. Time of an observation and
    memory are O(links ever tried + neurons).

    Attributes
    ----------
    ages : list of ndarray
        For each layer (links,) int64: epochs since a link was first seen without a break, aligned with the links of the model at
        the last observation; 0 for a new link.
    tried : list of Topology
        For each layer all links seen so far, in the shape of the original net.
    epoch : int or None
        Epoch of the last observation.

    Examples
    --------
    >>> import sparselab as sl
    >>> model, data = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0), ([[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8)
    >>> tracker = sl.analysis.LinkTracker()
    >>> for record in tracker.watch(sl.train(model, data, rules=[sl.SET(0.3)], epochs=3, seed=0), model):
    ...     pass
    >>> tracker.epoch, len(tracker.ages[0]) == model.nnz[0]
    (3, True)
    """

    ages: list[NDArray[np.int64]]
    tried: list[Topology]
    epoch: int | None

    def __init__(self) -> None:
        self.ages, self.tried, self.epoch = [], [], None
        self._last: tuple[Topology, ...] = ()
        self._here: list[Topology] = []  # the topologies at the last step
        self._first_epoch, self._first_links, self._rows = 0, [], []

    def observe(self, model: SparseMLP, epoch: int | None = None) -> None:
        """Record the links that the net has now.

        Parameters
        ----------
        model : SparseMLP
            The net.
        epoch : int, optional
            Number of the epoch, larger than the last one; by default the last one + 1, from 1.

        Raises
        ------
        TypeError or ValueError
            Naming the argument; then nothing is recorded.
        """
        check_model(model)
        now, epoch = model.original_topologies, self._next(epoch)
        if self._last and [t.shape for t in now] != [t.shape for t in self._last]:
            checks.fail("model", [t.shape for t in now], f"the same net, with layers {[t.shape for t in self._last]}")
        if self.epoch is not None:
            passed, moves = epoch - self.epoch, [between(a, b) for a, b in zip(self._last, now, strict=True)]
            new: list[float] = [int(np.count_nonzero(move.origin < 0)) for move in moves]
            ages = [move.carry(ages, -passed) + passed for move, ages in zip(moves, self.ages, strict=True)]
            tried = self._with(now)
        else:
            self._first_epoch, self._first_links = epoch, [t.nnz for t in now]
            new, ages, tried = [np.nan] * len(now), [np.zeros(t.nnz, np.int64) for t in now], self._with(now)
        self._last, self.epoch, self.ages, self.tried = now, epoch, ages, tried
        self._add_rows(new)

    def watch(self, records: Iterable[Record], model: SparseMLP) -> Iterator[Record]:
        """Pass on the records of a training, observe the net at each epoch, and count the links of each step as tried.

        Links that come and go within an epoch are seen only in the records of `sparselab.steps`, which end at every event.
        A resumed run yields the records of its finished epochs first, without fan-in and fan-out. They are passed on without an
        observation, because the model is no longer what it was then. In nets above 200,000 neurons no record has degree vectors,
        so that these cannot be recognised: call `observe` yourself there.

        Parameters
        ----------
        records : iterable of EpochRecord and StepRecord
            A training, such as `sl.train(...)` or `sl.steps(...)`.
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
        if not hasattr(records, "__iter__"):
            checks.fail("records", records, "a training or a list of EpochRecords", TypeError)
        for record in records:
            if is_step(record):
                self._try(model)
            elif not is_record(record):
                checks.fail("records", record, "EpochRecords and StepRecords only", TypeError)
            elif is_of_now(record, model):
                self.observe(model, record.epoch)
            yield record

    def to_frame(self) -> pandas.DataFrame:
        """Return the observations as a table.

        Returns
        -------
        pandas.DataFrame
            One row for each observation and layer ("1", "2", …), and one for "all" layers. Columns: epoch, layer, links; new
            (links that were not there at the last observation; NaN at the first), churn = new / links; survival: share of the
            links of the first observation that have been there ever since; mean_age in epochs; tried: links ever seen;
            possible = n_out · n_in of the original net; itop_rate = tried / possible, the in-time over-parameterization rate.

        References
        ----------
        S. Liu et al., "Do we actually need dense over-parameterization? In-time over-parameterization in sparse training",
        2021.
        """
        import pandas

        return pandas.DataFrame(self._rows, columns=COLUMNS)

    def _try(self, model):
        """Count the links that the net has now as tried, where a topology is another one than at the last step."""
        here = [layer.topology for layer in model.layers]
        if len(here) != len(self._here) or any(a is not b for a, b in zip(here, self._here, strict=True)):
            self._here, self.tried = here, self._with(model.original_topologies)

    def _with(self, now):
        """All links seen so far, with those of these topologies."""
        return [union([a, b])[0] for a, b in zip(self.tried, now, strict=True)] if self.tried else list(now)

    def _next(self, epoch):
        """The checked number of the next observation's epoch."""
        if epoch is None:
            return 1 if self.epoch is None else self.epoch + 1
        return checks.integer("epoch", epoch, low=0 if self.epoch is None else self.epoch + 1, high=2**62)

    def _add_rows(self, new):
        """The table's rows of this observation; new: new links of each layer."""
        span, layers = self.epoch - self._first_epoch, []
        for l, (ages, tried) in enumerate(zip(self.ages, self.tried, strict=True)):
            counts = {"links": len(ages), "new": new[l], "age": int(ages.sum())}
            counts |= {"old": int(np.count_nonzero(ages == span)), "first": self._first_links[l]}
            layers.append(counts | {"tried": tried.nnz, "possible": tried.n_out * tried.n_in})
        whole = {name: sum(counts[name] for counts in layers) for name in layers[0]}
        for name, counts in [*((str(number), layer) for number, layer in enumerate(layers, 1)), ("all", whole)]:
            self._rows.append({"epoch": self.epoch, "layer": name, **_row(**counts)})


def _row(links, new, age, old, first, tried, possible):
    """The columns that follow from counts of links."""
    share = lambda part, all_: part / all_ if all_ else np.nan
    return {
        "links": links, "new": new, "churn": share(new, links), "survival": share(old, first), "mean_age": share(age, links),
        "tried": tried, "possible": possible, "itop_rate": tried / possible,
    }  # fmt: skip
