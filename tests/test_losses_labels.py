"""Several labels a sample as a sparse matrix: lists of labels give the bits of 0 and 1, and nothing is made dense."""

import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from test_losses_outputs import needs_jit

import sparselab as sl
from sparselab.nn.output_losses import has_labels, zeros_and_ones

N_OUT = 40
LOSSES = {"binary_cross_entropy": sl.BinaryCrossEntropy, "squared_hinge": sl.SquaredHinge}


def label_sets(n=90, n_out=N_OUT, most=4, seed=0):
    """0 and 1 (n, n_out), at most four labels a sample; some have none."""
    random, Y = np.random.default_rng(seed), np.zeros((n, n_out), np.uint8)
    for row in Y:
        row[random.choice(n_out, random.integers(0, most + 1), replace=False)] = 1
    return Y


def features(n=90):
    return np.random.default_rng(1).standard_normal((n, 20)).astype(np.float32)


def trained(Y, loss="binary_cross_entropy", kind="fused", **options):
    X, net = features(), models.net((20, 30, N_OUT))
    options = {"optimizer": sl.MomentumSGD(0.002), "epochs": 2, "batch_size": 32, "loss": loss} | options
    return *models.run(net, (X, Y, X, Y), kind=kind, **options), net


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 60), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_lists_hold_the_labels_in_the_least_memory(seed, n, n_out, most):
    Y = label_sets(n, n_out, min(most, n_out), seed)
    lists = zeros_and_ones(sparse.csr_array(Y), n_out)
    np.testing.assert_array_equal(has_labels(lists, n_out), Y > 0)
    longest = max(1, Y.sum(axis=1).max())
    assert lists.nbytes == min(4 * n * longest, n * n_out)
    assert sl.losses.has_classes(lists)
    if lists.dtype == np.int32:
        assert all(row[row >= 0].tolist() == np.flatnonzero(labels).tolist() for row, labels in zip(lists, Y, strict=True))


@pytest.mark.parametrize("kind", [pytest.param("fused", marks=needs_jit), "layerwise"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_sparse_matrix_gives_the_bits_of_the_dense_one(loss, kind):
    Y = label_sets()
    dense, csr = trained(Y, loss, kind), trained(sparse.csr_matrix(Y), loss, kind)
    assert dense[:2] == csr[:2]
    assert csr[0][-1].test_accuracy is not None


def test_both_engines_with_weights_and_factors():
    options = {
        "loss": sl.BinaryCrossEntropy(output_weights=np.arange(N_OUT) / 20),
        "sample_weight": np.random.default_rng(0).random(90),
    }
    found = [
        trained(form(label_sets()), kind=kind, **options)[:2]
        for kind in models.ENGINES
        for form in (np.asarray, sparse.csr_array)
    ]
    assert all(one == found[0] for one in found)


def test_evaluation_and_datasets():
    Y, X = label_sets(), features()
    net = trained(sparse.coo_matrix(Y))[2]
    for form in (sparse.csr_array, sparse.csc_matrix, sparse.lil_array):
        assert sl.evaluate(net, X, form(Y), loss="squared_hinge") == sl.evaluate(net, X, Y, loss="squared_hinge")
    data = sl.datasets.Dataset.from_arrays(X, sparse.csr_array(Y.astype(bool)))
    assert data.n_outputs == N_OUT
    assert data.n_classes is None
    for part in (data.head(20), data.with_weights(np.ones(90)).split_validation(0.5)):
        assert sparse.issparse(part.y_train)
        list(sl.train(models.net((20, 30, N_OUT)), part, loss="binary_cross_entropy", epochs=1, seed=0))
    records = list(
        sl.train_parallel(net, data, loss="binary_cross_entropy", backend="serial", n_jobs=2, epochs=2, batch_size=16, seed=0)
    )
    assert np.isfinite(records[-1].train_loss)


def test_nothing_is_made_dense(monkeypatch):
    Y = sparse.csr_array(label_sets())
    refuse = lambda *arguments: pytest.fail("made dense")
    for kind in (sparse.csr_array, sparse.csr_matrix):
        for name in ("toarray", "todense"):
            monkeypatch.setattr(kind, name, refuse)
    trained(Y)


def test_what_is_given_stays_as_it_was():
    Y = sparse.csr_array(label_sets().astype(float))
    Y.data[0] = 0  # an explicit zero
    before = Y.copy()
    lists = zeros_and_ones(Y, N_OUT)
    np.testing.assert_array_equal(has_labels(lists, N_OUT), Y.toarray() > 0)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(Y, name), getattr(before, name))


def test_the_classifier_takes_it():
    X, Y = features(), label_sets()
    make = lambda: sl.SparseMLPClassifier((20,), epochs=3, random_state=0)
    one, other = make().fit(X, Y), make().fit(X, sparse.csr_matrix(Y))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert other.score(X, sparse.csr_matrix(Y)) == one.score(X, Y)
    stopped = sl.SparseMLPClassifier((20,), epochs=3, random_state=0, early_stopping=True).fit(X, sparse.csr_array(Y))
    assert 0 <= stopped.best_validation_score_ <= 1


@pytest.mark.parametrize(
    ("change", "loss", "words"),
    [
        (lambda Y: 2 * Y, "binary_cross_entropy", r"y.data\[0\] = 2.0: must be 0 or 1"),
        (lambda Y: Y[:, :5], "binary_cross_entropy", r"y.shape = \(90, 5\): must be \(n, 40\)"),
        (lambda Y: Y[:7], "squared_hinge", r"y.shape = \(7, 40\): must be \(90, labels\)"),
        (lambda Y: Y * np.nan, "binary_cross_entropy", "nan"),
        (lambda Y: Y, "softmax_cross_entropy", "y = "),
        (lambda Y: Y, "huber", "y = "),
    ],
)
def test_refused(change, loss, words):
    net = models.net((20, 30, N_OUT))
    with pytest.raises((TypeError, ValueError), match=words):
        sl.steps(net, (features(), change(sparse.csr_array(label_sets().astype(float)))), loss=loss)
