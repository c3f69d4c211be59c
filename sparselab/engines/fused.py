"""The fast engine: a table of addresses, one nogil call a thread for many steps."""

from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import scipy.sparse

from ..kernels import JIT, columns, compiling, program, push_pull, system, updating
from ..nn import activations
from ..nn.optimizers import MomentumSGD, check_state
from ..utils.interrupts import defer_interrupts, in_main_thread
from .base import ENGINE_PHASES
from .buffers import LINE, Gradients, Workspace
from .tiling import drop_threshold, groups_of, shared_out, tiles_of

NO_ROWS = np.zeros((0, 1), np.float32)
NO_CSR = (np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(1, np.int64))
NO_TURNS = 0, np.zeros(push_pull.MINE, np.int64), np.zeros((0, columns.FIELDS), np.int64)
NO_LABELS, NO_TARGETS = np.zeros(0, np.int64), np.zeros((0, 1), np.float32)

ROW = 3  # links whose work equals a row's own
LONGEST = 2 * 10**9  # links × samples of one call without the interpreter, about 0.1 s: then Ctrl-C is heard
LONG_STEP = 10**9  # links × columns of a step from which Ctrl-C is listened to in its middle
LISTEN = 0.1  # seconds between two times


def address(array):
    """Where an array's data stands, 0 for an empty one."""
    return array.__array_interface__["data"][0] if array.size else 0


class _Seen:
    """An array's memory as one that may be written to; it keeps the array alive."""

    def __init__(self, array):
        self.array, interface = array, array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}


def readable(array):
    """The array, or a view in the one type the program is compiled for: numba compiles anew for read-only arrays.

    The program writes to none of these.
    """
    return array if array.flags.writeable or not array.size else np.asarray(_Seen(array))


def features(X):
    """(dense rows, CSR data, indices, indptr): one of the two is empty."""
    if scipy.sparse.issparse(X):
        parts = X.data, X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64, copy=False)
        return NO_ROWS, *map(readable, parts)
    return readable(X), *NO_CSR


def new_counter():
    """Where threads meet: see kernels.system.meet."""
    words = np.zeros(16, np.int64)
    start = -address(words) % LINE // 8  # a cache line of its own
    return words[start : start + 8]


def even_cuts(indptr, parts):
    """parts + 1 rows that cut a CSR topology into runs of about equal work; a row costs about as much as ROW links."""
    n = len(indptr) - 1
    total = int(indptr[-1]) + ROW * n
    inner = [bisect_left(range(n), total * part / parts, key=lambda j: indptr[j] + ROW * j) for part in range(1, parts)]
    return [0, *inner, n]


class FusedEngine:
    """Runs steps of float32 nets whose activations are pairs of slopes, with a built-in loss and MomentumSGD.

    `threads` Python threads run the compiled program side by side; results do not depend on how many. index: whether layers
    have a transposed index; without it, links are scattered in the backward pass: 8 bytes a link less, and other roundings.
    """

    def __init__(self, model, loss, width, threads, index=True):
        self.model, self.loss, self.width, self.threads, self.index = model, loss, width, threads, index
        self.is_long = model.n_links * width >= LONG_STEP
        self.pool = ThreadPoolExecutor(threads, "sparselab") if threads > 1 or self.is_long else None
        self.spaces, self.gradients, self.seen, self.training, self.parts = [], [], None, False, None
        self.source = self.table = None

    def close(self):
        """Let the threads go."""
        if self.pool:
            self.pool.shutdown()

    def run(self, outcome, X, targets, samples, batch_size, rates, optimizer, state, key, first_step):
        """len(rates) steps over consecutive batches of `samples`, updating model and state in place; fills the Outcome."""
        self._run(outcome, X, targets, samples, batch_size, rates, settings_of(optimizer), state, key, first_step, True)

    def gradient(self, outcome, X, targets, samples, key, step, own_turns=None):
        """(dw, db), an array a layer, of one batch, with the dropout of step `step`; nothing is updated. Fills the Outcome.

        The arrays are the engine's own and hold until its next call; None, None where something is not finite. own_turns: the
        parallel.gate.Turns of a worker, who goes on with the next of the Outcome's batches as long as it may push and pull by
        itself: outcome.done then says how many gradients there were; the last one is left.
        """
        settings, gate = (np.zeros(columns.SETTINGS), NO_TURNS) if own_turns is None else own_turns.now()
        n = len(outcome.sizes)
        self._run(
            outcome, X, targets, samples, int(outcome.sizes[0]), [0.0] * n, settings, None, key, step, False, gate
        )  # fmt: skip
        return (None, None) if outcome.failed else (self.gradients[0].dw, self.gradients[0].db)

    def _run(
        self, outcome, X, targets, samples, batch_size, rates, settings, state, key, first_step, applies, gate=NO_TURNS
    ):  # fmt: skip
        if not self.spaces:
            compiling.announce(program.run_steps)
        tiles, steps = tiles_of(batch_size, self.width), len(rates)
        groups = groups_of(tiles)
        threads, together = self._shared_out(groups)
        if threads == 1 and groups == tiles and not applies:
            groups = 1  # each tile is a group: added one to the other as they come, the sum is the same
        self._prepare(1 if together else threads, groups, state)
        losses, hits = np.zeros((steps, tiles)), np.zeros((steps, tiles), np.int64)
        nonfinite, status = np.zeros(threads, np.float32), np.array([-1, 0])
        phases, counter, cuts = np.zeros((threads, len(ENGINE_PHASES)), np.int64), new_counter(), self._cuts(threads, together)
        targets, data = readable(targets), self._features(X)
        chosen = (targets, NO_TARGETS) if self.loss.code == program.SOFTMAX else (NO_LABELS, targets)
        rates = np.asarray(rates, np.float32)

        def work(thread):
            program.run_steps(
                thread, threads, together, counter.ctypes.data, cuts, self.width, groups, self.table,
                self.coefficients, self.places[0 if together else thread], self.dw, self.db, settings, rates, self.loss.code,
                *chosen, *data, samples, batch_size, key, first_step, losses, hits, nonfinite, phases, status,
                applies, *gate,
            )  # fmt: skip

        try:
            self._together(work, threads, counter, together)
        finally:
            outcome.failed, outcome.done = bool(status[0] >= 0), int(status[1])
            outcome.losses[:], outcome.hits[:] = losses.sum(axis=1) / outcome.sizes, hits.sum(axis=1)
            outcome.seconds = dict(zip(ENGINE_PHASES, (phases.sum(axis=0) * (1e-9 / threads)).tolist(), strict=True))

    def outputs(self, X, samples=None):
        """The net's output for the samples (default all), dropout off: (n, n_out)."""
        samples = np.arange(X.shape[0]) if samples is None else samples
        out = np.empty((len(samples), self.model.sizes[-1]), np.float32)
        threads, together = self._shared_out(tiles_of(len(samples), self.width))
        self._prepare(1 if together else threads, 0, None)
        counter, cuts, data = new_counter(), self._cuts(threads, together), features(X)

        whole = threads * self.width  # samples that keep every thread busy
        most = whole if len(samples) <= whole else max(1, LONGEST // (self.model.n_links + 1) // whole) * whole
        for first in range(0, len(samples), most):
            part = slice(first, first + most)

            def work(thread, part=part):
                program.run_forward(
                    thread, threads, together, counter.ctypes.data, cuts, self.width, self.table, self.coefficients,
                    self.places[0 if together else thread], *data, samples[part], out[part],
                )  # fmt: skip

            self._together(work, threads, counter, together)
        return out

    def _features(self, X):
        """`features` of the data trained on, kept from call to call: they may be copies."""
        if self.source is None or self.source[0] is not X:
            self.source = X, features(X)
        return self.source[1]

    def _shared_out(self, shares):
        """`shared_out` for this net; for one thread without looking at it."""
        if self.threads == 1:
            return 1, False
        return shared_out(self.threads, shares, self.width, self.model.n_links, sum(self.model.sizes))

    def _cuts(self, threads, together):
        """(layers, 2, parts + 1) rows of the layers, and of their transposes, at which each part begins."""
        parts, key = threads if together else 1, (threads, together)
        if self.parts != key:
            self.cuts = np.zeros((len(self.model.layers), 2, parts + 1), np.int64)
            for l, layer in enumerate(self.model.layers):
                self.cuts[l, columns.BY_OUTPUT] = even_cuts(layer.topology.indptr, parts)
                if l and self.training:
                    self.cuts[l, columns.BY_INPUT] = self._input_cuts(layer.topology, parts)
            self.parts = key
        return self.cuts

    def _input_cuts(self, topology, parts):
        if self.index:
            return even_cuts(topology.transposed.indptr, parts)
        return [topology.n_in * part // parts for part in range(parts + 1)]

    def _together(self, work, threads, counter, together):
        def guarded(thread):
            try:
                work(thread)
            except BaseException:
                counter[1] = 1  # nobody shall wait for this thread
                raise

        others, long = [], self.is_long and (together or threads == 1)
        try:
            others += [self.pool.submit(guarded, thread) for thread in range(0 if long else 1, threads)]
            if long:
                self._listen(others, counter)
            else:
                guarded(0)
        except BaseException:
            counter[1] = 1
            raise
        finally:
            for other in others:
                other.result()

    def _listen(self, others, counter):
        """Wait for the threads; where there is a Ctrl-C meanwhile they stop between two layers, and the step is not applied."""
        while wait(others, timeout=LISTEN).not_done:
            if defer_interrupts.pending and in_main_thread():
                counter[system.REQUEST // counter.itemsize] = 1

    def leave_gradients_in(self, dw, db):
        """The first group's gradients, in which `gradient` leaves its own, are these arrays, until the net has other links."""
        if self.gradients and all(a is b for a, b in zip(self.gradients[0].dw, dw, strict=True)):
            return
        self.gradients, self.seen = [Gradients(dw, db), *self.gradients[1:]], None

    def let_go(self):
        """Forget the model's arrays, which keeps those alive that are about to be replaced."""
        self.seen = self.table = self.parts = None

    def gradient_norms(self):
        """(layers,) |dw| of the last step, or of the first group of its tiles."""
        return np.array([float(np.sqrt(np.dot(dw, dw))) for dw in self.gradients[0].dw])

    def _prepare(self, threads, groups, state):
        """Buffers and the table of addresses, made anew only where the model's arrays are others than last time."""
        model, training = self.model, groups > 0
        arrays = [[a.topology, a.w, a.b] for a in model.layers]
        if training and state is not None:
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
        if training and state is not None:
            check_state(state, model)
        self.training = self.training or training
        self.spaces += [Workspace(model, self.width, training=self.training) for _ in range(threads - len(self.spaces))]
        self.gradients += [Gradients.of(model) for _ in range(groups - len(self.gradients))]
        self._write_table(training, state)
        self.seen, self.parts = now, None

    def _write_table(self, training, state):
        model = self.model
        threshold, scale = drop_threshold(model.dropout)
        slopes = [*(activations.slopes(f) for f in model.hidden), (1.0, 1.0)]
        self.coefficients = np.array([(*pair, scale) for pair in slopes], np.float32)
        self.table = np.zeros((len(model.layers), columns.FIELDS), np.int64)
        for l, layer in enumerate(model.layers):
            t, row = layer.topology, self.table[l]
            row[: columns.V] = t.n_in, t.n_out, t.nnz, *map(address, (t.indptr, t.indices, layer.w))
            row[columns.B] = address(layer.b)
            row[columns.THRESHOLD] = threshold if l + 1 < len(model.layers) else 0
            if training and state is not None:
                row[columns.V], row[columns.VB] = address(state[l].links[0]), address(state[l].neurons[0])
            if training:
                if l and self.index:  # nobody asks for the gradient of the input
                    back = t.transposed
                    row[columns.INDPTR_T : columns.THRESHOLD] = [*map(address, (back.indptr, back.rows, back.slots))]
        self.places = np.array([[[*map(address, part)] for part in (s.levels, s.on, s.kept)] for s in self.spaces], np.int64)
        self.dw = np.array([[address(a) for a in g.dw] for g in self.gradients], np.int64).reshape(-1, len(model.layers))
        self.db = np.array([[address(a) for a in g.db] for g in self.gradients], np.int64).reshape(-1, len(model.layers))


class FusedUpdate:
    """The optimizer's update of a whole net in one call, bit for bit `optimizer.update` on each layer: for the parameter server,
    whose time is everybody's. `made_for(model, optimizer)` says whether it can do it."""

    def __init__(self, model, optimizer):
        self.model, self.optimizer, self.seen = model, optimizer, None
        self.table = np.zeros((len(model.layers), columns.FIELDS), np.int64)  # always this one: kernels.turns looks at it

    @staticmethod
    def made_for(model, optimizer):
        """float32 and MomentumSGD, compiled."""
        return JIT and model.dtype == np.float32 and type(optimizer) is MomentumSGD

    def __call__(self, state, dw, db, rate):
        """Apply gradients dw, db (float32, contiguous, an array a layer) to the model and its LayerStates."""
        self.look_at(state)
        gradients = [np.array([[*map(address, part)]], np.int64) for part in (dw, db)]
        updating.apply_gradients(self.table, *gradients, np.float32(rate), settings_of(self.optimizer))

    def look_at(self, state):
        """Note where the arrays of the model and of its LayerStates stand now."""
        arrays = [a for layer, s in zip(self.model.layers, state, strict=True) for a in (layer.w, layer.b, *s.links, *s.neurons)]
        if self.seen is not None and all(a is b for a, b in zip(arrays, self.seen, strict=True)):
            return
        check_state(state, self.model)
        for row, layer, s in zip(self.table, self.model.layers, state, strict=True):
            row[[columns.NNZ, columns.N_OUT]] = len(layer.w), len(layer.b)
            row[[columns.W, columns.B, columns.V, columns.VB]] = [*map(address, (layer.w, layer.b, s.links[0], s.neurons[0]))]
        self.seen = arrays


def settings_of(optimizer):
    """MomentumSGD's numbers, in the order of columns.SETTINGS."""
    decay = optimizer.weight_decay
    return np.array([optimizer.momentum, decay, decay * optimizer.decay_biases, optimizer.nesterov], float)
