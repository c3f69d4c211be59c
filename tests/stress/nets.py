"""Small nets and data for the harnesses, and a way to choose the engine."""

import hashlib
from contextlib import contextmanager

import numpy as np

import sparselab as sl
from sparselab.engines import select
from sparselab.engines.layerwise import LayerwiseEngine
from sparselab.engines.tiling import tile_width
from sparselab.nn.linear import SparseLinear
from sparselab.topology.topology import Topology

SIZES = (20, 33, 18, 4)
ENGINES = ("fused", "layerwise")


def data_rows(n=101, features=SIZES[0], classes=SIZES[-1], seed=0):
    """(X, y) that can be learnt; every class occurs."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = random.standard_normal((classes, features))
    return (centres[y] + random.standard_normal((n, features))).astype(np.float32), y


def from_masks(patterns, *, activation="all_relu", dtype=np.float64, seed=0, **options):
    """A net with links at these places (a bool matrix a layer) and normal weights and biases."""
    random, layers = np.random.default_rng(seed), []
    for pattern in patterns:
        topology = Topology.from_links(*pattern.shape, *np.nonzero(pattern))
        w, b = (random.standard_normal(n).astype(dtype) for n in (topology.nnz, topology.n_out))
        layers.append(SparseLinear(topology, w, b))
    return sl.SparseMLP(layers, activation, **options)


@contextmanager
def engine_is(kind):
    """Train with this engine: "fused" is the one chosen by itself for float32 nets of slopes."""
    original = select.create
    layerwise = lambda model, loss, optimizer, batch_size, threads: LayerwiseEngine(model, loss, tile_width(batch_size), threads)
    try:
        select.create = layerwise if kind == "layerwise" else original
        yield
    finally:
        select.create = original


def fingerprint(model):
    """One hash of links, weights and biases."""
    found = hashlib.sha256()
    for layer in model.layers:
        for array in (layer.topology.indptr, layer.topology.indices, layer.w, layer.b):
            found.update(str((array.dtype, array.shape)).encode() + array.tobytes())
    return found.hexdigest()


def is_finite(model):
    """Whether every weight and bias is a number."""
    return all(np.isfinite(layer.w).all() and np.isfinite(layer.b).all() for layer in model.layers)
