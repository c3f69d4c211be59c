"""Workers in threads of one process that train a copy of the server's net together: the cores of a machine of a cluster.

Between two pushes to the server they push to this copy and pull from it, as those of backend "threads" do.
"""

from contextlib import nullcontext

import numpy as np

from ...kernels import system
from ...nn.mlp import SparseMLP
from ..compiled.handoff import Handoff
from ..core.server import ParameterServer
from ..core.worker import GradientUpdate
from .local import Threads


class Team(Threads):
    """The workers with these numbers, in threads of their own until `close`. After an error it is not used again."""

    name = "team"

    def __init__(self, spec, numbers, X, targets):
        super().__init__()
        self.numbers, self.server, self.next_round, self.left = numbers, None, None, 0
        self.open(spec, X, targets)

    def train(self, number, snapshot, round_):
        """The GradientUpdate, as of worker `number`, of the `steps` mini-batches of a round: what they change in this snapshot.

        Each worker goes on in its own samples, from where it was after the round before; so does the optimizer, where the
        snapshot has no state of it.
        """
        self._load(snapshot)
        if round_ != self.next_round:
            self.rounds = dict.fromkeys(self.workers, round_ * snapshot.steps // len(self.workers))
        self.rates, self.left, self.next_round = snapshot.rates, snapshot.steps, round_ + 1
        self.pushed, self.losses, self.hits, self.n_samples, self.seconds = 0, [], 0, 0, 0.0
        for one in [*self.workers][: self.left]:
            self._begin(one)
        failed = False
        while self.pushed < snapshot.steps and not failed:
            future = self.completed(None)
            with self.shared.paused() if self.shared else nullcontext():
                update = self.result(future)
                failed = update.failed
                if not failed:
                    self.server.push(update, update.dw, update.db, self.rates[self.pushed], checked=True)
                self._count(update.losses, update.hits, update.n_samples, update.seconds)
                self.rounds[update.number] = update.round + 1
                if self.left:
                    self._begin(update.number)
        self.server.take_traffic()
        pairs = [*zip(self.server.model.layers, snapshot.parameters.weights, snapshot.parameters.biases, strict=True)]
        dw, db = [layer.w - w for layer, w, _ in pairs], [layer.b - b for layer, _, b in pairs]
        return GradientUpdate(
            number, round_, snapshot.version, snapshot.generation, self.losses, self.hits, self.n_samples, dw, db, failed,
            self.seconds, self.server.state if snapshot.state_wanted else None,
        )  # fmt: skip

    def turns_ahead(self, most):
        """(rates, factors of the velocity) of the turns that workers may take by themselves now; None: they must not."""
        n = min(most, self.left)
        return (self.rates[self.pushed : self.pushed + n], np.ones(n)) if n else None

    def record_turn(self, tasks, rate, staleness, refused, losses, hits, n_samples, queue):
        """Count a turn that workers took by themselves; tasks: (worker, start, end) of each of them."""
        self.server.count(staleness, refused)
        self.left -= 1
        self._count(losses, hits, n_samples, 0.0)  # the next update of this worker has the seconds of these turns, too

    def _numbers(self):
        return self.numbers

    def _load(self, snapshot):
        """Make the copy of the server's net equal to it."""
        layers, spec, state = snapshot.parameters.layers(), self.spec, snapshot.optimizer
        state = None if state is None else [one.copy() for one in state]
        if self.server is None:
            model = SparseMLP(layers, spec.activation, dropout=spec.dropout, initializer=spec.initializer)
            self.server = ParameterServer(model, spec.optimizer, state=state)
            if self.server.table is not None and not system.WINDOWS:
                self.shared = Handoff(self.server, len(self.workers), False, self)
                for worker in self.workers.values():
                    worker.connect(self.shared.client(worker.number))
        self.server.model.take_over(layers, "snapshot", snapshot.parameters.neurons)
        if state is not None:
            self.server.resume(state)
        self.server.generation = snapshot.generation

    def _begin(self, number):
        self.left -= 1
        self.gradient(number, self.server.view(), self.rounds[number])

    def _count(self, losses, hits, n_samples, seconds):
        self.pushed += 1
        self.losses += losses
        self.hits += hits
        self.n_samples += n_samples
        self.seconds += seconds
