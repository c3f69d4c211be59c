"""A plain model in one file: arrays and a JSON header in an .npz, no pickle, nothing executed on loading."""

import json
import os
import tempfile

import numpy as np

from . import activations, checks, initializers
from .layers import SparseLinear
from .mlp import SparseMLP, check_sizes
from .topology import Topology

FORMAT = 1
PARTS = ("indptr", "indices", "w", "b")


def save(model, path):
    """Write `model` to `path` (.npz is added where missing), through a temporary file; returns the path.

    Raises ValueError where the activation or initializer is a plug-in, which has no name to be stored by.
    """
    header = {
        "format": FORMAT,
        "sizes": model.sizes,
        "dtype": str(model.dtype),
        "dropout": model.dropout,
        "activation": activations.describe(model.activation),
        "initializer": initializers.describe(model.initializer),
    }
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    for i, layer in enumerate(model.layers):
        t = layer.topology
        arrays |= {f"{i}.indptr": t.indptr, f"{i}.indices": t.indices, f"{i}.w": layer.w, f"{i}.b": layer.b}
    path = os.fspath(path)
    path = path if path.endswith(".npz") else path + ".npz"
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), suffix=".tmp")
    try:
        os.chmod(temporary, 0o666 & ~umask())
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def umask():
    """The user's mask for new files, which mkstemp does not heed."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load(path):
    """The model that `save` wrote. Raises ValueError naming what is wrong with the file; a bad index never gets through."""
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop("header").tobytes())
        version = header["format"]
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: not a sparselab model ({type(error).__name__}: {error})") from error
    if version != FORMAT:
        raise ValueError(f"{path}: format {checks.shown(version)}, this version reads {FORMAT}")
    try:
        return _build(header, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: damaged model ({type(error).__name__}: {error})") from error


def _build(header, arrays):
    sizes, dtype, layers = check_sizes(header["sizes"]), np.dtype(header["dtype"]), []
    names = {f"{i}.{part}" for i in range(len(sizes) - 1) for part in PARTS}
    if set(arrays) != names:
        raise ValueError(f"arrays {sorted(set(arrays) ^ names)} are missing or too many")
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        parts = {name: arrays[f"{i}.{name}"] for name in PARTS}
        topology = Topology(n_out, n_in, parts["indptr"], parts["indices"])
        if parts["w"].dtype != dtype or not (np.isfinite(parts["w"]).all() and np.isfinite(parts["b"]).all()):
            raise ValueError(f"layer {i + 1}: weights must be finite {dtype}")
        layers.append(SparseLinear(topology, parts["w"], parts["b"]))
    return SparseMLP(
        layers, activations.get(**_named(header["activation"], "activation")), dropout=header["dropout"],
        initializer=initializers.get(**_named(header["initializer"], "initializer")),
    )  # fmt: skip


def _named(described, argument):
    return {argument: described["name"]} | {k: v for k, v in described.items() if k != "name"}
