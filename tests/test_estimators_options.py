"""Importances, losses, callbacks and validation rows of the classifier and the regressor, and what a weight is worth."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel

from sparselab import SparseMLPClassifier, SparseMLPRegressor

KINDS = [SparseMLPClassifier, SparseMLPRegressor]


def rows(n=120, n_features=6, n_classes=3, seed=0):
    """Classes, which are numbers too, that the first two features tell."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = random.standard_normal((n, n_features))
    X[:, 0] += 2 * y
    X[:, 1] -= 2 * (y == 1)
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
