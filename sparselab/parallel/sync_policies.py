"""Who may go on when in the first phase: nobody waits (WASAP), or all wait for all (WASSP).

`start` gives tasks to those who wait; `turn` is the server's work on one answer, called in whatever thread has it, one at a time.
"""

import numpy as np

from ..engines.select import is_fusable, is_value
from ..kernels import system
from .backends.local import Threads
from .backends.processes import Processes
from .compiled.handoff import Handoff
from .compiled.shared_server import SharedServer
from .core.worker import averaged

WARM_UP = 5  # epochs over which WASSP's rate grows to that of the larger batch


class Way:
    """What both have in common. per_epoch: updates of an epoch; pushes: those waiting for others; left: pulls that are wanted."""

    pushes, left, known = (), 2**62, (None, None)

    def open_gate(self):
        """Let workers take their turns by themselves, where they can."""
        gate = handoff_for(self.run, self)
        if gate is not None:
            self.run.crew.door = gate.closed

    def ahead(self, n):
        """(rates, factors) of the next n updates, float64: learning rates, and what multiplies the velocity before each."""
        rates = self.rates(n)
        return rates, self.factors(rates)

    def rates(self, n):
        """Learning rates of the next n updates; those of an epoch are kept, unless they may change any time."""
        run, schedule = self.run, self.run.optimizer.learning_rate
        first, now = run.updates, (run.state.epoch, schedule)
        if not (isinstance(schedule, int | float) or is_value(schedule)):
            return np.array([self.rate(first + update) for update in range(n)])
        if self.known[0] != now:
            self.known = now, np.array([self.rate(update) for update in range(self.per_epoch)])
        return self.known[1][first : first + n]


class Asynchronous(Way):
    """Each worker pulls, computes, pushes; nobody waits for anybody (WASAP)."""

    name = "asynchronous"

    def __init__(self, run):
        self.run, self.per_epoch = run, -(-run.n_batches // run.job.steps_per_push)
        self.left = max(0, run.split - run.state.epoch) * self.per_epoch
        self.rounds = [run.state.epoch * -(-run.n_batches // (run.n * run.job.steps_per_push))] * run.n
        self.waiting = list(range(run.n))  # at the first pulls, then whoever was served last

    def start(self):
        """A pull for whoever waits, while gradients are wanted."""
        run, chosen, self.waiting = self.run, self.waiting[: self.left], []
        for number in chosen:
            run.crew.submit(number, "gradient", run.server.view, self.rounds[number])
            self.rounds[number] += 1
            run.pulled[number] = run.server.generation
        self.left -= len(chosen)

    def turn(self, number, push):
        """One update, at once; False where the epoch is over or a record is due."""
        run = self.run
        run.apply(push, self.rate(run.updates))
        self.waiting.append(number)
        if run.updates == self.per_epoch or run.is_time():
            return False
        self.start()

    def rate(self, update):
        """The learning rate of an update of this epoch."""
        return self.run.optimizer.rate(self.run.state.epoch + update / self.per_epoch)

    def factors(self, rates):
        """1: the velocity stays as it is."""
        return np.ones_like(rates)

    def record_remote_step(self, number, rate):
        """A worker took a turn by itself."""
        self.rounds[number] += 1


class Synchronous(Way):
    """All workers compute on the same net; the mean of their gradients is one step (WASSP)."""

    name = "synchronous"

    def __init__(self, run):
        self.run, self.per_epoch, self.pushes = run, -(-run.n_batches // run.n), []
        self.rounds = run.state.epoch * self.per_epoch
        self.last_rate = self.rate(-1) if self.rounds else None

    def start(self):
        """The next round for all."""
        for number in range(self.run.n):
            self.run.crew.submit(number, "gradient", self.run.server.view, self.rounds)
        self.rounds += 1

    def turn(self, number, push):
        """One update when all are here; False where the epoch is over or a record is due."""
        run = self.run
        self.pushes.append(push)
        if len(self.pushes) < run.n:
            return True
        pushes, self.pushes = sorted(self.pushes, key=lambda push: push.number), []
        rate = self.rate(run.updates)
        if self.last_rate not in (None, rate):
            correct_momentum(run.state.optimizer, rate / self.last_rate)
        self.last_rate = rate
        run.apply(averaged(pushes), rate)
        if run.updates == self.per_epoch or run.is_time():
            return False
        self.start()

    def rate(self, update):
        """The rate for n times the batch, reached over the first epochs: η (1 + (n − 1) min(⌊epoch⌋ / 5, 1))."""
        epoch = self.run.state.epoch + update / self.per_epoch
        return self.run.optimizer.rate(epoch) * (1 + (self.run.n - 1) * min(int(epoch) / WARM_UP, 1))

    def factors(self, rates):
        """The velocity in units of the new rate: each rate by the one before."""
        return rates / np.append(self.last_rate or rates[0], rates[:-1])

    def record_remote_step(self, number, rate):
        """The workers took a turn by themselves."""
        self.rounds += 1
        self.last_rate = rate


def correct_momentum(optimizer, factor):
    """The velocity in units of the new rate: v ← v · η_new / η_old."""
    for state in optimizer:
        for vector in (*state.links, *state.neurons):
            vector *= vector.dtype.type(factor)


def handoff_for(run, way):
    """What lets workers push and pull in compiled code; None where they cannot."""
    backend, server = run.crew.backend, run.server
    if server.whole is None or run.job.steps_per_push > 1 or system.WINDOWS:
        return None
    if isinstance(backend, Threads):
        return Handoff(run, way)
    asynchronous = isinstance(backend, Processes) and not run.synchronous and server.max_staleness is None
    return SharedServer(run, way) if asynchronous and is_fusable(run.model, run.loss, run.optimizer) else None
