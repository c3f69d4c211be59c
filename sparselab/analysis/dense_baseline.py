"""The dense equivalent of a sparse net, measured: plain NumPy matrices on the machine's BLAS, trained by momentum SGD.

It answers "is sparse really faster?", so there is no mask and no other overhead; only a few mini-batches are timed.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from ..nn.footprint import dense_bytes
from .timing import least_seconds_of_blas

LIMIT = 4 * 2**30  # bytes: a dense net that needs more is not built
RATE, MOMENTUM = np.float32(0.01), np.float32(0.9)


@dataclass(frozen=True)
class DenseCost:
    """seconds an epoch (None where it was not measured), bytes of its training state, batches timed."""

    seconds: float | None
    n_bytes: int
    n_batches: int


def measure(sizes, n_samples, batch_size, *, batches=20, seed=0):
    """DenseCost from the least time of a mini-batch, of `batches` with all BLAS threads and as many with one.

    The least, so that other programs cannot flatter the sparse net. Above LIMIT bytes nothing is built.
    """
    n_bytes = dense_bytes(sizes)
    if n_bytes > LIMIT:
        return DenseCost(None, n_bytes, 0)
    rng = np.random.default_rng(seed)
    net, X = DenseMLP(sizes, rng), rng.standard_normal((sizes[0], batch_size), dtype=np.float32)
    labels = rng.integers(0, sizes[-1], batch_size)
    seconds = least_seconds_of_blas(lambda: net.step(X, labels), batches)
    return DenseCost(seconds * n_samples / batch_size, n_bytes, 2 * batches)


class DenseLayer:
    """W (n_out, n_in) and b (n_out,) with the buffers of momentum SGD; samples are columns, as everywhere in the package."""

    def __init__(self, W, b):
        self.W, self.b, self.links, self.n_bytes = W, b, W.size, 3 * W.nbytes
        self.V, self.dW, self.v = (np.zeros(shape, W.dtype) for shape in (W.shape, W.shape, b.shape))  # not touched by forward

    def weights(self):
        """The matrix that X is multiplied by."""
        return self.W

    def forward(self, X):
        """Z (n_out, batch)."""
        Z = self.weights() @ X
        Z += self.b[:, None]
        return Z

    def backward(self, dZ):
        """dX (n_in, batch)."""
        return self.weights().T @ dZ

    def gradient(self, X, dZ):
        """dW in the shape of W."""
        return np.matmul(dZ, X.T, out=self.dW)

    def update(self, X, dZ):
        """Momentum SGD on W and b."""
        for values, velocity, gradient in ((self.W, self.V, self.gradient(X, dZ)), (self.b, self.v, dZ.sum(axis=1))):
            velocity *= MOMENTUM
            gradient *= RATE
            velocity -= gradient
            values += velocity

    def step(self, X, dZ):
        """One training step; returns Z and dX."""
        Z, dX = self.forward(X), self.backward(dZ)
        self.update(X, dZ)
        return Z, dX


class DenseMLP:
    """DenseLayers with ReLU between them and softmax cross-entropy at the end."""

    def __init__(self, sizes, rng):
        self.layers = []
        for n_in, n_out in zip(sizes, sizes[1:], strict=False):
            W = rng.standard_normal((n_out, n_in), dtype=np.float32)
            W *= np.float32(np.sqrt(2 / n_in))
            self.layers.append(DenseLayer(W, np.zeros(n_out, np.float32)))

    def values(self, X):
        """X, then the values of each hidden layer, then the logits, one after the other."""
        yield X
        for layer in self.layers:
            X = layer.forward(X)
            yield np.maximum(X, 0, out=X) if layer is not self.layers[-1] else X

    def outputs(self, X):
        """Logits (n_out, batch)."""
        return deque(self.values(X), maxlen=1).pop()

    def step(self, X, labels):
        """One mini-batch."""
        values = list(self.values(X))
        d = np.exp(values[-1] - values[-1].max(axis=0))
        d /= d.sum(axis=0)
        d[labels, np.arange(len(labels))] -= 1
        d /= np.float32(len(labels))
        for i in reversed(range(len(self.layers))):
            before = self.layers[i].backward(d) if i else None  # X needs no gradient
            self.layers[i].update(values[i], d)
            d = before * (values[i] > 0) if i else None
