"""Workers that are threads push and pull by themselves, with the same records and bits as if each push went through Python."""

import models
import numpy as np
import pytest

import sparselab as sl
from sparselab.evolution import SET, ImportancePruning
from sparselab.kernels import JIT, system
from sparselab.nn import schedules
from sparselab.parallel.compiled.handoff import Handoff
from sparselab.parallel.core.server import ParameterServer

pytestmark = pytest.mark.skipif(not JIT or system.WINDOWS, reason="turns are taken in compiled code, by the clock")

STEPS = 200  # updates an epoch


@pytest.fixture
def pushes(monkeypatch):
    """Versions at which the server was pushed to in Python."""
    seen, push = [], ParameterServer.push

    def watched(self, *arguments, **options):
        seen.append(self.version)
        return push(self, *arguments, **options)

    monkeypatch.setattr(ParameterServer, "push", watched)
    return seen


def run(*, backend="threads", n_jobs=2, rules=(), optimizer=None, **options):
    """(records, fingerprint) of three epochs of STEPS small batches."""
    model = models.net(dropout=0.3)
    options = {"epochs": 3, "batch_size": 4, "seed": 3, "async_fraction": 1.0, "evaluate_every": 0} | options
    optimizer = sl.MomentumSGD(0.005) if optimizer is None else optimizer
    data = models.dataset(4 * STEPS, 50)
    records = list(sl.train_parallel(model, data, backend=backend, n_jobs=n_jobs, rules=rules, optimizer=optimizer, **options))
    return records, models.fingerprint(model)


def schedule_of(records):
    return [number for record in records for number, _, _ in record.workers.timeline]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_jobs": 1},
        {"n_jobs": 5},
        {"optimizer": sl.MomentumSGD(0.005, 0.8, nesterov=True, weight_decay=1e-3), "rules": [SET(0.3)]},
        {"rules": [ImportancePruning(0.4, start=1), SET(0.3)]},
        {"damping": 0.7, "n_jobs": 4},
        {"max_staleness": 1, "n_jobs": 4},
        {"optimizer": sl.MomentumSGD(schedules.Cosine(0.01, 3))},
        {"synchronous": True},
        {"synchronous": True, "n_jobs": 1},
        {"synchronous": True, "n_jobs": 5, "rules": [ImportancePruning(0.4, start=1), SET(0.3)], "epochs": 4},
        {"synchronous": True, "optimizer": sl.MomentumSGD(schedules.Cosine(0.01, 3), nesterov=True, weight_decay=1e-3)},
    ],
    ids=lambda options: ", ".join(options) or "plain",
)
def test_what_they_did_replays_one_after_the_other_bit_for_bit(options, pushes):
    records, found = run(**options)
    turns = sum(len(record.workers.staleness) for record in records)
    assert 3 <= len(pushes) < turns / 2, "no turns were taken in compiled code"
    together = options.get("synchronous")
    again, wanted = run(backend="serial", **options, schedule=() if together else schedule_of(records))
    assert found == wanted
    for record, other in zip(records, again, strict=True):
        for name in ("train_loss", "train_accuracy", "n_samples", "learning_rate", "nnz"):
            assert getattr(record, name) == getattr(other, name), name
        assert (record.workers.staleness, record.workers.refused) == (other.workers.staleness, other.workers.refused)
        assert record.workers.dropped == pytest.approx(other.workers.dropped)


@pytest.mark.parametrize("synchronous", [False, True])
def test_the_timeline_has_every_task_of_every_worker(synchronous):
    records, _ = run(n_jobs=3, synchronous=synchronous)
    for record in records:
        updates = -(-STEPS // 3) if synchronous else STEPS
        assert len(record.workers.timeline) == (3 * updates if synchronous else updates)
        assert len(record.workers.queue) == updates
        assert set(record.workers.queue) <= {0, 1, 2}
    tasks = [task for record in records for task in record.workers.timeline]
    for number in range(3):
        mine = [(begin, end) for who, begin, end in tasks if who == number]
        assert all(begin < end for begin, end in mine)
        assert all(ended <= begun for (_, ended), (begun, _) in zip(mine, mine[1:]))


@pytest.mark.parametrize("synchronous", [False, True])
def test_records_between_epochs_come_on_time_and_count_everything(synchronous):
    records, _ = run(pace=0.02, synchronous=synchronous)
    steps = [record for record in records if hasattr(record, "n_steps")]
    epochs = [record for record in records if not hasattr(record, "n_steps")]
    assert sum(record.n_steps for record in steps) == 3 * STEPS / (2 if synchronous else 1)
    assert [record.n_samples for record in epochs] == [4 * STEPS] * 3
    assert sum(record.n_samples for record in steps) == 3 * 4 * STEPS


@pytest.mark.parametrize("synchronous", [False, True])
def test_what_is_not_finite_ends_the_training_with_a_model_that_is(synchronous):
    model, data = models.net(), models.dataset(4 * STEPS, 50)
    data.X_train[4 * STEPS // 2] = np.nan
    with pytest.raises(ValueError, match="X_train"):
        sl.train_parallel(model, data)
    with pytest.raises(sl.DivergedError):
        list(
            sl.train_parallel(
                model,
                models.dataset(4 * STEPS, 50),
                n_jobs=2,
                batch_size=4,
                optimizer=sl.MomentumSGD(1e6),
                synchronous=synchronous,
            )
        )
    assert all(np.isfinite(layer.w).all() and np.isfinite(layer.b).all() for layer in model.layers)


@pytest.mark.parametrize("synchronous", [False, True])
def test_the_net_does_not_change_once_the_run_was_closed(monkeypatch, synchronous):
    model, handoffs, made = models.net(), [], Handoff.__init__
    monkeypatch.setattr(Handoff, "__init__", lambda self, *arguments: (made(self, *arguments), handoffs.append(self))[0])
    steps = sl.train_parallel(
        model, models.dataset(4 * STEPS, 50), n_jobs=2, batch_size=4, epochs=3, pace=0.0, synchronous=synchronous
    )
    next(steps)
    before = models.fingerprint(model)
    steps.close()
    (handoff,) = handoffs
    assert not any(thread.is_alive() for thread in handoff.phase.supervisor.backend.threads)
    assert models.fingerprint(model) == before


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [False, True])
def test_a_learning_rate_that_is_moved_meanwhile_is_used(synchronous):
    optimizer, rates = sl.MomentumSGD(0.005), []
    for record in sl.train_parallel(
        models.net(), models.dataset(4 * STEPS, 50), n_jobs=2, batch_size=4, epochs=20, async_fraction=1.0, evaluate_every=0,
        optimizer=optimizer, synchronous=synchronous, pace=0.0, seed=0,
    ):  # fmt: skip
        rates.append(record.learning_rate)
        if len(rates) == 10:
            optimizer.learning_rate = 0.001
    last = 0.002 if synchronous else 0.001  # two workers: a batch of twice the size
    assert rates[-1] == pytest.approx(last)
    assert len(set(rates[:10])) == 1
    if not synchronous:
        assert rates[11] == pytest.approx(0.001)  # the next record but one at the latest
