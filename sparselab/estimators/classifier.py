"""A truly sparse multilayer perceptron as a scikit-learn classifier: it checks and encodes the data and calls `train`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..checkpoints.records import History
from ..checkpoints.state import TrainingState
from ..datasets.dataset import Dataset
from ..datasets.scaling import CommonScale, scaled_by, warn_of_extreme_numbers, warn_of_lost_digits
from ..datasets.targets import as_labels
from ..datasets.validation import check_features, check_frame, is_wide
from ..training.loop import predict
from ..utils import checks
from ..utils.csr import check_finite
from .fitting import BestEpoch, copied, progress, restored_on_failure, run_epochs, stored_seeds, with_validation
from .labels import classes_of, codes_of
from .settings import Settings, net_parameters, seeds_of, threads_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..datasets.augmentation import Augmentation

# Numbers that are not finite are refused by check_features, which names their place.
SAME = 1e-9  # deviations by which a mean may differ and counts as the same
VALIDATION = {"accept_sparse": "csr", "accept_large_sparse": True, "ensure_all_finite": False}


def check_before_sklearn(X):
    """Validate sparse X, because compiled code of scikit-learn and scipy would follow invalid indices out of the array.

    Masked arrays are refused, because their mask would be lost. Everything else is returned as it is.
    """
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        check_frame(X)
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ValueError(f"Complex data not supported: X.dtype = {X.dtype}: must be bool, integer or floating")
    if not (sparse.issparse(X) or np.ma.isMaskedArray(X)):
        return X
    return check_features(X, dtype=np.float64 if is_wide(X) else np.float32)


def updated(scaler, X):
    """A scaler that has seen X, too; with the same mean and deviation where X changes them by rounding only."""
    with checks.usual_errors():
        new = deepcopy(scaler).partial_fit(X)
    if isinstance(new, CommonScale):
        if abs(new.factor_ - scaler.factor_) <= SAME * scaler.factor_:
            new.factor_ = scaler.factor_
        return new
    near = lambda a, b: a is None or bool(np.all(np.abs(a - b) <= SAME * scaler.scale_))
    if near(new.mean_, scaler.mean_) and near(new.scale_, scaler.scale_):
        new.mean_, new.var_, new.scale_ = scaler.mean_, scaler.var_, scaler.scale_
    return new


def has_partial_fit(estimator):
    """Early stopping excludes partial_fit: it needs a validation part that stays the same."""
    if estimator.early_stopping:
        checks.fail("early_stopping", estimator.early_stopping, "False for partial_fit, which holds no data back", AttributeError)
    return True


class SparseMLPClassifier(ClassifierMixin, BaseEstimator):
    """A truly sparse MLP trained on the cross-entropy, its links replaced between epochs (SET, All-ReLU).

    Features are scaled inside unless `standardise=False`. Sparse input (CSR) is never made dense.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(200, 200)
        Widths of the hidden layers.
    epsilon : float, default=20
        Expected links of a layer are epsilon (n_in + n_out); where that reaches n_in n_out, the layer is dense.
    density : float or list of float, default=None
        Share of links in every layer, in (0, 1], or in each (the last may be 1), in place of `epsilon`.
    activation : str or object, default="all_relu"
        "all_relu", "relu", "leaky_relu", "all_negative", "tanh", "identity", "prelu", "srelu", "taaf" or an object.
    alpha : float, default=0.6
        Slope of all_relu, leaky_relu and all_negative left of 0. It is NOT scikit-learn's alpha: L2 is `weight_decay`.
    initializer : str or object, default=None
        "he_uniform", "xavier_uniform", "normal" or an object. None is the default of `SparseMLP.create`, with which nets of any
        epsilon learn: scaled by each neuron's own number of links, in the first layer by its width.
    dropout : float, default=0.0
        Share of hidden values dropped in training, in [0, 1).
    zeta : float or callable, default=0.3
        Share of the links replaced before every epoch but the first, in [0, 1], or a function of the epoch; 0 keeps the links.
    rules : list of rules, default=None
        Such as [SET(0.3)], in place of `zeta`; [] keeps the links.
    learning_rate : float or callable, default=0.01
        A number, or a schedule (epoch -> rate). Adam wants about 0.001.
    momentum : float, default=0.9
        Share of the last step that is kept, in [0, 1); of "momentum_sgd" and "sgd".
    nesterov : bool, default=False
        Whether to use Nesterov's momentum; of "momentum_sgd" and "sgd".
    weight_decay : float, default=0.0
        Share of each weight that every step takes off, in [0, 1); it is multiplied by the learning rate in all optimizers but
        "momentum_sgd".
    batch_size : int or "auto", default="auto"
        Samples of a mini-batch; "auto": about 30 mini-batches an epoch, of 16 to 128 samples.
    epochs : int, default=50
        Passes over the data of one fit (with `early_stopping`: at most).
    early_stopping : bool, default=False
        Whether to hold back a stratified part of the training data, to stop when accuracy on it no longer grows, and to return
        to the epoch at which it was best.
    validation_fraction : float, default=0.1
        That part of the training data, in (0, 1).
    n_epochs_no_change : int, default=10
        Early stopping ends the fit after so many epochs in a row without a gain of more than `tol`.
    tol : float, default=1e-4
        Least gain in accuracy for early stopping.
    warm_start : bool, default=False
        Whether fit goes on with the net and the momentum of the fit before, for `epochs` epochs more.
    standardise : bool or "auto", default="auto"
        True: scale features by mean and deviation of the first training data (sparse data: deviation only). False: take them as
        they are. "auto": True for dense data; sparse data, such as counts of words, are multiplied by one number for all
        features, because dividing by deviations inflates rare ones. `scaler_` does it.
    random_state : int, RandomState, Generator or SeedSequence, default=None
        Generators are copied: fit does not advance them, and the same estimator fits the same net twice. None takes new entropy
        from the operating system, never NumPy's global generator.
    verbose : bool, default=False
        Whether to show a progress bar over the epochs.
    n_jobs : int, default=None
        Threads; None: 1, -1: all cores. Results do not depend on it.
    checkpoint : str or path-like, default=None
        A folder: fit saves the run there after every epoch. Where the folder has that run already (same data and parameters;
        `epochs` is the total), fit goes on with it, to the same result as if it had never been interrupted. One folder for one
        fit: not with `warm_start`, in cross-validation or in a grid search. partial_fit ignores it.
    augmentation : Augmentation, default=None
        How images are changed at random in training: a `sparselab.datasets.Augmentation` with a `shape`; only for dense rows.
    optimizer : str or object, default="momentum_sgd"
        "momentum_sgd", or "sgd", "adam" and "adamw" as in PyTorch; or an object such as Adam(0.001, clip_norm=1.0), which is used
        in place of `learning_rate`, `momentum`, `nesterov` and `weight_decay`.
    topology : str or object, default=None
        Where the links are at the start: a name such as "small_world", an object of `sl.starts` or a function, as for
        `SparseMLP.create`. "csti" uses the training samples.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen during fit, if they have names that are strings.
    model_ : SparseMLP
        The net.
    history_ : History
        One record an epoch; its test_* columns are those of the validation part.
    n_iter_ : int
        Epochs trained in all.
    loss_ : float
        Training loss of the epoch of `model_`.
    scaler_ : StandardScaler, CommonScale or None
        What scales the features.
    best_validation_score_, best_epoch_ : float and int, or None
        Accuracy and number (from 1) of the epoch that early stopping returned to.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sparselab import SparseMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = SparseMLPClassifier((20,), epochs=20, batch_size=16, random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.8
    True
    """

    scaler_: Any
    optimizer: Any = "momentum_sgd"  # of estimators that were pickled before it was a parameter

    def __init__(
        self, hidden_layer_sizes: int | Sequence[int] = (200, 200), *, epsilon: float = 20,
        density: float | Sequence[float] | None = None, activation: Any = "all_relu", alpha: float = 0.6, initializer: Any = None,
        dropout: float = 0.0, zeta: float | Callable[[int], float] = 0.3, rules: Any = None,
        learning_rate: float | Callable[[float], float] = 0.01, momentum: float = 0.9, nesterov: bool = False,
        weight_decay: float = 0.0, batch_size: int | str = "auto", epochs: int = 50, early_stopping: bool = False,
        validation_fraction: float = 0.1, n_epochs_no_change: int = 10, tol: float = 1e-4, warm_start: bool = False,
        standardise: bool | str = "auto", random_state: Any = None, verbose: bool = False, n_jobs: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None, augmentation: Augmentation | None = None,
        optimizer: Any = "momentum_sgd", topology: Any = None,
    ) -> None:  # fmt: skip
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
        self.augmentation = augmentation
        self.optimizer = optimizer
        self.topology = topology

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Train a net.

        A fit that fails leaves the estimator as it was. An interrupted one keeps the epochs that were finished.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        SparseMLPClassifier
            The fitted estimator.

        Raises
        ------
        TypeError or ValueError
            Naming the parameter or entry that is not allowed, before anything is trained.
        """
        with restored_on_failure(self):
            settings, continuing = Settings.of(self), bool(self.warm_start) and hasattr(self, "model_")
            X, y = self._training_data(X, y, reset=not continuing)
            classes = classes_of(y, "y")
            return self._train(settings, continuing, X, y, classes, self.epochs)

    @available_if(has_partial_fit)
    def partial_fit(self, X: Any, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Train for one epoch.

        Momentum, epochs and seeds go on from call to call: n calls with the same data are a fit of n epochs. Each call but the
        first begins with the replacement of links, so set zeta to 0 or to a small share for a stream of small batches. Mean and
        deviation of the features are those of all samples so far, so that a first batch of few or similar rows does not fix
        them. Not available with `early_stopping`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that can occur, needed at the first call.

        Returns
        -------
        SparseMLPClassifier
            The fitted estimator.

        Raises
        ------
        TypeError or ValueError
            Naming the parameter or entry that is not allowed, before anything is trained.
        """
        with restored_on_failure(self), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "start = .*: nothing will be pruned")  # more calls may follow
            settings, continuing = replace(Settings.of(self), checkpointing={}), hasattr(self, "model_")
            if not continuing and classes is None:
                checks.fail("classes", classes, "all labels there are, at the first call to partial_fit")
            X, y = self._training_data(X, y, reset=not continuing)
            classes = None if classes is None else classes_of(classes, "classes")
            if continuing and self.scaler_ is not None:
                self.scaler_ = updated(self.scaler_, X)
            return self._train(settings, continuing, X, y, classes, 1)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            The most probable label of each sample.
        """
        codes = self._logits(X).argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        with np.errstate(under="ignore"):
            return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithms of the probabilities, finite for any logits.
        """
        logits = self._logits(X)
        logits -= logits.max(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Compute the outputs of the net.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Logits; for two classes their difference, the log odds of the second one.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    @property
    def n_links_(self) -> int:
        """Links of the net."""
        return self.model_.n_links

    @property
    def density_(self) -> float:
        """Links of the net as a share of those of a dense one."""
        return self.model_.density

    def _logits(self, X):
        check_is_fitted(self, "model_")
        X = self._features(validate_data(self, check_before_sklearn(X), reset=False, **VALIDATION))
        return predict(self.model_, self._scaled(X), threads=threads_of(self.n_jobs)).astype(np.float64)

    def _training_data(self, X, y, reset):
        """X, C-contiguous or CSR, and y as one column of labels, both checked."""
        y = y if y is None else as_labels(y)
        X, y = validate_data(self, check_before_sklearn(X), y, reset=reset, **VALIDATION)
        check_classification_targets(y)
        return self._features(X), y

    def _features(self, X):
        """X, checked: as float64 where it is to be standardised and float32 could lose digits, else as float32."""
        dtype = np.dtype(np.float64 if self.standardise and is_wide(X) else np.float32)
        checked = check_features(X, dtype=dtype)
        if is_wide(X) and X.dtype != dtype and X.dtype.itemsize >= dtype.itemsize:
            warn_of_lost_digits(X.tocsr() if sparse.issparse(X) else X, "X", dtype)
        return checked

    def _scaled(self, X):
        """X as float32, standardised if that is wanted."""
        if self.scaler_ is None:
            return X
        if isinstance(self.scaler_, StandardScaler) and (
            X.dtype == np.float32 or (sparse.issparse(X) and self.scaler_.with_mean)
        ):
            with config_context(transform_output="default"):  # a net reads arrays, whatever the user's pipelines return
                return self.scaler_.transform(X)
        if isinstance(self.scaler_, CommonScale):
            scaled = self.scaler_.transform(X)
        else:
            scaled = scaled_by(X, self.scaler_.mean_, 1 / self.scaler_.scale_, np.float32)
        values = scaled.data if sparse.issparse(scaled) else scaled
        check_finite(values, values, "standardised X")
        return scaled

    def _start(self, settings, X, classes):
        """(model, state, history) of a new net."""
        seeds = seeds_of(self.random_state)
        model = settings.make_net(X, len(classes), seeds)
        if settings.checkpointing and self.random_state is None:
            seeds = stored_seeds(settings.checkpointing["checkpoint"], model) or seeds
        self.classes_, self._made_with = classes, net_parameters(self)
        self.scaler_ = self._new_scaler(sparse.issparse(X))
        if self.scaler_ is not None:
            with checks.usual_errors():
                self.scaler_.fit(X)
        if X.dtype == np.float64 and isinstance(self.scaler_, CommonScale):
            warn_of_lost_digits(self.scaler_.transform(X, np.float64), "X")
        elif X.dtype == np.float64:
            warn_of_extreme_numbers(X, "X")
        return model, TrainingState.start(model, settings.optimizer, seeds), History()

    def _new_scaler(self, is_sparse):
        if isinstance(self.standardise, str) and is_sparse:
            return CommonScale()
        return StandardScaler(with_mean=not is_sparse) if self.standardise else None

    def _check_unchanged(self, classes):
        """Refuse classes and parameters with which the existing net cannot have been made."""
        if classes is not None and not np.array_equal(classes, self.classes_):
            checks.fail("classes", classes.tolist(), f"those trained on before, {self.classes_.tolist()}")
        for name, value in net_parameters(self).items():
            made = self._made_with.get(name, value)  # an estimator of an earlier version noted fewer
            if value is not made and value != made:
                checks.fail(name, value, f"{made!r}, with which the net was made (fit without warm_start makes a new one)")

    def _train(self, settings, continuing, X, y, classes, epochs):
        """Train the existing net for `epochs` epochs more, or a new one for so many in all; returns self."""
        if continuing:
            self._check_unchanged(classes)
            (model, state), history = copied(self.model_, self._state), History(self.history_)
        else:
            model, state, history = self._start(settings, X, classes)
        model.dropout = settings.dropout
        data = Dataset(self._scaled(X), codes_of(y, self.classes_), classes=self.classes_).with_augmentation(self.augmentation)
        best, done = None, len(history)
        if self.early_stopping:
            data = with_validation(data, self.validation_fraction, state.seeds)
            best = BestEpoch(model, state, self.n_epochs_no_change, self.tol, settings.checkpointing.get("checkpoint"))
        try:
            with progress(self.verbose, epochs, type(self).__name__) as bar:
                run_epochs(model, state, history, data, settings, epochs=epochs, best=best, bar=bar)
        except (KeyboardInterrupt, SystemExit):  # the second is what handlers of SIGTERM raise
            if len(history) > done:
                self._store(model, state, history, best)
            raise
        return self._store(model, state, history, best)

    def _store(self, model, state, history, best):
        """Set the attributes of a fitted estimator; returns self."""
        model.classes = self.classes_
        self.model_, self._state, self.history_ = model, state, history
        record = best.record if best else history[-1]
        self.n_iter_, self.loss_ = len(history), record.train_loss
        self.best_validation_score_ = record.test_accuracy if best else None
        self.best_epoch_ = record.epoch if best else None
        return self
