"""A worker that pushes and pulls in compiled code."""

import time

import numpy as np

from ...engines.fused import address
from ...kernels import columns, push_pull
from ...utils import shared_memory

SLICE = 0.1  # seconds until a worker comes back
PER_SECOND = 10**9
FIELDS = (columns.W, columns.B, columns.V, columns.VB)


class CompiledClient:
    """What a worker needs to take its turns by itself; `mine` are its words.

    words: of the gate; settings: function that gives those of the server's update; table: addresses of the server's net; keeps:
    the arrays there, where nobody else in this process has them. era: in which its task was given, where that may be long ago.
    """

    era = None

    def __init__(self, number, words, settings, table, keeps=()):
        self.words, self.settings, self.table, self.keeps = words, settings, table, keeps
        self.mine = np.zeros(push_pull.MINE, np.int64)
        self.mine[push_pull.NUMBER] = number

    @property
    def version(self):
        """Of the net that the gradient left last was computed with."""
        return int(self.mine[push_pull.MY_VERSION])

    def take_waited(self):
        """Seconds that the worker waited for others, since the last call."""
        waited, self.mine[push_pull.WAITED] = int(self.mine[push_pull.WAITED]), 0
        return waited / PER_SECOND

    def loaded(self, version):
        """The worker has this version of the server's net; the gate is closed."""
        era = self.words[push_pull.ERA] if self.era is None else self.era
        self.mine[[push_pull.MY_VERSION, push_pull.MY_ERA]] = version, era

    def now(self):
        """(settings, (gate, mine, server's table)) for an engine."""
        begun = time.monotonic_ns()
        self.mine[[push_pull.UNTIL, push_pull.BEGUN]] = begun + int(SLICE * PER_SECOND), begun
        return self.settings(), (address(self.words), self.mine, self.table)


def turns_at(number, memory, plan):
    """The Turns of a worker in another process; `era` and `settings` are those of each task."""
    words, _, _, _, *nets = shared_memory.views(shared_memory.opened(memory), plan)
    arrays = [nets[first : first + len(FIELDS)] for first in range(0, len(nets), len(FIELDS))]
    table = np.zeros((len(arrays), columns.FIELDS), np.int64)
    for row, some in zip(table, arrays, strict=True):
        row[[columns.NNZ, columns.N_OUT]] = len(some[0]), len(some[1])
        row[[*FIELDS]] = [*map(address, some)]
    return CompiledClient(number, words, None, table, keeps=nets)
