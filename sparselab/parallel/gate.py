"""Where workers that are threads push and pull in compiled code, step after step, without the interpreter (see kernels.turns).

With Python between its steps a worker needed a sixth more time, and two of them waited for the interpreter as well. Now and then
each comes back with a gradient and takes an ordinary turn: then everything is told to the run, and the gate is set anew.
"""

import time
from contextlib import contextmanager

import numpy as np

from ..fused import address, settings_of
from ..kernels import system, turns
from .backends import Threads

AHEAD = 512  # turns until somebody comes back, at most
SLICE = 0.1  # seconds until a worker comes back
PER_SECOND = 10**9


class Gate:
    """The gate of the first phase of a run, `way` how its workers go on. Closed, until a first turn in Python has set it."""

    @staticmethod
    def made_for(run):
        """Whether the workers of the run are threads with compiled steps, and the server's update is compiled too."""
        fit = isinstance(run.crew.backend, Threads) and run.server.whole is not None and run.job.steps_per_push == 1
        return fit and not system.WINDOWS

    def __init__(self, run, way):
        self.run, self.way, self.together = run, way, run.n if run.synchronous else 0
        self.words, self.ahead = np.zeros(turns.WORDS, np.int64), max(1, AHEAD // max(1, self.together))
        n_rows, n_layers = self.ahead * max(1, self.together), len(run.model.layers)
        self.log, self.losses = np.zeros((n_rows, turns.ROW), np.int64), np.zeros(n_rows)
        self.gradients = np.zeros((2, run.n, n_layers), np.int64)
        bound, arrays = run.server.max_staleness, (self.log, self.losses, *self.gradients)
        self.words[[turns.MAX_STALENESS, turns.TOGETHER]] = -1 if bound is None else bound, self.together
        self.words[[turns.LOG, turns.LOSSES, turns.DWS, turns.DBS]] = [*map(address, arrays)]
        for worker in run.crew.backend.workers:
            worker.turns = Turns(self, worker.number)

    @contextmanager
    def closed(self):
        """Nobody else is at the server meanwhile; what workers did by themselves is told to the run before."""
        lock, is_set = address(self.words), False
        system.acquire(lock)  # whoever comes meanwhile waits for the lock: that is shorter than a way through Python
        try:
            self.words[turns.HERE] = 0
            self.words[turns.SENT_BACK] += 1
            self._tell()
            yield
            self._set()
            is_set = True
        finally:
            self.words[turns.OPEN] &= is_set
            system.release(lock)

    def _set(self):
        """Open, unless the epoch is over or all have to wait; then tasks under way belong to a past era."""
        run, way, words = self.run, self.way, self.words
        limit = min(self.ahead, way.per_epoch - 1 - run.updates)  # the last one is taken in Python
        if run.crew.over or limit < 1:
            words[turns.OPEN] = 0
            words[turns.ERA] += 1
            return
        self.pace = way.ahead(limit)
        run.server.whole.look_at(run.server.state)
        words[[turns.VERSION, turns.LIMIT, turns.LEFT]] = run.server.version, limit, way.left
        words[[turns.RATES, turns.FACTORS]] = [*map(address, self.pace)]
        words[turns.OPEN] = not way.pushes

    def _tell(self):
        """Count the turns that workers took by themselves."""
        run, words, each = self.run, self.words, max(1, self.together)
        n = int(words[turns.LOGGED])
        if not n:
            return
        words[turns.LOGGED] = 0
        rows, losses = self.log[: n * each].tolist(), self.losses[: n * each].tolist()
        for turn, rate in enumerate(self.pace[0][:n].tolist()):
            some = rows[turn * each : (turn + 1) * each]
            number, staleness, refused, _, _, queue, _, _ = some[0]
            samples, hits = (sum(row[column] for row in some) for column in (turns.SAMPLES, turns.HITS))
            run.server.count(staleness, refused)
            run.count(losses[turn * each : (turn + 1) * each], hits, samples, queue)
            self.way.went_on(number, rate)
            for row in some:
                run.crew.went_on(row[turns.WHO], row[turns.BEGIN] / PER_SECOND, row[turns.END] / PER_SECOND)
        run.server.version, run.state.totals.learning_rate = int(words[turns.VERSION]), rate
        self.way.left = int(words[turns.LEFT])


class Turns:
    """What a worker needs to take its turns by itself; `mine` are its words."""

    def __init__(self, gate, number):
        self.gate, self.mine = gate, np.zeros(turns.MINE, np.int64)
        self.mine[turns.NUMBER] = number

    @property
    def version(self):
        """Of the net that the gradient left last was computed with."""
        return int(self.mine[turns.MY_VERSION])

    def take_waited(self):
        """Seconds that the worker waited for others, since the last call."""
        waited, self.mine[turns.WAITED] = int(self.mine[turns.WAITED]), 0
        return waited / PER_SECOND

    def loaded(self, version):
        """The worker has this version of the server's net; the gate is closed."""
        self.mine[[turns.MY_VERSION, turns.MY_ERA]] = version, self.gate.words[turns.ERA]

    def now(self):
        """(settings, (gate, mine, server's table)) for an engine."""
        server = self.gate.run.server
        begun = time.monotonic_ns()
        self.mine[[turns.UNTIL, turns.BEGUN]] = begun + int(SLICE * PER_SECOND), begun
        return np.append(settings_of(server.optimizer), server.damping), (address(self.gate.words), self.mine, server.whole.table)
