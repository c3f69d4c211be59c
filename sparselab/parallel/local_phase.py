"""Phase 2: each worker alone with its shard, from the server's net and velocity; then the average of all."""

import time

import numpy as np

from ..checkpoints.state import EpochTotals
from ..training.epoch_runner import NOT_EVALUATED, epoch_record
from ..utils.interrupts import defer_interrupts
from .core.averaging import average
from .core.worker_stats import Workers


class LocalPhase:
    """The second phase of a run. Workers do not wait for each other; a record leaves when all have finished its epoch.

    checkpoints: LocalCheckpoints; checkpointer: that of the run (None: nothing is saved).
    """

    def __init__(self, run, state, supervisor, checkpoints=None, checkpointer=None):
        self.run, self.state, self.supervisor = run, state, supervisor
        self.checkpoints, self.checkpointer = checkpoints, checkpointer
        self.epoch_begin = time.perf_counter()

    def records(self):
        """The records of its epochs; nothing where the first phase was all."""
        run, first = self.run, self.run.first_epochs
        if first == run.epochs:
            return
        starts = [(run.model.snapshot(), (self.state.optimizer, run.local_memory(self.state.memory)))] * run.n_workers
        if saved := self.checkpoints and self.checkpoints.load(run.model):
            first, files = saved
            starts = [(file.model.snapshot(), (file.state.optimizer, file.state.memory)) for file in files]
            yield from files[0].history[run.first_epochs :]
        done = {}  # (worker, epoch) -> LocalEpoch
        for number, (parameters, kept) in enumerate(starts):
            self.supervisor.submit(number, "local", parameters, kept, first)
        for epoch in range(first, run.epochs):
            self.epoch_begin = time.perf_counter()
            while any((number, epoch) not in done for number in range(run.n_workers)):
                number, result = self.supervisor.next()
                done[number, result.epoch] = result
                if result.epoch + 1 < run.epochs:
                    kept = result.optimizer, result.memory
                    self.supervisor.submit(number, "local", result.parameters, kept, result.epoch + 1)
            results = [done.pop((number, epoch)) for number in range(run.n_workers)]
            record = self._record(results, epoch)
            self._save(results, epoch + 1, record)
            yield record
        if self.checkpoints:
            self.checkpoints.clear()  # by now the run's own checkpoint has the average

    def _save(self, results, epoch, record):
        """Save the workers' nets, where the run is saved; not those of the end, which is the average's."""
        if self.checkpointer and epoch < self.run.epochs and epoch % self.checkpointer.every == 0:
            nets = [self.run.model.copy().load(result.parameters) for result in results]
            history = [*self.checkpointer.history, record.without_degrees()]
            kept = [(result.optimizer, result.memory) for result in results]
            self.checkpoints.save(nets, kept, self.state.seeds, epoch, history)

    def _record(self, results, epoch):
        """The record of an epoch that all workers have finished; at the last one the model becomes their average."""
        run, state = self.run, self.state
        spent, number, last = time.perf_counter() - self.epoch_begin, epoch + 1, epoch + 1 == run.epochs
        shown = results if run.evaluates(number) or last else results[:1]  # scores and the average need all nets
        nets = [run.model.copy().load(result.parameters) for result in shown]
        if last:
            start = time.perf_counter()
            mean = average(nets, mean_links(nets))
            with defer_interrupts:
                run.model.take_over(mean.layers, "average", mean.neurons)
                state.optimizer[:] = run.optimizer.init(run.model)  # the workers' does not fit the mean
                state.epoch = run.epochs
            spent += time.perf_counter() - start
        own = [run.scores(net) for net in nets] if run.evaluates(number) else []
        losses, accuracies, r2 = zip(*own, strict=True) if own else ((), (), ())
        workers = Workers(
            run.n_workers, restarts=self.supervisor.restarts, timeline=self.supervisor.take_timeline(), accuracies=accuracies
        )
        scores = NOT_EVALUATED
        if own:
            scores = run.scores(run.model) if last else tuple(map(mean_or_none, (losses, accuracies, r2)))
        totals = summed([result.record for result in results], spent)
        return epoch_record(
            run.model if last else nets[0], totals, number, scores, 0.0,
            phase="average" if last else "local", workers=workers, has_accuracy=run.has_accuracy,
        )  # fmt: skip


def mean_links(nets):
    """Links of each layer that the average of nets has: their mean number, rounded so that the sum is that of a net."""
    totals = np.cumsum(np.mean([net.nnz for net in nets], axis=0))
    return np.diff(np.rint(totals).astype(int), prepend=0)


def mean_or_none(values):
    """The mean, or None where there are no numbers (the accuracy of a regression)."""
    return None if any(value is None for value in values) else float(np.mean(values))


def summed(records, seconds):
    """EpochTotals of what all workers did in an epoch; links pruned and grown are those of the first one's net."""
    totals = EpochTotals(
        [*zip(records[0].pruned, records[0].grown, strict=True)],
        [r.train_loss * r.n_samples for r in records], 0, sum(r.n_samples for r in records), records[0].learning_rate,
        neurons_pruned=[0] * (len(records[0].nnz) - 1),
    )  # fmt: skip
    totals.hits = sum(round((r.train_accuracy or 0) * r.n_samples) for r in records)
    totals.seconds["all"] = seconds
    return totals
