"""The tab Runs: the saved runs, with buttons to open, resume, repeat, compare, export and delete them, and fields for notes."""

from .. import markup
from ..screen import button
from ..toolkit import make
from .run_list import RunList

BUTTONS = {  # name: (icon, tooltip)
    "Open": ("folder-open", "put its settings into the form of Train, and show its curves beside those of the next run"),
    "Resume": ("play", "continue where it stopped"),
    "Run again": ("repeat", "the same settings and seed, as a new run"),
    "Over seeds": ("area-chart", "mean and band of the runs that differ from it in the seed only, in the tab Compare"),
    "Export": ("download", "report, config, history, figures and checkpoint as one .zip beside the folder"),
    "Delete": ("trash", "move aside; Undo brings back what was deleted last"),
    "Undo": ("undo", "bring back what was deleted last, until the page is closed"),
    "Refresh": ("refresh", "read the folder again"),
}
NOTES = {  # field: (placeholder, width)
    "group": ("runs that belong together", "230px"), "tags": ("with commas between them", "230px"), "notes": ("", "330px"),
}  # fmt: skip


class RunsTab:
    """rows: as for a RunList. actions: has a method (names of runs) -> message for each button; an error is shown."""

    def __init__(self, rows, actions):
        self.actions, self.updating, self.message = actions, False, make("HTML", "sparselab-runs-message")
        css = lambda name: f"sparselab-run-{name.lower().replace(' ', '-')}"
        self.buttons = {name: button(name, *look, css=css(name)) for name, look in BUTTONS.items()}
        self.notes = {
            name: make(
                "Text", css(name), description=name, placeholder=hint, continuous_update=False, layout={"width": width},
                style={"description_width": "45px"}, tooltip="of the selected runs",
            )
            for name, (hint, width) in NOTES.items()
        }  # fmt: skip
        for name, one in self.buttons.items():
            one.on_click(lambda _, name=name: self.press(name))
        for name, one in self.notes.items():
            one.observe(lambda change, name=name: self._annotate(name, change["new"]), "value")
        self.list = RunList(rows, height="300px", on_select=self._show_notes)
        bars = [make("HBox", children=[*some.values()]) for some in (self.buttons, self.notes)]
        rows = [bars[0], self.message, self.list.widget, bars[1]]
        self.widget = make("VBox", "sparselab-panel", "sparselab-kept", children=rows)
        self._show_notes()

    def press(self, name):
        """What a button does with the selected runs."""
        names = self.list.selected
        if name == "Refresh":
            self.say("")
            return self.list.refresh()
        if not names and name != "Undo":
            return self.say("select a run in the list first", error=True)
        self._do(getattr(self.actions, name.lower().replace(" ", "_")), names)

    def say(self, text, error=False):
        """A message above the list."""
        self.message.value = markup.error_message(text) if error else markup.note(text) if text else ""

    def _annotate(self, name, text):
        with self.list.lock:
            if not self.updating:
                self._do(self.actions.annotate, self.list.selected, **{name: text})

    def _show_notes(self):
        """Notes of the selected runs, where they are the same in all of them."""
        with self.list.lock:
            selected = set(self.list.selected)
            rows = [row for row in self.list.known if row["name"] in selected]
            self.updating = True
            for name, one in self.notes.items():
                texts = {row.get(name, "") for row in rows}
                one.value, one.disabled = (texts.pop() if len(texts) == 1 else ""), not rows
            self.updating = False

    def _do(self, action, *arguments, **more):
        try:
            self.say(action(*arguments, **more))
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            self.say(str(error), error=True)
        except Exception as error:
            self.message.value = markup.exception(error)
        self.list.refresh()
