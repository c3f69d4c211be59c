"""A truly sparse multilayer perceptron as a scikit-learn classifier."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..datasets.dataset import Dataset
from ..datasets.targets import as_labels, check_targets
from ..datasets.weights import weights_of_labels
from ..nn.losses import SoftmaxCrossEntropy
from ..nn.output_losses import BinaryCrossEntropy, BinaryLoss, zeros_and_ones
from ..nn.rankings import best_of
from ..training.loop import predict, predict_topk
from ..utils import checks
from .base import VALIDATION, SparseMLPEstimator, check_before_sklearn, check_same_loss, has_partial_fit
from .labels import classes_of, codes_of
from .settings import loss_of, threads_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..datasets.augmentation import Augmentation


def has_probabilities(estimator):
    """Only outputs that were trained on a cross-entropy are logits of probabilities."""
    try:
        loss = estimator._trained_loss
    except (TypeError, ValueError):
        return True  # fit says what is wrong with it
    if not isinstance(loss, SoftmaxCrossEntropy | BinaryCrossEntropy):
        checks.fail("loss", estimator.loss, "a cross-entropy for probabilities", AttributeError)
    return True


class SparseMLPClassifier(ClassifierMixin, SparseMLPEstimator):
    """A truly sparse MLP that predicts classes, its links replaced between epochs (SET, All-ReLU).

    With y of 0 and 1 (n_samples, n_labels) each sample may have several labels.

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
        Whether to hold back a stratified part of the training data, to stop when accuracy on it no longer grows, and to return
        to the epoch at which it was best.
    validation_fraction : float, default=0.1
        That part of the training data, in (0, 1); not used where fit is given `validation`.
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
        How rows are changed at random in training: a `sparselab.datasets.Augmentation`, with a `shape` where they are images, or
        with `noise` alone; only for dense rows.
    optimizer : str or object, default="momentum_sgd"
        "momentum_sgd", or "sgd", "adam" and "adamw" as in PyTorch; or an object such as Adam(0.001, clip_norm=1.0), which is used
        in place of `learning_rate`, `momentum`, `nesterov` and `weight_decay`.
    topology : str or object, default=None
        Where the links are at the start: a name such as "small_world", an object of `sl.starts` or a function, as for
        `SparseMLP.create`. "csti" uses the training samples.
    class_weight : dict or "balanced", default=None
        A weight >= 0 for each label, 1 for labels left out; "balanced": samples / (classes · samples of the class), where a
        sample with a weight is so many samples. It is multiplied by `sample_weight`. Of several labels a sample it is the weight
        in the loss of a label of the samples that have this label; "balanced" then takes each label as two classes, samples with
        and without it.
    loss : str or object, default=None
        "softmax_cross_entropy" for classes; "binary_cross_entropy" or "squared_hinge" for classes (one against the rest; two
        classes have one output) and for several labels a sample; or an object such as SoftmaxCrossEntropy(label_smoothing=0.1).
        None: "softmax_cross_entropy", or "binary_cross_entropy" for several labels a sample. There are probabilities with
        cross-entropies only; of one against the rest they are divided by their sum.
    callbacks : callable or list of callables, default=None
        Called in order with the EpochRecord of each epoch, after all of which were called the fit ends if one returned True.
        Where a fit goes on from its folder (`checkpoint`), they are called with the records of its earlier epochs first.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; 0 … n_labels − 1 where a sample may have several.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each feature in Σ |w| over all links of the first layer, those of the scaled features; the sum is 1.
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

    class_weight: Any = None  # of estimators that were pickled before these were parameters
    loss: Any = None
    _multilabel = False
    _later = None, True

    def __init__(
        self, hidden_layer_sizes: int | Sequence[int] = (200, 200), *, epsilon: float = 20,
        density: float | Sequence[float] | None = None, activation: Any = "all_relu", alpha: float = 0.6, initializer: Any = None,
        dropout: float = 0.0, zeta: float | Callable[[int], float] = 0.3, rules: Any = None,
        learning_rate: float | Callable[[float], float] = 0.01, momentum: float = 0.9, nesterov: bool = False,
        weight_decay: float = 0.0, batch_size: int | str = "auto", epochs: int = 50, early_stopping: bool = False,
        validation_fraction: float = 0.1, n_epochs_no_change: int = 10, tol: float = 1e-4, warm_start: bool = False,
        standardise: bool | str = "auto", random_state: Any = None, verbose: bool = False, n_jobs: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None, augmentation: Augmentation | None = None,
        optimizer: Any = "momentum_sgd", topology: Any = None, class_weight: dict[Any, float] | str | None = None,
        loss: Any = None, callbacks: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden_layer_sizes, epsilon=epsilon, density=density, activation=activation, alpha=alpha, initializer=initializer,
            dropout=dropout, zeta=zeta, rules=rules, learning_rate=learning_rate, momentum=momentum, nesterov=nesterov,
            weight_decay=weight_decay, batch_size=batch_size, epochs=epochs, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_epochs_no_change=n_epochs_no_change, tol=tol, warm_start=warm_start,
            standardise=standardise, random_state=random_state, verbose=verbose, n_jobs=n_jobs, checkpoint=checkpoint,
            augmentation=augmentation, optimizer=optimizer, topology=topology, callbacks=callbacks,
        )  # fmt: skip
        self.class_weight = class_weight
        self.loss = loss

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
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
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels, or 0 and 1 for each of several labels; such y may be a sparse matrix, which is not made dense.
        sample_weight : array-like of shape (n_samples,), default=None
            A number >= 0 for each sample, which counts as so many copies of it.
        validation : tuple (X, y), default=None
            Other samples, which are scored after every epoch (the test_* columns of `history_`). With `early_stopping` they take
            the place of a part of the training samples.

        Returns
        -------
        SparseMLPClassifier
            The fitted estimator.

        Raises
        ------
        TypeError or ValueError
            Naming the parameter or entry that is not allowed, before anything is trained.
        """
        return self._fit(X, y, sample_weight, validation)

    @available_if(has_partial_fit)
    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:  # fmt: skip
        """Train for one epoch.

        Momentum, epochs and seeds go on from call to call: n calls with the same data are a fit of n epochs (not with rules
        whose events end at a share of the training, as CHT without `until`: for them each call is the last). Each call but the
        first begins with the replacement of links, so set zeta to 0 or to a small share for a stream of small batches. Mean and
        deviation of the features are those of all samples so far, so that a first batch of few or similar rows does not fix
        them. Not available with `early_stopping`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels, or 0 and 1 for each of several labels; such y may be a sparse matrix, which is not made dense.
        classes : array-like of shape (n_classes,), default=None
            All labels that can occur, needed at the first call where y has one column.
        sample_weight : array-like of shape (n_samples,), default=None
            A number >= 0 for each sample, which counts as so many copies of it.

        Returns
        -------
        SparseMLPClassifier
            The fitted estimator.

        Raises
        ------
        TypeError or ValueError
            Naming the parameter or entry that is not allowed, before anything is trained.
        """
        if isinstance(self.class_weight, str):
            checks.fail("class_weight", self.class_weight, "None or a dict for partial_fit, which sees some samples at a time")
        return self._partial_fit(X, y, sample_weight, classes, hasattr(self, "model_"))

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable label of each sample, or 1 for each of several labels that is more probable than not, else 0.
        """
        outputs = self._outputs(X)
        if self._multilabel:
            return (outputs > 0).astype(np.int64)
        return self.classes_[
            outputs.argmax(axis=1) if outputs.shape[1] == len(self.classes_) else (outputs[:, 0] > 0).astype(int)
        ]

    def predict_topk(self, X: Any, k: int) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """Predict the k best labels of each sample, with memory for these alone, however many labels there are.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.
        k : int
            Number of labels, at most all.

        Returns
        -------
        labels : ndarray of shape (n_samples, k)
            The labels with the largest outputs, the best first; among equals the first one in `classes_`.
        scores : ndarray of shape (n_samples, k)
            These outputs, logits in float32; of a net with one output z for two classes −z and z. Where a sample may have several
            labels, `scipy.special.expit` makes probabilities.

        Raises
        ------
        TypeError or ValueError
            If k is not such a number.
        """
        X = self._inputs(X)
        if self.model_.sizes[-1] == len(self.classes_):
            labels, scores = predict_topk(self.model_, X, k, threads=threads_of(self.n_jobs))
        else:
            outputs = predict(self.model_, X, threads=threads_of(self.n_jobs))
            labels, scores = best_of(of_both_classes(outputs), checks.integer("k", k, high=2))
        return self.classes_[labels], scores

    @available_if(has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`; they add up to 1 unless a sample may have several labels.
        """
        with np.errstate(under="ignore"):
            return np.exp(self.predict_log_proba(X))

    @available_if(has_probabilities)
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
        logits = self._outputs(X)
        if isinstance(self._trained_loss, BinaryCrossEntropy):
            if logits.shape[1] != len(self.classes_):
                logits = of_both_classes(logits)
            found = -np.logaddexp(0, -logits)
            return found if self._multilabel or len(self.classes_) == 2 else log_shares(found)
        return log_shares(logits)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Compute the outputs of the net.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Outputs; for two classes their difference, or the only output, which is > 0 for the second one: with cross-entropies
            its log odds.
        """
        outputs = self._outputs(X)
        if len(self.classes_) != 2 or self._multilabel:
            return outputs
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]

    def _training_data(self, X, y, reset, classes=None, goes_on=None):
        """X and y, checked, and the Classes. classes: those given to partial_fit; goes_on: None unless it is partial_fit."""
        y = y if y is None or sparse.issparse(y) else as_labels(y)
        several = getattr(y, "ndim", 1) == 2 and y.shape[1] > 1
        if goes_on is False and classes is None and not several:
            checks.fail("classes", classes, "all labels there are, at the first call to partial_fit")
        X, y = validate_data(self, check_before_sklearn(X), y, reset=reset, multi_output=several, **VALIDATION)
        loss = self._loss(several)
        if several:
            if isinstance(loss, SoftmaxCrossEntropy):
                checks.fail("loss", self.loss, "binary_cross_entropy or squared_hinge for several labels a sample")
            y = check_targets(y, y.shape[0])[0] if sparse.issparse(y) else zeros_and_ones(y, y.shape[1])
            labels = np.arange(y.shape[1])
            if classes is not None and not np.array_equal(classes_of(classes, "classes"), labels):
                checks.fail("classes", classes, f"None or the columns of y, {checks.shown(labels.tolist())}")
            return self._features(X), y, Classes(labels, True, loss)
        check_classification_targets(y)
        if goes_on is None:
            return self._features(X), y, Classes(classes_of(y, "y"), False, loss)
        return self._features(X), y, Classes(None if classes is None else classes_of(classes, "classes"), False, loss)

    def _remember(self, known):
        self.classes_, self._multilabel, self._made_for = known.labels, known.several, type(known.loss)

    def _check_same(self, known):
        if known.several != self._multilabel:
            kinds = "one label a sample", "0 and 1 for each label"
            checks.fail("y", kinds[known.several], f"{kinds[self._multilabel]}, as in the fit before")
        if known.labels is not None and not np.array_equal(known.labels, self.classes_):
            checks.fail("classes", known.labels.tolist(), f"those trained on before, {self.classes_.tolist()}")
        check_same_loss(self, known.loss)

    def _dataset(self, X, y, sample_weight):
        if self._multilabel:
            return Dataset(X, y).with_weights(sample_weight)
        return Dataset(X, self._coded(y), classes=self.classes_).with_weights(sample_weight, self.class_weight)

    def _coded(self, y):
        return y if self._multilabel else codes_of(y, self.classes_)

    def _loss(self, several=None):
        """The loss of a training. several: whether a sample of it may have several labels."""
        several = self._multilabel if several is None else several
        default = "binary_cross_entropy" if several else "softmax_cross_entropy"
        return loss_of(default if self.loss is None else self.loss, of_classes=True)

    def _weighted_loss(self, data):
        loss = self._loss()
        if self.class_weight is None or not self._multilabel:
            return loss
        if not isinstance(loss, BinaryLoss):
            checks.fail("class_weight", self.class_weight, "None with a loss of your own for several labels a sample")
        each = np.ones(data.n_train) if data.weights is None else data.weights
        without, having = weights_of_labels(self.class_weight, each @ data.y_train, each.sum())
        return loss.with_factors(without, having / without)

    def _store(self, model, state, history, best):
        model.classes = None if self._multilabel else self.classes_
        return super()._store(model, state, history, best)


class Classes(NamedTuple):
    """The labels of a training, None where they are not told, whether a sample may have several, and the loss."""

    labels: NDArray[Any] | None
    several: bool
    loss: Any

    @property
    def n_outputs(self):
        """Outputs of a net for these labels."""
        one_for_two = not self.several and len(self.labels) == 2 and isinstance(self.loss, BinaryLoss)
        return 1 if one_for_two else len(self.labels)


def of_both_classes(outputs):
    """Outputs (n, 2) of both classes, of those (n, 1) that are > 0 for the second one."""
    return np.concatenate([-outputs, outputs], axis=1)


def log_shares(values):
    """The logarithms of the softmax of each row."""
    values = values - values.max(axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        return values - np.log(np.exp(values).sum(axis=1, keepdims=True))
