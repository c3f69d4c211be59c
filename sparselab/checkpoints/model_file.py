"""Model files: a net without anything of its training. A header holds sizes, activation and the like; arrays hold the rest.

The file format is in container.py; a checkpoint (checkpoint.py) holds the same and more.
"""

from __future__ import annotations

import os

import numpy as np

from ..datasets.targets import MAX_LABEL, as_classes
from ..nn import activations, initializers
from ..nn.linear import SparseLinear
from ..nn.mlp import SparseMLP, check_model, check_values
from ..nn.shapes import check_dtype, check_sizes
from ..nn.trained_activations import MAX_VALUES
from ..topology.neuron_ids import Neurons
from ..topology.topology import MAX_WIDTH, Topology
from ..utils import checks
from . import container
from .container import CheckpointError, UnfitError

FORMAT = 2
MAX_LAYERS = 4096
SMALLEST_TILE = 8  # samples that are computed at once at least


def save(model: SparseMLP, path: str | os.PathLike[str]) -> str:
    """Write a net to a file.

    The file is an uncompressed .npz (`sparselab.export.to_npz` describes it), written under a temporary name and then moved.

    Parameters
    ----------
    model : SparseMLP
        The net.
    path : str or path-like
        The file; ".npz" is added where it is missing.

    Returns
    -------
    str
        The path that was written.

    Raises
    ------
    OSError
        Where the file cannot be written; one that was there before stays.
    ValueError
        Where a number is not finite, or where activation or initializer is a plug-in, which has no name to be stored by.

    Examples
    --------
    >>> import os, tempfile
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sl.save(model, os.path.join(folder, "net"))
    ...     again = sl.load(path)
    >>> os.path.basename(path), again.n_links == model.n_links
    ('net.npz', True)
    """
    check_model(model)
    file, arrays = with_suffix(path), model_arrays(model)
    check_finite(arrays)
    container.write(file, {"format": FORMAT, "kind": "model", "model": model_header(model)}, arrays)
    return file


def load(path: str | os.PathLike[str]) -> SparseMLP:
    """Read a net from a file that `save` wrote.

    Every index is checked before it is used, and nothing in a file is executed.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    SparseMLP
        The net, bit for bit as it was saved.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    CheckpointError
        Where it cannot be used, naming the file and what is wrong with it.

    Examples
    --------
    >>> import os, tempfile
    >>> import sparselab as sl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sl.save(sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0), os.path.join(folder, "net"))
    ...     sl.load(path).sizes
    (4, 8, 3)
    """
    with container.open_container(checks.path("path", path)) as file:
        header = check_kind(file.header, "model", "load_checkpoint(path).model")
        return build(header["model"], file.arrays(*expected_arrays(header["model"])))


def with_suffix(path):
    """The path as a str that ends in .npz; TypeError or ValueError for one that cannot be."""
    path = checks.path("path", path)
    return path if path.endswith(".npz") else path + ".npz"


def check_kind(header, kind, other):
    """Return the header if it has this kind and our format; `other`: the call that reads the other kind."""
    if type(header.get("format")) is not int or header["format"] != FORMAT:
        raise CheckpointError(f"format {checks.shown(header.get('format'))}: this version reads {FORMAT}")
    if header.get("kind") != kind:
        raise CheckpointError(f"kind {checks.shown(header.get('kind'))}: must be {kind!r} ({other} reads the other kind)")
    return header


def model_header(model, *, plug_ins=False):
    """The plain values of a net; with `plug_ins`, an activation or initializer without a name is stored by its class."""
    checks.integer("layers", len(model.layers), high=MAX_LAYERS)
    plain = model.classes is None or (  # numbers of the outputs
        model.classes.dtype.kind in "iu" and np.array_equal(model.classes, np.arange(len(model.classes)))
    )
    classes = {} if plain else {"classes": plain_classes(model.classes)}
    values = [len(layer.values) for layer in model.layers]
    return (
        classes
        | ({"values": values} if any(values) else {})
        | {
            "sizes": model.sizes,
            "original_sizes": model.neurons.sizes,
            "nnz": model.nnz,
            "dtype": str(model.dtype),
            "dropout": model.dropout,
            "activation": name_of(activations.describe, model.activation, plug_ins),
            "initializer": name_of(initializers.describe, model.initializer, plug_ins),
        }
    )


def plain_classes(classes):
    """The labels of a net as plain values; bytes as text."""
    texts = [label.decode("latin-1") for label in classes.tolist()] if classes.dtype.kind == "S" else classes.tolist()
    return {"dtype": classes.dtype.str, "labels": texts}


def read_classes(stored, n_out):
    """The labels in a header; ValueError or TypeError unless they are labels for n_out outputs."""
    dtype, labels = np.dtype(str(stored["dtype"])), stored["labels"]
    if dtype.kind not in "biufUS" or not isinstance(labels, list) or len(labels) > max(n_out, 2) or dtype.itemsize > MAX_LABEL:
        checks.fail("classes", stored, f"at most {n_out} labels")
    if any(type(label) is not {"b": bool, "i": int, "u": int, "f": float}.get(dtype.kind, str) for label in labels):
        checks.fail("classes", stored, f"labels of the type {dtype}")
    return as_classes(np.array([label.encode("latin-1") for label in labels] if dtype.kind == "S" else labels, dtype), n_out)


def name_of(describe, value, plug_ins):
    """describe(value), or {"plug_in": class} where plug-ins are allowed."""
    try:
        return describe(value)
    except ValueError:
        if not plug_ins:
            raise
        return {"plug_in": class_of(value)}


def class_of(plug_in):
    """The name of a plug-in's class, or of a function."""
    return getattr(plug_in, "__qualname__", type(plug_in).__qualname__)


def model_arrays(model):
    """{name: array} of a net, not copied."""
    arrays = {}
    for i, layer in enumerate(model.layers):
        t = layer.topology
        arrays |= {f"{i}.indptr": t.indptr, f"{i}.indices": t.indices, f"{i}.w": layer.w, f"{i}.b": layer.b}
        if len(layer.values):
            arrays[f"{i}.values"] = layer.values.reshape(-1)
        if model.neurons.kept[i + 1] is not None:
            arrays[f"{i}.neurons"] = model.neurons.kept[i + 1]
    return arrays


def check_finite(arrays):
    """Raise CheckpointError naming an array with a number that is not finite: such a file could not be read again."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not checks.all_finite(array):
            raise CheckpointError(f"{name}: weights, biases and optimizer state must be finite")


def expected_arrays(header):
    """({name: (dtype, length)} that a file with this model header must hold, bytes that using the net needs besides).

    A net may be wide without many links: the smallest tile of its activations and the transposed index must fit too.
    """
    checks.integer("layers", len(header["sizes"]) - 1, high=MAX_LAYERS)
    sizes, dtype = check_sizes(header["sizes"]), check_dtype(header["dtype"])
    if not isinstance(header["nnz"], list) or len(header["nnz"]) != len(sizes) - 1:
        checks.fail("nnz", header["nnz"], f"a list of {len(sizes) - 1} whole numbers")
    original = check_sizes(header["original_sizes"])
    if len(original) != len(sizes) or (original[0], original[-1]) != (sizes[0], sizes[-1]):
        checks.fail("original_sizes", original, f"{len(sizes)} widths with the ends of sizes, {sizes}")
    arrays, values = {}, values_in(header)
    for i, (n_out, nnz) in enumerate(zip(sizes[1:], header["nnz"], strict=True)):
        checks.integer(f"nnz[{i}]", nnz, low=0, high=MAX_WIDTH)
        arrays |= {f"{i}.indptr": (np.int64, n_out + 1), f"{i}.indices": (np.int32, nnz)}
        arrays |= {f"{i}.w": (dtype, nnz), f"{i}.b": (dtype, n_out)}
        if values[i]:
            arrays[f"{i}.values"] = (dtype, values[i] * n_out)
        if n_out != original[i + 1]:
            arrays[f"{i}.neurons"] = (np.int64, n_out)
    return arrays, sum(sizes) * (SMALLEST_TILE * dtype.itemsize + 8) + sum(header["nnz"]) * 8


def values_in(header):
    """Trained values of a neuron of each layer, from a header, which has them only where there are any."""
    n_layers = len(header["sizes"]) - 1
    values = header.get("values", [0] * n_layers)
    if not isinstance(values, list) or len(values) != n_layers:
        checks.fail("values", values, f"a list of {n_layers} whole numbers")
    return [checks.integer(f"values[{i}]", k, low=0, high=MAX_VALUES) for i, k in enumerate(values)]


def build(header, arrays, like=None):
    """The net of a header and its arrays; `like`: a net from which plug-in activations and initializers are taken."""
    check_finite(arrays)
    sizes, layers = header["sizes"], []
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        w, b = arrays[f"{i}.w"], arrays[f"{i}.b"]
        topology = Topology(n_out, n_in, arrays[f"{i}.indptr"], arrays[f"{i}.indices"])
        values = arrays.get(f"{i}.values")
        layers.append(SparseLinear(topology, w, b, None if values is None else values.reshape(-1, n_out)))
    activation = read_object(activations.get, header, "activation", like)
    check_values(layers, activation, "the file: layers")  # a net would draw values where there are none
    model = SparseMLP(
        layers,
        activation,
        dropout=header["dropout"],
        initializer=read_object(initializers.get, header, "initializer", like),
    )
    if "classes" in header:
        model.classes = read_classes(header["classes"], sizes[-1])
    kept = [arrays.get(f"{i}.neurons") for i in range(len(layers))]
    model.neurons = Neurons(tuple(header["original_sizes"]), (None, *kept))
    return model


def read_object(get, header, argument, like):
    """The activation or initializer that a header names, or the plug-in that `like` has."""
    stored = header[argument]
    if "plug_in" in stored:
        if like is None:
            raise UnfitError(f"{argument} = {checks.shown(stored['plug_in'])} is a plug-in: give a model that has it (model=)")
        found = getattr(like, argument)
        if class_of(found) != stored["plug_in"]:
            raise UnfitError(
                f"{argument} = {checks.shown(stored['plug_in'])}: must be a {class_of(found)}, as in the model given"
            )
        return found
    return get(**{argument: stored["name"]} | {k: v for k, v in stored.items() if k != "name"})
