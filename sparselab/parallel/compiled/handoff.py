"""When workers may push and pull by themselves, in compiled code, step after step (see kernels/push_pull.py).

Python between the steps costs time, and workers that are threads wait for each other there. Now and then each returns with a
gradient, which Python applies: then all that the workers did by themselves is recorded, and the phase says how it goes on.
"""

from contextlib import contextmanager

import numpy as np

from ...kernels import push_pull, system
from ...kernels.arguments import address
from .client import PER_SECOND, CompiledClient

AHEAD = 512  # turns that are allowed at once, at most


def kinds(n_turns, n_rows):
    """(dtype, shape) of what workers share beside the net: control words, rates, factors, log, losses."""
    turns, row = ("f8", (n_turns,)), ("i8", (n_rows, push_pull.ROW))
    return [("i8", (push_pull.WORDS,)), turns, turns, row, ("f8", (n_rows,))]


class Handoff:
    """Lets the workers of the first phase push to its server by themselves; not before the first push in Python.

    phase: says how many turns workers may take by themselves (`turns_ahead`), and counts what they did (`record_turn`).
    """

    def __init__(self, server, n_workers, synchronous, phase):
        self.server, self.phase, self.together = server, phase, n_workers if synchronous else 0
        self.ahead = max(1, AHEAD // max(1, self.together))
        self._share([np.zeros(shape, dtype) for dtype, shape in kinds(self.ahead, self.ahead * max(1, self.together))])
        self.gradients = np.zeros((2, n_workers, len(server.model.layers)), np.int64)
        self.words[[push_pull.DWS, push_pull.DBS]] = [address(part) - address(self.words) for part in self.gradients]
        self.words[push_pull.TOGETHER] = self.together

    def client(self, number):
        """The CompiledClient of a worker in this process."""
        return CompiledClient(number, self.words, self.server.table.rows, self.server.settings)

    @contextmanager
    def paused(self):
        """No worker is at the server meanwhile; what workers did by themselves is recorded before."""
        words, is_open = self.words, False
        self._acquire()  # workers that arrive meanwhile wait for the lock: that is shorter than a way through Python
        try:
            words[push_pull.ARRIVED] = 0
            words[push_pull.SENT_BACK] += 1
            self._replay_log()
            yield
            self._open()
            is_open = True
        finally:
            self.words[push_pull.OPEN] &= is_open
            system.release(address(words))

    def _share(self, arrays):
        """Use these arrays (see `kinds`), and write into the control words where they are."""
        self.words, self.rates, self.factors, self.log, self.losses = arrays
        places = [address(array) - address(self.words) for array in arrays[1:]]
        self.words[[push_pull.RATES, push_pull.FACTORS, push_pull.LOG, push_pull.LOSSES]] = places

    def _acquire(self):
        system.acquire(address(self.words), push_pull.DRIVER)

    def _open(self):
        """Allow turns, if there are any; else tasks under way belong to a past session."""
        turns = self.phase.turns_ahead(self.ahead)
        if turns is None:
            self.words[push_pull.OPEN] = 0
            self.words[push_pull.SESSION] += 1
            return
        self._publish()
        for own, values in zip((self.rates, self.factors), turns, strict=True):
            own[: len(values)] = values
        self.words[[push_pull.VERSION, push_pull.LIMIT, push_pull.OPEN]] = self.server.version, len(turns[0]), 1

    def _publish(self):
        """Let the workers find the server's net."""
        self.server.table.refresh(self.server.state)

    def _replay_log(self):
        """Record the turns that workers took by themselves."""
        n, each = int(self.words[push_pull.LOGGED]), max(1, self.together)
        self.words[push_pull.LOGGED] = 0
        rows, losses = self.log[: n * each].tolist(), self.losses[: n * each].tolist()
        for turn, rate in enumerate(self.rates[:n].tolist()):
            part = slice(turn * each, (turn + 1) * each)
            some = rows[part]
            _, staleness, refused, _, _, queue, _, _ = some[0]
            samples, hits = (sum(row[column] for row in some) for column in (push_pull.SAMPLES, push_pull.HITS))
            tasks = [
                (row[push_pull.WORKER], row[push_pull.BEGIN] / PER_SECOND, row[push_pull.END] / PER_SECOND) for row in some
            ]  # fmt: skip
            self.phase.record_turn(tasks, rate, staleness, refused, losses[part], hits, samples, queue)
