"""Defaults that learn: at every density, on counts and TF-IDF of words and on 8-bit images; settings of the paper by name."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import dump_svmlight_file, load_digits
from sklearn.feature_extraction.text import TfidfTransformer

import sparselab as sl
from sparselab.datasets import Dataset
from sparselab.datasets.scaling import CommonScale

TOPICS = 8


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:1000], y[:1000]


@pytest.fixture(scope="module")
def corpus():
    """(counts, topics): rows of 60 words of a vocabulary with Zipf's frequencies, half of them from the topic's own words."""
    rng, n_rows, n_words = np.random.default_rng(0), 800, 1500
    zipf = 1 / np.arange(1, n_words + 1)
    own = [rng.permutation(n_words)[:150] for _ in range(TOPICS)]
    y = np.arange(n_rows) % TOPICS
    X = sparse.lil_array((n_rows, n_words), dtype=np.float32)
    for row, topic in enumerate(y):
        words = rng.choice(n_words, 30, p=zipf / zipf.sum())
        of_topic = rng.choice(own[topic], 30, p=zipf[own[topic]] / zipf[own[topic]].sum())
        for word in (*words, *of_topic):
            X[row, word] += 1
    return X.tocsr(), y


def trained(model, data, epochs):
    return list(sl.train(model, data, optimizer=sl.MomentumSGD(0.01), rules=[sl.SET(0.3)], epochs=epochs, batch_size=32, seed=0))


@pytest.mark.parametrize("activation", ["all_relu", "relu"])
@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("epsilon", [1, 2, 5, 20, 50])
def test_nets_of_any_density_learn(digits, epsilon, depth, activation):
    X, y = digits
    data = sl.datasets.Dataset.from_arrays(X, y, standardise=True)
    model = sl.SparseMLP.create((64, *(100,) * depth, 10), epsilon=epsilon, activation=activation, seed=0)
    records = trained(model, data, 8)
    assert records[-1].train_loss < 0.97 * np.log(10)
    assert records[-1].train_loss < records[0].train_loss


def test_the_old_scale_does_not_learn_where_the_default_does(digits):
    X, y = digits
    data = sl.datasets.Dataset.from_arrays(X, y, standardise=True)
    losses = []
    for options in ({}, {"initializer": "he_uniform"}):
        model = sl.SparseMLP.create((64, 100, 100, 100, 100, 10), epsilon=2, seed=0, **options)
        losses.append(trained(model, data, 8)[-1].train_loss)
    assert losses[0] < losses[1] - 0.2


def test_default_values_fill_the_interval_of_each_neuron():
    model = sl.SparseMLP.create((300, 200, 100), epsilon=5, seed=0)
    by_width = sl.SparseMLP.create((300, 200, 100), epsilon=5, seed=0, initializer=sl.HeUniform("width"))
    by_links = sl.SparseMLP.create((300, 200, 100), epsilon=5, seed=0, initializer=sl.HeUniform("links"))
    np.testing.assert_array_equal(model.layers[0].w, by_width.layers[0].w)
    np.testing.assert_array_equal(model.layers[1].w, by_links.layers[1].w)
    assert model.initializer == sl.HeUniform("width")


def test_counts_and_tfidf_learn_with_no_argument(corpus):
    counts, y = corpus
    tfidf = TfidfTransformer().fit_transform(counts)
    for X in (counts, tfidf):
        classifier = sl.SparseMLPClassifier(random_state=0).fit(X[:600], y[:600])
        assert classifier.score(X[600:], y[600:]) > 0.85
        assert isinstance(classifier.scaler_, CommonScale)


def accuracy(data):
    """The test accuracy of a net trained with default arguments."""
    model = sl.SparseMLP.create((data.n_features, 100, TOPICS), seed=0)
    return list(sl.train(model, data, seed=0, threads=1))[-1].test_accuracy


def test_datasets_of_tfidf_learn_with_no_argument(corpus, tmp_path):
    X, y = TfidfTransformer().fit_transform(corpus[0]), corpus[1]
    parts = X[:600], y[:600], X[600:], y[600:]
    dump_svmlight_file(X, y, str(tmp_path / "words.svmlight"), zero_based=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = Dataset.from_arrays(*parts, standardise="auto")
        file = Dataset.from_file(tmp_path / "words.svmlight", test_fraction=0.25)
        raw = Dataset.from_arrays(*parts)
        divided = Dataset.from_arrays(*parts, standardise=True)
    assert accuracy(data) > 0.85
    assert accuracy(file) > 0.85
    assert accuracy(raw) < 0.8
    np.testing.assert_allclose(data.X_test.toarray(), data.factor * X[600:].toarray(), rtol=1e-6)
    lengths = np.square(data.X_train.toarray().astype(float)).sum(axis=1)
    assert np.sqrt(lengths.mean()) == pytest.approx(10, rel=1e-4)
    assert data.split_validation(0.1).factor == data.head(5).factor == data.factor
    assert raw.factor == divided.factor == 1
    assert np.array_equal(raw.X_train.data, X[:600].astype(np.float32).data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_values_are_scaled_in_the_dtype_of_the_dataset(dtype, corpus):
    X = corpus[0].astype(np.float64) * 1e300
    if dtype == np.float32:
        X *= 1e-270
    before = X.copy()
    data = Dataset.from_arrays(X, corpus[1], standardise="auto", dtype=dtype, overwrite=True)
    assert data.X_train.dtype == dtype
    assert np.sqrt(np.square(data.X_train.data).sum() / 800) == pytest.approx(10, rel=1e-5)
    assert (X != before).nnz == 0


def test_dense_datasets_are_what_they_were(digits):
    X, y = digits
    assert Dataset.from_arrays(X.astype(np.float32), y).X_train.tobytes() == X.astype(np.float32).tobytes()
    scaled, auto = (Dataset.from_arrays(X, y, standardise=value).X_train for value in (True, "auto"))
    deviation = np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    np.testing.assert_allclose(scaled, (X - X.mean(axis=0)) / deviation, atol=1e-5)
    assert scaled.tobytes() == auto.tobytes()


def test_tuples_are_taken_as_they_are(corpus):
    X, y = corpus[0] * 100.0, corpus[1]
    model = sl.SparseMLP.create((X.shape[1], 30, TOPICS), seed=0)
    trained, plain = model.copy(), model.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(sl.train(trained, (X, y), epochs=1, seed=0, threads=1))
        list(sl.train(plain, Dataset.from_arrays(X, y), epochs=1, seed=0, threads=1))
    assert np.array_equal(trained.layers[0].w, plain.layers[0].w)


@pytest.mark.parametrize("value", ["Auto", "yes", "", 0, 1, 1.0, [], ["auto"], np.array(["auto"]), b"auto"])
def test_datasets_refuse_other_values_of_standardise(value, tmp_path):
    (tmp_path / "t.csv").write_text("1.5,x\n2,y\n")
    for call in (
        lambda: Dataset.from_arrays(np.eye(8), np.arange(8) % 2, standardise=value),
        lambda: Dataset.from_file(tmp_path / "t.csv", standardise=value),
        lambda: Dataset.from_file(tmp_path / "t.csv", standardise=None),
    ):
        with pytest.raises((TypeError, ValueError), match='standardise.*True, False or "auto"'):
            call()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_8_bit_images_learn_with_no_argument(digits, kind):
    X, y = digits
    X = kind((X * 15).astype(np.uint8))
    assert sl.SparseMLPClassifier(random_state=0).fit(X[:800], y[:800]).score(X[800:], y[800:]) > 0.85


@pytest.mark.parametrize("factor", [1e-30, 1, 1e30])
def test_unit_of_sparse_data_does_not_matter(corpus, factor):
    X = corpus[0].astype(np.float32) * np.float32(factor)
    scaled = CommonScale().fit(X).transform(X)
    lengths = np.sqrt(np.square(scaled.toarray().astype(np.float64)).sum(axis=1))
    assert np.sqrt(np.mean(lengths**2)) == pytest.approx(10, rel=1e-4)
    np.testing.assert_allclose(scaled.data / scaled.data[0], corpus[0].data / corpus[0].data[0], rtol=1e-5)


def test_sparse_zeros_stay_zeros():
    X = sparse.csr_array((3, 4), dtype=np.float32)
    assert CommonScale().fit(X).transform(X).nnz == 0
    X = sparse.csr_array(np.zeros((2, 2), np.float32) + [[0], [0]])
    assert CommonScale().fit(X).factor_ == 1


@pytest.mark.parametrize("value", ["Auto", "yes", "", None, 0, 1, 1.0, [], ["auto"], np.array(["auto"]), b"auto"])
def test_other_values_of_standardise_are_refused(value):
    with pytest.raises((TypeError, ValueError), match='standardise.*True, False or "auto"'):
        sl.SparseMLPClassifier((4,), epochs=1, standardise=value).fit(np.eye(8), np.arange(8) % 2)


def test_defaults_survive_clone():
    one = clone(sl.SparseMLPClassifier())
    assert (one.standardise, one.initializer) == ("auto", None)


def test_presets_of_the_paper_keep_its_values():
    for name in ("fashion_mnist", "madelon", "higgs", "cifar10", "leukemia"):
        config = sl.ExperimentConfig.paper(name)
        assert (config.fan, config.importance) == ("width", "incoming")
    rule, default = sl.ImportancePruning.paper(), sl.ImportancePruning()
    assert (rule.mode, rule.importance, rule.fold) == ("links", sl.importances.incoming, "bias")
    assert (rule.start, rule.every, rule.percentile) == (200, 10, 20.0)
    assert (default.importance, default.fold) == (sl.importances.outgoing, "mean")


def test_built_nets_are_those_of_create(digits):
    X, y = digits
    data = sl.datasets.Dataset.from_arrays(X, y)
    built = sl.build(sl.ExperimentConfig(hidden=(30, 20), epsilon=3.0, seed=4), data=data).model
    made = sl.SparseMLP.create((64, 30, 20, 10), epsilon=3.0, seed=4)
    paper = sl.build(sl.ExperimentConfig(hidden=(30, 20), epsilon=3.0, seed=4, fan="width"), data=data).model
    for one, other in zip(built.layers, made.layers, strict=True):
        np.testing.assert_array_equal(one.w, other.w)
    assert not np.array_equal(paper.layers[1].w, made.layers[1].w)
