"""Importance pruning in torch models: hidden neurons between two sparse layers are removed, and the layers become narrower."""

from collections.abc import Callable

import numpy as np
import torch

from ..evolution import importances
from ..evolution.importance_pruning import lost, weakest, widths_without
from ..nn.mlp import SparseMLP as Net
from ..topology.rewiring import keep_neurons
from ..utils import checks
from .evolution import check_optimizer, seen
from .linear import SparseLinear
from .optimizer_state import moved, take_over


def prune_neurons(
    first: SparseLinear,
    second: SparseLinear,
    share: float,
    *,
    importance: importances.Importance = importances.outgoing,
    min_neurons: int = 1,
    activation: Callable[[torch.Tensor], torch.Tensor] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> torch.Tensor:
    """Remove the least important neurons between two sparse layers: outputs of the first, inputs of the second.

    Both layers become narrower, with all links of these neurons gone. What stands between the layers must not depend on the
    width, as activations and dropout do not.

    Parameters
    ----------
    first, second : SparseLinear
        The layers; the second has as many inputs as the first has outputs.
    share : float
        Share of the neurons that is removed, in [0, 1].
    importance : callable, default sl.importances.outgoing
        A function of `sl.importances`, or your own: (layer, following) -> one number for each neuron. The paper's is `incoming`.
    min_neurons : int, default 1
        Number of neurons that stay at least, >= 1.
    activation : callable, optional
        The function between the layers, of a tensor of the first layer's dtype. With it f(b), what a neuron gives without its
        incoming links, is added to the biases of the second layer, as `sl.ImportancePruning` does. Default: nothing is added.
    optimizer : torch.optim.Optimizer, optional
        The optimizer, whose state of the links and biases that stay is kept.

    Returns
    -------
    torch.Tensor
        The numbers of the neurons that stay, int64.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, the layers do not fit or have the same weight, or the optimizer has none of their
        Parameters; nothing has changed then.

    References
    ----------
    Curci, Mocanu, Pechenizkiy (2021), "Truly Sparse Neural Networks at Scale", arXiv 2102.01732, section 3.3.

    Examples
    --------
    >>> import torch
    >>> import sparselab.torch
    >>> first, second = (sparselab.torch.SparseLinear(*widths, density=0.2) for widths in ((40, 60), (60, 10)))
    >>> kept = sparselab.torch.prune_neurons(first, second, 0.25, activation=torch.relu)
    >>> len(kept), first.out_features, second(torch.relu(first(torch.zeros(3, 40)))).shape
    (45, 45, torch.Size([3, 10]))
    """
    for name, layer in (("first", first), ("second", second)):
        if not isinstance(layer, SparseLinear):
            checks.fail(name, type(layer).__name__, "a sparselab.torch.SparseLinear", TypeError)
    n = first.out_features
    if second.in_features != n:
        checks.fail("second.in_features", second.in_features, f"{n}, the outputs of first")
    if first is second:
        raise ValueError("first, second: are the same layer, must be two")
    if first.weight is second.weight:
        raise ValueError("first, second: have the same weight, must have one each")
    importances.check(importance)
    (width,) = widths_without([n], checks.fraction("share", share), checks.integer("min_neurons", min_neurons))
    if activation is not None and not callable(activation):
        checks.fail("activation", activation, "a function of tensors, such as torch.relu", TypeError)
    if optimizer is not None:
        check_optimizer(optimizer, {})
        has = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not any(id(parameter) in has for one in (first, second) for parameter in one.parameters()):
            raise ValueError("optimizer: has no Parameter of first or second: must be that of the model")
    if activation is not None and second.bias is None:
        raise ValueError("activation: second has no biases to which f(b) could be added: must be None")
    layer, following = seen(first), seen(second)
    (scores,) = importances.scores(importance, Net([layer, following], "relu"))
    gone = weakest(scores, n - width)
    shift = None
    if activation is not None:
        with torch.no_grad():
            found = activation(torch.from_numpy(layer.b).to(first.weight.dtype))
            fixed = torch.as_tensor(found).to(torch.float64).numpy()
        if fixed.shape != (n,):
            checks.fail("activation", activation, f"a function that gives a number for each neuron, not the shape {fixed.shape}")
        shift = lost(following, gone, fixed)
    changes = keep_neurons(layer.topology, rows=~gone), keep_neurons(following.topology, cols=~gone, shift=shift)
    states = []
    if optimizer is not None:
        for one, change in zip((first, second), changes, strict=True):
            states.append((one.weight, moved(optimizer, one.weight, change.origin)))
            if one.bias is not None and change.rows is not None:
                states.append((one.bias, moved(optimizer, one.bias, change.rows)))
    for one, view, change in zip((first, second), (layer, following), changes, strict=True):
        biases = None if one.bias is None else change.carry_biases(view.b)
        one.set_links(change.topology, change.carry(view.w), biases)
    for parameter, state in states:
        take_over(optimizer, parameter, state)
    return torch.from_numpy(np.flatnonzero(~gone))
