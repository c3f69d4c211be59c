"""Waiting times of a user: import, the first training with an empty and a warm compilation cache, large initialisations.

`python -m benchmarks.startup`; each figure comes from a new interpreter.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.common import emit, table

IMPORT = "import time; t = time.perf_counter(); import sparselab; print(time.perf_counter() - t)"
TRAIN = """
import time; t = time.perf_counter()
import sparselab as sl
data = sl.datasets.load("fashion_mnist_small").head(512, 128)
start = time.perf_counter()
model = sl.SparseMLP.create((784, 100, 100, 10), epsilon=20, dropout=0.3, seed=0)
for record in sl.train(model, data, rules=[sl.SET(0.3)], epochs=2, seed=0): pass
print(time.perf_counter() - start)
"""
WARM = "from sparselab.experiments.warm import warm; warm(progress=False)"
HUGE = """
import resource, time
import sparselab as sl
data = sl.datasets.load("extreme", n_features=20_000, n_samples=640)
start = time.perf_counter()
model = sl.SparseMLP.create((20_000, 200_000, 200_000, 2), epsilon=5, activation=sl.AllReLU(0.5),
                            initializer=sl.HeUniform("links"), seed=0)
records = list(sl.train(model, data, optimizer=sl.MomentumSGD(1e-4), rules=[sl.SET(0.3)],
                        epochs=3, batch_size=32, seed=0))
import json
print(json.dumps({"links": model.n_links, "dense GiB": 12 * model.n_dense / 2**30, "seconds": time.perf_counter() - start,
    "seconds an epoch": records[-1].seconds, "evolve": records[-1].seconds_evolve, "grown": sum(records[-1].grown),
    "train loss": [r.train_loss for r in records], "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""
INIT = """
import time
import sparselab as sl
sl.erdos_renyi(1000, 1000, epsilon=10, seed=0)
start = time.perf_counter(); sl.erdos_renyi(100_000, 100_000, epsilon=10, seed=0); print(time.perf_counter() - start)
"""


def run(code, **environment):
    answer = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip().splitlines()[-1]


def at_once(code, n, **environment):
    """Seconds until n processes that start together have ended, imports included."""
    began = time.perf_counter()
    processes = [subprocess.Popen([sys.executable, "-c", code], env=os.environ | environment) for _ in range(n)]
    codes = [process.wait() for process in processes]
    assert codes == [0] * n, codes
    return time.perf_counter() - began


def main():
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        rows.append({"what": "import sparselab", "seconds": float(run(IMPORT))})
        rows.append({"what": "first training, empty cache", "seconds": float(run(TRAIN, NUMBA_CACHE_DIR=cache))})
        rows.append({"what": "first training, warm cache", "seconds": float(run(TRAIN, NUMBA_CACHE_DIR=cache))})
    with tempfile.TemporaryDirectory() as cache:
        rows.append({"what": "eight processes at once, empty cache", "seconds": at_once(TRAIN, 8, NUMBA_CACHE_DIR=cache)})
    with tempfile.TemporaryDirectory() as cache:
        rows.append({"what": "python -m sparselab warm, empty cache", "seconds": at_once(WARM, 1, NUMBA_CACHE_DIR=cache)})
    rows.append({"what": "erdos_renyi(100_000, 100_000, epsilon=10)", "seconds": float(run(INIT))})
    huge = json.loads(run(HUGE))
    rows.append({"what": "20,000-200,000-200,000-2, ε = 5: init, 3 epochs of 512, SET", **huge})
    emit("startup", rows)
    print(table(rows, ["what", "seconds"]))
    print(huge)


if __name__ == "__main__":
    main()
