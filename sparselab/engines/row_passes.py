"""The passes of one layer over samples that lie in rows, for callers that bring their own arrays and keep their own graph.

float32 takes the compiled passes of `kernels.layer_passes`, each thread its own tiles; float64, and float32 without JIT, the
layer's own `forward` and `backward`. The bits of a result do not depend on the number of threads.
"""

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..kernels import layer_passes, rows, vector
from ..kernels.arguments import address
from ..kernels.both_gradients import both_gradients
from ..nn.linear import SparseLinear
from ..utils.interrupts import defer_interrupts
from .buffers import aligned
from .tiling import groups_of, tile_width, tiles_of

WORTH_SHARING = 10**6  # links × samples below which waking threads costs more than it saves
TURNS = 4  # parts of the work for each thread
KEPT = 2**24  # bytes of room to work in that a thread keeps between two calls
AT_ONCE = 1024  # samples of a tile where passes are not compiled for rows


class Room:
    """Memory in which threads work: the tiles of a call, which are not allocated anew for each.

    It is found by the thread's number, since threads that Python has not started are new to it with each call.
    """

    def __init__(self):
        self.floats = {}

    def cut(self, *shapes):
        """Uninitialised float32 arrays of these shapes for this thread, each on a cache line of its own."""
        sizes, thread = [-(-math.prod(shape) // 16) * 16 for shape in shapes], threading.get_ident()
        floats = self.floats.get(thread)
        if floats is None or len(floats) < sum(sizes):
            floats = aligned((sum(sizes),), np.float32)
        if floats.nbytes <= KEPT:
            self.floats[thread] = floats
        begins = np.cumsum([0, *sizes])
        return [floats[begin : begin + math.prod(shape)].reshape(shape) for begin, shape in zip(begins, shapes)]


class Pool:
    """The threads beside the caller's, started when they are first needed, and anew in a forked process, which has none."""

    def __init__(self):
        self.start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.start)

    def start(self):
        self.executor = ThreadPoolExecutor(4 * (os.cpu_count() or 1), "sparselab")

    def run(self, work, n, threads):
        """work(begin, end) on parts of [0, n), which `threads` threads take in turn, so that none waits for one that is held up.

        No work outlives this call: compiled code writes at addresses. A thread that comes too late has nothing to do.
        """
        threads = max(1, min(threads, n))
        if threads == 1:
            work(0, n)
            return
        take_turns, others = turns(work, n, threads), []
        with defer_interrupts:
            try:
                for _ in range(threads - 1):
                    others.append(self.executor.submit(take_turns))
                take_turns()
            finally:
                for other in others:
                    if not other.cancel():
                        other.result()


def turns(work, n, threads):
    """A function that each of the threads calls: it does parts of work(0, n) until all are done."""
    parts = min(n, TURNS * threads)
    left = iter(range(parts))  # the interpreter's lock gives each number to one thread

    def take_turns():
        for part in left:
            work(n * part // parts, n * (part + 1) // parts)

    return take_turns


room, pool = Room(), Pool()


def forward(topology, w, b, X, Y, threads, share_out=pool.run):
    """Y = X Wᵀ + b. X (n, n_in), Y (n, n_out), w (nnz,), b (n_out,): C-contiguous, of one dtype.

    share_out: how work is done by several threads, as in `Pool.run`.
    """
    n, width = len(X), tile_width(len(X))
    if not vector.supports(X.dtype, width):
        layer = SparseLinear(topology, w, b)
        for begin in range(0, n, AT_ONCE):
            Y[begin : begin + AT_ONCE] = layer.forward(X[begin : begin + AT_ONCE].T).T
        return
    t, spmm, samples = topology, rows.products(width).spmm.address, np.arange(n)
    places = list(map(address, (t.indptr, t.indices, w, b, X, Y, samples)))

    def work(begin, end):
        spaces = room.cut((t.n_in, width), (layer_passes.BLOCK, width))
        layer_passes.forward(begin, end, spmm, width, n, t.n_in, t.n_out, *places, *map(address, spaces))

    share_out(work, tiles_of(n, width), shares(topology, n, threads))


def backward(topology, w, X, dY, dX, dw, db, threads, share_out=pool.run):
    """dX = dY W, dw = dYᵀ X on the links, db = Σ dY; X, dX (n, n_in), dY (n, n_out). None for dX, or dw and db: not wanted."""
    n, width = len(X), tile_width(len(X))
    if n == 0 or not vector.supports(X.dtype, width):
        by_parts(SparseLinear(topology, w, np.zeros(topology.n_out, w.dtype)), X, dY, dX, dw, db)
        return
    t, threads, samples, wanted = topology, shares(topology, n, threads), np.arange(n), dw is not None
    by_link = shares(topology, 1, threads)  # threads for passes over the links alone
    products, tiles = rows.products(width), tiles_of(n, width)
    groups, indptr, inputs, both = groups_of(tiles), t.indptr, (0, 0, 0, 0), 0
    if dX is not None:
        back, w_by_input, no_bias = t.transposed, np.empty(t.nnz, np.float32), np.zeros(t.n_in, np.float32)
        inputs = tuple(map(address, (back.indptr, back.rows, w_by_input, no_bias)))
        share_out(lambda *part: layer_passes.take(*part, address(w), address(back.slots), address(w_by_input)), t.nnz, by_link)
        if wanted:
            both, indptr = both_gradients(width).address, np.zeros_like(indptr)
    sums = [(np.empty(t.nnz, np.float32), np.empty(t.n_out, np.float32)) if wanted else (None, None) for _ in range(groups)]
    if wanted:
        sums[0] = dw if dX is None else sums[0][0], db
    kernels = products.spmm.address, products.sddmm.address, both
    data = address(X) if wanted else 0, address(dY), 0 if dX is None else address(dX)

    def work(begin, end):
        spaces = [*map(address, room.cut((t.n_in, width), (t.n_out, width), (layer_passes.BLOCK, width)))]
        for group in range(begin, end):
            place = [*map(address, sums[group])] if wanted else [0, 0]
            layer_passes.backward(
                tiles * group // groups, tiles * (group + 1) // groups, *kernels, width, n, t.n_in, t.n_out, address(indptr),
                address(t.indices), *inputs, *data, *place, address(samples), *spaces,
            )  # fmt: skip

    share_out(work, groups, threads)
    if wanted:
        add_up([of_links for of_links, _ in sums], by_link, share_out)
        add_up([of_biases for _, of_biases in sums], 1, share_out)
        if dX is not None:
            places = address(sums[0][0]), address(back.slots), address(dw)
            share_out(lambda *part: layer_passes.put(*part, *places), t.nnz, by_link)


def add_up(vectors, threads, share_out):
    """The first vector += the others, in order."""
    places, n = np.array([*map(address, vectors)], np.int64), len(vectors[0])
    share_out(lambda begin, end: layer_passes.add_groups(begin, end, len(vectors), n, address(places)), n, threads)


def by_parts(layer, X, dY, dX, dw, db):
    """`backward` by the layer's own, so many samples at once."""
    if dw is not None:
        dw.fill(0)
        db.fill(0)
    for begin in range(0, len(X), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        of_inputs, of_links, of_biases = layer.backward(X[part].T, dY[part].T)
        if dX is not None:
            dX[part] = of_inputs.T
        if dw is not None:
            dw += of_links
            db += of_biases


def shares(topology, n, threads):
    """Threads to use for n samples."""
    return threads if topology.nnz * n >= WORTH_SHARING else 1
