"""A worker's side of pushes and pulls in compiled code."""

import time

import numpy as np

from ...kernels import push_pull
from ...kernels.arguments import address

SLICE = 0.1  # seconds after which a worker returns to Python
PER_SECOND = 10**9


class CompiledClient:
    """What a worker needs to push and pull in compiled code (see kernels/push_pull.py); `mine` are its own words.

    words: the control words of all workers; server: table of the server's net; settings: function that gives those of the server
    now; session: the one in which its task was given (None: the present one); arrays: those behind the table, where nothing else
    in this process keeps them.
    """

    def __init__(self, number, words, server, settings, session=None, arrays=()):
        self.words, self.server, self.settings, self.session, self.arrays = words, server, settings, session, arrays
        self.mine = np.zeros(push_pull.MINE, np.int64)
        self.mine[push_pull.NUMBER] = number

    @property
    def version(self):
        """Of the net that the last gradient was computed with."""
        return int(self.mine[push_pull.MY_VERSION])

    def take_waited(self):
        """Seconds that the worker waited for others, since the last call."""
        waited, self.mine[push_pull.WAITED] = int(self.mine[push_pull.WAITED]), 0
        return waited / PER_SECOND

    def loaded(self, version):
        """Note that the worker has this version of the server's net; meanwhile no worker may push by itself."""
        session = self.words[push_pull.SESSION] if self.session is None else self.session
        self.mine[[push_pull.MY_VERSION, push_pull.MY_SESSION]] = version, session

    def now(self):
        """(settings, (address of the control words, own words, server's table)) for an engine."""
        begun = time.monotonic_ns()
        self.mine[[push_pull.UNTIL, push_pull.BEGUN]] = begun + int(SLICE * PER_SECOND), begun
        return self.settings(), (address(self.words), self.mine, self.server)
