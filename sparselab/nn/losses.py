"""Loss functions: a value, and its gradient with respect to the output layer, computed tile by tile.

Your own loss is any object with the methods of `protocols.Loss`. With `code` = None the layerwise engine uses it; the codes of
the built-in losses select compiled code in the fused engine.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..kernels import elementwise, ends
from ..utils import checks
from .protocols import Loss


class SoftmaxCrossEntropy:
    """Cross-entropy of the softmax, for classification.

    The loss of a sample is −log softmax(z)[label], computed without overflow for all finite logits z. A prediction is correct if
    the largest logit is that of the label.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> loss, accuracy = sl.SoftmaxCrossEntropy().of(np.zeros((1, 2)), np.array([0]))
    >>> round(loss, 4), accuracy
    (0.6931, 1.0)
    """

    code: int | None = ends.SOFTMAX

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
        y = np.ascontiguousarray(y)
        if y.ndim != 1 or y.dtype.kind not in "iu":
            checks.fail("y", y, f"a 1-D array of labels 0 … {n_out - 1} for cross-entropy", TypeError)
        if len(y) and (y.min() < 0 or y.max() >= n_out):
            checks.fail("y", int(y.max() if y.max() >= n_out else y.min()), f"labels in [0, {n_out}), the net's outputs")
        return y.astype(np.int64, copy=False)

    def on_tile(
        self,
        Z: NDArray[np.floating],
        targets: NDArray[Any],
        samples: NDArray[np.int64],
        first: int,
        count: int,
        scale: float,
        dZ: NDArray[np.floating],
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

        Returns
        -------
        loss : float
            Sum of the losses.
        hits : float
            Number of correct predictions.
        """
        return elementwise.softmax_loss(Z, targets, samples, first, count, scale, dZ)

    def of(self, Z: NDArray[np.floating], targets: NDArray[Any]) -> tuple[float, float]:
        """Evaluate predictions.

        Parameters
        ----------
        Z : ndarray
            Logits (samples, classes).
        targets : ndarray
            Labels (samples,), as `targets` returns them.

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
        return float(np.mean(logsum + (top - Z[rows, targets]))), float(np.mean(Z.argmax(axis=1) == targets))


class MeanSquaredError:
    """Half the squared error, summed over outputs and averaged over samples.

    The loss of a sample is ½ Σ (z − t)². Labels become one-hot targets; a prediction is then correct if the largest output is
    that of the label.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.MeanSquaredError().of(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
    (1.0, None)
    """

    code: int | None = ends.SQUARED

    def targets(self, y: ArrayLike, n_out: int, dtype: DTypeLike) -> NDArray[np.floating]:
        """Check targets.

        Parameters
        ----------
        y : array_like
            Numbers (samples,) or (samples, n_out), or labels, which are whole numbers in [0, n_out).
        n_out : int
            Outputs of the network.
        dtype : dtype
            Type of the network's values.

        Returns
        -------
        ndarray
            Targets (samples, n_out) of this dtype.

        Raises
        ------
        TypeError, ValueError
            If y does not fit the network or has numbers that are not finite.
        """
        y = np.asarray(y)
        if y.ndim == 0 or y.dtype.kind not in "iufb" or not np.isfinite(y).all():
            checks.fail("y", y, f"finite numbers of shape (n, {n_out}), or labels", TypeError if y.ndim == 0 else ValueError)
        if y.ndim == 1 and y.dtype.kind in "iu" and n_out > 1:
            labels = SoftmaxCrossEntropy().targets(y, n_out, dtype)
            return np.eye(n_out, dtype=dtype)[labels]
        y = y.reshape(len(y), -1)
        if y.shape[1] != n_out:
            checks.fail("y", y.shape, f"of shape (n, {n_out}), the net's outputs")
        return np.ascontiguousarray(y, dtype=dtype)

    def on_tile(
        self,
        Z: NDArray[np.floating],
        targets: NDArray[Any],
        samples: NDArray[np.int64],
        first: int,
        count: int,
        scale: float,
        dZ: NDArray[np.floating],
    ) -> tuple[float, float]:
        """Compute loss and gradient of one tile.

        Parameters
        ----------
        Z : ndarray
            Outputs (n_out, W), one column a sample.
        targets : ndarray
            Targets of all samples, as `targets` returns them.
        samples : ndarray of int64
            Samples of the batch.
        first, count : int
            The tile holds samples[first : first + count] in its first `count` columns.
        scale : float
            Factor of the gradient, such as 1 / batch size.
        dZ : ndarray
            Receives (z − t) · scale, 0 beyond `count`; may be Z itself.

        Returns
        -------
        loss : float
            Sum of the losses.
        hits : float
            Number of correct predictions.
        """
        return elementwise.squared_loss(Z, targets, samples, first, count, scale, dZ)

    def of(self, Z: NDArray[np.floating], targets: NDArray[Any]) -> tuple[float, float | None]:
        """Evaluate predictions.

        Parameters
        ----------
        Z : ndarray
            Outputs (samples, n_out).
        targets : ndarray
            Targets (samples, n_out), as `targets` returns them.

        Returns
        -------
        loss : float
            Mean loss.
        accuracy : float or None
            Share of samples whose largest output is that of the label; None where the targets are no one-hot rows.
        """
        difference = Z.astype(np.float64) - targets
        hits = np.mean(Z.argmax(axis=1) == targets.argmax(axis=1)) if has_classes(targets) else None
        return float(0.5 * np.mean((difference**2).sum(axis=1))), None if hits is None else float(hits)


def has_classes(targets: NDArray[Any]) -> bool:
    """Tell whether targets stand for classes, so that there is an accuracy.

    Parameters
    ----------
    targets : ndarray
        What a loss's `targets` returns: labels (samples,), or numbers (samples, outputs).

    Returns
    -------
    bool
        Whether they are whole numbers (samples,), or one-hot rows of at least two outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.losses.has_classes(np.array([0, 2, 1])), sl.losses.has_classes(np.array([[0.5, 1.0], [2.0, 0.0]]))
    (True, False)
    """
    if targets.ndim == 1:
        return targets.dtype.kind in "iu"
    if targets.ndim != 2 or targets.shape[1] < 2:
        return False
    return checks.is_one_hot(targets)


def r_squared(Z: NDArray[np.floating], targets: NDArray[Any]) -> float | None:
    """Compute the coefficient of determination R² of a regression, averaged over its outputs.

    Parameters
    ----------
    Z : ndarray
        Outputs (samples, n_out).
    targets : ndarray
        Numbers (samples, n_out), as `MeanSquaredError.targets` returns them.

    Returns
    -------
    float or None
        1 − Σ (z − t)² / Σ (t − mean)²; an output whose targets are all equal counts as 1 if it is met exactly, else as 0. None
        for fewer than two samples, or targets of another shape.

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
    rest = np.square(Z.astype(np.float64) - wanted).sum(axis=0)
    spread = np.square(wanted - wanted.mean(axis=0)).sum(axis=0)
    shares = np.divide(rest, spread, out=np.where(rest == 0, 0.0, 1.0), where=spread > 0)
    return float(np.mean(1 - shares))


def scores(loss: Loss, Z: NDArray[np.floating], targets: NDArray[Any]) -> tuple[float, float | None, float | None]:
    """Evaluate predictions: the loss, the accuracy where there are classes, R² where there are none.

    Parameters
    ----------
    loss : Loss
        The loss.
    Z : ndarray
        Outputs (samples, n_out).
    targets : ndarray
        Targets, as `loss.targets` returns them.

    Returns
    -------
    loss : float
        Mean loss.
    accuracy : float or None
        Share of correct predictions; None for a regression.
    r2 : float or None
        R²; None for a classification.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> loss = sl.MeanSquaredError()
    >>> sl.losses.scores(loss, np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    (0.25, None, -1.0)
    """
    value, accuracy = loss.of(Z, targets)
    return (value, accuracy, None) if has_classes(targets) else (value, None, r_squared(Z, targets))


NAMES: dict[str, type] = {"softmax_cross_entropy": SoftmaxCrossEntropy, "mean_squared_error": MeanSquaredError}


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
