"""Small nets, small data and ways to compare whole trainings, for every test that trains."""

import hashlib
import os
import signal
from contextlib import contextmanager

import naive
import numpy as np
import scipy.sparse

from sparselab.datasets.dataset import Dataset
from sparselab.engines import select
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.engines.tiling import tile_width
from sparselab.nn.activations import slopes
from sparselab.nn.mlp import SparseMLP
from sparselab.testing import net_from_masks as from_masks  # noqa: F401
from sparselab.training.loop import TrainingState, steps

SIZES = (20, 33, 18, 4)
ENGINES = ("fused", "layerwise")


def net(sizes=SIZES, *, density=0.4, seed=1, **options):
    return SparseMLP.create(sizes, density=density, seed=seed, **options)


def rows(n=101, features=20, classes=4, seed=0, dtype=np.float32):
    """(X, y) that can be learned; every class occurs."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = random.standard_normal((classes, features))
    X = (centres[y] + random.standard_normal((n, features))).astype(dtype)
    return X, y.astype(np.int64)


def dataset(n=101, n_test=30, *, regression=False, as_csr=False, dtype=np.float32, features=20, classes=4):
    X, y = rows(n + n_test, features, classes, dtype=dtype)
    if as_csr:
        X = scipy.sparse.csr_array(np.where(abs(X) > 1, X, dtype(0)))
    if regression:
        targets = np.random.default_rng(3).standard_normal((n + n_test, classes)).astype(dtype)
        return Dataset(X[:n], targets[:n], X[n:], targets[n:])
    return Dataset(X[:n], y[:n], X[n:], y[n:], classes=np.arange(classes))


def fingerprint(model, state=None):
    """One hash of everything that training changes."""
    found = hashlib.sha256()
    for l, layer in enumerate(model.layers):
        arrays = [layer.topology.indptr, layer.topology.indices, layer.w, layer.b]
        arrays += [layer.values] if len(layer.values) else []
        arrays += [*state.optimizer[l].links, *state.optimizer[l].neurons] if state else []
        for array in arrays:
            found.update(str((array.dtype, array.shape)).encode() + array.tobytes())
    return found.hexdigest()


def kill_worker(client, address):
    """Kill the process of a Dask worker."""
    os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)


def is_finite(model):
    """Whether every weight and bias is a number."""
    return all(np.isfinite(layer.w).all() and np.isfinite(layer.b).all() for layer in model.layers)


def layerwise_engine(model, loss, optimizer, batch_size, threads):
    return LayerwiseEngine(model, loss, tile_width(batch_size), threads)


@contextmanager
def engine_is(kind):
    """Train with this engine: "fused" (the default choice) or "layerwise"."""
    original = select.create
    try:
        select.create = layerwise_engine if kind == "layerwise" else original
        yield
    finally:
        select.create = original


def run(model, data, *, optimizer, kind="fused", state=None, seed=5, **options):
    """(records, fingerprint with state) of one training."""
    with engine_is(kind):
        state = TrainingState.start(model, optimizer, seed) if state is None else state
        records = list(steps(model, data, optimizer=optimizer, state=state, **options))
    return records, fingerprint(model, state)


def dense(model):
    """Weight matrices (n_out, n_in) in float64."""
    return [naive.to_dense(a.topology.indptr, a.topology.indices, a.w, a.topology.n_in) for a in model.layers]


def masks(model):
    return [naive.to_dense(a.topology.indptr, a.topology.indices, np.ones(a.topology.nnz), a.topology.n_in) for a in model.layers]


def twin(model):
    """The dense twin of a net: same weights, gradients masked to the links."""
    return naive.DenseMLP(dense(model), [a.b for a in model.layers], [slopes(f) for f in model.hidden], masks(model))
