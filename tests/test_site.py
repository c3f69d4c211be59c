"""Small sites that Sphinx builds with our settings: what stops a build, and what its error names. The real one is `make docs`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sparselab as sl
from sparselab.utils import lazy

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
for module in ("sphinx", "sphinx_gallery", "myst_nb"):
    pytest.importorskip(module)

CONF = f"""
import runpy
ours = runpy.run_path({str(ROOT / "docs/conf.py")!r})
globals().update({{name: ours[name] for name in (
    "default_role", "formula", "html_math_renderer", "myst_enable_extensions", "nb_execution_mode", "nitpicky",
    "sphinx_gallery_conf",
)}})
extensions = ["myst_nb", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["out", "examples", "gallery/*.ipynb"]
sphinx_gallery_conf |= {{"gallery_dirs": "gallery", "backreferences_dir": None, "doc_module": (), "reference_url": {{}}}}
def setup(app):
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
"""


def build(folder, text="# A site\n\n```{toctree}\ngallery/index\n```\n", example="print(1 + 1)"):
    """(exit status, messages) of a build of one page and one example, as `make docs` calls it."""
    (folder / "examples").mkdir()
    (folder / "conf.py").write_text(CONF, encoding="utf-8")
    (folder / "index.md").write_text(text, encoding="utf-8")
    (folder / "examples/README.rst").write_text("Examples\n========\n", encoding="utf-8")
    source = f'"""\nAn example\n==========\n\nWhat it does.\n"""\n\n{example}\n'
    (folder / "examples/plot_one.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ".", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    return done.returncode, done.stderr


def test_a_site_without_faults_is_built_and_shows_what_its_example_printed(tmp_path):
    text = "# A site\n\nHere $\\varepsilon$ counts:\n\n$$p = \\frac{a}{b}$$\n\n```{toctree}\ngallery/index\n```\n"
    status, messages = build(tmp_path, text)
    assert status == 0, messages
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert len(re.findall(r"<math\b", page)) == 2
    assert "<mfrac>" in page
    assert not re.search(r'<script[^>]*src="http', page)
    assert "<span></span>2\n" in (tmp_path / "out/gallery/plot_one.html").read_text(encoding="utf-8")


def test_an_example_that_fails_stops_the_build_and_is_named(tmp_path):
    status, messages = build(tmp_path, example="1 / 0")
    assert status != 0
    assert "plot_one.py" in messages
    assert "ZeroDivisionError" in messages


def test_what_is_wrong_on_a_page_stops_the_build_and_is_named(tmp_path):
    wrong = "[nowhere](nowhere.md)\n\n{func}`sparselab.nothing`\n\n$\\unknown{x}$"
    status, messages = build(tmp_path, f"# A site\n\n{wrong}\n\n```{{toctree}}\ngallery/index\n```\n")
    assert status != 0
    for line, message in (
        (3, ".*nowhere.md"),
        (5, "py:func reference target not found: sparselab.nothing"),
        (7, "formula .*unknown"),
    ):
        assert re.search(f"index.md:{line}: WARNING: {message}", messages), messages


def test_the_reference_has_every_public_name(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import reference_pages

    described = {name.removeprefix("sparselab.") for name in reference_pages.public(["torch"])}
    modules = {name for name in lazy.origins(str(ROOT / "sparselab/__init__.pyi")) if type(getattr(sl, name)) is type(sl)}
    assert set(sl.__all__) - modules - described == set()
    assert {"testing.check_rule", "parallel.backends.Threads", "torch.SparseLinear"} <= described
