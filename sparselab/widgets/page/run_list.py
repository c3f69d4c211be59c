"""The runs of a folder as a list to filter, sort and select from; used by the tabs Compare and Runs."""

import threading
from pathlib import PurePath

from .. import markup
from ..pictures.picture import in_browser
from ..toolkit import make

COLUMNS = {  # key of a row -> (head, how it is written); numbers are aligned right
    "name": ("run", str), "label": ("name", str), "group": ("group", str), "tags": ("tags", str), "state": ("state", str),
    "dataset": ("data", lambda name: PurePath(name).name), "epochs": ("epochs", str), "accuracy": ("accuracy", "{:.1%}".format),
    "r2": ("R²", "{:.3f}".format), "loss": ("loss", "{:.3f}".format), "links": ("links", "{:,}".format),
    "seconds": ("time", "{:.1f} s".format),
}  # fmt: skip
WORDS = ("name", "label", "group", "tags", "state", "dataset", "epochs")
ALWAYS = ("name", "state", "dataset", "epochs", "loss", "links", "seconds")  # the others are left out where no run has them
LEFT_OUT_FIRST = ("epochs", "tags", "dataset", "seconds", "loss", "group", "label", "links")  # where a line has no room for all
WIDEST, SHORTEST = 118, 7  # characters of a line where the room for it is not known; of a word, before a column is left out
SPACE = "\N{NO-BREAK SPACE}"  # a browser would merge several ordinary spaces into one


class RunList:
    """rows: () -> [{"name": …, …}], read again by `refresh()`. `selected`: names of the selected runs.

    on_select: called when others are selected, and when the list has been shown anew. A training that ends refreshes the list on
    its thread: what writes into the list, or reads what is selected there, holds `lock`.
    """

    def __init__(self, rows, *, height="250px", on_select=lambda: None):
        self.rows, self.known, self.on_select, self.updating, self.lock = rows, [], on_select, False, threading.RLock()
        self.filter = make("Text", placeholder="filter: part of a name, state, dataset …", layout={"width": "300px"})
        heads = [(head, key) for key, (head, _) in COLUMNS.items()]
        self.sort = make("Dropdown", options=heads, value="name", description="sort by", layout={"width": "220px"})
        self.descending = make("Checkbox", value=True, description="descending", indent=False, layout={"width": "110px"})
        self.count = make("HTML", value="", layout={"margin": "3px 0 0 12px"})
        self.list = make("SelectMultiple", options=[], value=(), layout={"width": "99%", "height": height})
        for widget in (self.filter, self.sort, self.descending):
            widget.observe(lambda change: self.show(), "value")
        self.list.observe(self._selected, "value")
        bar = make("HBox", children=[self.filter.add_class("sparselab-filter"), self.sort, self.descending, self.count])
        self.head = make("HTML")
        columns = [self.head.add_class("sparselab-runs-head"), self.list.add_class("sparselab-runs")]
        self.room = make("Room", "sparselab-runs-room") if in_browser() else None
        if self.room is None:
            columns = [make("VBox", children=columns, layout={"min_width": "890px"})]
        else:
            self.room.observe(lambda change: self.show(), "value")
            columns.append(self.room)
        self.widget = make("VBox", children=[bar, make("VBox", "sparselab-scroll", children=columns)])

    @property
    def selected(self):
        """Names of the selected runs, in the order of the list."""
        with self.lock:
            return list(self.list.value)

    def refresh(self):
        """Read the folder again."""
        with self.lock:
            self.known = list(self.rows())
            self.show()

    def show(self):
        """Show the runs that match the filter, sorted; those that were selected stay selected."""
        with self.lock:
            rows = sorted(filter(self._matches, self.known), key=self._key, reverse=self.descending.value)
            texts = [cells(row) for row in self.known]
            widths = widths_of(texts, (self.room and self.room.value) or WIDEST, self.sort.value)
            self.head.value = markup.monospaced(line({key: head for key, (head, _) in COLUMNS.items()}, widths))
            lines = [(line(cells(row), widths), row["name"]) for row in rows]
            if list(self.list.options) != lines:  # sending the same lines again would undo a selection made meanwhile
                self.updating, selected = True, set(self.list.value)
                self.list.options = lines
                self.list.value = tuple(row["name"] for row in rows if row["name"] in selected)
                self.updating = False
            left_out = ", ".join(head for key, (head, _) in COLUMNS.items() if key in used(texts) and key not in widths)
            more = f"; not shown in a window as narrow as this: {left_out}" if left_out else ""
            self.count.value = markup.note(f"{len(rows)} of {len(self.known)} runs{more}")
            self.on_select()

    def _selected(self, change):
        with self.lock:
            if self.updating:
                return
            if self.list.value != change["new"]:  # the list was shown anew, without this selection, while we waited for the lock
                names = {name for _, name in self.list.options}
                self.list.value = tuple(name for name in change["new"] if name in names)
            else:
                self.on_select()

    def _matches(self, row):
        text = " ".join(map(str, row.values())).lower()
        return all(word in text for word in self.filter.value.lower().split())

    def _key(self, row):
        value = row.get(self.sort.value)
        known = value is not None and value == value  # NaN differs from itself
        return known, value if known else 0, row["name"]


def used(texts):
    """Keys of the columns that have a text in some run, and of those that are always there."""
    return [key for key in COLUMNS if key in ALWAYS or any(text[key] for text in texts)]


def widths_of(texts, widest, kept):
    """{key: characters} of the columns that are shown in lines of `widest` characters, the column `kept` among them.

    Each is as wide as its longest text. Where that is too much, long words are cut; where that is not enough, columns go.
    """
    full = {key: max([len(COLUMNS[key][0]), *(len(text[key]) for text in texts)]) for key in used(texts)}
    least = {key: min(n, SHORTEST) if key in WORDS else n for key, n in full.items()}
    length = lambda widths: sum(widths.values()) + len(widths) - 1
    for key in LEFT_OUT_FIRST:
        if length(least) > widest and key != kept:
            least.pop(key, None)
    widths = {key: full[key] for key in least}
    words = [key for key in WORDS if key in widths]
    while length(widths) > widest and max(map(widths.get, words)) > 1:
        widths[max(words, key=widths.get)] -= 1
    return widths


def line(texts, widths):
    """One text of {key: text}, in columns of these widths."""
    cut = {key: texts[key] if len(texts[key]) <= n else texts[key][: n - 1] + "…" for key, n in widths.items()}
    parts = [cut[key].ljust(n) if key in WORDS else cut[key].rjust(n) for key, n in widths.items()]
    return SPACE.join(parts).replace(" ", SPACE)


def cells(row):
    """{key: text} of a row; "" for unknown values."""
    known = {key: row.get(key) for key in COLUMNS}
    return {
        key: "" if value is None or value != value else " ".join(COLUMNS[key][1](value).split()) for key, value in known.items()
    }
