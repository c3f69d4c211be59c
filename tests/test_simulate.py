"""The simulation trains for real, only its clock is simulated: laws of queues, and runs that must be the same bit for bit."""

import math

import models
import numpy as np
import pytest
import scipy.stats

import sparselab as sl
from sparselab.parallel import Costs, Failures, Network, calibrate, saturation
from sparselab.parallel.core.server import ParameterServer
from sparselab.parallel.simulation.backend import SIMULATION
from sparselab.parallel.simulation.events import EventQueue, Times
from sparselab.utils.seeds import child

N, BATCH = 384, 32  # 12 mini-batches, shared out evenly among 1, 2, 3, 4, 6, 12 workers
FREE = Costs(1.0)


def options(**changes):
    return {"epochs": 4, "batch_size": BATCH, "seed": 5, "rules": [sl.SET(0.3)], "optimizer": sl.MomentumSGD(0.01)} | changes


def simulate(n, **changes):
    """(records, fingerprint) of a simulated run."""
    model, data = models.net(dropout=0.3), models.dataset(N, 50)
    changes = {"costs": FREE, "async_fraction": 1.0} | changes
    return list(sl.simulate_parallel(model, data, n, **options(**changes))), models.fingerprint(model)


def real(train=sl.train, **changes):
    """The fingerprint of a real run."""
    model, data = models.net(dropout=0.3), models.dataset(N, 50)
    list(train(model, data, **options(**changes)))
    return models.fingerprint(model)


def slow_twin(durations, pull, push, way, evolve, per_epoch, epochs):
    """The queue, tick by tick, without a heap: ([staleness], [ticks that each push waited], [ticks at the ends of epochs])."""
    n, left = len(durations), per_epoch * epochs
    durations = [iter(one) for one in durations]
    pulls, queue, under_way, pulled = list(range(n)), [], {}, {}
    t = free_at = version = asked = 0
    staleness, waits, ends = [], [], []
    while version < per_epoch * epochs:
        queue += sorted((order, w, t) for w, (arrival, order) in under_way.items() if arrival == t)
        while free_at <= t and (pulls or queue):
            if pulls:
                w = pulls.pop(0)
                if asked == left:
                    continue
                under_way[w] = t + pull + 2 * way + next(durations[w]), asked
                pulled[w], free_at, asked = version, t + pull, asked + 1
            else:
                _, w, arrived = queue.pop(0)
                staleness.append(version - pulled[w])
                waits.append(t - arrived)
                version, free_at = version + 1, t + push
                if version % per_epoch == 0:
                    ends.append(free_at)
                    free_at += evolve
                pulls.append(w)
        t += 1
    return staleness, waits, ends


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("pull, push, way, evolve", [(0, 1, 0, 0), (1, 2, 3, 7), (2, 5, 0, 3)])
def test_the_order_of_events_is_that_of_a_slow_twin(n, pull, push, way, evolve):
    choices, epochs, seeds = np.array([3, 5, 9, 14]), 3, np.random.SeedSequence(5)
    streams = [np.random.default_rng(child(seeds, SIMULATION, 0, number)) for number in range(n)]
    durations = [[int(stream.choice(choices)) for _ in range(12 * epochs)] for stream in streams]
    staleness, waits, ends = slow_twin(durations, pull, push, way, evolve, 12, epochs)
    costs = Costs(choices, push=push, pull=pull, evolve=evolve)
    records, _ = simulate(n, costs=costs, network=Network(way), epochs=epochs)
    assert [s for record in records for s in record.workers.staleness] == staleness
    assert [s for record in records for s in record.workers.queue_seconds] == waits
    assert [record.workers.clock for record in records] == ends
    assert [record.seconds for record in records] == list(np.diff([0, *ends]))


# what is trained


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_one_worker_is_sequential_training(share):
    costs = Costs(scipy.stats.expon(scale=0.1), push=0.01)
    assert simulate(1, costs=costs, async_fraction=share, failures=[(0, 0.5, 2.0)])[1] == real()


def test_the_simulated_order_replays_on_the_serial_backend(monkeypatch):
    schedule, apply = [], ParameterServer.push

    def push(self, one, *arguments, **more):
        schedule.append(one.number)
        return apply(self, one, *arguments, **more)

    monkeypatch.setattr(ParameterServer, "push", push)
    costs = Costs(scipy.stats.gamma(2.0), push=0.1, evolve=1.0)
    _, found = simulate(4, costs=costs, stragglers={2: 2.5}, async_fraction=0.75)
    assert len(set(schedule)) == 4
    assert schedule[:12] != [0, 1, 2, 3] * 3
    assert found == real(sl.train_parallel, backend="serial", n_jobs=4, schedule=list(schedule), async_fraction=0.75)


def test_the_synchronous_variant_does_not_know_the_clock():
    wanted = real(sl.train_parallel, backend="serial", n_jobs=3, synchronous=True)
    for changes in ({}, {"stragglers": {1: 5}}, {"failures": [(0, 0.5, 3.0)]}):
        assert simulate(3, synchronous=True, async_fraction=0.7, **changes)[1] == wanted


def test_the_same_seed_gives_the_same_run():
    changes = {"costs": Costs(scipy.stats.expon(), push=0.2), "failures": Failures(20, 3), "async_fraction": 0.5}
    (first, one), (second, two), (other, three) = (simulate(4, seed=seed, **changes) for seed in (5, 5, 6))
    assert one == two != three
    assert first == second
    assert [record.workers for record in first] == [record.workers for record in second]
    assert other[0].workers.clock != first[0].workers.clock


# the clock


@pytest.mark.parametrize("n", [2, 3, 6, 12])
def test_equal_workers_are_n_minus_1_behind(n):
    records, _ = simulate(n, costs=Costs(1.0, push=0.01))
    staleness = [s for record in records for s in record.workers.staleness]
    assert staleness[:n] == list(range(n))
    assert set(staleness[n:]) == {n - 1}


@pytest.mark.parametrize("n", [1, 3, 12])
@pytest.mark.parametrize("push", [0.01, 0.5, 3.0])
def test_no_faster_than_the_work_and_the_server_allow(n, push):
    records, _ = simulate(n, costs=Costs(1.0, push=push))
    clock, pushes = records[-1].workers.clock, 48
    assert clock >= pushes / n
    assert clock >= push * pushes
    assert clock <= pushes * (1 + push) / n + pushes * push + n
    for record in records:
        assert len(record.workers.staleness) == 12
        assert all(0 <= share <= 1 + 1e-9 for share in (*record.workers.utilisation, record.workers.server_utilisation))
        assert record.workers.server_utilisation == pytest.approx(12 * push / record.seconds)


def test_utilisation_is_computing_by_time():
    records = simulate(2, costs=Costs(3.0, push=1.0), epochs=3, rules=[])[0]
    tasks = [task for record in records for task in record.workers.timeline]
    assert len(tasks) == 36
    begin, end = records[0].workers.clock, records[1].workers.clock
    for number, share in enumerate(records[1].workers.utilisation):
        spent = [max(0, min(b, end) - max(a, begin)) for who, a, b in tasks if who == number]
        assert share == pytest.approx(sum(spent) / records[1].seconds)
    assert np.mean(records[1].workers.utilisation) == pytest.approx(3 / 4, abs=0.1)


def test_a_straggler_pushes_less():
    records, _ = simulate(4, stragglers={2: 4}, costs=Costs(1.0, push=0.01))
    tasks = np.bincount([number for record in records for number, _, _ in record.workers.timeline])
    assert tasks.sum() == 48
    assert tasks[2] * 3 < min(tasks[[0, 1, 3]])
    assert max(s for record in records for s in record.workers.staleness) > 9


def test_a_faster_network_and_its_bytes():
    model = models.net()
    values = sum(layer.w.nbytes + layer.b.nbytes for layer in model.layers)
    links = sum(layer.topology.indices.nbytes + layer.topology.indptr.nbytes for layer in model.layers)
    record = simulate(1, network=Network(0.5, 1000), epochs=1, costs=Costs(2.0, push=1.0))[0][0]
    assert record.seconds == pytest.approx(12 * (2 + 1 + 2 * 0.5) + (12 * 2 * values + links) / 1000)
    assert record.workers.idle_seconds == pytest.approx(12 * 1)


def test_what_fails_is_only_what_is_in_flight():
    quiet, _ = simulate(1, costs=Costs(1.0, push=0.25))
    failing, _ = simulate(1, costs=Costs(1.0, push=0.25), failures=[(0, 7.0, 4.0)])  # its sixth task began at 6.25
    assert failing[-1].workers.clock == quiet[-1].workers.clock + (7.0 - 6.25) + 4.0
    assert [record.workers.lost for record in failing] == [1, 0, 0, 0]
    records, _ = simulate(4, costs=Costs(1.0, push=0.01), failures=Failures(6, 1))
    assert sum(record.workers.lost for record in records) > 3
    assert [record.n_samples for record in records] == [N] * 4
    assert {len(record.workers.staleness) for record in records} == {12}


def test_a_failure_while_the_push_waits_loses_nothing_but_the_time_it_takes():
    queue = EventQueue([[(1.5, 2.0)], []])
    queue.ask(0, 0, 0, 1.0, 0)
    queue.ask(1, 0, 0, 0.5, 0)
    assert queue.next().number == 1
    queue.serve(2.0)
    task = queue.next()
    assert (task.number, task.lost, task.served) == (0, False, 2.5)
    task = queue.ask(0, 1.0, 0, 1.0, 0)
    assert (task.lost, task.arrival, queue.now) == (True, 3.5, 2.5)
    queue.next()
    assert not queue.ask(0, 0, 0, 1.0, 0).lost


def test_a_round_of_the_synchronous_variant_takes_as_long_as_the_slowest():
    records, _ = simulate(4, synchronous=True, stragglers=[1, 1, 2.5, 1], costs=Costs(1.0, push=0.5, evolve=3.0, begin=2.0))
    assert [record.seconds for record in records] == pytest.approx([3 * (2.5 + 0.5 / 4)] + [3 * (2.5 + 0.5 / 4) + 3 + 2] * 3)


def test_an_epoch_of_the_local_phase_takes_as_long_as_the_slowest():
    costs = Costs(1.0, push=0.1, step=2.0, setup=0.5, evolve=3.0, average=0.25, another=0.125)
    records, _ = simulate(4, costs=costs, stragglers={1: 3}, async_fraction=0.5)
    assert [record.phase for record in records[2:]] == ["local", "average"]
    slowest = 3 * (3 * 2.0 + 0.5 + 3.0)
    assert [record.seconds for record in records[2:]] == pytest.approx([slowest, slowest + 0.25 + 2 * 0.125])
    assert records[2].workers.utilisation[1] == pytest.approx(1)


def test_times_follow_the_links_that_are_left():
    rules = [sl.ImportancePruning(0.6, start=1)]
    records, _ = simulate(1, rules=rules)
    assert records[0].seconds == 12
    assert records[1].seconds == pytest.approx(12 * records[1].links / records[0].links)
    assert records[1].links < records[0].links


@pytest.mark.parametrize(
    "spec, mean",
    [(0.5, 0.5), ([1.0, 3.0], 2.0), (scipy.stats.expon(scale=2), 2.0), (lambda rng: rng.uniform(1, 3), 2.0)],
    ids=["number", "measured", "distribution", "function"],
)
def test_times(spec, mean):
    times, rng = Times("compute", spec), np.random.default_rng(0)
    assert times.mean() == pytest.approx(mean, rel=0.05)
    assert np.mean([times(rng) for _ in range(4000)]) == pytest.approx(mean, rel=0.1)


def test_saturation():
    assert saturation(Costs(0.9, push=0.08, pull=0.02)) == pytest.approx(10)
    assert saturation(Costs(0.9, push=0.1), Network(0.05, 1000), n_bytes=500) == pytest.approx((0.9 + 0.1 + 0.5) / 0.1 + 1)
    assert saturation(Costs(1.0)) == math.inf
    shared = Network(0.05, 1000, shared=True)
    assert saturation(Costs(0.9, push=0.1), shared, n_bytes=500) == pytest.approx((0.9 + 0.1) / (0.1 + 0.5) + 1)
    team = Costs(0.75, push=0.25).of_team(2, 3, server=0.5)
    assert team.compute * 6 == pytest.approx(3 * 1.0 + 0.375)  # the threads compute at once, and wait half a gradient
    assert Costs(0.25, push=0.75).of_team(2, 4).compute * 8 == pytest.approx(4 * 1.5 + 0.125)  # one pushes after the other
    assert saturation(team, steps_per_push=6) == pytest.approx(3.375 / 0.5 + 1)


@pytest.mark.parametrize("n", [1, 3, 12])
def test_the_line_of_the_server_is_used_by_one_message_at_a_time(n):
    """Then the server is busy for at least the bytes of all messages, and one worker alone takes as long as with its own line."""
    floats = sum(layer.topology.nnz + layer.topology.n_out for layer in models.net().layers)
    lines = [Network(0.01, 4.0 * floats, shared=shared) for shared in (False, True)]  # a second a message, if links stay there
    own, shared = (simulate(n, costs=Costs(2.0, push=0.1), network=one, rules=[])[0] for one in lines)
    updates = sum(len(record.workers.staleness) for record in shared)
    assert shared[-1].workers.clock >= updates * 2.1
    if n == 1:
        assert shared[-1].workers.clock == pytest.approx(own[-1].workers.clock)
    else:
        assert shared[-1].workers.clock > own[-1].workers.clock
    busy = [simulate(n, costs=Costs(0.4, push=0.1), rules=[])[0][-1].workers.server_utilisation for n in (4, 5, 6)]
    assert busy[0] < 0.99
    assert busy[1:] == pytest.approx([1, 1])


@pytest.mark.parametrize("change, n", [({}, 1), ({"workers": 3, "synchronous": True}, None)])
def test_an_experiment_brings_its_data_and_settings(change, n):
    config = sl.ExperimentConfig(hidden=(20,), epsilon=5.0, epochs=3, batch_size=BATCH, seed=3, **change)
    found = [sl.build(config, data=models.dataset(N, 50)) for _ in range(2)]
    records = list(sl.simulate_parallel(found[0], n_workers=n, costs=FREE))
    list(found[1].train())
    assert records[0].workers.n == (n or 3)
    assert models.fingerprint(found[0].model) == models.fingerprint(found[1].model)
    assert len(list(sl.simulate_parallel(found[0], costs=FREE, epochs=1))) == 1


# beside the real thing


def test_threads_that_wait_for_each_other_share_the_servers_work_and_machines_do_not():
    costs = Costs(1.0, push=0.4)
    options = {"rules": [], "epochs": 1, "async_fraction": 1.0, "costs": costs, "synchronous": True}
    for n, network, seconds in ((1, None, 1.4), (2, None, 1.2), (2, Network(), 1.4), (4, None, 1.1)):
        record = simulate(n, network=network, **options)[0][0]
        assert record.seconds == pytest.approx(-(-N // BATCH // n) * seconds)


def test_calibration_measures_all_there_is():
    model, data = models.net(), models.dataset(N, 50)
    before = models.fingerprint(model)
    costs = calibrate(model, data, BATCH)
    assert models.fingerprint(model) == before
    assert all(0 < value < 5 for name, value in vars(costs).items() if name not in ("begin", "another"))
    assert 0 <= min(costs.begin, costs.another) < 5
    records = list(sl.simulate_parallel(model, data, 2, **options(epochs=2)))  # calibrates by itself
    assert all(record.seconds > 0 for record in records)


# bad input


@pytest.mark.parametrize(
    "change, name",
    [
        ({"model": 3}, "model"),
        ({"n_workers": 0}, "n_workers = 0"),
        ({"n_workers": 13}, "n_workers = 13: must be at most 12"),
        ({"n_workers": 1.5}, "n_workers"),
        ({"compute": -1}, "compute = -1"),
        ({"compute": "fast"}, "compute"),
        ({"compute": []}, "compute"),
        ({"compute": [1.0, float("nan")]}, "compute"),
        ({"server": [[1.0]]}, "server"),
        ({"network": 5}, "network"),
        ({"costs": 5}, "costs"),
        ({"stragglers": {4: 2}}, "stragglers = 4"),
        ({"stragglers": {1: 0}}, r"stragglers\[1\] = 0"),
        ({"stragglers": [1, 2]}, "stragglers"),
        ({"stragglers": 2}, "stragglers"),
        ({"failures": 3}, "failures"),
        ({"failures": [(0, 1)]}, r"failures\[0\]"),
        ({"failures": [(4, 1, 1)]}, r"failures\[0\], worker = 4"),
        ({"failures": [(0, -1, 1)]}, r"failures\[0\], at = -1"),
        ({"backend": "threads"}, "backend"),
        ({"n_jobs": 2}, "n_jobs"),
        ({"checkpoint": "x"}, "checkpoint"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_named_before_any_work(change, name):
    good = {"model": models.net(), "data": models.dataset(N, 50), "n_workers": 4, "costs": FREE}
    with pytest.raises((ValueError, TypeError), match=f"^{name}"):
        sl.simulate_parallel(**options(**good) | change)


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: Network(-1), "latency"),
        (lambda: Network(0, 0), "bandwidth"),
        (lambda: Failures(0, 1), "mean"),
        (lambda: Failures(1, -1), "delay"),
        (lambda: Costs(-1), "compute"),
        (lambda: Costs(1, push="x"), "push"),
        (lambda: Costs(1, evolve=-1), "evolve"),
        (lambda: calibrate(models.net(), models.dataset(N), 0), "batch_size"),
        (lambda: calibrate(models.net(), models.dataset(N), n_batches=0), "n_batches"),
        (lambda: calibrate(3, models.dataset(N)), "model"),
    ],
)
def test_bad_costs_are_named(make, name):
    with pytest.raises((ValueError, TypeError), match=f"^{name}"):
        make()


@pytest.mark.parametrize("longest", [{"compute": 1e308}, {"server": 1e308}, {"network": Network(1e308)}], ids=str)
def test_time_that_exceeds_all_numbers_is_named(longest):
    with pytest.raises(ValueError, match="^simulated time = inf"):
        simulate(2, **{"compute": 1.0} | longest)


def test_a_draw_below_zero_is_named():
    with pytest.raises(ValueError, match="^compute = -"):
        simulate(2, compute=lambda rng: -1.0)
