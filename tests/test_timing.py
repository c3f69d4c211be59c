"""When rules are called: every so many epochs or steps, until an epoch, in place of updates; what they remember; resuming."""

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparselab as sl
from sparselab.evolution import Timing
from sparselab.evolution.timing import next_batch

N_BATCHES = 6  # of models.dataset(40) with batches of 7


class Noted:
    """A rule that changes nothing, and notes when it was called."""

    def __init__(self, **timing):
        self.timing, self.called = Timing(**timing), []

    def __call__(self, epoch, model, state, evidence, rng):
        self.called.append(round(epoch * N_BATCHES))
        return [None] * len(model.layers)


def train(rules, epochs=4, seed=0, **options):
    model, data = sl.SparseMLP.create((20, 15, 4), epsilon=3, seed=seed), models.dataset(40)
    records = list(sl.steps(model, data, rules=rules, epochs=epochs, batch_size=7, seed=seed, **options))
    return model, records


def bits(model):
    return [(layer.topology.indices.tobytes(), layer.w.tobytes(), layer.b.tobytes()) for layer in model.layers]


@pytest.mark.parametrize(
    "timing, wanted",
    [
        ({}, [6, 12, 18]),
        ({"every": 2}, [12]),
        ({"every": "2 epochs"}, [12]),
        ({"every": "5 steps"}, [5, 10, 15, 20]),
        ({"every": "6 steps"}, [6, 12, 18]),
        ({"every": "5 steps", "until": 2.5}, [5, 10]),
        ({"every": "1 steps", "until": 1}, [1, 2, 3, 4, 5]),
        ({"until": 3}, [6, 12]),
    ],
)
@pytest.mark.parametrize("pace", [0, 0.2])
def test_events_come_when_they_should(timing, wanted, pace):
    rule = Noted(**timing)
    train([rule], pace=pace)
    assert rule.called == wanted


@given(
    n=st.integers(1, 30), in_steps=st.booleans(), n_batches=st.integers(1, 12), epochs=st.integers(1, 5),
    until=st.none() | st.integers(1, 20),
)  # fmt: skip
def test_the_next_event_is_the_first_that_is_due(n, in_steps, n_batches, epochs, until):
    timing = Timing(f"{n} steps" if in_steps else n, until)
    steps = range(epochs * n_batches)
    wanted = [s for s in steps if s and (s % n == 0 if in_steps else s % (n * n_batches) == 0)]
    wanted = [s for s in wanted if until is None or s < until * n_batches]
    assert [s for s in steps if timing.is_due(*divmod(s, n_batches), n_batches)] == wanted
    for s in steps:
        epoch, batch = divmod(s, n_batches)
        later = [w - epoch * n_batches for w in wanted if s < w < (epoch + 1) * n_batches]
        found = timing.next_batch(epoch, batch, n_batches)
        assert found == min(later, default=n_batches)
        assert next_batch([sl.SET(0.3), Timed(timing)], epoch, batch, n_batches) == found


class Timed:
    def __init__(self, timing):
        self.timing = timing


def test_an_event_at_the_beginning_of_epochs_is_the_same_in_steps():
    assert bits(train([sl.SET(0.3)])[0]) == bits(train([sl.SET(0.3, every=f"{N_BATCHES} steps")])[0])


def test_an_event_in_place_of_an_update_spends_its_batch():
    def records_of(rule, seed=0):
        records = train([rule], seed=seed)[1]
        return [r for r in records if isinstance(r, sl.EpochRecord)], [r for r in records if not isinstance(r, sl.EpochRecord)]

    epochs, steps = records_of(sl.RigL(0.3, every="4 steps", replaces_update=True))
    trained = [(record.epoch - 1) * N_BATCHES + record.step for record in steps]
    assert trained == [s for s in range(4 * N_BATCHES) if s % 4 or not s]
    assert [record.n_samples for record in epochs] == [33, 33, 26, 33]  # events at steps 4, 8, 12, 16, 20
    assert all(sum(record.pruned) == sum(record.grown) > 0 for record in epochs)
    weighted = [sum(s.loss * s.n_samples for s in steps if s.epoch == record.epoch) for record in epochs]
    np.testing.assert_allclose([record.train_loss for record in epochs], np.divide(weighted, [33, 33, 26, 33]))
    assert [r.n_samples for r in records_of(Noted(every="4 steps", replaces_update=True))[0]] == [40] * 4  # nothing changed


class Counting(sl.SET):
    """SET that remembers how often it was called, and does nothing at every third event."""

    def __call__(self, epoch, model, state, evidence, rng):
        evidence.memory["calls"] = evidence.memory.get("calls", 0) + 1
        return (
            [None] * len(model.layers)
            if evidence.memory["calls"] % 3 == 0
            else super().__call__(epoch, model, state, evidence, rng)
        )

    across_layers = True


@pytest.mark.parametrize("stop", [3, 5, 8, 11, 13, 17, 19])
def test_a_run_resumes_within_an_epoch_bit_for_bit(stop, tmp_path):
    rules = lambda: [Counting(0.3, every="4 steps"), sl.RigL(0.2, every="5 steps", replaces_update=True), sl.SET(0.3)]
    wanted, records = train(rules())
    model, data = sl.SparseMLP.create((20, 15, 4), epsilon=3, seed=0), models.dataset(40)
    options = {"rules": rules(), "epochs": 4, "batch_size": 7, "seed": 0, "checkpoint": tmp_path}
    first = sl.steps(model, data, **options)
    for _ in range(stop):
        next(first)
    first.close()
    saved = sl.load_checkpoint(tmp_path)
    calls = saved.state.memory[0]["calls"] if saved.state.memory else 0
    assert calls == sum(s % 4 == 0 for s in range(1, saved.state.epoch * 6 + saved.state.event + 1))
    again = sl.SparseMLP.create((20, 15, 4), epsilon=3, seed=1)
    rest = [r for r in sl.steps(again, data, **options) if isinstance(r, sl.EpochRecord)]
    assert bits(again) == bits(wanted)
    assert rest == [r for r in records if isinstance(r, sl.EpochRecord)]


def test_what_a_failed_event_remembered_is_forgotten():
    class Failing:
        def __call__(self, epoch, model, state, evidence, rng):
            if epoch == 2:
                raise ZeroDivisionError
            return [None] * len(model.layers)

    model, data = sl.SparseMLP.create((20, 15, 4), epsilon=3, seed=0), models.dataset(40)
    state = sl.TrainingState.start(model, sl.MomentumSGD(), 0)
    with pytest.raises(ZeroDivisionError):
        list(sl.train(model, data, rules=[Counting(0.3), Failing()], epochs=4, state=state))
    assert state.memory == [{"calls": 1}, {}]


@pytest.mark.parametrize("synchronous", [False, True])
def test_parallel_training_keeps_memory_and_refuses_steps(synchronous):
    options = {"n_jobs": 2, "epochs": 4, "async_fraction": 1.0, "synchronous": synchronous, "batch_size": 10, "seed": 0}
    train_parallel = lambda rule: list(
        sl.train_parallel(sl.SparseMLP.create((20, 15, 4), epsilon=3, seed=0), models.dataset(40), rules=[rule], **options)
    )
    assert [sum(record.pruned) > 0 for record in train_parallel(Counting(0.3))] == [False, True, True, False]
    assert [sum(record.pruned) > 0 for record in train_parallel(sl.SET(0.3, every=2))] == [False, False, True, False]
    assert [sum(record.pruned) > 0 for record in train_parallel(sl.SET(0.3, until=2))] == [False, True, False, False]
    for rule in (sl.SET(0.3, every="3 steps"), sl.SET(0.3, replaces_update=True)):
        with pytest.raises(ValueError, match=r"rules\[0\].timing = Timing.*must be in epochs and without replaces_update"):
            train_parallel(rule)


@pytest.mark.parametrize(
    "timing, message",
    [
        ({"every": 0}, "every = 0: must be a whole number >= 1"),
        ({"every": "soon"}, "every = 'soon': must be a number of epochs, or a text such as"),
        ({"every": "0 steps"}, "every = '0 steps': must be a number of epochs"),
        ({"every": "3 weeks"}, "every = '3 weeks'"),
        ({"until": 0}, "until = 0: must be a finite number > 0"),
        ({"until": 9}, "until = 9: must be at most 4, the epochs of this training"),
        ({"every": 4}, "every = 4: must be less than 4, the epochs of this training"),
        ({"every": "9 epochs"}, "every = '9 epochs': must be less than 4"),
        ({"every": "24 steps"}, "every = '24 steps': must be less than the 24 steps in which there are events"),
        ({"every": "7 steps", "until": 1}, "every = '7 steps': must be less than the 6 steps"),
        (
            {"every": "1 step", "replaces_update": True},
            "replaces_update = True: must be False where an event comes at every step",
        ),
        ({"replaces_update": 1}, "replaces_update = 1: must be True or False"),
    ],
)
def test_times_that_cannot_be_are_refused_before_anything_is_trained(timing, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sl.steps(
            sl.SparseMLP.create((20, 15, 4), seed=0), models.dataset(40), rules=[sl.SET(0.3, **timing)], epochs=4, batch_size=7
        )
    if "until" in timing and timing["until"] == 9:  # a training in parts
        model = sl.SparseMLP.create((20, 15, 4), seed=0)
        state = sl.TrainingState.start(model, sl.MomentumSGD(), 0)
        list(sl.train(model, models.dataset(40), rules=[sl.SET(0.3, **timing)], epochs=2, state=state))


def test_a_timing_of_another_kind_is_refused():
    rule = Noted()
    rule.timing = 3
    with pytest.raises(TypeError, match=r"timing = 3: must be a Timing"):
        train([rule])


@given(n_batches=st.integers(1, 9), decay=st.sampled_from([0.5, 0.9, 1.0]), start=st.integers(0, 4))
def test_evidence_of_several_batches_is_a_weighted_mean(n_batches, decay, start):
    model, data = sl.SparseMLP.create((20, 15, 4), epsilon=3, dtype="float64", seed=0), models.dataset(40, dtype="float64")
    order = np.random.default_rng(0).permutation(40)
    batch = lambda k: order[(start * 7 + 7 * k + np.arange(7)) % 40]
    evidence = lambda samples, *order: sl.evolution.Evidence(
        model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, samples, *order
    )
    found = evidence(batch(0), order).average(n_batches, decay)
    weights = decay ** np.arange(n_batches) / sum(decay**k for k in range(n_batches))
    for layer in model.layers:
        each = [evidence(batch(k)).gradient(layer) for k in range(n_batches)]
        np.testing.assert_allclose(found.gradient(layer), np.tensordot(weights, each, 1), atol=1e-14)
