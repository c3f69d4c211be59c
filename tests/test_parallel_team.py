"""Teams: workers of one process of a cluster, which train a copy of the net together between two pushes."""

import pickle
import time
from dataclasses import replace

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab.parallel.backends import dask, dask_worker
from sparselab.parallel.backends.team import Team
from sparselab.parallel.core.worker import Worker, WorkerSpec
from sparselab.parallel.remote_server import RemoteServer

pytestmark = pytest.mark.timeout(120)
STEPS = 13  # mini-batches of 32 of 400 samples


def spec_of(model, optimizer, n_workers=1):
    loss, seeds = sl.SoftmaxCrossEntropy(), np.random.SeedSequence(5)
    return WorkerSpec(model.activation, model.dropout, model.initializer, loss, optimizer, (), 32, seeds, n_workers)


def team_of(n, optimizer=None, dtype=np.float32):
    """(a net, its server, a Team of n workers)."""
    model, data = models.net(dropout=0.3, dtype=dtype), models.dataset(400, 50, dtype=dtype)
    server = sl.ParameterServer(model, optimizer or sl.MomentumSGD(0.02))
    spec = spec_of(model, server.optimizer, n)
    return server, Team(spec, range(n), data.X_train, spec.loss.targets(data.y_train, 4, model.dtype))


def snapshot_of(server, rate, steps=STEPS):
    return replace(server.view(), steps=steps, rates=np.full(steps, rate), optimizer=server.state, state_wanted=True)


@pytest.mark.parametrize(
    "optimizer, dtype",
    [(sl.MomentumSGD(0.02), np.float32), (sl.MomentumSGD(0.02), np.float64), (sl.Adam(1e-3), np.float32)],
)
def test_a_team_of_one_does_what_sequential_training_does(optimizer, dtype):
    """In rounds that end anywhere; with compiled turns, and without them."""
    server, team = team_of(1, optimizer, dtype)
    alone, data = server.model.copy(), models.dataset(400, 50, dtype=dtype)
    losses, n_samples = [], 0
    for round_, steps in enumerate((STEPS, STEPS)):
        update = team.train(0, snapshot_of(server, optimizer.rate(0), steps), round_)
        assert server.merge(update) == 0
        losses, n_samples = losses + update.losses, n_samples + update.n_samples
    team.close()
    records = list(sl.train(alone, data, optimizer=optimizer, epochs=2, batch_size=32, seed=np.random.SeedSequence(5), threads=1))
    assert (n_samples, len(losses)) == (800, 2 * STEPS)
    assert sum(losses) / n_samples == pytest.approx(np.mean([record.train_loss for record in records]), rel=1e-4)
    for mine, theirs in zip(server.model.layers, alone.layers, strict=True):
        np.testing.assert_allclose(mine.w, theirs.w, atol=1e-5)
        np.testing.assert_allclose(mine.b, theirs.b, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer, dtype",
    [(sl.MomentumSGD(0.02), np.float32), (sl.SGD(0.02, momentum=0.9), np.float64), (sl.Adam(1e-3), np.float32)],
)
@pytest.mark.parametrize("kind", ["worker", "team"])
def test_a_copy_goes_on_with_its_own_state(kind, optimizer, dtype):
    """Two epochs in rounds that end anywhere: the state comes once, and goes back once."""
    server, team = team_of(1, optimizer, dtype)
    alone, data = server.model.copy(), models.dataset(400, 50, dtype=dtype)
    targets = sl.SoftmaxCrossEntropy().targets(data.y_train, 4, dtype)
    worker = Worker(spec_of(server.model, optimizer), 0, data.X_train, targets)
    train = team.train if kind == "team" else lambda number, *round_: worker.advance(*round_)
    sent = []
    for round_ in range(STEPS):
        snapshot = snapshot_of(server, optimizer.rate(0), 2)
        snapshot = replace(snapshot, optimizer=None if round_ else server.state, state_wanted=round_ == STEPS - 1)
        update = train(0, snapshot, round_)
        sent.append(update.optimizer is not None)
        server.merge(update)
    team.close()
    assert sent == [False] * (STEPS - 1) + [True]
    list(sl.train(alone, data, optimizer=optimizer, epochs=2, batch_size=32, seed=np.random.SeedSequence(5), threads=1))
    for mine, theirs in zip(server.model.layers, alone.layers, strict=True):
        np.testing.assert_allclose(mine.w, theirs.w, atol=1e-5)
        np.testing.assert_allclose(mine.b, theirs.b, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_team_of_two_takes_as_many_steps_as_it_shall_and_learns(dtype):
    server, team = team_of(2, dtype=dtype)
    means = []
    for round_ in range(12):
        update = team.train(0, snapshot_of(server, 0.02), round_)
        assert (update.number, update.round, len(update.losses)) == (0, round_, STEPS)
        assert update.seconds > 0
        server.merge(update)
        means.append(sum(update.losses) / update.n_samples)
    assert set(team.rounds.values()) != {0}
    team.close()
    assert means[-1] < 0.7 * means[0]


def test_seconds_of_compiled_turns_are_counted_once():
    (server, team), updates, turns = team_of(2), [], []
    result, record_turn = team.result, team.record_turn
    team.result = lambda future: updates.append(result(future)) or updates[-1]
    team.record_turn = lambda *turn: turns.append(turn) or record_turn(*turn)
    update = team.train(0, snapshot_of(server, 0.02, 60), 0)
    team.close()
    assert len(updates) + len(turns) == 60
    assert turns
    assert update.seconds == pytest.approx(sum(one.seconds for one in updates))


def test_fewer_steps_than_workers_and_a_gradient_that_is_not_finite():
    server, team = team_of(2)
    assert team.train(1, snapshot_of(server, 0.02, 1), 0).n_samples == 32
    server.model.layers[0].w[:] = np.nan
    assert team.train(1, snapshot_of(server, 0.02), 1).failed
    team.close()


def test_a_team_ends_where_workers_go_on_alone():
    server, team = team_of(2)
    team.close()
    tasks = dask_worker.Tasks(0, pickle.dumps(team.spec), team.X, team.targets)
    p, state = server.view().parameters, server.state
    head = replace(snapshot_of(server, 0.02, 4), parameters=None, optimizer=dask_worker.hollow(state))
    values = dask_worker.flat(p.weights, p.biases, state)
    tasks.gradient(head, (p.topologies, p.neurons), values, values.dtype, 0, [0, 1], None)
    threads = tasks.team.threads
    tasks.local(p, (state, []), 0)
    assert tasks.team is None
    assert not any(thread.is_alive() for thread in threads)
    tasks.close()


@pytest.mark.parametrize(
    "warm_up, rounds, sent", [(True, (0, 1), True), (False, (0, 1), False), (False, (1, 1), True), (False, (0, 2), True)]
)
def test_a_state_is_sent_where_the_worker_has_not_got_it(warm_up, rounds, sent):
    """A run may be resumed at any round: what warms a worker up leaves a state that no round goes on from."""
    backend, line, states = dask.Cluster(), dask.Line(0, None, None), []
    backend.lines, backend.teams = {0: line}, {0: [0]}
    backend._start = lambda line, name, snapshot, *arguments: states.append(snapshot.optimizer)
    server, team = team_of(1)
    team.close()
    for round_ in rounds:
        backend.gradient(0, replace(snapshot_of(server, 0.02), warm_up=warm_up), round_)
    assert states[0] is not None
    assert (states[1] is not None) == sent


# what the server does with it


def update_of(server, seed):
    """Random changes by a team that has the server's net now, and its state."""
    random, like = np.random.default_rng(seed), lambda a: random.standard_normal(len(a)).astype(np.float32)
    layers = server.model.layers
    state = [sl.LayerState([like(layer.w)], [like(layer.b)]) for layer in layers]
    return sl.parallel.core.worker.GradientUpdate(
        0, 0, server.version, server.generation, [1.0], 0, 32, [like(layer.w) for layer in layers],
        [like(layer.b) for layer in layers], False, 0.0, state,
    )  # fmt: skip


def by_link(server, vectors):
    """{(layer, row, column): value}."""
    topologies = [layer.topology for layer in server.model.layers]
    links = ((l, t, v) for l, (t, v) in enumerate(zip(topologies, vectors, strict=True)))
    return {(l, *place): value for l, t, v in links for *place, value in zip(t.rows.tolist(), t.indices.tolist(), v.tolist())}


def test_changes_of_links_that_are_gone_are_dropped_and_those_of_others_added():
    """Against dictionaries of the links; so is the optimizer's state, where new links begin with nothing."""
    server = sl.ParameterServer(models.net())
    update = update_of(server, 0)
    changes, velocity = by_link(server, update.dw), by_link(server, [s.links[0] for s in update.optimizer])
    server.evolve([sl.SET(0.3)], 1, lambda: None, np.random.default_rng(0), [{}])
    before = by_link(server, [layer.w.copy() for layer in server.model.layers])
    server.merge(update)
    after = by_link(server, [layer.w for layer in server.model.layers])
    state = by_link(server, [one.links[0] for one in server.state])
    assert 0 < server.traffic.dropped < len(changes)
    kept = {link for link, w in before.items() if w}  # others have grown, with 0, where links may have been before
    assert after == {link: float(np.float32(w) + np.float32(changes[link])) if link in kept else 0 for link, w in before.items()}
    assert state == {link: velocity[link] if link in kept else 0 for link in before}


def test_stale_changes_are_damped_or_refused():
    server = sl.ParameterServer(models.net(), damping=1.0, max_staleness=1)
    updates = [update_of(server, seed) for seed in range(3)]
    first = server.model.layers[0].w.copy()
    assert [server.merge(update) for update in updates] == [0, 1, 2]
    np.testing.assert_allclose(server.model.layers[0].w, first + updates[0].dw[0] + updates[1].dw[0] / 2, rtol=1e-5)
    assert (server.version, server.traffic.refused) == (2, 1)
    np.testing.assert_array_equal(server.state[0].links[0], updates[1].optimizer[0].links[0])


@pytest.mark.parametrize("wrong", ["length", "number", "not finite"])
def test_states_that_do_not_fit_are_refused_and_nothing_is_changed(wrong):
    server = sl.ParameterServer(models.net())
    update, before = update_of(server, 0), models.fingerprint(server.model)
    state = update.optimizer[1]
    if wrong == "length":
        state.links[0] = state.links[0][:-1]
    elif wrong == "number":
        state.links.append(state.links[0])
    else:
        state.neurons[0][0] = np.nan
    with pytest.raises(ValueError, match="optimizer"):
        server.merge(update)
    assert (models.fingerprint(server.model), server.version) == (before, 0)


# on a cluster


@pytest.fixture(scope="module")
def node():
    """A client of a cluster of one Dask worker with two threads."""
    from distributed import Client, LocalCluster

    place = {"processes": False, "dashboard_address": "127.0.0.1:0", "silence_logs": False}
    with LocalCluster(n_workers=1, threads_per_worker=2, **place) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


def run(backend, **options):
    model, data = models.net(dropout=0.3), models.dataset(400, 50)
    options = {"n_jobs": 2, "epochs": 6, "batch_size": 32, "seed": 5, "optimizer": sl.MomentumSGD(0.02)} | options
    return list(sl.train_parallel(model, data, backend=backend, rules=[sl.SET(0.3)], **options)), model


@pytest.mark.parametrize("compression", [None, "bfloat16"])
def test_a_dask_worker_of_two_threads_is_a_team(node, compression):
    import threading

    before = {thread.name for thread in threading.enumerate()}
    backend = sl.parallel.backends.Cluster(node, compression)
    records, model = run(backend, steps_per_push=3, async_fraction=0.5)
    assert backend.teams == {0: [0, 1]}
    assert [record.phase for record in records] == ["asynchronous"] * 3 + ["local"] * 2 + ["average"]
    for record in records[:3]:
        assert record.workers.steps_per_push == 6
        assert record.workers.staleness == [0] * 3  # 13 mini-batches in pushes of 6
        assert {number for number, *_ in record.workers.timeline} == {0}
    assert records[-1].train_loss < 0.8 * records[0].train_loss
    assert models.is_finite(model)
    limit = time.monotonic() + 10
    while any("sparselab-worker" in t.name and t.name not in before for t in threading.enumerate()):
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_team_chooses_its_steps_and_a_synchronous_run_has_none(node):
    records, _ = run(node, steps_per_push="auto", async_fraction=1.0)
    assert records[0].workers.steps_per_push % 2 == 0
    assert run(node, synchronous=True, async_fraction=1.0)[0][0].workers.steps_per_push == 1
    assert models.fingerprint(run(node, synchronous=True)[1]) == models.fingerprint(run("serial", synchronous=True)[1])


@pytest.mark.parametrize("n_jobs", [3, 4])
def test_machines_of_several_cores_are_as_many_asynchronous_workers(n_jobs):
    """Also where a team has fewer workers than the other: it pushes as many mini-batches."""
    from distributed import Client, LocalCluster

    place = {"processes": False, "dashboard_address": "127.0.0.1:0", "silence_logs": False}
    with LocalCluster(n_workers=2, threads_per_worker=2, **place) as cluster, Client(cluster, set_as_default=False) as client:
        backend = sl.parallel.backends.Cluster(client)
        records, model = run(backend, n_jobs=n_jobs, damping=1.0, async_fraction=1.0, epochs=8)
    assert sorted(len(team) for team in backend.teams.values()) == [n_jobs - 2, 2]
    assert {number for record in records for number, *_ in record.workers.timeline} == set(backend.teams)
    assert [len(record.workers.staleness) for record in records] == [7] * 8  # 13 mini-batches in pushes of 2
    assert max(s for record in records for s in record.workers.staleness) > 0
    assert records[-1].train_loss < 0.8 * records[0].train_loss
    assert models.is_finite(model)


def test_the_optimizers_state_travels_at_the_begin_and_the_end_of_an_epoch_only(monkeypatch):
    from distributed import Client, LocalCluster

    asked, start = [], sl.parallel.backends.Cluster._start

    def note(self, line, name, *arguments):
        if name == "gradient":
            head, links, values = arguments[:3]
            asked.append((line.number, links is not None, head.optimizer is not None, len(values), head.state_wanted))
        return start(self, line, name, *arguments)

    monkeypatch.setattr(sl.parallel.backends.Cluster, "_start", note)
    place = {"processes": False, "dashboard_address": "127.0.0.1:0", "silence_logs": False}
    with LocalCluster(n_workers=2, threads_per_worker=1, **place) as cluster, Client(cluster, set_as_default=False) as client:
        records, model = run(client, batch_size=16, steps_per_push=2, async_fraction=1.0, epochs=6)
    assert records[-1].train_loss < 0.8 * records[0].train_loss
    n = model.n_links + sum(model.sizes[1:])
    for number in range(2):
        mine = [one[1:] for one in asked if one[0] == number][2:]  # without the warm-up, and the first of all
        assert {(length, links, state) for links, state, length, _ in mine} == {(n, False, False), (2 * n, True, True)}
    wanted = [wanted for *_, wanted in asked]
    assert 0 < sum(wanted) < len(wanted) / 2


@pytest.mark.slow
def test_a_team_whose_process_is_killed_is_set_up_elsewhere():
    from distributed import Client, LocalCluster

    place = {"processes": True, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with LocalCluster(n_workers=2, threads_per_worker=2, **place) as cluster, Client(cluster, set_as_default=False) as client:
        backend = sl.parallel.backends.Cluster(client)
        model, data, epochs = models.net(dropout=0.3), models.dataset(400, 50), []
        options = {"n_jobs": 4, "epochs": 8, "batch_size": 16, "seed": 5, "async_fraction": 0.75, "rules": [sl.SET(0.3)]}
        for record in sl.train_parallel(model, data, backend=backend, steps_per_push=2, **options):
            epochs.append(record.epoch)
            if record.epoch == 2:
                assert len(backend.teams) == 2
                models.kill_worker(client, backend.lines[0].address)
        assert epochs == [*range(1, 9)]
        assert record.workers.restarts > 0
        assert models.is_finite(model)


# the server on a worker


def test_the_server_may_live_on_a_worker(node, tmp_path):
    options = {"n_jobs": 2, "synchronous": True, "epochs": 5, "batch_size": 32, "seed": 5, "rules": [sl.SET(0.3)]}
    there, here, data = models.net(dropout=0.3), models.net(dropout=0.3), models.dataset(400, 50)
    backend = sl.parallel.backends.Cluster(node, server="worker")
    seen = []
    for record in sl.train_parallel(there, data, backend=backend, checkpoint=tmp_path, **options):
        seen.append((record.epoch, record.phase, there.n_links))
    wanted = [(r.epoch, r.phase, here.n_links) for r in sl.train_parallel(here, data, backend="serial", **options)]
    assert seen == wanted
    assert models.fingerprint(there) == models.fingerprint(here)
    with pytest.raises(ValueError, match="^server = 'here'"):
        sl.parallel.backends.Cluster(node, server="here")


WHOLE = {"n_jobs": 2, "synchronous": True, "epochs": 4, "batch_size": 32, "seed": 5, "async_fraction": 1.0}


@pytest.fixture(scope="module")
def fingerprint_of_whole():
    model = models.net()
    list(sl.train_parallel(model, models.dataset(400, 50), backend="serial", rules=[sl.SET(0.3)], **WHOLE))
    return models.fingerprint(model)


def test_a_server_that_is_lost_within_an_epoch_does_it_again_from_its_beginning(node, monkeypatch, fingerprint_of_whole):
    lost, give = [], RemoteServer.next

    def fails_once(self, given):
        if given == 20 and not lost:  # an epoch has 7 steps and 8 records
            lost.append(given)
            raise OSError("gone")
        return give(self, given)

    monkeypatch.setattr(RemoteServer, "next", fails_once)
    model, backend = models.net(), sl.parallel.backends.Cluster(node, server="worker")
    list(sl.train_parallel(model, models.dataset(400, 50), backend=backend, rules=[sl.SET(0.3)], pace=0, **WHOLE))
    assert lost
    assert models.fingerprint(model) == fingerprint_of_whole


def test_a_net_within_an_epoch_is_not_saved_as_that_of_its_beginning(node, tmp_path, fingerprint_of_whole):
    backend, options = sl.parallel.backends.Cluster(node, server="worker"), WHOLE | {"checkpoint": tmp_path, "every": 3}
    records = sl.train_parallel(models.net(), models.dataset(400, 50), backend=backend, rules=[sl.SET(0.3)], pace=0, **options)
    next(record for record in records if record.epoch == 2)
    records.close()
    model = models.net()
    list(sl.train_parallel(model, models.dataset(400, 50), backend="serial", rules=[sl.SET(0.3)], **options))
    assert models.fingerprint(model) == fingerprint_of_whole


def test_errors_of_a_server_on_a_worker_arrive(node):
    model, data = models.net(), models.dataset(400, 50)
    model.layers[0].w[:] = 1e30
    backend = sl.parallel.backends.Cluster(node, server="worker")
    with pytest.raises(sl.DivergedError):
        list(sl.train_parallel(model, data, backend=backend, n_jobs=2, epochs=3, batch_size=32))


@pytest.mark.slow
def test_a_server_whose_process_is_killed_loses_no_epoch():
    from distributed import Client, LocalCluster

    place = {"processes": True, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    options = {"n_jobs": 2, "synchronous": True, "epochs": 6, "batch_size": 32, "seed": 5, "async_fraction": 1.0}
    there, here, data, epochs = models.net(), models.net(), models.dataset(400, 50), []

    def places(dask_scheduler):
        return [worker.address for task in dask_scheduler.tasks.values() if task.actor for worker in task.who_has]

    with LocalCluster(n_workers=2, threads_per_worker=2, **place) as cluster, Client(cluster, set_as_default=False) as client:
        backend = sl.parallel.backends.Cluster(client, server="worker")
        for record in sl.train_parallel(there, data, backend=backend, rules=[sl.SET(0.3)], **options):
            epochs.append(record.epoch)
            if record.epoch == 3:
                models.kill_worker(client, *client.run_on_scheduler(places))
    assert epochs == [*range(1, 7)]
    list(sl.train_parallel(here, data, backend="serial", rules=[sl.SET(0.3)], **options))
    assert models.fingerprint(there) == models.fingerprint(here)
