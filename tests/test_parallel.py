"""Training with workers: one suite for all backends, which must compute the same."""

import dataclasses
import sys

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab import evolution
from sparselab.checkpoints.records import EpochRecord
from sparselab.evolution import SET, ImportancePruning
from sparselab.parallel.backends import local, registry
from sparselab.parallel.core import worker
from sparselab.parallel.core.server import ParameterServer

BACKENDS = ["serial", "threads", pytest.param("processes", marks=pytest.mark.slow), pytest.param("dask", marks=pytest.mark.slow)]
FIELDS = (
    "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "nnz", "pruned", "grown", "learning_rate", "n_samples"
)  # fmt: skip
RULES, SLOW = [ImportancePruning(0.4, start=1), SET(0.3)], sl.MomentumSGD(0.01)


def run(train=sl.train_parallel, *, model=None, data=None, rules=None, **options):
    """(records, fingerprint, model) of one training."""
    model = models.net(dropout=0.3) if model is None else model
    options = {"epochs": 6, "batch_size": 32, "seed": 5, "optimizer": sl.MomentumSGD(0.05, weight_decay=1e-3)} | options
    records = list(train(model, data or models.dataset(400, 50), rules=[SET(0.3)] if rules is None else rules, **options))
    return records, models.fingerprint(model), model


@pytest.fixture(scope="module")
def two_workers():
    return run(backend="serial", n_jobs=2, synchronous=True)[1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_wassp_with_one_worker_is_sequential_training(backend):
    wanted, fingerprint, _ = run(sl.train)
    records, found, _ = run(backend=backend, n_jobs=1, synchronous=True)
    assert found == fingerprint
    assert [record.phase for record in records] == ["synchronous"] * 4 + ["local", "average"]
    for record, other in zip(records, wanted, strict=True):
        assert [getattr(record, name) for name in FIELDS] == [getattr(other, name) for name in FIELDS]


@pytest.mark.parametrize("backend", BACKENDS)
def test_wassp_with_two_workers_has_one_hash(backend, two_workers):
    records, found, model = run(backend=backend, n_jobs=2, synchronous=True)
    assert found == two_workers
    assert model.nnz == records[0].nnz
    assert all(record.staleness == 0 for record in records[:4])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 11])
def test_gradients_of_workers_are_summed_by_pairs(n):
    """Of two halves, the first the largest power of two below n; in a worker's own steps, too; numbers show the order."""
    values = (np.random.default_rng(n).standard_normal((n, 7)) * 10.0 ** np.arange(7)).astype(np.float32)

    def halves(part):
        if len(part) == 1:
            return part[0]
        half = 2 ** ((len(part) - 1).bit_length() - 1)
        return halves(part[:half]) + halves(part[half:])

    np.testing.assert_array_equal(worker.summed(values), halves(values))
    added = [partner for number in range(n) for partner in worker.partners(number, n)]
    assert sorted(added) == [*range(1, n)]


def test_wassp_with_five_workers_has_one_hash():
    wanted = run(backend="serial", n_jobs=5, synchronous=True)[1]
    assert run(backend="threads", n_jobs=5, synchronous=True)[1] == wanted


class SevenMethods:
    """A user's backend: what is asked for, and nothing else."""

    def __init__(self):
        inner = local.Serial()
        for name in registry.NEEDED:
            setattr(self, name, getattr(inner, name))


@pytest.mark.parametrize("synchronous", [True, False])
def test_a_backend_needs_seven_methods(synchronous, two_workers):
    records, found, _ = run(backend=SevenMethods(), n_jobs=2, synchronous=synchronous)
    assert [record.phase for record in records][3:] == [records[0].phase, "local", "average"]
    assert len(records[0].workers.staleness) == (7 if synchronous else 13)
    assert not synchronous or found == two_workers


@pytest.mark.parametrize("backend", BACKENDS)
def test_wasap_learns_and_its_schedule_replays_to_the_same_hash(backend):
    records, found, model = run(backend=backend, n_jobs=3, async_fraction=0.5, rules=RULES, optimizer=SLOW)
    assert [record.phase for record in records] == ["asynchronous"] * 3 + ["local"] * 2 + ["average"]
    assert records[-1].train_loss < records[0].train_loss
    assert model.sizes == (20, 20, 11, 4)
    assert all(len(record.workers.staleness) == 13 for record in records[:3])
    schedule = [number for record in records[:3] for number, _, _ in record.workers.timeline]
    assert len(schedule) == 39
    again = run(backend="serial", n_jobs=3, async_fraction=0.5, rules=RULES, optimizer=SLOW, schedule=schedule)
    assert again[1] == found
    assert [r.workers.staleness for r in again[0][:3]] == [r.workers.staleness for r in records[:3]]


@pytest.mark.parametrize("backend", BACKENDS[1:])
@pytest.mark.parametrize("rule", [sl.RigL(0.3), sl.CHT(0.3)], ids=lambda rule: type(rule).__name__)
def test_rules_that_look_at_gradients_or_topology_are_the_same_on_all_backends(backend, rule):
    options = {"n_jobs": 2, "epochs": 4, "rules": [rule], "optimizer": SLOW}
    records, found, _ = run(backend=backend, synchronous=True, **options)
    assert found == run(backend="serial", synchronous=True, **options)[1]
    assert [sum(record.grown) > 0 for record in records[:3]] == [False, True, True]
    records, found, _ = run(backend=backend, **options)
    schedule = [number for record in records for number, _, _ in record.workers.timeline if record.phase == "asynchronous"]
    assert run(backend="serial", schedule=schedule, **options)[1] == found


def test_one_asynchronous_worker_is_never_stale():
    records, found, _ = run(backend="serial", n_jobs=1)
    assert {staleness for record in records[:4] for staleness in record.workers.staleness} == {0}
    assert found == run(sl.train)[1]


@pytest.mark.parametrize("share, phases", [(0.0, ["local"] * 5 + ["average"]), (1.0, ["asynchronous"] * 6)])
def test_each_phase_alone(share, phases):
    records, _, model = run(backend="serial", n_jobs=2, async_fraction=share)
    assert [record.phase for record in records] == phases
    data = models.dataset(400, 50)
    assert records[-1].test_accuracy == sl.evaluate(model, data.X_test, data.y_test).accuracy


THINNING = (
    sl.GMP(0.3, density=sl.schedules.Cubic(0.5, 0.05, 0, 3)), sl.GraNet(0.3, density=sl.schedules.Cubic(0.5, 0.05, 0, 3)),
    sl.CHTss(0.3, density=0.2),
)  # fmt: skip


@pytest.mark.parametrize("rule", THINNING, ids=lambda rule: type(rule).__name__)
def test_rules_that_thin_out_end_as_thin_with_workers_as_without(rule):
    def links(train, **options):
        model = sl.SparseMLP.create((20, 40, 40, 4), density=0.5, dense_last=True, exact=True, seed=0)
        return np.array(run(train, model=model, rules=[rule], optimizer=SLOW, **options)[0][-1].nnz)

    wanted, found = links(sl.train), links(sl.train_parallel, backend="serial", n_jobs=3, async_fraction=0.2)
    assert found.sum() == wanted.sum()
    assert rule.cut == "global" or found.tolist() == wanted.tolist()


def test_rules_that_add_links_do_so_with_workers_too():
    def grow(epoch, model, state, evidence, rng):
        topologies = [layer.topology for layer in model.layers]
        return [sl.rewire(one, np.ones(one.nnz, bool), n, rng=rng) for one, n in zip(topologies, (20, 5, 0), strict=True)]

    wanted, found = (run(train, rules=[grow], **options)[0][-1].nnz for train, options in (
        (sl.train, {}), (sl.train_parallel, {"backend": "serial", "n_jobs": 2, "async_fraction": 0.2})
    ))  # fmt: skip
    assert found == wanted


@pytest.mark.parametrize("options", [{"evaluate_every": 0}, {"evaluate_every": 4}, {}], ids=str)
def test_records_of_workers_that_train_alone_tell_of_the_first_workers_net(options):
    pruner = sl.GMP(0.3, density=sl.schedules.Cubic(0.5, 0.05, 0, 6))
    model = sl.SparseMLP.create((20, 40, 40, 4), density=0.5, exact=True, seed=0)
    records = run(model=model, rules=[pruner], backend="serial", n_jobs=3, async_fraction=0.2, optimizer=SLOW, **options)[0]
    for before, record in zip(records, records[1:-1], strict=False):
        assert record.phase == "local"
        assert record.nnz == tuple(np.array(before.nnz) - record.pruned + record.grown)
        assert record.nnz == tuple(int(fan_in.sum()) for fan_in in record.fan_in)
        assert sum(record.pruned) > 0


def test_n_jobs_reads_like_joblibs(monkeypatch):
    monkeypatch.setattr("sparselab.utils.resources.cores", lambda: 3)
    for n_jobs, n in ((None, 3), (-1, 3), (-2, 2), (-3, 1), (-4, 1), (-10_000, 1), (np.int64(-2), 2), (1, 1)):
        assert run(backend="serial", n_jobs=n_jobs, epochs=1)[0][0].workers.n == n
    for cores, n_jobs, n in ((1, -2, 1), (64, -2, 5), (64, -60, 5), (64, -63, 2)):  # of 400 rows there are 5 mini-batches of 80
        monkeypatch.setattr("sparselab.utils.resources.cores", lambda cores=cores: cores)
        assert run(backend="serial", n_jobs=n_jobs, epochs=1, batch_size=80)[0][0].workers.n == n


def test_accuracies_of_the_workers_and_of_their_average():
    records, _, _ = run(backend="serial", n_jobs=3)
    last = records[-1]
    assert len(last.workers.accuracies) == 3
    assert last.test_accuracy is not None
    assert records[-2].test_accuracy == pytest.approx(np.mean(records[-2].workers.accuracies))


def test_what_the_workers_did_is_told():
    records, _, _ = run(backend="threads", n_jobs=2, async_fraction=1.0)
    for record in records:
        workers = record.workers
        assert len(workers.staleness) == len(workers.queue) == len(workers.timeline) == 13
        assert set(workers.queue) <= {0, 1}
        assert 0 <= workers.idle_seconds <= 2 * record.seconds
        assert all(begun < ended for _, begun, ended in workers.timeline)
        assert {number for number, _, _ in workers.timeline} <= {0, 1}


def test_several_mini_batches_a_push():
    one, two = (
        run(backend="serial", n_jobs=2, steps_per_push=s, async_fraction=1.0, optimizer=sl.MomentumSGD(0.01))[0] for s in (1, 3)
    )
    assert len(one[0].workers.staleness) == 13
    assert len(two[0].workers.staleness) == 5
    assert 300 < two[0].n_samples <= 15 * 32
    assert two[-1].train_loss < two[0].train_loss


@pytest.mark.parametrize(("n_jobs", "steps"), [(2, 1), (2, 3), (3, 2), (1, 13)])
def test_a_synchronous_epoch_is_one_pass_whatever_a_push_has(n_jobs, steps):
    options = {"backend": "serial", "synchronous": True, "async_fraction": 1.0, "optimizer": sl.MomentumSGD(0.01)}
    records = run(n_jobs=n_jobs, steps_per_push=steps, **options)[0]
    updates = -(-13 // (n_jobs * steps))
    assert {len(record.workers.staleness) for record in records} == {updates}
    assert 300 < records[0].n_samples <= updates * n_jobs * steps * 32


@pytest.mark.parametrize("synchronous", [False, True])
def test_a_push_has_no_more_than_a_workers_share_of_an_epoch(synchronous):
    options = {"backend": "serial", "n_jobs": 2, "synchronous": synchronous, "async_fraction": 1.0}
    assert run(steps_per_push=1000, **options)[1] == run(steps_per_push=7, **options)[1]


def test_the_layerwise_engine_works_in_parallel_too():
    net, data = lambda: models.net(activation="tanh", dtype=np.float64), models.dataset(400, 50, dtype=np.float64)
    wanted = run(sl.train, model=net(), data=data)[1]
    assert run(backend="threads", n_jobs=1, synchronous=True, model=net(), data=data)[1] == wanted


def test_closing_the_generator_leaves_a_net_that_works():
    model, data = models.net(), models.dataset(400, 50)
    records = sl.train_parallel(model, data, backend="threads", n_jobs=2, epochs=50, batch_size=16, rules=[SET(0.3)], seed=0)
    next(records)
    next(records)
    records.close()
    assert np.isfinite(sl.evaluate(model, data.X_test, data.y_test).loss)
    assert len(list(sl.train(model, data, epochs=1))) == 1


def test_a_gradient_that_is_not_finite_ends_it_with_the_net_at_its_last_good_step():
    model, data = models.net(), models.dataset(400, 50)
    model.layers[0].w[0] = np.inf
    before = models.fingerprint(model)
    with pytest.raises(sl.DivergedError):
        list(sl.train_parallel(model, data, backend="threads", n_jobs=2, epochs=2))
    assert models.fingerprint(model) == before


# kept in a folder


@pytest.mark.parametrize("stop", [1, 3, 4, 5])
@pytest.mark.parametrize("seed", [5, None])
def test_a_synchronous_run_goes_on_exactly(stop, seed, tmp_path):
    options = {"backend": "threads", "n_jobs": 2, "synchronous": True, "async_fraction": 0.5}
    model = models.net(dropout=0.3)
    rest = {"epochs": 6, "batch_size": 32, "optimizer": sl.MomentumSGD(0.05), "rules": [SET(0.3)], "checkpoint": tmp_path}
    first = sl.train_parallel(model, models.dataset(400, 50), seed=seed, **options, **rest)
    begun = [next(first) for _ in range(stop)]
    first.close()
    again = models.net(dropout=0.3)
    records = list(sl.train_parallel(again, models.dataset(400, 50), seed=seed, **options, **rest))
    assert records[:stop] == begun
    assert [record.epoch for record in records] == [1, 2, 3, 4, 5, 6]
    seeds = sl.load_checkpoint(tmp_path).state.seeds
    whole, found, _ = run(seed=seeds, **options, optimizer=rest["optimizer"])
    assert models.fingerprint(again) == found
    assert records == whole
    assert not list(tmp_path.glob("local-*"))
    assert len(list(sl.train_parallel(models.net(dropout=0.3), models.dataset(400, 50), seed=seed, **options, **rest))) == 6


def test_an_asynchronous_run_goes_on_from_the_end_of_an_epoch(tmp_path):
    options = {"backend": "threads", "n_jobs": 2, "checkpoint": tmp_path}
    first = sl.train_parallel(models.net(), models.dataset(400, 50), epochs=4, seed=1, batch_size=32, **options)
    begun = [next(first), next(first)]
    first.close()
    records = list(sl.train_parallel(models.net(), models.dataset(400, 50), epochs=4, seed=1, batch_size=32, **options))
    assert records[:2] == begun
    assert [record.phase for record in records] == ["asynchronous"] * 3 + ["average"]


def test_a_run_with_other_workers_is_refused(tmp_path):
    data = models.dataset(400, 50)
    list(sl.train_parallel(models.net(), data, backend="serial", n_jobs=2, epochs=2, seed=1, checkpoint=tmp_path, batch_size=32))
    for train, changes in ((sl.train_parallel, {"n_jobs": 3, "backend": "serial"}), (sl.train, {})):
        with pytest.raises(sl.CheckpointError, match="parallel = "):
            list(train(models.net(), data, epochs=2, seed=1, checkpoint=tmp_path, batch_size=32, **changes))


# the server


def gradients(model, seed=0):
    random = np.random.default_rng(seed)
    draw = lambda arrays: [random.standard_normal(len(a)).astype(np.float32) for a in arrays]
    return draw([layer.w for layer in model.layers]), draw([layer.b for layer in model.layers])


@pytest.mark.parametrize("evolutions", [1, 2, 5])
@pytest.mark.parametrize("shrinks", [False, True])
def test_retain_valid_updates(evolutions, shrinks):
    """A gradient from before some evolutions: by place, in a slow loop, each link that was never gone gets its entry."""
    model = models.net()
    server = ParameterServer(model, sl.MomentumSGD(1.0, momentum=0.0))
    old, (dw, db) = server.pull(), gradients(model)
    tracks = [{k: k for k in range(n)} for n in model.nnz]  # old slot -> slot now
    neurons = [np.arange(n) for n in model.sizes[1:]]
    rules = [ImportancePruning(0.1, start=1, every=1), SET(0.3)] if shrinks else [SET(0.3)]
    for epoch in range(1, evolutions + 1):
        if shrinks:
            rules[0] = ImportancePruning(0.1 * epoch, start=1, every=1)
        changes = server.evolve(rules, epoch, lambda: None, np.random.default_rng(epoch))
        for l, way in enumerate(changes.rewirings):
            if way is not None:
                now = {int(o): k for k, o in enumerate(way.origin) if o >= 0}
                tracks[l] = {k: now[slot] for k, slot in tracks[l].items() if slot in now}
                neurons[l] = neurons[l] if way.rows is None else neurons[l][way.rows]
    before = [(layer.w.copy(), layer.b.copy()) for layer in model.layers]
    assert server.push(old, dw, db, 1.0) == 0
    for l, (layer, (w, b)) in enumerate(zip(model.layers, before, strict=True)):
        wanted = w.copy()
        for k, slot in tracks[l].items():
            wanted[slot] -= dw[l][k]
        np.testing.assert_array_equal(layer.w, wanted)
        np.testing.assert_array_equal(layer.b, b - db[l][neurons[l]])
    assert server.traffic.dropped == sum(len(g) - len(track) for g, track in zip(dw, tracks, strict=True)) > 0


def test_staleness_bound_and_damping():
    model = models.net()
    server = ParameterServer(model, sl.MomentumSGD(momentum=0.0), max_staleness=1, damping=1.0)
    old, (dw, db) = server.pull(), gradients(model)
    w = model.layers[0].w.copy()
    assert server.push(old, dw, db, 1.0) == 0
    np.testing.assert_array_equal(model.layers[0].w, w - dw[0])
    w = model.layers[0].w.copy()
    assert server.push(old, dw, db, 1.0) == 1
    np.testing.assert_array_equal(model.layers[0].w, w - np.float32(0.5) * dw[0])
    w = model.layers[0].w.copy()
    assert server.push(old, dw, db, 1.0) == 2
    assert server.traffic.refused == 1
    np.testing.assert_array_equal(model.layers[0].w, w)
    assert server.take_traffic().staleness == [0, 1, 2]
    assert server.traffic.staleness == []


def bad_pushes(dw, db):
    other = lambda l, array: [array if i == l else g for i, g in enumerate(dw)]
    return {
        "too few": (dw[:2], db),
        "too short": (other(1, dw[1][1:]), db),
        "wrong dtype": (other(0, dw[0].astype(float)), db),
        "NaN": (other(2, np.full_like(dw[2], np.nan)), db),
        "not an array": (other(0, "gradient"), db),
        "biases too long": (dw, [np.append(g, g[:1]) for g in db]),
    }


@pytest.mark.parametrize("name", bad_pushes([np.zeros(2)] * 3, [np.zeros(2)] * 3))
def test_garbage_is_refused_and_nothing_is_applied(name):
    model = models.net()
    server = ParameterServer(model)
    snapshot, before = server.pull(), models.fingerprint(model)
    with pytest.raises(ValueError, match="must be"):
        server.push(snapshot, *bad_pushes(*gradients(model))[name], 0.1)
    assert models.fingerprint(model) == before
    assert server.version == 0


def test_an_unknown_generation_is_refused():
    model = models.net()
    server = ParameterServer(model)
    old = server.pull()
    server.evolve([SET(0.3)], 1, lambda: None, np.random.default_rng(0))
    server.forget(1)
    with pytest.raises(ValueError, match="generation = 0: must be one of"):
        server.push(old, *gradients(model), 0.1)


def test_a_server_names_a_rate_that_is_no_number_and_what_is_no_optimizer():
    model = models.net()
    server, before = ParameterServer(model), models.fingerprint(model)
    for rate in (float("nan"), float("inf"), "much"):
        with pytest.raises((ValueError, TypeError), match="^rate"):
            server.push(server.pull(), *gradients(model), rate)
    assert models.fingerprint(model) == before
    with pytest.raises(TypeError, match="^optimizer = 3"):
        ParameterServer(model, 3)
    with pytest.raises(TypeError, match="^n_links = 3"):
        sl.average([model], 3)


@pytest.mark.parametrize("version", [2, -1, 0.5])
def test_a_version_that_the_server_never_had_is_refused(version):
    """Its staleness would be negative, and a damped learning rate larger than the given one, or no number."""
    model = models.net()
    server = ParameterServer(model, damping=0.5)
    snapshot, (dw, db) = server.pull(), gradients(model)
    server.push(snapshot, dw, db, 0.1)
    before = models.fingerprint(model)
    with pytest.raises((ValueError, TypeError), match=f"^version = {version}"):
        server.push(dataclasses.replace(snapshot, version=version), dw, db, 0.1)
    assert models.fingerprint(model) == before


# the average


def test_the_average_is_the_mean_over_the_union_cut_back():
    nets = [models.net(seed=seed) for seed in (1, 2, 3)]
    mean = sl.average(nets)
    assert mean.nnz == nets[0].nnz
    for l, layer in enumerate(mean.layers):
        dense = sum(models.dense(net)[l] for net in nets) / 3
        np.testing.assert_allclose(layer.b, sum(net.layers[l].b for net in nets) / 3, rtol=1e-6)
        found = models.dense(mean)[l]
        there = models.masks(mean)[l] > 0
        np.testing.assert_allclose(found[there], dense[there], rtol=1e-6)
        union = sum(models.masks(net)[l] for net in nets) > 0
        assert there[union].sum() == layer.topology.nnz
        gone = union & ~there
        for sign in (1, -1):  # of each sign the smallest went
            kept, cut = sign * dense[there & (sign * dense > 0)], sign * dense[gone & (sign * dense > 0)]
            assert not len(cut) or not len(kept) or np.sort(cut)[-2:].min() <= kept.min() * (1 + 1e-6)


def test_the_average_of_one_is_itself():
    model = models.net()
    assert models.fingerprint(sl.average([model])) == models.fingerprint(model)


def test_averages_of_shrunk_nets_keep_their_ids():
    nets = []
    for seed in (1, 2):
        net = models.net(seed=seed)
        gone = [np.arange(n) % 3 == 0 for n in net.sizes[1:-1]]
        evolution.apply(evolution.shrink(net, gone), net, None, None)
        nets.append(net)
    assert sl.average(nets).neurons.ids(1).tolist() == nets[0].neurons.ids(1).tolist()
    with pytest.raises(ValueError, match=r"models\[1\]"):
        sl.average([nets[0], models.net()])


# bad input


@pytest.mark.parametrize(
    "change, name",
    [
        ({"n_jobs": 0}, "n_jobs"),
        ({"n_jobs": True}, "n_jobs"),
        ({"n_jobs": 14}, "n_jobs"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"backend": "thread"}, "backend"),
        ({"backend": None}, "backend"),
        ({"async_fraction": 1.5}, "async_fraction"),
        ({"synchronous": "yes"}, "synchronous"),
        ({"epochs": 0}, "epochs"),
        ({"schedule": 5, "backend": "serial"}, "schedule"),
        ({"schedule": ["one"], "backend": "serial"}, "schedule"),
        ({"steps_per_push": 0}, "steps_per_push"),
        ({"max_staleness": -1}, "max_staleness"),
        ({"damping": -1}, "damping"),
        ({"task_timeout": 0}, "task_timeout"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"rules": "SET"}, "rules"),
        ({"optimizer": 3}, "optimizer"),
        ({"model": 3}, "model"),
    ],
)
def test_bad_arguments_are_named_before_any_work(change, name):
    good = {"model": models.net(), "data": models.dataset(400, 50), "batch_size": 32, "n_jobs": 2, "epochs": 2}
    with pytest.raises((ValueError, TypeError), match=f"^{name}"):
        sl.train_parallel(**good | change)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"\[cluster\]"):
        sl.train_parallel(models.net(), models.dataset(400), backend="dask", n_jobs=2)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("sparselab.parallel.backends.dask.CONNECT", 0.5)
    with pytest.raises(ValueError, match="backend = 'tcp://127.0.0.1:9'"):
        list(sl.train_parallel(models.net(), models.dataset(400), backend="tcp://127.0.0.1:9", n_jobs=2))


def test_what_cannot_be_pickled_is_named_before_any_work():
    class Odd(SET):
        def __reduce__(self):
            raise RuntimeError("not me")

    model = models.net()
    before = models.fingerprint(model)
    with pytest.raises(TypeError, match="rules, optimizer, loss or activation"):
        list(sl.train_parallel(model, models.dataset(400), backend="processes", n_jobs=2, rules=[Odd(0.3)]))
    assert models.fingerprint(model) == before


def test_a_wrong_schedule_is_named():
    with pytest.raises(ValueError, match="schedule = 2"):
        run(backend="serial", n_jobs=2, schedule=[0, 1, 2])


@pytest.mark.parametrize("synchronous", [False, True])
def test_step_records_add_up_to_their_epoch_and_change_nothing(synchronous):
    options = {"backend": "serial", "n_jobs": 2, "synchronous": synchronous}
    plain, paced = run(**options), run(pace=0.0, **options)
    assert paced[1] == plain[1]
    epochs = [record for record in paced[0] if isinstance(record, EpochRecord)]
    assert epochs == plain[0]
    steps = [record for record in paced[0] if not isinstance(record, EpochRecord)]
    for record in epochs[:4]:
        own = [step for step in steps if step.epoch == record.epoch]
        assert sum(step.n_samples for step in own) == record.n_samples
        assert sum(step.loss * step.n_samples for step in own) / record.n_samples == pytest.approx(record.train_loss)
