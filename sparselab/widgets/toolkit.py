"""The only module that imports ipywidgets. Where it is missing, stand-ins keep the values and call the observers.

So a panel can be made, run and printed anywhere; only the screen is missing.
"""

from types import SimpleNamespace

from . import markup, pulse
from .pictures import picture

try:
    import ipywidgets
except ImportError:
    ipywidgets = None


class StandIn:
    """A widget without a screen: traits are attributes, setting one calls its observers, `click()` those of a button."""

    value, children, selected_index, disabled, description, min, max = None, (), 0, False, "", 0, 100

    def __init__(self, children=(), **traits):
        self.__dict__.update({"observers": [], "clicked": [], "layout": SimpleNamespace(), "children": children} | traits)

    def __setattr__(self, name, new):
        old, self.__dict__[name] = getattr(self, name, None), new
        for function, names in self.observers:
            if name in names and old != new:
                function({"name": name, "old": old, "new": new, "owner": self})

    def observe(self, function, names="value"):
        """Call function(change) whenever one of `names` gets a new value."""
        self.observers.append((function, [names] if isinstance(names, str) else names))

    def on_click(self, function):
        """Call function(self) at each click."""
        self.clicked.append(function)

    def click(self):
        """Do what a mouse click does."""
        for function in self.clicked:
            function(self)

    def add_class(self, name):
        return self


def make(kind, *classes, **traits):
    """A widget by its name in ipywidgets or `pictures.picture`, with these CSS classes; layout may be a dict."""
    if kind in ("HTML", "Text"):
        traits.setdefault("value", "")
    if ipywidgets is None:
        traits["layout"] = SimpleNamespace(**traits.get("layout", {}))
        return StandIn(**traits)
    widget = (picture.KINDS.get(kind) or getattr(ipywidgets, kind))(**traits)
    for name in classes:
        widget.add_class(name)
    return widget


class Folds:
    """Pages {title: widget} that open and close by a button each, which the keyboard reaches; at most one is open.

    A style shows the page of a pressed button, so that a busy kernel delays nothing but the closing of another one.
    selected_index: number of the open page, or None.
    """

    def __init__(self, pages, *classes, opened=None):
        self.buttons = [make("ToggleButton", "sparselab-fold-head", description=title, value=False) for title in pages]
        self._index = None
        rows = [make("VBox", "sparselab-fold", children=pair) for pair in zip(self.buttons, pages.values(), strict=True)]
        self.widget = make("VBox", *classes, children=rows)
        for number, one in enumerate(self.buttons):
            one.observe(lambda change, number=number: self._pressed(number, change["new"]), "value")
        self.selected_index = opened

    @property
    def selected_index(self):
        return self._index

    @selected_index.setter
    def selected_index(self, index):
        self._index = index
        for number, one in enumerate(self.buttons):
            one.value = number == index

    def _pressed(self, number, opened):
        if opened != (number == self._index):
            self.selected_index = number if opened else None


def guarded(message, action, *arguments):
    """Call action(*arguments) and show an exception in the HTML widget `message`: in a callback it would be seen nowhere."""
    try:
        action(*arguments)
    except Exception as error:
        message.value = markup.exception(error)


class Displayed:
    """An object that a notebook shows as `self.widget`, and as its text where there is no screen."""

    def _repr_mimebundle_(self, **options):
        if ipywidgets is None:
            return {"text/plain": repr(self)}
        pulse.add_to(self.widget, make("HTML"), *([make("Names")] if picture.in_browser() else []))
        return self.widget._repr_mimebundle_(**options) | {"text/plain": repr(self)}
