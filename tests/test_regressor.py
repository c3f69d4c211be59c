"""The regressor passes scikit-learn's own checks and ours."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_estimators import BAD as BAD_OF_CLASSIFIER
from test_estimators import WAIVED
from test_estimators_weights import same

import sparselab as sl
from sparselab import SparseMLPRegressor

CHECKED = [
    SparseMLPRegressor((20,), learning_rate=0.001, epochs=60, random_state=0),
    SparseMLPRegressor((30,), zeta=0, activation="tanh", early_stopping=True, loss="mean_absolute_error", random_state=0),
]


def with_numpys_generator_restored(check, estimator):
    before = np.random.get_state()  # noqa: NPY002
    check(estimator)
    np.random.set_state(before)  # noqa: NPY002


@parametrize_with_checks(CHECKED[:1], expected_failed_checks=lambda estimator: WAIVED)
def test_scikit_learns_own_checks(estimator, check):
    with_numpys_generator_restored(check, estimator)


@pytest.mark.slow
@parametrize_with_checks(CHECKED[1:], expected_failed_checks=lambda estimator: WAIVED)
def test_scikit_learns_own_checks_with_other_settings(estimator, check):
    with_numpys_generator_restored(check, estimator)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def make(**parameters):
    small = {"hidden_layer_sizes": (20,), "epochs": 4, "random_state": 0}
    return SparseMLPRegressor(**small | parameters)


# what it is for


def test_diabetes(diabetes):
    X, y = diabetes
    pipeline = make_pipeline(StandardScaler(), SparseMLPRegressor((20,), epochs=20, learning_rate=0.003, random_state=0))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.4


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error", "huber", "quantile", sl.HuberLoss(0.5)])
def test_units_of_the_targets_do_not_matter(diabetes, loss):
    X, y = diabetes
    one, other = make(loss=loss).fit(X, y), make(loss=loss).fit(X, 1e6 * y - 1e9)
    np.testing.assert_allclose(other.predict(X), 1e6 * one.predict(X) - 1e9, rtol=1e-2)
    assert one.target_mean_ == pytest.approx(y.mean())
    assert one.target_scale_ == pytest.approx(y.std())


def test_scaling_is_that_of_scikit_learn_before_train(diabetes):
    X, y = diabetes
    scaled = (y - y.mean()) / y.std()
    fitted = make(standardise=False, zeta=0).fit(X, y)
    by_hand = make(standardise=False, zeta=0, scale_target=False).fit(X, scaled)
    assert same(fitted, by_hand)
    np.testing.assert_allclose(fitted.predict(X), by_hand.predict(X) * y.std() + y.mean())
    scores = sl.evaluate(fitted.model_, X, scaled)
    assert scores.r2 == pytest.approx(fitted.score(X, y))
    assert scores.loss == pytest.approx(np.mean((by_hand.predict(X) - scaled) ** 2) / 2, rel=1e-5)


def test_several_outputs_have_scales_of_their_own(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, -1000 * y + 3, np.full(len(y), 7.0)])
    fitted = make(epochs=20).fit(X, Y)
    assert fitted.model_.sizes[-1] == 3
    assert fitted.predict(X).shape == Y.shape
    assert fitted.target_scale_[2] == 1
    assert r2_score(Y[:, :2], fitted.predict(X)[:, :2]) > 0.4
    assert make().fit(X, y).predict(X).shape == (len(y),)
    assert make().fit(X, y[:, None]).predict(X).shape == (len(y), 1)


def test_counts():
    random = np.random.default_rng(0)
    X = random.standard_normal((400, 3))
    rate = np.exp(1000 ** (1 / 3) * 0.5 + X[:, 0])
    y = random.poisson(rate)
    fitted = make(loss="poisson", epochs=30, learning_rate=0.003, zeta=0).fit(X, y)
    assert np.all(fitted.predict(X) > 0)
    assert fitted.score(X, rate) > 0.9
    assert fitted.predict(X).mean() == pytest.approx(y.mean(), rel=0.15)
    assert make(loss="poisson").fit(X, 0 * y).target_scale_ == 1


def test_quantiles(diabetes):
    X, y = diabetes
    shares = [np.mean(y < make(loss=sl.QuantileLoss(q), epochs=20).fit(X, y).predict(X)) for q in (0.1, 0.5, 0.9)]
    assert shares[0] < 0.25 < shares[1] < 0.7 < shares[2]


def test_weights(diabetes):
    X, y = diabetes
    weights = np.where(y > 200, 20.0, 1.0)
    assert make(epochs=20).fit(X, y, weights).predict(X).mean() > make(epochs=20).fit(X, y).predict(X).mean() + 20
    fitted = make().fit(X, y)
    assert fitted.score(X, y, weights) == pytest.approx(r2_score(y, fitted.predict(X), sample_weight=weights))


# ways to fit


def test_partial_fit_n_times_is_a_fit_of_n_epochs(diabetes):
    X, y = diabetes
    several = make()
    for _ in range(4):
        several.partial_fit(X, y)
    assert same(several, make().fit(X, y))


def test_warm_start_and_copies(diabetes):
    X, y = diabetes
    fitted = make(warm_start=True).fit(X, y)
    again = pickle.loads(pickle.dumps(fitted)).fit(X, y)
    assert again.n_iter_ == 8
    assert same(again, fitted.fit(X, y))
    assert clone(fitted).get_params() == fitted.get_params()
    with pytest.raises(ValueError, match=r"y.shape = \(442, 2\): must be \(n, 1\)"):
        fitted.fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="loss = 'huber': must be a MeanSquaredError, with which the net was made"):
        fitted.set_params(loss="huber").fit(X, y)


def test_early_stopping_returns_to_the_least_loss(diabetes):
    X, y = diabetes
    fitted = make(early_stopping=True, epochs=60, n_epochs_no_change=5, validation_fraction=0.3).fit(X, y)
    losses = fitted.history_["test_loss"]
    assert fitted.best_epoch_ == 1 + np.argmin(losses)
    assert fitted.best_validation_score_ == -min(losses)
    assert fitted.n_iter_ < 60


def test_sparse_features_and_threads(diabetes):
    X, y = diabetes
    X = np.where(abs(X) > 0.03, X, 0)
    dense, csr = (make(standardise=False).fit(form, y).predict(X) for form in (X, sparse.csr_array(X)))
    np.testing.assert_allclose(dense, csr, rtol=1e-5)
    assert same(make(n_jobs=1).fit(X, y), make(n_jobs=2).fit(X, y))


def test_a_fit_goes_on_from_its_folder(diabetes, tmp_path):
    X, y = diabetes
    make(checkpoint=tmp_path, loss="huber").fit(X, y)
    assert same(make(checkpoint=tmp_path, loss="huber", epochs=6).fit(X, y), make(loss="huber", epochs=6).fit(X, y))


# refused by name

OBJECTS = [None, 3, "softmax_cross_entropy", "mean_squared", sl.SoftmaxCrossEntropy(), sl.BinaryCrossEntropy, object()]
BAD = {name: values for name, values in BAD_OF_CLASSIFIER.items() if name not in ("class_weight", "loss")}
BAD |= {"loss": OBJECTS, "scale_target": [None, 1, "yes"]}


def test_every_parameter_has_its_bad_values():
    assert BAD.keys() == SparseMLPRegressor().get_params().keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_parameters_are_named(diabetes, name, value):
    regressor = make(**{name: value})
    with pytest.raises((ValueError, TypeError)) as error:
        regressor.fit(*diabetes)
    message = str(error.value)
    assert message.startswith((f"{name} = ", f"{name}["))
    assert ": must be " in message
    assert not hasattr(regressor, "model_")


@pytest.mark.parametrize(
    ("loss", "change", "words"),
    [
        ("poisson", lambda y: y - 1000, "y = -9.*: must be counts >= 0"),
        ("huber", lambda y: np.where(y > 300, np.nan, y), "NaN"),
        ("huber", lambda y: y * 1e305, "numbers whose mean and deviation are finite"),
        ("huber", lambda y: y[:10], "inconsistent numbers of samples"),
        ("huber", lambda y: None, "y"),
        ("huber", lambda y: np.where(y > 100, "a", "b"), "could not convert|dtype"),
        (sl.HuberLoss(output_weights=[1, 2]), lambda y: y, "output_weights"),
    ],
)
def test_targets_that_do_not_fit(diabetes, loss, change, words):
    X, y = diabetes
    fitted = make(loss=loss)
    with pytest.raises((ValueError, TypeError), match=words):
        fitted.fit(X, change(y))
    assert not hasattr(fitted, "model_")
