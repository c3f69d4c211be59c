"""Views as tabs: each page an image, or a line of text where there is nothing to see or it could not be drawn."""

import traceback

from . import markup
from .painter import png
from .toolkit import make

HIDDEN, SHOWN = "none", ""
SOON = "drawing …"


class Gallery:
    """Tabs for {name: View}; `draw(subject)` draws the visible one."""

    def __init__(self, views):
        self.views = views
        self.images = {name: make("Image", format="png", value=b"", layout={"max_width": "100%"}) for name in views}
        self.hints = {name: make("HTML", value=markup.note(view.empty)) for name, view in views.items()}
        self.tried = set()
        look = {"min_height": "405px", "align_items": "center"}
        pages = [make("VBox", children=[self.hints[name], self.images[name]], layout=look) for name in views]
        titles = [view.title for view in views.values()]
        self.tabs = make("Tab", children=pages, titles=titles, selected_index=0).add_class("sparselab-tabs")
        for name, image in self.images.items():
            image.add_class(f"sparselab-view-{name.replace(' ', '-')}")
            image.layout.display = HIDDEN

    @property
    def visible(self):
        """Name of the view whose tab is open."""
        return list(self.views)[self.tabs.selected_index or 0]

    def draw(self, subject):
        """Draw the visible view of `subject`; an error of drawing is shown in its place and goes no further."""
        name = self.visible
        view = self.views[name]
        if name not in self.tried:  # the first time only, for what changes at each draw would flicker
            self.tried.add(name)
            self.hints[name].value = markup.note(SOON)
        try:
            picture = png(lambda: view.draw(subject))
            self.show(name, picture, "" if picture else markup.note(view.empty))
        except Exception as error:
            self.show(name, b"", markup.error(f"cannot draw this: {error}", traceback.format_exc()))

    def show(self, name, picture, hint=""):
        """PNG bytes, or what to say where there are none."""
        image, words = self.images[name], self.hints[name]
        image.value, words.value = picture, hint
        image.layout.display, words.layout.display = (SHOWN if shown else HIDDEN for shown in (picture, hint))
