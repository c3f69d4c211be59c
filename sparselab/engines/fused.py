"""The fast engine: many steps in one compiled call per thread, which reads everything it needs from a record of addresses."""

import numpy as np
import scipy.sparse

from ..kernels import columns, elementwise, ends, entries, images, program, push_pull, rows, system, updating
from ..kernels.arguments import RECORD, address, for_call, put
from ..kernels.losses import code_of
from ..kernels.native import prepare
from ..nn import activations
from ..nn.optimizers import MomentumSGD, check_state
from ..nn.torch_optimizers import SGD, Adam, AdamW
from ..nn.weighted_loss import parts_of
from ..utils import checks
from .augmented import AugmentedRows, start_epoch
from .base import ENGINE_PHASES
from .buffers import Gradients, Workspace
from .entries import Finish, by_entries, forget_order, in_order, links_read, tile_sizes
from .threads import ThreadTeam, new_counter
from .tiling import drop_threshold, even_cuts, groups_of, scatters, shared_out, tiles_of

NO_CLIENT = 0, np.zeros(push_pull.MINE, np.int64), np.zeros((0, columns.FIELDS), np.int64)

OPTIMIZER_VECTORS = (columns.V, columns.VB), (columns.V2, columns.VB2)  # of links and biases

LONGEST = 2 * 10**9  # links × samples of one call to run_forward: Ctrl-C is heard between two calls
LONG_STEP = 10**9  # links × columns of a tile from which the main thread listens for Ctrl-C during a step


class FusedEngine:
    """Runs steps of float32 nets whose activations are pairs of slopes, with a built-in loss and optimizer.

    Results do not depend on the number of threads. index: whether layers have a transposed index, but those that have far more
    outputs than inputs (tiling.scatters); without it the backward pass scatters links: 8 bytes less a link, and other roundings;
    and CSR samples are gathered into dense tiles.
    """

    def __init__(self, model, loss, width, threads, index=True):
        self.model, self.loss, self.width, self.threads, self.index = model, loss, width, threads, index
        self.is_long = model.n_links * width >= LONG_STEP
        self.team = ThreadTeam(threads, self.is_long)
        self.workspaces, self.gradients, self.training, self.entries, self.finish = [], [], False, False, None
        self.model_arrays = self.data = self.shares = None  # what the record was last written for
        self.nonfinite, self.status = np.zeros(threads, np.float32), np.zeros(2, np.int64)
        self.phases = np.zeros((threads, len(ENGINE_PHASES)), np.int64)
        self.record = np.zeros(1, RECORD)  # written once for many calls; each call gets a copy with its own numbers
        self.kernels = {}  # those whose addresses are in the record
        put(self.record, width=width, nonfinite=self.nonfinite, status=self.status, phases=self.phases)

    def close(self):
        """End the threads."""
        self.team.close()

    def run(self, outcome, X, targets, samples, batch_size, rates, optimizer, state, key, first_step):
        """len(rates) steps over consecutive batches of `samples`, updating model and state in place; fills the Outcome."""
        update, settings = UPDATES[type(optimizer)]
        numbers = settings(optimizer, state)
        if optimizer.clip_norm is not None:
            update, numbers = self._clipped(optimizer.clip_norm, update, numbers)
        try:
            self._run(outcome, X, targets, samples, batch_size, rates, numbers, state, key, first_step, update, optimizer)
        finally:
            if type(optimizer) is not MomentumSGD:  # which counts no steps
                for s in state:
                    s.count += outcome.done

    def gradient(self, outcome, X, targets, samples, key, step, client=None):
        """(dw, db) of one batch, an array per layer, with the dropout of step `step`; nothing is updated. Fills the Outcome.

        The arrays are the engine's own and hold until its next call; None, None where something is not finite. client: the
        CompiledClient of a worker, which goes on with the next of the Outcome's batches as long as it may push and pull by
        itself: outcome.done then says how many gradients there were; the last one is left.
        """
        settings, client = (np.zeros(columns.SETTINGS), NO_CLIENT) if client is None else client.now()
        n = len(outcome.sizes)
        self._run(
            outcome, X, targets, samples, int(outcome.sizes[0]), [0.0] * n, settings, None, key, step, updating.leave_gradients,
            client=client,
        )  # fmt: skip
        return (None, None) if outcome.failed else (self.gradients[0].dw, self.gradients[0].db)

    def _run(
        self, outcome, X, targets, samples, batch_size, rates, settings, state, key, first_step, update, optimizer=None,
        client=NO_CLIENT,
    ):  # fmt: skip
        start_epoch(X, key)
        forget_order(self.model)
        self._choose_way(X)
        self._choose_kernels(X, update, targets, pushes=client[0] != 0)
        tiles, steps = tiles_of(batch_size, self.width), len(rates)
        groups = groups_of(tiles)
        threads, together = self._shared_out(groups)
        if threads == 1 and groups == tiles and update is updating.leave_gradients and not self.entries:
            groups = 1  # each group has one tile: adding the tiles as they come gives the same sum, where they are added whole
        self._write_model(1 if together else threads, groups, state, optimizer)
        self._write_shares(threads, together)
        if self.data is None or self.data[0] is not X or self.data[1] is not targets:
            self._write_data(X, targets)
        server_words, own_words, server_table = client
        losses, hits, counter = np.zeros((steps, tiles)), np.zeros((steps, tiles), np.int64), new_counter()
        arrays = {
            "samples": samples, "rates": np.asarray(rates, np.float32), "settings": settings, "losses": losses, "hits": hits,
            "own_words": own_words, "server_table": server_table,
        }  # fmt: skip
        record = for_call(
            self.record, arrays, key=np.uint64(key).view(np.int64), first_step=first_step, n_steps=steps, batch_size=batch_size,
            max_tiles=tiles, max_groups=groups, n_samples=len(samples), counter=address(counter), server_words=server_words,
        )  # fmt: skip
        self.phases.fill(0)
        self.status[0], self.status[1] = -1, 0

        def work(thread):
            program.run_steps(thread, address(record))

        try:
            self.team.run(work, threads, counter, (together or threads == 1) and self._is_long(X))
        finally:
            outcome.failed, outcome.done = bool(self.status[0] >= 0), int(self.status[1])
            outcome.losses[:], outcome.hits[:] = losses.sum(axis=1) / outcome.sizes, hits.sum(axis=1)
            seconds = self.phases[:threads].sum(axis=0) * (1e-9 / threads)
            outcome.seconds = dict(zip(ENGINE_PHASES, seconds.tolist(), strict=True))

    def outputs(self, X, samples=None):
        """The net's outputs for the samples (default: all), without dropout: (n, n_out)."""
        samples = np.arange(X.shape[0]) if samples is None else samples
        out = np.empty((len(samples), self.model.sizes[-1]), np.float32)
        self._go_forward(X, samples, out)
        return out

    def best_outputs(self, X, k):
        """The k largest outputs of each sample, largest first: (places, outputs), both (n, k); no other outputs are kept."""
        n = X.shape[0]
        places, out = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
        self._go_forward(X, np.arange(n), out, places)
        return places, out

    def _go_forward(self, X, samples, out, places=None):
        """Fill `out` with the outputs of samples; places: None, or an array for the places of the largest."""
        self._choose_way(X)
        self._choose_kernels(X, best=places is not None)
        threads, together = self._shared_out(tiles_of(len(samples), self.width))
        self._write_model(1 if together else threads, 0, None)
        self._write_shares(threads, together)
        self._write_data(X, None)
        own = self.table[0].copy()
        if self.entries and (found := in_order(self.model, X, len(samples))) is not None:
            w, masks = found
            self.table[0, [columns.W, columns.SLOTS_T, columns.MASKS]] = address(w), 0, 0 if masks is None else address(masks)
        whole = threads * self.width  # samples that keep every thread busy
        most = whole if len(samples) <= whole else max(1, LONGEST // (links_read(self.model, X) + 1) // whole) * whole
        listen = (together or threads == 1) and self._is_long(X)
        try:
            for first in range(0, len(samples), most):
                some = slice(first, first + most)
                parts = {"samples": samples[some], "out": out[some]} | ({} if places is None else {"places": places[some]})
                if not self._forward(parts, threads, listen):
                    self._forward(parts, threads, False)  # the handler of a Ctrl-C has returned: all rows are wanted
        finally:
            self.table[0] = own
            self.data = None  # the engine may be kept for longer than the data

    def _forward(self, arrays, threads, listen):
        """Fill some of CALL_ARRAYS with outputs; False where the threads stopped early because of a Ctrl-C."""
        counter = new_counter()
        n_best = arrays["places"].shape[1] if "places" in arrays else 0
        record = for_call(
            self.record, arrays, n_samples=len(arrays["samples"]), n_best=n_best, counter=address(counter)
        )  # fmt: skip
        self.team.run(lambda thread: program.run_forward(thread, address(record)), threads, counter, listen)
        return counter[system.STOP_WANTED] == 0

    def leave_gradients_in(self, dw, db):
        """Use these arrays, one a layer, for the gradients that `gradient` returns, until the net has other links."""
        if self.gradients and all(a is b for a, b in zip(self.gradients[0].dw, dw, strict=True)):
            return
        self.gradients, self.model_arrays = [Gradients(dw, db), *self.gradients[1:]], None

    def let_go(self):
        """Drop all references to the model's arrays, so that those about to be replaced can be freed."""
        self.model_arrays = self.table = self.path = self.shares = None

    def gradient_norms(self):
        """(layers,) |dw| of the last step, or of the first group of its tiles."""
        return np.array([float(np.sqrt(np.dot(dw, dw))) for dw in self.gradients[0].dw])

    def _choose_way(self, X):
        """Whether these samples come by their entries, which needs the transposed index of the first layer."""
        found = self.index and by_entries(X, self.model.layers[0].topology)
        if found != self.entries:
            self.entries, self.model_arrays = found, None

    def _is_long(self, X):
        """Whether a tile of these samples takes so long that Ctrl-C is to be heard meanwhile."""
        return self.is_long and links_read(self.model, X) * self.width >= LONG_STEP

    def _choose_kernels(self, X, update=None, targets=None, pushes=False, best=False):
        """Write the addresses of the kernels to the record that a call needs. update: of training, None for outputs only."""
        products = rows.products(self.width)
        wanted = {"spmm": products.spmm, "gather": entries.from_entries if self.entries else gather_of(X)}
        if update is not None:
            indexed = [self._is_indexed(layer.topology) for layer in self.model.layers[1:]]
            wanted |= {"sddmm": products.sddmm, "update": update} | ({"dx": products.dx} if any(indexed) else {})
            wanted |= {} if all(indexed) else {"scatter": products.scatter}
            wanted["loss"] = self._loss_kernel(targets)
            wanted |= {"entry_gradients": entries.entry_gradients} if self.entries else {}
        if pushes:
            wanted["turn"] = push_pull.turn
        if best:
            wanted["best"] = ends.best
        new = {name: kernel for name, kernel in wanted.items() if self.kernels.get(name) is not kernel}
        if new:
            programs = [program.run_forward] if update is None else [program.run_steps, program.run_forward]
            prepare([*new.values(), *programs])
            put(self.record, **{name: kernel.address for name, kernel in new.items()})
            self.kernels |= new
        if not self.entries and self.kernels.pop("entry_gradients", None):
            put(self.record, entry_gradients=0)

    def _loss_kernel(self, targets):
        loss, weights = parts_of(self.loss)
        plain = loss.code in ends.PLAIN and not (loss.parameter or len(loss.factors) or len(weights))
        return ends.PLAIN[loss.code] if plain else ends.LOSSES[code_of(loss.code, targets)]

    def _clipped(self, limit, update, settings):
        """(kernel, settings) of an update whose gradients are clipped before it, see updating.clip_net."""
        prepare([update])
        pieces = sum(-(-len(values) // elementwise.CHUNK) for layer in self.model.layers for values in (layer.w, layer.b))
        self.clipping = new_counter(), np.zeros(pieces)  # kept: the kernel has their addresses only
        head = np.array([limit, 0, 0, 0], np.float64)
        head.view(np.int64)[columns.CLIP_UPDATE :] = update.address, *map(address, self.clipping)
        return updating.clip_net, np.concatenate([head, settings])

    def _shared_out(self, shares):
        """`shared_out` for this net."""
        if self.threads == 1:
            return 1, False
        neurons = sum(tile_sizes(self.model, self.entries))
        return shared_out(self.threads, shares, self.width, self.model.n_links, neurons)

    def _write_data(self, X, targets):
        """Write the data's addresses to the record. targets: None where only outputs are wanted."""
        (n_rows, n_features), self.data = X.shape, None
        if isinstance(X, AugmentedRows):
            csr = None
            put(self.record, X=X.X, csr_indices=X.black.view(np.int32), csr_indptr=X.settings)
        elif scipy.sparse.issparse(X):
            csr = [np.ascontiguousarray(a, t) for a, t in ((X.data, np.float32), (X.indices, np.int32), (X.indptr, np.int64))]
            put(self.record, X=csr[0], csr_indices=csr[1], csr_indptr=csr[2])
        else:
            csr = None
            put(self.record, X=X)
        put(self.record, n_rows=n_rows, n_features=n_features)
        if targets is not None:
            loss, weights = parts_of(self.loss)
            wanted = ends.TARGETS[code_of(loss.code, targets)]
            if targets.dtype != wanted or len(weights) not in (0, n_rows):
                raise TypeError(f"targets of {targets.dtype}, {len(weights)} weights: must be {wanted} for {loss!r}")
            head = loss.parameter, targets.size // n_rows, len(loss.factors)
            self.loss_settings = np.array([*head, *loss.factors])  # kept: the record has its address
            put(self.record, targets=targets, loss_settings=self.loss_settings, weights=weights)
        self.data = X, targets, csr

    def _write_shares(self, threads, together):
        """Write to the record the number of threads, and the rows of each layer and of its transpose where each part begins."""
        if self.shares == (threads, together):
            return
        parts, self.shares = threads if together else 1, None
        self.cuts = np.zeros((len(self.model.layers), 2, parts + 1), np.int64)
        for l, layer in enumerate(self.model.layers):
            self.cuts[l, columns.BY_OUTPUT] = even_cuts(layer.topology.indptr, parts)
            if l and self.training:
                self.cuts[l, columns.BY_INPUT] = self._input_cuts(layer.topology, parts)
        put(self.record, n_threads=threads, together=together, cuts=self.cuts)
        self.shares = threads, together

    def _is_indexed(self, topology):
        """Whether the backward pass of a layer behind the first goes by its transposed index."""
        return self.index and not scatters(topology.n_in, topology.n_out, self.width)

    def _input_cuts(self, topology, parts):
        if self._is_indexed(topology):
            return even_cuts(topology.transposed.indptr, parts)
        return [topology.n_in * part // parts for part in range(parts + 1)]

    def _write_model(self, workspaces, groups, state, optimizer=None):
        """Write the addresses of the model's arrays and of buffers to the record, where they are not those of the last call."""
        model, training = self.model, groups > 0
        arrays = [array for layer in model.layers for array in (layer.topology, layer.w, layer.b)]
        if training and state is not None:
            arrays += [array for s in state for array in (*s.links, *s.neurons)]
        seen = self.model_arrays
        same = seen is not None and len(arrays) == len(seen) and all(a is b for a, b in zip(arrays, seen, strict=True))
        if same and len(self.workspaces) >= workspaces and len(self.gradients) >= groups and self.training >= training:
            return
        self.model_arrays = None  # until all is written: an exception must not leave addresses of arrays that are gone
        if self.workspaces and (self.workspaces[0].sizes != tile_sizes(model, self.entries) or self.training < training):
            self.workspaces = []
        if self.gradients and [len(a) for a in self.gradients[0].dw] != list(model.nnz):
            self.gradients = []
        if training and state is not None:
            check_state(state, model, optimizer)
        self.training = self.training or training
        missing = workspaces - len(self.workspaces)
        self.workspaces += [Workspace(model, self.width, training=self.training, entries=self.entries) for _ in range(missing)]
        self.gradients += [Gradients.of(model) for _ in range(groups - len(self.gradients))]
        self._write_table(training, state)
        self.model_arrays, self.shares = arrays, None

    def _write_table(self, training, state):
        model, n_layers = self.model, len(self.model.layers)
        threshold, scale = drop_threshold(model.dropout)
        slopes = [*(activations.slopes(f) for f in model.hidden), (1.0, 1.0)]
        self.coefficients = np.array([(*pair, scale) for pair in slopes], np.float32)
        self.table = np.zeros((n_layers, columns.FIELDS), np.int64)
        for l, layer in enumerate(model.layers):
            t, row = layer.topology, self.table[l]
            row[: columns.V] = t.n_in, t.n_out, t.nnz, *map(address, (t.indptr, t.indices, layer.w))
            row[columns.B] = address(layer.b)
            row[columns.THRESHOLD] = threshold if l + 1 < n_layers else 0
            if training and state is not None:
                for column, vectors in zip(OPTIMIZER_VECTORS, zip(state[l].links, state[l].neurons, strict=True), strict=False):
                    row[[*column]] = [*map(address, vectors)]
            if (training and l and self._is_indexed(t)) or (l == 0 and self.entries):  # the gradient of the input is not needed
                back = t.transposed
                row[columns.INDPTR_T : columns.THRESHOLD] = [*map(address, (back.indptr, back.rows, back.slots))]
        self.path = self.table.copy()
        if self.entries:
            self.finish = Finish.of(model.layers[0], self.finish)
            n = model.sizes[1]
            self.path[0, : columns.V] = n, n, n, *map(address, self.finish.links)
            put(self.record, no_links=self.finish.no_links)
        each = [(space.activations, space.sign_bits, space.dropout_bits) for space in self.workspaces]
        self.buffers = np.array([[[*map(address, kind)] for kind in space] for space in each], np.int64)
        self.dw = np.array([[*map(address, g.dw)] for g in self.gradients], np.int64).reshape(-1, n_layers)
        self.db = np.array([[*map(address, g.db)] for g in self.gradients], np.int64).reshape(-1, n_layers)
        put(
            self.record, n_layers=n_layers, table=self.table, path=self.path, coefficients=self.coefficients,
            buffers=self.buffers, dw=self.dw, db=self.db,
        )  # fmt: skip


def gather_of(X):
    """The kernel that gathers a mini-batch of these rows."""
    if isinstance(X, AugmentedRows):
        return images.from_images
    return ends.from_csr if scipy.sparse.issparse(X) else ends.from_dense


def settings_of(optimizer, state=None):
    """MomentumSGD's numbers, in the order of columns.SETTINGS."""
    decay = optimizer.weight_decay
    return np.array([optimizer.momentum, decay, decay * optimizer.decay_biases, optimizer.nesterov], float)


def sgd_settings(optimizer, state):
    """SGD's numbers, in the order of columns.SGD_SETTINGS."""
    dampening = optimizer.dampening if optimizer.momentum else 0  # as in PyTorch
    decay = optimizer.weight_decay
    return np.array([optimizer.momentum, decay, decay, optimizer.nesterov, dampening, steps_of(state)], float)


def adam_settings(optimizer, state):
    """The numbers of Adam and AdamW, in the order of columns.ADAM_SETTINGS."""
    return np.array(
        [*optimizer.betas, optimizer.eps, optimizer.weight_decay, optimizer.decoupled, steps_of(state)], float
    )  # fmt: skip


def steps_of(state):
    """The count of steps that all layers have; ValueError where they differ."""
    counts = {s.count for s in state}
    if len(counts) != 1:
        checks.fail("state", sorted(counts), "the state of one training, with one count of steps in all layers")
    return counts.pop()


UPDATES = {  # kernel and settings of the optimizers that the fast engine runs
    MomentumSGD: (updating.update_net, settings_of),
    SGD: (updating.sgd_net, sgd_settings),
    Adam: (updating.adam_net, adam_settings),
    AdamW: (updating.adam_net, adam_settings),
}
