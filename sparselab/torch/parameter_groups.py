"""Parameters of a model in groups, so that sparse layers learn as fast as dense ones under optimizers of Adam's kind."""

from typing import Any

from torch import nn

from ..utils import checks
from .convert import sparse_layers


def parameter_groups(model: nn.Module, lr: float = 1e-3) -> list[dict[str, Any]]:
    """Divide the learning rate of each sparse layer's weights by its density, for Adam and its relatives.

    A neuron with few links has larger weights at the start than one with many, but Adam moves both by the same amount a step,
    whatever the gradients are. So a rate that suits a dense model is too low for its sparse layers. Dividing by the density makes
    the outputs move as far a step as those of the dense layer: this is the rule of SμPar for the hidden layers of a model, with
    a density of 1 as its base. Biases and all other parameters keep `lr`.

    Parameters
    ----------
    model : torch.nn.Module
        The model, with `SparseLinear` layers that began with random values. Their densities are those of now.
    lr : float, default 1e-3
        Learning rate of the other parameters, as in a dense model; > 0.

    Returns
    -------
    list of dict
        One group for all other parameters, if there are any, and one for each sparse layer's weights, with the keys "params" and
        "lr": the first argument of an optimizer.

    Raises
    ------
    TypeError, ValueError
        If lr is not a positive number.

    References
    ----------
    Dey, Bergsma and Hestness, "Sparse maximal update parameterization: a holistic approach to sparse training dynamics", NeurIPS
    2024 (arXiv 2405.15743), table 1.

    Examples
    --------
    >>> import torch
    >>> import sparselab.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(40, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
    >>> model = sparselab.torch.sparsify(model, density=0.1, layers=["0"])
    >>> optimizer = torch.optim.AdamW(sparselab.torch.parameter_groups(model, 3e-4))
    >>> [(len(group["params"]), round(group["lr"], 6)) for group in optimizer.param_groups]
    [(3, 0.0003), (1, 0.003)]
    """
    lr = checks.positive("lr", lr)
    # a weight that two layers share gets one group
    weights = {id(layer.weight): layer for _, layer in sparse_layers(model)}
    others = [parameter for parameter in model.parameters() if id(parameter) not in weights]
    groups = [{"params": [layer.weight], "lr": lr / (layer.density or 1.0)} for layer in weights.values()]
    return [{"params": others, "lr": lr}, *groups] if others else groups
