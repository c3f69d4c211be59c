"""The gate for workers that are processes: a branch office of the server, in memory that all of them map.

A worker may be killed at any instruction of its turn. So the net stands here twice, and the turn that has written the other one
counts from the moment in which one word is added to; and whoever waits for a lock whose holder is dead takes it over.
"""

import time

import numpy as np

from ...engines.fused import address
from ...kernels import push_pull, system
from ...utils import shared_memory
from .handoff import AHEAD, Handoff

LOOKS = 2000  # at the lock, until it is asked who has it: some milliseconds
STUCK = 1.0  # seconds that a worker may have the lock, who needs it for far less than a millisecond
KINDS = [("i8", (push_pull.WORDS,)), ("f8", (AHEAD,)), ("i8", (AHEAD, push_pull.ROW)), ("f8", (AHEAD,))]


class SharedServer(Handoff):
    """The Gate of a run on backend "processes". Its memory is of one generation of the server's net."""

    def _allocate(self):
        self.memories, self.generation = {}, None  # the memory comes with the first net
        self.run.crew.backend.office = self

    def message(self):
        """What a worker has to know: where the memory is, its layout, the era, and the settings of the server's update."""
        if self.generation != self.run.server.generation:
            self._move()
        return self.memories[self.generation].path, self.plan, int(self.words[push_pull.ERA]), self._settings()

    def close(self):
        """Give the memory back."""
        for memory in self.memories.values():
            memory.close()
        self.memories = {}

    def _move(self):
        """New memory, for a net with other links; those before stay for workers that are still on their way there."""
        net = [(array.dtype, array.shape) for array in self._net()]
        self.plan = shared_memory.layout([*KINDS, *net, *net])
        self.generation, oldest = self.run.server.generation, min(self.run.pulled.values(), default=0)
        for past in [generation for generation in self.memories if generation < oldest]:
            self.memories.pop(past).close()
        memory = self.memories[self.generation] = shared_memory.SharedMemory(shared_memory.end_of(self.plan))
        self.words, self.rates, self.log, self.losses, *nets = shared_memory.views(memory.memory, self.plan)
        self.nets = nets[: len(net)], nets[len(net) :]
        self.words[[push_pull.APART, push_pull.MAX_STALENESS]] = 1, -1
        self.words[[push_pull.RATES, push_pull.LOG, push_pull.LOSSES]] = [
            self._place(a) for a in (self.rates, self.log, self.losses)
        ]

    def _net(self):
        """The server's arrays: of each layer values and biases, and the velocity of both."""
        parts = zip(self.run.model.layers, self.run.server.state, strict=True)
        return [array for layer, state in parts for array in (layer.w, layer.b, state.links[0], state.neurons[0])]

    def _replay_log(self):
        n = int(self.words[push_pull.LOGGED])
        if n:
            for ours, theirs in zip(self._net(), self.nets[n % 2], strict=True):
                np.copyto(ours, theirs)
        super()._replay_log()

    def _version(self, n):
        return int(self.words[push_pull.VERSION]) + n

    def _prepare(self):
        self.message()  # the memory is there
        for ours, theirs in zip(self._net(), self.nets[0], strict=True):
            np.copyto(theirs, ours)
        rates = self.pace[0]
        self.rates[: len(rates)] = rates

    def _acquire(self):
        lock, backend, begun = address(self.words), self.run.crew.backend, time.monotonic()
        while not system.try_to_acquire(lock, push_pull.DRIVER, LOOKS):
            whose = int(self.words[push_pull.LOCK])
            if whose and (time.monotonic() - begun > STUCK or not backend.is_alive(whose - 1)):
                backend.kill(whose - 1)
                if system.take_from(lock, whose, push_pull.DRIVER):
                    self.words[push_pull.WAITING] = 0
                    return
