"""Every public name has annotations, a docstring that numpydoc accepts, and examples that run."""

import doctest
import importlib
import inspect
import tomllib
from pathlib import Path

import public_api
import pytest
from numpydoc.validate import validate

import sparselab as sl

PYPROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
NOT_CHECKED = set(PYPROJECT["tool"]["numpydoc_validation"]["checks"]) - {"all"}


def public():
    """{full name: object} of all public functions and classes, and of the methods and properties of these classes."""
    modules, found = [sl, *(public_api.module_of(name) for name in public_api.MODULES)], {}
    for value in [getattr(module, name) for module in modules for name in public_api.public_names(module)]:
        if inspect.isfunction(value) or inspect.isclass(value):
            found[full_name(value)] = value
        if inspect.isclass(value):
            found |= members(value)
    return found


def members(kind):
    """{full name: object} of the public methods and properties of a class that this package defines."""
    found = {}
    for base in kind.__mro__:
        for name, value in vars(base).items():
            value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)) and is_ours(value):
                found[f"{full_name(base)}.{name}"] = value
    return found


def full_name(value):
    return f"{value.__module__}.{value.__qualname__}"


def function_of(value):
    """The function of a property, anything else as it is."""
    return value.fget if isinstance(value, property) else value


def is_ours(value):
    """Whether a function, method or property, or the constructor of a class, is written in this package."""
    function = value.__init__ if inspect.isclass(value) else function_of(value)
    return (getattr(function, "__module__", None) or "").startswith(("sparselab.", __name__))


def unannotated(value):
    """Parameters without an annotation, and "return" where that has none; none for constructors that are inherited."""
    if not is_ours(value):
        return []
    signature = inspect.signature(function_of(value))
    names = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name not in ("self", "cls")]
    returns = signature.return_annotation is not signature.empty or inspect.isclass(value)
    return names if returns else [*names, "return"]


def faults(name, value):
    """What numpydoc finds in a docstring, as {code: message}. Examples are asked of functions and classes, not of methods."""
    is_member = isinstance(value, property) or "." in value.__qualname__
    ignored = (NOT_CHECKED if is_member else NOT_CHECKED - {"EX01"}) | (set() if is_ours(value) else {"PR01"})
    return {code: text for code, text in validate(name)["errors"] if code not in ignored}


PUBLIC = public()
HOMES = {value.__module__ for value in PUBLIC.values() if not isinstance(value, property)}
each_module = pytest.mark.parametrize("module", sorted(HOMES))


def found_in(module, check):
    """{full name: what check(full name, object) finds} of the public names of a module."""
    mine = {name: value for name, value in PUBLIC.items() if function_of(value).__module__ == module}
    return {name: what for name, value in mine.items() if (what := check(name, value))}


@each_module
def test_every_parameter_and_the_result_are_annotated(module):
    assert found_in(module, lambda name, value: unannotated(value)) == {}


@each_module
def test_numpydoc_accepts_the_docstrings(module):
    assert found_in(module, faults) == {}


@each_module
def test_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(importlib.import_module(module), optionflags=flags).failed == 0


def test_the_walk_finds_functions_classes_methods_and_properties():
    names = {"sparselab.figures.cost_bars.memory", "sparselab.nn.mlp.SparseMLP", "sparselab.nn.mlp.SparseMLP.create"}
    assert names <= PUBLIC.keys()
    assert any(isinstance(value, property) for value in PUBLIC.values())
    assert {name.split(".")[1] for name in HOMES} >= {"nn", "topology", "evolution", "training", "parallel", "widgets", "export"}


def undocumented(a, b: int = 0, **rest):
    """Return nothing of use"""
    return a


def test_the_checks_can_fail():
    assert unannotated(undocumented) == ["a", "rest", "return"]
    assert {"EX01", "PR01", "SS03"} <= faults(f"{__name__}.undocumented", undocumented).keys()


def test_every_public_module_is_reached_by_importing_the_package_alone():
    stub = (Path(sl.__file__).with_suffix(".pyi")).read_text(encoding="utf-8")
    assert [name for name in public_api.MODULES if "." not in name and f" as {name}\n" not in stub] == []
