"""The tab Runs: what the folder holds; open, go on, run again, export, delete with a second click."""

import traceback

from .. import markup
from ..screen import button
from ..toolkit import make
from .runlist import RunList

BUTTONS = {  # name: (icon, tooltip)
    "Open": ("folder-open", "its settings into the form of Train, its curves beside those of the next run"),
    "Resume": ("play", "go on where it stopped"),
    "Run again": ("repeat", "the same settings and seed, as a new run"),
    "Export": ("download", "config, history, figures and checkpoint as one .zip beside the folder"),
    "Delete": ("trash", "asks once more"),
    "Refresh": ("refresh", "look into the folder again"),
}


class RunsTab:
    """rows: as for a RunList. actions: {button: (names of runs) -> what to say}; an error is shown, and nothing is lost."""

    def __init__(self, rows, actions):
        self.actions, self.pending = actions, []
        self.list = RunList(rows, height="330px")
        self.message = make("HTML", value="").add_class("sparselab-runs-message")
        self.buttons = {name: button(name, *look) for name, look in BUTTONS.items()}
        self.sure = make("Button", description="Yes, delete", button_style="danger", icon="trash", layout={"display": "none"})
        self.keep = make("Button", description="No, keep", layout={"display": "none"})
        for name, one in self.buttons.items():
            one.add_class(f"sparselab-run-{name.lower().replace(' ', '-')}").on_click(lambda _, name=name: self.press(name))
        self.sure.add_class("sparselab-run-sure").on_click(lambda _: self.confirm(True))
        self.keep.add_class("sparselab-run-keep").on_click(lambda _: self.confirm(False))
        bar = make("HBox", children=[*self.buttons.values(), self.sure, self.keep])
        self.widget = make("VBox", children=[bar, self.message, self.list.widget]).add_class("sparselab-panel")
        self.widget.add_class("sparselab-kept")

    def press(self, name):
        """What a button does with the runs that are marked."""
        names = self.list.chosen
        self._ask(())
        if name == "Refresh":
            self.say("")
            return self.list.refresh()
        if not names:
            return self.say("mark a run in the list first", wrong=True)
        if name == "Delete":
            self._ask(names)
            return self.say(f"Delete {', '.join(names)} for good?")
        self._do(name, names)

    def confirm(self, sure):
        """The answer to whether the runs shall go."""
        names = self.pending
        self._ask(())
        self.say("kept")
        if sure and names:
            self._do("Delete", names)

    def say(self, text, wrong=False):
        """A message above the list."""
        self.message.value = markup.error(text) if wrong else markup.note(text) if text else ""

    def _ask(self, names):
        """Show the second question about these runs, or hide it."""
        self.pending = list(names)
        for one in (self.sure, self.keep):
            one.layout.display = "" if names else "none"

    def _do(self, name, names):
        try:
            self.say(self.actions[name](names))
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            self.say(str(error), wrong=True)
        except Exception as error:
            self.message.value = markup.error(f"{type(error).__name__}: {error}", traceback.format_exc())
        self.list.refresh()
