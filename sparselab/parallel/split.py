"""A net whose layers are split by rows between processes: a first step towards nets that are larger than a machine.

Each process has a share of the neurons of each layer: their incoming links and biases, the optimizer's state of both, and their
activations. Forward, every process gets the activations of all neurons of a layer from the others; backward, it gets these again,
and the parts of the gradients by its own activations, which it adds up. None keeps more than its own share of the activations, of
a few samples at once, and no process but the caller's ever has all links.
"""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np
import scipy.sparse

from ..checkpoints.records import EpochRecord
from ..checkpoints.state import EpochTotals
from ..engines.base import DivergedError
from ..nn import optimizers
from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP, behind
from ..topology.topology import Topology
from ..training.epoch_runner import NOT_EVALUATED, epoch_record
from ..utils import checks
from ..utils.interrupts import defer_interrupts
from .backends.base import THREADS, without_interrupts
from .backends.process_worker import do_tasks, end_with
from .core.run_spec import RunSpec
from .core.shards import Batches
from .supervisor import WorkerLostError

TILE = 32  # samples whose activations are kept at once
MAIN = "import sys; sys.path[:] = {}; from sparselab.parallel.split import main; main({}, {})"


def train_split(
    model: SparseMLP, data: Any, *, n_jobs: int = 2, optimizer: Any = None, epochs: int = 10, batch_size: int = 128,
    seed: int | np.random.SeedSequence | np.random.Generator | None = None, loss: Any = None,
) -> Iterator[EpochRecord]:  # fmt: skip
    """Train a model in place with its layers split by rows between processes of this machine.

    The losses are those of `train` up to rounding. Experimental: without dropout, augmentation, rules, test scores and repairs.

    Parameters
    ----------
    model : SparseMLP
        The net, without dropout. It holds the result at the end.
    data : Dataset or tuple of array
        As for `train`; every process has all samples.
    n_jobs : int, default 2
        Processes; at most the smallest number of neurons of a layer.
    optimizer : Any, optional
        As for `train`, without `clip_norm`; default ``MomentumSGD()``.
    epochs, batch_size : int, default 10 and 128
        As for `train`.
    seed : int, SeedSequence, Generator or None, optional
        As for `train`.
    loss : str or object, optional
        As for `train`.

    Returns
    -------
    generator of EpochRecord
        After each epoch its record.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, before any work starts.
    DivergedError
        If a loss or gradient is not finite; the model is as it was before.
    WorkerLostError
        If a process ends before the training does.

    Examples
    --------
    >>> import numpy as np, sparselab as sl
    >>> X, y = np.random.default_rng(0).standard_normal((64, 8), dtype=np.float32), np.arange(64) % 2
    >>> model = sl.SparseMLP.create((8, 16, 2), density=0.5, seed=0)
    >>> [record.epoch for record in sl.parallel.train_split(model, (X, y), epochs=2, batch_size=16, seed=0)]
    [1, 2]
    """
    run = RunSpec(
        model, data, n_jobs=1, async_fraction=1.0, synchronous=True, optimizer=optimizer, rules=(), epochs=epochs,
        batch_size=batch_size, loss=loss, evaluate_every=0, steps_per_push=1,
    )  # fmt: skip
    n_jobs = checks.integer("n_jobs", n_jobs, high=min(model.sizes[1:]))
    if model.dropout:
        checks.fail("model.dropout", model.dropout, "0 where layers are split")
    if run.augmentation is not None:
        checks.fail("data.augmentation", run.augmentation, "None where layers are split")
    if getattr(run.optimizer, "clip_norm", None) is not None:
        checks.fail("optimizer.clip_norm", run.optimizer.clip_norm, "None where layers are split")
    return _records(run, n_jobs, checks.seed_sequence("seed", seed))


def _records(run, n, seeds):
    """The records; in the end the processes are gone."""
    ends = [bounds(size, n) for size in run.model.sizes]
    parts = []
    for k in range(n):
        layers = [rows_of(layer, *of[k : k + 2]) for layer, of in zip(run.model.layers, ends[1:], strict=True)]
        parts.append((k, layers, ends, run.model.activation, run.loss, run.optimizer, run.X, run.targets))
    processes = []
    try:
        with defer_interrupts, without_interrupts():
            begin(parts, processes)
        parts.clear()  # a second copy of the net, which the processes have now
        batches = Batches(seeds, len(run.targets), run.batch_size)
        for epoch in range(run.epochs):
            start, order, totals = time.perf_counter(), batches.order(epoch), EpochTotals(n_samples=len(run.targets))
            for step in range(batches.per_epoch):
                samples = order[step * run.batch_size : (step + 1) * run.batch_size]
                totals.learning_rate = run.optimizer.rate(epoch + step / batches.per_epoch)
                answers = ask(processes, "step", samples, totals.learning_rate)
                for *_, fault in answers:
                    if fault:
                        raise DivergedError(epoch + 1, step, fault, "the loss or a gradient")
                totals.losses.append(answers[0][0])
                totals.hits += answers[0][1]
            if epoch + 1 == run.epochs:
                collect(run.model, ask(processes, "values"))
            totals.seconds["all"] = time.perf_counter() - start
            yield epoch_record(run.model, totals, epoch + 1, NOT_EVALUATED, 0.0, has_accuracy=run.has_accuracy, phase="split")
    finally:
        for process, connection in processes:
            process.kill()
            process.wait()
            connection.close()


def bounds(n, parts):
    """(parts + 1,) where the shares of n neurons begin and end."""
    return [n * k // parts for k in range(parts + 1)]


def rows_of(layer, begin, end):
    """The outputs begin … end − 1 of a layer, with their links."""
    t = layer.topology
    first, last = t.indptr[[begin, end]]
    topology = Topology(end - begin, t.n_in, t.indptr[begin : end + 1] - first, t.indices[first:last].copy())
    return SparseLinear(topology, layer.w[first:last].copy(), layer.b[begin:end].copy())


def collect(model, parts):
    """Write the weights and biases of all parts into the model; parts: (w, b) of each layer."""
    for layer, of in zip(model.layers, zip(*parts, strict=True), strict=True):
        layer.w[:], layer.b[:] = (np.concatenate(arrays) for arrays in zip(*of, strict=True))


def begin(parts, processes):
    """Add (process, connection) of a process for each part, connected to all others."""
    n, lines = len(parts), [Pipe() for _ in parts]
    between = {k: [None] * n for k in range(n)}
    for a, b in combinations(range(n), 2):
        between[a][b], between[b][a] = Pipe()
    for k, (ours, theirs) in enumerate(lines):
        fds = [theirs.fileno(), *(one and one.fileno() for one in between[k])]
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN.format([*map(str, sys.path)], fds, os.getpid())], stdin=subprocess.DEVNULL,
            pass_fds=[fd for fd in fds if fd is not None], env=os.environ | THREADS,
        )  # fmt: skip
        processes.append((process, ours))
    for one in [theirs for _, theirs in lines] + [one for of in between.values() for one in of if one]:
        one.close()
    for (_, connection), part in zip(processes, parts, strict=True):
        message = cloudpickle.dumps(part)
        with end_named():
            connection.send_bytes(message)


@contextmanager
def end_named():
    """WorkerLostError where the other side of a connection has ended."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise WorkerLostError("a process with a part of the net has ended") from error


def ask(processes, name, *arguments):
    """The answers of all processes. The first error ends it: those that wait for the process that has raised it never answer."""
    answers = {}
    with end_named():
        for _, connection in processes:
            connection.send((name, arguments))
        while len(answers) < len(processes):
            for connection in wait([one for _, one in processes if one not in answers]):
                good, answers[connection] = connection.recv()
                if not good:
                    raise answers[connection]
    return [answers[connection] for _, connection in processes]


# in the processes


def main(fds, driver):
    """Do what the driver asks for, until it is gone."""
    threading.Thread(target=end_with, args=(driver,), daemon=True).start()
    line, *peers = [None if fd is None else Connection(fd) for fd in fds]
    do_tasks(line, Part(*pickle.loads(line.recv_bytes()), peers))


class Part:
    """The share of process `number`. ends: of each level, the bounds of all shares; peers: connections to the others."""

    def __init__(self, number, layers, ends, activation, loss, optimizer, X, targets, peers):
        self.number, self.layers, self.ends, self.peers = number, layers, ends, peers
        self.functions, self.loss, self.optimizer = behind(activation, len(layers)), loss, optimizer
        self.state, self.X, self.targets = optimizer.init(SimpleNamespace(layers=layers)), X, targets

    def step(self, samples, rate):
        """(Σ loss, hits, fault) of a mini-batch, after which weights and biases are updated.

        fault: the number of a layer whose gradients are not finite, or of the last one for the loss; 0 where all are.
        """
        sums = [(np.zeros_like(layer.w), np.zeros_like(layer.b)) for layer in self.layers]
        tiles = [self._tile(samples, first, sums) for first in range(0, len(samples), TILE)]
        loss, hits = map(sum, zip(*tiles, strict=True))
        fault = 0 if np.isfinite(loss) else len(self.layers)
        for number, (layer, state, (dw, db)) in enumerate(zip(self.layers, self.state, sums, strict=True), 1):
            fault = fault or (0 if checks.all_finite(dw) and checks.all_finite(db) else number)
            optimizers.update(self.optimizer, layer, state, dw, db, layer.values, rate)
        return float(loss), int(hits), fault

    def _tile(self, samples, first, sums):
        """(Σ loss, hits) of TILE samples from the first on; their gradients are added to the sums.

        Kept are the pre-activations of our own neurons alone: those that others need to go back are exchanged once more.
        """
        count, Z = min(TILE, len(samples) - first), []
        inputs = self.X[samples[first : first + count]]
        inputs = A = np.ascontiguousarray((inputs.toarray() if scipy.sparse.issparse(inputs) else inputs).T)
        activations = lambda level: self._all_rows(self.functions[level - 1].forward(Z[level - 1]), level)
        for level, layer in enumerate(self.layers, 1):
            Z.append(layer.forward(A))
            A = activations(level)
        scale = A.dtype.type(1) / A.dtype.type(len(samples))
        loss, hits = self.loss.on_tile(A, self.targets, samples, first, count, scale, A)
        dZ = A[self._share(len(self.layers))]
        for l in reversed(range(len(self.layers))):
            dX, *gradients = self.layers[l].backward(activations(l) if l else inputs, dZ)
            for total, one in zip(sums[l], gradients, strict=True):
                total += one
            if l:
                dZ = self._own_rows(dX, l) * self.functions[l - 1].gradient(Z[l - 1])
                Z.pop()
        return loss, hits

    def values(self):
        """[(w, b)] of the layers."""
        return [(layer.w, layer.b) for layer in self.layers]

    def _share(self, level, number=None):
        number = self.number if number is None else number
        return slice(*self.ends[level][number : number + 2])

    def _all_rows(self, own, level):
        """The activations of all neurons of a level, of which these are ours."""
        whole = np.empty((self.ends[level][-1], own.shape[1]), own.dtype)
        whole[self._share(level)] = own
        own = np.ascontiguousarray(own)
        for number, peer in self._others():
            exchange(peer, self.number < number, own, whole[self._share(level, number)])
        return whole

    def _own_rows(self, parts, level):
        """The sum of all processes' gradients by our neurons of a level; parts: ours by all neurons."""
        total, into = parts[self._share(level)].copy(), np.empty_like(parts[self._share(level)])
        for number, peer in self._others():
            exchange(peer, self.number < number, parts[self._share(level, number)], into)
            total += into
        return total

    def _others(self):
        return [(number, peer) for number, peer in enumerate(self.peers) if peer is not None]


def exchange(peer, first, array, into):
    """Send an array and receive another one; one side sends first."""
    for sends in (first, not first):
        if sends:
            peer.send_bytes(array)
        else:
            peer.recv_bytes_into(memoryview(into).cast("B"))
