"""A layer of SparseProp (Nikdan et al. 2023) with given links.

`SparseLinear.from_dense` counts links in float32, so its row offsets are wrong beyond 2^24 links; the arrays are set here.
"""

import numpy as np
import torch
from sparseprop.modules import SparseLinear


def sparse_linear(n_in, n_out, indptr, indices, values):
    layer = SparseLinear(torch.ones(1, 1), bias=torch.nn.Parameter(torch.zeros(n_out)))
    layer.N, layer.M, layer.W_val = n_out, n_in, torch.nn.Parameter(torch.from_numpy(values))
    layer.W_idx = (torch.from_numpy(indptr.astype(np.int32)), torch.from_numpy(indices))
    return layer
