"""The form of the workbench: what is moved most on top, everything else in one fold a group of the config."""

from ... import datasets
from ...experiments.config import FIELDS
from .. import markup
from ..controls import NAMED
from ..form import ConfigForm
from ..toolkit import make

FIRST = ("learning_rate", "zeta", "epochs")  # seen without opening anything


class GroupedForm(ConfigForm):
    """A ConfigForm whose groups are folds, with a place for the path of one's own file.

    read: name -> Dataset, by which a file is tried before anything starts; whoever has the data sets it.
    """

    def __init__(self, names=None, **options):
        self.read = datasets.load
        self.own = make(
            "Text", description="or your own file", placeholder="table.csv or arrays.npz", continuous_update=False, style=NAMED,
            tooltip="a .csv whose last column is the target, or an .npz of X and y", layout={"width": "97%"},
        ).add_class("sparselab-own-file")  # fmt: skip
        self.own_fault = make("HTML", value="", layout={"margin": "0 0 0 130px"}).add_class("sparselab-own-fault")
        self.own.observe(lambda change: self.use_file(change["new"].strip()), "value")
        super().__init__(names, **options)

    @property
    def faults(self):
        """Those of a ConfigForm; a file that cannot be read is one, too. The fold of the first one opens."""
        found = super().faults or self._unread()
        if name := next((name for name in found if name in self.places), None):
            self.folds.selected_index = self.places[name]
        return found

    def use_file(self, path):
        """Read a file of one's own and choose it as the dataset; what is wrong with it stands beside its path."""
        self.own_fault.value = ""
        if not path:
            return
        try:
            if not datasets.is_file(path):
                raise ValueError(f"file = {path!r}: must end with {' or '.join(datasets.FILES)}")
            self.read(path)
        except Exception as error:  # of whatever is in the file
            self.own_fault.value = markup.fault(str(error))
            return
        self.controls["dataset"].write(path)

    def _unread(self):
        """{"dataset": why the file that is chosen cannot be read}, or {}."""
        name = self.config.dataset
        try:
            if datasets.is_file(name):
                self.read(name)
        except Exception as error:
            return (
                {"dataset": self.controls["dataset"].show(str(error))} if "dataset" in self.controls else {"dataset": str(error)}
            )
        return {}

    def _rows(self):
        yield from (self.controls[name].widget for name in FIRST if name in self.controls)
        groups, self.places = {}, {}
        for name, control in self.controls.items():
            if name not in FIRST:
                group = FIELDS[name].metadata["group"]
                groups.setdefault(group, []).append(control.widget)
                self.places[name] = list(groups).index(group)
                if name == "dataset":
                    groups[group] += [self.own, self.own_fault]
        pages = [make("VBox", children=widgets) for widgets in groups.values()]
        self.folds = make("Accordion", children=pages, selected_index=0).add_class("sparselab-groups")
        self.folds.titles = [title.capitalize() for title in groups]
        yield self.folds
