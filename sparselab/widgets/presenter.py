"""Shows what a run does: the status line at most ten times a second, figures at most four times.

Only the visible tab is drawn. The training waits for a figure, so that drawing does not distort its times; a Stop and a changed
control do not wait.
"""

import time

from . import markup
from .costs import sparse_and_dense
from .describe import status_line
from .painter import Painter

STATUS_INTERVAL = 0.1  # seconds between two status lines


class Presenter:
    """Writes a ViewModel onto a Screen; `views` as {name: View}."""

    def __init__(self, view_model, screen, form, views):
        self.view_model, self.screen, self.form, self.views = view_model, screen, form, views
        self.painter, self.last_status = Painter(self.draw), 0.0

    def changed(self, run):
        """After each record and change of state of `run`, on the thread that trains."""
        if run is not self.view_model.current:
            return
        running, now = run.state == "running", time.monotonic()
        if not running or now - self.last_status > STATUS_INTERVAL:
            self.last_status = now
            self.show_state()
        if running and self.painter.due:
            settings = run.now  # before the request: a control may be moved as soon as the figure is begun
            self.painter.request()
            self.painter.wait(unless=lambda: run.request != "go" or run.now is not settings)
        elif run.state not in ("running", "preparing"):
            self.painter.request()

    def show_state(self):
        """Status line, buttons, which controls are enabled, and the error of a failed run."""
        run = self.view_model.current
        self.screen.show_state(run.state, status_line(run))
        self.form.lock(run.active, run.live)
        if run.error:
            self.screen.message.value = markup.error_message(*run.error)

    def show_message(self, text):
        """A message under the status line; "" removes it."""
        self.screen.message.value = markup.error_message(text) if text else ""

    def draw(self):
        """Draw the visible view, then the table of costs, for which the dense net may have to be measured."""
        screen, shown, history = self.screen, self.view_model, self.view_model.current.history
        screen.fit(self.views[screen.gallery.visible])
        screen.show_epoch(history[-1].epoch if history else 0)
        if shown.model:
            screen.show_layers(shown.model.sizes)
        shown.epoch, shown.layer_number, shown.neuron = screen.timeline.value, screen.layers.value or 0, screen.neuron.value
        shown.large = screen.gallery.large
        screen.gallery.draw(shown)
        if shown.model:
            screen.glance.value = self.glance()

    def glance(self):
        """Data, net and costs beside the dense net, as a small table."""
        data, model = self.view_model.data, self.view_model.model
        about = f"{data.name} (source: {data.source}), {data.n_train:,} + {data.n_test:,} samples"
        net = "net " + "-".join(map(str, model.sizes))
        rows = markup.cost_rows(*sparse_and_dense(self.view_model))
        return markup.note(about) + markup.note(net) + markup.table(rows, ("", "sparse", "dense", ""))
