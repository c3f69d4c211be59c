"""What a sweep shall vary: some fields of the config with values to combine (grid), or with ranges to draw from (random)."""

import dataclasses
import re

from ...experiments import sweep
from ...experiments.config import FIELDS, ExperimentConfig
from ...experiments.random_search import random_configs
from ...utils import checks
from .. import markup
from ..controls import widths
from ..toolkit import make

ROWS = 3  # fields that can be varied at once
NONE = "—"
SHORT = {"style": {"description_width": "60px"}, "layout": {"width": "148px"}}
HINTS = {"grid": "values: 0.1, 0.3, 0.5   (widths: 100-50; 300)", "random": "from … to: 0.001 … 0.1, or values to choose among"}


class SweepForm:
    """`space` gives {field: [values]} or, for random, {field: (low, high) or [values]}; ValueError beside the row it is about."""

    def __init__(self):
        self.kind = make("ToggleButtons", options=["grid", "random"], value="grid", style={"button_width": "80px"})
        self.draws = make("IntText", value=8, description="draws", **SHORT)
        self.seeds = make("Text", value="2", description="seeds", **SHORT, tooltip="how many, or 0, 3, 7")
        self.jobs = make("IntText", value=1, description="at once", **SHORT, tooltip="runs at the same time")
        self.epochs = make("IntText", value=5, description="epochs", **SHORT)
        self.rows = [Row(number) for number in range(ROWS)]
        self.hint = make("HTML", value="")
        self.kind.observe(lambda change: self._follow(), "value")
        self._follow()
        first, second = make("HBox", children=[self.seeds, self.epochs]), make("HBox", children=[self.jobs, self.draws])
        parts = [self.kind, self.hint, *(row.widget for row in self.rows), first, second]
        self.widget = make("VBox", children=parts)

    def _follow(self):
        """Only what counts for this kind is there."""
        self.draws.layout.display = "" if self.kind.value == "random" else "none"
        self.hint.value = markup.note(HINTS[self.kind.value])

    @property
    def space(self):
        """{field: values} of the rows in use."""
        found = {}
        for row in self.rows:
            row.show("")
            if row.field.value == NONE:
                continue
            try:
                found[row.field.value] = row.read(self.kind.value)
            except (TypeError, ValueError) as error:
                row.show(str(error))
                raise ValueError(str(error)) from None
        return found

    def configs(self, base):
        """{label: config} of all combinations, or of the draws; without any row the base alone."""
        space = self.space
        if not space:
            return {"all": base}
        if self.kind.value == "random":
            return random_configs(space, base, self.draws.value)
        return sweep.configs_of(space, dataclasses.asdict(base))

    @property
    def chosen_seeds(self):
        """How many seeds, or a list of them."""
        numbers = [int(part) if re.fullmatch(r"\d+", part.strip()) else part for part in self.seeds.value.split(",")]
        return numbers[0] if len(numbers) == 1 else numbers


class Row:
    """One field, its values as text, and what is wrong with them."""

    def __init__(self, number):
        start = {0: ("epsilon", "5, 20"), 1: (NONE, "")}.get(number, (NONE, ""))
        names = [(field.metadata["label"], name) for name, field in FIELDS.items() if name not in ("seed", "epochs")]
        self.field = make("Dropdown", options=[(NONE, NONE), *names], value=start[0], layout={"width": "135px"})
        self.values = make("Text", value=start[1], placeholder="values", continuous_update=False, layout={"width": "165px"})
        self.fault = make("HTML", value="")
        line = make("HBox", children=[self.field, self.values.add_class(f"sparselab-values-{number}")])
        self.widget = make("VBox", children=[line, self.fault.add_class(f"sparselab-values-fault-{number}")])

    def show(self, text):
        """What is wrong, "" for nothing."""
        self.fault.value = markup.fault(text) if text else ""

    def read(self, kind):
        """The values of a grid; for random a pair of bounds where it is written with … or .."""
        name, text = self.field.value, self.values.value.strip()
        ends = re.split(r"\s*(?:…|\.\.\.?)\s*", text)
        if kind == "random" and len(ends) == 2:
            return tuple(value_of(name, end) for end in ends)
        parts = [part.strip() for part in text.split(";" if FIELDS[name].type is tuple else ",")]
        if not any(parts):
            checks.fail(name, text, "at least one value")
        return [value_of(name, part) for part in parts]


def value_of(name, text):
    """A typed value of this field; TypeError or ValueError where no config can have it."""
    return getattr(ExperimentConfig().replace(**{name: typed(FIELDS[name].type, text)}), name)


def typed(kind, text):
    """The text in the type of its field, or as it is where it has none: the config says what is allowed."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind is tuple:
        return widths(text)
    try:
        return kind(text)
    except ValueError:
        return text
