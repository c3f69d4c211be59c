"""Slow twins of everything fast: loops over Python lists and plain float64 arithmetic, read beside the paper.

Nothing here comes from sparselab, so that a mistake there cannot hide in its own reflection. Topologies are (indptr, indices).
"""

import itertools
import math

import numpy as np

MASK_32, MASK_64 = 2**32 - 1, 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


# random bits


def mix64(x):
    """splitmix64's finaliser."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK_64
    return x ^ (x >> 31)


def key64(key, counter):
    """Output number `counter` of the splitmix64 generator that was seeded with `key`."""
    return mix64((key + GOLDEN * (counter + 1)) & MASK_64)


def mix32(x):
    """lowbias32."""
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & MASK_32
    x = ((x ^ (x >> 15)) * 0x735A2D97) & MASK_32
    return x ^ (x >> 15)


def dropout_word(key, lane):
    low, high = key & MASK_32, key >> 32
    return mix32(mix32((low + lane * 0x9E3779B9) & MASK_32) ^ high)


def dropout_byte(key, row, column):
    """The random byte of one neuron and one column of the batch."""
    word = dropout_word(key64(key, row), column // 4)
    return (word >> (8 * (column % 4))) & 255


def kept(key, rows, width, lane, threshold):
    """(rows, width) bool: what dropout keeps of a tile whose first column is 4 · lane."""
    bytes_ = [[dropout_byte(key, j, 4 * lane + c) for c in range(width)] for j in range(rows)]
    return np.array(bytes_).reshape(rows, width) >= threshold


def threshold_of(dropout):
    """(bytes dropped of 256, scale of what stays)."""
    dropped = min(round(256 * dropout), 255)
    return dropped, 256 / (256 - dropped)


def below(state, n):
    """(number in [0, n), next state): Lemire's exact method on 32-bit words of splitmix64."""
    while True:
        state = (state + GOLDEN) & MASK_64
        product = (mix64(state) >> 32) * n
        if product & MASK_32 >= (2**32 - n) % n:
            return product >> 32, state


def pack(mask):
    """(rows, columns) bool -> bytes, column c in bit c % 8 of byte c // 8."""
    return np.packbits(mask, axis=1, bitorder="little")


# one layer


def links_of(indptr, indices):
    """[(slot, row, column)] of every link."""
    return [(k, j, int(indices[k])) for j in range(len(indptr) - 1) for k in range(indptr[j], indptr[j + 1])]


def to_dense(indptr, indices, values, n_in):
    W = np.zeros((len(indptr) - 1, n_in))
    for k, j, i in links_of(indptr, indices):
        W[j, i] = values[k]
    return W


def spmm(indptr, indices, w, b, X, slopes=(1.0, 1.0), mask=None, scale=1.0):
    """(Y, Z): Z = W X + b, Y = f(Z), columns outside `mask` times 0, the others times `scale`."""
    left, right = slopes
    Z = np.array([[float(bias)] * X.shape[1] for bias in b])
    for k, j, i in links_of(indptr, indices):
        Z[j] += float(w[k]) * X[i].astype(float)
    Y = Z.copy()
    for j in range(Z.shape[0]):
        for c in range(Z.shape[1]):
            Y[j, c] *= right if Z[j, c] > 0 else left
            if mask is not None:
                Y[j, c] *= scale if mask[j, c] else 0.0
    return Y, Z


def dx(indptr, indices, w, dZ, n_in, slope=1.0, factor=1.0):
    """(Wᵀ dZ) · slope · factor, elementwise."""
    out = np.zeros((n_in, dZ.shape[1]))
    for k, j, i in links_of(indptr, indices):
        out[i] += float(w[k]) * dZ[j].astype(float)
    return out * slope * factor


def sddmm(indptr, indices, X, dZ):
    """(dw, db) of one tile."""
    dw = np.zeros(len(indices))
    for k, j, i in links_of(indptr, indices):
        dw[k] = sum(float(x) * float(d) for x, d in zip(X[i], dZ[j], strict=True))
    return dw, np.array([sum(map(float, row)) for row in dZ])


def gather(X, samples, first, count, width):
    """(features, width): the samples as columns, zeros beyond."""
    out = np.zeros((X.shape[1], width), X.dtype)
    for c in range(count):
        out[:, c] = X[samples[first + c]]
    return out


def update(w, v, g, rate, momentum, decay, nesterov):
    """(w, v) after one step of the paper's momentum SGD."""
    v_new = momentum * v - rate * g
    step = momentum * v_new - rate * g if nesterov else v_new
    return w + step - decay * w, v_new


def softmax_loss(Z, labels):
    """(Σ loss, hits, softmax − onehot) of logits (classes, n)."""
    loss, hits, gradient = 0.0, 0, np.zeros(Z.shape)
    for c, label in enumerate(labels):
        z = [float(value) for value in Z[:, c]]
        top = max(z)
        logsum = top + math.log(math.fsum(math.exp(value - top) for value in z))
        loss += logsum - z[label]
        hits += z.index(top) == label
        gradient[:, c] = [math.exp(value - logsum) - (q == label) for q, value in enumerate(z)]
    return loss, hits, gradient


def squared_loss(Z, targets):
    """(Σ loss, hits, z − t) of outputs (n_out, n) against targets (n, n_out)."""
    loss, hits, gradient = 0.0, 0, np.zeros(Z.shape)
    for c, target in enumerate(targets):
        z, t = [float(value) for value in Z[:, c]], [float(value) for value in target]
        loss += math.fsum((a - b) ** 2 for a, b in zip(z, t, strict=True)) / 2
        hits += z.index(max(z)) == t.index(max(t))
        gradient[:, c] = np.subtract(z, t)
    return loss, hits, gradient


# topologies


def faults(n_out, n_in, indptr, indices):
    """Whether CSR arrays break a law."""
    if len(indptr) != n_out + 1 or indptr[0] != 0 or indptr[-1] != len(indices):
        return True
    if any(b < a for a, b in zip(indptr, indptr[1:], strict=False)):
        return True
    rows = [list(indices[a:b]) for a, b in zip(indptr, indptr[1:], strict=False)]
    return any(row != sorted(set(row)) or not all(0 <= i < n_in for i in row) for row in rows)


def transpose(indptr, indices, n_in):
    """(indptr, rows, slots) by input neuron."""
    columns = [[(j, k) for k, j, i in links_of(indptr, indices) if i == column] for column in range(n_in)]
    starts = [0]
    for column in columns:
        starts.append(starts[-1] + len(column))
    flat = [pair for column in columns for pair in column]
    return starts, [j for j, _ in flat], [k for _, k in flat]


def compact(indptr, indices, keep):
    """(indptr, indices, origin) of the links that stay."""
    starts, columns, origin = [0], [], []
    for j in range(len(indptr) - 1):
        for k in range(indptr[j], indptr[j + 1]):
            if keep[k]:
                columns.append(int(indices[k]))
                origin.append(k)
        starts.append(len(columns))
    return starts, columns, origin


def strength(indptr, w):
    return [math.fsum(abs(float(w[k])) for k in range(a, b)) for a, b in zip(indptr, indptr[1:], strict=False)]


def carry(values, origin, fill):
    return [values[old] if old >= 0 else fill for old in origin]


def set_cut(w, zeta):
    """Slots that SET removes: zeros, then per sign the share of the weights closest to zero, ties in slot order."""
    zeros, wanted = [k for k, value in enumerate(w) if value == 0], zeta * len(w)
    removed = set(zeros[: int(wanted)])
    if zeros:
        zeta = 0 if wanted <= len(zeros) else (wanted - len(zeros)) / (len(w) - len(zeros))
    for sign in (1, -1):
        slots = [k for k, value in enumerate(w) if sign * value > 0]
        slots.sort(key=lambda k: (abs(float(w[k])), k))
        removed |= set(slots[: int(zeta * len(slots))])
    return removed


def magnitude_cut(w, zeta):
    """Slots of the share zeta of the weights closest to zero."""
    return set(sorted(range(len(w)), key=lambda k: (abs(float(w[k])), k))[: int(zeta * len(w))])


# a whole dense net


class DenseMLP:
    """A textbook multilayer perceptron in float64: samples in rows, matrix products, momentum SGD, optional masks."""

    def __init__(self, weights, biases, slopes, masks=None):
        self.W = [np.array(W, float) for W in weights]  # (n_out, n_in)
        self.b = [np.array(b, float) for b in biases]
        self.slopes = slopes  # (left, right) of each hidden layer
        self.masks = masks or [np.ones(W.shape) for W in self.W]
        self.vW = [np.zeros(W.shape) for W in self.W]
        self.vb = [np.zeros(b.shape) for b in self.b]

    def forward(self, X, drop=None):
        """Inputs of every layer and the logits; `drop`[l] (neurons, n) multiplies hidden layer l."""
        inputs, pre = [np.asarray(X, float)], []
        for l, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            Z = inputs[-1] @ W.T + b
            if l < len(self.W) - 1:
                left, right = self.slopes[l]
                Y = np.where(Z > 0, right * Z, left * Z)
                pre.append(Z)
                inputs.append(Y if drop is None else Y * drop[l].T)
        return inputs, pre, Z

    def gradient(self, X, targets, loss="softmax", drop=None):
        """(mean loss, dW, db)."""
        inputs, pre, Z = self.forward(X, drop)
        total, _, dZ = (softmax_loss if loss == "softmax" else squared_loss)(Z.T, targets)
        n, delta, dW, db = len(X), dZ.T / len(X), [], []
        for l in reversed(range(len(self.W))):
            dW.insert(0, (delta.T @ inputs[l]) * self.masks[l])
            db.insert(0, delta.sum(axis=0))
            if l:
                left, right = self.slopes[l - 1]
                delta = (delta @ self.W[l]) * np.where(pre[l - 1] > 0, right, left)
                delta = delta if drop is None else delta * drop[l - 1].T
        return total / n, dW, db

    def step(self, X, targets, rate, momentum=0.0, decay=0.0, decay_biases=True, nesterov=False, loss="softmax", drop=None):
        """One mini-batch; returns its mean loss."""
        value, dW, db = self.gradient(X, targets, loss, drop)
        for l in range(len(self.W)):
            self.W[l], self.vW[l] = update(self.W[l], self.vW[l], dW[l], rate, momentum, decay, nesterov)
            self.b[l], self.vb[l] = update(self.b[l], self.vb[l], db[l], rate, momentum, decay * decay_biases, nesterov)
        return value


def shrunk(weights, biases, slopes, gone):
    """(weights, biases) without the hidden neurons in `gone` (a bool list a hidden layer), one neuron after the other.

    slopes: (left, right) of each hidden layer. What a neuron gives without its incoming links goes to the biases of those that
    hear it.
    """
    weights, biases = [W.copy() for W in weights], [b.copy() for b in biases]
    for l, mask in enumerate(gone):
        left, right = slopes[l]
        for j in reversed(range(len(mask))):
            if not mask[j]:
                continue
            given = biases[l][j] * (right if biases[l][j] > 0 else left)
            dead = gone[l + 1] if l + 1 < len(gone) else []
            for k in range(len(biases[l + 1])):
                if not (len(dead) and dead[k]):
                    biases[l + 1][k] += weights[l + 1][k, j] * given
    keep = [None, *([not g for g in mask] for mask in gone), None]
    for l, W in enumerate(weights):
        rows = range(len(W)) if keep[l + 1] is None else [j for j, stays in enumerate(keep[l + 1]) if stays]
        columns = range(W.shape[1]) if keep[l] is None else [i for i, stays in enumerate(keep[l]) if stays]
        weights[l], biases[l] = W[np.ix_(list(rows), list(columns))], biases[l][list(rows)]
    return weights, biases


# where links could be


def link_scores(mask, kind):
    """{(u, v): score} of every free place with a walk u – z1 – z2 – v, from sets of neighbours."""
    n_out, n_in = mask.shape
    out = [{v for v in range(n_in) if mask[u, v]} for u in range(n_out)]  # neighbours of outputs
    into = [{u for u in range(n_out) if mask[u, v]} for v in range(n_in)]
    found = {}
    for u in range(n_out):
        for v in range(n_in):
            walks = [(z1, z2) for z1 in out[u] for z2 in into[v] if mask[z2, z1]]
            if mask[u, v] or not walks:
                continue

            def inside_and_outside(neighbours, others):
                i = len(neighbours & others)
                return i, len(neighbours) - i - 1

            first = {z1: inside_and_outside(into[z1], into[v]) for z1, _ in walks}
            second = {z2: inside_and_outside(out[z2], out[u]) for _, z2 in walks}

            def counts(pair):
                return (1 + pair[0] if kind.startswith("CH2") else 1) / (1 + pair[1])

            if kind.endswith("p"):
                score = sum((counts(first[z1]) * counts(second[z2])) ** 0.5 for z1, z2 in walks)
            else:
                score = sum(map(counts, first.values())) + sum(map(counts, second.values()))
            found[u, v] = score
    return found


def successive(weights, k):
    """{set of k}: its probability when one after the other is drawn, p ∝ weight among those that are left."""
    chances = {}
    for order in itertools.permutations(range(len(weights)), k):
        chance, left = 1.0, sum(weights)
        for one in order:
            chance *= weights[one] / left
            left -= weights[one]
        chances[frozenset(order)] = chances.get(frozenset(order), 0) + chance
    return chances


def percolated(patterns, fixed):
    """The matrices without links of neurons that have them on one side only, one removal after the other until none is left."""
    patterns, changed = [pattern.copy() for pattern in patterns], True
    while changed:
        changed = False
        for layer, (before, after) in enumerate(itertools.pairwise(patterns)):
            for neuron in range(len(before)):
                if before[neuron].any() and not after[:, neuron].any() and not fixed[layer]:
                    before[neuron], changed = False, True
                if after[:, neuron].any() and not before[neuron].any() and not fixed[layer + 1]:
                    after[:, neuron], changed = False, True
    return patterns
