"""Activations with trained values: against plain Python, and through everything that carries weights and biases."""

import json
import math
import pickle

import models
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparselab as sl
from sparselab.checkpoints import model_file
from sparselab.engines import tiling
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.nn import optimizers, torch_optimizers

NAMES = ("prelu", "srelu", "taaf")
KINDS = {"prelu": sl.PReLU(0.1), "srelu": sl.SReLU(), "taaf": sl.TAAF(), "taaf of slopes": sl.TAAF(sl.LeakyReLU(0.3))}


def name_of(value):
    """The name of a parameter in a test's id, the same in every process."""
    return value if isinstance(value, str) else type(value).__name__


class ScaledTanh:
    """A plug-in with a trained value."""

    trained = ("scale",)

    def start_values(self, n, rng):
        return [1 + rng.random(n)]

    def forward(self, Z, scale):
        return scale * np.tanh(Z)

    def gradient(self, Z, scale):
        return scale * (1 - np.tanh(Z) ** 2)

    def value_gradients(self, Z, scale):
        return [np.tanh(Z)]


class Cube:
    """A plug-in without trained values."""

    def forward(self, Z):
        return Z**3

    def gradient(self, Z):
        return 3 * Z**2


def net(activation="srelu", **options):
    return models.net(activation=activation, **options)


def moved(model, seed=0):
    """The net with other trained values and biases, far from those at the start."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        layer.values[:] += random.uniform(0.1, 0.6, layer.values.shape)
        layer.b[:] = random.standard_normal(layer.b.shape)
    return model


# the slow twin: one number at a time, without arrays


def plain(kind, z, values):
    """f(z) of one neuron."""
    if kind == "prelu":
        return z if z > 0 else values[0] * z
    if kind == "srelu":
        t_l, a_l, p, a_r = values
        t_r = t_l + abs(p)
        return t_r + a_r * (z - t_r) if z >= t_r else t_l + a_l * (z - t_l) if z <= t_l else z
    if kind == "plug-in":
        return values[0] * math.tanh(z)
    alpha, beta, gamma, delta = values
    inner = beta * z + gamma
    return alpha * (math.tanh(inner) if kind == "taaf" else inner if inner > 0 else 0.3 * inner) + delta


def plain_outputs(kind, model, sample):
    """The logits of one sample, as a list."""
    here = [float(x) for x in sample]
    for number, layer in enumerate(model.layers, 1):
        t, after = layer.topology, []
        for j in range(t.n_out):
            slots = range(t.indptr[j], t.indptr[j + 1])
            z = float(layer.b[j]) + sum(float(layer.w[k]) * here[t.indices[k]] for k in slots)
            after.append(z if number == len(model.layers) else plain(kind, z, [float(v[j]) for v in layer.values]))
        here = after
    return here


def plain_loss(kind, model, X, y):
    """Mean cross-entropy."""
    total = 0.0
    for sample, label in zip(X, y, strict=True):
        logits = plain_outputs(kind, model, sample)
        total += math.log(sum(math.exp(z) for z in logits)) - logits[label]
    return total / len(y)


@pytest.mark.parametrize("kind", [*KINDS, "plug-in"])
def test_all_gradients_are_slopes_of_the_plain_loss(kind):
    activation, h = KINDS.get(kind, ScaledTanh()), 1e-6
    model = moved(sl.SparseMLP.create((4, 5, 4, 3), density=0.7, activation=activation, dtype="float64", seed=3))
    random = np.random.default_rng(5)
    X, y = random.standard_normal((11, 4)), np.arange(11) % 3
    engine = LayerwiseEngine(model, sl.SoftmaxCrossEntropy(), 8, 1)
    loss, _, dw, db = engine.batch_gradient(X, y, np.arange(11), None)
    assert loss / 11 == pytest.approx(plain_loss(kind, model, X, y), rel=1e-12)
    found = [(layer.w, g) for layer, g in zip(model.layers, dw, strict=True)]
    found += [(layer.b, g) for layer, g in zip(model.layers, db, strict=True)]
    found += [(layer.values.reshape(-1), g.reshape(-1)) for layer, g in zip(model.layers, engine.gradients[0].dv, strict=True)]
    assert [layer.values.shape for layer in model.layers] == [(len(activation.trained), n) for n in (5, 4)] + [(0, 3)]
    for array, gradient in found:
        for k, old in enumerate(array.tolist()):
            array[k] = old + h
            up = plain_loss(kind, model, X, y)
            array[k] = old - h
            slope = (up - plain_loss(kind, model, X, y)) / (2 * h)
            array[k] = old
            assert gradient[k] == pytest.approx(slope, abs=2e-8)
    assert all(np.abs(g).max() > 1e-3 for array, g in found if len(array))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_many_tiles_are_the_mean_over_samples(name, dropout):
    model = moved(net(name, dtype="float64", dropout=dropout))
    X, y = models.rows(8 * 3 * tiling.MAX_GROUPS + 5, dtype=np.float64)

    def gradients(samples, threads, key=None):
        engine = LayerwiseEngine(model, sl.SoftmaxCrossEntropy(), 8, threads)
        engine.batch_gradient(X, y, samples, key)
        engine.close()
        return [dv.copy() for dv in engine.gradients[0].dv]

    whole = gradients(np.arange(len(X)), 2)
    mean = [np.mean(parts, axis=0) for parts in zip(*(gradients(np.array([i]), 1) for i in range(len(X))), strict=True)]
    for ours, theirs in zip(whole, mean, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)
    dropped = gradients(np.arange(len(X)), 1, np.uint64(3))
    assert np.array_equal(dropped[0], gradients(np.arange(len(X)), 2, np.uint64(3))[0])
    assert np.allclose(dropped[0], whole[0]) == (dropout == 0)


NUMBERS = st.floats(-4, 4, width=32)


@given(kind=st.sampled_from(sorted(KINDS)), z=NUMBERS, values=st.lists(NUMBERS, min_size=4, max_size=4))
def test_functions_are_the_plain_ones_and_keep_float32(kind, z, values):
    f = KINDS[kind]
    columns = [np.array([[v]], np.float32) for v in values[: len(f.trained)]]
    Z = np.array([[z]], np.float32)
    outputs = f.at(1).forward(Z, *columns)
    assert outputs.item() == pytest.approx(plain(kind, z, values), rel=1e-5, abs=1e-4)
    assert {a.dtype for a in (outputs, f.gradient(Z, *columns), *f.value_gradients(Z, *columns))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_use_the_values(kind):
    model = moved(net(KINDS[kind], dtype="float64"))
    data = models.dataset(17, dtype=np.float64)
    wanted = [plain_outputs(kind, model, sample) for sample in data.X_train]
    np.testing.assert_allclose(sl.predict(model, data.X_train), wanted, rtol=1e-10)
    loss = sl.evaluate(model, data.X_train, data.y_train).loss
    assert loss == pytest.approx(plain_loss(kind, model, data.X_train, data.y_train), rel=1e-12)


# start


def test_srelu_starts_as_published():
    model = sl.SparseMLP.create((5, 4000, 3000, 2), epsilon=2, activation="srelu", seed=0)
    first, second, last = (layer.values for layer in model.layers)
    assert (first[0] == 0).all()
    assert (first[3] == 1).all()
    for row, high in ((first[1], 1), (first[2], 5)):
        assert 0 <= row.min() < 0.01 * high < 0.99 * high < row.max() <= high
        assert row.mean() == pytest.approx(high / 2, rel=0.05)
    assert not np.array_equal(first[1, :3000], second[1])
    assert first.dtype == np.float32
    assert last.shape == (0, 2)


def test_starts_follow_from_the_seed_and_leave_weights_as_they_were():
    one, same, other, relu = net(), net(), net(seed=2), net("relu")
    assert models.fingerprint(one) == models.fingerprint(same) != models.fingerprint(other)
    assert all(np.array_equal(a.w, b.w) and not len(b.values) for a, b in zip(one.layers, relu.layers, strict=True))
    layers = [sl.SparseLinear(a.topology, a.w, a.b) for a in one.layers]
    built, again = (sl.SparseMLP(layers, "srelu") for _ in range(2))
    assert np.array_equal(built.layers[0].values, again.layers[0].values)
    assert built.layers[0].w is layers[0].w
    assert not len(layers[0].values)
    assert not np.array_equal(built.layers[0].values, one.layers[0].values)


def test_other_starts():
    assert (net(sl.PReLU(0.5)).layers[0].values == 0.5).all()
    assert net("taaf").layers[1].values[:, 0].tolist() == [1, 1, 0, 0]
    taaf, tanh = net("taaf", dtype="float64"), net("tanh", dtype="float64")
    X = models.rows(dtype=np.float64)[0]
    np.testing.assert_array_equal(sl.predict(taaf, X), sl.predict(tanh, X))


# training


@pytest.mark.parametrize("optimizer", [sl.MomentumSGD(0.05), sl.SGD(0.05, momentum=0.9), sl.Adam(0.005)], ids=name_of)
@pytest.mark.parametrize("name", NAMES)
def test_values_learn(name, optimizer):
    model, data = net(name), models.dataset(200)
    before = [layer.values.copy() for layer in model.layers]
    records = list(sl.train(model, data, optimizer=optimizer, epochs=6, batch_size=20, rules=[sl.SET(0.3)], seed=0))
    assert records[-1].train_loss < 0.6 * records[0].train_loss
    for layer, old in zip(model.layers[:-1], before, strict=False):
        assert (np.abs(layer.values - old).max(axis=1) > 1e-3).all()


@pytest.mark.parametrize("decay_biases", [True, False])
def test_a_step_treats_values_as_biases(decay_biases):
    model, data = moved(net(dtype="float64")), models.dataset(40, dtype=np.float64)
    optimizer = sl.MomentumSGD(0.1, momentum=0.9, weight_decay=0.01, decay_biases=decay_biases)
    state = sl.TrainingState.start(model, optimizer, 0)
    assert [len(s.neurons) for s in state.optimizer] == [5, 5, 1]
    value, speed = [layer.values.copy() for layer in model.layers], [np.zeros_like(layer.values) for layer in model.layers]
    steps = sl.steps(model, data, optimizer=optimizer, batch_size=20, epochs=1, state=state, pace=0)
    order = state.stream(1).permutation(40)
    for step in range(2):
        engine = LayerwiseEngine(model, sl.SoftmaxCrossEntropy(), 64, 1)
        engine.batch_gradient(data.X_train, data.y_train, order[20 * step : 20 * step + 20], None)
        gradients = [dv.copy() for dv in engine.gradients[0].dv]
        next(steps)
        for l, layer in enumerate(model.layers[:-1]):
            for k in range(4):
                arguments = gradients[l][k], 0.1, 0.9, 0.01 if decay_biases else 0.0, False
                value[l][k], speed[l][k] = naive.update(value[l][k], speed[l][k], *arguments)
                np.testing.assert_allclose(layer.values[k], value[l][k], rtol=1e-9)
                np.testing.assert_allclose(state.optimizer[l].neurons[1 + k], speed[l][k], rtol=1e-7, atol=1e-12)


def test_adam_counts_its_steps_once_for_biases_and_values():
    model = net()
    state = sl.TrainingState.start(model, sl.Adam(), 0)
    list(sl.train(model, models.dataset(40), optimizer=sl.Adam(), epochs=1, batch_size=10, state=state))
    assert [s.count for s in state.optimizer] == [4, 4, 4]
    assert [len(s.neurons) for s in state.optimizer] == [10, 10, 2]


class Replacing:
    """An optimizer that replaces arrays instead of writing into them."""

    def init(self, model):
        return [sl.LayerState([np.zeros_like(a.w)], [np.zeros_like(a.b)]) for a in model.layers]

    def rate(self, epoch):
        return 0.05

    def update(self, layer, state, dw, db, rate):
        state.links, state.neurons = [0.9 * state.links[0] + dw], [0.9 * state.neurons[0] + db]
        layer.w, layer.b = layer.w - 0.05 * state.links[0], layer.b - 0.05 * state.neurons[0]


def test_plug_in_optimizers_train_values():
    ours, theirs = net(ScaledTanh(), dtype="float64"), net(ScaledTanh(), dtype="float64")
    data = models.dataset(60, dtype=np.float64)
    for model, optimizer in ((ours, sl.SGD(0.05, momentum=0.9)), (theirs, Replacing())):
        list(sl.train(model, data, optimizer=optimizer, epochs=3, batch_size=20, seed=0))
    for a, b in zip(ours.layers, theirs.layers, strict=True):
        np.testing.assert_allclose(a.values, b.values, rtol=1e-9)
        np.testing.assert_allclose(a.w, b.w, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_threads_give_the_same_bits(name):
    def trained(threads):
        model = net(name, dropout=0.3)
        options = {"epochs": 2, "batch_size": 150, "rules": [sl.SET(0.3)], "threads": threads}
        return models.run(model, models.dataset(300), optimizer=sl.MomentumSGD(), **options)[1]

    assert trained(1) == trained(2) == trained(3)


RULES = [sl.SET(0.3), sl.ImportancePruning(0.2, start=1)]


@pytest.mark.parametrize("optimizer", [sl.MomentumSGD(), sl.AdamW(0.01)], ids=name_of)
@pytest.mark.parametrize("activation", [*NAMES, sl.TAAF(sl.AllReLU(0.3)), ScaledTanh()], ids=name_of)
def test_resumed_in_the_middle_of_an_epoch_is_left_alone(tmp_path, activation, optimizer):
    data, options = models.dataset(90), {"optimizer": optimizer, "batch_size": 20, "rules": RULES, "epochs": 3}
    whole = net(activation, dropout=0.2)
    state = sl.TrainingState.start(whole, optimizer, 7)
    list(sl.steps(whole, data, state=state, **options))
    assert whole.sizes != models.SIZES
    model = net(activation, dropout=0.2)
    part, history = sl.TrainingState.start(model, optimizer, 7), []
    for record in sl.steps(model, data, state=part, **options):
        if isinstance(record, sl.EpochRecord):
            history.append(record)
        if (part.epoch, part.batch) == (2, 3):
            break
    path = sl.save_checkpoint(model, part, tmp_path / "middle", history)
    plug_in = net(activation, seed=9, dropout=0.2) if isinstance(activation, ScaledTanh) else None
    again = sl.load_checkpoint(path, plug_in)
    assert models.fingerprint(again.model, again.state) == models.fingerprint(model, part) != models.fingerprint(whole, state)
    list(sl.steps(again.model, data, state=again.state, **options | {"epochs": 1}))
    assert models.fingerprint(again.model, again.state) == models.fingerprint(whole, state)


def test_resumed_from_a_folder(tmp_path):
    data, options = models.dataset(60), {"rules": RULES, "seed": 1, "batch_size": 20}
    whole, model = net(), net()
    list(sl.train(whole, data, epochs=4, **options))
    for epochs in (2, 4):
        model = net()
        list(sl.train(model, data, epochs=epochs, checkpoint=tmp_path, **options))
    assert models.fingerprint(model) == models.fingerprint(whole)


# neurons


@pytest.mark.parametrize("optimizer", [sl.MomentumSGD(), sl.Adam()], ids=name_of)
def test_pruned_neurons_take_values_and_state_along(optimizer):
    model = moved(net())
    state = sl.TrainingState.start(model, optimizer, 0)
    list(sl.train(model, models.dataset(60), optimizer=optimizer, epochs=1, state=state))
    before, vectors = model.snapshot(), [[v.copy() for v in s.neurons] for s in state.optimizer]
    gone = [np.arange(33) % 3 == 0, np.arange(18) % 4 == 1]
    sl.evolution.apply(sl.evolution.shrink(model, gone), model, state.optimizer, np.random.default_rng(0))
    for l, mask in enumerate(gone):
        np.testing.assert_array_equal(model.layers[l].values, before.values[l][:, ~mask])
        for now, old in zip(state.optimizer[l].neurons, vectors[l], strict=True):
            np.testing.assert_array_equal(now, old[~mask])
    list(sl.train(model, models.dataset(60), optimizer=optimizer, epochs=1, state=state))


@pytest.mark.parametrize("kind", KINDS)
def test_a_neuron_without_inputs_goes_and_the_function_stays(kind):
    model = moved(net(KINDS[kind], dtype="float64"))
    first = model.layers[0].topology
    lonely = np.arange(33) % 5 == 2
    cut = sl.rewire(first, ~lonely[first.rows])
    sl.evolution.apply([cut, None, None], model, None, np.random.default_rng(0))
    X = models.rows(20, dtype=np.float64)[0]
    before = [plain_outputs(kind, model, sample) for sample in X]
    sl.evolution.apply(sl.evolution.shrink(model, [lonely, np.zeros(18, bool)]), model, None, np.random.default_rng(0))
    assert model.sizes[1] == 26
    np.testing.assert_allclose([plain_outputs(kind, model, sample) for sample in X], before, rtol=1e-12)


def test_a_rule_that_fails_leaves_the_values():
    def fails(epoch, model, state, evidence, rng):
        raise RuntimeError("no")

    model = net()
    state = sl.TrainingState.start(model, sl.MomentumSGD(), 0)
    list(sl.train(model, models.dataset(60), epochs=1, state=state))
    before = models.fingerprint(model, state)
    with pytest.raises(RuntimeError, match="no"):
        list(sl.train(model, models.dataset(60), epochs=1, state=state, rules=[sl.ImportancePruning(0.5, start=1), fails]))
    assert models.fingerprint(model, state) == before


# copies and files


@pytest.mark.parametrize("activation", [*NAMES, sl.PReLU(0.5), sl.TAAF(sl.AllReLU(0.3)), sl.TAAF("relu")], ids=name_of)
def test_copies_and_files_hold_everything(tmp_path, activation):
    model = moved(net(activation))
    list(sl.train(model, models.dataset(60), epochs=2, rules=RULES, seed=0))
    again = sl.load(sl.save(model, tmp_path / "net"))
    assert again.activation == model.activation
    X = models.rows(30)[0]
    others = [again, model.copy(), pickle.loads(pickle.dumps(model)), model.copy().load(model.snapshot())]
    for other in others:
        assert models.fingerprint(other) == models.fingerprint(model)
        assert not np.shares_memory(other.layers[0].values, model.layers[0].values)
        np.testing.assert_array_equal(sl.predict(other, X), sl.predict(model, X))
    snapshot, before = model.snapshot(), models.fingerprint(model)
    moved(model)
    assert models.fingerprint(model) != before
    assert models.fingerprint(model.load(snapshot)) == before


def test_files_of_other_nets_are_what_they_were():
    model = net("relu")
    assert set(model_file.model_header(model)) == {
        "sizes", "original_sizes", "nnz", "dtype", "dropout", "activation", "initializer",
    }  # fmt: skip
    assert not [name for name in model_file.model_arrays(model) if "values" in name]


@pytest.mark.parametrize("values", [None, [4, 4], [4, 4, -1], [4, 4, 10**9], [4, 3, 0], [0, 0, 0], ["4", 4, 0]], ids=str)
def test_files_with_other_values_are_refused(tmp_path, monkeypatch, values):
    header = model_file.model_header
    monkeypatch.setattr(model_file, "model_header", lambda model, **options: header(model, **options) | {"values": values})
    path = sl.save(net(), tmp_path / "net")
    with pytest.raises(sl.CheckpointError, match="values"):
        sl.load(path)


def test_a_file_without_values_gets_none_from_elsewhere(tmp_path):
    state = sl.TrainingState.start(net("relu"), sl.MomentumSGD(), 0)
    path = sl.save_checkpoint(net(Cube()), state, tmp_path / "old")
    with pytest.raises(sl.CheckpointError, match="activation = 'Cube': must be a ScaledTanh"):
        sl.load_checkpoint(path, net(ScaledTanh()))


def test_layers_that_were_pickled_before_there_were_values():
    layer = net("relu").layers[0]
    del vars(layer)["_values"]
    assert layer.values.shape == (0, 33)
    assert layer.copy().check().nbytes == layer.nbytes


def test_average_of_nets():
    first, second = moved(net(), 1), moved(net(), 2)
    mean = sl.average([first, second])
    for a, b, c in zip(first.layers, second.layers, mean.layers, strict=True):
        np.testing.assert_allclose(c.values, (a.values.astype(float) + b.values) / 2, rtol=1e-6)
    with pytest.raises(ValueError, match=r"models\[1\].activation = TAAF.*trained values of the first, SReLU"):
        sl.average([first, net("taaf")])


@pytest.mark.slow
def test_torch_has_prelu():
    torch = pytest.importorskip("torch")
    model = moved(net("prelu"))
    X = models.rows(20)[0]
    for layout in ("dense", "csr"):
        module = sl.export.to_torch(model, layout)
        with torch.no_grad():
            logits = module(torch.from_numpy(X)).numpy()
        np.testing.assert_allclose(logits, [plain_outputs("prelu", model, sample) for sample in X], rtol=1e-4, atol=1e-5)
    for name in ("srelu", "taaf"):
        with pytest.raises(ValueError, match="activation = .*must be prelu, tanh or a pair of slopes"):
            sl.export.to_torch(net(name))


# by name


@pytest.mark.parametrize("name", NAMES)
def test_configs_and_estimators_know_the_names(name):
    config = sl.ExperimentConfig(dataset="digits", hidden=(20,), activation=name, epochs=1)
    experiment = sl.build(config)
    assert len(list(experiment.train())) == 1
    assert len(experiment.model.layers[0].values) == len(sl.activations.get(name).trained)
    X, y = models.rows(100)
    classifier = sl.SparseMLPClassifier(hidden_layer_sizes=(20,), activation=name, epochs=2, random_state=0).fit(X, y)
    assert type(classifier.model_.activation) is sl.activations.NAMES[name]
    assert not sl.activations.takes_alpha(name)


def test_figures_and_analysis():
    table = sl.figures.activation_functions(["srelu", "prelu", "taaf"], depth=2).data
    z = table["z"]
    chosen = table["activation"] == "PReLU(slope=0.25)"
    np.testing.assert_allclose(table["f"][chosen], np.where(z > 0, z, z / 4)[chosen])
    health = sl.analysis.neuron_health(net(), models.rows(40)[0])
    assert health["neurons"].tolist() == [33, 18]


# bad input


def broken(**changes):
    return type("Broken", (ScaledTanh,), changes)()


@pytest.mark.parametrize(
    ("activation", "error", "message"),
    [
        (broken(trained="scale"), ValueError, "activation.trained = .*at most 16 different names"),
        (broken(trained=("a", "a")), ValueError, "activation.trained"),
        (broken(trained=tuple(map(str, range(17)))), ValueError, "at most 16"),
        (broken(value_gradients=None), TypeError, "an object with value_gradients, because"),
        (broken(start_values=lambda self, n, rng: [np.ones(n + 1)]), ValueError, "start_values gave shapes"),
        (broken(start_values=lambda self, n, rng: []), ValueError, r"start_values gave shapes \[\]: must be 1 vectors"),
        (broken(start_values=lambda self, n, rng: [np.full(n, np.nan)]), ValueError, "scale that are not finite float32"),
    ],
)
def test_broken_plug_ins_are_named(activation, error, message):
    with pytest.raises(error, match=message):
        net(activation)


@pytest.mark.parametrize("gradients", [lambda self, Z, s: [], lambda self, Z, s: [Z[:, :1]], lambda self, Z, s: [Z, Z]])
def test_value_gradients_of_another_shape(gradients):
    with pytest.raises(ValueError, match="value_gradients gave shapes .*must be 1 arrays of the shape of Z"):
        list(sl.train(net(broken(value_gradients=gradients)), models.dataset(), epochs=1))


def test_a_gradient_that_is_not_finite_stops_the_training():
    model = net(broken(value_gradients=lambda self, Z, scale: [Z / 0 * np.inf]))
    before = models.fingerprint(model)
    with pytest.raises(sl.DivergedError), np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        list(sl.train(model, models.dataset(), epochs=1))
    assert models.fingerprint(model) == before
    model = net()
    model.layers[1].values[2, 3] = np.nan
    with pytest.raises(sl.DivergedError, match="weight or bias of layer 2"):
        list(sl.train(model, models.dataset(), epochs=1))
    with pytest.raises(sl.CheckpointError, match=r"1\.values"):
        sl.save(model, "net")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sl.SparseMLP(net().layers, "relu"), r"layers\[0\] = 4: must be 0, the trained values of ReLU"),
        (lambda: sl.SparseMLP(net("prelu").layers, "srelu"), r"layers\[0\] = 1: must be 4.*t_l, a_l, p, a_r"),
        (lambda: net().take_over(net("relu").layers), r"layers\[0\] = 0: must be 4"),
        (lambda: net("relu").load(net().snapshot()), r"parameters\[0\] = 4: must be 0"),
        (lambda: setattr(net().layers[0], "values", np.zeros((4, 5), np.float32)), r"values = .*shape \(4, 33\)"),
        (lambda: setattr(net().layers[0], "values", [1.0]), "values = "),
        (lambda: setattr(net().layers[0], "values", np.zeros((4, 33))), "values = .float64 arra"),
        (lambda: sl.TAAF("srelu"), "function = .srelu.: must be an activation without trained values"),
        (lambda: sl.TAAF("sine"), "activation = 'sine'"),
        (lambda: sl.TAAF(biases=0), "biases = 0"),
        (lambda: sl.PReLU(float("nan")), "slope = nan"),
        (lambda: sl.SReLU().forward(np.zeros((2, 2))), "t_l, a_l, p, a_r"),
        (lambda: list(sl.train_parallel(net(), models.dataset(), n_jobs=1)), "model.activation = SReLU.*workers"),
        (lambda: sl.ParameterServer(net()), "model.activation = SReLU.*workers"),
        (lambda: sl.simulate_parallel(net(), models.dataset(), 2, batch_size=20), "model.activation = SReLU.*workers"),
        (lambda: sl.export.to_scipy(net()), "model.activation = SReLU.*to_npz"),
        (lambda: sl.export.to_dense(net()), "model.activation = SReLU.*to_npz"),
        (lambda: sl.activations.get({"name": "sine"}), "activation = 'sine'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_the_state_of_an_optimizer_must_have_vectors_for_values():
    model = net()
    state = sl.TrainingState.start(model, sl.MomentumSGD(), 0)
    state.optimizer = sl.MomentumSGD().init(model)
    with pytest.raises(ValueError, match="vectors of neurons = 1: must be a multiple of 5"):
        optimizers.check_state(state.optimizer, model)


@pytest.mark.parametrize("optimizer", torch_optimizers.NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_biases_that_an_activation_leaves_out_stay_0(optimizer, dtype, tmp_path):
    make = lambda **options: models.net(activation=sl.TAAF("tanh", **options), dtype=dtype)
    data, options = models.dataset(90, dtype=np.dtype(dtype)), {"batch_size": 30, "seed": 0, "rules": [sl.SET(0.3)]}
    options["optimizer"] = torch_optimizers.named(optimizer, learning_rate=0.01, momentum=0.9, weight_decay=0.01)
    model = make(biases=False)
    list(sl.train(model, data, epochs=3, **options))
    assert all(not layer.b.any() for layer in model.layers[:-1])
    assert model.layers[-1].b.all()
    assert all((layer.values[2] != 0).any() for layer in model.layers[:-1])
    path = model_file.save(model, tmp_path / "net")
    assert model_file.load(path).activation == model.activation == sl.TAAF("tanh", biases=False)


def test_without_biases_a_step_changes_all_else_alike():
    data, (with_, without) = models.dataset(40), (models.net(activation=sl.TAAF(biases=biases)) for biases in (True, False))
    for model in (with_, without):
        list(sl.train(model, data, epochs=1, batch_size=40, seed=0, optimizer=sl.SGD(0.1)))
    for one, other in zip(with_.layers, without.layers, strict=True):
        np.testing.assert_array_equal(one.w, other.w)
        np.testing.assert_array_equal(one.values, other.values)
        assert one is with_.layers[-1] or (one.b.any() and not other.b.any())


def test_headers_are_plain():
    assert json.loads(json.dumps(sl.activations.describe(sl.TAAF(sl.LeakyReLU(0.1))))) == {
        "name": "taaf", "function": {"name": "leaky_relu", "alpha": 0.1}, "biases": True,
    }  # fmt: skip
    with pytest.raises(ValueError, match="plug-in"):
        sl.activations.describe(sl.TAAF(Cube()))


@pytest.mark.parametrize("name", ["relu", "prelu", "srelu"])
def test_bytes_of_trained_values_count_everywhere(name):
    model = net(name)
    X, y = models.rows(64)
    history = sl.History(sl.train(model, (X, y), epochs=1, seed=0, threads=1))
    last, text = sl.analysis.run_costs(history, model).iloc[-1], model.summary()
    values = sum(layer.values.nbytes for layer in model.layers)
    index = sum(8 * layer.topology.nnz + 8 * (layer.topology.n_in + 1) for layer in model.layers)
    trained = sum(layer.w.nbytes + layer.b.nbytes for layer in model.layers) + values
    assert last["bytes"] == model.nbytes
    assert last["training_bytes"] == model.nbytes + 2 * trained + index
    assert f"{last['training_bytes'] / 1024:.1f} KiB" in str(text)


def test_slopes_are_not_cut_to_whole_numbers():
    Z = np.array([-2, 2])
    assert sl.LeakyReLU(0.6).forward(Z).tolist() == [-1.2, 2.0]
    assert sl.LeakyReLU(0.6).gradient(Z).tolist() == [0.6, 1.0]
    assert sl.LeakyReLU(0.5).forward(Z.astype(np.float32)).dtype == np.float32


def test_arguments_are_for_names_only():
    for kind in (sl.AllReLU, sl.LeakyReLU(0.5)):
        with pytest.raises(TypeError, match=r"activation = .*: must be a name, beside the arguments \['alpha'\]"):
            sl.activations.get(kind, alpha=0.1)
    with pytest.raises(TypeError, match="initializer = .*: must be a name"):
        sl.initializers.get(sl.HeUniform, fan="links")
