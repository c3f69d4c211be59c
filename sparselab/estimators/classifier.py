"""A truly sparse multilayer perceptron that behaves like any other classifier of scikit-learn.

It owns no mathematics: it checks, encodes, calls training.train and remembers.
"""

import warnings
from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..checkpoints.records import History
from ..checkpoints.state import TrainingState
from ..datasets.dataset import Dataset
from ..datasets.targets import as_labels
from ..datasets.validation import check_features, check_frame
from ..training.loop import predict
from ..utils import checks
from .fitting import BestEpoch, all_or_nothing, progress, run_epochs, seeds_kept, twin, with_validation
from .labels import classes_of, codes_of
from .settings import Settings, net_parameters, seeds_of, threads_of

# What is not finite is named by our own gate, with its place.
VALIDATION = {"accept_sparse": "csr", "accept_large_sparse": True, "ensure_all_finite": False}


def before_sklearn(X):
    """Sparse X through our gate: scikit-learn's and scipy's compiled code would follow a malformed CSR's wild indices.

    Masked arrays too, whose mask would be lost. Everything else as it is.
    """
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        check_frame(X)
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ValueError(f"Complex data not supported: X.dtype = {X.dtype}: must be bool, integer or floating")
    return check_features(X) if sparse.issparse(X) or np.ma.isMaskedArray(X) else X


def holds_nothing_back(estimator):
    """partial_fit is there only without early stopping, which needs a validation part that stays the same."""
    if estimator.early_stopping:
        checks.fail("early_stopping", estimator.early_stopping, "False for partial_fit, which holds no data back", AttributeError)
    return True


class SparseMLPClassifier(ClassifierMixin, BaseEstimator):
    """A truly sparse MLP trained by momentum SGD on the cross-entropy, its links replaced between epochs (SET, All-ReLU).

    Features are standardised inside unless `standardise=False`. Sparse input (CSR) is never made dense.

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
    checkpoint : None, or a folder: fit saves the run there after every epoch, and goes on with it where the folder has it
        already (same data and parameters; `epochs` is the total), to the same result as if it had never been interrupted. One
        folder for one fit: not with warm_start, in cross-validation or in a grid search. partial_fit does not look at it.

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
        weight_decay=0.0, batch_size=128, epochs=50, early_stopping=False, validation_fraction=0.1, n_epochs_no_change=10,
        tol=1e-4, warm_start=False, standardise=True, random_state=None, verbose=False, n_jobs=None,
        checkpoint=None,
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
        self.checkpoint = checkpoint

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
            classes = classes_of(y, "y")
            if not going_on:
                return self._train(settings, *self._start(settings, X, classes), X, y, self.epochs)
            self._check_unchanged(classes)
            return self._train(settings, *twin(self.model_, self._state), History(self.history_), X, y, self.epochs)

    @available_if(holds_nothing_back)
    def partial_fit(self, X, y, classes=None):
        """Train for one epoch on X, y; returns self. `classes`, all labels there are, is needed at the first call.

        Momentum, epochs and seeds go on from call to call: n calls with the same data are a fit of n epochs. Each call but
        the first replaces links first, so for a stream of small batches set zeta to 0 or to a small share.
        """
        with all_or_nothing(self), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "start = .*: nothing will be pruned")  # how many calls will come nobody knows
            settings, going_on = replace(Settings.of(self), kept={}), hasattr(self, "model_")
            if not going_on and classes is None:
                checks.fail("classes", classes, "all labels there are, at the first call to partial_fit")
            X, y = self._training_data(X, y, reset=not going_on)
            classes = None if classes is None else classes_of(classes, "classes")
            if not going_on:
                return self._train(settings, *self._start(settings, X, classes), X, y, 1)
            self._check_unchanged(classes)
            return self._train(settings, *twin(self.model_, self._state), History(self.history_), X, y, 1)

    def predict(self, X):
        """Labels (samples,)."""
        codes = self._logits(X).argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X):
        """Probabilities (samples, classes), in the order of classes_."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Logarithms of the probabilities (samples, classes), finite for any logits."""
        logits = self._logits(X)
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def decision_function(self, X):
        """The net's logits (samples, classes); for two classes their difference (samples,), the log odds of the second."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    @property
    def n_links_(self):
        """Links of the net."""
        return self.model_.n_links

    @property
    def density_(self):
        """Links of the net as a share of those of a dense one."""
        return self.model_.density

    def _logits(self, X):
        check_is_fitted(self, "model_")
        X = check_features(validate_data(self, before_sklearn(X), reset=False, **VALIDATION))
        return predict(self.model_, self._scaled(X), threads=threads_of(self.n_jobs)).astype(np.float64)

    def _training_data(self, X, y, reset):
        """X as float32, C-contiguous or CSR, and y as one column of labels; or an error naming what they are not."""
        y = y if y is None else as_labels(y)
        X, y = validate_data(self, before_sklearn(X), y, reset=reset, **VALIDATION)
        check_classification_targets(y)
        return check_features(X), y

    def _scaled(self, X):
        return X if self.scaler_ is None else self.scaler_.transform(X)

    def _start(self, settings, X, classes):
        """A new net and what belongs to it: (model, state, history)."""
        seeds = seeds_of(self.random_state)
        model = settings.make_net(X.shape[1], len(classes), seeds)
        if settings.kept and self.random_state is None:
            seeds = seeds_kept(settings.kept["checkpoint"], model) or seeds
        self.classes_, self._made_with = classes, net_parameters(self)
        self.scaler_ = StandardScaler(with_mean=not sparse.issparse(X)).fit(X) if self.standardise else None
        return model, TrainingState.start(model, settings.optimizer, seeds), History()

    def _check_unchanged(self, classes):
        """Who goes on with a net must mean that net."""
        if classes is not None and not np.array_equal(classes, self.classes_):
            checks.fail("classes", classes.tolist(), f"those trained on before, {self.classes_.tolist()}")
        for name, value in net_parameters(self).items():
            made = self._made_with[name]
            if value is not made and value != made:
                checks.fail(name, value, f"{made!r}, with which the net was made (fit without warm_start makes a new one)")

    def _train(self, settings, model, state, history, X, y, epochs):
        model.dropout = settings.dropout
        data = Dataset(self._scaled(X), codes_of(y, self.classes_), classes=self.classes_)
        best, done = None, len(history)
        if self.early_stopping:
            data = with_validation(data, self.validation_fraction, state.seeds)
            best = BestEpoch(model, state, self.n_epochs_no_change, self.tol, settings.kept.get("checkpoint"))
        try:
            with progress(self.verbose, epochs, type(self).__name__) as bar:
                run_epochs(model, state, history, data, settings, epochs=epochs, best=best, bar=bar)
        except KeyboardInterrupt:
            if len(history) > done:
                self._keep(model, state, history, best)
            raise
        return self._keep(model, state, history, best)

    def _keep(self, model, state, history, best):
        self.model_, self._state, self.history_ = model, state, history
        record = best.record if best else history[-1]
        self.n_iter_, self.loss_ = len(history), record.train_loss
        self.best_validation_score_ = record.test_accuracy if best else None
        self.best_epoch_ = record.epoch if best else None
        return self
