"""Labels, numbers, scores: what an output stands for is remembered, float32 loses nothing, regressions have no accuracy."""

import copy
import inspect
import os
import pickle
import warnings
from contextlib import suppress

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sparselab as sl
from sparselab import figures
from sparselab.datasets import Dataset

KINDS = {
    "1, 2": (1, 2),
    "negative": (-7, 40),
    "large": (10**12, 10**12 + 1),
    "floats": (1.0, 2.0),
    "words": ("no", "yes"),
    "bools": (False, True),
    "0.0, 1.0": (0.0, 1.0),
    "bytes": (b"n", b"y"),
}


def separable(labels, n=80, seed=0):
    """(X, y): the label says the sign of the first feature."""
    X = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    X[:, 0] += np.sign(X[:, 0])
    return X, np.array(labels)[(X[:, 0] > 0).astype(int)]


def trained(data, *, epochs=15, n_out=2, **options):
    """A net trained on data."""
    model = sl.SparseMLP.create((4, 16, n_out), density=0.8, seed=1)
    options = {"batch_size": 8, "seed": 0, "threads": 1} | options
    list(sl.train(model, data, epochs=epochs, **options))
    return model


@pytest.mark.parametrize("labels", KINDS.values(), ids=KINDS.keys())
def test_a_label_means_the_same_in_every_call(labels, tmp_path):
    X, y = separable(labels)
    model = trained((X, y))
    again = sl.load(sl.save(model, tmp_path / "net"))
    stored = sl.load_checkpoint(
        sl.save_checkpoint(model, sl.TrainingState.start(model, sl.MomentumSGD(), 0), tmp_path / "checkpoint")
    ).model
    copies = {"model": model, "loaded": again, "checkpoint": stored, "copy": model.copy(), "average": sl.average([model, model])}
    for name, net in copies.items():
        assert net.classes is None or net.classes.tolist() == sorted(labels), name
        assert sl.evaluate(net, X, y).accuracy > 0.95, name
        for label in labels:
            assert sl.evaluate(net, X[y == label], y[y == label]).accuracy > 0.9, (name, label)
    half = y == labels[0]
    curve = sl.prune_curve(model, (X, y, X[half], y[half]), [0.0], repeats=1, progress=False)
    assert curve["accuracy"][0] > 0.9
    record = next(sl.train(model, (X[half], y[half], X[half], y[half]), epochs=1, seed=0))  # a shard with one class
    assert record.test_accuracy > 0.9


def test_unknown_labels_are_refused_by_name():
    X, y = separable((1, 2))
    model = trained((X, y))
    for call in (
        lambda y: sl.evaluate(model, X, y),
        lambda y: next(sl.train(model, (X, y))),
        lambda y: list(sl.train_parallel(model, (X, y), n_jobs=1)),
        lambda y: sl.prune_curve(model, (X, y, X, y), [0.0]),
    ):
        with pytest.raises(ValueError, match=r"y\[\d+\] = 3: must be one of the 2 labels trained on: \[1, 2\]"):
            call(np.where(y == 2, 3, y))
    model.classes = None
    trained_again = next(sl.train(model, (X, y + 4), epochs=1, seed=0))
    assert trained_again.epoch == 1
    assert model.classes.tolist() == [5, 6]


def test_numbers_of_outputs_are_remembered_too():
    X, y = separable((0, 1))
    model = trained((X, y))
    assert model.classes.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"y\[\d+\] = 2: must be one of the 2 labels"):
        next(sl.train(model, (X, y + 1)))
    next(sl.train(model, Dataset.from_arrays(X, np.array(["no", "yes"])[y]), epochs=1))  # its codes are numbers of outputs


def test_a_dataset_of_some_of_the_outputs_numbers_is_mapped_to_them():
    X, y = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32), np.arange(90) % 3
    X[np.arange(90), y] += 4
    model = trained((X, y), n_out=3)
    some = y > 0
    part = Dataset.from_arrays(X[some], y[some], X[some], y[some])  # its codes are 0 and 1, its labels 1 and 2
    assert next(sl.train(model.copy(), part, epochs=1, seed=0)).test_accuracy > 0.9
    with pytest.raises(ValueError, match="= 3: must be one of the 3 labels"):
        next(sl.train(model, Dataset.from_arrays(X, y + 1)))


def test_a_refused_run_folder_leaves_the_classes_alone(tmp_path):
    X, y = separable((1, 2))
    model = sl.SparseMLP.create((4, 16, 2), density=0.8, seed=1)
    with pytest.raises(ValueError, match="keep"):
        next(sl.train(model, (X, y), checkpoint=tmp_path, keep=0))
    assert model.classes is None


def test_a_fitted_estimators_net_knows_its_labels():
    X, y = separable((1, 2))
    fitted = sl.SparseMLPClassifier((16,), density=0.8, epochs=20, batch_size=8, random_state=0, standardise=False).fit(X, y)
    assert fitted.model_.classes.tolist() == [1, 2]
    for label in (1, 2):
        assert sl.evaluate(fitted.model_, X[y == label], y[y == label]).accuracy == fitted.score(X[y == label], y[y == label])


def test_numpy_may_raise_for_every_rounding():
    X, y = separable((0, 1))
    with np.errstate(all="raise"):
        fitted = sl.SparseMLPClassifier((8,), epochs=3, random_state=0, n_jobs=1).fit(X * 1e3, y)
        fitted.predict_proba(X * 1e6)
        fitted.predict_proba(X.astype(float) * 1e6)
        sl.evaluate(fitted.model_, X * 1e6, y)
        list(sl.train(sl.SparseMLP.create((4, 8, 2), seed=0), (X, y, X, y), epochs=2, seed=0))


def test_a_net_that_knows_no_classes_codes_none_anew_when_it_is_scored():
    X, y = separable((0, 1))
    model = trained(Dataset.from_arrays(X, y))
    model.classes = None
    with pytest.raises(ValueError, match=r"y = \[1, 2\]: must be the numbers of the net's outputs, 0 … 1; model.classes"):
        sl.prune_curve(model, (X, y + 1, X, y + 1), [0.0])
    assert sl.evaluate(model, X[y == 1], y[y == 1]).accuracy > 0.9


@pytest.mark.parametrize("labels", KINDS.values(), ids=KINDS.keys())
def test_a_net_trained_on_a_dataset_learns_its_labels(labels, tmp_path):
    X, y = separable(labels)
    data = Dataset.from_arrays(X, y, X, y)
    model = trained(data)
    parallel = sl.SparseMLP.create((4, 16, 2), density=0.8, seed=1)
    list(sl.train_parallel(parallel, data, n_jobs=1, epochs=15, batch_size=8, seed=0))
    for net in (model, parallel, sl.load(sl.save(model, tmp_path / "net"))):
        assert sl.evaluate(net, X, y).accuracy > 0.95
        for label in labels:
            assert sl.evaluate(net, X[y == label], y[y == label]).accuracy > 0.9
    assert sl.evaluate(model, X, y) == sl.evaluate(trained((X, y)), X, y)
    unknown = "other" if isinstance(labels[0], str) else b"other" if isinstance(labels[0], bytes) else 7
    with pytest.raises(ValueError, match=r"y\[3\] = .*: must be one of the 2 labels trained on"):
        sl.evaluate(model, X, [*y[:3], unknown, *y[4:]])


@pytest.mark.parametrize("labels", [("no", "yes"), (-7, 40), (5, 6), ("0", "1"), (0, 1)])
def test_codes_stay_allowed_where_no_label_is_such_a_number(labels):
    X, y = separable(labels)
    data = Dataset.from_arrays(X, y, X, y)
    model = trained(data)
    expected = sl.evaluate(model, X, y)
    assert sl.evaluate(model, X, data.y_test) == expected
    assert sl.evaluate(model, X[:9], data.y_test[:9].astype(float)) == sl.evaluate(model, X[:9], y[:9])
    codes = next(sl.train(model.copy(), (X, data.y_train, X, y), epochs=1, seed=0))
    assert codes == next(sl.train(model.copy(), data, epochs=1, seed=0))


@pytest.mark.parametrize("labels", [(1, 2), (1.0, 2.0), ("1", "2"), (1, 0.0 + 5)])
def test_codes_that_might_be_labels_are_refused(labels):
    X, y = separable(labels)
    data = Dataset.from_arrays(X, y)
    with pytest.raises(ValueError, match=r"trained on.*data\.decode"):
        sl.evaluate(trained(data), X, data.y_train)
    assert sl.evaluate(trained(data), X, data.decode(data.y_train)).accuracy > 0.95


def test_names_of_classes_keep_their_order():
    X, y = separable((0, 1))
    names = np.array(["yes", "no"])  # not sorted
    data = Dataset.from_arrays(X, y, X, y).with_class_names(names)
    model = trained(data)
    assert model.classes.tolist() == ["yes", "no"]
    for label in names:
        assert sl.evaluate(model, X[names[y] == label], names[y][names[y] == label]).accuracy > 0.9
    next(sl.train(model, Dataset.from_arrays(X, y), epochs=1))  # numbers of outputs
    other = next(sl.train(model.copy(), Dataset.from_arrays(X, names[y], X, names[y]), epochs=1, seed=0))  # sorted: recoded
    assert other.test_accuracy > 0.9
    with pytest.raises(ValueError, match="names"):
        data.with_class_names(["same", "same"])


def test_other_labels_than_those_trained_on_are_told_the_way_out():
    X, y = separable(("a", "b"))
    model = trained(Dataset.from_arrays(X, y), epochs=1)
    for other in (Dataset.from_arrays(X, np.where(y == "a", "z", y)), (X, np.where(y == "a", "z", y))):
        with pytest.raises(ValueError, match=r"'z': must be one of the 2 labels trained on.*model\.classes = None"):
            next(sl.train(model, other))


def test_fewer_labels_than_outputs_are_kept_in_files(tmp_path):
    X, y = separable((5, 6))
    for data in ((X, y), Dataset.from_arrays(X, y)):
        model = trained(data, n_out=3)
        again = sl.load(sl.save(model, tmp_path / "net"))
        assert again.classes.tolist() == [5, 6]
        assert sl.evaluate(again, X, y).accuracy > 0.9


@pytest.mark.parametrize("wrong", [[1, 1], [1, 2, 3], [], [1, "a"], [0.5, 1], [np.nan, 1], 7, "ab", [[1, 2]], ["a" * 20000, "b"]])
def test_labels_set_by_hand_are_checked(wrong):
    model = sl.SparseMLP.create((4, 16, 2), density=0.8, seed=1)
    with pytest.raises((ValueError, TypeError), match="classes"):
        model.classes = wrong
    model.classes = ["x", "a"]
    X, y = separable(("a", "x"))
    assert 0 <= sl.evaluate(model, X, y).accuracy <= 1


def test_scores_keep_r2_when_they_are_changed():
    scores = sl.evaluate(sl.SparseMLP.create((4, 8, 2), seed=0), np.eye(4, dtype=np.float32), np.eye(4)[:, :2] + 0.5)
    assert scores.r2 is not None
    changed = scores._replace(loss=1.0)
    assert (changed.loss, changed.accuracy, changed.r2) == (1.0, None, scores.r2)
    assert scores._replace(r2=0.5).r2 == 0.5
    assert scores._asdict() == {"loss": scores.loss, "accuracy": None, "r2": scores.r2}
    for again in (copy.copy(scores), pickle.loads(pickle.dumps(scores))):
        assert (again, again.r2) == (scores, scores.r2)


def test_a_checkpoint_that_is_loaded_into_a_net_gives_it_its_labels(tmp_path):
    model = trained(separable(("no", "yes")), epochs=1)
    path = sl.save_checkpoint(model, sl.TrainingState.start(model, sl.MomentumSGD(), 0), tmp_path / "checkpoint")
    other = sl.SparseMLP.create((4, 16, 2), density=0.8, seed=5)
    assert sl.load_checkpoint(path, other).model is other
    assert other.classes.tolist() == ["no", "yes"]


@pytest.mark.slow
def test_modules_of_pytorch_carry_labels():
    pytest.importorskip("torch")
    model = trained(separable(("no", "yes")), epochs=1)
    module = sl.export.to_torch(model)
    assert module.classes == ["no", "yes"]
    assert sl.export.from_torch(module).classes.tolist() == ["no", "yes"]
    module.classes = 7
    assert sl.export.from_torch(module).classes is None


def test_a_dataset_with_other_codes_is_recoded_and_one_with_other_classes_refused():
    X, y = separable(("a", "c"))
    model = sl.SparseMLP.create((4, 16, 3), density=0.8, seed=1)
    y[:9] = "b"
    list(sl.train(model, (X, y), epochs=2, seed=0))
    part = Dataset.from_arrays(X[9:], y[9:])  # codes 0, 1 for a, c
    whole = next(sl.train(model.copy(), (X[9:], y[9:]), epochs=1, seed=0, threads=1))
    assert next(sl.train(model.copy(), part, epochs=1, seed=0, threads=1)) == whole
    with pytest.raises(ValueError, match="'z': must be one of the 3 labels"):
        next(sl.train(model, Dataset.from_arrays(X, np.where(y == "a", "z", y))))


def test_parallel_training_remembers_labels_too():
    X, y = separable((1, 2))
    model = sl.SparseMLP.create((4, 16, 2), density=0.8, seed=1)
    list(sl.train_parallel(model, (X, y), n_jobs=2, epochs=4, batch_size=8, seed=0))
    assert model.classes.tolist() == [1, 2]
    other = model.copy()
    other.classes = np.array([3, 4])
    with pytest.raises(ValueError, match=r"models\[1\].classes"):
        sl.average([model, other])


@pytest.mark.parametrize(
    "stored",
    [
        {"dtype": "<i8", "labels": []}, {"dtype": "<i8", "labels": [1, 2, 3]}, {"dtype": "<i8", "labels": [1, 1]},
        {"dtype": "<i8", "labels": ["a", "b"]}, {"dtype": "O", "labels": [1, 2]}, {"dtype": "<U1", "labels": [1, 2]},
        {"dtype": "<i8", "labels": [True, False]}, {"dtype": "no", "labels": [1, 2]}, {"labels": [1, 2]}, {"dtype": "<i8"}, 7,
        {"dtype": "<U99999", "labels": ["a", "b"]}, {"dtype": "<i1", "labels": [1, 1000]}, {"dtype": "<f8", "labels": [1, 2]},
    ],
)  # fmt: skip
def test_hostile_classes_in_a_file_are_refused(stored, tmp_path, monkeypatch):
    from sparselab.checkpoints import model_file

    model = trained(separable((1, 2)), epochs=1)
    monkeypatch.setattr(model_file, "plain_classes", lambda classes: stored)
    path = sl.save(model, tmp_path / "net")
    with pytest.raises(sl.CheckpointError, match=r"net\.npz"):
        sl.load(path)


# --- numbers ----------------------------------------------------------------------------------------------------


OFFSETS = [0, 1e6, 1e9, -1e12]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_a_large_offset_takes_nothing_away(offset, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) * 100
    X, y = (X.round() + 0.5 * (dtype == np.float64)).astype(dtype), (X[:, 0] > 0).astype(int)
    moved = X + dtype(offset)
    plain, far = (Dataset.from_arrays(x[:300], y[:300], x[300:], y[300:], standardise=True) for x in (X, moved))
    np.testing.assert_allclose(far.X_train, plain.X_train, atol=2e-4)
    np.testing.assert_allclose(far.X_test, plain.X_test, atol=2e-4)
    np.testing.assert_allclose(far.X_train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(far.X_train.std(axis=0), 1, atol=1e-5)
    assert far.X_train.dtype == np.float32
    fitted = sl.SparseMLPClassifier((30,), epochs=20, batch_size=32, random_state=0, n_jobs=1).fit(moved, y)
    assert fitted.score(moved, y) > 0.95


def test_standardisation_neither_changes_nor_shares_the_users_array():
    X = np.random.default_rng(0).normal(size=(50, 3)) + 5
    before = X.copy()
    data = Dataset.from_arrays(X, np.arange(50) % 2, standardise=True)
    np.testing.assert_array_equal(X, before)
    assert not np.shares_memory(data.X_train, X)


def test_files_are_standardised_before_they_become_float32(tmp_path):
    x = np.random.default_rng(0).normal(size=(200, 1))
    rows = "".join(f"{1e9 + v!r},{int(v > 0)}\n" for v in x[:, 0].tolist())
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    np.savez(tmp_path / "t.npz", X=x + 1e9, y=(x[:, 0] > 0).astype(int))
    for name in ("t.csv", "t.npz"):
        data = sl.datasets.load(tmp_path / name)
        assert len(np.unique(data.X_train)) > 100, name
        assert abs(data.X_train.std() - 1) < 1e-3, name


def test_columns_that_lose_their_digits_are_named():
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 1] += 1e9
    y = np.arange(40) % 2
    model = sl.SparseMLP.create((3, 4, 2), epsilon=4, seed=0)
    for call in (
        lambda: Dataset.from_arrays(X, y),
        lambda: next(sl.train(model, (X, y))),
        lambda: sl.SparseMLPClassifier((4,), standardise=False, epochs=1).fit(X, y),
    ):
        with pytest.warns(UserWarning, match=r"columns \[1\] vary by less than 16 steps of float32"):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Dataset.from_arrays(X, y, standardise=True)
        Dataset.from_arrays(X, y, dtype=np.float64)
        Dataset.from_arrays(X[:, [0, 2]], y)
        Dataset.from_arrays(np.zeros((4, 2)), [0, 1, 0, 1])


SECONDS = 1.7e9 + np.random.default_rng(0).uniform(0, 60, 300)  # times of one minute
BESIDE = {"zeros": (0, 9), "an outlier": (1.7e9 + 2e4, 1), "a later day": (1.8e9, 40)}


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.coo_array])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE.keys())
def test_a_column_most_of_whose_values_become_one_is_named(beside, kind):
    value, times = beside
    X = np.c_[np.random.default_rng(1).normal(size=300), SECONDS]
    X[:times, 1] = value
    with pytest.warns(UserWarning, match=r"columns \[1\] vary by less than 16 steps of float32 .*standardise=True") as said:
        Dataset.from_arrays(kind(X), np.arange(300) % 2, standardise=False)
    assert len(said) == 1
    with pytest.warns(UserWarning, match=r"columns \[1\] vary"), suppress(sl.DivergedError):
        sl.SparseMLPClassifier((4,), standardise=False, epochs=1, random_state=0, n_jobs=1).fit(kind(X), np.arange(300) % 2)
    with pytest.warns(UserWarning, match=r"columns \[1\] vary"), suppress(sl.DivergedError):
        next(sl.train(sl.SparseMLP.create((2, 4, 2), seed=0), (kind(X), np.arange(300) % 2)))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_whole_numbers_that_float64_cannot_hold_are_named(kind):
    X = np.c_[np.arange(60), 2**60 + np.arange(60) % 7, np.where(np.arange(60) % 2, 2**62, -(2**62))]
    for options in ({"dtype": np.float64, "standardise": False}, {"standardise": True}):
        with pytest.warns(UserWarning, match=r"columns \[1\] vary by less than 16 steps of float64"):
            Dataset.from_arrays(kind(X), np.arange(60) % 2, **options)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_columns_that_keep_their_digits_are_not_named(kind):
    rng, n = np.random.default_rng(0), 2000
    columns = [
        rng.normal(size=n), rng.normal(size=n) + 1e3, np.where(np.arange(n) == 77, 1e9, rng.normal(size=n)), np.full(n, 1e9 + 1),
        2.0**30 + 128 * (np.arange(n) % 40), np.where(np.arange(n) % 3, 0.1 + 0.2, 0.3) + (np.arange(n) % 5 == 0),
        rng.normal(size=n) * 1e-35, np.exp(rng.normal(size=n) * 9), (rng.random(n) < 0.001) * 1.0, 1e7 + np.arange(n) % 1000,
    ]  # fmt: skip
    words = (rng.random((n, 30)) < 0.01) * (0.1 + rng.normal(size=30) * 1e-17 + 1e-17 * rng.random((n, 30)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Dataset.from_arrays(kind(np.c_[np.array(columns).T, words]), np.arange(n) % 2, standardise=False)


def test_sparse_values_that_vanish_beside_large_ones_are_named():
    X = sparse.random_array((60, 3), density=0.5, rng=np.random.default_rng(0), format="csr")
    X = sparse.csr_array(X @ sparse.diags_array([1.0, 1e-50, 1.0]))
    with pytest.warns(UserWarning, match=r"columns \[1\] vary by less than 16 steps of float32"):
        Dataset.from_arrays(X, np.arange(60) % 2, standardise="auto")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e307])
def test_squares_of_extreme_numbers_take_no_column_away(unit, kind):
    X = np.abs(np.random.default_rng(0).normal(size=(400, 2))) + 0.5
    y = np.arange(400) % 2
    plain, far = (
        Dataset.from_arrays(kind(x), y, standardise=True, dtype=np.float64).X_train for x in (X, X * np.array([1, unit]))
    )
    plain, far = (x.toarray() if sparse.issparse(x) else x for x in (plain, far))
    np.testing.assert_allclose(far, plain, rtol=1e-9)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_an_estimator_names_a_column_whose_deviation_vanishes(kind):
    X = np.abs(np.random.default_rng(0).normal(size=(60, 2))) * np.array([1, 1e-200])
    model = sl.SparseMLPClassifier((4,), standardise=True, epochs=1, random_state=0, n_jobs=1)
    with pytest.warns(UserWarning, match=r"deviation of columns \[1\] vanishes"):
        model.fit(kind(X), np.arange(60) % 2)
    with pytest.warns(UserWarning, match=r"columns \[1\] vary by less than 16 steps of float32"):
        model.set_params(standardise="auto").fit(sparse.csr_array(X), np.arange(60) % 2)


def test_an_estimator_scales_sparse_features_in_float64_too():
    X = np.random.default_rng(0).normal(size=(60, 3)) * [1, 1, 1e-3] + [0, 0, 1e6]
    fitted = sl.SparseMLPClassifier((4,), standardise=True, epochs=1, learning_rate=1e-30, random_state=0, n_jobs=1)
    fitted.fit(sparse.csr_array(X), np.arange(60) % 2)
    np.testing.assert_allclose(fitted.scaler_.scale_, X.std(axis=0), rtol=1e-6)


def test_sparse_features_are_scaled_in_float64_too():
    X = sparse.random_array((60, 30), density=0.3, rng=np.random.default_rng(0), format="csr")
    X.data += 1e9
    data = Dataset.from_arrays(X, np.arange(60) % 2, standardise=True)
    deviation = X.toarray().std(axis=0)
    np.testing.assert_allclose(data.X_train.toarray(), X.toarray() / deviation, rtol=1e-6)
    assert data.X_train.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_and_dense_rows_are_scaled_alike_or_refused(dtype):
    X, y = separable((0, 1))
    X = np.maximum(X, 0).astype(dtype)
    fitted = sl.SparseMLPClassifier((8,), epochs=2, random_state=0, n_jobs=1).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(fitted.predict_proba(X), fitted.predict_proba(sparse.csr_array(X)), atol=1e-5)
    centred = sl.SparseMLPClassifier((8,), epochs=2, random_state=0, n_jobs=1).fit(X, y)
    with pytest.raises(ValueError, match="X = .* must be dense"):
        centred.predict(sparse.csr_array(X))


def test_partial_fit_learns_a_common_scale_of_sparse_rows():
    X, y = separable((0, 1))
    rows = sparse.csr_array(np.maximum(X, 0) * np.linspace(1, 9, 80, dtype=np.float32)[:, None])
    model = sl.SparseMLPClassifier((8,), random_state=0, n_jobs=1)
    for start in range(0, 80, 16):
        model.partial_fit(rows[start : start + 16], y[start : start + 16], classes=[0, 1])
    whole = sl.SparseMLPClassifier((8,), random_state=0, n_jobs=1).partial_fit(rows, y, classes=[0, 1])
    assert model.scaler_.factor_ == pytest.approx(whole.scaler_.factor_, rel=1e-9)
    kept = whole.scaler_.factor_
    assert whole.partial_fit(rows, y).scaler_.factor_ == kept


def test_partial_fit_learns_the_scale_of_all_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) * [3, 50] + [1, -7]
    y = (X[:, 0] > 1).astype(int)
    X[:2] = [[0.5, 0.5], [0.5 + 1e-9, 0.5 - 1e-9]]
    model = sl.SparseMLPClassifier((20,), random_state=0, zeta=0, learning_rate=0.05, n_jobs=1)
    model.partial_fit(X[:2], y[:2], classes=[0, 1])
    for start in range(2, 300, 30):
        model.partial_fit(X[start : start + 30], y[start : start + 30])
    np.testing.assert_allclose(model.scaler_.mean_, X.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(model.scaler_.scale_, X.std(axis=0), rtol=1e-9)
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.9


# --- regressions ------------------------------------------------------------------------------------------------


def plane(n_out, n=120):
    """A Dataset of n_out linear functions of four features."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    Y = X @ rng.normal(size=(4, n_out))
    return Dataset.from_arrays(X[:90], Y[:90], X[90:], Y[90:], task="regression")


@pytest.mark.parametrize("n_out", [1, 2, 5])
def test_a_regression_has_r2_and_no_accuracy(n_out, capsys):
    data = plane(n_out)
    model = sl.SparseMLP.create((4, 30, n_out), density=0.8, seed=0)
    stream = list(sl.steps(model, data, epochs=8, batch_size=10, seed=0))
    for record in stream:
        if isinstance(record, sl.EpochRecord):
            assert record.train_accuracy is record.test_accuracy is None
        else:
            assert record.accuracy is None
    scores = sl.evaluate(model, data.X_test, data.y_test)
    assert scores.accuracy is None
    expected = r2_score(data.y_test, sl.predict(model, data.X_test))
    assert scores.r2 == pytest.approx(expected)
    assert stream[-1].test_r2 == pytest.approx(expected)
    loss, accuracy = scores
    assert (loss, accuracy) == (scores.loss, None)
    sl.widgets.watch(sl.train(model, data, epochs=1, seed=0))
    said = capsys.readouterr().out
    assert "R² " in said
    assert "%" not in said
    curve = sl.prune_curve(model, data, [0.0], repeats=1, progress=False)
    assert curve["accuracy"].isna().all()
    assert sl.History(r for r in stream if isinstance(r, sl.EpochRecord)).to_frame()["test_r2"].notna().all()


@pytest.mark.parametrize("synchronous", [False, True])
def test_parallel_regressions_have_no_accuracy(synchronous):
    model = sl.SparseMLP.create((4, 30, 2), density=0.8, seed=0)
    options = {"n_jobs": 2, "epochs": 3, "batch_size": 10, "seed": 0, "synchronous": synchronous, "pace": 0.0}
    for record in sl.train_parallel(model, plane(2), **options):
        if isinstance(record, sl.EpochRecord):
            assert record.train_accuracy is record.test_accuracy is None
            assert record.test_r2 <= 1
        else:
            assert record.accuracy is None


def test_a_sweep_of_regressions_is_scored_by_r2():
    base = sl.ExperimentConfig(dataset="digits", hidden=(8,), epochs=1, epsilon=4, threads=1)
    found = sl.sweep([base, base.replace(epochs=2)], data=plane(2), progress=False)
    assert set(found.table["score"]) == {"r2"}
    assert found.frame["accuracy"].isna().all()
    assert found.frame["r2"].notna().all()


def test_labels_trained_with_squared_errors_keep_their_accuracy():
    X, y = separable((0, 1))
    model = trained((X, y), loss="mean_squared_error")
    scores = sl.evaluate(model, X, y, loss="mean_squared_error")
    assert scores.accuracy > 0.9
    assert scores.r2 is None


def test_numbers_in_a_tuple_are_a_regression_where_only_that_can_be_meant():
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    model = sl.SparseMLP.create((4, 20, 1), density=0.9, seed=0)
    list(sl.train(model, (X, 10.0 + X[:, 0]), epochs=60, batch_size=10, seed=0))
    assert abs(sl.predict(model, X).mean() - 10) < 1
    whole = sl.SparseMLP.create((4, 20, 1), density=0.9, seed=0)
    target = np.where(X[:, 0] > 0, 30.0, 10.0)  # whole numbers are no codes of classes for one output
    list(sl.train(whole, (X, target), loss="mean_squared_error", epochs=60, batch_size=10, seed=0))
    assert 15 < sl.predict(whole, X).mean() < 25
    both = sl.SparseMLP.create((4, 20, 2), density=0.9, seed=0)
    record = next(sl.train(both, (X, X[:, :2], X, X[:, :2]), epochs=1, seed=0))
    assert record.test_accuracy is None


# --- settings of others, and messages that name a way out --------------------------------------------------------


@pytest.mark.parametrize("output", ["pandas", "default"])
def test_estimators_do_not_mind_what_pipelines_return(output):
    pandas = pytest.importorskip("pandas")
    X, y = separable(("a", "b"))
    plain = sl.SparseMLPClassifier((8,), epochs=3, random_state=0, n_jobs=1).fit(X, y).predict_proba(X)
    with sklearn.config_context(transform_output=output, enable_metadata_routing=True):
        for given in (X, X.astype(float), pandas.DataFrame(X, columns=list("abcd")), sparse.csr_array(X)):
            model = sl.SparseMLPClassifier((8,), epochs=3, random_state=0, n_jobs=1, early_stopping=True).fit(given, y)
            model.predict(given)
        again = sl.SparseMLPClassifier((8,), epochs=3, random_state=0, n_jobs=1).fit(X, y).predict_proba(X)
        selector = sl.SparseFeatureSelector(sl.SparseMLPClassifier((8,), epochs=2, random_state=0), n_features_to_select=2)
        assert selector.fit_transform(pandas.DataFrame(X, columns=list("abcd")), y).shape == (80, 2)
    np.testing.assert_array_equal(again, plain)


def refusal(call):
    """What the TypeError of a call says; "" without one."""
    with suppress(StopIteration):
        try:
            call()
        except TypeError as error:
            return str(error)
        except AttributeError as error:
            return f"AttributeError: {error}"
    return ""


def test_an_estimator_in_place_of_a_net_is_answered_with_its_net(tmp_path):
    X, y = separable((0, 1))
    fitted = sl.SparseMLPClassifier((8,), epochs=1, random_state=0, n_jobs=1).fit(X, y)
    state = sl.TrainingState.start(fitted.model_, sl.MomentumSGD(), 0)
    calls = {
        "save": lambda: sl.save(fitted, tmp_path / "net"),
        "average": lambda: sl.average([fitted, fitted]),
        "save_checkpoint": lambda: sl.save_checkpoint(fitted, state, tmp_path / "checkpoint"),
        "evaluate": lambda: sl.evaluate(fitted, X, y),
        "predict": lambda: sl.predict(fitted, X),
        "train": lambda: next(sl.train(fitted, (X, y))),
        "train_parallel": lambda: list(sl.train_parallel(fitted, (X, y))),
        "prune_curve": lambda: sl.prune_curve(fitted, (X, y, X, y)),
    }
    topology, rng = fitted.model_.layers[0].topology, np.random.default_rng(0)
    calls |= {
        "average, no list": lambda: sl.average(fitted),
        "ParameterServer": lambda: sl.ParameterServer(fitted),
        "connectivity": lambda: figures.connectivity(fitted),
        "degree_histograms": lambda: figures.degree_histograms(fitted),
        "input_map": lambda: figures.input_map(fitted, (2, 2)),
        "topology_distance, first": lambda: sl.analysis.topology_distance(fitted, topology),
        "topology_distance, both": lambda: sl.analysis.topology_distance(fitted, fitted),
        "topology_distance, second": lambda: sl.analysis.topology_distance(topology, fitted),
        "run_costs": lambda: sl.analysis.run_costs(fitted.history_, fitted),
        "importances.scores": lambda: sl.importances.scores(sl.importances.incoming, fitted),
        "least_important": lambda: sl.evolution.least_important(fitted, sl.importances.incoming, [4]),
        "shrink": lambda: sl.evolution.shrink(fitted, [np.arange(8) < 3]),
        "apply": lambda: sl.evolution.apply([None, None], fitted, None, rng),
        "evolve": lambda: sl.evolution.evolve([sl.SET(0.3)], 1, fitted, state.optimizer, lambda: None, rng),
        "evolve_by_layer": lambda: sl.evolution.evolve_by_layer([sl.SET(0.3)], 1, fitted, state.optimizer, lambda: None, rng),
        "Evidence": lambda: sl.evolution.Evidence(fitted, sl.SoftmaxCrossEntropy(), X, y, np.arange(9)),
        "Undo": lambda: sl.evolution.Undo(fitted),
        "threshold_panel": lambda: sl.widgets.threshold_panel(fitted, (X, y, X, y)),
        "estimate": lambda: sl.parallel.calibrate(fitted, (X, y)),
        "simulate_parallel": lambda: sl.simulate_parallel(fitted, (X, y), n_workers=1),
    }
    for name in figures.__all__:
        function = getattr(figures, name)
        wanted = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        if inspect.isfunction(function) and [p.name for p in wanted] == ["model"]:
            calls[name] = lambda function=function: function(fitted)
    assert {"memory", "strength_histogram", "weights_histogram"} <= set(calls)
    for name, call in calls.items():
        assert "SparseMLPClassifier(…).model_" in refusal(call), name
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "function", [sl.analysis.neuron_health, sl.analysis.reachable, sl.analysis.gradient_norm_per_layer, sl.export.to_scipy,
                 sl.export.to_dense, sl.export.to_npz, sl.predict, sl.save, figures.connectivity],
)  # fmt: skip
def test_the_net_in_a_pipeline_or_a_search_is_named(function):
    X, y = separable((0, 1))
    classifier = sl.SparseMLPClassifier((8,), epochs=1, random_state=0, n_jobs=1)
    fitted = {
        "": classifier.fit(X, y), "[-1]": make_pipeline(StandardScaler(), classifier).fit(X, y),
        ".best_estimator_": GridSearchCV(classifier, {"zeta": [0.1]}, cv=2).fit(X, y),
        ".estimator_": sl.SparseFeatureSelector(classifier, n_features_to_select=2).fit(X, y),
    }  # fmt: skip
    wanted = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    for place, estimator in fitted.items():
        said = refusal(lambda estimator=estimator: function(estimator, *[X] * (len(wanted) - 1)))
        assert f"{type(estimator).__name__}(…){place}.model_, its net" in said


def test_images_are_told_how_they_become_rows():
    with pytest.raises(ValueError, match=r"reshape\(len\(X\), -1\)"):
        Dataset.from_arrays(np.zeros((5, 28, 28)), np.arange(5) % 2)


def test_missing_labels_of_pandas_are_named():
    pandas = pytest.importorskip("pandas")
    for y in (
        pandas.array([True, None, False, True], dtype="boolean"), pandas.array([1, None, 0, 1], dtype="Int64"),
        pandas.Series(["a", None, "b", "a"], dtype="string"), pandas.Series([1.0, np.nan, 0, 1]),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=r"y\[1\]"):
            Dataset.from_arrays(np.zeros((4, 2)), y)


def test_a_tuple_is_data_for_sweeps_and_panels():
    X, y = separable((0, 1))
    base = sl.ExperimentConfig(dataset="digits", hidden=(8,), epochs=1, epsilon=4, threads=1)
    assert len(sl.sweep([base], data=(X, y, X, y), progress=False).runs) == 1
    pytest.importorskip("ipywidgets")
    panel = sl.widgets.TrainingPanel(base, data=(X, y, X, y))
    assert len(panel.run(epochs=1)) == 1
    with pytest.raises(TypeError, match="data"):
        sl.sweep([base], data="digits", progress=False)
    with pytest.raises(TypeError, match="data"):
        sl.build(base, data=X)


def test_frames_have_their_columns_in_one_order():
    pandas = pytest.importorskip("pandas")
    X, y = separable((0, 1))
    frame = pandas.DataFrame(X, columns=list("abcd"))
    assert np.array_equal(Dataset.from_arrays(frame, y, frame, y).X_test, X)
    for other in (frame[list("dcba")], frame.rename(columns={"a": "z"})):
        with pytest.raises(ValueError, match="X_test.columns"):
            Dataset.from_arrays(frame, y, other, y)


@pytest.mark.parametrize("begin", [0, 30])
@pytest.mark.parametrize("as_given", [np.array, sparse.csr_array])
def test_rows_of_both_parts_are_scaled_once(begin, as_given):
    X, y = separable((0, 1))
    X = X + (3 if as_given is np.array else 0)
    given = as_given(X[:60])
    test = given if as_given is sparse.csr_array else given[begin:]
    deviation = X[:60].std(axis=0)
    mean = X[:60].mean(axis=0) if as_given is np.array else 0
    data = Dataset.from_arrays(given, y[:60], test, y[: test.shape[0]], standardise=True, overwrite=True)
    dense = lambda part: part.toarray() if sparse.issparse(part) else part
    np.testing.assert_allclose(dense(data.X_train), (X[:60] - mean) / deviation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dense(data.X_test), dense(data.X_train)[60 - test.shape[0] :], rtol=1e-6)


@pytest.mark.parametrize("classes", [["a", "a", "b"], [0, np.nan, 1], [[0, 1]], [None, "a"]], ids=str)
def test_given_classes_are_labels_that_differ(classes):
    X, y = separable((0, 1))
    with pytest.raises((TypeError, ValueError), match="classes"):
        Dataset.from_arrays(X, y, classes=np.array(classes, object) if None in classes else classes)


def test_classes_may_be_a_list():
    X, y = separable(("b", "a"))
    for classes in (["a", "b", "c"], np.array(["a", "b", "c"], object)):
        assert Dataset.from_arrays(X, y, classes=classes).decode([0, 2]).tolist() == ["a", "c"]


@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "int16"])
def test_a_scaling_of_sparse_samples_is_that_of_dense_ones_too(kind):
    rng = np.random.default_rng(0)
    X = rng.poisson(3, size=(200, 6)) * np.array([1, 1, 2, 3, 5, 8])
    y = (X[:, 0] > 3).astype(int)
    for estimator, outputs in ((sl.SparseMLPClassifier, "decision_function"), (sl.SparseMLPRegressor, "predict")):
        fitted = estimator((8,), epochs=3, random_state=0, standardise=True).fit(sparse.csr_array(X.astype(float)), y)
        of = getattr(fitted, outputs)
        np.testing.assert_allclose(of(X.astype(kind)), of(sparse.csr_array(X.astype(float))), rtol=1e-4, atol=1e-4)


def test_parameters_that_change_after_a_fit_do_not_change_what_it_predicts():
    X, y = separable((0, 1))
    far = X.astype(np.float64) * 1e-3 + 1e6
    loss, scaling = {"loss": "softmax_cross_entropy"}, {"standardise": False}
    for changed in (loss, scaling, {"loss": "squared_hinge"}):
        fitted = sl.SparseMLPClassifier((8,), epochs=3, random_state=0, loss="binary_cross_entropy").fit(far, y)
        before = fitted.predict_proba(far)
        assert np.array_equal(fitted.set_params(**changed).predict_proba(far), before)
    counts = sl.SparseMLPRegressor((8,), epochs=3, random_state=0, loss="poisson").fit(X, y)
    before = counts.predict(X)
    assert np.array_equal(counts.set_params(loss="huber").predict(X), before)


@pytest.mark.parametrize(
    ("estimator", "change"),
    [
        (sl.SparseMLPClassifier, {"standardise": False}),
        (sl.SparseMLPRegressor, {"scale_target": False}),
        (sl.SparseMLPClassifier, {"optimizer": sl.Adam(0.01, count_by_link=True)}),
    ],
    ids=["standardise", "scale_target", "count_by_link"],
)
def test_a_fit_goes_on_with_the_scaling_and_optimizer_it_began_with(estimator, change):
    X, y = separable((0, 1))
    fitted = estimator((8,), epochs=2, random_state=0, warm_start=True, optimizer=sl.Adam(0.01)).fit(X, y)
    with pytest.raises(ValueError, match="with which the net was made"):
        fitted.set_params(**change).fit(X, y)
    assert fitted.n_iter_ == 2


@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_a_frame_warns_of_lost_digits_as_an_array_does(kind):
    pandas = pytest.importorskip("pandas")
    X, y = (2**60 + np.arange(80).reshape(-1, 1)).astype(kind), np.arange(80) % 2
    for given in (X, pandas.DataFrame(X)):
        with pytest.warns(UserWarning, match="vary by less than 16 steps"):
            Dataset.from_arrays(given, y, standardise=True)
