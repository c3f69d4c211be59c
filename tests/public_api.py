"""The public names, their parameters and members as plain values, and what has changed between two such descriptions.

Annotations are left out: they may be added. A parameter is written as "name (kind) = default"; no kind stands where it may be
given by position or by keyword, no default where there is none.
"""

import contextlib
import dataclasses
import importlib
import inspect
import io
import json
import re
import runpy
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import sparselab as sl

# As users spell them after `sl.`; those that cannot be imported under this name are attributes only.
MODULES = (
    "activations", "analysis", "criteria", "datasets", "estimators", "evolution", "evolution.criteria", "evolution.importances",
    "evolution.regrowths", "export", "figures", "importances", "initializers", "losses", "metrics", "parallel", "regrowths",
    "schedules", "starts", "testing", "widgets",
)  # fmt: skip
COMMANDS = ("train", "demo", "extreme", "info")
SPECIAL = {"__call__", "__getitem__", "__iter__", "__len__"}  # methods that users reach without a name
METHODS = {classmethod: "class method", staticmethod: "static method"}


def describe():
    """Everything as plain values: names in lists, of which none may go, and modules with what stands in them."""
    lists = {
        "modules that can be imported": [f"sparselab.{name}" for name in MODULES if is_importable(name)],
        "sl.datasets.names()": sl.datasets.names(),
        **{f"options of python -m sparselab {name}": options(name) for name in COMMANDS},
        **{f"keys of the JSON result, {part}": keys for part, keys in result_keys().items()},
        **{f"choices of the config field {name}": choices for name, choices in choices_of_config().items()},
    }
    modules = {"sl": described_module(sl)} | {f"sl.{name}": described_module(module_of(name)) for name in MODULES}
    return {"lists": lists, "modules": modules}


def module_of(name):
    """The module that users reach as sl.<name> or by importing sparselab.<name>."""
    if is_importable(name):
        return importlib.import_module(f"sparselab.{name}")
    return getattr(sl, name)


def is_importable(name):
    """Whether sparselab.<name> can be imported as a module."""
    try:
        importlib.import_module(f"sparselab.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"sparselab.{name}":
            raise
        return False
    return True


def described_module(module):
    """{name: what it is} of a module's public names."""
    return {name: described(getattr(module, name)) for name in sorted(public_names(module))}


def public_names(module):
    """Those in `__all__`; else those that the module, or one below it, defines, and its table NAMES."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    names = [name for name in vars(module) if not name.startswith("_")]
    return [name for name in names if defined_in(getattr(module, name), module) or name == "NAMES"]


def defined_in(value, module):
    """Whether the value says that it comes from this module."""
    return (getattr(value, "__module__", None) or "").startswith(module.__name__)


def described(value):
    """What stands under a name, as plain values."""
    if isinstance(value, ModuleType):
        return {"kind": "module"}
    if isinstance(value, type):
        return described_class(value)
    if inspect.isroutine(value):
        return {"kind": "function", "parameters": parameters_of(value)}
    keys = {"keys": sorted(value)} if isinstance(value, dict) else {}
    return {"kind": "object", "type": type(value).__name__} | keys


def described_class(kind):
    """Parameters, members and bases of a class, as far as they are this package's (bases: those that are not)."""
    ours = [base for base in kind.__mro__ if base.__module__.partition(".")[0] == "sparselab"]
    made_here = any(name in vars(base) for base in ours for name in ("__init__", "__new__"))
    members = {name: described_member(kind, name) for base in ours for name in vars(base) if is_public(name)}
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    members |= {field.name: {"kind": "attribute"} for field in fields if is_public(field.name)}
    return {
        "kind": "class",
        "parameters": parameters_of(kind) if made_here else None,
        "bases": [base.__name__ for base in kind.__mro__ if base not in ours and base is not object],
        "members": dict(sorted(members.items())),
    }


def is_public(name):
    """Whether users may reach for a member of this name."""
    return not name.startswith("_") or name in SPECIAL


def described_member(kind, name):
    """A method with its parameters, or an attribute (properties and values look alike from outside).

    A method that is there under a condition (scikit-learn's `available_if`) is an attribute with parameters.
    """
    found = inspect.getattr_static(kind, name)
    if callable(getattr(found, "check", None)) and inspect.isfunction(getattr(found, "fn", None)):
        return {"kind": "attribute", "parameters": parameters_of(found.fn)}
    if type(found) in METHODS or inspect.isfunction(found):
        return {"kind": METHODS.get(type(found), "method"), "parameters": parameters_of(getattr(kind, name))}
    return {"kind": "attribute"}


def parameters_of(function):
    """A text for each parameter, or None where there is no signature to be had."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [f"{one.name}{kind_of(one)}{default_of(one)}" for one in parameters]


def kind_of(parameter):
    """The kind in brackets, or nothing where the parameter may be given by position or by keyword."""
    return "" if parameter.kind is parameter.POSITIONAL_OR_KEYWORD else f" ({parameter.kind.description})"


def default_of(parameter):
    """The default after its sign, or nothing; functions and classes by name, for their repr is an address or a module's path."""
    value = parameter.default
    if value is parameter.empty:
        return ""
    if isinstance(value, type) or inspect.isroutine(value):
        return f" = {value.__name__}"
    text = repr(value)
    return f" = {type(value).__name__}" if " at 0x" in text else f" = {text}"


def run_command(*arguments):
    """(exit code, what was printed) of `python -m sparselab …`, run in this process."""
    printed = io.StringIO()
    arguments = patch.object(sys, "argv", ["sparselab", *map(str, arguments)])
    with arguments, contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            runpy.run_module("sparselab", run_name="__main__")
        except SystemExit as end:
            return end.code, printed.getvalue()
    return None, printed.getvalue()


def options(command):
    """Those of a command, from its help."""
    return sorted(set(re.findall(r"--[a-z][a-z-]*", run_command(command, "--help")[1])))


def result_keys():
    """{part: keys} of what `train --json` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        run_command("train", "--dataset", "digits", "--hidden", 8, "--epsilon", 1, "--epochs", 1, "--json", path)
        result = json.loads(path.read_text(encoding="utf-8"))
    return {"top": list(result), "costs": list(result["costs"]), "history": list(result["history"][0])}


def choices_of_config():
    """{field: what may stand in it} of ExperimentConfig, for fields with a choice."""
    fields = dataclasses.fields(sl.ExperimentConfig)
    return {field.name: list(field.metadata["choices"]) for field in fields if field.metadata["choices"]}


# what has changed


def changes(kept, now):
    """A line for each thing that was there and is gone, or is another one; what was added is none."""
    lines = []
    for what, names in kept["lists"].items():
        lines += [f"{what}: {name} is gone" for name in missing(names, now["lists"].get(what, []))]
    for module, names in kept["modules"].items():
        for name, old in names.items():
            new = now["modules"].get(module, {}).get(name)
            lines += [f"{module}.{name} {change}" for change in changes_of(old, new)]
    return lines


def changes_of(old, new):
    """What has changed of one name."""
    if new is None:
        return ["is gone"]
    conditional = old["kind"] == "method" and new["kind"] == "attribute" and "parameters" in new
    if (new["kind"] != old["kind"] and not conditional) or new.get("type") != old.get("type"):
        return [f"is a {new['kind']} {new.get('type', '')}, was a {old['kind']} {old.get('type', '')}"]
    lines = changed_parameters(old.get("parameters"), new.get("parameters"))
    lines += [f"has no {key!r} any more" for key in missing(old.get("keys", []), new.get("keys", []))]
    lines += [f"is no {base} any more" for base in missing(old.get("bases", []), new.get("bases", []))]
    for name, member in old.get("members", {}).items():
        lines += [f"(.{name}) {change}" for change in changes_of(member, new["members"].get(name))]
    return lines


def changed_parameters(old, new):
    """What has changed of a signature; new parameters are allowed at the end, where they have a default."""
    if old is None:
        return []
    if new is None:
        return ["has no signature any more"]
    before, now = (list(filter(has_place, parameters)) for parameters in (old, new))
    lines = [] if now[: len(before)] == before else [f"takes {now}, was {before}"]
    lines += [f"lacks {one}" for one in missing(old, new) if one not in before]
    return lines + [f"wants {one}, which is new" for one in missing(new, old) if needs_value(one) and not lines]


def has_place(parameter):
    """Whether this parameter may be given by position."""
    return not re.match(r"\w+ \((keyword|variadic)", parameter)


def needs_value(parameter):
    """Whether a call must give this parameter."""
    return " = " not in parameter and "(variadic" not in parameter


def missing(wanted, found):
    """What is wanted and not found, in order."""
    return [one for one in wanted if one not in found]
