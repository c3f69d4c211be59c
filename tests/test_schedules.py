"""Schedules that rise and fall: ends, middle, monotony, means, and what is refused."""

import math

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparselab as sl
from sparselab.checkpoints.run_description import describe, differences, with_first_values
from sparselab.nn.schedules import Constant, Cosine, Cubic, Linear, OneCycle, Power, Sigmoid, Until, WarmUp

sigma = lambda x: 1 / (1 + math.exp(-x))
fall = lambda high, low, left: low + (high - low) * left
# (schedule from (high, low, start, stop), what is left of the fall when the share t of the window is over)
FALLS = {
    "linear": (lambda h, l, a, b: Linear(h, b, l, a), lambda t: 1 - t),
    "cosine": (lambda h, l, a, b: Cosine(h, b, l, a), lambda t: (1 + math.cos(math.pi * t)) / 2),
    "power": (lambda h, l, a, b: Power(h, b, l, a), lambda t: (1 - t) ** 3),
    "power 0.9": (lambda h, l, a, b: Power(h, b, l, a, 0.9), lambda t: (1 - t) ** 0.9),
    "cubic": (Cubic, lambda t: (1 - t) ** 3),
    "sigmoid": (Sigmoid, lambda t: 1 - (0.5 + (sigma(6 * (2 * t - 1)) - 0.5) / (sigma(6) - sigma(-6)))),
    "sigmoid 2": (
        lambda h, l, a, b: Sigmoid(h, l, a, b, 2),
        lambda t: 1 - (0.5 + (sigma(2 * (2 * t - 1)) - 0.5) / (sigma(2) - sigma(-2))),
    ),
}
each_fall = pytest.mark.parametrize("name", FALLS)


@each_fall
def test_a_fall_is_that_of_its_formula(name):
    make, left = FALLS[name]
    schedule, start, stop = make(0.5, 0.01, 2, 12), 2, 12
    assert schedule(0) == schedule(start) == 0.5
    assert schedule(stop) == schedule(stop + 100) == 0.01
    for epoch in np.linspace(start, stop, 41):
        assert schedule(epoch) == pytest.approx(fall(0.5, 0.01, left((epoch - start) / (stop - start))), rel=1e-12)


@pytest.mark.parametrize("factor", [2, 2.0])
def test_a_rate_beyond_all_floats_is_infinite(factor):
    schedule = sl.schedules.Step(0.1, every=1, factor=factor)
    assert schedule(1000) == 0.1 * 2.0**1000
    assert schedule(1100) == math.inf
    with pytest.raises(ValueError, match="^learning_rate = inf"):
        sl.SGD(schedule).rate(1100)


@each_fall
@given(
    high=st.floats(1e-6, 1), share=st.floats(1e-6, 1), start=st.floats(0, 100), length=st.floats(0.1, 1000),
    epochs=st.lists(st.floats(0, 2000), min_size=2, max_size=10),
)  # fmt: skip
def test_a_fall_never_rises_and_stays_between_its_ends(name, high, share, start, length, epochs):
    low = high * share
    schedule = FALLS[name][0](high, low, start, start + length)
    values = [schedule(epoch) for epoch in sorted(epochs)]
    tiny = 1e-15 * high
    assert all(later <= earlier + tiny for earlier, later in zip(values, values[1:], strict=False))
    assert all(low - tiny <= value <= high + tiny for value in values)


@pytest.mark.parametrize(("name", "mean"), [("cubic", 0.1325), ("sigmoid", 0.255), ("linear", 0.255), ("cosine", 0.255)])
def test_mean_densities_are_those_of_the_integral(name, mean):
    schedule = FALLS[name][0](0.5, 0.01, 0, 75)
    middles = (np.arange(10_000) + 0.5) / 10_000 * 75
    assert np.mean([schedule(epoch) for epoch in middles]) == pytest.approx(mean, abs=1e-6)
    if name != "cubic":
        assert schedule(37.5) == pytest.approx(0.255)


def test_shares_may_reach_zero_and_learning_rates_may_not():
    for zeta in (Linear(0.3, 4, 0), Cosine(0.3, 4, 0), Power(0.3, 4, 0), Until(0.3, 4), Constant(0)):
        assert zeta(4) == 0
        assert zeta(0) == (0 if zeta == Constant(0) else 0.3)
        model = models.net()
        records = list(sl.train(model, models.dataset(60), rules=[sl.SET(zeta)], epochs=5, seed=0))
        assert sum(records[-1].grown) == 0
    for zeta in (Linear(0.3, 4, 0), Constant(0)):
        with pytest.raises(ValueError, match=r"learning_rate = 0"):
            list(sl.train(models.net(), models.dataset(60), optimizer=sl.SGD(zeta), epochs=5, seed=0))


@pytest.mark.parametrize("name", ["linear", "cosine", "cubic", "sigmoid"])
def test_a_net_follows_a_density_schedule(name):
    schedule, model = FALLS[name][0](0.5, 0.1, 1, 4), models.net(density=0.5)
    places = sum(layer.topology.n_in * layer.topology.n_out for layer in model.layers[:-1])
    rule = sl.PruneRegrow(0.2, density=schedule)
    records = list(sl.train(model, models.dataset(60), rules=[rule], epochs=6, batch_size=32, seed=0))
    for epoch, record in enumerate(records[1:], 1):
        assert abs(sum(record.nnz[:-1]) - min(schedule(epoch) * places, sum(records[0].nnz[:-1]))) <= 2


def test_cosine_to_a_floor():
    """Half a cosine to .005 over the whole training, as in SNFS, ITOP and GraNet."""
    zeta = Cosine(0.5, epochs=100, final=0.005)
    assert [zeta(epoch) for epoch in (0, 50, 100, 120)] == [0.5, pytest.approx(0.2525), 0.005, 0.005]


def test_warm_up_and_cosine_are_composed():
    rate = WarmUp(Cosine(0.1, epochs=20, final=0.001, start=5), 5)
    assert [rate(epoch) for epoch in (0, 2.5, 5)] == pytest.approx([0.01, 0.055, 0.1])
    assert rate(12.5) == pytest.approx((0.1 + 0.001) / 2)
    assert rate(20) == rate(25) == 0.001


def torch_one_cycle(step, steps, peak):
    """torch.optim.lr_scheduler.OneCycleLR with its defaults, from its documentation; the last step is number `steps`."""
    between = lambda start, end, t: end + (start - end) / 2 * (1 + math.cos(math.pi * t))
    initial, turn = peak / 25, 0.3 * steps
    if step <= turn:
        return between(initial, peak, step / turn)
    return between(peak, initial / 1e4, (step - turn) / (steps - turn))


def test_one_cycle():
    rate = OneCycle(0.4, epochs=20)
    for epoch in np.linspace(0, 20, 81):
        assert rate(epoch) == pytest.approx(torch_one_cycle(epoch, 20, 0.4), rel=1e-9)
    assert rate(0) == pytest.approx(0.016)
    assert rate(6) == pytest.approx(0.4)
    assert rate(20) == rate(30) == pytest.approx(1.6e-6)
    rising, falling = [[rate(e) for e in np.linspace(*ends, 50)] for ends in ((0, 6), (6, 20))]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert OneCycle(0.4, 10, rise=0.5, initial=0.5, final=0.25)(10) == pytest.approx(0.1)


NAN = math.nan
REFUSED = [
    (lambda: Linear(0, 5), "rate = 0"),
    (lambda: Linear("0.1", 5), "rate = '0.1'"),
    (lambda: Linear(0.1, 0), "epochs = 0"),
    (lambda: Linear(0.1, 5, start=5), "epochs = 5: must be a number > start = 5"),
    (lambda: Linear(0.1, 5, start=-1), "start = -1"),
    (lambda: Linear(0.1, 5, start=NAN), "start = nan"),
    (lambda: Linear(0.1, 5, final=0.2), r"final = 0.2: must be a number in \[0, rate = 0.1\]"),
    (lambda: Linear(0.1, 5, final=-0.1), "final = -0.1"),
    (lambda: Cosine(0.1, 5, 0.01, 6), "epochs = 5: must be a number > start = 6"),
    (lambda: Power(0.1, 5, exponent=0), "exponent = 0"),
    (lambda: Power(0.1, 5, 0.2), "final = 0.2"),
    (lambda: OneCycle(0, 5), "rate = 0"),
    (lambda: OneCycle(0.1, -1), "epochs = -1"),
    (lambda: OneCycle(0.1, 5, rise=1), "rise = 1"),
    (lambda: OneCycle(0.1, 5, rise=0), "rise = 0"),
    (lambda: OneCycle(0.1, 5, initial=1.5), "initial = 1.5"),
    (lambda: OneCycle(0.1, 5, final=0), "final = 0"),
    *(
        (lambda kind=kind, values=values: kind(*values), words)
        for kind in (Cubic, Sigmoid)
        for values, words in [
            ((0.1, 0.5, 0, 10), r"final = 0.5: must be a number in \(0, initial = 0.1\], because it may not rise"),
            ((1.5, 0.5, 0, 10), "initial = 1.5"),
            ((0, 0, 0, 10), "initial = 0"),
            ((0.5, 0, 0, 10), "final = 0"),
            ((0.5, 0.1, -1, 10), "start = -1"),
            ((0.5, 0.1, 10, 10), "stop = 10: must be a number > start = 10"),
            ((0.5, 0.1, 10, 5), "stop = 5"),
            ((0.5, NAN, 0, 5), "final = nan"),
            ((0.5, 0.1, 0, math.inf), "stop = inf"),
            ((True, 0.1, 0, 5), "initial = True"),
        ]
    ),
    (lambda: Sigmoid(0.5, 0.1, 0, 10, 0), "steepness = 0"),
    (lambda: Sigmoid(0.5, 0.1, 0, 10, 1e9), "steepness"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_bad_arguments_are_named(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


@each_fall
def test_schedules_are_frozen_values(name):
    schedule, same = (FALLS[name][0](0.5, 0.1, 1, 5) for _ in range(2))
    assert schedule == same
    assert hash(schedule) == hash(same)
    with pytest.raises(AttributeError):
        schedule.final = 0.2


def test_a_run_with_a_cosine_of_before_goes_on_without_a_warning():
    """Its description has no `start`, which was 0 for all."""
    old = describe(sl.SGD(Cosine(0.1, 5)))
    del old["learning_rate"]["start"]
    for now, same in ((sl.SGD(Cosine(0.1, 5)), True), (sl.SGD(Cosine(0.1, 5, start=1)), False)):
        assert (differences("optimizer", with_first_values(old, now), describe(now)) == []) == same
