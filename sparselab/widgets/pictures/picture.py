"""Widgets whose own JavaScript runs in the browser. The only module that imports anywidget.

Without anywidget there are none, and figures go to the browser as PNG.
"""

from pathlib import Path

try:
    import anywidget
    import traitlets
except ImportError:
    anywidget = None

FOLDER = Path(__file__).parent


def text(*names):
    """The text of these files of this folder, one after the other."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


if anywidget is not None:

    class Picture(anywidget.AnyWidget):
        """A picture drawn in the browser. value: its data, whose "kind" names the script; choices: what was chosen there."""

        _esm = text("common.js", "curves.js", "cells.js", "stages.js", "picture.js")
        _css = text("style.css")
        value = traitlets.Dict().tag(sync=True)
        choices = traitlets.Dict().tag(sync=True)

    class Downloads(anywidget.AnyWidget):
        """Buttons that save a picture. file: (suffix) -> (name, bytes); its exceptions are shown beside the buttons."""

        _esm = text("downloads.js")
        _css = text("style.css")
        suffixes = traitlets.List().tag(sync=True)

        def __init__(self, *, file, **traits):
            super().__init__(**traits)
            self.file = file
            self.on_msg(self._answer)

        def _answer(self, _, message, buffers):
            try:
                name, data = self.file(message.get("suffix"))
                self.send({"name": name}, [data])
            except Exception as error:
                self.send({"error": str(error)})

    class Lecture(anywidget.AnyWidget):
        """A button that switches `value`, and the whole screen with it."""

        _esm = text("lecture.js")
        value = traitlets.Bool().tag(sync=True)
        description = traitlets.Unicode().tag(sync=True)

    class Names(anywidget.AnyWidget):
        """Invisible: gives the sliders of the panel around it names that screen readers find."""

        _esm = text("names.js")

    class Room(anywidget.AnyWidget):
        """Invisible. value: how many characters of its font fit into a line of the box around it; 0 until the browser tells."""

        _esm = text("room.js")
        value = traitlets.Int().tag(sync=True)

    class Dropped(anywidget.AnyWidget):
        """Invisible: takes a file that is dropped onto the tab around it. take: (name, bytes) -> None."""

        _esm = text("dropped.js")

        def __init__(self, *, take, **traits):
            super().__init__(**traits)
            self.on_msg(lambda _, message, buffers: take(str(message.get("name")), bytes(buffers[0])))


# By name, for `toolkit.make`.
KINDS = {} if anywidget is None else {kind.__name__: kind for kind in (Picture, Downloads, Lecture, Names, Room, Dropped)}


def in_browser():
    """Whether pictures can be drawn by the browser."""
    return bool(KINDS)
