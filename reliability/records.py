"""Long runs in a notebook: with 10,000 epochs the kernel's memory stays flat, pictures come at most four times a second, and the
file that is saved stays small.

A kernel runs a cell that makes a panel and trains; the notebook is written as JupyterLab would, once with the widgets' state
(File, Save Widget State Automatically) and once without. What the kernel saw is printed by the cell itself.
"""

import itertools
import json
import os
import tempfile
from pathlib import Path

from reliability.common import Row

COMMAND = "python -m reliability records"
RECORDS, HERTZ, MEBIBYTES, FILE = 10_000, 4.0, 64, 5_000_000  # records; pictures a second; growth of memory; bytes of a file
SETTLED = 0.2  # of the records: from here on memory must stay flat
PANELS = {
    "panel": "TrainingPanel(config)",
    "page": "Workbench(config)",
}

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
start, moved = time.monotonic(), []
rate = panel.form.controls["learning_rate"].input
while not panel.current.wait(0.5):
    before = time.monotonic()
    rate.value = 0.011 if rate.value == 0.01 else 0.01
    moved.append(time.monotonic() - before)
over.set()
panel.wait(60)
print(json.dumps({"state": panel.state, "records": len(panel.history), "seconds": time.monotonic() - start,
                  "pictures": pictures, "memory": memory, "moved": max(moved, default=0.0)}))
"""


def watched(name, records, timeout=1800):
    """(what the kernel printed, bytes of the notebook with the widgets' state, bytes without) of a run in a kernel."""
    import nbformat
    from nbclient import NotebookClient

    make = nbformat.v4
    sources = [CELL.format(records=records, make=PANELS[name]), "shown", ANSWERS]
    notebook = make.new_notebook(cells=[make.new_code_cell(source) for source in sources])
    with tempfile.TemporaryDirectory() as folder:
        paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
        options = {"timeout": timeout, "store_widget_state": True, "resources": {"metadata": {"path": folder}}}
        NotebookClient(notebook, kernel_name="python3", **options).execute(env=os.environ | {"PYTHONPATH": paths})
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


def rows(scale=1.0):
    """Every promise about long runs, for the panel and for the page."""
    n = max(300, int(RECORDS * scale))
    return list(itertools.chain.from_iterable(rows_of(name, n) for name in PANELS))


def rows_of(name, n):
    """Those of one of PANELS with n records."""
    found, whole, plain = watched(name, n)
    what, mebi = f"{name} with {n:,} records", 2**20
    rate, more, slow = hertz(found["pictures"]), growth(found["memory"], n) / mebi, slower(found["memory"])
    ended, moved = found["state"] == "finished" and found["records"] == n, found["moved"]
    table = [
        ("trained to the end", f"{found['records']:,} in {found['seconds']:.0f} s", "all", ended),
        ("pictures a second at most", f"{rate:.2f} ({len(found['pictures'])})", f"<= {HERTZ:g}", rate <= HERTZ),
        ("memory of the kernel grows by", f"{more:.1f} MiB", f"<= {MEBIBYTES}", more <= MEBIBYTES),
        ("time a record, end over start", f"{slow:.2f}", "<= 2", slow <= 2),
        ("a control answers within", f"{moved:.3f} s", "<= 1", moved <= 1),
        ("notebook with widget state", f"{whole / 1e6:.2f} MB", "< 5", whole < FILE),
        ("notebook without", f"{plain / 1e6:.3f} MB", "< 5", plain < FILE),
    ]
    return [Row(f"{what}: {promise}", *figures, COMMAND) for promise, *figures in table]
