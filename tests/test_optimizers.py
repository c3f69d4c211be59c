"""SGD, Adam and AdamW: PyTorch's numbers, the same bits in both engines, with evolution, checkpoints and workers."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import models
import numpy as np
import pytest
from strategies import places_of

import sparselab as sl
from sparselab.engines import select
from sparselab.nn import torch_optimizers
from sparselab.training.loop import TrainingState

KEPT = Path(__file__).parent / "torch_optimizers.json"
CASES = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "sgd, decay": ("SGD", {"learning_rate": 0.1, "weight_decay": 0.01}),
    "sgd, momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.001}),
    "sgd, Nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.001, "nesterov": True}),
    "sgd, dampening": ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "dampening": 0.25}),
    "adam": ("Adam", {"learning_rate": 0.01}),
    "adam, decay": ("Adam", {"learning_rate": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.01}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
}
STEPS = 200


def made(name):
    kind, options = CASES[name]
    return getattr(sl, kind)(**options)


def problem():
    """(start, function that gives the gradient at w): a bowl of another curvature in each direction, and a slope that turns."""
    n = 7
    curvature, centre = np.linspace(0.2, 3, n), np.linspace(-1, 1, n)
    return np.linspace(1, -2, n), lambda w, step: curvature * (w - centre) + 0.3 * np.sin(step + np.arange(n))


def by_torch(name, torch):
    """w after each step of torch's optimizer, in float64."""
    kind, options = CASES[name]
    options = {"lr" if key == "learning_rate" else key: value for key, value in options.items()}
    start, gradient = problem()
    w = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer, path = getattr(torch.optim, kind)([w], **options), []
    for step in range(STEPS):
        w.grad = torch.tensor(gradient(w.detach().numpy(), step))
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


def by_us(name):
    """The same of ours: weights and biases of one layer, which must go the same way."""
    start, gradient = problem()
    n, optimizer, path = len(start), made(name), []
    layer = sl.SparseLinear(sl.Topology.from_links(n, n, np.arange(n), np.arange(n)), start.copy(), start.copy())
    state = optimizer.init(sl.SparseMLP([layer], "relu"))[0]
    for step in range(STEPS):
        optimizer.update(layer, state, gradient(layer.w, step), gradient(layer.b, step), optimizer.rate(0))
        path.append(layer.w.copy())
        np.testing.assert_array_equal(layer.w, layer.b)
    assert state.count == STEPS
    return np.array(path)


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_that_torch_took(name):
    """torch_optimizers.json has what PyTorch computed (see below): every tenth step."""
    kept = np.array(json.loads(KEPT.read_text(encoding="utf-8"))["paths"][name])
    np.testing.assert_allclose(by_us(name)[9::10], kept, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_the_torch_that_is_installed(name):
    torch = pytest.importorskip("torch", reason="`make test-slow` installs PyTorch")
    np.testing.assert_allclose(by_us(name), by_torch(name, torch), rtol=1e-12, atol=1e-12)


def write_kept():
    """`python tests/test_optimizers.py` with PyTorch writes torch_optimizers.json anew."""
    import torch

    paths = {name: by_torch(name, torch)[9::10].tolist() for name in CASES}
    KEPT.write_text(json.dumps({"torch": torch.__version__, "paths": paths}, indent=1) + "\n", encoding="utf-8")


def trained(optimizer, *, threads=2, epochs=3, rules=(), batch_size=32, engine=None, **options):
    """(model, state, records) of a training; engine: patches the choice."""
    model = models.net(dropout=0.2, **options)
    state = TrainingState.start(model, optimizer, 0)
    data = models.dataset(300, dtype=model.dtype)
    records = list(sl.train(model, data, optimizer=optimizer, state=state, rules=rules, epochs=epochs, batch_size=batch_size,
                            threads=threads))  # fmt: skip
    return model, state, records


@pytest.mark.skipif(not select.JIT, reason="the fused engine is compiled")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [32, 300])
@pytest.mark.parametrize("name", CASES)
def test_both_engines_give_the_same_bits(monkeypatch, name, threads, batch_size):
    options = {"threads": threads, "batch_size": batch_size, "rules": [sl.SET(0.3)]}
    fused = trained(made(name), **options)
    assert select.is_fusable(fused[0], sl.losses.SoftmaxCrossEntropy(), made(name))
    monkeypatch.setattr(select, "is_fusable", lambda *_: False)
    layerwise = trained(made(name), **options)
    assert models.fingerprint(*fused[:2]) == models.fingerprint(*layerwise[:2])
    assert [s.count for s in fused[1].optimizer] == [s.count for s in layerwise[1].optimizer] == [3 * -(-300 // batch_size)] * 3


@pytest.mark.parametrize("name", ["sgd, momentum", "sgd, dampening", "adam", "adamw"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_that_is_resumed_equals_one_that_was_not_interrupted(tmp_path, name, dtype):
    options = {"rules": [sl.SET(0.3)], "batch_size": 32, "seed": 3}
    whole, parts = models.net(dtype=dtype), models.net(dtype=dtype)
    data = models.dataset(300, dtype=dtype)
    wanted = list(sl.train(whole, data, optimizer=made(name), epochs=4, **options))
    for epochs in (1, 3, 4):
        found = list(sl.train(parts, data, optimizer=made(name), epochs=epochs, checkpoint=tmp_path / "run", **options))
    assert models.fingerprint(parts) == models.fingerprint(whole)
    assert [record.train_loss for record in found] == [record.train_loss for record in wanted]


def test_the_state_of_another_kind_of_optimizer_is_refused(tmp_path):
    options = {"seed": 3, "checkpoint": tmp_path / "run", "batch_size": 32}
    list(sl.train(models.net(), models.dataset(300), optimizer=sl.MomentumSGD(), epochs=1, **options))
    for other in (sl.SGD(0.01, momentum=0.9), sl.Adam()):
        with pytest.raises(sl.CheckpointError, match="(kind|vectors) of (the )?optimizer = .*must be ('MomentumSGD'|.*1, 1)"):
            list(sl.train(models.net(), models.dataset(300), optimizer=other, epochs=2, **options))


@pytest.mark.parametrize("name", ["sgd, momentum", "adam"])
@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_one_synchronous_worker_is_the_sequential_training(name, backend):
    alone, together = models.net(), models.net()
    options = {"optimizer": made(name), "epochs": 2, "batch_size": 32, "seed": 1}
    list(sl.train(alone, models.dataset(300), **options))
    list(
        sl.train_parallel(
            together, models.dataset(300), n_jobs=1, synchronous=True, async_fraction=1.0, backend=backend, **options
        )
    )
    assert models.fingerprint(alone) == models.fingerprint(together)


@pytest.mark.parametrize("name", ["sgd, Nesterov", "adamw"])
@pytest.mark.parametrize("synchronous", [True, False])
def test_workers_train_with_it_to_the_end(name, synchronous):
    model = models.net()
    options = {"optimizer": made(name), "epochs": 4, "batch_size": 32, "n_jobs": 2, "synchronous": synchronous, "seed": 1}
    records = list(sl.train_parallel(model, models.dataset(300), rules=[sl.SET(0.3)], **options))
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    assert all(math.isfinite(record.train_loss) for record in records)
    for layer in model.layers:
        layer.check()


@pytest.mark.parametrize("kind", [sl.Adam, sl.AdamW])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_counts_by_link_are_the_common_count_where_no_link_grows(kind, dtype):
    options = {"learning_rate": 0.01, "weight_decay": 0.01, "clip_norm": 0.5}
    common, by_link = (trained(kind(**options, count_by_link=choice), dtype=dtype) for choice in (False, True))
    for one, other, state in zip(common[0].layers, by_link[0].layers, by_link[1].optimizer, strict=True):
        np.testing.assert_allclose(
            one.w, other.w, rtol=1e-10 if dtype == "float64" else 1e-3, atol=1e-12 if dtype == "float64" else 1e-5
        )
        assert all(np.all(counts == state.count) for counts in (state.links[2], state.neurons[2]))


def first_step_of_new_links(**options):
    """The first step after links have grown, in units of the learning rate, of a link with a gradient of 0.5."""
    model, optimizer = models.net(dtype="float64"), sl.Adam(0.01, **options)
    state, layer = optimizer.init(model), model.layers[0]
    step = lambda: optimizer.update(layer, state[0], np.full_like(layer.w, 0.5), np.zeros_like(layer.b), 0.01)
    for _ in range(2000):
        step()
    changes = sl.evolution.evolve([sl.SET(0.3)], 1, model, state, lambda: None, np.random.default_rng(0))
    new, layer = changes.rewirings[0].origin < 0, model.layers[0]
    before = layer.w.copy()
    step()
    return (before - layer.w)[new] / 0.01, (before - layer.w)[~new] / 0.01


def test_the_first_step_of_a_new_link_is_the_rate_where_links_count():
    new, old = first_step_of_new_links(count_by_link=True)
    np.testing.assert_allclose(new, 1, rtol=1e-6)
    np.testing.assert_allclose(old, 1, rtol=1e-6)
    new, old = first_step_of_new_links()
    np.testing.assert_allclose(new, 0.1 / np.sqrt(0.001) * np.sqrt(1 - 0.999**2001), rtol=1e-6)
    np.testing.assert_allclose(old, 1, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_counts_by_link_survive_evolution_and_a_resumed_run(tmp_path, threads):
    options = {
        "optimizer": sl.AdamW(0.01, count_by_link=True),
        "rules": [sl.SET(0.3)],
        "batch_size": 32,
        "seed": 3,
        "threads": threads,
    }
    whole, parts = models.net(), models.net()
    state = TrainingState.start(whole, options["optimizer"], 3)
    list(sl.train(whole, models.dataset(300), epochs=3, state=state, **{k: v for k, v in options.items() if k != "seed"}))
    for epochs in (1, 3):
        list(sl.train(parts, models.dataset(300), epochs=epochs, checkpoint=tmp_path / "run", **options))
    assert models.fingerprint(parts) == models.fingerprint(whole)
    assert {10.0, 20.0, 30.0} == set(state.optimizer[0].links[2])
    with pytest.raises(sl.CheckpointError, match="vectors of the optimizer"):
        list(
            sl.train(
                models.net(), models.dataset(300), epochs=4, checkpoint=tmp_path / "run", **options | {"optimizer": sl.AdamW()}
            )
        )


# the state of new links


def dense_gradients(model, X, y):
    """[dW of every layer] of the mean cross-entropy of a net with relu, on dense matrices."""
    A, Ws = [X.T], [layer.to_scipy().toarray() for layer in model.layers]
    for number, (layer, W) in enumerate(zip(model.layers, Ws, strict=True), 1):
        Z = W @ A[-1] + layer.b[:, None]
        A.append(np.maximum(Z, 0) if number < len(Ws) else Z)
    P = np.exp(A[-1] - A[-1].max(axis=0))
    P /= P.sum(axis=0)
    P[y, np.arange(len(y))] -= 1
    found, dZ = [], P / len(y)
    for number in reversed(range(len(Ws))):
        found.insert(0, dZ @ A[number].T)
        dZ = (Ws[number].T @ dZ) * (A[number] > 0)
    return found


STARTS = {
    "momentum_sgd": (sl.MomentumSGD(0.2, new_state=3.0), lambda g: [-0.2 * 3 * g]),
    "sgd": (sl.SGD(0.2, momentum=0.9, new_state=3.0), lambda g: [3 * g]),
    "adam": (sl.Adam(0.2, new_state=3.0), lambda g: [3 * g, 9 * g * g]),
    "adamw": (sl.AdamW(0.2, new_state=0.5), lambda g: [g / 2, g * g / 4]),
}


@pytest.mark.parametrize("evolve", [sl.evolution.evolve, sl.evolution.evolve_by_layer])
@pytest.mark.parametrize("name", STARTS)
def test_new_links_start_with_a_multiple_of_their_gradient(name, evolve):
    optimizer, wanted = STARTS[name]
    model, data = models.net(dtype="float64", activation="relu"), models.dataset(30, dtype=np.float64)
    state = optimizer.init(model)
    for s in state:
        for vector in s.links:
            vector[:] = 7
    gradients = dense_gradients(model, data.X_train, data.y_train)
    make = lambda: sl.evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(30))
    before = [set(places_of(layer.topology)) for layer in model.layers]
    evolve([sl.SET(0.3, same_place="kept")], 1, model, state, make, np.random.default_rng(0), optimizer=optimizer)
    for layer, s, old, gradient in zip(model.layers, state, before, gradients, strict=True):
        for slot, place in enumerate(places_of(layer.topology)):
            values = [7] * len(s.links) if place in old else wanted(gradient[place])
            np.testing.assert_allclose([vector[slot] for vector in s.links], values, rtol=1e-9, atol=1e-15)
    assert before[0] != set(places_of(model.layers[0].topology))


def test_gradients_of_links_that_grow_where_neurons_go_are_those_of_their_places():
    optimizer, (model, data) = sl.SGD(0.1, new_state=1.0), (models.net(dtype="float64"), models.dataset(30, dtype=np.float64))
    state, seen = optimizer.init(model), {}

    def smaller(epoch, model, state, evidence, rng):
        shrunk = sl.evolution.shrink(model, [np.arange(n) % 5 == 0 for n in model.sizes[1:-1]])
        grown = sl.rewire(shrunk[1].topology, np.ones(shrunk[1].topology.nnz, bool), 9, rng=rng)
        shrunk[1] = replace(shrunk[1].then(grown), new_values=np.zeros(9))
        rows, columns = (np.arange(n)[np.arange(n) % 5 != 0] for n in model.layers[1].topology.shape)
        flow = evidence.of(model.layers[1])
        for slot in shrunk[1].grown.tolist():
            row, column = places_of(shrunk[1].topology)[slot]
            seen[slot] = flow.dZ[rows[row]] @ flow.X[columns[column]]
        return shrunk

    make = lambda: sl.evolution.Evidence(model, sl.SoftmaxCrossEntropy(), data.X_train, data.y_train, np.arange(30))
    sl.evolution.evolve([smaller], 1, model, state, make, np.random.default_rng(0), optimizer=optimizer)
    velocity = state[1].links[0]
    assert len(seen) == 9 == np.count_nonzero(velocity)
    np.testing.assert_allclose(velocity[list(seen)], list(seen.values()))


@pytest.mark.parametrize("name", STARTS)
def test_a_run_with_a_state_of_new_links_is_resumed_exactly(name, tmp_path):
    optimizer = torch_optimizers.named(name, learning_rate=0.01, momentum=0.9, new_state=2.0)
    options = {"optimizer": optimizer, "rules": [sl.RigL(0.3, every="4 steps")], "batch_size": 32, "seed": 3}
    whole, parts, plain = models.net(), models.net(), models.net()
    list(sl.train(whole, models.dataset(300), epochs=3, **options))
    records = sl.steps(parts, models.dataset(300), epochs=3, checkpoint=tmp_path / "run", **options)
    for _ in range(15):
        next(records)
    records.close()
    parts = models.net()
    list(sl.train(parts, models.dataset(300), epochs=3, checkpoint=tmp_path / "run", **options))
    assert models.fingerprint(parts) == models.fingerprint(whole)
    list(sl.train(plain, models.dataset(300), epochs=3, **options | {"optimizer": replace(optimizer, new_state=0.0)}))
    assert models.fingerprint(plain) != models.fingerprint(whole)


@pytest.mark.parametrize("name", STARTS)
def test_one_synchronous_worker_starts_new_links_as_the_sequential_training(name):
    options = {"optimizer": replace(STARTS[name][0], learning_rate=0.01), "rules": [sl.SET(0.3)]}
    options |= {"epochs": 4, "batch_size": 32, "seed": 1}
    alone, together = models.net(), models.net()
    list(sl.train(alone, models.dataset(300), **options))
    list(sl.train_parallel(together, models.dataset(300), n_jobs=1, synchronous=True, backend="serial", **options))
    assert models.fingerprint(alone) == models.fingerprint(together)


def test_a_state_of_new_links_needs_the_gradients_of_a_batch():
    model, optimizer = models.net(), sl.SGD(new_state=1.0)
    with pytest.raises(TypeError, match="evidence"):
        sl.evolution.evolve(
            [sl.SET(0.3)], 1, model, optimizer.init(model), lambda: None, np.random.default_rng(0), optimizer=optimizer
        )


def test_it_learns():
    """Digits, as a scikit-learn user would: Adam at its default rate."""
    data = sl.datasets.load("digits")
    for optimizer in (sl.Adam(), sl.AdamW(), sl.SGD(0.05, momentum=0.9)):
        model = sl.SparseMLP.create((64, 100, 10), epsilon=5, seed=0)
        records = list(sl.train(model, data, optimizer=optimizer, rules=[sl.SET(0.3)], epochs=15, batch_size=32, seed=0))
        assert records[-1].test_accuracy > 0.93, optimizer


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sl.SGD(0), "learning_rate"),
        (lambda: sl.SGD(float("nan")), "learning_rate"),
        (lambda: sl.SGD(momentum=1.0), "momentum = 1.0"),
        (lambda: sl.SGD(momentum=-0.1), "momentum"),
        (lambda: sl.SGD(weight_decay=-1e-3), "weight_decay"),
        (lambda: sl.SGD(weight_decay=True), "weight_decay"),
        (lambda: sl.SGD(dampening=1.5, momentum=0.5), "dampening"),
        (lambda: sl.SGD(nesterov=True), "nesterov"),
        (lambda: sl.SGD(nesterov=True, momentum=0.9, dampening=0.1), "nesterov"),
        (lambda: sl.SGD(nesterov=1, momentum=0.9), "nesterov"),
        (lambda: sl.Adam(betas=(0.9, 1.0)), r"betas\[1\]"),
        (lambda: sl.Adam(betas=(-0.1, 0.9)), r"betas\[0\]"),
        (lambda: sl.Adam(betas=0.9), "betas"),
        (lambda: sl.Adam(betas=(0.9,)), "betas"),
        (lambda: sl.Adam(betas=("0.9", 0.99)), r"betas\[0\]"),
        (lambda: sl.Adam(eps=0), "eps"),
        (lambda: sl.Adam(eps=float("inf")), "eps"),
        (lambda: sl.Adam(count_by_link=1), "count_by_link"),
        (lambda: sl.Adam(count_by_link=True, new_state=1.0), "new_state = 1.0: must be 0 with count_by_link"),
        (lambda: sl.AdamW(new_state=-1.0), "new_state"),
        (lambda: sl.SGD(new_state=float("nan")), "new_state"),
        (lambda: sl.MomentumSGD(new_state=1e7), "new_state"),
        (lambda: sl.AdamW(weight_decay=float("nan")), "weight_decay"),
        (lambda: sl.AdamW(learning_rate="fast"), "learning_rate"),
        (lambda: sl.AdamW(learning_rate=lambda epoch: -1.0), "learning_rate"),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_a_state_whose_layers_have_other_counts_is_refused():
    model, optimizer = models.net(), sl.Adam()
    state = TrainingState.start(model, optimizer, 0)
    state.optimizer[1].count = 5
    if select.JIT:
        with pytest.raises(ValueError, match="one count of steps in all layers"):
            next(sl.steps(model, models.dataset(300), optimizer=optimizer, state=state))


if __name__ == "__main__":
    sys.exit(write_kept())
