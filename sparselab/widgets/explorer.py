"""A panel without a training: controls on the left, what they describe on the right, drawn again when a control changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from . import markup
from .gallery import DrawnViews
from .toolkit import Displayed, make
from .views import View


class Explorer(DrawnViews, Displayed):
    """Controls, and views of a result that is computed from their values whenever one changes.

    Parameters
    ----------
    controls : dict of str to widget
        Controls from ipywidgets, by name.
    study : callable
        Gets {name: value} of the controls and returns the result that is shown.
    views : dict of str to View
        Views of the result.
    table : callable, optional
        Gets the result and returns HTML that is shown under the controls.
    title : str, default ""
        Heading of the panel.
    limited : bool, default False
        Whether to draw at most four times a second, for sliders that report each position while they are dragged.

    Attributes
    ----------
    result : object
        What the study returned last.

    Examples
    --------
    >>> from sparselab.widgets import Explorer, View
    >>> from sparselab.widgets.toolkit import make
    >>> panel = Explorer({"n": make("IntSlider", value=3)}, lambda values: values["n"] ** 2, {"v": View("v", lambda n: None)})
    >>> panel.wait(30), panel.result
    (True, 9)
    """

    def __init__(
        self, controls: Mapping[str, Any], study: Callable[[dict[str, Any]], Any], views: Mapping[str, View],
        table: Callable[[Any], str] = lambda result: "", title: str = "", limited: bool = False,
    ) -> None:  # fmt: skip
        self.controls, self.study, self.table, self.title = controls, study, table, title
        self.message, self.glance = make("HTML"), make("HTML")
        self.result = self.studied = None  # the latest result, and the values it belongs to
        super().__init__(views, limited=limited)
        for name, control in controls.items():
            self._redraw_with(control.add_class(f"sparselab-{name}"))
        self.widget = self._arranged()
        self.painter.request()

    @property
    def values(self) -> dict[str, Any]:
        """The values of the controls by name."""
        return {name: control.value for name, control in self.controls.items()}

    def _arranged(self):
        title = make("HTML", value=markup.STYLE + (markup.heading(self.title) if self.title else ""))
        left = make("VBox", children=self._left(), layout={"flex": "0 0 345px", "width": "345px"})
        layout = {"flex": "1 1 460px", "min_width": "min(460px, 100%)", "width": "auto"}
        body = make("HBox", children=[left, make("VBox", children=[self.gallery.tabs, *self.gallery.downloads], layout=layout)])
        return make("VBox", "sparselab-panel", children=[title, body])

    def _left(self):
        return [*self.controls.values(), self.message, self.glance]

    def _draw(self):
        values = self.values
        try:
            if values != self.studied:
                self.result, self.studied = self.study(values), values
                self.glance.value, self.message.value = self.table(self.result), ""
        except Exception as error:
            self.message.value = markup.exception(error)
        if self.result is not None:
            self.gallery.draw(self.result)

    def __repr__(self):
        settings = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        views = ", ".join(view.title for view in self.gallery.views.values())
        return f"{self.title or 'Explorer'}: {settings}\n  views: {views}\n  In JupyterLab this is a panel with sliders."


class BackgroundExplorer(Explorer):
    """An Explorer whose work is done in a thread until it is told to stop; a subclass sets `thread` and looks at `stopping`."""

    thread: threading.Thread | None = None
    stopping = False

    @property
    def active(self) -> bool:
        """Whether work is under way that was not told to stop."""
        return not self._ended() and not self.stopping

    def stop(self, timeout: float | None = 0.0) -> bool:
        """End the work after the step or phase that is under way; what was measured stays.

        Parameters
        ----------
        timeout : float or None, default 0.0
            Seconds to wait for the end; None waits as long as it takes.

        Returns
        -------
        bool
            Whether the work has ended.
        """
        self.stopping = True
        return self._ended(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the work has ended and everything is drawn.

        Parameters
        ----------
        timeout : float or None, default None
            Seconds to wait at most for each of the two.

        Returns
        -------
        bool
            Whether both have ended.
        """
        return self._ended(timeout) and super().wait(timeout)

    def _ended(self, timeout=0.0):
        if self.thread:
            self.thread.join(timeout)
        return not (self.thread and self.thread.is_alive())


def control(kind, description, **traits):
    """A control of an Explorer by its ipywidgets name; a slider takes effect when it is released, unless traits say otherwise."""
    if kind.endswith("Slider"):
        traits.setdefault("continuous_update", False)
    return make(kind, description=description, style={"description_width": "95px"}, layout={"width": "97%"}, **traits)
