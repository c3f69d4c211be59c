"""What a run was started with, as plain values for its checkpoints, and how two such descriptions differ."""

import hashlib
import numbers
import platform
from dataclasses import MISSING, fields, is_dataclass

import numpy as np
import scipy.sparse

from ..utils import checks, version
from .container import CHUNK
from .state import BATCHES

RENAMED = {"Asked": "LiveZeta"}  # classes by their names in files of version 0.1
FIRST = {"new_values": "initializer"}  # of rules, where it is not the default of today


def describe_run(run, config):
    """Everything but the seed that decides a run, as plain values. run: an EpochRunner, or an object with the same attributes."""
    model = run.model
    return {
        "data": data_digest(run.X, run.targets),
        "test": None if run.test is None else data_digest(*run.test),
        "augmentation": describe(run.augmentation),
        "net": list(model.sizes),
        "loss": describe(run.loss),
        "dtype": str(model.dtype),
        "activation": describe(model.activation),
        "dropout": model.dropout,
        "initializer": describe(model.initializer),
        "batch_size": run.batch_size,
        "optimizer": describe(run.optimizer),
        "rules": describe(run.rules),
        "evaluate_every": run.evaluate_every,
        "parallel": getattr(run, "parallel", None),
        "versions": versions(),
        "config": config,
    }


def data_digest(X, targets):
    """sha256 of shape, dtype and bytes of training features (dense or CSR) and targets, as hexadecimal digits."""
    digest = hashlib.sha256()
    arrays = [X.data, X.indices, X.indptr] if scipy.sparse.issparse(X) else [X]
    for array in (*arrays, targets):
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        content = array.reshape(-1).view(np.uint8)
        for start in range(0, len(content), CHUNK):
            digest.update(content[start : start + CHUNK])
    digest.update(f"{X.shape}".encode())
    return digest.hexdigest()


def order_digest(state, n_samples):
    """sha256 of the order of this epoch's samples; another version of NumPy may draw another one."""
    return hashlib.sha256(state.stream(BATCHES).permutation(n_samples).tobytes()).hexdigest()


def versions():
    """{name: version} of everything that the bits of a result may depend on."""
    packages = version.versions("numpy", "numba", "llvmlite")
    return {"sparselab": version.__version__, "python": platform.python_version(), **packages, "machine": platform.machine()}


def describe(value):
    """An optimizer, rule, schedule, loss or activation as plain values: classes by name, dataclasses with their fields."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, list | tuple):
        return [describe(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        values = {one.name: describe(getattr(value, one.name)) for one in fields(value)}
        return {"type": type(value).__qualname__, **values}
    name = getattr(value, "__qualname__", type(value).__qualname__)
    if isinstance(value, type):
        return name
    settings = {one: getattr(value, one) for one in getattr(value, "setting_names", ())}
    changed = {one: describe(setting) for one, setting in settings.items() if setting != getattr(type(value), one)}
    return {"type": name, **changed} if changed else name  # the name alone as in files from before losses had settings


def with_new_names(description):
    """A description from a file, with today's names of classes."""
    if isinstance(description, dict):
        return {key: with_new_names(value) for key, value in description.items()}
    if isinstance(description, list):
        return [with_new_names(value) for value in description]
    return RENAMED.get(description, description) if isinstance(description, str) else description


def with_first_values(description, value):
    """A description from a file, with the fields that its classes had not yet when it was written.

    value: the object of today beside it. A field that is missing has the value with which today's code does what that code did:
    the default, or that in FIRST.
    """
    if isinstance(description, list) and isinstance(value, list | tuple) and len(description) == len(value):
        return [with_first_values(*pair) for pair in zip(description, value, strict=True)]
    if not isinstance(description, dict) or not is_dataclass(value) or description.get("type") != type(value).__qualname__:
        return description
    found = {}
    for one in fields(value):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if one.name in description:
            found[one.name] = with_first_values(description[one.name], getattr(value, one.name))
        elif default is not MISSING:
            found[one.name] = FIRST.get(one.name, describe(default))
    return description | found


def memory_by_kind(old, new, memory):
    """The memory of each rule of a run that goes on: that of the first rule of its class whose memory is left, else none.

    old, new: descriptions of the rules that `memory` is of, and of the rules of now.
    """
    left = list(zip(map(kind_of, old), memory, strict=False)) if isinstance(old, list) else []
    found = []
    for kind in map(kind_of, new):
        at = next((i for i, (other, _) in enumerate(left) if other == kind), None)
        found.append({} if at is None else left.pop(at)[1])
    return found if any(found) else []


def kind_of(description):
    """The class in a description of an optimizer or rule, of a dataclass or of another one."""
    return description.get("type") if isinstance(description, dict) else description


def differences(name, old, new):
    """ "name: old -> new" for each plain value that differs, also inside dicts and lists of equal length."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [text for key in {**old, **new} for text in differences(f"{name}.{key}", old.get(key), new.get(key))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [text for i, pair in enumerate(zip(old, new, strict=True)) for text in differences(f"{name}[{i}]", *pair)]
    return [] if old == new else [f"{name} {checks.shown(old)} -> {checks.shown(new)}"]
