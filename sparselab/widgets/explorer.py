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
    """An Explorer whose Start does some work in a thread. A subclass defines `_begin` and `_run`, and maybe `_refused`.

    hint: what the status line says at first; start: what stands on the button.
    """

    has_wide_table = True  # too wide for the column of the controls

    def __init__(self, controls, study, views, table, *, title, hint, start="Start"):
        self.thread, self.stopping, self.told, self.lock = None, False, 0.0, threading.Lock()
        button = lambda name, css, style: make("Button", css, description=name, button_style=style, layout={"width": "110px"})
        self.start_button = button(start, "sparselab-start", "success")
        self.stop_button = button("Stop", "sparselab-stop", "")
        self.bar = make("FloatProgress", value=0.0, min=0.0, max=1.0, layout={"width": "97%"})
        self.status = make("HTML", "sparselab-status", value=markup.status("ready", f"· {hint}"))
        self.notice = make("HTML")  # not `message`, which every drawing clears
        super().__init__(controls, study, views, table, title=title)
        self.start_button.on_click(lambda button: self.start())
        self.stop_button.on_click(lambda button: self.stop())

    def _begin(self, values):
        """Forget the work before; the arguments of `_run` for these values."""
        raise NotImplementedError

    def _run(self, *arguments):
        """The work, which looks at `stopping`."""
        raise NotImplementedError

    def _refused(self, values):
        """Why there can be no work with these values; empty where there can."""
        return ""

    def _left(self):
        buttons = make("HBox", children=[self.start_button, self.stop_button])
        parts = [*self.controls.values(), buttons, self.bar, self.status, self.notice, self.message]
        return parts if self.has_wide_table else [*parts, self.glance]

    def _arranged(self):
        panel = super()._arranged()
        if self.has_wide_table:
            panel.children = [*panel.children, self.glance]
        return panel

    def start(self) -> bool:
        """Begin the work with the chosen values, in a thread.

        Returns
        -------
        bool
            False if work is under way, or the values do not allow it, which the panel shows.
        """
        with self.lock:
            text = "" if self._ended() else "already running: press Stop first"
            text = text or self._refused(self.values)
            self.notice.value = markup.error_message(text) if text else ""
            if text:
                return False
            self.stopping, self.bar.value = False, 0.0
            arguments = self._begin(self.values)
            self.thread = threading.Thread(target=self._run, args=arguments, daemon=True, name=f"sparselab {self.title}")
            self.thread.start()
        return True

    def run(self) -> None:
        """Do the work with the chosen values before returning; a second start at the same time does nothing."""
        if self.start():
            self.wait()

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

    def _redraw(self):
        self.studied = None  # what was measured has changed, not the controls
        self.painter.request()


def control(kind, description, **traits):
    """A control of an Explorer by its ipywidgets name; a slider takes effect when it is released, unless traits say otherwise."""
    if kind.endswith("Slider"):
        traits.setdefault("continuous_update", False)
    return make(kind, description=description, style={"description_width": "95px"}, layout={"width": "97%"}, **traits)
