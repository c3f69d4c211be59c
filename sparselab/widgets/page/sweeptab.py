"""The tab Sweep: what to vary, Start and Stop, how far it is, and what came out: curves with bands, parallel lines, a table."""

import dataclasses
import threading
import traceback

from ... import figures
from ...experiments import sweep as sweeps
from ...experiments.experiment import rules_of
from ...experiments.run_labels import value
from ...figures.style import set_height
from ...utils import checks
from .. import markup
from ..gallery import Gallery
from ..painter import Painter
from ..screen import button
from ..toolkit import make
from ..views import View, sampled
from .sweeper import Sweeper
from .sweepform import SweepForm

MOST = 200  # runs of one sweep
WAITING = "Press Start: each run that ends appears here."


class SweepTab:
    """base: () -> the config whose other fields all runs share. make, keep: as for a Sweeper. done: called after a sweep."""

    def __init__(self, base, make, keep, done=lambda: None):
        self.base, self.done, self.lock = base, done, threading.RLock()
        self.sweeper, self.form = Sweeper(make, keep, self._changed), SweepForm()
        self.gallery, self.painter = Gallery(VIEWS), Painter(self._paint, limited=True)
        self._widgets()
        self.widget = self._arranged()
        self._replay_log()

    def start(self):
        """Train all of it in threads; False, and a message, where something is wrong or a sweep is under way."""
        with self.lock:
            try:
                text = "already running: press Stop first" if self.sweeper.active else ""
                plan = () if text else self._plan()
            except (TypeError, ValueError) as error:
                text = str(error)
            self.message.value = markup.error(text) if text else ""
            started = not text and self.sweeper.start(*plan)
        self._replay_log()
        return started

    def stop(self, timeout=5.0):
        """End it; the runs that have ended stay in the pictures."""
        return self.sweeper.stop(timeout)

    def wait(self, timeout=None):
        """Until it has ended and is drawn; False if that takes longer."""
        return self.sweeper.wait(timeout) and self.painter.wait(timeout)

    def _plan(self):
        """(configs, seeds, jobs), all of it looked at before anything runs."""
        form = self.form
        jobs = checks.integer("at once", form.jobs.value, low=1, high=64)
        seeds = sweeps.seeds_of(form.chosen_seeds)
        configs = form.configs(self.base().replace(epochs=form.epochs.value))
        for config in configs.values():
            rules_of(config)
        checks.integer("runs", len(configs) * len(seeds), low=1, high=MOST)
        return configs, seeds, jobs

    def _widgets(self):
        self.buttons = {"Start": button("Start", "play", "train all combinations"), "Stop": button("Stop", "stop", "end it")}
        self.progress = make("IntProgress", value=0, min=0, max=1, layout={"width": "160px"})
        self.status, self.message, self.table = (make("HTML", value="") for _ in range(3))
        actions = {"Start": self.start, "Stop": lambda: self.stop(0)}
        for name, action in actions.items():
            self.buttons[name].add_class(f"sparselab-sweep-{name.lower()}").on_click(
                lambda _, action=action: self._safely(action)
            )
        self.status.add_class("sparselab-sweep-status")
        self.message.add_class("sparselab-sweep-message")
        self.table.add_class("sparselab-sweep-table")
        self.gallery.tabs.observe(lambda change: self.painter.ask(), "selected_index")

    def _arranged(self):
        bar = make("HBox", children=[*self.buttons.values(), self.progress, self.status])
        left = make("VBox", children=[self.form.widget], layout={"flex": "0 0 320px", "width": "320px"})
        right = make("VBox", children=[self.gallery.tabs], layout={"flex": "1 1 0", "min_width": "420px"})
        body = make("HBox", children=[left, right])
        return make("VBox", children=[bar, self.message, body, self.table]).add_class("sparselab-panel")

    def _changed(self):
        self._replay_log()
        if self.painter.due:
            self.painter.ask()
        if not self.sweeper.active:
            self.painter.ask()
            self.done()

    def _replay_log(self):
        """Status, progress and buttons."""
        sweeper, ended = self.sweeper, len(self.sweeper.runs)
        failed = sum(bool(run.error) for _, run in list(sweeper.runs))
        words = f"· {ended} of {sweeper.total} runs" + (f" · {failed} failed" if failed else "")
        now = [f"{len(run.history)} of {run.config.epochs} epochs" for run in list(sweeper.under_way)]
        words = "· press Start" if sweeper.state == "ready" else " · ".join([words, *now])
        self.status.value = markup.status(sweeper.state, words)
        self.progress.max, self.progress.value = max(1, sweeper.total), ended
        self.buttons["Start"].disabled, self.buttons["Stop"].disabled = sweeper.active, not sweeper.active

    def _paint(self):
        result = self.sweeper.result
        self.gallery.draw(result)
        self.table.value = summary_of(result) if result.runs else ""

    def _safely(self, action):
        """An error in a callback is seen by nobody unless the tab shows it."""
        try:
            action()
        except Exception as error:
            self.message.value = markup.error(f"{type(error).__name__}: {error}", traceback.format_exc())


def curves(sweep):
    """Mean and band of each label over its seeds."""
    runs = {label: [sampled(seed) for seed in seeds if seed] for label, seeds in sweep.histories.items()}
    runs = {label: seeds for label, seeds in runs.items() if seeds}
    return set_height(figures.learning_curves(runs), 3.9) if runs else None


def lines(sweep):
    """A line for each run through what was varied and what came out."""
    settings = [dataclasses.asdict(run.config) for run in sweep.runs]
    varied = [name for name in (settings[0] if settings else ()) if len({value(one[name]) for one in settings}) > 1]
    scores = sweep.frame["accuracy" if sweep.frame["accuracy"].notna().any() else "loss"] if settings else None
    if not varied or scores.isna().all():
        return None
    rows = [{name: plain(one[name]) for name in varied} | {scores.name: score} for one, score in zip(settings, scores)]
    return figures.parallel_coordinates(rows, scores.name)


def plain(setting):
    """Widths as text, other settings as they are."""
    return value(setting) if isinstance(setting, tuple) else setting


def summary_of(sweep):
    """Mean and deviation of each label as a table; what failed, with its error."""
    table = sweep.table
    rows = [(label, *told(row)) for label, row in table.iterrows()]
    head = ("settings", table["score"].iloc[0], "± deviation", "lowest to highest", "n", "failed", "time a run")
    errors = [(run.label, run.seed, run.error[:300]) for run in sweep.runs if run.error]
    return markup.table(rows, head) + (markup.table(errors, ("failed", "seed", "why")) if errors else "")


def told(row):
    """A row of the table as texts; one run alone has no deviation."""
    spread = f"{row['deviation']:.2g}" if row["n"] > 1 else "—"
    ends = f"{row['lowest']:.4g} to {row['highest']:.4g}"
    return f"{row['mean']:.4g}", spread, ends, row["n"], row["failed"], markup.seconds(row["seconds"])


VIEWS = {
    "band": View("mean and band", curves, empty=WAITING),
    "lines": View("parallel coordinates", lines, empty=WAITING),
}
