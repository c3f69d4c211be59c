"""What the buttons of the tab Runs do with kept runs: open, go on, run again, export, delete."""

import zipfile

from ... import figures
from ...checkpoints import checkpoint
from ...checkpoints.run_dir import RunDir
from ..live_run import LiveRun
from .comparetab import curves


class RunActions:
    """store: a RunStore. bench: the panel that shows and trains. Each action takes names and gives what to say."""

    def __init__(self, store, bench):
        self.store, self.bench = store, bench
        self.actions = {
            "Open": self.open, "Resume": self.resume, "Run again": self.again, "Export": self.export, "Delete": self.delete
        }  # fmt: skip

    def open(self, names):
        """Settings, history and net of a run into the tab Train."""
        kept = self.store.open(single(names))
        run = LiveRun(kept.config, make=self.bench.subject.make)
        run.history, run.changes, run.state = kept.history, list(kept.changes), kept.state
        found = RunDir(kept.folder).last_good(checkpoint.load_checkpoint)
        if found:
            run.experiment = self.bench.subject.make(kept.config)
            run.experiment.model = found[1].model
        if kept.state not in ("stopped", "finished", "failed"):
            run.state = "stopped"
        self.bench.look_at(run)
        return f"{kept.name} is open in the tab Train"

    def resume(self, names):
        """Go on with a run that was stopped or interrupted."""
        name = single(names)
        kept = self.store.open(name)
        self.bench.check_free()
        self._start(self.bench.go_on(self.store.resume(name), kept.config))
        return f"{name} goes on in the tab Train"

    def again(self, names):
        """The same settings and seed, as a new run."""
        kept = self.store.open(single(names))
        self.bench.check_free()
        self.bench.form.load(kept.config)
        self._start(self.bench.start())
        steered = " (it was steered by hand, which is not repeated)" if kept.changes else ""
        return f"{kept.name} runs again in the tab Train{steered}"

    def export(self, names):
        """A .zip for each run, beside its folder."""
        return "written: " + ", ".join(str(self._zip(self.store.open(name))) for name in names)

    def delete(self, names):
        """Remove the runs for good."""
        for name in names:
            self.store.delete(name)
        return f"deleted: {', '.join(names)}"

    def _start(self, started):
        if not started:
            raise ValueError("nothing started: the tab Train says why")

    def _zip(self, kept):
        """config.json, history.csv, pictures and the newest checkpoint of a run as one file; its path."""
        path = self.store.folder / f"{kept.name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", kept.config.to_json())
            archive.writestr("history.csv", kept.history.to_frame().to_csv(index=False))
            for clock in ("epoch", "seconds") if kept.history else ():
                figure = curves([kept], clock)
                archive.writestr(f"curves_{clock}.png", figures.png_bytes(figure))
                archive.writestr(f"curves_{clock}.csv", figures.to_frame(figure).to_csv(index=False))
            for file in RunDir(kept.folder).files()[:1]:
                archive.write(file, "checkpoint.npz")
        return path


def single(names):
    """The only one; ValueError for several."""
    if len(names) != 1:
        raise ValueError(f"{len(names)} runs are marked: mark one")
    return names[0]
