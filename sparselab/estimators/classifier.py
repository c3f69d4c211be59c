"""A truly sparse multilayer perceptron that behaves like any other classifier of scikit-learn.

It owns no mathematics: it checks, encodes, calls training.train and remembers.
"""

import copy

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import checks
from ..datasets.dataset import Dataset
from ..datasets.gate import check_features
from ..history import History
from ..training import TrainingState, predict
from .fitting import BestEpoch, all_or_nothing, progress, run_epochs, with_validation
from .settings import NET, Settings, hidden_layers, seeds, threads

# What is not finite is named by our own gate, with its place.
VALIDATION = {"accept_sparse": "csr", "accept_large_sparse": True, "ensure_all_finite": False}


class SparseMLPClassifier(ClassifierMixin, BaseEstimator):
    """A truly sparse MLP trained by momentum SGD on the cross-entropy, its links replaced between epochs (SET, All-ReLU).

    Features should be standardised, as by StandardScaler in a pipeline. Sparse input (CSR) is never made dense.

    Parameters
    ----------
    hidden_layer_sizes : widths of the hidden layers, default (200, 200).
    epsilon : expected links of a layer are epsilon (n_in + n_out); where that reaches n_in n_out the layer is dense.
    density : None, or the same share of links in (0, 1] in every layer; epsilon is then not used.
    activation : "all_relu", "relu", "leaky_relu", "all_negative", "tanh", "identity" or an object.
    alpha : slope of all_relu, leaky_relu and all_negative left of 0. It is NOT scikit-learn's alpha: L2 is weight_decay.
    initializer : "he_uniform", "xavier_uniform", "normal" or an object.
    dropout : share of hidden values dropped in training, in [0, 1).
    zeta : share of the links replaced before every epoch but the first, in [0, 1], or a function of the epoch; 0: static.
    rules : None, or a list of rules such as [SET(0.3)] in the place of zeta; [] is static.
    learning_rate : a number or a schedule (epoch -> rate).
    momentum, nesterov, weight_decay : as in MomentumSGD; weight_decay is not multiplied by the learning rate.
    batch_size : samples of a mini-batch, or "auto": about 50 mini-batches an epoch, of 16 to 128 samples.
    epochs : passes over the data of one fit (with early_stopping: at most).
    early_stopping : hold back a stratified part of the training data, stop when accuracy on it no longer grows, and
        keep the epoch at which it was best.
    validation_fraction : that part, in (0, 1).
    n_epochs_no_change, tol : stop after so many epochs in a row without a gain of more than tol.
    warm_start : fit goes on with the net and the momentum of the fit before, for `epochs` epochs more.
    standardise : scale features by mean and deviation of the first training data (CSR: deviation only); `scaler_` does it.
    random_state : None, int, RandomState, Generator or SeedSequence. Generators are copied, so that fit leaves them as they
        were and the same estimator fits the same net twice. None takes fresh entropy, never numpy's global generator.
    verbose : a bar over the epochs.
    n_jobs : threads; None: 1, -1: all cores. Results do not depend on it.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as everywhere in scikit-learn.
    model_ : the SparseMLP. n_links_, density_ : its links, and their share of a dense net's.
    history_ : a History, one record an epoch; its test_* columns are those of the validation part.
    n_iter_ : epochs trained in all. loss_ : training loss of the epoch that model_ stands at.
    best_validation_score_, best_epoch_ : accuracy and number (from 1) of the epoch kept by early stopping, else None.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sparselab import SparseMLPClassifier
    >>> classifier = make_pipeline(StandardScaler(), SparseMLPClassifier(epochs=30, random_state=0))
    """

    def __init__(
        self, hidden_layer_sizes=(200, 200), *, epsilon=20, density=None, activation="all_relu", alpha=0.6,
        initializer="he_uniform", dropout=0.0, zeta=0.3, rules=None, learning_rate=0.01, momentum=0.9, nesterov=False,
        weight_decay=0.0, batch_size=128, epochs=20, early_stopping=False, validation_fraction=0.1, n_epochs_no_change=10,
        tol=1e-4, warm_start=False, standardise=False, random_state=None, verbose=False, n_jobs=None,
    ):  # fmt: skip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epsilon = epsilon
        self.density = density
        self.activation = activation
        self.alpha = alpha
        self.initializer = initializer
        self.dropout = dropout
        self.zeta = zeta
        self.rules = rules
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_epochs_no_change = n_epochs_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.standardise = standardise
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X, y):
        """Train on X (samples, features) and labels y (samples,); returns self.

        A parameter or entry that is not allowed is named before anything is trained. A fit that fails leaves the
        estimator as it was. An interrupted one keeps the epochs that were finished.
        """
        with all_or_nothing(self):
            settings, going_on = Settings.of(self), bool(self.warm_start) and hasattr(self, "model_")
            X, y = self._training_data(X, y, reset=not going_on)
            classes = labels_of(y)
            if going_on and not np.array_equal(classes, self.classes_):
                checks.fail("y", classes.tolist(), f"of the same classes as before, {self.classes_.tolist()} (warm_start)")
            run = copy.deepcopy(self._run) if going_on else Run.start(settings, X, classes, self)
            return self._train(run, settings, self._dataset(run, X, y), self.epochs)

    def partial_fit(self, X, y, classes=None):
        """Train for one epoch on X, y; returns self. `classes`, all labels there are, is needed at the first call.

        Momentum, epoch and seed go on from call to call: n calls with the same data are a fit of n epochs. Each call but the
        first replaces links first, so for a stream of small batches set zeta to 0 or a small share.
        """

    def predict(self, X):
        """Labels (samples,)."""
        return self.classes_[self._logits(X).argmax(axis=1)]
