"""Where workers push and pull by themselves, in compiled code, step after step, without the interpreter (see kernels.turns).

With Python between its steps a worker needed a sixth more time, and two of them waited for the interpreter as well. Now and then
each comes back with a gradient and takes an ordinary turn: then everything is told to the run, and the gate is set anew.
"""

from contextlib import contextmanager

import numpy as np

from ...engines.fused import address, settings_of
from ...kernels import push_pull, system
from .client import PER_SECOND, CompiledClient

AHEAD = 512  # turns until somebody comes back, at most


class Handoff:
    """The gate of the first phase of a run, `way` how its workers go on. Closed, until a first turn in Python has set it."""

    def __init__(self, run, way):
        self.run, self.way, self.together = run, way, run.n if run.synchronous else 0
        self.words, self.ahead = np.zeros(push_pull.WORDS, np.int64), max(1, AHEAD // max(1, self.together))
        self._allocate()

    def _allocate(self):
        """Make what the workers find here, and tell them where it is."""
        run, n_rows, n_layers = self.run, self.ahead * max(1, self.together), len(self.run.model.layers)
        self.log, self.losses = np.zeros((n_rows, push_pull.ROW), np.int64), np.zeros(n_rows)
        self.gradients = np.zeros((2, run.n, n_layers), np.int64)
        bound, arrays = run.server.max_staleness, (self.log, self.losses, *self.gradients)
        self.words[[push_pull.MAX_STALENESS, push_pull.TOGETHER]] = -1 if bound is None else bound, self.together
        self.words[[push_pull.LOG, push_pull.LOSSES, push_pull.DWS, push_pull.DBS]] = [self._place(array) for array in arrays]
        for worker in run.crew.backend.workers:
            worker.turns = CompiledClient(worker.number, self.words, self._settings, run.server.whole.table)

    @contextmanager
    def closed(self):
        """Nobody else is at the server meanwhile; what workers did by themselves is told to the run before."""
        words, is_set = self.words, False
        self._acquire()  # whoever comes meanwhile waits for the lock: that is shorter than a way through Python
        try:
            words[push_pull.HERE] = 0
            words[push_pull.SENT_BACK] += 1
            self._replay_log()
            yield
            self._set()
            is_set = True
        finally:
            self.words[push_pull.OPEN] &= is_set
            system.release(address(words))

    def _acquire(self):
        system.acquire(address(self.words), push_pull.DRIVER)

    def _set(self):
        """Open, unless the epoch is over or all have to wait; then tasks under way belong to a past era."""
        run, way = self.run, self.way
        limit = min(self.ahead, way.per_epoch - 1 - run.updates, way.left)  # the last one is taken in Python
        if run.crew.over or limit < 1:
            self.words[push_pull.OPEN] = 0
            self.words[push_pull.ERA] += 1
            return
        self.pace = way.ahead(limit)
        self._prepare()
        self.words[[push_pull.VERSION, push_pull.LIMIT]] = run.server.version, limit
        self.words[push_pull.OPEN] = not way.pushes

    def _prepare(self):
        """Let the workers find the server's net and the rates."""
        self.run.server.whole.look_at(self.run.server.state)
        self.words[[push_pull.RATES, push_pull.FACTORS]] = [self._place(values) for values in self.pace]

    def _place(self, array):
        """Where an array stands, in bytes from the gate."""
        return address(array) - address(self.words)

    def _settings(self):
        return np.append(settings_of(self.run.server.optimizer), self.run.server.damping)

    def _replay_log(self):
        """Count the turns that workers took by themselves."""
        run, words, each = self.run, self.words, max(1, self.together)
        n = int(words[push_pull.LOGGED])
        if not n:
            return
        words[push_pull.LOGGED] = 0
        rows, losses = self.log[: n * each].tolist(), self.losses[: n * each].tolist()
        for turn, rate in enumerate(self.pace[0][:n].tolist()):
            some = rows[turn * each : (turn + 1) * each]
            number, staleness, refused, _, _, queue, _, _ = some[0]
            samples, hits = (sum(row[column] for row in some) for column in (push_pull.SAMPLES, push_pull.HITS))
            run.server.count(staleness, refused)
            run.count(losses[turn * each : (turn + 1) * each], hits, samples, queue)
            self.way.record_remote_step(number, rate)
            for row in some:
                begun, ended = row[push_pull.BEGIN] / PER_SECOND, row[push_pull.END] / PER_SECOND
                run.crew.record_remote_step(row[push_pull.WHO], begun, ended)
        run.server.version, run.state.totals.learning_rate = self._version(n), rate
        self.way.left -= n

    def _version(self, n):
        """The server's after n turns."""
        return int(self.words[push_pull.VERSION])
