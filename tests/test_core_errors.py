"""Every bad argument is rejected with its name, value and what is allowed, before anything has happened."""

import reprlib
from dataclasses import replace

import models
import numpy as np
import pytest

from sparselab.checkpoints.records import History
from sparselab.evolution import SET, PruneRegrow
from sparselab.nn.activations import TAAF, AllNegative, AllReLU, FixedSlopes, LeakyReLU, PReLU, ReLU
from sparselab.nn.initializers import HeUniform, Normal, XavierUniform
from sparselab.nn.linear import SparseLinear
from sparselab.nn.losses import MeanSquaredError, SoftmaxCrossEntropy
from sparselab.nn.mlp import Parameters, SparseMLP
from sparselab.nn.optimizers import LayerState, MomentumSGD
from sparselab.nn.schedules import Constant, Cosine, Step, WarmUp
from sparselab.topology import erdos_renyi
from sparselab.topology.neuron_ids import Neurons
from sparselab.topology.topology import Topology
from sparselab.training.loop import TrainingState, evaluate, predict, steps, train

NAN, INF, THING = float("nan"), float("inf"), object()
NUMBERS = [NAN, INF, -INF, None, "0.1", True, np.True_, THING, 1j, [0.1], np.array([0.1, 0.2])]  # never a number
WHOLE = [1.5, NAN, "3", True, None, THING, [3], np.float32(2)]  # never a whole number


def refused(call, argument, *fragments):
    """`call()` raises ValueError or TypeError with a short message that names the argument and the fragments."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    missing = [part for part in (argument, "must be", *fragments) if part not in message and "give exactly one" not in message]
    assert missing == [], message
    assert len(message) < 500
    return message


def label(value):
    """A name for a value that is the same in every process."""
    return type(value).__name__ if "0x" in repr(value) else reprlib.repr(value)


def table(*rows):
    """[(argument, value, fragments)] from (argument, values, fragments…)."""
    return [pytest.param(name, value, parts, id=f"{name}={label(value)}") for name, values, *parts in rows for value in values]


def value_of(value):
    """What of a value must stand in a message."""
    return [] if " at 0x" in repr(value) or isinstance(value, type) else [reprlib.repr(value)[:12]]


# nets


CREATE = table(
    ("epsilon", [0, -1, *NUMBERS], "> 0"),
    ("density", [0, -0.1, 1.1, *[v for v in NUMBERS if v is not None and not isinstance(v, np.ndarray)]], "(0, 1]"),
    ("density", [[0.1], [0.1, 0.2, 0.3], np.array([[0.1, 0.2]]), ()], "2 numbers in (0, 1]"),
    ("topology", ["small", 3, THING, "Uniform"], "small_world"),
    ("min_fan_in", [-1, 1.5, None], ">= 0"),
    ("dense_first", ["yes", 2, None], "True or False"),
    ("dense_last", ["yes", 2, None], "True or False"),
    ("dropout", [1, 1.0, -0.1, 2, *NUMBERS], "[0, 1)"),
    ("seed", [-1, 1.5, "a", True, THING, np.random.RandomState(0), [1, 2]], ">= 0"),
    ("dtype", [np.float16, np.int32, int, "no such type", None, 7, complex], "float32", "float64"),
    ("exact", ["yes", 2, None], "True or False"),
    ("activation", ["rellu", "", None, 3, THING, int], "all_relu"),
    ("initializer", ["he", 3, THING], "he_uniform"),
)


@pytest.mark.parametrize(("argument", "value", "fragments"), CREATE)
def test_create_refuses(argument, value, fragments):
    if argument == "epsilon" and value is None:
        refused(lambda: SparseMLP.create((5, 4, 3), epsilon=None), "epsilon")
        return
    refused(lambda: SparseMLP.create((5, 4, 3), **{argument: value}), argument, *fragments, *value_of(value))


@pytest.mark.parametrize(
    ("sizes", "argument", "fragments"),
    [
        ((), "sizes", ["two widths"]),
        ((5,), "sizes", ["two widths"]),
        (7, "sizes", ["sequence"]),
        (None, "sizes", ["sequence"]),
        ("543", "sizes", ["sequence"]),
        ((5, 0, 3), "sizes[1]", ["0", ">= 1|[1, "]),
        ((5, 4, -1), "sizes[2]", ["-1"]),
        ((5.0, 4), "sizes[0]", ["5.0", "whole number"]),
        ((5, 1.5), "sizes[1]", ["1.5", "whole number"]),
        ((5, "4"), "sizes[1]", ["'4'", "whole number"]),
        ((5, None), "sizes[1]", ["None", "whole number"]),
        ((5, True), "sizes[1]", ["True", "whole number"]),
        ((5, [4, 3]), "sizes[1]", ["[4, 3]", "whole number"]),
        ((5, NAN), "sizes[1]", ["nan", "whole number"]),
        ((5, 2**31), "sizes[1]", ["2147483648", "2147483647"]),
        ((5, 10**12), "sizes[1]", ["1000000000000", "2147483647"]),
    ],
)
def test_sizes_are_refused_by_place(sizes, argument, fragments):
    refused(lambda: SparseMLP.create(sizes), argument, *[f for f in fragments if "|" not in f])


def test_close_names_are_suggested():
    assert "did you mean 'all_relu'?" in refused(lambda: SparseMLP.create((5, 4), activation="all_rulu"), "activation")
    assert "did you mean 'xavier_uniform'?" in refused(
        lambda: SparseMLP.create((5, 4), initializer="xavier_unifrm"), "initializer"
    )
    assert "did you mean 'mean_squared_error'?" in refused(
        lambda: steps(models.net(), models.dataset(), loss="mean_square_error"), "loss"
    )


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({}, "epsilon"),
        ({"epsilon": 1, "density": 0.5}, "density"),
        ({"epsilon": NAN}, "epsilon"),
        ({"epsilon": 0}, "epsilon"),
        ({"density": 0}, "density"),
        ({"density": 1.0001}, "density"),
        ({"density": 0.5, "seed": 1.5}, "seed"),
        ({"density": 0.5, "n_out": 0}, "n_out"),
        ({"density": 0.5, "n_in": 2.5}, "n_in"),
        ({"density": 0.5, "n_in": 2**31}, "n_in"),
    ],
)
def test_erdos_renyi_refuses(options, argument):
    refused(lambda: erdos_renyi(**{"n_out": 3, "n_in": 4} | options), argument)


PARTS = {
    "AllReLU(alpha)": (AllReLU, [-1, *NUMBERS]),
    "LeakyReLU(alpha)": (LeakyReLU, [-1, *NUMBERS]),
    "AllNegative(alpha)": (AllNegative, [-1, *NUMBERS]),
    "FixedSlopes(left)": (FixedSlopes, NUMBERS),
    "PReLU(slope)": (PReLU, NUMBERS),
    "TAAF(activation)": (TAAF, ["sine", "", 3, None]),
    "TAAF(function)": (TAAF, ["srelu", PReLU, TAAF()]),
    "FixedSlopes(right)": (lambda right: FixedSlopes(0.5, right), NUMBERS),
    "Normal(deviation)": (Normal, [0, -1, *NUMBERS]),
    "HeUniform(fan)": (HeUniform, ["all", None, 3]),
    "XavierUniform(fan)": (XavierUniform, ["all", None, 3]),
    "Constant(rate)": (Constant, [-1, *NUMBERS]),
    "Step(rate)": (lambda rate: Step(rate, 2), [0, -1, NAN, "x", True]),
    "Step(every)": (lambda every: Step(0.1, every), [0, -1, *WHOLE]),
    "Step(factor)": (lambda factor: Step(0.1, 2, factor), [0, -1, *NUMBERS]),
    "Cosine(rate)": (lambda rate: Cosine(rate, 2), [0, NAN]),
    "Cosine(epochs)": (lambda epochs: Cosine(0.1, epochs), [0, -1, *NUMBERS]),
    "Cosine(final)": (lambda final: Cosine(0.1, 5, final), [-1, 0.2, NAN]),
    "WarmUp(epochs)": (lambda epochs: WarmUp(0.1, epochs), [0, -1, *NUMBERS]),
    "WarmUp(after)": (WarmUp, ["x", None, -1, 0, NAN]),
    "SET(zeta)": (SET, [-0.1, 1.1, *NUMBERS]),
    "PruneRegrow(zeta)": (PruneRegrow, [-0.1, 1.1, NAN]),
    "PruneRegrow(criterion)": (lambda criterion: PruneRegrow(0.3, criterion), [None, 3, "magnitude"]),
}


@pytest.mark.parametrize("what", PARTS)
def test_parts_refuse(what):
    make, values = PARTS[what]
    for value in values:
        refused(lambda value=value: make(value), what.split("(")[1][:-1], *value_of(value))


OPTIMIZER = table(
    ("learning_rate", [0, -1, 1e-50, 1e39, *NUMBERS], ""),
    ("momentum", [1, 1.0, -0.1, *NUMBERS], "[0, 1)"),
    ("weight_decay", [1, -0.1, *NUMBERS], "[0, 1)"),
    ("nesterov", ["no", None, 2], "True or False"),
    ("decay_biases", ["no", None, 2], "True or False"),
)


@pytest.mark.parametrize(("argument", "value", "fragments"), OPTIMIZER)
def test_momentum_sgd_refuses(argument, value, fragments):
    refused(lambda: MomentumSGD(**{argument: value}), argument, *fragments, *value_of(value))


@pytest.mark.parametrize("bad", [0, -1, NAN, "x", None])
def test_a_schedule_that_answers_nonsense_is_refused(bad):
    refused(lambda: MomentumSGD(lambda epoch: bad), "learning_rate", *value_of(bad))
    model, later = models.net(), MomentumSGD(lambda epoch: 0.1 if epoch < 1 else bad)
    run = train(model, models.dataset(), optimizer=later, epochs=3, batch_size=101)
    assert next(run).epoch == 1
    before = models.fingerprint(model)
    refused(lambda: next(run), "learning_rate", *value_of(bad))
    assert models.fingerprint(model) == before


@pytest.mark.parametrize("bad", [-0.1, 1.1, NAN, "x", None])
def test_a_zeta_that_answers_nonsense_is_refused(bad):
    model = models.net()
    run = train(model, models.dataset(), rules=[SET(lambda epoch: bad)], epochs=3)
    next(run)
    before = models.fingerprint(model)
    refused(lambda: next(run), "zeta", *value_of(bad))
    assert models.fingerprint(model) == before


# training: nothing is pulled, and it is refused


X, Y = models.rows()
RUN = table(
    ("optimizer", ["sgd", 3, THING, [MomentumSGD()]], "init, update and rate"),
    ("rules", [3, "set", [SET(0.3), "x"], [None]], "rules"),
    ("epochs", [-1, *WHOLE], "whole number >= 0"),
    ("batch_size", [0, -1, *WHOLE], "whole number >= 1"),
    ("threads", [0, -1, *[v for v in WHOLE if v is not None]], "whole number >= 1"),
    ("evaluate_every", [-1, *WHOLE], "whole number >= 0"),
    ("pace", [-1, -0.1, *NUMBERS], ">= 0"),
    ("seed", [-1, 1.5, "a", True, THING], ">= 0"),
    ("loss", ["mse", "", 3, False, THING, int, dict], "softmax_cross_entropy"),
    ("state", ["x", 3, [], THING], "TrainingState"),
)


@pytest.mark.parametrize(("argument", "value", "fragments"), RUN)
def test_steps_refuses_before_anything_happens(argument, value, fragments):
    model = models.net()
    before = models.fingerprint(model)
    refused(lambda: steps(model, models.dataset(), **{argument: value}), argument, *fragments)
    assert models.fingerprint(model) == before


def test_rules_none_is_refused_or_means_none():
    model = models.net()
    try:
        assert list(train(model, models.dataset(), rules=None, epochs=1))
    except (TypeError, ValueError) as error:
        assert "rules = None" in str(error)  # noqa: PT017 (either answer is fine)


def test_an_optimizer_class_is_made_or_refused_by_name():
    try:
        assert list(train(models.net(), models.dataset(), optimizer=MomentumSGD, epochs=1))
    except (TypeError, ValueError) as error:
        assert "optimizer = " in str(error)  # noqa: PT017


@pytest.mark.parametrize("model", [None, 3, "net", THING, SparseMLP], ids=label)
def test_what_is_not_a_net_is_refused(model):
    for call in (lambda: steps(model, models.dataset()), lambda: predict(model, X), lambda: evaluate(model, X, Y)):
        refused(call, "model", "SparseMLP")


DATA = {
    "nothing": (None, "data"),
    "a number": (3, "data"),
    "a name": ("digits", "data"),
    "a dict": ({"X": X}, "data"),
    "X alone": ((X,), "data"),
    "three": ((X, Y, X), "data"),
    "X is None": ((None, Y), "X"),
    "1-D X": ((X[0], Y[:20]), "X.shape"),
    "empty X": ((X[:0], Y[:0]), "X.shape"),
    "NaN": ((np.where(X == X[50, 3], np.nan, X), Y), "X[50, 3]"),
    "infinity": ((np.where(X == X[50, 3], np.inf, X), Y), "X[50, 3]"),
    "too large for float32": ((np.where(X == X[50, 3], 1e300, X.astype(float)), Y), "X[50, 3]"),
    "complex": ((X.astype(complex), Y), "X.dtype"),
    "text": ((X.astype(str), Y), "X.dtype"),
    "too few features": ((X[:, :7], Y), "7 features"),
    "too many features": ((np.hstack([X, X]), Y), "40 features"),
    "other test features": ((X, Y, X[:, :7], Y), "X_test.shape[1]"),
    "y too short": ((X, Y[:50]), "len(y)"),
    "y of text and numbers": ((X, ["a", 1] * 50 + ["b"]), "y["),
    "y of fractions": ((X, Y + 0.5), "y["),
    "y with NaN": ((X, np.where(Y == 1, np.nan, Y)), "y["),
    "one class": ((X, Y * 0), "y"),
    "more classes than outputs": ((X, np.arange(101) % 7), "y"),
    "an unseen label": ((X, Y, X, Y + 3), "y_test["),
    "X_test alone": ((X, Y, X, None), "y_test"),
    "y_test alone": ((X, Y, None, Y), "X_test"),
}


@pytest.mark.parametrize(("data", "argument"), DATA.values(), ids=DATA.keys())
def test_bad_data_is_refused_before_anything_happens(data, argument):
    model = models.net()
    before = models.fingerprint(model)
    refused(lambda: steps(model, data), argument)
    assert models.fingerprint(model) == before


def test_labels_with_a_gap_are_taken_as_they_are_or_refused():
    """Training on codes 0, 1, 2 and scoring labels 0, 2, 3 would be silently wrong."""
    model, y = models.net(), np.array([0, 2, 3])[np.arange(101) % 3]
    try:
        record = list(train(model, (X, y, X, y), epochs=10, optimizer=MomentumSGD(0.02), batch_size=10, seed=0))[-1]
    except ValueError:
        return
    assert record.test_accuracy == evaluate(model, X, y).accuracy


@pytest.mark.parametrize("other", ["wider", "deeper", "other links", "float64", "read-only"])
def test_a_state_of_another_net_is_refused(other):
    model = models.net()
    before, nets = models.fingerprint(model), {"wider": {"sizes": (20, 34, 18, 4)}, "deeper": {"sizes": (20, 33, 18, 5, 4)}}
    nets |= {"other links": {"seed": 9}, "float64": {"dtype": np.float64}, "read-only": {}}
    state = TrainingState.start(models.net(**nets[other]), MomentumSGD(), 0)
    if other == "read-only":
        state.optimizer[1].links[0].flags.writeable = False
    refused(lambda: steps(model, models.dataset(), state=state), "state")
    assert models.fingerprint(model) == before


def test_a_net_with_read_only_weights_is_refused():
    model = models.net()
    model.layers[1].w.flags.writeable = False
    refused(lambda: steps(model, models.dataset()), "w")
    assert predict(model, X).shape == (101, 4)


# evaluate and predict


EVALUATE = table(
    ("y", [None, 3, "a", Y[:50], Y + 1, -Y, Y + 0.5, np.stack([Y, Y]), ["a"] * 101, Y.astype(complex)]),
    ("loss", ["mse", 3, THING]),
    ("threads", [0, -1, 1.5, True, "2"]),
)


@pytest.mark.parametrize(("argument", "value", "fragments"), EVALUATE)
def test_evaluate_refuses(argument, value, fragments):
    refused(lambda: evaluate(models.net(), X, **{"y": Y} | {argument: value}), argument)


@pytest.mark.parametrize(
    "bad", [None, 3, "X", X[0], X[:, :7], X[:0], np.where(X == X[0, 0], np.nan, X), X.astype(complex), [[1], [2, 3]], THING]
)
def test_predict_refuses(bad):
    with pytest.raises((ValueError, TypeError), match=r"^X") as caught:
        predict(models.net(), bad)
    assert len(str(caught.value)) < 500


LABELS = table(("y", [[3], [-1], [0, 1, 99], [0.5], [[0]], ["a"], [None], None]))
TARGETS = table(("y", [[[1.0]], [[1.0, 2]], [1.0, 2.0], [NAN], [["a"] * 3], [3], 1.0, None, [[NAN] * 3], [[INF] * 3]]))


@pytest.mark.parametrize(("argument", "value", "fragments"), LABELS)
def test_softmax_refuses_what_are_not_labels(argument, value, fragments):
    refused(lambda: SoftmaxCrossEntropy().targets(value, 3, np.float32), "y")


@pytest.mark.parametrize(("argument", "value", "fragments"), TARGETS)
def test_squared_error_refuses_what_does_not_fit(argument, value, fragments):
    refused(lambda: MeanSquaredError().targets(value, 3, np.float32), "y")


# layers and nets by hand


def layer(n_out=3, n_in=4, dtype=np.float32):
    t = Topology.dense(n_out, n_in)
    return SparseLinear(t, np.ones(t.nnz, dtype), np.ones(n_out, dtype))


READ_ONLY = np.ones(12, np.float32)
READ_ONLY.flags.writeable = False
WEIGHTS = [
    np.ones(11, np.float32),
    np.ones(12),
    np.ones((12, 1), np.float32),
    np.ones(24, np.float32)[::2],
    READ_ONLY,
    [1.0] * 12,
    None,
]


@pytest.mark.parametrize("bad", WEIGHTS, ids=reprlib.repr)
def test_weights_that_do_not_fit_are_refused(bad):
    old = layer()
    with pytest.raises((ValueError, TypeError), match="^w = .*must be"):
        old.w = bad
    assert old.w.tolist() == [1] * 12
    with pytest.raises((ValueError, TypeError), match="^b = .*must be"):
        old.b = bad
    with pytest.raises((ValueError, TypeError), match="^(w|b) = .*must be"):
        SparseLinear(old.topology, bad, old.b)


@pytest.mark.parametrize("bad", [None, "t", np.ones((3, 4)), [[1]]])
def test_a_layer_needs_a_topology(bad):
    refused(lambda: SparseLinear(bad, np.ones(12, np.float32), np.ones(3, np.float32)), "topology", "Topology")


@pytest.mark.parametrize(
    ("X", "dZ", "argument"),
    [
        (np.ones((3, 8)), np.ones((3, 8)), "X"),
        (np.ones(4), np.ones((3, 8)), "X"),
        (np.ones((4, 0)), np.ones((3, 0)), "X"),
        (np.ones((4, 8)), np.ones((4, 8)), "dZ"),
        (np.ones((4, 64)), np.ones((3, 8)), "dZ"),
        (np.ones((4, 8)), np.ones((3, 64)), "dZ"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(X, dZ, argument):
    refused(lambda: layer().backward(X, dZ), argument)
    if argument == "X":
        refused(lambda: layer().forward(X), "X")


@pytest.mark.parametrize(
    "out",
    [np.ones((3, 9), np.float32), np.ones((4, 8), np.float32), np.ones((3, 8)), np.ones((8, 3), np.float32).T, READ_ONLY],
)
def test_an_output_that_does_not_fit_is_refused(out):
    refused(lambda: layer().forward(np.ones((4, 8)), out=out), "out")


def test_an_output_in_the_memory_of_the_input_is_refused():
    square, memory = layer(4, 4), np.ones((6, 8), np.float32)
    before = memory.copy()
    for X, out in ((memory[:4], memory[:4]), (memory[:4], memory[2:])):
        refused(lambda X=X, out=out: square.forward(X, out=out), "out")
    assert np.array_equal(memory, before)
    assert np.array_equal(square.forward(memory[:4].T.copy().T, out=memory[:4]), square.forward(before[:4]))  # X is copied


def test_layers_must_fit_together():
    with pytest.raises(ValueError, match="layers: .* cannot follow"):
        SparseMLP([layer(3, 4), layer(2, 5)], "relu")
    with pytest.raises(ValueError, match="layers: .* cannot follow"):
        SparseMLP([layer(3, 4), layer(2, 3, np.float64)], "relu")
    square = layer(4, 4)
    with pytest.raises(ValueError, match="layers: has one layer twice"):
        SparseMLP([square, square, layer(4, 2)], "relu")
    for bad in ([], [1, 2], None, 3):
        with pytest.raises((ValueError, TypeError), match="layers"):
            SparseMLP(bad, "relu")


@pytest.mark.parametrize(
    "options", [{"sizes": (20, 33, 4)}, {"sizes": (21, 33, 18, 4)}, {"sizes": (20, 33, 18, 5)}, {"dtype": np.float64}]
)
def test_a_snapshot_of_another_net_is_refused_whole(options):
    model, other = models.net(), models.net(**options)
    before = models.fingerprint(model)
    refused(lambda: model.load(other.snapshot()), "parameters")
    assert models.fingerprint(model) == before


def test_a_damaged_snapshot_is_refused_whole():
    model = models.net()
    parts = model.snapshot()
    before = models.fingerprint(model)
    for bad in (
        Parameters(parts.topologies, (*parts.weights[:2], parts.weights[2][:-1]), parts.biases),
        Parameters(parts.topologies, parts.weights, (*parts.biases[:2], parts.biases[2][:-1])),
        Parameters(parts.topologies, parts.weights[:2], parts.biases),
        Parameters((*parts.topologies[:2], parts.topologies[1]), parts.weights, parts.biases),
        replace(parts, neurons=Neurons.of((20, 34, 18, 4))),
        replace(parts, neurons=Neurons.of((20, 33, 18))),
    ):
        with pytest.raises((ValueError, TypeError)):
            model.load(bad)
        assert models.fingerprint(model) == before


def test_a_snapshot_is_a_copy():
    model = models.net()
    parts, before = model.snapshot(), models.fingerprint(model)
    model.layers[0].w += 1
    assert models.fingerprint(model) != before
    assert models.fingerprint(model.load(parts)) == before
    model.layers[0].w += 1
    assert models.fingerprint(model.load(parts)) == before


def test_unknown_columns_of_a_history_are_named():
    with pytest.raises(KeyError, match="accurracy.*must be one of.*test_accuracy"):
        History()["accurracy"]


@pytest.mark.parametrize("bad", ["state", [LayerState()]])
def test_a_state_made_by_hand_must_fit(bad):
    state = TrainingState(bad, np.random.SeedSequence(0))
    refused(lambda: steps(models.net(), models.dataset(), state=state), "state")


def test_good_values_at_the_edge_are_accepted():
    SparseMLP.create((1, 1), epsilon=1e-9, dropout=0, seed=0)
    SparseMLP.create([np.int64(5), np.uint8(4)], density=1, dropout=np.float32(0.999), seed=np.int64(3), dtype="float64")
    MomentumSGD(np.float32(0.1), momentum=0, weight_decay=0)
    for activation in (AllReLU(0), LeakyReLU(0), AllNegative(0), AllReLU, ReLU(), "tanh"):
        SparseMLP.create((3, 3, 3), activation=activation)
    SET(0), SET(1), SET(np.float64(0.5))
    assert list(steps(models.net(), models.dataset(), epochs=0)) == []
    assert len(list(train(models.net(), models.dataset(), epochs=np.int64(1), batch_size=np.int32(5), threads=np.int64(1)))) == 1
