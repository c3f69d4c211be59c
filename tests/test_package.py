"""What an installed package can do that lies outside any clone, and the notebooks it brings.

The slow test builds the source distribution and the wheel, installs the wheel into a new virtual environment and runs commands
in an empty folder. It downloads nothing: the environment sees the packages of this one through a .pth file, whose own .pth files
(the editable install among them) Python does not follow.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import sparselab
from sparselab import cli
from sparselab.utils import notebooks

ROOT = Path(__file__).parents[1]
SOURCES = ["sparselab", "notebooks", "docs", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md"]
NOT_SOURCES = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.egg-info", "build", "share")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel made from a copy of the sources: a build leaves files in its folder."""
    place = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / "sources" / name, ignore=NOT_SOURCES)
        else:
            shutil.copy(ROOT / name, place / "sources")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", place / "sources", folder=place)
    (found,) = (place / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment that has the wheel, and this environment's packages."""
    place = tmp_path_factory.mktemp("venv")
    venv.create(place, with_pip=False)
    interpreter = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(
        sys.executable, "-m", "pip", "--python", interpreter, "install", "--no-deps", "--no-index", "--quiet", wheel, folder=place
    )
    (site,) = place.rglob("site-packages")
    (site / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def run(*command, folder):
    """What a command prints, as an environment without this clone sees it; AssertionError with its messages where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPARSELAB_DATA")}
    done = subprocess.run([str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_nothing_of_the_tests(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = [path for path in (ROOT / "sparselab").rglob("*") if path.suffix in (".py", ".pyi")]
    modules = {path.relative_to(ROOT).as_posix() for path in sources}
    assert modules <= names
    assert {name.partition("/")[0] for name in names} == {"sparselab"}
    others = {name.removeprefix("sparselab/") for name in names - modules if "/share/" not in name}
    pictures = {f"widgets/pictures/{path.name}" for path in (ROOT / "sparselab/widgets/pictures").glob("*.[jc]s*")}
    assert len(pictures) > 4
    assert others == {"py.typed", "datasets/data/README.md", "datasets/data/fashion_mnist_small.npz"} | pictures
    assert {f"sparselab/share/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= names


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_installed_outside_a_clone(python, tmp_path):
    (tmp_path / "empty").mkdir()
    sparse = lambda *arguments: run(python, "-m", "sparselab", *arguments, folder=tmp_path / "empty")
    assert sparse("--version") == f"sparselab {sparselab.__version__}\n"
    code = (
        "import sparselab as sl; print(sl.__file__, sl.datasets.load('fashion_mnist_small').n_train, sl.datasets.data_folder())"
    )
    file, n_train, folder = run(python, "-c", code, folder=tmp_path / "empty").split()
    assert n_train == "5000"
    assert ROOT not in Path(file).parents
    assert ROOT not in Path(folder).parents
    assert "site-packages" in file
    assert "site-packages" not in folder
    assert "truly sparse" in sparse("demo", "--epochs", "1")
    assert (tmp_path / "empty" / "out" / "phases.png").is_file()
    assert "00_start_here.ipynb" in sparse("notebooks", "mine")
    copies = {path.name for path in (tmp_path / "empty" / "mine").glob("*.ipynb")}
    assert copies == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_notebooks_are_copied_with_their_pictures(tmp_path, capsys):
    folder = tmp_path / "a folder"
    assert cli.main(["notebooks", str(folder)]) == 0
    assert f"'{folder / '00_start_here.ipynb'}'" in capsys.readouterr().out
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        ours, copied = (json.loads(p.read_text(encoding="utf-8")) for p in (path, folder / path.name))
        for cell, other in zip(ours["cells"], copied["cells"], strict=True):
            text, new = "".join(cell["source"]), "".join(other["source"])
            assert new == text.replace("../docs/images/", "images/")
            for picture in notebooks.PICTURE.findall(text):
                assert (folder / picture).read_bytes() == (ROOT / "docs" / picture).read_bytes()


def test_nothing_is_overwritten(tmp_path, capsys):
    mine = tmp_path / "03_all_relu.ipynb"
    mine.write_text("mine")
    assert cli.main(["notebooks", str(tmp_path)]) == 2
    assert str(mine) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"


def test_a_place_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert cli.main(["notebooks", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_an_installation_without_notebooks_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "PACKAGE", tmp_path / "sparselab")
    with pytest.raises(FileNotFoundError, match="install sparselab again"):
        notebooks.source()


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"sparselab {sparselab.__version__}\n"
