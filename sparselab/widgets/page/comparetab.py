"""The tab Compare: chosen runs in one picture, and a table of the settings in which they differ."""

import dataclasses

from ... import figures
from ...experiments.run_labels import value
from ...figures.style import set_height
from .. import markup
from ..gallery import Gallery
from ..painter import Painter
from ..toolkit import make
from ..views import View, sampled
from .runlist import RunList

MOST = 8  # runs in one picture: more cannot be told apart
WAITING = "Mark two runs or more (Ctrl or Shift with a click or an arrow key)."


class CompareTab:
    """rows: () -> rows of the RunList. opened: name -> kept run with name, config, history and changes."""

    def __init__(self, rows, opened):
        self.opened, self.runs = opened, []
        self.list = RunList(rows, height="84px")
        self.gallery, self.painter = Gallery(VIEWS), Painter(self._paint, limited=True)
        for one in self.gallery.tabs.children:
            one.layout.min_height = "320px"
        self.message, self.table = make("HTML", value=""), make("HTML", value="")
        self.message.add_class("sparselab-compare-message")
        self.table.add_class("sparselab-differences")
        self.list.list.observe(lambda change: self.painter.ask(), "value")
        self.gallery.tabs.observe(lambda change: self.painter.ask(), "selected_index")
        right = make("VBox", children=[self.gallery.tabs], layout={"flex": "0 0 580px", "min_width": "420px"})
        left = make("VBox", children=[self.table], layout={"flex": "1 1 0", "overflow": "auto"})
        body = make("HBox", children=[right, left])
        self.widget = make("VBox", children=[self.list.widget, self.message, body]).add_class("sparselab-panel")
        self.widget.add_class("sparselab-compare")

    def choose(self, names):
        """Mark these runs."""
        self.list.list.value = tuple(names)

    def wait(self, timeout=None):
        """Until it is drawn."""
        return self.painter.wait(timeout)

    def _paint(self):
        names, self.runs, faults = self.list.chosen, [], []
        for name in names[:MOST]:
            try:
                self.runs.append(self.opened(name))
            except Exception as error:  # of a damaged folder; the others are shown
                faults.append(str(error))
        if len(names) > MOST:
            faults.append(f"{len(names)} runs are marked: the first {MOST} are shown")
        self.message.value = markup.error("; ".join(faults)) if faults else ""
        self.gallery.draw(self.runs)
        self.table.value = differences(self.runs) if len(self.runs) > 1 else ""


def histories(runs):
    """{label: History} of the runs that have records."""
    runs = [run for run in runs if run.history]
    return {name_of(run): sampled(run.history) for run in runs}


def name_of(run):
    """The name of a run, and what the user called it."""
    return f"{run.name} {run.label}".strip()


def curves(runs, x="epoch"):
    """Loss and accuracy of the chosen runs."""
    found = histories(runs)
    return set_height(figures.learning_curves(found, x=x), 3.9) if found else None


def differences(runs):
    """The fields of the configs that are not the same in all runs, one row a run: beside the picture there is room for that."""
    settings = [dataclasses.asdict(run.config) for run in runs]
    columns = {name: [value(one[name]) for one in settings] for name in settings[0]}
    columns = {name: texts for name, texts in columns.items() if len(set(texts)) > 1}
    if any(run.changes for run in runs):
        columns["steered"] = ["yes" if run.changes else "no" for run in runs]
    if not columns:
        return markup.note("The settings of these runs are the same.")
    return markup.table(zip(map(short_name_of, runs), *columns.values()), ("run", *columns))


def short_name_of(run):
    """Its number, by which the picture tells it, too, and what the user called it."""
    return f"{run.name.split('-')[0]} {run.label}".strip()


VIEWS = {
    "compared": View("epochs", curves, empty=WAITING),
    "compared-clock": View("wall clock", lambda runs: curves(runs, "seconds"), empty=WAITING),
}
