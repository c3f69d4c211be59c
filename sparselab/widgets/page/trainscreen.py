"""The screen of the page's training tab: the same widgets as in a panel, set so that curves and buttons need no scrolling."""

from .. import markup
from ..screen import Screen
from ..toolkit import make


class TrainScreen(Screen):
    """A Screen with the price line under the buttons, the form in a column that scrolls in itself, and the glance below."""

    def _arranged(self, form, fold, title):
        self.price = make("HTML", value=markup.line("")).add_class("sparselab-price")
        self.fold = fold.add_class("sparselab-groups")
        self.label = make(
            "Text", placeholder="a name for the next run", continuous_update=False, layout={"width": "170px"}
        ).add_class("sparselab-label")
        head = make("HBox", children=[*self.buttons.values(), self.label])
        column = make("VBox", children=[form.widget], layout={"flex": "0 0 310px", "width": "310px"})
        column.add_class("sparselab-form")
        below = make("HBox", children=[self.timeline, self.layers], layout={"min_height": "30px"})
        views = make("VBox", children=[self.gallery.tabs, below], layout={"flex": "1 1 0", "min_width": "420px"})
        body = make("HBox", children=[column, views])
        rows = [make("HTML", value=markup.STYLE), head, self.status, self.message, self.price, body, self.fold, self.glance]
        return make("VBox", children=rows).add_class("sparselab-panel")
