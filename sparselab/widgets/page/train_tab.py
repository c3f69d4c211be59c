"""The tab Train: a TrainingPanel with all fields of the config, an estimate of the costs, and a folder for each run."""

from dataclasses import replace

from ...experiments.config import FIELDS
from ...experiments.rules import IN_CONFIGS
from ...nn.activations import takes_alpha
from .. import markup, plans
from ..painter import Painter
from ..panel import TrainingPanel
from ..screen import Screen, button
from ..toolkit import make
from ..views import VIEWS
from .cost_estimate import cost_line
from .grouped_form import GroupedForm

TITLES = {
    "curves": "curves", "clock": "clock", "bytes": "bytes", "neurons": "links", "connectivity": "connectivity",
    "topology": "topology", "input": "input map", "neuron": "neuron", "predictions": "predictions", "images": "images",
    "phases": "phases", "costs": "costs",
}  # fmt: skip
SPANS = {"zeta": (0.0, 0.9, 0.05), "dropout": (0.0, 0.9, 0.05), "workers": (0, 8, 1)}


class TrainScreen(Screen):
    """A Screen that needs no scrolling for curves and buttons: the form scrolls in its column, the table is at the bottom."""

    def _arranged(self, form, fold, title):
        self.costs = make("HTML", "sparselab-price", "sparselab-aside", value=markup.note(""))
        hint, layout = "a name for the next run", {"width": "150px"}
        self.label = make("Text", "sparselab-label", placeholder=hint, continuous_update=False, layout=layout)
        self.offer = button("Resume", "forward", "its process ended too early: go on where it was saved", css="sparselab-offer")
        self.offer.layout.display = "none"
        head = [*self.buttons.values(), self.offer, self.speed, self.twin, self.label, self.go, self.lecture]
        layout = {"flex": "0 0 310px", "width": "310px"}
        column = make("VBox", "sparselab-form", "sparselab-aside", children=[form.widget], layout=layout)
        body = make("HBox", children=[column, self._views({"flex": "1 1 420px", "min_width": "min(420px, 100%)"}, "30px")])
        bar = make("HBox", "sparselab-bar", children=head)
        rows = [make("HTML", value=markup.STYLE), bar, self.status, self.message, self.costs, body]
        return make("VBox", "sparselab-panel", children=[*rows, fold, self.glance])


class TrainTab(TrainingPanel):
    """new_logger: (config, label) -> the RunLogger of a new run. on_end: called when a run has ended, on its thread."""

    Form, Screen = GroupedForm, TrainScreen

    def __init__(self, config=None, *, data=None, new_logger, on_end=lambda: None):
        self.new_logger, self.on_end = new_logger, on_end
        self.logger = self.resumed = None  # the RunLogger of the current run, and of a run to resume at the next start
        self.cost_painter = Painter(self._draw_costs, limited=True)
        views = [replace(VIEWS[name], title=title) for name, title in TITLES.items()]
        super().__init__(config, data=data, controls=list(FIELDS), views=views, spans=SPANS)
        self.form.read = self.view_model.data_of
        plans.attach(self, plan, relevant)
        self.form.observe(lambda name: self.cost_painter.request())
        self.cost_painter.request()

    def resume(self, logger, config):
        """Resume a saved run where it stopped; False, and a message, where that is not possible."""
        with self.lock:
            if not self.current.active:
                self.form.load(config)
            self.resumed = logger
            try:
                return self.start()
            finally:
                self.resumed = None

    def offer(self, name):
        """Offer to resume the run of this name; "" for none."""
        self.screen.offer.description = f"Resume {name}"
        self.screen.offer.layout.display = "" if name else "none"

    def check_idle(self):
        """Raise RuntimeError while a training is under way."""
        if self.current.active:
            raise RuntimeError("already running: press Stop in the tab Train first")

    def show_run(self, run):
        """Show a LiveRun that has ended as if it had been trained here."""
        with self.lock:
            self.check_idle()
            self.form.load(run.config)
            self.view_model.replace_run(run)
            self._show_at_rest()

    def _checkpoint_options(self, config):
        self.logger = self.resumed or self.new_logger(config, self.screen.label.value.strip())
        return {"checkpoint": self.logger.folder, "resume": self.resumed is not None}

    def _new_run(self, changes=(), *, strict=False):
        run = super()._new_run(changes, strict=strict)
        if run is not None:
            logger, show = self.logger, run.changed
            run.changed = lambda: (show(), self._log(logger, run))
        return run

    def _log(self, logger, run):
        """Write to the folder of the run; an error, such as a full disk, is shown and does not stop the training."""
        try:
            logger.note(run)
        except OSError as error:
            self.presenter.show_message(f"this run is not saved: {error}")
        if not run.active:
            self.cost_painter.request()  # the rate of this net is known now
            self.on_end()

    def _draw_costs(self):
        """The estimate for the settings in the form; nothing for invalid ones, whose error is shown beside the field."""
        try:
            self.screen.costs.value = markup.note(cost_line(self.form.config, self.view_model))
        except (TypeError, ValueError, OSError):
            self.screen.costs.value = markup.note("")


def relevant(controls):
    """{name: whether this control has an effect with the chosen settings}."""
    sloped = takes_alpha(controls["activation"].input.value)
    rule = controls["rule"].input.value
    own = {"alpha": sloped, "epsilon": not controls["density"].input.value, "final_density": IN_CONFIGS[rule].falls}
    own |= dict.fromkeys(("criterion", "regrowth"), rule == "set")
    own |= dict.fromkeys(("zeta", "zeta_schedule"), rule not in ("static", "gmp"))
    own |= dict.fromkeys(("zeta_stop", "new_values", "layers", "events", "replaces_update"), rule != "static")
    return plans.relevant_for_pruning(controls) | plans.relevant_for_workers(controls) | own


def plan(config):
    """What pruning and workers will do; "" where there are none."""
    parts = [plans.pruning_plan(config)] if config.pruning != "none" else []
    return " ".join(parts + ([plans.worker_plan(config)] if config.workers else []))
