"""Truly sparse layers as PyTorch modules, with the kernels and rules of this package: `import sparselab.torch`.

It needs the extra [torch]. Nothing else of the package imports it, nor does `import sparselab`.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError('sparselab.torch needs PyTorch: pip install "sparselab-workbench[torch]"') from error

from .convert import densify, sparse_layers, sparsify, to_masks
from .evolution import Event, Evolution
from .linear import SparseLinear
from .mlp import SparseMLP
from .neurons import prune_neurons
from .parameter_groups import parameter_groups
from .twin_training import Epoch, twins

__all__ = [
    "Epoch", "Event", "Evolution", "SparseLinear", "SparseMLP", "densify", "parameter_groups", "prune_neurons",
    "sparse_layers", "sparsify", "to_masks", "twins",
]  # fmt: skip
