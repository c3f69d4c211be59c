"""How long links live: their ages, how many are replaced, and how much of what is possible was ever tried."""

import numpy as np

from ..topology.rewiring import between, union
from ..training.loop import check_model
from ..training.memory import DEGREES_UP_TO
from ..utils import checks
from .subjects import is_record

COLUMNS = ("epoch", "layer", "links", "new", "churn", "survival", "mean_age", "tried", "possible", "itop_rate")


class LinkTracker:
    """Looks at a model after each epoch and keeps the age of every link and every place that ever had one.

        tracker = sl.analysis.LinkTracker()
        for record in tracker.watch(sl.train(model, data, rules=[sl.SET()]), model): ...
        tracker.to_frame(), tracker.ages[0]

    ages: per layer (links,) int64, epochs since a link was first seen without a break, aligned with the links of the model at the
    last observation: 0 for a new one. tried: per layer the Topology of all links seen so far, in the shape of the original net.
    epoch: of the last observation. Links are known by their place among the original neurons, so ages stay right when neurons go.
    A link that was pruned and grown again at the same place between two observations counts as one that stayed. Time of an
    observation and memory O(links ever tried + neurons).
    """

    def __init__(self):
        self.ages, self.tried, self.epoch = [], [], None
        self._last, self._first_epoch, self._first_links, self._rows = (), None, (), []

    def observe(self, model, epoch=None):
        """Take note of the links there are now. epoch: its number, above the last one; by default the last one + 1 (from 1).

        Raises TypeError or ValueError naming the argument, with nothing noted.
        """
        check_model(model)
        now, epoch = model.original_topologies, self._next(epoch)
        if self._last and [t.shape for t in now] != [t.shape for t in self._last]:
            checks.fail("model", [t.shape for t in now], f"the same net, with layers {[t.shape for t in self._last]}")
        if self._last:
            passed, moves = epoch - self.epoch, [between(a, b) for a, b in zip(self._last, now, strict=True)]
            new = [int(np.count_nonzero(move.origin < 0)) for move in moves]
            ages = [move.carry(ages, -passed) + passed for move, ages in zip(moves, self.ages, strict=True)]
            tried = [union([a, b])[0] for a, b in zip(self.tried, now, strict=True)]
        else:
            self._first_epoch, self._first_links = epoch, [t.nnz for t in now]
            new, ages, tried = [np.nan] * len(now), [np.zeros(t.nnz, np.int64) for t in now], list(now)
        self._last, self.epoch, self.ages, self.tried = now, epoch, ages, tried
        self._note(new)

    def watch(self, records, model):
        """Pass records on, each after `observe(model, record.epoch)`: to be put around `sl.train(...)`.

        Records of epochs that were finished before (a resumed run gives them first, without fan-in and fan-out) are passed on
        unobserved, for the model is not what it was then; in nets above 200,000 neurons, whose records never have them, they
        cannot be told from others: observe those by hand.
        """
        check_model(model)
        if not hasattr(records, "__iter__"):
            checks.fail("records", records, "a training or a list of EpochRecords", TypeError)
        for record in records:
            if not is_record(record):
                checks.fail("records", record, "EpochRecords only", TypeError)
            if len(record.fan_in) or sum(model.sizes) > DEGREES_UP_TO:
                self.observe(model, record.epoch)
            yield record

    def to_frame(self):
        """A DataFrame with a row for each observation and layer ("1", "2", …), and "all". Columns:

        epoch, layer, links; new (links that were not there at the last observation; NaN at the first), churn = new / links;
        survival: share of the links of the first observation that are there ever since; mean_age in epochs; tried: links ever
        seen; possible = n_out · n_in of the original net; itop_rate = tried / possible, the in-time over-parameterization rate
        of Liu et al. (2021, "Do we actually need dense over-parameterization?").
        """
        import pandas

        return pandas.DataFrame(self._rows, columns=COLUMNS)

    def _next(self, epoch):
        if epoch is None:
            return 1 if self.epoch is None else self.epoch + 1
        return checks.integer("epoch", epoch, low=0 if self.epoch is None else self.epoch + 1, high=2**62)

    def _note(self, new):
        span, layers = self.epoch - self._first_epoch, []
        for l, (ages, tried) in enumerate(zip(self.ages, self.tried, strict=True)):
            counts = {"links": len(ages), "new": new[l], "age": int(ages.sum())}
            counts |= {"old": int(np.count_nonzero(ages == span)), "first": self._first_links[l]}
            layers.append(counts | {"tried": tried.nnz, "possible": tried.n_out * tried.n_in})
        whole = {name: sum(counts[name] for counts in layers) for name in layers[0]}
        for name, counts in [*((str(number), layer) for number, layer in enumerate(layers, 1)), ("all", whole)]:
            self._rows.append({"epoch": self.epoch, "layer": name, **_row(**counts)})


def _row(links, new, age, old, first, tried, possible):
    share = lambda part, all_: part / all_ if all_ else np.nan
    return {
        "links": links, "new": new, "churn": share(new, links), "survival": share(old, first), "mean_age": share(age, links),
        "tried": tried, "possible": possible, "itop_rate": tried / possible,
    }  # fmt: skip
