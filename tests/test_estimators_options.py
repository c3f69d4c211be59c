"""Importances, losses, callbacks and validation rows of the classifier and the regressor, and what a weight is worth."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from test_estimators_weights import same

import sparselab as sl
from sparselab import SparseMLPClassifier, SparseMLPRegressor

FORMS = [np.asarray, csr_array]
KINDS = [SparseMLPClassifier, SparseMLPRegressor]
LOSSES = {
    SparseMLPClassifier: [None, "binary_cross_entropy", "squared_hinge"],
    SparseMLPRegressor: ["mean_squared_error", "mean_absolute_error", "huber", "poisson", "quantile"],
}


def rows(n=120, n_features=6, n_classes=3, seed=0):
    """Classes, which are numbers too, that the first two features tell."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = random.standard_normal((n, n_features))
    X[:, 0] += 4 * y
    X[:, 1] -= 4 * (y == 1)
    return X, y


def make(kind=SparseMLPClassifier, **parameters):
    small = {"hidden_layer_sizes": (20,), "epochs": 4, "random_state": 0, "batch_size": 20}
    return kind(**small | parameters)


# importances of features


@pytest.mark.parametrize("kind", KINDS)
def test_importances_are_shares_of_the_strengths_of_inputs(kind):
    X, y = rows()
    with pytest.raises(NotFittedError):
        make(kind).feature_importances_  # noqa: B018
    fitted = make(kind, epochs=30, weight_decay=0.01, density=0.5).fit(X, y)
    found = fitted.feature_importances_
    strengths = np.abs(fitted.model_.layers[0].to_scipy().toarray()).sum(axis=0)
    np.testing.assert_allclose(found, strengths / strengths.sum(), rtol=1e-6)
    assert found.sum() == pytest.approx(1)
    assert set(np.argsort(-found)[:1].tolist()) <= {0, 1}
    np.testing.assert_array_equal(
        make(kind, epochs=30, weight_decay=0.01, density=0.5).fit(X * 1024, y).feature_importances_, found
    )
    chosen = SelectFromModel(fitted, prefit=True, max_features=2).transform(X)
    np.testing.assert_array_equal(chosen, X[:, np.sort(np.argsort(-found)[:2])])


def test_importances_without_any_strength_are_0():
    fitted = make().fit(*rows())
    fitted.model_.layers[0].w[:] = 0
    assert fitted.feature_importances_.tolist() == [0.0] * 6


# losses of the classifier

BINARY = {"binary_cross_entropy": sl.BinaryCrossEntropy, "squared_hinge": sl.SquaredHinge}


@pytest.mark.parametrize("loss", [*BINARY, sl.BinaryCrossEntropy(), sl.SoftmaxCrossEntropy(0.1)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_by_other_losses(loss, n_classes):
    X, y = rows(n_classes=n_classes)
    names = np.array(["a", "b", "c"])[y]
    fitted = make(loss=loss, epochs=30, learning_rate=0.005).fit(X, names)
    one_output = n_classes == 2 and not isinstance(loss, sl.SoftmaxCrossEntropy)
    assert fitted.model_.sizes[-1] == (1 if one_output else n_classes)
    assert fitted.score(X, names) > 0.9
    assert fitted.history_[-1].train_accuracy > 0.9
    found = fitted.decision_function(X)
    best = (found > 0).astype(int) if n_classes == 2 else found.argmax(axis=1)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[best])
    scores = sl.evaluate(fitted.model_, fitted._scaled(fitted._features(X)), names, loss=loss)
    assert scores.accuracy == pytest.approx(fitted.score(X, names))


def test_one_against_the_rest_is_a_binary_loss_of_one_hot_labels():
    X, y = rows()
    for name in BINARY:
        by_class, by_label = make(loss=name).fit(X, y), make(loss=name).fit(X, np.eye(3, dtype=int)[y])
        assert same(by_class, by_label)
        assert by_class.loss_ == by_label.loss_


def test_probabilities_of_one_against_the_rest():
    X, y = rows()
    fitted = make(loss="binary_cross_entropy").fit(X, y)
    each = 1 / (1 + np.exp(-fitted.decision_function(X)))
    np.testing.assert_allclose(fitted.predict_proba(X), each / each.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(fitted.predict_proba(X).argmax(axis=1), fitted.predict(X))
    X, y = rows(n_classes=2)
    fitted = make(loss="binary_cross_entropy").fit(X, y)
    second = 1 / (1 + np.exp(-fitted.decision_function(X)))
    np.testing.assert_allclose(fitted.predict_proba(X), np.stack([1 - second, second], axis=1))
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), fitted.predict_proba(X))


def test_several_labels_by_the_squared_hinge():
    X, Y = make_multilabel_classification(200, 10, n_classes=5, random_state=0)
    fitted = make(loss="squared_hinge", learning_rate=0.003, epochs=30).fit(X, Y)
    assert fitted.score(X, Y) > 0.5
    np.testing.assert_array_equal(fitted.predict(X), fitted.decision_function(X) > 0)
    with pytest.raises(ValueError, match="loss = 'softmax_cross_entropy': must be .* for several labels a sample"):
        make(loss="softmax_cross_entropy").fit(X, Y)
    for loss in (None, "binary_cross_entropy", sl.BinaryCrossEntropy):
        assert same(make(loss=loss).fit(X, Y), make().fit(X, Y))


def test_there_are_probabilities_of_cross_entropies_only():
    X, y = rows()
    fitted = make(loss="squared_hinge").fit(X, y)
    for name in ("predict_proba", "predict_log_proba"):
        assert not hasattr(fitted, name)
        with pytest.raises(AttributeError) as error:
            getattr(fitted, name)(X)
        assert "loss = 'squared_hinge': must be a cross-entropy for probabilities" in str(error.value.__cause__)
    assert CalibratedClassifierCV(make(loss="squared_hinge"), cv=2).fit(X, y).predict_proba(X).shape == (120, 3)


def test_a_net_goes_on_with_a_loss_of_its_kind():
    X, y = rows()
    fitted = make(warm_start=True, loss="squared_hinge").fit(X, y)
    assert fitted.set_params(loss=sl.SquaredHinge(output_weights=[1, 1, 2])).fit(X, y).n_iter_ == 8
    with pytest.raises(ValueError, match="loss = None: must be a SquaredHinge, with which the net was made"):
        fitted.set_params(loss=None).fit(X, y)


# one class


@pytest.mark.parametrize("loss", [None, "binary_cross_entropy", "squared_hinge"])
@pytest.mark.parametrize("form", FORMS)
def test_a_single_class_is_predicted(loss, form):
    X, _ = rows()
    fitted = make(loss=loss).fit(form(X), ["only"] * 120)
    assert fitted.classes_.tolist() == ["only"]
    assert set(fitted.predict(form(X))) == {"only"}
    if loss != "squared_hinge":
        np.testing.assert_array_equal(fitted.predict_proba(form(X)), np.ones((120, 1)))


@pytest.mark.parametrize("loss", [None, "binary_cross_entropy", "squared_hinge"])
@pytest.mark.parametrize("class_weight", [None, {"b": 2}])
def test_shards_with_one_class_each(loss, class_weight):
    X, y = rows()
    names = np.array(["a", "b", "c"])[y]
    fitted = make(loss=loss, class_weight=class_weight, zeta=0, learning_rate=0.003)
    for _ in range(40):
        for name in "abc":
            fitted.partial_fit(X[names == name], names[names == name], classes=["a", "b", "c"])
    assert fitted.model_.sizes[-1] == 3
    assert fitted.n_iter_ == 120
    assert fitted.score(X, names) > 0.6


# what a weight is worth

WHOLE = {"epochs": 1, "batch_size": 10**6, "standardise": False, "learning_rate": 0.05, "activation": "tanh"}  # one step


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("several", [False, True])
def test_a_weight_of_k_is_the_row_k_times(kind, several, monkeypatch):
    create = sl.SparseMLP.create
    monkeypatch.setattr(sl.SparseMLP, "create", lambda *sizes, **options: create(*sizes, dtype="float64", **options))
    X, y = rows(60)
    X, Y = X.astype(np.float32), np.stack([y == 0, y > 0, X[:, 2] > 0], axis=1).astype(int) if several else y
    counts = np.random.default_rng(1).integers(0, 4, 60)
    counts[:3] = 1  # all classes
    options = WHOLE | ({"scale_target": False} if kind is SparseMLPRegressor else {})
    for loss in LOSSES[kind]:
        weighted = make(kind, loss=loss, **options).fit(X, Y, sample_weight=counts)
        repeated = make(kind, loss=loss, **options).fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0))
        for a, b in zip(weighted.model_.layers, repeated.model_.layers, strict=True):
            assert a.w.dtype == np.float64
            np.testing.assert_allclose(a.w, b.w, rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(a.b, b.b, rtol=1e-11, atol=1e-13)
        assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-11)
        plain = make(kind, loss=loss, **options).fit(X, Y)
        assert not same(weighted, plain)


# callbacks


@pytest.mark.parametrize("kind", KINDS)
def test_callbacks_get_every_record_and_may_stop(kind):
    X, y = rows()
    seen, also = [], []

    def stop_after_two(record):
        seen.append(record)
        return record.epoch == 2

    fitted = make(kind, epochs=5, callbacks=[stop_after_two, also.append]).fit(X, y)
    assert fitted.n_iter_ == 2
    assert list(fitted.history_) == seen == also
    assert same(fitted, make(kind, epochs=2).fit(X, y))
    one = make(kind, callbacks=lambda record: record.epoch)  # a number is no True
    assert one.fit(X, y).n_iter_ == 4
    later = []
    fitted.set_params(callbacks=later.append).partial_fit(X, y)
    assert [record.epoch for record in later] == [3]
    assert clone(fitted).get_params()["callbacks"] is not None


def test_a_callback_that_fails_leaves_the_earlier_fit_and_one_that_stops_the_best_epoch():
    X, y = rows()

    def fail(record):
        raise ArithmeticError(f"in epoch {record.epoch}")

    fitted = make(warm_start=True).fit(X, y)
    before = fitted.predict_proba(X)
    with pytest.raises(ArithmeticError, match="in epoch 5"):
        fitted.set_params(callbacks=fail).fit(X, y)
    np.testing.assert_array_equal(fitted.predict_proba(X), before)
    options = {"early_stopping": True, "n_epochs_no_change": 50, "learning_rate": 0.002}
    stopped = make(SparseMLPRegressor, epochs=50, callbacks=lambda record: record.epoch == 6, **options).fit(X, y)
    assert stopped.n_iter_ == 6
    assert stopped.best_epoch_ == 1 + np.argmin(stopped.history_["test_loss"])
    assert same(stopped, make(SparseMLPRegressor, epochs=6, **options).fit(X, y))


def test_callbacks_of_a_fit_that_goes_on_from_its_folder_get_the_earlier_records_too(tmp_path):
    X, y = rows()
    first, second = [], []
    make(epochs=3, callbacks=first.append, checkpoint=tmp_path).fit(X, y)
    make(epochs=5, callbacks=second.append, checkpoint=tmp_path).fit(X, y)
    assert second[:3] == first
    assert [record.epoch for record in second] == [1, 2, 3, 4, 5]


# validation rows


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_validation_rows_are_scored_and_not_trained_on(kind, form):
    (X, y), (Xv, yv) = rows(), rows(40, seed=1)
    fitted = make(kind, epochs=6).fit(form(X), y, validation=(form(Xv), yv))
    assert same(fitted, make(kind, epochs=6).fit(form(X), y))
    if kind is SparseMLPClassifier:
        assert fitted.history_[-1].test_accuracy == fitted.score(form(Xv), yv)
    else:
        assert fitted.history_[-1].test_r2 == pytest.approx(fitted.score(form(Xv), yv), rel=1e-4)
    assert fitted.best_epoch_ is None


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_by_validation_rows(kind):
    (X, y), (Xv, yv) = rows(), rows(40, seed=1)
    options = {"epochs": 60, "early_stopping": True, "n_epochs_no_change": 3, "tol": 0.01, "warm_start": True}
    fitted = make(kind, **options).fit(X, y, validation=(Xv, yv))
    assert fitted.n_iter_ < 60
    score = fitted.history_["test_accuracy"] if kind is SparseMLPClassifier else [-x for x in fitted.history_["test_loss"]]
    assert fitted.best_epoch_ == 1 + np.argmax(score)
    assert fitted.best_validation_score_ == max(score)
    assert same(fitted, make(kind, epochs=fitted.best_epoch_).fit(X, y))  # all of X is trained on
    before = fitted.n_iter_
    assert fitted.fit(X, y, validation=(Xv[:5], yv[:5])).n_iter_ > before


def test_validation_rows_of_several_labels_dense_or_sparse_and_of_some_classes():
    X, Y = make_multilabel_classification(200, 10, n_classes=5, random_state=0)
    records = [make().fit(X[:150], a(Y[:150]), validation=(X[150:], b(Y[150:]))).history_ for a in FORMS for b in FORMS]
    assert all(list(one) == list(records[0]) for one in records)
    assert records[0][-1].test_accuracy == make().fit(X[:150], Y[:150]).score(X[150:], Y[150:])
    X, y = rows()
    assert make().fit(X, y, validation=(X[y == 1], y[y == 1])).history_[-1].test_accuracy is not None


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (SparseMLPClassifier, lambda X, y: (X, y + 1), r"validation: y\[2\] = 3: must be one of the classes \[0, 1, 2\]"),
        (
            SparseMLPClassifier,
            lambda X, y: (X, np.eye(3, dtype=int)[y]),
            "validation: y = .*: must be one label a sample",
        ),
        (SparseMLPClassifier, lambda X, y: (X, None), "validation: .*y"),
        (SparseMLPRegressor, lambda X, y: (X[:, :2], y), "validation: X has 2 features, but SparseMLPRegressor is expecting 6"),
        (SparseMLPRegressor, lambda X, y: (X * np.nan, y), r"validation: X\[0, 0\] = nan"),
        (SparseMLPRegressor, lambda X, y: (X, y[:5]), "validation: .*inconsistent numbers of samples"),
        (SparseMLPRegressor, lambda X, y: (X, np.stack([y, y], axis=1)), r"validation: y.shape = \(120, 2\)"),
        (SparseMLPRegressor, lambda X, y: X, "validation = .*: must be None or a tuple"),
        (SparseMLPRegressor, lambda X, y: (X, y, y), "validation = .*: must be None or a tuple"),
    ],
)
def test_validation_rows_that_do_not_fit_are_named_before_anything_is_trained(kind, change, words):
    seen, (X, y) = [], rows()
    estimator = make(kind, callbacks=seen.append)
    with pytest.raises((TypeError, ValueError), match=words):
        estimator.fit(X, y, validation=change(X, y))
    assert not seen
    assert not hasattr(estimator, "model_")
    assert not hasattr(estimator, "n_features_in_")


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_samples_for_an_estimator_of_dense_ones_are_named(kind):
    X, y = rows()
    fitted = make(kind, warm_start=True, epochs=1).fit(X, y)
    calls = [
        lambda: fitted.predict(csr_array(X)), lambda: fitted.partial_fit(csr_array(X), y), lambda: fitted.fit(csr_array(X), y),
        lambda: make(kind).fit(X, y, validation=(csr_array(X), y)),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="X = .*: must be dense, as the samples that the scaling was fitted to"):
            call()
    assert make(kind, epochs=1).fit(csr_array(X), y).predict(X).shape == (len(X),)
