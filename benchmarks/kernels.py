"""SpMM, dX, SDDMM on one thread against scipy.sparse and the machine's sgemm, all in one run.

`python -m benchmarks.kernels [n] [density] [batch]`; default 1000 × 1000, 4 % (40,000 links), batch 128. A batch is cut into
tiles of 64 columns, as in training; GF/s counts 2 · links · batch for the sparse products, 2 · n · n · batch for sgemm.
"""

import sys

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import emit, interleaved, table
from sparselab.engines.buffers import aligned
from sparselab.kernels import vector
from sparselab.nn.linear import NO_BITS, SparseLinear
from sparselab.topology import erdos_renyi

W = 64


def filled(rng, shape):
    """Random numbers in an array that starts on a cache line, as training's buffers do."""
    array = aligned(shape, np.float32)
    array[:] = rng.standard_normal(shape, dtype=np.float32)
    return array


def main(n=1000, density=0.04, batch=128):
    rng = np.random.default_rng(0)
    topology = erdos_renyi(n, n, density=density, exact=True, seed=rng)
    w = rng.standard_normal(topology.nnz, dtype=np.float32)
    layer = SparseLinear(topology, w, np.zeros(n, np.float32))
    tiles = [[filled(rng, (n, W)) for _ in range(3)] for _ in range(batch // W)]
    wide, dense, M = filled(rng, (n, batch)), filled(rng, (n, n)), layer.to_scipy()
    wide[:], dense[:] = np.concatenate([tile[0] for tile in tiles], axis=1), M.toarray()
    dw, db, nonfinite, back = np.empty_like(w), np.empty(n, np.float32), np.zeros(1, np.float32), topology.transposed

    def spmm():
        for X, _, out in tiles:
            vector.spmm(
                topology.indptr, topology.indices, w, layer.b, X, out, -0.6, 1.0, NO_BITS, NO_BITS, np.uint64(0), 0, 0, 1.0, 0, n
            )

    def dx():
        for _, dZ, out in tiles:
            vector.dx(back.indptr, back.rows, back.slots, w, dZ, out, -0.6, 1.0, NO_BITS, NO_BITS, 1.0, 0, n)

    def sddmm():
        for X, dZ, _ in tiles:
            vector.sddmm(topology.indptr, topology.indices, X, dZ, dw, db, True, nonfinite, 0, n)

    calls = {"spmm": spmm, "dx": dx, "sddmm": sddmm, "scipy": lambda: M @ wide, "sgemm": lambda: dense @ wide}
    with threadpool_limits(1):
        seconds = interleaved(calls, repeats=25, inner=10)
    work = {name: 2 * topology.nnz * batch for name in calls} | {"sgemm": 2 * n * n * batch}
    rate = {name: work[name] / np.median(values) / 1e9 for name, values in seconds.items()}
    rows = [
        {
            "kernel": name,
            "links": topology.nnz,
            "batch": batch,
            "ms": float(np.median(values) * 1e3),
            "spread": float((np.percentile(values, 75) - np.percentile(values, 25)) / np.median(values)),
            "GF/s": rate[name],
            "of sgemm": rate[name] / rate["sgemm"],
            "of scipy": rate[name] / rate["scipy"],
        }
        for name, values in seconds.items()
    ]
    emit("kernels", rows)
    print(table(rows, ["kernel", "links", "batch", "ms", "spread", "GF/s", "of sgemm", "of scipy"]))


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, float, int), sys.argv[1:], strict=False)))
