"""The widgets of a training panel and where they stand: it shows what it is told, and decides nothing."""

from . import markup
from .gallery import HIDDEN, SHOWN, Gallery
from .toolkit import make

BUTTONS = {  # name: (icon, tooltip)
    "Start": ("play", "train a new net with these settings"),
    "Pause": ("pause", "wait after this mini-batch; press again to go on"),
    "Step": ("step-forward", "a few mini-batches, then wait"),
    "Stop": ("stop", "end the training; the net stays as it is"),
    "Reset": ("undo", "an untrained net; forget earlier runs"),
}


class Screen:
    """Form and table on the left, views as tabs on the right, buttons and status above.

    moving: whether slider or menu are moved by the panel just now, and not by the user.
    """

    def __init__(self, form, views, title=""):
        self.buttons = {name: button(name, *look) for name, look in BUTTONS.items()}
        self.status, self.message, self.glance = (make("HTML", value="") for _ in range(3))
        self.gallery = Gallery(views)
        self.timeline = slider("epoch", "after which epoch; epoch 0 is the untrained net")
        self.layers = make("Dropdown", options=[("layer 1", 0)], value=0, layout={"width": "170px"})
        self.preset = make("Textarea", value="", layout={"width": "98%", "height": "5em"}, continuous_update=False)
        self.use = make("Button", description="Use it", tooltip="put the settings of this text into the form", icon="check")
        fold = make("Accordion", children=[make("VBox", children=[self.preset, self.use])], selected_index=None)
        fold.titles = ["preset: text that reproduces this run"]
        self.moving = False
        self._mark(form)
        self.widget = self._arranged(form, fold, title)

    def _mark(self, form):
        for name, one in {**self.buttons, "status": self.status, "message": self.message, "glance": self.glance}.items():
            one.add_class(f"sparselab-{name.lower()}")
        for name, control in form.controls.items():
            control.input.add_class(f"sparselab-{name}")
        self.timeline.add_class("sparselab-timeline")

    def _arranged(self, form, fold, title):
        head = make("HTML", value=markup.STYLE + (markup.heading(title) if title else ""))
        bar = make("HBox", children=list(self.buttons.values()))
        left = make("VBox", children=[form.widget, self.glance], layout={"flex": "0 0 305px", "width": "305px"})
        below = make("HBox", children=[self.timeline, self.layers], layout={"min_height": "32px"})
        right = make(
            "VBox", children=[self.gallery.tabs, below], layout={"flex": "1 1 460px", "min_width": "460px", "width": "auto"}
        )
        body = make("HBox", children=[left, right], layout={"flex_flow": "row wrap"})
        return make("VBox", children=[head, bar, self.status, self.message, body, fold]).add_class("sparselab-panel")

    def show_state(self, state, text):
        """Status line, and which buttons make sense."""
        self.status.value = markup.status(state, text)
        active = state in ("preparing", "running", "paused")
        for name, needed in (("Start", not active), ("Pause", active), ("Stop", active)):
            self.buttons[name].disabled = not needed
        pause = self.buttons["Pause"]
        pause.description, pause.icon = ("Resume", "play") if state == "paused" else ("Pause", "pause")

    def show_layers(self, sizes):
        """The layer menu for a net of these widths."""
        options = [(f"layer {i}: {a:,} → {b:,}", i - 1) for i, (a, b) in enumerate(zip(sizes, sizes[1:]), 1)]
        if list(self.layers.options) != options:
            self.moving, number = True, self.layers.value or 0
            self.layers.options = options
            self.layers.value = min(number, len(options) - 1)
            self.moving = False

    def show_epoch(self, last):
        """Make the timeline reach `last`; it follows if it stood at its end."""
        self.moving = True
        follows = self.timeline.value >= min(self.timeline.max, last)
        self.timeline.max = max(last, self.timeline.value)
        if follows:
            self.timeline.value = last
        self.timeline.max = last
        self.moving = False

    def fit(self, view):
        """Show epoch slider and layer menu where the view obeys them."""
        self.timeline.layout.display = SHOWN if view.timeline else HIDDEN
        self.layers.layout.display = SHOWN if view.layers else HIDDEN


def button(name, icon, tooltip):
    """One of the panel's buttons."""
    style = {"Start": "success", "Stop": "warning"}.get(name, "")
    return make("Button", description=name, icon=icon, tooltip=tooltip, button_style=style, layout={"width": "auto"})


def slider(name, tooltip):
    """A whole-number slider that is empty at first."""
    return make("IntSlider", value=0, min=0, max=0, description=name, tooltip=tooltip, layout={"width": "360px"})
