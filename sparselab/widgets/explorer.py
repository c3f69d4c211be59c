"""A panel without a training: controls on the left, what they make on the right, drawn anew whenever one is moved."""

import traceback

from . import markup
from .gallery import Gallery
from .painter import Painter
from .toolkit import bundle, make


class Explorer:
    """controls: {name: widget}. study: (values) -> subject, done when a value changed. views: {name: View} of that subject.

    table: subject -> HTML beside the controls. `values` are the controls'; `subject` is what the study gave last. limited: at
    most four pictures a second, for sliders that are heard while they are dragged.
    """

    def __init__(self, controls, study, views, table=lambda subject: "", title="", limited=False):
        self.controls, self.study, self.table, self.title = controls, study, table, title
        self.gallery, self.glance, self.message = Gallery(views), make("HTML", value=""), make("HTML", value="")
        self.painter, self.subject, self.studied = Painter(self._paint, limited=limited), None, None
        for name, control in controls.items():
            control.add_class(f"sparselab-{name}").observe(lambda change: self.painter.ask(), "value")
        self.gallery.tabs.observe(lambda change: self.painter.ask(), "selected_index")
        self.widget = self._arranged()
        self.painter.ask()

    @property
    def values(self):
        """{name: value} of the controls."""
        return {name: control.value for name, control in self.controls.items()}

    def wait(self, timeout=None):
        """Until everything is drawn; False if that takes longer."""
        return self.painter.wait(timeout)

    def _arranged(self):
        head = make("HTML", value=markup.STYLE + (markup.heading(self.title) if self.title else ""))
        left = [*self.controls.values(), self.message, self.glance]
        left = make("VBox", children=left, layout={"flex": "0 0 345px", "width": "345px"})
        right = make("VBox", children=[self.gallery.tabs], layout={"flex": "1 1 460px", "min_width": "460px", "width": "auto"})
        body = make("HBox", children=[left, right], layout={"flex_flow": "row wrap"})
        return make("VBox", children=[head, body]).add_class("sparselab-panel")

    def _paint(self):
        values = self.values
        try:
            if values != self.studied:
                self.subject, self.studied = self.study(values), values
                self.glance.value, self.message.value = self.table(self.subject), ""
        except Exception as error:
            self.message.value = markup.error(f"{type(error).__name__}: {error}", traceback.format_exc())
        if self.subject is not None:
            self.gallery.draw(self.subject)

    def __repr__(self):
        settings = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        views = ", ".join(view.title for view in self.gallery.views.values())
        return f"{self.title or 'Explorer'}: {settings}\n  views: {views}\n  In JupyterLab this is a panel with sliders."

    def _repr_mimebundle_(self, **options):
        return bundle(self.widget, repr(self), options)
