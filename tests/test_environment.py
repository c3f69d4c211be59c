"""pyproject.toml, environment.yml, constraints.txt, CITATION.cff and what is installed agree.

conda is not run here; tested is that it asks for the same packages and bounds, and that the installed versions meet them.
"""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA_NAMES = {"matplotlib-base": "matplotlib", "playwright-python": "playwright", "python-build": "build"}  # conda -> pip


def bounds(lines):
    """{name: bounds} of requirement lines, under pip's names; a name that comes twice is an error."""
    requirements = [Requirement(line) for line in lines]
    found = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in requirements}
    assert len(found) == len(requirements), "a package is listed twice"
    return found


def differences(ours, theirs):
    """Names whose bounds are not the same on both sides, absent ones included."""
    return {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}


def unmet(wanted, versions):
    """Names that are absent from `versions` or outside their bounds."""
    return {name for name, allowed in wanted.items() if name not in versions or versions[name] not in allowed}


LINUX = {"extra": "", "platform_system": "Linux", "sys_platform": "linux"}


def that_come_along(names):
    """The names of installed packages and of all that these require on Linux, for which pins are made; as pip normalizes them."""
    found, left = set(), list(names)
    while left:
        name = canonicalize_name(left.pop())
        if name in found:
            continue
        try:
            lines = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        left += [r.name for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate(LINUX)]
    return found


REQUIRED = bounds(PYPROJECT["dependencies"] + PYPROJECT["optional-dependencies"]["test"])


@pytest.fixture(scope="module")
def conda():
    return bounds(line for line in CONDA["dependencies"] if isinstance(line, str))


@pytest.fixture(scope="module")
def pins():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line for line in lines), "a pin is name==version, nothing else"
    return {name.lower(): Version(pin) for name, pin in (line.split("==") for line in lines)}


def test_conda_asks_for_the_same_as_pip(conda):
    conda = dict(conda)
    assert conda.pop("python") == SpecifierSet(PYPROJECT["requires-python"])
    conda.pop("pip")
    assert differences(REQUIRED, conda) == set()


def test_conda_installs_the_project_itself_and_nothing_else_with_pip():
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]
    assert [entry for entry in CONDA["dependencies"] if isinstance(entry, dict)] == [{"pip": ["-e ."]}]


def test_installed_versions_are_within_bounds():
    assert unmet(REQUIRED, {name: Version(metadata.version(name)) for name in REQUIRED}) == set()


def test_pins_are_within_bounds(pins):
    assert unmet(REQUIRED | bounds(PYPROJECT["optional-dependencies"]["docs"]), pins) == set()


def test_every_package_that_comes_along_is_pinned(pins):
    assert that_come_along(REQUIRED) - set(map(canonicalize_name, pins)) == set()


def test_pins_leave_out_the_project_and_the_bench_extra(pins):
    assert pins.keys().isdisjoint({PYPROJECT["name"], "sparselab", "torch"})


def test_the_citation_names_this_version_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (str(citation["version"]), citation["license"]) == (PYPROJECT["version"], PYPROJECT["license"])
    assert citation["references"][0]["url"].endswith("/2102.01732")


def test_issue_forms_are_complete():
    forms = {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")
    }
    assert forms.keys() == {"bug", "idea"}
    for form in forms.values():
        assert {"name", "description", "body"} <= form.keys()
        ids = [part["id"] for part in form["body"]]
        assert len(set(ids)) == len(ids)


def test_the_checks_can_fail():
    wanted = bounds(["numpy>=2.0", "scipy>=1.13"])
    assert differences(wanted, bounds(["numpy>=1.0", "scipy>=1.13", "torch"])) == {"numpy", "torch"}
    assert unmet(wanted, {"numpy": Version("1.26")}) == {"numpy", "scipy"}
    with pytest.raises(AssertionError, match="twice"):
        bounds(["matplotlib>=3", "matplotlib-base>=3"])
