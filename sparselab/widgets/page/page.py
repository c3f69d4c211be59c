"""The workbench page: its tabs, and how it fits the screen of a laptop (1366 × 768)."""

from __future__ import annotations

from os import PathLike
from typing import Any

from ...datasets import Dataset
from ...datasets.coerce import given_dataset
from ...experiments.config import ExperimentConfig
from ...experiments.deleted_runs import remove_left
from ...experiments.run_store import RunStore
from ...utils import checks
from .. import panels
from ..toolkit import Displayed, guarded, make
from .compare_tab import CompareTab
from .data_tab import DataTab
from .run_actions import RunActions
from .runs_tab import RunsTab
from .sweep_tab import SweepTab
from .train_tab import TrainTab

UPLOADS = "uploads"  # folder beside the runs
STYLE = """<style>
.sparselab-page .sparselab-panel { padding: 0; }
.sparselab-page .lm-TabBar-tabLabel { color: var(--jp-ui-font-color1, #333); }
.sparselab-page .widget-tab-contents { padding: 4px 6px !important; }
.sparselab-page .sparselab-panel .sparselab-form > .widget-vbox { max-height: max(450px, 100vh - 500px); }
.sparselab-page .sparselab-panel .sparselab-groups { flex: 0 1 auto; min-height: 190px; overflow: hidden auto; }
.sparselab-page .widget-image { max-height: 380px; object-fit: contain; }
.sparselab-page .sparselab-compare .widget-image { max-height: 310px; }
.sparselab-page :is(.sparselab-runs select, .sparselab-runs-head pre, .sparselab-runs-room) {
    font-family: monospace; font-size: 12px !important;
}
@container (max-width: 729px) {
    .sparselab-page :is(.sparselab-runs select, .sparselab-runs-head pre, .sparselab-runs-room) { font-size: 11px !important; }
    .sparselab-page .sparselab-panel .sparselab-form > .widget-vbox { max-height: none; }
}
.sparselab-page table { font-size: 12px; }
.sparselab-page .sparselab-over { outline: 2px dashed var(--jp-brand-color1, #1976D2); }
</style>"""


class Workbench(Displayed):
    """One page to train, sweep and compare: make it the last line of a cell.

    Parameters
    ----------
    config : ExperimentConfig, optional
        First settings of the form, the config's defaults by default.
    data : Dataset, optional
        Data in place of the config's.
    folder : str or path, default "runs"
        Folder in which every run is saved.

    Attributes
    ----------
    train : TrainingPanel
        The tab Train.
    data, sweep, compare, runs
        The other tabs; `data` is None on a page with data of its own.
    store
        The saved runs.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> import tempfile
    >>> import sparselab as sl
    >>> from sparselab.widgets import Workbench
    >>> config = sl.ExperimentConfig(dataset="digits", hidden=(10,), epochs=1, threads=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = Workbench(config, folder=folder)
    ...     history = page.train.run()
    ...     page.store.names()
    ['0001-digits']
    """

    def __init__(
        self, config: ExperimentConfig | None = None, *, data: Dataset | None = None, folder: str | PathLike = "runs",
    ) -> None:  # fmt: skip
        data = given_dataset(data)
        self.store = RunStore(folder, "" if data is None else data.name)
        self.train = TrainTab(config, data=data, new_logger=self.store.new, on_end=self.refresh)
        remove_left(self.store.folder)
        base, make_experiment = lambda: self.train.form.config, self.train.view_model.make
        self.sweep = SweepTab(base, make_experiment, self.store.new, self.refresh, self._train)
        self.compare = CompareTab(self.store.rows, self.store.open)
        actions = RunActions(self.store, self.train, self._show_seeds)
        self.runs = RunsTab(self.store.rows, actions)
        self.data = DataTab(self.train, self.store.folder / UPLOADS, lambda: self.show("Train")) if data is None else None
        parts = {"Data": self.data, "Train": self.train, "Sweep": self.sweep, "Compare": self.compare, "Runs": self.runs}
        parts = {title: part.widget for title, part in parts.items() if part is not None}
        self.tabs = make("Tab", "sparselab-pages", children=list(parts.values()), titles=list(parts))
        self.show("Train")
        self.widget = make("VBox", "sparselab-page", children=[make("HTML", value=STYLE), self.tabs])
        self.tabs.observe(lambda change: self.refresh(), "selected_index")
        self.train.screen.offer.on_click(lambda _: guarded(self.train.screen.message, self._resume, actions))
        self.refresh()
        self.interrupted = next((row["name"] for row in self.runs.list.known[:1] if row["state"] == "interrupted"), "")
        self.train.offer(self.interrupted)

    def show(self, title: str) -> None:
        """Open a tab.

        Parameters
        ----------
        title : str
            Its title, such as "Train".
        """
        self.tabs.selected_index = list(self.tabs.titles).index(title)

    def _train(self, config):
        """Train a config in the tab Train; False where that says why not."""
        self.train.check_idle()
        self.train.form.load(config)
        started = self.train.start()
        self.show("Train")
        return started

    def _resume(self, actions):
        """Resume the run that was offered."""
        actions.resume([self.interrupted])
        self.train.offer("")

    def _show_seeds(self, names):
        """Show runs as mean and band in the tab Compare."""
        self.compare.choose_seeds(names)
        self.show("Compare")

    def refresh(self) -> None:
        """Read the folder of runs again."""
        for tab in (self.compare, self.runs):
            tab.list.refresh()

    @property
    def active(self) -> bool:
        """Whether a training or a sweep is under way that was not told to stop."""
        return self.train.active or (self.sweep.runner.active and not self.sweep.runner.stopping)

    def stop(self, timeout: float | None = 5.0) -> bool:
        """End the training and the sweep.

        Parameters
        ----------
        timeout : float or None, default 5.0
            Seconds to wait for the end of each.

        Returns
        -------
        bool
            Whether both have ended.
        """
        return self.train.stop(timeout) and self.sweep.stop(timeout)

    def __repr__(self):
        return repr(self.train)


def workbench(
    *, data: Dataset | None = None, folder: str | PathLike = "runs", new: bool = False, **settings: Any,
) -> Workbench:  # fmt: skip
    """Page of notebook 08, with everything on it.

    Parameters
    ----------
    data : Dataset, optional
        Data in place of the config's.
    folder : str or path, default "runs"
        Folder in which every run is saved.
    new : bool, default False
        Whether to make a page even while one with these settings, data and folder is training, which is stopped.
    **settings
        Fields of ExperimentConfig with which the form begins.

    Returns
    -------
    Workbench
        The page; the one before while it trains or sweeps with these settings, data and folder.

    Examples
    --------
    >>> from sparselab.widgets import workbench
    >>> workbench(dataset="digits", hidden=(10,)).train.state
    'ready'
    """
    from joblib import hash as digest  # of the values: a cell that is run again loads its data again

    config, data = ExperimentConfig(**settings), given_dataset(data)
    asked = config, digest(data), checks.absolute("folder", checks.path("folder", folder))
    return panels.latest("workbench", asked, lambda: Workbench(config, data=data, folder=folder), new)
