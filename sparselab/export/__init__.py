"""A trained net in other people's formats, and theirs as a net: scipy CSR, dense NumPy, PyTorch, .npz.

W is (n_out, n_in) everywhere, as in scipy, PyTorch and here; samples are rows outside: logits are X @ W.T + b. Layers singly have
`SparseLinear.to_scipy` and `Topology.from_scipy`. Where importance pruning took neurons away, what leaves has the widths that are
left (`model.sizes`); their original ids stay in the .npz only.
"""

from .files import from_npz, to_npz
from .matrices import from_dense, from_scipy, to_dense, to_scipy
from .nets import from_torch, to_torch

__all__ = ["from_dense", "from_npz", "from_scipy", "from_torch", "to_dense", "to_npz", "to_scipy", "to_torch"]
