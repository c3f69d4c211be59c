"""A plain model in one file (see container.py): what training does not change stands in the header, the rest in arrays.

A checkpoint holds the same and more (see checkpoints.py).
"""

import os

import numpy as np

from ..nn import activations, initializers
from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP
from ..nn.shapes import check_dtype, check_sizes
from ..topology.neuron_ids import Neurons
from ..topology.topology import MAX_WIDTH, Topology
from ..utils import checks
from . import container
from .container import CheckpointError, UnfitError

FORMAT = 2
MOST_LAYERS = 4096
SMALLEST_TILE = 8  # columns that the smallest mini-batch is computed with


def save(model, path):
    """Write `model` to `path` (.npz is added where missing), through a temporary file; returns the path.

    Raises OSError, and ValueError where a number is not finite, or where activation or initializer is a plug-in, which has no
    name to be stored by.
    """
    path, arrays = with_suffix(path), arrays_of(model)
    check_finite(arrays)
    container.write(path, {"format": FORMAT, "kind": "model", "model": header_of(model)}, arrays)
    return path


def load(path):
    """The model that `save` wrote.

    Raises FileNotFoundError, or CheckpointError (a ValueError) naming the file and what is wrong with it; a bad index never gets
    through, and nothing in a file is executed.
    """
    with container.opened(path) as file:
        header = check_kind(file.header, "model", "load_checkpoint(path).model")
        return build(header["model"], file.arrays(*expected_of(header["model"])))


def with_suffix(path):
    """The path as text that ends in .npz."""
    path = os.fspath(path)
    return path if path.endswith(".npz") else path + ".npz"


def check_kind(header, kind, other):
    """The header, if it is one of this kind of file and format; `other` reads the other kind."""
    if type(header.get("format")) is not int or header["format"] != FORMAT:
        raise CheckpointError(f"format {checks.shown(header.get('format'))}: this version reads {FORMAT}")
    if header.get("kind") != kind:
        raise CheckpointError(f"kind {checks.shown(header.get('kind'))}: must be {kind!r} ({other} reads the other kind)")
    return header


def header_of(model, *, plug_ins=False):
    """Plain values; `plug_ins`: what has no name of ours is stored by its class, and has to be given again at loading."""
    checks.integer("layers", len(model.layers), high=MOST_LAYERS)
    return {
        "sizes": model.sizes,
        "original_sizes": model.neurons.sizes,
        "nnz": model.nnz,
        "dtype": str(model.dtype),
        "dropout": model.dropout,
        "activation": named(activations.describe, model.activation, plug_ins),
        "initializer": named(initializers.describe, model.initializer, plug_ins),
    }


def named(describe, value, plug_ins):
    """What `describe` gives, or {"plug_in": class} where that is allowed."""
    try:
        return describe(value)
    except ValueError:
        if not plug_ins:
            raise
        return {"plug_in": getattr(value, "__qualname__", type(value).__qualname__)}


def arrays_of(model):
    """{name: array}, not copied."""
    arrays = {}
    for i, layer in enumerate(model.layers):
        t = layer.topology
        arrays |= {f"{i}.indptr": t.indptr, f"{i}.indices": t.indices, f"{i}.w": layer.w, f"{i}.b": layer.b}
        if model.neurons.kept[i + 1] is not None:
            arrays[f"{i}.neurons"] = model.neurons.kept[i + 1]
    return arrays


def check_finite(arrays):
    """CheckpointError naming an array with a number that is not finite: such a file could not be read again."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not checks.all_finite(array):
            raise CheckpointError(f"{name}: weights, biases and what stands beside them must be finite")


def expected_of(header):
    """({name: (dtype, length)}, bytes that using the net takes besides): what a model header says the file must hold.

    A net may be wide without many links: the smallest tile of its activations and the transposed index have to fit too.
    """
    checks.integer("layers", len(header["sizes"]) - 1, high=MOST_LAYERS)
    sizes, dtype = check_sizes(header["sizes"]), check_dtype(header["dtype"])
    if not isinstance(header["nnz"], list) or len(header["nnz"]) != len(sizes) - 1:
        checks.fail("nnz", header["nnz"], f"a list of {len(sizes) - 1} whole numbers")
    original = check_sizes(header["original_sizes"])
    if len(original) != len(sizes) or (original[0], original[-1]) != (sizes[0], sizes[-1]):
        checks.fail("original_sizes", original, f"{len(sizes)} widths with the ends of sizes, {sizes}")
    arrays = {}
    for i, (n_out, nnz) in enumerate(zip(sizes[1:], header["nnz"], strict=True)):
        checks.integer(f"nnz[{i}]", nnz, low=0, high=MAX_WIDTH)
        arrays |= {f"{i}.indptr": (np.int64, n_out + 1), f"{i}.indices": (np.int32, nnz)}
        arrays |= {f"{i}.w": (dtype, nnz), f"{i}.b": (dtype, n_out)}
        if n_out != original[i + 1]:
            arrays[f"{i}.neurons"] = (np.int64, n_out)
    return arrays, sum(sizes) * (SMALLEST_TILE * dtype.itemsize + 8) + sum(header["nnz"]) * 8


def build(header, arrays, like=None):
    """The model of a header and its arrays; `like`: a model that brings activation and initializer where they are plug-ins."""
    check_finite(arrays)
    sizes, layers = header["sizes"], []
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        w, b = arrays[f"{i}.w"], arrays[f"{i}.b"]
        topology = Topology(n_out, n_in, arrays[f"{i}.indptr"], arrays[f"{i}.indices"])
        layers.append(SparseLinear(topology, w, b))
    model = SparseMLP(
        layers,
        object_of(activations.get, header, "activation", like),
        dropout=header["dropout"],
        initializer=object_of(initializers.get, header, "initializer", like),
    )
    kept = [arrays.get(f"{i}.neurons") for i in range(len(layers))]
    model.neurons = Neurons(tuple(header["original_sizes"]), (None, *kept))
    return model


def object_of(get, header, argument, like):
    """What a name in the header stands for: one of ours, or the plug-in that `like` has."""
    described = header[argument]
    if "plug_in" in described:
        if like is None:
            raise UnfitError(f"{argument} = {checks.shown(described['plug_in'])} is a plug-in: give a model that has it (model=)")
        return getattr(like, argument)
    return get(**{argument: described["name"]} | {k: v for k, v in described.items() if k != "name"})
