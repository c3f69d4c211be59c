"""The table of figures: rows of every process reach it, what breaks is a row that fell short, and the document keeps the rest."""

import re
import shutil
import subprocess
import sys

import pytest

from stress.conftest import BEGIN, DOCUMENT, END, HERE, Row, with_table

ROOT = HERE.parents[1]
ROWS = [Row("a.py", "a promise | with a bar", "3 of 3", "all", True), Row("b.py", "another", "1e-3", "<= 1e-6", False)]
DOCUMENT_TEXT = f"# Title\n\n{BEGIN}\nold\n{END}\n\nend\n"


def test_every_harness_is_documented():
    text = DOCUMENT.read_text(encoding="utf-8")
    names = [path.name for path in HERE.glob("*.py") if "\ndef test_" in path.read_text() and path.name != "test_table.py"]
    assert len(names) == 12
    assert [name for name in names if f"tests/stress/{name}" not in text] == []
    named = set(re.findall(r"`(tests/[\w/]+(?:\.py|/))`", text))
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_document_gets_its_table():
    first = with_table(DOCUMENT_TEXT, ROWS, 0.1)
    assert first.startswith("# Title\n")
    assert first.endswith("\n\nend\n")
    assert "old" not in first
    assert "| a promise \\| with a bar | 3 of 3 | all | yes | `pytest a.py --stress=full` |" in first
    assert "| another | 1e-3 | <= 1e-6 | **no** | `pytest b.py --stress=full` |" in first
    assert "counts times 0.1" in first
    assert with_table(first, ROWS, 0.1) == first
    with pytest.raises(ValueError, match="the document has no"):
        with_table("# Title", ROWS, 1.0)


def test_rows_of_a_file_take_the_place_of_those_before():
    text = with_table(DOCUMENT_TEXT, ROWS, 1.0)
    for row in (ROWS[1]._replace(promise="a third"), ROWS[0]._replace(figure="4 of 4")):
        text = with_table(text, [row], 1.0)
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[1] for line in lines] == ["figure", "4 of 4", "1e-3"]
    assert "a third" in lines[-1]


HARNESSES = {
    "good": "def test_it(stress):\n    stress.row('a promise', stress.count(10), 'any', True)\n    stress.all('four', 4, 4)\n",
    "short": "def test_short(stress):\n    stress.all('kept', 3, 4)\n",
    "broken": "import no_such_module\n",
    "crashed": "import os\n\ndef test_crash(stress):\n    os.abort()\n\ndef test_after(stress):\n    stress.all('after', 1, 1)\n",
    "test_inputs": "def test_inputs(record_property):\n    record_property('cases', [['e', 'f', 'NaN'], ['e', 'f', 'text']])\n",
}


@pytest.mark.slow
def test_what_breaks_crashes_or_falls_short_is_in_the_table_and_in_the_exit_code(tmp_path):
    folder = tmp_path / "tests" / "stress"
    folder.mkdir(parents=True)
    shutil.copy(HERE / "conftest.py", folder)
    for name, source in HARNESSES.items():
        (folder / f"{name}.py").write_text(source)
    (tmp_path / "docs").mkdir()
    document = tmp_path / "docs" / DOCUMENT.name
    document.write_text(DOCUMENT_TEXT)
    run = [sys.executable, "-m", "pytest", "-q", "tests/stress", "--continue-on-collection-errors", "-p", "no:nbval"]
    plain = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (plain.returncode, "a promise" in plain.stdout) == (0, False), plain.stdout
    options = ["-n", "1", "--stress=0.5", "--write-table"]
    ended = subprocess.run([*run, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stdout
    cells = [line.split(" | ") for line in document.read_text().splitlines() if line.startswith("| ")][1:]
    assert [(promise.strip("| "), figure, reached) for promise, figure, _, reached, _ in cells] == [
        ("tests/stress/broken.py", "broke", "**no**"), ("tests/stress/crashed.py::test_crash", "broke", "**no**"),
        ("after", "1 of 1", "yes"),
        ("a promise", "5", "yes"), ("four", "4 of 4", "yes"), ("kept", "3 of 4", "**no**"),
        (cells[-1][0].strip("| "), "2 pairs (2 cases through 1 entry points), 0 tests failed", "yes"),
    ]  # fmt: skip
    assert "MISSED: kept: 3 of 4 (goal: all)" in ended.stdout
