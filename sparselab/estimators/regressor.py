"""A truly sparse multilayer perceptron as a scikit-learn regressor."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ..datasets.dataset import Dataset
from ..datasets.targets import as_labels, check_targets
from ..nn import losses
from ..utils import checks
from .base import VALIDATION, SparseMLPEstimator, check_before_sklearn, check_same_loss, has_partial_fit
from .settings import boolean, loss_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..datasets.augmentation import Augmentation


class SparseMLPRegressor(RegressorMixin, SparseMLPEstimator):
    """A truly sparse MLP that predicts one or several numbers, its links replaced between epochs (SET, All-ReLU).

    Features are scaled inside unless `standardise=False`, targets unless `scale_target=False`. Sparse input (CSR) is never made
    dense.

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
        A name in `sl.initializers.NAMES` or an object. None is the default of `SparseMLP.create`, with which nets of any
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
        Whether to hold back a part of the training data, to stop when the loss on it no longer falls, and to return to the epoch
        at which it was least.
    validation_fraction : float, default=0.1
        That part of the training data, in (0, 1); not used where fit is given `validation`.
    n_epochs_no_change : int, default=10
        Early stopping ends the fit after so many epochs in a row without a fall of more than `tol`.
    tol : float, default=1e-4
        Least fall of the loss for early stopping.
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
        How rows are changed at random in training: a `sparselab.datasets.Augmentation`, with a `shape` where they are images, or
        with `noise` alone; only for dense rows.
    optimizer : str or object, default="momentum_sgd"
        "momentum_sgd", or "sgd", "adam" and "adamw" as in PyTorch; or an object such as Adam(0.001, clip_norm=1.0), which is used
        in place of `learning_rate`, `momentum`, `nesterov` and `weight_decay`.
    topology : str or object, default=None
        Where the links are at the start: a name such as "small_world", an object of `sl.starts` or a function, as for
        `SparseMLP.create`. "csti" uses the training samples.
    loss : str or object, default="mean_squared_error"
        "mean_squared_error", "mean_absolute_error", "huber", "poisson" (of counts, with a log link), "quantile" (the median), or
        an object such as QuantileLoss(0.9) or a loss of your own.
    scale_target : bool, default=True
        Whether the loss sees targets minus their mean, by their deviation (of the first training data); with "poisson" targets by
        their mean. `predict` scales back. The numbers in a loss, such as delta of HuberLoss, are then in deviations.
    callbacks : callable or list of callables, default=None
        Called in order with the EpochRecord of each epoch, after all of which were called the fit ends if one returned True.
        Where a fit goes on from its folder (`checkpoint`), they are called with the records of its earlier epochs first.

    Attributes
    ----------
    feature_importances_ : ndarray of shape (n_features,)
        Share of each feature in Σ |w| over all links of the first layer, those of the scaled features; the sum is 1.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen during fit, if they have names that are strings.
    model_ : SparseMLP
        The net, whose outputs are scaled as `target_mean_` and `target_scale_` say.
    history_ : History
        One record an epoch, with losses of scaled targets; its test_* columns are those of the validation part.
    n_iter_ : int
        Epochs trained in all.
    loss_ : float
        Training loss of the epoch of `model_`.
    scaler_ : StandardScaler, CommonScale or None
        What scales the features.
    target_mean_, target_scale_ : ndarray of shape (n_outputs,)
        What is subtracted from the targets, and what they are then divided by.
    best_validation_score_, best_epoch_ : float and int, or None
        Minus the validation loss, and number (from 1) of the epoch that early stopping returned to.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sparselab import SparseMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = SparseMLPRegressor((20,), epochs=20, random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.4
    True
    """

    def __init__(
        self, hidden_layer_sizes: int | Sequence[int] = (200, 200), *, epsilon: float = 20,
        density: float | Sequence[float] | None = None, activation: Any = "all_relu", alpha: float = 0.6, initializer: Any = None,
        dropout: float = 0.0, zeta: float | Callable[[int], float] = 0.3, rules: Any = None,
        learning_rate: float | Callable[[float], float] = 0.01, momentum: float = 0.9, nesterov: bool = False,
        weight_decay: float = 0.0, batch_size: int | str = "auto", epochs: int = 50, early_stopping: bool = False,
        validation_fraction: float = 0.1, n_epochs_no_change: int = 10, tol: float = 1e-4, warm_start: bool = False,
        standardise: bool | str = "auto", random_state: Any = None, verbose: bool = False, n_jobs: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None, augmentation: Augmentation | None = None,
        optimizer: Any = "momentum_sgd", topology: Any = None, loss: Any = "mean_squared_error", scale_target: bool = True,
        callbacks: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden_layer_sizes, epsilon=epsilon, density=density, activation=activation, alpha=alpha, initializer=initializer,
            dropout=dropout, zeta=zeta, rules=rules, learning_rate=learning_rate, momentum=momentum, nesterov=nesterov,
            weight_decay=weight_decay, batch_size=batch_size, epochs=epochs, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_epochs_no_change=n_epochs_no_change, tol=tol, warm_start=warm_start,
            standardise=standardise, random_state=random_state, verbose=verbose, n_jobs=n_jobs, checkpoint=checkpoint,
            augmentation=augmentation, optimizer=optimizer, topology=topology, callbacks=callbacks,
        )  # fmt: skip
        self.loss = loss
        self.scale_target = scale_target

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, *, validation: tuple[Any, Any] | None = None
    ) -> Self:  # fmt: skip
        """Train a net.

        A fit that fails leaves the estimator as it was. An interrupted one keeps the epochs that were finished.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            A number >= 0 for each sample, which counts as so many copies of it (but not in the scales).
        validation : tuple (X, y), default=None
            Other samples, which are scored after every epoch (the test_* columns of `history_`). With `early_stopping` they take
            the place of a part of the training samples.

        Returns
        -------
        SparseMLPRegressor
            The fitted estimator.

        Raises
        ------
        TypeError or ValueError
            Naming the parameter or entry that is not allowed, before anything is trained.
        """
        return self._fit(X, y, sample_weight, validation)

    @available_if(has_partial_fit)
    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch.

        Momentum, epochs and seeds go on from call to call: n calls with the same data are a fit of n epochs (not with rules
        whose events end at a share of the training, as CHT without `until`: for them each call is the last). Each call but the
        first begins with the replacement of links, so set zeta to 0 or to a small share for a stream of small batches. The scales
        of features are those of all samples so far, the scale of targets is that of the first call. Not available with
        `early_stopping`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            A number >= 0 for each sample, which counts as so many copies of it.

        Returns
        -------
        SparseMLPRegressor
            The fitted estimator.

        Raises
        ------
        TypeError or ValueError
            Naming the parameter or entry that is not allowed, before anything is trained.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict numbers.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the units of the targets; with "poisson" expected counts.
        """
        outputs = self._outputs(X)
        response = getattr(self._trained_loss, "response", lambda outputs: outputs)
        found = response(outputs) * self.target_scale_ + self.target_mean_
        return found[:, 0] if self._is_flat else found

    def _training_data(self, X, y, reset):
        """X and y, checked, and the Numbers."""
        boolean("scale_target", self.scale_target)
        loss = self._loss()
        if sparse.issparse(y):
            checks.fail("y", y, "a dense array of numbers", TypeError)
        y = y if y is None else as_labels(y)
        X, y = validate_data(self, check_before_sklearn(X), y, reset=reset, multi_output=True, y_numeric=True, **VALIDATION)
        targets, _ = check_targets(y, len(y), task="regression", dtype=np.float64)
        loss.targets(targets, targets.shape[1], np.float64)  # refuses what does not fit in the user's own units
        return self._features(X), targets, Numbers(targets, y.ndim == 1, loss)

    def _remember(self, known):
        self._is_flat, self._made_for = known.is_flat, type(known.loss)
        self.target_mean_, self.target_scale_ = scales(known.targets, known.loss, self.scale_target)

    def _check_same(self, known):
        if known.n_outputs != len(self.target_scale_):
            checks.fail("y.shape", known.targets.shape, f"(n, {len(self.target_scale_)}), as in the fit before")
        check_same_loss(self, known.loss)

    def _dataset(self, X, y, sample_weight):
        return Dataset(X, self._coded(y)).with_weights(sample_weight)

    def _coded(self, y):
        return check_targets((y - self.target_mean_) / self.target_scale_, len(y), task="regression")[0]

    def _loss(self):
        return loss_of(self.loss, of_classes=False)


class Numbers(NamedTuple):
    """Targets (n, outputs) of a training in float64, whether they were given as (n,), and their loss."""

    targets: NDArray[np.float64]
    is_flat: bool
    loss: Any

    @property
    def n_outputs(self):
        """Outputs of a net for these targets."""
        return self.targets.shape[1]


def scales(targets, loss, wanted):
    """(what is subtracted from the targets, what they are divided by), one number an output; 0 and 1 where it is not wanted."""
    none = np.zeros(targets.shape[1]), np.ones(targets.shape[1])
    if not wanted:
        return none
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = targets.mean(axis=0), targets.std(axis=0)
    if not np.isfinite(mean).all() or not np.isfinite(deviation).all():
        checks.fail("y", targets, "numbers whose mean and deviation are finite")
    if isinstance(loss, losses.PoissonLoss):
        return none[0], np.where(mean > 0, mean, 1.0)
    tiny = np.finfo(np.float64).eps * np.abs(mean)  # a deviation by rounding alone
    return mean, np.where(deviation > tiny, deviation, 1.0)
