"""The input features that a trained sparse net holds on to: a scikit-learn transformer that ranks them by strength.

A sparse first layer gives every feature a few links; training makes those of a feature that helps strong.
"""

import numbers

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..datasets.validation import check_features
from ..nn.mlp import SparseMLP
from ..utils import checks
from ..utils.csr import check_csr, check_parts
from . import classifier
from .classifier import SparseMLPClassifier
from .settings import boolean, seeds_of, threads_of

# The best of `python -m benchmarks.selection --search`, which looks at a validation part of the training rows alone. Decay and
# dropout keep links of noise from growing. The topology is static: every link that SET draws anew is a link of noise, mostly.
SETTINGS = {
    "hidden_layer_sizes": (100,), "zeta": 0, "learning_rate": 0.003, "weight_decay": 0.003, "dropout": 0.5, "batch_size": "auto",
    "epochs": 50,
}  # fmt: skip


class SparseFeatureSelector(SelectorMixin, MetaEstimatorMixin, BaseEstimator):
    """Keeps the features with the strongest links in a sparse net that was trained on all of them.

    The strength of feature i is Σ_j |w_ji| over its outgoing links in the first layer (the neuron strength of QuickSelection,
    Atashgahi et al. 2022, "Quick and robust feature selection: the strength of energy-efficient sparse training for
    autoencoders"; there of a denoising autoencoder trained with SET, here, by default, of a static sparse classifier). Equal
    strengths rank in the order of the columns. The classifier standardises its features, so strengths do not depend on their
    units; with `standardise=False` they do.

    Parameters
    ----------
    estimator : None, or an estimator with a SparseMLP in `model_` after fit, such as SparseMLPClassifier(...), which is cloned.
        None is a SparseMLPClassifier with SETTINGS of this module.
    n_features_to_select : None (half of them), a number of features, or a share of them in (0, 1]; at least one stays.
    prefit : True: `estimator` is fitted already, and is not cloned; it may be a SparseMLP too. fit then looks at no data.
    random_state : None, or the random_state that the clone gets.
    n_jobs : None, or the n_jobs that the clone gets.

    Attributes
    ----------
    estimator_ : the fitted estimator.
    strengths_ : (n_features,) strength of each feature. ranking_ : (n_features,) its rank, 1 for the strongest.
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sparselab import SparseFeatureSelector, SparseMLPClassifier
    >>> both = make_pipeline(SparseFeatureSelector(n_features_to_select=20, random_state=0), SparseMLPClassifier(random_state=0))
    """

    def __init__(self, estimator=None, *, n_features_to_select=None, prefit=False, random_state=None, n_jobs=None):
        self.estimator = estimator
        self.n_features_to_select = n_features_to_select
        self.prefit = prefit
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = not self.prefit
        return tags

    def fit(self, X=None, y=None):
        """Train the net on X (samples, features) and labels y (samples,), and rank the features; returns self.

        Bad parameters and data are named before anything is trained (data by the estimator), and a fit that fails leaves the
        selector as it was.
        """
        boolean("prefit", self.prefit)
        check_amount(self.n_features_to_select)
        shape = getattr(X, "shape", ())
        if not self.prefit and len(shape) == 2 and shape[1]:
            amount(self.n_features_to_select, shape[1])  # too many: said before the training, not after it
        estimator = self.estimator if self.prefit else self._clone().fit(X, y)
        model = net_of(estimator)
        chosen = amount(self.n_features_to_select, model.sizes[0])
        self.estimator_, self._n_selected, self.n_features_in_ = estimator, chosen, model.sizes[0]
        vars(self).pop("feature_names_in_", None)
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_
        self.strengths_ = model.layers[0].strength_out()
        self.ranking_ = ranks(self.strengths_)
        return self

    def transform(self, X):
        """The chosen columns of X, in their order: values and dtype as they are. Refuses what fit would refuse."""
        check_is_fitted(self, "ranking_")
        X = before_sklearn(X)
        check_features(validate_data(self, classifier.before_sklearn(X), reset=False, **classifier.VALIDATION))
        return super().transform(X)

    def inverse_transform(self, X):
        """X with columns of zeros where features were left out."""
        check_is_fitted(self, "ranking_")
        return super().inverse_transform(before_sklearn(X))

    def _get_support_mask(self):
        check_is_fitted(self, "ranking_")
        return self.ranking_ <= self._n_selected

    def _clone(self):
        if self.estimator is None:
            estimator = SparseMLPClassifier(**SETTINGS)
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


def check_amount(wanted):
    """Refuse what is neither None, nor a whole number >= 1, nor a share in (0, 1]."""
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
    """(n,) int64: 1 for the largest; equal ones in the order they stand in."""
    ranking = np.empty(len(strengths), np.int64)
    ranking[np.argsort(-strengths, kind="stable")] = np.arange(1, len(strengths) + 1)
    return ranking


def before_sklearn(X):
    """X as it is, sparse matrices as CSR: refused where their indices are wild, which compiled code would follow.

    Masked values too, for the mask would be lost.
    """
    if np.ma.is_masked(X):
        checks.fail("X", X, "without masked values: fill or drop them")
    if not sparse.issparse(X):
        return X
    check_parts(X)
    X = X.tocsr()
    check_csr(X)  # a list of lists is converted without a look at its columns
    return X
