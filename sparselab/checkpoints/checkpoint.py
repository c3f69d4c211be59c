"""What a checkpoint holds: the net, the optimizer's vectors, where the run stands, its history, and what it was run with.

A file is a container (see container.py). Permutations are not stored, because they are functions of seed and epoch; a digest of
the current one is, for another version of NumPy may draw another.
"""

import hashlib
import os
import platform
import shutil
from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import scipy.sparse

from ..nn.mlp import SparseMLP
from ..nn.optimizers import LayerState, check_state
from ..utils import checks, version
from . import container, model_file
from .container import CheckpointError
from .records import History
from .run_dir import RunDir
from .state import BATCHES, EpochTotals, TrainingState

RENAMED = {"Asked": "LiveZeta"}  # classes by their names in files of version 0.1
MOST_BATCHES, MOST_VECTORS, MOST_POOL = 2**40, 16, 64


@dataclass
class Checkpoint:
    """model: a SparseMLP; state: a TrainingState; history: a History; about: what the run was run with (plain values)."""

    model: SparseMLP
    state: TrainingState
    history: History
    about: dict
    path: str = ""


def save_checkpoint(model, state, path, history=(), *, about=None):
    """Write one checkpoint file (.npz is added where missing); returns its path. `about`: a dict of plain values.

    `train(..., checkpoint=folder)` does this after every epoch. Raises CheckpointError naming path, reason and free space; the
    file that was there stays then.
    """
    path = model_file.with_suffix(path)
    check_state(state.optimizer, model)
    if state.batch and not (state.evolved and len(state.totals.losses) == state.batch):
        raise CheckpointError(f"{path}: batch = {state.batch}: must be that of an epoch trained by steps or train")
    try:
        write(model, state, path, history, about or {})
    except (OSError, TypeError, CheckpointError) as error:
        raise CheckpointError(f"{path}: {reason(error, path)}") from error
    return path


def load_checkpoint(path, model=None):
    """The Checkpoint in a file, or the newest good one of a folder (a warning names each that is damaged).

    model: to load into, in place; needed where activation or initializer is a plug-in. Raises FileNotFoundError, or
    CheckpointError naming the file and what is wrong with it.
    """
    if os.path.isdir(path):
        found = RunDir(path).last_good(lambda file: read(file, model))
        if found is None:
            raise FileNotFoundError(f"{os.fspath(path)}: no checkpoint that can be read is in this folder")
        checkpoint = found[1]
    else:
        checkpoint = read(path, model)
    if model is not None:
        put(checkpoint.model, model)
        checkpoint.model = model
    return checkpoint


def reason(error, path):
    """Why nothing could be written, and how much space is left there."""
    try:
        left = f"; {shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free / 2**20:,.0f} MiB free"
    except OSError:
        left = ""
    return f"cannot be written ({error}{left})"


# writing


def write(model, state, path, history, about):
    """The file itself; see container.write for what may go wrong."""
    header = {
        "format": model_file.FORMAT,
        "kind": "checkpoint",
        "model": model_file.header_of(model, plug_ins=True),
        "vectors": [[len(s.links), len(s.neurons)] for s in state.optimizer],
        "state": header_of(state),
        "history": History(history).to_table(),
        "about": about,
    }
    arrays = model_file.arrays_of(model) | arrays_of(state)
    model_file.check_finite(arrays)
    container.write(path, header, arrays)


def header_of(state):
    """A TrainingState's plain values; the totals of an epoch are kept only in the middle of it."""
    totals, seeds = state.totals if state.evolved else EpochTotals(), state.seeds
    entropy = seeds.entropy if isinstance(seeds.entropy, int | np.integer) else list(map(int, seeds.entropy))
    return {
        "entropy": int(entropy) if not isinstance(entropy, list) else entropy,
        "spawn_key": [int(key) for key in seeds.spawn_key],
        "pool_size": seeds.pool_size,
        "epoch": state.epoch,
        "batch": state.batch,
        "evolved": state.evolved,
        "changes": totals.changes,
        "neurons_pruned": totals.neurons_pruned,
        "hits": totals.hits,
        "n_samples": totals.n_samples,
        "learning_rate": None if totals.learning_rate is None else float(totals.learning_rate),
        "seconds": {phase: float(spent) for phase, spent in totals.seconds.items()},
    }


def arrays_of(state):
    """{name: array}: the optimizer's vectors of each layer, and the losses of the epoch's mini-batches so far."""
    arrays = {}
    for i, s in enumerate(state.optimizer):
        arrays |= {f"{i}.links.{k}": vector for k, vector in enumerate(s.links)}
        arrays |= {f"{i}.neurons.{k}": vector for k, vector in enumerate(s.neurons)}
    return arrays | {"losses": np.array(state.totals.losses if state.evolved else [], np.float64)}


# reading


def read(path, like=None):
    """The Checkpoint in a file, every value looked at, with a net of its own; `like`: a net that has its plug-ins."""
    with container.opened(path) as file:
        header = model_file.check_kind(file.header, "checkpoint", "load(path)")
        described, stored = header["model"], header["state"]
        expected, extra = model_file.expected_of(described)
        batch = checks.integer("batch", stored["batch"], low=0, high=MOST_BATCHES)
        expected |= vectors_of(header["vectors"], described) | {"losses": (np.float64, batch)}
        arrays = file.arrays(expected, extra)
        model = model_file.build(described, arrays, like)
        state = state_of(stored, arrays, header["vectors"])
        check_state(state.optimizer, model)
        history = History.from_table(header["history"])
        if [record.epoch for record in history] != list(range(state.epoch - len(history) + 1, state.epoch + 1)):
            raise CheckpointError(f"the history does not end with epoch {state.epoch}")
        if not isinstance(header["about"], dict):
            checks.fail("about", header["about"], "a JSON object")
        return Checkpoint(model, state, history, with_new_names(header["about"]), os.fspath(path))


def with_new_names(value):
    """What a run was run with, where a file of an older version has an older name of a class: with the name of today."""
    if isinstance(value, dict):
        return {key: with_new_names(one) for key, one in value.items()}
    if isinstance(value, list):
        return [with_new_names(one) for one in value]
    return RENAMED.get(value, value) if isinstance(value, str) else value


def vectors_of(vectors, described):
    """{name: (dtype, length)} of the optimizer's vectors."""
    sizes, dtype, expected = described["sizes"], np.dtype(described["dtype"]), {}
    for i, (n_links, n_neurons) in enumerate(vectors):
        checks.integer(f"vectors[{i}]", max(n_links, n_neurons), low=0, high=MOST_VECTORS)
        expected |= {f"{i}.links.{k}": (dtype, described["nnz"][i]) for k in range(n_links)}
        expected |= {f"{i}.neurons.{k}": (dtype, sizes[i + 1]) for k in range(n_neurons)}
    return expected


def state_of(stored, arrays, vectors):
    """The TrainingState of a header and its arrays."""
    optimizer = [
        LayerState([arrays[f"{i}.links.{k}"] for k in range(a)], [arrays[f"{i}.neurons.{k}"] for k in range(b)])
        for i, (a, b) in enumerate(vectors)
    ]
    pool = checks.integer("pool_size", stored["pool_size"], low=4, high=MOST_POOL)
    if stored["entropy"] is None:
        checks.fail("entropy", None, "whole numbers")
    seeds = np.random.SeedSequence(stored["entropy"], spawn_key=tuple(stored["spawn_key"]), pool_size=pool)
    epoch, evolved = checks.integer("epoch", stored["epoch"], low=0), checks.flag("evolved", stored["evolved"])
    if stored["batch"] and not evolved:
        raise CheckpointError(f"batch = {stored['batch']} of an epoch that has not begun")
    return TrainingState(optimizer, seeds, epoch, stored["batch"], totals_of(stored, arrays["losses"], len(vectors)), evolved)


def totals_of(stored, losses, n_layers):
    """The EpochTotals."""
    changes = [tuple(checks.integer("changes", n, low=0) for n in pair) for pair in stored["changes"]]
    rate, totals = stored["learning_rate"], EpochTotals()
    if stored["evolved"] and (len(changes) != n_layers or any(len(pair) != 2 for pair in changes)):
        checks.fail("changes", stored["changes"], f"{n_layers} pairs")
    neurons = [checks.integer("neurons_pruned", n, low=0) for n in stored["neurons_pruned"]]
    if stored["evolved"] and len(neurons) != n_layers - 1:
        checks.fail("neurons_pruned", neurons, f"{n_layers - 1} numbers")
    if stored["seconds"].keys() != totals.seconds.keys():
        checks.fail("seconds", list(stored["seconds"]), f"{list(totals.seconds)}")
    return EpochTotals(
        changes,
        list(losses),
        checks.integer("hits", stored["hits"], low=0),
        checks.integer("n_samples", stored["n_samples"], low=0),
        None if rate is None else checks.non_negative("learning_rate", rate),
        {phase: checks.non_negative(phase, spent) for phase, spent in stored["seconds"].items()},
        neurons,
    )


def put(model, into):
    """Move a loaded net's layers into another net with the same ends, in place; CheckpointError where they do not fit."""
    try:
        into.take_over(model.layers, "layers, inputs, outputs, dtype", model.neurons)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


# what a run is run with


def fingerprint(X, targets):
    """sha256 of the shape, dtype and bytes of training features (dense or CSR) and targets."""
    digest = hashlib.sha256()
    arrays = [X.data, X.indices, X.indptr] if scipy.sparse.issparse(X) else [X]
    for array in (*arrays, targets):
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        content = array.reshape(-1).view(np.uint8)
        for start in range(0, len(content), container.CHUNK):
            digest.update(content[start : start + container.CHUNK])
    digest.update(f"{X.shape}".encode())
    return digest.hexdigest()


def order_digest(state, n_samples):
    """Of the order of this epoch's samples; another version of NumPy may draw another."""
    return hashlib.sha256(state.stream(BATCHES).permutation(n_samples).tobytes()).hexdigest()


def versions():
    """Of what the bits of a result may depend on."""
    packages = version.versions("numpy", "numba", "llvmlite")
    return {"sparselab": version.__version__, "python": platform.python_version(), **packages, "machine": platform.machine()}


def described(value):
    """An optimizer, rule, schedule, loss or activation as plain values: classes by name, dataclasses with their fields."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [described(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        values = {one.name: described(getattr(value, one.name)) for one in fields(value)}
        return {"type": type(value).__qualname__, **values}
    return getattr(value, "__qualname__", type(value).__qualname__)
