"""Checkpoint files: a net, the optimizer's state, the position in the run, its history, and what it was run with.

A file is a container (see container.py). Permutations are not stored, because they follow from seed and epoch; a digest of the
current one is, because another version of NumPy may draw another.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..nn.mlp import SparseMLP, check_model
from ..nn.optimizers import LayerState, check_state
from ..utils import checks
from . import container, model_file, run_description
from .container import CheckpointError
from .records import EpochRecord, History
from .run_dir import RunDir
from .state import EpochTotals, TrainingState

MAX_BATCHES, MAX_VECTORS, MAX_POOL = 2**40, 16, 64


@dataclass
class Checkpoint:
    """What a checkpoint file holds.

    Parameters
    ----------
    model : SparseMLP
        The net.
    state : TrainingState
        Optimizer state, seed and position of the run, to go on from (`train(..., state=state)`).
    history : History
        Records of the epochs so far, without fan-in and fan-out vectors.
    about : dict
        Plain values that describe the run.
    path : str, default ""
        The file.

    Examples
    --------
    >>> import os, tempfile
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> state = sl.TrainingState.start(model, sl.MomentumSGD(), seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sl.save_checkpoint(model, state, os.path.join(folder, "start"), about={"note": "untrained"})
    ...     checkpoint = sl.load_checkpoint(path)
    >>> checkpoint.state.epoch, checkpoint.about
    (0, {'note': 'untrained'})
    """

    model: SparseMLP
    state: TrainingState
    history: History
    about: dict[str, Any]
    path: str = ""


def save_checkpoint(
    model: SparseMLP,
    state: TrainingState,
    path: str | os.PathLike[str],
    history: Iterable[EpochRecord] = (),
    *,
    about: dict[str, Any] | None = None,
) -> str:
    """Write one checkpoint file, as `train(..., checkpoint=folder)` does after every epoch.

    The file is written under a temporary name and then moved, so that an interrupted or failed write leaves the file that was
    there before.

    Parameters
    ----------
    model : SparseMLP
        The net.
    state : TrainingState
        The position of the run; in the middle of an epoch it must be that of `steps` or `train`.
    path : str or path-like
        The file; ".npz" is added where it is missing.
    history : iterable of EpochRecord, default ()
        Records of the epochs so far; their fan-in and fan-out vectors are not stored.
    about : dict, optional
        Plain values to be stored with it.

    Returns
    -------
    str
        The path that was written.

    Raises
    ------
    CheckpointError
        Where the file cannot be written, naming path, reason and free space, or where a number is not finite.
    TypeError or ValueError
        Where the state does not belong to the model.

    Examples
    --------
    >>> import os, tempfile
    >>> import sparselab as sl
    >>> model = sl.SparseMLP.create((4, 8, 3), epsilon=2, seed=0)
    >>> state = sl.TrainingState.start(model, sl.MomentumSGD(), seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sl.save_checkpoint(model, state, os.path.join(folder, "start"))
    >>> os.path.basename(path)
    'start.npz'
    """
    check_model(model)
    file = model_file.with_suffix(path)
    check_state(state.optimizer, model)
    if state.batch and not (state.evolved and len(state.totals.losses) == state.batch):
        raise CheckpointError(f"{file}: batch = {state.batch}: must be that of an epoch trained by steps or train")
    try:
        write(model, state, file, history, about or {})
    except (OSError, TypeError, CheckpointError) as error:
        raise CheckpointError(f"{file}: {failure_reason(error, file)}") from error
    return file


def load_checkpoint(path: str | os.PathLike[str], model: SparseMLP | None = None) -> Checkpoint:
    """Read a checkpoint file, or the newest undamaged one of a folder.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder of `train(..., checkpoint=folder)`; a warning names each file of it that is damaged.
    model : SparseMLP, optional
        A net to load into, in place. It is needed where activation or initializer is a plug-in, which has no name to be found
        by.

    Returns
    -------
    Checkpoint
        What the file holds.

    Raises
    ------
    FileNotFoundError
        Where there is no such file, or no readable one in the folder.
    CheckpointError
        Where a file cannot be used or does not fit `model`, naming it and what is wrong with it.

    Examples
    --------
    >>> import tempfile
    >>> import sparselab as sl
    >>> X, y = [[0.0, 1.0], [1.0, 0.0]] * 8, [0, 1] * 8
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = sl.SparseMLP.create((2, 8, 2), epsilon=2, seed=0)
    ...     records = list(sl.train(model, (X, y), epochs=3, seed=0, checkpoint=folder))
    ...     checkpoint = sl.load_checkpoint(folder)
    >>> checkpoint.history["epoch"]
    [1, 2, 3]
    """
    path = checks.path("path", path)
    if os.path.isdir(path):
        found = RunDir(path).last_good(lambda file: read(file, model))
        if found is None:
            raise FileNotFoundError(f"{os.fspath(path)}: no checkpoint that can be read is in this folder")
        checkpoint = found[1]
    else:
        checkpoint = read(path, model)
    if model is not None:
        check_same_net(checkpoint, model)
        load_into(model, checkpoint.model)
        model.classes = checkpoint.model.classes if model.classes is None else model.classes
        checkpoint.model = model
    return checkpoint


def check_same_net(checkpoint, model):
    """CheckpointError for a model that would mean something else with the weights of a checkpoint."""
    stored = checkpoint.model
    pairs = {"activation": (run_description.describe(stored.activation), run_description.describe(model.activation))}
    if stored.classes is not None and model.classes is not None:
        pairs["classes"] = stored.classes.tolist(), model.classes.tolist()
    for name, (was, now) in pairs.items():
        if was != now:
            raise CheckpointError(
                f"{checkpoint.path}: {name} = {checks.shown(was)}: must be {checks.shown(now)}, as in this model"
            )


def failure_reason(error, path):
    """Why a file could not be written, and how much space is left on its disk, as text."""
    try:
        left = f"; {shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free / 2**20:,.0f} MiB free"
    except OSError:
        left = ""
    return f"cannot be written ({error}{left})"


# writing


def write(model, state, path, history, about):
    """Write a checkpoint file; raises as container.write does."""
    header = {
        "format": model_file.FORMAT,
        "kind": "checkpoint",
        "model": model_file.model_header(model, plug_ins=True),
        "vectors": [[len(s.links), len(s.neurons)] for s in state.optimizer],
        **({"counts": [s.count for s in state.optimizer]} if any(s.count for s in state.optimizer) else {}),
        "state": state_header(state),
        "history": History(history).to_table(),
        "about": about,
    }
    arrays = model_file.model_arrays(model) | state_arrays(state)
    model_file.check_finite(arrays)
    container.write(path, header, arrays)


def state_header(state):
    """The plain values of a TrainingState; the totals of an epoch are stored only in the middle of it."""
    totals, seeds = state.totals if state.evolved else EpochTotals(), state.seeds
    entropy = seeds.entropy if isinstance(seeds.entropy, int | np.integer) else list(map(int, seeds.entropy))
    return {
        "entropy": int(entropy) if not isinstance(entropy, list) else entropy,
        "spawn_key": [int(key) for key in seeds.spawn_key],
        "pool_size": seeds.pool_size,
        "epoch": state.epoch,
        "batch": state.batch,
        "evolved": state.evolved,
        **({"event": state.event} if state.event else {}),
        **({"memory": state.memory} if state.memory else {}),
        **({"optimizer_kind": state.optimizer_kind} if state.optimizer_kind else {}),
        **({"epoch_of": totals.epoch_of} if state.batch and totals.epoch_of else {}),
        "changes": totals.changes,
        "neurons_pruned": totals.neurons_pruned,
        "hits": totals.hits,
        "n_samples": totals.n_samples,
        "learning_rate": None if totals.learning_rate is None else float(totals.learning_rate),
        "seconds": {phase: float(spent) for phase, spent in totals.seconds.items()},
    }


def state_arrays(state):
    """{name: array} of a TrainingState: the optimizer's vectors of each layer, the losses of the epoch's mini-batches so far."""
    arrays = {}
    for i, s in enumerate(state.optimizer):
        arrays |= {f"{i}.links.{k}": vector for k, vector in enumerate(s.links)}
        arrays |= {f"{i}.neurons.{k}": vector for k, vector in enumerate(s.neurons)}
    return arrays | {"losses": np.array(state.totals.losses if state.evolved else [], np.float64)}


# reading


def read(path, like=None):
    """The Checkpoint in a file, every value checked, with a new net; `like`: a net that has its plug-ins."""
    with container.open_container(path) as file:
        header = model_file.check_kind(file.header, "checkpoint", "load(path)")
        model_header, stored = header["model"], header["state"]
        expected, extra = model_file.expected_arrays(model_header)
        batch = checks.integer("batch", stored["batch"], low=0, high=MAX_BATCHES)
        expected |= expected_vectors(header["vectors"], model_header) | {"losses": (np.float64, batch)}
        arrays = file.arrays(expected, extra)
        model = model_file.build(model_header, arrays, like)
        state = read_state(stored, arrays, header["vectors"])
        counts = header.get("counts", [0] * len(state.optimizer))  # they are not stored where all are 0
        for i, (s, count) in enumerate(zip(state.optimizer, counts, strict=True)):
            s.count = checks.integer(f"counts[{i}]", count, low=0)
        check_state(state.optimizer, model)
        history = History.from_table(header["history"])
        if [record.epoch for record in history] != list(range(state.epoch - len(history) + 1, state.epoch + 1)):
            raise CheckpointError(f"the history does not end with epoch {state.epoch}")
        if not isinstance(header["about"], dict):
            checks.fail("about", header["about"], "a JSON object")
        return Checkpoint(model, state, history, run_description.with_new_names(header["about"]), os.fspath(path))


def expected_vectors(vectors, model_header):
    """{name: (dtype, length)} of the optimizer's vectors; vectors: how many each layer has for its links and neurons."""
    sizes, dtype, expected = model_header["sizes"], np.dtype(model_header["dtype"]), {}
    for i, ((n_links, n_neurons), values) in enumerate(zip(vectors, model_file.values_in(model_header), strict=True)):
        for n, most in ((n_links, MAX_VECTORS), (n_neurons, MAX_VECTORS * (1 + values))):
            checks.integer(f"vectors[{i}]", n, low=0, high=most)
        expected |= {f"{i}.links.{k}": (dtype, model_header["nnz"][i]) for k in range(n_links)}
        expected |= {f"{i}.neurons.{k}": (dtype, sizes[i + 1]) for k in range(n_neurons)}
    return expected


def read_state(stored, arrays, vectors):
    """The TrainingState of a header and its arrays, checked."""
    optimizer = [
        LayerState([arrays[f"{i}.links.{k}"] for k in range(a)], [arrays[f"{i}.neurons.{k}"] for k in range(b)])
        for i, (a, b) in enumerate(vectors)
    ]
    pool = checks.integer("pool_size", stored["pool_size"], low=4, high=MAX_POOL)
    if stored["entropy"] is None:
        checks.fail("entropy", None, "whole numbers")
    seeds = np.random.SeedSequence(stored["entropy"], spawn_key=tuple(stored["spawn_key"]), pool_size=pool)
    epoch, evolved = checks.integer("epoch", stored["epoch"], low=0), checks.flag("evolved", stored["evolved"])
    if stored["batch"] and not evolved:
        raise CheckpointError(f"batch = {stored['batch']} of an epoch that has not begun")
    event = checks.integer("event", stored.get("event", 0), low=0, high=stored["batch"])
    memory = stored.get("memory", [])
    if not isinstance(memory, list) or not all(isinstance(one, dict) for one in memory):
        checks.fail("memory", memory, "a list of JSON objects")
    totals = read_totals(stored, arrays["losses"], len(vectors))
    kind = stored.get("optimizer_kind", "")
    if not isinstance(kind, str):
        checks.fail("optimizer_kind", kind, "the name of a class")
    return TrainingState(optimizer, seeds, epoch, stored["batch"], totals, evolved, event, memory, kind)


def read_totals(stored, losses, n_layers):
    """The EpochTotals of a header and the losses, checked."""
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
        read_epoch_of(stored["epoch_of"]) if "epoch_of" in stored else None,
    )


def read_epoch_of(stored):
    """(samples, batch size) of an epoch, checked."""
    if not isinstance(stored, list) or len(stored) != 2:
        checks.fail("epoch_of", stored, "two whole numbers")
    return tuple(checks.integer("epoch_of", n) for n in stored)


def load_into(model, loaded):
    """Move the layers of a loaded net into another net with as many inputs and outputs; CheckpointError where they do not fit."""
    try:
        model.take_over(loaded.layers, "layers, inputs, outputs, dtype", loaded.neurons)
    except ValueError as error:
        raise CheckpointError(str(error)) from error
