"""Which worker computes when in the first phase, and at which learning rate its gradient is applied.

Asynchronous: each worker gets its next task when its gradient was applied. Synchronous: all get one when all have answered.
"""

import numpy as np

from ..engines.select import is_value
from .core.worker import averaged

WARM_UP = 5  # epochs over which the synchronous learning rate grows to that of the larger batch


class SyncPolicy:
    """What both have in common. per_epoch: updates of an epoch; rounds: the next one of each worker."""

    def __init__(self, run, state, per_epoch, first_round):
        self.run, self.state, self.per_epoch = run, state, per_epoch
        self.rounds, self.known, self.last_rate = [first_round] * run.n_workers, (None, None), None

    def next_rate(self, update):
        """(learning rate, factor of the velocity before) of an update of this epoch, which is applied now."""
        rate = self.rate(update)
        factor = self.factors(np.array([rate]))[0]
        self.last_rate = rate
        return rate, factor

    def factors(self, rates):
        """What multiplies the velocity before each update: 1, it stays as it is."""
        return np.ones_like(rates)

    def record_turn(self, numbers, rate):
        """These workers have pushed and pulled by themselves."""
        self._start(numbers)
        self.last_rate = rate

    def ahead(self, first, n):
        """(rates, factors) of n updates of this epoch from `first` on, float64: learning rates, and what multiplies the velocity
        before each."""
        rates = self._rates(first, n)
        return rates, self.factors(rates)

    def _rates(self, first, n):
        """Learning rates; those of an epoch are kept, unless they may change at any time."""
        schedule = self.run.optimizer.learning_rate
        if not (isinstance(schedule, int | float) or is_value(schedule)):
            return np.array([self.rate(first + update) for update in range(n)])
        if self.known[0] != (self.state.epoch, schedule):
            rates = np.array([self.rate(update) for update in range(self.per_epoch)])
            self.known = (self.state.epoch, schedule), rates
        return self.known[1][first : first + n]

    def _start(self, numbers):
        """(worker, round) of their next tasks."""
        tasks = [(number, self.rounds[number]) for number in numbers]
        for number in numbers:
            self.rounds[number] += 1
        return tasks


class Asynchronous(SyncPolicy):
    """Each pusher pulls, computes, pushes; none waits for another (WASAP). pushers: numbers of workers, or of the first of each
    team."""

    name = "asynchronous"

    def __init__(self, run, state, pushers):
        per_epoch, share = -(-run.n_batches // run.steps_per_push), -(-run.n_batches // (len(pushers) * run.steps_per_push))
        super().__init__(run, state, per_epoch, state.epoch * share)
        self.left = max(0, run.first_epochs - state.epoch) * per_epoch  # pulls that are still wanted
        self.idle = list(pushers)

    def next_tasks(self):
        """(worker, round) of the tasks that start now."""
        chosen, self.idle = self.idle[: self.left], []
        self.left -= len(chosen)
        return self._start(chosen)

    def combine(self, update):
        """The GradientUpdate that is applied now."""
        self.idle.append(update.number)
        return update

    def turns_ahead(self, most):
        """How many turns workers may take by themselves."""
        return min(most, self.left)

    def rate(self, update):
        """The learning rate of an update of this epoch."""
        return self.run.optimizer.rate(self.state.epoch + update / self.per_epoch)

    def record_turn(self, numbers, rate):
        """A worker has pushed and pulled by itself."""
        super().record_turn(numbers, rate)
        self.left -= 1


class Synchronous(SyncPolicy):
    """All workers compute with the same net; the mean of their gradients is one step (WASSP)."""

    name = "synchronous"

    def __init__(self, run, state):
        per_epoch = -(-run.n_batches // (run.n_workers * run.steps_per_push))
        super().__init__(run, state, per_epoch, state.epoch * per_epoch)
        self.updates, self.last_rate = [], self.rate(-1) if state.epoch else None

    def next_tasks(self):
        """(worker, round) of the tasks that start now."""
        self.updates = []
        return self._start(range(self.run.n_workers))

    def combine(self, update):
        """The GradientUpdate of all workers, None until all have answered."""
        self.updates.append(update)
        self.updates.sort(key=lambda one: one.number)
        return averaged(self.updates) if len(self.updates) == self.run.n_workers else None

    def take_back(self, numbers):
        """Forget the updates of these workers; returns their tasks."""
        self.updates = [one for one in self.updates if one.number not in numbers]
        return [(number, self.rounds[number] - 1) for number in numbers]

    def turns_ahead(self, most):
        """How many turns workers may take by themselves: none where some have answered in Python already."""
        return 0 if self.updates else most

    def rate(self, update):
        """The rate for n times the batch, reached over the first epochs: η (1 + (n − 1) min(⌊epoch⌋ / 5, 1))."""
        epoch = self.state.epoch + update / self.per_epoch
        return self.run.optimizer.rate(epoch) * (1 + (self.run.n_workers - 1) * min(int(epoch) / WARM_UP, 1))

    def factors(self, rates):
        """Velocities in units of the new rate, v ← v · η_new / η_old: each rate by the one before."""
        return rates / np.append(self.last_rate or rates[0], rates[:-1])
