"""The selector passes scikit-learn's own checks, and its ranking is the strength of the first layer's links."""

import copy
import json
import pickle

import models
import naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import f_classif, mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from stress import estimators as harness

import sparselab as sl
from benchmarks import selection
from sparselab import SparseFeatureSelector, SparseMLPClassifier, SparseMLPRegressor
from sparselab.datasets import Augmentation
from sparselab.datasets.embedded import madelon_like_relevant
from sparselab.estimators.selector import AUTOENCODER, SETTINGS, ranks

FAST = SparseMLPClassifier((20,), epochs=5, random_state=0)
CHECKED = [
    SparseFeatureSelector(random_state=0),
    SparseFeatureSelector(FAST, n_features_to_select=0.7, random_state=0, n_jobs=1),
    SparseFeatureSelector(SparseMLPRegressor((20,), epochs=5, learning_rate=0.001), sum_over_epochs=True, random_state=0),
]


@pytest.fixture
def global_rng_restored():
    """Some checks shuffle with numpy's global generator themselves."""
    before = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(before)  # noqa: NPY002


@parametrize_with_checks(CHECKED[1:])
def test_scikit_learns_own_checks(estimator, check, global_rng_restored):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(CHECKED[:1])
def test_scikit_learns_own_checks_with_defaults(estimator, check, global_rng_restored):
    check(estimator)


@pytest.mark.slow
def test_no_check_is_skipped_where_scipy_knows_the_array_api():
    results = harness.run_checks("SparseFeatureSelector", list(harness.SETTINGS["SparseFeatureSelector"]))
    assert len(results) > 80
    assert {one["status"] for one in results} == {"passed"}


@pytest.fixture(scope="module")
def digits():
    """(X, y): 300 digits."""
    data = sl.datasets.load("digits")
    return data.X_train[:300], data.y_train[:300]


def make(n=None, **parameters):
    """A fast selector that always fits the same net."""
    return SparseFeatureSelector(clone(FAST), n_features_to_select=n, random_state=0).set_params(**parameters)


def strengths_by_hand(layer):
    """(n_in,) sums over a dense matrix, in float64."""
    t = layer.topology
    return np.abs(naive.to_dense(t.indptr, t.indices, layer.w, t.n_in)).sum(axis=0)


def ranking_by_hand(strengths):
    """1 for the strongest; ties in the order of the columns."""
    order = sorted(range(len(strengths)), key=lambda i: (-strengths[i], i))
    return [order.index(i) + 1 for i in range(len(strengths))]


# --- what it is for -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def madelon():
    return sl.datasets.load("madelon_like")


def hits(madelon, seed):
    """(of the 20 features that say something, how many default settings select, that selector)."""
    selector = SparseFeatureSelector(n_features_to_select=20, random_state=seed).fit(madelon.X_train, madelon.y_train)
    return len(np.intersect1d(selector.get_support(indices=True), np.concatenate(madelon_like_relevant()))), selector


def test_most_of_the_features_that_say_something_are_among_the_strongest(madelon):
    """At least 15 of 20 (18 to 19 measured)."""
    assert hits(madelon, 0)[0] >= 15


@pytest.mark.slow
def test_the_selected_features_do_better_than_all_of_them_and_than_mutual_information(madelon):
    """Seeds 0 to 4: hits of 20 (18.6 measured), test accuracy with 20 features against 500 (95.5 against 92.2 %)."""
    X, y, scores = madelon.X_train, madelon.y_train, []
    found = [hits(madelon, seed) for seed in range(5)]
    for seed, (_, selector) in enumerate(found):
        chosen, every = (SparseMLPClassifier(random_state=seed) for _ in range(2))
        few = chosen.fit(selector.transform(X), y).score(selector.transform(madelon.X_test), madelon.y_test)
        scores.append((few, every.fit(X, y).score(madelon.X_test, madelon.y_test)))
    by_information = np.argsort(-mutual_info_classif(X, y, random_state=0))[:20]
    mean = np.mean([n for n, _ in found])
    assert mean >= 15
    assert mean > len(np.intersect1d(by_information, np.concatenate(madelon_like_relevant())))
    assert np.mean(scores, axis=0)[0] >= np.mean(scores, axis=0)[1]


def test_in_a_pipeline_and_a_grid(digits):
    X, y = digits
    pipeline = make_pipeline(make(32, estimator__epochs=30), LogisticRegression(max_iter=500))
    assert cross_val_score(pipeline, X, y, cv=2).mean() > 0.8
    grid = {"sparsefeatureselector__n_features_to_select": [2, 0.5], "sparsefeatureselector__estimator__epochs": [2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["sparsefeatureselector__n_features_to_select"] == 0.5
    assert search.best_estimator_[0].estimator_.n_iter_ == 2


# --- strengths, ranks, support ------------------------------------------------------------------------------------


def test_strengths_are_sums_over_outgoing_links(digits):
    selector = make(10).fit(*digits)
    by_hand = strengths_by_hand(selector.estimator_.model_.layers[0])
    np.testing.assert_allclose(selector.strengths_, by_hand, rtol=1e-6)
    assert selector.ranking_.tolist() == ranking_by_hand(selector.strengths_.tolist())
    assert selector.get_support(indices=True).tolist() == sorted(np.argsort(selector.ranking_)[:10].tolist())
    assert selector.get_support().sum() == 10
    assert (selector.n_features_in_, selector.strengths_.shape) == (64, (64,))


@given(hnp.arrays(np.float32, st.integers(1, 30), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
def test_ties_rank_in_the_order_of_the_columns(strengths):
    assert ranks(strengths).tolist() == ranking_by_hand(strengths.tolist())


@given(mask=hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 8))), n=st.integers(1, 8))
def test_a_net_by_hand(mask, n):
    n = min(n, mask.shape[1])
    net = models.from_masks([mask, np.ones((2, len(mask)), bool)])
    selector = SparseFeatureSelector(net, prefit=True, n_features_to_select=n).fit()
    np.testing.assert_allclose(selector.strengths_, strengths_by_hand(net.layers[0]), rtol=1e-12)
    assert selector.ranking_.tolist() == ranking_by_hand(selector.strengths_.tolist())
    X = np.arange(3 * mask.shape[1]).reshape(3, -1)
    columns = [i for i, rank in enumerate(selector.ranking_) if rank <= n]
    np.testing.assert_array_equal(selector.transform(X), X[:, columns])


@pytest.mark.parametrize(
    "wanted, n",
    [(None, 32), (1, 1), (64, 64), (1.0, 64), (0.5, 32), (0.001, 1), (0.999, 63), (np.int64(7), 7), (np.float32(0.25), 16)],
)
def test_how_many_features_stay(digits, wanted, n):
    selector = make(wanted).fit(*digits)
    assert selector.transform(digits[0]).shape == (300, n)
    assert selector.get_support().sum() == n


def test_the_default_is_a_classifier_with_the_settings_of_the_module(digits):
    selector = SparseFeatureSelector(random_state=3, n_jobs=2).fit(*digits)
    made = selector.estimator_.get_params()
    assert {name: made[name] for name in SETTINGS} == SETTINGS
    assert (made["random_state"], made["n_jobs"]) == (3, 2)
    again = SparseMLPClassifier(**SETTINGS, random_state=3).fit(*digits)
    assert models.fingerprint(selector.estimator_.model_) == models.fingerprint(again.model_)
    assert selector.estimator is None


def test_the_estimator_is_cloned_and_left_alone(digits):
    given_one = SparseMLPClassifier((10,), epochs=2, random_state=5)
    selector = SparseFeatureSelector(given_one).fit(*digits)
    assert selector.estimator_ is not given_one
    assert not hasattr(given_one, "model_")
    assert selector.estimator_.random_state == 5
    assert SparseFeatureSelector(given_one, random_state=6).fit(*digits).estimator_.random_state == 6
    assert given_one.random_state == 5


def test_fitting_twice_is_fitting_once(digits):
    selector = make()
    once = copy.deepcopy(selector.fit(*digits))
    assert np.array_equal(once.strengths_, selector.fit(*digits).strengths_)
    assert np.array_equal(once.strengths_, pickle.loads(pickle.dumps(clone(selector).fit(*digits))).strengths_)


# --- fitted before ------------------------------------------------------------------------------------------------


def test_a_fitted_estimator_is_used_as_it_is(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    fitted = SparseMLPClassifier((20,), epochs=2, random_state=0).fit(frame, y)
    selector = SparseFeatureSelector(fitted, prefit=True, n_features_to_select=3)
    with pytest.raises(NotFittedError):
        selector.transform(frame)
    assert selector.fit().estimator_ is fitted
    assert selector.feature_names_in_.tolist() == frame.columns.tolist()
    assert selector.fit(frame, y).transform(frame).shape == (300, 3)
    fresh = make(3, estimator__epochs=2).fit(frame, y)
    assert np.array_equal(fresh.strengths_, selector.strengths_)


def test_an_autoencoder_of_the_core_ranks_too(digits):
    """QuickSelection's own setting: no labels, the net gives back its input."""
    X = digits[0]
    data = sl.datasets.Dataset(X, X.copy())
    net = sl.SparseMLP.create((64, 30, 64), epsilon=5, seed=0)
    for _ in sl.train(
        net, data, loss=sl.MeanSquaredError(), optimizer=sl.MomentumSGD(1e-4), rules=[sl.SET(0.2)], epochs=2, seed=0
    ):
        pass
    selector = SparseFeatureSelector(net, prefit=True, n_features_to_select=20).fit()
    assert selector.transform(X).shape == (300, 20)


# --- numbers, several labels, and no y ----------------------------------------------------------------------------


def of_numbers(n=400):
    """30 features (n, 30) in different units, and numbers 3, 11 and 20 of them in the same."""
    X = np.random.default_rng(0).standard_normal((n, 30))
    return X * np.geomspace(1e-3, 1e3, 30), X[:, [3, 11, 20]]


def test_features_that_numbers_depend_on():
    X, (a, b, c) = of_numbers()[0], of_numbers()[1].T
    y = 1e6 + 1e4 * (2 * a - b * (b > 0) + c)
    selector = SparseFeatureSelector(n_features_to_select=3, random_state=0).fit(X, y)
    assert isinstance(selector.estimator_, SparseMLPRegressor)
    assert {name: selector.estimator_.get_params()[name] for name in SETTINGS} == SETTINGS
    assert selector.get_support(indices=True).tolist() == [3, 11, 20]
    assert isinstance(SparseFeatureSelector(random_state=0).fit(X, np.sign(a)).estimator_, SparseMLPClassifier)


def test_features_of_several_outputs_and_of_several_labels():
    X, told = of_numbers()
    Y = np.stack([told[:, 0], 1e3 * (told[:, 1] - told[:, 2])], axis=1)
    select = lambda y: SparseFeatureSelector(n_features_to_select=3, random_state=0).fit(X, y).get_support(indices=True).tolist()
    assert select(Y) == [3, 11, 20]
    Y = (told > 0).astype(int)
    assert select(Y) == select(sparse.csr_array(Y)) == [3, 11, 20]


def autoencoder(**parameters):
    small = {"hidden_layer_sizes": (10,), "density": 0.5, "epochs": 40, "learning_rate": 0.003, "weight_decay": 0.03}
    small["augmentation"] = Augmentation(noise=0.2)
    return SparseMLPRegressor(**small | parameters)


def related(n=400):
    """40 features of noise, but for numbers 5, 6, 7, 20 and 21, which are all about the same."""
    X = np.random.default_rng(0).standard_normal((n, 40))
    X[:, [5, 6, 7, 20, 21]] = X[:, :1] / 5 + np.random.default_rng(1).standard_normal((n, 1))
    return X * np.geomspace(1e-3, 1e3, 40)


def test_without_y_features_that_others_tell_are_the_strongest():
    X = related()
    selector = SparseFeatureSelector(autoencoder(), n_features_to_select=5, random_state=0)
    found = selector.fit(X)
    assert found.get_support(indices=True).tolist() == [5, 6, 7, 20, 21]
    assert found.estimator_.model_.sizes == (40, 10, 40)
    by_hand = autoencoder(random_state=0).fit(X, X)
    np.testing.assert_array_equal(found.strengths_, by_hand.model_.layers[0].strength_out())
    for form in (pd.DataFrame(X), X.tolist()):
        np.testing.assert_array_equal(clone(selector).fit(form).ranking_, found.ranking_)
    quiet = clone(selector).set_params(estimator__augmentation=None).fit(X)
    assert not np.array_equal(quiet.strengths_, found.strengths_)


def test_without_y_and_estimator_it_is_quickselection(monkeypatch):
    monkeypatch.setitem(AUTOENCODER, "epochs", 3)
    X = related(60)
    selector = SparseFeatureSelector(random_state=0)
    assert not selector.__sklearn_tags__().target_tags.required
    assert make().__sklearn_tags__().target_tags.required
    found = selector.fit(X).estimator_
    assert found.augmentation.noise == 0.2
    assert found.model_.sizes == (40, 1000, 40)
    assert sum(found.history_[-1].pruned) > 0
    assert min(found.history_[-1].grown) > 0  # the output layer evolves, too
    assert make_pipeline(SparseFeatureSelector(autoencoder(), n_features_to_select=5)).fit_transform(X).shape == (60, 5)


def test_what_an_autoencoder_cannot_learn_is_named():
    X = related(30)
    with pytest.raises(TypeError, match="X = .*: must be dense where y is None"):
        SparseFeatureSelector().fit(sparse.csr_array(X))
    X[3, 5] = np.nan
    with pytest.raises(ValueError, match=r"X\[3, 5\] = nan"):
        SparseFeatureSelector(autoencoder()).fit(X)
    with pytest.raises(ValueError, match="Expected 2D array"):
        SparseFeatureSelector(autoencoder()).fit(X[0])


# --- strengths summed over the epochs -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SparseMLPClassifier, SparseMLPRegressor])
def test_strengths_can_be_summed_over_the_epochs(kind, digits):
    X, y = digits
    estimator = kind((20,), epochs=4, random_state=0)
    found = SparseFeatureSelector(estimator, n_features_to_select=9, sum_over_epochs=True).fit(X, y)
    by_hand, wanted = clone(estimator), np.zeros(64)
    for _ in range(4):
        by_hand.partial_fit(X, y, **({"classes": range(10)} if kind is SparseMLPClassifier else {}))
        wanted += by_hand.model_.layers[0].strength_out()
    np.testing.assert_allclose(found.strengths_, wanted, rtol=1e-12)
    assert found.ranking_.tolist() == ranking_by_hand(found.strengths_)
    last = SparseFeatureSelector(estimator).fit(X, y)
    np.testing.assert_array_equal(last.strengths_, found.estimator_.model_.layers[0].strength_out())
    assert estimator.callbacks is found.estimator_.callbacks is None


# --- what comes in and out ----------------------------------------------------------------------------------------


def test_frames_keep_names_and_types(digits):
    X, y = digits
    frame = pd.DataFrame(X.astype(float), columns=[f"pixel {i}" for i in range(64)])
    frame["pixel 3"] = frame["pixel 3"].astype(int)
    selector = make(12).set_output(transform="pandas").fit(frame, y)
    out = selector.transform(frame)
    names = [name for name, chosen in zip(frame.columns, selector.get_support(), strict=True) if chosen]
    assert out.columns.tolist() == names == selector.get_feature_names_out().tolist()
    pd.testing.assert_frame_equal(out, frame[names], check_dtype=False)
    assert make(2).fit(X, y).get_feature_names_out([f"f{i}" for i in range(64)]).shape == (2,)
    with pytest.raises(ValueError, match="feature names"):
        selector.transform(frame.rename(columns={"pixel 0": "other"}))
    assert not hasattr(selector.fit(X, y), "feature_names_in_")


@pytest.mark.parametrize("format", ["csr_array", "csr_matrix", "csc_array", "coo_array"])
def test_sparse_features_are_selected_as_dense_ones_are(digits, format):
    X, y = digits
    X = np.where(abs(X) > 0.5, X, 0)
    options = {"estimator__standardise": False, "n_features_to_select": 9}  # CSR is not centred
    dense, thin = make(**options).fit(X, y), make(**options).fit(getattr(sparse, format)(X), y)
    assert np.array_equal(dense.ranking_, thin.ranking_)
    out = thin.transform(getattr(sparse, format)(X))
    assert sparse.issparse(out)
    np.testing.assert_array_equal(out.toarray(), dense.transform(X))
    np.testing.assert_array_equal(thin.inverse_transform(out).toarray(), np.where(dense.get_support(), X, 0))


def test_values_and_types_come_through_untouched(digits):
    selector = make(5).fit(*digits)
    for dtype in (np.float64, np.float32, np.int8):
        X = np.arange(128).reshape(2, 64).astype(dtype)
        assert selector.transform(X).dtype == dtype
        np.testing.assert_array_equal(selector.inverse_transform(selector.transform(X)), np.where(selector.get_support(), X, 0))


# --- bad input ----------------------------------------------------------------------------------------------------


class NoNet:
    """Has get_params and fit, and no SparseMLP."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **parameters):
        return self

    def fit(self, X, y):
        return self


FITTED_ELSEWHERE = LogisticRegression()
BAD = {
    "class": ({"estimator": SparseMLPClassifier}, TypeError, "estimator = "),
    "number": ({"estimator": 3}, TypeError, "estimator = 3: must be None or an estimator"),
    "net without prefit": ({"estimator": models.net()}, TypeError, "only with prefit=True"),
    "no net": ({"estimator": NoNet()}, TypeError, "with a SparseMLP in model_"),
    "logistic": ({"estimator": FITTED_ELSEWHERE, "random_state": None}, TypeError, "with a SparseMLP in model_"),
    "prefit, not fitted": ({"prefit": True}, TypeError, "estimator = SparseMLPClas"),
    "prefit nothing": ({"prefit": True, "estimator": None}, TypeError, "estimator = None: must be fitted"),
    "prefit text": ({"prefit": "yes"}, TypeError, "prefit = 'yes': must be True or False"),
    "none": ({"n_features_to_select": 0}, ValueError, "n_features_to_select = 0: must be a whole number >= 1"),
    "minus": ({"n_features_to_select": -3}, ValueError, "n_features_to_select = -3"),
    "too many": ({"n_features_to_select": 65}, ValueError, "n_features_to_select = 65: must be a whole number in [1, 64]"),
    "no share": ({"n_features_to_select": 0.0}, ValueError, "n_features_to_select = 0.0: must be None, a whole number"),
    "beyond a share": ({"n_features_to_select": 1.5}, ValueError, "n_features_to_select = 1.5"),
    "NaN": ({"n_features_to_select": float("nan")}, ValueError, "n_features_to_select = nan"),
    "bool": ({"n_features_to_select": True}, TypeError, "n_features_to_select = True"),
    "text": ({"n_features_to_select": "all"}, TypeError, "n_features_to_select = 'all'"),
    "seed": ({"random_state": -1}, ValueError, "random_state = -1"),
    "seed text": ({"random_state": "a"}, TypeError, "random_state = 'a'"),
    "threads": ({"n_jobs": 0}, ValueError, "n_jobs = 0"),
    "threads half": ({"n_jobs": 0.5}, TypeError, "n_jobs = 0.5"),
    "sum text": ({"sum_over_epochs": 1}, TypeError, "sum_over_epochs = 1: must be True or False"),
    "sum of prefit": ({"sum_over_epochs": True, "prefit": True}, ValueError, "sum_over_epochs = True: must be False with prefit"),
    "sum of others": (
        {"sum_over_epochs": True, "estimator": NoNet()},
        ValueError,
        "sum_over_epochs = True: must be False unless",
    ),
    "sum of a folder": (
        {"sum_over_epochs": True, "estimator": SparseMLPClassifier(checkpoint="runs")},
        ValueError,
        "without checkpoint",
    ),
    "parameter of the estimator": ({"estimator__zeta": 2}, ValueError, "zeta = 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_parameter_is_named_and_nothing_changes(digits, case):
    parameters, error, words = BAD[case]
    selector = make(5).fit(*digits)
    before = selector.ranking_.copy(), selector.estimator_
    if "estimator" not in parameters:
        selector.estimator = clone(FAST)
    selector.set_params(**parameters)
    with pytest.raises(error) as caught:
        selector.fit(*digits)
    assert words in str(caught.value)
    assert np.array_equal(selector.ranking_, before[0])
    assert selector.estimator_ is before[1]
    assert selector.get_support().sum() == 5


class Trap(NoNet):
    """Must not be trained."""

    def fit(self, X, y):
        pytest.fail("training began")


def test_too_many_features_are_named_before_the_training(digits):
    with pytest.raises(ValueError, match=r"n_features_to_select = 65: must be a whole number in \[1, 64\]"):
        SparseFeatureSelector(Trap(), n_features_to_select=65).fit(*digits)


def with_invalid_index():
    X = sparse.csr_array(np.eye(64, dtype=np.float32))
    X.indices[5] = 1_000_000
    return X


def test_bad_data_is_named(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"X\.indices\[5\] = 1000000"):
        make().fit(with_invalid_index(), y[:64])
    selector = make().fit(X, y)
    for call in (selector.transform, selector.inverse_transform):
        with pytest.raises(ValueError, match=r"X\.indices\[5\] = 1000000"):
            call(with_invalid_index())
        with pytest.raises(ValueError, match="X = .*: must be without masked values"):
            call(np.ma.masked_less(X, 0))
    with pytest.raises(ValueError, match="requires y"):
        make().fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but SparseFeatureSelector is expecting 64"):
        selector.transform(X[:, :3])
    lists = sparse.lil_array(X[:2])
    lists.rows[1][0] = 1_000_000  # scipy converts it without a look, and scikit-learn crashes on what comes out
    with pytest.raises(ValueError, match=r"X\.indices\[\d+\] = 1000000"):
        selector.transform(lists)
    for words, bad in ((r"X\[0, 0\] = nan", np.full((2, 64), np.nan)), ("numeric", np.full((2, 64), "a"))):
        with pytest.raises((ValueError, TypeError), match=words):
            selector.transform(bad)
    with pytest.raises(ValueError, match=r"y\[0\]|classes|class"):
        make().fit(X, np.zeros(300))


# --- the benchmark ------------------------------------------------------------------------------------------------


def test_the_benchmark_on_one_seed_of_a_small_part(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSELAB_RESULTS", str(tmp_path))
    small = lambda data: sl.datasets.Dataset(*(part[:250] for part in (data.X_train, data.y_train, data.X_test, data.y_test)))
    load, make_one = sl.datasets.load, selection.madelon_like
    monkeypatch.setattr(sl.datasets, "load", lambda name: small(load(name)))
    monkeypatch.setattr(selection, "madelon_like", lambda seed: small(make_one(seed=seed)))
    monkeypatch.setattr(selection, "VARIANTS", dict(list(selection.VARIANTS.items())[:1]))
    monkeypatch.setattr(selection, "mutual_info_classif", lambda X, y, random_state: f_classif(X, y)[0])  # far quicker
    monkeypatch.setitem(selection.SETTINGS, "epochs", 3)
    selection.main(1)
    rows = [json.loads(line) for line in (tmp_path / "selection.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all({"machine", "date", "commit"} <= row.keys() for row in rows)
    found = {row["ranked by"]: row["mean"] for row in rows if row["benchmark"] == "selection: hits of 20"}
    assert found.keys() == {"selector as it comes", "mutual information"}
    assert all(0 <= n <= 20 for n in found.values())
    assert sum(row["benchmark"] == "selection: accuracy" for row in rows) == 8
    assert sum(row["benchmark"] == "selection: other draws" for row in rows) == 2
    missed = [row for row in rows if row["benchmark"] == "selection: missed"]
    assert len(missed) == 20 - found["selector as it comes"]


def test_the_search_looks_at_training_rows_alone(monkeypatch):
    monkeypatch.setattr(selection, "GRID", {"weight_decay": (0.0, 0.003), "epochs": (3,)})
    monkeypatch.setattr(sl.datasets, "load", blind(sl.datasets.load))
    found = selection.search(splits=1)
    assert len(found) == 2
    assert found[0]["loss"] <= found[1]["loss"]


def blind(load):
    """A `load` whose test rows cannot be read."""

    def loaded(name):
        data = load(name)
        return sl.datasets.Dataset(data.X_train, data.y_train, classes=data.classes)

    return loaded
