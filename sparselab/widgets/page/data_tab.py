"""The tab Data: choose a file, see what is in it and what is made of it, choose something else where that is wrong, start."""

import itertools
import re
from pathlib import Path, PurePath

import numpy as np

from ... import datasets
from ...datasets import inspection
from ...experiments.config import DECIMALS, FIELDS, HEADERS, SEPARATORS, columns_text
from ...utils import files
from .. import markup
from ..controls import DESCRIPTION, Control
from ..pictures.picture import in_browser
from ..screen import button
from ..toolkit import guarded, make
from .grouped_form import checked_file

LAYOUT = {"separator": SEPARATORS, "header": HEADERS, "decimal": DECIMALS}  # fields of the config, what their values mean
FIELDS_OF_FILES = ("target", "columns", "missing", "task", *LAYOUT)
SHOWN_COLUMNS, SHOWN_CLASSES, SHOWN_REASONS, SHOWN_CELL = 12, 10, 60, 24  # in tables; characters of a cell
SEPARATOR_NAMES = {"\t": "tabs", r"\s+": "white space", ";": "semicolons", ",": "commas", "|": "bars"}


class DataTab:
    """train: the TrainTab in whose form the choices are put. folder: where uploaded files are kept.

    on_start: called when a training has started. table: the Inspection of the chosen file, or None.
    """

    def __init__(self, train, folder, on_start=lambda: None):
        self.train, self.folder, self.on_start = train, Path(folder), on_start
        self.path, self.table, self.found, self.updating = "", None, None, False
        self.upload = make(
            "FileUpload", "sparselab-upload", description="choose a file", multiple=False, layout={"width": "150px"},
            accept=",".join([*datasets.FILES, ".gz", ".bz2", ".xz"]),
            tooltip="or drop one here: a copy is kept beside the runs; of files larger than 10 MB, type the path",
        )  # fmt: skip
        self.own = make(
            "Text", "sparselab-data-file", description="or its path", placeholder="table.csv", continuous_update=False,
            tooltip=f"a file that ends in {', '.join(datasets.FILES)}, or in one of these and .gz", layout={"width": "440px"},
            style={"description_width": "75px"},
        )  # fmt: skip
        self.start_button = button("Start", "play", "train on these data with the settings of Train", css="sparselab-data-start")
        self.message, self.about, self.classes, self.warnings, self.left_out, self.rows = (
            make("HTML", f"sparselab-data-{name}") for name in ("message", "about", "classes", "warnings", "left-out", "rows")
        )
        self.faults = {name: make("HTML", f"sparselab-data-fault-{name}") for name in ("file", "target", "features")}
        self.controls = {name: Control(name, FIELDS[name].default) for name in ("task", *LAYOUT)}
        self.target = make(
            "Dropdown", "sparselab-data-target", options=[], description="target", style=DESCRIPTION, layout={"width": "97%"},
            tooltip="the column that is to be told from the others",
        )  # fmt: skip
        self.features = make(
            "SelectMultiple", "sparselab-data-features", options=[], value=(), description="features", style=DESCRIPTION,
            layout={"width": "97%", "height": "150px"}, tooltip="a click with Ctrl or Shift chooses several",
        )  # fmt: skip
        self.widget = self._arranged()
        self._show({})
        self._connect()

    @property
    def settings(self):
        """{field of the config: value} of what was chosen."""
        chosen = {name: self.controls[name].read() for name in ("task", *LAYOUT)}
        settings = {name: FIELDS[name].default for name in FIELDS_OF_FILES} | {"dataset": self.path, "task": chosen["task"]}
        if self.table is None:
            return settings
        target, features, names = self.target.value, sorted(self.features.value), self.table.names
        whole = len(features) == len(names) - 1 and not self.table.table.has_index
        return settings | chosen | {
            "target": columns_text([target], names), "columns": "" if whole else columns_text(features, names),
            "missing": "drop" if self.found.dropped else "refuse",
        }  # fmt: skip

    def open(self, path):
        """Look into a file; what is wrong with it is shown beside its path."""
        self.path, self.table, self.found = "", None, None
        if path:
            try:
                if inspection.is_table(checked_file(path)):
                    options = {name: LAYOUT[name].get(value, value) for name, value in self._layout().items()}
                    self.table = inspection.inspect(path, **options)
                self.path = path
            except Exception as error:  # anything can be in the file
                return self._show({"file": str(error)})
        if self.table is None:
            return self._show_arrays()
        columns = self.table.columns
        self._write(self.target, [(name_of(one), one.place) for one in columns], self.table.guess)
        return self._choose_target()

    def start(self):
        """Put the choices into the form of Train and start; False, and a message, where something is wrong."""
        self.message.value = ""
        try:
            if not self.path or any(one.value for one in self.faults.values()):
                raise ValueError("nothing starts before a file is chosen and what is said beside the fields is mended")
            self.train.check_idle()
            config = self.train.form.config.replace(**self.settings)
            self.train.form.read(config)
            self.train.form.load(config)
            if not self.train.start():
                raise ValueError("nothing started: the tab Train says why")
        except Exception as error:  # anything can be in the file
            self.message.value = markup.error_message(str(error))
            return False
        self.on_start()
        return True

    def _layout(self):
        return {name: self.controls[name].read() for name in LAYOUT}

    def _keep(self, uploaded):
        """Keep an uploaded file in the folder, and look into it."""
        for one in uploaded:
            path = str(kept_file(self.folder, one["name"], bytes(one["content"])))
            if self.own.value == path:
                self.open(path)
            self.own.value = path

    def _choose_target(self):
        """Features and task that fit the chosen target."""
        table, target = self.table, self.target.value
        usable = [one for one in table.columns if one.usable and one.place != target]
        self._write(self.features, [(described(one), one.place) for one in usable], tuple(table.features_of(target)))
        self._write(self.controls["task"].input, None, table.task_of(target))
        self._show_choice()

    def _show_choice(self):
        """What the choice of target, features and task means."""
        if self.table is None:
            return self._show_arrays()
        table, target, features = self.table, self.target.value, list(self.features.value)
        self.found = found = table.check(target, features, self.controls["task"].read())
        layout = table.table.layout
        written = "" if layout is None else f"; cells between {SEPARATOR_NAMES.get(layout.separator, repr(layout.separator))}"
        written += "" if layout is None or layout.decimal == "." else ", decimal comma"
        written += "" if layout is None or layout.names else ", no names of columns"
        self.about.value = markup.note(f"{table.n_rows:,} rows, {len(table.names):,} columns{written}")
        self.classes.value = classes_table(found.classes)
        said = [*table.said, *found.warnings]
        self.warnings.value = said and markup.heading("warnings") + markup.items(said) or ""
        reasons = [(name_of(one), one.left_out or "not chosen") for one in table.columns if one.place not in (target, *features)]
        more = [("…", f"{len(reasons) - SHOWN_REASONS:,} more")] if len(reasons) > SHOWN_REASONS else []
        self.left_out.value = markup.table([*reasons[:SHOWN_REASONS], *more], ("left out", "why")) if reasons else ""
        self.rows.value = rows_table(table, target, features)
        return self._show(found.faults)

    def _show_arrays(self):
        """What is in a file that has no columns to choose from, such as .npz, or nothing without a file."""
        for one in (self.about, self.classes, self.warnings, self.left_out, self.rows):
            one.value = ""
        if self.path:
            try:
                data = self.train.form.read(self.train.form.config.replace(**self.settings))
            except Exception as error:
                return self._show({"file": str(error)})
            said = f"{data.n_train:,} + {data.n_test:,} rows (training and test), {data.n_features:,} features"
            self.about.value = markup.note(said)
            if data.classes is not None:
                rows = np.bincount(data.y_train, minlength=len(data.classes))
                order = np.argsort(-rows, kind="stable")
                self.classes.value = classes_table([(str(data.classes[i]), int(rows[i])) for i in order])
        return self._show({})

    def _show(self, faults):
        """Errors beside their fields, and only the fields that mean something."""
        for name, one in self.faults.items():
            one.value = markup.field_error(faults.get(name, ""))
        self.message.value, self.start_button.disabled = "", not self.path or bool(faults)
        if "file" in faults:
            for one in (self.about, self.classes, self.warnings, self.left_out, self.rows):
                one.value = ""
        self.columns.layout.display = "none" if self.table is None else ""
        self.controls["task"].widget.layout.display = "" if self.path else "none"
        is_text = bool(self.own.value) and inspection.is_table(self.own.value)
        self.written.layout.display = "" if is_text and not self.own.value.endswith(".arff") else "none"

    def _write(self, widget, options, value):
        """Show options, unless they are None, and a value, without acting as if the user had chosen it."""
        self.updating = True
        try:
            if options is not None:
                widget.options = options
            widget.value = value
        finally:
            self.updating = False

    def _arranged(self):
        self.written = make("VBox", children=[self.controls[name].widget for name in LAYOUT])
        self.columns = make("VBox", children=[self.target, self.faults["target"], self.features, self.faults["features"]])
        head = make("HBox", children=[self.upload, self.own, self.start_button])
        left = make(
            "VBox", children=[self.columns, self.controls["task"].widget, self.written],
            layout={"flex": "0 0 400px", "width": "400px"},
        )  # fmt: skip
        layout = {"flex": "1 1 380px", "max_height": "440px"}
        right = make("VBox", "sparselab-scroll", children=[self.warnings, self.classes, self.left_out], layout=layout)
        below = make("VBox", "sparselab-scroll", children=[self.rows])
        take = lambda name, content: guarded(self.message, self._keep, [{"name": name, "content": content}])
        dropped = [make("Dropped", take=take)] if in_browser() else []
        rows = [head, self.faults["file"], self.message, self.about, make("HBox", children=[left, right]), below, *dropped]
        return make("VBox", "sparselab-panel", "sparselab-data", children=rows)

    def _connect(self):
        """Connect widgets with actions; an exception in a callback is shown in the message."""

        def when_chosen(widget, action):
            act = lambda change: None if self.updating else guarded(self.message, action)
            widget.observe(act, "value")

        when_chosen(self.upload, lambda: self._keep(self.upload.value))
        when_chosen(self.own, lambda: self.open(self.own.value.strip()))
        when_chosen(self.target, self._choose_target)
        for widget in (self.features, self.controls["task"].input):
            when_chosen(widget, self._show_choice)
        for name in LAYOUT:
            when_chosen(self.controls[name].input, lambda: self.open(self.own.value.strip()))
        self.start_button.on_click(lambda _: guarded(self.message, self.start))


def kept_file(folder, name, content):
    """Write an uploaded file into a folder, beside another one of this name; returns its path."""
    name = re.sub(r"[^\w.()-]", "_", PurePath(name.replace("\\", "/")).name)[-100:].lstrip(".") or "file"
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = folder / (name if number == 1 else f"{number}-{name}")
        if not path.exists():
            files.write_whole(path, content)
            return path
        if path.is_file() and path.read_bytes() == content:
            return path


def name_of(column):
    """The name of a Column, of which some have none."""
    return column.name or "(no name)"


def described(column):
    """A Column as a line to choose."""
    missing = f", {column.missing:.1%} missing" if column.missing else ""
    return f"{name_of(column)}: {column.kind}, {column.n_values:,} different{missing}"


def classes_table(classes):
    """HTML: classes with their rows and shares."""
    n = sum(rows for _, rows in classes)
    shown = [(label, f"{rows:,}", f"{rows / n:.1%}") for label, rows in classes[:SHOWN_CLASSES]]
    more = [("…", f"{len(classes) - SHOWN_CLASSES:,} more", "")] if len(classes) > SHOWN_CLASSES else []
    return markup.table([*shown, *more], ("class", "rows", "share")) if classes else ""


def rows_table(table, target, features):
    """HTML: the first rows of an Inspection, and what each column is; the target comes first."""
    places = [target, *(one.place for one in table.columns if one.place != target)]
    more = ["…"] if len(places) > SHOWN_COLUMNS else []
    places = places[:SHOWN_COLUMNS]
    role = lambda place: "target" if place == target else "feature" if place in features else "left out"
    cell = lambda row, place: row[place][:SHOWN_CELL] if place < len(row) else ""
    head = [name_of(table.columns[place])[:SHOWN_CELL] for place in places] + more
    rows = [[cell(row, place) for place in places] + more for row in table.first]
    return markup.table([[role(place) for place in places] + more, *rows], head)
