"""
When is a sparse product faster?
================================

A sparse layer computes fewer products than a dense one, but each of them costs more: it has to find its input first. Somewhere
on the way from one link to all links the dense product overtakes. Where?

:Source: Gale, Zaharia, Young, Elsen (2020), "Sparse GPU Kernels for Deep Learning", arXiv:2006.10901; Wesselink et al. (2024),
    "Nerva: a Truly Sparse Implementation of Neural Networks", arXiv:2407.17437.
:Claim: Sparse products are usually faster than dense ones only where nearly all links are missing; with kernels made for nets,
    already where 50 to 90 % are. (That was on GPUs. Here it is one core of a CPU.) Nerva, with MKL's products on CPUs, trains at
    99 % sparsity in a quarter of the time that PyTorch with masks takes.
:Measured: One thread. Beside the dense product, that of a sparse layer is faster at 1 %, faster at 5 %, slower at 50 %, slower
    at 100 % of the links. So the claim shows on a CPU for the sparser half of that range. Nerva was not run: its sparse layers
    are built from C++ with MKL, not by pip. MKL's product, which PyTorch has, was the fastest sparse one from about 1 % on.
"""

# %%
# A layer of 1,000 neurons with 1,000 inputs, a batch of 128 samples, float32. Each time is the fastest of several calls.

import time
from contextlib import suppress

import matplotlib.pyplot as plt
import numpy as np
from threadpoolctl import threadpool_limits

import sparselab as sl
from sparselab.figures import style

N, BATCH, DENSITIES = 1000, 128, (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
rng = np.random.default_rng(0)
X = rng.standard_normal((N, BATCH), dtype=np.float32)


def milliseconds(product, X):  # the first call compiles and fills caches
    times = [(time.perf_counter(), product(X) is None, time.perf_counter()) for _ in range(16)][1:]
    return 1000 * min(end - start for start, _, end in times)


# %%
# The same layer as links of this package, as a CSR array of scipy, and as a dense matrix whose product is that of BLAS. Where
# PyTorch is installed, its CSR tensors are the fourth: their product is MKL's, as Nerva's; where SparseProp is, its layer is the
# fifth. :doc:`/benchmarks/README` has the times of these with their backward passes.

OTHERS = {}  # what makes the product of a dense matrix, and its argument
with suppress(ImportError):
    from torch import from_numpy, set_num_threads

    OTHERS["PyTorch, CSR (MKL)"] = lambda W: (from_numpy(W).to_sparse_csr().matmul, from_numpy(X))
    set_num_threads(1)
    from sparseprop.modules import SparseLinear

    OTHERS["SparseProp"] = lambda W: (SparseLinear(from_numpy(W)).requires_grad_(False), from_numpy(X.T.copy()))
times = []
with threadpool_limits(1):
    for density in DENSITIES:
        topology = sl.erdos_renyi(N, N, density=density, exact=True, seed=0)
        layer = sl.SparseLinear(topology, rng.standard_normal(topology.nnz, dtype=np.float32), np.zeros(N, np.float32))
        csr, W = layer.to_scipy(), layer.to_scipy().toarray()
        products = {"sparselab": (layer.forward, X), "dense (BLAS)": (W.__matmul__, X), "scipy, CSR": (csr.__matmul__, X)}
        products |= {name: of(W) for name, of in OTHERS.items()}
        assert np.ptp([abs(np.asarray(product(X))).mean() for product, X in products.values()]) < 1e-3
        times.append([milliseconds(*product) for product in products.values()])
ours, blas, *_ = np.array(times).T

# %%
# Left of the point where two lines cross, the sparse product wins.

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
style.decorate(ax)
for number, (name, values) in enumerate(zip(products, np.transpose(times))):
    ax.loglog(100 * np.array(DENSITIES), values, label=name, **style.look(number))
ax.set_xticks([100 * density for density in DENSITIES], [f"{100 * density:g}" for density in DENSITIES])
style.label(ax, "density (% of all possible links)", "time of one product (ms)")
ax.legend(frameon=False)
plt.show()
faster = lambda at: "faster" if ours[at] < blas[at] else "slower"
told = ", ".join(f"{faster(at)} at {100 * DENSITIES[at]:g} %" for at in (2, 4, -2, -1))
print(f"measured: One thread. Beside the dense product, that of a sparse layer is {told} of the links.")
