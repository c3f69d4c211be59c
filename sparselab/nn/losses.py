"""Loss functions: a value, and its gradient with respect to the output layer, computed tile by tile.

Your own loss is any object with the methods of `protocols.Loss`. With `code` = None the layerwise engine uses it; the codes of
the built-in losses select compiled code in the fused engine.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from ..kernels import elementwise
from ..kernels import losses as formulas
from ..utils import checks
from .output_losses import (
    BinaryCrossEntropy,
    HuberLoss,
    MeanAbsoluteError,
    OutputLoss,
    PoissonLoss,
    QuantileLoss,
    SquaredHinge,
    WithSettings,
    labels,
    numbers,
)
from .protocols import Loss


class SoftmaxCrossEntropy(WithSettings):
    """Cross-entropy of the softmax, for classification.

    The loss of a sample is −log softmax(z)[label], computed without overflow for all finite logits z. A prediction is correct if
    the largest logit is that of the label.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        A share ε in [0, 1) of the target that all classes get alike: the target of the label is 1 − ε + ε / classes, that of the
        others ε / classes; as in `torch.nn.CrossEntropyLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> loss, accuracy = sl.SoftmaxCrossEntropy().of(np.zeros((1, 2)), np.array([0]))
    >>> round(loss, 4), accuracy
    (0.6931, 1.0)
    """

    label_smoothing: float = 0.0
    setting_names: ClassVar[tuple[str, ...]] = ("label_smoothing",)
    code: ClassVar[int | None] = formulas.SOFTMAX

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = checks.fraction("label_smoothing", label_smoothing, open_high=True)

    @property
    def parameter(self) -> float:
        """The label smoothing."""
        return self.label_smoothing

    @property
    def factors(self) -> NDArray[np.float64]:
        """No numbers: outputs have no weights of their own."""
        return formulas.NONE

    def targets(self, y: ArrayLike, n_out: int, dtype: DTypeLike) -> NDArray[np.int64]:
        """Check labels.

        Parameters
        ----------
        y : array_like
            Labels (samples,), whole numbers in [0, n_out).
        n_out : int
            Outputs of the network.
        dtype : dtype
            Type of the network's values; not used.

        Returns
        -------
        ndarray
            The labels as int64.

        Raises
        ------
        TypeError
            If y is not a 1-D array of whole numbers.
        ValueError
            If a label is not in [0, n_out).
        """
        return labels(y, n_out, "cross-entropy")

    def on_tile(
        self,
        Z: NDArray[np.floating],
        targets: NDArray[Any],
        samples: NDArray[np.int64],
        first: int,
        count: int,
        scale: float,
        dZ: NDArray[np.floating],
        weights: NDArray[np.float64] = formulas.NONE,
    ) -> tuple[float, float]:
        """Compute loss and gradient of one tile.

        Parameters
        ----------
        Z : ndarray
            Logits (classes, W), one column a sample.
        targets : ndarray
            Labels of all samples, as `targets` returns them.
        samples : ndarray of int64
            Samples of the batch.
        first, count : int
            The tile holds samples[first : first + count] in its first `count` columns.
        scale : float
            Factor of the gradient, such as 1 / batch size.
        dZ : ndarray
            Receives (softmax − one-hot) · scale, 0 beyond `count`; may be Z itself.
        weights : ndarray of float64, optional
            Weights of all samples.

        Returns
        -------
        loss : float
            Sum of the losses.
        hits : float
            Number of correct predictions.
        """
        if self.label_smoothing or len(weights):
            return formulas.softmax(Z, targets, samples, first, count, scale, dZ, self.label_smoothing, weights)
        return elementwise.softmax_loss(Z, targets, samples, first, count, scale, dZ)

    def of(
        self, Z: NDArray[np.floating], targets: NDArray[Any], weights: NDArray[np.float64] | None = None
    ) -> tuple[float, float]:
        """Evaluate predictions.

        Parameters
        ----------
        Z : ndarray
            Logits (samples, classes).
        targets : ndarray
            Labels (samples,), as `targets` returns them.
        weights : ndarray of float64, optional
            Weights of these samples; by default all 1.

        Returns
        -------
        loss : float
            Mean loss.
        accuracy : float
            Share of correct predictions.
        """
        Z = Z.astype(np.float64)
        top, rows = Z.max(axis=1), np.arange(len(Z))
        with np.errstate(under="ignore"):
            logsum = np.log(np.exp(Z - top[:, None]).sum(axis=1))  # `top` is not added: a large one would round this away
        values = logsum + (top - Z[rows, targets])
        if self.label_smoothing:
            values = values + self.label_smoothing * (Z[rows, targets] - Z.mean(axis=1))
        return float(np.average(values, weights=weights)), float(np.average(Z.argmax(axis=1) == targets, weights=weights))


class MeanSquaredError(OutputLoss):
    """Half the squared error, summed over outputs and averaged over samples.

    The loss of a sample is ½ Σ (z − t)². Labels become one-hot targets; a prediction is then correct if the largest output is
    that of the label.

    Parameters
    ----------
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.MeanSquaredError().of(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
    (1.0, None)
    """

    code: ClassVar[int | None] = formulas.SQUARED
    _formula: ClassVar[int] = formulas.SQUARED

    def _checked(self, y, n_out, dtype):
        if np.ndim(y) == 1 and n_out > 1 and np.asarray(y).dtype.kind in "iu":
            found = np.zeros((len(y), n_out), dtype)
            found[np.arange(len(y)), labels(y, n_out, "labels")] = 1
            return found
        return numbers(y, n_out, dtype)

    def _values(self, Z, targets):
        return 0.5 * (Z - targets) ** 2


def is_built_in(loss: Loss) -> bool:
    """Tell whether compiled code knows a loss.

    Parameters
    ----------
    loss : Loss
        The loss.

    Returns
    -------
    bool
        Whether it is of one of the classes in `NAMES`.

    Examples
    --------
    >>> import sparselab as sl
    >>> sl.losses.is_built_in(sl.SoftmaxCrossEntropy())
    True
    """
    return type(loss) in NAMES.values() and getattr(loss, "code", None) is not None


def has_classes(targets: NDArray[Any]) -> bool:
    """Tell whether targets stand for classes, so that there is an accuracy.

    Parameters
    ----------
    targets : ndarray
        What a loss's `targets` returns: labels (samples,), or numbers (samples, outputs).

    Returns
    -------
    bool
        Whether they are whole numbers (samples,), 0 and 1 or lists of labels of a binary loss (uint8, int32), or one-hot rows of
        at least two outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.losses.has_classes(np.array([0, 2, 1])), sl.losses.has_classes(np.array([[0.5, 1.0], [2.0, 0.0]]))
    (True, False)
    """
    if targets.ndim == 1:
        return targets.dtype.kind in "iu"
    if targets.dtype in (np.uint8, np.int32):
        return targets.ndim == 2
    if targets.ndim != 2 or targets.shape[1] < 2:
        return False
    return checks.is_one_hot(targets)


def usual(y: Any) -> str:
    """Name the usual loss for targets.

    Parameters
    ----------
    y : array or sparse matrix
        Labels (samples,), whole numbers; a sparse matrix (samples, labels) of 0 and 1; or numbers to predict.

    Returns
    -------
    str
        "softmax_cross_entropy", "binary_cross_entropy" or "mean_squared_error".

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.losses.usual(np.array([0, 2, 1])), sl.losses.usual(np.array([0.5, 2.0]))
    ('softmax_cross_entropy', 'mean_squared_error')
    """
    if sparse.issparse(y):
        return "binary_cross_entropy"
    return "softmax_cross_entropy" if y.ndim == 1 and y.dtype.kind in "iu" else "mean_squared_error"


def r_squared(
    Z: NDArray[np.floating], targets: NDArray[Any], weights: NDArray[np.float64] | None = None
) -> float | None:  # fmt: skip
    """Compute the coefficient of determination R² of a regression, averaged over its outputs.

    Parameters
    ----------
    Z : ndarray
        Outputs (samples, n_out).
    targets : ndarray
        Numbers (samples, n_out), as `MeanSquaredError.targets` returns them.
    weights : ndarray of float64, optional
        Weights of these samples; by default all 1.

    Returns
    -------
    float or None
        1 − Σ (z − t)² / Σ (t − mean)²; an output whose targets are all equal, where their weights are > 0, counts as 1 if it is
        met exactly, else as 0. None for fewer than two samples, or targets of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.losses.r_squared(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [3.0]]))
    1.0
    """
    if targets.shape != Z.shape or len(Z) < 2:
        return None
    wanted = targets.astype(np.float64)
    each = 1.0 if weights is None else weights[:, None]
    rest = (each * np.square(Z.astype(np.float64) - wanted)).sum(axis=0)
    spread = (each * np.square(wanted - np.average(wanted, axis=0, weights=weights))).sum(axis=0)
    counted = wanted if weights is None else wanted[weights > 0]
    varies = (spread > 0) & (counted != counted[:1]).any(axis=0)  # the mean of equal numbers may be rounded to another one
    shares = np.divide(rest, spread, out=np.where(rest == 0, 0.0, 1.0), where=varies)
    return float(np.mean(np.where(np.isnan(rest), np.nan, 1 - shares)))


def scores(
    loss: Loss, Z: NDArray[np.floating], targets: NDArray[Any], weights: NDArray[np.float64] | None = None
) -> tuple[float, float | None, float | None]:
    """Evaluate predictions: the loss, the accuracy where there are classes, R² where there are none.

    Parameters
    ----------
    loss : Loss
        The loss.
    Z : ndarray
        Outputs (samples, n_out).
    targets : ndarray
        Targets, as `loss.targets` returns them.
    weights : ndarray of float64, optional
        Weights of these samples; by default all 1.

    Returns
    -------
    loss : float
        Mean loss.
    accuracy : float or None
        Share of correct predictions; None for a regression.
    r2 : float or None
        R²; None for a classification.

    Raises
    ------
    ValueError
        If there are more or fewer targets than outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> loss = sl.MeanSquaredError()
    >>> sl.losses.scores(loss, np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    (0.25, None, -1.0)
    """
    checks.one_for_each_row(targets, len(Z))
    if weights is None:
        value, accuracy = loss.of(Z, targets)
    elif is_built_in(loss):
        built_in: Any = loss
        value, accuracy = built_in.of(Z, targets, weights)
    else:
        values, hits = zip(*(loss.of(Z[i : i + 1], targets[i : i + 1]) for i in range(len(Z))), strict=True)
        value = float(np.average(values, weights=weights))
        accuracy = None if None in hits else float(np.average(hits, weights=weights))
    if has_classes(targets):
        return value, accuracy, None
    response = getattr(loss, "response", None)
    return value, None, r_squared(Z if response is None else response(Z), targets, weights)


NAMES: dict[str, type] = {
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "mean_squared_error": MeanSquaredError,
    "binary_cross_entropy": BinaryCrossEntropy,
    "squared_hinge": SquaredHinge,
    "mean_absolute_error": MeanAbsoluteError,
    "huber": HuberLoss,
    "poisson": PoissonLoss,
    "quantile": QuantileLoss,
}


def get(loss: str | type | Loss | None, default: str = "softmax_cross_entropy") -> Loss:
    """Return a loss from a name, a class or an object.

    Parameters
    ----------
    loss : str, type, Loss or None
        One of the names in `NAMES`, a class that needs no arguments, an object with `targets`, `on_tile` and `of`, or
        None for the default.
    default : str, default "softmax_cross_entropy"
        Name of the loss that None stands for.

    Returns
    -------
    Loss
        The object.

    Raises
    ------
    TypeError, ValueError
        If `loss` is none of these.

    Examples
    --------
    >>> import sparselab as sl
    >>> type(sl.losses.get("mean_squared_error")).__name__
    'MeanSquaredError'
    """
    found: Any = default if loss is None else loss
    if isinstance(found, str):
        return NAMES[checks.choice("loss", found, NAMES)]()
    if isinstance(found, type) and hasattr(found, "on_tile"):
        found = checks.instance("loss", found)
    if isinstance(found, type) or not all(callable(getattr(found, name, None)) for name in ("targets", "on_tile", "of")):
        checks.fail("loss", found, f"one of {list(NAMES)} or an object with targets, on_tile and of", TypeError)
    return found
