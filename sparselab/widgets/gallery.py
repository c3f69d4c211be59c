"""Views as tabs: each shows an image, or a line of text where there is nothing to see or drawing failed."""

from . import markup
from .painter import Painter, png
from .toolkit import make

HIDDEN, SHOWN = "none", ""


class Gallery:
    """Tabs for {name: View}; `draw(shown)` draws the visible one."""

    def __init__(self, views, min_height="405px"):
        self.views, self.drawn = views, set()
        self.images, self.hints, pages = {}, {}, []
        for name, view in views.items():
            image = make(
                "Image", f"sparselab-view-{name.replace(' ', '-')}", format="png", value=b"",
                layout={"max_width": "100%", "display": HIDDEN},
            )  # fmt: skip
            self.images[name], self.hints[name] = image, make("HTML", value=markup.note(view.empty))
            layout = {"min_height": min_height, "align_items": "center"}
            pages.append(make("VBox", children=[self.hints[name], image], layout=layout))
        titles = [view.title for view in views.values()]
        self.tabs = make("Tab", "sparselab-tabs", children=pages, titles=titles, selected_index=0)

    @property
    def visible(self):
        """Name of the view whose tab is open."""
        return list(self.views)[self.tabs.selected_index or 0]

    def draw(self, shown):
        """Draw the visible view of `shown`; an exception is shown in its place and goes no further."""
        name = self.visible
        view = self.views[name]
        if name not in self.drawn:  # only the first time: a hint at every redraw would flicker
            self.drawn.add(name)
            self.hints[name].value = markup.note("drawing …")
        try:
            picture = png(lambda: view.draw(shown))
            hint = "" if picture else markup.note(view.empty)
        except Exception as error:
            picture, hint = b"", markup.exception(error, "cannot draw this")
        for widget, value in ((self.images[name], picture), (self.hints[name], hint)):
            widget.value, widget.layout.display = value, SHOWN if value else HIDDEN


class DrawnViews:
    """A gallery that is redrawn in a thread by `_draw()`, whenever a tab is opened or `painter.request()` is called."""

    def __init__(self, views, *, limited=True, **options):
        self.gallery, self.painter = Gallery(views, **options), Painter(self._draw, limited=limited)
        self._redraw_with(self.gallery.tabs, "selected_index")

    def _redraw_with(self, widget, trait="value"):
        """Redraw whenever a widget changes."""
        widget.observe(lambda change: self.painter.request(), trait)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is drawn.

        Parameters
        ----------
        timeout : float or None, default None
            Seconds to wait at most.

        Returns
        -------
        bool
            Whether everything is drawn.
        """
        return self.painter.wait(timeout)
