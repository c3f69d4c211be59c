"""Very large networks, measured phase by phase from their memory plan to their evolution: `python -m sparselab extreme`.

They use the same classes as small networks (SparseMLP, EpochRunner, SET). The size to exceed is about 50 million neurons, the
"bat brain" of the paper (Curci et al. 2021).
"""

import sys
import threading
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from ..analysis.paths import share_from_input
from ..checkpoints.state import TrainingState
from ..datasets.embedded import extreme
from ..evolution import SET
from ..evolution.new_values import INITIALIZER
from ..nn import footprint
from ..nn.activations import AllReLU
from ..nn.initializers import HeUniform
from ..nn.mlp import SparseMLP
from ..nn.optimizers import MomentumSGD
from ..training import estimate as estimate_module
from ..training import memory
from ..training.epoch_runner import EpochRunner
from ..utils import checks, resources
from . import environment
from .extreme_files import Files, expected_bytes

CLASSES = 2
TEST = 64  # test samples
RATE = 10.0  # learning rate times width; in trials with 10^5 and 10^6 neurons, outputs overshot above it
TICK = 1.0  # seconds between two updates of the progress bar
SMALL = 1000  # neurons of a small network that runs first, so that kernels are compiled before times are measured


@dataclass
class Extreme:
    """Settings of a run.

    neurons: of all hidden layers together, divided evenly; layers: number of hidden layers; steps, steps_after: mini-batches
    before and after the evolution; min_fan_in: least number of links of a neuron at the start; learning_rate: by default
    min(0.01, RATE / width), because each output has about half a layer's neurons as inputs, which a step changes all; test: test
    samples; separation: half the distance of the classes' means in standard deviations (see `datasets.embedded.extreme`).
    """

    neurons: int = 10**6
    layers: int = 10
    epsilon: float = 1.0
    batch: int = 32
    steps: int = 3
    steps_after: int = 1
    features: int = 65_536
    min_fan_in: int = 0
    learning_rate: float | None = None
    momentum: float = 0.9
    alpha: float = 0.05
    zeta: float = 0.3
    separation: float = 32.0
    seed: int = 0
    threads: int | None = None
    test: int = TEST
    sizes: tuple = field(init=False)

    def __post_init__(self):
        for name in ("neurons", "layers", "batch", "features"):
            value = getattr(self, name)
            whole = isinstance(value, float) and value.is_integer()
            setattr(self, name, checks.integer(name, int(value) if whole else value))
        for name, low in (("steps", 1), ("steps_after", 0), ("min_fan_in", 0), ("test", 2)):
            checks.integer(name, getattr(self, name), low=low)
        checks.positive("epsilon", self.epsilon)
        if self.neurons < self.layers:
            checks.fail("neurons", self.neurons, f"at least {self.layers}, one a layer")
        if self.learning_rate is None:
            self.learning_rate = min(0.01, RATE * self.layers / self.neurons)
        MomentumSGD(self.learning_rate, self.momentum)  # these check their arguments, before a large net is made
        SET(self.zeta)
        AllReLU(self.alpha)
        checks.positive("separation", self.separation)
        self.sizes = (self.features, *[self.neurons // self.layers] * self.layers, CLASSES)

    def estimate_with(self, plan=None):
        """The MemoryEstimate of the training with a memory.Plan; nothing is allocated."""
        shares = np.divide(self.expected_links, np.multiply(self.sizes[:-1], self.sizes[1:], dtype=float)).tolist()
        return estimate_module.estimate_memory(
            self.sizes, density=shares, batch_size=self.batch, threads=self.threads, n_test=self.test,
            n_samples=self.batch * max(self.steps, self.steps_after), plan=plan,
        )  # fmt: skip

    @property
    def estimate(self):
        """The MemoryEstimate with the plan that training will choose."""
        plans = memory.PLANS[1:]
        return self.estimate_with(
            memory.first_that_fits(plans, lambda plan: self.estimate_with(plan).total, resources.available()) or plans[-1]
        )

    @property
    def expected_links(self):
        """Expected links of each layer; with `min_fan_in` at most so many."""
        expected = footprint.expected_links(self.sizes, epsilon=self.epsilon)
        return footprint.with_least(expected, self.sizes, self.min_fan_in).tolist()


class Stopwatch:
    """Measures phases: `with watch("step"):` appends to seconds["step"]. A progress bar shows the phase and its duration.

    tell: called with (name of the phase, phases done, phases in all) when a phase begins.
    """

    def __init__(self, n_phases, progress=True, tell=None):
        self.seconds, self.tell, self.n_phases, self.bytes = {}, tell, n_phases, None
        self.bar = tqdm(total=n_phases, disable=not progress, file=sys.stderr, unit="phase", leave=False)
        self.name, self.start, self.over = "", time.perf_counter(), threading.Event()
        if progress:
            threading.Thread(target=self._tick, name="sparselab-stopwatch", daemon=True).start()

    def close(self):
        """Remove the progress bar."""
        self.over.set()
        self.bar.close()

    def _tick(self):
        while not self.over.wait(TICK):
            self.bar.set_postfix_str(f"{self.name} for {time.perf_counter() - self.start:.0f} s")

    def __call__(self, name):
        if self.tell is not None:
            self.tell(name, sum(map(len, self.seconds.values())), self.n_phases)
        self.name = name
        self.start = time.perf_counter()
        self.bar.set_postfix_str("", refresh=False)
        self.bar.set_description(name)
        return self

    def __enter__(self):
        self.start = time.perf_counter()

    def __exit__(self, *_):
        self.seconds.setdefault(self.name, []).append(time.perf_counter() - self.start)
        self.bar.update()


def run(what, *, progress=True, tell=None, checkpoint=None):
    """Create, train, evaluate, evolve and train the network of an Extreme; returns the measurements as plain values.

    An epoch is a few mini-batches here; the evolution comes between two epochs. tell: called with (name of the phase, phases
    done, phases in all) when a phase begins; an exception it raises ends the run. checkpoint: a folder in which the network is
    saved after each epoch; a run of the same network that is found there is continued, by at least one epoch.

    Raises InsufficientMemoryError or CheckpointError if memory or disk are too small, before anything is allocated;
    CheckpointError if the folder belongs to another network; DivergedError as `train` does.
    """
    have, estimate, files = resources.available(), what.estimate, Files(checkpoint, what)
    footprint.require_memory(estimate.what, estimate.items, lambda have: "fewer neurons, a smaller epsilon or batch")
    n_phases = 5 + (what.steps_after > 0) + what.steps + what.steps_after + 2 * (checkpoint is not None)
    with files.locked(expected_bytes(what)), closing(Stopwatch(n_phases, progress, tell)) as watch:
        if what.neurons > SMALL:
            with watch("compile"):
                run(Extreme(SMALL, 2, batch=what.batch, steps=1, features=64), progress=False)
        with watch("data"):
            data = make_data(what)
        training, state, share = _prepared(what, files, data, watch)
        links = training.model.n_links
        try:
            losses, norms, phases, scores = _trained(what, training, state, watch, files)
        finally:
            training.close()
    return result(what, watch, phases, training, losses, norms, scores, links, share, estimate, have)


def _prepared(what, files, data, watch):
    """(EpochRunner, TrainingState, share of neurons with a path from an input) of a new network, or of the saved one."""
    with watch("load") if files.folder and files.folder.files() else nullcontext():
        saved = files.load()
    if saved is None:
        with watch("init"):
            model = SparseMLP.create(
                what.sizes, epsilon=what.epsilon, activation=AllReLU(what.alpha), initializer=HeUniform("links"),
                min_fan_in=what.min_fan_in, seed=what.seed,
            )  # fmt: skip
    else:
        model = saved.model
    share = share_from_input(model)
    return *begin_training(model, data, what, None if saved is None else saved.state), share


def _trained(what, training, state, watch, files):
    """Losses, first layer's gradient norms and seconds by phase of the steps; (loss, accuracy) before the last evolution."""
    with watch("prepare"):
        training.run(state, np.arange(0), [], state.dropout_key)
    losses, norms, phases, scores = [], [], [], None
    for epoch in range(state.epoch, max(2, state.epoch + 1)):
        n_steps = what.steps_after if epoch else what.steps
        order = np.arange(what.batch * n_steps)
        if epoch:
            with watch("evaluate"):
                scores = training.loss.of(training.engine.outputs(training.test[0]), training.test[1])
        if epoch and n_steps:
            with watch("evolve"):
                training.begin(state, order)
                training.run(state, order[:0], [], state.dropout_key)  # the transposed indices
        for step in range(n_steps):
            with watch("step"):
                outcome = training.run(state, order[step * what.batch :][: what.batch], [what.learning_rate], state.dropout_key)
            losses.append(float(outcome.losses[0]))
            phases.append(outcome.seconds)
            norms.append(float(training.engine.gradient_norms()[0]))
        state.epoch, state.batch, state.evolved = epoch + 1, 0, False
        if files.folder:
            with watch("save"):
                watch.bytes = files.save(training.model, state)
    return losses, norms, phases, scores


def make_data(what):
    """The Dataset: samples for the longer of the two epochs, and test samples."""
    n = what.batch * max(what.steps, what.steps_after) + what.test
    return extreme(what.features, n, what.seed, separation=what.separation, test_fraction=what.test / n)


def begin_training(model, data, what, state=None):
    """(EpochRunner, TrainingState) of a training with SET; state: the saved one to continue."""
    optimizer = MomentumSGD(what.learning_rate, momentum=what.momentum)
    threads = resources.cores() if what.threads is None else what.threads
    training = EpochRunner.of(
        model, data, optimizer, [SET(what.zeta, new_values=INITIALIZER)], batch_size=what.batch, threads=threads, lean=True
    )
    return training, state or TrainingState.start(model, optimizer, what.seed)


def result(what, watch, phases, training, losses, norms, scores, links, share, estimate, have):
    """All measurements as plain values for JSON; None for phases that were not run."""
    seconds, model, peak = watch.seconds, training.model, resources.peak()
    step = float(np.median(seconds["step"])) if "step" in seconds else None
    mean = lambda name: float(np.mean(seconds[name])) if name in seconds else None
    loss, accuracy = (None, None) if scores is None else (float(scores[0]), scores[1])
    return {
        "neurons": sum(model.sizes[1:-1]), "sizes": list(model.sizes), "links": links, "epsilon": what.epsilon,
        "learning_rate": what.learning_rate, "alpha": what.alpha, "separation": what.separation,
        "min_fan_in": what.min_fan_in, "batch": what.batch, "plan": str(training.plan),
        "data_seconds": sum(seconds["data"]), "init_seconds": sum(seconds.get("init", [])),
        "prepare_seconds": sum(seconds["prepare"]),
        "step_seconds": step, "steps_seconds": seconds.get("step", []),
        "phases_seconds": {name: float(np.median([one[name] for one in phases])) for name in (phases[0] if phases else ())},
        "evolve_seconds": sum(seconds.get("evolve", [])),
        "evaluate_seconds": sum(seconds.get("evaluate", [])), "save_seconds": mean("save"), "load_seconds": mean("load"),
        "checkpoint_bytes": watch.bytes,
        "gather_gb_per_second": step and gathered_bytes(model.nnz, what.batch) / step / 1e9,
        "peak_gib": peak / 2**30, "estimated_gib": estimate.total / 2**30,
        "available_gib": None if have is None else have / 2**30,
        "losses": losses, "gradient_norm_first_layer": norms[-1] if norms else None, "gradient_norms_first_layer": norms,
        "test_loss": loss, "test_accuracy": accuracy, "test_samples": what.test, "connected_share": share,
        "environment": environment.describe(),
    }  # fmt: skip


def gathered_bytes(nnz, batch):
    """Bytes of rows that a step reads at random addresses: a row for each link in forward, dw and (except layer 1) dX.

    nnz: (layers,) links of each layer.
    """
    width = memory.tile_width(batch)
    return 4 * width * -(-batch // width) * (3 * sum(nnz) - nnz[0])


def text(found):
    """The measurements as text, without phases that were not run."""
    seconds = lambda name: [f"{found[name]:.1f} s"] if found[name] else []
    rows = [("hidden neurons", [f"{found['neurons']:,}"]), ("links", [f"{found['links']:,}"])]
    rows += [("memory plan", [found["plan"]])]
    rows += [
        ("data", seconds("data_seconds")),
        ("init", seconds("init_seconds")),
        ("from the checkpoint", seconds("load_seconds")),
    ]
    rows += [("first preparation", seconds("prepare_seconds"))]
    if found["step_seconds"]:
        rows += [("step", [f"{found['step_seconds']:.2f} s ({found['gather_gb_per_second']:.1f} GB/s of random rows)"])]
    rows += [("evolution with index", seconds("evolve_seconds")), ("evaluation", seconds("evaluate_seconds"))]
    if found["save_seconds"]:
        rate = found["checkpoint_bytes"] / found["save_seconds"] / 1e9
        rows += [
            ("checkpoint", [f"{footprint.size(found['checkpoint_bytes'])} in {found['save_seconds']:.1f} s: {rate:.2f} GB/s"])
        ]
    rows += [("peak memory", [f"{found['peak_gib']:.2f} GiB (estimated beforehand {found['estimated_gib']:.2f})"])]
    if found["losses"]:
        rows += [("losses", [" ".join(f"{loss:.4f}" for loss in found["losses"])])]
        rows += [("gradient norm, first layer", [f"{found['gradient_norm_first_layer']:.3g}"])]
    if found["test_accuracy"] is not None:
        rows += [("test accuracy", [f"{found['test_accuracy']:.1%} of {found['test_samples']}"])]
    rows += [("neurons with a path from an input", [f"{found['connected_share']:.1%}"])]
    return "\n".join(f"{name:>34}  {value}" for name, values in rows for value in values)
