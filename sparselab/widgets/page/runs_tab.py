"""The tab Runs: the saved runs, with buttons to open, resume, repeat, export and delete them."""

from .. import markup
from ..screen import button
from ..toolkit import make
from .run_list import RunList

BUTTONS = {  # name: (icon, tooltip)
    "Open": ("folder-open", "put its settings into the form of Train, and show its curves beside those of the next run"),
    "Resume": ("play", "continue where it stopped"),
    "Run again": ("repeat", "the same settings and seed, as a new run"),
    "Export": ("download", "report, config, history, figures and checkpoint as one .zip beside the folder"),
    "Delete": ("trash", "asks for confirmation"),
    "Refresh": ("refresh", "read the folder again"),
}


class RunsTab:
    """rows: as for a RunList. actions: has a method (names of runs) -> message for each button; an error is shown."""

    def __init__(self, rows, actions):
        self.list, self.message = RunList(rows, height="330px"), make("HTML", "sparselab-runs-message")
        self.actions = {
            "Open": actions.open, "Resume": actions.resume, "Run again": actions.run_again, "Export": actions.export,
            "Delete": actions.delete,
        }  # fmt: skip
        self.pending, hidden = [], {"display": "none"}  # names of runs to delete after confirmation
        css = lambda name: f"sparselab-run-{name.lower().replace(' ', '-')}"
        self.buttons = {name: button(name, *look, css=css(name)) for name, look in BUTTONS.items()}
        self.sure = make("Button", css("sure"), description="Yes, delete", button_style="danger", icon="trash", layout=hidden)
        self.keep = make("Button", css("keep"), description="No, keep", layout=hidden)
        for name, one in self.buttons.items():
            one.on_click(lambda _, name=name: self.press(name))
        self.sure.on_click(lambda _: self.confirm(True))
        self.keep.on_click(lambda _: self.confirm(False))
        bar = make("HBox", children=[*self.buttons.values(), self.sure, self.keep])
        rows = [bar, self.message, self.list.widget]
        self.widget = make("VBox", "sparselab-panel", "sparselab-kept", children=rows)

    def press(self, name):
        """What a button does with the selected runs."""
        names = self.list.selected
        self._ask(())
        if name == "Refresh":
            self.say("")
            return self.list.refresh()
        if not names:
            return self.say("select a run in the list first", error=True)
        if name == "Delete":
            self._ask(names)
            return self.say(f"Delete {', '.join(names)} for good?")
        self._do(name, names)

    def confirm(self, sure):
        """The answer to whether the runs shall be deleted."""
        names = self.pending
        self._ask(())
        self.say("nothing was deleted")
        if sure and names:
            self._do("Delete", names)

    def say(self, text, error=False):
        """A message above the list."""
        self.message.value = markup.error_message(text) if error else markup.note(text) if text else ""

    def _ask(self, names):
        """Show the buttons that confirm the deletion of these runs, or hide them."""
        self.pending = list(names)
        for one in (self.sure, self.keep):
            one.layout.display = "" if names else "none"

    def _do(self, name, names):
        try:
            self.say(self.actions[name](names))
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            self.say(str(error), error=True)
        except Exception as error:
            self.message.value = markup.exception(error)
        self.list.refresh()
