"""Phase 2: each worker alone with its shard, from the server's net and velocity; then the average of all."""

import time

import numpy as np

from ..checkpoints.state import EpochTotals
from ..training.epoch_runner import epoch_record
from ..utils.interrupts import defer_interrupts
from .core.averaging import average
from .core.worker_stats import Workers


class LocalPhase:
    """The second phase of `run`, one call of train_parallel. Workers do not wait for each other; a record leaves when all have
    finished its epoch."""

    def __init__(self, run):
        self.run, self.n_links, self.epoch_begin = run, run.model.nnz, time.perf_counter()

    def records(self):
        """The records of its epochs; nothing where the first phase was all."""
        run = self.run
        if run.split == run.epochs:
            return
        crew, first, kept = run.crew, run.split, run.local_files.load(run.model)
        starts = [(run.model.snapshot(), run.state.optimizer)] * run.n
        if kept:
            first, files = kept
            starts = [(file.model.snapshot(), file.state.optimizer) for file in files]
            yield from files[0].history[run.split :]
        done = {}  # (worker, epoch) -> LocalEpoch
        for number, (parameters, optimizer) in enumerate(starts):
            crew.submit(number, "local", parameters, optimizer, first)
        for epoch in range(first, run.epochs):
            self.epoch_begin = time.perf_counter()
            while any((number, epoch) not in done for number in range(run.n)):
                number, result = crew.next()
                done[number, result.epoch] = result
                if result.epoch + 1 < run.epochs:
                    crew.submit(number, "local", result.parameters, result.optimizer, result.epoch + 1)
            results = [done.pop((number, epoch)) for number in range(run.n)]
            record = self.record(results, epoch)
            self.keep(results, epoch + 1, record)
            yield record
        run.local_files.clear()  # by now the run's own checkpoint has the average

    def keep(self, results, epoch, record):
        """The workers' nets into the run's folder, where there is one; not those of the end, which is the average's."""
        run = self.run
        if run.keeper and epoch < run.epochs and epoch % run.keeper.every == 0:
            nets = [run.model.copy().load(result.parameters) for result in results]
            history = [*run.keeper.history, record.without_degrees()]
            run.local_files.save(nets, [result.optimizer for result in results], run.state.seeds, epoch, history)

    def record(self, results, epoch):
        """The record of an epoch that all workers have finished; at the last one the model becomes their average."""
        run = self.run
        spent, number, last = time.perf_counter() - self.epoch_begin, epoch + 1, epoch + 1 == run.epochs
        nets = [run.model.copy().load(result.parameters) for result in results] if run.due(number) or last else []
        if last:
            start = time.perf_counter()
            mean = average(nets, self.n_links)
            with defer_interrupts:
                run.model.take_over(mean.layers, "average", mean.neurons)
                run.state.optimizer[:] = run.optimizer.init(run.model)  # the workers' says nothing about the mean
                run.state.epoch = run.epochs
            spent += time.perf_counter() - start
        own = [run.scores(net) for net in nets] if run.due(number) else []
        accuracies = tuple(accuracy for _, accuracy in own)
        workers = Workers(run.n, restarts=run.crew.restarts, timeline=run.take_timeline(), accuracies=accuracies)
        scores = (None, None)
        if own:
            scores = run.scores(run.model) if last else (float(np.mean([loss for loss, _ in own])), mean_or_none(accuracies))
        totals = summed([result.record for result in results], spent)
        return epoch_record(
            run.model if last else nets[0] if nets else run.model, totals, number, scores, 0.0,
            phase="average" if last else "local", workers=workers,
        )  # fmt: skip


def mean_or_none(values):
    """The mean, or None where there are no numbers (regressions)."""
    return None if any(value is None for value in values) else float(np.mean(values))


def summed(records, seconds):
    """EpochTotals of what all workers did in an epoch."""
    totals = EpochTotals(
        [(sum(p), sum(g)) for p, g in zip(zip(*(r.pruned for r in records)), zip(*(r.grown for r in records)), strict=True)],
        [r.train_loss * r.n_samples for r in records], 0, sum(r.n_samples for r in records), records[0].learning_rate,
        neurons_pruned=[0] * (len(records[0].nnz) - 1),
    )  # fmt: skip
    totals.hits = sum(round((r.train_accuracy or 0) * r.n_samples) for r in records)
    totals.seconds["all"] = seconds
    return totals
