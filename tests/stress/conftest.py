"""The option --stress, which measures every promise of docs/reliability.md, and the table of the figures found."""

from collections import namedtuple
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SCALES = {"quick": 0.1, "full": 1.0}
TEST_SECONDS = 4 * 3600
INPUTS = "bad and unusual input: a named error or a documented acceptance"

# file of the test; what is promised, the figure found and the goal (texts for people); whether it was reached
Row = namedtuple("Row", "file promise figure goal good")


def scale_of(text):
    """The factor of the counts that --stress names."""
    return SCALES[text] if text in SCALES else float(text)


def pytest_addoption(parser):
    group = parser.getgroup("stress")
    text = "measure the promises of docs/reliability.md with the counts that they were given: quick (a tenth), full, or a factor"
    group.addoption("--stress", type=scale_of, metavar="SCALE", help=text)
    group.addoption("--write-table", action="store_true", help=f"write the figures of the files that ran into {DOCUMENT.name}")


def pytest_configure(config):
    if config.getoption("--stress", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(config), "stress table")


def pytest_collect_file(file_path, parent):
    is_harness = file_path.parent == HERE and file_path.suffix == ".py" and not file_path.stem.startswith(("test_", "conf", "_"))
    if is_harness and parent.config.getoption("--stress", None) and not parent.session.isinitpath(file_path):
        return pytest.Module.from_parent(parent, path=file_path)


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.path.parent == HERE and config.getoption("--stress", None):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


class Promises:
    """`scale`, `full` and `count(n)` of a measurement; `row` notes what it found."""

    def __init__(self, scale, file):
        self.scale, self.full, self.file, self.rows = scale, scale >= 1, file, []

    def count(self, n, least=1):
        """n times the scale."""
        return max(least, int(n * self.scale))

    def row(self, promise, figure, goal, good):
        self.rows.append(Row(self.file, promise, str(figure), goal, bool(good)))

    def all(self, promise, good, tried, goal="all"):
        """The row of a promise that must be kept every time."""
        self.row(promise, f"{good} of {tried}", goal, good == tried)


@pytest.fixture
def stress(request, record_property):
    """Promises of one test, which fails where one of them was not kept."""
    found = Promises(request.config.getoption("--stress"), f"{HERE.parent.name}/{HERE.name}/{request.path.name}")
    yield found
    record_property("rows", [list(row) for row in found.rows])
    assert [row for row in found.rows if not row.good] == []


class Table:
    """Collects the rows of all tests, those that run in other processes too."""

    def __init__(self, config):
        self.config, self.rows, self.cases = config, [], []

    def pytest_collectreport(self, report):
        if report.failed:
            self.broke(report.nodeid)

    def pytest_runtest_logreport(self, report):
        found = dict(report.user_properties)
        if report.when == "teardown":
            self.rows += [Row(*row) for row in found.get("rows", ())]
            self.cases += found.get("cases", ())
        elif report.failed:  # "call", "setup", or "???" where its process crashed
            self.broke(report.nodeid)

    def broke(self, nodeid):
        """A row for what could not be measured."""
        row = Row(nodeid.partition("::")[0], nodeid, "broke", "runs", False)
        self.rows += [] if row in self.rows else [row]

    def pytest_terminal_summary(self, terminalreporter):
        if self.cases:
            entries, pairs = len({case[0] for case in self.cases}), len({tuple(case[1:]) for case in self.cases})
            wrong = sum("::test_inputs" in row.promise for row in self.rows)
            figure = f"{pairs:,} pairs ({len(self.cases):,} cases through {entries} entry points), {wrong} tests failed"
            self.rows.append(Row("tests/stress/test_inputs.py", INPUTS, figure, "0 crashes, 0 silent", not wrong))
        for row in self.rows:
            terminalreporter.write_line(f"{'' if row.good else 'MISSED: '}{row.promise}: {row.figure} (goal: {row.goal})")
        if self.config.getoption("--write-table"):
            text = DOCUMENT.read_text(encoding="utf-8")
            DOCUMENT.write_text(with_table(text, self.rows, self.config.getoption("--stress")), encoding="utf-8")


def with_table(document, rows, scale):
    """The document with rows in the place of those of the same files, sorted by file."""
    before, begin, rest = document.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document has no {BEGIN} … {END}")
    command = lambda file: f" `pytest {file} --stress=full` "
    cell = lambda text: text.replace("|", "\\|").replace("\n", " ")
    ran = {command(row.file) for row in rows}
    kept = [line for line in table.splitlines() if line.startswith("| ") and line.split("|")[-2] not in ran][1:]
    for row in rows:
        cells = [cell(row.promise), cell(row.figure), cell(row.goal), "yes" if row.good else "**no**"]
        kept.append(f"| {' | '.join(cells)} |{command(row.file)}|")
    lines = sorted(kept, key=lambda line: line.split("|")[-2])
    head = f"Last written with {'full counts' if scale >= 1 else f'counts times {scale:g}'}; {machine()}."
    columns = ["| promise | figure | goal | reached | found again by |", "|---|---|---|---|---|"]
    return "\n".join([f"{before}{begin}", "", head, "", *columns, *lines, "", f"{end}{after}"])


def machine():
    """Where the figures come from, in half a line."""
    from sparselab.experiments import environment

    found = environment.describe()
    return ", ".join([f"{found['cores']} cores", *(f"{name} {found[name]}" for name in ("python", "numpy", "numba"))])
