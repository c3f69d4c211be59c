"""The passes of one layer over samples in rows, against dense matrices."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sparselab as sl
from sparselab.engines import row_passes

SIZES = [(1, 1, 1), (37, 53, 3), (16, 16, 8), (100, 70, 64), (33, 129, 200), (200, 130, 700), (7, 3, 0)]


def problem(n_in, n_out, n, dtype, density=0.3):
    rng = np.random.default_rng(n_in + n)
    topology = sl.erdos_renyi(n_out, n_in, density=density, seed=0)
    shapes = topology.nnz, n_out, (n, n_in), (n, n_out)
    return topology, [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def passes(topology, arrays, threads):
    """(Y, dX, dw, db), each first filled with what must not be left in it."""
    w, b, X, dY = arrays
    Y, dX, dw, db = (np.full_like(like, np.nan) for like in (dY, X, w, b))
    row_passes.forward(topology, w, b, X, Y, threads)
    row_passes.backward(topology, w, X, dY, dX, dw, db, threads)
    return Y, dX, dw, db


def dense(topology, arrays):
    """The same by the dense matrix, in float64."""
    w, b, X, dY = (array.astype(np.float64) for array in arrays)
    W = np.zeros(topology.shape)
    W[topology.rows, topology.indices] = w
    return X @ W.T + b, dY @ W, (dY.T @ X)[topology.rows, topology.indices], dY.sum(axis=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES)
def test_passes_are_those_of_a_dense_layer(sizes, dtype):
    topology, arrays = problem(*sizes, dtype)
    for found, wanted in zip(passes(topology, arrays, 1), dense(topology, arrays), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 if dtype == np.float64 else 2e-5 * max(1, sizes[2] ** 0.5))


@pytest.mark.parametrize("sizes", SIZES)
def test_bits_do_not_depend_on_threads(sizes, monkeypatch):
    monkeypatch.setattr(row_passes, "WORTH_SHARING", 0)
    topology, arrays = problem(*sizes, np.float32)
    bits = [[part.tobytes() for part in passes(topology, arrays, threads)] for threads in (1, 2, 3, 16)]
    assert all(other == bits[0] for other in bits)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_wanted_is_left_out(dtype):
    topology, (w, b, X, dY) = problem(33, 129, 200, dtype)
    _, dX, dw, db = passes(topology, (w, b, X, dY), 1)
    alone = np.empty_like(X)
    row_passes.backward(topology, w, X, dY, alone, None, None, 1)
    assert np.array_equal(alone, dX)
    links, biases = np.empty_like(w), np.empty_like(b)
    row_passes.backward(topology, w, X, dY, None, links, biases, 1)
    assert np.array_equal(links, dw)
    assert np.array_equal(biases, db)


def test_a_layer_without_links_gives_its_biases():
    topology = sl.Topology(3, 4, np.zeros(4, np.int64), np.zeros(0, np.int32))
    b, X = np.arange(3, dtype=np.float32), np.ones((5, 4), np.float32)
    Y, dX, dw, db = passes(topology, (np.zeros(0, np.float32), b, X, np.ones((5, 3), np.float32)), 2)
    assert (Y == b).all()
    assert not dX.any()
    assert len(dw) == 0
    assert (db == 5).all()


def test_callers_in_several_threads_do_not_disturb_each_other(monkeypatch):
    monkeypatch.setattr(row_passes, "WORTH_SHARING", 0)
    jobs = [problem(100, 70, 300, np.float32, density) for density in (0.1, 0.2, 0.3, 0.4)]
    alone = [passes(*job, 1) for job in jobs]
    with ThreadPoolExecutor(len(jobs)) as pool:
        for _ in range(5):
            for found, wanted in zip(pool.map(lambda job: passes(*job, 3), jobs), alone, strict=True):
                assert all(map(np.array_equal, found, wanted))


FORKED = """
import os, numpy as np, sparselab as sl
from sparselab.engines import row_passes
row_passes.WORTH_SHARING = 0
t, X, Y = sl.Topology.dense(8, 8), np.ones((256, 8), np.float32), np.empty((256, 8), np.float32)
run = lambda: row_passes.forward(t, np.ones(64, np.float32), np.zeros(8, np.float32), X, Y, 2)
run()
child = os.fork()
if child == 0:
    Y.fill(0)
    run()
    os._exit(0 if (Y == 8).all() else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_starts_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=120)
