"""The one import of ipywidgets; where it is missing, stand-ins of the same names keep values and call observers.

So a panel can be built, run and asked for its text anywhere; only the screen is missing.
"""

from types import SimpleNamespace

try:
    import ipywidgets
except ImportError:
    ipywidgets = None


class StandIn:
    """A widget without a screen: traits are attributes, setting one calls its observers, `click()` the buttons'."""

    value, children, selected_index, disabled, description, min, max = None, (), 0, False, "", 0, 100

    def __init__(self, children=(), **traits):
        self.__dict__.update({"observers": [], "clicked": [], "layout": SimpleNamespace(), "children": children} | traits)

    def __setattr__(self, name, new):
        old, self.__dict__[name] = getattr(self, name, None), new
        for function, names in self.observers:
            if name in names and old != new:
                function({"name": name, "old": old, "new": new, "owner": self})

    def observe(self, function, names="value"):
        """Call `function` with a change when one of `names` is set to something new."""
        self.observers.append((function, [names] if isinstance(names, str) else names))

    def on_click(self, function):
        """Call `function` at each click."""
        self.clicked.append(function)

    def click(self):
        """What a mouse would do."""
        for function in self.clicked:
            function(self)

    def add_class(self, name):
        return self


def make(kind, **traits):
    """A widget by its ipywidgets name; layout may be a dict."""
    if ipywidgets is None:
        traits["layout"] = SimpleNamespace(**traits.get("layout", {}))
        return StandIn(**traits)
    return getattr(ipywidgets, kind)(**traits)


def bundle(widget, text, options):
    """The MIME bundle of a panel: the live view where there is a screen, `text` for all others."""
    if ipywidgets is None:
        return {"text/plain": text}
    return widget._repr_mimebundle_(**options) | {"text/plain": text}
