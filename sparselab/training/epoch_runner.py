"""Trains one epoch after another: evolution, mini-batches, evaluation, and the records of them."""

import math
import time
from contextlib import contextmanager, nullcontext

import numpy as np

from .. import evolution
from ..checkpoints.records import EpochRecord, StepRecord
from ..checkpoints.state import BATCHES, EVOLUTION, EpochTotals
from ..datasets.coerce import as_features
from ..engines import select
from ..engines.augmented import rows_of
from ..engines.base import WEIGHT, DivergedError, Outcome
from ..engines.entries import by_entries
from ..engines.layerwise import LayerwiseEngine
from ..evolution.evidence import flows_of
from ..nn import losses as loss_functions
from ..nn.evaluation import scores_of
from ..nn.weighted_loss import parts_of, with_weights
from ..utils import checks
from ..utils.interrupts import defer_interrupts
from . import memory
from .memory import DEGREES_UP_TO

NOT_EVALUATED = (None, None, None)  # scores of an epoch
MAX_PACE = 0.2  # seconds of steps without a pause: Ctrl-C is heard in the pauses


class EpochRunner:
    """Everything that stays the same from epoch to epoch.

    X (n, features), targets: checked training samples; samples: indices of those to train on (default all). test: None, or
    (X, targets); test_weights: of these. lean: whether evolution goes layer by layer in any case. augmentation: of a Dataset, or
    None. epochs: of the whole training, for rules that ask. The other arguments are those of `steps`.
    """

    def __init__(
        self, model, loss, optimizer, rules, X, targets, *, batch_size, threads, samples=None, test=None, evaluate_every=1,
        pace=0.0, has_state=False, lean=False, augmentation=None, test_weights=None, epochs=None,
    ):  # fmt: skip
        self.model, self.loss, self.optimizer, self.rules = model, loss, optimizer, rules
        self.X, self.targets, self.samples, self.test, self.test_weights = X, targets, samples, test, test_weights
        self.augmentation, self.rows = augmentation, rows_of(X, augmentation)
        self.evaluate_every, self.pace, self.epochs = evaluate_every, pace, epochs
        self.has_accuracy = loss_functions.has_classes(targets)
        self.n_samples = len(targets) if samples is None else len(samples)
        self.batch_size = min(batch_size, self.n_samples)
        self.n_batches = -(-self.n_samples // self.batch_size)
        self.engine = select.create(model, self.loss, optimizer, self.batch_size, threads)
        changing = [rule for rule in rules if isinstance(rule, evolution.PruneRegrow)]
        self.plan = memory.check_training(
            model, self.batch_size, threads, n_test=0 if test is None else test[0].shape[0], evolution=bool(rules),
            layerwise=isinstance(self.engine, LayerwiseEngine), has_state=has_state, by_layer=evolution.can_go_by_layer(rules),
            lean=lean, vectors=getattr(optimizer, "vectors", 1), n_samples=self.n_samples,
            n_batches=max((getattr(rule, "n_batches", 1) for rule in changing), default=1),
            everywhere=any(rule.layers != "hidden" or rule.across_layers or rule.density is not None for rule in changing),
            evaluated_whole=not self.has_accuracy,
            entries=[by_entries(rows, model.layers[0].topology) for rows in (self.rows, *(test or ())[:1])],
        )  # fmt: skip
        self.engine.index = self.plan.index

    @classmethod
    def of(cls, model, data, optimizer, rules, loss=None, **options):
        """A runner for a Dataset, whose arrays are checked; its test samples are evaluated."""
        loss = loss_for(data, loss)
        parts = ((part, getattr(data, f"X_{part}"), getattr(data, f"y_{part}")) for part in ("train", "test"))
        train, test = (
            None if X is None else (as_features(f"data.X_{part}", X, model), loss.targets(y, model.sizes[-1], model.dtype))
            for part, X, y in parts
        )
        loss = with_weights(loss, data.weights)
        options |= {"test": test, "augmentation": data.augmentation, "test_weights": data.weights_test}
        return cls(model, loss, optimizer, rules, *train, **options)

    def close(self):
        self.engine.close()

    def epoch(self, state):
        """The records of one epoch: evolve (not before the first one), train every mini-batch, evaluate."""
        self.check_finite(state)
        start, order = time.perf_counter(), state.stream(BATCHES).permutation(self.n_samples)
        order = order if self.samples is None else self.samples[order]
        if state.batch == 0 and not state.evolved:
            self.begin(state, order)
        state.totals.seconds["evolve"] += time.perf_counter() - start
        yield from self.batches(state, order)
        self.check_finite(state)
        record = self.epoch_record(state)
        state.epoch, state.batch, state.evolved, state.event = state.epoch + 1, 0, False, 0  # last: an interrupt loses no record
        yield record

    def begin(self, state, order):
        """Start an epoch: apply the rules that are called before it."""
        rules = self._due(state)
        if rules:
            self.event(state, order, rules)
        else:
            state.totals, state.evolved = self.totals_of(evolution.Changes.none(len(self.model.layers))), True

    def totals_of(self, changes):
        """The totals of an epoch at its beginning, after these changes."""
        return EpochTotals.of(changes, (self.n_samples, self.batch_size))

    def _due(self, state):
        """Numbers of the rules that are called at this point of a training."""
        return evolution.timing.due(self.rules, state.epoch, state.batch, self.n_batches)

    def event(self, state, order, numbers):
        """Apply some rules and note it in `state`; undo everything where that fails, unless layers evolve one by one."""
        with evolution.Undo(*(() if self.plan.by_layer else (self.model, state.optimizer))) as undo:
            memory = state.memories(self.rules)
            changes = self.evolve(state, order, numbers, memory)
            timings = [evolution.timing_of(self.rules[n]) for n in numbers]
            spent = any(timing.replaces_update for timing in timings) and any(map(any, changes.links))
            rate = self.optimizer.rate(state.epoch + state.batch / self.n_batches) if spent else None
            with defer_interrupts:
                state.memory = memory if any(memory) else []
                if state.batch:
                    state.totals.add_changes(changes)
                else:
                    state.totals = self.totals_of(changes)
                state.evolved, state.event = True, state.batch
                if spent:  # its mini-batch is not trained on
                    state.totals.losses.append(0.0)
                    state.totals.learning_rate = state.totals.learning_rate or rate  # an epoch may have no other step
                    state.batch += 1
                undo.give_up()

    def check_finite(self, state):
        """Raise DivergedError for weights that are not finite; a neuron without outgoing links has no gradient that shows it."""
        for number, layer in enumerate(self.model.layers, 1):
            if not all(map(checks.all_finite, (layer.w, layer.b, layer.values.reshape(-1)))):
                raise DivergedError(state.epoch + 1, state.batch, number, WEIGHT)

    def evolve(self, state, order, numbers, memory):
        """Apply rules one after the other; returns the Changes. numbers: which; memory: that of every rule."""
        first = state.batch * self.batch_size
        arguments = self.model, self.loss, self.X, self.targets, order[first : first + self.batch_size], order, self.epochs
        evolve = evolution.evolve_by_layer if self.plan.by_layer else evolution.evolve
        if self.plan.by_layer:
            self.engine.let_go()
        rules, memories = ([each[n] for n in numbers] for each in (self.rules, memory))
        epoch = state.epoch + (state.batch / self.n_batches if state.batch else 0)
        rng = state.stream(EVOLUTION, *([state.batch] if state.batch else []))
        with checks.usual_errors(), diverging(state.epoch, state.batch, *arguments[:5]):
            return evolve(
                rules, epoch, self.model, state.optimizer, lambda: evolution.Evidence(*arguments), rng, memories, self.optimizer
            )  # fmt: skip

    def batches(self, state, order):
        """A StepRecord for each group of mini-batches that takes about `pace` seconds."""
        n_steps, key = 1, state.dropout_key
        if state.batch < self.n_batches:
            self.run(state, order[:0], [], key)  # no steps: it compiles and prepares while interrupts are not deferred yet
        while state.batch < self.n_batches:
            if state.event < state.batch and (due := self._due(state)):
                start = time.perf_counter()
                self.event(state, order, due)
                state.totals.seconds["evolve"] += time.perf_counter() - start
                continue
            start, first = time.perf_counter(), state.batch
            stop = min(first + n_steps, evolution.timing.next_batch(self.rules, state.epoch, first, self.n_batches))
            rates = [self.optimizer.rate(state.epoch + batch / self.n_batches) for batch in range(first, stop)]
            outcome = self.run(state, order[first * self.batch_size : stop * self.batch_size], rates, key)
            spent = time.perf_counter() - start
            state.totals.seconds["all"] += spent
            yield step_record(state, outcome, rates[-1], spent, self.has_accuracy)
            n_steps = max(1, min(2 * n_steps, int(min(self.pace, MAX_PACE) / max(spent, 1e-6) * (stop - first))))

    def run(self, state, samples, rates, key):
        """Let the engine do some steps; also after an error or interrupt, `state` counts exactly those that were applied."""
        outcome, size = Outcome.of(len(samples), self.batch_size), self.batch_size
        with checks.usual_errors(), defer_interrupts if rates else nullcontext():
            try:
                self.engine.run(
                    outcome, self.rows, self.targets, samples, size, rates, self.optimizer, state.optimizer, key, state.batch
                )
            finally:
                state.batch += outcome.done
                state.totals.add(outcome, rates)
        if outcome.failed:
            bad = samples[outcome.done * size : (outcome.done + 1) * size]
            where = locate_fault(self.model, self.loss, self.X, self.targets, bad)
            raise DivergedError(state.epoch + 1, state.batch, *where)
        return outcome

    def scores(self):
        """(loss, accuracy, R²) on the test samples."""
        X, targets = self.test
        loss, _ = parts_of(self.loss)
        outputs = lambda begin, end: self.engine.outputs(X, np.arange(begin, end))
        return scores_of(loss, outputs, targets, self.test_weights, self.model.sizes[-1])

    def epoch_record(self, state):
        """The record of the epoch that `state` has just finished."""
        start, number = time.perf_counter(), state.epoch + 1
        due = self.evaluate_every and number % self.evaluate_every == 0 and self.test is not None
        with checks.usual_errors():
            scores = self.scores() if due else NOT_EVALUATED
        return epoch_record(self.model, state.totals, number, scores, time.perf_counter() - start, has_accuracy=self.has_accuracy)


def loss_for(data, loss=None):
    """The Loss that `loss` names or is; None: the usual one for the targets of a Dataset."""
    return loss_functions.get(loss, default=loss_functions.usual(data.y_train))


def epoch_record(model, totals, number, scores, seconds_evaluate, *, has_accuracy, **more):
    """The EpochRecord of a model after epoch `number` (from 1).

    scores: (loss, accuracy, R²) on test samples; has_accuracy: whether there are classes; more: other fields.
    """
    seconds = dict(totals.seconds)
    topologies = [layer.topology for layer in model.layers] if sum(model.sizes) <= DEGREES_UP_TO else []
    return EpochRecord(
        epoch=number,
        train_loss=math.fsum(totals.losses) / totals.n_samples if totals.n_samples else math.nan,  # all replaced by events
        train_accuracy=totals.hits / max(1, totals.n_samples) if has_accuracy else None,
        test_loss=scores[0],
        test_accuracy=scores[1],
        test_r2=scores[2],
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
    """The StepRecord of the mini-batches that an engine has just applied."""
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


@contextmanager
def diverging(epoch, batch, *arguments):
    """A DivergedError in place of the FloatingPointError of a rule's Evidence; arguments: those of `locate_fault`."""
    try:
        yield
    except FloatingPointError:
        raise DivergedError(epoch + 1, batch, *locate_fault(*arguments)) from None


def locate_fault(model, loss, X, targets, samples):
    """(layer from 1, what) of the first weights, activations or gradients of a batch that are not finite (dropout off)."""
    for number, layer in enumerate(model.layers, 1):
        if not all(np.isfinite(array).all() for array in (layer.w, layer.b, layer.values)):
            return number, WEIGHT
    with np.errstate(all="ignore"):
        flows = flows_of(model, loss, X, targets, samples)
    for number, (values, _) in enumerate(flows[1:], 1):
        if not np.isfinite(values).all():
            return number, "an activation"
    for number in range(len(flows), 0, -1):
        if not np.isfinite(flows[number - 1][1]).all():
            return number, "the loss or a gradient"
    return len(flows), "the loss or a gradient"
