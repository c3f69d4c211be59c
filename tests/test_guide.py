"""The code of the README and of the guide's pages runs and prints what they show; the papers' recipes name calls that work.

The site itself is built by `make docs`; here is what needs no Sphinx.
"""

import doctest
import re
import sys
from pathlib import Path

import pytest

import sparselab as sl
from sparselab.experiments.rules import RULES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import check_site  # noqa: E402

PAGES = sorted(path for path in (ROOT / "docs/guide").glob("*.md") if path.stem != "index")
RECIPES = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MOST_LINES = 20
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(path):
    """The Python code of a document."""
    return BLOCK.findall(path.read_text(encoding="utf-8"))


def failures(text, name):
    """Run blocks of a doctest one after the other; the report of those that fail, or an empty text."""
    found = []
    test = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=found.append)
    return "".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_prints_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page.stem == "pytorch":
        pytest.importorskip("torch")
    code = blocks(page)
    assert code
    assert [block for block in code if len(re.findall("^(?:>>>|\\.\\.\\.) ", block, re.MULTILINE)) > MOST_LINES] == []
    assert failures("\n".join(code), page.name) == ""


def test_a_block_that_prints_something_else_is_seen():
    assert failures(">>> 1 + 1\n2\n", "right") == ""
    assert "Expected:\n    3" in failures(">>> 1 + 1\n3\n", "wrong")
    assert "ZeroDivisionError" in failures(">>> 1 / 0\n", "wrong")


@pytest.mark.slow
def test_the_ten_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(ROOT / "README.md")
    exec(code, {})
    assert capsys.readouterr().out.count(" s\n") == 10
    assert sl.load("model.npz").sizes == (784, 1000, 1000, 1000, 10)


# the papers' recipes


def rows():
    """The cells of each row of the table of methods."""
    table = RECIPES.partition("## Rules")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]


def test_every_rule_has_a_recipe():
    named = set(re.findall(r"`sl\.(\w+)", "".join(row[3] for row in rows())))
    kinds = {entry.rule.__name__ for entry in RULES.values() if entry.rule} | {"TopKAST", "ImportancePruning"}
    assert kinds <= named


@pytest.mark.parametrize("call", re.findall(r"`(sl\.[\w.]+\(.*?\))`", RECIPES))
def test_the_calls_of_the_recipes_work(call):
    data = sl.datasets.load("digits").head(20, 10)
    assert eval(call, {"sl": sl, "X": data.X_train, "y": data.y_train}) is not None


# what a site must hold


def site(folder, **pages):
    """A folder of pages."""
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{text}</body></html>", encoding="utf-8")
    return folder


def test_a_site_without_faults_has_none(tmp_path):
    links = '<a href="b.html#there">b</a><a href="#top">top</a><a href="https://elsewhere.example/x">x</a><i id="top"></i>'
    links += '<link rel="canonical" href="https://elsewhere.example/x"><img src="data:image/png;base64,AA==">'
    assert check_site.broken(site(tmp_path, a=links, b='<p id="there"></p><img src="a.html?v=1">')) == []
    assert check_site.undescribed(tmp_path, ["top", "there"]) == []


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ('<a href="c.html">c</a>', "a.html: c.html: no such file"),
        ('<img src="pictures/c.png">', "a.html: pictures/c.png: no such file"),
        ('<a href="b.html#nowhere">b</a>', "a.html: b.html#nowhere: no such anchor"),
        ('<a href="#nowhere">b</a>', "a.html: #nowhere: no such anchor"),
        ('<a href="../outside.html">o</a>', "a.html: ../outside.html: no such file"),
        ('<script src="https://a.example/x.js"></script>', "a.html: https://a.example/x.js: is loaded from elsewhere"),
        ('<img src="//a.example/x.png">', "a.html: //a.example/x.png: is loaded from elsewhere"),
        ('<link rel="stylesheet" href="https://a.example/x.css">', "a.html: https://a.example/x.css: is loaded from elsewhere"),
    ],
)
def test_a_link_that_does_not_work_without_a_network_or_at_all_is_named(tmp_path, link, fault):
    (tmp_path / "outside.html").write_text("")
    (tmp_path / "site").mkdir()
    assert check_site.broken(site(tmp_path / "site", a=link, b="")) == [fault]


def test_a_name_on_no_page_is_found(tmp_path):
    assert check_site.undescribed(site(tmp_path, a='<dt id="sparselab.SET"></dt>'), ["sparselab.SET", "sparselab.none"]) == [
        "sparselab.none"
    ]
