"""A net as PyTorch modules, and a Sequential of linear layers as a net; PyTorch is imported when one of the two is called."""

from itertools import pairwise, zip_longest

from ..nn import activations
from ..training.loop import check_model
from ..utils import checks
from .matrices import check_room, dense
from .parts import check_tolerance, named_error, net_of

LAYOUTS = "dense", "csr"


def to_torch(model, layout="dense"):
    """A torch.nn.Sequential that gives the same logits (up to rounding) for samples in rows, X (n, n_in) -> (n, n_out).

    layout: "dense", torch.nn.Linear with zeros where there is no link (training it would fill them: see torch.nn.utils.prune), or
    "csr", a module whose parameters are the links alone. Activations are torch's own where it has them, a module of two slopes
    for All-ReLU; dropout is torch.nn.Dropout. Returned in eval mode: `.train()` turns dropout on. Weights are copies.

    Raises ImportError without PyTorch, ValueError for an unknown layout or a plug-in activation that is not a pair of slopes,
    InsufficientMemoryError, before anything is allocated, where dense matrices do not fit.
    """
    check_model(model)
    checks.choice("layout", layout, LAYOUTS)
    modules = torch_modules()
    between = [modules.of_activation(f) for f in model.hidden]
    if layout == "dense":
        check_room(model, 'to_torch(layout="dense")', 'layout="csr"')
    parts = []
    for layer, activation in zip_longest(model.layers, between):
        parts.append(modules.linear(dense(layer), layer.b) if layout == "dense" else modules.sparse_linear(layer))
        if activation is not None:
            parts += [activation, modules.nn.Dropout(model.dropout)] if model.dropout else [activation]
    return modules.nn.Sequential(*parts).eval()


def from_torch(module, *, activation=None, dropout=None, initializer="he_uniform", dtype=None, tolerance=0.0):
    """A SparseMLP of a torch.nn.Sequential of linear layers whose zeros are missing links, such as a pruned one; all is copied.

    Links are the entries with |w| > tolerance; under torch.nn.utils.prune those its mask keeps (a kept 0 is a link), in a sparse
    weight the entries it stores. activation: None reads ReLU, LeakyReLU, Tanh, Identity (or nothing) and the slopes of `to_torch`
    between the layers, which must belong together; else what stands there counts as the activation given (object or name).
    dropout: None reads torch.nn.Dropout. Sequentials may be nested; Flatten may stand first. The last layer gives logits: no
    softmax behind it. dtype: None is float64 where the module has it, else float32.

    Raises ImportError without PyTorch, TypeError or ValueError naming the part of the module that cannot be taken over.
    """
    modules, tolerance = torch_modules(), check_tolerance(tolerance)
    activation = None if activation is None else activations.get(activation)
    blocks = modules.blocks_of(module, any_activation=activation is not None)
    links, biases = [], []
    for name, linear, _, _ in blocks:
        with named_error(name):
            links.append(modules.links_of(linear, tolerance))
            biases.append(modules.values_of(linear, "bias"))
    for (before, *_), (after, *_), (a, _), (b, _) in zip(blocks, blocks[1:], links, links[1:]):
        if a.n_out != b.n_in:
            raise ValueError(f"{after}: has {b.n_in} inputs, must have the {a.n_out} outputs of {before}")
    activation = together([found for _, _, found, _ in blocks[:-1]]) if activation is None else activation
    dropout = same([p for _, _, _, p in blocks[:-1]]) if dropout is None else dropout
    return net_of("weights", links, biases, dtype, activation=activation, dropout=dropout, initializer=initializer)


def torch_modules():
    """The file that knows PyTorch; ImportError that says what to install."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'sl.export needs PyTorch for this, and it cannot be imported. Install it, e.g. with pip install -e ".[bench]" '
            "in this repository, or use to_scipy, to_dense or to_npz, which do not need it"
        ) from error
    from . import torch_modules

    return torch_modules


def together(found):
    """The one activation whose form in hidden layer 1, 2, … is what was found there: "tanh" or (left, right) each."""
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


def same(found):
    """The share dropped after every hidden layer."""
    for (i, before), (j, after) in pairwise(enumerate(found, 1)):
        if before != after:
            raise ValueError(f"module: drops {before} after hidden layer {i}, {after} after {j}: give one dropout=")
    return found[0] if found else 0.0
