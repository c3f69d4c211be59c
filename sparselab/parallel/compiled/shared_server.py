"""Turns of workers that are processes: in memory that all of them map, on a copy of the server's net.

A worker may be killed at any instruction of its turn. So the net is stored there twice (see push_pull.take_turn), and the
driver takes over a lock whose holder is dead.
"""

import time

import numpy as np

from ...engines.net_table import FIELDS, net_arrays, write_rows
from ...kernels import columns, push_pull, system
from ...kernels.arguments import address
from ...utils import shared_memory
from .client import CompiledClient
from .handoff import AHEAD, Handoff, kinds

LOOKS = 2000  # at the lock, until its holder is looked at: some milliseconds
STUCK = 1.0  # seconds that a worker may have the lock, which it needs for far less than a millisecond
SHARED = kinds(AHEAD, AHEAD)


class SharedServer(Handoff):
    """The Handoff of asynchronous workers on backend "processes". A memory is of one generation of the server's net.

    processes: has is_alive(number) and kill(number).
    """

    def __init__(self, server, processes, phase):
        super().__init__(server, 0, False, phase)  # its arrays are replaced by those in memory with the first net
        self.processes, self.memories, self.generation = processes, {}, None

    def message(self):
        """What `client_at` needs in a worker's process: the memory, its layout, the session, and the server's settings."""
        if self.generation != self.server.generation:
            self._move()
        return self.memories[self.generation].path, self.plan, int(self.words[push_pull.SESSION]), self.server.settings()

    def close(self):
        """Give the memory back."""
        for memory in self.memories.values():
            memory.close()
        self.memories = {}

    def _move(self):
        """New memory, for a net with other links; those before stay for workers that are still on their way there."""
        self.generation = self.server.generation
        for past in [generation for generation in self.memories if generation < self.server.oldest]:
            self.memories.pop(past).close()
        net = [(array.dtype, array.shape) for array in self._net()]
        self.plan = shared_memory.layout([*SHARED, *net, *net])
        memory = self.memories[self.generation] = shared_memory.SharedMemory(shared_memory.end_of(self.plan))
        arrays = shared_memory.views(memory.memory, self.plan)
        self._share(arrays[: len(SHARED)])
        self.words[push_pull.APART] = 1
        self.nets = arrays[len(SHARED) : len(SHARED) + len(net)], arrays[len(SHARED) + len(net) :]

    def _net(self):
        return net_arrays(self.server.model, self.server.state)

    def _replay_log(self):
        n = int(self.words[push_pull.LOGGED])
        if n:
            for ours, theirs in zip(self._net(), self.nets[n % 2], strict=True):
                np.copyto(ours, theirs)
        super()._replay_log()

    def _publish(self):
        self.message()  # the memory is there
        for ours, theirs in zip(self._net(), self.nets[0], strict=True):
            np.copyto(theirs, ours)

    def _acquire(self):
        lock, begun = address(self.words), time.monotonic()
        while not system.try_to_acquire(lock, push_pull.DRIVER, LOOKS):
            holder = int(self.words[push_pull.LOCK])
            if holder and (time.monotonic() - begun > STUCK or not self.processes.is_alive(holder - 1)):
                self.processes.kill(holder - 1)
                if system.take_from(lock, holder, push_pull.DRIVER):
                    self.words[push_pull.WAITING] = 0
                    return


def client_at(number, memory, plan):
    """Function (session, settings) that gives the CompiledClient of a worker in another process."""
    arrays = shared_memory.views(shared_memory.opened(memory), plan)
    words, nets = arrays[0], arrays[len(SHARED) :]
    rows = np.zeros((len(nets) // len(FIELDS), columns.FIELDS), np.int64)
    write_rows(rows, nets)
    return lambda session, settings: CompiledClient(number, words, rows, lambda: settings, session, arrays)
