"""States and checkpoints that do not fit what they are given to: each is refused, before anything is trained or loaded."""

import pickle
import signal
from contextlib import closing
from copy import copy, deepcopy
from fractions import Fraction

import numpy as np
import pytest

import sparselab as sl
from sparselab.checkpoints import checkpoint

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def net(**options):
    return sl.SparseMLP.create((5, 8, 2), epsilon=3, seed=0, **options)


def trained(optimizer, state_of=None, activation="relu", **options):
    """Records of two epochs with a state that another optimizer made."""
    model = net(activation=activation)
    state = sl.TrainingState.start(model, state_of or optimizer, seed=0)
    return list(sl.train(model, (X, Y), epochs=2, optimizer=optimizer, state=state, **options))


OPTIMIZERS = [
    sl.MomentumSGD(0.01), sl.SGD(0.01), sl.Adam(0.01), sl.AdamW(0.01), sl.Adam(0.01, count_by_link=True), sl.TopKAST(density=0.2),
]  # fmt: skip


@pytest.mark.parametrize("activation", ["relu", "tanh", "prelu"])
@pytest.mark.parametrize("given", OPTIMIZERS, ids=str)
def test_a_state_of_another_optimizer_is_refused(given, activation):
    for made in OPTIMIZERS:
        if made is given:
            assert len(trained(given, made, activation)) == 2
        else:
            with pytest.raises(ValueError, match=r"optimizer = .*: must be a|vectors of links = \d: must be \d"):
                trained(given, made, activation)


@pytest.mark.parametrize("optimizer", [sl.MomentumSGD(), sl.Adam()], ids=str)
@pytest.mark.parametrize("n", [0, 3])
def test_a_state_of_ones_own_has_as_many_vectors_as_the_optimizer_keeps(optimizer, n):
    model = net()
    vectors = [sl.LayerState([np.zeros_like(layer.w)] * n, [np.zeros_like(layer.b)] * n) for layer in model.layers]
    with pytest.raises(ValueError, match=f"vectors of links = {n}: must be"):
        list(sl.train(model, (X, Y), optimizer=optimizer, state=sl.TrainingState(vectors, np.random.SeedSequence(0))))


def test_a_rule_that_leaves_out_vectors_is_an_error_and_no_crash():
    def drops(epoch, model, state, evidence, rng):
        state[0].links = []
        return [None, sl.rewire(model.layers[1].topology, np.ones(model.layers[1].topology.nnz, bool))]

    with pytest.raises(ValueError, match="vectors of links = 0"):
        list(sl.train(net(), (X, Y), epochs=3, rules=[drops], seed=0))


def test_a_checkpoint_knows_the_optimizer_of_its_state(tmp_path):
    model = net()
    state = sl.TrainingState.start(model, sl.SGD(0.01, momentum=0.9), seed=0)
    list(sl.train(model, (X, Y), epochs=2, optimizer=sl.SGD(0.01, momentum=0.9), state=state))
    found = sl.load_checkpoint(sl.save_checkpoint(model, state, tmp_path / "c"))
    with pytest.raises(ValueError, match="must be a SGD"):
        list(sl.train(found.model, (X, Y), epochs=1, optimizer=sl.MomentumSGD(), state=found.state))
    assert len(list(sl.train(found.model, (X, Y), epochs=1, optimizer=sl.SGD(0.02), state=found.state))) == 1


@pytest.mark.parametrize("stored", [False, True])
def test_an_epoch_goes_on_with_the_same_batches_of_the_same_rows(tmp_path, stored):
    model = net()
    state = sl.TrainingState.start(model, sl.MomentumSGD(), seed=0)
    with closing(sl.steps(model, (X, Y), epochs=1, batch_size=10, state=state)) as records:
        for _ in range(3):
            next(records)
    if stored:
        found = sl.load_checkpoint(sl.save_checkpoint(model, state, tmp_path / "c"))
        model, state = found.model, found.state
    for data, size in (((X, Y), 20), ((X[:20], Y[:20]), 10)):
        with pytest.raises(ValueError, match=r"batch_size.*: must be \(60, 10\)"):
            list(sl.steps(model, data, epochs=1, batch_size=size, state=state))
    assert [*sl.steps(model, (X, Y), epochs=1, batch_size=10, state=state)][-1].n_samples == 60
    assert [*sl.steps(model, (X, Y), epochs=1, batch_size=20, state=state)][-1].n_samples == 60


@pytest.mark.parametrize("rule", [sl.TopKAST(density=0.2), sl.DeepR()], ids=str)
def test_a_rule_that_is_its_own_optimizer_stands_beside_no_other(rule):
    for train in (sl.train, sl.train_parallel):
        with pytest.raises(ValueError, match=r"rules\[1\] = .*: must be the optimizer, too"):
            list(train(net(), (X, Y), optimizer=sl.Adam(), rules=[sl.SET(0.3), rule]))


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), Fraction(1, 2), np.float16(0.5)], ids=repr)
@pytest.mark.parametrize("kind", [sl.AllReLU, sl.LeakyReLU, sl.AllNegative, sl.PReLU])
def test_numbers_of_any_type_are_stored(tmp_path, number, kind):
    model = net(activation=kind(number), initializer=sl.initializers.Normal(number))
    records = list(sl.train(model, (X, Y), epochs=2, seed=0, checkpoint=tmp_path / "run"))
    assert len(records) == 2
    again = sl.load(sl.save(model, tmp_path / "net"))
    assert again.activation == kind(0.5)
    assert np.array_equal(sl.predict(again, X), sl.predict(model, X))


def test_a_fraction_that_changes_is_told(tmp_path):
    go = lambda zeta, epochs: list(
        sl.train(net(), (X, Y), epochs=epochs, seed=0, rules=[sl.SET(zeta)], checkpoint=tmp_path / "run")
    )
    go(Fraction(3, 10), 2)
    with pytest.warns(UserWarning, match=r"zeta 0.3 -> 0.9"):
        go(Fraction(9, 10), 3)


def test_scores_of_two_test_sets_are_not_mixed(tmp_path):
    go = lambda data, epochs: list(sl.train(net(), data, epochs=epochs, seed=0, checkpoint=tmp_path / "run"))
    go((X, Y, X[:20], Y[:20]), 2)
    with pytest.raises(sl.CheckpointError, match="test = "):
        go((X, Y, -X[:20], Y[:20]), 3)
    assert [record.test_accuracy is None for record in go((X, Y), 3)] == [False, False, True]
    options = {"early_stopping": True, "random_state": 0, "checkpoint": tmp_path / "f"}
    fit = lambda rows: sl.SparseMLPClassifier((8,), epochs=3, **options).fit(X, Y, validation=rows)
    fit((X[:20], Y[:20]))
    with pytest.raises(sl.CheckpointError, match="test = "):
        fit((-X[:20], Y[:20]))


def test_weights_go_into_a_net_of_the_same_meaning_only(tmp_path):
    model = net(activation="tanh")
    state = sl.TrainingState.start(model, sl.MomentumSGD(), seed=0)
    list(sl.train(model, (X, np.where(Y, "b", "a")), epochs=1, state=state))
    path = sl.save_checkpoint(model, state, tmp_path / "c")
    with pytest.raises(sl.CheckpointError, match="activation = 'Tanh'|activation = .*Tanh"):
        sl.load_checkpoint(path, net(activation="relu"))
    other = net(activation="tanh")
    other.classes = np.array(["cat", "dog"])
    with pytest.raises(sl.CheckpointError, match=r"classes = \['a', 'b'\]"):
        sl.load_checkpoint(path, other)
    other.classes = None
    assert sl.load_checkpoint(path, other).model.classes.tolist() == ["a", "b"]


def test_boolean_classes_are_kept(tmp_path):
    model = net()
    model.classes = np.array([False, True])
    assert sl.load(sl.save(model, tmp_path / "net")).classes.tolist() == [False, True]


def test_an_interrupt_while_a_training_is_closed_is_heard(tmp_path, monkeypatch):
    write = checkpoint.write

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return write(*arguments)

    for train in (sl.train, sl.steps):
        with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:  # noqa: PT012
            with closing(train(net(), (X, Y), epochs=50, every=50, checkpoint=tmp_path / train.__name__, seed=0)) as records:
                next(record for record in records if isinstance(record, sl.EpochRecord))
                patch.setattr(checkpoint, "write", interrupted)
        assert sl.load_checkpoint(tmp_path / train.__name__).state.epoch == 1


@pytest.mark.parametrize(
    "copied", [copy, deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["copy", "deepcopy", "pickle"]
)
def test_a_copy_of_a_topology_is_read_only_too(copied):
    found = copied(sl.erdos_renyi(6, 5, density=0.5, seed=0))
    for array in (found.indptr, found.indices):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_widths_of_any_type_are_whole_numbers_of_python():
    wide = sl.Topology(np.int32(65536), np.int32(65536), np.arange(65537), np.zeros(65536, np.int32))
    assert wide.density == 1 / 65536
    assert sl.rewire(wide, np.ones(wide.nnz, bool), 5, rng=np.random.default_rng(0)).topology.nnz == 65541
    assert sl.Topology(np.int8(100), np.int8(100), np.arange(101), np.zeros(100, np.int32)).sparsity == 0.99
