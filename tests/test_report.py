"""Measured figures in documents come from kept rows: markers, what is written between them, and figures outside of them."""

import ast
import json
import re
from dataclasses import asdict

import pytest

from benchmarks import common, kept, markers, questions, repertoire, report, tables, views

# Phrases with a number and a unit that are no measurements of this project, and why.
ALLOWED = {
    "benchmarks/README.md": {
        "within 12 seconds": "a goal",
        "within 20 seconds": "a goal",
        "within 60 seconds": "a goal",
        "3, 6 and 12 times as fast": "goals",
        "at least 1.5 times as fast": "a goal",
        "24 times out of 25": "arithmetic: 480 of 500 features",
    },
    "docs/scaling.md": {
        "default 30 s or 20 times the median": "a default",
        "4 × (links + biases)": "a formula",
    },
    "notebooks/05_parallel_training.ipynb": {"the first 70 % of the epochs": "a default"},
    "CONTRIBUTING.md": {"5 % of the neurons": "a setting"},
    "data/README.md": {"262 MB at its defaults": "arithmetic", "(2.8 GB)": "a download", "(170 MB)": "a download"},
}
READING_TIME = re.compile(r"\*About \d+ minutes[^*]*\*")  # of a notebook, a guess for its readers
GENERATED = {"reliability.md"}  # its figures are written by the stress tests, with their own command
WITHOUT_MARKERS = (
    "CONTRIBUTING.md",
    "data/README.md",
    "sparselab/datasets/data/README.md",
    "docs/reference/index.md",
    "examples/README.rst",
)
DOCUMENTS = {report.name_of(path): path for path in report.DOCUMENTS if path.name not in GENERATED}
DOCUMENTS |= {name: report.ROOT / name for name in WITHOUT_MARKERS}


@pytest.fixture
def results(monkeypatch, tmp_path):
    """An empty folder of results."""
    monkeypatch.setenv("SPARSELAB_RESULTS", str(tmp_path))
    return tmp_path


def training(seconds):
    """Rows as benchmarks.training keeps them."""
    return [
        {"epoch of": name, "seconds": s, "min": s, "max": s, "times ours": s / seconds["ours"]} for name, s in seconds.items()
    ]


# the documents of this repository


def test_every_marker_says_what_the_kept_rows_give():
    assert report.differences() == [], "run `python -m benchmarks.report --write`"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_measured_figure_is_typed_by_hand(name):
    assert markers.typed(DOCUMENTS[name].read_text(encoding="utf-8"), ALLOWED.get(name, ())) == []


def test_every_text_of_the_site_is_looked_at():
    configuration = (report.ROOT / "docs/conf.py").read_text(encoding="utf-8")
    [patterns] = re.findall(r"^include_patterns = (\[.+?\])", configuration, re.MULTILINE | re.DOTALL)
    written = {path for path in (report.ROOT / "docs").rglob("*.md") if path.name not in GENERATED}
    written |= {path for pattern in ast.literal_eval(patterns) if pattern.endswith(".md") for path in report.ROOT.glob(pattern)}
    assert {report.name_of(path) for path in written} <= DOCUMENTS.keys()


@pytest.mark.parametrize("path", report.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_figure_in_a_notebook_is_printed_there(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    printed = str([output.get("text") or output["data"] | {"image/png": None} for output in outputs])
    texts = [READING_TIME.sub("", text) for _, text in report.texts(path)]
    found = [figure for text in texts for figure in markers.typed(text, ALLOWED.get(report.name_of(path), ()))]
    assert [figure for figure in found if re.search(r"\d[\d,.]*", figure)[0] not in printed] == []


def test_a_picture_is_drawn_again_where_its_rows_have_changed(results, monkeypatch, tmp_path):
    path = tmp_path / "picture.png"
    (_, draw), *_ = report.PICTURES.values()
    points = [
        {"data": data, "method": "SET", "accuracies": [88.0, 89.5], "published": 89.0} for data in ("fashion_mnist", "mnist")
    ]
    monkeypatch.setattr(report, "PICTURES", {path: (lambda: points, draw)})
    monkeypatch.setattr(report, "DOCUMENTS", [])
    monkeypatch.setattr(report, "NOTEBOOKS", [])
    assert report.main(["--write"]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert report.main([]) == 0
    points[0]["accuracies"].append(89.1)
    assert report.differences() == ["picture.png: not drawn from the kept rows"]


def test_points_of_the_repertoire_are_the_last_accuracies_of_all_seeds(results):
    found = kept.Kept("repertoire", results / "repertoire.jsonl")
    for seed, accuracy in ((1, 89.5), (0, 89.0)):
        for density in (0.01, 0.05):
            settings = {"data": "fashion_mnist", "method": "SET", "density": density, "epochs": 100, "seed": seed}
            found.row(settings, lambda a=accuracy, d=density: {"accuracy %": a + d})
    (point,) = repertoire.points_of(found)
    assert point == {"data": "fashion_mnist", "method": "SET", "accuracies": [89.01, 89.51], "published": 89.0}


def test_allowed_phrases_are_there():
    for name, phrases in ALLOWED.items():
        text = "".join(text for _, text in report.texts(report.ROOT / name))
        assert [phrase for phrase in phrases if phrase not in text] == [], name


def test_every_table_is_shown_and_every_shown_table_exists():
    shown = set()
    for path in report.DOCUMENTS:
        for match in markers.MARKER.finditer(path.read_text(encoding="utf-8")):
            markers.call(match[2], tables.FUNCTIONS)
            shown |= set(re.findall(r'(?:table|value)\("([^"]+)"', match[2]))
    assert shown == tables.COLUMNS.keys()


def test_markers_render():
    """A line that begins with a comment ends a paragraph of Markdown: it may hold the marker of a table alone."""
    for path in report.DOCUMENTS:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("<!--=")]
        assert [line for line in lines if line.count("-->") != 1 or not line.endswith("-->")] == [], path


def test_the_plan_names_modules_that_exist():
    for command, _, _ in report.PLAN:
        path = report.ROOT / command.split()[2].replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_documents_are_short():
    read = lambda name: (report.ROOT / name).read_text(encoding="utf-8")
    assert len(read("README.md").encode()) <= 7 * 1024
    assert len(read("docs/architecture.md").splitlines()) <= 250
    assert len(read("docs/paper.md").splitlines()) <= 200
    assert read("docs/glossary.md").count("\n- **") <= 25
    assert "(docs/glossary.md)" in read("README.md")


def test_links_between_documents_lead_somewhere():
    for path in report.DOCUMENTS:
        targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text(encoding="utf-8"))
        assert [target for target in targets if not (path.parent / target).exists()] == [], path


# markers


def test_a_marker_is_filled_from_the_rows(results):
    text = 'PyTorch: <!--= value("training", "times ours", {"epoch of": "torch dense"}) -->1<!--/--> times our time.'
    assert "-->not run<!--" in markers.fill(text, tables.FUNCTIONS)
    common.emit("training", training({"ours": 0.5, "torch dense": 10.0}), show=False)
    filled = markers.fill(text, tables.FUNCTIONS)
    assert "-->20.00<!--/--> times our time." in filled
    assert markers.outdated(text, tables.FUNCTIONS)[0][1:] == ("1", "20.00")
    assert markers.outdated(filled, tables.FUNCTIONS) == []
    assert markers.fill(filled, tables.FUNCTIONS) == filled


def test_a_table_has_a_line_a_row(results):
    common.emit("training", training({"ours": 0.5, "torch dense": 10.0}), show=False)
    lines = tables.table("training").splitlines()
    assert lines[1:] == [
        "| one epoch | seconds, median | min | max | times ours |", "|---|---|---|---|---|",
        "| ours | 0.5 | 0.5 | 0.5 | 1.00 |", "| torch dense | 10 | 10 | 10 | 20.00 |",
    ]  # fmt: skip
    assert "not run" in tables.table("kernels")
    assert kept.commit() in tables.machine("training")


@pytest.mark.parametrize(
    "expression", ["value", "open('x')", "value.__class__()", "table(3 + x)", 'value("training", "speed", {})', 'table("none")']
)
def test_other_expressions_are_refused(results, expression):
    with pytest.raises((ValueError, KeyError)):
        markers.call(expression, tables.FUNCTIONS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It takes 12 ms.", ["12 ms"]),
        ("19.9 times as long, 85.0 % right, 0.44 GiB", ["19.9 times", "85.0 %", "0.44 GiB"]),
        ("−0.16 ± 0.05 points", ["−0.16 ± 0.05 points"]),
        ("from 0.1 to 0.7 s", ["0.1 to 0.7 s"]),
        ("10.7 GB/s", ["10.7 GB/s"]),
        ("10 epochs of 60,000 images, 3 seeds, ε = 20, 1000 neurons", []),
        ("`--minutes 3 s` and ```\n4 ms\n``` and $5 s$ and [a](b_6%)", []),
        ("<!--= x() -->7 ms<!--/--> and <!-- 8 ms -->", []),
        ("numba 0.68 supports it, a layer of 1000 × 1000", []),
        ("| SET | 0.62 | 3 |", ["0.62"]),
        ("a mean of 0.94 ± 0.02", ["0.94 ± 0.02"]),
    ],
)
def test_typed_figures_are_seen(text, found):
    assert markers.typed(text) == found
    assert markers.typed(text, found) == []


# kept rows


def test_a_run_replaces_the_last_one(results):
    common.emit("a: x", [{"n": 1}, {"n": 2}], show=False)
    common.emit("a: y", [{"n": 3}], show=False)
    common.emit("a: x", [{"n": 4}], show=False)
    rows = kept.read(results / "a.jsonl")
    assert [(row["benchmark"], row["n"]) for row in rows] == [("a: y", 3), ("a: x", 4)]
    assert all({"machine", "date", "commit"} <= row.keys() for row in rows)


def test_with_a_key_the_other_rows_stay(results):
    for backend, value in (("threads", 1), ("dask", 2), ("threads", 3)):
        common.emit("p", [{"backend": backend, "value": value}], key=("backend",), show=False)
    assert [(row["backend"], row["value"]) for row in kept.read(results / "p.jsonl")] == [("dask", 2), ("threads", 3)]


def test_views_without_rows_are_empty(results):
    assert {name: views.rows(name) for name in tables.COLUMNS} == dict.fromkeys(tables.COLUMNS, [])


def test_means_over_seeds_are_paired(results):
    part = {"links before": 10, "neurons": 5, "neurons before": 5}
    pruning = {"mode": "shrink", "amount": 0.5, "start": 1, "stop": 2, "every": 1, **views.importance.DEFAULTS}
    for seed in range(2):
        for rule, accuracy, links in ((None, 80 + seed, 10), (pruning, 79 + seed, 4)):
            settings = {"part": "test", "config": {"dataset": "fashion_mnist", "seed": seed}, "pruning": rule}
            kept.Kept("importance").row(settings, lambda a=accuracy, n=links: {"accuracy %": a, "links": n, **part})
    alone, shrunk = views.rows("importance: fashion_mnist")
    assert (alone["points"], shrunk["points"]) == ("", "-1.00 ± 0.00")
    assert shrunk["links gone %"] == "60.0 ± 0.0"
    assert views.rows("importance: higgs") == []


def test_questions_are_found_by_their_settings(results):
    field, variants = next(iter(questions.FIELDS)), questions.QUESTIONS["slopes"]
    rows = []
    for n, changes in enumerate(variants.values()):
        for seed in range(views.SEEDS):
            settings = asdict(questions.config_of(field, changes, seed, views.EPOCHS))
            rows.append({"settings": settings, "accuracy %": 80.0 + n + seed})
    kept.append(results / "questions.jsonl", "questions", rows[:-1])
    found = views.rows("questions: slopes")
    assert [row["variant"] for row in found] == list(variants)[:-1], "a variant with a seed missing is not shown"
    assert [row["to the first"] for row in found] == ["", "1.00 ± 0.00", "2.00 ± 0.00"]
    assert [row["variant"] for row in views.rows("questions: topology")] == ["SET"], "All-ReLU with SET serves both questions"


def test_growth_has_a_slope(results):
    rows = [{"same": "density", "links": 10**n, "ms a step": 10.0**n, "bytes a link": 20.0 + n} for n in (4, 5, 6)]
    common.emit("growth", rows, show=False)
    (found,) = views.rows("growth: slopes")
    assert found["slope"] == pytest.approx(1)
    assert (found["least"], found["most"]) == (24, 26)


def test_peers_are_compared_with_ours(results):
    row = {"what": "standard", "kind": "epoch", "rounds": 3, "links": 5, "memory": 2**20, "leaves_out": ["dropout"], "note": ""}
    rows = [{**row, "peer": peer, "seconds": s} for peer, s in (("ours", 2.0), ("torch CSR", 5.0), ("SparseProp", None))]
    kept.append(results / "peers.jsonl", "peers", rows)
    assert tables.value("peers: standard", "times ours", {"peer": "torch CSR"}) == "2.5"
    assert [found["peer"] for found in views.rows("peers: standard")] == ["ours", "torch CSR"]
    assert "not run" in tables.peers("sweep")


# the command


def test_the_command_writes_documents_and_notebooks(results, tmp_path, monkeypatch, capsys):
    text = 'It takes <!--= value("training", "seconds", {"epoch of": "ours"}) -->?<!--/--> s.'
    document, notebook = tmp_path / "a.md", tmp_path / "b.ipynb"
    document.write_text(text)
    cells = [{"cell_type": "code", "source": [text]}, {"cell_type": "markdown", "source": ["é\n", text]}]
    notebook.write_text(json.dumps({"cells": cells}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    monkeypatch.setattr(report, "DOCUMENTS", [document])
    monkeypatch.setattr(report, "NOTEBOOKS", [notebook])
    common.emit("training", training({"ours": 0.25}), show=False)
    assert report.main([]) == 1
    assert "b.ipynb, cell 1" in capsys.readouterr().out
    assert report.main(["--write"]) == 0
    assert "-->0.25<!--" in document.read_text()
    first, second = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert first["source"] == [text]
    assert "-->0.25<!--" in second["source"][1]
    assert report.main([]) == 0
    assert report.main(["--plan"]) == 0
    assert "python -m benchmarks.training" in capsys.readouterr().out
