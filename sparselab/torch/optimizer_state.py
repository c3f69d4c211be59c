"""What a torch optimizer keeps for the links or neurons of a layer: vectors in its parameter's shape, which move with them."""

import torch


def vectors(optimizer, parameter):
    """{name: tensor} of an optimizer's state of a parameter that has the parameter's shape; {} before its first step."""
    state = optimizer.state.get(parameter, {})
    return {name: one for name, one in state.items() if isinstance(one, torch.Tensor) and one.shape == parameter.shape}


def moved(optimizer, parameter, origin):
    """{name: tensor} of `vectors` where entry k comes from origin[k] (an int64 array), and is as before any step for −1."""
    origin = torch.from_numpy(origin)
    old, new = origin >= 0, {}
    for name, tensor in vectors(optimizer, parameter).items():
        new[name] = tensor.new_full((len(origin),), start(optimizer, parameter, name))
        new[name][old] = tensor[origin[old]]
    return new


def start(optimizer, parameter, name):
    """What a number of an optimizer's state is before any step: 0, but for Rprop's steps and Adagrad's sums."""
    group = next((each for each in optimizer.param_groups if any(one is parameter for one in each["params"])), {})
    if name == "step_size" and "etas" in group:
        return float(group["lr"])
    return group.get("initial_accumulator_value", 0.0) if name == "sum" else 0.0


def take_over(optimizer, parameter, state):
    """Put what `moved` gave in the place of what it came from; an optimizer that knows nothing of the parameter stays so."""
    if state:
        optimizer.state[parameter].update(state)
