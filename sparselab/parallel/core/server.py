"""The parameter server: the one copy of the net that counts. Workers pull snapshots and push gradients; it updates and evolves.

It lives in the driving process and belongs to one thread: nobody else writes to the net.
"""

from dataclasses import dataclass, field

import numpy as np

from ... import evolution
from ...engines.fused import FusedUpdate
from ...kernels import elementwise
from ...nn.mlp import Parameters
from ...nn.optimizers import MomentumSGD, check_state
from ...utils import checks
from .worker import Snapshot


@dataclass
class Traffic:
    """What was pushed: staleness of each push, entries of gradients that came and those that were dropped, pushes refused."""

    staleness: list = field(default_factory=list)
    entries: int = 0
    dropped: int = 0
    refused: int = 0


class ParameterServer:
    """Applies gradients of older versions of the net to the newest one (Curci et al. 2021, algorithm 3: WASAP-SGD, phase 1).

    model: a SparseMLP, updated in place. optimizer: as for `train`; state: its LayerStates (default new ones). max_staleness:
    None, or the updates that a push may be behind, else it is refused; damping: 0, or the power of (1 + staleness) by which the
    rate of a push is divided. The velocity lives here only. `traffic` counts since it was last taken (`take_traffic`).

    RetainValidUpdates: a push from before an evolution is not thrown away. Its entries move with their links; those of links
    that are gone are dropped; new links get nothing from it; biases go with the neurons that are left.
    """

    def __init__(self, model, optimizer=None, *, state=None, max_staleness=None, damping=0.0):
        self.model, self.optimizer = model, MomentumSGD() if optimizer is None else optimizer
        self.state = self.optimizer.init(model) if state is None else state
        check_state(self.state, model)
        self.whole = FusedUpdate(model, self.optimizer) if FusedUpdate.made_for(model, self.optimizer) else None
        self.max_staleness = None if max_staleness is None else checks.integer("max_staleness", max_staleness, low=0)
        self.damping = checks.non_negative("damping", damping)
        self.version = self.generation = 0
        self.ways, self.shapes, self.to_now, self.traffic = {}, {}, {}, Traffic()

    def view(self):
        """A Snapshot without copies: valid until the next push."""
        layers = self.model.layers
        arrays = tuple(a.topology for a in layers), tuple(a.w for a in layers), tuple(a.b for a in layers)
        return Snapshot(self.version, self.generation, Parameters(*arrays, self.model.neurons))

    def pull(self):
        """A Snapshot: copies of everything that a worker needs."""
        return Snapshot(self.version, self.generation, self.model.snapshot())

    def push(self, snapshot, dw, db, rate, *, checked=False):
        """Apply gradients dw, db (a list each, an array a layer) that were computed with `snapshot`; returns the staleness.

        snapshot: a Snapshot, or anything with its version and generation. rate: learning rate. checked: whether they come from
        an engine of this process, which has looked at them. ValueError for gradients that do not fit that snapshot or are not
        finite: nothing is applied then.
        """
        staleness = self.version - snapshot.version
        if not checked:
            self.check(snapshot.generation, dw, db)
        dw, db = self.moved(snapshot.generation, dw, db)
        self.traffic.staleness.append(staleness)
        if self.max_staleness is not None and staleness > self.max_staleness:
            self.traffic.refused += 1
            return staleness
        rate = rate / (1 + staleness) ** self.damping
        self._update(dw, db, rate)
        self.version += 1
        return staleness

    def count(self, staleness, refused):
        """A push of this generation was applied elsewhere, or refused."""
        self.traffic.entries += self.model.n_links
        self.traffic.staleness.append(staleness)
        self.traffic.refused += refused

    def moved(self, generation, dw, db):
        """The gradients on the links and neurons of now; what has no place any more is dropped and counted."""
        self.traffic.entries += sum(map(len, dw))
        if generation == self.generation:
            return dw, db
        ways = self._way_from(generation)
        moved_w = [g if way is None else way.carry(g) for g, way in zip(dw, ways, strict=True)]
        moved_b = [g if way is None else way.carry_rows(g) for g, way in zip(db, ways, strict=True)]
        self.traffic.dropped += sum(way.n_pruned for way in ways if way is not None)
        return moved_w, moved_b

    def evolve(self, rules, epoch, make_evidence, rng):
        """Apply topology rules after `epoch` epochs, all or none of them; returns the evolution.Changes."""
        shapes = self._shapes()
        with evolution.Undo(self.model, self.state) as undo:
            changes = evolution.evolve(rules, epoch, self.model, self.state, make_evidence, rng)
            undo.give_up()
        if any(way is not None for way in changes.rewirings):
            self.ways[self.generation], self.shapes[self.generation] = changes.rewirings, shapes
            self.generation, self.to_now = self.generation + 1, {}
        return changes

    def forget(self, oldest):
        """Nobody computes with a generation before `oldest` any more."""
        for generation in [g for g in self.ways if g < oldest]:
            del self.ways[generation], self.shapes[generation]

    def take_traffic(self):
        """The Traffic since the last call."""
        taken, self.traffic = self.traffic, Traffic()
        return taken

    def _update(self, dw, db, rate):
        if self.whole is not None:
            self.whole(self.state, dw, db, rate)
            return
        for layer, state, weights, biases in zip(self.model.layers, self.state, dw, db, strict=True):
            self.optimizer.update(layer, state, weights, biases, rate)

    def _way_from(self, generation):
        """A Rewiring (or None) a layer from a generation to now."""
        if generation not in self.to_now:
            ways = self.ways[generation]
            for later in range(generation + 1, self.generation):
                ways = [evolution.chained(*pair) for pair in zip(ways, self.ways[later], strict=True)]
            self.to_now[generation] = ways
        return self.to_now[generation]

    def check(self, generation, dw, db, finite=True):
        """Raise ValueError unless these are gradients of the net of that generation, and finite."""
        if generation != self.generation and generation not in self.ways:
            checks.fail("generation", generation, f"one of {[*self.ways, self.generation]}")
        shapes = self._shapes() if generation == self.generation else self.shapes[generation]
        if len(dw) != len(shapes) or len(db) != len(shapes):
            checks.fail("gradients", (len(dw), len(db)), f"{len(shapes)} arrays each, one a layer")
        for l, (nnz, n_out) in enumerate(shapes):
            check_gradient(f"dw[{l}]", dw[l], nnz, self.model.dtype, finite)
            check_gradient(f"db[{l}]", db[l], n_out, self.model.dtype, finite)

    def _shapes(self):
        """(links, outputs) of each layer now."""
        return [(layer.topology.nnz, layer.topology.n_out) for layer in self.model.layers]


def check_gradient(name, array, n, dtype, finite=True):
    """ValueError unless `array` is n values of this dtype, and finite."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != (n,):
        checks.fail(name, array, f"a {dtype} array of shape ({n},)")
    look = elementwise.all_finite if dtype == np.float32 and array.flags.c_contiguous else checks.all_finite
    if finite and not look(array):
        raise ValueError(f"{name}: must be finite")
