"""Views as tabs: each shows a picture, or a line of text where there is nothing to see or drawing failed.

A picture is drawn by the browser where the view has data for it, else it is an image that matplotlib draws.
"""

from ..figures.style import limit_height
from ..utils import checks
from . import markup
from .painter import Painter, file_bytes, png
from .pictures.picture import in_browser
from .toolkit import make

HIDDEN, SHOWN = "none", ""
SUFFIXES = ("png", "pdf", "csv")  # of the files of every picture
LOW, ROW, FINE = 3.2, 1.15, 200  # height, least height of a row, dots per inch of a figure on a whole screen


class Gallery:
    """Tabs for {name: View}; `draw(shown)` draws the visible one. downloads: widgets to put below, which save its picture.

    large: whether figures are drawn for a whole screen.
    """

    def __init__(self, views, min_height="405px"):
        self.views, self.drawn, self.shown, self.large = views, set(), None, False
        self.images, self.hints, pages = {}, {}, []
        for name, view in views.items():
            css = f"sparselab-view-{name.replace(' ', '-')}"
            own = view.data and in_browser()
            kind, traits, width = ("Picture", {}, "width") if own else ("Image", {"format": "png", "value": b""}, "max_width")
            image = make(kind, css, layout={width: "100%", "display": HIDDEN}, **traits)
            self.images[name], self.hints[name] = image, make("HTML", value=markup.note(view.empty))
            layout = {"min_height": min_height, "align_items": "center"}
            pages.append(make("VBox", children=[self.hints[name], image], layout=layout))
        titles = [view.title for view in views.values()]
        self.tabs = make("Tab", "sparselab-tabs", children=pages, titles=titles, selected_index=0)
        self.downloads = [make("Downloads", file=self.file, suffixes=list(SUFFIXES))] if in_browser() else []

    @property
    def visible(self):
        """Name of the view whose tab is open."""
        return list(self.views)[self.tabs.selected_index or 0]

    def observe(self, redraw):
        """Call redraw(change) when a tab is opened, and when the user asks a picture for other data."""
        self.tabs.observe(redraw, "selected_index")
        for image in self.images.values():
            if is_data(image):
                image.observe(redraw, "choices")

    def file(self, suffix):
        """(name, bytes) of the visible picture as a file, drawn by matplotlib; ValueError where there is nothing to see."""
        name, view = self.visible, self.views[self.visible]
        checks.choice("suffix", suffix, self._suffixes)
        make_file = lambda: view.gif(self.shown) if suffix == "gif" else file_bytes(lambda: view.draw(self.shown), suffix)
        found = b"" if self.shown is None else make_file()
        if not found:
            raise ValueError("there is no picture yet")
        return f"{name.replace(' ', '_')}.{suffix}", found

    @property
    def _suffixes(self):
        return [*SUFFIXES, *(["gif"] if self.views[self.visible].gif else [])]

    def draw(self, shown):
        """Draw the visible view of `shown`; an exception is shown in its place and goes no further."""
        name, self.shown = self.visible, shown
        view = self.views[name]
        for one in self.downloads:
            one.suffixes = self._suffixes
        if name not in self.drawn:  # only the first time: a hint at every redraw would flicker
            self.drawn.add(name)
            self.hints[name].value = markup.note("drawing …")
        try:
            picture = self._value(name, shown)
            hint = "" if picture else markup.note(view.empty)
        except Exception as error:
            picture, hint = self._nothing(name), markup.exception(error, "cannot draw this")
        for widget, value in ((self.images[name], picture), (self.hints[name], hint)):
            widget.value, widget.layout.display = value, SHOWN if value else HIDDEN

    def _value(self, name, shown):
        """What the widget of a view shows: data for the browser, or the bytes of an image; empty for nothing yet."""
        view, image = self.views[name], self.images[name]
        if is_data(image):
            return view.data(shown, image.choices) or {}
        if not self.large:
            return png(lambda: view.draw(shown))
        return png(lambda: for_screen(view.draw(shown)), FINE)

    def _nothing(self, name):
        return {} if is_data(self.images[name]) else b""


def for_screen(figure):
    """A figure, if there is one, as low as a whole screen is, so that its words become large."""
    if figure is None:
        return None
    places = [ax.get_subplotspec() for ax in figure.axes]
    rows = max((place.get_gridspec().nrows for place in places if place is not None), default=1)
    return limit_height(figure, max(LOW, 0.7 + ROW * rows))


def is_data(image):
    """Whether this widget shows data that the browser draws, not an image."""
    return hasattr(image, "choices")


class DrawnViews:
    """A gallery that is redrawn in a thread by `_draw()`, whenever a tab is opened or `painter.request()` is called."""

    def __init__(self, views, *, limited=True, **options):
        self.gallery, self.painter = Gallery(views, **options), Painter(self._draw, limited=limited)
        self.gallery.observe(lambda change: self.painter.request())

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
