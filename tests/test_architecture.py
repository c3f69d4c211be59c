"""The architecture as tests: no circles, few modules in the root, short chains of folders, lazy imports from one list."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib

import import_graph as graph
import pytest

import sparselab as sl
from sparselab.utils import lazy, moved

KNOWN = graph.modules()
ROOT = {"__init__.py", "__main__.py", "cli.py", "testing.py"}
# Slow, optional or platform-bound packages: the only ones that may be imported inside a function.
LAZY = {
    "cloudpickle", "dask", "distributed", "importlib", "ipywidgets", "joblib", "loky", "multiprocessing", "pandas", "pooch",
    "requests", "resource", "scipy", "sklearn", "torch", "tqdm", ".torch_modules",
}  # fmt: skip
LONGEST_CHAIN = 12


def late_imports(source):
    """What is imported inside functions: top-level package names, and modules of this package with a dot before them."""
    found = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found |= {f".{alias.name}" for alias in node.names} if node.level else {node.module.partition(".")[0]}
    return found


def test_no_circle_of_modules():
    assert graph.circles(graph.graph()) == []


def test_no_circle_of_folders_and_short_chains():
    folders = graph.folders()
    assert graph.circles(folders) == []
    assert len(graph.longest_chain(folders)) <= LONGEST_CHAIN, graph.longest_chain(folders)


def test_circles_and_chains_are_seen():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert graph.circles(edges) == [["b", "c"]]
    assert graph.longest_chain({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == ["a", "b", "c"]


def test_imports_of_all_kinds_are_seen(tmp_path):
    package = tmp_path / "p"
    (package / "q").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "q/__init__.py").write_text("")
    (package / "q/a.py").write_text("def f():\n    from ..b import x\n    from . import c\n")
    (package / "q/c.py").write_text("import p.b\n")
    (package / "b.py").write_text("from .q.a import f\n")
    edges = graph.graph(package)
    assert edges["p.q.a"] == {"p.b", "p.q.c"}
    assert edges["p.q.c"] == {"p.b"}
    assert graph.circles(edges) == [["p.b", "p.q.a", "p.q.c"]]


def test_the_root_holds_the_entry_points_only():
    assert {path.name for path in graph.PACKAGE.glob("*.py")} == ROOT
    assert (graph.PACKAGE / "py.typed").is_file()


def drawn_folders(text):
    """The folders of the drawing in docs/architecture.md, as paths below the package, from the top down."""
    drawing = text.partition("## Folders")[2].partition("```\n")[2].partition("```")[0]
    found, parent = [], ""
    for line in drawing.splitlines()[1:]:
        marks, name = re.match(r"([│├└─ ]+)(\w+)/", line).groups()
        parent = parent if len(marks) > 4 else name
        found.append(name if len(marks) == 4 else f"{parent}/{name}")
    return found


def test_the_drawing_shows_the_folders_in_the_order_of_the_contract():
    found = drawn_folders((graph.PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8"))
    folders = [path.parent.relative_to(graph.PACKAGE).as_posix() for path in graph.PACKAGE.rglob("__init__.py")]
    assert sorted(found) == sorted(set(folders) - {"."})
    contract = tomllib.loads((graph.PACKAGE.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert [name for name in found if "/" not in name] == [name for name in contract["layers"] if name in found]


def test_only_heavy_or_optional_packages_are_imported_late():
    found = {name: late_imports(path.read_text()) - LAZY for name, path in KNOWN.items()}
    assert {name: what for name, what in found.items() if what} == {}
    assert late_imports("import a\ndef f():\n    import b.c\n    from .d import e") == {"b", ".e"}


def imports_of(source):
    """{public name: (relative module, name there)} of the imports in a stub, by its syntax tree."""
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    module = lambda node: "." * node.level + (node.module or "")
    return {alias.asname: (module(node), alias.name) for node in imports for alias in node.names}


STUBS = sorted(graph.PACKAGE.rglob("__init__.pyi"))


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_stubs_list_what_a_package_loads_on_first_use(stub):
    """A module named like a function of its package would take the function's place as soon as it is imported."""
    origins, name = lazy.origins(stub), ".".join(stub.parent.relative_to(graph.PACKAGE.parent).parts)
    assert origins == imports_of(stub.read_text(encoding="utf-8"))
    package = importlib.import_module(name)
    assert list(origins) == package.__all__
    assert set(origins) <= set(dir(package))
    for public, (module, _) in origins.items():
        assert getattr(package, public) is not None
        assert module == "." or f"{name}.{public}" not in KNOWN
    assert not hasattr(package, "nothing_of_this_name")


def test_every_package_with_lazy_names_has_a_stub():
    loads = {path.parent for path in graph.PACKAGE.rglob("__init__.py") if "lazy.attach(" in path.read_text()}
    assert {stub.parent for stub in STUBS} == loads


@pytest.mark.parametrize("old", sorted(moved.MOVED))
def test_old_spellings_name_the_new_place(old):
    with pytest.raises(ImportError, match=moved.MOVED[old].split(",")[0].replace(".", r"\.")):
        __import__(f"sparselab.{old}")
    for new in moved.MOVED[old].replace(" and ", ", ").split(", "):
        assert f"sparselab.{new}" in KNOWN


def test_from_imports_of_old_spellings_name_the_new_place():
    with pytest.raises(ImportError, match=r"experiments\.studies"):
        from sparselab import studies  # noqa: F401


def test_public_modules_keep_their_spelling():
    import sparselab.losses

    import sparselab.nn.losses

    assert sparselab.losses is sparselab.nn.losses is sl.losses
    assert sparselab.losses.__spec__.name == "sparselab.nn.losses"
    with pytest.raises(ModuleNotFoundError):
        import sparselab.nowhere  # noqa: F401


def test_nothing_but_sparselab_torch_imports_torch():
    code = "import sys, sparselab as sl; sl.SET, sl.SparseLinear; assert not {'torch', 'sparselab.torch'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_torch_the_extra_is_named():
    code = "import sys; sys.modules['torch'] = None\ntry: import sparselab.torch\nexcept ImportError as error: print(error)"
    out = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True).stdout
    assert "[torch]" in out
