"""What the buttons of the tab Runs do with saved runs: open, resume, run again, compare over seeds, export, delete, undo."""

import zipfile

from ... import figures
from ...checkpoints import checkpoint
from ...checkpoints.run_dir import RunDir
from ...experiments import run_report
from ...experiments.run_store import ENDED
from ..live_run import LiveRun
from .compare_tab import curves


class RunActions:
    """store: a RunStore. train_tab: the TrainTab that shows and trains. show_seeds: shows runs with these names as mean and band.

    Each action takes names and returns a message.
    """

    def __init__(self, store, train_tab, show_seeds):
        self.store, self.train_tab, self.show_seeds = store, train_tab, show_seeds

    def open(self, names):
        """Put settings, history and net of a run into the tab Train."""
        saved = self._same_data(single(names))
        run = LiveRun(saved.config, make=self.train_tab.view_model.make)
        run.history, run.changes = saved.history, list(saved.changes)
        run.state = saved.state if saved.state in ENDED else "stopped"
        found = RunDir(saved.folder).last_good(checkpoint.load_checkpoint)
        if found:
            run.experiment = self.train_tab.view_model.make(saved.config)
            run.experiment.model = found[1].model
        self.train_tab.show_run(run)
        return f"{saved.name} is open in the tab Train"

    def resume(self, names):
        """Continue a run that was stopped or interrupted."""
        name = single(names)
        saved = self._same_data(name)
        self.train_tab.check_idle()
        check_started(self.train_tab.resume(self.store.resume(name), saved.config))
        return f"{name} continues in the tab Train"

    def run_again(self, names):
        """Start a new run with the same settings and seed."""
        saved = self._same_data(single(names))
        self.train_tab.check_idle()
        self.train_tab.form.load(saved.config)
        check_started(self.train_tab.start())
        steered = " (the changes made by hand while it ran are not repeated)" if saved.changes else ""
        return f"{saved.name} runs again in the tab Train{steered}"

    def export(self, names):
        """Write a .zip for each run, beside its folder."""
        return "written: " + ", ".join(str(self._zip(self.store.open(name))) for name in names)

    def over_seeds(self, names):
        """Show mean and band of the runs that differ from these in the seed only."""
        found = list(dict.fromkeys(other for name in names for other in self.store.same_but_seed(name)))
        if len(found) < 2:
            raise ValueError(f"{', '.join(names)}: no other finished run differs in the seed only; a sweep over seeds makes some")
        self.show_seeds(found)
        return f"mean and band of {len(found)} runs are in the tab Compare"

    def delete(self, names):
        """Move the runs aside."""
        self.store.delete(*names)
        return f"deleted: {', '.join(names)}; Undo brings back what was deleted last, until the page is closed"

    def undo(self, names):  # noqa: ARG002 (all actions have this argument)
        """Bring back the runs that were deleted last."""
        found = self.store.deleted.bring_back()
        if not found:
            raise ValueError("nothing was deleted")
        return f"back again: {', '.join(found)}"

    def annotate(self, names, **changes):
        """Write group, tags or notes of the runs."""
        for name in names:
            self.store.annotate(name, **changes)
        return f"{', '.join(changes)} of {', '.join(names)}: saved"

    def _same_data(self, name):
        """The KeptRun of this name; ValueError where this page would train it on other data."""
        saved = self.store.open(name)
        self.store.check_same_data(saved)
        return saved

    def _zip(self, saved):
        """Write report, config.json, history.csv, figures and the newest checkpoint of a run into one file; returns its path."""
        path = self.store.folder / f"{saved.name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("report.html", run_report.report_text(saved))
            archive.writestr("config.json", saved.config.to_json())
            archive.writestr("history.csv", saved.history.to_frame().to_csv(index=False))
            for clock in ("epoch", "seconds") if saved.history else ():
                figure = curves([saved], clock)
                archive.writestr(f"curves_{clock}.png", figures.png_bytes(figure))
                archive.writestr(f"curves_{clock}.csv", figures.to_frame(figure).to_csv(index=False))
            for file in RunDir(saved.folder).files()[:1]:
                archive.write(file, "checkpoint.npz")
        return path


def check_started(started):
    """Raise ValueError where the tab Train has not started a run."""
    if not started:
        raise ValueError("nothing started: the tab Train says why")


def single(names):
    """The only one; ValueError for several."""
    if len(names) != 1:
        raise ValueError(f"{len(names)} runs are selected: select one")
    return names[0]
