"""The tab Sweep: what to vary, Start and Stop, progress, the results as pictures and a table, and the best for longer."""

import dataclasses
import threading
from datetime import datetime

from ... import figures
from ...experiments import sweep as sweeps
from ...experiments import tuning
from ...experiments.config import FIELDS
from ...experiments.rules import rules_of
from ...experiments.run_labels import value
from ...experiments.run_table import RENAMED
from ...utils import checks
from .. import markup
from ..gallery import DrawnViews
from ..screen import button
from ..toolkit import guarded, make
from ..views import View, sampled, with_legend
from .sweep_form import SweepForm
from .sweep_runner import FACTOR, SweepRunner

MOST = 200  # runs of one sweep
LONGER = 4  # times as many epochs as in the sweep, if nobody says how many
WAITING = "Press Start: each run appears here when it has ended."


class SweepTab(DrawnViews):
    """base: () -> config with the fields that are not varied. make_experiment, new_logger: as for a SweepRunner.

    on_end: called when a sweep has ended. train: config -> whether it is trained in the tab Train now. group: which the runs of
    this sweep have in common.
    """

    def __init__(self, base, make_experiment, new_logger, on_end=lambda: None, train=lambda config: False):
        super().__init__(VIEWS)
        self.base, self.on_end, self.train, self.lock, self.group = base, on_end, train, threading.RLock(), ""
        logger = lambda config, label: new_logger(config, label, self.group)
        self.runner, self.form = SweepRunner(make_experiment, logger, self._changed), SweepForm()
        self.buttons = {
            "Start": button("Start", "play", "train all combinations", css="sparselab-sweep-start"),
            "Stop": button("Stop", "stop", "end the sweep", css="sparselab-sweep-stop"),
            "Longer": button("Train the best longer", "forward", "the best mean, in Train", css="sparselab-longer"),
        }
        self.longer = make(
            "IntText", value=LONGER * self.form.epochs.value, description="epochs", layout={"width": "125px"},
            style={"description_width": "50px"}, tooltip="how long the best is trained",
        )  # fmt: skip
        self.progress = make("IntProgress", value=0, min=0, max=1, layout={"width": "160px"})
        self.status, self.message = make("HTML", "sparselab-sweep-status"), make("HTML", "sparselab-sweep-message")
        self.table = make("HTML", "sparselab-sweep-table")
        self.buttons["Start"].on_click(lambda _: guarded(self.message, self.start))
        self.buttons["Stop"].on_click(lambda _: guarded(self.message, self.stop, 0))
        self.buttons["Longer"].on_click(lambda _: guarded(self.message, self.train_longer))
        start, stop, longer = self.buttons.values()
        bar = make("HBox", children=[start, stop, self.progress, self.status, longer, self.longer])
        left = make("VBox", children=[self.form.widget], layout={"flex": "0 0 320px", "width": "320px"})
        layout = {"flex": "1 1 420px", "min_width": "min(420px, 100%)"}
        right = make("VBox", children=[self.gallery.tabs, *self.gallery.downloads], layout=layout)
        rows = [bar, self.message, make("HBox", children=[left, right]), self.table]
        self.widget = make("VBox", "sparselab-panel", children=rows)
        self._show_state()

    def start(self):
        """Train all combinations in threads; False, and a message, where something is wrong or a sweep is under way."""
        with self.lock:
            try:
                text = "already running: press Stop first" if self.runner.active else ""
                plan = () if text else self._plan()
            except (TypeError, ValueError) as error:
                text = str(error)
            self.message.value = markup.error_message(text) if text else ""
            if not text:
                self.group = f"sweep {datetime.now():%H:%M:%S %Y-%m-%d}"
                self.longer.value = LONGER * self.form.epochs.value
            started = not text and self.runner.start(*plan)
        self._show_state()
        return started

    def stop(self, timeout=5.0):
        """End the sweep; the runs that have ended stay in the figures. True if nothing runs any more."""
        return self.runner.stop(timeout)

    def train_longer(self):
        """Train the settings with the best mean over their seeds, with the first of these, in the tab Train."""
        epochs = FIELDS["epochs"].metadata
        try:
            if self.runner.active:
                raise ValueError("the sweep is under way: press Stop first, or wait")
            config = best_of(self.runner.result)
            n = checks.integer("epochs", self.longer.value, low=epochs["low"], high=epochs["high"])
            started, text = self.train(config.replace(epochs=n)), "nothing started: the tab Train says why"
        except (TypeError, ValueError, RuntimeError) as error:
            started, text = False, str(error)
        self.message.value = "" if started else markup.error_message(text)
        return started

    def wait(self, timeout=None):
        """Wait until the sweep has ended and is drawn; False if that takes longer."""
        return self.runner.wait(timeout) and super().wait(timeout)

    def _plan(self):
        """(configs, seeds, jobs, ends of rounds), all checked before anything runs."""
        form = self.form
        jobs = checks.integer("at once", form.jobs.value, low=1, high=64)
        seeds = sweeps.seeds_of(form.chosen_seeds)
        configs = form.configs(self.base().replace(epochs=form.epochs.value))
        for config in configs.values():
            rules_of(config)
        checks.integer("runs", len(configs) * len(seeds), low=1, high=MOST)
        halves = form.kind.value == "halving"
        return configs, seeds, jobs, tuning.rounds(form.epochs.value, "halving", FACTOR, 1) if halves else (0,)

    def _changed(self):
        self._show_state()
        if self.painter.due or not self.runner.active:
            self.painter.request()
        if not self.runner.active:
            self.on_end()

    def _show_state(self):
        """Status, progress bar and buttons."""
        runner, ended = self.runner, self.runner.done
        if runner.unsaved:
            self.message.value = markup.error_message(runner.unsaved)
        failed = sum(bool(run.error) for _, run in list(runner.runs))
        parts = [f"· {ended} of {runner.total} runs", *([f"{failed} failed"] if failed else [])]
        parts += [f"{len(run.history)} of {run.config.epochs} epochs" for run in list(runner.under_way)]
        self.status.value = markup.status(runner.state, "· press Start" if runner.state == "ready" else " · ".join(parts))
        self.progress.max, self.progress.value = max(1, runner.total), ended
        self.buttons["Start"].disabled, self.buttons["Stop"].disabled = runner.active, not runner.active
        self.buttons["Longer"].disabled = runner.active or failed == len(runner.runs)

    def _draw(self):
        result = self.runner.result
        self.gallery.draw(result)
        self.table.value = summary_table(result) if result.runs else ""


def best_of(sweep):
    """The config of the label with the best mean score, with the first of its seeds; ValueError where no run has a score."""
    longest = max((len(run.history) for run in sweep.runs), default=0)  # successive halving gives up the others
    sweep = sweeps.Sweep([run for run in sweep.runs if len(run.history) == longest])
    means = sweep.table["mean"].dropna() if sweep.runs else ()
    if not len(means):
        raise ValueError("no run of the sweep has a score: start one")
    label = means.idxmin() if sweep.score == "loss" else means.idxmax()
    return next(run.config for run in sweep.runs if run.label == label)


def curves(sweep):
    """Mean and band of each label over its seeds."""
    runs = {label: [sampled(seed) for seed in seeds if seed] for label, seeds in sweep.histories.items()}
    runs = {label: seeds for label, seeds in runs.items() if seeds}
    return with_legend(figures.learning_curves(runs)) if runs else None


def varied(sweep):
    """(a dict for each run with the fields that were varied and the score, name of the score); no dicts without a score."""
    settings = [dataclasses.asdict(run.config) for run in sweep.runs]
    names = [name for name in (settings[0] if settings else ()) if len({value(one[name]) for one in settings}) > 1]
    scores = sweep.frame[sweep.score] if settings else None
    if not names or scores.isna().all():
        return [], sweep.score
    plain = lambda setting: value(setting) if isinstance(setting, tuple) else setting  # widths as text
    rows = [
        {RENAMED.get(name, name) if name == scores.name else name: plain(one[name]) for name in names} | {scores.name: score}
        for one, score in zip(settings, scores)
    ]
    return rows, scores.name


def lines(sweep):
    """Parallel coordinates: a line for each run through the fields that were varied and the score."""
    rows, score = varied(sweep)
    return figures.parallel_coordinates(rows, score) if rows else None


def importance(sweep):
    """How much of the score each field that was varied explains; the seed is none of them, unless there are several."""
    rows, score = varied(sweep)
    return figures.setting_importance(rows, score) if rows else None


def fronts(sweep):
    """The score against links and seconds, and the runs that none beats in both."""
    rows = sweep.frame.to_dict("records") if sweep.runs else []
    known = any(row[sweep.score] == row[sweep.score] and row[sweep.score] is not None for row in rows)
    return figures.pareto(rows, sweep.score, highest=sweep.score != "loss") if known else None


def summary_table(sweep):
    """HTML: mean and deviation of each label; runs that failed, with their error."""
    table = sweep.table
    rows = [(label, *cells(row)) for label, row in table.iterrows()]
    head = ("settings", table["score"].iloc[0], "± deviation", "lowest to highest", "n", "failed", "time per run")
    errors = [(run.label, run.seed, run.error[:300]) for run in sweep.runs if run.error]
    return markup.table(rows, head) + (markup.table(errors, ("failed", "seed", "why")) if errors else "")


def cells(row):
    """A row of the sweep's table as texts; a single run has no deviation."""
    spread = f"{row['deviation']:.2g}" if row["n"] > 1 else "—"
    ends = f"{row['lowest']:.4g} to {row['highest']:.4g}"
    return f"{row['mean']:.4g}", spread, ends, row["n"], row["failed"], markup.seconds(row["seconds"])


VIEWS = {
    "band": View("mean and band", curves, empty=WAITING),
    "lines": View("parallel coordinates", lines, empty=WAITING),
    "importance": View("importance", importance, empty=WAITING),
    "pareto": View("Pareto", fronts, empty=WAITING),
}
