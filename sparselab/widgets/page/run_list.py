"""The runs of a folder as a list to filter, sort and select from; used by the tabs Compare and Runs."""

from .. import markup
from ..toolkit import make

COLUMNS = {  # key of a row -> (head, width in characters, how it is written)
    "name": ("run", 25, str), "label": ("name", 16, str), "state": ("state", 11, str), "dataset": ("data", 19, str),
    "epochs": ("epochs", 7, str), "accuracy": ("accuracy", 9, "{:.1%}".format), "r2": ("R²", 6, "{:.3f}".format),
    "loss": ("loss", 7, "{:.3f}".format),
    "links": ("links", 10, "{:,}".format), "seconds": ("time", 9, "{:.1f} s".format),
}  # fmt: skip
SPACE = "\N{NO-BREAK SPACE}"  # a browser would merge several ordinary spaces into one


class RunList:
    """rows: () -> [{"name": …, …}], read again by `refresh()`. `selected`: names of the selected runs."""

    def __init__(self, rows, *, height="250px"):
        self.rows, self.known = rows, []
        self.filter = make("Text", placeholder="filter: part of a name, state, dataset …", layout={"width": "300px"})
        heads = [(head, key) for key, (head, *_) in COLUMNS.items()]
        self.sort = make("Dropdown", options=heads, value="name", description="sort by", layout={"width": "220px"})
        self.descending = make("Checkbox", value=True, description="descending", indent=False, layout={"width": "110px"})
        self.count = make("HTML", value="", layout={"margin": "3px 0 0 12px"})
        self.list = make("SelectMultiple", options=[], value=(), layout={"width": "99%", "height": height})
        for widget in (self.filter, self.sort, self.descending):
            widget.observe(lambda change: self.show(), "value")
        bar = make("HBox", children=[self.filter.add_class("sparselab-filter"), self.sort, self.descending, self.count])
        head = make("HTML", value=markup.monospaced(line(head for head, _ in heads)))
        columns = make("VBox", children=[head, self.list.add_class("sparselab-runs")])
        self.widget = make("VBox", children=[bar, make("VBox", "sparselab-scroll", children=[columns])])

    @property
    def selected(self):
        """Names of the selected runs, in the order of the list."""
        return list(self.list.value)

    def refresh(self):
        """Read the folder again."""
        self.known = list(self.rows())
        self.show()

    def show(self):
        """Show the runs that match the filter, sorted; those that were selected stay selected."""
        rows = sorted(filter(self._matches, self.known), key=self._key, reverse=self.descending.value)
        lines = [(line(cells(row)), row["name"]) for row in rows]
        if list(self.list.options) != lines:  # sending the same lines again would undo a selection made meanwhile
            selected, self.list.options = set(self.selected), lines
            self.list.value = tuple(row["name"] for row in rows if row["name"] in selected)
        self.count.value = markup.note(f"{len(rows)} of {len(self.known)} runs")

    def _matches(self, row):
        text = " ".join(map(str, row.values())).lower()
        return all(word in text for word in self.filter.value.lower().split())

    def _key(self, row):
        value = row.get(self.sort.value)
        known = value is not None and value == value  # NaN differs from itself
        return known, value if known else 0, row["name"]


def line(values):
    """One text for each column, in columns of fixed width: words aligned left, numbers right."""
    parts = []
    for text, (_, width, write) in zip(values, COLUMNS.values(), strict=True):
        text = text if len(text) <= width else text[: width - 1] + "…"
        parts.append(text.ljust(width) if write is str else text.rjust(width))
    return SPACE.join(parts).replace(" ", SPACE)


def cells(row):
    """The text of each column; "" for unknown values."""
    for key, (_, _, write) in COLUMNS.items():
        value = row.get(key)
        yield "" if value is None or value != value else " ".join(write(value).split())
