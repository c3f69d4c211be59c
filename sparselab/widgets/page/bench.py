"""The training tab of the page: a TrainingPanel with every field of the config, what it would cost, and a folder for each run."""

from dataclasses import replace

from ...experiment import ExperimentConfig
from .. import markup, planned, teamwork
from ..controls import FIELDS
from ..painter import Painter
from ..panel import TrainingPanel
from ..views import VIEWS
from .benchscreen import BenchScreen
from .grouped import GroupedForm
from .price import price_of

TITLES = {
    "curves": "curves", "clock": "clock", "neurons": "links", "connectivity": "connectivity", "input": "input map",
    "phases": "phases", "costs": "costs",
}  # fmt: skip
SPANS = {"zeta": (0.0, 0.9, 0.05), "dropout": (0.0, 0.9, 0.05), "workers": (0, 8, 1)}


class Bench(TrainingPanel):
    """keep: (config, label) -> the folder in which a new run is kept, or None where runs are not kept."""

    Form, Screen = GroupedForm, BenchScreen

    def __init__(self, config=None, *, data=None, keep=lambda config, label: None):
        self.keep, self.going_on = keep, None
        self.pricing = Painter(self._price, limited=True)
        views = [replace(VIEWS[name], title=title) for name, title in TITLES.items()]
        config = ExperimentConfig() if config is None else config
        super().__init__(config, data=data, controls=list(FIELDS), views=views, spans=SPANS)
        self.form.read = self.subject.data_of
        planned.attach(self, plan, counting)
        self.form.observe(lambda name: self.pricing.ask())
        self.pricing.ask()

    def go_on(self, folder, config):
        """Start with the settings of a kept run where it stopped; False if a training is under way."""
        with self.lock:
            if self.current.active:
                return self.start()  # which says that
            self.form.load(config)
            self.going_on = folder
            try:
                return self.start()
            finally:
                self.going_on = None

    def _place(self, config):
        if self.going_on is not None:
            return {"checkpoint": self.going_on, "resume": True}
        return {"checkpoint": self.keep(config, self.screen.label.value.strip()), "resume": False}

    def _price(self):
        """The price line, for the settings of the form; none where these are wrong, which stands beside the field."""
        try:
            self.screen.price.value = markup.note(price_of(self.form.config, self.subject))
        except (TypeError, ValueError, OSError) as error:
            self.screen.price.value = markup.note(f"no forecast: {error}")


def counting(controls):
    """{name: whether this control counts with the others as they are}."""
    sloped = controls["activation"].input.value in ("all_relu", "leaky_relu", "all_negative")
    return planned.counting(controls) | teamwork.counting(controls) | {"alpha": sloped}


def plan(config):
    """What pruning and workers will do; nothing where there are none."""
    parts = [planned.plan(config)] if config.pruning != "none" else []
    return " ".join(parts + ([teamwork.plan(config)] if config.workers else []))
