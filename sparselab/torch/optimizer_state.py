"""What a torch optimizer keeps for the links or neurons of a layer: vectors in its parameter's shape, which move with them."""

import torch


def vectors(optimizer, parameter):
    """{name: tensor} of an optimizer's state of a parameter that has the parameter's shape; {} before its first step."""
    state = optimizer.state.get(parameter, {})
    return {name: one for name, one in state.items() if isinstance(one, torch.Tensor) and one.shape == parameter.shape}


def moved(optimizer, parameter, origin):
    """{name: tensor} of `vectors` where entry k comes from origin[k] (an int64 array), and is 0 for −1."""
    origin = torch.from_numpy(origin)
    old, new = origin >= 0, {}
    for name, tensor in vectors(optimizer, parameter).items():
        new[name] = tensor.new_zeros(len(origin))
        new[name][old] = tensor[origin[old]]
    return new
