"""The training tab of the page: a TrainingPanel with every field of the config, what it would cost, and a folder for each run."""

from dataclasses import replace

from ...experiments.config import FIELDS, ExperimentConfig
from ...nn.activations import takes_alpha
from .. import markup, planned, teamwork
from ..painter import Painter
from ..panel import TrainingPanel
from ..views import VIEWS
from .grouped import GroupedForm
from .price import price_of
from .trainscreen import TrainScreen

TITLES = {
    "curves": "curves", "clock": "clock", "neurons": "links", "connectivity": "connectivity", "input": "input map",
    "phases": "phases", "costs": "costs",
}  # fmt: skip
SPANS = {"zeta": (0.0, 0.9, 0.05), "dropout": (0.0, 0.9, 0.05), "workers": (0, 8, 1)}


class TrainTab(TrainingPanel):
    """keep: (config, label) -> the Diary of a new run. ended: called when a run has ended, on its thread."""

    Form, Screen = GroupedForm, TrainScreen

    def __init__(self, config=None, *, data=None, keep, ended=lambda: None):
        self.keep, self.ended, self.diary, self.going_on = keep, ended, None, None
        self.pricing = Painter(self._price, limited=True)
        views = [replace(VIEWS[name], title=title) for name, title in TITLES.items()]
        config = ExperimentConfig() if config is None else config
        super().__init__(config, data=data, controls=list(FIELDS), views=views, spans=SPANS)
        self.form.read = self.subject.data_of
        planned.attach(self, plan, counting)
        self.form.observe(lambda name: self.pricing.ask())
        self.pricing.ask()

    def go_on(self, diary, config):
        """Start with the settings of a kept run where it stopped; False, and a message, where that cannot be."""
        with self.lock:
            if not self.current.active:
                self.form.load(config)
            self.going_on = diary
            try:
                return self.start()
            finally:
                self.going_on = None

    def check_free(self):
        """RuntimeError while a training is under way."""
        if self.current.active:
            raise RuntimeError("already running: press Stop in the tab Train first")

    def look_at(self, run):
        """Show a Run that has ended as if it had been trained here."""
        with self.lock:
            self.check_free()
            self.form.load(run.config)
            self.subject.put(run)
            self._settle()

    def _place(self, config):
        new = self.going_on is None
        self.diary = self.keep(config, self.screen.label.value.strip()) if new else self.going_on
        return {"checkpoint": self.diary.folder, "resume": not new}

    def _claim(self, changes=(), *, ask=False):
        run = super()._claim(changes, ask=ask)
        if run is not None:
            diary, shown = self.diary, run.changed
            run.changed = lambda: (shown(), self._write(diary, run))
        return run

    def _write(self, diary, run):
        """Into the diary; a full disk is said, and stops no training."""
        try:
            diary.note(run)
        except OSError as error:
            self.presenter.say(f"this run is not kept: {error}")
        if not run.active:
            self.pricing.ask()  # now there is a rate of this very net
            self.ended()

    def _price(self):
        """The price line, for the settings of the form; none where these are wrong, which stands beside the field."""
        try:
            self.screen.price.value = markup.line(price_of(self.form.config, self.subject))
        except (TypeError, ValueError, OSError):  # said beside the field
            self.screen.price.value = markup.line("")


def counting(controls):
    """{name: whether this control counts with the others as they are}."""
    return planned.counting(controls) | teamwork.counting(controls) | {"alpha": takes_alpha(controls["activation"].input.value)}


def plan(config):
    """What pruning and workers will do; nothing where there are none."""
    parts = [planned.plan(config)] if config.pruning != "none" else []
    return " ".join(parts + ([teamwork.plan(config)] if config.workers else []))
