"""What training minimises: a value and its gradient at the output layer, on one tile.

A plug-in is any object with `targets`, `on_tile` and `of`; `code` = None sends it through the layer-by-layer engine.
"""

import numpy as np

from ..kernels import elementwise, program
from ..utils import checks


class SoftmaxCrossEntropy:
    """−log softmax(z)[label], summed stably for any logits; accuracy is that of the arg max."""

    code = program.SOFTMAX

    def targets(self, y, n_out, dtype):
        """(n,) int64 labels in [0, n_out)."""
        y = np.ascontiguousarray(y)
        if y.ndim != 1 or y.dtype.kind not in "iu":
            checks.fail("y", y, f"a 1-D array of labels 0 … {n_out - 1} for cross-entropy", TypeError)
        if len(y) and (y.min() < 0 or y.max() >= n_out):
            checks.fail("y", int(y.max() if y.max() >= n_out else y.min()), f"labels in [0, {n_out}), the net's outputs")
        return y.astype(np.int64, copy=False)

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        """(Σ loss, hits) of columns [0, count) and dZ = (softmax − onehot) · scale; dZ may be Z."""
        return elementwise.softmax_loss(Z, targets, samples, first, count, scale, dZ)

    def of(self, Z, targets):
        """(mean loss, accuracy) of logits (n, classes)."""
        Z = Z.astype(np.float64)
        top, rows = Z.max(axis=1), np.arange(len(Z))
        logsum = np.log(np.exp(Z - top[:, None]).sum(axis=1))  # less top, which would swallow it where logits are large
        return float(np.mean(logsum + (top - Z[rows, targets]))), float(np.mean(Z.argmax(axis=1) == targets))


class MeanSquaredError:
    """½ Σ (z − t)² a sample. Targets (n, outputs); labels become one-hot rows, and then accuracy is that of the arg max."""

    code = program.SQUARED

    def targets(self, y, n_out, dtype):
        """(n, n_out) of the net's dtype."""
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

    def on_tile(self, Z, targets, samples, first, count, scale, dZ):
        """(Σ loss, hits) of columns [0, count) and dZ = (z − t) · scale; dZ may be Z."""
        return elementwise.squared_loss(Z, targets, samples, first, count, scale, dZ)

    def of(self, Z, targets):
        """(mean loss, accuracy of the arg max; None for one output)."""
        difference = Z.astype(np.float64) - targets
        hits = np.mean(Z.argmax(axis=1) == targets.argmax(axis=1)) if Z.shape[1] > 1 else None
        return float(0.5 * np.mean((difference**2).sum(axis=1))), None if hits is None else float(hits)


NAMES = {"softmax_cross_entropy": SoftmaxCrossEntropy, "mean_squared_error": MeanSquaredError}


def get(loss, default="softmax_cross_entropy"):
    """A loss object from an object, a class or one of the names in NAMES; None for the default."""
    loss = default if loss is None else loss
    if isinstance(loss, str):
        return NAMES[checks.choice("loss", loss, NAMES)]()
    if isinstance(loss, type) and hasattr(loss, "on_tile"):
        loss = checks.instance("loss", loss)
    if isinstance(loss, type) or not all(callable(getattr(loss, name, None)) for name in ("targets", "on_tile", "of")):
        checks.fail("loss", loss, f"one of {list(NAMES)} or an object with targets, on_tile and of", TypeError)
    return loss
