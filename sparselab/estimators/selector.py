"""Feature selection as a scikit-learn transformer: features are ranked by the strength of their links in a trained sparse net.

A sparse first layer gives every feature a few links; training strengthens those of useful features.
"""

from __future__ import annotations

import numbers
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..datasets.augmentation import Augmentation
from ..datasets.targets import as_labels
from ..datasets.validation import check_features
from ..evolution import SET
from ..nn.mlp import SparseMLP
from ..utils import checks
from ..utils.csr import check_csr, check_parts
from .base import VALIDATION, SparseMLPEstimator, check_before_sklearn
from .classifier import SparseMLPClassifier
from .labels import classes_of
from .regressor import SparseMLPRegressor
from .settings import boolean, seeds_of, threads_of

# The best of `python -m benchmarks.selection --search`, judged on a validation part of the training rows. Decay and dropout keep
# links of noise features from growing. The topology is static, because most links that SET adds are links of noise features.
SETTINGS = {
    "hidden_layer_sizes": (100,), "zeta": 0, "learning_rate": 0.003, "weight_decay": 0.003, "dropout": 0.5, "batch_size": "auto",
    "epochs": 50, "initializer": "he_uniform", "standardise": True,
}  # fmt: skip
# Those of QuickSelection, but for a smaller learning rate: the loss is the sum over the features, of which there may be many.
AUTOENCODER = {
    "hidden_layer_sizes": (1000,), "epsilon": 13, "activation": "tanh", "rules": [SET(0.2, layers="all")], "learning_rate": 0.001,
    "dropout": 0.2, "batch_size": "auto", "epochs": 50, "standardise": True, "augmentation": Augmentation(noise=0.2),
}  # fmt: skip


class SparseFeatureSelector(SelectorMixin, MetaEstimatorMixin, BaseEstimator):
    """Selects the features with the strongest links in a sparse net that was trained on all of them.

    The strength of feature i is Σ_j |w_ji| over its outgoing links in the first layer, the neuron strength of QuickSelection
    (Atashgahi et al.). With labels, or 0 and 1 for each of several labels, the net is by default a static sparse classifier, with
    numbers that are not whole a regressor of the same settings. Without y it is, as in QuickSelection, an autoencoder trained
    with SET to give back the features, which are then dense, from features with noise. Equal strengths rank in the order of the
    columns. These nets standardise features, so that strengths do not depend on their units; with `standardise=False`, or "auto"
    (the estimators' own default) and sparse data, they do.

    Parameters
    ----------
    estimator : estimator or SparseMLP, default=None
        An estimator with a SparseMLP in `model_` after fit, such as SparseMLPClassifier(...), which is cloned. By default a
        SparseMLPClassifier or SparseMLPRegressor with SETTINGS of this module, or without y a SparseMLPRegressor with its
        AUTOENCODER. A SparseMLPRegressor that is given no y learns to predict X; noise is its `augmentation`.
    n_features_to_select : int or float, default=None
        A number of features, or a share of them in (0, 1]; at least one stays. None: half of them.
    prefit : bool, default=False
        Whether `estimator` is fitted already. Then it is not cloned, it may be a SparseMLP too, and fit does not use its
        arguments.
    random_state : int, RandomState, Generator or SeedSequence, default=None
        The random_state that the clone gets, if it is not None.
    n_jobs : int, default=None
        The n_jobs that the clone gets, if it is not None.
    sum_over_epochs : bool, default=False
        Whether strengths are summed over the epochs of the training, in place of those of the net at its end. Only for
        the estimators of this package, without `prefit` and `checkpoint`.

    Attributes
    ----------
    estimator_ : estimator or SparseMLP
        The fitted estimator.
    strengths_ : ndarray of shape (n_features,)
        Strength of each feature, or the sum of its strengths after each epoch.
    ranking_ : ndarray of shape (n_features,)
        Rank of each feature, 1 for the strongest.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen during fit, if they have names that are strings.

    References
    ----------
    Z. Atashgahi et al., "Quick and robust feature selection: the strength of energy-efficient sparse training for autoencoders",
    Machine Learning, 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sparselab import SparseFeatureSelector, SparseMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> selector = SparseFeatureSelector(SparseMLPClassifier((20,), epochs=5, random_state=0), n_features_to_select=2)
    >>> selector.fit_transform(X, y).shape
    (150, 2)
    """

    sum_over_epochs: bool = False  # of selectors that were pickled before it was a parameter

    def __init__(
        self, estimator: Any = None, *, n_features_to_select: float | None = None, prefit: bool = False, random_state: Any = None,
        n_jobs: int | None = None, sum_over_epochs: bool = False,
    ) -> None:  # fmt: skip
        self.estimator = estimator
        self.n_features_to_select = n_features_to_select
        self.prefit = prefit
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.sum_over_epochs = sum_over_epochs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = not (self.prefit or self.estimator is None or isinstance(self.estimator, SparseMLPRegressor))
        return tags

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Train the net and rank the features.

        A fit that fails leaves the selector as it was.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples; not used with `prefit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Labels, or numbers to predict. None: the features themselves are predicted. Not used with `prefit`.

        Returns
        -------
        SparseFeatureSelector
            The fitted selector.

        Raises
        ------
        TypeError or ValueError
            Naming the parameter or entry that is not allowed, before anything is trained.
        """
        for name in ("prefit", "sum_over_epochs"):
            boolean(name, getattr(self, name))
        check_amount(self.n_features_to_select)
        shape: tuple[int, ...] = getattr(X, "shape", ())
        if not self.prefit and len(shape) == 2 and shape[1]:
            amount(self.n_features_to_select, shape[1])  # refuse too many before the training, not after it
        if self.prefit and self.sum_over_epochs:
            checks.fail("sum_over_epochs", True, "False with prefit: the strengths of earlier epochs are gone")
        estimator, sums = (self.estimator, None) if self.prefit else self._fitted(X, y)
        model = net_of(estimator)
        chosen = amount(self.n_features_to_select, model.sizes[0])
        self.estimator_, self._n_selected, self.n_features_in_ = estimator, chosen, model.sizes[0]
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_
        self.strengths_ = model.layers[0].strength_out() if sums is None else sums
        self.ranking_ = ranks(self.strengths_)
        return self

    def transform(self, X: Any) -> Any:
        """Select the columns of the strongest features.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples; what fit would refuse is refused here too.

        Returns
        -------
        ndarray, sparse matrix or data frame of shape (n_samples, n_selected)
            The chosen columns in their order, with values and dtype unchanged.
        """
        check_is_fitted(self, "ranking_")
        X = check_indices(X)
        check_features(validate_data(self, check_before_sklearn(X), reset=False, **VALIDATION))
        return super().transform(X)

    def inverse_transform(self, X: Any) -> Any:
        """Put columns of zeros back where features were left out.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_selected)
            As `transform` returns it.

        Returns
        -------
        ndarray or sparse matrix of shape (n_samples, n_features)
            The selected columns at their original places.
        """
        check_is_fitted(self, "ranking_")
        return super().inverse_transform(check_indices(X))

    def _get_support_mask(self):
        check_is_fitted(self, "ranking_")
        return self.ranking_ <= self._n_selected

    def _fitted(self, X, y):
        """(a new fitted estimator, the strengths summed over its epochs or None)."""
        estimator = self._clone(y)
        if isinstance(estimator, SparseMLPClassifier) and not (y is None or sparse.issparse(y)) and as_labels(y).ndim == 1:
            classes = classes_of(y, "y")
            if len(classes) < 2:
                checks.fail("y", classes.tolist(), "labels of at least two classes (there is 1 class only)")
        if isinstance(estimator, SparseMLPRegressor) and y is None:
            y = outputs_of_autoencoder(X)
        if not self.sum_over_epochs:
            return estimator.fit(X, y), None
        if not isinstance(estimator, SparseMLPEstimator) or estimator.checkpoint is not None:
            allowed = "False unless `estimator` is a SparseMLPClassifier or SparseMLPRegressor without checkpoint"
            checks.fail("sum_over_epochs", True, allowed)
        sums = [0.0]

        def add(model):
            sums[0] = sums[0] + model.layers[0].strength_out().astype(np.float64)

        return estimator._fit(X, y, watch=add), sums[0]

    def _clone(self, y):
        """The estimator to be fitted, with the selector's random_state and n_jobs where they are given."""
        if self.estimator is None:
            regression = y is None or are_numbers(y)
            kind = SparseMLPRegressor if regression else SparseMLPClassifier
            estimator = kind(**(AUTOENCODER if y is None else SETTINGS))
        elif not hasattr(self.estimator, "get_params") or not hasattr(self.estimator, "fit") or isinstance(self.estimator, type):
            allowed = "None or an estimator such as SparseMLPClassifier() (a fitted net only with prefit=True)"
            checks.fail("estimator", self.estimator, allowed, TypeError)
        else:
            estimator = clone(self.estimator)
        given = {"random_state": (self.random_state, seeds_of), "n_jobs": (self.n_jobs, threads_of)}
        for name, (value, check) in given.items():
            if value is not None:
                check(value)
                estimator.set_params(**{name: value})
        return estimator


def net_of(estimator):
    """The SparseMLP in a fitted estimator, or itself; TypeError for anything else."""
    model = estimator if isinstance(estimator, SparseMLP) else getattr(estimator, "model_", None)
    if not isinstance(model, SparseMLP):
        checks.fail("estimator", estimator, "fitted, with a SparseMLP in model_ (or a SparseMLP, with prefit=True)", TypeError)
    return model


def are_numbers(y):
    """Whether y, an array or a list, holds numbers that are not all whole."""
    values = None if sparse.issparse(y) else as_labels(y)
    return values is not None and values.dtype.kind == "f" and bool(np.any(values != np.floor(values)))


def outputs_of_autoencoder(X):
    """X as what an autoencoder is to predict: checked, dense, in float64."""
    if sparse.issparse(X):
        checks.fail("X", X, "dense where y is None: an autoencoder's outputs are dense", TypeError)
    return check_features(check_array(check_before_sklearn(X), ensure_all_finite=False), dtype=np.float64)


def check_amount(wanted):
    """Refuse anything but None, a whole number >= 1 or a share in (0, 1]."""
    if wanted is None:
        return
    if isinstance(wanted, numbers.Integral) and not isinstance(wanted, bool):
        checks.integer("n_features_to_select", wanted)
    else:
        allowed = "None, a whole number >= 1 or a share in (0, 1]"
        checks.number("n_features_to_select", wanted, allowed, low=0, high=1, open_low=True)


def amount(wanted, n_features):
    """Features to keep: a number of them, a share (rounded down), or half; at least 1."""
    if isinstance(wanted, numbers.Integral):
        return checks.integer("n_features_to_select", wanted, high=n_features)
    return max(1, int((0.5 if wanted is None else wanted) * n_features))


def ranks(strengths):
    """(n,) int64: 1 for the largest; equal values in their order."""
    ranking = np.empty(len(strengths), np.int64)
    ranking[np.argsort(-strengths, kind="stable")] = np.arange(1, len(strengths) + 1)
    return ranking


def check_indices(X):
    """X as it is, sparse matrices as CSR; those with invalid indices are refused, because compiled code would follow them.

    Masked values are refused too, because the mask would be lost.
    """
    if np.ma.is_masked(X):
        checks.fail("X", X, "without masked values: fill or drop them")
    if not sparse.issparse(X):
        return X
    check_parts(X)
    X = X.tocsr()
    check_csr(X)  # scipy converts a list of lists without checking its columns
    return X
