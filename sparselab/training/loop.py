"""Training is a generator: whoever wants to watch, pulls; whoever wants to stop, stops pulling.

`steps` yields a StepRecord for every mini-batch (or for as many as fit in `pace` seconds) and an EpochRecord at the end of
each epoch; `train` is the epochs of it. Closing the generator lets its threads go and leaves the model usable.
"""

import math
import time
from collections import namedtuple
from contextlib import nullcontext

import numpy as np

from .. import evolution
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.records import EpochRecord, StepRecord
from ..checkpoints.state import BATCHES, EVOLUTION, EpochTotals, TrainingState
from ..datasets.coerce import as_dataset, as_features
from ..datasets.targets import as_labels
from ..engines import select
from ..engines.base import WEIGHT, DivergedError, Outcome
from ..engines.layerwise import LayerwiseEngine
from ..nn import losses as loss_functions
from ..nn.mlp import SparseMLP
from ..nn.optimizers import MomentumSGD, check_state
from ..utils import checks
from ..utils.interrupts import defer_interrupts
from ..utils.resources import cores
from . import memory
from .memory import DEGREES_UP_TO

LONGEST = 0.2  # seconds of steps in one run of them, for Ctrl-C is heard between two runs

Scores = namedtuple("Scores", ["loss", "accuracy"])


def train(model, data, *, evaluate_every=1, **options):
    """Train `model` in place; yields an EpochRecord after each epoch. See `steps` for the arguments and errors.

    Source: Curci et al. 2021, algorithm 1 with a single worker.
    """
    for record in steps(model, data, evaluate_every=evaluate_every, pace=0.1, **options):
        if record.__class__ is EpochRecord:  # no call: an interrupt is not let in between here and whoever pulls
            yield record


def steps(
    model, data, *, optimizer=None, rules=(), epochs=10, batch_size=128, seed=None, threads=None, evaluate_every=1, loss=None,
    pace=0.0, state=None, checkpoint=None, every=1, keep=3, resume=True, config=None,
):  # fmt: skip
    """Train `model` in place; yields StepRecords and, after each epoch, an EpochRecord.

    data: a Dataset, or (X, y) or (X, y, X_test, y_test). optimizer: default MomentumSGD(0.01, momentum=0.9). rules: called in
    order before every epoch but the first (SET(0.3), …); [] keeps the topology. batch_size: the last, partial batch is trained
    too; one larger than the data is the whole data. seed: None, int, SeedSequence or Generator. threads: default all cores;
    results do not depend on it. evaluate_every: epochs between test scores, 0 for never. loss: softmax cross-entropy by
    default. pace: seconds of training between two StepRecords, at most
    0.2, at least one mini-batch. state: a TrainingState to go on from.

    checkpoint: a folder in which the run is kept, a file after each `every` epochs, at the end, and where it is closed or
    interrupted; the newest `keep` stay. With it, `epochs` is the total. Where the folder has a run already (and `resume`), this
    call goes on with it: the model is loaded in place, the EpochRecords of its finished epochs come first (without fan_in and
    fan_out), then training goes on, so that the records, the weights and the seeds are those of a run that was never
    interrupted. Stored are arguments, seeds, links, weights, biases and what the optimizer keeps beside links and neurons; a
    plug-in that remembers something elsewhere is not resumed exactly. Other data, net, loss, dtype or (where it is given) seed
    are refused, as is another batch size in the middle of an epoch; other numbers of optimizer and rules and other versions
    are warned of. config: plain values to be stored with it. What cannot be saved is warned of, and training goes on.

    Raises TypeError or ValueError naming the argument before anything is trained; InsufficientMemoryError, before anything is
    allocated, where there is no room for it (see estimate_memory); DivergedError, with the model at its last
    good step, where a loss or gradient is not finite; with `checkpoint`, at the first record, CheckpointError where the folder's
    run is another one, and RunDirBusyError where another training uses the folder.
    """
    check_model(model)
    optimizer, rules = check_optimizer(optimizer), check_rules(rules)
    epochs, batch_size = checks.integer("epochs", epochs, low=0), checks.integer("batch_size", batch_size)
    evaluate_every, pace = checks.integer("evaluate_every", evaluate_every, low=0), checks.non_negative("pace", pace)
    threads = cores() if threads is None else checks.integer("threads", threads)
    run = EpochRunner.of(
        model, as_dataset(data, model), optimizer, rules, loss, batch_size=batch_size, threads=threads,
        evaluate_every=evaluate_every, pace=pace, has_state=state is not None,
    )  # fmt: skip
    state = TrainingState.start(model, optimizer, seed) if state is None else state
    if not isinstance(state, TrainingState):
        checks.fail("state", state, "a TrainingState", TypeError)
    check_state(state.optimizer, model)
    for layer in model.layers:
        layer.check()
    for rule in rules:
        if hasattr(rule, "prepare"):
            rule.prepare(model, epochs if checkpoint is not None else state.epoch + epochs)
    if checkpoint is None:
        return _steps(run, state, state.epoch + epochs)
    return _kept_steps(run, state, Checkpointer(checkpoint, every, keep, resume, seed, config), epochs)


def _steps(run, state, last_epoch):
    try:
        while state.epoch < last_epoch:
            yield from run.epoch(state)
    finally:
        run.close()


def _kept_steps(run, state, keeper, epochs):
    """The same from a run folder on, and into it."""
    try:
        with keeper.opened(run, state, epochs) as finished:
            yield from finished
            while state.epoch < epochs:
                yield from keeper.watched(run.epoch(state))
    finally:
        run.close()


class EpochRunner:
    """What stays the same from epoch to epoch of a training.

    X (n, features), targets: checked training samples; samples: those of them to train on, by number (default all). test: None,
    or (X, targets). The other arguments: as for `steps`.
    """

    def __init__(
        self, model, loss, optimizer, rules, X, targets, *, batch_size, threads, samples=None, test=None, evaluate_every=1,
        pace=0.0, has_state=False, lean=False,
    ):  # fmt: skip
        self.model, self.loss, self.optimizer, self.rules = model, loss, optimizer, rules
        self.X, self.targets, self.samples, self.test = X, targets, samples, test
        self.evaluate_every, self.pace = evaluate_every, pace
        self.n_samples = len(targets) if samples is None else len(samples)
        self.batch_size = min(batch_size, self.n_samples)
        self.n_batches = -(-self.n_samples // self.batch_size)
        self.engine = select.create(model, self.loss, optimizer, self.batch_size, threads)
        self.plan = memory.check_training(
            model, self.batch_size, threads, n_test=0 if test is None else test[0].shape[0], evolution=bool(rules),
            layerwise=isinstance(self.engine, LayerwiseEngine), has_state=has_state, by_layer=evolution.can_go_by_layer(rules),
            lean=lean,
        )  # fmt: skip
        self.engine.index = self.plan.index

    @classmethod
    def of(cls, model, data, optimizer, rules, loss=None, **options):
        """The same of a Dataset, whose arrays are looked at; X_test and y_test are the test samples."""
        loss = loss_functions.get(loss, default="softmax_cross_entropy" if data.n_classes else "mean_squared_error")
        parts = ((part, getattr(data, f"X_{part}"), getattr(data, f"y_{part}")) for part in ("train", "test"))
        train, test = (
            None if X is None else (as_features(f"data.X_{part}", X, model), loss.targets(y, model.sizes[-1], model.dtype))
            for part, X, y in parts
        )
        return cls(model, loss, optimizer, rules, *train, test=test, **options)

    def close(self):
        self.engine.close()

    def epoch(self, state):
        """Evolve (not before the first epoch), train every batch, evaluate."""
        self.check_finite(state)
        start, order = time.perf_counter(), state.stream(BATCHES).permutation(self.n_samples)
        order = order if self.samples is None else self.samples[order]
        if state.batch == 0 and not state.evolved:
            self.begin(state, order)
        state.totals.seconds["evolve"] += time.perf_counter() - start
        yield from self.batches(state, order)
        self.check_finite(state)
        record = self.epoch_record(state)
        state.epoch, state.batch, state.evolved = state.epoch + 1, 0, False  # after the scores: an interrupt loses no record
        yield record

    def begin(self, state, order):
        """Start an epoch: all rules are applied and `state` says so, or nothing happened."""
        with evolution.Undo(*(() if self.plan.by_layer else (self.model, state.optimizer))) as undo:
            changes = self.evolve(state, order) if state.epoch > 0 else evolution.Changes.none(len(self.model.layers))
            with defer_interrupts:
                state.totals = EpochTotals(changes.links, neurons_pruned=changes.neurons_pruned)
                state.evolved = True
                undo.give_up()

    def check_finite(self, state):
        """What no gradient sees: NaN in a neuron without outgoing links, an update that overflowed. Half a nanosecond a link."""
        for number, layer in enumerate(self.model.layers, 1):
            if not (checks.all_finite(layer.w) and checks.all_finite(layer.b)):
                raise DivergedError(state.epoch + 1, state.batch, number, WEIGHT)

    def evolve(self, state, order):
        """Apply the rules one after the other; returns the Changes."""
        arguments = self.model, self.loss, self.X, self.targets, order[: self.batch_size]
        evolve = evolution.evolve_by_layer if self.plan.by_layer else evolution.evolve
        if self.plan.by_layer:
            self.engine.let_go()
        return evolve(
            self.rules, state.epoch, self.model, state.optimizer, lambda: evolution.Evidence(*arguments), state.stream(EVOLUTION)
        )

    def batches(self, state, order):
        """Runs of mini-batches of about `pace` seconds, a StepRecord each."""
        n_steps, key = 1, state.dropout_key
        if state.batch < self.n_batches:
            self.run(state, order[:0], [], key)  # no steps: compiles and prepares, before interrupts are held back
        while state.batch < self.n_batches:
            start, first = time.perf_counter(), state.batch
            stop = min(first + n_steps, self.n_batches)
            rates = [self.optimizer.rate(state.epoch + batch / self.n_batches) for batch in range(first, stop)]
            outcome = self.run(state, order[first * self.batch_size : stop * self.batch_size], rates, key)
            spent = time.perf_counter() - start
            state.totals.seconds["all"] += spent
            yield step_record(state, outcome, rates[-1], spent, self.has_accuracy)
            n_steps = max(1, min(2 * n_steps, int(min(self.pace, LONGEST) / max(spent, 1e-6) * (stop - first))))

    def run(self, state, samples, rates, key):
        """Hand steps to the engine. Whatever happens, `state` counts exactly those that were applied."""
        outcome, size = Outcome.of(len(samples), self.batch_size), self.batch_size
        with defer_interrupts if rates else nullcontext():
            try:
                self.engine.run(
                    outcome, self.X, self.targets, samples, size, rates, self.optimizer, state.optimizer, key, state.batch
                )
            finally:
                state.batch += outcome.done
                state.totals.add(outcome, rates)
        if outcome.failed:
            bad = samples[outcome.done * size : (outcome.done + 1) * size]
            where = find_fault(self.model, self.loss, self.X, self.targets, bad)
            raise DivergedError(state.epoch + 1, state.batch, *where)
        return outcome

    @property
    def has_accuracy(self):
        return self.model.sizes[-1] > 1

    def epoch_record(self, state):
        """The record of the epoch that `state` has just finished."""
        start, number = time.perf_counter(), state.epoch + 1
        due = self.evaluate_every and number % self.evaluate_every == 0 and self.test is not None
        scores = self.loss.of(self.engine.outputs(self.test[0]), self.test[1]) if due else (None, None)
        return epoch_record(self.model, state.totals, number, scores, time.perf_counter() - start)


def epoch_record(model, totals, number, scores, seconds_evaluate, **more):
    """An EpochRecord of epoch `number` (from 1) of a model as it stands after it; scores: (loss, accuracy) on test samples.

    totals: an EpochTotals; more: other fields.
    """
    seconds = dict(totals.seconds)
    topologies = [layer.topology for layer in model.layers] if sum(model.sizes) <= DEGREES_UP_TO else []
    return EpochRecord(
        epoch=number,
        train_loss=math.fsum(totals.losses) / totals.n_samples,
        train_accuracy=totals.hits / totals.n_samples if model.sizes[-1] > 1 else None,
        test_loss=scores[0],
        test_accuracy=scores[1],
        nnz=model.nnz,
        pruned=tuple(pruned for pruned, _ in totals.changes),
        grown=tuple(grown for _, grown in totals.changes),
        active_neurons=model.active_neurons,
        neurons_pruned=tuple(totals.neurons_pruned),
        learning_rate=totals.learning_rate,
        n_samples=totals.n_samples,
        seconds=seconds.pop("all") + seconds["evolve"],
        **{f"seconds_{phase}": float(value) for phase, value in seconds.items()},
        seconds_evaluate=seconds_evaluate,
        fan_in=tuple(t.fan_in.astype(np.int32) for t in topologies),
        fan_out=tuple(t.fan_out.astype(np.int32) for t in topologies),
        **{"phase": "sequential"} | more,
    )


def step_record(state, outcome, rate, seconds, has_accuracy):
    """The mean over the samples of a run of mini-batches."""
    n = int(outcome.sizes.sum())
    return StepRecord(
        epoch=state.epoch + 1,
        step=state.batch - 1,
        n_steps=len(outcome.sizes),
        n_samples=n,
        loss=float((outcome.losses * outcome.sizes).sum() / n),
        accuracy=float(outcome.hits.sum() / n) if has_accuracy else None,
        learning_rate=rate,
        seconds=seconds,
    )


def find_fault(model, loss, X, targets, samples):
    """(layer from 1, what): the first weights, activations or gradients of a bad batch that are not finite (dropout off)."""
    for number, layer in enumerate(model.layers, 1):
        if not (np.isfinite(layer.w).all() and np.isfinite(layer.b).all()):
            return number, WEIGHT
    with np.errstate(all="ignore"):
        flows = evolution.Evidence(model, loss, X, targets, samples).flows
    for number, (values, _) in enumerate(flows[1:], 1):
        if not np.isfinite(values).all():
            return number, "an activation"
    for number in range(len(flows), 0, -1):
        if not np.isfinite(flows[number - 1][1]).all():
            return number, "the loss or a gradient"
    return len(flows), "the loss or a gradient"


def check_optimizer(optimizer):
    """An optimizer, MomentumSGD by default; TypeError for what is none."""
    if optimizer is None:
        return MomentumSGD()
    if isinstance(optimizer, type) or not all(callable(getattr(optimizer, name, None)) for name in ("init", "update", "rate")):
        checks.fail("optimizer", optimizer, "an object with init, update and rate, such as MomentumSGD", TypeError)
    return optimizer


def check_rules(rules):
    """Rules as a list or tuple; one alone is a list of one. TypeError for what is none."""
    rules = (rules,) if callable(rules) and not isinstance(rules, type) else rules
    if not isinstance(rules, tuple | list) or not all(callable(rule) and not isinstance(rule, type) for rule in rules):
        checks.fail("rules", rules, "a list of rules, such as [SET(0.3)]", TypeError)
    return rules


def check_model(model):
    """Raise TypeError for what is not a SparseMLP."""
    if not isinstance(model, SparseMLP):
        checks.fail("model", model, "a SparseMLP", TypeError)


def evaluate(model, X, y, *, loss=None, threads=None):
    """(loss, accuracy) of the model on samples X (n, features) and labels or targets y, dropout off."""
    check_model(model)
    y = as_labels(y)
    if y.ndim == 0 or y.dtype.kind not in "iuf":
        checks.fail("y", y, "an array of labels or targets, one for each row of X", TypeError)
    labels = y.ndim == 1 and y.dtype.kind in "iu"
    loss = loss_functions.get(loss, default="softmax_cross_entropy" if labels else "mean_squared_error")
    targets = loss.targets(y, model.sizes[-1], model.dtype)
    outputs = predict(model, X, threads=threads)
    if len(outputs) != len(targets):
        raise ValueError(f"y has {len(targets)} entries: must be {len(outputs)}, one for each row of X")
    return Scores(*loss.of(outputs, targets))


def predict(model, X, *, threads=None):
    """The net's outputs (logits) for samples X (n, features), dropout off: (n, n_out)."""
    check_model(model)
    X = as_features("X", X, model)
    threads = cores() if threads is None else checks.integer("threads", threads)
    return select.outputs(model, X, threads)
