"""The fast engine: a table of addresses, one nogil call a thread for many steps."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse

from . import activations
from .engines import PHASES
from .kernels import compiling, program
from .optimizers import check_state
from .workspace import Gradients, Workspace, aligned, groups_of, tiles_of

NO_ROWS = np.zeros((0, 1), np.float32)
NO_CSR = (np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(1, np.int64))
NO_LABELS, NO_TARGETS = np.zeros(0, np.int64), np.zeros((0, 1), np.float32)


def address(array):
    """Where an array's data stands, 0 for an empty one."""
    return array.__array_interface__["data"][0] if array.size else 0


def features(X):
    """(dense rows, CSR data, indices, indptr): one of the two is empty."""
    if scipy.sparse.issparse(X):
        return NO_ROWS, X.data, X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64, copy=False)
    return X, *NO_CSR


def drop_threshold(dropout):
    """(threshold, scale): bytes below the threshold are dropped, the others scaled by 1 / the exact keep probability."""
    threshold = min(round(dropout * 256), 255)
    return threshold, 256 / (256 - threshold)


class FusedEngine:
    """Runs steps of float32 nets whose activations are pairs of slopes, with a built-in loss and MomentumSGD.

    `threads` Python threads run the compiled program side by side; results do not depend on how many.
    """

    def __init__(self, model, loss, width, threads):
        self.model, self.loss, self.width, self.threads = model, loss, width, threads
        self.pool = ThreadPoolExecutor(threads - 1, "sparselab") if threads > 1 else None
        self.spaces, self.gradients, self.seen, self.training = [], [], None, False

    def close(self):
        """Let the threads go."""
        if self.pool:
            self.pool.shutdown()

    def run(self, outcome, X, targets, samples, batch_size, rates, optimizer, state, key, first_step):
        """len(rates) steps over consecutive batches of `samples`, updating model and state in place; fills the Outcome."""
        compiling.announce(program.run_steps)
        tiles, steps = tiles_of(batch_size, self.width), len(rates)
        threads = min(self.threads, groups_of(tiles))
        self._prepare(threads, groups_of(tiles), state)
        losses, hits = np.zeros((steps, tiles)), np.zeros((steps, tiles), np.int64)
        poison, status = np.zeros(len(self.gradients), np.float32), np.array([-1, 0])
        phases, counter = np.zeros((threads, len(PHASES)), np.int64), aligned((8,), np.int64)
        counter[:] = 0
        decay = optimizer.weight_decay
        settings = np.array([optimizer.momentum, decay, decay * optimizer.decay_biases, optimizer.nesterov], float)
        chosen = (targets, NO_TARGETS) if self.loss.code == program.SOFTMAX else (NO_LABELS, targets)
        rates = np.asarray(rates, np.float32)

        def work(thread):
            program.run_steps(
                thread, threads, counter.ctypes.data, self.width, len(self.gradients), self.table, self.coefficients,
                self.places[thread], self.dw, self.db, settings, rates, self.loss.code, *chosen, *features(X), samples,
                batch_size, key, first_step, losses, hits, poison, phases, status,
            )  # fmt: skip

        try:
            self._together(work, threads, counter)
        finally:
            outcome.failed, outcome.done = bool(status[0] >= 0), int(status[1])
            outcome.losses[:], outcome.hits[:] = losses.sum(axis=1) / outcome.sizes, hits.sum(axis=1)
            outcome.seconds = dict(zip(PHASES, phases.mean(axis=0) * 1e-9, strict=True))

    def outputs(self, X, samples=None):
        """The net's output for the samples (default all), dropout off: (n, n_out)."""
        samples = np.arange(X.shape[0]) if samples is None else samples
        out = np.empty((len(samples), self.model.sizes[-1]), np.float32)
        threads = max(1, min(self.threads, tiles_of(len(samples), self.width)))
        self._prepare(threads, 0, None)

        def work(thread):
            program.run_forward(
                thread,
                threads,
                self.width,
                self.table,
                self.coefficients,
                self.places[thread],
                *features(X),
                samples,
                out,
            )

        self._together(work, threads)
        return out

    def _together(self, work, threads, counter=None):
        def guarded(thread):
            try:
                work(thread)
            except BaseException:
                if counter is not None:
                    counter[1] = 1  # nobody shall wait for this thread
                raise

        others = []
        try:
            others += [self.pool.submit(guarded, thread) for thread in range(1, threads)]
            guarded(0)
        except BaseException:
            if counter is not None:
                counter[1] = 1
            raise
        finally:
            for other in others:
                other.result()

    def _prepare(self, threads, groups, state):
        """Buffers and the table of addresses, made anew only where the model's arrays are others than last time."""
        model, training = self.model, groups > 0
        arrays = [[a.topology, a.w, a.b] for a in model.layers]
        if training:
            for row, s in zip(arrays, state, strict=True):
                row += [s.links[0], s.neurons[0]]
        now = [item for row in arrays for item in row]
        same = self.seen is not None and len(now) == len(self.seen) and all(a is b for a, b in zip(now, self.seen, strict=True))
        if same and len(self.spaces) >= threads and len(self.gradients) >= groups and self.training >= training:
            return
        if self.spaces and (self.spaces[0].sizes != model.sizes or self.training < training):
            self.spaces = []
        if self.gradients and [len(a) for a in self.gradients[0].dw] != list(model.nnz):
            self.gradients = []
        if training:
            check_state(state, model)
        self.training = self.training or training
        self.spaces += [Workspace(model, self.width, training=self.training) for _ in range(threads - len(self.spaces))]
        self.gradients += [Gradients(model) for _ in range(groups - len(self.gradients))]
        self._write_table(training, state)
        self.seen = now

    def _write_table(self, training, state):
        model = self.model
        threshold, scale = drop_threshold(model.dropout)
        slopes = [*(activations.slopes(f) for f in model.hidden), (1.0, 1.0)]
        self.coefficients = np.array([(*pair, scale) for pair in slopes], np.float32)
        self.table = np.zeros((len(model.layers), program.FIELDS), np.int64)
        for l, layer in enumerate(model.layers):
            t, row = layer.topology, self.table[l]
            row[: program.V] = t.n_in, t.n_out, t.nnz, *map(address, (t.indptr, t.indices, layer.w))
            row[program.B] = address(layer.b)
            row[program.THRESHOLD] = threshold if l + 1 < len(model.layers) else 0
            if training:
                back = t.transposed
                row[program.V], row[program.VB] = address(state[l].links[0]), address(state[l].neurons[0])
                row[program.INDPTR_T : program.THRESHOLD] = [*map(address, (back.indptr, back.rows, back.slots))]
        self.places = np.array([[[*map(address, part)] for part in (s.levels, s.on, s.kept)] for s in self.spaces], np.int64)
        self.dw = np.array([[address(a) for a in g.dw] for g in self.gradients], np.int64).reshape(-1, len(model.layers))
        self.db = np.array([[address(a) for a in g.db] for g in self.gradients], np.int64).reshape(-1, len(model.layers))
