"""PyTorch modules of a net, and reading such modules. The only file that imports PyTorch; nets.py imports it on first use."""

import numpy as np
import scipy.sparse
import torch
from torch import nn
from torch.nn.utils.prune import BasePruningMethod

from ..nn import activations
from ..nn.trained_activations import Bound
from ..topology.topology import Topology
from ..utils import checks
from .parts import links_over

READ = "ReLU, LeakyReLU, Tanh, Identity, Dropout"


class Slopes(nn.Module):
    """left·z for z <= 0, right·z for z > 0: the form of All-ReLU in one layer."""

    def __init__(self, left, right=1.0):
        super().__init__()
        self.left, self.right = float(left), float(right)

    def forward(self, Z):
        return torch.where(Z > 0, Z * self.right, Z * self.left)

    def extra_repr(self):
        return f"left={self.left:g}, right={self.right:g}"


class SparseLinear(nn.Module):
    """X (…, n_in) -> X Wᵀ + b, with W in CSR: `values` (nnz,) is a parameter, the indices are buffers."""

    def __init__(self, n_out, n_in, indptr, indices, values, bias):
        super().__init__()
        self.n_out, self.n_in = n_out, n_in
        self.register_buffer("indptr", indptr)
        self.register_buffer("indices", indices)
        self.values, self.bias = nn.Parameter(values), nn.Parameter(bias)

    @property
    def weight(self):
        """W (n_out, n_in) as torch's CSR; gradients reach `values`."""
        shape = self.n_out, self.n_in
        return torch.sparse_csr_tensor(self.indptr, self.indices, self.values, shape, check_invariants=False)

    def forward(self, X):
        columns = X.reshape(-1, self.n_in).T
        return (self.weight @ columns).T.reshape(*X.shape[:-1], self.n_out) + self.bias

    def extra_repr(self):
        return f"in_features={self.n_in}, out_features={self.n_out}, links={len(self.values)}"


def of_activation(activation):
    """The module of one hidden layer's activation; ValueError for one that torch has not and that is not a pair of slopes."""
    if type(activation) is activations.Tanh:
        return nn.Tanh()
    if type(activation) is Bound and type(activation.activation) is activations.PReLU:
        module = nn.PReLU(activation.values.shape[1])
        module.weight = nn.Parameter(torch.from_numpy(activation.values[0].copy()))
        return module
    slopes = activations.slopes(activation)
    if slopes is None:
        allowed = "prelu, tanh or a pair of slopes for PyTorch: another one or a plug-in has to be written there too"
        checks.fail("activation", activation, allowed)
    left, right = slopes
    if right != 1 or left < 0:
        return Slopes(left, right)
    return nn.ReLU() if left == 0 else nn.Identity() if left == 1 else nn.LeakyReLU(left)


def linear(W, b):
    """torch.nn.Linear of W (n_out, n_in), not copied, and a copy of b; its random initialisation is skipped."""
    layer = nn.Linear(*W.shape[::-1], device="meta")
    layer.weight, layer.bias = nn.Parameter(torch.from_numpy(W)), nn.Parameter(torch.from_numpy(b.copy()))
    return layer


def sparse_linear(layer):
    """The CSR module of a layer, copied."""
    t = layer.topology
    arrays = t.indptr.astype(np.int32), t.indices.copy(), layer.w.copy(), layer.b.copy()
    return SparseLinear(t.n_out, t.n_in, *map(torch.from_numpy, arrays))


# reading


def flat(module, name="module"):
    """(name, module) of all parts, in order, also inside Sequentials, unless these override `forward`; ValueError for hooks."""
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    is_lazy = isinstance(module, nn.modules.lazy.LazyModuleMixin)  # has a hook until its first call, and is refused as such
    if not is_lazy and not all(isinstance(hook, BasePruningMethod) for hook in hooks):
        raise ValueError(f"{name}: has forward hooks, which a net would not have; remove them before")
    if not is_plain(module, nn.Sequential):
        yield name, module
        return
    for i, part in enumerate(module):
        yield from flat(part, f"{name}[{i}]")


def is_plain(part, kind):
    """Whether a module is of this kind and does not override `forward`."""
    return isinstance(part, kind) and type(part).forward is kind.forward and "forward" not in vars(part)


def blocks_of(module, any_activation):
    """[(name, linear layer, its activation, its dropout, whether it drops before that)]; TypeError or ValueError.

    activation: "tanh" or (left, right).
    """
    check_dense("module", module)
    if not isinstance(module, nn.Sequential | nn.Linear | SparseLinear):
        checks.fail("module", type(module).__name__, "a torch.nn.Sequential of linear layers and activations", TypeError)
    blocks = []
    for name, part in flat(module):
        check_dense(name, part)
        if is_plain(part, nn.Linear) or is_plain(part, SparseLinear):
            blocks.append((name, part, [], [], []))
        elif is_plain(part, nn.Dropout) and blocks:
            blocks[-1][3].append(part.p)
        elif not is_nothing(part, first=not blocks):
            form = slopes_of(part, any_activation) if blocks else None
            if form is None:
                what = READ if blocks else "a linear layer or Flatten"
                checks.fail(name, type(part).__name__, f"{what}{'' if any_activation else ', or give activation='}", TypeError)
            blocks[-1][2].append(form)
            blocks[-1][4].append(any(blocks[-1][3]))
    return [checked(*block, last=block is blocks[-1]) for block in blocks] or checks.fail(
        "module", type(module).__name__, "of at least one linear layer"
    )


def is_nothing(part, first):
    """Whether a module changes nothing: Identity; before the first layer also Flatten of whole samples and Dropout of 0."""
    flattens = is_plain(part, nn.Flatten) and (part.start_dim, part.end_dim) == (1, -1)
    return is_plain(part, nn.Identity) or (first and (flattens or (is_plain(part, nn.Dropout) and part.p == 0)))


def check_dense(name, part):
    """Raise TypeError for a layer of sparselab.torch, which this file must not import."""
    if (type(part).__module__, type(part).__name__) == ("sparselab.torch.linear", "SparseLinear"):
        checks.fail(name, "sparselab.torch.SparseLinear", "a torch.nn.Linear: use sparselab.torch.densify first", TypeError)


def checked(name, part, forms, shares, early, *, last):
    """One block, if at most one activation and one dropout follow its layer, and none the last layer."""
    if last and (forms or any(shares)):
        raise ValueError(f"{name}: is the last linear layer and gives logits: nothing may stand behind it")
    if len(forms) > 1 or len(shares) > 1:
        raise ValueError(
            f"{name}: has {len(forms)} activations and {len(shares)} dropouts behind it, must have one of each at most"
        )
    return name, part, forms[0] if forms else (1.0, 1.0), shares[0] if shares else 0.0, any(early)


def slopes_of(part, any_activation):
    """(left, right), "tanh", or None for other modules; with any_activation, (1, 1) for every module without parameters."""
    if any_activation:
        return None if part.state_dict() else (1.0, 1.0)
    if is_plain(part, nn.Tanh):
        return "tanh"
    if is_plain(part, Slopes):
        return part.left, part.right
    if is_plain(part, nn.LeakyReLU):
        return float(part.negative_slope), 1.0
    return (0.0, 1.0) if is_plain(part, nn.ReLU) else None


def links_of(linear, tolerance):
    """(topology, w) of a linear layer."""
    weight, mask = linear.weight, getattr(linear, "weight_mask", None)
    if nn.parameter.is_lazy(weight):
        checks.fail("weight", type(weight).__name__, "initialised: call the module once")
    if weight.layout != torch.strided:
        return stored_links(weight, tolerance)
    return links_over(values_of(linear, "weight"), tolerance, None if mask is None else array(mask))


def stored_links(weight, tolerance):
    """(topology, w) of the entries that a sparse tensor stores."""
    weight = weight.detach().cpu().to_sparse_csr()
    parts = array(weight.values()), array(weight.col_indices()), array(weight.crow_indices())
    matrix = scipy.sparse.csr_array(parts, shape=tuple(weight.shape)).tocoo()
    keep = np.abs(matrix.data.astype(np.float64)) > tolerance if tolerance else np.ones(matrix.nnz, bool)
    entries = matrix.data[keep], (matrix.row[keep], matrix.col[keep])
    return Topology.from_scipy(scipy.sparse.coo_array(entries, shape=matrix.shape))


def values_of(linear, name):
    """A layer's "weight" or "bias" as an array, or None; of a pruned layer times its mask, as its next call uses it."""
    mask = getattr(linear, f"{name}_mask", None)
    tensor = getattr(linear, name) if mask is None else getattr(linear, f"{name}_orig") * mask
    return None if tensor is None else array(tensor)


def array(tensor):
    """A tensor's numbers as NumPy; half precisions as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor).numpy()
