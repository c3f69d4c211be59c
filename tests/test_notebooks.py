"""The shape of the notebooks: short, without definitions, committed with outputs and without errors.

That they run is another test: `pytest --nbval-lax … notebooks/`, the last line of `make test`.
"""

import ast
import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sparselab

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[01]*.ipynb"))
MOST_LINES, MOST_BYTES = 60, 1_000_000
MOST_IN_A_CELL = 5  # without comments and blank lines
LESSONS = {"00", "01", "02", "03", "04", "05", "06", "07", "09", "10", "11"}  # those that teach one thing, up to real size
PLUG_INS = {"02_sparse_evolution": {"by_gradient"}}  # the one definition that is typed in a notebook
PATHS = re.compile(r"(?<![\w.:/])/(?:home|root|work|tmp|Users|usr|opt)/[\w.-]+")


def cells(notebook, kind="code"):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def code(cell):
    """The lines of a cell that are code."""
    return [line for line in "".join(cell["source"]).splitlines() if line.strip() and not line.strip().startswith("#")]


def definitions(notebook):
    """Names of functions and classes defined in a notebook."""
    trees = [ast.parse("".join(cell["source"])) for cell in cells(notebook)]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def checked(notebook):
    """Cells whose output is compared with the committed one."""
    return [cell for cell in cells(notebook) if "".join(cell["source"]).startswith("# NBVAL_CHECK_OUTPUT")]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_there_are_notebooks():
    assert [path.stem[:2] for path in NOTEBOOKS][:6] == ["00", "01", "02", "03", "04", "05"]


def test_it_is_short(notebook, path):
    assert sum(len(code(cell)) for cell in cells(notebook)) <= MOST_LINES
    statements = [[line for line in code(cell) if not line.startswith(("import ", "from "))] for cell in cells(notebook)]
    assert max(map(len, statements)) <= MOST_IN_A_CELL
    assert path.stat().st_size < MOST_BYTES


def test_it_defines_nothing(notebook, path):
    assert definitions(notebook) == PLUG_INS.get(path.stem, set())


def test_text_and_code_alternate(notebook):
    assert len(cells(notebook, "markdown")) >= 0.8 * len(cells(notebook))


def test_it_asks_first_and_ends_with_where_the_code_is(notebook, path):
    if path.stem[:2] not in LESSONS:
        pytest.skip("not a lesson")
    texts = ["".join(cell["source"]) for cell in cells(notebook, "markdown")]
    assert "?" in texts[0]
    assert [
        head for head in ("## The words", "## By hand", "## What to try", "## Where the code is") if head not in "\n".join(texts)
    ] == []
    assert "| symbol | meaning | name in code |" in "\n".join(texts)


def test_it_says_its_minutes_and_asks_for_a_guess(notebook, path):
    texts = ["".join(cell["source"]) for cell in cells(notebook, "markdown")]
    first, words = texts[0], sum(len(text.split()) for text in texts)
    minutes = int(re.search(r"\*About (\d+) minutes", first)[1])
    assert words / 250 < minutes < words / 40  # to read it, and to read it slowly and run it
    assert "guess" in first
    rows = [line for line in (ROOT / "notebooks/README.md").read_text(encoding="utf-8").splitlines() if f"]({path.name})" in line]
    assert [row.split("|")[-2].strip() for row in rows] == [str(minutes)]


def test_it_ends_with_what_was_measured_and_things_to_try_whose_answers_are_hidden(notebook):
    text = "\n".join("".join(cell["source"]) for cell in cells(notebook, "markdown"))
    measured, tasks = text.split("## What was measured\n")[1].split("## What to try\n")
    assert "\n- **" in measured or "|" in measured
    tasks, answers = tasks.split("## Where the code is")[0].split("<details>\n<summary><strong>Answers</strong>")
    numbers = [re.findall(r"^(\d)\. ", part, re.MULTILINE) for part in (tasks, answers)]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) >= 3
    assert answers.strip().endswith("</details>")


def test_it_names_the_way_on_and_back(notebook, path):
    number, last = int(path.stem[:2]), "".join(cells(notebook, "markdown")[-1]["source"])
    assert ("**Next:**" in last) or number > 8
    assert ("**Back:**" in last) or number < 3
    before = [other.name for other in NOTEBOOKS if int(other.stem[:2]) < number] if number == 8 else []
    assert [name for name in before if f"]({name})" not in last] == []


LONG = {"studies.compare", "studies.simulate", "races.run", "both_ends.run", "both_ends.sizes", "extreme.run", "sl.prune_curve"}


def held(source):
    """What a cell calls that takes long and that no thread does for it, so that meanwhile no panel would be answered."""
    tree = ast.parse(source)
    elsewhere = [node for one in ast.walk(tree) if isinstance(one, ast.Await | ast.Lambda) for node in ast.walk(one)]
    waits = lambda call: any(isinstance(node, ast.Await) for node in ast.walk(call))
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and one not in elsewhere and not waits(one)]
    trains = lambda call: ast.unparse(call.func) in ("list", "History") and ".train(" in ast.unparse(call)
    return [ast.unparse(call) for call in calls if ast.unparse(call.func) in LONG or trains(call)]


def test_what_takes_long_runs_in_the_background(notebook):
    assert [call for cell in cells(notebook) if cell not in checked(notebook) for call in held("".join(cell["source"]))] == []


def test_a_cell_that_holds_the_kernel_is_seen():
    assert held("runs = studies.compare(variants, seeds=3)") == ["studies.compare(variants, seeds=3)"]
    assert held("history = History(tracker.watch(experiment.train(), model))")
    assert held("if fast:\n    last = [list(one.train())[-1] for one in deep]")
    assert held("runs = await asyncio.to_thread(studies.compare, variants)") == []
    assert held("history = History(await asyncio.to_thread(list, studies.bar(experiment.train(), 4)))") == []


def test_files_it_names_exist(notebook):
    text = "\n".join("".join(cell["source"]) for cell in cells(notebook, "markdown"))
    assert "`sparselab/" in text
    assert missing(text) == []
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", text)
    assert [link for link in links if not (ROOT / "notebooks" / link).exists()] == []


def missing(text):
    """Modules and folders of the package that a text names and that do not exist."""
    return [name for name in re.findall(r"\bsparselab/[\w/]+(?:\.py\b|/)", text) if not (ROOT / name).exists()]


def test_files_that_documents_name_exist():
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/guide").glob("*.md")]
    assert {path.name: found for path in documents if (found := missing(path.read_text(encoding="utf-8")))} == {}
    assert missing("`sparselab/widgets/panel.py`, sparselab/widgets/ and sparselab/panel.py") == ["sparselab/panel.py"]


def test_one_cell_holds_the_sizes_and_fast_shrinks_them(notebook):
    tagged = [cell for cell in cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert "SPARSELAB_FAST" in "".join(tagged[0]["source"])


def test_by_hand_cells_are_checked_and_do_not_depend_on_sizes(notebook, path):
    sizes = {"fast", "EPOCHS", "SEEDS", "HIDDEN", "LONG", "N_IN", "N_OUT", "HUGE", "DEEP", "NAMES"}
    sizes |= {"TUNE", "START", "STOP", "EVERY", "WHEN", "MANY", "WORDS", "LABELS", "N", "SMALL", "WIDTH", "WIDE", "HEADS"}
    assert len(checked(notebook)) >= (2 if path.stem[:2] in LESSONS else 1)
    for cell in checked(notebook):
        names = {node.id for node in ast.walk(ast.parse("".join(cell["source"]))) if isinstance(node, ast.Name)}
        assert not names & sizes
        assert cell["outputs"]


def test_it_is_committed_with_outputs_and_without_errors(notebook):
    counts = [cell["execution_count"] for cell in cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in cells(notebook) for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}  # no warnings either
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert pictures
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)


def test_no_widget_state_no_paths_no_versions(notebook):
    text = json.dumps(notebook, ensure_ascii=False)
    assert "widget-view" not in text
    assert "widgets" not in notebook["metadata"]
    assert PATHS.findall(text) == []
    assert "version" not in notebook["metadata"].get("language_info", {})


def test_the_panel_is_in_its_notebook(notebook, path):
    panels = {
        "00": "start_panel", "01": "layer_panel", "02": "evolution_panel", "03": "activation_panel", "04": "pruning_panel",
        "05": "parallel_panel", "07": "race_panel", "08": "workbench",
        "09": "both_ends_panel", "10": "paper_panel", "11": "twins_panel",
    }  # fmt: skip
    name = panels.get(path.stem[:2])
    if name is None:
        pytest.skip("no panel of its own")
    assert hasattr(sparselab.widgets, name)
    assert any(name in "".join(cell["source"]) for cell in cells(notebook))


def test_the_newcomer_finds_the_panel_in_the_first_cell():
    notebook = json.loads(NOTEBOOKS[0].read_text(encoding="utf-8"))
    assert "start_panel()" in "".join(cells(notebook)[0]["source"])


@pytest.mark.slow
def test_a_note_on_stderr_is_no_difference_and_other_numbers_are(tmp_path):
    """As the first note that kernels are compiled, where none of them is cached."""
    source = "# NBVAL_CHECK_OUTPUT\nimport sys\nsys.stderr.write('compiling …')\nprint(1)"
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": source}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, text in (("same", "1\n"), ("other", "2\n")):
        cell |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": text}]}
        notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(notebook))
    shutil.copy(ROOT / "notebooks/conftest.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-p", "nbval", "--nbval-lax", "--nbval-current-env", "-rA", "."]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120).stdout
    assert "PASSED same.ipynb" in said, said
    assert "FAILED other.ipynb" in said, said


def test_definitions_are_seen():
    bad = {"cells": [{"cell_type": "code", "source": ["class A:\n", "    def f(self): pass"]}]}
    assert definitions(bad) == {"A", "f"}
    assert PATHS.findall("see /home/me/x and https://tmp/x and /usr/bin") == ["/home/me", "/usr/bin"]


def test_the_panel_of_every_notebook_is_photographed(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import screenshots

    found = {path.name[:2]: screenshots.shortened(path, full=True) for path in NOTEBOOKS}
    assert set(found) >= LESSONS
    for number, (notebook, panels) in found.items():
        assert panels, number
        for place, name in panels.items():
            assert f"{name}(" in notebook["cells"][place]["source"]
