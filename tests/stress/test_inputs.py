"""The table of bad and unusual input, run as a whole; what the judge calls a fault; and the command that prints all figures."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from scipy import sparse

from stress import __main__ as command
from stress import gate, inputs
from stress.common import Row
from stress.inputs import Acceptance, Case, Refusal

CATALOGUE = {
    # data: each fault of a group must be there for the argument of each door
    "steps(X)": {
        "NaN",
        "infinity",
        "too large for float32",
        "0-D",
        "1-D",
        "3-D",
        "no rows",
        "complex",
        "text",
        "dates",
        "masked values",
    },
    "predict(X)": {
        "too few features",
        "dtype f2",
        "dtype u8",
        "big-endian float64",
        "strided view",
        "memory map, r",
        "unaligned",
        "read-only",
    },
    "evaluate(X)": {
        "csr array",
        "csc array",
        "coo array",
        "lil array",
        "bsr array",
        "dia array",
        "csr, unsorted",
        "csr, duplicates",
    },
    "fit(X)": {
        "index 2^31 - 1",
        "index -1",
        "indptr starts late",
        "indptr falls",
        "indptr ends late",
        "data with NaN",
        "ragged list",
    },
    "fit(y)": {"NaN", "infinity", "nothing", "too short", "fractions", "one class", "one-hot", "masked", "numbers and text"},
    "Topology.from_scipy(matrix)": {"index 10^9", "indptr ends at 10^9", "data too short", "indices of float", "coo: row 10^7"},
    "before fit": {"predict", "score"},
    # parameters
    "epsilon": {"NaN", "nothing", "negative", "zero", "text", "bool", "object", "beyond float"},
    "create(sizes)": {"empty", "zero width", "negative width", "fraction", "10^12", "nested", "text", "bool width"},
    "create(epsilon)": {"density above 1", "no link at all"},
    "SET(zeta)": {"zero", "one", "NaN", "above 1", "hardly a free place"},
    "steps(batch_size)": {"zero", "negative", "fraction", "larger than the data", "does not divide the rows"},
    "MomentumSGD(learning_rate)": {"zero", "negative", "NaN", "text", "schedule that says NaN"},
    "random_state": {"negative", "fraction", "2^64", "RandomState", "Generator"},
    "n_jobs": {"zero", "fraction", "more than cores"},
    "erdos_renyi(n_out, n_in)": {"2^31 positions", "4e18 positions"},
    # pruning and regrowth
    "ImportancePruning(amount)": {"NaN", "above 1", "none", "all", "function that says nothing", "function of the epoch"},
    "ImportancePruning(start)": {"zero", "fraction", "last epoch", "far beyond"},
    "ImportancePruning(stop)": {"before start"},
    "ImportancePruning(percentile)": {"NaN", "above 100", "all"},
    "ImportancePruning(importance)": {"class", "shrink, function that says NaN", "links, function that says too short"},
    "SET(criterion)": {
        "text",
        "function that says too short",
        "function that says NaN",
        "function that says objects",
        "keep none",
    },
    "SET(regrowth)": {
        "text",
        "function that says too few",
        "function that says floats",
        "function that says occupied",
        "function that says row beyond",
        "function that says the same twice",
        "function that says nothing",
    },
    "SampledGradient(candidates)": {"zero", "more candidates than free places"},
    "Until(stop)": {"negative", "never"},
    "prune(amount)": {"above 1", "all"},
    "prune_curve(amounts)": {"one of them is above 1", "none", "nested", "one number"},
    "prune_curve(data)": {"without test samples", "too wide", "NaN in the test samples"},
    "rules": {"text", "function that says NaN", "regrowth that is not there", "beside SET", "all of them"},
    "ExperimentConfig(regrowth)": {"misspelt", "nothing"},
    "pruning_stop": {"shrink, before it starts", "command, links, before it starts"},
    "pruning": {"misspelt", "shrink", "links", "gradient regrowth"},
    # files and options
    "config": {"empty", "not JSON", "nested 100 000 deep", "not UTF-8", "folder", "missing"},
    "field": {"unknown", "twice", "of Python"},
    "hidden": {"10^400", "NaN in it", "text among others"},
}


@pytest.fixture(scope="module")
def outcomes():
    return gate.run()


def test_every_input_ends_in_a_named_error_or_a_documented_acceptance(outcomes):
    faults = [outcome for outcome in outcomes if outcome.verdict == gate.FAULT]
    assert faults == []


def test_enough_distinct_pairs_of_argument_and_fault_are_tried(outcomes):
    assert len(gate.pairs(outcomes)) >= gate.GOAL
    doors_seen = Counter(outcome.door for outcome in outcomes)
    assert doors_seen.keys() == {"Python", "classifier", "selector", "command line", "config file"}
    assert all(len(gate.pairs(o for o in outcomes if o.door == door)) >= gate.GOAL for door in doors_seen)
    assert sum(map(doors_seen.get, doors_seen)) == sum(len(gate.cases_of(door)) for door in gate.DOORS)


def test_the_catalogue_is_covered(outcomes):
    tried = gate.pairs(outcomes)
    assert {(argument, fault) for argument, faults in CATALOGUE.items() for fault in faults} - tried == set()


# the judge


class Scene:
    """A list that may be spoilt."""

    def __init__(self):
        self.content = [1, 2]

    def reset(self):
        """Nothing to bring back."""

    def fingerprint(self):
        return list(self.content)


def judged(call, value=-1, wanted=None):
    wanted = Refusal(("alpha",)) if wanted is None else wanted
    return gate.judge(Case("door", "f(alpha)", "negative", lambda scene: value, call, wanted), Scene())


def fails(error):
    def call(scene, value):
        raise error

    return call


def spoils(scene, value):
    scene.content.append(value)
    raise ValueError("alpha = -1: must be larger")


def draws(scene, value):
    np.random.random()  # noqa: NPY002
    raise ValueError("alpha = -1: must be larger")


def writes(scene, value):
    value[0] = 5
    raise ValueError("alpha = array([0.: must be something else")


class Shy(ValueError):
    def __str__(self):
        raise RuntimeError("no message")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda scene, value: 3, "accepted: 3"),
        (fails(KeyError("alpha = -1")), "not a named error"),
        (fails(ZeroDivisionError("alpha = -1")), "not a named error"),
        (fails(MemoryError("alpha = -1")), "not a named error"),
        (fails(ValueError("beta = -1: must be larger")), "names none of"),
        (fails(ValueError("alphabet = -1: must be larger")), "names none of"),
        (fails(ValueError("alpha is too small")), "does not say ['-1']"),
        (fails(ValueError("alpha = -1" + "x" * 600)), "610 characters"),
        (fails(Shy()), "message cannot be made"),
        (spoils, "something has changed"),
    ],
)
def test_the_judge_sees_faults(call, words):
    verdict, detail = judged(call)
    assert verdict == gate.FAULT
    assert words in detail


def test_the_judge_sees_a_written_input_and_a_drawn_number():
    state = np.random.get_state()  # noqa: NPY002
    try:
        assert judged(draws) == (gate.FAULT, "the global generator was used")
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert judged(writes, np.zeros(3)) == (gate.FAULT, "the input was written to")
    matrix = sparse.csr_array(np.eye(3))
    spoil = lambda scene, value: value.data.__setitem__(0, 7.0) or fails(ValueError("alpha"))(scene, value)
    assert judged(spoil, matrix) == (gate.FAULT, "the input was written to")


def test_the_judge_takes_a_good_error_and_a_kept_promise():
    verdict, detail = judged(fails(TypeError("alpha = -1: must be larger")))
    assert (verdict, detail) == (gate.ERROR, "TypeError: alpha = -1: must be larger")
    promise = Acceptance(lambda result, scene: result == 3, "it is three")
    assert judged(lambda scene, value: 3, wanted=promise) == (gate.ACCEPTED, "it is three")
    assert judged(lambda scene, value: 4, wanted=promise)[0] == gate.FAULT
    assert judged(fails(ValueError("alpha = -1")), wanted=promise)[0] == gate.FAULT


def test_a_case_that_hangs_is_a_fault(monkeypatch):
    monkeypatch.setattr(gate, "CASE_SECONDS", 1)

    def hang(scene, value):
        while True:
            pass

    verdict, detail = judged(hang)
    assert verdict == gate.FAULT
    assert "no answer within 1 s" in detail


def test_a_crash_is_one_failed_case_and_the_next_ones_are_tried(monkeypatch):
    """The lines of a process that died in its second case, then those of the one that went on."""
    pair = lambda n: ["door", "f(alpha)", str(n)]
    first = [
        {"of": 3},
        {"begins": 0, "pair": pair(0)},
        {"ends": 0, "verdict": ["named error", "x"]},
        {"begins": 1, "pair": pair(1)},
    ]
    assert gate.read(first) == ([gate.Outcome(*pair(0), "named error", "x")], pair(1))
    started = []

    class Ended:
        stderr = ""

    def run(arguments, **options):
        door, start, path = arguments[-3:]
        started.append(int(start))
        lines = (
            first if start == "0" else [{"of": 3}, {"begins": 2, "pair": pair(2)}, {"ends": 2, "verdict": ["named error", "x"]}]
        )
        with open(path, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        ended = Ended()
        ended.returncode = -11 if start == "0" else 0
        return ended

    monkeypatch.setattr(gate.subprocess, "run", run)
    found = gate.run_door("python")
    assert started == [0, 2]
    assert [outcome.verdict for outcome in found] == ["named error", gate.FAULT, "named error"]
    assert "code -11" in found[1].detail


def test_a_real_crash_is_a_failed_case(tmp_path, monkeypatch):
    """A door with one case that kills its process, in a real process."""
    module = tmp_path / "crashing.py"
    module.write_text(
        "import ctypes, sys\n"
        "from stress import gate\n"
        "from stress.inputs import refusals\n"
        "class Scene:\n"
        "    reset = lambda self: None\n"
        "    fingerprint = lambda self: 0\n"
        "def call(scene, value):\n"
        "    if value == 'crash': ctypes.string_at(0)\n"
        "    raise ValueError(f'alpha = {value!r}')\n"
        "def cases():\n"
        "    return refusals('door', 'f(alpha)', call, {'good': 1, 'crash': 'crash', 'after': 2})\n"
    )
    monkeypatch.setattr(inputs, "__path__", [*inputs.__path__, str(tmp_path)])
    start = "import sys; from stress import gate, inputs; inputs.__path__.append(sys.argv.pop(1)); sys.exit(gate.main())"
    original = gate.subprocess.run

    def run(arguments, **options):
        at = arguments.index("-m")
        return original([*arguments[:at], "-c", start, str(tmp_path), *arguments[at + 2 :]], **options)

    monkeypatch.setattr(gate.subprocess, "run", run)
    found = gate.run_door("crashing")
    assert [outcome.verdict for outcome in found] == [gate.ERROR, gate.FAULT, gate.ERROR]
    assert "code -11" in found[1].detail


# the command


ROWS = [
    Row("a promise | with a bar", "3 of 3", "all", True, "python -m x"),
    Row("another", "1e-3", "<= 1e-6", False, "python -m y"),
]


def test_every_harness_is_found_and_documented():
    names = command.harnesses()
    assert {"gate", "dynamics", "gradients", "estimators"} <= set(names)
    assert not {"common", "nets", "__main__"} & set(names)
    text = command.DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in names if f"reliability/{name}.py" not in text] == []
    named = set(re.findall(r"`((?:tests|reliability)/[\w/]+(?:\.py|/))`", text))
    assert len(named) > 15
    assert [name for name in named if not (command.ROOT / name).exists()] == []


def test_the_table_names_what_fell_short_and_the_exit_code_says_so(monkeypatch, capsys):
    monkeypatch.setattr(command, "measured", lambda name, scale: ROWS if name == "gate" else ROWS[:1])
    assert command.main(["--only", "dynamics"]) == 0
    assert "SHORT" not in capsys.readouterr().out
    assert command.main(["--only", "gate", "--quick"]) == 1
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines() if line.endswith("SHORT")] == ["another"]
    assert "1 of 2 goals reached" in shown.err
    assert command.main(["--only", "gate", "--only", "dynamics", "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["harness"], line["what"], line["good"]) for line in lines] == [
        ("gate", "a promise | with a bar", True), ("gate", "another", False), ("dynamics", "a promise | with a bar", True),
    ]  # fmt: skip


def test_the_scale_reaches_the_harnesses(monkeypatch, capsys):
    scales = []
    monkeypatch.setattr(command, "measured", lambda name, scale: scales.append(scale) or ROWS[:1])
    for arguments in ([], ["--quick"], ["--scale", "0.5"]):
        command.main(["--only", "gate", *arguments])
    assert scales == [1.0, command.QUICK, 0.5]


def test_the_document_gets_its_table_from_the_command(monkeypatch, tmp_path, capsys):
    document = tmp_path / "reliability.md"
    document.write_text(f"# Title\n\n{command.BEGIN}\nold\n{command.END}\n\nend\n")
    monkeypatch.setattr(command, "DOCUMENT", document)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "measured", lambda name, scale: ROWS)
    monkeypatch.setattr(command, "harnesses", lambda: ["gate"])
    assert command.main(["--markdown", "--quick"]) == 1
    first = document.read_text()
    assert first.startswith("# Title\n")
    assert first.endswith("\n\nend\n")
    assert "old" not in first
    assert "| a promise \\| with a bar | 3 of 3 | all | yes | `python -m x` |" in first
    assert "| another | 1e-3 | <= 1e-6 | **no** | `python -m y` |" in first
    assert "counts times 0.1" in first
    command.main(["--markdown", "--quick"])
    assert document.read_text() == first
    with pytest.raises(ValueError, match="the document has no"):
        command.write_into("# Title", "table")


def test_rows_of_one_harness_take_the_place_of_those_before(monkeypatch, tmp_path, capsys):
    document = tmp_path / "reliability.md"
    document.write_text(f"# Title\n\n{command.BEGIN}\n{command.markdown(ROWS, 1.0)}\n{command.END}\n\nend\n")
    monkeypatch.setattr(command, "DOCUMENT", document)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    for rows in ([ROWS[0]._replace(figure="4 of 4")], [ROWS[0]._replace(what="a third", command="python -m z")]):
        monkeypatch.setattr(command, "measured", lambda name, scale, rows=rows: rows)
        command.main(["--markdown", "--only", "gate"])
    lines = [line for line in document.read_text().splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[1] for line in lines] == ["figure", "4 of 4", "1e-3", "3 of 3"]
    assert document.read_text().endswith(f"{command.END}\n\nend\n")


def test_a_harness_that_breaks_is_a_row_that_fell_short(tmp_path, monkeypatch):
    package = tmp_path / "reliability"
    package.mkdir()
    for name in ("__init__", "__main__", "common"):
        source = command.ROOT / "reliability" / f"{name}.py"
        (package / f"{name}.py").write_text(source.read_text())
    (package / "breaks.py").write_text('"""No good."""\nimport no_such_module\n\n\ndef rows(scale=1.0):\n    return []\n')
    (package / "crashes.py").write_text('"""No good."""\nimport os\n\n\ndef rows(scale=1.0):\n    os.abort()\n')
    good = "from .common import Row\n\n\ndef rows(scale=1.0):\n    return [Row('w', scale, 'g', True, 'c')]\n"
    (package / "good.py").write_text(f'"""Good."""\n{good}')
    monkeypatch.setattr(command, "ROOT", tmp_path)
    broken, crashed, fine = (command.measured(name, 0.5) for name in ("breaks", "crashes", "good"))
    assert [row.good for row in (*broken, *crashed)] == [False, False]
    assert "code 1" in broken[0].figure
    assert "code -6" in crashed[0].figure
    assert fine == [Row("w", "0.5", "g", True, "c")]
