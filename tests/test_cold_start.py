"""The first training of a new machine: what is compiled, what is said meanwhile, and what `warm` leaves to compile."""

from importlib.util import find_spec

import pytest
from stress.processes import run

from sparselab import kernels

pytestmark = [pytest.mark.skipif(not kernels.JIT, reason="about compiled code"), pytest.mark.slow]

TRAINING = """
import numpy as np, scipy.sparse, sparselab as sl
def train(kind):
    X, y = np.random.default_rng(0).random((300, 20), np.float32), np.arange(300) % 4
    net = lambda **options: sl.SparseMLP.create((20, 30, 30, 4), epsilon=3, seed=0, **options)
    options = {"rules": [sl.SET(0.3)], "epochs": 2, "seed": 0}
    if kind == "torch":
        import torch, sparselab.torch
        layer = sparselab.torch.SparseLinear(20, 30, density=0.5)
        return [layer(torch.from_numpy(X[:n]).requires_grad_()).sum().backward() for n in (1, 10, 20, 300)]
    if kind == "workers":
        return list(sl.train_parallel(net(), (X, y), epochs=2, n_jobs=2, batch_size=64, seed=0))
    if kind == "csr":
        X = scipy.sparse.csr_matrix(X)
    if kind == "regression":
        y = X[:, :4]
    data = (X, y, X, y)
    return list(sl.train(net(activation="tanh" if kind == "layerwise" else "all_relu"), data, batch_size=64, **options))
"""
KINDS = "dense", "csr", "regression", "layerwise", "workers", *(["torch"] if find_spec("torch") else [])


def test_nothing_is_left_to_compile_after_warm(tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)}
    warm = run("from sparselab.cli import main; raise SystemExit(main(['warm']))", timeout=400, **cache)
    assert warm.code == 0, warm.err
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert f"; {len(files)} in all" in warm.out
    ended = run(TRAINING + f"for kind in {KINDS}: train(kind)", timeout=300, **cache)
    assert (ended.code, ended.err) == (0, "")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == files


def test_the_status_line_counts_the_kernels_of_a_first_run(tmp_path):
    code = """
import sparselab as sl
from sparselab.widgets import Run
from sparselab.widgets.describe import status_line
seen = []
run = Run(sl.ExperimentConfig(dataset="digits", hidden=(20,), epochs=2, threads=1), changed=lambda: seen.append(status_line(run)))
run.pull()
print([line for line in dict.fromkeys(seen) if "compiling" in line])
"""
    first, second = (run(code, timeout=300, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    lines = eval(first.out)
    assert lines == [f"· compiling kernel {k} of {len(lines)}, once for this machine" for k in range(1, len(lines) + 1)]
    assert len(lines) == 8
    assert eval(second.out) == []
