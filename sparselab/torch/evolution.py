"""Evolution of the sparse layers of a torch model beside its optimizer: rules of this package change their topologies."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..checkpoints.state import EVOLUTION
from ..evolution import criteria, regrowths
from ..evolution.apply import carried_links
from ..evolution.evidence import NOT_FINITE, Evidence, Flow, is_finite
from ..evolution.evolving import plain
from ..evolution.optimizing_rule import OptimizingRule
from ..evolution.prune_regrow import SET, PruneRegrow, RigL
from ..nn.linear import SparseLinear as Layer
from ..nn.optimizers import LayerState
from ..topology.rewiring import Rewiring, union
from ..topology.topology import Topology
from ..training.memory import DEGREES_UP_TO
from ..utils import checks
from ..utils.seeds import child
from .convert import names_of, sparse_layers
from .linear import DTYPES, generator
from .optimizer_state import moved, take_over, vectors
from .passes import Passes, alone

WITHOUT = [  # parts of rules that ask for no gradients
    criteria.magnitude, criteria.magnitude_within_sign, criteria.random, regrowths.uniform, regrowths.keep_fan_in,
    "zero", "last", "initializer",
]  # fmt: skip
KNOWN = PruneRegrow, SET, RigL  # rules whose parts say whether they ask for gradients
LOCAL = (
    "rule: asks for gradients, and each process sees those of its own samples only, which would give other links than in the "
    "others: must ask for none, as sl.SET, where torch.distributed has several processes"
)
STATE = "names", "steps", "seed", "memory", "tried", "past", "events"  # what is saved of an Evolution


@dataclass(frozen=True)
class Event:
    """One change of topologies; values for each layer are tuples in the order of `Evolution.names`.

    Parameters
    ----------
    step : int
        Number of optimizer steps before it.
    links : tuple of int
        Links after it.
    pruned, grown : tuple of int
        Links removed and added.
    tried : tuple of int
        Places that have had a link so far; divided by all places it is the ITOP rate.
    seconds : float, default 0.0
        Time it took; equality leaves it out.
    fan_in, fan_out : tuple of ndarray, default ()
        Links of each output and of each input after it, arrays (out_features,) and (in_features,); () where the layers have more
        than 200,000 of them; equality leaves them out.

    Examples
    --------
    >>> from sparselab.torch import Event
    >>> Event(100, (50,), (15,), (15,), (65,), 0.001).links
    (50,)
    """

    step: int
    links: tuple[int, ...]
    pruned: tuple[int, ...]
    grown: tuple[int, ...]
    tried: tuple[int, ...]
    seconds: float = field(default=0.0, compare=False)
    fan_in: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)
    fan_out: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)


class KeptEvidence(Evidence):
    """What was kept of the last steps. steps: for each, the last one first, the rows of each layer's Passes."""

    def __init__(self, view, names, steps, epochs=None, weights=(1.0,)):
        self._arguments, self._names, self._steps, self._weights = (view,), names, steps, weights
        self.memory, self.epochs = {}, epochs

    @cached_property
    def flows(self) -> list[Flow]:
        """The Flow of each layer; ValueError where none was kept, FloatingPointError where a number is not finite."""
        if not alone():
            raise NotImplementedError(LOCAL)
        flows = []
        for number, name in enumerate(self._names):
            passes = [(X, dY, w) for step, w in zip(self._steps, self._weights) for X, dY in step[number]]
            if not passes:
                raise ValueError(
                    f"rule: asks for gradients of {name!r}, and none were kept: no backward pass has added to its weight's "
                    "gradient since the last step"
                )
            X = np.concatenate([X for X, _, _ in passes]).T
            dZ = np.concatenate([dY if w == 1 else np.multiply(dY, w, dtype=dY.dtype) for _, dY, w in passes]).T
            flows.append(Flow(np.ascontiguousarray(X), np.ascontiguousarray(dZ)))
        if not all(is_finite(part) for flow in flows for part in flow):
            raise FloatingPointError(NOT_FINITE)
        return flows

    def average(self, n_batches: int, decay: float = 1.0) -> Evidence:
        """Return the evidence of the last `n_batches` steps, or of those there were; the k-th before the last weighs decay^k."""
        n_batches, decay = checks.integer("n_batches", n_batches), checks.fraction("decay", decay)
        if n_batches > len(self._steps):
            names = f"{len(self._steps)}, the steps that were kept for this rule (its own n_batches)"
            checks.fail("n_batches", n_batches, f"at most {names}")
        weights = decay ** np.arange(n_batches) * [any(step) for step in self._steps[:n_batches]]  # none before the first step
        weights = weights / weights.sum() if weights.any() else weights
        several = KeptEvidence(*self._arguments, self._names, self._steps, self.epochs, weights)
        several.memory = self.memory
        return several

    def input_gradient(self) -> Any:
        """Refuse: a torch model may have several first layers."""
        raise TypeError("the rule asks for the gradient of the input, which torch models do not keep")

    def loss_of(self, X: Any, y: Any) -> float:
        """Refuse: the loss of a torch model is not known here."""
        raise TypeError("the rule asks for the loss on other samples, which is not known of torch models")


class Evolution:
    """Changes the topologies of a model's sparse layers every so many steps, by a rule of this package.

    Parameters keep their identity, and what the optimizer keeps for each link (momenta, squares, …) moves with its link; new
    links start at 0 there. It works with every optimizer whose tensors have the shape of the parameter: SGD, Adam, RMSprop, …

    Parameters
    ----------
    model : torch.nn.Module
        A module with SparseLinear layers.
    optimizer : torch.optim.Optimizer
        The optimizer that has their weights.
    rule : callable, optional
        A rule, by default `sl.SET(0.3)`. Its `timing` is not used. "hidden" layers are all of these layers, but the last one of a
        `sparselab.torch.SparseMLP`. What it calls an epoch is `every` steps. A rule that asks for gradients sees those of the
        step before the event, all its backward passes together; with `n_batches`, averages over so many steps, whose inputs and
        output gradients are kept.
    every : int
        Steps from one event to the next.
    start : int, default 0
        Step before which there are no events.
    stop : int, optional
        Step from which on there are no more events; rules that need the length of a training need it.
    layers : iterable of str, optional
        Names of the layers that change, as in `model.named_modules()`; by default all sparse layers.
    copies : iterable of torch.nn.Module, default ()
        Models with the same sparse layers, such as a torch.optim.swa_utils.AveragedModel of this one, whose links change as this
        one's do; their values move with the links, and new links have the values that they have in this one. An AveragedModel
        must not be made with `use_buffers=True`: it would average the numbers of the links.
    seed : int, optional
        Source of randomness; by default it is drawn from torch's. Several processes of torch.distributed must have the same.

    Attributes
    ----------
    names : list of str
        Names of the layers.
    steps : int
        Number of steps so far.
    events : list of Event
        What has changed.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or two layers have the same weight. In `step`: if the rule returns what does not fit, or
        the optimizer no longer has a layer's weight; nothing has changed then.
    NotImplementedError
        If the rule asks for gradients where torch.distributed has several processes, at once or at the event.

    Examples
    --------
    >>> import torch
    >>> import sparselab as sl
    >>> import sparselab.torch
    >>> model = torch.nn.Sequential(sparselab.torch.SparseLinear(20, 50, density=0.1), torch.nn.ReLU(), torch.nn.Linear(50, 1))
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> evolution = sparselab.torch.Evolution(model, optimizer, sl.SET(0.3), every=2, seed=0)
    >>> for step in range(4):
    ...     optimizer.zero_grad()
    ...     model(torch.ones(8, 20)).square().mean().backward()
    ...     optimizer.step()
    ...     evolution.step()
    >>> [event.step for event in evolution.events], model[0].weight.shape
    ([2, 4], torch.Size([100]))
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        rule: Callable[..., Any] | None = None,
        *,
        every: int,
        start: int = 0,
        stop: int | None = None,
        layers: Iterable[str] | None = None,
        copies: Iterable[nn.Module] = (),
        seed: int | None = None,
    ) -> None:
        found = dict(sparse_layers(model))
        self.names = list(found) if layers is None else names_of(layers)
        for name in self.names:
            if name not in found:
                checks.fail("layers", name, f"names of sparse layers: {checks.few(list(found)) if found else 'none here'}")
        if not self.names:
            raise ValueError(f"model: the {type(model).__name__} has no SparseLinear")
        self._layers = [found[name] for name in self.names]
        check_shared(found, self.names)
        check_optimizer(optimizer, dict(zip(self.names, self._layers)))
        copies = [copies] if isinstance(copies, nn.Module) else copies
        if not isinstance(copies, Iterable):
            checks.fail("copies", copies, "models, copies of this one", TypeError)
        self._copies = list(zip(*(copied_layers(one, self.names) for one in copies))) or [()] * len(self.names)
        self.optimizer, self.every, self.start = optimizer, checks.integer("every", every), checks.integer("start", start, low=0)
        self.stop = None if stop is None else checks.integer("stop", stop)
        self.rule = self._checked(SET(0.3) if rule is None else rule, getattr(model, "has_output_layer", False))
        if type(self.rule) in KNOWN and may_ask(self.rule) and not alone():
            raise NotImplementedError(LOCAL)
        if seed is None and not alone():
            checks.fail("seed", seed, "the same number in all processes of torch.distributed, for the same links")
        self.seed = int(generator().integers(2**62)) if seed is None else checks.integer("seed", seed, low=0)
        self.steps, self.events, self._memory = 0, [], {}
        self._tried = [layer.topology for layer in self._layers]
        self._passes = [Passes(layer.weight) for layer in self._layers]
        self._past = []  # rows of each layer's passes in the last steps, the latest first
        self._ask()

    def _checked(self, rule, has_output_layer):
        if not callable(rule) or isinstance(rule, type):
            checks.fail("rule", rule, "a rule such as sl.SET(0.3)", TypeError)
        if isinstance(rule, OptimizingRule):
            checks.fail("rule", rule, "a rule that is no optimizer itself: torch's updates the links", TypeError)
        if isinstance(rule, PruneRegrow):
            if rule.layers == "hidden" and not has_output_layer:
                rule = replace(rule, layers="all")
        if hasattr(rule, "prepare"):
            if self.stop is not None:
                rule.prepare(self._view(), -(-self.stop // self.every))
            elif not isinstance(rule, PruneRegrow):
                checks.fail("stop", None, f"a number of steps, the length of the training, for {checks.shown(rule)}")
        return rule

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: all but the hooks on weights."""
        return self.__dict__ | {"_passes": [passes.rows for passes in self._passes]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a pickled state, and look at the passes of its own layers."""
        self.__dict__.update(state)
        self._passes = [Passes(layer.weight) for layer in self._layers]
        self._ask()
        for passes, rows in zip(self._passes, state["_passes"], strict=True):
            passes.rows = rows

    def _due(self, step):
        return step > 0 and step % self.every == 0 and step >= self.start and (self.stop is None or step < self.stop)

    @property
    def _n_steps(self):
        """Number of steps whose passes the rule may ask for."""
        return getattr(self.rule, "n_batches", 1)

    def _ask(self):
        """Let the layers keep the passes of the next step, if an event that may ask for them follows soon enough."""
        wanted = may_ask(self.rule) and any(self._due(self.steps + soon) for soon in range(1, self._n_steps + 1))
        if not wanted:
            self._past = []
        for layer, passes in zip(self._layers, self._passes, strict=True):
            passes.ask(wanted)
            layer._links().passes.add(passes)

    def step(self) -> None:
        """Count a step of the optimizer, and change the topologies if an event is due; call it after `optimizer.step()`.

        Raises
        ------
        TypeError, ValueError
            If the rule returns what does not fit, or asks for evidence that was not kept; nothing has changed then.
        FloatingPointError
            If the rule asks for gradients and they are not finite.
        """
        self.steps += 1
        before, self._past = self._past, [[passes.rows for passes in self._passes], *self._past][: self._n_steps]
        if self._due(self.steps):
            try:
                self._evolve()
            except BaseException:
                self.steps, self._past = self.steps - 1, before
                raise
        self._ask()

    def _evolve(self):
        began = time.perf_counter()
        check_optimizer(self.optimizer, dict(zip(self.names, self._layers)))  # load_state_dict(assign=True) makes Parameters
        view, event = self._view(), self.steps // self.every
        rng = np.random.default_rng(child(np.random.SeedSequence(self.seed), EVOLUTION, event))
        shapes, epochs = [layer.topology.shape for layer in self._layers], self.stop and -(-self.stop // self.every)
        steps = [[fitting(*each) for each in zip(step, shapes, strict=True)] for step in self._past]
        steps += [[[] for _ in shapes]] * (self._n_steps - len(steps))
        evidence = KeptEvidence(view, self.names, steps, epochs)
        evidence.memory = plain(self._memory, "memory")  # a copy: an event that fails leaves no trace
        changes = list(self.rule(event, view, [self._state(layer) for layer in self._layers], evidence, rng))
        if len(changes) != len(self._layers):
            raise ValueError(f"rule: returned {len(changes)} changes, must be one for each of the {len(self._layers)} layers")
        whole = zip(self.names, self._layers, self._copies, view.layers, changes, strict=True)
        plans = [self._plan(*each, rng) for each in whole]
        tried = [
            with_links(with_links(past, layer.topology), plan[0].topology) if plan else past
            for past, layer, plan in zip(self._tried, self._layers, plans, strict=True)
        ]
        self._memory = plain(evidence.memory, f"evidence.memory of {checks.shown(self.rule)}")
        for layer, plan in zip(self._layers, plans, strict=True):
            if plan:
                rewiring, weight, state, copied = plan
                layer.set_links(rewiring.topology, weight)
                take_over(self.optimizer, layer.weight, state)
                for other, own in copied:
                    other.set_links(rewiring.topology, own)
        self._tried = tried
        changed = [plan[0] if plan else None for plan in plans]
        self.events.append(
            Event(
                self.steps, tuple(len(layer.weight) for layer in self._layers),
                tuple(0 if rewiring is None else rewiring.n_pruned for rewiring in changed),
                tuple(0 if rewiring is None else len(rewiring.grown) for rewiring in changed),
                tuple(topology.nnz for topology in tried), time.perf_counter() - began, *self._degrees(),
            )
        )  # fmt: skip

    def _view(self):
        """The layers as this package's, on the memory of the parameters; what rules see of a model."""
        layers = [seen(layer) for layer in self._layers]
        return SimpleNamespace(layers=layers, nnz=tuple(layer.topology.nnz for layer in layers), dtype=layers[0].dtype)

    def _state(self, layer):
        """What the optimizer keeps for the links and biases of a layer."""
        kept = [None if one is None else vectors(self.optimizer, one).values() for one in (layer.weight, layer.bias)]
        return LayerState(*([values(tensor) for tensor in each or ()] for each in kept))

    def _plan(self, name, layer, copies, view, rewiring, rng):
        """(rewiring, weight, the optimizer's tensors, [(copy, its weight)]) of a change, or None; ValueError if it is wrong."""
        if rewiring is None:
            return None
        if not isinstance(rewiring, Rewiring) or rewiring.n_before != len(layer.weight):
            raise ValueError(f"rule: returned {rewiring!r} for {name!r}, must be a Rewiring from its {len(layer.weight)} links")
        if rewiring.topology.shape != layer.topology.shape:
            raise ValueError(f"rule: changes the widths of {name!r}: neurons go by sparselab.torch.prune_neurons")
        drawn = getattr(self.rule, "new_values", None) == "initializer"
        weight = carried_links(rewiring, view.w, lambda topology, grown: layer._grown_values(topology, grown, rng, drawn))
        copied = []
        for other in copies:
            if other.topology != layer.topology:
                raise ValueError(f"copies: one has other links in {name!r} than the model: make it of the model as it is now")
            copied.append((other, carried_links(rewiring, values(other.weight), lambda topology, grown: weight[grown])))
        return rewiring, weight, moved(self.optimizer, layer.weight, rewiring.origin), copied

    def _degrees(self):
        """(fan_in, fan_out) of an Event."""
        topologies = [layer.topology for layer in self._layers]
        if sum(map(sum, (topology.shape for topology in topologies))) > DEGREES_UP_TO:
            return (), ()
        return tuple(topology.fan_in for topology in topologies), tuple(topology.fan_out for topology in topologies)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to go on as if nothing had happened; the topologies are in the model's.

        Returns
        -------
        dict
            Plain values and tensors.
        """
        tried, events = [(topology.indptr, topology.indices) for topology in self._tried], [vars(event) for event in self.events]
        kept = tensors(tried), tensors(self._past), tensors([tuple(event.values()) for event in events])
        return dict(zip(STATE, (self.names, self.steps, self.seed, self._memory, *kept), strict=True))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state of another Evolution, after the states of model and optimizer.

        Parameters
        ----------
        state : dict
            What `state_dict` returned.

        Raises
        ------
        ValueError
            If it is that of other layers.
        """
        if not isinstance(state, dict) or state.keys() != {*STATE}:
            checks.fail("state", state, f"a dict with {', '.join(STATE)}, as `state_dict` returns it")
        if state["names"] != self.names:
            checks.fail("state", state["names"], f"that of the layers {checks.few(self.names)}")
        steps, seed = (checks.integer(f"state[{name!r}]", state[name], low=0) for name in ("steps", "seed"))
        shapes, memory = [layer.topology.shape for layer in self._layers], plain(state["memory"], "memory")
        try:
            tried = [Topology(*shape, *pair) for shape, pair in zip(shapes, arrays(state["tried"]), strict=True)]
            events, past = [Event(*event) for event in arrays(state["events"])], arrays(state["past"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"state: must be what `state_dict` returned ({error})") from None
        self.steps, self.seed, self.events, self._memory = steps, seed, events, memory
        self._tried, self._past = tried, past
        self._ask()


def copied_layers(module, names):
    """The sparse layers of a copy of the model, in which the model may be the attribute `module`."""
    found = dict(sparse_layers(module))
    for name in names:
        layer = found.get(name) or found.get(f"module.{name}".rstrip("."))
        if layer is None:
            checks.fail("copies", type(module).__name__, f"models with a sparse layer {name!r}, as the model has")
        yield layer


def check_shared(layers, names):
    """Raise ValueError where one of these layers shares its weight with another layer, whose links would stay behind."""
    for name in names:
        for other, layer in layers.items():
            if other != name and layer.weight is layers[name].weight:
                raise ValueError(f"model: {name!r} and {other!r} have the same weight, must be one layer that is used twice")


def check_optimizer(optimizer, layers):
    """Raise TypeError or ValueError unless the optimizer has the weight of each layer."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        checks.fail("optimizer", type(optimizer).__name__, "a torch.optim.Optimizer", TypeError)
    if isinstance(optimizer, torch.optim.LBFGS):
        checks.fail(
            "optimizer", "LBFGS", "one that keeps numbers of each link, which LBFGS has in vectors of all layers", TypeError
        )
    has = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, layer in layers.items():
        if id(layer.weight) not in has:
            raise ValueError(
                f"optimizer: does not have the weight of {name!r}: make it after the layers, from model.parameters()"
            )


def may_ask(rule):
    """Whether a rule may ask for gradients: all but those whose parts are known not to."""
    if type(rule) not in KNOWN:
        return True
    return not (rule.criterion in WITHOUT and rule.regrowth in WITHOUT and rule.new_values in WITHOUT)


def fitting(rows, shape):
    """Those of a layer's kept rows that have its widths; prune_neurons may have made it narrower since."""
    return [(X, dY) for X, dY in rows if (dY.shape[1], X.shape[1]) == shape]


def with_links(tried, topology):
    """The places tried so far and those of a topology; these alone where the layer has become narrower."""
    return union([tried, topology])[0] if tried.shape == topology.shape else topology


def tensors(kept):
    """Lists and tuples as they are, with tensors for the arrays in them; both are copies."""
    if isinstance(kept, np.ndarray):
        return torch.from_numpy(kept.copy())
    return type(kept)(map(tensors, kept)) if isinstance(kept, list | tuple) else kept


def arrays(kept):
    """The way back from `tensors`."""
    if isinstance(kept, torch.Tensor):
        return kept.numpy().copy()
    return type(kept)(map(arrays, kept)) if isinstance(kept, list | tuple) else kept


def values(tensor):
    """A tensor's numbers as an array: its memory, or a copy in float32 of a half precision."""
    tensor = tensor.detach()
    if tensor.dtype not in DTYPES:
        raise TypeError(f"weight is of {tensor.dtype}: must be one of {', '.join(map(str, DTYPES))}")
    return (tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()).numpy()


def seen(layer):
    """A layer as this package's, on the memory of the parameters; zeros where it has no biases."""
    w = values(layer.weight)
    return Layer(layer.topology, w, np.zeros(layer.out_features, w.dtype) if layer.bias is None else values(layer.bias))
