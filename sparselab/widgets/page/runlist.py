"""The runs of a folder as a list to filter, sort and choose from; in Compare and in Runs."""

from .. import markup
from ..toolkit import make

COLUMNS = {  # key of a row -> (head, width in characters, how it is written)
    "name": ("run", 25, str), "label": ("name", 16, str), "state": ("state", 11, str), "dataset": ("data", 19, str),
    "epochs": ("epochs", 7, str), "accuracy": ("accuracy", 9, "{:.1%}".format), "loss": ("loss", 7, "{:.3f}".format),
    "links": ("links", 10, "{:,}".format), "seconds": ("time", 9, "{:.1f} s".format),
}  # fmt: skip
SPACE = "\N{NO-BREAK SPACE}"  # those of the other kind fall together in a browser


class RunList:
    """rows: () -> [{"name": …, …}]. `chosen` are the names of the lines that are marked; call `refresh()` when runs came."""

    def __init__(self, rows, *, height="250px"):
        self.rows, self.known = rows, []
        self.filter = make("Text", placeholder="filter: part of a name, state, dataset …", layout={"width": "300px"})
        heads = [(head, key) for key, (head, *_) in COLUMNS.items()]
        self.sort = make("Dropdown", options=heads, value="name", description="sort by", layout={"width": "220px"})
        self.falling = make("Checkbox", value=True, description="falling", indent=False, layout={"width": "90px"})
        self.count = make("HTML", value="", layout={"margin": "3px 0 0 12px"})
        self.list = make("SelectMultiple", options=[], value=(), layout={"width": "99%", "height": height})
        for widget in (self.filter, self.sort, self.falling):
            widget.observe(lambda change: self.show(), "value")
        bar = make("HBox", children=[self.filter.add_class("sparselab-filter"), self.sort, self.falling, self.count])
        head = make("HTML", value=markup.monospaced(heads_line()))
        self.widget = make("VBox", children=[bar, head, self.list.add_class("sparselab-runs")])

    @property
    def chosen(self):
        """Names of the runs that are marked, in the order of the list."""
        return list(self.list.value)

    def refresh(self):
        """Look into the folder again."""
        self.known = list(self.rows())
        self.show()

    def show(self):
        """The lines that the filter leaves, sorted; what was marked stays so where it is still there."""
        rows, marked = sorted(filter(self._matches, self.known), key=self._key, reverse=self.falling.value), set(self.chosen)
        lines = [(line(row), row["name"]) for row in rows]
        if list(self.list.options) != lines:  # the same lines are not sent again: a mark made meanwhile would be lost
            self.list.options = lines
            self.list.value = tuple(row["name"] for row in rows if row["name"] in marked)
        self.count.value = markup.note(f"{len(rows)} of {len(self.known)} runs")

    def _matches(self, row):
        words = self.filter.value.lower().split()
        text = " ".join(map(str, row.values())).lower()
        return all(word in text for word in words)

    def _key(self, row):
        value = row.get(self.sort.value)
        known = value is not None and value == value  # NaN is not itself
        return known, value if known else 0, row["name"]


def heads_line():
    """The heads of the columns, over the line of a row."""
    return SPACE.join(filled(head, width, write is str) for head, width, write in COLUMNS.values())


def line(row):
    """A row in columns of fixed width."""
    return SPACE.join(cell(row.get(key), width, write) for key, (_, width, write) in COLUMNS.items())


def cell(value, width, write):
    """A value as text of this width; nothing for what is not known."""
    text = "" if value is None or value != value else " ".join(write(value).split())
    return filled(text, width, write is str)


def filled(text, width, left):
    """The text in a column: words stand at its left, numbers at its right."""
    text = text if len(text) <= width else text[: width - 1] + "…"
    return (text.ljust(width) if left else text.rjust(width)).replace(" ", SPACE)
