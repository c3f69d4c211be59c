"""Workers of a Dask cluster, here in this process: what goes over their connections, and that nothing is left of them."""

import asyncio
import pickle
import sys
import time
import traceback
from types import SimpleNamespace

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab.parallel.backends import dask, dask_worker
from sparselab.parallel.core.worker import WorkerSpec
from sparselab.parallel.server_phase import ServerPhase

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    place = {"processes": False, "dashboard_address": None, "silence_logs": False}
    with LocalCluster(n_workers=2, threads_per_worker=1, **place) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


def run(backend, **options):
    """(records, fingerprint) of a training."""
    model, data = models.net(dropout=0.3), models.dataset(400, 50)
    options = {"n_jobs": 2, "epochs": 4, "batch_size": 32, "seed": 5, "optimizer": sl.MomentumSGD(0.02)} | options
    records = list(sl.train_parallel(model, data, backend=backend, rules=[sl.SET(0.3)], **options))
    return records, models.fingerprint(model)


class Listening(dask.Cluster):
    """Notes what is sent: (worker, generation, whether links are sent, bytes of the values)."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent, self.came = [], []

    def _start(self, line, name, *arguments):
        if name == "gradient":
            snapshot, links, values, *_ = arguments
            self.sent.append((line.number, snapshot.generation, links is not None, values.nbytes))
        return super()._start(line, name, *arguments)

    def result(self, future):
        answer = super().result(future)
        self.came.append(sum(int(np.count_nonzero(g)) for g in (*answer.dw, *answer.db)))
        return answer


def what_is_left(client):
    """Tasks of the scheduler, threads that attend to a driver, and listeners of this process beside those of the cluster."""
    from distributed.comm.inproc import global_manager

    tasks = client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.tasks])
    frames = [frame for top in sys._current_frames().values() for frame, _ in traceback.walk_stack(top)]
    attending = [frame for frame in frames if frame.f_code is dask_worker.attend.__code__]
    return tasks + attending + [*global_manager.listeners][3:]


@pytest.mark.parametrize("n_jobs", [2, 5])
def test_synchronous_runs_have_the_bits_of_the_serial_backend(client, n_jobs):
    """Also where there are more workers than threads, and where these add up their gradients among themselves."""
    options = {"synchronous": True, "n_jobs": n_jobs}
    assert run(client, **options)[1] == run("serial", **options)[1]


def test_workers_that_cannot_reach_each_other_send_all_to_the_driver(client, monkeypatch):
    options, asked = {"synchronous": True, "n_jobs": 4, "epochs": 2, "async_fraction": 1.0}, []

    async def out_of_reach(self, address, attempt):
        asked.append(address)
        raise OSError("no route to host")

    monkeypatch.setattr(dask_worker.Peers, "_ask", out_of_reach)
    monkeypatch.setattr(dask, "CLOSING", 0.5)
    backend = dask.Cluster(client)
    assert run(backend, **options)[1] == run("serial", **options)[1]
    assert len(asked) == 2  # workers 0 and 2, once
    assert not backend.can_meet


def test_what_a_lost_worker_had_kept_is_computed_again(client):
    """A worker that goes when all have answered, before their sum."""
    options, lost = {"synchronous": True, "n_jobs": 4, "epochs": 3, "async_fraction": 1.0}, []

    class Losing(dask.Cluster):
        def sum_kept(self):
            if self.attempt == 3:
                line = self.lines[2]
                self.client.loop.add_callback(line.serving.cancel)
            found = super().sum_kept()
            lost.append(found[0])
            return found

    records, fingerprint = run(Losing(client), **options)
    assert fingerprint == run("serial", **options)[1]
    assert [one for one in lost if one] == [[2]]
    assert records[-1].workers.restarts == 1


def test_links_are_sent_once_after_each_evolution_and_nothing_is_left(client):
    backend = Listening(client)
    records, _ = run(backend, async_fraction=1.0)
    assert [record.workers.restarts for record in records] == [0] * 4
    with_links = [(number, generation) for number, generation, has_links, _ in backend.sent if has_links]
    assert len(backend.sent) >= 4 * 13
    assert len(with_links) == len(set(with_links)) == 8
    floats = 4 * sum(layer.topology.nnz + layer.topology.n_out for layer in models.net().layers)
    assert {n for *_, n in backend.sent} == {floats}
    assert (backend.serving, backend.lines) == (set(), {})
    limit = time.monotonic() + 10  # the cluster needs a moment to forget
    while (left := what_is_left(client)) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not left


def test_a_worker_of_another_version_is_refused_before_any_work(client, monkeypatch):
    monkeypatch.setattr(dask, "__version__", "0.0.0")
    with pytest.raises(ValueError, match=r"^backend = .*0\.0\.0 here: install the same everywhere"):
        run(client)


def test_a_worker_without_the_package_is_refused_before_any_work(client, monkeypatch):
    monkeypatch.setattr(dask, "attend", lambda *arguments: __import__("a_package_that_is_not_there"))
    with pytest.raises(ValueError, match=r"^backend = .*must have workers with sparselab .*a_package_that_is_not_there"):
        run(client)


def test_a_driver_that_workers_cannot_reach_is_refused_before_any_work(client, monkeypatch):
    class OutOfReach(dask.Cluster):
        async def _listen(self, worker):
            await super()._listen(worker)
            self.listener.stop()

    monkeypatch.setattr(dask_worker, "CONNECT", 0.3)
    with pytest.raises(ValueError, match=r"^backend = .*must have workers .* that can connect to this process at inproc://"):
        run(OutOfReach(client))


@pytest.mark.parametrize("certificates", ["none", "others"])
def test_a_scheduler_with_other_certificates_is_named(certificates, monkeypatch, tmp_path):
    import dask as dask_library
    from distributed import LocalCluster
    from distributed.security import Security

    place = {"processes": False, "dashboard_address": "127.0.0.1:0", "n_workers": 1, "threads_per_worker": 1}
    configured = {}
    if certificates == "others":
        other = Security.temporary()
        for name, text in (("ca-file", other.tls_ca_file), ("key", other.tls_client_key), ("cert", other.tls_client_cert)):
            path = tmp_path / name
            path.write_text(text)
            configured["distributed.comm.tls.ca-file" if name == "ca-file" else f"distributed.comm.tls.client.{name}"] = str(path)
    monkeypatch.setattr(dask, "CONNECT", 1)
    with LocalCluster(**place, security=Security.temporary(), protocol="tls://") as cluster:
        address = cluster.scheduler_address
        with dask_library.config.set(configured), pytest.raises(ValueError, match="^backend = 'tls://.*certificates"):
            run(address)


def test_strangers_are_not_unpickled(client):
    """Whoever does not know the token is sent away; what it sends stays a message that is not read."""
    from distributed.comm import connect
    from distributed.protocol import to_serialize

    backend, read = dask.Cluster(client), []

    class Trap:
        def __reduce__(self):
            return read.append, (1,)

    async def visit():
        comm = await connect(backend.listener.contact_address)
        await comm.write(["wrong", to_serialize(Trap())])
        with pytest.raises(OSError):
            await comm.read()

    model, data = models.net(), models.dataset(400, 50)
    records = sl.train_parallel(model, data, backend=backend, n_jobs=2, epochs=4, batch_size=32, async_fraction=1.0)
    next(records)
    asyncio.run(visit())
    assert [record.epoch for record in records] == [2, 3, 4]
    assert not read


@pytest.mark.slow
def test_a_synchronous_run_whose_process_is_killed_has_the_same_bits():
    from distributed import Client, LocalCluster

    place = {"processes": True, "dashboard_address": None, "host": "127.0.0.1"}
    options = {"n_jobs": 4, "synchronous": True, "batch_size": 8, "seed": 5, "epochs": 6, "async_fraction": 1.0}
    with LocalCluster(n_workers=4, threads_per_worker=1, **place) as cluster, Client(cluster, set_as_default=False) as client:
        backend, model, data = dask.Cluster(client), models.net(dropout=0.3), models.dataset(400, 50)
        for record in sl.train_parallel(model, data, backend=backend, rules=[sl.SET(0.3)], **options):
            if record.epoch in (2, 4):
                models.kill_worker(client, backend.lines[record.epoch - 2].address)
    assert record.workers.restarts > 1
    other = models.net(dropout=0.3)
    list(sl.train_parallel(other, data, backend="serial", rules=[sl.SET(0.3)], **options))
    assert models.fingerprint(model) == models.fingerprint(other)


# fewer bytes, fewer pushes


def test_compressed_runs_send_half_learn_and_say_so(client):
    backend = Listening(client, "bfloat16")
    records, _ = run(backend, epochs=8, async_fraction=1.0)
    floats = sum(layer.topology.nnz + layer.topology.n_out for layer in models.net().layers)
    assert {n for *_, n in backend.sent} == {2 * floats}
    assert {record.workers.compression for record in records} == {"bfloat16"}
    assert records[-1].train_loss < 0.9 * records[0].train_loss
    with pytest.raises(ValueError, match="^compression = 'bfloat16': must be None in a synchronous run"):
        run(dask.Cluster(client, "bfloat16"), synchronous=True)
    with pytest.raises(ValueError, match="^compression"):
        dask.Cluster(client, "zip")


def test_of_each_gradient_the_largest_entries_are_sent_and_records_say_it(client):
    backend = Listening(client, "top-k", 0.2)
    records, _ = run(backend, epochs=8, async_fraction=1.0)
    floats = sum(layer.topology.nnz + layer.topology.n_out for layer in models.net().layers)
    assert {n for *_, n in backend.sent} == {4 * floats}
    assert max(backend.came) == round(0.2 * floats)
    assert {record.workers.compression for record in records} == {"top-k 0.2"}
    assert records[-1].train_loss < 0.9 * records[0].train_loss
    with pytest.raises(ValueError, match=r"^compression = 'top-k 0\.2': must be None in a synchronous run"):
        run(dask.Cluster(client, "top-k", 0.2), synchronous=True)
    for share in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="^share"):
            dask.Cluster(client, "top-k", share)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_entries_are_restored_and_the_rest_is_0(dtype):
    vector = np.random.default_rng(0).standard_normal(110).astype(dtype)
    found = dask_worker.restored(dask_worker.largest(vector, 100, 0.07), np.dtype(dtype))
    bound = sorted(abs(vector[:100]))[-7]
    wanted = [*np.where(abs(vector[:100]) >= bound, vector[:100], 0), *vector[100:]]
    np.testing.assert_array_equal(found, np.array(wanted, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounded_numbers_are_the_nearest_of_bfloat16(dtype):
    values = np.random.default_rng(0).standard_normal(1000).astype(dtype) * 10.0 ** np.arange(-20, 20).repeat(25)
    values = np.append(values.astype(dtype), [0, -0.0, 1, -2, np.inf]).astype(dtype)
    found = dask_worker.widened(dask_worker.rounded(values), np.dtype(dtype))
    assert found.dtype == dtype
    finite = np.isfinite(values)
    step = 2.0 ** (np.floor(np.log2(np.abs(values[finite]), where=values[finite] != 0, out=np.zeros(finite.sum()))) - 7)
    assert (np.abs(found[finite] - values[finite]) <= 0.5 * step * (1 + 1e-6)).all()
    assert (found[-5:] == values[-5:]).all()


def tasks_and_values():
    """(two Tasks of one worker, links and values of its net)."""
    model, data = models.net(), models.dataset(64, 10)
    spec = WorkerSpec(
        model.activation, 0.0, model.initializer, sl.SoftmaxCrossEntropy(), sl.MomentumSGD(), (), 64, np.random.SeedSequence(1), 1
    )
    targets = spec.loss.targets(data.y_train, 4, model.dtype)
    p = model.snapshot()
    two = [dask_worker.Tasks(0, pickle.dumps(spec), data.X_train, targets) for _ in "12"]
    return two, (p.topologies, p.neurons), np.concatenate([*p.weights, *p.biases])


@pytest.mark.parametrize("share", [None, 0.1])
def test_what_compression_takes_from_a_gradient_comes_with_the_next(share):
    """Over many pushes at the same parameters the sums differ by what the last one has lost: by no more than one rounding."""
    (exact, lossy), links, values = tasks_and_values()
    dtype, sums = values.dtype, [0.0, 0.0]
    values = dask_worker.widened(dask_worker.rounded(values), dtype)  # both at the same parameters
    for round_ in range(50):
        snapshot = sl.parallel.Snapshot(round_, 0, None)
        for i, (tasks, sent) in enumerate(((exact, values), (lossy, values if share else dask_worker.rounded(values)))):
            update = tasks.gradient(snapshot, None if round_ else links, sent, dtype, round_, (), share if i else None)
            vector = dask_worker.restored(*update.dw)
            assert len(vector) == len(values)
            sums[i] = sums[i] + vector.astype(np.float64)
    np.testing.assert_allclose(sums[0] - sums[1], lossy.lost, atol=1e-4)
    if not share:
        assert (np.abs(sums[0] - sums[1]) <= 2.0**-7 * np.abs(sums[0] / 50) + 1e-6).all()


def test_a_gradient_that_warms_up_leaves_nothing_for_the_first_push():
    (warmed, fresh), links, values = tasks_and_values()
    arguments = values, values.dtype, 0, (), 0.1
    warmed.gradient(sl.parallel.Snapshot(0, 0, None, warm_up=True), links, *arguments)
    found = warmed.gradient(sl.parallel.Snapshot(0, 0, None), None, *arguments)
    wanted = fresh.gradient(sl.parallel.Snapshot(0, 0, None), links, *arguments)
    np.testing.assert_array_equal(*(dask_worker.restored(*one.dw) for one in (found, wanted)))


@pytest.mark.parametrize(
    "workers, compute, way, steps",
    [(1, 0.01, 0.0, 1), (1, 0.01, 0.002, 1), (1, 0.01, 0.011, 5), (1, 0.01, 9, 13), (2, 0.01, 0.01, 4), (2, 0.01, 0.1, 6)],
)
def test_steps_per_push_from_measured_times(workers, compute, way, steps):
    """The way of a push takes a quarter of its computation at most, within the epoch; few steps where several push."""
    timed = SimpleNamespace(backend=None, warm_up=lambda numbers, snapshot: [(compute, compute + way) for _ in numbers])
    run = SimpleNamespace(n_batches=13, n_workers=workers, synchronous=False, steps_per_push=1, auto_steps=True)
    phase = ServerPhase(run, None, SimpleNamespace(view=None), timed)
    assert phase._steps_that_pay() == steps


def test_steps_per_push_chosen_on_a_cluster_and_elsewhere(client):
    for backend in (client, "serial"):
        records, _ = run(backend, steps_per_push="auto", async_fraction=1.0)
        steps = records[0].workers.steps_per_push
        assert [len(record.workers.staleness) for record in records] == [-(-13 // steps)] * 4
    assert steps == 1
    for wrong, more in (("all", {}), ("auto", {"synchronous": True})):
        with pytest.raises(ValueError, match=f"^steps_per_push = '{wrong}'"):
            run("serial", steps_per_push=wrong, **more)
