"""The tab Compare: selected runs in one figure, and a table of the settings in which they differ."""

import dataclasses
from functools import partial

from ... import figures
from ...experiments.run_labels import differing, value
from ...experiments.run_table import grouped, names_of
from .. import markup
from ..gallery import DrawnViews
from ..pictures import curves as curve_data
from ..toolkit import make
from ..views import View, drawn, sampled, with_legend
from .run_list import RunList

MOST, NAME = 8, 16  # runs, or groups of them, in one figure: more cannot be told apart; letters of a name in its legend
OPENED = 64  # runs of which means are computed
WAITING = "Select two runs or more (Ctrl or Shift with a click or an arrow key)."


class CompareTab(DrawnViews):
    """rows: () -> rows of the RunList. open_run: name -> saved run with name, config, history and changes."""

    def __init__(self, rows, open_run):
        super().__init__(VIEWS, min_height="320px")
        self.open_run, self.list = open_run, RunList(rows, height="84px")
        self.message, self.table = make("HTML", "sparselab-compare-message"), make("HTML", "sparselab-differences")
        self._redraw_with(self.list.list)
        views = make(
            "VBox", children=[self.gallery.tabs, *self.gallery.downloads], layout={"flex": "1 1 420px", "max_width": "640px"}
        )
        table = make("VBox", "sparselab-scroll", children=[self.table], layout={"flex": "1 1 220px", "max_height": "400px"})
        rows = [self.list.widget, self.message, make("HBox", children=[views, table])]
        self.widget = make("VBox", "sparselab-panel", "sparselab-compare", children=rows)

    def choose(self, names):
        """Select these runs."""
        self.list.filter.value = ""
        self.list.refresh()
        self.list.list.value = tuple(names)

    def choose_seeds(self, names):
        """Select these runs, and show their means with bands."""
        self.gallery.tabs.selected_index = list(VIEWS).index(SEEDS)
        self.choose(names)

    def _draw(self):
        names, runs, errors = self.list.selected, [], []
        for name in names[:OPENED]:
            try:
                runs.append(self.open_run(name))
            except Exception as error:  # a damaged folder; the other runs are shown
                errors.append(str(error))
        if len(names) > OPENED or (len(names) > MOST and self.gallery.visible != SEEDS):
            shown = OPENED if self.gallery.visible == SEEDS else MOST
            errors.append(f"{len(names)} runs are selected: the first {shown} are shown")
        self.message.value = markup.error_message("; ".join(errors)) if errors else ""
        self.gallery.draw(runs)
        self.table.value = differences(runs) if len(runs) > 1 else ""


def curves(runs, x="epoch"):
    """Loss and accuracy of the runs that have records."""
    runs = runs[:MOST]
    found = {entry: drawn(run.history) for entry, run in zip(entries(runs), runs, strict=True) if run.history}
    return with_legend(figures.learning_curves(found, x=x)) if found else None


def curves_in_browser(runs, choices, x="epoch"):
    """The same for the browser."""
    runs = runs[:MOST]
    found = {entry: run.history for entry, run in zip(entries(runs), runs, strict=True) if run.history}
    return curve_data.content(found, choices, x) if found else None


def bands(runs):
    """Mean and band of the runs that differ in their seed only; those that were changed by hand are left out."""
    groups = grouped(runs)[:MOST]
    names = names_of(groups) if len(groups) > 1 else ["mean"]
    found = {name: [sampled(run.history) for run in group] for name, group in zip(names, groups)}
    return with_legend(figures.learning_curves(found)) if found else None


def entries(runs):
    """For each run what a legend says: its number, the name that the user gave it, and its seed where runs differ in it."""
    several = len({run.config.seed for run in runs}) > 1
    seeds = [f", seed {run.config.seed}" if several else "" for run in runs]
    return [f"{number(run)} {run.label[:NAME]}".strip() + seed for run, seed in zip(runs, seeds, strict=True)]


def number(run):
    """The number with which the name of a saved run begins."""
    return run.name.split("-")[0]


def differences(runs):
    """HTML: one row for each run with the fields of the configs that are not the same in all runs."""
    settings = [dataclasses.asdict(run.config) for run in runs]
    data = [run.own_data or run.config.dataset for run in runs]
    columns = {"data": data} if len({run.own_data for run in runs}) > 1 else {}
    columns |= {name: [value(one[name]) for one in settings] for name in differing(settings)}
    if any(run.changes for run in runs):
        columns["steered"] = ["yes" if run.changes else "no" for run in runs]
    if not columns:
        return markup.note("The settings of these runs are the same.")
    numbers = [f"{number(run)} {run.label}".strip() for run in runs]  # the legend of the figure begins with them
    return markup.table(zip(numbers, *columns.values()), ("run", *columns))


SEEDS = "over-seeds"
VIEWS = {
    "compared": View("epochs", curves, empty=WAITING, data=curves_in_browser),
    "compared-clock": View(
        "wall clock", partial(curves, x="seconds"), empty=WAITING, data=partial(curves_in_browser, x="seconds")
    ),
    SEEDS: View("mean and band", bands, empty=WAITING),
}
