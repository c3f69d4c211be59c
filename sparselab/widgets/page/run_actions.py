"""What the buttons of the tab Runs do with saved runs: open, resume, run again, export, delete."""

import zipfile

from ... import figures
from ...checkpoints import checkpoint
from ...checkpoints.run_dir import RunDir
from ...experiments import run_report
from ...experiments.run_store import ENDED
from ..live_run import LiveRun
from .compare_tab import curves


class RunActions:
    """store: a RunStore. train_tab: the TrainTab that shows and trains. Each action takes names and returns a message."""

    def __init__(self, store, train_tab):
        self.store, self.train_tab = store, train_tab

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

    def delete(self, names):
        """Delete the runs for good."""
        for name in names:
            self.store.delete(name)
        return f"deleted: {', '.join(names)}"

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
