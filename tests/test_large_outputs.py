"""Nets with very many outputs: data of many labels, metrics of the best labels, and memory that follows links and tiles."""

import math
import pickle
from itertools import combinations, permutations

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError
from sklearn.metrics import ndcg_score

import sparselab as sl
from sparselab.datasets.multilabel import _completed
from sparselab.engines import select, tiling
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.kernels import logistic
from sparselab.nn import evaluation, rankings
from sparselab.topology import rewiring


def many(**options):
    return sl.datasets.many_labels(**{"n_samples": 2000, "n_features": 60, "n_labels": 300, "seed": 1} | options)


def test_many_labels_are_different_labels_of_each_sample_and_repeatable():
    data = many(labels_per_sample=4)
    assert data.source == "synthetic"
    assert (data.n_train, data.n_test, data.n_features, data.n_outputs) == (1600, 400, 60, 300)
    for y in (data.y_train, data.y_test):
        assert set(np.diff(y.indptr)) == {4}
        assert all(len(set(row)) == 4 for row in y.indices.reshape(-1, 4))
        assert set(y.data) == {1}
    again, other = many(labels_per_sample=4), many(labels_per_sample=4, seed=2)
    np.testing.assert_array_equal(data.X_train, again.X_train)
    assert (data.y_train != again.y_train).nnz == 0
    assert not np.array_equal(data.X_train, other.X_train)
    assert abs(float(data.X_train.std()) - 1) < 0.05


def test_frequencies_of_many_labels_follow_the_power_law():
    data = many(n_samples=40_000, n_features=2, labels_per_sample=1, skew=1.0)
    counts = np.sort(np.bincount(np.concatenate([data.y_train.indices, data.y_test.indices]), minlength=300))[::-1]
    expected = 40_000 / np.arange(1, 301) / np.sum(1 / np.arange(1, 301))
    assert np.abs(counts - expected)[:50].max() < 5 * np.sqrt(expected[0])
    even = many(n_samples=40_000, n_features=2, labels_per_sample=1, skew=0)
    counts = np.bincount(even.y_train.indices, minlength=300)
    assert counts.min() > 0.5 * counts.mean()


@pytest.mark.parametrize("skew", [3.0, 50.0, 1e6])
def test_a_few_labels_may_have_nearly_all_chances(skew):
    """The most frequent ones then are those of every sample, and drawing ends."""
    data = many(n_samples=200, n_labels=40, labels_per_sample=20, skew=skew)
    counts = np.sort(data.y_train.toarray().sum(axis=0))
    assert (data.y_train.sum(axis=1) == 20).all()
    assert (counts[-10:] > 0.9 * data.n_train).all()


def test_samples_completed_one_by_one_have_the_same_frequencies(monkeypatch):
    options = {"n_samples": 4000, "n_labels": 12, "labels_per_sample": 4, "skew": 1.0, "n_features": 8}
    usual = np.sort(many(**options).y_train.mean(axis=0))
    monkeypatch.setattr("sparselab.datasets.multilabel.ROUNDS", 1)
    np.testing.assert_allclose(np.sort(many(**options).y_train.mean(axis=0)), usual, atol=0.04)


def test_many_labels_of_which_few_are_frequent_are_drawn_one_after_the_other():
    """Labels so rare that drawing again would hardly find them: pairs are as probable as by draws without putting back."""
    extreme = many(n_samples=20, labels_per_sample=5, skew=400.0)
    assert len(set(extreme.y_train.indices)) == 5
    assert set(np.diff(many(n_samples=20, n_labels=10, labels_per_sample=5, skew=1e5).y_test.indptr)) == {5}
    weights = np.arange(1, 5) ** -1.0
    pairs = {(i, j): weights[i] * weights[j] / (weights.sum() - weights[i]) / weights.sum() for i, j in permutations(range(4), 2)}
    none = np.full((20_000, 2), -1)
    first = none.copy()
    first[:, 1] = np.random.default_rng(1).choice(4, len(first), p=weights / weights.sum())
    for found in (none, first):
        drawn = np.sort(_completed(found, 4, 1.0, np.random.default_rng(0)), axis=1)
        for i, j in combinations(range(4), 2):
            share = np.mean((drawn == [i, j]).all(axis=1))
            assert abs(share - pairs[i, j] - pairs[j, i]) < 0.02


def test_labels_of_many_labels_can_be_told_from_the_features():
    """Without noise samples are sums of prototypes: least squares on the labels gives these, and they give the samples back."""
    data = many(noise=0.0, n_labels=50)
    Y = data.y_train.toarray().astype(float)
    prototypes = np.linalg.lstsq(Y, data.X_train, rcond=None)[0]
    np.testing.assert_allclose(data.y_test.toarray() @ prototypes, data.X_test, atol=1e-4)
    assert np.count_nonzero(np.abs(prototypes) > 1e-4, axis=1).max() <= 8
    lengths = np.sqrt(np.square(prototypes).sum(axis=1))
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"labels_per_sample": 151}, "labels_per_sample"), ({"n_labels": 1}, "n_labels"), ({"noise": -1}, "noise"),
     ({"noise": 1e300}, "noise"), ({"skew": float("nan")}, "skew"), ({"test_fraction": 1.0}, "test_fraction"),
     ({"n_features": 0}, "n_features")],
)  # fmt: skip
def test_many_labels_names_a_bad_argument(options, named):
    with pytest.raises((TypeError, ValueError), match=named):
        many(**options)


# metrics, beside loops over samples


def random_labels(rng, n, n_labels, density=0.1):
    y = (rng.random((n, n_labels)) < density).astype(int)
    y[0] = 0  # a sample without labels
    return y


def naive_ranking(scores, k):
    return [sorted(range(len(row)), key=lambda q: (-row[q], q))[:k] for row in scores.tolist()]


def naive_precision(y, ranking, k):
    return sum(y[i][q] for i, row in enumerate(ranking) for q in row[:k]) / (k * len(y))


def naive_ndcg(y, ranking, k):
    total = 0.0
    for labels, row in zip(y, ranking, strict=True):
        got = sum(labels[q] / math.log2(place + 2) for place, q in enumerate(row[:k]))
        best = sum(1 / math.log2(place + 2) for place in range(min(k, int(sum(labels)))))
        total += got / best if best else 0
    return total / len(y)


def naive_propensity(count, n, a=0.55, b=1.5):
    return 1 / (1 + (math.log(n) - 1) * (b + 1) ** a * math.exp(-a * math.log(count + b)))


def naive_psp(y, ranking, k, propensity):
    got = sum(y[i][q] / propensity[q] for i, row in enumerate(ranking) for q in row[:k])
    best = sum(sum(sorted((1 / propensity[q] for q in np.flatnonzero(labels)), reverse=True)[:k]) for labels in y)
    return got / best


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("given", ["scores", "labels"])
def test_metrics_are_those_of_loops_over_samples(k, given):
    rng = np.random.default_rng(k)
    y, y_train = random_labels(rng, 40, 30), random_labels(rng, 60, 30, 0.2)
    scores = rng.integers(0, 12, (40, 30)) / 4.0  # many are equal
    ranking = naive_ranking(scores, 7)
    predicted = scores if given == "scores" else np.array(ranking)
    propensity = [naive_propensity(count, 60) for count in y_train.sum(axis=0).tolist()]
    np.testing.assert_allclose(sl.metrics.propensities(y_train), propensity, rtol=1e-12)
    for labels in (y, scipy.sparse.csr_matrix(y), scipy.sparse.coo_array(y.astype(bool))):
        assert sl.metrics.precision_at(k)(labels, predicted) == pytest.approx(naive_precision(y, ranking, k), rel=1e-12)
        assert sl.metrics.ndcg_at(k)(labels, predicted) == pytest.approx(naive_ndcg(y, ranking, k), rel=1e-12)
        found = sl.metrics.propensity_precision_at(k, scipy.sparse.csr_array(y_train))(labels, predicted)
        assert found == pytest.approx(naive_psp(y, ranking, k, propensity), rel=1e-12)


def test_ndcg_is_that_of_scikit_learn_where_no_scores_are_equal():
    rng = np.random.default_rng(0)
    y, scores = random_labels(rng, 50, 20, 0.3), rng.permutation(1000).reshape(50, 20) / 7
    for k in (1, 4, 20):
        assert sl.metrics.ndcg_at(k)(y, scores) == pytest.approx(ndcg_score(y, scores, k=k), rel=1e-12)


def test_propensities_are_those_of_the_labels_at_hand_without_others():
    rng = np.random.default_rng(4)
    y, scores = rng.random((30, 8)) < np.linspace(0.05, 0.9, 8), rng.random((30, 8))
    own, given = sl.metrics.propensity_precision_at(2), sl.metrics.propensity_precision_at(2, y.astype(int))
    assert pickle.loads(pickle.dumps(own))(y, scores) == own(y, scores) == given(y, scores)
    assert own(y[:20], scores[:20]) != given(y[:20], scores[:20])
    with pytest.raises(ValueError, match="at least 3 samples"):
        own(y[:2], scores[:2])


def test_the_best_choice_counts_as_1_and_metrics_can_be_pickled():
    y = random_labels(np.random.default_rng(0), 30, 12, 0.4)[1:]
    y = y[y.sum(axis=1) >= 3]
    perfect = np.argsort(-y, axis=1, kind="stable")[:, :3]
    for metric in (sl.metrics.precision_at(3), sl.metrics.ndcg_at(3)):
        assert pickle.loads(pickle.dumps(metric))(y, perfect) == pytest.approx(1)
    metric = sl.metrics.propensity_precision_at(3, y)
    weighty = np.argsort(-y / sl.metrics.propensities(y), axis=1, kind="stable")[:, :3]
    assert metric(y, weighty) == pytest.approx(1)
    assert metric(y, 1.0 - y) < 1


@pytest.mark.parametrize(
    ("y", "predicted", "named"),
    [([[0, 2]], [[0]], "0 or 1"), ([0, 1], [[0], [1]], "y_true"), ([[0, 1]], [[2]], "predicted"), ([[0, 1]], [[-1]], "predicted"),
     ([[0, 1, 1]], [[1, 1]], "different"), ([[0, 1]], [[0.5]], "predicted"), ([[0, 1]], [[0.5, np.nan]], "NaN"),
     ([[0, 1]], [[0], [1]], "predicted"), ([[1]], [[0]], "k = 2"), ([[1, 0, 0]], [[0]], "columns")],
)  # fmt: skip
def test_metrics_name_what_is_wrong(y, predicted, named):
    with pytest.raises((TypeError, ValueError), match=named):
        sl.metrics.precision_at(2 if named in ("different", "k = 2", "columns") else 1)(np.array(y), predicted)


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", ">f8", "g"])
def test_scores_may_be_of_any_kind_of_floats(dtype):
    scores = np.array([[0.125, 0.75, 0.25], [0.5, 0.25, 0.375]])
    y = np.array([[0, 1, 1], [0, 1, 0]])
    assert sl.metrics.precision_at(2)(y, scores.astype(dtype)) == sl.metrics.precision_at(2)(y, scores) == 0.5


def test_gains_may_be_a_list():
    y, labels = np.array([[1, 0, 1]]), [[0, 1]]
    assert sl.metrics.AtK(2, [4, 1, 2], share_of_best=True)(y, labels) == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    "wrong", [{"gains": [1.0, -1.0]}, {"gains": [np.nan, 1.0]}, {"gains": [[1.0]]}, {"gains": "x"}, {"ranked": "no"},
              {"share_of_best": 1}],
)  # fmt: skip
def test_a_metric_names_a_bad_field(wrong):
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        sl.metrics.AtK(2, **wrong)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8", np.longdouble])
def test_metrics_take_numbers_of_any_dtype(dtype):
    y, scores = random_labels(np.random.default_rng(0), 20, 6, 0.4), np.random.default_rng(1).integers(0, 9, (20, 6)) / 8
    for metric in (sl.metrics.precision_at(2), sl.metrics.ndcg_at(2), sl.metrics.propensity_precision_at(2)):
        assert metric(y.astype(dtype), scores.astype(dtype)) == metric(y, scores)


def test_metrics_refuse_masked_values():
    y, mask = np.eye(4, dtype=int), np.eye(4, dtype=bool)
    for labels, scores in ((np.ma.array(y, mask=mask), y / 2), (y, np.ma.array(y / 2, mask=mask))):
        with pytest.raises(ValueError, match="without masked values"):
            sl.metrics.precision_at(1)(labels, scores)


def test_metrics_name_bad_arguments():
    y = np.eye(4, dtype=int)
    for wrong in (0, 1.5, True):
        with pytest.raises((TypeError, ValueError), match="k = "):
            sl.metrics.ndcg_at(wrong)
    with pytest.raises(ValueError, match="a = "):
        sl.metrics.propensities(y, a=0)
    with pytest.raises(ValueError, match="at least 3"):
        sl.metrics.propensities(y[:2])
    with pytest.raises(ValueError, match="propensities"):
        sl.metrics.propensity_precision_at(1, y)(np.eye(3, dtype=int), np.eye(3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_keeps_what_a_sort_puts_first(dtype):
    rng = np.random.default_rng(0)
    scores = rng.integers(-3, 4, (9, 300)).astype(dtype)
    scores[0, :290] = np.nan  # fewer numbers than k
    scores[1] = -np.inf
    for k in (1, 5, 64, 70, 300):
        columns, best = rankings.best_of(scores, k)
        wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(columns, wanted)
        np.testing.assert_array_equal(best, np.take_along_axis(scores, wanted, axis=1))


# the best outputs of each sample


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("threads", [1, 2])
def test_predict_topk_is_a_sort_of_all_outputs(dtype, form, threads):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 20)) * (rng.random((150, 20)) < 0.3)
    model = sl.SparseMLP.create((20, 30, 400), density=[0.5, 0.02], activation="relu", seed=0, dtype=dtype)  # many outputs are 0
    given = scipy.sparse.csr_array(X) if form == "sparse" else X
    scores = sl.predict(model, given, threads=threads)
    for k in (1, 6, 400):
        labels, best = sl.predict_topk(model, given, k, threads=threads)
        wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        assert (labels.dtype, best.dtype) == (np.int64, np.dtype(dtype))
        np.testing.assert_array_equal(labels, wanted)
        np.testing.assert_array_equal(best, np.take_along_axis(scores, wanted, axis=1))


def test_predict_topk_gives_the_same_where_threads_share_each_tile(monkeypatch):
    monkeypatch.setattr(tiling, "LARGE_TILE", 1)
    X = np.random.default_rng(0).standard_normal((70, 20))
    model = sl.SparseMLP.create((20, 30, 400), density=[0.5, 0.02], seed=0)
    for one, two in zip(sl.predict_topk(model, X, 5, threads=1), sl.predict_topk(model, X, 5, threads=3), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(sl.predict(model, X, threads=1), sl.predict(model, X, threads=3))


@pytest.mark.parametrize("wrong", [0, 401, 2.0, True])
def test_predict_topk_names_a_bad_k(wrong):
    with pytest.raises((TypeError, ValueError), match="k = "):
        sl.predict_topk(sl.SparseMLP.create((20, 30, 400), seed=0), np.zeros((3, 20)), wrong)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "squared_hinge"])
def test_predict_topk_of_two_classes_with_one_output(loss):
    X = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    net = sl.SparseMLPClassifier((10,), epochs=5, loss=loss, random_state=0).fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    assert net.model_.sizes[-1] == 1
    labels, scores = net.predict_topk(X, 2)
    np.testing.assert_array_equal(labels[:, 0], net.predict(X))
    assert (labels[:, 0] != labels[:, 1]).all()
    assert set(labels[:, 0]) == {"no", "yes"}
    np.testing.assert_allclose(scores[:, 0], np.abs(net.decision_function(X)), rtol=1e-6)
    np.testing.assert_array_equal(scores[:, 1], -scores[:, 0])
    np.testing.assert_array_equal(net.predict_topk(X, 1)[0], labels[:, :1])
    with pytest.raises(ValueError, match="k = 3"):
        net.predict_topk(X, 3)


def test_predict_topk_of_an_unfitted_classifier():
    with pytest.raises(NotFittedError):
        sl.SparseMLPClassifier().predict_topk(np.zeros((2, 3)), 1)


def test_predict_topk_of_the_classifier_gives_its_labels():
    data = many(n_labels=40)
    several = sl.SparseMLPClassifier((30,), epochs=1, random_state=0).fit(data.X_train, data.y_train)
    labels, scores = several.predict_topk(data.X_test, 3)
    wanted = np.argsort(-several.predict_log_proba(data.X_test), axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_allclose(scores, np.take_along_axis(several.decision_function(data.X_test), wanted, axis=1), rtol=1e-6)
    names = np.array(["c", "a", "b"])[data.y_train.indices[::5] % 3]
    one = sl.SparseMLPClassifier((30,), epochs=1, random_state=0).fit(data.X_train, names)
    labels, _ = one.predict_topk(data.X_test, 3)
    np.testing.assert_array_equal(labels[:, 0], one.predict(data.X_test))
    assert all(set(row) == {"a", "b", "c"} for row in labels)
    with pytest.raises(ValueError, match="k = "):
        one.predict_topk(data.X_test, 4)


def test_predict_topk_of_two_labels_with_one_output_ranks_both():
    X = np.random.default_rng(0).standard_normal((60, 4))
    one = sl.SparseMLPClassifier((20,), epochs=8, random_state=0, loss="binary_cross_entropy").fit(
        X, np.where(X[:, 0] > 0, "b", "a")
    )
    labels, scores = one.predict_topk(X, 2)
    assert len(set(one.predict(X))) == 2
    np.testing.assert_array_equal(labels[:, 0], one.predict(X))
    np.testing.assert_allclose(scores, np.abs(one.decision_function(X))[:, None] * [1, -1], rtol=1e-6)
    np.testing.assert_array_equal(one.predict_topk(X, 1)[0], labels[:, :1])
    with pytest.raises(ValueError, match="k = 3"):
        one.predict_topk(X, 3)


# evaluation in pieces


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["labels", "lists", "zeros and ones", "numbers"])
def test_evaluation_in_pieces_is_that_of_all_outputs(monkeypatch, kind, weighted):
    rng = np.random.default_rng(0)
    X, model = rng.standard_normal((150, 20)).astype(np.float32), sl.SparseMLP.create((20, 30, 40), seed=0)
    y = random_labels(rng, 150, 40, 0.05)
    y, loss = {
        "labels": (rng.integers(0, 40, 150), "softmax_cross_entropy"), "zeros and ones": (y, "binary_cross_entropy"),
        "lists": (scipy.sparse.csr_array(y), "binary_cross_entropy"), "numbers": (rng.random((150, 40)), "mean_squared_error"),
    }[kind]  # fmt: skip
    weights = np.repeat([0.0, 1.0, 3.0], 50) if weighted else None
    whole = sl.evaluate(model, X, y, loss=loss, sample_weight=weights)
    trained = [record.test_loss for record in sl.train(model.copy(), (X, y, X, y), loss=loss, epochs=1, seed=0)]
    monkeypatch.setattr(evaluation, "AT_ONCE", 40 * 7)  # 7 samples a piece, of 64 at a time
    pieces = sl.evaluate(model, X, y, loss=loss, sample_weight=weights)
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-12)
    assert (pieces.accuracy is None, pieces.r2) == (kind == "numbers", whole.r2)
    if kind != "numbers":
        assert pieces.accuracy == pytest.approx(whole.accuracy, rel=1e-12)
    again = [record.test_loss for record in sl.train(model.copy(), (X, y, X, y), loss=loss, epochs=1, seed=0)]
    assert again == pytest.approx(trained, rel=1e-12)


# evolution of very wide layers


@pytest.mark.parametrize("at_once", [1, 50, 2**20])
def test_places_drawn_in_blocks_are_those_drawn_at_once(at_once):
    topology = sl.erdos_renyi(200, 30, density=0.2, seed=0)
    whole = sl.rewire(topology, np.ones(topology.nnz, bool), 900, rng=np.random.default_rng(1))
    rows, columns = sl.regrowths.places(whole)
    blocks = list(rewiring.free_places(topology, 900, np.random.default_rng(1), at_once))
    assert len(blocks) == 1 if at_once == 2**20 else len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate([block[0] for block in blocks]), rows)
    np.testing.assert_array_equal(np.concatenate([block[1] for block in blocks]), columns)


@pytest.mark.parametrize("at_once", [30, 2**20])
def test_sampled_gradients_are_ranked_as_if_all_were_there(monkeypatch, at_once):
    monkeypatch.setattr(rewiring.free_places, "__defaults__", (at_once,))
    X, y = np.random.default_rng(0).standard_normal((40, 12)).astype(np.float32), np.arange(40) % 5
    model = sl.SparseMLP.create((12, 50, 5), density=0.3, seed=0)
    evidence = sl.evolution.Evidence(model, sl.SoftmaxCrossEntropy(), X, y, np.arange(40))
    layer, flow = model.layers[0], evidence.flows[0]
    found = sl.regrowths.SampledGradient(4)(layer, layer.topology, 30, evidence, np.random.default_rng(3))
    rows, columns = sl.regrowths.uniform(layer, layer.topology, 120, None, np.random.default_rng(3))
    size = np.abs(flow.dZ.astype(float) @ flow.X.T.astype(float))[rows, columns]
    wanted = np.sort(np.argsort(-size, kind="stable")[:30])
    np.testing.assert_array_equal(found, [rows[wanted], columns[wanted]])


def test_fan_in_is_kept_as_by_the_regrowth_function_alone():
    model = sl.SparseMLP.create((20, 300, 4), density=[0.3, 1], seed=0)
    own = lambda *arguments: sl.regrowths.keep_fan_in(*arguments)
    rules = [sl.SET(0.3, regrowth=regrowth) for regrowth in (sl.regrowths.keep_fan_in, own)]
    first, second = (rule(1, model, None, None, np.random.default_rng(2))[0] for rule in rules)
    assert first.topology == second.topology
    np.testing.assert_array_equal(first.origin, second.origin)
    np.testing.assert_array_equal(first.topology.fan_in, model.layers[0].topology.fan_in)


# binary cross-entropy, whose exponentials and logarithms are polynomials


def test_polynomials_are_exact_to_a_few_units_in_the_last_place():
    x = -np.concatenate([np.linspace(0, 300, 20_001), np.logspace(-300, 0, 2000), np.linspace(0, 2, 20_001)])
    found = np.array([logistic.exp(value) for value in x.tolist()])
    np.testing.assert_allclose(found, np.exp(x), rtol=1e-15)
    small = np.exp(x)
    np.testing.assert_allclose([logistic.log1p(value) for value in small.tolist()], np.log1p(small), rtol=1e-15)
    assert logistic.exp(-np.inf) < 1e-130
    assert np.isnan([logistic.exp(np.nan), logistic.log1p(np.nan)]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["lists", "zeros and ones"])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy_of_a_tile_is_that_of_loops(dtype, form, weighted):
    rng = np.random.default_rng(0)
    n_out, width, count, n = 150, 8, 6, 20
    y = random_labels(rng, n, n_out, 0.03)
    Z = (rng.standard_normal((n_out, width)) * 20).astype(dtype)
    Z[:5], Z[5, 0], Z[6, 1] = 0, 800, -800
    factors, weights = (rng.random(n_out), rng.random(n)) if weighted else (np.ones(n_out), np.ones(n))
    loss = sl.BinaryCrossEntropy(output_weights=factors) if weighted else sl.BinaryCrossEntropy()
    targets = loss.targets(scipy.sparse.csr_array(y) if form == "lists" else y, n_out, dtype)
    assert targets.dtype == (np.int32 if form == "lists" else np.uint8)
    samples, before, dZ = rng.permutation(n), Z.copy(), np.full_like(Z, np.nan)
    given = (weights,) if weighted else ()
    found, hits = loss.on_tile(Z, targets, samples, 3, count, dtype(0.25), dZ, *given)
    np.testing.assert_array_equal(Z, before)
    total, right, slopes = 0.0, 0, np.zeros((n_out, width))
    for c in range(count):
        labels = y[samples[3 + c]]
        right += all((before[q, c] > 0) == (labels[q] > 0) for q in range(n_out))
        for q in range(n_out):
            z, weight = float(before[q, c]), factors[q] * weights[samples[3 + c]]
            total += weight * (max(z, 0) - z * labels[q] + math.log1p(math.exp(-abs(z))))
            e = math.exp(-abs(z))
            sigmoid = 1 / (1 + e) if z > 0 else e / (1 + e)
            against = e / (1 + e) if z > 0 else 1 / (1 + e)
            slopes[q, c] = 0.25 * weight * (-against if labels[q] else sigmoid)
    assert found == pytest.approx(total, rel=1e-13)
    assert hits == right
    np.testing.assert_allclose(
        dZ,
        slopes,
        rtol=1e-6 if dtype == np.float32 else 1e-14,
        atol=2.0**-100,  # slopes of less count as 0
    )
    again, _ = loss.on_tile(Z, targets, samples, 3, count, dtype(0.25), Z, *given)  # in place
    assert again == found
    np.testing.assert_array_equal(Z, dZ)


def test_a_loss_of_an_output_that_is_not_a_number_is_not_a_number():
    Z = np.zeros((3, 8), np.float32)
    Z[1, 2] = np.nan
    loss = sl.BinaryCrossEntropy()
    assert np.isnan(loss.on_tile(Z, loss.targets(np.eye(3, dtype=int), 3, np.float32), np.arange(3), 0, 3, np.float32(1), Z)[0])


def test_all_labels_must_be_right_for_a_hit_also_where_an_output_is_zero():
    loss, y = sl.BinaryCrossEntropy(), np.array([[1, 0], [1, 0], [1, 0], [0, 0]])
    Z = np.zeros((2, 8), np.float32)
    Z[:, :4] = [[1, 0, 1, 0], [-1, -1, 1, 0]]
    assert loss.on_tile(Z, loss.targets(y, 2, np.float32), np.arange(4), 0, 4, np.float32(1), Z)[1] == 2


# the backward pass of layers with far more outputs than inputs


def trained_on_many(data, threads=1, engine=None):
    """(weights, whether the last layer has a transposed index) after an epoch; engine: one to use in place of the fast one."""
    model = sl.SparseMLP.create((60, 30, 300), density=[0.3, 0.2], topology="fixed_fan_in", seed=0, dropout=0.2)
    with pytest.MonkeyPatch.context() as patch:
        if engine:
            patch.setattr(
                select, "create", lambda *arguments, **_: engine(arguments[0], arguments[1], tiling.tile_width(70), threads)
            )
        records = list(sl.train(model, data, loss="binary_cross_entropy", epochs=1, batch_size=70, seed=0, threads=threads))
    assert np.isfinite(records[0].train_loss)
    return [layer.w for layer in model.layers], "transposed" in vars(model.layers[1].topology)


def test_wide_output_layers_go_without_a_transposed_index_and_give_the_same_bits_everywhere(monkeypatch):
    data = many(n_samples=200)
    indexed, has_index = trained_on_many(data)
    assert has_index
    monkeypatch.setattr(tiling, "WIDE", 1)
    found, has_index = trained_on_many(data)
    assert not has_index
    for a, b in zip(found, indexed, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for other, _ in (trained_on_many(data, threads=2), trained_on_many(data, engine=LayerwiseEngine)):
        for a, b in zip(found, other, strict=True):
            np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(tiling, "LARGE_TILE", 1)  # threads share each tile
    for a, b in zip(found, trained_on_many(data, threads=2)[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_estimate_for_a_million_labels_counts_links_and_tiles_only():
    items = sl.estimate_memory((500, 1000, 10**6), density=[0.1, 0.032], batch_size=32, threads=1, n_test=10_000).items
    links, tile = 32_050_000, 32 * (10**6 + 1500) * 4
    assert items["weights"] == items["column indices"] == 4 * links
    assert "transposed index" not in items
    assert tile <= items["activations (1 tiles of 32)"] < 1.01 * tile
    assert items["evaluation"] < 70 * 4 * 10**6 + 5 * 24 * 10**6
    assert sum(items.values()) < 2**30 + 10_000 * 500 * 4
