"""Ctrl-C takes effect between steps only: updates are completed, evolution is all or nothing, steps are counted once."""

import os
import signal
import threading
import time

import models
import numpy as np
import pytest
from stress import interrupt

from sparselab import evolution
from sparselab.checkpoints import state
from sparselab.checkpoints.records import EpochRecord
from sparselab.engines import select
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.engines.threads import ThreadTeam, new_counter
from sparselab.evolution import SET
from sparselab.nn.linear import SparseLinear
from sparselab.nn.losses import SoftmaxCrossEntropy
from sparselab.nn.optimizers import MomentumSGD
from sparselab.training.epoch_runner import EpochRunner
from sparselab.training.loop import TrainingState, predict, steps
from sparselab.utils import parallel_for
from sparselab.utils.interrupts import defer_interrupts


def ctrl_c():
    """SIGINT, as from the keyboard: Python's handler runs at once in this thread."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def handler_as_before():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before
    assert (defer_interrupts.depth, defer_interrupts.handlers) == (0, {})


# defer_interrupts


def test_an_interrupt_waits_for_the_end_of_the_section():
    done = []

    def section():
        with defer_interrupts:
            ctrl_c()
            done.append("inner")
            with defer_interrupts:
                ctrl_c()
                done.append("innermost")
            done.append("all")
        done.append("after")

    with pytest.raises(KeyboardInterrupt):
        section()
    assert done == ["inner", "innermost", "all"]


def test_an_error_in_the_section_does_not_swallow_the_interrupt():
    def section():
        with defer_interrupts:
            ctrl_c()
            raise ValueError("in the section")

    with pytest.raises(KeyboardInterrupt) as caught:
        section()
    assert isinstance(caught.value.__context__, ValueError)
    with pytest.raises(ValueError, match="alone"):
        with defer_interrupts:
            raise ValueError("alone")
    with defer_interrupts:
        pass  # nothing is left of it


def test_a_pending_interrupt_can_be_delivered_inside_a_section():
    done = []

    def section():
        with defer_interrupts:
            defer_interrupts.deliver_pending()
            ctrl_c()
            with defer_interrupts:
                defer_interrupts.deliver_pending()  # not inside an inner section
                done.append("inner")
            defer_interrupts.deliver_pending()
            done.append("after")

    with pytest.raises(KeyboardInterrupt):
        section()
    assert done == ["inner"]
    defer_interrupts.deliver_pending()  # outside: nothing


def test_custom_handlers_are_called_and_may_return():
    calls, before = [], signal.signal(signal.SIGINT, lambda number, frame: calls.append((number, frame is not None)))
    try:
        with defer_interrupts:
            ctrl_c()
            assert calls == []
            defer_interrupts.deliver_pending()
            assert calls == [(signal.SIGINT, True)]
        assert len(calls) == 1
        with defer_interrupts:
            ctrl_c()
        assert len(calls) == 2
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("setting", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_signal_without_a_handler_is_left_alone(setting):
    before = signal.signal(signal.SIGINT, setting)
    try:
        with defer_interrupts:
            assert signal.getsignal(signal.SIGINT) == setting
        assert signal.getsignal(signal.SIGINT) == setting
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_are_not_concerned():
    seen = []

    def work():
        with defer_interrupts:
            defer_interrupts.deliver_pending()
            seen.append(defer_interrupts.depth)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0]


# threads


@pytest.fixture
def interrupted_start(monkeypatch):
    """A Ctrl-C that comes when a thread has started, before its pool has noted it."""
    start = threading.Thread.start

    def start_and_interrupt(thread):
        start(thread)
        if thread.name.startswith("sparselab"):
            monkeypatch.undo()
            ctrl_c()

    monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)


def slowly(done):
    """work(part, …) that takes a moment in every part but the first, and notes that it has ended."""

    def work(part, *_):
        if part:
            time.sleep(0.3)
            done.append(part)

    return work


def test_no_thread_of_a_team_outlives_its_call(interrupted_start):
    done, team = [], ThreadTeam(2, can_listen=False)
    with pytest.raises(KeyboardInterrupt):
        team.run(slowly(done), 2, new_counter(), listen=False)
    assert done == [1]
    team.close()


def test_no_thread_of_a_parallel_loop_outlives_it(interrupted_start, monkeypatch):
    done = []
    monkeypatch.setattr(parallel_for, "cores", lambda: 2)
    with pytest.raises(KeyboardInterrupt):
        parallel_for.in_parts(slowly(done), 10, parallel_for.WORTH_SHARING)
    assert done == [5]


def test_no_thread_of_the_layerwise_engine_outlives_its_step(interrupted_start):
    done, engine = [], LayerwiseEngine(models.net(dtype="float64"), None, 64, 2)
    with pytest.raises(KeyboardInterrupt):
        engine._side_by_side(slowly(done), 2)
    assert done == [1]
    engine.close()


@pytest.mark.skipif(not select.JIT, reason="the fused engine is compiled")
@pytest.mark.parametrize("threads", [1, 2])
def test_outputs_are_whole_where_the_handler_of_an_interrupt_returns(monkeypatch, threads):
    model, X = models.net((20, 300, 300, 4)), models.dataset(4000).X_train
    wanted, calls = predict(model, X), []
    monkeypatch.setattr("sparselab.engines.fused.LONG_STEP", 1)
    engine = select.create(model, SoftmaxCrossEntropy(), None, len(X), threads)
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    timer = threading.Timer(0.02, ctrl_c_from_outside)
    try:
        timer.start()
        found = []
        while not calls:
            found.append(engine.outputs(X))
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
        engine.close()
    assert calls == [1]
    assert all(np.array_equal(outputs, wanted) for outputs in found)


# evolution


def evolving():
    model = models.net()
    running = TrainingState.start(model, MomentumSGD(), 0)
    rng = np.random.default_rng(0)
    return model, running, SET(0.3)(1, model, running.optimizer, None, rng), rng


def counting(function, calls, at, do):
    """The function, with do() in its `at`-th call."""

    def wrapped(*arguments, **options):
        calls.append(1)
        if len(calls) == at:
            do()
        return function(*arguments, **options)

    return wrapped


@pytest.mark.parametrize("at", [1, 2])
def test_layers_are_replaced_together(monkeypatch, at):
    model, running, rewirings, rng = evolving()
    calls = []
    monkeypatch.setattr(SparseLinear, "replace", counting(SparseLinear.replace, calls, at, ctrl_c))
    with pytest.raises(KeyboardInterrupt):
        evolution.apply(rewirings, model, running.optimizer, rng)
    again, position, rewirings, rng = evolving()
    monkeypatch.undo()
    evolution.apply(rewirings, again, position.optimizer, rng)
    assert models.fingerprint(model, running) == models.fingerprint(again, position)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_rules_are_applied_all_or_not_at_all(error):
    model, running, rewirings, rng = evolving()
    before, parts = models.fingerprint(model, running), [(a.topology, a.w, a.b) for a in model.layers]

    def evolve(keep):
        with evolution.Undo(model, running.optimizer) as undo:
            evolution.apply(rewirings, model, running.optimizer, rng)
            assert models.fingerprint(model, running) != before
            if not keep:
                raise error
            undo.give_up()

    with pytest.raises(error):
        evolve(keep=False)
    assert models.fingerprint(model, running) == before
    assert all(new is old for a, part in zip(model.layers, parts, strict=True) for new, old in zip((a.topology, a.w, a.b), part))
    evolve(keep=True)
    assert models.fingerprint(model, running) != before


# training


OPTIONS = {"optimizer": MomentumSGD(), "rules": [SET(0.3)] * 2, "batch_size": 64}


def epochs_of(records):
    return [record for record in records if isinstance(record, EpochRecord)]


def whole(epochs, **options):
    return models.run(models.net(dropout=0.2, **options), models.dataset(300), epochs=epochs, **OPTIONS)


def with_interrupts(patch, epochs, **options):
    """(records, fingerprint, interrupts) of a training that goes on after each KeyboardInterrupt; patch() between."""
    model, records, n = models.net(dropout=0.2, **options), [], 0
    running = TrainingState.start(model, MomentumSGD(), 5)
    while running.epoch < epochs:
        try:
            for record in steps(model, models.dataset(300), state=running, epochs=epochs - running.epoch, **OPTIONS):
                records.append(record)
        except KeyboardInterrupt:
            n += 1
            patch()
    return records, models.fingerprint(model, running), n


def place_evolve(monkeypatch):
    """After the first of two rules."""
    monkeypatch.setattr("sparselab.evolution.evolving.apply", counting(evolution.apply, [], 3, ctrl_c))


def place_evolved(monkeypatch):
    """When all rules are applied, before the first step."""
    monkeypatch.setattr(EpochRunner, "batches", counting(EpochRunner.batches, [], 2, ctrl_c))


def place_step(monkeypatch):
    """Between an update and the line that counts it."""
    monkeypatch.setattr(state.EpochTotals, "add", counting(state.EpochTotals.add, [], 7, ctrl_c))


def place_layers(monkeypatch):
    """Between the updates of two layers."""
    monkeypatch.setattr(MomentumSGD, "update", counting(MomentumSGD.update, [], 5, ctrl_c))


def place_scores(monkeypatch):
    """In the evaluation after the last step of an epoch."""
    monkeypatch.setattr(EpochRunner, "epoch_record", counting(EpochRunner.epoch_record, [], 2, ctrl_c))


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}], ids=["fused", "layerwise"])
@pytest.mark.parametrize("place", [place_evolve, place_evolved, place_step, place_layers, place_scores])
def test_going_on_gives_what_was_never_interrupted(monkeypatch, place, options):
    wanted, fingerprint = whole(3, **options)
    place(monkeypatch)
    records, found, n = with_interrupts(monkeypatch.undo, 3, **options)
    fused = not options and select.JIT
    assert n == (0 if place is place_layers and fused else 1)  # the fused engine updates in compiled code
    assert found == fingerprint
    assert epochs_of(records) == epochs_of(wanted)


def test_waiting_for_tiles_ends_with_the_interrupt():
    """A batch of many tiles in the layerwise engine is left long before its end."""
    net = lambda: models.net((20, 100, 100, 4), dtype="float64")
    model, data, n = net(), models.dataset(20_000, dtype=np.float64), 20_000
    running = TrainingState.start(model, MomentumSGD(), 0)
    for threads in (1, 2):
        before = models.fingerprint(model, running)
        options = {"state": running, "threads": threads, "batch_size": n, "epochs": 10**6, "pace": 0.0}
        next(steps(net(), data, batch_size=n, threads=threads))  # compiled
        start, timer = time.perf_counter(), threading.Timer(0.3, ctrl_c_from_outside)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            for _ in steps(model, data, **options):
                pass
        timer.join()
        assert time.perf_counter() - start < 30  # a guard against hanging; the promise is measured by `make reliability`
        assert running.batch + running.epoch > 0 or models.fingerprint(model, running) == before


def ctrl_c_from_outside():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", interrupt.SMALL)
def test_interrupts_at_random_times(name):
    found = interrupt.interrupts(name, 10)
    assert found.good == found.n >= 10, found
    assert found.slowest < 10  # a guard against hanging; the promise is measured by `make reliability`


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in interrupt.CASES if name not in interrupt.SMALL])
def test_interrupts_of_large_nets(name):
    found = interrupt.interrupts(name, 8)
    assert found.good == found.n >= 8, found


@pytest.mark.slow
def test_interrupts_of_fit_and_stops_of_a_panel():
    for found in (interrupt.fits(2, hidden=[100, 100], gap=0.1), interrupt.stops(2, hidden=[100, 100], gap=0.1)):
        assert found.good == found.n == 2, found
