"""The dense equivalent, measured: a NumPy MLP of the same widths on the machine's BLAS, for "is it really faster?".

Not a mask on anything: plain dense matrices, momentum SGD, the same batch size; only a few mini-batches are timed.
"""

import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ..nn.footprint import dense_bytes

LIMIT = 4 * 2**30  # bytes above which the dense net is not even built


@dataclass(frozen=True)
class DenseCost:
    """seconds an epoch (None where it was not measured), bytes of its training state, batches timed."""

    seconds: float | None
    n_bytes: int
    n_batches: int


def measure(sizes, n_samples, batch_size, *, batches=20, seed=0):
    """Least time of a mini-batch, of `batches` on all BLAS threads and as many on one, scaled to n_samples.

    The least, so that what else the machine does cannot flatter the sparse net. Above LIMIT bytes nothing is built.
    """
    n_bytes = dense_bytes(sizes)
    if n_bytes > LIMIT:
        return DenseCost(None, n_bytes, 0)
    rng = np.random.default_rng(seed)
    net = _DenseMLP(sizes, rng)
    X = rng.standard_normal((batch_size, sizes[0]), dtype=np.float32)
    labels = rng.integers(0, sizes[-1], batch_size)
    net.step(X, labels)
    spent = []
    for threads in (None, 1):  # all BLAS threads, and one: whatever is better here
        with threadpool_limits(threads, "blas"):
            for _ in range(batches):
                start = time.perf_counter()
                net.step(X, labels)
                spent.append(time.perf_counter() - start)
    return DenseCost(min(spent) * n_samples / batch_size, n_bytes, len(spent))


class _DenseMLP:
    """ReLU hidden layers, softmax cross-entropy, momentum SGD; samples are rows, as dense libraries have it."""

    def __init__(self, sizes, rng):
        pairs = list(zip(sizes, sizes[1:], strict=False))
        self.W = [rng.standard_normal(pair, dtype=np.float32) * np.float32(np.sqrt(2 / pair[0])) for pair in pairs]
        self.b = [np.zeros(n, np.float32) for n in sizes[1:]]
        self.V = [np.zeros_like(W) for W in self.W]

    def step(self, X, labels):
        """One mini-batch."""
        rate, momentum = np.float32(0.01), np.float32(0.9)
        values = [X]
        for W, b in zip(self.W, self.b, strict=True):
            Z = values[-1] @ W
            Z += b
            values.append(np.maximum(Z, 0, out=Z) if len(values) < len(self.W) else Z)
        d = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
        d /= d.sum(axis=1, keepdims=True)
        d[np.arange(len(labels)), labels] -= 1
        d /= np.float32(len(labels))
        for l in reversed(range(len(self.W))):
            gradient = values[l].T @ d
            self.b[l] -= rate * d.sum(axis=0)
            if l:
                d = (d @ self.W[l].T) * (values[l] > 0)
            self.V[l] *= momentum
            gradient *= rate
            self.V[l] -= gradient
            self.W[l] += self.V[l]
