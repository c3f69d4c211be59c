"""Long runs in a notebook: with 10,000 epochs the kernel's memory stays flat, pictures come at most four times a second, the file
that is saved stays small, and controls and Stop take effect at once.

A kernel runs a cell that makes a panel and trains; the notebook is written as JupyterLab would, once with the widgets' state
(File, Save Widget State Automatically) and once without. What the kernel saw is printed by the cell itself.
"""

import json
import os
import tempfile

import pytest

from stress.processes import PATHS

RECORDS, HERTZ, MEBIBYTES, FILE = 10_000, 4.0, 64, 5_000_000  # records; pictures a second; growth of memory; bytes of a file
ANSWER, STOPS = 1.0, 20  # seconds within which a control or Stop is heard; how often Stop is pressed
SETTLED = 0.2  # of the records: from here on memory must stay flat
PANELS = {"panel": "TrainingPanel(config)", "page": "Workbench(config)"}

CELL = """
import json, os, threading, time
from sparselab import ExperimentConfig
from sparselab.widgets import TrainingPanel, Workbench
config = ExperimentConfig(dataset="digits", hidden=(20, 20), epochs={records}, batch_size=256, threads=1)
shown = {make}
panel = getattr(shown, "train", shown)
pictures, memory, over = [], [], threading.Event()
panel.screen.gallery.images["curves"].observe(lambda change: pictures.append(time.monotonic()), "value")

def watch():
    page = os.sysconf("SC_PAGE_SIZE")
    while not over.wait(0.2):
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * page
        memory.append((len(panel.history), time.monotonic(), resident))

threading.Thread(target=watch, daemon=True).start()
assert panel.start()
"""
ANSWERS = """
used = lambda rate: panel.current.last is not None and abs(panel.current.last.learning_rate - rate) < 1e-9
start, heard = time.monotonic(), []
while panel.state == "preparing":  # data and compiled code are loaded: there is no batch yet that could use a rate
    time.sleep(0.01)
began = time.monotonic() - start
rate = panel.form.controls["learning_rate"].input
while not panel.current.wait(0.5):
    before, wanted = time.monotonic(), 0.011 if rate.value == 0.01 else 0.01
    rate.value = wanted
    while panel.current.active and not used(wanted):
        time.sleep(0.001)
    if panel.current.active:
        heard.append(time.monotonic() - before)
over.set()
panel.wait(60)
found = {{"state": panel.state, "records": len(panel.history), "seconds": time.monotonic() - start, "began": began,
         "pictures": list(pictures), "memory": memory, "heard": heard, "stops": []}}
for number in range({stops}):
    assert panel.start()
    while len(panel.history) < 3:
        time.sleep(0.01)
    time.sleep(0.037 * number % 0.3)  # at any moment of an epoch, and of a picture
    before = time.monotonic()
    panel.screen.buttons["Stop"].click()
    assert panel.current.wait(30)
    found["stops"].append(time.monotonic() - before)
print(json.dumps(found))
"""


def watched(name, records, stops=STOPS, timeout=1800):
    """(what the kernel printed, bytes of the notebook with the widgets' state, bytes without) of a run in a kernel."""
    import nbformat
    from nbclient import NotebookClient

    make = nbformat.v4
    sources = [CELL.format(records=records, make=PANELS[name]), "shown", ANSWERS.format(stops=stops)]
    notebook = make.new_notebook(cells=[make.new_code_cell(source) for source in sources])
    with tempfile.TemporaryDirectory() as folder:
        options = {"timeout": timeout, "store_widget_state": True, "resources": {"metadata": {"path": folder}}}
        NotebookClient(notebook, kernel_name="python3", **options).execute(env=os.environ | {"PYTHONPATH": PATHS})
    whole = len(nbformat.writes(notebook).encode())
    notebook.metadata.pop("widgets", None)
    return json.loads(notebook.cells[2].outputs[0].text), whole, len(nbformat.writes(notebook).encode())


def hertz(moments, span=2.0):
    """The largest number of pictures in any `span` seconds, a second; 0.0 for less than two pictures."""
    counts, first = [], 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > span:
            first += 1
        counts.append(last - first)
    return max(counts, default=0) / span


def growth(memory, records):
    """Bytes by which the resident memory grew from SETTLED of the records to the end: medians of a tenth of the samples each."""
    settled = [resident for n, _, resident in memory if n >= SETTLED * records]
    tenth = max(1, len(settled) // 10)
    middle = lambda values: sorted(values)[len(values) // 2]
    return middle(settled[-tenth:]) - middle(settled[:tenth]) if settled else 0


def slower(memory):
    """Time a record in the last third of the samples over that in the first third, as a factor."""
    third = max(2, len(memory) // 3)
    pace = lambda part: (part[-1][1] - part[0][1]) / max(1, part[-1][0] - part[0][0])
    started = [sample for sample in memory if sample[0]]
    return pace(started[-third:]) / pace(started[:third]) if len(started) > 2 else 1.0


def steady(found, n, whole, plain):
    """[(promise, figure, goal, good)] of what holds on any machine, however slow or busy it is."""
    rate, ended = hertz(found["pictures"]), found["state"] == "finished" and found["records"] == n
    spent = f"{found['records']:,} in {found['seconds']:.0f} s, {found['began']:.1f} s to begin"
    return [
        ("trained to the end", spent, "all", ended),
        ("pictures a second at most", f"{rate:.2f} ({len(found['pictures'])})", f"<= {HERTZ:g}", rate <= HERTZ),
        ("notebook with widget state", f"{whole / 1e6:.2f} MB", "< 5", whole < FILE),
        ("notebook without", f"{plain / 1e6:.3f} MB", "< 5", plain < FILE),
    ]


def timed(found, n):
    """The same of times, and of memory, which settles in a long run only."""
    more, slow = growth(found["memory"], n) / 2**20, slower(found["memory"])
    table = [
        ("memory of the kernel grows by", f"{more:.1f} MiB", f"<= {MEBIBYTES}", more <= MEBIBYTES),
        ("time a record, end over start", f"{slow:.2f}", "<= 2", slow <= 2),
    ]
    for promise, key in (("a learning rate moved while it runs is used within", "heard"), ("Stop is answered within", "stops")):
        spent = sorted(found[key]) or [float("nan")]
        figure = f"{spent[-1]:.3f} s, median {spent[len(spent) // 2]:.3f} s (n = {len(found[key])})"
        table.append((promise, figure, f"<= {ANSWER:g}", spent[-1] <= ANSWER))
    return table


@pytest.mark.parametrize("name", PANELS)
def test_long_runs(name, stress):
    n = stress.count(RECORDS, 300)
    found, *sizes = watched(name, n)
    for promise, *figures in steady(found, n, *sizes) + timed(found, n):
        stress.row(f"{name} with {n:,} records: {promise}", *figures)
