"""How much a hidden neuron matters: a function (layer, following) -> (neurons,) numbers, the lowest of which go first.

layer: the SparseLinear whose outputs the neurons are; following: the one whose inputs they are.
"""

from ..utils import checks
from .criteria import check_finite


def incoming(layer, following):
    """Σ |w| over the incoming links, the paper's importance (Curci et al. 2021, eq. 4)."""
    return layer.strength()


def outgoing(layer, following):
    """Σ |w| over the outgoing links: what the next layer can hear of the neuron."""
    return following.strength_out()


def product(layer, following):
    """Incoming times outgoing strength: 0 for a neuron that hears nothing or is not heard."""
    return layer.strength() * following.strength_out()


NAMES = {"incoming": incoming, "outgoing": outgoing, "product": product}


def check(importance):
    """Raise TypeError for what is no function."""
    if not callable(importance) or isinstance(importance, type):
        checks.fail("importance", importance, "a function (layer, following) -> (neurons,) numbers", TypeError)


def scores(importance, model):
    """[(neurons,) of each hidden layer], the function's answers looked at; ValueError where one does not fit."""
    found = []
    for layer, following in zip(model.layers, model.layers[1:], strict=False):
        answer, n = checks.as_array(importance(layer, following)), layer.topology.n_out
        if answer.shape != (n,) or answer.dtype.kind not in "iuf":
            checks.fail("importance's answer", answer, f"an array of numbers of shape ({n},)")
        check_finite("importance's answer", answer)
        found.append(answer)
    return found
