"""Between torch.nn.Linear and SparseLinear, in place in any module."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import nn

from ..nn.initializers import Initializer
from ..topology.topology import Topology
from ..utils import checks
from .linear import DTYPES, SparseLinear
from .passes import End

FROM_WEIGHTS = "random", "magnitude"
TENSOR_HOOKS = "_backward_hooks", "_post_accumulate_grad_hooks"
HOOKS = "_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"  # of torch, which has no public names


def sparsify(
    module: nn.Module,
    *,
    density: float,
    layers: Iterable[str] | Callable[[str, nn.Linear], bool] | None = None,
    from_weights: str = "random",
    new_values: str | Initializer = "zero",
) -> nn.Module:
    """Replace linear layers of a module by sparse ones, in place.

    The new layers have new Parameters: make the optimizer afterwards.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    density : float
        Share of the links of each of these layers that exist, in (0, 1].
    layers : iterable of str or callable, optional
        Names of the layers, as in `module.named_modules()`, or a function (name, layer) that says whether one is meant; by
        default every torch.nn.Linear.
    from_weights : {"random", "magnitude"}, default "random"
        "random": the links are drawn uniformly and get new values, of the size that so few inputs need. "magnitude": those with
        the largest |weight| stay, with their values. Biases are taken over.
    new_values : {"zero", "initializer"} or callable, default "zero"
        See SparseLinear.

    Returns
    -------
    torch.nn.Module
        The same module; a SparseLinear if it is a torch.nn.Linear itself.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or a layer cannot be replaced (one with hooks, or with a Parameter that another has,
        too); nothing has changed then.

    Examples
    --------
    >>> import torch
    >>> import sparselab.torch
    >>> block = torch.nn.Sequential(torch.nn.Linear(384, 1536), torch.nn.GELU(), torch.nn.Linear(1536, 384))
    >>> sparselab.torch.sparsify(block, density=0.1)[0]
    SparseLinear(in_features=384, out_features=1536, links=58982, density=0.1, bias=True)
    """
    checks.number("density", density, "a number in (0, 1]", low=0, high=1, open_low=True)
    checks.choice("from_weights", from_weights, FROM_WEIGHTS)
    chosen = dict(chosen_layers(module, layers))
    for name, linear in chosen.items():
        check_linear(name, linear, module)
        check_hooks(name, linear)
    new = {}
    for linear in chosen.values():
        new[linear] = sparse(linear, density, from_weights, new_values)
    for parent in module.modules():
        if isinstance(parent, nn.TransformerEncoderLayer) and {*parent.children()} & {*new}:
            parent.activation_relu_or_gelu = 0  # its shortcut for inference passes the matrices to a kernel of torch
        if isinstance(parent, nn.TransformerEncoder) and {*parent.modules()} & {*new}:
            parent.use_nested_tensor = False  # nested tensors are for that shortcut only
    return replaced(module, new)


def densify(module: nn.Module) -> nn.Module:
    """Replace the sparse layers of a module by torch.nn.Linear with zeros where there is no link, in place.

    Parameters
    ----------
    module : torch.nn.Module
        The module.

    Returns
    -------
    torch.nn.Module
        The same module; a torch.nn.Linear if it is a SparseLinear itself. Training it would fill the zeros.

    Raises
    ------
    TypeError
        If it is no module.
    ValueError
        If one of its sparse layers has hooks, which the new layer would not have; nothing has changed then.

    Examples
    --------
    >>> import torch
    >>> import sparselab.torch
    >>> layer = sparselab.torch.SparseLinear(30, 20, density=0.1)
    >>> int(torch.count_nonzero(sparselab.torch.densify(layer).weight))
    60
    """
    layers = list(sparse_layers(module))
    for name, layer in layers:
        check_hooks(name, layer)
    return replaced(module, {layer: dense(layer) for _, layer in layers})


def to_masks(module: nn.Module) -> dict[str, torch.Tensor]:
    """Make masks of the sparse layers' links, for tools that work with masks.

    Parameters
    ----------
    module : torch.nn.Module
        The module.

    Returns
    -------
    dict of str to torch.Tensor
        For each sparse layer a bool tensor (out_features, in_features), under the name that the matrix has after `densify`.

    Examples
    --------
    >>> import sparselab.torch
    >>> masks = sparselab.torch.to_masks(sparselab.torch.SparseLinear(30, 20, density=0.1))
    >>> {name: (tuple(mask.shape), int(mask.sum())) for name, mask in masks.items()}
    {'weight': ((20, 30), 60)}
    """
    return {
        f"{name}.weight".lstrip("."): matrix(layer, torch.ones_like(layer.weight)) != 0 for name, layer in sparse_layers(module)
    }


def sparse_layers(module: nn.Module) -> Iterator[tuple[str, SparseLinear]]:
    """Go through the sparse layers of a module.

    Parameters
    ----------
    module : torch.nn.Module
        The module.

    Yields
    ------
    tuple of str and SparseLinear
        The name of a layer, as in `module.named_modules()`, and the layer; one that is used at several places comes once.

    Examples
    --------
    >>> import sparselab.torch
    >>> [name for name, layer in sparselab.torch.sparse_layers(sparselab.torch.SparseLinear(30, 20, density=0.1))]
    ['']
    """
    if not isinstance(module, nn.Module):
        checks.fail("module", type(module).__name__, "a torch.nn.Module", TypeError)
    yield from ((name, layer) for name, layer in module.named_modules() if isinstance(layer, SparseLinear))


def chosen_layers(module, layers):
    """Yield (name, layer) of the linear layers that are meant; ValueError where there is none, or a name is no linear layer's."""
    if not isinstance(module, nn.Module):
        checks.fail("module", type(module).__name__, "a torch.nn.Module", TypeError)
    linear = {name: layer for name, layer in module.named_modules() if type(layer) is nn.Linear}
    if layers is None:
        names = list(linear)
    elif callable(layers):
        names = [name for name, layer in linear.items() if layers(name, layer)]
    else:
        names = names_of(layers)
        for name in names:
            if name not in linear:
                checks.fail(
                    "layers", name, f"names of torch.nn.Linear layers: {checks.few(list(linear)) if linear else 'none here'}"
                )
    if not names:
        raise ValueError(f"layers = {layers!r}: must choose at least one torch.nn.Linear of the {type(module).__name__}")
    yield from ((name, linear[name]) for name in names)


def names_of(layers):
    """The names in an argument `layers`, one or several of them, each once; TypeError for something else."""
    if not isinstance(layers, Iterable):
        checks.fail("layers", layers, "names of layers", TypeError)
    return [layers] if isinstance(layers, str) else list(dict.fromkeys(layers))


def check_linear(name, linear, module):
    """Raise ValueError where a layer cannot be replaced."""
    weight = linear.weight
    if weight.device.type != "cpu" or weight.dtype not in DTYPES:
        raise ValueError(f"{name}: its weight is a {weight.dtype} on {weight.device}, must be of floats, on the CPU")
    for other, owner in module.named_modules():
        for part, parameter in linear._parameters.items():
            if owner is not linear and any(one is parameter for one in owner._parameters.values() if one is not None):
                owner_name = other or "the module itself"
                raise ValueError(f"{name}: its {part} is also that of {owner_name}, which would keep the one of now")


def check_hooks(name, layer):
    """Raise ValueError where something hangs on a layer or its Parameters that its replacement would not have."""
    own = [getattr(one, kind) for one in layer.parameters(recurse=False) for kind in TENSOR_HOOKS]
    of_others = any(not isinstance(hook, End) for hooks in own if hooks for hook in hooks.values())
    if of_others or any(getattr(layer, kind) for kind in HOOKS):
        raise ValueError(f"{name or 'module'}: has hooks, which would be lost; remove them before, and register them anew")


def sparse(linear, density, from_weights, new_values):
    """The SparseLinear for a linear layer."""
    shape, dtype, weight = (linear.in_features, linear.out_features), linear.weight.dtype, linear.weight.detach()
    options = {"bias": linear.bias is not None, "new_values": new_values, "dtype": dtype}
    if from_weights == "random":
        with weight.device:  # whatever the default device is
            layer = SparseLinear(*shape, density=density, **options)
    else:
        flat = weight.reshape(-1)
        kept = flat.abs().float().topk(max(1, round(density * flat.numel())), sorted=False).indices.sort().values.numpy()
        topology = Topology.from_links(linear.out_features, linear.in_features, kept // shape[0], kept % shape[0])
        with weight.device:
            layer = SparseLinear(*shape, topology=topology, **options)
        layer.weight.data = flat[torch.from_numpy(kept)].clone()
    if linear.bias is not None:
        layer.bias.data = linear.bias.detach().clone()
        layer.bias.requires_grad_(linear.bias.requires_grad)
    layer.weight.requires_grad_(linear.weight.requires_grad)
    return layer.train(linear.training)


def dense(layer):
    """The torch.nn.Linear for a SparseLinear."""
    options = {"bias": layer.bias is not None, "dtype": layer.weight.dtype, "device": layer.weight.device}
    linear = nn.Linear(layer.in_features, layer.out_features, **options)
    linear.weight.data = matrix(layer, layer.weight.detach())
    linear.weight.requires_grad_(layer.weight.requires_grad)
    if layer.bias is not None:
        linear.bias.data = layer.bias.detach().clone()
        linear.bias.requires_grad_(layer.bias.requires_grad)
    return linear.train(layer.training)


def matrix(layer, values):
    """The dense matrix with these values at the links of a layer."""
    out = values.new_zeros(layer.out_features, layer.in_features)
    out[torch.from_numpy(layer.topology.rows.astype(np.int64)), layer.indices.long()] = values
    return out


def replaced(module, new):
    """The module with other modules in the place of some: in place, wherever it holds them."""
    for parent in list(module.modules()):
        for name, child in parent._modules.items():
            if child in new:
                setattr(parent, name, new[child])
    return new.get(module, module)
