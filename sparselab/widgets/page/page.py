"""The page itself: the four tabs, made of their parts."""

from ...experiments.config import ExperimentConfig
from ...experiments.run_store import RunStore
from .. import panels
from ..toolkit import bundle, make
from .comparetab import CompareTab
from .look import STYLE
from .run_actions import RunActions
from .runstab import RunsTab
from .sweeptab import SweepTab
from .traintab import TrainTab


class Workbench:
    """One page to tune, watch and compare. Show it as the last line of a cell.

    config: with which the form begins. data: a Dataset in place of the config's. folder: where runs are kept. From code:
    `train` is a TrainingPanel, `sweep`, `compare` and `runs` are the other tabs, `store` has the runs.
    """

    def __init__(self, config=None, *, data=None, folder="runs"):
        self.store = RunStore(folder)
        self.train = TrainTab(config, data=data, keep=self.store.new, ended=self.refresh)
        self.sweep = SweepTab(lambda: self.train.form.config, self.train.subject.make, self.store.new, self.refresh)
        self.compare = CompareTab(self.store.rows, self.store.open)
        self.runs = RunsTab(self.store.rows, RunActions(self.store, self.train).actions)
        parts = {"Train": self.train.screen, "Sweep": self.sweep, "Compare": self.compare, "Runs": self.runs}
        self.tabs = make("Tab", children=[part.widget for part in parts.values()], titles=list(parts), selected_index=0)
        self.widget = make("VBox", children=[make("HTML", value=STYLE), self.tabs.add_class("sparselab-pages")])
        self.widget.add_class("sparselab-page")
        self.tabs.observe(lambda change: self.refresh(), "selected_index")
        self.refresh()

    def refresh(self):
        """Let the lists of runs look into the folder again."""
        for tab in (self.compare, self.runs):
            tab.list.refresh()

    def stop(self, timeout=5.0):
        """End what is under way; True if nothing runs any more."""
        return self.train.stop(timeout) and self.sweep.stop(timeout)

    def __repr__(self):
        return repr(self.train)

    def _repr_mimebundle_(self, **options):
        return bundle(self.widget, repr(self), options)


def workbench(*, data=None, folder="runs", **settings):
    """Notebook 08: the page. settings: fields of ExperimentConfig, with which the form begins; see Workbench for the others."""
    return panels.latest("workbench", lambda: Workbench(ExperimentConfig(**settings), data=data, folder=folder))
