"""The form of the workbench: the controls that are used most on top, all others in folds, one for each group of the config."""

from ... import datasets
from ...experiments.config import FIELDS, data_options
from .. import markup
from ..controls import DESCRIPTION
from ..form import ConfigForm
from ..toolkit import Folds, make

FIRST = ("learning_rate", "zeta", "epochs")  # always visible


class GroupedForm(ConfigForm):
    """A ConfigForm whose groups are folds, with a field for the path of the user's own file.

    read: config -> Dataset, with which a file is read before anything starts; an owner that keeps data replaces it.
    """

    def __init__(self, names=None, **options):
        self.read = lambda config: datasets.load(config.dataset, **data_options(config))
        self.own = make(
            "Text", "sparselab-own-file", description="or your own file", placeholder="table.csv or arrays.npz",
            tooltip=f"a file that ends in {', '.join(datasets.FILES)}, or in one of these and .gz", continuous_update=False,
            style=DESCRIPTION, layout={"width": "97%"},
        )  # fmt: skip
        self.own_error = make("HTML", "sparselab-own-fault", layout={"margin": "0 0 0 130px"})
        self.own_fault = ""  # why the path in the field cannot be used
        self.own.observe(lambda change: self.use_file(change["new"].strip()), "value")
        super().__init__(names, **options)

    @property
    def faults(self):
        """Those of a ConfigForm, or that of a file that cannot be read. The fold of the first one is opened."""
        found = super().faults or self._unreadable()
        if name := next((name for name in found if name in self.fold_of), None):
            self.folds.selected_index = self.fold_of[name]
        return found

    def load(self, config):
        """Show the values of a config; a path that was typed and not used is forgotten."""
        self.own.value = ""
        super().load(config)

    def use_file(self, path):
        """Read a file and choose it as the dataset; an error is shown beside its path, and nothing starts until it is mended."""
        self._show_own_fault("")
        if not path:
            return
        try:
            self.read(self.config.replace(dataset=checked_file(path)))
        except Exception as error:  # anything can be in the file
            self._show_own_fault(str(error))
        else:
            self.controls["dataset"].write(path)

    def _show_own_fault(self, text):
        self.own_fault, self.own_error.value = text, markup.field_error(text) if text else ""

    def _changed(self, name):
        """Another dataset takes the place of a typed path; another way of reading files reads it again."""
        path = self.own.value.strip()
        if name == "dataset" and path != self.controls["dataset"].input.value:
            self.own.value = ""
        elif name != "dataset" and path and FIELDS[name].metadata["group"] == "data":
            self.use_file(path)
        super()._changed(name)

    def _unreadable(self):
        """{"dataset": why the typed or chosen file cannot be read}, or {}."""
        if self.own_fault:
            return {"dataset": f"your own file cannot be used; empty its field or mend it: {self.own_fault}"}
        try:
            config = self.config
            if datasets.is_file(config.dataset):
                self.read(config)
        except Exception as error:
            if "dataset" in self.controls:
                self.controls["dataset"].show_error(str(error))
            return {"dataset": str(error)}
        return {}

    def _rows(self):
        yield from (self.controls[name].widget for name in FIRST if name in self.controls)
        groups, self.fold_of = {}, {}
        for name, control in self.controls.items():
            if name not in FIRST:
                group = FIELDS[name].metadata["group"]
                groups.setdefault(group, []).append(control.widget)
                self.fold_of[name] = list(groups).index(group)
                if name == "dataset":
                    groups[group] += [self.own, self.own_error]
        pages = {title.capitalize(): make("VBox", children=widgets) for title, widgets in groups.items()}
        self.folds = Folds(pages, "sparselab-groups", opened=0)
        yield self.folds.widget


def checked_file(path):
    """A path that ends like a data file; ValueError for another one."""
    if not datasets.is_file(path):
        raise ValueError(f"file = {path!r}: must end with {', '.join(datasets.FILES)}, after which .gz may follow")
    return path
