"""The operator of SparseLinear and its gradient, as PyTorch knows them: for autograd, torch.compile and torch.export.

What the kernels need beside the tensors, the validated topology and the links by input, is made once for each pair of index
tensors. It is found by where these lie in memory, since a compiled graph passes other tensor objects of the same memory.
"""

from collections import deque
from weakref import WeakSet, WeakValueDictionary

import torch
from torch import Tensor

from ..engines import row_passes
from ..topology.topology import Topology
from .openmp import OpenMP

HALF = torch.bfloat16, torch.float16  # calculated in float32
SECOND = "SparseLinear has no second derivatives: do not differentiate gradients that were made with create_graph=True"


threads = OpenMP()


class Links:
    """The topology in a pair of index tensors. A layer keeps its own, so that it lives as long as the layer has these tensors.

    passes: the Passes to which backward passes add their rows, as long as something else holds these.
    """

    def __init__(self, indptr, indices, n_in, topology=None):
        self.tensors, self.versions, self.passes = (indptr, indices), versions(indptr, indices), WeakSet()
        self.topology = topology or read(indptr, indices, n_in)
        known[key(indptr, indices, n_in)] = self

    def update(self, now):
        """Take over what has been written into the tensors; nothing is made anew where they are as they were."""
        topology = read(*self.tensors, self.topology.n_in)
        if topology != self.topology:
            self.topology = topology
        self.versions = now


known = WeakValueDictionary()
recent = deque(maxlen=32)  # keeps those that belong to no layer, such as those of exported programs


def read(indptr, indices, n_in):
    """The Topology in index tensors; a copy, for they may be written to."""
    return Topology(len(indptr) - 1, n_in, indptr.numpy().copy(), indices.numpy().copy())


def key(indptr, indices, n_in):
    """What tells index tensors apart as long as both live."""
    return indptr.data_ptr(), indices.data_ptr(), len(indices), n_in


def versions(*tensors):
    """How often each tensor was written to; 0 where that is not counted."""
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


def links_of(indptr, indices, n_in, keep=True):
    """The Links of two index tensors as they are now. keep: hold them for some time, if they are new."""
    found = known.get(key(indptr, indices, n_in))
    if found is None:
        found = Links(indptr, indices, n_in)
        if keep:
            recent.append(found)
    elif found.versions != (now := versions(indptr, indices)):
        found.update(now)
    return found


def array(tensor):
    """A tensor's memory as an array; a copy where it is not contiguous."""
    return tensor.detach().contiguous().numpy()


def whole(weight):
    """Values in the precision that they are calculated in."""
    return weight.float() if weight.dtype in HALF else weight


def check(topology, dtype, **vectors):
    """Raise ValueError unless these are vectors of the topology's links ("weight") or outputs ("bias"): the kernels do not."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"X is of {dtype}: must be of float32 or float64")
    for name, tensor in vectors.items():
        n = topology.nnz if name == "weight" else topology.n_out
        if tensor.shape != (n,) or tensor.dtype != dtype:
            raise ValueError(f"{name} is of {tensor.dtype} and shape {tuple(tensor.shape)}: must be of {dtype} and shape ({n},)")


@torch.library.custom_op("sparselab::linear", mutates_args=(), device_types="cpu")
def linear(X: Tensor, weight: Tensor, bias: Tensor, indptr: Tensor, indices: Tensor) -> Tensor:
    """Y = X Wᵀ + b: X (n, n_in), weight (nnz,), bias (n_out,), of one dtype, float32 or float64; weight also of a half precision.

    A half precision is cast here, so that what is saved for the backward pass is the Parameter itself, whose changes torch sees.
    """
    topology, weight = links_of(indptr, indices, X.shape[1]).topology, whole(weight)
    check(topology, X.dtype, weight=weight, bias=bias)
    Y = X.new_empty(X.shape[0], topology.n_out)
    row_passes.forward(topology, array(weight), array(bias), array(X), Y.numpy(), torch.get_num_threads(), threads.run)
    return Y


@linear.register_fake
def _(X, weight, bias, indptr, indices):
    return X.new_empty(X.shape[0], indptr.shape[0] - 1)


@torch.library.custom_op("sparselab::linear_backward", mutates_args=(), device_types="cpu")
def linear_backward(
    X: Tensor, dY: Tensor, weight: Tensor, indptr: Tensor, indices: Tensor, of_input: bool, of_links: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients (dX, dw, db) of `linear`; empty tensors for those that are not wanted."""
    links, weight = links_of(indptr, indices, X.shape[1]), whole(weight)
    check(links.topology, X.dtype, weight=weight)
    given, gradient = array(X), array(dY)
    dX = X.new_empty(X.shape if of_input else 0)
    dw, db = (X.new_empty(n if of_links else 0) for n in (links.topology.nnz, links.topology.n_out))
    results = [tensor.numpy() if wanted else None for tensor, wanted in ((dX, of_input), (dw, of_links), (db, of_links))]
    row_passes.backward(links.topology, array(weight), given, gradient, *results, torch.get_num_threads(), threads.run)
    if of_links:
        for passes in links.passes:
            passes.add(given, gradient)
    return dX, dw, db


@linear_backward.register_fake
def _(X, dY, weight, indptr, indices, of_input, of_links):
    n_out = indptr.shape[0] - 1
    return (
        X.new_empty(X.shape if of_input else 0),
        X.new_empty(weight.shape[0] if of_links else 0),
        X.new_empty(n_out if of_links else 0),
    )


def _remember(ctx, inputs, output):
    X, weight, _, indptr, indices = inputs
    ctx.save_for_backward(X, weight, indptr, indices)


def _backward(ctx, dY):
    X, weight, indptr, indices = ctx.saved_tensors
    of_input, of_weight, of_bias = ctx.needs_input_grad[:3]
    dX, dw, db = linear_backward(X, dY, weight, indptr, indices, of_input, of_weight or of_bias)
    return dX if of_input else None, dw.to(weight.dtype) if of_weight else None, db if of_bias else None, None, None


def _refuse(ctx, *gradients):
    raise NotImplementedError(SECOND)


linear.register_autograd(_backward, setup_context=_remember)
linear_backward.register_autograd(_refuse)
