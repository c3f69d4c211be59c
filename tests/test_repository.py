"""House rules that a reader of one file cannot see broken: each is a function, tried on a bad snippet too."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import sparselab

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sparselab"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "benchmarks").rglob("*.py"))
ENDINGS = {".md", ".toml", ".yml", ".yaml", ".ipynb", ".py"}
NOT_OURS = {".venv", ".git", "out", "runs", "build", ".ipynb_checkpoints"}


def texts(folder):
    """The text files below `folder`; folders that hold what others wrote are not entered."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in NOT_OURS and not path.is_symlink():
            yield from texts(path)
        elif path.suffix in ENDINGS or path.name == "Makefile":
            yield path


TEXTS = sorted(texts(ROOT))

# Modules whose work is to print; everything else returns values or text.
PRINTERS = {"cli.py", "__main__.py"}
# Objects one hands in; whatever else numpy.random offers draws from the global generator. RandomState is what
# users of scikit-learn hand in.
GENERATORS = {"default_rng", "Generator", "BitGenerator", "SeedSequence", "PCG64", "Philox", "RandomState"}
# Flags that let the compiler assume there is no NaN or infinity, which makes isnan() constantly False.
UNSAFE_FLAGS = {"fast", "nnan", "ninf"}
TOP = {
    ".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE",
    "MANIFEST.in", "Makefile", "README.md", "benchmarks", "constraints.txt", "data", "docs", "environment.yml", "examples",
    "notebooks", "pyproject.toml", "setup.py", "sparselab", "tests",
}  # fmt: skip
MOST_LINES = 400


def relative(path):
    return path.relative_to(ROOT).as_posix()


def unsafe_float_flags(source):
    """The word of an unsafe flag as a string of its own, wherever it stands, and fastmath=True."""
    nodes = list(ast.walk(ast.parse(source)))
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    found = words & UNSAFE_FLAGS
    options = [(node.arg, node.value) for node in nodes if isinstance(node, ast.keyword)]
    for node in nodes:
        if isinstance(node, ast.Dict):
            options += [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True)]
    if any(name == "fastmath" and getattr(value, "value", None) is True for name, value in options):
        found.add("True")
    return found


def dotted(node):
    """`a.b.c` of nested attributes, or an empty string for anything else."""
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return node.id if isinstance(node, ast.Name) else ""


def global_randomness(source):
    """Uses of a global generator: numpy's functions, or the standard library's `random`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in ("random", "numpy.random"):
            found |= {f"{node.module}.{name.name}" for name in node.names} - {f"numpy.random.{g}" for g in GENERATORS}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names} & {"random"}
        elif isinstance(node, ast.Attribute):
            module, _, name = dotted(node).rpartition(".")
            if module in ("np.random", "numpy.random") and name not in GENERATORS:
                found.add(f"{module}.{name}")
    return found


def prints(source):
    """Lines that call print()."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]


def has_docstring(source):
    return bool(ast.get_docstring(ast.parse(source)))


def installs_the_other_project(text):
    """Commands that would install the project which owns the bare name."""
    return re.findall(r"""pip install (?:-\S+ )*["']?sparselab(?!-workbench)\b.*""", text)


def offenders(paths, check):
    """{file: what check(its source) found}."""
    found = {relative(path): check(path.read_text(encoding="utf-8")) for path in paths}
    return {name: what for name, what in found.items() if what}


def test_no_kernel_assumes_away_nan():
    assert offenders(MODULES + SCRIPTS, unsafe_float_flags) == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@njit(fastmath=True)\ndef f(): pass", {"True"}),
        ("OPTIONS = {'cache': True, 'fastmath': True}", {"True"}),
        ("OPTIONS = dict(fastmath={'fast'})", {"fast"}),
        ("FLAGS = {'contract', 'nnan'}", {"nnan"}),
        ("njit(fastmath=('ninf', 'nsz'))", {"ninf"}),
        ("builder.fmul(a, b, flags=['fast'])", {"fast"}),
        ("@njit(fastmath={'contract', 'reassoc'}, cache=True)\ndef f(): pass", set()),
        ("njit(fastmath=False)  # never fastmath=True", set()),
    ],
)
def test_unsafe_float_flags_are_seen(source, found):
    assert unsafe_float_flags(source) == found


def test_no_draw_from_a_global_generator():
    assert offenders(MODULES + SCRIPTS, global_randomness) == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import numpy as np\nnp.random.seed(0)", {"np.random.seed"}),
        ("numpy.random.randn(3)", {"numpy.random.randn"}),
        ("from numpy.random import rand, default_rng", {"numpy.random.rand"}),
        ("import random", {"random"}),
        ("from random import shuffle", {"random.shuffle"}),
        ("rng = np.random.default_rng(0)\nrng.normal()\nisinstance(rng, np.random.Generator)", set()),
        ("np.random.Generator(np.random.Philox(np.random.SeedSequence(1)))", set()),
    ],
)
def test_global_randomness_is_seen(source, found):
    assert global_randomness(source) == found


def test_only_the_command_line_prints():
    quiet = [path for path in MODULES if path.relative_to(PACKAGE).as_posix() not in PRINTERS]
    assert offenders(quiet, prints) == {}
    assert prints("x = 1\nprint(x)\nlog.print(x)") == [2]


def test_every_module_says_why_it_exists():
    assert offenders(MODULES, lambda source: not has_docstring(source)) == {}
    assert not has_docstring("x = 1")


def lines_without_docstrings(source):
    """Number of lines, those of docstrings not counted: a public name has a long one."""
    total = len(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            total -= node.body[0].end_lineno - node.body[0].lineno + 1
    return total


def test_no_file_is_too_long():
    assert {relative(path): n for path in MODULES if (n := lines_without_docstrings(path.read_text())) > MOST_LINES} == {}
    assert lines_without_docstrings('"""One\ntwo."""\n\nx = 1\n') == 2


def test_no_document_installs_the_other_project():
    assert offenders([path for path in TEXTS if path != Path(__file__)], installs_the_other_project) == {}


@pytest.mark.parametrize("extra", ["", "[test]", " --upgrade", "==0.1"])
def test_the_other_project_is_seen(extra):
    assert installs_the_other_project(f"run `pip install -U sparselab{extra}` first")
    assert not installs_the_other_project(f"run `pip install -U sparselab-workbench{extra}` first")


def test_nothing_else_stands_at_the_top():
    """No wheels, downloads, logs."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a clone")
    top = {path.partition("/")[0] for path in listed.stdout.splitlines()}
    assert top - TOP == set()
    assert {"README.md", "pyproject.toml", "sparselab", "tests"} <= top


def test_the_package_says_the_version_of_the_distribution():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert getattr(sparselab, "__version__", declared) == declared
