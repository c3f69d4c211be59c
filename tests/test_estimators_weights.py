"""Weights, and several labels a sample, of the classifier."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import accuracy_score, log_loss, recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.class_weight import compute_class_weight

import sparselab as sl
from sparselab import SparseMLPClassifier


def rows(n=200):
    """Three classes that overlap."""
    random = np.random.default_rng(0)
    y = np.arange(n) % 3
    return random.standard_normal((n, 4)) + y[:, None], np.array(["a", "b", "c"])[y]


@pytest.fixture(scope="module")
def labels():
    """(X, Y) with five labels."""
    return make_multilabel_classification(200, 10, n_classes=5, random_state=0)


def make(**parameters):
    small = {"hidden_layer_sizes": (20,), "epochs": 5, "random_state": 0, "batch_size": 20}
    return SparseMLPClassifier(**small | parameters)


def same(a, b):
    return all(
        np.array_equal(p.w, q.w) and np.array_equal(p.b, q.b) for p, q in zip(a.model_.layers, b.model_.layers, strict=True)
    )


# weights


def test_weights_are_those_of_the_dataset():
    X, y = rows()
    weights = np.random.default_rng(1).random(200)
    by_fit = make(standardise=False, class_weight={"b": 3}, zeta=0).fit(X, y, sample_weight=weights)
    data = sl.datasets.Dataset.from_arrays(X, y).with_weights(weights * np.where(y == "b", 3, 1))
    by_hand = make(standardise=False, zeta=0).fit(X, y, sample_weight=data.weights)
    assert same(by_fit, by_hand)
    assert not same(by_fit, make(standardise=False, zeta=0).fit(X, y))


def test_a_class_of_more_weight_is_predicted_more_often():
    X, y = rows()
    shares = [np.mean(make(class_weight={"b": weight}).fit(X, y).predict(X) == "b") for weight in (0.1, 1, 10)]
    assert shares[0] < shares[1] < shares[2]


def test_balanced_is_the_dict_of_the_same_weights():
    X, y = rows()
    X, y = X[y != "c"][:100], y[y != "c"][:100]
    X, y = np.concatenate([X, X[y == "a"]]), np.concatenate([y, y[y == "a"]])
    n_a, n = np.sum(y == "a"), len(y)
    by_name = make(class_weight="balanced").fit(X, y)
    assert same(by_name, make(class_weight={"a": n / (2 * n_a), "b": n / (2 * (n - n_a))}).fit(X, y))


def test_partial_fit_n_times_with_weights_is_a_fit_of_n_epochs():
    X, y = rows()
    weights, several = np.random.default_rng(1).random(200), make(class_weight={"a": 2})
    for _ in range(3):
        several.partial_fit(X, y, ["a", "b", "c"], sample_weight=weights)
    assert same(several, make(class_weight={"a": 2}, epochs=3).fit(X, y, weights))
    with pytest.raises(ValueError, match="class_weight = 'balanced': must be None or a dict for partial_fit"):
        several.set_params(class_weight="balanced").partial_fit(X, y)


def test_early_stopping_weighs_the_validation_part():
    X, y = rows()
    weights = np.where(y == "a", 1e6, 1.0)
    found = make(early_stopping=True, validation_fraction=0.3).fit(X, y, weights)
    assert np.mean(found.predict(X) == "a") > 0.9
    assert found.best_validation_score_ > 0.9


@pytest.mark.parametrize("weights", [[1, 2], np.zeros(200), -np.ones(200), np.ones((200, 1)), ["a"] * 200, np.full(200, np.nan)])
def test_weights_that_are_not_allowed(weights):
    fitted = make().fit(*rows())
    before = fitted.predict_proba(rows()[0])
    for call in (fitted.fit, fitted.partial_fit):
        with pytest.raises((TypeError, ValueError), match="sample_weight"):
            call(*rows(), sample_weight=weights)
    np.testing.assert_array_equal(fitted.predict_proba(rows()[0]), before)


# several labels a sample


def test_several_labels(labels):
    X, Y = labels
    fitted = make(epochs=30).fit(X, Y)
    assert fitted.model_.sizes[-1] == 5
    assert fitted.classes_.tolist() == [0, 1, 2, 3, 4]
    assert fitted.model_.classes is None
    Z, P, found = fitted.decision_function(X), fitted.predict_proba(X), fitted.predict(X)
    np.testing.assert_allclose(P, 1 / (1 + np.exp(-Z)), rtol=1e-12)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), P)
    np.testing.assert_array_equal(found, (Z > 0).astype(int))
    assert fitted.score(X, Y) == accuracy_score(Y, found)
    assert fitted.score(X, Y) > 0.5
    scores = sl.evaluate(fitted.model_, fitted._scaled(fitted._features(X)), Y, loss="binary_cross_entropy")
    assert scores.accuracy == pytest.approx(fitted.score(X, Y))
    assert scores.loss == pytest.approx(5 * log_loss(Y.ravel(), P.ravel()), rel=1e-5)


def test_two_labels_are_no_two_classes(labels):
    X, Y = labels[0], labels[1][:, :2]
    fitted = make().fit(X, Y)
    assert fitted.decision_function(X).shape == fitted.predict_proba(X).shape == fitted.predict(X).shape == (200, 2)


def test_several_labels_in_every_way_of_fitting(labels):
    X, Y = labels
    whole = make(epochs=3).fit(X, Y)
    for form in (Y.astype(bool), Y.astype(float), Y.tolist()):
        assert same(make(epochs=3).fit(X, form), whole)
    assert same(make(epochs=3).fit(sparse.csr_array(X), Y), make(epochs=3).fit(sparse.csr_matrix(X), Y))
    several = make()
    for _ in range(3):
        several.partial_fit(X, Y)
    assert same(several, whole)
    stopped = make(early_stopping=True, epochs=10).fit(X, Y)
    assert 0 <= stopped.best_validation_score_ <= 1
    again = clone(whole).set_params(warm_start=True).fit(X, Y).fit(X, Y)
    assert again.n_iter_ == 6
    assert not same(make(epochs=3).fit(X, Y, sample_weight=np.arange(200)), whole)
    search = GridSearchCV(make(), {"epochs": [1, 20]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"epochs": 20}


def test_what_several_labels_cannot_be(labels):
    X, Y = labels
    with pytest.raises(ValueError, match=r"y\[0, 0\] = .*: must be 0 or 1"):
        make().fit(X, Y + 3)
    fitted = make(warm_start=True).fit(X, Y)
    for y, words in ((Y[:, 0], "0 and 1 for each label"), (Y[:, :3], "those trained on before")):
        with pytest.raises(ValueError, match=words):
            fitted.fit(X, y)
    with pytest.raises(ValueError, match="one label a sample, as in the fit before"):
        make(warm_start=True).fit(X, Y[:, 0]).fit(X, Y)


def test_weights_of_several_labels_are_those_of_the_loss(labels):
    X, Y = labels
    weights = (1, 3, 0, 1, 0.5)
    found = make(class_weight={1: 3, 2: 0, np.int64(4): 0.5}).fit(X, Y)
    assert same(found, make(loss=sl.BinaryCrossEntropy(positive_weights=weights)).fit(X, Y))
    assert not same(found, make().fit(X, Y))
    twice = make(class_weight={0: 2}, loss=sl.BinaryCrossEntropy(positive_weights=weights, output_weights=weights)).fit(X, Y)
    both = sl.BinaryCrossEntropy(positive_weights=(2, 3, 0, 1, 0.5), output_weights=weights)
    assert same(twice, make(loss=both).fit(X, Y))


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "squared_hinge"])
def test_balanced_labels_are_balanced_as_two_classes_each(labels, loss):
    X, Y = labels
    each = [compute_class_weight("balanced", classes=np.arange(2), y=column) for column in Y.T]
    by_hand = sl.losses.NAMES[loss](output_weights=[w[0] for w in each], positive_weights=[w[1] / w[0] for w in each])
    found = make(class_weight="balanced", loss=loss).fit(X, Y)
    assert same(found, make(loss=by_hand).fit(X, Y))
    assert same(found, make(class_weight="balanced", loss=loss).fit(X, sparse.csr_array(Y)))


def test_balanced_labels_count_a_weight_as_so_many_samples(labels):
    X, Y = labels
    times = np.random.default_rng(0).integers(0, 4, len(X))
    each = [compute_class_weight("balanced", classes=np.arange(2), y=column) for column in np.repeat(Y, times, axis=0).T]
    by_hand = sl.BinaryCrossEntropy(output_weights=[w[0] for w in each], positive_weights=[w[1] / w[0] for w in each])
    assert same(make(class_weight="balanced").fit(X, Y, times), make(loss=by_hand).fit(X, Y, times))


def test_a_rare_label_is_found_with_balanced_weights():
    X = np.random.default_rng(0).standard_normal((400, 4))
    Y = np.stack([X[:, 0] > 0, X[:, 1] + X[:, 2] / 2 > 1.8, np.ones(400), np.zeros(400)], axis=1).astype(int)
    plain, balanced = (make(class_weight=weight, epochs=10).fit(X, Y).predict(X) for weight in (None, "balanced"))
    assert recall_score(Y[:, 1], balanced[:, 1]) > 0.95 > recall_score(Y[:, 1], plain[:, 1]) + 0.05
    assert np.array_equal(balanced[:, 2:], Y[:, 2:])


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ({5: 1}, r"class_weight = 5: must be a dict whose keys are classes, \[0, 1, 2, 3, 4\]"),
        ({0: -1}, r"class_weight\[0\] = -1"),
        ({0: np.nan}, r"class_weight\[0\] = nan"),
        (dict.fromkeys(range(5), 0), "class_weight = .*: must be not 0 for all labels"),
        ([1, 1, 1, 1, 1], 'must be "balanced" or a dict'),
        ("balance", 'class_weight = .balance.: must be "balanced" or a dict'),
    ],
)
def test_weights_that_labels_cannot_have(labels, weight, words):
    fitted = make(warm_start=True).fit(*labels)
    before = fitted.predict_proba(labels[0])
    with pytest.raises((TypeError, ValueError), match=words):
        fitted.set_params(class_weight=weight).fit(*labels)
    np.testing.assert_array_equal(fitted.predict_proba(labels[0]), before)
    with pytest.raises(ValueError, match="output_weights = .*: must be 5 numbers"):
        make(class_weight={0: 2}, loss=sl.BinaryCrossEntropy(output_weights=[1, 2])).fit(*labels)


def test_columns_of_several_labels_are_their_classes(labels):
    X, Y = labels
    for wrong in ([0, 1], list("abcde")):
        with pytest.raises(ValueError, match=r"classes = .*: must be None or the columns of y, \[0, 1, 2, 3, 4\]"):
            make().partial_fit(X, Y, classes=wrong)
    assert make().partial_fit(X, Y, classes=range(5)).classes_.tolist() == [0, 1, 2, 3, 4]


def test_numbers_to_predict_and_weights_that_make_no_sense_are_named(labels):
    X, Y = labels
    with pytest.raises(TypeError, match="y = .*: must be a dense array of numbers"):
        sl.SparseMLPRegressor((5,)).fit(X, sparse.csr_array(Y))
    with pytest.raises(ValueError, match="sample_weight = .*: must be numbers whose sum is finite"):
        make().fit(X, Y, sample_weight=np.full(len(X), 1e308))
