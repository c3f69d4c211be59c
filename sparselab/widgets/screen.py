"""The widgets of a training panel and their arrangement. A screen shows what it is given; it makes no decisions."""

from . import markup
from .gallery import HIDDEN, SHOWN, Gallery
from .live_run import ACTIVE
from .pictures.picture import in_browser
from .toolkit import Folds, make

BUTTONS = {  # name: (icon, tooltip)
    "Start": ("play", "train a new net with these settings"),
    "Pause": ("pause", "wait after this mini-batch; press again to continue"),
    "Step": ("step-forward", "train a few mini-batches, then wait"),
    "Stop": ("stop", "end the training; the net stays as it is"),
    "Reset": ("undo", "go back to an untrained net, forget earlier runs, undo changes made while it trained"),
}
SPEEDS = [("full", 0), *((f"{n} epoch{'s' * (n > 1)}/s", n) for n in (10, 5, 2, 1))]  # what is shown, epochs per second


class Screen:
    """Form and table on the left, views as tabs on the right, buttons and status above.

    updating: whether the program, and not the user, is moving the slider or the menu.
    """

    def __init__(self, form, views, title=""):
        self.buttons = {name: button(name, *look, css=f"sparselab-{name.lower()}") for name, look in BUTTONS.items()}
        self.status, self.message, self.glance = (make("HTML", f"sparselab-{name}") for name in ("status", "message", "glance"))
        self.glance.add_class("sparselab-aside")
        self.gallery, self.updating = Gallery(views), False
        self.timeline = make(
            "IntSlider", "sparselab-timeline", value=0, min=0, max=0, description="epoch",
            tooltip="show the state after this epoch; epoch 0 is the untrained net", layout={"width": "360px"},
        )  # fmt: skip
        self.layers = make("Dropdown", options=[("layer 1", 0)], value=0, layout={"width": "170px"})
        self.neuron = make(
            "IntSlider", "sparselab-neuron", value=0, min=0, max=0, description="neuron",
            tooltip="which neuron of the first hidden layer is shown", layout={"width": "360px"},
        )  # fmt: skip
        self.speed = make(
            "Dropdown", "sparselab-speed", options=SPEEDS, value=0, description="speed", layout={"width": "165px"},
            style={"description_width": "50px"}, tooltip="slower, so that there is time to watch and to move a slider",
        )  # fmt: skip
        self.twin = make(
            "Checkbox", "sparselab-twin", value=False, description="dense twin", indent=False, layout={"width": "105px"},
            tooltip="from the next Start on, train a net of density 1 (same widths, data and seed) in turn with the sparse one",
        )  # fmt: skip
        kind = "Lecture" if in_browser() else "ToggleButton"
        self.lecture = make(kind, "sparselab-lecture-button", value=False, description="Lecture", layout={"width": "auto"})
        self.go = make("Button", "sparselab-go", description="Start", button_style="success")
        self.preset = make("Textarea", value="", layout={"width": "98%", "height": "5em"}, continuous_update=False)
        self.use = make("Button", description="Use it", tooltip="put the settings of this text into the form", icon="check")
        text = make("VBox", children=[self.preset, self.use])
        fold = Folds({"preset: text that reproduces this run": text}, "sparselab-aside").widget
        for name, control in form.controls.items():
            control.input.add_class(f"sparselab-{name}")
        self.widget = self._arranged(form, fold, title)

    def _arranged(self, form, fold, title):
        head = make("HTML", value=markup.STYLE + (markup.heading(title) if title else ""))
        bar = make("HBox", "sparselab-bar", children=[*self.buttons.values(), self.speed, self.twin, self.go, self.lecture])
        layout = {"flex": "0 0 305px", "width": "305px"}
        left = make("VBox", "sparselab-aside", children=[form.widget, self.glance], layout=layout)
        right = self._views({"flex": "1 1 460px", "min_width": "min(460px, 100%)", "width": "auto"}, "32px")
        body = make("HBox", children=[left, right])
        return make("VBox", "sparselab-panel", children=[head, bar, self.status, self.message, body, fold])

    def _views(self, layout, height):
        """The tabs, with epoch slider, layer menu and neuron slider below."""
        controls = [self.timeline, self.layers, self.neuron, *self.gallery.downloads]
        below = make("HBox", "sparselab-aside", children=controls, layout={"min_height": height})
        return make("VBox", children=[self.gallery.tabs, below], layout=layout)

    def show_state(self, state, text):
        """Show the status line, and enable the buttons that make sense."""
        self.status.value = markup.status(state, text)
        active = state in ACTIVE
        for name, enabled in (("Start", not active), ("Pause", active), ("Stop", active)):
            self.buttons[name].disabled = not enabled
        pause = self.buttons["Pause"]
        pause.description, pause.icon = ("Resume", "play") if state == "paused" else ("Pause", "pause")
        self.go.description = pause.description if active else "Start"

    def show_lecture(self, on):
        """Show one large picture with one button, or everything again."""
        (self.widget.add_class if on else self.widget.remove_class)("sparselab-lecture")
        self.lecture.description, self.gallery.large = "Back" if on else "Lecture", on

    def show_layers(self, sizes):
        """Fill the layer menu, and set the range of the neuron slider, for a net of these widths."""
        options = [(f"layer {i}: {a:,} → {b:,}", i - 1) for i, (a, b) in enumerate(zip(sizes, sizes[1:]), 1)]
        if list(self.layers.options) != options:
            self.updating, number = True, self.layers.value or 0
            self.layers.options = options
            self.layers.value = min(number, len(options) - 1)
            self.neuron.max = sizes[1] - 1  # which moves a slider that stands beyond it
            self.updating = False

    def show_epoch(self, last):
        """Extend the epoch slider to `last`; it stays at its end if it was there."""
        self.updating = True
        at_end = self.timeline.value >= min(self.timeline.max, last)
        self.timeline.max = max(last, self.timeline.value)
        if at_end:
            self.timeline.value = last
        self.timeline.max = last
        self.updating = False

    def fit(self, view):
        """Show epoch slider, layer menu and neuron slider only for views that follow them."""
        self.timeline.layout.display = SHOWN if view.timeline else HIDDEN
        self.layers.layout.display = SHOWN if view.layers else HIDDEN
        self.neuron.layout.display = SHOWN if view.neurons else HIDDEN


def button(name, icon, tooltip, css):
    """A button of a panel."""
    style = {"Start": "success", "Stop": "warning"}.get(name, "")
    return make("Button", css, description=name, icon=icon, tooltip=tooltip, button_style=style, layout={"width": "auto"})
