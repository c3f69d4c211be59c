"""Datasets by name, from arrays and from files; splits, scaling and decoding."""

import builtins
import dataclasses
import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sparselab import datasets
from sparselab.datasets import Dataset, load, published, sources, splits
from sparselab.datasets.embedded import CLOTHES, madelon_like_relevant
from sparselab.datasets.scaling import standardise


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def table(rng):
    """X (60, 4) with a constant column, and three labels of unequal frequency."""
    X = rng.normal(3, 5, (60, 4))
    X[:, 2] = 0.1
    return X, np.repeat(["a", "b", "c"], [40, 15, 5])


# --- by name ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, options, sizes, classes, source",
    [
        ("fashion_mnist_small", {}, (5000, 1000, 784), 10, "embedded"),
        ("digits", {}, (1437, 360, 64), 10, "embedded"),
        ("madelon_like", {}, (2000, 600, 500), 2, "synthetic"),
        ("extreme", {"n_features": 3000, "n_samples": 200}, (160, 40, 3000), 2, "synthetic"),
    ],
)
def test_load_without_a_network(name, options, sizes, classes, source):
    data = load(name, **options)
    assert (data.n_train, data.n_test, data.n_features) == sizes
    assert data.n_classes == data.n_outputs == classes
    assert (data.source, data.name, data.task, data.is_sparse) == (source, name, "classification", False)
    assert data.X_train.dtype == data.X_test.dtype == np.float32
    assert data.X_train.flags.c_contiguous
    assert set(data.y_train.tolist()) == set(range(classes))
    varies = data.X_train.std(axis=0) > 0
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(data.X_train[:, varies].std(axis=0), 1, atol=1e-3)
    again = load(name, **options)
    assert again.X_train.tobytes() == data.X_train.tobytes()
    assert again.y_test.tobytes() == data.y_test.tobytes()


def test_small_fashion_mnist_is_balanced_and_made_of_bytes():
    data = load("fashion_mnist_small", standardise=False)
    assert np.bincount(data.y_train).tolist() == [500] * 10
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert data.image_shape == (28, 28)
    assert (data.X_train.min(), data.X_train.max()) == (0, 255)
    np.testing.assert_array_equal(data.X_train, data.X_train.round())
    assert data.decode(np.array([9, 0])).tolist() == ["Ankle boot", "T-shirt/top"]


def test_digits_keep_their_proportions():
    data = load("digits")
    share = np.bincount(data.y_test) / np.bincount(np.concatenate([data.y_train, data.y_test]))
    np.testing.assert_allclose(share, 360 / 1797, atol=0.005)


def test_madelon_like_hides_twenty_features_of_rank_five():
    data = load("madelon_like", standardise=False)
    informative, combined = madelon_like_relevant()
    values = data.X_train[:, np.concatenate([informative, combined])].astype(np.float64)
    assert len(set(informative) | set(combined)) == 20
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    assert singular[4] > 1000 * singular[5]


def test_extreme_is_the_same_stream_whatever_its_length_and_can_be_learned():
    short, long = (load("extreme", n_features=640, n_samples=n, standardise=False) for n in (1000, 1250))
    np.testing.assert_array_equal(short.X_train, long.X_train[:800])
    direction = long.X_train[long.y_train == 1].mean(axis=0) - long.X_train[long.y_train == 0].mean(axis=0)
    assert np.mean((long.X_test @ direction > 0) == long.y_test) > 0.95
    assert not np.array_equal(load("extreme", n_features=640, n_samples=1000, seed=1).y_train, short.y_train)


def test_unknown_names_get_a_hint():
    with pytest.raises(ValueError, match="did you mean 'cifar10'") as error:
        load("cifra10")
    assert all(name in str(error.value) for name in datasets.names())
    with pytest.raises(TypeError):
        load(7)


def test_register_your_own(table, monkeypatch):
    monkeypatch.setattr(datasets, "_registered", {})

    @lambda function: datasets.register("mine", function)
    def mine(scale=1.0):
        return Dataset.from_arrays(table[0] * scale, table[1], name="mine")

    assert datasets.names()[-1] == "mine"
    assert load("mine", scale=2).X_train[0, 0] == np.float32(table[0][0, 0] * 2)
    datasets.register("mine", lambda: "no dataset")
    with pytest.raises(TypeError, match="must be a Dataset"):
        load("mine")


@pytest.mark.parametrize("name, function", [("digits", load), ("", load), (3, load), ("new", "no function")])
def test_register_refuses(name, function):
    with pytest.raises((ValueError, TypeError), match="must be"):
        datasets.register(name, function)


def test_importing_datasets_needs_numpy_and_scipy_only(monkeypatch):
    original, heavy = builtins.__import__, {"sklearn", "pandas", "pooch", "tqdm", "requests", "matplotlib"}

    def guarded(name, *rest, **options):
        assert name.partition(".")[0] not in heavy, f"{name} imported"
        return original(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", guarded)
    for module in sorted(Path(datasets.__file__).parent.glob("*.py")):
        source = module.read_text(encoding="utf-8")
        names = {"__name__": f"sparselab.datasets.{module.stem}", "__package__": "sparselab.datasets", "__file__": str(module)}
        exec(compile(source, str(module), "exec"), names)


@pytest.mark.skipif(not sources.FASHION_MNIST.system.is_dir(), reason="needs Debian's dataset-fashion-mnist (apt-get install)")
def test_complete_fashion_mnist_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSELAB_DATA", str(tmp_path))
    data = load("fashion_mnist", standardise=False)
    assert (data.n_train, data.n_test, data.n_features, data.source) == (60_000, 10_000, 784, "system")
    assert data.classes.tolist() == list(CLOTHES)
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    small = load("fashion_mnist_small", standardise=False)
    for part in ("train", "test"):
        X, y = getattr(data, f"X_{part}"), getattr(data, f"y_{part}")
        labels = {hash(row.tobytes()): label for row, label in zip(X, y, strict=True)}
        cut = zip(getattr(small, f"X_{part}"), getattr(small, f"y_{part}"), strict=True)
        assert all(labels[hash(row.tobytes())] == label for row, label in cut)


@pytest.mark.skipif(
    not (datasets.data_folder() / "mnist").is_dir() and not (datasets.data_folder() / "downloads" / "mnist").is_dir(),
    reason="needs MNIST: load('mnist') fetches it, or its files in data/mnist",
)
def test_complete_mnist_of_the_data_folder():
    data = load("mnist", standardise=False)
    assert (data.n_train, data.n_test, data.image_shape) == (60_000, 10_000, (28, 28))
    assert np.bincount(data.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


# --- images -----------------------------------------------------------------------------------------------------


@pytest.fixture
def mnist(monkeypatch, tmp_path, rng):
    """A folder for MNIST, whose published files are the eight images and labels returned."""
    parts = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((5, 28, 28), (5,), (3, 28, 28), (3,))]
    parts[1][:], parts[3][:] = [5, 0, 4, 1, 9], [0, 4, 9]
    files = [
        dataclasses.replace(file, sha256=(hashlib.sha256(idx(part)).hexdigest(),))
        for file, part in zip(sources.MNIST.files, parts, strict=True)
    ]
    monkeypatch.setattr(sources, "MNIST", dataclasses.replace(sources.MNIST, files=tuple(files)))
    monkeypatch.setattr(published, "MNIST_ROWS", 5)
    monkeypatch.setenv("SPARSELAB_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    return tmp_path / "mnist", parts


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def openml(parts, header, end="\n"):
    """OpenML's table: a line for each image, pixels first."""
    X, y = np.concatenate(parts[::2]).reshape(-1, 784), np.concatenate(parts[1::2])
    return (header + end.join(",".join(map(str, [*row, label])) for row, label in zip(X, y, strict=True)) + end).encode()


ARFF = "% MNIST\n@RELATION mnist_784\n@ATTRIBUTE pixel1 real\n@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}\n\n@DATA\n"
CSV = ",".join([*(f"pixel{i}" for i in range(1, 785)), "class"]) + "\n"


def is_mnist(data, parts):
    assert (data.name, data.source, data.image_shape, data.classes.tolist()) == ("mnist", "local", (28, 28), [0, 1, 4, 5, 9])
    np.testing.assert_array_equal(data.X_train, parts[0].reshape(5, 784))
    np.testing.assert_array_equal(data.X_test, parts[2].reshape(3, 784))
    assert (data.decode(data.y_train).tolist(), data.decode(data.y_test).tolist()) == ([5, 0, 4, 1, 9], [0, 4, 9])


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_of_the_published_files(mnist, packed):
    folder, parts = mnist
    for file, part in zip(sources.MNIST.files, parts, strict=True):
        name, content = (file.name, gzip.compress(idx(part))) if packed else (file.name.removesuffix(".gz"), idx(part))
        (folder / name).write_bytes(content)
    (folder / "mnist_784.csv").write_text("is not read")
    is_mnist(load("mnist", standardise=False), parts)


@pytest.mark.parametrize("header, name", [(ARFF, "mnist_784.arff"), (CSV, "mnist_784.csv"), (ARFF, "mnist_784.arff.gz")])
def test_mnist_of_openml(mnist, header, name):
    folder, parts = mnist
    content = openml(parts, header)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    is_mnist(load("mnist", standardise=False), parts)


@pytest.mark.parametrize(
    "change, allowed",
    [
        (lambda text: text.replace(b"@DATA", b""), "@DATA"),
        (lambda text: text[:-20], "whole numbers"),
        (lambda text: text.replace(b",5\n", b",6\n", 1), "published images"),
        (lambda text: text.replace(b",5\n", b",x\n", 1), r"whole numbers in \[0, 255\]"),
        (lambda text: text.replace(b",", b",1,"), "784 pixels and a label"),
    ],
)
def test_other_tables_of_openml_are_refused(mnist, change, allowed):
    folder, parts = mnist
    (folder / "mnist_784.arff").write_bytes(change(openml(parts, ARFF)))
    with pytest.raises(ValueError, match=f"mnist_784.arff.*({allowed})"):
        load("mnist")


def test_published_scale_of_images(mnist, monkeypatch, rng):
    folder, parts = mnist
    (folder / "mnist_784.csv").write_bytes(openml(parts, CSV))
    data = load("mnist", standardise="published")
    assert data.X_train.dtype == np.float32
    for X, images in ((data.X_train, parts[0]), (data.X_test, parts[2])):
        np.testing.assert_allclose(X, (images.reshape(len(images), 784) / 255 - 0.1307) / 0.3081, rtol=1e-5, atol=1e-6)
    clothes = load("fashion_mnist_small", standardise="published").X_train
    np.testing.assert_allclose((clothes.min(), clothes.max()), ((0 - 0.2860) / 0.3530, (1 - 0.2860) / 0.3530), rtol=1e-6)
    images, labels = rng.integers(0, 256, (20, 3072), dtype=np.uint8), np.arange(20) % 10
    monkeypatch.setattr(sources, "obtain", lambda source, progress: (["path"], "official"))
    monkeypatch.setattr(published, "read_cifar10", lambda path: (images, labels, images, labels, np.array(list("abcdefghij"))))
    scaled = load("cifar10", standardise="published").X_train.reshape(20, 32, 32, 3)
    for channel, (mean, deviation) in enumerate([(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)]):
        wanted = (images.reshape(20, 3, 32, 32)[:, channel] / 255 - mean) / deviation
        np.testing.assert_allclose(scaled[..., channel], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", ["publish", 1, None])
def test_other_scales_of_images_are_refused(value):
    with pytest.raises((TypeError, ValueError), match='standardise.*True, False, "auto" or "published"'):
        load("fashion_mnist_small", standardise=value)


# --- from arrays ------------------------------------------------------------------------------------------------


def test_from_arrays_leaves_values_and_owners_alone(table):
    X, y = table
    before = X.tobytes()
    data = Dataset.from_arrays(X, y)
    np.testing.assert_array_equal(data.X_train, X.astype(np.float32))
    assert (data.source, data.name, data.X_test, data.n_test) == ("arrays", "arrays", None, 0)
    assert data.decode(data.y_train).tolist() == y.tolist()
    native = X.astype(np.float32)
    Dataset.from_arrays(native, y, standardise=True)
    np.testing.assert_array_equal(native, X.astype(np.float32))
    assert Dataset.from_arrays(native, y, standardise=True, overwrite=True).X_train is native
    assert X.tobytes() == before


def test_standardisation_is_that_of_scikit_learn(table):
    from sklearn.preprocessing import StandardScaler

    X, y = table
    data = Dataset.from_arrays(X[:50], y[:50], X[50:], np.repeat("b", 10), standardise=True)
    scaler = StandardScaler().fit(X[:50])
    varies = [0, 1, 3]
    np.testing.assert_allclose(data.X_train[:, varies], scaler.transform(X[:50])[:, varies], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.X_test[:, varies], scaler.transform(X[50:])[:, varies], rtol=1e-4, atol=1e-5)
    assert not data.X_train[:, 2].any()
    assert not data.X_test[:, 2].any()


def test_a_feature_constant_in_training_only_becomes_zero_in_the_test_part_too():
    X, X_test = np.array([[1.0, 5], [2, 5], [3, 5]]), np.array([[2.0, 9]])
    data = Dataset.from_arrays(X, [0, 1, 0], X_test, [1], standardise=True)
    np.testing.assert_array_equal(data.X_test, [[0, 0]])


def test_sparse_data_are_scaled_without_centring(rng):
    X = sparse.random_array((80, 12), density=0.2, rng=rng, format="csr")
    X = sparse.csr_array(sparse.hstack([X, np.full((80, 1), 3.0)]))
    data = Dataset.from_arrays(X[:60], np.arange(60) % 2, X[60:], np.arange(20) % 2, standardise=True)
    assert data.is_sparse
    assert data.X_train.nnz == X[:60].nnz
    dense = X[:60].toarray()
    right = dense / np.where(dense.std(axis=0) > 0, dense.std(axis=0), 1)
    np.testing.assert_allclose(data.X_train.toarray()[:, :12], right[:, :12], rtol=1e-5)
    assert not data.X_train.toarray()[:, 12].any()
    assert "CSR" in repr(data)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_constant_features_become_exactly_zero_though_their_mean_is_rounded(kind):
    X = np.column_stack([np.full(3, 0.1), np.arange(3.0)])
    assert X[:, 0].mean() != 0.1
    data = Dataset.from_arrays(kind(X), [0, 1, 0], standardise=True, dtype=np.float64)
    assert data.X_train.dtype == np.float64
    assert abs(data.X_train[:, [0]]).max() == 0


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e30])
def test_standardisation_of_any_scale(rng, scale):
    X = (rng.normal(1, 2, (500, 3)) * scale).astype(np.float32)
    standardise(X)
    assert np.isfinite(X).all()
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(X.std(axis=0), 1, atol=1e-5)


def test_test_values_beyond_float32_after_scaling_are_named():
    X, X_test = np.array([[0.0], [1e-30]], dtype=np.float32), np.array([[1e30]], dtype=np.float32)
    with pytest.raises(ValueError, match=r"standardised X_test\[0, 0\]"):
        Dataset.from_arrays(X, [0, 1], X_test, [0], standardise=True)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"X_test": np.ones((2, 4))}, "y_test = None"),
        ({"y_test": [0, 1]}, "X_test = None"),
        ({"X_test": np.ones((2, 3)), "y_test": ["a", "b"]}, "X_test.shape[1] = 3: must be 4"),
        ({"X_test": sparse.csr_array(np.ones((2, 4))), "y_test": ["a", "b"]}, "dense like X"),
        ({"image_shape": (2, 3)}, "image_shape = (2, 3): must be of 4 pixels"),
        ({"source": "internet"}, "source = 'internet'"),
        ({"task": "ranking"}, "task = 'ranking'"),
        ({"dtype": int}, "dtype"),
    ],
)
def test_from_arrays_refuses(table, options, words):
    with pytest.raises((ValueError, TypeError)) as error:
        Dataset.from_arrays(*table, **options)
    assert words in str(error.value)


def test_regression(table):
    X, _ = table
    data = Dataset.from_arrays(X, X[:, :2], X[:5], X[:5, :2], task="regression")
    assert (data.task, data.n_classes, data.n_outputs, data.classes) == ("regression", None, 2, None)
    assert data.y_test.dtype == np.float32
    assert data.split_validation(0.25).y_test.shape == (15, 2)
    assert data.decode(data.y_test) is data.y_test


def test_the_constructor_rejects_arrays_of_another_form(table):
    X, y = np.ascontiguousarray(table[0], dtype=np.float32), np.zeros(60, dtype=np.int64)
    assert Dataset(X, y).n_train == 60
    for bad in (X.tolist(), np.asfortranarray(X), X.astype(int), X[0], sparse.csc_array(X)):
        with pytest.raises(TypeError, match="from_arrays"):
            Dataset(bad, y)
    with pytest.raises(ValueError, match=r"len\(y_train\) = 59"):
        Dataset(X, y[1:])


def test_a_dataset_is_frozen_and_can_be_pickled(table):
    data = Dataset.from_arrays(*table)
    with pytest.raises(AttributeError):
        data.name = "other"
    copy = pickle.loads(pickle.dumps(data))
    assert copy.X_train.tobytes() == data.X_train.tobytes()
    assert repr(copy) == repr(data) == "Dataset('arrays', 60 + 0 x 4 dense float32, 3 classes, source='arrays')"


# --- cutting ----------------------------------------------------------------------------------------------------


@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=6), fraction=st.floats(0.01, 0.99), seed=st.integers(0))
def test_split_keeps_rows_and_proportions(counts, fraction, seed):
    codes = np.repeat(np.arange(len(counts)), counts)
    n_second = min(max(1, round(fraction * len(codes))), len(codes) - len(counts))
    if n_second < 1:
        return
    first, second = splits.split_rows(codes, len(codes), n_second, seed)
    assert sorted([*first, *second]) == list(range(len(codes)))
    assert len(second) == n_second
    given_away = np.bincount(codes[second], minlength=len(counts))
    assert (given_away < counts).all()
    ideal = np.array(counts) * n_second / len(codes)
    if (ideal <= np.array(counts) - 1).all():
        assert (np.abs(given_away - ideal) < 1).all()
    again = splits.split_rows(codes, len(codes), n_second, seed)
    assert again[1].tolist() == second.tolist()


def test_split_that_would_empty_a_class_is_refused():
    with pytest.raises(ValueError, match="at most 2"):
        splits.split_rows(np.array([0, 0, 1, 1]), 4, 3)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_validation_part_comes_from_the_training_part(table, kind):
    X, y = table
    data = Dataset.from_arrays(kind(X), y, kind(X[:3] + 100), y[:3], name="mine", source="stand-in", standardise=False)
    cut = data.split_validation(0.2, seed=4)
    assert (cut.n_train, cut.n_test, cut.name, cut.source) == (48, 12, "mine", "stand-in")
    assert np.bincount(cut.y_test).tolist() == [8, 3, 1]
    assert abs(cut.X_test).max() < 90
    assert data.n_test == 3
    assert cut.X_test.has_sorted_indices if cut.is_sparse else cut.X_test.flags.c_contiguous


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, np.nan, True, "0.1", None])
def test_fractions_that_are_none(table, fraction):
    with pytest.raises((ValueError, TypeError), match="fraction"):
        Dataset.from_arrays(*table).split_validation(fraction)


def test_head(table):
    X, y = table
    data = Dataset.from_arrays(X, y, X[:30], y[:30]).head(10, 4)
    assert (data.n_train, data.n_test, data.n_classes) == (10, 4, 3)
    assert Dataset.from_arrays(X, y).head(1000).n_train == 60
    with pytest.raises(ValueError, match="n_train"):
        data.head(0)


# --- files ------------------------------------------------------------------------------------------------------


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


ROWS = "\n".join(f"{i / 7},{-i},{'yes' if i % 3 else 'no'}" for i in range(30))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("header, target", [("", -1), ("", 2), ("size,höhe,bought\n", "bought"), ("a,b,c\n", -1)])
def test_csv(tmp_path, header, target, encoding, newline):
    path = written(tmp_path / "shop ü.csv", (header + ROWS).replace("\n", newline), encoding)
    data = Dataset.from_csv(path, target, test_fraction=0.2, standardise=False)
    assert (data.n_train, data.n_test, data.n_features) == (24, 6, 2)
    assert (data.classes.tolist(), data.name, data.source) == (["no", "yes"], "shop ü", "local")
    pairs = {(np.float32(i / 7), np.float32(-i)) for i in range(30)}
    assert {tuple(row) for row in np.concatenate([data.X_train, data.X_test])} == pairs
    assert Dataset.from_csv(path, target, test_fraction=0).X_test is None


def test_csv_is_standardised_by_its_training_part(tmp_path):
    data = Dataset.from_csv(written(tmp_path / "a.csv", ROWS))
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-6)
    assert abs(data.X_test[:, 0].mean()) > 1e-4


def test_csv_regression_and_separator(tmp_path):
    path = written(tmp_path / "a.csv", "x;y\n" + "\n".join(f"{i};{i * 0.5}" for i in range(10)))
    data = Dataset.from_csv(path, "y", task="regression", separator=";", standardise=False)
    np.testing.assert_array_equal(data.y_train[:, 0], data.X_train[:, 0] / 2)


@pytest.mark.parametrize(
    "text, words",
    [
        ("a,b,c\n1,2,x\n3,,y\n", "column 'b', line 3 = ''"),
        ("a,b,c\n1,2,x\n=1+1,5,y\n", "column 'a', line 3 = '=1+1'"),
        ("1,2,x\n3,red,y\n", "column 1, line 2 = 'red'"),
        ("1,2,x\n3,NaN,y\n", "column 1, line 2 = 'NaN'"),
        ("1,2,x\n3,inf,y\n", "infinity"),
        ("a,b,c\n1,2,x\n3,4,\n", "column 'c', line 3 = ''"),
        ("1,2,x\n3,4,y,5\n", "equally many cells"),
        ("a,b,c\n1,2,x,4\n1,2,x,4\n", "cells"),
        ("1\n2\n", "columns"),
        ("", "at least one line"),
        (" \n\n", "at least one line"),
        ("a,b\n", "must be"),
        ("1,2,x\n3,4,x\n", "at least two classes"),
        ("a,a,b\n1,2,x\n3,4,y\n", "must be"),
    ],
)
def test_csv_faults_are_named(tmp_path, text, words):
    with pytest.raises(ValueError) as error:
        Dataset.from_csv(written(tmp_path / "bad.csv", text), test_fraction=0)
    assert words in str(error.value)
    assert len(str(error.value)) < 500


def test_csv_that_is_no_text_or_not_there(tmp_path):
    with pytest.raises(ValueError, match="UTF-8"):
        Dataset.from_csv(written(tmp_path / "bad.csv", ROWS + "ä", "latin-1"))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        Dataset.from_csv(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="did you mean 'label'"):
        Dataset.from_csv(written(tmp_path / "a.csv", "x,label\n1,a\n2,b\n"), "lable")
    with pytest.raises(ValueError, match="target = 7"):
        Dataset.from_csv(written(tmp_path / "a.csv", ROWS), 7)


def test_npz(tmp_path, table):
    X, y = table
    np.savez(tmp_path / "whole.npz", X=X, y=y)
    data = Dataset.from_npz(tmp_path / "whole.npz", test_fraction=0.25, image_shape=(2, 2))
    assert (data.n_train, data.n_test, data.name, data.source) == (45, 15, "whole", "local")
    np.savez(tmp_path / "cut.npz", X_train=X, y_train=y, X_test=X[:9], y_test=y[:9], other=3)
    data = Dataset.from_npz(tmp_path / "cut.npz", standardise=False)
    assert (data.n_train, data.n_test) == (60, 9)
    np.testing.assert_array_equal(data.X_train, X.astype(np.float32))


class Harm:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle ran')",)


def test_npz_faults_are_named(tmp_path, table):
    X, y = table
    path = tmp_path / "bad.npz"
    np.savez(path, X=X, answers=y)
    with pytest.raises(ValueError, match="answers"):
        Dataset.from_npz(path)
    whole = path.read_bytes()
    for content in (whole[:200], whole[:-100], b"", b"PK\3\4", b"no zip", pickle.dumps(Harm())):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="must be an .npz"):
            Dataset.from_npz(path)
    np.savez(path, X=X, y=np.array([Harm()] * 60, dtype=object))
    with pytest.raises(ValueError, match="must be an .npz"):
        Dataset.from_npz(path)
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(ValueError, match="must be an .npz"):
        Dataset.from_npz(tmp_path / "one.npy")


def test_published_datasets_hand_over_what_their_files_say(monkeypatch, rng):
    """Without the files: the readers are replaced, the rest of each function runs."""
    monkeypatch.setattr(sources, "obtain", lambda source, progress: ([source.name] * len(source.files), "official"))
    images, labels = rng.integers(0, 256, (20, 3072), dtype=np.uint8), np.arange(20) % 10
    names = np.array(list("abcdefghij"))
    monkeypatch.setattr(published, "read_cifar10", lambda path: (images, labels, images, labels, names))
    data = load("cifar10", standardise=False)
    assert data.source == "official"
    assert data.image_shape == (32, 32, 3)
    picture = data.X_train[3].reshape(data.image_shape)
    np.testing.assert_array_equal(picture[:, :, 1], images[3].reshape(3, 32, 32)[1])
    genes, kinds = rng.normal(size=(60, 9)).astype(np.float32), np.repeat(["AML", "CLL", "MDS"], 20)
    monkeypatch.setattr(published, "read_series_matrix", lambda path: (genes, kinds))
    data = load("leukemia")
    assert (data.n_train, data.n_test, data.classes.tolist()) == (40, 20, ["AML", "CLL", "MDS"])
    assert sorted(np.bincount(data.y_test).tolist()) == [6, 7, 7]
