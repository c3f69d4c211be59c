"""Nets to and from other formats: scipy CSR, dense NumPy, PyTorch, .npz.

W is (n_out, n_in) in all of them and samples are rows, so that logits are X @ W.T + b. For single layers there are
`SparseLinear.to_scipy` and `Topology.from_scipy`. After importance pruning an exported net has the widths that are left
(`model.sizes`); only the .npz holds the original ids of the neurons.
"""

from .files import from_npz, to_npz
from .matrices import from_dense, from_scipy, to_dense, to_scipy
from .nets import from_torch, to_torch

__all__ = ["from_dense", "from_npz", "from_scipy", "from_torch", "to_dense", "to_npz", "to_scipy", "to_torch"]
