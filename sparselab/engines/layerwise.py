"""The general engine: one kernel call per layer, from Python, for any activation, loss, optimizer, dtype and tile width.

Tiles, groups and the order of sums are those of `fused`: where both can run they give the same bits.
"""

import time
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import scipy.sparse

from .. import kernels
from ..kernels import elementwise
from ..kernels.entries import add_entries, add_entry_gradients
from ..kernels.largest import keep_best
from ..kernels.rng import U64, key64
from ..nn import activations
from ..nn.linear import NO_BITS
from ..nn.optimizers import update_layers
from ..utils.interrupts import defer_interrupts
from .augmented import AugmentedRows, start_epoch
from .base import ENGINE_PHASES
from .buffers import Gradients, Workspace
from .entries import Finish, by_entries, forget_order, in_order, tile_sizes
from .tiling import drop_threshold, groups_of, scatters, tiles_of


class LayerwiseEngine:
    """Runs steps layer by layer, with the methods of FusedEngine."""

    def __init__(self, model, loss, width, threads):
        self.model, self.loss, self.width, self.threads = model, loss, width, threads
        self.kernel = kernels.select(model.dtype, width)
        self.pool = ThreadPoolExecutor(threads, "sparselab") if threads > 1 else None
        self.workspaces, self.gradients, self.stopped, self.finish = [], [], False, None

    def close(self):
        """End the threads."""
        if self.pool:
            self.pool.shutdown()

    def run(self, outcome, X, targets, samples, batch_size, rates, optimizer, state, key, first_step):
        """len(rates) steps over consecutive batches of `samples`, updating model and state in place; fills the Outcome."""
        start_epoch(X, key)
        for step, rate in enumerate(rates):
            batch = samples[step * batch_size : (step + 1) * batch_size]
            loss, hits, dw, db = self.batch_gradient(X, targets, batch, step_key(key, first_step + step), outcome.seconds)
            if dw is None:
                outcome.failed = True
                return
            start = time.perf_counter()
            with defer_interrupts:  # all layers are updated and the step is counted, or none
                update_layers(optimizer, self.model, state, dw, db, rate, self.gradients[0].dv)
                outcome.losses[step], outcome.hits[step], outcome.done = loss / len(batch), hits, step + 1
            outcome.seconds["update"] += time.perf_counter() - start

    def gradient(self, outcome, X, targets, samples, key, step):
        """(dw, db) of one batch, an array per layer, with the dropout of step `step`; nothing is updated. Fills the Outcome.

        The arrays are the engine's own and hold until its next call; None, None where something is not finite.
        """
        start_epoch(X, key)
        loss, outcome.hits[0], dw, db = self.batch_gradient(X, targets, samples, step_key(key, step), outcome.seconds)
        outcome.losses[0], outcome.failed, outcome.done = loss / len(samples), dw is None, int(dw is not None)
        return dw, db

    def batch_gradient(self, X, targets, samples, key, seconds=None, watch=None):
        """(Σ loss, hits, dw, db) of one batch, dw and db with an array per layer; dw is None where something is not finite.

        key: the step's dropout key, None for no dropout. watch: a list to which each tile appends copies of (X, dZ) of all
        layers; where samples come by their entries, X of the first one is not that of the samples.
        """
        forget_order(self.model)
        n_tiles = tiles_of(len(samples), self.width)
        groups = groups_of(n_tiles) if watch is None else 1  # for `flows` the gradients of links are of no use
        entries = self._by_entries(X)
        self._prepare(groups, entries)
        seconds = dict.fromkeys(ENGINE_PHASES, 0.0) if seconds is None else seconds

        def work(group):
            space, buffers, nonfinite = self.workspaces[group], self.gradients[group], np.zeros(1, self.model.dtype)
            loss, hits, first = 0.0, 0, n_tiles * group // groups
            if entries:
                buffers.dw[0][:] = 0
            for tile in range(first, n_tiles * (group + 1) // groups):
                defer_interrupts.deliver_pending()
                if self.stopped:
                    break
                place = tile * self.width, min(self.width, len(samples) - tile * self.width)
                part = self._tile(X, targets, samples, place, key, space, buffers, nonfinite, tile > first, seconds, watch)
                loss, hits = loss + part[0], hits + part[1]
            return loss, hits, nonfinite[0]

        parts = self._side_by_side(work, groups) if self.pool and watch is None else list(map(work, range(groups)))
        loss, hits, nonfinite = (sum(column) for column in zip(*parts, strict=True))
        if not (np.isfinite(loss) and np.isfinite(nonfinite)):
            return loss, hits, None, None
        total = self.gradients[0]
        for part in self.gradients[1:groups]:
            for a, b in zip(total.vectors, part.vectors, strict=True):
                elementwise.add_gradients(a, b, 0, len(a))
        return loss, hits, total.dw, total.db

    def _side_by_side(self, work, groups):
        """[work(0), …, work(groups − 1)], on the pool; an interrupt ends the wait, and the work after its current tile."""
        self.stopped, futures = False, []
        try:
            with defer_interrupts:  # an interrupted `submit` may leave a thread that nobody waits for
                for group in range(groups):
                    futures.append(self.pool.submit(work, group))
            while wait(futures, timeout=0.1).not_done:
                defer_interrupts.deliver_pending()
            return [future.result() for future in futures]
        except BaseException:
            self.stopped = True
            wait(futures)
            raise

    def outputs(self, X, samples=None):
        """The net's outputs for the samples (default: all), without dropout: (n, n_out)."""
        samples = np.arange(X.shape[0]) if samples is None else samples
        out = np.empty((len(samples), self.model.sizes[-1]), self.model.dtype)
        for first, count, Z in self._output_tiles(X, samples):
            out[first : first + count] = Z[:, :count].T
        return out

    def best_outputs(self, X, k):
        """The k largest outputs of each sample, largest first: (places, outputs), both (n, k); no other outputs are kept."""
        n = X.shape[0]
        places, out = np.empty((n, k), np.int64), np.empty((n, k), self.model.dtype)
        for first, count, Z in self._output_tiles(X, np.arange(n)):
            keep_best(Z, 0, count, first, places, out)
        return places, out

    def _output_tiles(self, X, samples):
        """(first, count, outputs (n_out, W)) of each tile of samples[first : first + count], without dropout."""
        space = Workspace(self.model, self.width, training=False, entries=self._by_entries(X))
        found = in_order(self.model, X, len(samples)) if space.entries else None
        w = None if found is None else found[0]
        for tile in range(tiles_of(len(samples), self.width)):
            first, count = tile * self.width, min(self.width, len(samples) - tile * self.width)
            self._gather(X, samples, first, count, space, w)
            self._forward(space, None, 0, count, training=False)
            yield first, count, space.activations[-1]

    def flows(self, X, targets, samples):
        """(X (n_in, n), dZ (n_out, n)) of each layer for a batch, without dropout: a list.

        X of the first layer is a csr_array where samples come by their entries.
        """
        watch = []
        self.batch_gradient(X, targets, samples, None, watch=watch)
        n, layers = len(samples), len(self.model.layers)
        parts = lambda l, part: [entry[l][part] for entry in watch]
        join = lambda found: (found[0] if len(found) == 1 else np.concatenate(found, axis=1))[:, :n]
        first = scipy.sparse.csr_array(X[samples].T) if self._by_entries(X) else join(parts(0, 0))
        return [(join(parts(l, 0)) if l else first, join(parts(l, 1))) for l in range(layers)]

    def _by_entries(self, X):
        layer = self.model.layers[0]
        if not by_entries(X, layer.topology):
            return False
        self.finish = Finish.of(layer, self.finish)
        return True

    def _prepare(self, groups, entries):
        model = self.model
        if self.workspaces and self.workspaces[0].sizes != tile_sizes(model, entries):
            self.workspaces = []
        if self.gradients and [len(a) for a in self.gradients[0].dw] != list(model.nnz):
            self.gradients = []
        if self.gradients and [a.shape for a in self.gradients[0].dv] != [layer.values.shape for layer in model.layers]:
            self.gradients = []
        self.workspaces += [Workspace(model, self.width, entries=entries) for _ in range(groups - len(self.workspaces))]
        self.gradients += [Gradients.of(model) for _ in range(groups - len(self.gradients))]

    def _tile(self, X, targets, samples, place, key, space, buffers, nonfinite, add, seconds, watch):
        (first, count), out, clock = place, space.activations[-1], time.perf_counter
        t0 = clock()
        self._gather(X, samples, first, count, space)
        t1 = clock()
        self._forward(space, key, first // 4, count, training=True)
        scale = out.dtype.type(1) / out.dtype.type(len(samples))
        loss, hits = self.loss.on_tile(out, targets, samples, first, count, scale, out)
        t2 = clock()
        entries = space.entries and (X.data, X.indices, X.indptr, samples, first, count)
        self._backward(space, buffers, nonfinite, add, key, count, watch, entries)
        t3 = clock()
        for phase, spent in (("gather", t1 - t0), ("forward", t2 - t1), ("backward", t3 - t2)):
            seconds[phase] += spent / (self.threads if self.pool else 1)
        return loss, hits

    def _gather(self, X, samples, first, count, space, w=None):
        tile = space.activations[0]
        if space.entries:
            layer, back = self.model.layers[0], self.model.layers[0].topology.transposed
            links = (back.slots, layer.w) if w is None else (back.slots[:0], w)
            add_entries(
                X.data, X.indices, X.indptr, samples, first, count, back.indptr, back.rows, *links, tile, 0, self.width
            )  # fmt: skip
        elif isinstance(X, AugmentedRows):
            X.gather(samples, first, count, tile)
        elif scipy.sparse.issparse(X):
            elementwise.gather_csr(X.data, X.indices, X.indptr, samples, first, count, tile)
        else:
            self.kernel.gather(X, samples, first, count, tile)

    def _forward(self, space, key, lane, count, *, training):
        threshold, scale = drop_threshold(self.model.dropout if training and key is not None else 0.0)
        hidden, last = self.model.hidden, len(self.model.layers) - 1
        for l, layer in enumerate(self.model.layers):
            t, f = layer.topology, hidden[l] if l < last else activations.Identity()
            pair, drop = activations.slopes(f), threshold if l < last else 0
            layer_key = U64(key64(U64(0 if key is None else key), l))  # numba returns a Python int
            out = space.activations[l + 1] if pair else space.z[l + 1]
            sign_bits = space.sign_bits[l + 1] if training and pair else NO_BITS
            dropout_bits = space.dropout_bits[l + 1] if pair else NO_BITS
            links = (t.indptr, t.indices, layer.w) if l or not space.entries else self.finish.links
            self.kernel.spmm(
                *links, layer.b, space.activations[l], out, *(pair or (1.0, 1.0)), sign_bits, dropout_bits,
                layer_key, lane, drop if pair else 0, scale, 0, t.n_out,
            )  # fmt: skip
            if not pair:
                out = space.activations[l + 1]
                out[:] = checked(f.forward(space.z[l + 1]), out, f, "forward")
                out[:, count:] = 0  # padding, where a plug-in may be singular
                if drop:
                    elementwise.drop(out, space.dropout_bits[l + 1], layer_key, lane, drop, scale)

    def _backward(self, space, buffers, nonfinite, add, key, count, watch, entries):
        """entries: the first arguments of `add_entry_gradients`, where samples come by their entries."""
        threshold, scale = drop_threshold(self.model.dropout if key is not None else 0.0)
        hidden, seen = self.model.hidden, []
        for l in reversed(range(len(self.model.layers))):
            layer, X, dZ = self.model.layers[l], space.activations[l], space.activations[l + 1]
            t = layer.topology
            if watch is not None:
                seen.insert(0, (X.copy(), dZ.copy()))
            indptr, arrays = t.indptr, (X, dZ, buffers.dw[l], buffers.db[l], add, nonfinite)
            if l == 0 and space.entries:
                indptr, back = self.finish.no_links, t.transposed  # the biases are left
                nonfinite[0] += add_entry_gradients(*entries, back.indptr, back.rows, back.slots, dZ, buffers.dw[l], 0, 1)
            self.kernel.sddmm(indptr, t.indices, *arrays, 0, t.n_out)
            if l < len(hidden) and not getattr(hidden[l], "biases", True):
                buffers.db[l][:] = 0
            if l == 0:
                continue
            f = hidden[l - 1]
            pair = activations.slopes(f)
            slopes = pair or (1.0, 1.0)
            bits = space.sign_bits[l] if pair else NO_BITS, space.dropout_bits[l] if threshold else NO_BITS
            if scatters(t.n_in, t.n_out, self.width):
                self.kernel.scatter(t.indptr, t.indices, layer.w, dZ, X, *slopes, *bits, scale, 0, t.n_in)
            else:
                back = t.transposed
                self.kernel.dx(back.indptr, back.rows, back.slots, layer.w, dZ, X, *slopes, *bits, scale, 0, t.n_in)
            if not pair:
                if len(buffers.dv[l - 1]):
                    add_value_gradients(f, space.z[l], X, count, buffers.dv[l - 1], add, nonfinite)
                X *= checked(f.gradient(space.z[l]), X, f, "gradient")
                X[:, count:] = 0
        if watch is not None:
            watch.append(seen)


def add_value_gradients(f, Z, dA, count, dv, add, nonfinite):
    """Σ over `count` samples of dA ∂f/∂v for each trained value v, into dv (k, n) or, where `add`, added to it.

    dA (n, W): gradient by the outputs of f. nonfinite: becomes NaN where a sum is not finite.
    """
    for k, part in enumerate(f.value_gradients(Z)):
        sums = (part[:, :count] * dA[:, :count]).sum(axis=1)
        dv[k] = dv[k] + sums if add else sums
    if not np.isfinite(dv).all():
        nonfinite[0] = np.nan


def step_key(key, step):
    """The dropout key of a step."""
    return U64(key64(U64(key), step))


def checked(result, like, activation, method):
    """A plug-in's result; ValueError unless it has the tile's shape."""
    if np.shape(result) != like.shape:
        raise ValueError(f"{activation!r}.{method} gave shape {np.shape(result)}: must be that of Z, {like.shape}")
    return result
