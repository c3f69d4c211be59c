"""The parameter server, which has the net that is trained. Workers pull snapshots and push gradients; it updates and evolves.

It lives in the driving process and belongs to one thread at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import evolution
from ...engines.fused import settings_of
from ...engines.net_table import NetTable
from ...kernels import JIT, elementwise, push_pull
from ...kernels.arguments import address
from ...nn import trained_activations
from ...nn.mlp import Parameters, SparseMLP, check_model
from ...nn.optimizers import LayerState, MomentumSGD, check_state, update_layers
from ...nn.torch_optimizers import TorchOptimizer
from ...training.loop import check_optimizer
from ...utils import checks
from .worker import GradientUpdate, Snapshot

Gradients = list[NDArray[np.floating]]  # an array for each layer


@dataclass
class Traffic:
    """What was pushed: staleness of each push, entries of gradients that came and those that were dropped, pushes refused."""

    staleness: list = field(default_factory=list)
    entries: int = 0
    dropped: int = 0
    refused: int = 0


class ParameterServer:
    """Applies gradients of older versions of a net to the newest one.

    A gradient from before an evolution of the topology is not thrown away (RetainValidUpdates): its entries move with their
    links, those of links that are gone are dropped, new links get nothing from it, and biases go with the neurons that are left.

    Parameters
    ----------
    model : SparseMLP
        The net; updated in place.
    optimizer : object, optional
        As for `train`; default ``MomentumSGD()``. Its velocity is kept here only, never by workers.
    state : list of LayerState, optional
        The optimizer's state, one for each layer; default a new one.
    max_staleness : int, optional
        How many updates a push may be behind, at least 0; a push further behind is refused. Default: no bound.
    damping : float, default 0
        The learning rate of a push is divided by ``(1 + staleness) ** damping``; at least 0.

    Attributes
    ----------
    version : int
        Updates so far.
    generation : int
        Evolutions of the topology so far.
    traffic : Traffic
        What was pushed since `take_traffic` was called last.

    References
    ----------
    Curci et al. 2021, algorithm 3 (WASAP-SGD), phase 1.

    Examples
    --------
    >>> import numpy as np, sparselab as sl
    >>> server = sl.ParameterServer(sl.SparseMLP.create((4, 8, 2), density=0.5, seed=0))
    >>> snapshot = server.pull()
    >>> dw = [np.zeros_like(layer.w) for layer in server.model.layers]
    >>> db = [np.zeros_like(layer.b) for layer in server.model.layers]
    >>> server.push(snapshot, dw, db, 0.1), server.push(snapshot, dw, db, 0.1)
    (0, 1)
    """

    def __init__(
        self, model: SparseMLP, optimizer: Any = None, *, state: list[LayerState] | None = None,
        max_staleness: int | None = None, damping: float = 0.0,
    ) -> None:  # fmt: skip
        check_model(model)
        trained_activations.refuse(model.activation, "workers push gradients of links and biases only")
        self.model, self.optimizer = model, check_optimizer(optimizer)
        self.state = self.optimizer.init(model) if state is None else state
        check_state(self.state, model)
        plain = type(self.optimizer) is MomentumSGD and self.optimizer.clip_norm is None
        compiled = JIT and model.dtype == np.float32 and plain
        self.table = NetTable(model) if compiled else None  # None: the optimizer updates layer by layer
        self.max_staleness = None if max_staleness is None else checks.integer("max_staleness", max_staleness, low=0)
        self.damping = checks.non_negative("damping", damping)
        self.version = self.generation = 0
        self.rewirings, self.shapes, self.to_now, self.traffic = {}, {}, {}, Traffic()

    def view(self) -> Snapshot:
        """Give a Snapshot without copies.

        Returns
        -------
        Snapshot
            The arrays of the net itself: valid until the next push.
        """
        layers = self.model.layers
        arrays = tuple(a.topology for a in layers), tuple(a.w for a in layers), tuple(a.b for a in layers)
        return Snapshot(self.version, self.generation, Parameters(*arrays, self.model.neurons))

    def pull(self) -> Snapshot:
        """Give a Snapshot with arrays of its own.

        Returns
        -------
        Snapshot
            All that a worker needs to compute a gradient.
        """
        return Snapshot(self.version, self.generation, self.model.snapshot())

    def push(
        self, snapshot: Snapshot, dw: Gradients, db: Gradients, rate: float, *, checked: bool = False
    ) -> int:  # fmt: skip
        """Apply gradients that were computed with a snapshot.

        Parameters
        ----------
        snapshot : Snapshot
            What they were computed with, or any object with its `version` and `generation`.
        dw, db : list of ndarray
            An array for each layer, of the dtype of the net: a value for each link, and one for each output.
        rate : float
            The learning rate, before damping.
        checked : bool, default False
            Whether they are known to fit and to be finite, as those of an engine of this process are.

        Returns
        -------
        int
            The staleness: updates since the snapshot.

        Raises
        ------
        ValueError
            If the gradients do not fit that snapshot or are not finite: nothing is applied then.
        """
        staleness, rate = self.version - snapshot.version, checks.number("rate", rate, "a finite number")
        if not checked:
            self.check(snapshot.generation, dw, db, version=snapshot.version)
        dw, db = self.moved(snapshot.generation, dw, db)
        self._count(staleness, self._apply(dw, db, rate, staleness))
        return staleness

    def merge(self, update: GradientUpdate, *, checked: bool = False) -> int:
        """Add what a team of workers has changed in its copy of the net, and take over its optimizer's state, if that has come.

        Parameters
        ----------
        update : GradientUpdate
            The team's.
        checked : bool, default False
            As for `push`.

        Returns
        -------
        int
            The staleness: updates of the server since the team's copy.

        Raises
        ------
        ValueError
            If the changes do not fit that copy or are not finite: nothing is changed then.
        """
        staleness = self.version - update.version
        if not checked:
            self.check(update.generation, update.dw, update.db, optimizer=update.optimizer, version=update.version)
        factor = push_pull.push_rate(1.0, staleness, float(self.damping), self._bound())
        dw, db = self.moved(update.generation, update.dw, update.db)
        if factor >= 0:
            for layer, *changes in zip(self.model.layers, dw, db, strict=True):
                for values, change in zip((layer.w, layer.b), changes, strict=True):
                    values += change * change.dtype.type(factor)
        if factor >= 0 and update.optimizer is not None:
            for own, theirs, rewiring in zip(self.state, update.optimizer, self._rewirings_from(update.generation), strict=True):
                carry, carry_rows = (rewiring.carry, rewiring.carry_rows) if rewiring else (np.array, np.array)
                own.links, own.neurons = [*map(carry, theirs.links)], [*map(carry_rows, theirs.neurons)]
                own.count = theirs.count
        self._count(staleness, factor >= 0)
        return staleness

    def settings(self) -> NDArray[np.float64]:
        """Give the numbers of the optimizer, the damping and the bound of the staleness, as compiled code wants them.

        Returns
        -------
        ndarray of shape (SERVER_SETTINGS,)
            See kernels.push_pull.
        """
        return np.append(settings_of(self.optimizer), (self.damping, self._bound()))

    def scale_velocity(self, factor: float) -> None:
        """Multiply the velocity, in place, where the optimizer keeps the learning rate inside it.

        Parameters
        ----------
        factor : float
            By what.
        """
        if isinstance(self.optimizer, TorchOptimizer):
            return
        for state in self.state:
            for vector in (*state.links, *state.neurons):
                vector *= vector.dtype.type(factor)

    def resume(self, state: list[LayerState]) -> None:
        """Go on with another state of the optimizer.

        Parameters
        ----------
        state : list of LayerState
            That of a checkpoint.
        """
        check_state(state, self.model)
        self.state = state

    def count(self, staleness: int, refused: bool) -> None:
        """Count a push of this generation that a worker has done in compiled code.

        Parameters
        ----------
        staleness : int
            Updates since its snapshot.
        refused : bool
            Whether it was too stale.
        """
        self.traffic.entries += self.model.n_links
        self._count(staleness, not refused)

    def moved(self, generation: int, dw: Gradients, db: Gradients) -> tuple[Gradients, Gradients]:
        """Move gradients to the links and neurons of now, and count what has no place any more.

        Parameters
        ----------
        generation : int
            Of the net that they were computed with.
        dw, db : list of ndarray
            As for `push`.

        Returns
        -------
        tuple of list of ndarray
            (dw, db) for the net as it is now.
        """
        self.traffic.entries += sum(map(len, dw))
        if generation == self.generation:
            return dw, db
        rewirings = self._rewirings_from(generation)
        moved_w = [g if one is None else one.carry(g) for g, one in zip(dw, rewirings, strict=True)]
        moved_b = [g if one is None else one.carry_rows(g) for g, one in zip(db, rewirings, strict=True)]
        self.traffic.dropped += sum(one.n_pruned for one in rewirings if one is not None)
        return moved_w, moved_b

    def evolve(
        self, rules: list, epoch: int, make_evidence: Callable, rng: np.random.Generator, memories: list[dict] | None = None
    ) -> evolution.Changes:
        """Apply topology rules, all or none of them.

        Parameters
        ----------
        rules : list
            As for `train`.
        epoch : int
            Finished epochs.
        make_evidence : callable
            Function without arguments that gives an Evidence.
        rng : numpy.random.Generator
            For the rules' random numbers.
        memories : list of dict, optional
            What each rule remembers; changed in place.

        Returns
        -------
        evolution.Changes
            What has changed.
        """
        shapes = self._shapes()
        with evolution.Undo(self.model, self.state) as undo:
            changes = evolution.evolve(rules, epoch, self.model, self.state, make_evidence, rng, memories, self.optimizer)
            undo.give_up()
        if any(one is not None for one in changes.rewirings):
            self.rewirings[self.generation], self.shapes[self.generation] = changes.rewirings, shapes
            self.generation, self.to_now = self.generation + 1, {}
        return changes

    def forget(self, oldest: int) -> None:
        """Let go what is needed for gradients of generations before `oldest`, which are refused from now on.

        Parameters
        ----------
        oldest : int
            The oldest generation that a worker still computes with.
        """
        for generation in [g for g in self.rewirings if g < oldest]:
            del self.rewirings[generation], self.shapes[generation]

    @property
    def oldest(self) -> int:
        """The oldest generation whose gradients are accepted."""
        return min(self.rewirings, default=self.generation)

    def take_traffic(self) -> Traffic:
        """Give the Traffic since the last call.

        Returns
        -------
        Traffic
            Staleness of each push, entries pushed and dropped, pushes refused.
        """
        taken, self.traffic = self.traffic, Traffic()
        return taken

    def check(
        self, generation: int, dw: Gradients, db: Gradients, finite: bool = True, optimizer: list[LayerState] | None = None,
        version: int | None = None,
    ) -> None:  # fmt: skip
        """Raise ValueError unless these are gradients of the net of a generation.

        Parameters
        ----------
        generation : int
            The generation.
        dw, db : list of ndarray
            As for `push`.
        finite : bool, default True
            Whether every value is looked at.
        optimizer : list of LayerState, optional
            The state of a team's optimizer.
        version : int, optional
            The version; by default it is not looked at.

        Raises
        ------
        ValueError
            Naming what does not fit.
        """
        if generation != self.generation and generation not in self.rewirings:
            checks.fail("generation", generation, f"one of {[*self.rewirings, self.generation]}")
        if version is not None:
            checks.integer("version", version, low=0, high=self.version)
        shapes = self._shapes() if generation == self.generation else self.shapes[generation]
        if len(dw) != len(shapes) or len(db) != len(shapes):
            checks.fail("gradients", (len(dw), len(db)), f"{len(shapes)} arrays each, one a layer")
        for l, (nnz, n_out) in enumerate(shapes):
            check_gradient(f"dw[{l}]", dw[l], nnz, self.model.dtype, finite)
            check_gradient(f"db[{l}]", db[l], n_out, self.model.dtype, finite)
        if optimizer is None:
            return
        found, wanted = ([(len(s.links), len(s.neurons)) for s in state] for state in (optimizer, self.state))
        if found != wanted:
            checks.fail("optimizer", found, f"states with as many vectors as the server's, {wanted}")
        for l, (state, (nnz, n_out)) in enumerate(zip(optimizer, shapes, strict=True)):
            for vector, n in [(v, nnz) for v in state.links] + [(v, n_out) for v in state.neurons]:
                check_gradient(f"optimizer[{l}]", vector, n, self.model.dtype, finite)

    def _apply(self, dw, db, rate, staleness):
        """Whether the gradients were applied: not where they are too stale."""
        if self.table is not None:
            self.table.refresh(self.state)
            arrays = [[np.ascontiguousarray(a) for a in part] for part in (dw, db)]
            places = [np.array([[*map(address, part)]], np.int64) for part in arrays]
            return push_pull.push(0, 1, self.table.rows, *places, 1, rate, 1.0, staleness, self.settings())
        rate = push_pull.push_rate(rate, staleness, float(self.damping), self._bound())
        if rate < 0:
            return False
        update_layers(self.optimizer, self.model, self.state, dw, db, rate)
        return True

    def _bound(self):
        """The largest staleness that is accepted, a float."""
        return np.inf if self.max_staleness is None else float(self.max_staleness)

    def _count(self, staleness, applied):
        self.traffic.staleness.append(staleness)
        self.traffic.refused += not applied
        self.version += applied

    def _rewirings_from(self, generation):
        """A Rewiring (or None) a layer from a generation to now."""
        if generation == self.generation:
            return [None] * len(self.model.layers)
        if generation not in self.to_now:
            rewirings = self.rewirings[generation]
            for later in range(generation + 1, self.generation):
                rewirings = [evolution.chained(*pair) for pair in zip(rewirings, self.rewirings[later], strict=True)]
            self.to_now[generation] = rewirings
        return self.to_now[generation]

    def _shapes(self):
        """(links, outputs) of each layer now."""
        return [(layer.topology.nnz, layer.topology.n_out) for layer in self.model.layers]


def check_gradient(name, array, n, dtype, finite=True):
    """ValueError unless `array` is n values of this dtype, and finite."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != (n,):
        checks.fail(name, array, f"a {dtype} array of shape ({n},)")
    all_finite = elementwise.all_finite if dtype == np.float32 and array.flags.c_contiguous else checks.all_finite
    if finite and not all_finite(array):
        raise ValueError(f"{name}: must be finite")
