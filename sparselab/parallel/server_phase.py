"""Phase 1: workers push gradients to the server, which updates its net and evolves it between epochs."""

import time
from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from .. import evolution
from ..checkpoints.records import StepRecord
from ..checkpoints.state import BATCHES, EVOLUTION, EpochTotals
from ..engines.base import DivergedError
from ..evolution import Evidence
from ..kernels import system
from ..training.epoch_runner import NOT_EVALUATED, diverging, epoch_record, locate_fault
from ..utils.interrupts import defer_interrupts
from .core.worker_stats import Workers
from .sync_policies import Asynchronous, Synchronous

WAY, MOST_STEPS = 0.25, 32  # of steps_per_push="auto": seconds of a push's way for each of computation; mini-batches at most
FEW_STEPS = 8  # the same where several push: each moves the net by all that its own samples ask for, and more overshoots
TREE = 4  # workers from which synchronous ones add up their gradients among themselves: fewer save no time by it
LAST = 2  # pushes of each team at the end of an epoch that bring the optimizer's state, which an evolution or checkpoint needs
MEASURED = 3  # pushes of each worker that are timed for it


class ServerPhase:
    """The first phase of a run: its epochs, and what is counted in each. Its SyncPolicy says which worker computes when.

    pushers: the workers that push to the server; each is the first of a team where the backend has teams, of `team` workers at
    most: these share the mini-batches of a push, and train a copy of the net together with them. kept: whether synchronous
    workers keep their gradients, which the backend adds up among them.
    """

    def __init__(self, run, state, server, supervisor, checkpointer=None, pace=None):
        self.run, self.state, self.server, self.supervisor = run, state, server, supervisor
        self.checkpointer, self.pace, self.policy = checkpointer, pace, None
        self.in_process = getattr(supervisor.backend, "in_process", False)
        self.pulled = {}  # worker -> the generation it computes with
        teams = {} if run.synchronous else getattr(supervisor.backend, "teams", {})
        if len(teams) == run.n_workers and run.steps_per_push == 1 and not run.auto_steps:  # each alone, and with one gradient
            teams = {}
        self.kept = run.synchronous and run.n_workers >= TREE and hasattr(supervisor.backend, "sum_kept")
        self.pushers, self.team = [*(teams or range(run.n_workers))], max(map(len, teams.values()), default=0)

    def records(self):
        """The records of the epochs that are left; StepRecords too, where there is a pace."""
        if self.state.epoch >= self.run.first_epochs:
            return
        if not self.in_process:
            with defer_interrupts:
                self.supervisor.warm_up(self.pushers, self._snapshot)
                if self.run.auto_steps and not hasattr(self.supervisor.backend, "handoff"):
                    self.run.steps_per_push = self._steps_that_pay()
        self.run.steps_per_push *= max(1, self.team)
        self.policy = (
            Synchronous(self.run, self.state) if self.run.synchronous else Asynchronous(self.run, self.state, self.pushers)
        )
        handoff = self._handoff()
        exclusive = nullcontext if handoff is None else handoff.paused
        while self.state.epoch < self.run.first_epochs:
            self._start_epoch()
            while self.updates < self.policy.per_epoch:
                self.since = since = self._position()
                with defer_interrupts:  # Ctrl-C is let through while the supervisor waits
                    self._start_tasks()
                    self.supervisor.serve(self._handle, exclusive)
                if self.pace is not None:
                    yield self._step_record(since)
            yield self._finish_epoch()

    def turns_ahead(self, most):
        """(rates, factors of the velocity) of the turns that workers may take by themselves now; None: they must not.

        The last turn of an epoch is taken in Python.
        """
        n = min(self.policy.turns_ahead(most), self.policy.per_epoch - 1 - self.updates) if self.supervisor.serving else 0
        return self.policy.ahead(self.updates, n) if n > 0 else None

    def record_turn(self, tasks, rate, staleness, refused, losses, hits, n_samples, queue):
        """Count a turn that workers took by themselves; tasks: (worker, start, end) of each of them."""
        self.server.count(staleness, refused)
        self.policy.record_turn([number for number, _, _ in tasks], rate)
        for task in tasks:
            self.supervisor.record_step(*task)
        self._count(losses, hits, n_samples, queue, rate)

    def _handoff(self):
        """What lets workers push by themselves; None where they cannot."""
        make = getattr(self.supervisor.backend, "handoff", None)
        if make is None or self.server.table is None or self.run.steps_per_push > 1 or system.WINDOWS:
            return None
        return make(self.run, self.server, self)

    def _steps_that_pay(self):
        """How many mini-batches a push must have, so that its way takes little beside their computation."""
        run, spent = self.run, [self.supervisor.warm_up(self.pushers, self._snapshot) for _ in range(MEASURED)]
        compute, whole = np.median([one for each in spent for one in each], axis=0)
        compute /= max(1, self.team)
        way = max(0.0, whole - compute) + compute / 2 * (self.team > 1)  # a team's workers wait for each other at the end
        most = MOST_STEPS if len(self.pushers) == 1 else FEW_STEPS // max(1, self.team)
        return int(np.clip(np.ceil(way / (WAY * compute)), 1, max(1, min(most, run.n_batches // run.n_workers))))

    def _snapshot(self):
        """What a worker or a team computes with; before the first update, a mini-batch for each worker, at no learning rate."""
        steps = self.run.steps_per_push if self.policy else max(1, self.team)
        snapshot = replace(self.server.view(), steps=steps, kept=self.kept, warm_up=self.policy is None)
        if not self.team:
            return snapshot
        rates = [self.policy.rate(self.updates + step / steps) if self.policy else 0.0 for step in range(steps)]
        ends = self.policy is not None and self.updates >= self.policy.per_epoch - LAST * len(self.pushers)
        return replace(snapshot, rates=np.array(rates), optimizer=self.server.state, state_wanted=ends)

    def _start_tasks(self):
        """Give tasks to the workers that are to compute now."""
        for number, round_ in self.policy.next_tasks():
            self.supervisor.submit(number, "gradient", self._snapshot, round_)
            self.pulled[number] = self.server.generation

    def _handle(self, number, update):
        """What the server does with an answer; False where the epoch is over or a record is due."""
        combined = self.policy.combine(update)
        if combined is not None and self.kept and not combined.failed:
            combined = self._with_sums(combined)
        if combined is None:
            return True
        self._apply(combined)
        if self.updates == self.policy.per_epoch or self._record_is_due():
            return False
        self._start_tasks()
        return True

    def _with_sums(self, update):
        """The update of all workers with the mean of the gradients that they have kept; None where some were lost meanwhile:
        these are computed again."""
        n = self.run.n_workers
        lost, dw, db = self.supervisor.backend.sum_kept()
        for number, round_ in self.policy.take_back(lost):
            self.supervisor.submit(number, "gradient", self._snapshot, round_)
        return None if lost else replace(update, dw=[a / a.dtype.type(n) for a in dw], db=[a / a.dtype.type(n) for a in db])

    def _apply(self, update):
        """One update of the server's net; Ctrl-C is held back meanwhile."""
        run = self.run
        if update.failed:
            where = locate_fault(run.model, run.loss, run.X, run.targets, np.arange(min(len(run.targets), 1024)))
            raise DivergedError(self.state.epoch + 1, self.updates, *where)
        rate, factor = self.policy.next_rate(self.updates)
        if factor != 1:
            self.server.scale_velocity(factor)
        checked = self.in_process or not run.synchronous
        if self.team:
            self.server.merge(update, checked=checked)
        else:
            self.server.push(update, update.dw, update.db, rate, checked=checked)
        self.computed += update.seconds
        self._count(update.losses, update.hits, update.n_samples, self.supervisor.queue_length, rate)

    def _count(self, losses, hits, n_samples, queue, rate):
        totals = self.state.totals
        self.queue.append(queue)
        totals.losses += losses
        totals.hits += hits
        totals.n_samples += n_samples
        totals.learning_rate = rate
        self.updates += 1

    def _position(self):
        """Where the epoch stands: what the next StepRecord begins with."""
        totals = self.state.totals
        return time.perf_counter(), self.updates, len(totals.losses), totals.hits, totals.n_samples

    def _record_is_due(self):
        return self.pace is not None and self.updates > self.since[1] and time.perf_counter() - self.since[0] >= self.pace

    def _step_record(self, since):
        """The StepRecord of the updates since a position."""
        begun, updates, n_losses, hits, samples = since
        totals, n = self.state.totals, self.state.totals.n_samples - samples
        return StepRecord(
            epoch=self.state.epoch + 1, step=self.updates - 1, n_steps=self.updates - updates, n_samples=n,
            loss=float(sum(totals.losses[n_losses:]) / n),
            accuracy=(totals.hits - hits) / n if self.run.has_accuracy else None,
            learning_rate=totals.learning_rate, seconds=time.perf_counter() - begun,
        )  # fmt: skip

    def _start_epoch(self):
        """Evolve (not before the first epoch), then count anew."""
        start, state, run = time.perf_counter(), self.state, self.run
        if self.checkpointer:
            self.checkpointer.skip(state.position)  # the net in the middle of an epoch must not be saved as that of its beginning
        changes, memory = evolution.Changes.none(len(run.model.layers)), state.memories(run.rules)
        if due := evolution.timing.due(run.rules, state.epoch, 0, 1):
            order = state.stream(BATCHES).permutation(len(run.targets))
            evidence = lambda: Evidence(run.model, run.loss, run.X, run.targets, order[: run.batch_size], order, run.epochs)
            rules, memories = ([each[n] for n in due] for each in (run.rules, memory))
            with diverging(state.epoch, 0, run.model, run.loss, run.X, run.targets, order[: run.batch_size]):
                changes = self.server.evolve(rules, state.epoch, evidence, state.stream(EVOLUTION), memories)
        state.totals, state.memory = EpochTotals.of(changes), memory if any(memory) else []
        self.server.forget(min(self.pulled.values(), default=0))
        state.totals.seconds["evolve"] = time.perf_counter() - start
        self.epoch_begin, self.updates, self.computed, self.queue = time.perf_counter(), 0, 0.0, []

    def _finish_epoch(self):
        """The record of the epoch that is over."""
        run, totals, n = self.run, self.state.totals, self.run.n_workers
        totals.seconds["all"] = time.perf_counter() - self.epoch_begin
        traffic, idle = self.server.take_traffic(), max(0.0, n * totals.seconds["all"] - self.computed)
        workers = Workers(
            n, traffic.staleness, traffic.dropped / max(1, traffic.entries), traffic.refused, idle, self.supervisor.restarts,
            self.supervisor.take_timeline(), queue=self.queue, steps_per_push=run.steps_per_push,
            compression=getattr(self.supervisor.backend, "compression", None),
        )  # fmt: skip
        start, number = time.perf_counter(), self.state.epoch + 1
        scores = run.scores(run.model) if run.evaluates(number) else NOT_EVALUATED
        record = epoch_record(
            run.model, totals, number, scores, time.perf_counter() - start, phase=self.policy.name,
            staleness=float(np.mean(traffic.staleness)), workers=workers, has_accuracy=run.has_accuracy,
        )  # fmt: skip
        self.state.epoch = number
        return record
