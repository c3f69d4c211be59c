"""Where workers push and pull by themselves, in compiled code, step after step, without the interpreter (see kernels.turns).

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


def gate_for(run, way):
    """The gate that fits the run, or None: workers that are threads, or processes of WASAP, with compiled steps and updates."""
    backend, fit = run.crew.backend, run.server.whole is not None and run.job.steps_per_push == 1 and not system.WINDOWS
    if fit and isinstance(backend, Threads):
        return Gate(run, way)
    from .office import Office

    return Office(run, way) if fit and Office.made_for(run) else None


class Gate:
    """The gate of the first phase of a run, `way` how its workers go on. Closed, until a first turn in Python has set it."""

    def __init__(self, run, way):
        self.run, self.way, self.together = run, way, run.n if run.synchronous else 0
        self.words, self.ahead = np.zeros(turns.WORDS, np.int64), max(1, AHEAD // max(1, self.together))
        self._furnish()

    def _furnish(self):
        """Make what the workers find here, and tell them where it is."""
        run, n_rows, n_layers = self.run, self.ahead * max(1, self.together), len(self.run.model.layers)
        self.log, self.losses = np.zeros((n_rows, turns.ROW), np.int64), np.zeros(n_rows)
        self.gradients = np.zeros((2, run.n, n_layers), np.int64)
        bound, arrays = run.server.max_staleness, (self.log, self.losses, *self.gradients)
        self.words[[turns.MAX_STALENESS, turns.TOGETHER]] = -1 if bound is None else bound, self.together
        self.words[[turns.LOG, turns.LOSSES, turns.DWS, turns.DBS]] = [self._place(array) for array in arrays]
        for worker in run.crew.backend.workers:
            worker.turns = Turns(worker.number, self.words, self._settings, run.server.whole.table)

    @contextmanager
    def closed(self):
        """Nobody else is at the server meanwhile; what workers did by themselves is told to the run before."""
        words, is_set = self.words, False
        self._acquire()  # whoever comes meanwhile waits for the lock: that is shorter than a way through Python
        try:
            words[turns.HERE] = 0
            words[turns.SENT_BACK] += 1
            self._tell()
            yield
            self._set()
            is_set = True
        finally:
            self.words[turns.OPEN] &= is_set
            system.release(address(words))

    def _acquire(self):
        system.acquire(address(self.words), turns.DRIVER)

    def _set(self):
        """Open, unless the epoch is over or all have to wait; then tasks under way belong to a past era."""
        run, way = self.run, self.way
        limit = min(self.ahead, way.per_epoch - 1 - run.updates, way.left)  # the last one is taken in Python
        if run.crew.over or limit < 1:
            self.words[turns.OPEN] = 0
            self.words[turns.ERA] += 1
            return
        self.pace = way.ahead(limit)
        self._prepare()
        self.words[[turns.VERSION, turns.LIMIT]] = run.server.version, limit
        self.words[turns.OPEN] = not way.pushes

    def _prepare(self):
        """Let the workers find the server's net and the rates."""
        self.run.server.whole.look_at(self.run.server.state)
        self.words[[turns.RATES, turns.FACTORS]] = [self._place(values) for values in self.pace]

    def _place(self, array):
        """Where an array stands, in bytes from the gate."""
        return address(array) - address(self.words)

    def _settings(self):
        return np.append(settings_of(self.run.server.optimizer), self.run.server.damping)

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
        run.server.version, run.state.totals.learning_rate = self._version(n), rate
        self.way.left -= n

    def _version(self, n):
        """The server's after n turns."""
        return int(self.words[turns.VERSION])


class Turns:
    """What a worker needs to take its turns by itself; `mine` are its words.

    words: of the gate; settings: function that gives those of the server's update; table: addresses of the server's net; keeps:
    the arrays there, where nobody else in this process has them. era: in which its task was given, where that may be long ago.
    """

    era = None

    def __init__(self, number, words, settings, table, keeps=()):
        self.words, self.settings, self.table, self.keeps = words, settings, table, keeps
        self.mine = np.zeros(turns.MINE, np.int64)
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
        era = self.words[turns.ERA] if self.era is None else self.era
        self.mine[[turns.MY_VERSION, turns.MY_ERA]] = version, era

    def now(self):
        """(settings, (gate, mine, server's table)) for an engine."""
        begun = time.monotonic_ns()
        self.mine[[turns.UNTIL, turns.BEGUN]] = begun + int(SLICE * PER_SECOND), begun
        return self.settings(), (address(self.words), self.mine, self.table)
