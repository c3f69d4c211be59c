"""Losses that are a sum over the outputs of a net, each compared with a target of its own: binary, hinge, and of regressions."""

from collections.abc import Sequence
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from ..datasets.targets import check_targets
from ..kernels import elementwise, logistic
from ..kernels import losses as formulas
from ..utils import checks


def labels(y: ArrayLike, n_out: int, loss: str) -> NDArray[np.int64]:
    """Whole numbers in [0, n_out) as int64; TypeError or ValueError for anything else."""
    check_dense(y, "labels")
    y = np.ascontiguousarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        checks.fail("y", y, f"a 1-D array of labels 0 … {n_out - 1} for {loss}", TypeError)
    if len(y) and (y.min() < 0 or y.max() >= n_out):
        checks.fail("y", int(y.max() if y.max() >= n_out else y.min()), f"labels in [0, {n_out}), the net's outputs")
    return y.astype(np.int64, copy=False)


def check_dense(y, what):
    """TypeError for a sparse y."""
    if sparse.issparse(y):
        others = 'several labels a sample, as a sparse matrix, need loss="binary_cross_entropy"'
        checks.fail("y", y, f"an array of {what}; {others}", TypeError)


def numbers(y: ArrayLike, n_out: int, dtype: DTypeLike) -> NDArray[np.floating]:
    """Finite numbers (n, n_out) of this dtype; TypeError or ValueError for anything else."""
    check_dense(y, "numbers")
    y = np.asarray(y)
    if y.ndim == 0 or y.dtype.kind not in "iufb" or not np.isfinite(y).all():
        checks.fail("y", y, f"finite numbers of shape (n, {n_out})", TypeError if y.ndim == 0 else ValueError)
    shape, y = y.shape, y.reshape(len(y), -1) if len(y) else y.reshape(0, n_out)
    if y.shape[1] != n_out:
        checks.fail("y", shape, f"of shape (n, {n_out}), the net's outputs")
    return np.ascontiguousarray(y, dtype=dtype)


def label_lists(y: Any, n_out: int) -> NDArray[Any]:
    """A CSR matrix of 1 as lists of labels (see kernels.losses), or as uint8 (n, n_out) where that takes less memory."""
    if y.shape[1] != n_out:
        checks.fail("y.shape", y.shape, f"(n, {n_out}), a column for each output of the net")
    counts = np.diff(y.indptr)
    longest = max(1, int(counts.max(initial=0)))
    if 4 * longest >= n_out:
        return np.ascontiguousarray(y.toarray(), dtype=np.uint8)
    lists = np.full((y.shape[0], longest), -1, np.int32)
    lists[np.arange(longest) < counts[:, None]] = y.indices  # in the order of the rows; a CSR is sorted
    return lists


def has_labels(targets: NDArray[Any], n_out: int) -> NDArray[np.bool_]:
    """Which labels each sample has, (n, n_out), of targets as 0 and 1, lists of labels or labels (n,)."""
    if targets.ndim == 2 and targets.dtype != np.int32:
        return targets > 0
    found = np.zeros((len(targets), n_out + 1), bool)
    found[np.arange(len(targets))[:, None], targets.reshape(len(targets), -1)] = True  # −1 is the last column
    return found[:, :n_out]


def zeros_and_ones(y: ArrayLike, n_out: int) -> NDArray[Any]:
    """Targets 0 and 1 (n, n_out) as uint8, or as lists of labels; TypeError or ValueError unless each is 0 or 1."""
    if sparse.issparse(y):
        return label_lists(check_targets(y, y.shape[0])[0], n_out)
    y = np.asarray(y)
    if y.ndim not in (1, 2) or y.dtype.kind not in "iufb":
        checks.fail("y", y, f"0 and 1, of shape (n, {n_out})", TypeError)
    shape, y = y.shape, y.reshape(len(y), -1) if len(y) else y.reshape(0, n_out)
    if y.shape[1] != n_out:
        checks.fail("y", shape, f"of shape (n, {n_out}), a column of 0 and 1 for each output of the net")
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        checks.fail(f"y[{row}, {column}]" if len(shape) > 1 else f"y[{row}]", y[row, column].item(), "0 or 1")
    return np.ascontiguousarray(y, dtype=np.uint8)


def weights_of(name: str, values: Any) -> tuple[float, ...] | None:
    """Numbers >= 0, not all 0, as a tuple; None for None."""
    if values is None:
        return None
    if np.ndim(values) != 1 or not len(values):
        checks.fail(name, values, "a list of numbers, one for each output", TypeError)
    found = tuple(checks.non_negative(f"{name}[{i}]", value) for i, value in enumerate(values))
    return found if any(found) else checks.fail(name, values, "not all 0")


class WithSettings:
    """What has settings: attributes of the names in `setting_names`, with their defaults in the class."""

    setting_names: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in self._settings().items())})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, WithSettings) and other._settings() == self._settings()

    def __hash__(self) -> int:
        return hash((type(self), *self._settings().values()))

    def _settings(self):
        return {name: getattr(self, name) for name in self.setting_names}


class OutputLoss(WithSettings):
    """What the losses of this module share.

    The loss of a sample is the sum over the outputs of a loss of each output z and its target t.

    Parameters
    ----------
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.
    """

    output_weights: tuple[float, ...] | None = None
    setting_names: ClassVar[tuple[str, ...]] = ("output_weights",)
    code: ClassVar[int | None] = None
    _formula: ClassVar[int]

    def __init__(self, *, output_weights: Sequence[float] | None = None) -> None:
        self.output_weights = weights_of("output_weights", output_weights)

    @property
    def parameter(self) -> float:
        """The number on which the formula depends; 0 where there is none."""
        return 0.0

    @property
    def factors(self) -> NDArray[np.float64]:
        """Factors of the outputs, or no numbers where all are 1."""
        return formulas.NONE if self.output_weights is None else np.array(self.output_weights)

    def targets(self, y: ArrayLike, n_out: int, dtype: DTypeLike) -> NDArray[Any]:
        """Check targets.

        Parameters
        ----------
        y : array_like
            Targets of shape (samples, n_out), or (samples,) where there is one output. Labels (samples,) of the losses that know
            classes are whole numbers in [0, n_out). Binary losses also take a sparse matrix of 0 and 1.
        n_out : int
            Outputs of the network.
        dtype : dtype
            Type of the network's values.

        Returns
        -------
        ndarray
            Targets (samples, n_out): numbers of this dtype; 0 and 1 as uint8 of binary losses. Labels stay int64, but for
            MeanSquaredError, which makes them one-hot rows. A sparse matrix of 0 and 1 becomes lists of labels, int32 (samples,
            longest list) with −1 beyond the last, or uint8 where that takes less memory.

        Raises
        ------
        TypeError, ValueError
            If y does not fit the network or has values that are not allowed.
        """
        if self.output_weights is not None and len(self.output_weights) != n_out:
            checks.fail("output_weights", self.output_weights, f"{n_out} numbers, one for each output of the net")
        return self._checked(y, n_out, dtype)

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
            Receives the gradient times `scale`, 0 beyond `count`; may be Z itself.
        weights : ndarray of float64, optional
            Weights of all samples.

        Returns
        -------
        loss : float
            Sum of the losses.
        hits : float
            Number of correct predictions.
        """
        if self._formula == formulas.SQUARED and self.output_weights is None and not len(weights):
            return elementwise.squared_loss(Z, targets, samples, first, count, scale, dZ)
        code = formulas.code_of(self._formula, targets)
        wanted = targets.reshape(len(targets), -1)
        if code in (formulas.BINARY, formulas.BINARY_OF_LISTS) and len(self.factors) <= len(Z):
            if dZ is not Z:
                dZ[:] = Z
            listed, sums = code == formulas.BINARY_OF_LISTS, np.empty((logistic.SUMS, Z.shape[1]))
            return logistic.binary(dZ, wanted, listed, samples, first, count, scale, self.factors, weights, sums)
        arguments = wanted, samples, first, count, scale, dZ, self.parameter, self.factors, weights
        return formulas.by_outputs(code, Z, *arguments)

    def of(
        self, Z: NDArray[np.floating], targets: NDArray[Any], weights: NDArray[np.float64] | None = None
    ) -> tuple[float, float | None]:
        """Evaluate predictions.

        Parameters
        ----------
        Z : ndarray
            Outputs (samples, n_out).
        targets : ndarray
            Targets, as `targets` returns them.
        weights : ndarray of float64, optional
            Weights of these samples; by default all 1.

        Returns
        -------
        loss : float
            Mean loss.
        accuracy : float or None
            Share of correct predictions; None for a regression.
        """
        Z = Z.astype(np.float64)
        values = self._values(Z, targets)
        values = values * self._factors_of(targets, Z.shape[1]) if len(self.factors) else values
        hits = self._hits(Z, targets)
        return (
            float(np.average(values.sum(axis=1), weights=weights)),
            None if hits is None else float(np.average(hits, weights=weights)),
        )

    def response(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute what is predicted of the targets, which is the output itself unless the loss has a link function.

        Parameters
        ----------
        Z : ndarray
            Outputs (samples, n_out).

        Returns
        -------
        ndarray
            Predictions (samples, n_out).
        """
        return Z

    def _checked(self, y, n_out, dtype):
        return numbers(y, n_out, dtype)

    def _factors_of(self, targets, n_out):
        """The factors of the losses of the outputs, as an array that fits them."""
        return self.factors

    def _values(self, Z, targets):
        """The loss of each output, (samples, n_out), in float64."""
        raise NotImplementedError

    def _hits(self, Z, targets):
        """Whether each sample's prediction is correct; None for a regression. Of one-hot rows the largest output counts."""
        one_hot = targets.shape[1] > 1 and checks.is_one_hot(targets)
        return Z.argmax(axis=1) == targets.argmax(axis=1) if one_hot else None


class BinaryLoss(OutputLoss):
    """What the losses of 0 and 1 share: of one output for two labels, of classes, or of several labels a sample.

    Parameters
    ----------
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.
    positive_weights : sequence of float, optional
        A further factor >= 0 for the loss of each output where its target is 1; by default all 1.
    """

    positive_weights: tuple[float, ...] | None = None
    setting_names: ClassVar[tuple[str, ...]] = ("output_weights", "positive_weights")

    def __init__(
        self, *, output_weights: Sequence[float] | None = None, positive_weights: Sequence[float] | None = None
    ) -> None:  # fmt: skip
        super().__init__(output_weights=output_weights)
        self.positive_weights = weights_of("positive_weights", positive_weights)

    @property
    def factors(self) -> NDArray[np.float64]:
        """Factors of the outputs where the target is 0, then where it is 1; no numbers where all are 1."""
        if self.positive_weights is None:
            return super().factors
        positive = np.array(self.positive_weights)
        of_outputs = np.ones(len(positive)) if self.output_weights is None else np.array(self.output_weights)
        return np.concatenate([of_outputs, of_outputs * positive])

    def with_factors(self, of_outputs: NDArray[np.float64], positive: NDArray[np.float64]) -> Self:
        """Copy the loss with further factors.

        Parameters
        ----------
        of_outputs, positive : ndarray
            What `output_weights` and `positive_weights` are multiplied by, (n_out,).

        Returns
        -------
        BinaryLoss
            The copy.
        """
        found = copy(self)
        for name, factors in (("output_weights", of_outputs), ("positive_weights", positive)):
            own = getattr(self, name)
            if own is not None and len(own) != len(factors):
                checks.fail(name, own, f"{len(factors)} numbers, one for each output of the net")
            setattr(found, name, weights_of(name, factors if own is None else factors * own))
        return found

    def _checked(self, y, n_out, dtype):
        if self.positive_weights is not None and len(self.positive_weights) != n_out:
            checks.fail("positive_weights", self.positive_weights, f"{n_out} numbers, one for each output of the net")
        if n_out > 1 and not sparse.issparse(y) and np.ndim(y) == 1:
            return labels(y, n_out, "a binary loss of several outputs")
        return zeros_and_ones(y, n_out)

    def _factors_of(self, targets, n_out):
        if self.positive_weights is None:
            return self.factors
        return np.where(has_labels(targets, n_out), self.factors[n_out:], self.factors[:n_out])

    def _hits(self, Z, targets):
        if targets.ndim == 1:
            return Z.argmax(axis=1) == targets
        return ((Z > 0) == has_labels(targets, Z.shape[1])).all(axis=1)


class BinaryCrossEntropy(BinaryLoss):
    """Cross-entropy of the logistic function: for two classes with one output, for classes, or for several labels a sample.

    The loss of an output z with target t in {0, 1} is log(1 + exp(z)) − t z; of classes t is 1 for the output of the label (one
    against the rest). It is summed over the outputs and averaged over samples. Of classes the largest output is predicted; of one
    output or of several labels those with z > 0, and a sample counts as correct if all its labels are (the accuracy of labels
    that scikit-learn calls subset accuracy).

    Parameters
    ----------
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.
    positive_weights : sequence of float, optional
        A further factor >= 0 for the loss of each output where its target is 1, as `pos_weight` in PyTorch; by default all 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> loss, accuracy = sl.BinaryCrossEntropy().of(np.array([[0.0], [2.0]]), np.array([[0], [1]]))
    >>> round(loss, 4), accuracy
    (0.41, 1.0)
    """

    code: ClassVar[int | None] = formulas.BINARY
    _formula: ClassVar[int] = formulas.BINARY

    def _values(self, Z, targets):
        return np.logaddexp(0, np.where(has_labels(targets, Z.shape[1]), -Z, Z))


class SquaredHinge(BinaryLoss):
    """Squared hinge: for classes (one against the rest), for two classes with one output, or for several labels a sample.

    The loss of an output z is max(0, 1 − s z)², where s is 1 for the output of the label and −1 for the others. It is summed over
    the outputs and averaged over samples. Of classes the largest output is predicted; of one output or of several labels those
    with z > 0, and a sample counts as correct if all its labels are. Its slopes grow with the error, as those of the squared
    error: it wants a smaller learning rate than cross-entropy.

    Parameters
    ----------
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.
    positive_weights : sequence of float, optional
        A further factor >= 0 for the loss of each output where its target is 1, as `pos_weight` in PyTorch; by default all 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.SquaredHinge().of(np.array([[2.0, -0.5]]), np.array([0]))
    (0.25, 1.0)
    """

    code: ClassVar[int | None] = formulas.HINGE
    _formula: ClassVar[int] = formulas.HINGE

    def _values(self, Z, targets):
        return np.maximum(0, 1 - np.where(has_labels(targets, Z.shape[1]), Z, -Z)) ** 2


class MeanAbsoluteError(OutputLoss):
    """Absolute error, summed over outputs and averaged over samples; it is least at the medians.

    Parameters
    ----------
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.MeanAbsoluteError().of(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
    (1.0, None)
    """

    code: ClassVar[int | None] = formulas.ABSOLUTE
    _formula: ClassVar[int] = formulas.ABSOLUTE

    def _values(self, Z, targets):
        return np.abs(Z - targets)


class HuberLoss(OutputLoss):
    """Half the squared error up to a distance, and linear beyond it; as `torch.nn.HuberLoss`.

    The loss of an output with error d = z − t is ½ d² for |d| ≤ delta, else delta (|d| − ½ delta). It is summed over the outputs
    and averaged over samples.

    Parameters
    ----------
    delta : float, default 1.0
        The distance, > 0.
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.HuberLoss(delta=2.0).of(np.array([[1.0], [6.0]]), np.array([[0.0], [1.0]]))
    (4.25, None)
    """

    delta: float = 1.0
    setting_names: ClassVar[tuple[str, ...]] = ("delta", "output_weights")
    code: ClassVar[int | None] = formulas.HUBER
    _formula: ClassVar[int] = formulas.HUBER

    def __init__(self, delta: float = 1.0, *, output_weights: Sequence[float] | None = None) -> None:
        super().__init__(output_weights=output_weights)
        self.delta = checks.positive("delta", delta)

    @property
    def parameter(self) -> float:
        """The distance delta."""
        return self.delta

    def _values(self, Z, targets):
        distance = np.abs(Z - targets)
        return np.where(distance <= self.delta, 0.5 * distance**2, self.delta * (distance - 0.5 * self.delta))


class PoissonLoss(OutputLoss):
    """Negative log-likelihood of counts, without its constant; an output is the logarithm of the expected count.

    The loss of an output z with target t >= 0 is exp(z) − t z. It is summed over the outputs and averaged over samples. R² is
    that of exp(z).

    Parameters
    ----------
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.PoissonLoss().of(np.array([[0.0], [0.0]]), np.array([[1.0], [3.0]]))
    (1.0, None)
    """

    code: ClassVar[int | None] = formulas.POISSON
    _formula: ClassVar[int] = formulas.POISSON

    def _checked(self, y, n_out, dtype):
        found = numbers(y, n_out, dtype)
        if len(found) and found.min() < 0:
            checks.fail("y", float(found.min()), "counts >= 0 for poisson")
        return found

    def response(self, Z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Compute the expected counts.

        Parameters
        ----------
        Z : ndarray
            Outputs (samples, n_out).

        Returns
        -------
        ndarray
            The exponential of Z.
        """
        return np.exp(Z)

    def _values(self, Z, targets):
        return np.exp(Z) - targets * Z


class QuantileLoss(OutputLoss):
    """The pinball loss, which is least where a share q of the targets lies below the output.

    The loss of an output z with target t is q (t − z) where z < t, else (1 − q) (z − t). It is summed over the outputs and
    averaged over samples.

    Parameters
    ----------
    q : float, default 0.5
        The share, in (0, 1).
    output_weights : sequence of float, optional
        A factor >= 0 for the loss of each output; by default all 1.

    Examples
    --------
    >>> import numpy as np
    >>> import sparselab as sl
    >>> sl.QuantileLoss(0.75).of(np.array([[0.0], [0.0]]), np.array([[1.0], [-1.0]]))
    (0.5, None)
    """

    q: float = 0.5
    setting_names: ClassVar[tuple[str, ...]] = ("q", "output_weights")
    code: ClassVar[int | None] = formulas.QUANTILE
    _formula: ClassVar[int] = formulas.QUANTILE

    def __init__(self, q: float = 0.5, *, output_weights: Sequence[float] | None = None) -> None:
        super().__init__(output_weights=output_weights)
        self.q = checks.number("q", q, "a number in (0, 1)", low=0, high=1, open_low=True, open_high=True)

    @property
    def parameter(self) -> float:
        """The share q."""
        return self.q

    def _values(self, Z, targets):
        d = Z - targets
        return np.maximum((1 - self.q) * d, -self.q * d)
