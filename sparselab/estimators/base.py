"""What the classifier and the regressor share: parameters, scaling of features, and a fit that calls `train`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ..checkpoints.records import History
from ..checkpoints.state import TrainingState
from ..datasets.scaling import CommonScale, scaled_by, warn_of_extreme_numbers, warn_of_lost_digits
from ..datasets.validation import check_features, check_frame, is_frame, is_wide
from ..engines import select
from ..nn.mlp import check_model
from ..training.loop import predict
from ..utils import checks
from ..utils.csr import check_finite
from .fitting import BestEpoch, copied, progress, restored_on_failure, run_epochs, score_of, stored_seeds, with_validation
from .settings import Settings, net_parameters, seeds_of, threads_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..datasets.augmentation import Augmentation

SAME = 1e-9  # deviations by which a mean may differ and counts as the same
# Numbers that are not finite are refused by check_features, which names their place.
VALIDATION = {"accept_sparse": "csr", "accept_large_sparse": True, "ensure_all_finite": False}


def check_before_sklearn(X):
    """Validate sparse X, because compiled code of scikit-learn and scipy would follow invalid indices out of the array.

    Masked arrays are refused, because their mask would be lost. Everything else is returned as it is.
    """
    if is_frame(X):
        check_frame(X)
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ValueError(f"Complex data not supported: X.dtype = {X.dtype}: must be bool, integer or floating")
    if not (sparse.issparse(X) or np.ma.isMaskedArray(X)):
        return X
    return check_features(X, dtype=np.float64 if is_wide(X) else np.float32)


def check_form(scaler, X):
    """Refuse sparse X for a scaler that subtracts means."""
    if sparse.issparse(X) and getattr(scaler, "with_mean", False):
        checks.fail("X", X, "dense, as the samples that the scaling was fitted to: their means are subtracted")


def updated(scaler, X):
    """A scaler that has seen X, too; with the same mean and deviation where X changes them by rounding only."""
    check_form(scaler, X)
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


def check_same_loss(estimator, loss):
    """Refuse a loss of another kind than that with which the existing net was made."""
    made = getattr(estimator, "_made_for", type(loss))  # estimators of an earlier version may not have noted it
    if type(loss) is not made:
        checks.fail("loss", estimator.loss, f"a {made.__name__}, with which the net was made")


class SparseMLPEstimator(BaseEstimator):
    """A truly sparse MLP that is fitted to targets, which a subclass checks and encodes.

    What a subclass knows of its targets before the training (`known`) is found by `_training_data`, and stored or compared by
    `_remember` and `_check_same`; `_dataset` and `_coded` encode the targets.
    """

    scaler_: Any
    optimizer: Any = "momentum_sgd"  # of estimators that were pickled before these were parameters
    topology: Any = None
    callbacks: Any = None
    _later: tuple[Any, ...] = ()  # further arguments of `_training_data` for samples whose classes may be some of those known

    def __init__(
        self, hidden_layer_sizes: int | Sequence[int] = (200, 200), *, epsilon: float = 20,
        density: float | Sequence[float] | None = None, activation: Any = "all_relu", alpha: float = 0.6, initializer: Any = None,
        dropout: float = 0.0, zeta: float | Callable[[int], float] = 0.3, rules: Any = None,
        learning_rate: float | Callable[[float], float] = 0.01, momentum: float = 0.9, nesterov: bool = False,
        weight_decay: float = 0.0, batch_size: int | str = "auto", epochs: int = 50, early_stopping: bool = False,
        validation_fraction: float = 0.1, n_epochs_no_change: int = 10, tol: float = 1e-4, warm_start: bool = False,
        standardise: bool | str = "auto", random_state: Any = None, verbose: bool = False, n_jobs: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None, augmentation: Augmentation | None = None,
        optimizer: Any = "momentum_sgd", topology: Any = None, callbacks: Any = None,
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
        self.callbacks = callbacks

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def n_links_(self) -> int:
        """Links of the net."""
        return self.model_.n_links

    @property
    def density_(self) -> float:
        """Links of the net as a share of those of a dense one."""
        return self.model_.density

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Share of each feature in the strength of all, Σ |w| over its links into the first layer, (n_features,); the sum is 1.

        Those of the scaled features; without scaling (`standardise=False`, or "auto" and sparse data) a feature of larger
        numbers needs smaller weights. All are 0 where no feature has a link of weight other than 0.
        """
        check_is_fitted(self, "model_")
        strengths = self.model_.layers[0].strength_out().astype(np.float64)
        return strengths / (strengths.sum() or 1.0)

    def _outputs(self, X):
        """Outputs of the net for samples, (n, outputs) in float64."""
        X = self._inputs(X)  # says that there is no net, where there is none
        model, threads = self.model_, threads_of(self.n_jobs)
        if sparse.issparse(X) and X.shape[1] == model.sizes[0] and X.dtype == model.dtype:  # to check all entries again is slow
            check_model(model)
            with checks.usual_errors():
                return select.outputs(model, X, threads).astype(np.float64)
        return predict(model, X, threads=threads).astype(np.float64)

    def _inputs(self, X):
        """Samples, checked and scaled."""
        check_is_fitted(self, "model_")
        X = validate_data(self, check_before_sklearn(X), reset=False, **VALIDATION)
        return self._scaled(self._features(X, self.scaler_ is not None))

    def _features(self, X, is_scaled=None):
        """X, checked: as float64 where it is to be standardised and float32 could lose digits, else as float32.

        is_scaled: whether it is to be standardised, by default what the parameter says.
        """
        is_scaled = bool(self.standardise) if is_scaled is None else is_scaled
        dtype = np.dtype(np.float64 if is_scaled and is_wide(X) else np.float32)
        checked = X if sparse.issparse(X) and X.dtype == dtype else check_features(X, dtype=dtype)  # by check_before_sklearn
        if is_wide(X) and X.dtype != dtype and X.dtype.itemsize >= dtype.itemsize:
            warn_of_lost_digits(X.tocsr() if sparse.issparse(X) else X, "X", dtype)
        return checked

    def _scaled(self, X):
        """X as float32, standardised if that is wanted."""
        if self.scaler_ is None:
            return X
        check_form(self.scaler_, X)
        if isinstance(self.scaler_, StandardScaler) and X.dtype == np.float32:
            with config_context(transform_output="default"):  # a net reads arrays, whatever the user's pipelines return
                scaled = self.scaler_.transform(X)
        elif isinstance(self.scaler_, CommonScale):
            scaled = self.scaler_.transform(X)
        else:
            mean = self.scaler_.mean_ if self.scaler_.with_mean else np.zeros_like(self.scaler_.mean_)  # it is there in any case
            scaled = scaled_by(X, mean, 1 / self.scaler_.scale_, np.float32)
        values = scaled.data if sparse.issparse(scaled) else scaled
        check_finite(values, values, "standardised X")
        return scaled

    def _fit(self, X, y, sample_weight=None, validation=None, watch=None):
        """`fit` of the subclasses. watch: called with the net after each epoch."""
        with restored_on_failure(self):
            settings, continuing = Settings.of(self), bool(self.warm_start) and hasattr(self, "model_")
            X, y, known = self._training_data(X, y, not continuing)
            return self._train(settings, continuing, X, y, known, self.epochs, sample_weight, validation, watch)

    def _partial_fit(self, X, y, sample_weight, *more):
        """`partial_fit` of the subclasses. more: further arguments of `_training_data`."""
        with restored_on_failure(self), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "start = .*: nothing will be pruned")  # more calls may follow
            settings, continuing = replace(Settings.of(self), checkpointing={}), hasattr(self, "model_")
            X, y, known = self._training_data(X, y, not continuing, *more)
            if continuing and self.scaler_ is not None:
                self.scaler_ = updated(self.scaler_, X)
            return self._train(settings, continuing, X, y, known, 1, sample_weight)

    def _start(self, settings, X, known):
        """(model, state, history) of a new net. known: what a subclass knows of its targets."""
        seeds = seeds_of(self.random_state)
        model = settings.make_net(X, known.n_outputs, seeds)
        if settings.checkpointing and self.random_state is None:
            seeds = stored_seeds(settings.checkpointing["checkpoint"], model) or seeds
        self._remember(known)
        self._made_with = net_parameters(self)
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

    def _check_unchanged(self):
        """Refuse parameters with which the existing net cannot have been made."""
        for name, value in net_parameters(self).items():
            made = self._made_with.get(name, value)  # an estimator of an earlier version noted fewer
            if value is not made and value != made:
                checks.fail(name, value, f"{made!r}, with which the net was made (fit without warm_start makes a new one)")

    def _train(self, settings, continuing, X, y, known, epochs, sample_weight, validation=None, watch=None):
        """Train the existing net for `epochs` epochs more, or a new one for so many in all; returns self."""
        if continuing:
            self._check_same(known)
            self._check_unchanged()
            (model, state), history = copied(self.model_, self._state), History(self.history_)
        else:
            model, state, history = self._start(settings, X, known)
        model.dropout = settings.dropout
        if watch is not None:
            settings = replace(settings, callbacks=(lambda record: watch(model), *settings.callbacks))
        data = self._dataset(self._scaled(X), y, sample_weight).with_augmentation(self.augmentation)
        loss, best, done = self._weighted_loss(data), None, len(history)
        if validation is not None:
            data = self._with_rows(data, validation)
        elif self.early_stopping:
            data = with_validation(data, self.validation_fraction, state.seeds)
        if self.early_stopping:
            best = BestEpoch(model, state, self.n_epochs_no_change, self.tol, settings.checkpointing.get("checkpoint"))
        try:
            with progress(self.verbose, epochs, type(self).__name__) as bar:
                run_epochs(model, state, history, data, settings, epochs=epochs, best=best, bar=bar, loss=loss)
        except (KeyboardInterrupt, SystemExit):  # the second is what handlers of SIGTERM raise
            if len(history) > done:
                self._store(model, state, history, best)
            raise
        return self._store(model, state, history, best)

    def _with_rows(self, data, validation):
        """The Dataset with (X, y) of `fit` as validation rows; what is wrong with them is said to be so."""
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            checks.fail("validation", validation, "None or a tuple (X, y)", TypeError)
        try:
            X, y, known = self._training_data(*validation, False, *self._later)
            self._check_same(known)
            return replace(data, X_test=self._scaled(X), y_test=self._coded(y))
        except (TypeError, ValueError) as error:
            raise (TypeError if isinstance(error, TypeError) else ValueError)(f"validation: {error}") from error

    def _store(self, model, state, history, best):
        """Set the attributes of a fitted estimator; returns self."""
        self.model_, self._state, self.history_, self._loss_of_fit = model, state, history, self._loss()
        record = best.record if best else history[-1]
        self.n_iter_, self.loss_ = len(history), record.train_loss
        self.best_validation_score_ = score_of(record) if best else None
        self.best_epoch_ = record.epoch if best else None
        return self

    def _training_data(self, X, y, reset):
        """(X, C-contiguous or CSR, y, known), all checked. reset: whether these are the first training data."""
        raise NotImplementedError

    def _remember(self, known):
        """Set the attributes that say what the outputs of a new net stand for."""
        raise NotImplementedError

    def _check_same(self, known):
        """Refuse targets for which the existing net was not made."""
        raise NotImplementedError

    def _dataset(self, X, y, sample_weight):
        """The Dataset of a training."""
        raise NotImplementedError

    def _coded(self, y):
        """Checked targets as a Dataset has them."""
        raise NotImplementedError

    def _loss(self):
        """The loss."""
        raise NotImplementedError

    def _weighted_loss(self, data):
        """The loss of a training on this Dataset."""
        return self._loss()

    @property
    def _trained_loss(self):
        """The loss of the last fit, whatever the parameter is now; that of the parameter before a fit."""
        found = vars(self).get("_loss_of_fit")  # estimators of an earlier version have not noted it
        return self._loss() if found is None else found
