"""Compiles kernels ahead of time, by training tiny nets of every kind that the workbench offers."""

from importlib.util import find_spec

import numpy as np
import scipy.sparse
from tqdm.auto import tqdm

from ..datasets import Augmentation, Dataset
from ..engines import row_passes
from ..evolution import SET, ImportancePruning, PruneRegrow, criteria, regrowths
from ..kernels import WIDTHS, cache
from ..nn.losses import SoftmaxCrossEntropy
from ..nn.mlp import SparseMLP
from ..nn.torch_optimizers import SGD, Adam
from ..parallel.trainer import train_parallel
from ..topology.random_graph import erdos_renyi
from ..training.loop import predict, train

SIZES, N = (8, 32, 32, 4), 128  # neurons of the nets, and samples


def warm(progress=True):
    """Compile what is not in the cache yet, the likeliest first; returns how many files of compiled code are new."""
    before = len(kernel_files())
    for task in tqdm(TASKS, "compiling kernels", unit="task", disable=not progress):
        task()
    return len(kernel_files()) - before


def kernel_files():
    """Files of compiled code in the cache."""
    return [] if cache.FOLDER is None else list(cache.FOLDER.rglob("*.nbc"))


def samples():
    """(X, y) with classes."""
    return np.random.default_rng(0).random((N, SIZES[0]), np.float32), np.arange(N) % SIZES[-1]


def run(X, y, batch_size=N, **options):
    """Train with every mini-batch size of a tile, evolution and evaluation."""
    model = SparseMLP.create(SIZES, density=0.5, dropout=0.3, seed=0, **options)
    list(train(model, (X, y, X, y), rules=[SET(0.3)], epochs=2, batch_size=batch_size, seed=0))
    return model


def as_usual():
    """Dense samples, classes, and predictions of single samples."""
    X, y = samples()
    predict(run(X, y), X[:1])


def small_batches():
    """The narrower tiles."""
    for batch_size in (32, 16, 8):
        run(*samples(), batch_size)


def pruning():
    X, y = samples()
    model = SparseMLP.create(SIZES, density=0.5, seed=0)
    list(train(model, (X, y), rules=[SET(0.3), ImportancePruning(start=1, every=1)], epochs=3, batch_size=N, seed=0))


def other_rules():
    """Links that are kept at random, and places scored by walks or by neurons on walks."""
    X, y = samples()
    for score in ("CH3-L3p", "CH2-L3n"):
        model = SparseMLP.create(SIZES, density=0.1, topology="scale_free", seed=0)
        rule = PruneRegrow(0.3, criteria.Soft(), regrowths.CannistraciHebb(score))
        list(train(model, (X, y), rules=[rule], epochs=2, batch_size=N, seed=0))


def optimizers():
    """PyTorch's optimizers, and clipped gradients."""
    X, y = samples()
    for optimizer in (SGD(0.01, clip_norm=1.0), Adam()):
        list(train(SparseMLP.create(SIZES, density=0.5, seed=0), (X, y), optimizer=optimizer, epochs=1, batch_size=N, seed=0))


def images():
    """Images that are changed at random."""
    X, y = samples()
    data = Dataset.from_arrays(X, y).with_augmentation(Augmentation((1, SIZES[0]), flip=True, rotation=5.0))
    list(train(SparseMLP.create(SIZES, density=0.5, seed=0), data, epochs=1, batch_size=N, seed=0))


def csr():
    X, y = samples()
    run(scipy.sparse.csr_matrix(X), y)


def regression():
    X, _ = samples()
    run(X, X[:, : SIZES[-1]])


def other_losses():
    """Those of one label in two, of several labels, and of numbers; and smoothed labels."""
    X, y = samples()
    for loss in ("binary_cross_entropy", "squared_hinge", "mean_absolute_error", "huber", "poisson", "quantile"):
        run_loss(X, (X[:, : SIZES[-1]] > 0.5).astype(np.float32), loss)
    for loss in ("binary_cross_entropy", "squared_hinge", SoftmaxCrossEntropy(0.1)):
        run_loss(X, y, loss)


def run_loss(X, y, loss):
    model = SparseMLP.create(SIZES, density=0.5, seed=0)
    list(train(model, (X, y), loss=loss, epochs=1, batch_size=N, seed=0))


def workers():
    """Workers that push and pull in compiled code."""
    X, y = samples()
    for synchronous in (False, True):
        model = SparseMLP.create(SIZES, density=0.5, seed=0)
        list(train_parallel(model, (X, y), n_jobs=2, synchronous=synchronous, epochs=2, batch_size=16, seed=0))


def single_layers():
    """The passes of `sparselab.torch`, for every number of samples; nothing where PyTorch is not installed."""
    if find_spec("torch") is None:
        return
    topology = erdos_renyi(16, 16, density=0.5, seed=0)
    w, b = np.ones(topology.nnz, np.float32), np.zeros(16, np.float32)
    for n in (*WIDTHS, 16 * WIDTHS[-1]):  # the last one: several groups of tiles, whose sums are added up
        X, Y, dw, db = np.ones((n, 16), np.float32), np.empty((n, 16), np.float32), np.empty_like(w), np.empty_like(b)
        row_passes.forward(topology, w, b, X, Y, 1)
        for wanted in ((np.empty_like(X), dw, db), (np.empty_like(X), None, None), (None, dw, db)):
            row_passes.backward(topology, w, X, Y, *wanted, 1)


def layerwise():
    """Nets that the fast engine does not run."""
    X, y = samples()
    run(X, y, activation="tanh")
    run(X.astype(np.float64), y, dtype="float64")


TASKS = (
    as_usual, small_batches, pruning, csr, regression, workers, single_layers, layerwise, other_rules, optimizers, images,
    other_losses,
)  # fmt: skip
