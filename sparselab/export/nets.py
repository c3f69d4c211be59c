"""A net as PyTorch modules, and a Sequential of linear layers as a net; PyTorch is imported when one of the two is called."""

from __future__ import annotations

from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

from ..nn import activations
from ..training.loop import check_model
from ..utils import checks
from .matrices import check_dense_memory, dense
from .parts import check_tolerance, named_error, net_of

if TYPE_CHECKING:
    import torch
    from numpy.typing import DTypeLike

    from ..nn.initializers import Initializer
    from ..nn.mlp import SparseMLP
    from ..nn.protocols import Activation

LAYOUTS = "dense", "csr"


def to_torch(model: SparseMLP, layout: str = "dense") -> torch.nn.Sequential:
    """Export a net as a torch.nn.Sequential with the same outputs, up to rounding.

    It takes samples in rows, X (n, n_in) -> (n, n_out). Its attribute `classes` is the list of `model.classes`, the labels of the
    outputs, or None; it is not in a state_dict. Activations are torch's own where it has them, a module of two slopes
    for All-ReLU; dropout is torch.nn.Dropout. It is in eval mode: `.train()` turns dropout on.

    Parameters
    ----------
    model : SparseMLP
        The net.
    layout : {"dense", "csr"}, default "dense"
        "dense": torch.nn.Linear with zeros where there is no link, which training would fill (see torch.nn.utils.prune). "csr":
        a module whose parameters are the links alone.

    Returns
    -------
    torch.nn.Sequential
        The modules, with copies of the weights.

    Raises
    ------
    ImportError
        Without PyTorch.
    ValueError
        For an unknown layout, or for SReLU, TAAF and plug-in activations that are not a pair of slopes.
    InsufficientMemoryError
        Where dense matrices do not fit into memory, before anything is allocated.

    Examples
    --------
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> module = sl.export.to_torch(model)  # doctest: +SKIP
    """
    check_model(model)
    checks.choice("layout", layout, LAYOUTS)
    modules = torch_modules()
    between = [modules.of_activation(f) for f in model.hidden]
    if layout == "dense":
        check_dense_memory(model, 'to_torch(layout="dense")', 'layout="csr"')
    parts = []
    for layer, activation in zip_longest(model.layers, between):
        parts.append(modules.linear(dense(layer), layer.b) if layout == "dense" else modules.sparse_linear(layer))
        if activation is not None:
            parts += [activation, modules.nn.Dropout(model.dropout)] if model.dropout else [activation]
    module = modules.nn.Sequential(*parts).eval()
    module.classes = None if model.classes is None else model.classes.tolist()
    return module


def from_torch(
    module: torch.nn.Module,
    *,
    activation: str | type | Activation | None = None,
    dropout: float | None = None,
    initializer: str | type | Initializer = "he_uniform",
    dtype: DTypeLike | None = None,
    tolerance: float = 0.0,
) -> SparseMLP:
    """Make a net from a torch.nn.Sequential of linear layers; everything is copied.

    Links are the entries with |w| > tolerance; under torch.nn.utils.prune those that its mask keeps (a kept 0 is a link), in a
    sparse weight the entries that it stores. Sequentials may be nested, and Flatten may stand first. The last layer gives
    logits, so that no softmax may follow it. Dropout may stand before an activation where the order makes no difference. Modules
    that override `forward` are refused, and so are forward hooks, but for those of torch.nn.utils.prune. The labels in `classes`
    of a module that `to_torch` made are taken over.

    Parameters
    ----------
    module : torch.nn.Sequential
        Linear layers with activations and dropout between them, such as `to_torch` returns.
    activation : str or object, optional
        By default read from the module: ReLU, LeakyReLU, Tanh, Identity (or nothing) and the slopes of `to_torch`, which must
        belong to one activation. If it is given, the modules between the layers count as this activation.
    dropout : float, optional
        By default read from torch.nn.Dropout.
    initializer : str or object, default "he_uniform"
        Distribution of the values of links that training adds.
    dtype : {"float32", "float64"}, optional
        By default float64 where the module has it, else float32.
    tolerance : float, default 0.0
        Entries up to this absolute value are not links.

    Returns
    -------
    SparseMLP
        The net.

    Raises
    ------
    ImportError
        Without PyTorch.
    TypeError or ValueError
        Naming the part of the module that cannot be taken over.

    Examples
    --------
    >>> import sparselab as sl
    >>> import torch  # doctest: +SKIP
    >>> model = sl.export.from_torch(torch.nn.Sequential(torch.nn.Linear(4, 3)))  # doctest: +SKIP
    """
    modules, tolerance = torch_modules(), check_tolerance(tolerance)
    activation = None if activation is None else activations.get(activation)
    blocks = modules.blocks_of(module, any_activation=activation is not None)
    links, biases = [], []
    for name, linear, *_ in blocks:
        with named_error(name):
            links.append(modules.links_of(linear, tolerance))
            biases.append(modules.values_of(linear, "bias"))
    for (before, *_), (after, *_), (a, _), (b, _) in zip(blocks, blocks[1:], links, links[1:]):
        if a.n_out != b.n_in:
            raise ValueError(f"{after}: has {b.n_in} inputs, must have the {a.n_out} outputs of {before}")
    activation = common_activation([found for _, _, found, *_ in blocks[:-1]]) if activation is None else activation
    if dropout is None:
        dropout = common_dropout([p for _, _, _, p, _ in blocks[:-1]])
        for name, *_, early in blocks:
            if early and activations.slopes(activations.at(activation, 1)) is None:  # slopes give the same in either order
                raise ValueError(f"{name}: drops before its activation, must drop behind it, as nets do: give dropout=")
    model = net_of("weights", links, biases, dtype, activation=activation, dropout=dropout, initializer=initializer)
    labels = getattr(module, "classes", None)  # other modules may have an attribute of this name for something else
    model.classes = labels if isinstance(labels, list) and len(labels) == model.sizes[-1] else None
    return model


def torch_modules():
    """The module torch_modules.py, which imports PyTorch; without it, an ImportError that says what to install."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'sl.export needs PyTorch for this, and it cannot be imported. Install it, e.g. with pip install -e ".[bench]" '
            "in this repository, or use to_scipy, to_dense or to_npz, which do not need it"
        ) from error
    from . import torch_modules

    return torch_modules


def common_activation(found):
    """The one activation that has these forms, "tanh" or (left, right), in hidden layer 1, 2, …"""
    if all(one == "tanh" for one in found):
        return activations.Tanh() if found else activations.Identity()
    if "tanh" not in found:
        left, right = found[0]
        candidates = [activations.Identity(), activations.ReLU()] if right == 1 else []
        if right == 1:
            candidates += [kind(abs(left)) for kind in (activations.LeakyReLU, activations.AllReLU, activations.AllNegative)]
        for candidate in [*candidates, activations.FixedSlopes(left, right)]:
            if [activations.slopes(activations.at(candidate, depth)) for depth in range(1, len(found) + 1)] == found:
                return candidate
    checks.fail("activations of the module", found, "one activation for the whole net: give activation=")


def common_dropout(found):
    """The dropout after every hidden layer; ValueError where they differ."""
    for (i, before), (j, after) in pairwise(enumerate(found, 1)):
        if before != after:
            raise ValueError(f"module: drops {before} after hidden layer {i}, {after} after {j}: give one dropout=")
    return found[0] if found else 0.0
