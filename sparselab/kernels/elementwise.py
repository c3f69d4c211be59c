"""Passes over plain arrays that LLVM vectorises without help; shared by `plain`, `vector` and `program`.

Without fast-math flags they give the same bits wherever they are inlined.
"""

import numpy as np

from .rng import dropout_word, key64
from .settings import jit

BLOCK = 16  # features of a gather that stay in the first-level cache
CHUNK = 4096  # links whose gradients are added and applied while they are in the first-level cache


@jit
def gather(X, samples, first, count, out):
    """out[:, c] = X[samples[first + c]] for c < count, 0 beyond. X (n, features), out (features, W)."""
    n_in, width = out.shape
    for i0 in range(0, n_in, BLOCK):
        i1 = min(i0 + BLOCK, n_in)
        for c in range(count):
            sample = samples[first + c]
            for i in range(i0, i1):
                out[i, c] = X[sample, i]
        for i in range(i0, i1):
            out[i, count:width] = 0


@jit
def gather_csr(data, indices, indptr, samples, first, count, out):
    """`gather` from the rows of a CSR matrix."""
    out[:] = 0
    for c in range(count):
        sample = samples[first + c]
        for k in range(indptr[sample], indptr[sample + 1]):
            out[indices[k], c] = data[k]


@jit
def add_gradients(total, part, begin, end):
    """total[begin:end] += part[begin:end]. Indices into slices need no wrap-around code, so the loop vectorises."""
    total, part = total[begin:end], part[begin:end]
    for k in range(end - begin):
        total[k] += part[k]


@jit
def all_finite(values):
    """Whether all values of a float32 vector are finite: the largest bit pattern without sign tells, without branches or sums."""
    bits, largest = values.view(np.int32), np.int32(0)
    for k in range(bits.shape[0]):
        largest = max(largest, bits[k] & np.int32(0x7FFFFFFF))
    return largest < np.int32(0x7F800000)


@jit
def divide(values, begin, end, by):
    """values[begin:end] /= by."""
    values = values[begin:end]
    for k in range(end - begin):
        values[k] /= by


@jit
def multiply(values, begin, end, by):
    """values[begin:end] *= by."""
    values = values[begin:end]
    for k in range(end - begin):
        values[k] *= by


@jit
def squares(values, begin, end):
    """Σ v² over [begin, end) in float64, as four sums side by side."""
    values, n = values[begin:end], end - begin
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(0, n - 3, 4):
        p, q, r, s = np.float64(values[k]), np.float64(values[k + 1]), np.float64(values[k + 2]), np.float64(values[k + 3])
        a, b, c, d = a + p * p, b + q * q, c + r * r, d + s * s
    for k in range(n - n % 4, n):
        p = np.float64(values[k])
        a += p * p
    return (a + b) + (c + d)


@jit
def add_squares(total, values):
    """total + Σ v², piece by piece, so that threads may share the pieces."""
    n = len(values)
    for begin in range(0, n, CHUNK):
        total += squares(values, begin, min(begin + CHUNK, n))
    return total


@jit
def update(w, v, g, begin, end, rate, momentum, decay, nesterov):
    """v ← μv − ηg; w ← w + v − λw (Nesterov: w ← w + μv − ηg − λw), on [begin, end)."""
    w, v, g = w[begin:end], v[begin:end], g[begin:end]
    if nesterov:
        for k in range(end - begin):
            step = rate * g[k]
            v[k] = momentum * v[k] - step
            w[k] += (momentum * v[k] - step) - decay * w[k]
    else:
        for k in range(end - begin):
            v[k] = momentum * v[k] - rate * g[k]
            w[k] += v[k] - decay * w[k]


@jit
def sgd(w, v, g, begin, end, rate, momentum, share, decay, nesterov):
    """d = g + λw; v ← μv + share·d; w ← w − η (Nesterov: d + μv, else v), on [begin, end). share: 1 − dampening, at first 1."""
    w, v, g = w[begin:end], v[begin:end], g[begin:end]
    for k in range(end - begin):
        d = g[k] + decay * w[k]
        v[k] = momentum * v[k] + share * d
        w[k] -= rate * (d + momentum * v[k] if nesterov else v[k])


@jit
def adam(w, m, v, g, begin, end, step, root, beta1, beta2, epsilon, decay, shrink):
    """d = g + λw; m ← β₁m + (1 − β₁)d; v ← β₂v + (1 − β₂)d²; w ← shrink·w − step·m / (√v/root + ε), on [begin, end).

    step: η / (1 − β₁ᵗ); root: √(1 − β₂ᵗ); shrink: 1, or 1 − ηλ' of AdamW.
    """
    w, m, v, g, one = w[begin:end], m[begin:end], v[begin:end], g[begin:end], w.dtype.type(1)
    for k in range(end - begin):
        d = g[k] + decay * w[k]
        m[k] = beta1 * m[k] + (one - beta1) * d
        v[k] = beta2 * v[k] + (one - beta2) * d * d
        w[k] = shrink * w[k] - step * m[k] / (np.sqrt(v[k]) / root + epsilon)


@jit
def adam_by_link(w, m, v, t, g, rate, beta1, beta2, epsilon, decay, shrink):
    """`adam` where each weight has a count of its own steps, in t. All numbers are float64."""
    for k in range(len(w)):
        t[k] += 1
        d = g[k] + decay * w[k]
        m[k] = beta1 * m[k] + (1 - beta1) * d
        v[k] = beta2 * v[k] + (1 - beta2) * d * d
        count = np.float64(t[k])
        size, root = rate / (1 - beta1**count), np.sqrt(1 - beta2**count)
        w[k] = shrink * w[k] - size * m[k] / (np.sqrt(np.float64(v[k])) / root + epsilon)


@jit
def softmax_loss(Z, labels, samples, first, count, scale, dZ):
    """Softmax cross-entropy of a tile of logits Z (classes, W): (Σ loss, hits); dZ = (softmax − onehot) · scale.

    Columns from `count` on are padding: their dZ is 0. dZ may be Z.
    """
    n, width = Z.shape
    loss, hits = 0.0, 0
    for c in range(count):
        label, best = labels[samples[first + c]], 0
        for q in range(1, n):
            if Z[q, c] > Z[best, c]:
                best = q
        top, logit = Z[best, c], Z[label, c]
        sum_ = Z.dtype.type(0)
        for q in range(n):
            e = np.exp(Z[q, c] - top)
            dZ[q, c] = e
            sum_ += e
        for q in range(n):
            dZ[q, c] *= scale / sum_
        dZ[label, c] -= scale
        loss += np.log(sum_) + (top - logit)
        hits += best == label
    dZ[:, count:width] = 0
    return loss, hits


@jit
def squared_loss(Z, targets, samples, first, count, scale, dZ):
    """½ Σ (z − t)² of a tile Z (outputs, W) against targets (n, outputs): (Σ loss, hits of the arg max); dZ = (z − t) · scale."""
    n, width = Z.shape
    loss, hits = 0.0, 0
    for c in range(count):
        sample, best, wanted = samples[first + c], 0, 0
        for q in range(1, n):
            if Z[q, c] > Z[best, c]:
                best = q
            if targets[sample, q] > targets[sample, wanted]:
                wanted = q
        hits += best == wanted
        for q in range(n):
            difference = Z[q, c] - targets[sample, q]
            loss += 0.5 * np.float64(difference) * difference
            dZ[q, c] = difference * scale
    dZ[:, count:width] = 0
    return loss, hits


@jit
def drop(Y, dropout_bits, key, lane, threshold, scale):
    """Dropout of a whole tile in place, with the same random bits as `spmm`; for activations that are not a pair of slopes."""
    n, width = Y.shape
    scale = Y.dtype.type(scale)
    dropout_bits[:] = 0
    for j in range(n):
        row_key = key64(key, j)
        for c in range(width):
            word = dropout_word(row_key, lane + c // 4)
            if (word >> np.uint32(8 * (c % 4))) & np.uint32(255) >= threshold:
                dropout_bits[j, c // 8] |= np.uint8(1) << np.uint8(c % 8)
                Y[j, c] *= scale
            else:
                Y[j, c] *= 0
