"""From what a run did to what stands on the screen: status line at most ten times a second, pictures at most four.

Only the visible tab is drawn. The training waits for a picture, so that times are not blurred by drawing; a Stop and a moved
control do not.
"""

import time

from . import markup, words
from .costs import sides
from .painter import Painter

TELL = 0.1  # seconds between two status lines


class Presenter:
    """Writes a Subject onto a Screen; `views` as {name: View}."""

    def __init__(self, subject, screen, form, views):
        self.subject, self.screen, self.form, self.views = subject, screen, form, views
        self.painter, self.told = Painter(self.paint), 0.0

    def changed(self, run):
        """After each record and change of state of `run`, on the thread that pulls it."""
        if run is not self.subject.current:
            return
        running, now = run.state == "running", time.monotonic()
        if not running or now - self.told > TELL:
            self.told = now
            self.tell()
        if running and self.painter.due:
            self.painter.ask()
            settings = run.now
            self.painter.wait(unless=lambda: run.wanted != "go" or run.now is not settings)
        elif run.state not in ("running", "preparing"):
            self.painter.ask()

    def tell(self):
        """The state: status line, buttons, which controls can be moved, an error if there is one."""
        run = self.subject.current
        self.screen.show_state(run.state, words.progress(run))
        self.form.lock(run.active)
        if run.error:
            self.screen.message.value = markup.error(*run.error)

    def say(self, text):
        """A message under the status line; "" takes it away."""
        self.screen.message.value = markup.error(text) if text else ""

    def paint(self):
        """The picture of the visible view, then the costs at a glance, for which the dense net may have to be measured."""
        screen, subject, history = self.screen, self.subject, self.subject.current.history
        screen.fit(self.views[screen.gallery.visible])
        screen.show_epoch(history[-1].epoch if history else 0)
        if subject.model:
            screen.show_layers(subject.model.sizes)
        subject.epoch, subject.layer_number = screen.timeline.value, screen.layers.value or 0
        screen.gallery.draw(subject)
        if subject.model:
            screen.glance.value = self.glance()

    def glance(self):
        """Data, net and costs beside the dense net, as a small table."""
        data, model = self.subject.data, self.subject.model
        about = f"{data.name} (source: {data.source}), {data.n_train:,} + {data.n_test:,} samples"
        net = "net " + "-".join(f"{n}" for n in model.sizes)
        rows = markup.cost_rows(*sides(self.subject))
        return markup.note(about) + markup.note(net) + markup.table(rows, ("", "sparse", "dense", ""))
